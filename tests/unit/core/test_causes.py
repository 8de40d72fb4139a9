"""Why a field is uniform: named where file names, other logs or the vendor's known faults tell it."""

from dataclasses import replace
from datetime import date

import pytest

from m365dq_dagster.core.adjudication import Access, Combo, Mark, Word
from m365dq_dagster.core.causes import Surroundings, with_causes
from m365dq_dagster.core.completeness import FAULT, LOSS, VendorChange
from m365dq_dagster.core.outcome import FieldCause, LogType, Role
from m365dq_dagster.core.profile import ColumnCounts, FieldSpec, Witness
from m365dq_dagster.core.reliability import FieldJudgement, LogBench, judge_fields
from m365dq_dagster.core.stretches import ChangeKind, ChangePoint, DayCount
from tests.support.judgement import CA, CODE, judged, logon, policy, row, vocabulary

DAY = date(2023, 3, 23)
BLOCKED = [row("50126", rows=90)]
LOST = VendorChange("C30", DAY, DAY, LOSS, "", "", "", "logs of those days are incomplete", "", ("sign_in_logs",))
WRONG = replace(LOST, id="C31", kind=FAULT, effect="many users were placed in Uzbekistan")


def caused(
    combos: list[Combo], around: Surroundings, others: list[Combo] | None = None, day: date | None = None
) -> dict[str, FieldJudgement]:
    fields = tuple(
        replace(one, by_day=(DayCount(day, 1, 1, {"0": 1}),)) if day else one for one in judged(combos).values()
    )
    logs = {LogType.SIGN_IN: fields}
    if others:
        logs[LogType.UAL] = tuple(judged(others).values())
    return {one.spec.field: one for one in with_causes(logs, around)[LogType.SIGN_IN]}


def files(*paths: str) -> Surroundings:
    return Surroundings({LogType.SIGN_IN: paths})


@pytest.mark.parametrize("path", ["FailedSignIns.csv", "a/signins_failure_2025.csv", "BLOCKED.csv"])
def test_an_export_whose_name_says_what_it_was_filtered_to_is_named_so(path: str) -> None:
    found = caused(BLOCKED, files(path))[CODE]
    assert found.cause is FieldCause.FILTER_AT_SOURCE
    assert found.reasons[0] == (
        "status_error_code holds '50126' in all 90 rows; the export was filtered to it at its source, as its name says "
        f"({path})."
    )


@pytest.mark.parametrize(
    "paths",
    [(), ("SignIns.csv",), ("SuccessfulSignIns.csv",), ("FailedSignIns.csv", "SignIns.csv"), ("failed_success.csv",)],
)
def test_names_that_do_not_all_say_so_leave_it_open(paths: tuple[str, ...]) -> None:
    found = caused(BLOCKED, files(*paths))[CODE]
    assert found.cause is FieldCause.ALL_ONE_WAY
    assert "cannot be told apart from a stuck field" in found.reasons[0]


@pytest.mark.parametrize(("rows", "named"), [(4, False), (5, True)])
def test_another_log_that_shows_the_opposite_names_a_filter_or_a_stuck_column(rows: int, named: bool) -> None:
    logons = [logon("0", Word.SUCCESS, rows), logon("50126", Word.FAILURE, 5)]
    found = caused(BLOCKED, Surroundings(), logons)[CODE]
    assert (found.cause is FieldCause.FILTER_AT_SOURCE) is named
    if named:
        assert "unified_audit_log shows 5 successes of the same kind of event" in found.reasons[0]
    zeros = caused([row("0", rows=90)], Surroundings(), logons)[CODE]
    assert "shows 5 failures" in zeros.reasons[0]


def test_a_field_that_varies_or_is_interrupted_throughout_has_no_such_cause() -> None:
    assert caused([*BLOCKED, row("0", rows=30)], files("failed.csv"))[CODE].cause is None
    assert caused([row("50140", rows=30)], files("failed.csv"))[CODE].cause is FieldCause.ALL_ONE_WAY
    access = caused([row(access=Access.FAILURE, rows=30)], files("failed.csv"))[CA]
    assert access.cause is FieldCause.ALL_ONE_WAY


