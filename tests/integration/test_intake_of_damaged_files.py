"""Small files that intake once lost a record of, or stumbled over, each with what must be said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from m365dq_dagster.adapters.evidence import landing
from m365dq_dagster.adapters.evidence.folder import evidence_files
from m365dq_dagster.adapters.evidence.formats import parse_formats
from m365dq_dagster.adapters.evidence.landing import Landing
from m365dq_dagster.adapters.evidence.recognition import RecognisedFile, look_at, raw_records
from tests.support.intake_case import shipped_formats, take_in


@pytest.mark.parametrize("end", ["\n", "\r"])
def test_rows_without_an_id_are_compared_by_columns_that_nothing_reads_too(tmp_path: Path, end: str) -> None:
    header = "CreatedDateTime,UserPrincipalName,ClientAppUsed,AppDisplayName,Status,Nobody reads this"
    row = "3/14/2025 7:22:01 AM,ann@contoso.example,Authenticated SMTP,Exchange,50126,"
    (tmp_path / "one.csv").write_text(end.join((header, row + "x", row + "y", "")), newline="")
    (tmp_path / "two.csv").write_text(end.join((header, row + "y", row + "z", "")), newline="")

    taken = take_in(tmp_path)

    assert taken.ledger("one.csv") == (2, 2, 0, 0)
    assert taken.ledger("two.csv") == (2, 1, 1, 0)


def test_a_cell_of_very_many_lines_is_one_record_whoever_reads_it(tmp_path: Path) -> None:
    header = "CreatedDateTime,UserPrincipalName,ClientAppUsed,AppDisplayName,Status\n"
    row = "3/14/2025 7:22:01 AM,ann@contoso.example,Authenticated SMTP,{},50126\n"
    (tmp_path / "sound.csv").write_text(header + row.format('"' + "\n" * 50_000 + '"') + row.format(""))
    (tmp_path / "short.csv").write_text(header + row.format('"' + "\n" * 50_000 + '"') + row.format("") + "short\n")

    taken = take_in(tmp_path)

    assert [taken.ledger(name)[0] for name in ("sound.csv", "short.csv")] == [2, 3]
    assert [(row["file_id"], row["row_no"]) for row in taken.rows("FROM quarantine")] == [(1, 3)]


def test_rows_that_end_in_returns_are_read_below_a_header_that_ends_in_a_line_end(tmp_path: Path) -> None:
    header = "CreatedDateTime,UserPrincipalName,ClientAppUsed,AppDisplayName,Status"
    row = "3/14/2025 7:22:01 AM,ann@contoso.example,Authenticated SMTP,Exchange,50126"
    (tmp_path / "a.csv").write_text(f"{header}\r{row}\r{row}\n", newline="")
    (tmp_path / "b.csv").write_text(f"#TYPE x\n{header}\r{row}\r", newline="")

    taken = take_in(tmp_path)

    assert [taken.ledger(name)[0] for name in ("a.csv", "b.csv")] == [2, 1]


SIGN_IN = (
    '{{"id": "{}", "createdDateTime": "2025-03-14T07:22:01Z", "userPrincipalName": "ann@contoso.example",'
    ' "appDisplayName": "Exchange", "conditionalAccessStatus": "success", "status": {{"errorCode": 0}}}}'
)


@pytest.mark.parametrize("tail", ["5", '{"a', '{"id": "q", "createdDateTime": "2025', "\x00", "x"])
def test_what_the_last_line_of_one_of_several_documents_holds_is_read(tmp_path: Path, tail: str) -> None:
    for name in "abcdef":
        lines = [SIGN_IN.format(f"{name}{number}") for number in range(300)]
        (tmp_path / f"{name}.json").write_text("\n".join([*lines, tail] if name != "f" else lines))

    taken = take_in(tmp_path)

    assert [taken.ledger(f"{name}.json") for name in "abcdef"] == [(301, 300, 0, 1)] * 5 + [(300, 300, 0, 0)]


def test_documents_of_lines_with_blank_ones_among_them_are_read(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.json").write_text("".join(SIGN_IN.format(f"{name}{at}") + "\r\n\n" for at in range(5)))

    taken = take_in(tmp_path)

    assert [taken.ledger(f"{name}.json") for name in "ab"] == [(5, 5, 0, 0)] * 2


@pytest.mark.parametrize("tail", ['"a lost quote', 'a,"b', '"3/14/2025 7:22:01 AM","ann@contoso.example","Auth'])
@pytest.mark.parametrize("place", [0, 150, 300])
def test_what_follows_a_lost_quote_in_one_of_several_tables_is_read(tmp_path: Path, tail: str, place: int) -> None:
    header = "CreatedDateTime,UserPrincipalName,ClientAppUsed,AppDisplayName,Status"
    for name in "abcdef":
        rows = [f'3/14/2025 7:22:01 AM,ann@contoso.example,SMTP,"{name}\n{number}",50126' for number in range(300)]
        (tmp_path / f"{name}.csv").write_text("\n".join((header, *rows[:place], tail, *rows[place:])))

    taken = take_in(tmp_path)

    read, imported = ([taken.ledger(f"{name}.csv")[at] for name in "abcdef"] for at in (0, 1))
    assert min(read) >= 301
    assert min(imported) >= 299


def test_tables_with_line_ends_in_their_cells_are_read_by_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = "CreatedDateTime,UserPrincipalName,ClientAppUsed,AppDisplayName,Status"
    rows = [f'3/14/2025 7:22:01 AM,ann@contoso.example,SMTP,"said ""{at}""\n\n\n",50126' for at in range(300)]
    (tmp_path / "a.csv").write_text("\n".join((header, *rows)))
    monkeypatch.setattr(landing, "CHUNK", 7)
    monkeypatch.setattr(Landing, "_tolerant", None)

    assert take_in(tmp_path).ledger("a.csv") == (300, 300, 0, 0)


def test_columns_are_gathered_however_their_names_are_written(tmp_path: Path) -> None:
    names = "Date (UTC),CorrelationId,Service,Category,Activity,Result,ActorType,Target1Type,Target1ObjectId"
    row = "2025-03-01T09:15:00.1234567Z,c1,Core Directory,RoleManagement,Add member,success,User,User,t1"
    (tmp_path / "a.csv").write_text(f"{names}\n{row}\n")
    (tmp_path / "b.csv").write_text(f" {names.upper().replace(',', ' , ')}\n{row.replace('c1', 'c2')}\n")

    found = [event["target_resources"] for event in take_in(tmp_path).events("entra_audit_logs")]

    assert found[0] == '{"Target1Type":"User","Target1ObjectId":"t1"}'
    assert found[1] == found[0].replace("Target1Type", "TARGET1TYPE").replace("Target1ObjectId", "TARGET1OBJECTID")


def test_a_table_whose_first_name_begins_like_json_is_read(tmp_path: Path) -> None:
    header = '"{""odd"": 1}",CreatedDateTime,UserPrincipalName,ClientAppUsed,AppDisplayName,Status'
    row = ",3/14/2025 7:22:01 AM,ann@contoso.example,SMTP,Exchange,50126"
    (tmp_path / "a.csv").write_text(f"{header}\n{row}\n")
    (tmp_path / "b.csv").write_text(header.replace('"', "") + f"\n{row}x\n")

    taken = take_in(tmp_path)

    assert [taken.ledger(name)[0] for name in ("a.csv", "b.csv")] == [1, 1]


@pytest.mark.parametrize("before", ["", "#TYPE x\n", "sep=,\n\n"])
def test_rows_below_a_header_with_a_line_end_in_a_name_are_all_read(tmp_path: Path, before: str) -> None:
    header = 'CreatedDateTime,UserPrincipalName,ClientAppUsed,AppDisplayName,Status,"two\nlines"'
    rows = [f"3/14/2025 7:22:01 AM,ann@contoso.example,SMTP,app {number},50126," for number in range(4)]
    (tmp_path / "a.csv").write_text("\n".join((before + header, *rows, "")))

    taken = take_in(tmp_path)

    assert taken.ledger("a.csv") == (4, 4, 0, 0)
    assert [event["app_display_name"] for event in taken.events("legacy_auth_logs")] == [f"app {at}" for at in range(4)]


@pytest.mark.parametrize("chunk", [1, 7, landing.CHUNK])
def test_a_return_within_a_line_of_a_document_moves_no_record_to_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(landing, "CHUNK", chunk)
    lines = [SIGN_IN.format(number) for number in range(3)]
    (tmp_path / "a.json").write_text("\n".join([lines[0].replace(", ", ",\r", 1), *lines[1:], ""]), newline="")
    (tmp_path / "b.json").write_text("\r\n".join([*lines, ""]).replace("-03-", "-04-"), newline="")

    taken = take_in(tmp_path)
    seen = look_at(evidence_files(tmp_path)[0], parse_formats(shipped_formats()))

    assert isinstance(seen, RecognisedFile)
    assert taken.ledger("a.json")[0] == len(list(raw_records(seen)))
    for event in taken.rows("SELECT row_no, event_id FROM sign_in_logs WHERE file_id = 1"):
        assert f'"id": "{event["event_id"]}"' in list(raw_records(seen))[event["row_no"] - 1]
    assert taken.ledger("b.json") == (3, 3, 0, 0)
