"""Limits, declared counts, windows and rhythms speak for a gap where there is one, and are silent elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core import completeness as judge
from m365dq_dagster.core.completeness import (
    WHAT_TO_DO,
    CompletenessKind,
    FileFacts,
    Missing,
    Retention,
    Rhythm,
    VendorChange,
)
from m365dq_dagster.core.ledger import Gap
from m365dq_dagster.core.outcome import LogType

START = datetime(2026, 3, 1)
SIGN_INS, UAL = str(LogType.SIGN_IN), str(LogType.UAL)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def file(path: str = "a.csv", **facts: object) -> FileFacts:
    return FileFacts(**{"path": path, "log_type": SIGN_INS, "formats": ("portal",), "rows": 10} | facts)  # type: ignore[arg-type]


def regular(days: int = 30, silent: tuple[datetime, datetime] | None = None, **facts: object) -> Rhythm:
    """A log that speaks every 20 minutes, but for one silence."""
    moments = [START + timedelta(minutes=20 * step) for step in range(days * 72)]
    if silent:
        moments = [moment for moment in moments if not silent[0] < moment < silent[1]]
    gaps = tuple(Gap(*pair) for pair in pairwise(moments))
    told = {"log_type": SIGN_INS, "kind": "", "events": len(moments), "begins": moments[0], "ends": moments[-1]}
    return Rhythm(**told | {"median_gap": timedelta(minutes=20), "gaps": gaps} | facts)  # type: ignore[arg-type]


def said(leads: list[Missing] | tuple[Missing, ...]) -> list[str]:
    return [lead.detail for lead in leads]


# The words


def test_every_kind_says_what_to_do_and_has_its_weight() -> None:
    assert set(WHAT_TO_DO) == set(CompletenessKind)
    assert sorted(kind.weight for kind in CompletenessKind) == list(range(len(CompletenessKind)))
    assert CompletenessKind.MANIFEST.weight == 0


def lead(number: int, kind: CompletenessKind = CompletenessKind.HOLE) -> Missing:
    return Missing(kind, SIGN_INS, START + number * DAY, START + number * DAY + HOUR, f"lead {number}")


def test_leads_beyond_the_first_ones_are_one_lead_over_their_whole_time() -> None:
    found = judge.folded([lead(number) for number in range(14)], most=10)

    assert len(found) == 11
    assert found[-1].detail == "and 4 more leads of this kind, the next: lead 10"
    assert (found[-1].begins, found[-1].ends) == (START + 10 * DAY, START + 13 * DAY + HOUR)


def test_a_single_lead_beyond_the_first_ones_is_told_as_it_is() -> None:
    assert said(judge.folded([lead(number) for number in range(3)], most=2)) == ["lead 0", "lead 1", "lead 2"]


@given(st.lists(st.tuples(st.sampled_from(list(CompletenessKind)), st.integers(0, 40)), max_size=40))
def test_folding_keeps_order_and_hides_no_kind(drawn: list[tuple[CompletenessKind, int]]) -> None:
    leads = [lead(number, kind) for kind, number in drawn]
    found = judge.folded(leads, most=3)

    assert {one.kind for one in found} == {one.kind for one in leads}
    assert [one.kind.weight for one in found] == sorted(one.kind.weight for one in found)
    assert all(sum(one.kind is kind for one in found) <= 4 for kind in CompletenessKind)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=3, minutes=7), "3 h 7 min"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=2, hours=5, minutes=59), "2 days 5 h"),
    ],
)
def test_a_length_of_time_is_told_in_its_two_greatest_units(length: timedelta, words: str) -> None:
    assert judge.lasting(length) == words


def test_an_unknown_moment_is_said_to_be_unknown() -> None:
    assert (judge.at(None), judge.at(START)) == ("an unknown time", "2026-03-01 00:00")


# Limits and declared numbers


def test_a_file_of_exactly_a_limit_of_its_format_is_a_lead() -> None:
    found = judge.caps([file(rows=5000, first=START, last=START + DAY), file("b.csv", rows=4999)], {"portal": (5000,)})

    assert said(found) == [
        "a.csv holds exactly 5,000 rows, a limit of this export; what lies beyond it is missing if there was "
        "more, export it in shorter windows"
    ]
    assert (found[0].begins, found[0].ends) == (START, START + DAY)


def test_the_limits_of_the_audit_log_hold_for_every_writer_and_a_folder_is_one_lead() -> None:
    files = [file(f"ual/{number}.csv", log_type=UAL, rows=5000, formats=("own",)) for number in range(5)]
    found = judge.caps([*files, file("x/y.csv", log_type=UAL, rows=50_000)], {})

    assert [text.partition(" rows")[0] for text in said(found)] == [
        "ual/0.csv, ual/1.csv, ual/2.csv and 2 more each hold exactly 5,000",
        "x/y.csv holds exactly 50,000",
    ]


def test_no_time_is_told_of_files_whose_dates_are_ambiguous() -> None:
    unsure = replace(file(rows=5000), first=START, last=START + DAY, ambiguous=True)

    assert (judge.caps([unsure], {"portal": (5000,)})[0].begins, judge.without_uncertain([unsure])[0].first) == (
        None,
        None,
    )


def test_an_empty_file_and_a_limit_of_another_format_are_no_lead() -> None:
    assert judge.caps([file(rows=0), file(rows=5000)], {"portal": (0,), "other": (5000,)}) == []


def test_declared_and_read_rows_are_compared_and_the_greatest_loss_comes_first() -> None:
    found = judge.declared_rows([file("a", declared=12), file("b", declared=10), file("c", declared=90), file("d")])

    assert [text.split()[0] for text in said(found)] == ["c", "a"]
    assert "80 are missing" in found[0].detail


def test_rows_that_stand_for_several_sign_ins_are_said_with_their_sum() -> None:
    found = judge.aggregated([file("a", stands_for=90), file("b", stands_for=10), file("c")])

    assert said(found) == [
        "a: 10 rows stand for 90 sign-ins, so counts of rows are too low; quote the sum and not the rows"
    ]


# Holes


def test_a_silence_against_the_rhythm_is_a_hole_and_the_rhythm_itself_is_none() -> None:
    quiet = (START + 9 * DAY, START + 10 * DAY)
    found = judge.rhythm_holes([regular(silent=quiet)], [])

    assert [(one.begins, one.ends) for one in found] == [quiet]
    assert found[0].detail.startswith("no event for 1 day from 2026-03-10 00:00, unlike the rest of this log")
    assert judge.rhythm_holes([regular()], []) == []


def test_a_hole_of_one_sign_in_type_is_told_where_the_others_hide_it_and_once() -> None:
    quiet = (START + 9 * DAY, START + 10 * DAY)
    holed = regular(silent=quiet, kind="interactive")
    hidden = judge.rhythm_holes([holed, regular()], [])
    known = judge.rhythm_holes([holed, regular(silent=quiet)], [])

    assert [text[:27] for text in said(hidden)] == ["no interactive event for 1 "]
    assert [text[:15] for text in said(known)] == ["no event for 1 "]


def test_a_sign_in_type_with_few_events_has_no_rhythm() -> None:
    holed = regular(silent=(START + 9 * DAY, START + 10 * DAY), kind="interactive", events=49)

    assert judge.rhythm_holes([holed], []) == []


def test_a_hole_says_what_may_lie_behind_it() -> None:
    quiet = (START + 9 * DAY, START + 10 * DAY)
    around = [
        file("w/a.csv", window_from=START, window_to=quiet[0]),
        file("w/b.csv", window_from=quiet[1], window_to=quiet[1] + DAY),
        file("v/c.csv", window_from=START, window_to=START + 30 * DAY),
    ]
    around = [replace(one, window_from=one.window_from and one.window_from + timedelta(minutes=1)) for one in around]
    lost = VendorChange("C1", date(2026, 3, 10), date(2026, 3, 10), judge.LOSS, "", "", "", "", "", (SIGN_INS,))
    unsure = file("u.csv", ambiguous=True)
    text = judge.rhythm_holes([regular(silent=quiet)], [*around, unsure], [lost])[0].detail

    assert "no file of w covers it" in text
    assert "Microsoft is known to have lost events" in text
    assert "u.csv may fill it" in text


def test_a_silence_that_no_window_leaves_open_is_not_laid_to_a_missing_file() -> None:
    quiet = (START + 9 * DAY, START + 10 * DAY)
    one = file("a.csv", window_from=START + HOUR, window_to=START + 30 * DAY)

    assert "covers" not in judge.rhythm_holes([regular(silent=quiet)], [one])[0].detail


def test_windows_in_the_case_s_own_folder_may_leave_a_silence_open() -> None:
    quiet = (START + 9 * DAY, START + 10 * DAY)
    around = [
        file("a.csv", window_from=START + HOUR, window_to=quiet[0]),
        file("b.csv", window_from=quiet[1], window_to=quiet[1] + HOUR),
    ]

    assert "no file of the folder covers it" in judge.rhythm_holes([regular(silent=quiet)], around)[0].detail


@given(st.lists(st.integers(1, 600), min_size=60, max_size=200))
def test_a_hole_is_never_shorter_than_half_an_hour_nor_told_twice(steps: list[int]) -> None:
    moments = [START]
    for step in steps:
        moments.append(moments[-1] + timedelta(minutes=step))
    gaps = tuple(Gap(*pair) for pair in pairwise(moments))
    whole = Rhythm(SIGN_INS, "", len(moments), moments[0], moments[-1], timedelta(minutes=60), gaps)
    found = judge.rhythm_holes([whole, replace(whole, kind="interactive")], [])

    assert all(one.begins and one.ends and one.ends - one.begins > timedelta(minutes=30) for one in found)
    assert len({(one.begins, one.ends) for one in found}) == len(found)
    assert all("interactive" not in one.detail for one in found)


# Windows in names


def named(path: str, begins: datetime, ends: datetime, **facts: object) -> FileFacts:
    return file(path, **{"window_from": begins, "window_to": ends, "first": begins, "last": ends} | facts)


def test_events_outside_the_window_in_the_name_are_one_lead_a_folder() -> None:
    begins = START + HOUR
    files = [named(f"w/{n}.csv", begins, begins + HOUR, first=begins - HOUR) for n in range(2)]
    late = named("v/a.csv", begins, begins + HOUR, last=begins + 2 * HOUR)
    found = judge.windows([*files, late, named("v/b.csv", begins, begins + HOUR)], {})

    assert [text.partition(" events")[0] for text in said(found)] == ["v/a.csv holds", "w/0.csv, w/1.csv hold"]


def test_a_window_of_days_leaves_a_day_for_time_zones() -> None:
    day = named("a.csv", START, START + DAY, first=START - 14 * HOUR, last=START + 2 * DAY)

    assert judge.windows([day], {}) == []
    assert len(judge.windows([replace(day, last=START + 3 * DAY)], {})) == 1


def test_nothing_is_concluded_from_windows_of_files_with_ambiguous_dates() -> None:
    unsure = named("a.csv", START, START + DAY, first=None, last=None, ambiguous=True)

    assert judge.windows([unsure], {SIGN_INS: regular()}) + judge.window_gaps([unsure], {SIGN_INS: regular()}) == []


def test_events_that_begin_late_or_stop_early_in_their_window_are_leads() -> None:
    promised = named("a.csv", START, START + 30 * DAY, first=START + 5 * DAY, last=START + 20 * DAY)
    found = judge.windows([promised], {SIGN_INS: regular()})

    assert [text.partition(":")[2].partition(",")[0] for text in said(found)] == [
        " the name promises events from 2026-03-01 00:00 and the first is of 2026-03-06 00:00",
        " the name promises events up to 2026-03-31 00:00 and the last is of 2026-03-21 00:00",
    ]
    assert [one.ends for one in found] == [START + 5 * DAY, START + 30 * DAY]


def test_a_late_beginning_at_the_edge_of_retention_is_left_to_that() -> None:
    promised = named("a.csv", START, START + 30 * DAY, first=START + 5 * DAY)

    assert judge.windows([promised], {SIGN_INS: regular()}, frozenset({SIGN_INS})) == []


def test_an_end_within_the_usual_silence_and_a_log_without_rhythm_promise_nothing() -> None:
    promised = named("a.csv", START + HOUR, START + 30 * DAY, last=START + 30 * DAY - timedelta(minutes=50))
    empty = named("b.csv", START, START + 30 * DAY, first=None, last=None)
    rare = regular(events=20)

    assert judge.windows([promised], {SIGN_INS: regular()}) == []
    assert judge.windows([empty], {SIGN_INS: regular()}) == []
    assert judge.windows([replace(promised, last=START + DAY)], {SIGN_INS: rare}) == []


def test_where_rows_count_in_another_file_the_whole_log_tells_where_events_end() -> None:
    promised = named("a.csv", START, START + 30 * DAY, last=START + DAY, copies=7)

    assert judge.windows([promised], {SIGN_INS: regular()}) == []


def quiet_nights() -> Rhythm:
    """A log that speaks from 8 to 18 o'clock on 30 days, but for two short afternoons."""
    moments = [START + n * DAY + timedelta(hours=8, minutes=m) for n in range(30) for m in range(0, 600, 10)]
    moments = [one for one in moments if not (one.day in (9, 20) and one.hour >= 12)]
    gaps = tuple(Gap(*pair) for pair in pairwise(moments))
    return Rhythm(SIGN_INS, "", len(moments), moments[0], moments[-1], timedelta(minutes=10), gaps)


