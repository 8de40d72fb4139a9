"""Which files an evidence folder holds, with size and hash. Links are listed and never followed; contents are looked
at elsewhere."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from m365dq_dagster.adapters.evidence.remembered import Fingerprint, Remembered, now_ns
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.ledger import FileReason

CONTEXT_NAMES = frozenset({"case.toml", "expected.json"})
"""Files that speak about the case and are no evidence: what the responder knows, and the labels of synthetic cases,
which are never opened."""

LEFTOVER = "unpacked-"
"""How the folders begin that archives of a case are unpacked into."""

CHUNK = 1 << 20

MEANWHILE_BYTES = 1 << 22
"""From which size on a file is worth a thread: below it, taking the fingerprint at once costs a few milliseconds."""


LINE_END, RETURN = b"\n\r"


class Tally:
    """Bytes on their way past; what they come to is the fingerprint."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._newlines = self._returns = self._pairs = 0
        self._last = b""

    def add(self, chunk: bytes) -> None:
        """Some more bytes."""
        self._digest.update(chunk)
        self._newlines += _count(chunk, LINE_END)
        if b"\r" in chunk:
            self._returns += _count(chunk, RETURN)
            self._pairs += chunk.count(b"\r\n")
        self._pairs += self._last == b"\r" and chunk.startswith(b"\n")
        self._last = chunk[-1:] or self._last

    def fingerprint(self) -> Fingerprint:
        """What all the bytes together come to."""
        return Fingerprint(self._digest.hexdigest(), self._newlines, self._returns - self._pairs)


def _count(chunk: bytes, wanted: int) -> int:
    """How often a byte occurs. The method of bytes takes half as long as hashing them and lets nobody else work."""
    import numpy as np

    return int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == wanted))


class LaterFingerprint:
    """A fingerprint that another thread is taking. Whoever asks for it waits; `OSError` is raised where the file could
    not be read to its end."""

    def __init__(self, taking: Future[Fingerprint]) -> None:
        self._taking = taking

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes."""
        return self._taking.result().sha256

    @property
    def newlines(self) -> int:
        """Line ends in the file."""
        return self._taking.result().newlines

    @property
    def bare_returns(self) -> int:
        """Returns that no line end follows."""
        return self._taking.result().bare_returns


Fingerprinting = Callable[[str, os.stat_result], Fingerprint | LaterFingerprint]
"""How a file's fingerprint is taken, from its path and what the system says of it."""


@dataclass(frozen=True)
class FoundFile:
    """One file of the folder, or of an archive in it. `path` is relative with forward slashes and printable; `trouble`
    says why it was not opened.

    `archive` names the format of a container (`zip`, `tar.gz`) that was looked into or refused, and is empty for every
    other file. `path` of a file inside one is `archive/inner path`; `location` then is where it was unpacked, under a
    name that says nothing: what a file is called stands in `path` alone.
    """

    path: str
    location: Path
    bytes: int
    fingerprint: Fingerprint | LaterFingerprint | None
    trouble: FileReason | None = None
    detail: str = ""
    archive: str = ""

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the bytes, or None where the file was not opened or could not be read to its end."""
        try:
            return self.fingerprint.sha256 if self.fingerprint else None
        except OSError:
            return None


def evidence_files(folder: Path, known: Remembered | None = None) -> tuple[FoundFile, ...]:
    """Every file below the folder at any depth, ordered by path, without `CONTEXT_NAMES`. The hashes of files that are
    `known` are taken from there, and those of the others noted there.

    Raises `BadInput` where the folder does not exist or cannot be listed.
    """
    return _files_of(folder, partial(_known, known))


def must_be_listed(folders: Iterable[Path]) -> None:
    """Raise `BadInput` where one of the folders does not exist or cannot be listed; no file is opened."""
    for folder in folders:
        next(_walk(_root(folder)), None)


def _files_of(folder: Path, taken: Fingerprinting) -> tuple[FoundFile, ...]:
    root = _root(folder)
    return tuple(_found(root, path, taken) for path in sorted(_walk(root)) if path.name not in CONTEXT_NAMES)


def _root(folder: Path) -> Path:
    root = folder.resolve()
    if not root.is_dir():
        raise BadInput(f"{folder}: there is no such folder; give the folder that holds the exported logs.")
    return root


def case_files(folders: Sequence[Path], known: Remembered | None = None) -> tuple[FoundFile, ...]:
    """Every file of all folders of a case: those of the first by their own path, those of added ones below the
    folder's name.

    Two added folders of one name are told apart by their place in the list. Raises `BadInput` as `evidence_files`
    does."""
    return _prefixed(folders, partial(_known, known))


def files_meanwhile(folders: Sequence[Path]) -> tuple[FoundFile, ...]:
    """The files that `case_files` gives; the fingerprints of large ones are taken on another thread, one after the
    other, while the caller goes on."""
    worker = ThreadPoolExecutor(1, "fingerprints")

    def later(path: str, state: os.stat_result) -> Fingerprint | LaterFingerprint:
        if state.st_size < MEANWHILE_BYTES:
            return _known(None, path, state)
        os.close(_opened(path))
        return LaterFingerprint(worker.submit(_unchanged, path, state))

    try:
        return _prefixed(folders, later)
    finally:
        worker.shutdown(wait=False)


def _prefixed(folders: Sequence[Path], taken: Fingerprinting) -> tuple[FoundFile, ...]:
    return tuple(
        replace(file, path=prefix + file.path)
        for prefix, folder in zip(_prefixes(folders), folders, strict=True)
        for file in _files_of(folder, taken)
    )


def present_files(folders: Sequence[Path]) -> tuple[FoundFile, ...]:
    """The files that `case_files` would give, where a folder that has gone or cannot be listed holds none."""
    found: list[FoundFile] = []
    for prefix, folder in zip(_prefixes(folders), folders, strict=True):
        with suppress(BadInput):
            found += [replace(file, path=prefix + file.path) for file in evidence_files(folder)]
    return tuple(found)


def _prefixes(folders: Sequence[Path]) -> list[str]:
    """What the paths of each folder's files begin with; nothing for the first."""
    names = [folder.name for folder in folders]
    added = [f"{name}/" if names.count(name) == 1 else f"{name}-{place}/" for place, name in enumerate(names[1:], 2)]
    return ["", *added]


