"""Opens archives among the evidence: which of their entries are taken, where they are unpacked, and when enough is
enough. How a container is read stands in `archive_readers`; what a file inside means, nobody asks here.

An archive is hostile. Nothing is written under a name that it gives, no link of it is made, and its bounds are counted
on the bytes that come out of it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from m365dq_dagster.adapters.evidence.archive_readers import (
    ArchiveKind,
    Refusal,
    Stop,
    archive_kind,
    office_document,
    read_archive,
    read_single,
)
from m365dq_dagster.adapters.evidence.folder import CONTEXT_NAMES, LEFTOVER, FoundFile, Tally, printable
from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.core.ledger import FileReason
from m365dq_dagster.core.narrative import plural

GIB = 1 << 30
MAX_NAME = 1024
"""Characters of an entry's name; longer ones are refused, and shown with their first `SHOWN_NAME`."""
SHOWN_NAME = 200
CONTAINERS = (ArchiveKind.ZIP, ArchiveKind.TAR, ArchiveKind.SEVEN_ZIP)
UNKNOWN = (ArchiveKind.RAR, ArchiveKind.ZSTD)


@dataclass(frozen=True)
class Limits:
    """How much an archive may unpack to. What is above is refused as a whole, with the number that was passed.

    `entries`: files and folders of one archive of the folder, with those of the archives inside it.
    `unpacked_bytes`: bytes of all archives of a case together.
    `ratio`: bytes out for each byte of the archive, once more than `ratio_from` bytes came out.
    `depth`: how many archives may lie inside each other, the outermost counted.
    `keep_free`: bytes of the disk that stay free; a run that would take them ends instead.
    """

    entries: int = 10_000
    unpacked_bytes: int = 64 * GIB
    ratio: int = 1_000
    ratio_from: int = 64 << 20
    depth: int = 3
    keep_free: int = GIB


