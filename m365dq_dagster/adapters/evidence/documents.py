"""Records of JSON documents: arrays, `{"value": [...]}`, one object a line, bare objects, and several of these in one
file. Used where the engine cannot read a document by itself; memory stays bounded by the largest record. What a
record means is decided elsewhere."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from m365dq_dagster.adapters.evidence.text import open_text
from m365dq_dagster.core.ledger import QuarantineReason

READ_CHARS = 1 << 20
MAX_RECORD_CHARS = 1 << 26
TAIL_CHARS = 1 << 14
"""How much is held back for the end of a wrapper, where links to further pages stand."""

_SPACE = re.compile(r"[\s,\ufeff]*")
_BETWEEN = " \t\r\n,:"
_DECODER = json.JSONDecoder()
PAGE_KEYS = ("value", "Value")


class DocumentShape(StrEnum):
    """How the records of a JSON file are laid out."""

    LINES = "lines"
    ARRAY = "array"
    WRAPPED = "wrapped"
    OBJECTS = "objects"


@dataclass(frozen=True)
class DocumentHead:
    """How a JSON file begins, with the top-level keys of its first records."""

    shape: DocumentShape
    samples: tuple[dict[str, Any], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys seen in the first records, in order of appearance; half a surrogate pair is written as an escape."""
        keys = (key for sample in self.samples for key in sample)
        return tuple(dict.fromkeys(key.encode("utf-8", "backslashreplace").decode() for key in keys))


@dataclass(frozen=True)
class JsonRecord:
    """The text of one record, or the reason why it is none."""

    text: str
    reason: QuarantineReason | None = None


def looks_like_json(text: str) -> bool:
    """True where the first character that is no blank opens an object or an array."""
    return text.lstrip("\ufeff \t\r\n").startswith(("{", "["))


def document_head(text: str, samples: int = 50) -> DocumentHead:
    """Shape and first records from the beginning of a file; broken records are passed over."""
    shape = _shape(text)
    found: list[dict[str, Any]] = []
    for record in read_records(io.StringIO(text), shape):
        value = loaded(record.text) if record.reason is None else None
        if isinstance(value, dict):
            found.append(value)
        if len(found) >= samples:
            break
    return DocumentHead(shape, tuple(found))


def read_records(stream: TextIO, shape: DocumentShape) -> Iterator[JsonRecord]:
    """Every record of a file in order; what cannot be read comes out with its reason."""
    if shape is DocumentShape.LINES:
        return (one for line in stream if line.strip("\ufeff \t\r\n,") for one in _of_line(line))
    return split(iter(lambda: stream.read(READ_CHARS), ""), shape)


def unwrapped(record: Mapping[str, Any], inside: str | None) -> tuple[dict[str, Any], ...]:
    """The objects that lie under a key of their envelope, or under a dotted path of keys: one, or those of a list. What
    is text there is read as JSON. A record that has no such key is its own."""
    found: Any = record
    for key in inside.split(".") if inside else ():
        found = found.get(key) if isinstance(found, Mapping) else None
        found = loaded(found) if isinstance(found, str) else found
    if isinstance(found, list):
        return tuple(one for one in found if isinstance(one, dict))
    return (dict(found if isinstance(found, Mapping) else record),)


def unwrapped_texts(record: JsonRecord, inside: str | None) -> tuple[str, ...]:
    """The source's own texts of the records within one record; its own where it is in no envelope or cannot be read."""
    return tuple(one.text for one in unwrapped_records(record, inside))


def unwrapped_records(record: JsonRecord, inside: str | None) -> tuple[JsonRecord, ...]:
    """The records within one record, each in the source's own text: the object under the path of its envelope, or every
    element of the list there, of which one that is no object is JSON_NOT_OBJECT. An empty list holds none. A record
    that is in no envelope or cannot be read is its own."""
    if not inside or record.reason is not None:
        return (record,)
    found = _within(record.text, inside.split("."))
    return (record,) if found is None else found


def _within(text: str, path: Sequence[str]) -> tuple[JsonRecord, ...] | None:
    """The records at the end of a path, or None where it leads to no object and no list."""
    value = loaded(text)
    if isinstance(value, str):
        text, value = value, loaded(value)
    if path:
        within = isinstance(value, dict) and path[0] in value
        return _within(dict(_parts(text))[path[0]], path[1:]) if within else None
    if isinstance(value, list):
        return tuple(_element(one) for _, one in _parts(text))
    return (JsonRecord(text),) if isinstance(value, dict) else None


