from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.registry import Registry, StatusCode
from m365dq_dagster.core.code_changes import Asked, ChangeState, CodeKey
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages.code_changes import CodeDesk
from m365dq_dagster.stages.codes import listing
from m365dq_dagster.stages.decisions import DecisionRow, carry_out, decisions_text
from tests.support.case_runs import shipped_pack

ALICE, BOB = Person("alice"), Person("bob")
PLACE = ("sign_in_logs", "status_error_code")
ROW = DecisionRow(
    *(*PLACE, "999999", "bad_credentials", "", "", "WARNING", "A thing"),
    source="a page",
    evidence="=HYPERLINK(1)",
    decision="approve",
)
KNOWN = StatusCode(
    *(*PLACE, "50126", "wrong password", Severity.WARNING),
    category="bad_credentials",
    outcome="failure",
    first_factor="rejected",
)
SHIPPED = replace(KNOWN, value="530031", state="PENDING", meaning="blocked", category="password_correct_blocked")

Carry = Callable[..., dict[str, Any]]


@pytest.fixture
def carry(registry: Registry, now: datetime, tmp_path: Path) -> Carry:
    """Carries out decisions on a reference of two rows."""
    registry.load_status_codes([KNOWN, SHIPPED], now)

    def run(*rows: DecisionRow | str, who: Person = ALICE, **given: Any) -> dict[str, Any]:
        path = tmp_path / "decisions.csv"
        text = rows[0] if isinstance(rows[0], str) else decisions_text(r for r in rows if isinstance(r, DecisionRow))
        path.write_text(text)
        return carry_out(desk(registry, who, now), path, **given)

    return run


def desk(registry: Registry, who: Person, now: datetime) -> CodeDesk:
    return CodeDesk(registry, shipped_pack(), who, now)


def results(done: dict[str, Any]) -> list[str]:
    return [row["result"] for row in done["lines"]]


def states(registry: Registry, value: str) -> set[str]:
    return {row["state"] for row in listing(registry, value)}


def test_a_value_that_nobody_proposed_is_proposed_and_approved_in_one_step(carry: Carry, registry: Registry) -> None:
    registry.record_sightings("c", [(*PLACE, "999999", 1, None, None)], desk(registry, ALICE, NOW).now)
    done = carry(ROW)
    assert (done["approved"], done["rejected"], done["left"], done["needs_second_person"]) == (1, 0, 0, 0)
    assert done["lines"][0]["change"] == 1
    assert done["cases"] == ["c"]
    assert states(registry, "999999") == {"ACTIVE"}
    (change,) = registry.code_changes()
    assert (change.proposer, change.decider, change.after.sources) == (ALICE, ALICE, "a page")
    assert registry.audit_entries()[-1].detail["file"].startswith("decisions.csv sha256:")


def test_lines_without_a_decision_are_left(carry: Carry, registry: Registry) -> None:
    assert results(carry(replace(ROW, decision=""))) == ["LEFT"]
    assert registry.code_changes() == []


def test_what_waits_is_approved_as_it_was_proposed(carry: Carry, registry: Registry, now: datetime) -> None:
    proposed = Asked(CodeKey(*PLACE, "999999"), "bad_credentials", "WARNING", "A thing")
    desk(registry, BOB, now).propose(proposed)
    assert results(carry(replace(ROW, meaning="a  THING", category=""))) == ["APPROVED"]
    (change,) = registry.code_changes()
    assert (change.proposer, change.decider) == (BOB, ALICE)


def test_a_line_that_says_otherwise_takes_the_place_of_what_waits(
    carry: Carry, registry: Registry, now: datetime
) -> None:
    guess = Asked(CodeKey(*PLACE, "999999"), "unknown", "WARNING", "Not described")
    desk(registry, BOB, now).propose(guess)
    edited = replace(ROW, category="bad_credentials", outcome="failure", first_factor="unknown", meaning="")
    done = carry(edited)
    assert (results(done), done["lines"][0]["note"], done["lines"][0]["change"]) == (
        ["APPROVED"],
        "in place of change 1; ",
        2,
    )
    first, second = registry.code_changes()
    assert (first.state, first.decider) == (ChangeState.REJECTED, ALICE)
    assert "takes the place of this change" in str(first.decision_reason)
    assert (second.after.first_factor, second.after.meaning) == ("rejected", "Not described")
    assert {row["category"] for row in listing(registry, "999999")} == {"bad_credentials"}


