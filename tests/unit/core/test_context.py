from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.context import (
    CaseContext,
    Travel,
    case_id_from_folder,
    countries,
    parse_context,
    valid_case_id,
)
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import DateOrder

FULL: dict[str, Any] = {
    "case": "oculus",
    "home_countries": ["nz", "AU", "AU"],
    "egress_ranges": ["203.0.113.7/24", "2001:db8::/32"],
    "travel": [{"account": " Ada@Contoso.example ", "country": "fr", "from": date(2026, 3, 1), "to": "2026-03-09"}],
    "window": {"from": datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=10))), "to": "2026-03-31"},
    "accounts_in_scope": ["Bob@contoso.example", "bob@contoso.example"],
    "known_bad_addresses": ["198.51.100.7 "],
    "licence": "E5",
    "date_order": "DMY",
}


def test_a_full_context_is_read_in_canonical_form() -> None:
    context = parse_context(FULL, "case.toml")
    assert context.case_id == "oculus"
    assert context.home_countries == ("AU", "NZ")
    assert context.egress_ranges == ("2001:db8::/32", "203.0.113.0/24")
    assert context.travel == (Travel("ada@contoso.example", "FR", "2026-03-01", "2026-03-09"),)
    assert (context.window_from, context.window_to) == ("2026-03-01T00:00:00", "2026-03-31")
    assert context.accounts_in_scope == ("bob@contoso.example",)
    assert context.known_bad_addresses == ("198.51.100.7/32",)
    assert (context.licence, context.date_order) == ("E5", DateOrder.DMY)


def test_nothing_given_means_nothing_known() -> None:
    assert parse_context({}, "case.toml") == CaseContext()


@pytest.mark.parametrize("data", [FULL, {}, {"window": {"from": "2026-03-01"}}])
def test_what_the_registry_keeps_reads_back_as_the_same_context(data: dict[str, Any]) -> None:
    context = parse_context(data, "case.toml")
    assert parse_context({"case": context.case_id, **context.as_mapping()}, "registry") == context


def test_the_digest_follows_the_knowledge_and_not_the_name_of_the_case() -> None:
    context = parse_context(FULL, "case.toml")
    assert parse_context({**FULL, "case": "other"}, "case.toml").digest() == context.digest()
    assert parse_context({**FULL, "home_countries": ["AU"]}, "case.toml").digest() != context.digest()
    assert context.with_options((), DateOrder.MDY).digest() != context.digest()


def test_an_option_stands_above_the_file_and_leaves_the_rest() -> None:
    context = parse_context(FULL, "case.toml").with_options(("us",), None)
    assert (context.home_countries, context.date_order) == (("US",), DateOrder.DMY)
    assert parse_context(FULL, "case.toml").with_options((), None).home_countries == ("AU", "NZ")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"home_country": ["AU"]}, "key 'home_country' is not known"),
        ({"home_countries": ["Australia"]}, "home_countries: 'Australia' is no country code"),
        ({"home_countries": "AU"}, "home_countries must be a list."),
        ({"home_countries": [61]}, "home_countries must be a list of texts."),
        ({"egress_ranges": ["203.0.113.0/99"]}, "egress_ranges: '203.0.113.0/99' does not appear"),
        ({"egress_ranges": ["office"]}, "give addresses or ranges such as 203.0.113.0/24"),
        ({"window": "March"}, "window must be a table with the days `from` and `to`"),
        ({"window": {"form": "2026-03-01"}}, "window must be a table with the days `from` and `to`, and nothing else"),
        ({"window": {"from": "1st of March"}}, "window.from: '1st of March' is no date; write it as 2026-03-31."),
        ({"window": {"from": "2026-03-09", "to": "2026-03-01"}}, "window begins on 2026-03-09 and ends before that"),
        ({"travel": ["Paris"]}, "each travel entry needs account, country, from and to"),
        ({"travel": [{"account": "a", "country": "FR", "from": "2026-03-01"}]}, "each travel entry needs account"),
        (
            {"travel": [{"account": "a", "country": "FR", "from": "2026-03-01", "to": None}]},
            "travel of 'a' needs both days",
        ),
        (
            {"travel": [{"account": "a", "country": "FR", "from": "2026-03-02", "to": "2026-03-01"}]},
            "travel of 'a' begins on 2026-03-02 and ends before that, on 2026-03-01; exchange the two days.",
        ),
        (
            {"travel": [{"account": "a", "country": "France", "from": "2026-03-02", "to": "2026-03-02"}]},
            "travel.country: 'France' is no country code",
        ),
        ({"date_order": "YMD"}, "date_order must be MDY or DMY."),
        ({"date_order": "AMBIGUOUS"}, "date_order must be MDY or DMY."),
        ({"case": "../x"}, "Case id '../x' is not usable"),
    ],
)
def test_a_wrong_key_is_named_with_what_is_expected(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_context(data, "case.toml")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-03-01", "2026-03-01"),
        ("20260301", "2026-03-01"),
        ("2026-W09-7", "2026-03-01"),
        ("2026-03-01T08:00:00", "2026-03-01T08:00:00"),
        ("2026-03-01T08:00:00+10:00", "2026-02-28T22:00:00"),
        (datetime(2026, 3, 1, 8, tzinfo=UTC), "2026-03-01T08:00:00"),
        (datetime(2026, 3, 1, 8), "2026-03-01T08:00:00"),
        (date(2026, 3, 1), "2026-03-01"),
    ],
)
def test_moments_are_kept_in_one_form_in_utc(written: object, kept: str) -> None:
    assert parse_context({"window": {"from": written}}, "case.toml").window_from == kept


def test_namibia_is_a_country() -> None:
    assert countries(("na",), "x") == ("NA",)


@pytest.mark.parametrize("text", ["", "A", "-a", ".a", "a b", "a/b", "..", "a" * 65, "a\n", "é"])
def test_an_unusable_case_id_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not usable"):
        valid_case_id(text)


@pytest.mark.parametrize(
    ("name", "case_id"),
    [("Oculus 2026", "oculus-2026"), ("..", "case"), ("ÄÖ", "case"), ("-x-", "x"), ("a.b_c", "a.b_c")],
)
def test_a_folders_name_becomes_a_case_id(name: str, case_id: str) -> None:
    assert case_id_from_folder(name) == case_id


@given(st.text())
def test_every_folder_name_gives_a_usable_case_id(name: str) -> None:
    assert valid_case_id(case_id_from_folder(name)) == case_id_from_folder(name)