def holds_nothing(text: str, inside: str | None = None) -> bool:
    """True where a whole document, or every one of its lines, is JSON in which no record is: an empty list or object,
    a page with nothing under its key (`value`, or that of the envelope), or a list of these and of nulls."""
    values = (
        [loaded(text)] if loaded(text) is not None else [loaded(line) for line in text.splitlines() if line.strip()]
    )
    return all(
        all(one is None or _is_empty(one, inside) for one in value)
        if isinstance(value, list)
        else _is_empty(value, inside)
        for value in values
    )


def error_code(head: DocumentHead) -> str | None:
    """The code of the error that an interface answered with in place of records, or None where it did not."""
    errors = [sample.get("error") for sample in head.samples]
    codes = [error.get("code") for error in errors if isinstance(error, dict) and "message" in error]
    return str(codes[0]) if codes and len(codes) == len(errors) else None


def _is_empty(value: Any, inside: str | None) -> bool:
    return value in ([], {}) or (isinstance(value, dict) and any(value.get(key) == [] for key in (inside, *PAGE_KEYS)))


def _element(text: str) -> JsonRecord:
    return JsonRecord(text, None if text.startswith("{") else QuarantineReason.JSON_NOT_OBJECT)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """The members of an object, or the elements of a list (under an empty name), in the source's own text; the text is
    valid JSON."""
    at = _past(text, 0)
    is_object = text[at] == "{"
    at = _past(text, at + 1)
    while text[at] not in "]}":
        name = ""
        if is_object:
            name, at = _DECODER.raw_decode(text, at)
            at = _past(text, at)
        _, end = _DECODER.raw_decode(text, at)
        yield name, text[at:end]
        at = _past(text, end)


def _past(text: str, at: int) -> int:
    """The place of the next token that is a value, a name or an end."""
    return next(place for place in range(at, len(text)) if text[place] not in _BETWEEN)


def strip_wrapper(path: Path, encoding: str, copy: Path) -> bool:
    """Write the array of a `{"value": [...]}` document to `copy`, for a reader that takes arrays; False where the
    document has another layout."""
    with open_text(path, encoding) as stream:
        text = stream.read(READ_CHARS)
        found = _WRAPPER.match(text.lstrip())
        if not found:
            return False
        held = "[" + text.lstrip()[found.end() :]
        with copy.open("w", encoding="utf-8", errors="replace", newline="") as target:
            while piece := stream.read(READ_CHARS):
                target.write(held[:-TAIL_CHARS])
                held = held[-TAIL_CHARS:] + piece
            end = _WRAPPER_END.search(held)
            target.write(held[: end.start() + 1] if end else "")
    return end is not None


def split(chunks: Iterator[str], shape: DocumentShape) -> Iterator[JsonRecord]:
    """The records of a document that comes in pieces.

    A record that cannot be read ends where the next one of the same make begins; without such a place the rest is
    JSON_TRUNCATED."""
    text = _Pieces(chunks)
    between = shape is DocumentShape.WRAPPED
    while True:
        text.skip(_SPACE)
        if not text.more():
            return
        char = text.peek()
        if between and text.enter_wrapper():
            between = False
        elif char in "[]" or (between and char == "}"):
            text.advance(1)
            between = shape is DocumentShape.WRAPPED
        elif not (between and text.skip_member()):
            yield text.take_record()