@contextmanager
def unpacking(case_dir: Path) -> Iterator[Path]:
    """A private folder (mode 0700) below the case's own to unpack evidence into, gone at the end.

    What killed processes left behind is cleared first; a folder in which a living one works is left alone. Raises
    `InternalFault` where none can be made.
    """
    for leftover in case_dir.glob(f"{LEFTOVER}*"):
        _clear(leftover)
    try:
        into = Path(tempfile.mkdtemp(prefix=LEFTOVER, dir=case_dir))
        handle = os.open(into, os.O_RDONLY)
    except OSError as error:
        raise InternalFault(
            f"{case_dir}: no folder can be made to unpack evidence in ({error.strerror}); nothing was changed. Free "
            "disk space or give yourself permission to write there, and run it again."
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield into
    finally:
        shutil.rmtree(into, ignore_errors=True)
        os.close(handle)


def _clear(leftover: Path) -> None:
    """Remove what nobody holds. A lock goes with the process that took it, however it ended."""
    with suppress(OSError):
        handle = os.open(leftover, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(leftover, ignore_errors=True)
        finally:
            os.close(handle)


def opened(found: Sequence[FoundFile], into: Path, limits: Limits | None = None) -> tuple[FoundFile, ...]:
    """The same files, each archive followed by what it holds, unpacked below `into`.

    An archive that was opened stays in the list with `trouble` UNPACKED; one that was not has its reason and nothing of
    it is listed; of a damaged one only what is whole is kept, and each other entry is listed with its reason.
    Raises `InternalFault` where the disk is too full."""
    opener = _Opener(limits or Limits())
    return tuple(listed for file in found for listed in opener.listed(file, into))


class _Broken(Stop):
    """A bound was passed: by which archive, and how."""

    def __init__(self, budget: _Budget, detail: str) -> None:
        super().__init__(detail)
        self.budget = budget
        self.detail = detail


class _Budget:
    """What came out of one archive so far. Everything is charged to the archives around it as well."""

    def __init__(self, limits: Limits, packed: int, above: _Budget | None, allowance: int) -> None:
        self.limits = limits
        self.packed = packed
        self.above = above
        self.allowance = allowance
        self.out = 0
        self.entries = 0

    def charge(self, size: int) -> None:
        """Count bytes that came out. Raises `_Broken`."""
        self.out += size
        if self.out > self._most():
            raise _Broken(self, self._passed())
        if self.above:
            self.above.charge(size)

    def refund(self, size: int) -> None:
        """Bytes that were only on their way: the tar inside a gzip."""
        self.out -= size
        if self.above:
            self.above.refund(size)

    def enter(self) -> None:
        """Count an entry. Raises `_Broken`."""
        self.entries += 1
        if self.above:
            self.above.enter()
        elif self.entries > self.limits.entries:
            raise _Broken(self, f"it has more than {self.limits.entries:,} entries")

    def room(self) -> int:
        """Bytes that may still come out."""
        own = self._most() - self.out
        return min(own, self.above.room()) if self.above else own

    def _most(self) -> int:
        return min(self.allowance, max(self.limits.ratio_from, self.limits.ratio * self.packed))

    def _passed(self) -> str:
        if self.out > self.allowance:
            return f"with it more than {_size(self.limits.unpacked_bytes)} would come out of the case's archives"
        return f"more than {self.limits.ratio:,} times its own size came out of it"


def _size(number: int) -> str:
    return f"{number / GIB:,.0f} GiB" if number >= GIB else f"{number:,} bytes"


class _Opener:
    """Opens one archive after the other, those inside them too."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.spent = 0

    def listed(
        self, file: FoundFile, home: Path, depth: int = 1, above: _Budget | None = None
    ) -> tuple[FoundFile, ...]:
        """The file, and where it is an archive what it holds."""
        kind = _kind(file)
        if kind is None:
            return (file,)
        trouble = self._trouble(file, kind, depth)
        if trouble:
            return (trouble,)
        budget = _Budget(self.limits, file.bytes, above, self.limits.unpacked_bytes - self.spent)
        folder = _new_folder(home, file)
        listed = self._bounded(replace(file, archive=kind.value), kind, _Taker(file.path, folder, budget), depth)
        if above is None and listed[0].trouble in (FileReason.UNPACKED, FileReason.ARCHIVE_DAMAGED):
            self.spent += budget.out
        return listed

    def _trouble(self, file: FoundFile, kind: ArchiveKind, depth: int) -> FoundFile | None:
        """The file as it is listed where it is not even opened."""
        office = office_document(file.location) if kind is ArchiveKind.ZIP else None
        if office:
            return replace(file, trouble=office)
        if kind in UNKNOWN:
            return replace(file, archive=kind.value, trouble=FileReason.ARCHIVE_KIND, detail=kind.value)
        if depth > self.limits.depth:
            return replace(file, archive=kind.value, trouble=FileReason.ARCHIVE_DEPTH, detail=str(self.limits.depth))
        return None

    def _bounded(self, file: FoundFile, kind: ArchiveKind, taker: _Taker, depth: int) -> tuple[FoundFile, ...]:
        try:
            return self._unpacked(file, kind, taker, depth)
        except Refusal as refusal:
            refused = replace(file, trouble=refusal.reason, detail=refusal.detail)
        except _Broken as broken:
            if broken.budget is not taker.budget:
                raise
            refused = replace(file, trouble=FileReason.ARCHIVE_BOUNDS, detail=broken.detail)
        finally:
            taker.close()
        shutil.rmtree(taker.home, ignore_errors=True)
        return (refused,)

    def _unpacked(self, file: FoundFile, kind: ArchiveKind, taker: _Taker, depth: int) -> tuple[FoundFile, ...]:
        if kind in CONTAINERS:
            wrong = read_archive(file.location, kind, taker)
        else:
            inner, wrong = _read_single(file, kind, taker)
            file = replace(file, archive=f"{inner}.{kind}" if inner else kind.value)
        members = taker.members()
        below = [listed for member in members for listed in self._member(member, taker, depth)]
        return (_summary(file, members, wrong), *below)

    def _member(self, member: FoundFile, taker: _Taker, depth: int) -> tuple[FoundFile, ...]:
        listed = self.listed(member, taker.home, depth + 1, taker.budget)
        if listed[0].archive:
            member.location.unlink(missing_ok=True)
        return listed


def _kind(file: FoundFile) -> ArchiveKind | None:
    if file.trouble:
        return None
    try:
        return archive_kind(file.location)
    except OSError:  # said where the file is looked at
        return None


def _new_folder(home: Path, file: FoundFile) -> Path:
    """A folder for one archive, named by its hash; a second one of the same bytes gets a number."""
    number = 1
    while True:
        folder = home / (f"{file.sha256}" if number == 1 else f"{file.sha256}-{number}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return folder


def _read_single(file: FoundFile, kind: ArchiveKind, taker: _Taker) -> tuple[str, str]:
    """Unpack the one file of a gzip, bzip2 or xz. A tar in it is opened in its place: then "tar", and what is wrong
    with it."""
    name = file.path.rpartition("/")[2]
    inner = name[: -len(kind) - 1] if name.lower().endswith(f".{kind}") and len(name) > len(kind) + 1 else name
    sink = taker.take(inner)
    if sink is None:
        return "", ""
    read_single(file.location, kind, sink)
    whole = sink.found
    if whole is None or whole.trouble:
        raise Refusal(FileReason.ARCHIVE_DAMAGED, whole.detail if whole else "")
    if archive_kind(whole.location) is not ArchiveKind.TAR:
        return "", ""
    taker.forget(sink)
    wrong = read_archive(whole.location, ArchiveKind.TAR, taker)
    whole.location.unlink()
    return ArchiveKind.TAR.value, wrong


def _summary(file: FoundFile, members: Sequence[FoundFile], wrong: str) -> FoundFile:
    """The archive as it stands in the list above what it holds."""
    locked = sum(member.trouble is FileReason.MEMBER_PASSWORD for member in members)
    if members and locked == len(members):
        raise Refusal(FileReason.ARCHIVE_PASSWORD)
    damaged = sum(member.trouble is FileReason.MEMBER_DAMAGED for member in members)
    left = sum(member.trouble is not None for member in members)
    if damaged or wrong:
        said = f"{wrong or 'not every file in it can be read'}; {len(members) - left} of {plural(len(members), 'file')}"
        return replace(file, trouble=FileReason.ARCHIVE_DAMAGED, detail=f"{said} unpacked")
    detail = plural(len(members), "file") + (f", {left} of them not unpacked" if left else "")
    return replace(file, trouble=FileReason.UNPACKED, detail=detail)


def name_fault(name: str) -> str:
    """What is wrong with an entry's name, or "" for one that lies below the archive.

    A backslash parts folders as a slash does: Windows' own packer writes names so."""
    parts = name.replace("\\", "/").split("/")
    if "\0" in name:
        return "it holds a NUL character"
    if len(name) > MAX_NAME:
        return f"it has more than {MAX_NAME:,} characters"
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "it is an absolute path"
    if ".." in parts:
        return "it leads out of its folder"
    return "" if parts[-1] not in ("", ".") else "it names no file"


class _Taker:
    """Decides about every entry of one archive, and keeps what is taken below one folder."""

    def __init__(self, path: str, folder: Path, budget: _Budget) -> None:
        self.path = path
        self.home = folder
        self.budget = budget
        self.taken: set[str] = set()
        self.paths: set[str] = set()
        self.sinks: list[_Sink] = []

    def take(self, name: str) -> _Sink | None:
        """Where a file of this name goes; None for one that is refused or speaks about the case."""
        inner = "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
        if fault := name_fault(name):
            self.refuse(name, FileReason.MEMBER_NAME, fault)
        elif inner.rpartition("/")[2] in CONTEXT_NAMES:
            self.budget.enter()
        elif inner in self.taken:
            self.refuse(inner, FileReason.MEMBER_TWICE)
        else:
            self.taken.add(inner)
            return self._sink(inner)
        return None

    def refuse(self, name: str, reason: FileReason, detail: str = "") -> None:
        """List an entry with the reason why it is not unpacked."""
        self._sink(name).refuse(reason, detail)

    def folder(self) -> None:
        """Count a folder."""
        self.budget.enter()

    def room(self) -> int:
        """Bytes that may still come out."""
        return max(self.budget.room(), 0)

    def overflow(self) -> None:
        """Say which bound was passed. Raises `_Broken`."""
        self.budget.charge(self.room() + 1)

    def members(self) -> tuple[FoundFile, ...]:
        """All entries in the archive's order."""
        return tuple(sink.found for sink in self.sinks if sink.found)

    def forget(self, sink: _Sink) -> None:
        """Take an entry back that was unpacked on the way to another."""
        self.sinks.remove(sink)
        self.paths.discard(sink.path)
        self.taken.clear()
        self.budget.refund(sink.size)

    def close(self) -> None:
        """Let go of files that were being written when reading ended."""
        for sink in self.sinks:
            sink.close()

    def _sink(self, name: str) -> _Sink:
        self.budget.enter()
        number = self.budget.entries
        shown = printable(name if len(name) <= MAX_NAME else f"{name[:SHOWN_NAME]}...")
        path = f"{self.path}/{shown}"
        while path in self.paths:
            path = f"{path} (entry {number})"
        self.paths.add(path)
        sink = _Sink(path, self.home / f"{number:05d}", self.budget)
        self.sinks.append(sink)
        return sink


class _Sink:
    """One entry on its way to the disk; hashed and counted as it passes. Nothing is written before its first byte."""

    def __init__(self, path: str, location: Path, budget: _Budget) -> None:
        self.path = path
        self.location = location
        self.budget = budget
        self.found: FoundFile | None = None
        self.size = 0
        self._tally = Tally()
        self._handle: int | None = None

    def write(self, chunk: bytes) -> None:
        """Keep some more bytes. Raises `_Broken` above a bound, `InternalFault` where the disk is too full."""
        self.budget.charge(len(chunk))
        try:
            if shutil.disk_usage(self.location.parent).free - len(chunk) < self.budget.limits.keep_free:
                raise OSError(0, f"less than {_size(self.budget.limits.keep_free)} of the disk would stay free")
            self._append(chunk)
        except OSError as error:
            raise InternalFault(
                f"{self.path}: it cannot be unpacked ({error.strerror}); nothing was changed. Free disk space, or take "
                "the archive out of the folder, and run it again."
            ) from None
        self.size += len(chunk)
        self._tally.add(chunk)

    def done(self) -> None:
        """The entry is whole."""
        self._append(b"")
        self.close()
        self.found = FoundFile(self.path, self.location, self.size, self._tally.fingerprint())

    def spoil(self, detail: str) -> None:
        """The entry is damaged; what was written of it goes."""
        self.close()
        self.location.unlink(missing_ok=True)
        self.refuse(FileReason.MEMBER_DAMAGED, detail)

    def refuse(self, reason: FileReason, detail: str) -> None:
        """The entry is listed and nothing of it is kept."""
        self.found = FoundFile(self.path, self.location, 0, None, reason, detail)

    def close(self) -> None:
        """Close the file where it is open."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _append(self, chunk: bytes) -> None:
        if self._handle is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            self._handle = os.open(self.location, flags, 0o600)
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._handle, view) :]
