"""Evidence that was made to harm: names and values that mean something to an engine, a shell or a screen, and sizes
that nobody expects. It is taken in as what it is, or set aside with a reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from m365dq_dagster.adapters.evidence.landing import Landing
from tests.support.intake_case import Taken, take_in

HEADER = "CreatedDateTime,UserPrincipalName,ClientAppUsed,AppDisplayName,Status"
ROW = "3/14/2025 7:22:01 AM,ann@contoso.example,Authenticated SMTP,{},50126"
SIGN_IN: dict[str, Any] = {
    "id": "a1",
    "createdDateTime": "2025-03-14T07:22:01Z",
    "userPrincipalName": "ann@contoso.example",
    "appDisplayName": "Exchange",
    "conditionalAccessStatus": "notApplied",
    "ipAddress": "203.0.113.7",
    "isInteractive": True,
    "status": {"errorCode": 50126},
}


def table(*values: str) -> str:
    """A legacy sign-in export with these application names."""
    quoted = ('"' + value.replace('"', '""') + '"' for value in values)
    return "\n".join((HEADER, *(ROW.format(value) for value in quoted), ""))


def sign_in(**other: Any) -> str:
    """A sign-in as JSON, with other values."""
    return json.dumps({**SIGN_IN, **other})


def laid(folder: Path, files: Mapping[str | bytes, str | bytes]) -> Path:
    """The folder with these files; names and contents may be any bytes."""
    for name, content in files.items():
        place = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return folder


def applications(taken: Taken, log_type: str = "legacy_auth_logs") -> dict[str, list[str | None]]:
    """The application names of each file's rows, in order."""
    found: dict[str, list[str | None]] = {}
    for row in taken.rows(f"SELECT path, app_display_name FROM {log_type} JOIN files USING (file_id) ORDER BY ALL"):
        found.setdefault(row["path"], []).append(row["app_display_name"])
    return found


def test_a_name_that_is_a_pattern_names_one_file(tmp_path: Path) -> None:
    names = (
        "a[1].csv",
        "a1.csv",
        "b*.csv",
        "bb.csv",
        "c?.csv",
        "cc.csv",
        "d{1,2}.csv",
        "d1.csv",
        "**/e.csv",
        "x\\*.csv",
    )
    taken = take_in(laid(tmp_path, {name: table(f"of {name}") for name in names}))

    assert applications(taken) == {name: [f"of {name}"] for name in names}
    assert taken.report.rows_imported == len(names)


def test_a_folder_whose_name_looks_like_a_value_gives_none(tmp_path: Path) -> None:
    files: dict[str | bytes, str | bytes] = {
        "id=forged/ipAddress=198.51.100.9/g.json": sign_in(),
        "status=0/h.json": f"[{sign_in(id='a2')}]",
        "c0=forged/c4=0/a.csv": table("one"),
        "c0=forged/c4=1/b.csv": table("two"),
        "file_index=1/row_no=7/landing_fault=x/c.csv": table("three"),
    }
    taken = take_in(laid(tmp_path, files))

    assert {event["event_id"] for event in taken.events()} == {"a1", "a2"}
    assert {(event["ip_address"], event["status_error_code"]) for event in taken.events()} == {("203.0.113.7", "50126")}
    assert {event["status_error_code"] for event in taken.events("legacy_auth_logs")} == {"50126"}
    assert {event["event_time_raw"] for event in taken.events("legacy_auth_logs")} == {"3/14/2025 7:22:01 AM"}


@pytest.mark.parametrize(
    "name",
    [
        "a'; DROP TABLE files; --.csv",
        'double"quote.csv',
        "new\nline.csv",
        b"\xff\xfe not text.csv",
        b"\xff[1].csv",
        "s3:/bucket/x.csv",
        "http:/evil.example/x.csv",
        "x.csv.gz",
        "x.csv.zst",
        "-rf",
        "~",
        "$HOME.csv",
        "back\\slash.csv",
        " blanks .csv ",
        "\u202etfel-ot-thgir.csv",
        "é" * 100 + ".csv",
        "\x1b[2J.csv",
    ],
)
def test_whatever_a_file_is_called_it_is_read(tmp_path: Path, name: str | bytes) -> None:
    taken = take_in(laid(tmp_path, {name: table("x", "y")}))

    (found,) = taken.rows("SELECT path, status, rows_imported FROM files")
    assert (found["status"], found["rows_imported"]) == ("IMPORTED", 2)
    assert found["path"].isprintable()


