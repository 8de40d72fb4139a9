from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.misreadings import EvidenceFile, Misreading, judge, parse_statements, select

DOCUMENT = {
    "status": "ALL_BLOCKED",
    "sign_ins": {"events": 4, "by_outcome": {"REJECTED": 4}, "rate": None},
    "accounts": [
        {"account": "a@b.example", "verdict": "TARGETED", "homes": ["AU", "NZ"], "success": 0},
        {"account": "c@b.example", "verdict": "NO_INDICATION", "homes": [], "success": 7},
    ],
    "not_tested": ["token replay", "the owner's device"],
    "detail": {"no forwarding, or so": 3},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("status", ["ALL_BLOCKED"]),
        ("sign_ins.by_outcome.REJECTED", [4]),
        ("accounts.success", [0, 7]),
        ("accounts[account=c@b.example].success", [7]),
        ("accounts[account=c@b.example][verdict=TARGETED].success", []),
        ("accounts.homes", ["AU", "NZ"]),
        ("detail.no forwarding, or so", [3]),
        ("status.nothing", []),
        ("nobody", []),
        ("not_tested[account=x]", []),
    ],
)
def test_a_path_leads_through_lists_and_picks_their_elements(path: str, found: list[object]) -> None:
    assert select(DOCUMENT, path) == found


@pytest.mark.parametrize(
    ("statement", "holds"),
    [
        ({"at": "status", "equals": "ALL_BLOCKED"}, True),
        ({"at": "status", "equals": "OTHER"}, False),
        ({"at": "nobody", "equals": None}, True),
        ({"at": "sign_ins.rate", "equals": None}, True),
        ({"at": "status", "equals": None}, False),
        ({"at": "status", "not_equals": "OTHER"}, True),
        ({"at": "accounts.verdict", "not_equals": "TARGETED"}, False),
        ({"at": "nobody", "not_equals": "OTHER"}, False),
        ({"at": "not_tested", "contains": "replay"}, True),
        ({"at": "not_tested", "contains": "password"}, False),
        ({"at": "accounts.success", "contains": "7"}, False),
        ({"at": "accounts.success", "at_least": 7}, True),
        ({"at": "accounts.success", "at_least": 8}, False),
        ({"at": "accounts.success", "at_most": 0}, True),
        ({"at": "sign_ins.rate", "at_most": 1}, False),
        ({"at": "accounts", "number": 2}, True),
        ({"at": "accounts[verdict=SUSPICIOUS]", "number": 0}, True),
        ({"at": "accounts", "number": 1}, False),
    ],
)
def test_a_statement_holds_where_one_of_the_values_fits(statement: dict[str, object], holds: bool) -> None:
    (one,) = parse_statements([statement], "here")
    assert one.holds(DOCUMENT) is holds


@pytest.mark.parametrize(
    "wrong",
    ["status", {"at": "status"}, {"equals": 1}, {"at": "status", "is": 1}, {"at": "a", "equals": 1, "contains": "b"}],
)
def test_a_statement_that_is_written_otherwise_is_refused(wrong: object) -> None:
    with pytest.raises(BadInput, match=r"here: .* is no statement; give `at` and one of equals, not_equals"):
        parse_statements([wrong], "here")


@pytest.mark.parametrize("path", ["", "a.", ".a", "a[b", "a]b", "a[b=c]d", "a..b"])
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(BadInput, match="cannot be read; write it like"):
        parse_statements([{"at": path, "equals": 1}], "here")


def case(expect: list[dict[str, object]], never: list[dict[str, object]]) -> Misreading:
    return Misreading(
        "M00",
        "A case",
        "wrong",
        "right",
        "check",
        "source",
        (EvidenceFile("a.csv", "a"),),
        "",
        parse_statements(expect, "here"),
        parse_statements(never, "here"),
    )


def test_a_document_that_says_all_that_is_expected_and_nothing_that_is_not_is_right() -> None:
    found = judge(
        case([{"at": "sign_ins.events", "equals": 4}], [{"at": "status", "equals": "BREACH_INDICATED"}]), DOCUMENT
    )
    assert (found.id, found.title, found.right, found.why) == ("M00", "A case", True, ())


def test_what_is_said_otherwise_is_told_in_sentences() -> None:
    expect: list[dict[str, object]] = [
        {"at": "status", "equals": "CANNOT_CONCLUDE"},
        {"at": "leads.kind", "contains": "A"},
        {"at": "many", "equals": 0},
    ]
    body = {**DOCUMENT, "many": [1, 2, 3, 4, 5, None]}
    found = judge(case(expect, [{"at": "status", "equals": "ALL_BLOCKED"}]), body)
    assert not found.right
    assert found.why == (
        "Expected that `status` is `CANNOT_CONCLUDE`; found `ALL_BLOCKED`.",
        "Expected that `leads.kind` contains `A`; found nothing.",
        "Expected that `many` is `0`; found `1`, `2`, `3`, `4`, `5` and 1 more.",
        "The wrong reading is made: `status` is `ALL_BLOCKED`.",
    )


NAMES = st.text("abc_ 1", min_size=1, max_size=3)
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text("xyz", max_size=3)
DOCUMENTS = st.dictionaries(
    NAMES,
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)),
    max_size=4,
)


def paths(value: Any, above: str = "") -> Iterator[str]:
    """Every path of names through a document."""
    if isinstance(value, dict):
        for name, inner in value.items():
            path = f"{above}.{name}" if above else name
            yield path
            yield from paths(inner, path)


@given(DOCUMENTS)
def test_a_statement_of_what_stands_at_a_path_holds(document: dict[str, Any]) -> None:
    for path in paths(document):
        found = select(document, path)
        says = [{"at": path, "equals": value} for value in found] + [{"at": path, "number": len(found)}]
        assert all(one.holds(document) for one in parse_statements(says, "here"))
