"""What is missing is measured in the tables of a case and kept in the analyst's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from m365dq_dagster.adapters.evidence.folder import FoundFile
from m365dq_dagster.adapters.evidence.sidecars import Sidecar
from m365dq_dagster.core.completeness import LOSS, CompletenessKind, Retention, VendorChange
from m365dq_dagster.core.context import CaseContext
from m365dq_dagster.core.declared import Declaration, DeclarationKind
from m365dq_dagster.core.outcome import LogType
from m365dq_dagster.stages import completeness

START = datetime(2026, 3, 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SIGN_INS, UAL = str(LogType.SIGN_IN), str(LogType.UAL)


@dataclass(frozen=True)
class Pack:
    """The part of a rule pack that completeness is judged by."""

    vendor_changes: tuple[VendorChange, ...] = ()
    retention: tuple[Retention, ...] = ()


@dataclass(frozen=True)
class Format:
    """The part of a format that completeness looks at."""

    caps: tuple[int, ...] = ()
    snapshot: bool = False


@dataclass
class Case:
    """A settled ledger with its events, built by hand."""

    con: duckdb.DuckDBPyConnection
    files: int = 0

    def file(self, path: str = "a.csv", log_type: str | None = SIGN_INS, **facts: Any) -> int:
        self.files += 1
        values = {
            "file_id": self.files, "path": path, "bytes": 9, "format": "portal", "log_type": log_type,
            "status": "IMPORTED", "rows_read": 9, "date_order": "ISO", **facts,
        }  # fmt: skip
        names = ", ".join(values)
        self.con.execute(f"INSERT INTO files ({names}) VALUES ({', '.join('$' + name for name in values)})", values)
        return self.files

    def events(self, file_id: int, moments: list[datetime], table: str = SIGN_INS, **cells: Any) -> None:
        cells = {"is_logon": False} | cells if table == UAL else cells
        names = "".join(f", {name}" for name in cells)
        self.con.execute(
            f"INSERT INTO {table} (file_id, row_no, event_time{names}) SELECT $file_id, row_number() OVER (), moment"
            f"{''.join(f', ${name}' for name in cells)} FROM (SELECT unnest($moments::TIMESTAMP[]) AS moment)",
            {"file_id": file_id, "moments": moments, **cells},
        )
        self.con.execute(
            "UPDATE files SET first_event = least(first_event, $1), last_event = greatest(last_event, $2)"
            " WHERE file_id = $3",
            [min(moments), max(moments), file_id],
        )

    def find(
        self, *sidecars: Sidecar, context: CaseContext | None = None, pack: Pack | None = None, **formats: Any
    ) -> None:
        completeness.find(
            self.con,
            formats=formats or {"portal": Format()},  # type: ignore[arg-type]
            sidecars=sidecars,
            context=context or CaseContext(),
            pack=pack or Pack(),
            log_types=(SIGN_INS, UAL, "no_such_table"),
        )

    def leads(self, kind: CompletenessKind) -> list[tuple[Any, ...]]:
        return self.con.execute(
            "SELECT log_type, from_time, to_time, detail FROM completeness WHERE kind = $1", [kind.value]
        ).fetchall()


@pytest.fixture
def case(duckdb_con: duckdb.DuckDBPyConnection) -> Case:
    for column in ("rows_stand_for BIGINT", "window_from TIMESTAMP", "window_to TIMESTAMP"):
        duckdb_con.execute(f"ALTER TABLE files ADD COLUMN IF NOT EXISTS {column}")
    return Case(duckdb_con)


def steady(days: int = 30, without: int | None = None) -> list[datetime]:
    """Events every 20 minutes, but for one day."""
    moments = [START + timedelta(minutes=20 * step) for step in range(days * 72)]
    return [moment for moment in moments if without is None or (moment - START).days != without]


def beside(path: str, *items: Declaration) -> Sidecar:
    return Sidecar(FoundFile(path, Path(path), 1, None), "x", "a log", items)


def test_an_empty_case_misses_its_logs_and_nothing_else(case: Case) -> None:
    case.find()

    assert [row[0] for row in case.leads(CompletenessKind.MISSING_LOG_TYPE)] == [SIGN_INS, UAL]
    assert case.con.execute("SELECT count(*) FROM completeness").fetchall() == [(2,)]


def test_a_file_that_was_not_read_is_named_beside_an_absent_log_and_a_sidecar_is_not(case: Case) -> None:
    case.file("notes.md", None, status="UNRECOGNISED", format=None)
    case.file("LogFile.txt", None, status="UNRECOGNISED", format=None)
    case.find(beside("LogFile.txt"))

    assert "(1 file was not taken in: notes.md)" in case.leads(CompletenessKind.MISSING_LOG_TYPE)[0][3]


def test_a_silent_day_is_a_hole_with_its_bounds(case: Case) -> None:
    case.events(case.file(), steady(without=9))
    case.find()

    assert [row[:3] for row in case.leads(CompletenessKind.HOLE)] == [
        (SIGN_INS, START + 8 * DAY + timedelta(hours=23, minutes=40), START + 10 * DAY)
    ]


def test_a_crowded_log_is_looked_at_by_the_minute(case: Case) -> None:
    moments = [START + n * DAY + timedelta(seconds=s) for n in range(3) for s in range(0, 600, 10)]
    case.events(case.file(), moments)
    case.find()

    assert case.leads(CompletenessKind.HOLE) == []


def test_non_interactive_rows_do_not_mask_a_hole_in_interactive_ones(case: Case) -> None:
    file_id = case.file()
    case.events(file_id, steady(), sign_in_event_type="nonInteractiveUser")
    case.events(file_id, steady(without=9), is_interactive=True)
    case.find()

    assert [row[3][:30] for row in case.leads(CompletenessKind.HOLE)] == ["no interactive event for 1 day"]


def test_rows_that_do_not_say_their_type_may_fill_the_hole_of_any(case: Case) -> None:
    file_id = case.file()
    case.events(file_id, steady(), sign_in_event_type="nonInteractiveUser")
    case.events(file_id, steady(without=9), is_interactive=True)
    case.events(file_id, [START])
    case.find()

    assert case.leads(CompletenessKind.HOLE) == []


def test_nothing_that_rests_on_time_is_concluded_from_ambiguous_dates(case: Case) -> None:
    file_id = case.file(date_order="AMBIGUOUS", window_from=START, window_to=START + DAY, rows_read=5000)
    case.events(file_id, steady(without=9))
    lost = VendorChange("C", date(2026, 3, 2), date(2026, 3, 2), LOSS, "", "", "", "", "", (SIGN_INS,))
    asked = CaseContext(window_from="2026-01-01", window_to="2026-12-31")
    case.find(context=asked, pack=Pack((lost,), (Retention(SIGN_INS, "", 30),)), portal=Format(caps=(5000,)))

    kinds = case.con.execute("SELECT DISTINCT kind FROM completeness ORDER BY kind").fetchall()
    assert kinds == [("CAP",), ("MISSING_LOG_TYPE",)]
    assert case.leads(CompletenessKind.CAP)[0][1:3] == (None, None)


def test_an_ambiguous_file_beside_certain_ones_leaves_their_extent_open(case: Case) -> None:
    case.events(case.file(), steady())
    case.file("u.csv", date_order="AMBIGUOUS")
    case.find(pack=Pack(retention=(Retention(SIGN_INS, "P1", 30),)))

    assert case.leads(CompletenessKind.RETENTION) == []


def test_tables_of_state_have_no_rhythm_and_no_limit(case: Case) -> None:
    case.events(case.file(format="portal, rules", rows_read=5000), steady(without=9))
    case.find(portal=Format(caps=(5000,)), rules=Format(snapshot=True))

    assert case.leads(CompletenessKind.HOLE) + case.leads(CompletenessKind.CAP) == []


def test_the_numbers_of_the_ledger_are_looked_at(case: Case) -> None:
    case.file("full.csv", rows_read=5000)
    case.file("short.csv", rows_declared=12)
    case.file("copy.csv", status="ALREADY_IMPORTED", rows_read=5000, rows_declared=6000)
    case.file("many.csv", rows_stand_for=40)
    case.find(portal=Format(caps=(5000,)))

    assert [row[3].split()[0] for row in case.leads(CompletenessKind.CAP)] == ["full.csv"]
    assert [row[3].split()[0] for row in case.leads(CompletenessKind.DECLARED_MISMATCH)] == ["copy.csv", "short.csv"]
    assert "9 rows stand for 40" in case.leads(CompletenessKind.AGGREGATED)[0][3]


def test_a_declared_window_without_an_event_is_a_lead_and_one_with_events_is_none(case: Case) -> None:
    case.events(case.file(log_type=UAL, rows_read=2000), steady(without=9), UAL)
    items = [
        Declaration(
            DeclarationKind.ROWS, UAL, START + n * DAY + HOUR, START + n * DAY + 2 * HOUR, rows, says=f"day {n}"
        )
        for n, rows in ((3, 4), (9, 4), (40, 4), (41, 0))
    ]
    case.find(beside("LogFile.txt", *items))

    assert [row[3][:19] for row in case.leads(CompletenessKind.DECLARED_MISMATCH)] == [
        "LogFile.txt: day 9,",
        "LogFile.txt: day 40",
    ]


def test_a_declared_window_of_a_log_that_is_absent_is_told_by_its_absence_alone(case: Case) -> None:
    case.find(beside("LogFile.txt", Declaration(DeclarationKind.ROWS, UAL, START, START + HOUR, 4, says="x")))

    assert case.leads(CompletenessKind.DECLARED_MISMATCH) == []


def test_a_manifest_is_held_against_every_file(case: Case) -> None:
    case.events(case.file("case/a.csv", sha256="b" * 64), steady())
    manifest = beside(
        "case/m.json",
        Declaration(DeclarationKind.COLLECTED, begins=START + 30 * DAY),
        Declaration(DeclarationKind.WINDOW, begins=START, ends=START + 60 * DAY),
        Declaration(DeclarationKind.FILE, path="a.csv", sha256="a" * 64),
    )
    case.file("case/m.json", None, status="UNRECOGNISED", format=None)
    case.find(manifest, pack=Pack(retention=(Retention(SIGN_INS, "P1", 30),)))

    assert "case/a.csv was changed after collection" in case.leads(CompletenessKind.MANIFEST)[0][3]
    declared, collected = (row[3] for row in case.leads(CompletenessKind.WINDOW))
    assert declared.startswith("case/m.json says that the collection ends at")
    assert collected.startswith("collected at")
    assert len(case.leads(CompletenessKind.RETENTION)) == 1


def test_windows_in_names_are_held_against_the_events(case: Case) -> None:
    early = case.file("w/a.csv", window_from=START - 20 * DAY, window_to=START + 60 * DAY)
    case.events(early, steady())
    case.find()

    assert [row[1:3] for row in case.leads(CompletenessKind.WINDOW)] == [
        (START - 20 * DAY, START),
        (steady()[-1], START + 60 * DAY),
    ]


def test_the_incident_window_is_held_against_the_evidence(case: Case) -> None:
    case.events(case.file(), steady())
    lost = VendorChange("C", date(2026, 3, 2), date(2026, 3, 2), LOSS, "Entra", "", "", "gone", "", (SIGN_INS,))
    asked = CaseContext(window_from="2026-02-01", window_to="2026-05-01T12:00:00")
    case.find(context=asked, pack=Pack((lost,)))

    assert case.leads(CompletenessKind.RETENTION)[0][1:3] == (datetime(2026, 2, 1), START)
    assert case.leads(CompletenessKind.WINDOW)[0][2] == datetime(2026, 5, 1, 12)
    assert len(case.leads(CompletenessKind.VENDOR_LOG_LOSS)) == 1


def test_the_last_day_of_an_incident_is_meant_whole(case: Case) -> None:
    case.events(case.file(), steady())
    case.find(context=CaseContext(window_to="2026-04-02"))

    assert case.leads(CompletenessKind.WINDOW)[0][2] == datetime(2026, 4, 3)


def test_sign_in_types_that_are_absent_are_said(case: Case) -> None:
    case.events(case.file(), [START], sign_in_event_type='["nonInteractiveUser"]')
    case.find()

    assert case.leads(CompletenessKind.MISSING_LOG_TYPE)[0][3].startswith(
        "no interactive, service principal, managed identity sign-ins in the folder"
    )


def test_mailbox_rows_without_a_mail_read_are_a_lead(case: Case) -> None:
    case.events(case.file(log_type=UAL), steady()[:30], UAL, workload="Exchange", operation="Send")
    case.find()

    assert "30 mailbox rows and no MailItemsAccessed" in case.leads(CompletenessKind.MISSING_LOG_TYPE)[1][3]


def test_throttled_hours_come_from_the_audit_log_and_from_session_exports(case: Case) -> None:
    case.events(case.file(log_type=UAL), [START, START + timedelta(minutes=5)], UAL, is_throttled=True, account="ann")
    case.con.execute(
        "CREATE TABLE mailbox_sessions (file_id INTEGER, event_time TIMESTAMP, user_id VARCHAR, is_throttled BOOLEAN)"
    )
    case.con.execute("INSERT INTO mailbox_sessions VALUES (9, '2026-03-09', 'bob', true), (9, NULL, 'eve', false)")
    case.con.execute("CREATE TABLE odd_export (file_id INTEGER, event_time TIMESTAMP, is_throttled BOOLEAN)")
    case.find()

    assert [(row[0], row[1], row[3][:8]) for row in case.leads(CompletenessKind.THROTTLED)] == [
        (UAL, START, "ann: 2 M"),
        (UAL, datetime(2026, 3, 9), "bob: 1 M"),
    ]


def test_throttled_rows_of_ambiguous_dates_are_counted_and_have_no_hour(case: Case) -> None:
    unsure = case.file(log_type=UAL, date_order="AMBIGUOUS")
    case.events(unsure, [START, START + DAY], UAL, is_throttled=True, account="ann")
    case.find()

    assert [(row[1], row[3][:8]) for row in case.leads(CompletenessKind.THROTTLED)] == [(None, "ann: 2 M")]


def test_many_leads_of_one_kind_are_folded(case: Case) -> None:
    for number in range(15):
        case.file(f"{number:02}.csv", rows_declared=20)
    case.find()
    found = case.leads(CompletenessKind.DECLARED_MISMATCH)

    assert len(found) == 11
    assert found[-1][3].startswith("and 5 more leads of this kind, the next: 10.csv declares 20 rows")


def test_a_directory_audit_that_fills_the_columns_of_the_portal_is_a_lead(case: Case) -> None:
    case.con.execute(
        "CREATE OR REPLACE TABLE entra_audit_logs (file_id INTEGER, event_time TIMESTAMP, target_resources VARCHAR,"
        " modified_properties VARCHAR)"
    )
    five, three = '{"Target1ModifiedProperty5Name":"x"}', '{"Target3ObjectId":"t"}'
    for number, (targets, properties) in enumerate([(None, five), (three, None), ('{"Target2Type":"x"}', "{}")]):
        case.con.execute(
            "INSERT INTO entra_audit_logs VALUES (1, $1, $2, $3)", [START + number * DAY, targets, properties]
        )
    case.find()

    assert [(row[0], row[1], row[2]) for row in case.leads(CompletenessKind.CAP)] == [
        (str(LogType.ENTRA_AUDIT), START, START + DAY)
    ]
