"""Overrides: what is refused, how long one may hold, and the words that it leaves on what is concluded."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.overrides import (
    FORM,
    MOST_DAYS,
    Override,
    asked_for,
    end_of,
    holds_until,
    not_verified,
    override_of,
    taints,
)

TODAY = date(2026, 3, 2)
SKIP = Override("no second export", "jo", "2026-03-09")


@pytest.mark.parametrize("days", [0, 1, 29, 30])
def test_a_last_day_from_today_to_thirty_days_ahead_is_taken(days: int) -> None:
    day = (TODAY + timedelta(days=days)).isoformat()
    assert override_of(" why ", " jo\n", f" {day} ", TODAY) == Override("why", "jo", day)


@pytest.mark.parametrize(
    ("expires", "sentence"),
    [
        ("2026-04-02", "--expires 2026-04-02 is more than 30 days ahead; the last day allowed is 2026-04-01."),
        ("9999-12-31", "the last day allowed is 2026-04-01."),
        ("2026-03-01", "--expires 2026-03-01 lies in the past; give a day from 2026-03-02 to 2026-04-01."),
        ("soon", "--expires 'soon' is no date; write it as 2026-04-01."),
    ],
)
def test_any_other_last_day_is_refused_with_what_is_allowed(expires: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        override_of("why", "jo", expires, TODAY)
    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize(
    ("given_parts", "missing"),
    [
        ((None, None, None), "--reason, --actor, --expires"),
        (("why", " ", "2026-03-09"), "--actor"),
        (("\u200b", "jo", "2026-03-09"), "--reason"),
    ],
)
def test_a_part_that_is_missing_is_named(given_parts: tuple[str | None, ...], missing: str) -> None:
    with pytest.raises(BadInput, match=f"^--skip-quality-check needs {missing} too: an override is never silent.$"):
        override_of(*given_parts, TODAY)


def test_a_form_is_told_in_its_own_words() -> None:
    with pytest.raises(BadInput, match=r"^skip_quality_check needs actor too"):
        override_of("why", "", "2026-03-09", TODAY, FORM)


def test_parts_of_an_override_that_nobody_asked_for_are_refused() -> None:
    assert asked_for(False, None, "", None, TODAY) is None
    assert asked_for(True, "no second export", "jo", "2026-03-09", TODAY) == SKIP
    with pytest.raises(BadInput, match=r"^--actor belongs to --skip-quality-check; give both or neither\.$"):
        asked_for(False, None, "jo", None, TODAY)
    with pytest.raises(BadInput, match=r"^reason belongs to skip_quality_check"):
        asked_for(False, "why", "", "", TODAY, FORM)


@given(st.integers(-400, 400))
def test_the_rule_takes_a_day_exactly_within_its_bounds(days: int) -> None:
    expires = (TODAY + timedelta(days=days)).isoformat()
    try:
        taken = override_of("why", "jo", expires, TODAY).expires == expires
    except BadInput:
        taken = False
    assert taken == (0 <= days <= MOST_DAYS)


@given(st.dates(TODAY, date(2100, 1, 1)))
def test_no_override_holds_longer_than_thirty_days_after_it_was_recorded(expires: date) -> None:
    created = datetime(2026, 3, 2, 23, 59, tzinfo=UTC)
    assert holds_until(expires, created) == min(expires, date(2026, 4, 1))


def test_a_day_is_over_at_midnight_in_utc() -> None:
    assert end_of(date(2026, 3, 9)) == SKIP.ends == datetime(2026, 3, 10, tzinfo=UTC)


def test_an_override_is_read_back_from_a_document_whatever_else_that_holds() -> None:
    kept = {"reason": "no second export", "actor": "jo", "expires": "2026-03-09", "disabled": [], "in_force": True}
    assert Override.of(kept) == SKIP
    assert Override.of({**kept, "recorded_by": "ann"}).recorded_by == "ann"


def test_taints_name_the_override_and_every_blocking_check_that_is_off() -> None:
    assert taints(None, ()) == ()
    told = taints(SKIP, ("ledger_balances", "quarantine_share"))
    assert not_verified(told) == (
        "not verified: quality gate overridden by jo until 2026-03-09 (no second export); "
        "the check ledger_balances is switched off; the check quarantine_share is switched off"
    )