@pytest.mark.parametrize("name", ["case [1]", "a'b", "*", "id=forged", b"\xff", "{a,b}", "back\\slash"])
def test_whatever_the_folder_is_called_it_is_read(tmp_path: Path, name: str | bytes) -> None:
    laid(
        tmp_path,
        {os.path.join(os.fsencode(name), b"a.csv"): table("x"), os.path.join(os.fsencode(name), b"g.json"): sign_in()},
    )
    folder = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), os.fsencode(name))))

    taken = take_in(folder)

    assert (taken.ledger("a.csv"), taken.ledger("g.json")) == ((1, 1, 0, 0), (1, 1, 0, 0))
    assert taken.events()[0]["event_id"] == "a1"


LONG = 10_000_000


@pytest.mark.parametrize(
    "text",
    [
        sign_in(appDisplayName="x" * LONG) + "\n" + sign_in(id="a2"),
        f"[{sign_in(appDisplayName='x' * LONG)}, {sign_in(id='a2')}]",
        f'{{"value": [{sign_in(appDisplayName="x" * LONG)}, {sign_in(id="a2")}]}}',
        sign_in(appDisplayName="é" * (LONG // 4)) + sign_in(id="a2"),
        sign_in(id="a2") + "\n" + sign_in(appDisplayName="x" * 2 * LONG),
    ],
    ids=["lines", "array", "page", "one after the other", "later"],
)
def test_a_record_with_a_value_of_megabytes_is_read_whole(tmp_path: Path, text: str) -> None:
    taken = take_in(laid(tmp_path, {"g.json": text}))

    assert taken.ledger("g.json") == (2, 2, 0, 0)
    assert {len(event["app_display_name"]) for event in taken.events()} <= {8, LONG // 4, LONG, 2 * LONG}
    assert {event["event_id"] for event in taken.events()} == {"a1", "a2"}


def test_a_cell_of_megabytes_is_read_whole(tmp_path: Path) -> None:
    values = ("x" * LONG, '",' * 1000, "line\n" * 300_000, "after")
    taken = take_in(laid(tmp_path, {"a.csv": table(*values), "u.csv": table(*values).encode("utf-16")}))

    assert taken.ledger("a.csv") == (4, 4, 0, 0)
    assert taken.ledger("u.csv") == (4, 0, 4, 0)
    assert [row["app_display_name"].strip() for row in taken.events("legacy_auth_logs")] == [v.strip() for v in values]


@pytest.mark.parametrize("count", [999, 1_000, 5_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_a_table_of_very_many_columns_is_read_and_compared_as_a_whole(tmp_path: Path, count: int) -> None:
    header = ",".join((HEADER, *(f"x{number}" for number in range(count - 5))))
    row = ",".join((ROW.format("{}"), *[""] * (count - 6), "{}"))
    (tmp_path / "a.csv").write_text("\n".join((header, row.format("x", 1), row.format("x", 2), "")))
    (tmp_path / "b.csv").write_text("\n".join((header, row.format("x", 2), row.format("x", 3), "")))

    taken = take_in(tmp_path)

    assert [taken.ledger(name) for name in ("a.csv", "b.csv")] == [(2, 2, 0, 0), (2, 1, 1, 0)]
    assert applications(taken) == {"a.csv": ["x", "x"], "b.csv": ["x"]}


@pytest.mark.parametrize("count", [20_000, pytest.param(200_000, marks=pytest.mark.soak)])
def test_a_record_of_very_many_keys_is_read(tmp_path: Path, count: int) -> None:
    taken = take_in(laid(tmp_path, {"g.json": sign_in(**{f"key {number}": number for number in range(count)})}))

    assert taken.ledger("g.json") == (1, 1, 0, 0)


def test_a_header_longer_than_what_is_looked_at_first_is_read_whole(tmp_path: Path) -> None:
    names = ",".join(f"column {number} with a very long name {'x' * 200}" for number in range(5_000))
    text = f"{HEADER},{names}\n" + (ROW.format("x") + "," * 5_000 + "\n") * 2

    taken = take_in(laid(tmp_path, {"a.csv": text, "b.csv": f"{HEADER},{'n' * 3_000_000}\n{ROW.format('y')},\n"}))

    assert [taken.ledger(name) for name in ("a.csv", "b.csv")] == [(2, 2, 0, 0), (1, 1, 0, 0)]


VALUES = (
    "'; DROP TABLE files; --",
    "\"; COPY (SELECT 1) TO '{tmp}/stolen'; --",
    "$file_id ?1 :x {} %s {0}",
    "<script>alert(1)</script>&lt;b&gt;",
    '=HYPERLINK("http://evil.example","x")',
    "+cmd|' /C calc'!A0",
    "\x1b[2J\x1b]0;owned\x07",
    "a\x00b",
    "\u202egpj.exe\u200b",
    "one\ntwo\rthree\r\nfour",
    'say ""hello"", "x',
    "back\\slash \\u0041 \\n",
    "\U0001f480\u0301",
    "{'a': ['b']}",
    "a" * 70_000,
    "\x1f\x1e\x00\x01",
)


@pytest.mark.parametrize("by_engine", [True, False])
def test_a_value_is_kept_to_the_letter_whatever_it_says(
    tmp_path: Path, by_engine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_engine:
        monkeypatch.setattr(Landing, "land_together", lambda *_: {})
    values = [value.replace("{tmp}", str(tmp_path)) for value in VALUES]
    records = [sign_in(id=f"e{number}", appDisplayName=value) for number, value in enumerate(values)]
    taken = take_in(laid(tmp_path / "evidence", {"a.csv": table(*values), "g.json": "\n".join(records)}))

    assert [row["app_display_name"] for row in taken.events("legacy_auth_logs")] == values
    assert [row["app_display_name"] for row in taken.events()] == values
    assert not (tmp_path / "stolen").exists()


def test_half_a_pair_of_characters_is_kept_with_its_row_or_set_aside_with_it(tmp_path: Path) -> None:
    halves = sign_in(id="a2").replace("Exchange", "half \\ud800 pair")
    broken = table("half ", "whole").encode().replace(b"half ", b"half \xed\xa0\x80")
    taken = take_in(laid(tmp_path, {"g.json": sign_in() + "\n" + halves, "a.csv": broken}))

    assert taken.ledger("g.json")[0] == taken.ledger("a.csv")[0] == 2
    assert taken.passed("ledger_balances")
    assert "Exchange" in applications(taken, "sign_in_logs")["g.json"]
    assert "whole" in applications(taken)["a.csv"]


@pytest.mark.parametrize("by_engine", [True, False])
def test_columns_that_are_called_like_the_engine_s_own_change_nothing(
    tmp_path: Path, by_engine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_engine:
        monkeypatch.setattr(Landing, "land_together", lambda *_: {})
    names = ["file_id", "row_no", "fault", "raw", "line", "parts", "c0", "p0", "v0", "n0", "whole", "file_index"]
    names += [
        "filename",
        "landing_fault",
        "landing_hash",
        "rowid",
        'x"); DROP TABLE files; --',
        "'",
        "",
        " ",
        "$file_ids",
    ]
    table_text = ",".join((HEADER, *(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names)))
    rows = "\n".join(ROW.format(value) + ",7" * len(names) for value in ("x", "y"))
    record = sign_in(**dict.fromkeys(names, 7))
    taken = take_in(
        laid(tmp_path, {"a.csv": f"{table_text}\n{rows}\n", "g.json": f"[{record}]", "h.json": record + "\n"})
    )

    assert taken.ledger("a.csv") == (2, 2, 0, 0)
    assert applications(taken) == {"a.csv": ["x", "y"]}
    assert [(row["file_id"], row["row_no"]) for row in taken.events("legacy_auth_logs")] == [(1, 1), (1, 2)]
    assert applications(taken, "sign_in_logs") == {"g.json": ["Exchange"]}


@pytest.mark.parametrize("levels", [100, 1_500, 100_000])
def test_a_deep_value_costs_at_most_its_own_record(tmp_path: Path, levels: int) -> None:
    deep = sign_in(id="deep")[:-1] + ', "deep": ' + "[" * levels + "]" * levels + "}"
    records = [sign_in(id="before"), deep, sign_in(id="after")]
    files = {
        "lines.json": "\n".join(records),
        "array.json": f"[{', '.join(records)}]",
        "page.json": f'{{"value": [{", ".join(records)}]}}',
        "objects.json": "".join(records),
    }
    for name, text in files.items():
        taken = take_in(laid(tmp_path / name, {name: text}))

        assert taken.ledger(name)[0] == 3
        assert {"before", "after"} <= {event["event_id"] for event in taken.events()}
        assert taken.passed("ledger_balances")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, '[["' * 50_000]
)
def test_a_file_of_brackets_is_listed_as_no_log(tmp_path: Path, text: str) -> None:
    taken = take_in(laid(tmp_path, {"g.json": text}))

    assert taken.file("g.json")["status"] == "UNRECOGNISED"


def test_audit_data_that_is_deep_or_large_is_read_or_set_aside(tmp_path: Path) -> None:
    header = "CreationDate,UserIds,Operations,AuditData"
    row = '2021-05-18T21:14:33,ann,UserLoggedIn,"{{""Id"":""{0}"",""Operation"":""UserLoggedIn"",""a"":{1}}}"'
    rows = [
        row.format("1", "[" * 100_000 + "]" * 100_000),
        row.format("2", '""' + "x" * LONG + '""'),
        row.format("3", "1"),
        row.format("4", "{" * 9),
    ]
    taken = take_in(laid(tmp_path, {"u.csv": "\n".join((header, *rows, ""))}))

    assert taken.ledger("u.csv")[0] == 4
    assert {"2", "3"} <= {event["event_id"] for event in taken.events("unified_audit_log")}
    assert taken.passed("ledger_balances")


@pytest.mark.parametrize(
    "text",
    [
        table(*["x"] * 2).replace('"', "") + '"lost,1,2,3,4\n' * 40_000,
        table("x") + 'a,"lost\n' * 40_000,
        table("x") + '"open\n' + '"",x,y,z,w\n' * 40_000,
        table("x") + 'x"",""",""\n"""a,""\n' * 20_000,
    ],
    ids=["each line opens a quote", "each line ends in one", "one swallows the rest", "quotes of all kinds"],
)
def test_lost_quotes_cost_their_own_lines(tmp_path: Path, text: str) -> None:
    taken = take_in(laid(tmp_path, {"a.csv": text}))

    assert taken.ledger("a.csv")[0] == text.count("\n") - 1
    assert taken.ledger("a.csv")[1] >= 1
    assert taken.passed("ledger_balances")


def test_records_of_very_many_makes_are_read(tmp_path: Path) -> None:
    lines = [sign_in(id=f"e{number}", **{f"key {number}": number}) for number in range(5_000)]
    taken = take_in(laid(tmp_path, {"g.json": "\n".join([*lines, "5"]), "h.json": "\n".join(lines)}))

    assert taken.ledger("g.json") == (5_001, 5_000, 0, 1)
    assert taken.ledger("h.json") == (5_000, 0, 5_000, 0)


def test_the_engine_reaches_the_evidence_and_nothing_else(tmp_path: Path) -> None:
    outside = laid(tmp_path / "outside", {"secret.csv": table("secret")}) / "secret.csv"
    taken = take_in(laid(tmp_path / "evidence", {"a.csv": table("x")}))

    for statement in (
        f"FROM read_csv('{outside}')",
        "FROM read_text('/etc/passwd')",
        f"FROM read_text('{tmp_path}/evidence/../outside/secret.csv')",
        f"COPY (SELECT 1) TO '{tmp_path}/stolen.csv'",
        f"ATTACH '{tmp_path}/other.duckdb'",
        f"EXPORT DATABASE '{tmp_path}/all'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET allowed_directories",
        f"SET allowed_directories = ['{tmp_path}/']",
        "PRAGMA disable_optimizer",
    ):
        with pytest.raises(duckdb.Error):
            taken.con.execute(statement).fetchall()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["evidence", "outside"]


def test_links_and_devices_are_named_and_not_opened(tmp_path: Path) -> None:
    folder = laid(tmp_path / "evidence", {"a.csv": table("x")})
    (folder / "link.csv").symlink_to("/etc/passwd")
    (folder / "folder").symlink_to("/etc")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.csv")

    taken = take_in(folder)

    told = {row["path"]: row["status"] for row in taken.rows("SELECT path, status FROM files")}
    assert told == {
        "a.csv": "IMPORTED",
        "link.csv": "REFUSED",
        "folder": "REFUSED",
        "loop": "REFUSED",
        "pipe.csv": "REFUSED",
    }


PROGRAM = "from m365dq_dagster.cli.main import main; main()"


@pytest.mark.parametrize(
    ("sound", "code"),
    [pytest.param(3_000, 0, id="a little of it", marks=pytest.mark.soak), pytest.param(0, 1, id="nothing else")],
)
def test_the_program_ends_with_a_sentence_whatever_it_is_given(tmp_path: Path, sound: int, code: int) -> None:
    worst: dict[str | bytes, str | bytes] = {
        "a'; DROP TABLE files; --.csv": table(*VALUES),
        b"\xff[1].csv": table("x") + '"lost\n' * 50,
        "id=forged/*.json": sign_in()[:-1] + ', "deep": ' + "[" * 100_000 + "]" * 100_000 + "}\n5\nnull",
        "cut.json": f"[{sign_in(id='a3')}, {sign_in(id='a4')[:40]}",
        "nul.csv": b"\x00" * 5_000,
        "wide.csv": HEADER + ",x" * 20_000 + "\n",
        "\x1b[2J.zip": b"PK\x03\x04" + b"\xff" * 200,
        "empty.csv": b"",
    }
    kept = "\n".join(sign_in(id=f"s{at}", status={"errorCode": 50126 * (at % 2)}) for at in range(sound))
    folder = laid(tmp_path / "evidence", {**worst, "sound.json": kept})
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "run", str(folder), "--json"], capture_output=True, text=True, timeout=300
    )

    told = json.loads(done.stdout)
    assert done.returncode == code, told["quality"]["failed_checks"]
    assert "Traceback" not in done.stderr
    assert len(told["files"]) == len(worst) + 1
    assert "\x1b[2J" not in done.stdout + done.stderr