def test_a_critical_line_in_place_of_what_waits_needs_a_second_person_as_well(
    carry: Carry, registry: Registry, now: datetime
) -> None:
    desk(registry, BOB, now).propose(Asked(CodeKey(*PLACE, "999999"), "unknown", "WARNING", "Not described"))
    done = carry(replace(ROW, severity="CRITICAL"))
    assert results(done) == ["NEEDS_SECOND_PERSON"]
    assert done["lines"][0]["note"].startswith("in place of change 1; it waits, as another user of this machine:")
    assert [change.state for change in registry.code_changes()] == [ChangeState.REJECTED, ChangeState.PENDING]


def test_what_waits_is_rejected_whatever_else_the_line_says(carry: Carry, registry: Registry, now: datetime) -> None:
    desk(registry, BOB, now).propose(Asked(CodeKey(*PLACE, "999999"), "unknown", "WARNING", "Not described"))
    assert results(carry(replace(ROW, decision="reject", reason="no"))) == ["REJECTED"]
    assert len(registry.code_changes()) == 1


def test_what_ships_as_pending_is_decided_by_a_line_that_says_the_same_or_nothing(
    carry: Carry, registry: Registry
) -> None:
    bare = DecisionRow(*PLACE, "530031", decision="approve")
    assert results(carry(bare)) == ["APPROVED"]
    assert registry.code_changes()[0].proposer.user == "rule pack"
    assert states(registry, "530031") == {"ACTIVE"}


def test_a_line_may_say_otherwise_of_what_ships_as_pending(carry: Carry, registry: Registry) -> None:
    row = replace(ROW, code_value="530031", category="interrupt", meaning="an interrupt")
    assert results(carry(row)) == ["APPROVED"]
    (change,) = registry.code_changes()
    assert (change.proposer, change.after.category) == (ALICE, "interrupt")


def test_rejections_need_a_reason_and_take_that_of_the_command(carry: Carry, registry: Registry) -> None:
    no = replace(ROW, decision="Rejected")
    with pytest.raises(BadInput, match="line 2: To reject a change needs a reason"):
        carry(no)
    done = carry(no, reason="noise")
    assert results(done) == ["REJECTED"]
    assert registry.code_changes()[0].decision_reason == "noise"
    assert states(registry, "999999") == {"REJECTED"}
    bare = DecisionRow(*PLACE, "888888", decision="reject", reason="noise")
    assert carry(bare)["lines"][0]["note"] == "nothing waits for it; it stays as it is"
    assert results(carry(replace(bare, code_value="530031"))) == ["REJECTED"]


def test_critical_lines_are_proposed_and_wait_for_a_second_person(carry: Carry, registry: Registry) -> None:
    critical = replace(ROW, severity="CRITICAL", reason="looked up")
    changed = replace(ROW, code_value="50126", category="success", reason="looked up")
    done = carry(critical, changed)
    assert results(done) == ["NEEDS_SECOND_PERSON"] * 2
    assert "m365dq codes approve sign_in_logs status_error_code 999999 --reason TEXT" in done["lines"][0]["note"]
    assert [change.state for change in registry.code_changes()] == [ChangeState.PENDING] * 2
    again = carry(critical)
    assert (again["needs_second_person"], again["lines"][0]["note"]) == (1, "change 1 is your own proposal")
    with pytest.raises(BadInput, match="line 2: To approve a critical change needs a reason"):
        carry(replace(critical, reason=""), who=BOB)
    assert carry(critical, changed, who=BOB)["approved"] == 2
    assert states(registry, "999999") == {"ACTIVE"}
    assert {row["category"] for row in listing(registry, "50126")} == {"success"}


def test_a_critical_line_may_be_rejected_by_anybody(carry: Carry) -> None:
    assert results(carry(replace(ROW, severity="CRITICAL", decision="reject", reason="no"))) == ["REJECTED"]


