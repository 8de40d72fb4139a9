"""Holds intake to its ledger: whatever lies in a folder, every record of every file is accounted for once, leads back
to its own text, and tells nothing that this text does not hold. The files come from `mutations`."""

from __future__ import annotations

import faulthandler
import json
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, confine, create_schema
from m365dq_dagster.adapters.evidence import documents, landing
from m365dq_dagster.adapters.evidence.delimited import header_key
from m365dq_dagster.adapters.evidence.documents import DocumentShape
from m365dq_dagster.adapters.evidence.folder import evidence_files
from m365dq_dagster.adapters.evidence.formats import FormatDefinition, parse_formats
from m365dq_dagster.adapters.evidence.recognition import RecognisedFile, look_at, raw_records
from m365dq_dagster.adapters.evidence.text import open_text
from m365dq_dagster.stages import intake
from tests.support.intake_case import Taken, shipped_formats, take_in
from tests.support.mutations import Example, Mutated, chosen_steps, examples, has_name, mutated, unnamed

STATUSES = ("IMPORTED", "ALREADY_IMPORTED", "UNRECOGNISED", "REFUSED", "EMPTY")
DERIVED = ("account", "address", "is_person", "is_logon")
Event = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Sound:
    """What intake says of an example that nothing happened to."""

    ledger: tuple[int, int, int, int]
    format: str
    events: Counter[Event]
    named: tuple[bool, ...]


class Workshop:
    """One engine for many folders, confined to one place as in a case."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.con = duckdb.connect(config={**CONNECT_CONFIG, "threads": 1})
        create_schema(self.con)
        self.con.execute("SET preserve_insertion_order = true")
        confine(self.con, root)

    def close(self) -> None:
        """Let the engine go."""
        self.con.close()

    def take_in(self, files: Sequence[Mutated]) -> tuple[Taken, dict[str, Mutated], Path]:
        """Lay the files into a folder of their own and take it in."""
        folder = Path(tempfile.mkdtemp(dir=self.root))
        laid = {}
        for number, file in enumerate(files):
            place = folder / f"f{number:05d}" / file.example.path
            place.parent.mkdir(parents=True)
            place.write_bytes(file.raw)
            laid[f"f{number:05d}/{file.example.path}"] = file
        return take_in(folder, con=self.con), laid, folder


def drawn(seed: int, count: int) -> list[Mutated]:
    """The files of one case: one example after the other, each changed at random; in every other case four copies of an
    example follow each other, most of them changed little, so that files of one make come in together."""
    rng = random.Random(seed)
    start, copies = rng.randrange(len(examples())), 4 if seed % 2 else 1
    chosen = [examples()[(start + at // copies) % len(examples())] for at in range(count)]
    return [
        mutated(
            example,
            chosen_steps(rng) if copies == 1 or rng.random() < 0.4 else ["grow"],
            seed * 100_000 + at,
            1 + seed * 100_000 + at,
        )
        for at, example in enumerate(chosen)
    ]


def told(file: Mutated) -> str:
    """A mutated file as a line of the table of seeds that once failed."""
    return ",".join((file.example.format, file.example.name, " ".join(file.asked), str(file.seed)))


def complaints(shop: Workshop, files: Sequence[Mutated], sound: Mapping[Example, Sound]) -> list[str]:
    """Everything that does not hold of a folder of mutated files; empty where all is accounted for."""
    taken, laid, folder = shop.take_in(files)
    listed = {row["path"]: row for row in taken.rows("SELECT * FROM files ORDER BY file_id")}
    found = [f"{path} is not in the ledger" for path in laid.keys() - listed.keys()]
    found += [f"{path} was not in the folder" for path in listed.keys() - laid.keys()]
    if not taken.passed("ledger_balances"):
        found.append("the check ledger_balances fails")
    numbers, touched, events = _numbers(taken), _touched(taken), _events(taken)
    for file in evidence_files(folder):
        row, made = listed[file.path], laid[file.path]
        seen = look_at(file, definitions())
        wrong = [
            *_of_ledger(row, numbers[row["file_id"]]),
            *_of_text(row, seen, events.get(row["file_id"], {})),
            *_of_expectation(row, made, sound, events.get(row["file_id"], {}), row["file_id"] in touched),
        ]
        found += [f"{told(made)} -> {one}" for one in wrong]
    return found


def sound_examples(shop: Workshop) -> dict[Example, Sound]:
    """What intake says of every example, all in one folder."""
    files = [mutated(example, (), 0, number) for number, example in enumerate(examples(), 1)]
    taken, laid, _ = shop.take_in(files)
    events, touched = _events(taken), _touched(taken)
    found = {}
    for path, file in laid.items():
        row = taken.file(path)
        if row["file_id"] not in touched:
            of_file = events.get(row["file_id"], {})
            found[file.example] = Sound(taken.ledger(path), row["format"], _comparable(of_file), _named(of_file))
    return found


@contextmanager
def small_pieces() -> Iterator[None]:
    """Files are read in pieces of a few characters and landed a few records at a time, as if they were very large."""
    small = (
        (documents, "READ_CHARS", 499),
        (landing, "BATCH_ROWS", 3),
        (landing, "CHUNK", 251),
        (intake, "RAW_BATCH", 2),
    )
    with pytest.MonkeyPatch.context() as patch:
        for module, name, size in small:
            patch.setattr(module, name, size)
        yield


@cache
def definitions() -> tuple[FormatDefinition, ...]:
    """The formats of the rule pack."""
    return parse_formats(shipped_formats())


def _numbers(taken: Taken) -> dict[int, list[int]]:
    """The record numbers that any table gives an account of, by file."""
    found: dict[int, list[int]] = {row["file_id"]: [] for row in taken.rows("SELECT file_id FROM files")}
    for table in (*_log_types(taken), "duplicates", "quarantine"):
        for row in taken.rows(f"SELECT file_id, row_no FROM {table}"):
            found[row["file_id"]].append(row["row_no"])
    return found


def _touched(taken: Taken) -> set[int]:
    """The files of which a row is a copy of another file's, or the other way round."""
    rows = taken.rows("SELECT file_id, of_file_id FROM duplicates WHERE file_id <> of_file_id")
    return {row[name] for row in rows for name in ("file_id", "of_file_id")}