def test_days_on_which_the_vendor_lost_events_are_the_cause() -> None:
    around = Surroundings(vendor=(LOST,))
    assert caused(BLOCKED, around, day=DAY)[CODE].cause is FieldCause.VENDOR_OUTAGE
    assert "logs of those days are incomplete (C30)" in caused(BLOCKED, around, day=DAY)[CODE].reasons[0]
    assert caused(BLOCKED, around, day=date(2023, 3, 24))[CODE].cause is FieldCause.ALL_ONE_WAY
    assert caused(BLOCKED, around)[CODE].cause is FieldCause.ALL_ONE_WAY
    unknown = caused([row(word=Mark.OUT_OF_DOMAIN, rows=9)], around, day=DAY)["status"]
    assert unknown.cause is FieldCause.VENDOR_OUTAGE


def test_a_cause_that_the_rows_tell_themselves_stands() -> None:
    found = caused([row(Mark.OUT_OF_DOMAIN, rows=90)], Surroundings(vendor=(LOST,)), day=DAY)[CODE]
    assert found.cause is FieldCause.IMPORTER_DEFAULT


def other(name: str, role: Role, top: int = 9) -> FieldJudgement:
    spec = FieldSpec(LogType.SIGN_IN, name, role, Witness.NONE, 9)
    counts = ColumnCounts(9, 9, 0, 1 if top == 9 else 2, "UZ", "UZ", top, 0.0, 9)
    (found,) = judge_fields(LogBench(LogType.SIGN_IN, [], [spec], vocabulary(), policy()), [spec], {name: counts})
    return replace(found, by_day=(DayCount(DAY, 9, 9, {"UZ": 9}),))


def test_a_place_that_never_varies_on_the_day_of_a_known_fault_is_the_vendors() -> None:
    (found,) = with_causes({LogType.SIGN_IN: (other("country", Role.PLACE),)}, Surroundings(vendor=(WRONG,)))[
        LogType.SIGN_IN
    ]
    assert found.cause is FieldCause.VENDOR_OUTAGE
    assert found.reasons[-1] == "Microsoft wrote wrong places then: many users were placed in Uzbekistan (C31)."
    for one, vendor in ((other("country", Role.PLACE, 5), WRONG), (other("country", Role.PLACE), LOST)):
        (same,) = with_causes({LogType.SIGN_IN: (one,)}, Surroundings(vendor=(vendor,)))[LogType.SIGN_IN]
        assert same == one


def test_a_field_that_is_made_of_the_kind_of_file_is_constant_by_design() -> None:
    one = other("sign_in_event_type", Role.EVENT)
    around = Surroundings(derived={("sign_in_logs", "sign_in_event_type")})
    (found,) = with_causes({LogType.SIGN_IN: (one,)}, around)[LogType.SIGN_IN]
    assert found.cause is FieldCause.CONSTANT_BY_DESIGN
    assert with_causes({LogType.SIGN_IN: (one,)}, Surroundings())[LogType.SIGN_IN] == (one,)


def test_a_field_that_goes_dark_within_a_known_loss_is_told_with_it() -> None:
    dark = ChangePoint(DAY, ChangeKind.WENT_DARK, None, 1.0, 0.0, "It went dark.")
    back = replace(dark, kind=ChangeKind.CAME_BACK, sentence="It came back.")
    one = replace(judged(BLOCKED)[CODE], change_points=(dark, back))
    (found,) = with_causes({LogType.SIGN_IN: (one,)}, Surroundings(vendor=(LOST,)))[LogType.SIGN_IN]
    assert [change.sentence for change in found.change_points] == [
        "It went dark; Microsoft's log was at fault then: logs of those days are incomplete (C30).",
        "It came back.",
    ]
    (same,) = with_causes({LogType.SIGN_IN: (one,)}, Surroundings())[LogType.SIGN_IN]
    assert same.change_points == (dark, back)