def test_the_reject_command_leaves_what_a_file_approves(carry: Carry, registry: Registry) -> None:
    no = replace(ROW, code_value="888888", decision="reject", reason="no")
    done = carry(ROW, no, only=ChangeState.REJECTED)
    assert results(done) == ["LEFT", "REJECTED"]
    assert states(registry, "999999") == set()


def test_what_is_in_force_already_is_left(carry: Carry) -> None:
    same = replace(ROW, code_value="50126", meaning="wrong password")
    assert carry(same)["lines"][0]["note"] == "in force with just these values already"
    assert results(carry(same, replace(ROW, code_value="530031", category="", severity="", meaning=""))) == [
        "LEFT",
        "APPROVED",
    ]
    no = replace(same, decision="reject", reason="no", source="")
    assert carry(no)["lines"][0]["note"] == "what the line says is in force"


def test_a_file_that_is_carried_out_again_changes_nothing(carry: Carry, registry: Registry) -> None:
    rows = [ROW, DecisionRow(*PLACE, "530031", decision="approve")]
    assert results(carry(*rows)) == ["APPROVED"] * 2
    before = registry.code_changes()
    assert results(carry(*rows)) == ["LEFT"] * 2
    assert registry.code_changes() == before


def test_one_value_in_two_places_is_decided_once(carry: Carry, registry: Registry) -> None:
    twin = replace(ROW, log_type="unified_audit_log", field_name="error_number")
    done = carry(ROW, twin)
    assert results(done) == ["APPROVED", "LEFT"]
    assert done["lines"][1]["note"] == "the same as line 2"
    with pytest.raises(BadInput, match=r"line 3: .* is decided otherwise in line 2; keep one of the two"):
        carry(replace(ROW, code_value="888888"), replace(twin, code_value="888888", decision="reject", reason="no"))
    assert len(registry.code_changes()) == 1


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (replace(ROW, decision="perhaps"), "decision is 'perhaps'; write approve or reject, or leave it blank"),
        (replace(ROW, code_value="9.99E+05"), "is no Entra code"),
        (replace(ROW, log_type=""), "There is no log type ''"),
        (replace(ROW, code_value="888888", category="nonsense"), "'nonsense' is no category"),
        (
            replace(ROW, code_value="888888", category=""),
            "is not proposed yet; give its category, severity and meaning",
        ),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_done(
    carry: Carry, registry: Registry, row: DecisionRow, why: str
) -> None:
    with pytest.raises(BadInput, match=r"^decisions.csv, line 3: ") as caught:
        carry(ROW, row, replace(row, code_value="9.99E+05"))
    assert why in str(caught.value)
    assert str(caught.value).endswith(" Nothing was done. More is wrong in line 4.")
    assert registry.code_changes() == []


def test_many_wrong_lines_are_named_up_to_a_bound(carry: Carry) -> None:
    with pytest.raises(BadInput, match="in line 3, 4, 5, 6, 7, 8, 9, 10, 11 and others"):
        carry(*[replace(ROW, decision="?")] * 12)


def test_a_file_with_another_header_is_refused(carry: Carry) -> None:
    with pytest.raises(BadInput, match="the column 'code_value' is missing"):
        carry("log_type,field_name,decision\na,b,approve\n")


def test_a_broken_line_of_the_file_is_named(carry: Carry, registry: Registry) -> None:
    with pytest.raises(BadInput, match=r"line 3: it has 13 cells where the header names 12 columns\. Nothing was done"):
        carry(decisions_text([ROW]) + ",".join(["x"] * 13) + "\n")
    assert registry.code_changes() == []


def test_the_file_is_safe_in_a_spreadsheet_and_read_back_with_its_separators(carry: Carry, registry: Registry) -> None:
    text = decisions_text([ROW])
    assert "'=HYPERLINK(1)" in text
    assert results(carry("\ufeff" + text.replace(",", ";"))) == ["APPROVED"]


NOW = datetime.fromisoformat("2026-03-02T09:30:00+00:00")