def by_hour(hours: range, first: int, last: int, without: tuple[int, ...] = (), folder: str = "w/") -> list[FileFacts]:
    """Files of one hour each, on each day from the first hour to the last."""
    begins = START - timedelta(minutes=1)
    kept = [n for n in hours if first <= n % 24 <= last and n not in without]
    return [named(f"{folder}{n:03}.csv", begins + n * HOUR, begins + (n + 1) * HOUR) for n in kept]


def test_nights_without_files_are_usual_where_no_empty_files_are_written() -> None:
    assert judge.window_gaps(by_hour(range(72), 8, 17), {SIGN_INS: quiet_nights()}) == []


def test_an_afternoon_without_files_in_which_no_event_lies_is_a_lead() -> None:
    afternoon = tuple(range(8 * 24 + 12, 8 * 24 + 24))
    found = judge.window_gaps(by_hour(range(15 * 24), 8, 17, afternoon), {SIGN_INS: quiet_nights()})

    assert said(found)[0].startswith("no file of w covers 2026-03-09 11:59 to 2026-03-10 07:59, and windows of its")


def test_several_stretches_of_a_folder_are_one_lead() -> None:
    afternoons = (*range(8 * 24 + 12, 9 * 24), *range(19 * 24 + 13, 20 * 24))
    files = by_hour(range(30 * 24), 8, 17, afternoons, folder="")
    found = judge.window_gaps(files, {SIGN_INS: quiet_nights()})

    assert said(found)[0].startswith(
        "no file of the folder covers 2026-03-09 11:59 to 2026-03-10 07:59 and 1 other stretch, and"
    )
    assert (found[0].begins, found[0].ends) == (datetime(2026, 3, 9, 11, 59), datetime(2026, 3, 21, 7, 59))


