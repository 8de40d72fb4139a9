from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.adapters import edited_tables
from m365dq_dagster.adapters.edited_tables import csv_text, folded, guarded, read_table, unguarded
from m365dq_dagster.core.errors import BadInput

VISIBLE = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12).map(str.strip)
HOSTILE = st.text(st.sampled_from("'=+-@\t\r\n a\uff1d\";,"), max_size=6)


def table(folder: Path, text: str | bytes, name: str = "codes.csv") -> edited_tables.EditedTable:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path)


def cells(read: edited_tables.EditedTable) -> list[dict[str, str]]:
    return [dict(line.cells) for line in read.lines]


@pytest.mark.parametrize(
    "raw",
    [
        b"Code,Error Text\n50126,wrong\n",
        b"\xef\xbb\xbfCode;Error Text\r\n50126;wrong\r\n",
        b"sep=;\r\nCode;Error Text\r\n50126;wrong\r\n",
        b"Code\tError-Text\n50126\twrong",
        "Code,Error  Text\n50126,wrong\n".encode("utf-16"),
        b'\n"Code","Error Text",\n"50126","wrong",\n,,\n',
    ],
)
def test_a_table_is_read_however_a_spreadsheet_left_it(tmp_path: Path, raw: bytes) -> None:
    read = table(tmp_path, raw)
    assert read.columns == ("code", "error_text")
    assert cells(read) == [{"code": "50126", "error_text": "wrong"}]
    assert read.sha256.startswith("sha256:")
    assert read.unreadable == ()


def test_rows_carry_the_line_they_begin_on(tmp_path: Path) -> None:
    read = table(tmp_path, 'sep=,\na,b\n1,"two\nlines"\n\n3,4\n')
    assert [line.number for line in read.lines] == [3, 6]
    assert cells(read)[0]["b"] == "two\nlines"


def test_separators_of_lines_that_a_spreadsheet_does_not_know_part_no_row(tmp_path: Path) -> None:
    assert cells(table(tmp_path, "a,b\n1\u20282,3\x0b4\n")) == [{"a": "1\u20282", "b": "3\x0b4"}]


def test_rows_that_cannot_be_read_are_named_and_lose_no_other(tmp_path: Path) -> None:
    read = table(tmp_path, 'a,b\n1,2,3\n"x"y,2\n4\n' + "z" * 5000 + ",1\n5,6\n")
    assert cells(read) == [{"a": "4", "b": ""}, {"a": "5", "b": "6"}]
    assert [number for number, _ in read.unreadable] == [2, 3, 5]
    assert "3 cells where the header names 2" in read.unreadable[0][1]
    assert "quotation marks" in read.unreadable[1][1]
    assert "longer than 4000 characters" in read.unreadable[2][1]


def test_a_quotation_mark_that_is_never_closed_is_named_with_its_line(tmp_path: Path) -> None:
    read = table(tmp_path, 'a,b\n1,2\n3,"open\n5,6\n')
    assert cells(read) == [{"a": "1", "b": "2"}]
    assert read.unreadable[0][0] == 3


def test_a_list_of_objects_is_a_table_too(tmp_path: Path) -> None:
    read = table(tmp_path, '[{"a": true, "Code Value": 5}, {"a": null}, 7, {"a": [1]}]', "codes.JSON")
    assert read.columns == ("a", "code_value")
    assert cells(read) == [{"a": "true", "code_value": "5"}, {"a": "", "code_value": ""}]
    assert read.unreadable == ((3, "it is no plain object"), (4, "it is no plain object"))
    assert read.unit == "entry"


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        (b"a,b\n\xff\xfe1", "x.csv", "is no text in UTF-8"),
        (b"a,b\n1,\x00", "x.csv", "is no text in UTF-8"),
        (b"", "x.csv", "holds no rows"),
        (b"a,b\n", "x.csv", "holds no rows"),
        (b"a,A\n1,2\n", "x.csv", "names the column 'a' twice"),
        (b"a,,b\n1,2,3\n", "x.csv", None),
        (b"a,,,b\n1,2,3\n", "x.csv", "names the column 'without a name' twice"),
        (b"{", "x.json", "no readable JSON"),
        (b"[" * 100_000, "x.json", "no readable JSON"),
        (b"{}", "x.json", "holds no list"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(tmp_path: Path, text: bytes, name: str, why: str | None) -> None:
    if why is None:
        table(tmp_path, text, name)
        return
    with pytest.raises(BadInput, match=why) as caught:
        table(tmp_path, text, name)
    assert "\n" not in str(caught.value)


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edited_tables, "MOST_ROWS", 2)
    assert len(table(tmp_path, "a\n1\n2\n").lines) == 2
    with pytest.raises(BadInput, match="more than 2 rows"):
        table(tmp_path, "a\n1\n2\n3\n4\n5\n")
    monkeypatch.setattr(edited_tables, "MOST_BYTES", 1 << 20)
    with pytest.raises(BadInput, match="larger than 1 MB"):
        table(tmp_path, b"a\n" + b"1" * (1 << 20))


def test_what_is_no_readable_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(BadInput, match="is no file"):
            read_table(path)
    path = tmp_path / "x.csv"
    path.write_text("a\n1\n")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(BadInput, match="cannot be read \\(Permission denied\\)"):
        read_table(path)


@given(HOSTILE | VISIBLE)
def test_no_cell_can_become_a_formula_and_every_cell_comes_back(cell: str) -> None:
    safe = guarded(cell)
    assert not safe.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))
    assert unguarded(safe) == cell


@given(st.lists(st.fixed_dictionaries({"a": VISIBLE, "b c": VISIBLE}), min_size=1, max_size=5))
def test_a_written_table_is_read_back_as_it_was(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    kept = [row for row in rows if any(row.values())] or [{"a": "x", "b c": ""}]
    read = table(tmp_path, csv_text(("a", "b c"), kept))
    assert cells(read) == [{"a": row["a"], "b_c": row["b c"]} for row in kept]
    assert read.unreadable == ()


def test_truth_and_nothing_are_written_as_words_and_blanks(tmp_path: Path) -> None:
    assert csv_text(("a", "b", "c"), [{"a": True, "b": None, "c": False}]) == "a,b,c\ntrue,,false\n"
    assert folded(" Error  Code! ") == "error_code"