def read_anew() -> None:
    """Forget the hashes of this process: every file is read again when it is next asked for."""
    _fingerprint.cache_clear()


def evidence_digest(files: tuple[FoundFile, ...]) -> str:
    """SHA-256 over the paths and hashes of all files: the same evidence gives the same digest, wherever it lies."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.sha256 or file.trouble}\0".encode())
    return digest.hexdigest()


def _walk(folder: Path) -> Iterator[Path]:
    pending = [folder]
    while pending:
        current = pending.pop()
        try:
            entries = list(os.scandir(current))
        except OSError as error:
            if current == folder:
                raise BadInput(
                    f"{folder}: the folder cannot be listed ({error.strerror}); give yourself read permission."
                ) from None
            yield current
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append(Path(entry.path))
            else:
                yield Path(entry.path)


def _found(root: Path, path: Path, taken: Fingerprinting) -> FoundFile:
    name = printable(path.relative_to(root).as_posix())
    try:
        state = path.lstat()
    except OSError as error:
        return FoundFile(name, path, 0, None, FileReason.UNREADABLE, error.strerror or "")
    if stat.S_ISLNK(state.st_mode):
        return FoundFile(name, path, 0, None, FileReason.LINK)
    if stat.S_ISDIR(state.st_mode):
        return FoundFile(name, path, 0, None, FileReason.UNREADABLE, "the folder cannot be listed")
    if not stat.S_ISREG(state.st_mode):
        return FoundFile(name, path, 0, None, FileReason.NOT_A_FILE)
    try:
        fingerprint = taken(str(path), state)
    except OSError as error:
        return FoundFile(name, path, state.st_size, None, FileReason.UNREADABLE, error.strerror or "")
    return FoundFile(name, path, state.st_size, fingerprint)


def _known(known: Remembered | None, path: str, state: os.stat_result) -> Fingerprint:
    """The fingerprint that is known of a file, else that of its bytes."""
    if known is not None and (recalled := known.recall(path, state)):
        return recalled
    begun_ns, found = _fingerprint(path, state.st_size, state.st_mtime_ns, state.st_ino)
    if known is not None:
        known.note(path, state, found, begun_ns)
    return found


@lru_cache(maxsize=4096)
def _fingerprint(path: str, size: int, modified_ns: int, inode: int) -> tuple[int, Fingerprint]:
    """One pass over the bytes, and when it began; remembered by this process for as long as size, time and inode of the
    file stay what they are.
    """
    begun_ns = now_ns()
    tally = Tally()
    with open(_opened(path), "rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            tally.add(chunk)
    return begun_ns, tally.fingerprint()


def _unchanged(path: str, before: os.stat_result) -> Fingerprint:
    """The fingerprint of a file that is being imported: of one that changes meanwhile it would speak of other bytes."""
    found = _known(None, path, before)
    after = os.lstat(path)
    if (after.st_size, after.st_mtime_ns, after.st_ino) != (before.st_size, before.st_mtime_ns, before.st_ino):
        raise OSError(errno.EBUSY, "it changed while it was read")
    return found


def _opened(path: str) -> int:
    return os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))


def printable(path: str) -> str:
    """The path with bytes that are no text, and control characters, written as escapes."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
