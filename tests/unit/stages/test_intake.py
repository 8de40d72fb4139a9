"""What intake makes of a folder: rows, copies, quarantine, dates, addresses, leads and checks."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, CaseStore, create_schema
from m365dq_dagster.adapters.evidence import landing, recognition
from m365dq_dagster.adapters.evidence.folder import evidence_files
from m365dq_dagster.adapters.evidence.formats import parse_formats
from m365dq_dagster.adapters.evidence.landing import Landing
from m365dq_dagster.adapters.evidence.recognition import RecognisedFile, chosen_records, look_at
from m365dq_dagster.adapters.evidence.tables import Tables
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.errors import BadInput, InternalFault
from m365dq_dagster.core.ledger import FileCounts
from m365dq_dagster.core.ledger_checks import checks
from m365dq_dagster.core.outcome import CaseStage, DateOrder
from tests.support.intake_case import Taken, shipped_formats, take_in

PORTAL = "Date (UTC),Request ID,Username,IP address,Location,Status,Sign-in error code,Conditional Access"
PS = "CreatedDateTime,UserPrincipalName,AppDisplayName,IPAddress,Country,Browser,Status,ConditionalAccessStatus"
UAL = "RecordType,CreationDate,UserIds,Operations,AuditData,ResultIndex,ResultCount,Identity"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    return evidence


def _portal(number: int, time: str = "2025-03-01T09:15:00Z", **cells: str) -> str:
    row = {
        "user": "ann@contoso.example",
        "address": "203.0.113.7",
        "place": '"Sydney, New South Wales, AU"',
        "status": "Success",
        "code": "None",
        "access": "Success",
        **cells,
    }
    return ",".join((time, f"id-{number}", *row.values()))


def _write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _ps(time: str, status: str = "Success", user: str = "ann@contoso.example") -> str:
    return f'"{time}",{user},Office,203.0.113.7,AU,Edge,{status},success'


def _audit(number: int, index: int = 1, count: int = 1, **fields: Any) -> str:
    record = {
        "Id": f"e{number}",
        "CreationTime": "2025-03-01T09:15:00",
        "Operation": "FileAccessed",
        "RecordType": 6,
        "UserId": "ann@contoso.example",
        **fields,
    }
    data = json.dumps(record).replace('"', '""')
    return f'x,3/1/2025 9:15:00 AM,ann,FileAccessed,"{data}",{index},{count},e{number}'


# The folder


def test_every_file_is_accounted_for_with_a_reason(folder: Path) -> None:
    _write(folder / "deep" / "er" / "signins.csv", PORTAL, _portal(1))
    _write(folder / "notes.md", "# what we did")
    _write(folder / "people.csv", "name,age", "ann,30")
    _write(folder / "other.json", '{"a": 1, "b": 2}')
    _write(folder / "broken.json", '{"a": ')
    _write(folder / "header only.csv", PORTAL)
    (folder / "empty.csv").write_bytes(b"")
    (folder / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x01\x02")
    (folder / "logs.gz").write_bytes(gzip.compress(b"x"))
    (folder / "link.csv").symlink_to("/etc/hostname")
    (folder / "case.toml").write_text("")
    (folder / "expected.json").write_text("{}")

    taken = take_in(folder)

    files = {row["path"]: (row["status"], row["reason"] or "") for row in taken.rows("SELECT * FROM files")}
    assert {path: status for path, (status, _) in files.items()} == {
        "broken.json": "UNRECOGNISED",
        "deep/er/signins.csv": "IMPORTED",
        "empty.csv": "EMPTY",
        "header only.csv": "EMPTY",
        "link.csv": "REFUSED",
        "logs.gz": "IMPORTED",
        "logs.gz/logs": "UNRECOGNISED",
        "notes.md": "UNRECOGNISED",
        "other.json": "UNRECOGNISED",
        "people.csv": "UNRECOGNISED",
        "picture.csv": "UNRECOGNISED",
    }
    assert all(reason for path, (_, reason) in files.items() if path != "deep/er/signins.csv")
    assert "1 file" in files["logs.gz"][1]
    assert "name, age" in files["people.csv"][1]
    assert taken.report.files_found == 11
    assert taken.report.files_recognised == 2
    assert taken.registry.stages == [CaseStage.IMPORTED]
    assert taken.registry.tasks == ["read_files", "balance_ledger"]


def test_a_folder_that_does_not_exist_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such folder"):
        take_in(tmp_path / "nowhere")


def test_an_empty_folder_fails_the_check_and_not_the_program(folder: Path) -> None:
    taken = take_in(folder)

    assert not taken.passed("recognised_evidence")
    assert taken.report.rows_read == 0


def test_a_file_that_cannot_be_opened_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(folder / "signins.csv", PORTAL, _portal(1))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(recognition, "read_head", refuse)

    file = take_in(folder).file("signins.csv")
    assert (file["status"], "Permission denied" in file["reason"]) == ("REFUSED", True)


def test_a_file_that_goes_while_it_is_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(folder / "signins.csv", PORTAL, _portal(1))

    def gone(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Landing, "land", gone)

    assert take_in(folder).file("signins.csv")["status"] == "REFUSED"


def test_several_folders_are_one_case(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    _write(first / "a.csv", PORTAL, _portal(1))
    _write(second / "a.csv", PORTAL, _portal(2))

    assert take_in(first, second).report.rows_imported == 2


def test_the_engine_can_reach_the_evidence_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1))
    outside = _write(tmp_path / "outside.csv", "a,b", "1,2")
    taken = take_in(folder)

    assert taken.file("a.csv")["rows_imported"] == 1
    with pytest.raises(duckdb.PermissionException):
        taken.con.execute(f"SELECT * FROM read_csv('{outside}')")
    with pytest.raises(duckdb.InvalidInputException):
        taken.con.execute("SET enable_external_access = true")


def test_a_store_locked_without_order_is_a_fault_of_the_program(folder: Path) -> None:
    con = duckdb.connect(config={**CONNECT_CONFIG, "preserve_insertion_order": False})
    create_schema(con)
    con.execute("SET lock_configuration = true")

    with pytest.raises(InternalFault, match="locked without keeping the order"):
        take_in(folder, con=con)


def test_taking_in_again_gives_the_same(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1), _portal(1), "broken")
    first = take_in(folder)
    before = (first.events(), first.ledger("a.csv"))
    again = take_in(folder, con=first.con)

    assert (again.events(), again.ledger("a.csv")) == before


def _generation(store: CaseStore, folder: Path, name: str, **options: str) -> tuple[Taken, list[str]]:
    """Take the folder in as one generation of a case, publish it, and tell its files."""
    path = store.begin("case", name, from_current=False)
    con = duckdb.connect(str(path), config=CONNECT_CONFIG)
    create_schema(con)
    taken = take_in(folder, con=con, case_dir=store.case_dir("case"), options=options)
    files = [row["path"] for row in taken.rows("SELECT path FROM files ORDER BY path")]
    assert taken.passed("ledger_balances")
    con.close()
    store.publish("case", name)
    return taken, files


def test_rows_of_a_file_that_has_gone_stay_until_they_are_let_go(folder: Path, tmp_path: Path) -> None:
    store = CaseStore(tmp_path / "cases")
    _write(folder / "a.csv", PORTAL, _portal(1), _portal(1), "broken")
    _write(folder / "b.csv", PORTAL, _portal(2))
    _generation(store, folder, "first")
    (folder / "a.csv").unlink()

    kept, files = _generation(store, folder, "second")
    assert (kept.report.rows_imported, files) == (2, ["a.csv", "b.csv"])
    let_go, files = _generation(store, folder, "third", forget_missing="yes")
    assert (let_go.report.rows_imported, files) == (1, ["b.csv"])


def test_rows_of_a_log_that_only_a_file_which_has_gone_held_stay_also_from_an_earlier_version(
    folder: Path, tmp_path: Path
) -> None:
    store = CaseStore(tmp_path / "cases")
    trace = "Received,SenderAddress,RecipientAddress,Subject,Status,MessageTraceId,MessageId,FromIP,Size"
    _write(folder / "a.csv", trace, "2025-03-01T09:15:00Z,a@x.example,b@y.example,Hi,Delivered,t1,m1,203.0.113.7,12")
    _write(folder / "b.csv", PORTAL, _portal(2))
    _generation(store, folder, "first")
    (folder / "a.csv").unlink()
    published = store.current("case")
    assert published
    with duckdb.connect(str(published), config=CONNECT_CONFIG) as earlier:
        earlier.execute("DROP TABLE file_formats")
        earlier.execute("ALTER TABLE message_trace ADD COLUMN earlier VARCHAR")

    _generation(store, folder, "second")

    published = store.current("case")
    assert published
    with duckdb.connect(str(published), config=CONNECT_CONFIG) as later:
        assert later.execute("SELECT recipient_address, size, earlier FROM message_trace").fetchall() == [
            ("b@y.example", 12, None)
        ]
        formats = later.execute("SELECT format FROM file_formats WHERE log_type = 'message_trace'").fetchall()
    assert formats == [("mes_messagetrace_csv",)]


# Rows, copies, quarantine


def test_a_row_leads_back_to_its_line(folder: Path) -> None:
    path = _write(
        folder / "a.csv", "", PORTAL, _portal(1), "", _portal(2, place='"Oslo,\nOslo, NO"'), "short", _portal(3)
    )
    taken = take_in(folder)
    seen = look_at(evidence_files(folder)[0], parse_formats(shipped_formats()))

    assert path.exists()
    assert [(row["row_no"], row["event_id"]) for row in taken.events()] == [(1, "id-1"), (2, "id-2"), (4, "id-3")]
    assert taken.rows("SELECT row_no, reason, raw FROM quarantine") == [
        {"row_no": 3, "reason": "COLUMN_COUNT", "raw": "short"}
    ]
    assert isinstance(seen, RecognisedFile)
    assert chosen_records(seen, [2, 4]) == {2: _portal(2, place='"Oslo,\nOslo, NO"'), 4: _portal(3)}
    assert chosen_records(seen, []) == {}
    assert chosen_records(seen, [99]) == {}


def test_sound_files_are_read_by_the_engine_and_broken_ones_record_by_record(folder: Path) -> None:
    sound = {
        "a.csv": "\n".join([PORTAL, _portal(1), _portal(2)]),
        "b.csv": "\r\n".join([PORTAL, _portal(1, place='"a\nb, c, AU"'), _portal(2), ""]),
        "c.json": json.dumps(
            [{"id": "1", "createdDateTime": "2025-03-01T00:00:00Z", "userId": "u", "appId": "a", "status": {}}]
        ),
        "page.json": json.dumps(
            {
                "@odata.context": "https://graph.example/signIns",
                "value": [
                    {"id": "1", "createdDateTime": "2025-03-01T00:00:00Z", "userId": "u", "appId": "a", "status": {}}
                ],
                "@odata.nextLink": "https://graph.example/next",
            }
        ),
        "d.jsonl": json.dumps(
            {"id": "1", "createdDateTime": "2025-03-01T00:00:00Z", "userId": "u", "appId": "a", "status": {}}
        ),
    }
    broken = {
        "e.csv": "\n".join([PORTAL, _portal(1), "x"]),
        "f.csv": "\r".join([PORTAL, _portal(1), _portal(2)]),
        "g.csv": "\n".join([PORTAL.replace("Location,", "").replace('"', ""), "", "", "", ""]),
        "h.json": json.dumps(
            {"id": "1", "createdDateTime": "2025-03-01T00:00:00Z", "userId": "u", "appId": "a", "status": {}}, indent=1
        ),
    }
    for name, text in {**sound, **broken}.items():
        (folder / name).write_bytes(text.encode())
    (folder / "wide.csv").write_bytes("\r\n".join([PORTAL, _portal(1), ""]).encode("utf-16"))
    sound["wide.csv"] = ""
    taken = take_in(folder)
    formats = parse_formats(shipped_formats())
    tables = Tables(taken.con, formats)
    tables.clear()
    ways = Landing(taken.con, tables, formats, folder)
    found = {}
    for number, file in enumerate(evidence_files(folder), 1):
        seen = look_at(file, formats)
        assert isinstance(seen, RecognisedFile), file.path
        _, (landed, *_) = ways.land(number, seen, DateOrder.MDY)
        found[file.path] = not landed.by_engine

    assert {name: tolerant for name, tolerant in found.items() if name in sound} == dict.fromkeys(sound, False)
    assert {name for name, tolerant in found.items() if tolerant} >= {"e.csv", "f.csv", "h.json"}


def test_many_files_of_one_make_come_in_together_and_one_broken_among_them_by_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[int] = []
    together = Landing.land_together

    def counted(self: Landing, files: Any, reading: DateOrder) -> Any:
        statements.append(len(files))
        return together(self, files, reading)

    monkeypatch.setattr(Landing, "land_together", counted)
    monkeypatch.setattr("m365dq_dagster.stages.intake.GROUP_FILES", 3)
    for number in range(7):
        _write(folder / f"{number}.csv", PORTAL, _portal(2 * number), _portal(2 * number + 1))
    with (folder / "5.csv").open("a") as file:
        file.write("short\n")
    _write(folder / "8.csv", UAL, _audit(1))
    taken = take_in(folder)

    assert statements == [3, 3, 1, 1, 1, 1, 1]
    assert [taken.ledger(f"{number}.csv") for number in range(7)] == [(2, 2, 0, 0)] * 5 + [(3, 2, 0, 1), (2, 2, 0, 0)]
    assert [(row["file_id"], row["row_no"], row["event_id"]) for row in taken.events()] == [
        (number // 2 + 1, number % 2 + 1, f"id-{number}") for number in range(14)
    ]
    assert taken.rows("SELECT file_id, row_no, raw FROM quarantine") == [{"file_id": 6, "row_no": 3, "raw": "short"}]
    assert taken.provenance("country") == "derived:location_part from Location"


def test_each_file_of_a_group_has_its_own_order_of_dates(folder: Path) -> None:
    _write(folder / "a.csv", PS, _ps("3/14/2025 7:22:01 AM"))
    _write(folder / "b.csv", PS, _ps("14/3/2025 7:22:02 AM"))
    _write(folder / "c.csv", PS, _ps("2025-03-14T07:22:03Z"))
    taken = take_in(folder)

    assert [taken.file(f"{name}.csv")["date_order"] for name in "abc"] == ["MDY", "DMY", "ISO"]
    assert [row["event_time"] for row in taken.events()] == [
        datetime(2025, 3, 14, 7, 22, second) for second in (1, 2, 3)
    ]


def test_a_file_whose_later_dates_speak_for_another_order_is_read_in_that_order(folder: Path) -> None:
    rows = [_ps(f"3/{1 + number % 12}/2025 7:22:01 AM", user=f"u{number}@contoso.example") for number in range(300)]
    _write(folder / "a.csv", PS, *rows, _ps("14/3/2025 7:22:01 AM"))
    _write(folder / "b.csv", PS, *rows)
    taken = take_in(folder)

    assert taken.file("a.csv")["date_order"] == "DMY"
    assert taken.ledger("a.csv") == (301, 301, 0, 0)
    first = taken.rows("SELECT DISTINCT month(event_time) AS month FROM sign_in_logs WHERE file_id = 1")
    assert {row["month"] for row in first} == set(range(1, 13))


def test_one_file_alone_whose_later_dates_speak_for_another_order_is_read_in_that_order(folder: Path) -> None:
    rows = [_ps(f"3/{1 + number % 12}/2025 7:22:01 AM", user=f"u{number}@contoso.example") for number in range(300)]
    _write(folder / "a.csv", PS, *rows, _ps("14/3/2025 7:22:01 AM"))
    taken = take_in(folder)

    assert (taken.file("a.csv")["date_order"], taken.ledger("a.csv")) == ("DMY", (301, 301, 0, 0))


def test_files_that_go_while_they_are_read_together_are_refused_one_by_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> dict[int, Any]:
        raise FileNotFoundError(2, "No such file or directory")

    _write(folder / "a.csv", PORTAL, _portal(1))
    _write(folder / "b.csv", PORTAL, _portal(2))
    monkeypatch.setattr(Landing, "land_together", gone)
    taken = take_in(folder)

    assert [taken.file(f"{name}.csv")["status"] for name in "ab"] == ["REFUSED", "REFUSED"]


def test_a_log_whose_rows_have_no_id_at_all_compares_them_as_wholes(folder: Path) -> None:
    doors: dict[str, Any] = {
        "id": "acme_doors",
        "title": "Acme doors",
        "log_type": "door_logs",
        "container": "csv",
        "identity": [],
        "detect": {"all": ["Opened", "Door"]},
        "fields": {"event_time": "Opened", "door": "Door"},
    }
    row = "2025-03-01T00:00:00Z,Vault"
    _write(folder / "a.csv", "Opened,Door", row, row)
    _write(folder / "b.csv", "Opened,Door", row)
    taken = take_in(folder, formats=(doors,))

    assert (taken.ledger("a.csv"), taken.ledger("b.csv")) == ((2, 2, 0, 0), (1, 0, 1, 0))


def test_rows_without_ids_that_look_like_those_of_another_format_are_said_and_not_merged(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1))
    _write(folder / "b.csv", PS, _ps("2025-03-01T09:15:00Z"))
    taken = take_in(folder)

    assert taken.report.rows_imported == 2
    assert "1 rows without an event id look like rows of another format" in taken.leads("OVERLAP")[0]["detail"]


def test_what_a_collector_says_of_its_work_is_listed_and_holds_no_events(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1))
    entry = {"Name": "a.csv", "SHA256": "0" * 64, "Records": 1}
    _write(
        folder / "_EVIDENCE_MANIFEST.json", json.dumps({"InvestigationId": "i", "CollectedAt": "x", "Files": [entry]})
    )
    taken = take_in(folder)
    listed = taken.file("_EVIDENCE_MANIFEST.json")

    assert (listed["status"], listed["rows_read"], "holds no events" in listed["reason"]) == ("IMPORTED", 0, True)
    assert "a.csv" in taken.leads("MANIFEST")[0]["detail"]


def test_rows_set_aside_are_written_in_small_parts_also_where_their_text_has_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m365dq_dagster.stages.intake.RAW_BATCH", 1)
    _write(folder / "a.csv", UAL, _audit(1), *["x,y,z,w,,1,1,e2"] * 3)
    whole = take_in(folder)
    monkeypatch.setattr("m365dq_dagster.stages.intake.raw_records", lambda _: iter(()))
    gone = take_in(folder)

    assert whole.ledger("a.csv") == gone.ledger("a.csv") == (4, 1, 0, 3)
    assert [row["raw"] for row in whole.rows("SELECT raw FROM quarantine")] == ["x,y,z,w,,1,1,e2"] * 3
    assert [row["raw"] for row in gone.rows("SELECT raw FROM quarantine")] == [None] * 3


def test_one_address_has_one_spelling_and_what_is_none_stays(folder: Path) -> None:
    spellings = ("2001:DB8:0:0::1", "2001:db8::1", "[2001:0db8:0000::0001]:443", "1::2::3")
    _write(folder / "a.csv", PORTAL, *(_portal(at, address=text) for at, text in enumerate(spellings)))
    taken = take_in(folder)

    assert [row["address"] for row in taken.events()] == ["2001:db8::1"] * 3 + ["1::2::3"]


def test_a_row_that_was_set_aside_comes_in_once_its_file_is_put_right(folder: Path) -> None:
    _write(folder / "a.csv", UAL, _audit(1), "x,3/1/2025 9:15:00 AM,ann,FileAccessed,,1,1,e2")
    before = take_in(folder)
    _write(folder / "a.csv", UAL, _audit(1), _audit(2))
    after = take_in(folder)

    assert (before.ledger("a.csv"), after.ledger("a.csv")) == ((2, 1, 0, 1), (2, 2, 0, 0))


def test_records_set_aside_as_unknown_come_in_once_a_format_describes_them(folder: Path) -> None:
    sign_in = {"id": "1", "createdDateTime": "2025-03-01T00:00:00Z", "userId": "u", "appId": "a", "status": {}}
    door = {"Opened": "2025-03-01T00:00:00Z", "Door": "Vault", "Who": "ann@contoso.example"}
    _write(folder / "a.json", json.dumps([sign_in, door, sign_in | {"id": "2"}]))
    doors: dict[str, Any] = {
        "id": "acme_doors",
        "title": "Acme doors",
        "log_type": "door_logs",
        "container": "json",
        "detect": {"all": ["Opened", "Door"]},
        "fields": {"event_time": "Opened", "user_principal_name": "Who", "door": "Door"},
    }
    before = take_in(folder)
    after = take_in(folder, formats=(*shipped_formats(), doors))

    assert (before.ledger("a.json"), after.ledger("a.json")) == ((3, 2, 0, 1), (3, 3, 0, 0))
    assert before.rows("SELECT row_no, reason FROM quarantine") == [{"row_no": 2, "reason": "RECORD_UNKNOWN"}]
    assert [(row["row_no"], row["door"]) for row in after.events("door_logs")] == [(2, "Vault")]
    assert after.file("a.json")["format"] == "graph_signin_v1, acme_doors"
    assert after.file("a.json")["log_type"] == "sign_in_logs, door_logs"


def test_a_header_in_the_middle_of_joined_files_is_no_event(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1), PORTAL, _portal(2), '"' + PORTAL.replace(",", '","') + '"', _portal(3))
    _write(folder / "b.csv", UAL, _audit(1), UAL, _audit(2))
    taken = take_in(folder)

    assert (taken.ledger("a.csv"), taken.ledger("b.csv")) == ((5, 3, 0, 2), (3, 2, 0, 1))
    assert [row["event_id"] for row in taken.events()] == ["id-1", "id-2", "id-3"]
    assert {row["reason"] for row in taken.rows("SELECT reason FROM quarantine")} == {"HEADER_AGAIN"}


@pytest.mark.parametrize("broken", [False, True])
def test_rows_behind_a_header_of_another_order_are_not_read_by_the_first(folder: Path, broken: bool) -> None:
    turned = ",".join(reversed(PORTAL.split(",")))
    row = 'Success,0,Success,"Lagos, Lagos, NG",198.51.100.7,ann@contoso.example,{},2025-03-01T09:15:00Z'
    tail = ["short"] if broken else []
    _write(folder / "a.csv", PORTAL, _portal(1), turned, row.format("x1"), row.format("x2"), PORTAL, _portal(2), *tail)
    taken = take_in(folder)

    assert taken.ledger("a.csv") == (6 + broken, 2, 0, 4 + broken)
    assert [(row["row_no"], row["event_id"]) for row in taken.events()] == [(1, "id-1"), (6, "id-2")]
    assert [row["row_no"] for row in taken.rows("SELECT row_no FROM quarantine WHERE reason = 'HEADER_CHANGED'")] == [
        2,
        3,
        4,
    ]


def test_rulers_and_footers_are_no_events_and_rows_with_few_values_are(folder: Path) -> None:
    dashes = ",".join("-" * len(name) for name in PORTAL.split(","))
    few = "2025-03-01T09:15:00Z,,ann@contoso.example,,,,,"
    _write(folder / "a.csv", PORTAL, dashes, _portal(1), few, "3 rows exported,,,,,,,", "Total: 3,,,,,,,")
    taken = take_in(folder)

    assert taken.ledger("a.csv") == (5, 2, 0, 3)
    assert {row["reason"] for row in taken.rows("SELECT reason FROM quarantine")} == {"ROW_NOT_EVENT"}


def test_rows_of_another_table_in_a_union_are_no_sign_ins(folder: Path) -> None:
    header = "TimeGenerated,CreatedDateTime,ResultType,Id,AppDisplayName,UserPrincipalName,ConditionalAccessStatus"
    header += ",Operation,Type"
    sign_in = "2025-03-01 09:15:00,2025-03-01 09:15:00,0,s1,Office,ann@contoso.example,success,,SigninLogs"
    other = "2025-03-01 09:16:00,,,,,,,New-InboxRule,OfficeActivity"
    _write(folder / "a.csv", header, sign_in, other)
    taken = take_in(folder)

    assert taken.ledger("a.csv") == (2, 1, 0, 1)
    assert taken.rows("SELECT row_no, reason FROM quarantine") == [{"row_no": 2, "reason": "OTHER_TABLE"}]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01 00:00:00"),
        ("9999-12-31T23:59:59", "9999-12-31 23:59:59"),
        ("2025-03-14 7:22:01 PM", "2025-03-14 19:22:01"),
        ("2025-03-14 12:22:01 AM", "2025-03-14 00:22:01"),
        ("2025-03-14 11:22 PM", "2025-03-14 23:22:00"),
        ("2025-03-14 7:22:01 p.m.", "2025-03-14 19:22:01"),
        ("2025-03-14, 7:22:01 p.m.", "2025-03-14 19:22:01"),
        ("2025-03-14T07:22:01-05", "2025-03-14 12:22:01"),
        ("2025-03-14 07:22:01 +0000", "2025-03-14 07:22:01"),
        ("2025-03-14 07:22:01 UTC", "2025-03-14 07:22:01"),
        ("2025/03/14 07:22:01", "2025-03-14 07:22:01"),
        ("3/14/2025 7:22:01 PM +02:00", "2025-03-14 17:22:01"),
        ("3/14/2025 7:22:01 a. m.", "2025-03-14 07:22:01"),
        ("Mar 14, 2025 7:22:01 AM", "2025-03-14 07:22:01"),
        ("14-Mar-2025 07:22:01", "2025-03-14 07:22:01"),
        ("14.03.2025 07:22:01", "2025-03-14 07:22:01"),
        ("2025-03-14 07:22:01 EST", None),
        ("2025-03-14 07:22:01 Europe/Berlin", None),
        ("2025-03-14 07:22:01 BC", None),
        ("3/14/25 7:22", None),
        ("45730.307", None),
        ("infinity", None),
        ("epoch", None),
    ],
)
def test_a_time_is_read_whole_or_not_at_all_and_what_is_not_read_is_said(
    folder: Path, text: str, moment: str | None
) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1, time=f'"{text}"'))
    taken = take_in(folder)

    assert [str(row["event_time"]) for row in taken.events()] == [str(moment)]
    told = [row["detail"] for row in taken.leads("UNREADABLE_TIME")]
    assert [text in detail for detail in told] == ([] if moment else [True])


def test_records_of_two_formats_of_one_log_are_each_read_by_their_own(folder: Path) -> None:
    graph = {
        "id": "g1",
        "createdDateTime": "2025-03-01T09:15:00Z",
        "userPrincipalName": "ann@contoso.example",
        "appDisplayName": "Office",
        "status": {"errorCode": 50126},
    }
    stream = {
        "time": "2025-03-01T09:16:00Z",
        "category": "SignInLogs",
        "operationName": "Sign-in activity",
        "resultType": "50053",
        "properties": {
            "id": "d1",
            "createdDateTime": "2025-03-01T09:16:00Z",
            "userPrincipalName": "bob@contoso.example",
        },
    }
    _write(folder / "a.json", json.dumps([stream, stream | {"properties": stream["properties"] | {"id": "d2"}}, graph]))
    taken = take_in(folder)

    assert [(row["event_id"], row["status_error_code"], row["account"]) for row in taken.events()] == [
        ("d1", "50053", "bob@contoso.example"),
        ("d2", "50053", "bob@contoso.example"),
        ("g1", "50126", "ann@contoso.example"),
    ]
    assert taken.provenance("event_id") == "source:properties.id or source:id"
    assert taken.leads("OVERLAP") == []


def test_keys_that_come_late_in_a_mixed_document_are_read_and_told(folder: Path) -> None:
    first = {
        "id": "g0",
        "createdDateTime": "2025-03-01T09:15:00Z",
        "userPrincipalName": "ann@contoso.example",
        "appDisplayName": "Office",
        "status": {"errorCode": 0},
    }
    late = {"riskState": "atRisk", "unknownKey": 1}
    rows = [first | {"id": f"g{number}"} for number in range(300)] + [first | late | {"id": "late"}, {"other": 1}]
    _write(folder / "a.jsonl", *map(json.dumps, rows))
    taken = take_in(folder)

    assert taken.ledger("a.jsonl") == (302, 301, 0, 1)
    assert taken.rows("SELECT event_id FROM sign_in_logs WHERE risk_state = 'atRisk'") == [{"event_id": "late"}]
    assert taken.provenance("risk_state") == "source:riskState"
    assert taken.provenance("user_agent") == "absent"


def test_rows_without_ids_are_compared_whatever_the_name_or_the_order_of_columns_of_their_file(folder: Path) -> None:
    turned = ",".join(reversed(PS.split(",")))
    row = _ps("2025-03-14T07:22:01Z")
    _write(folder / "a.csv", PS, row, row)
    _write(folder / "b.csv", turned, ",".join(reversed(row.split(","))))
    taken = take_in(folder)

    assert (taken.ledger("a.csv"), taken.ledger("b.csv")) == ((2, 2, 0, 0), (1, 0, 1, 0))


def test_rows_without_ids_of_a_file_that_was_renamed_and_has_grown_count_once(folder: Path, tmp_path: Path) -> None:
    store = CaseStore(tmp_path / "cases")
    rows = [_ps(f"2025-03-14T07:22:0{second}Z") for second in range(4)]
    _write(folder / "a.csv", PS, *rows[:3])
    _generation(store, folder, "first")
    (folder / "a.csv").unlink()
    _write(folder / "b.csv", PS, *rows)

    grown, _ = _generation(store, folder, "second")

    assert grown.report.rows_imported == 4


def test_a_number_that_names_nothing_is_no_id(folder: Path) -> None:
    nothing = "00000000-0000-0000-0000-000000000000"
    rows = [_audit(1, Id=nothing, CreationTime=f"2025-03-01T09:15:0{second}") for second in range(3)]
    _write(folder / "a.csv", UAL, *(row.rsplit(",", 1)[0] + "," for row in rows))
    taken = take_in(folder)

    assert taken.ledger("a.csv") == (3, 3, 0, 0)
    assert {row["event_id"] for row in taken.events("unified_audit_log")} == {None}


def test_a_copy_that_has_only_the_time_of_its_collection_is_a_copy(folder: Path) -> None:
    header = "TimeGenerated,ResultType,Id,AppDisplayName,UserPrincipalName,ConditionalAccessStatus,IPAddress"
    _write(folder / "a.csv", header, "2025-03-01 09:18:00,0,id-1,Office,ann@contoso.example,success,203.0.113.7")
    _write(folder / "b.csv", PORTAL, _portal(1, code="0"))
    taken = take_in(folder)

    assert taken.report.rows_imported == 1
    assert taken.leads("OVERLAP") == []


def test_one_sign_in_at_two_times_in_two_files_is_said(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1, time="2025-03-01T09:15:27Z", code="0"))
    _write(folder / "b.csv", PORTAL, _portal(1, time="3/1/2025 9:15", code="0"))
    taken = take_in(folder)

    assert taken.report.rows_imported == 2
    assert "1 sign-ins stand in more than one file" in taken.leads("OVERLAP")[0]["detail"]


def test_of_copies_the_one_with_most_values_is_kept_and_the_others_are_named(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1, address=""), _portal(1), _portal(1, place=""))
    taken = take_in(folder)

    assert taken.ledger("a.csv") == (3, 1, 2, 0)
    assert taken.events()[0]["row_no"] == 2
    assert taken.rows("SELECT row_no, of_row_no, rule FROM duplicates ORDER BY row_no") == [
        {"row_no": 1, "of_row_no": 2, "rule": "SAME_EVENT_ID"},
        {"row_no": 3, "of_row_no": 2, "rule": "SAME_EVENT_ID"},
    ]


def test_an_id_that_repeats_with_another_outcome_or_time_is_another_event(folder: Path) -> None:
    _write(
        folder / "a.csv",
        PORTAL,
        _portal(1, status="Interrupted", code="50140"),
        _portal(1),
        _portal(1, time="2025-03-01T09:15:01Z"),
    )

    assert take_in(folder).ledger("a.csv") == (3, 3, 0, 0)


def test_the_same_file_under_two_names_counts_once(folder: Path) -> None:
    for name in ("a.csv", "b.csv"):
        _write(folder / name, PORTAL, _portal(1), _portal(2))
    taken = take_in(folder)

    assert taken.ledger("a.csv") == (2, 2, 0, 0)
    assert taken.ledger("b.csv") == (2, 0, 2, 0)
    assert (taken.file("b.csv")["status"], "a.csv" in taken.file("b.csv")["reason"]) == ("ALREADY_IMPORTED", True)


def test_fifty_equal_rows_of_one_file_without_ids_stay_fifty(folder: Path) -> None:
    _write(folder / "a.csv", PS, *[_ps("3/14/2025 7:22:01 AM")] * 50)

    assert take_in(folder).ledger("a.csv") == (50, 50, 0, 0)


def test_across_files_without_ids_each_equal_row_counts_as_often_as_in_one_file(folder: Path) -> None:
    one, two = _ps("3/14/2025 7:22:01 AM"), _ps("3/15/2025 7:22:01 AM")
    _write(folder / "a.csv", PS, one, two)
    _write(folder / "b.csv", PS, one, one, one)
    taken = take_in(folder)

    assert taken.ledger("a.csv") == (2, 1, 1, 0)
    assert taken.ledger("b.csv") == (3, 3, 0, 0)
    assert {row["rule"] for row in taken.rows("SELECT rule FROM duplicates")} == {"SAME_ROW_IN_ANOTHER_FILE"}


def test_broken_files_without_ids_are_compared_too(folder: Path) -> None:
    one = _ps("3/14/2025 7:22:01 AM")
    _write(folder / "a.csv", PS, one, "broken")
    _write(folder / "b.csv", PS, one)
    taken = take_in(folder)

    assert taken.ledger("a.csv") == (2, 1, 0, 1)
    assert taken.ledger("b.csv") == (1, 0, 1, 0)


def _graph(code: int | None, number: int = 1) -> str:
    event = {
        "id": f"id-{number}",
        "createdDateTime": "2025-03-01T09:15:00Z",
        "userPrincipalName": "ann@contoso.example",
        "appDisplayName": "Office",
        "status": {"errorCode": code},
    }
    return json.dumps([event])


@pytest.mark.parametrize("code", [0, None])
def test_one_sign_in_in_two_formats_is_one_event_and_both_sources_are_remembered(
    folder: Path, code: int | None
) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1))
    _write(folder / "b.json", _graph(code))
    taken = take_in(folder)

    assert len(taken.events()) == 1
    assert sorted((taken.ledger("a.csv"), taken.ledger("b.json"))) == [(1, 0, 1, 0), (1, 1, 0, 0)]
    assert taken.leads("OVERLAP") == []


def test_a_sign_in_id_with_another_outcome_in_another_format_is_another_event_and_is_said(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1))
    _write(folder / "b.json", _graph(50126))
    taken = take_in(folder)

    assert len(taken.events()) == 2
    assert "graph_signin_v1 and portal_signin_csv" in taken.leads("OVERLAP")[0]["detail"]


def test_audit_records_are_one_by_their_id_alone(folder: Path) -> None:
    _write(folder / "a.csv", UAL, _audit(1), _audit(1, ClientIP="203.0.113.7"), _audit(2))
    taken = take_in(folder)

    assert taken.ledger("a.csv") == (3, 2, 1, 0)
    assert [row["address"] for row in taken.events("unified_audit_log")] == ["203.0.113.7", None]


def test_a_record_without_an_id_inside_takes_that_of_its_wrapper(folder: Path) -> None:
    _write(folder / "a.csv", UAL, _audit(7, Id=None))

    assert take_in(folder).events("unified_audit_log")[0]["event_id"] == "e7"


BROKEN_RECORDS = [
    ("", "AUDITDATA_EMPTY"),
    ("{}", "AUDITDATA_EMPTY"),
    ("null", "AUDITDATA_EMPTY"),
    ('"{""Id"":"', "AUDITDATA_UNPARSABLE"),
    ("[1]", "AUDITDATA_UNPARSABLE"),
    ('"' + '{""Id"":""' + "x" * (32_767 - 7) + '"', "AUDITDATA_TRUNCATED"),
]


def test_a_record_that_cannot_be_read_is_quarantined_and_never_rebuilt(folder: Path) -> None:
    rows = [f"x,3/1/2025 9:15:00 AM,ann@contoso.example,FileAccessed,{data},1,1,e1" for data, _ in BROKEN_RECORDS]
    _write(folder / "a.csv", UAL, *rows)
    taken = take_in(folder)

    found = taken.rows("SELECT reason, raw, detail FROM quarantine ORDER BY row_no")
    assert [(row["reason"], row["raw"]) for row in found] == [
        (reason, row) for (_, reason), row in zip(BROKEN_RECORDS, rows, strict=True)
    ]
    assert all(row["detail"] for row in found)
    assert taken.events("unified_audit_log") == []
    assert not taken.passed("quarantine_share")


def test_blank_rows_are_quarantined(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1), " , ,,,,,, ", ",,,,,,,")
    _write(folder / "b.csv", UAL, _audit(1), ",,,,,,,")
    taken = take_in(folder)

    assert taken.ledger("a.csv") == (3, 1, 0, 2)
    assert {row["reason"] for row in taken.rows("SELECT reason FROM quarantine WHERE file_id = 1")} == {"ROW_EMPTY"}
    assert taken.ledger("b.csv") == (2, 1, 0, 1)


def test_records_of_a_document_that_are_no_events_are_quarantined_with_their_text(folder: Path) -> None:
    good = {"id": "1", "createdDateTime": "2025-03-01T00:00:00Z", "userId": "u", "appId": "a", "status": {}}
    _write(folder / "a.json", json.dumps([good, {}, {"other": 1}])[:-1] + ', {"id": "2", "createdDateTi')
    taken = take_in(folder)

    assert taken.ledger("a.json") == (4, 1, 0, 3)
    assert taken.rows("SELECT row_no, reason, raw FROM quarantine ORDER BY row_no") == [
        {"row_no": 2, "reason": "ROW_EMPTY", "raw": "{}"},
        {"row_no": 3, "reason": "RECORD_UNKNOWN", "raw": '{"other": 1}'},
        {"row_no": 4, "reason": "JSON_TRUNCATED", "raw": '{"id": "2", "createdDateTi\n'},
    ]


# Values


DATES = [
    ("2025-03-01T09:15:00Z", "ISO", "2025-03-01 09:15:00"),
    ("2025-03-01T09:15:00.1234567Z", "ISO", "2025-03-01 09:15:00.123456"),
    ("2026-01-24T06:54:24.0000000Z ", "ISO", "2026-01-24 06:54:24"),
    ("2025-03-01 09:15:00.5", "ISO", "2025-03-01 09:15:00.500000"),
    ("2025-03-01T09:15:00+02:00", "ISO", "2025-03-01 07:15:00"),
    ("2025-03-01T09:15:00.123-0530", "ISO", "2025-03-01 14:45:00.123000"),
    ("3/14/2025 7:22:01 AM", "MDY", "2025-03-14 07:22:01"),
    ("3/14/2025 12:00:00 AM", "MDY", "2025-03-14 00:00:00"),
    ("3/14/2025 7:22:01 pm", "MDY", "2025-03-14 19:22:01"),
    ("3/14/2025, 7:22:01.000 PM", "MDY", "2025-03-14 19:22:01"),
    ("3/14/2025, 7:22:01.483 PM", "MDY", "2025-03-14 19:22:01.483000"),
    ("3/14/2025 7:22:01\u202fPM", "MDY", "2025-03-14 19:22:01"),
    ("3/14/2025 19:22:01", "MDY", "2025-03-14 19:22:01"),
    ("3/14/2025 19:22", "MDY", "2025-03-14 19:22:00"),
    ("14/3/2025 7:22:01 PM", "DMY", "2025-03-14 19:22:01"),
    ("14.03.2025 19:22:01", "DMY", "2025-03-14 19:22:01"),
    ("3/4/2025 7:22:01 AM", "AMBIGUOUS", "2025-03-04 07:22:01"),
    ("/Date(1740820500000)/", "ISO", "2025-03-01 09:15:00"),
    ("/Date(1740820500000+0100)/", "ISO", "2025-03-01 09:15:00"),
    ("yesterday", None, None),
    ("infinity", None, None),
    ("2025-02-30T00:00:00Z", None, None),
    ("", None, None),
]


def test_every_date_dialect_is_read(folder: Path) -> None:
    for number, (text, _, _) in enumerate(DATES):
        _write(folder / f"{number:02}.csv", PS, _ps(text))
    taken = take_in(folder)

    orders = [row["date_order"] for row in taken.rows("SELECT date_order FROM files ORDER BY path")]
    times = [(row["event_time_raw"] or "", row["event_time"]) for row in taken.events()]
    assert [
        (text, order, str(time) if time else None) for (text, time), order in zip(times, orders, strict=True)
    ] == DATES


def test_ambiguous_dates_are_read_the_contiguous_way_and_flagged(folder: Path) -> None:
    _write(folder / "a.csv", PS, *[_ps(f"{day}/3/2025 7:22:01 AM") for day in range(1, 13)])
    taken = take_in(folder)

    assert taken.file("a.csv")["date_order"] == "AMBIGUOUS"
    assert {event["event_time"].month for event in taken.events()} == {3}
    assert not taken.leads("HOLE")


def test_the_context_decides_ambiguous_dates(folder: Path) -> None:
    _write(folder / "a.csv", PS, *[_ps(f"{day}/3/2025 7:22:01 AM") for day in range(1, 13)])
    taken = take_in(folder, date_order=DateOrder.MDY)

    assert taken.file("a.csv")["date_order"] == "MDY"
    assert {event["event_time"].day for event in taken.events()} == {3}


ADDRESSES = [
    ("203.0.113.7", "203.0.113.7"),
    (" 203.0.113.7 ", "203.0.113.7"),
    ("203.0.113.7:443", "203.0.113.7"),
    ("2001:DB8::7", "2001:db8::7"),
    ("[2001:db8::7]:443", "2001:db8::7"),
    ("[2001:db8::7]", "2001:db8::7"),
    ("fe80::1%eth0", "fe80::1"),
    ("::ffff:203.0.113.7", "203.0.113.7"),
    ("::FFFF:203.0.113.7", "203.0.113.7"),
    ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
    ("<null>", None),
    ("None", None),
    ("mail.contoso.example", None),
    ("999", None),
    ("", None),
]


def test_every_spelling_of_an_address_is_read(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, *[_portal(number, address=text) for number, (text, _) in enumerate(ADDRESSES)])

    events = take_in(folder).events()
    assert [(text, event["address"]) for (text, _), event in zip(ADDRESSES, events, strict=True)] == ADDRESSES


PLACES = [
    ('"Sydney, New South Wales, AU"', "AU", "Sydney"),
    ('"Windhoek, Khomas, na"', "NA", "Windhoek"),
    ('", , US"', "US", None),
    ("AU", "AU", None),
    ('"Berlin, Germany"', "Germany", None),
    ("Sydney", None, None),
    ("Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInLocation", None, None),
    ('"@{city=Sydney; countryOrRegion=AU, x}"', None, None),
    ("None", None, None),
    ("", None, None),
]


def test_a_location_gives_what_it_holds(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, *[_portal(number, place=text) for number, (text, _, _) in enumerate(PLACES)])

    events = take_in(folder).events()
    found = [(text, event["country"], event["city"]) for (text, _, _), event in zip(PLACES, events, strict=True)]
    assert found == PLACES


USERS = [
    ("Ann@Contoso.example ", "ann@contoso.example", True),
    ("app@sharepoint", "app@sharepoint", False),
    (
        "NT AUTHORITY\\SYSTEM (Microsoft.Exchange.Servicehost)",
        "nt authority\\system (microsoft.exchange.servicehost)",
        False,
    ),
    (
        "ServicePrincipal_11111111-0000-0000-0000-000000000001",
        "serviceprincipal_11111111-0000-0000-0000-000000000001",
        False,
    ),
    ("11111111-0000-0000-0000-000000000001", "11111111-0000-0000-0000-000000000001", False),
    ("Not Available", None, False),
]


def test_system_actors_are_no_people(folder: Path) -> None:
    _write(folder / "a.csv", UAL, *[_audit(number, UserId=user) for number, (user, _, _) in enumerate(USERS)])

    events = take_in(folder).events("unified_audit_log")
    found = [(user, event["account"], event["is_person"]) for (user, _, _), event in zip(USERS, events, strict=True)]
    assert [row for row in found if row[0] != "Not Available"] == [row for row in USERS if row[0] != "Not Available"]


def test_an_actor_that_is_not_available_is_the_one_its_wrapper_names(folder: Path) -> None:
    _write(folder / "a.csv", UAL, _audit(1, UserId="Not Available"))

    assert take_in(folder).events("unified_audit_log")[0]["account"] == "ann"


def test_the_canonical_values_of_a_file_say_where_they_came_from(folder: Path) -> None:
    _write(folder / "a.csv", PS, _ps("3/14/2025 7:22:01 AM"))
    taken = take_in(folder)

    assert taken.provenance("status") == "source:Status"
    assert taken.provenance("status_error_code") == "source:Status"
    assert taken.provenance("status_raw") == "source:Status"
    assert taken.provenance("account") == "derived:folded_user_name from UserPrincipalName"
    assert taken.provenance("address") == "derived:plain_address from IPAddress"
    assert taken.provenance("session_id") == "absent"


def test_keys_that_come_late_in_a_document_are_read_and_absent_ones_are_said_to_be_absent(folder: Path) -> None:
    rows = [
        {"id": str(number), "createdDateTime": "2025-03-01T00:00:00Z", "userId": "u", "appId": "a", "status": {}}
        for number in range(80)
    ]
    rows[-1] |= {"conditionalAccessStatus": "failure", "location": {"countryOrRegion": "KP"}}
    _write(folder / "a.json", json.dumps(rows))
    taken = take_in(folder)

    assert taken.events()[-1]["conditional_access_status"] == "failure"
    assert taken.events()[-1]["country"] == "KP"
    assert taken.provenance("conditional_access_status") == "source:conditionalAccessStatus"
    assert taken.provenance("risk_state") == "absent"


def test_a_document_with_every_key_at_once_has_no_late_ones(folder: Path) -> None:
    tiny: dict[str, Any] = {
        "id": "tiny",
        "title": "t",
        "log_type": "sign_in_logs",
        "container": "json",
        "detect": {"all": ["when"]},
        "fields": {"event_time": "when"},
    }
    _write(folder / "a.json", '[{"when": "2025-03-01T00:00:00Z"}]')

    assert take_in(folder, formats=(tiny,)).events()[0]["event_time"] == datetime(2025, 3, 1)


def test_a_time_of_ingestion_does_not_tell_copies_apart(folder: Path) -> None:
    header = "TimeGenerated,ResultType,Id,AppDisplayName,UserPrincipalName,ConditionalAccessStatus"
    rows = [f"2025-03-01 09:15:0{second},0,s1,Office,ann@contoso.example,success" for second in (0, 5)]
    _write(folder / "a.csv", header, *rows)

    assert take_in(folder).ledger("a.csv") == (2, 1, 1, 0)


# A flavour is a file


def test_a_new_flavour_is_a_new_file_and_no_code(folder: Path) -> None:
    flavour: dict[str, Any] = {
        "id": "acme_csv",
        "title": "Acme collector",
        "log_type": "sign_in_logs",
        "container": "csv",
        "detect": {"all": [["When", "Wann"], "Acme Outcome"]},
        "null_words": ["n/a"],
        "fields": {
            "event_time": ["When", "Wann"],
            "user_principal_name": "Who",
            "status": "Acme Outcome",
            "conditional_access_status": "Policy",
            "country": "Land",
            "city": "Ort",
        },
        "values": {"conditional_access_status": {"0": "success", "1": "failure"}},
        "date_order": "DMY",
    }
    _write(
        folder / "x.csv",
        "Wann;Who;Acme Outcome;Policy;Land;Ort",
        "3/4/2025 10:00:00;Ann@Contoso.example;Success;0;no;n/a",
        "3/4/2025 10:00:00;Bob@Contoso.example;Success;7;Norway;Oslo",
    )
    taken = take_in(folder, formats=(*shipped_formats(), flavour))

    first, second = taken.events()
    assert taken.file("x.csv")["format"] == "acme_csv"
    assert taken.file("x.csv")["date_order"] == "DMY"
    assert (
        first["account"],
        first["conditional_access_status"],
        first["conditional_access_status_raw"],
        first["country"],
        first["city"],
    ) == ("ann@contoso.example", "success", "0", "NO", None)
    assert (second["conditional_access_status"], second["country"], second["city"]) == ("7", "Norway", "Oslo")
    assert first["event_time"] == datetime(2025, 4, 3, 10)
    assert taken.provenance("conditional_access_status") == "derived:value_map from Policy"
    assert taken.provenance("conditional_access_status_raw") == "source:Policy"


def test_a_new_log_type_is_a_new_file_and_no_code(folder: Path) -> None:
    doors: dict[str, Any] = {
        "id": "acme_doors",
        "title": "Acme doors",
        "log_type": "door_logs",
        "container": "csv",
        "detect": {"all": ["Opened", "Door"]},
        "types": {"seconds": "integer", "forced": "boolean", "closed": "timestamp"},
        "fields": {
            "event_id": "No",
            "event_time": "Opened",
            "closed": "Closed",
            "user_principal_name": "Who",
            "ip_address": "Reader",
            "door": "Door",
            "seconds": "Seconds",
            "forced": "Forced",
        },
    }
    row = "7,3/14/2025 7:22:01 AM,3/14/2025 7:23:01 AM,Ann@Contoso.example,[2001:DB8::1]:443,Vault,60,False"
    _write(folder / "x.csv", "No,Opened,Closed,Who,Reader,Door,Seconds,Forced", row, row)
    taken = take_in(folder, formats=(*shipped_formats(), doors))

    assert taken.ledger("x.csv") == (2, 1, 1, 0)
    assert taken.file("x.csv")["log_type"] == "door_logs"
    assert taken.events("door_logs") == [
        {
            "file_id": 1,
            "row_no": 1,
            "event_id": "7",
            "event_time": datetime(2025, 3, 14, 7, 22, 1),
            "event_time_raw": "3/14/2025 7:22:01 AM",
            "account": "ann@contoso.example",
            "is_person": True,
            "address": "2001:db8::1",
            "closed": datetime(2025, 3, 14, 7, 23, 1),
            "user_principal_name": "Ann@Contoso.example",
            "ip_address": "[2001:DB8::1]:443",
            "door": "Vault",
            "seconds": 60,
            "forced": False,
        }
    ]


def test_a_log_without_users_or_addresses_is_taken_in_as_it_is(folder: Path) -> None:
    bare: dict[str, Any] = {
        "id": "bare",
        "title": "t",
        "log_type": "unified_audit_log",
        "container": "csv",
        "detect": {"all": ["Op", "N"]},
        "fields": {"operation": "Op", "operation_count": "N", "is_throttled": "T"},
    }
    _write(folder / "x.csv", "Op,N,T", "FileAccessed,7,yes", "FileAccessed,many,perhaps")
    first, second = take_in(folder, formats=(bare,)).events("unified_audit_log")

    assert (first["operation"], first["operation_count"], first["is_throttled"], first["is_logon"]) == (
        "FileAccessed",
        7,
        True,
        False,
    )
    assert (second["operation_count"], second["is_throttled"], second["account"]) == (None, None, None)


# What is missing


def test_a_file_of_exactly_a_limit_is_a_lead(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, *[_portal(number) for number in range(5000)])

    assert "exactly 5,000 rows" in take_in(folder).leads("CAP")[0]["detail"]


def test_declared_and_read_rows_are_compared(folder: Path) -> None:
    _write(folder / "a.csv", UAL, _audit(1, 1, 4), _audit(2, 2, 4), _audit(3, 1, 1))
    _write(folder / "b.csv", UAL, _audit(4, 1, 1))
    _write(folder / "c.csv", UAL, _audit(5, 3, 9))
    taken = take_in(folder)

    assert [lead["detail"].split(" ")[0] for lead in taken.leads("DECLARED_MISMATCH")] == ["a.csv"]
    assert (taken.file("a.csv")["rows_declared"], taken.file("c.csv")["rows_declared"]) == (5, None)


def test_throttled_mail_reads_are_a_lead(folder: Path) -> None:
    properties = [{"Name": "MailAccessType", "Value": "Bind"}, {"Name": "IsThrottled", "Value": "True"}]
    _write(
        folder / "a.csv",
        UAL,
        _audit(1, OperationProperties=properties),
        _audit(2, OperationProperties=properties, CreationTime=None),
    )
    lead = take_in(folder).leads("THROTTLED")[0]

    assert lead["detail"].startswith("ann@contoso.example: 2 MailItemsAccessed rows")
    assert lead["to_time"] == datetime(2025, 3, 2, 9, 15)


def test_throttled_reads_without_a_time_are_a_lead_without_one(folder: Path) -> None:
    properties = [{"Name": "IsThrottled", "Value": "True"}]
    _write(folder / "a.csv", UAL, _audit(1, OperationProperties=properties, CreationTime=None))

    assert take_in(folder).leads("THROTTLED")[0]["to_time"] is None


def test_a_day_without_events_in_a_busy_log_is_a_hole(folder: Path) -> None:
    times = [
        f"2025-03-{day:02}T{hour:02}:{minute:02}:00Z"
        for day in range(1, 29)
        for hour in range(24)
        for minute in (0, 20, 40)
        if day != 5
    ]
    _write(folder / "a.csv", PORTAL, *[_portal(number, time=time) for number, time in enumerate(times)])
    holes = take_in(folder).leads("HOLE")

    assert [(hole["from_time"], hole["to_time"]) for hole in holes] == [
        (datetime(2025, 3, 4, 23, 40), datetime(2025, 3, 6))
    ]


def test_a_crowded_log_is_searched_for_holes_by_the_minute(folder: Path) -> None:
    times = [
        f"2025-03-{day:02}T08:{minute:02}:{second:02}Z"
        for day in range(1, 4)
        for minute in range(10)
        for second in range(0, 60, 10)
    ]
    _write(folder / "a.csv", PORTAL, *[_portal(number, time=time) for number, time in enumerate(times)])

    assert take_in(folder).leads("HOLE") == []


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([], "the folder holds no sign-in logs"),
        ([{}], "no file says whether its sign-ins are interactive"),
        ([{"isInteractive": True}], "no non-interactive, service principal, managed identity sign-ins"),
        (
            [
                {"signInEventTypes": [kind]}
                for kind in ("interactiveUser", "nonInteractiveUser", "servicePrincipal", "managedIdentity")
            ],
            None,
        ),
    ],
)
def test_absent_logs_and_sign_in_types_are_said(folder: Path, kinds: list[dict[str, Any]], said: str | None) -> None:
    rows = [
        {
            "id": str(number),
            "createdDateTime": "2025-03-01T00:00:00Z",
            "userId": "u",
            "appId": "a",
            "status": {},
            **kind,
        }
        for number, kind in enumerate(kinds)
    ]
    _write(folder / "a.json", json.dumps(rows))
    details = [
        lead["detail"] for lead in take_in(folder).leads("MISSING_LOG_TYPE") if lead["log_type"] == "sign_in_logs"
    ]

    assert len(details) == (said is not None)
    assert all(str(said) in detail for detail in details)


# Hostile content


def test_hostile_headers_and_values_are_only_text(folder: Path) -> None:
    evil = "'); DROP TABLE files; --"
    header = PORTAL + ',"a"";b",<script>,' + evil.replace(",", "") + ",a\x00b"
    _write(
        folder / f"{evil.replace('/', '')}.csv",
        header,
        _portal(1, user=f'"{evil}"', status="<img src=x>") + ',=1+1,\x1b[31m,"""x""",a\x00b',
    )
    taken = take_in(folder)
    event = taken.events()[0]

    assert event["user_principal_name"] == evil
    assert event["status"] == "<img src=x>"
    assert taken.passed("ledger_balances")


def test_five_thousand_columns_and_ten_megabytes_in_a_cell_are_read(folder: Path) -> None:
    extra = ",".join(f"column {number}" for number in range(5000))
    _write(folder / "wide.csv", f"{PORTAL},{extra}", _portal(1) + "," * 5000)
    _write(folder / "long.csv", PORTAL + ",note", _portal(2) + ',"' + "x" * 10_000_000 + '"', _portal(3) + ",short")
    taken = take_in(folder)

    assert taken.ledger("wide.csv") == (1, 1, 0, 0)
    assert taken.ledger("long.csv") == (2, 2, 0, 0)


def test_a_record_longer_than_most_is_read_with_more_room_and_not_record_by_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Landing, "_tolerant")
    record = {"id": "g1", "createdDateTime": "2025-03-01T09:15:00Z", "userPrincipalName": "ann@contoso.example"}
    told = {"appDisplayName": "Office", "status": {"errorCode": 0}, "userAgent": "x" * 20_000_000}
    records = [record | told, record | told | {"id": "g2", "userAgent": "short"}]
    _write(folder / "long.jsonl", *map(json.dumps, records))
    taken = take_in(folder)

    assert taken.ledger("long.jsonl") == (2, 2, 0, 0)
    assert [len(event["user_agent"]) for event in taken.events()] == [20_000_000, 5]


def test_a_name_in_a_list_of_pairs_is_found_however_it_is_spelled(folder: Path) -> None:
    escaped = _audit(2, ExtendedProperties=[{"Name": "UserAgent", "Value": "Edge"}])
    escaped = escaped.replace("UserAgent", chr(92) + "u0055serAgent")
    _write(
        folder / "ual.csv",
        UAL,
        _audit(1, ExtendedProperties=[{"Name": "UserAgent", "Value": "Chrome"}]),
        escaped,
        _audit(3, ExtendedProperties=[{"Name": "RequestType", "Value": "UserAgent"}]),
        _audit(4, ExtendedProperties=[{"Name": "RequestType", "Value": "OAuth2"}]),
    )
    found = [event["user_agent"] for event in take_in(folder).events("unified_audit_log")]

    assert found == ["Chrome", "Edge", None, None]


def test_nested_cells_that_lie_about_themselves_give_nothing(folder: Path) -> None:
    cells = [
        "\"{'note': \"\"'errorCode': 0\"\", 'errorCode': 50126}\"",
        "\"{'deep': {'errorCode': 0}}\"",
        '"{""errorCode"":{""errorCode"":0}}"',
        '"[1,2]"',
        '"{broken"',
        "Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus",
        "\"{'errorCode': None}\"",
    ]
    header = "CreatedDateTime,ResultType,Id,AppDisplayName,UserPrincipalName,ConditionalAccessStatus,Status"
    _write(
        folder / "a.csv",
        header,
        *[
            f"2025-03-01 09:15:00,0,s{number},Office,ann@contoso.example,success,{cell}"
            for number, cell in enumerate(cells)
        ],
    )

    assert [row["status_error_code_copy"] for row in take_in(folder).events()] == [
        "50126",
        None,
        '{"errorCode":0}',
        None,
        None,
        None,
        None,
    ]


def test_keys_that_are_no_text_break_nothing(folder: Path) -> None:
    record = (
        '{"id": "1", "createdDateTime": "2025-03-01T00:00:00Z", "userId": "u", "appId": "a", "status": {}, "KEY": 1}'
    )
    hostile = ("\\ud800", "\\u0000", "'; DROP TABLE files; --", '\\"')
    _write(folder / "a.json", "[" + ",".join(record.replace("KEY", key) for key in hostile) + "]")
    _write(folder / "b.json", '[{"\\ud800": 1}]')
    taken = take_in(folder)

    assert taken.passed("ledger_balances")
    assert taken.file("a.json")["rows_read"] == 4
    assert "\\ud800" in taken.file("b.json")["reason"]


def test_a_document_of_sixteen_megabytes_in_one_wrapper_is_read(folder: Path) -> None:
    rows = [
        {
            "id": str(number),
            "createdDateTime": "2025-03-01T00:00:00Z",
            "userId": "u",
            "appId": "a",
            "status": {"errorCode": 0},
            "pad": "x" * 16_000,
        }
        for number in range(1100)
    ]
    (folder / "a.json").write_text(json.dumps({"@odata.context": "x", "value": rows}), encoding="utf-8")

    assert take_in(folder).ledger("a.json") == (1100, 1100, 0, 0)


def test_large_records_go_to_the_engine_in_small_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "BATCH_CHARS", 50)
    _write(folder / "a.csv", PORTAL, *[_portal(number) for number in range(10)], "broken")

    assert take_in(folder).ledger("a.csv") == (11, 10, 0, 1)


def test_every_header_is_told_to_the_registry_once(folder: Path) -> None:
    for name in ("a.csv", "b.csv"):
        _write(folder / name, PORTAL, _portal(1))

    (seen,) = take_in(folder).registry.lists
    assert (seen.log_type, seen.api_version, seen.format_name) == ("sign_in_logs", "v1.0", "portal_signin_csv")
    assert seen.names == tuple(sorted(PORTAL.split(",")))


def test_intake_moves_a_registered_case_and_keeps_its_checks(folder: Path, registry: Registry, now: datetime) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1))
    registry.register_case("case", str(folder), {}, now)
    take_in(folder, registry=registry)

    assert registry.current_stage("case") is CaseStage.IMPORTED
    assert registry.incomplete_tasks("case", CaseStage.IMPORTED) == []
    assert [one.names for one in registry.schema_versions()] == [tuple(sorted(PORTAL.split(",")))]


# Real evidence


def _real(shared_cases: Path, name: str) -> Taken:
    return take_in(shared_cases / name)


def test_the_public_sentinel_sample_has_45_sign_ins_and_41_copies(shared_cases: Path) -> None:
    taken = _real(shared_cases, "aad-logons")
    events = taken.events()

    assert taken.ledger("aad_logons.csv") == (86, 45, 41, 0)
    assert {event["status"] for event in events} == {"Sucess", "Failed"}
    assert [event["status_error_code"] for event in events].count("90072") == 1
    assert all(event["status_error_code"] == event["status_error_code_copy"] for event in events)
    assert all(event["authentication_requirement"] for event in events)
    assert {event["country"] for event in events} == {"BE", "US"}
    assert {event["os"] for event in events} == {"Windows 10"}
    assert taken.provenance("status_error_code_copy") == "source:Status.errorCode"


def test_the_public_disabled_account_has_4_events_without_a_time(shared_cases: Path) -> None:
    taken = _real(shared_cases, "disabled-account")
    events = taken.events()

    assert taken.ledger("disable_accounts.csv") == (4, 4, 0, 0)
    assert {event["status_error_code"] for event in events} == {"50057"}
    assert {event["event_time"] for event in events} == {None}
    assert {(event["country"], event["city"], event["address"]) for event in events} == {
        ("KP", "Pyongyang", "175.45.176.99")
    }


def test_every_public_file_is_accounted_for(shared_cases: Path) -> None:
    taken = take_in(shared_cases)
    expected = {path.relative_to(shared_cases).as_posix() for path in shared_cases.rglob("*") if path.is_file()}

    assert {row["path"] for row in taken.rows("SELECT path FROM files")} == expected
    assert all(row["reason"] for row in taken.rows("SELECT reason FROM files WHERE status <> 'IMPORTED'"))
    assert taken.passed("ledger_balances")


# The checks


def test_a_broken_ledger_blocks_and_names_the_file() -> None:
    results = checks((FileCounts("a.csv", 10, 8, 1, 0),), 1, (), (), 0.10)
    balance = results[0]

    assert not balance.passed
    assert balance.blocking
    assert balance.headline.startswith("a.csv: 10 rows read are not 8 imported + 1 duplicate + 0 quarantined")
    assert balance.table == ({"file": "a.csv", "read": 10, "imported": 8, "duplicate": 1, "quarantined": 0},)
    assert balance.reason == "LEDGER_BROKEN"


@pytest.mark.parametrize(("quarantined", "passed"), [(0, True), (10, True), (11, False)])
def test_more_than_the_allowed_share_in_quarantine_blocks(quarantined: int, passed: bool) -> None:
    results = {
        result.name: result
        for result in checks((FileCounts("a.csv", 100, 100 - quarantined, 0, quarantined),), 1, (), (), 0.10)
    }

    assert results["quarantine_share"].passed is passed
    assert results["quarantine_share"].blocking


def test_leads_are_shown_and_do_not_block() -> None:
    lead: dict[str, object] = {"kind": "CAP", "log_type": "sign_in_logs", "detail": "x"}
    result = checks((FileCounts("a.csv", 1, 1, 0, 0),), 1, (), (lead,), 0.10)[3]

    assert (result.passed, result.blocking, result.table) == (False, False, (lead,))


def test_the_sums_of_the_report_are_those_of_the_files(folder: Path) -> None:
    _write(folder / "a.csv", PORTAL, _portal(1), _portal(1), "x")
    report = take_in(folder).report

    assert (report.rows_read, report.rows_imported, report.rows_duplicate, report.rows_quarantined) == (3, 1, 1, 1)
    assert report.rows_by_log_type["sign_in_logs"] == 1