def test_events_of_another_file_close_a_gap_between_windows() -> None:
    noons = tuple(range(10 * 24 + 9, 10 * 24 + 17))
    nights = by_hour(range(20 * 24), 8, 17, noons)

    assert judge.window_gaps(nights, {SIGN_INS: quiet_nights()}) == []
    assert judge.window_gaps(nights, {}) == []


# What is known of the vendor


def test_a_known_loss_touches_the_days_it_names_and_both_ends() -> None:
    lost = VendorChange("C", date(2026, 3, 2), date(2026, 3, 3), judge.LOSS, "", "", "", "", "")

    assert lost.touches(START, START + DAY)
    assert lost.touches(START + 2 * DAY + 23 * HOUR, START + 9 * DAY)
    assert not lost.touches(START + 3 * DAY, START + 9 * DAY)
    assert not lost.touches(START, START + 23 * HOUR)
    assert not lost.touches(None, START)
    assert not replace(lost, ends=None).touches(START, START + DAY)


def test_a_retention_holds_between_its_days() -> None:
    rule = Retention(UAL, "Audit Standard", 90, None, date(2023, 10, 16))

    assert rule.holds(datetime(2023, 10, 16, 23))
    assert not rule.holds(datetime(2023, 10, 17))
    assert not Retention(UAL, "", 180, date(2023, 10, 17)).holds(datetime(2023, 10, 16))
