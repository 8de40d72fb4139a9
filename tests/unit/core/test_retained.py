"""Absent logs, throttled mailboxes, retention and losses at the vendor are said as what they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core import retained as judge
from m365dq_dagster.core.completeness import FAULT, LICENCE, LOSS, Missing, Retention, Rhythm, VendorChange
from m365dq_dagster.core.ledger import Gap
from m365dq_dagster.core.outcome import LogType
from m365dq_dagster.core.retained import Incident, MailboxRows, Span, Throttled

START = datetime(2026, 3, 1)
SIGN_INS, UAL = str(LogType.SIGN_IN), str(LogType.UAL)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FREE = Retention(SIGN_INS, "Entra ID Free", 7, licences=("free",))
PAID = Retention(SIGN_INS, "Entra ID P1 or P2", 30, licences=("p1", "p2", "e3"))
RULES = (FREE, PAID)


def span(days: float = 30, **facts: object) -> Span:
    return Span(**{"log_type": SIGN_INS, "begins": START, "ends": START + days * DAY, "events": 900} | facts)  # type: ignore[arg-type]


# Absent logs


def test_absent_logs_are_said_and_present_ones_are_not() -> None:
    assert [lead.log_type for lead in judge.absent_logs({SIGN_INS: 4, UAL: 2})] == []
    assert [lead.log_type for lead in judge.absent_logs({SIGN_INS: 4})] == [UAL]


def test_the_directory_log_is_missed_only_beside_an_absent_audit_log() -> None:
    assert [lead.log_type for lead in judge.absent_logs({"entra_audit_logs": 0})] == [SIGN_INS, UAL, "entra_audit_logs"]
    assert [lead.log_type for lead in judge.absent_logs({"entra_audit_logs": 0, UAL: 1})] == [SIGN_INS]


@pytest.mark.parametrize(
    ("unread", "words"),
    [([], "no unified audit log, and"), (["a"], "(1 file was not taken in: a)"), (["a", "b"], "(2 files were not")],
)
def test_files_that_were_not_taken_in_are_named_beside_an_absent_log(unread: list[str], words: str) -> None:
    assert words in judge.absent_logs({SIGN_INS: 1}, unread)[0].detail


@pytest.mark.parametrize(
    ("counts", "typed", "rows", "words"),
    [
        ({}, 0, 0, None),
        ({}, 0, 9, "no file says whether its sign-ins are interactive"),
        ({"interactive": 3}, 3, 3, "no non-interactive, service principal, managed identity sign-ins in the folder"),
        (
            {"interactive": 3},
            3,
            9,
            "non-interactive, service principal, managed identity sign-ins: none "
            "that says so, and 6 rows name no type, so",
        ),
        (
            {"interactive": 3},
            3,
            4,
            "non-interactive, service principal, managed identity sign-ins: none "
            "that says so, and 1 row names no type, so",
        ),
        (dict.fromkeys(judge.SIGN_IN_TYPES, 1), 4, 4, None),
    ],
)
def test_absent_sign_in_types_are_said_where_types_are_known(
    counts: dict[str, int], typed: int, rows: int, words: str | None
) -> None:
    found = judge.absent_sign_in_types(counts, typed, rows)

    assert [lead.detail.startswith(words or "") for lead in found] == [True] * (words is not None)


# Throttled mailboxes


def mark(hours: float | None, account: str | None = "ann@contoso.example", rows: int = 2, log: str = UAL) -> Throttled:
    return Throttled(log, account, None if hours is None else START + hours * HOUR, rows)


def test_throttled_hours_that_touch_are_one_stretch_of_their_mailbox() -> None:
    found = judge.throttled([mark(30), mark(0), mark(20), mark(200), mark(1, "bob@contoso.example")])

    assert [(lead.begins, lead.ends) for lead in found] == [
        (START, START + 54 * HOUR),
        (START + 200 * HOUR, START + 224 * HOUR),
        (START + HOUR, START + 25 * HOUR),
    ]
    assert found[0].detail.startswith(
        "ann@contoso.example: 6 MailItemsAccessed rows say IsThrottled; up to 24 h of mail"
    )


def test_throttled_rows_without_a_time_are_counted_and_have_none() -> None:
    alone = judge.throttled([mark(None, None)])[0]

    assert (alone.begins, alone.ends, alone.detail[:18]) == (None, None, "an unnamed mailbox")
    assert "4 MailItemsAccessed rows" in judge.throttled([mark(0), mark(None)])[0].detail


def test_a_session_export_of_the_same_rows_does_not_double_them() -> None:
    assert "2 MailItemsAccessed" in judge.throttled([mark(0), mark(0, log="mailbox_sessions")])[0].detail


@given(st.lists(st.integers(0, 400), min_size=1, max_size=20))
def test_every_throttled_moment_lies_in_one_stretch(hours: list[int]) -> None:
    found = judge.throttled([mark(hour, rows=1) for hour in hours])
    stretches = [(lead.begins, lead.ends) for lead in found if lead.begins and lead.ends]

    for hour in hours:
        assert sum(a <= START + hour * HOUR < b for a, b in stretches) == 1


# Retention


@pytest.mark.parametrize(
    ("days", "licence", "edge"),
    [
        (30, None, PAID),
        (29.2, None, PAID),
        (7.5, None, FREE),
        (7.5, "Microsoft 365 E3", None),
        (30, "Microsoft 365 E3", PAID),
        (30, "something else", PAID),
        (14, None, None),
        (32, None, None),
    ],
)
def test_a_log_as_long_as_its_retention_begins_at_the_edge(
    days: float, licence: str | None, edge: Retention | None
) -> None:
    assert judge.at_edge(span(days), RULES, licence) == edge


def test_the_edge_is_reckoned_from_the_collection_where_that_is_known() -> None:
    late = span(20, collected=START + 30 * DAY)

    assert judge.at_edge(late, RULES, None) == PAID
    assert judge.at_edge(replace(late, collected=START + 9 * DAY), RULES, None) is None


def test_a_few_events_have_no_edge() -> None:
    assert judge.at_edge(span(30, events=49), RULES, None) is None


def test_a_word_of_a_licence_is_not_found_within_another_word() -> None:
    assert [rule.days for rule in judge.kept(span(), RULES, "EP2X freedom")] == [7, 30]


def test_the_retention_is_that_of_the_days_of_the_events() -> None:
    old = Retention(SIGN_INS, "before", 90, ends=date(2026, 1, 1))

    assert judge.kept(span(), (old, Retention(UAL, "other", 180)), None) == ()


def test_what_lies_before_the_edge_is_called_no_hole() -> None:
    found = judge.retention([span(), span(14, log_type=UAL)], RULES, Incident())

    assert [(lead.log_type, lead.begins, lead.ends) for lead in found] == [(SIGN_INS, None, START)]
    assert found[0].detail.startswith(
        "the first event lies 30 days back, which is how long this log is kept (Entra ID P1"
    )
    assert "no hole" in found[0].detail


def test_an_incident_that_began_before_the_evidence_is_said_with_what_the_log_keeps() -> None:
    asked = Incident(begins=START - 9 * DAY)
    texts = [lead.detail for lead in judge.retention([span(14), span(30), span(14, log_type=UAL)], RULES, asked)]

    assert texts[0].startswith("the incident window begins at 2026-02-20 00:00 and the first event is of 2026-03-01")
    assert "this log is kept 7 days with Entra ID Free, 30 days with Entra ID P1 or P2: earlier" in texts[0]
    assert "00:00; the first event lies 30 days back" in texts[1]
    assert "kept" not in texts[2]


def rhythm(events: int = 900) -> Rhythm:
    moments = [START + n * HOUR for n in range(24 * 20)]
    gaps = tuple(Gap(*pair) for pair in pairwise(moments))
    return Rhythm(SIGN_INS, "", events, moments[0], moments[-1], HOUR, gaps)


def test_evidence_that_stops_before_the_incident_does_is_a_lead() -> None:
    asked = Incident(ends=START + 40 * DAY)
    found = judge.ends_early([span(20)], {SIGN_INS: rhythm()}, asked)

    assert [(lead.begins, lead.ends) for lead in found] == [(START + 20 * DAY, START + 40 * DAY)]
    assert judge.ends_early([span(39)], {SIGN_INS: rhythm()}, asked) == []
    assert judge.ends_early([span(20)], {SIGN_INS: rhythm()}, Incident()) == []
    assert judge.ends_early([span(20)], {SIGN_INS: rhythm(events=3)}, asked) == []
    assert judge.ends_early([span(20)], {}, asked) == []


# The vendor


def change(kind: str = LOSS, **facts: object) -> VendorChange:
    told = VendorChange(
        "C1", date(2026, 3, 2), date(2026, 3, 4), kind, "Entra", "", "", "logs are incomplete", "", (SIGN_INS,)
    )
    return replace(told, source="a review", **facts)


def losses(
    spans: list[Span], changes: list[VendorChange], asked: Incident | None = None, *, gaps: tuple[Gap, ...] = ()
) -> list[Missing]:
    rhythms = {one.log_type: replace(rhythm(), gaps=gaps) for one in spans}
    return judge.vendor_losses(spans, rhythms, changes, asked or Incident())


def test_a_known_loss_of_years_between_two_exports_is_not_theirs() -> None:
    years = (Gap(START - 300 * DAY, START + 300 * DAY),)
    days = (Gap(START, START + 5 * DAY),)

    assert losses([span()], [change()], gaps=years) == []
    assert len(losses([span()], [change()], gaps=days)) == 1
    assert losses([span()], [change(FAULT)], gaps=days) == []


def test_a_known_loss_within_the_evidence_is_said_with_its_source() -> None:
    found = losses([span(), span(log_type=UAL)], [change(), change("rename")])

    assert [(lead.log_type, lead.begins, lead.ends) for lead in found] == [(SIGN_INS, START + DAY, START + 4 * DAY)]
    assert found[0].detail == (
        "2026-03-02 to 2026-03-04: known fault at Microsoft (Entra): logs are incomplete; do not take the absence of a "
        "row in that time for proof (a review)"
    )


def test_a_known_loss_within_the_incident_alone_counts_and_a_known_error_there_does_not() -> None:
    far = span(5, begins=START + 60 * DAY, ends=START + 65 * DAY)
    asked = Incident(begins=START, ends=START + 90 * DAY)

    assert len(losses([far], [change()], asked)) == 1
    assert losses([far], [change(FAULT)], asked) == []
    assert losses([far], [change()]) == []


def test_a_known_error_of_one_day_says_not_to_judge_by_its_value() -> None:
    one_day = change(FAULT, ends=date(2026, 3, 2))

    assert "2026-03-02: known fault" in losses([span()], [one_day])[0].detail
    assert "do not judge by that value" in losses([span()], [one_day])[0].detail


def test_mailbox_rows_without_a_mail_read_rule_nothing_out() -> None:
    licence = replace(change(LICENCE), operations=(judge.MAIL_READ,), before="E5")
    early = judge.unlogged_operations(MailboxRows(20, START, {judge.MAIL_READ: 0}), [change(), licence])
    late = judge.unlogged_operations(MailboxRows(20, START + 9 * DAY), [licence])

    assert "20 mailbox rows and no MailItemsAccessed among them" in early[0].detail
    assert "before March 2026 they were logged with E5 alone" in early[0].detail
    assert "before March" not in late[0].detail
    assert "before March" not in judge.unlogged_operations(MailboxRows(20, START), [])[0].detail


def test_a_mail_read_or_few_mailbox_rows_are_no_lead() -> None:
    assert judge.unlogged_operations(MailboxRows(20, START, {judge.MAIL_READ: 1}), []) == []
    assert judge.unlogged_operations(MailboxRows(19, START), []) == []


def test_rows_that_fill_the_columns_of_the_portal_may_have_lost_the_rest() -> None:
    assert judge.full_targets(0, None, None) == []
    assert judge.full_targets(1, START, START)[0].detail.startswith("1 row of the portal's audit export fills all 3")
    assert judge.full_targets(2, START, START)[0].detail.startswith("2 rows of the portal's audit export fill all 3")


@pytest.mark.parametrize(("later", "told"), [(timedelta(minutes=15), 1), (-timedelta(hours=10), 1), (2 * DAY, 0)])
def test_a_log_that_was_collected_at_once_may_lack_its_last_rows(later: timedelta, told: int) -> None:
    one = span(ends=START + 30 * DAY, collected=START + 30 * DAY + later)
    found = judge.collected_early([one, span()])
    assert len(found) == told
    if found:
        assert (found[0].kind, found[0].begins, found[0].ends) == ("WINDOW", START + 29 * DAY, START + 30 * DAY)
        assert "60 to 90 minutes late" in found[0].detail