class _Pieces:
    """A window on a document that is read in pieces, at a position."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self.chunks = chunks
        self.text = ""
        self.at = 0
        self.next_record: re.Pattern[str] | None = None

    def more(self) -> bool:
        return self.at < len(self.text) or self._fill()

    def peek(self) -> str:
        return self.text[self.at]

    def advance(self, count: int) -> None:
        self.at += count

    def skip(self, pattern: re.Pattern[str]) -> None:
        while True:
            found = pattern.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text) or not self._fill():
                return

    def enter_wrapper(self) -> bool:
        """Step into the array of `{"value": [`; False where the object at the position is no wrapper."""
        self._fill_to(4096)
        found = _WRAPPER.match(self.text, self.at)
        if not found:
            return False
        self.at = found.end()
        return True

    def skip_member(self) -> bool:
        """Step over a member of the wrapper that follows its array, such as the next link."""
        self._fill_to(4096)
        found = _MEMBER.match(self.text, self.at)
        if not found:
            return False
        self.at = found.end()
        return True

    def take_record(self) -> JsonRecord:
        """The value at the position, whatever it is."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except RecursionError:
                return self._take_deep()
            except ValueError as error:
                if not self._cut_off(error) or not self._fill_to(2 * (len(self.text) - self.at) + READ_CHARS):
                    return self._take_broken()
                continue
            if not isinstance(value, dict):
                return self._taken(end, QuarantineReason.JSON_NOT_OBJECT)
            self.next_record = self.next_record or _signature(value)
            return self._taken(end, None)

    def _take_deep(self) -> JsonRecord:
        """A value that is nested deeper than the decoder goes: up to where its first bracket is closed."""
        while True:
            depth = 0
            for found in _BRACKET.finditer(self.text, self.at):
                depth += (found[0] in "[{") - (found[0] in "]}")
                if not depth:
                    return self._taken(found.end(), QuarantineReason.JSON_UNPARSABLE)
            if len(self.text) - self.at > MAX_RECORD_CHARS or not self._fill_to(2 * (len(self.text) - self.at)):
                return self._take_broken()

    def _cut_off(self, error: ValueError) -> bool:
        """True where the value ends with the window and may go on in the next piece."""
        if not isinstance(error, json.JSONDecodeError):
            return False  # a number of more digits than the interpreter turns into one
        at_the_end = error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - 16
        return at_the_end and len(self.text) - self.at <= MAX_RECORD_CHARS

    def _take_broken(self) -> JsonRecord:
        """What lies before the next record of the same make, or all that is left."""
        searched = self.at
        while True:
            found = self.next_record.search(self.text, searched) if self.next_record else None
            if found:
                return self._taken(found.start() + 1, QuarantineReason.JSON_UNPARSABLE)
            if len(self.text) - self.at > MAX_RECORD_CHARS:
                self.text, self.at = self.text[self.at : self.at + READ_CHARS] + self.text[-READ_CHARS:], 0
            length = len(self.text) - self.at
            if not self._fill():
                return self._taken(len(self.text), QuarantineReason.JSON_TRUNCATED)
            searched = max(0, length - 65_536)

    def _taken(self, end: int, reason: QuarantineReason | None) -> JsonRecord:
        text = self.text[self.at : end]
        self.at = end
        return JsonRecord(text, reason)

    def _fill(self) -> bool:
        piece = next(self.chunks, "")
        self.text, self.at = self.text[self.at :] + piece, 0
        return bool(piece)

    def _fill_to(self, count: int) -> bool:
        before = len(self.text) - self.at
        while len(self.text) - self.at < count and self._fill():
            pass
        return len(self.text) - self.at > before


_STRING = r'"(?:[^"\\]|\\.)*"'
_BRACKET = re.compile(rf"{_STRING}|[\[\]{{}}]")
_SCALAR = rf"(?:{_STRING}|-?\d[\d.eE+-]*|true|false|null)"
_WRAPPER = re.compile(rf'\{{\s*(?:{_STRING}\s*:\s*{_SCALAR}\s*,\s*)*"[Vv]alue"\s*:\s*\[')
_MEMBER = re.compile(rf"{_STRING}\s*:\s*{_SCALAR}")
_WRAPPER_END = re.compile(rf"\]\s*(?:,\s*{_STRING}\s*:\s*{_SCALAR}\s*)*\}}\s*\Z")


def _signature(record: dict[str, Any]) -> re.Pattern[str] | None:
    """What opens a record of this file: its first two keys. A nested object that starts otherwise is not taken for a
    record."""
    keys = [re.escape(json.dumps(key, ensure_ascii=False)) for key in list(record)[:2]]
    if len(keys) < 2:
        return None
    return re.compile(rf"\}}\s*,?\s*(?=\{{\s*{keys[0]}\s*:\s*{_SCALAR}\s*,\s*{keys[1]}\s*:)")


def _shape(text: str) -> DocumentShape:
    body = text.lstrip("\ufeff \t\r\n")
    if body.startswith("["):
        return DocumentShape.ARRAY
    if _WRAPPER.match(body):
        return DocumentShape.WRAPPED
    lines = [line for line in body.splitlines()[:20] if line.strip()]
    whole = sum(1 for line in lines[:-1] or lines if isinstance(loaded(_line(line).text), dict))
    return DocumentShape.LINES if whole and whole * 2 >= len(lines[:-1] or lines) else DocumentShape.OBJECTS


def _line(line: str) -> JsonRecord:
    text = line.strip("\ufeff \t\r\n")
    return JsonRecord(text[:-1] if text.endswith(",") else text)


def _of_line(line: str) -> Iterator[JsonRecord]:
    """The record of a line, or those of the list on it."""
    record = _line(line)
    return split(iter((record.text,)), DocumentShape.ARRAY) if record.text.startswith("[") else iter((record,))


def loaded(text: str) -> Any:
    """The value of a JSON text, or None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
