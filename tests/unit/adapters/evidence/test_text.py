"""Text is told from everything else, and its encoding found."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from m365dq_dagster.adapters.evidence.text import HEAD_BYTES, TextHead, _windows_1252, open_text, read_head
from m365dq_dagster.core.ledger import FileReason


def _zip(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", FileReason.EMPTY),
        (b"\xef\xbb\xbf\r\n \n", FileReason.EMPTY),
        (_zip("log.csv"), FileReason.ARCHIVE),
        (gzip.compress(b"log", mtime=0), FileReason.ARCHIVE),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", FileReason.ARCHIVE),
        (_zip("[Content_Types].xml", "xl/workbook.xml"), FileReason.SPREADSHEET),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(200)), FileReason.BINARY),
        (b"%PDF-1.7\nplain text follows", FileReason.BINARY),
        (bytes(range(256)) * 20, FileReason.BINARY),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", FileReason.BINARY),
        (b"\x00" * (HEAD_BYTES + 10), FileReason.BINARY),
        (b"\x00" * 4096, FileReason.BINARY),
        (b"\xff\xfe\r\x00\n\x00", FileReason.EMPTY),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, raw: bytes, reason: FileReason) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(raw)

    assert read_head(path) is reason


@pytest.mark.parametrize(
    ("raw", "encoding", "plain"),
    [
        ("a,b\n1,é\n".encode(), "utf-8", True),
        ("a,b\n1,é\n".encode("utf-8-sig"), "utf-8", True),
        ("a,b\n1,é\n".encode("cp1252"), "utf-8", False),
        ("a,b\n1,é\n".encode("utf-16"), "utf-16-le", False),
        ("\ufeffa,b\n1,é\n".encode("utf-16-be"), "utf-16-be", False),
        ("a,b\n1,é\n".encode("utf-16-le"), "utf-16-le", False),
        ("a,b\n1,é\n".encode("utf-16-be"), "utf-16-be", False),
    ],
)
def test_every_encoding_gives_the_same_text(tmp_path: Path, raw: bytes, encoding: str, plain: bool) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(raw)

    head = read_head(path)

    assert head == TextHead(encoding, "a,b\n1,é\n", True, plain)
    with open_text(path, encoding) as stream:
        assert stream.read() == "a,b\n1,é\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_zeros_that_a_loss_of_power_left_at_the_end_make_a_text_no_binary(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes("a,b\n1,2\n".encode(encoding) + b"\x00" * 1000)

    head = read_head(path)

    assert isinstance(head, TextHead)
    assert head.encoding == encoding
    assert head.text.startswith("a,b\n1,2\n")


def test_bytes_that_no_code_page_knows_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"a,b\n\x81,\x80\n")

    head = read_head(path)

    assert isinstance(head, TextHead)
    assert head.text == "a,b\n\x81,€\n"


def test_an_error_that_is_not_about_reading_is_passed_on() -> None:
    with pytest.raises(UnicodeEncodeError):
        _windows_1252(UnicodeEncodeError("utf-8", "x", 0, 1, "no"))


def test_only_the_beginning_of_a_large_file_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * HEAD_BYTES)

    head = read_head(path)

    assert isinstance(head, TextHead)
    assert not head.complete
    assert len(head.text) == HEAD_BYTES
