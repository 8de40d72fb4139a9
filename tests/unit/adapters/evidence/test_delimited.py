"""Headers and records of tables, sound and broken."""

from __future__ import annotations

import io

import pytest

from m365dq_dagster.adapters.evidence import delimited
from m365dq_dagster.adapters.evidence.delimited import TableHead, header_key, records, table_head
from m365dq_dagster.core.ledger import QuarantineReason


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("a,b\n1,2\n", TableHead(",", ("a", "b"), 1)),
        ("a;b;c,d\n", TableHead(";", ("a", "b", "c,d"), 1)),
        ("a\tb\r\n", TableHead("\t", ("a", "b"), 1)),
        ("sep=;\r\na;b\r\n", TableHead(";", ("a", "b"), 2)),
        ('#TYPE System.X\r\n"a","b"\r\n', TableHead(",", ("a", "b"), 2)),
        ('\u00ef\u00bb\u00bf"a",b\n', TableHead(",", ("a", "b"), 1)),
        ("\n\na,b\n", TableHead(",", ("a", "b"), 3)),
        ('"two\nlines",b\n', TableHead(",", ("two\nlines", "b"), 2, 2)),
        (
            "Incoming token type,x,Incoming  token type ,\n",
            TableHead(",", ("Incoming token type", "x", "Incoming  token type #2", ""), 1),
        ),
    ],
)
def test_a_header_is_found_behind_what_stands_before_it(text: str, head: TableHead) -> None:
    assert table_head(text) == head


@pytest.mark.parametrize("text", ["", "\n\n", "one column\n1\n", "sep=,\n"])
def test_a_text_without_two_columns_has_no_header(text: str) -> None:
    assert table_head(text) is None


def test_a_header_that_the_reader_refuses_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_CELL", 3)

    assert table_head("abcdefgh,b\n") is None


def test_headers_are_compared_without_case_and_blanks() -> None:
    assert header_key(" Autonomous system  number\ufeff ") == header_key("autonomous SYSTEM number")


def _read(text: str, width: int = 2, **options: bool) -> list[tuple[object, str]]:
    return [
        (record.cells or record.reason, record.raw)
        for record in records(io.StringIO(text, newline=""), ",", width, **options)
    ]


def test_sound_records_come_out_with_embedded_newlines() -> None:
    assert _read('1,2\r\n\r\n3,"4\r\n5"\r\n') == [(("1", "2"), ""), (("3", "4\r\n5"), "")]


def test_the_raw_text_of_a_record_is_kept_where_it_is_wanted() -> None:
    assert _read('3,"4\n5"\n', keep_raw=True) == [(("3", "4\n5"), '3,"4\n5"')]


def test_a_lost_quote_costs_one_line_and_not_the_rest_of_the_file() -> None:
    assert _read('1,2\n3,"4\n5,6\n7,8\n') == [
        (("1", "2"), ""),
        (QuarantineReason.QUOTES_BROKEN, '3,"4'),
        (("5", "6"), ""),
        (("7", "8"), ""),
    ]


def test_a_quote_that_swallows_lines_into_the_wrong_width_gives_them_back() -> None:
    found = [found for found, _ in _read('1,"2\n3,4\n5"\n6,7,8\n', width=3)]

    assert found == [QuarantineReason.COLUMN_COUNT] * 3 + [("6", "7", "8")]


def test_too_few_and_too_many_cells_are_told() -> None:
    assert _read("1\n1,2,3\n1,2\n") == [
        (QuarantineReason.COLUMN_COUNT, "1"),
        (QuarantineReason.COLUMN_COUNT, "1,2,3"),
        (("1", "2"), ""),
    ]


def test_a_quote_that_is_never_closed_is_given_up_after_so_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_RECORD_LINES", 3)

    assert [found for found, _ in _read('1,"2\n3,4\n5,6\n7,8\n')] == [
        QuarantineReason.QUOTES_BROKEN,
        ("3", "4"),
        ("5", "6"),
        ("7", "8"),
    ]