def _log_types(taken: Taken) -> list[str]:
    return list(taken.report.rows_by_log_type)


def _events(taken: Taken) -> dict[int, dict[int, dict[str, Any]]]:
    found: dict[int, dict[int, dict[str, Any]]] = {}
    for log_type in _log_types(taken):
        for row in taken.rows(f"SELECT * FROM {log_type}"):
            file_id, row_no = row.pop("file_id"), row.pop("row_no")
            found.setdefault(file_id, {})[row_no] = {**row, "log_type": log_type}
    return found


def _of_ledger(row: Mapping[str, Any], numbers: Sequence[int]) -> Iterator[str]:
    counts = [row[name] or 0 for name in ("rows_read", "rows_imported", "rows_duplicate", "rows_quarantined")]
    if counts[0] != sum(counts[1:]):
        yield f"the equation does not hold: {counts}"
    if sorted(numbers) != list(range(1, counts[0] + 1)):
        yield f"of {counts[0]} records these are accounted for: {sorted(numbers)[:20]}"
    if row["status"] not in STATUSES or (row["status"] != "IMPORTED" and not row["reason"]):
        yield f"status {row['status']} for the reason {row['reason']}"


def _of_text(row: Mapping[str, Any], seen: Any, events: Mapping[int, Mapping[str, Any]]) -> Iterator[str]:
    """Every record has a text of its own, together they are the file, and no event tells what its text does not."""
    if not isinstance(seen, RecognisedFile):
        if row["rows_read"]:
            yield "it is not recognised at another look"
        return
    texts = list(raw_records(seen))
    if len(texts) != row["rows_read"]:
        yield f"{row['rows_read']} records were read, and {len(texts)} have a text"
    yield from _of_body(seen, texts)
    for number, event in events.items():
        text = texts[number - 1] if number <= len(texts) else ""
        yield from (f"record {number} is told {name} {value!r:.300}" for name, value in invented(event, text))


def _of_body(seen: RecognisedFile, texts: Sequence[str]) -> Iterator[str]:
    """Nothing of the file's text falls between its records."""
    if seen.inside:
        return
    with open_text(seen.file.location, seen.head.encoding) as stream:
        body = stream.readlines()[seen.table.skip_lines if seen.table else 0 :]
    pad = r"\s+" if seen.table else r"[\s,\[\]\ufeff]+"
    whole, parts = (re.sub(pad, "", "".join(pieces)) for pieces in (body, texts))
    if whole != parts and not (seen.document and seen.document.shape is DocumentShape.WRAPPED):
        at = next((at for at, (one, other) in enumerate(zip(whole, parts, strict=False)) if one != other), -1)
        yield f"its records are not its text, at {at}: {whole[max(0, at - 20) : at + 60]!r}"


def invented(event: Mapping[str, Any], text: str) -> list[tuple[str, Any]]:
    """The values of an event that its record's own text does not hold, letter by letter; values that follow by a rule
    are left to it."""
    exempt, words = _ruled(event["log_type"])
    hay = _letters(text)
    return [
        (name, value)
        for name, value in event.items()
        if isinstance(value, str) and name not in exempt and value not in words
        and not any(_alone(spelled) in straw for straw in hay for spelled in (value, _unescaped(value)))
    ]  # fmt: skip


@cache
def _ruled(log_type: str) -> tuple[frozenset[str], frozenset[str]]:
    """The fields of a log type whose values follow by a rule, and the words that stand for others."""
    kinds = [one for one in definitions() if one.log_type == log_type]
    made = {name for one in kinds for name, sources in one.fields.items() for s in sources if s.part or s.gather}
    told_by_name = {name for one in kinds for name in one.name_values}
    words = {word for one in kinds for table in one.values.values() for word in table.values()}
    return frozenset({*made, *told_by_name, *DERIVED, "log_type"}), frozenset(words)


def _letters(text: str) -> tuple[str, str]:
    return _alone(text), _alone(_unescaped(text))


