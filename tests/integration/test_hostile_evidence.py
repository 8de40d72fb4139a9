"""Evidence that was made to harm: names and values that mean something to an engine, a shell or a screen, and sizes
that nobody expects. It is taken in as what it is, or set aside with a reason."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

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
        sign_in(appDisplayName="é" * LONG) + sign_in(id="a2"),
        sign_in(id="a2") + "\n" + sign_in(appDisplayName="x" * 2 * LONG),
    ],
    ids=["lines", "array", "page", "one after the other", "later"],
)
def test_a_record_with_a_value_of_megabytes_is_read_whole(tmp_path: Path, text: str) -> None:
    taken = take_in(laid(tmp_path, {"g.json": text}))

    assert taken.ledger("g.json") == (2, 2, 0, 0)
    assert {len(event["app_display_name"]) for event in taken.events()} <= {8, LONG, 2 * LONG}
    assert {event["event_id"] for event in taken.events()} == {"a1", "a2"}


def test_a_cell_of_megabytes_is_read_whole(tmp_path: Path) -> None:
    values = ("x" * LONG, '",' * 1000, "line\n" * 300_000, "after")
    taken = take_in(laid(tmp_path, {"a.csv": table(*values), "u.csv": table(*values).encode("utf-16")}))

    assert taken.ledger("a.csv") == (4, 4, 0, 0)
    assert taken.ledger("u.csv") == (4, 0, 4, 0)
    assert [row["app_display_name"].strip() for row in taken.events("legacy_auth_logs")] == [v.strip() for v in values]


@pytest.mark.parametrize("count", [999, 1_000, 5_000, 100_000])
def test_a_table_of_very_many_columns_is_read_and_compared_as_a_whole(tmp_path: Path, count: int) -> None:
    header = ",".join((HEADER, *(f"x{number}" for number in range(count - 5))))
    row = ",".join((ROW.format("{}"), *[""] * (count - 6), "{}"))
    (tmp_path / "a.csv").write_text("\n".join((header, row.format("x", 1), row.format("x", 2), "")))
    (tmp_path / "b.csv").write_text("\n".join((header, row.format("x", 2), row.format("x", 3), "")))

    taken = take_in(tmp_path)

    assert [taken.ledger(name) for name in ("a.csv", "b.csv")] == [(2, 2, 0, 0), (2, 1, 1, 0)]
    assert applications(taken) == {"a.csv": ["x", "x"], "b.csv": ["x"]}


def test_a_record_of_very_many_keys_is_read(tmp_path: Path) -> None:
    taken = take_in(laid(tmp_path, {"g.json": sign_in(**{f"key {number}": number for number in range(100_000)})}))

    assert taken.ledger("g.json") == (1, 1, 0, 0)


def test_a_header_longer_than_what_is_looked_at_first_is_read_whole(tmp_path: Path) -> None:
    names = ",".join(f"a rather long name of a column {number}" for number in range(40_000))
    text = f"{HEADER},{names}\n" + (ROW.format("x") + "," * 40_000 + "\n") * 2

    taken = take_in(laid(tmp_path, {"a.csv": text, "b.csv": f"{HEADER},{'n' * 3_000_000}\n{ROW.format('y')},\n"}))

    assert [taken.ledger(name) for name in ("a.csv", "b.csv")] == [(2, 2, 0, 0), (1, 1, 0, 0)]
