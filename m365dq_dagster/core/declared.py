"""What collectors declare about their own work, held against the evidence: windows given up or cut short, records
counted, manifests with hashes. Reading the files in which they say so is the business of `adapters.evidence.sidecars`;
the vocabulary of leads stands in `completeness`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from posixpath import basename, dirname

from m365dq_dagster.core.completeness import (
    A_DAY,
    WHAT_TO_DO,
    CompletenessKind,
    FileFacts,
    Missing,
    Rhythm,
    at,
    extent,
)
from m365dq_dagster.core.ledger import declared_mismatch
from m365dq_dagster.core.narrative import plural, some
from m365dq_dagster.core.outcome import FileStatus


class DeclarationKind(StrEnum):
    """What a file beside the evidence declares."""

    HOLE = "HOLE"
    """A stretch that the collector did not fetch, or not whole."""
    CAP = "CAP"
    """A window in which the collector met the limit of the interface."""
    ROWS = "ROWS"
    """The records that the collector fetched of one window."""
    TOTAL = "TOTAL"
    """The records that the collector fetched in all."""
    SHORTFALL = "SHORTFALL"
    """The records fetched (`rows`) out of those there were (`of`)."""
    DONE = "DONE"
    """A range that the collector finished."""
    UNFINISHED = "UNFINISHED"
    """A range that the collector began and did not finish."""
    FILE = "FILE"
    """A file of a manifest, with what it was at collection."""
    WINDOW = "WINDOW"
    """The window that the whole collection asked for, in a clock that may be local."""
    COLLECTED = "COLLECTED"
    """When the collection was made (`begins`), in a clock that may be local."""


@dataclass(frozen=True)
class Declaration:
    """One statement of a collector about its collection. `begins` and `ends` are None where its clock is not UTC,
    but for WINDOW and COLLECTED, which are only held against whole days. `says` is the sentence for the analyst."""

    kind: DeclarationKind
    log_type: str | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    rows: int | None = None
    path: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    says: str = ""
    of: int | None = None
    line: int | None = None


@dataclass(frozen=True)
class Told:
    """All that one file beside the evidence declares. `left_out` counts statements beyond those that are kept."""

    path: str
    title: str
    declarations: tuple[Declaration, ...]
    left_out: int = 0

    def of_kind(self, *kinds: DeclarationKind) -> tuple[Declaration, ...]:
        """The declarations of these kinds, in their order."""
        return tuple(item for item in self.declarations if item.kind in kinds)


# What the collectors say themselves


def collectors(told: Iterable[Told], files: Sequence[FileFacts], empty: frozenset[Declaration]) -> list[Missing]:
    """What logs and bounds files of collectors declare, held against the files.

    `empty` are the declared windows in which no event was imported, measured by the caller."""
    found: list[Missing] = []
    for one in told:
        found += _gave_up(one) + _capped(one) + _short(one) + _ranges(one)
        windows = _windows_told(one, files, empty)
        found += windows or _totals(one, files)
        found += _beyond(one)
    return found


def _beyond(one: Told) -> list[Missing]:
    """That a log has more statements than are kept of it; of a manifest this is said where its files are."""
    if not one.left_out or one.of_kind(DeclarationKind.FILE):
        return []
    text = _unread(one, "were not held against the evidence; read them there")
    return [Missing(CompletenessKind.HOLE, "", None, None, text)]


def _gave_up(one: Told) -> list[Missing]:
    return [
        Missing(
            CompletenessKind.HOLE,
            item.log_type or "",
            item.begins,
            item.ends,
            f"{_where(one, item)}: {item.says}; {WHAT_TO_DO[CompletenessKind.HOLE]}",
        )
        for item in one.of_kind(DeclarationKind.HOLE)
    ]


def _where(one: Told, item: Declaration) -> str:
    return f"{one.path}, line {item.line:,}" if item.line else one.path


def _capped(one: Told) -> list[Missing]:
    """Windows in which the collector met the limit and which it did not ask for again in smaller parts."""
    again = {item.begins for item in one.of_kind(DeclarationKind.ROWS)}
    met = [
        item
        for item in one.of_kind(DeclarationKind.CAP)
        if item.begins is None or (item.begins not in again and not one.left_out)
    ]
    return [
        Missing(
            CompletenessKind.CAP,
            item.log_type or "",
            item.begins,
            item.ends,
            f"{_where(one, item)}: {item.says}; {WHAT_TO_DO[CompletenessKind.CAP]}",
        )
        for item in met
    ]


def _short(one: Told) -> list[Missing]:
    short = [
        item
        for item in one.of_kind(DeclarationKind.SHORTFALL)
        if item.rows is not None and item.of is not None and item.rows < item.of
    ]
    return [
        Missing(
            CompletenessKind.DECLARED_MISMATCH,
            item.log_type or "",
            item.begins,
            item.ends,
            f"{_where(one, item)}: {item.says}; {WHAT_TO_DO[CompletenessKind.DECLARED_MISMATCH]}",
        )
        for item in short
    ]


def _ranges(one: Told) -> list[Missing]:
    """Ranges that were begun and not finished, and what lies between the finished ones."""
    open_ranges = [
        Missing(
            CompletenessKind.HOLE,
            item.log_type or "",
            item.begins,
            item.ends,
            f"{one.path}: {item.says}; {WHAT_TO_DO[CompletenessKind.HOLE]}",
        )
        for item in one.of_kind(DeclarationKind.UNFINISHED)
    ]
    return open_ranges + [
        Missing(
            CompletenessKind.HOLE,
            log_type,
            begins,
            ends,
            f"{one.path}: the collector finished what lies before {at(begins)} and after {at(ends)}, and "
            f"nothing in between; {WHAT_TO_DO[CompletenessKind.HOLE]}",
        )
        for log_type, begins, ends in _between(one.of_kind(DeclarationKind.DONE))
    ]


def _between(done: Sequence[Declaration]) -> list[tuple[str, datetime, datetime]]:
    spans = sorted((item.begins, item.ends, item.log_type or "") for item in done if item.begins and item.ends)
    found: list[tuple[str, datetime, datetime]] = []
    reached: datetime | None = None
    for begins, ends, log_type in spans:
        if reached and begins - reached > timedelta(seconds=1):
            found.append((log_type, reached, begins))
        reached = max(reached or ends, ends)
    return found


def _windows_told(one: Told, files: Sequence[FileFacts], empty: frozenset[Declaration]) -> list[Missing]:
    """Windows whose file holds fewer records than were counted, and windows with records of which no event is here;
    of the latter those that join are one lead."""
    by_window = {(file.window_from, file.window_to): file for file in files}
    latest = {(item.begins, item.ends): item for item in one.of_kind(DeclarationKind.ROWS)}
    found, gone = [], []
    for item in latest.values():
        file = by_window.get((item.begins, item.ends)) if item.begins else None
        if file and item.log_type in (None, *file.log_types) and file.rows < (item.rows or 0):
            found.append(_fewer([item], one, f"{item.says}, and {file.path} holds {file.rows:,}"))
        elif not file and item in empty:
            gone.append(item)
    return found + [_fewer(run, one, _none_of(run)) for run in _runs(gone)]


def _fewer(items: Sequence[Declaration], one: Told, text: str) -> Missing:
    return Missing(
        CompletenessKind.DECLARED_MISMATCH,
        items[0].log_type or "",
        items[0].begins,
        items[-1].ends,
        f"{_where(one, items[0])}: {text}; {WHAT_TO_DO[CompletenessKind.DECLARED_MISMATCH]}",
    )


def _none_of(items: Sequence[Declaration]) -> str:
    if len(items) == 1:
        return f"{items[0].says}, and no event of that time is here"
    rows = sum(item.rows or 0 for item in items)
    return (
        f"the collector counted {rows:,} records in {len(items):,} windows from {at(items[0].begins)} to "
        f"{at(items[-1].ends)}, and no event of that time is here"
    )


def _runs(items: Iterable[Declaration]) -> list[list[Declaration]]:
    """Windows in the order of time, those that join together."""
    found: list[list[Declaration]] = []
    for item in sorted(items, key=lambda item: (item.log_type or "", str(item.begins))):
        before = found[-1][-1] if found else None
        if before and (before.ends, before.log_type) == (item.begins, item.log_type):
            found[-1].append(item)
        else:
            found.append([item])
    return found


def _totals(one: Told, files: Sequence[FileFacts]) -> list[Missing]:
    """The sum that a collector names against the rows of the files beside it. More rows than named are no lead: a
    merged copy or a second run has them."""
    found = []
    counted = [item for item in one.of_kind(DeclarationKind.ROWS, DeclarationKind.TOTAL) if item.log_type]
    for log_type in sorted({item.log_type or "" for item in counted}):
        named = _named([item for item in counted if item.log_type == log_type])
        beside = _beside(one.path, [file for file in files if log_type in file.log_types])
        rows = sum(file.rows for file in beside)
        if rows and named > rows:
            detail = (
                f"{one.path}: the collector fetched {named:,} records, and {plural(len(beside), 'file')} beside it "
                f"hold{'s' if len(beside) == 1 else ''} {rows:,}: {named - rows:,} are missing; "
                f"{WHAT_TO_DO[CompletenessKind.DECLARED_MISMATCH]}"
            )
            found.append(Missing(CompletenessKind.DECLARED_MISMATCH, log_type, None, None, detail))
    return found


def _named(items: Sequence[Declaration]) -> int:
    """The greater of the sum over windows, each counted once, and the totals of the runs."""
    windows = {(item.begins, item.ends): item.rows or 0 for item in items if item.kind is DeclarationKind.ROWS}
    totals = [item.rows or 0 for item in items if item.kind is DeclarationKind.TOTAL]
    return max(sum(windows.values()), max(totals, default=0))


def _beside(path: str, files: Sequence[FileFacts]) -> list[FileFacts]:
    below = [file for file in files if _below(file.path, dirname(path))]
    return below or list(files)


def _below(path: str, folder: str) -> bool:
    return not folder or path.startswith(folder + "/")


# Manifests


def manifests(told: Iterable[Told], files: Sequence[FileFacts], apart: Iterable[str]) -> list[Missing]:
    """What manifests say of files against what the files are. A changed file is named first.

    `apart` are paths that no manifest lists: the manifests themselves and what lies beside the evidence."""
    found: list[Missing] = []
    beside = frozenset(apart)
    for one in told:
        if one.of_kind(DeclarationKind.FILE):
            found += _manifest(one, files, beside)
    return found


def _manifest(one: Told, files: Sequence[FileFacts], apart: frozenset[str]) -> list[Missing]:
    inside = [file for file in files if _below(file.path, dirname(one.path))]
    known = _index(inside)
    pairs = [(item, _listed(item, one, known)) for item in one.of_kind(DeclarationKind.FILE)]
    met = [(item, file) for item, file in pairs if file]
    named = apart.union(file.path for _, file in met)
    changed = [(file, text) for item, file in met if (text := _changed(one, item, file))]
    gone = [item.path or "" for item, file in pairs if file is None]
    more = [file.path for file in inside if not (file.path in named or any(up in named for up in _above(file.path)))]
    found = [_manifest_lead(text, *extent([file])) for file, text in changed]
    found += [lead for item, file in met if (lead := _counted(one, item, file))]
    if gone:
        found.append(_manifest_lead(f"{one.path} names {some(gone)}, which {_is(gone)} not in the folder"))
    if more and not one.left_out:
        found.append(_manifest_lead(f"{some(more)} {_is(more)} in the folder and not in {one.path}"))
    if one.left_out:
        found.append(_manifest_lead(_unread(one, "were not compared with the files")))
    return found


def _unread(one: Told, what: str) -> str:
    return f"{one.path} says more than is looked at: {plural(one.left_out, 'further statement')} of it {what}"


def _above(path: str) -> Iterator[str]:
    """What a path lies in: folders, and archives whose entries they are."""
    while path := dirname(path):
        yield path


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _manifest_lead(text: str, begins: datetime | None = None, ends: datetime | None = None) -> Missing:
    """A lead of no log, so that those with a time, the changed files, come first wherever leads are ordered."""
    return Missing(CompletenessKind.MANIFEST, "", begins, ends, f"{text}; {WHAT_TO_DO[CompletenessKind.MANIFEST]}")


def _index(files: Iterable[FileFacts]) -> dict[tuple[str, ...], FileFacts]:
    """The first of the files of each path, name and hash, and of each path and name with its hash."""
    known: dict[tuple[str, ...], FileFacts] = {}
    for file in files:
        path = file.path.casefold()
        for place in (("path", path), ("name", basename(path))):
            known.setdefault(place, file)
            known.setdefault((*place, file.sha256 or ""), file)
        known.setdefault(("hash", file.sha256 or ""), file)
    return known


def _listed(item: Declaration, one: Told, known: Mapping[tuple[str, ...], FileFacts]) -> FileFacts | None:
    """The file a manifest means: by path below the manifest, else by name, else by hash; of several the one whose
    hash is right."""
    name = (item.path or "").casefold()
    here = f"{dirname(one.path).casefold()}/{name}".lstrip("/")
    for place in (("path", here), ("name", basename(name))):
        if place in known:
            return (known.get((*place, item.sha256)) if item.sha256 else None) or known[place]
    return known.get(("hash", item.sha256)) if item.sha256 else None


def _changed(one: Told, item: Declaration, file: FileFacts) -> str | None:
    if item.sha256 and file.sha256:
        if item.sha256 == file.sha256:
            return None
        sizes = f" ({item.bytes:,} bytes then, {file.bytes:,} now)" if _other_size(item, file) else ""
        return f"{file.path} was changed after collection: its SHA-256 is not the one in {one.path}{sizes}"
    if _other_size(item, file):
        return (
            f"{file.path} was changed after collection: {one.path} says {item.bytes:,} bytes and it has {file.bytes:,}"
        )
    return None


def _other_size(item: Declaration, file: FileFacts) -> bool:
    return item.bytes is not None and file.bytes is not None and item.bytes != file.bytes


def _counted(one: Told, item: Declaration, file: FileFacts) -> Missing | None:
    """Another number of rows than was declared. Archives and what lies beside the evidence hold none to be counted."""
    events = bool(file.log_types) and file.status in (FileStatus.IMPORTED, FileStatus.ALREADY_IMPORTED)
    read = events or file.status == FileStatus.EMPTY
    text = declared_mismatch(item.rows, file.rows) if read else None
    if text is None:
        return None
    detail = f"{file.path}, in the words of {one.path}, {text}"
    return Missing(CompletenessKind.DECLARED_MISMATCH, file.log_type, *extent([file]), detail)


def collection_windows(
    told: Iterable[Told],
    files: Sequence[FileFacts],
    rhythms: Mapping[str, Rhythm],
    edges: frozenset[str] = frozenset(),
    known: Sequence[Missing] = (),
) -> list[Missing]:
    """The window that a manifest names for the whole collection, held against the events to the day.

    `edges` are logs that begin at the edge of their retention, `known` leads on windows in names, which say the same
    of the same end."""
    ends = {(lead.log_type, moment) for lead in known for moment in (lead.begins, lead.ends) if moment}
    found: list[Missing] = []
    for one in told:
        for item in one.of_kind(DeclarationKind.WINDOW):
            inside = [file for file in files if _below(file.path, dirname(one.path)) and not file.ambiguous]
            for log_type in sorted({name for file in inside for name in file.log_types}):
                same = [file for file in inside if log_type in file.log_types]
                found += _asked_for(one, item, same, log_type, rhythms.get(log_type), log_type in edges)
    return [
        lead for lead in found if (lead.begins and lead.ends) or (lead.log_type, lead.begins or lead.ends) not in ends
    ]


def _asked_for(
    one: Told, item: Declaration, files: Sequence[FileFacts], log_type: str, rhythm: Rhythm | None, at_edge: bool
) -> list[Missing]:
    if not (rhythm and rhythm.is_settled):
        return []
    first, last = (rhythm.begins, rhythm.ends) if any(file.copies for file in files) else extent(files)
    if not (first and last):
        return []
    quiet = max(rhythm.threshold, A_DAY)
    what = f"{one.path} says that the collection"
    found = []
    if item.begins and first - item.begins > quiet + A_DAY and not at_edge:
        text = f"{what} begins at {at(item.begins)}, and the first event is of {at(first)}"
        found.append(Missing(CompletenessKind.WINDOW, log_type, None, first, _once_more(text)))
    if item.ends and item.ends - last > quiet + A_DAY:
        text = f"{what} ends at {at(item.ends)}, and the last event is of {at(last)}"
        found.append(Missing(CompletenessKind.WINDOW, log_type, last, None, _once_more(text)))
    early = item.begins and first < item.begins - A_DAY
    late = item.ends and last > item.ends + 2 * A_DAY
    if early or late:
        text = (
            f"{what} ran from {at(item.begins)} to {at(item.ends)}, and events of {at(first)} to {at(last)} "
            "lie in the folder: files of another collection are among them; look which"
        )
        found.append(Missing(CompletenessKind.WINDOW, log_type, first, last, text))
    return found


def _once_more(text: str) -> str:
    return f"{text}; {WHAT_TO_DO[CompletenessKind.WINDOW]}"
