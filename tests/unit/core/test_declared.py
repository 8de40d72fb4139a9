"""What collectors declare is held against the evidence, and a changed file is named first."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core import declared as judge
from m365dq_dagster.core.completeness import CompletenessKind, FileFacts, Missing, Rhythm
from m365dq_dagster.core.declared import Declaration, DeclarationKind, Told
from m365dq_dagster.core.ledger import Gap
from m365dq_dagster.core.outcome import FileStatus, LogType

START = datetime(2026, 3, 1)
UAL, SIGN_INS = str(LogType.UAL), str(LogType.SIGN_IN)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
A, B, C = "a" * 64, "b" * 64, "c" * 64


def file(path: str, **facts: Any) -> FileFacts:
    return FileFacts(**{"path": path, "log_type": UAL, "rows": 10, **facts})


def told(*items: Declaration, path: str = "out/LogFile.txt", left_out: int = 0) -> Told:
    return Told(path, "a log", items, left_out)


def of(kind: DeclarationKind, hour: int | None = None, **facts: Any) -> Declaration:
    window = {} if hour is None else {"begins": START + hour * HOUR, "ends": START + (hour + 1) * HOUR}
    return Declaration(kind, **{"log_type": UAL, "says": "it says so", **window, **facts})


def collectors(one: Told, *files: FileFacts, empty: frozenset[Declaration] = frozenset()) -> list[Missing]:
    return judge.collectors([one], files, empty)


def test_a_window_given_up_is_a_hole_with_the_line_that_says_so() -> None:
    found = collectors(told(of(DeclarationKind.HOLE, 1, line=1204), of(DeclarationKind.HOLE, log_type=None)))

    assert [(one.kind, one.log_type, one.begins) for one in found] == [
        (CompletenessKind.HOLE, UAL, START + HOUR),
        (CompletenessKind.HOLE, "", None),
    ]
    assert found[0].detail.startswith("out/LogFile.txt, line 1,204: it says so; export that stretch again")


def test_a_limit_that_was_met_counts_unless_the_window_was_asked_for_again() -> None:
    met, again, unknown = (of(DeclarationKind.CAP, 1), of(DeclarationKind.ROWS, 1, rows=5), of(DeclarationKind.CAP))

    assert len(collectors(told(met))) == 1
    assert collectors(told(met, again), file("out/a.csv")) == []
    assert [one.kind for one in collectors(told(met, left_out=3))] == [CompletenessKind.HOLE]
    assert len(collectors(told(unknown, left_out=3))) == 2


def test_statements_beyond_those_that_are_kept_are_counted() -> None:
    (found,) = collectors(told(of(DeclarationKind.DONE, 1), left_out=1_204))

    assert "out/LogFile.txt says more than is looked at: 1,204 further statements of it were not held" in found.detail
    assert collectors(told(entry("a.csv"), left_out=3)) == []


def test_fewer_records_collected_than_there_were_is_a_mismatch() -> None:
    found = collectors(told(of(DeclarationKind.SHORTFALL, rows=5, of=9), of(DeclarationKind.SHORTFALL, rows=9, of=9)))

    assert [one.kind for one in found] == [CompletenessKind.DECLARED_MISMATCH]


def test_ranges_begun_or_never_asked_for_are_holes() -> None:
    found = collectors(
        told(
            of(DeclarationKind.UNFINISHED, 9),
            of(DeclarationKind.DONE, 3),
            of(DeclarationKind.DONE, 1),
            of(DeclarationKind.DONE, 4),
            of(DeclarationKind.DONE),
        )
    )

    assert [(one.begins, one.ends) for one in found] == [
        (START + 9 * HOUR, START + 10 * HOUR),
        (START + 2 * HOUR, START + 3 * HOUR),
    ]


@given(st.lists(st.integers(0, 30), unique=True, min_size=1))
def test_between_finished_ranges_lies_just_what_nobody_finished(hours: list[int]) -> None:
    found = collectors(told(*(of(DeclarationKind.DONE, hour) for hour in hours)))
    open_hours = set(range(min(hours), max(hours))) - set(hours)

    assert sum((one.ends - one.begins) // HOUR for one in found if one.begins and one.ends) == len(open_hours)


def test_a_window_is_compared_with_the_file_of_that_name_and_a_later_run_counts() -> None:
    first, second = of(DeclarationKind.ROWS, 1, rows=99), of(DeclarationKind.ROWS, 1, rows=12)
    window = {"window_from": START + HOUR, "window_to": START + 2 * HOUR}

    assert "holds 10" in collectors(told(first, second), file("out/w.csv", **window))[0].detail
    assert collectors(told(first, second), file("out/w.csv", rows=12, **window)) == []
    assert (
        collectors(told(second), file("out/w.csv", rows=20, log_type=SIGN_INS, **window), file("out/u.csv", rows=12))
        == []
    )


def test_a_window_with_records_and_no_event_is_missing() -> None:
    item = of(DeclarationKind.ROWS, 1, rows=12, line=7)
    found = collectors(told(item), file("out/w.csv", rows=50), empty=frozenset({item}))

    assert found[0].detail.startswith("out/LogFile.txt, line 7: it says so, and no event of that time is here")
    assert found[0].begins == START + HOUR


def test_the_sum_that_a_collector_names_is_held_against_the_files_beside_it() -> None:
    named = told(
        of(DeclarationKind.ROWS, 1, rows=8), of(DeclarationKind.ROWS, 2, rows=8), of(DeclarationKind.TOTAL, rows=9)
    )
    found = collectors(named, file("out/a.csv"), file("elsewhere/b.csv", rows=100))

    assert found[0].detail.startswith(
        "out/LogFile.txt: the collector fetched 16 records, and 1 file beside it holds 10: 6 are missing"
    )


def test_more_rows_than_named_and_a_log_that_is_absent_are_no_mismatch() -> None:
    total = of(DeclarationKind.TOTAL, rows=12)

    assert collectors(told(total), file("out/a.csv"), file("out/b.csv")) == []
    assert collectors(told(total), file("a.csv", rows=30)) == []
    assert collectors(told(total), file("out/s.csv", log_type=SIGN_INS)) == []
    assert collectors(told(replace(total, log_type=None)), file("out/a.csv")) == []


def test_where_no_file_lies_beside_the_log_all_files_are_meant() -> None:
    assert (
        "2 files beside it hold 20"
        in collectors(told(of(DeclarationKind.TOTAL, rows=25)), file("x/a.csv"), file("y/b.csv"))[0].detail
    )


def test_windows_without_an_event_that_join_are_one_lead() -> None:
    items = [of(DeclarationKind.ROWS, hour, rows=4, line=hour) for hour in (5, 3, 4, 9)]
    found = collectors(told(*items), file("out/w.csv", rows=50), empty=frozenset(items))

    assert [(one.begins, one.ends) for one in found] == [
        (START + 3 * HOUR, START + 6 * HOUR),
        (START + 9 * HOUR, START + 10 * HOUR),
    ]
    assert "line 3: the collector counted 12 records in 3 windows from 2026-03-01 03:00 to" in found[0].detail


# Manifests


def listing(*items: Declaration, path: str = "case/m.json", left_out: int = 0) -> Told:
    return Told(path, "a manifest", items, left_out)


def entry(path: str, **facts: Any) -> Declaration:
    return Declaration(DeclarationKind.FILE, path=path, **facts)


def manifest(one: Told, *files: FileFacts) -> list[str]:
    return [lead.detail for lead in judge.manifests([one], files, ["case/m.json"])]


def test_a_file_that_is_what_the_manifest_says_is_no_lead() -> None:
    files = [file("case/a.csv", sha256=A, bytes=7), file("case/m.json"), file("other/x.csv")]

    assert manifest(listing(entry("a.csv", sha256=A, bytes=7, rows=10)), *files) == []


def test_a_changed_file_is_named_first() -> None:
    listed = listing(entry("gone.csv"), entry("a.csv", sha256=A, bytes=7), entry("b.csv", bytes=9))
    found = manifest(listed, file("case/a.csv", sha256=B, bytes=8), file("case/b.csv", bytes=8), file("case/new.csv"))

    assert found == [
        "case/a.csv was changed after collection: its SHA-256 is not the one in case/m.json (7 bytes then, 8 now); "
        "compare with the collector's own copy and rely on nothing that differs",
        "case/b.csv was changed after collection: case/m.json says 9 bytes and it has 8; compare with the collector's "
        "own copy and rely on nothing that differs",
        "case/m.json names gone.csv, which is not in the folder; compare with the collector's own copy and rely on "
        "nothing that differs",
        "case/new.csv is in the folder and not in case/m.json; compare with the collector's own copy and rely on "
        "nothing that differs",
    ]


def test_a_changed_file_of_the_same_size_is_told_by_its_hash_alone() -> None:
    assert "bytes" not in manifest(listing(entry("a.csv", sha256=A)), file("case/a.csv", sha256=B, bytes=8))[0]


def test_a_file_is_known_by_path_then_by_name_then_by_hash_and_of_several_by_the_right_hash() -> None:
    deep = [file("case/x/a.csv", sha256=B), file("case/y/a.csv", sha256=A), file("case/z.csv", sha256=C)]
    listed = listing(entry("Evidence/A.csv", sha256=A), entry("renamed.csv", sha256=C), entry("x/a.csv", sha256=B))

    assert manifest(listed, *deep) == []


def test_record_counts_of_a_manifest_are_compared_for_files_that_were_read() -> None:
    listed = listing(entry("a.csv", rows=12), entry("b.csv", rows=12), entry("c.csv"))
    unread = file("case/b.csv", rows=0, status=FileStatus.UNRECOGNISED.value)
    found = judge.manifests([listed], [file("case/a.csv"), unread, file("case/c.csv")], [])

    assert [(lead.kind, lead.detail) for lead in found] == [
        (
            CompletenessKind.DECLARED_MISMATCH,
            "case/a.csv, in the words of case/m.json, declares 12 rows and holds 10: 2 are missing; export that "
            "window again",
        )
    ]


def test_a_manifest_that_was_read_in_part_accuses_no_file_of_being_new() -> None:
    (found,) = manifest(listing(entry("a.csv"), left_out=5), file("case/a.csv"), file("case/b.csv"))

    assert found.startswith("case/m.json says more than is looked at: 5 further statements of it were not compared")


def test_an_archive_that_is_listed_stands_for_what_lies_in_it() -> None:
    archive = file("case/logs.zip", log_type="", rows=0, formats=("zip",))
    files = [archive, file("case/logs.zip/a/b.csv"), file("case/logs.zip/in.zip", log_type=""), file("case/other.csv")]
    found = manifest(listing(entry("logs.zip", rows=1)), *files)

    assert [text.split(" is in")[0] for text in found] == ["case/other.csv"]


def test_rows_are_missed_in_an_empty_file_and_not_counted_in_what_holds_no_events() -> None:
    empty = file("case/a.csv", log_type="", rows=0, status=FileStatus.EMPTY.value)
    found = manifest(
        listing(entry("a.csv", rows=9), entry("log.txt", rows=9)), empty, file("case/log.txt", log_type="")
    )

    assert [text.split(", in")[0] for text in found] == ["case/a.csv"]


def test_a_manifest_as_long_as_its_folder_is_looked_up_and_not_searched() -> None:
    count = 4_000
    files = [file(f"case/{n}/a.csv", sha256=f"{n:064x}") for n in range(count)]
    listed = listing(*(entry(f"elsewhere/{n}/a.csv", sha256=f"{n:064x}") for n in range(count)))

    assert manifest(listed, *files) == []


def test_a_log_is_no_manifest() -> None:
    assert manifest(told(of(DeclarationKind.TOTAL, rows=3), path="case/m.json"), file("case/b.csv")) == []


# The window of a collection


def steady() -> Rhythm:
    moments = [START + n * HOUR for n in range(24 * 20)]
    gaps = tuple(Gap(*pair) for pair in pairwise(moments))
    return Rhythm(UAL, "", len(moments), moments[0], moments[-1], HOUR, gaps)


def asked(
    begins: datetime | None,
    ends: datetime | None,
    first: datetime = START,
    last: datetime = START + 20 * DAY,
    **kw: Any,
) -> list[Missing]:
    window = listing(Declaration(DeclarationKind.WINDOW, begins=begins, ends=ends))
    files = [file("case/a.csv", first=first, last=last), file("case/u.csv", ambiguous=True)]
    rhythms = {UAL: kw.pop("rhythm", steady())}
    return judge.collection_windows([window], files, rhythms, **kw)


def test_events_that_fill_the_window_asked_for_are_no_lead() -> None:
    assert asked(START, START + 20 * DAY) == []
    assert asked(None, None) == []


def test_events_that_begin_late_or_stop_early_in_the_window_asked_for_are_leads() -> None:
    found = asked(START - 10 * DAY, START + 40 * DAY)

    assert ["begins at 2026-02-19" in found[0].detail, "ends at 2026-04-10" in found[1].detail] == [True, True]
    assert [(one.begins, one.ends) for one in found] == [(None, START), (START + 20 * DAY, None)]
    assert asked(START - 10 * DAY, None, edges=frozenset({UAL})) == []


def test_events_of_another_time_than_asked_for_are_of_another_collection() -> None:
    assert "files of another collection" in asked(START + 5 * DAY, START + 20 * DAY)[0].detail
    assert "files of another collection" in asked(START, START + 10 * DAY)[0].detail


def test_what_a_window_in_a_name_says_already_is_not_said_again() -> None:
    end = Missing(CompletenessKind.WINDOW, UAL, START + 20 * DAY, START + 40 * DAY, "by its name")

    assert [one.ends for one in asked(START - 10 * DAY, START + 40 * DAY, known=[end])] == [START]


def test_where_rows_count_in_another_file_the_whole_log_is_held_against_the_window() -> None:
    window = listing(Declaration(DeclarationKind.WINDOW, begins=START, ends=START + 20 * DAY))
    copied = file("case/a.csv", first=START, last=START + DAY, copies=3)

    assert judge.collection_windows([window], [copied], {UAL: steady()}) == []


def test_a_log_without_rhythm_or_without_times_is_not_held_against_the_window() -> None:
    rare = replace(steady(), events=3)

    assert asked(START - 10 * DAY, None, rhythm=rare) == []
    window = listing(Declaration(DeclarationKind.WINDOW, begins=START - 10 * DAY))
    assert judge.collection_windows([window], [file("case/a.csv")], {UAL: steady()}) == []
    assert judge.collection_windows([window], [file("case/a.csv", first=START, last=START)], {}) == []