def _alone(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _unescaped(text: str) -> str:
    once = re.sub(r"\\{2,}", r"\\", text)
    spelled = re.sub(r"(?i)\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), once)
    return re.sub(r"\\[nrtbf]", " ", spelled)


def _of_expectation(
    row: Mapping[str, Any],
    made: Mutated,
    sound: Mapping[Example, Sound],
    events: Mapping[int, Mapping[str, Any]],
    touched: bool,
) -> Iterator[str]:
    plain = sound.get(made.example)
    if plain is None:
        return
    recognised = row["format"] == plain.format and row["status"] in ("IMPORTED", "ALREADY_IMPORTED")
    if made.known and made.rows and not recognised:
        yield f"is no longer {plain.format}, but {row['status']} {row['format']}: {row['reason']}"
        return
    whole = plain.ledger[0] == len(made.example.rows or made.example.records)
    if made.rows is not None and made.known and whole and row["rows_read"] != made.rows:
        yield f"holds {made.rows} records, of which {row['rows_read']} were read"
    if not made.same or touched or not made.known:
        return
    found = _comparable(events)
    wanted = Counter({event: count * made.times for event, count in plain.events.items()})
    if made.copies == 0 and plain.ledger[2] == row["rows_duplicate"] == 0 and found != wanted:
        yield f"tells other events: {_difference(wanted, found)}"
    if plain.ledger[2] == 0 and set(found) != set(wanted):
        yield f"copies tell other events: {_difference(wanted, found)}"
    yield from _of_copies(row, made, plain, events)


def _of_copies(
    row: Mapping[str, Any], made: Mutated, plain: Sound, events: Mapping[int, Mapping[str, Any]]
) -> Iterator[str]:
    """A copy of a record with an id counts once; one without any id is an event of its own."""
    if plain.ledger[2] or plain.ledger[3] or not made.copies:
        return
    if plain.named and all(plain.named) and row["rows_duplicate"] != made.copies:
        yield f"{made.copies} copies were made and {row['rows_duplicate']} found"
    if not any(_named(events, anything=True)) and row["rows_duplicate"]:
        yield f"rows without an id were repeated, and {row['rows_duplicate']} do not count"


def _named(events: Mapping[int, Mapping[str, Any]], *, anything: bool = False) -> tuple[bool, ...]:
    """For each event whether it has an id, of the kind that files are told apart by or of any."""
    ids = [event.get(name) for event in events.values() for name in _identity(event["log_type"])[:1]]
    return tuple(one is not None and (anything or has_name(str(one))) for one in ids)


def _identity(log_type: str) -> tuple[str, ...]:
    return next(one.identity for one in definitions() if one.log_type == log_type)


def _comparable(events: Mapping[int, Mapping[str, Any]]) -> Counter[Event]:
    """The events without their place and without what salting changes."""
    return Counter(
        tuple(sorted((name, _value(value)) for name, value in event.items() if value is not None))
        for event in events.values()
    )


def _value(value: Any) -> Any:
    if not isinstance(value, str):
        return str(value)
    text = unnamed(value)
    if text[:1] in "{[":
        try:
            return json.dumps(json.loads(text, object_pairs_hook=_folded), sort_keys=True)
        except ValueError:
            return text
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _folded(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {header_key(name): value for name, value in pairs}


def _difference(one: Counter[Event], other: Counter[Event]) -> str:
    gone, come = [dict(event) for event in one - other], [dict(event) for event in other - one]
    if len(gone) == len(come) == 1:
        names = sorted(name for name in {*gone[0], *come[0]} if gone[0].get(name) != come[0].get(name))
        return str({name: (gone[0].get(name), come[0].get(name)) for name in names})[:600]
    return f"{len(gone)} are gone, {len(come)} have come: {str(gone[:1])[:300]} {str(come[:1])[:300]}"


def run_case(seed: int, count: int, limit: float) -> tuple[int, Counter[str], list[str]]:
    """One case of the soak run, in a process of its own: how many files, what was done to them, what does not hold.

    The process ends, with the place at which it stood on stderr, where the case takes longer than `limit` seconds."""
    faulthandler.dump_traceback_later(limit, exit=True, file=sys.__stderr__)
    try:
        return _case(seed, count)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _case(seed: int, count: int) -> tuple[int, Counter[str], list[str]]:
    shop, sound = own_workshop()
    files = drawn(seed, count)
    done: Counter[str] = Counter(name for file in files for name in file.applied)
    done["(whole)"] = sum(file.same for file in files)
    done["(as it is)"] = sum(not file.applied for file in files)
    try:
        with small_pieces() if seed % 3 == 0 else nullcontext():
            return len(files), done, complaints(shop, files, sound)
    except Exception as error:
        own_workshop.cache_clear()
        return len(files), done, [f"{type(error).__name__}: {error}"[:600]]


@cache
def own_workshop() -> tuple[Workshop, dict[Example, Sound]]:
    """This process's workshop, and what intake says of every sound example."""
    shop = Workshop(Path(tempfile.mkdtemp(prefix="m365dq-soak-")))
    return shop, sound_examples(shop)
