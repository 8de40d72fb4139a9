"""Tells text from everything else and finds a file's encoding. What the text says is read by `delimited` and
`documents`."""

from __future__ import annotations

import codecs
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from m365dq_dagster.core.ledger import FileReason

HEAD_BYTES = 1 << 20
"""How much of a file is looked at before its format is decided."""

LONG_HEAD_BYTES = 1 << 26
"""How much is looked at where the first record of a file is longer than that."""

ARCHIVES = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
    b"\xfd7zXZ",
    b"BZh",
    b"\x28\xb5\x2f\xfd",
)
WORKBOOK = (b"[Content_Types].xml", b"xl/")
MIXED_ERRORS = "m365dq-windows-1252"


@dataclass(frozen=True)
class TextHead:
    """The beginning of a text file, decoded. `plain_utf8` says that the engine can read the file's bytes as they
    are."""

    encoding: str
    text: str
    complete: bool
    plain_utf8: bool


def _windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no UTF-8 are read as Windows-1252, which is what exports that are not UTF-8 are written in."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(_one_byte(byte) for byte in wrong), error.end


def _one_byte(byte: int) -> str:
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


codecs.register_error(MIXED_ERRORS, _windows_1252)


def read_head(path: Path, size: int = HEAD_BYTES) -> TextHead | FileReason:
    """The decoded beginning of a file, or why it is no text that can be looked at."""
    with open_bytes(path) as stream:
        raw = stream.read(size + 1)
    complete = len(raw) <= size
    raw = raw[:size]
    if not raw.strip(b"\x00\t\r\n \xef\xbb\xbf\xff\xfe"):
        return FileReason.EMPTY if complete and _is_blank(raw) else FileReason.BINARY
    if raw.startswith(ARCHIVES):
        return FileReason.SPREADSHEET if all(mark in raw for mark in WORKBOOK) else FileReason.ARCHIVE
    encoding = _encoding(raw)
    if encoding is None:
        return FileReason.BINARY
    text = raw.decode(encoding, MIXED_ERRORS if encoding == "utf-8" else "replace")
    if not encoding.startswith("utf-16") and _looks_binary(raw, text.rstrip("\x00")):
        return FileReason.BINARY
    return TextHead(encoding, text.lstrip("\ufeff"), complete, encoding == "utf-8" and _is_utf8(raw, complete))


def open_text(path: Path, encoding: str) -> TextIO:
    """The file as text with its line ends as they are; bytes that are no UTF-8 are read as Windows-1252."""
    errors = MIXED_ERRORS if encoding == "utf-8" else "replace"
    stream = io.TextIOWrapper(open_bytes(path), encoding=encoding, errors=errors, newline="")
    if stream.read(1) != "\ufeff":
        stream.seek(0)
    return stream


def open_bytes(path: Path) -> io.BufferedReader:
    """The file's bytes; a link that took the file's place meanwhile is not followed."""
    return open(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")


def _is_blank(raw: bytes) -> bool:
    """True for nothing but blanks. Bytes of zero are none, unless they are the halves of characters of UTF-16."""
    return b"\x00" not in raw or raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _encoding(raw: bytes) -> str | None:
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return None
    if raw.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if raw.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    sample = raw[:4096].rstrip(b"\x00")
    if len(sample) >= 4 and sample[1::2].count(0) > 0.4 * len(sample[1::2]) and sample[::2].count(0) == 0:
        return "utf-16-le"
    if len(sample) >= 4 and sample[::2].count(0) > 0.4 * len(sample[::2]) and sample[1::2].count(0) == 0:
        return "utf-16-be"
    return "utf-8"


def _is_utf8(raw: bytes, complete: bool) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(raw, final=complete)
    except UnicodeDecodeError:
        return False
    return True


def _looks_binary(raw: bytes, text: str) -> bool:
    """More than a few control characters in the first bytes: a picture, a program, a database. `text` comes without the
    zeros at its end, which are what a loss of power leaves of the last block of a file."""
    start = text[:4096]
    controls = sum(1 for char in start if ord(char) < 32 and char not in "\t\r\n\f\x1b")
    return controls > max(2, len(start) // 50) or raw.startswith(
        (b"\x7fELF", b"MZ", b"\x89PNG", b"%PDF", b"SQLite format 3")
    )
