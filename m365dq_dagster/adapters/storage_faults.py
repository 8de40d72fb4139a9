"""Tells a machine that cannot keep what it is given (disk full, read-only, no permission) from every other failure,
whichever library met it first, and says so in one sentence.

What is thrown away then, and what the next run does, is decided by those who were writing.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from m365dq_dagster.core.errors import M365dqError, StorageFault

ROOM = "free disk space, or set M365DQ_HOME to a place with room"
LEAVE = "give yourself permission to write there, or set M365DQ_HOME to a folder you may write"
LIMIT = "raise that limit, or set M365DQ_HOME to a place without one"
DISK = "free disk space and check the disk"
MEMORY = "raise M365DQ_MEMORY_LIMIT, close other programs, or use a machine with more memory"
REASONS: tuple[tuple[str, str, str], ...] = (
    ("No space left on device", "the disk is full", ROOM),
    ("database or disk is full", "the disk is full", ROOM),
    ("max_temp_directory_size", "the disk has no room for intermediate results", ROOM),
    ("Disk quota exceeded", "the disk quota is used up", LIMIT),
    ("File too large", "it would pass the size limit of files", LIMIT),
    ("Read-only file system", "the disk is read-only", LEAVE),
    ("readonly database", "it is read-only", LEAVE),
    ("Permission denied", "permission denied", LEAVE),
    ("Operation not permitted", "permission denied", LEAVE),
    ("Input/output error", "the disk reports an error", DISK),
    ("disk I/O error", "the disk is full or reports an error, or a size limit of files was met", DISK),
    ("unable to open database file", "the disk is full, or permission denied", DISK),
    ("could not allocate block", "the memory is used up", MEMORY),
    ("failed to allocate data", "the memory is used up", MEMORY),
    ("failed to pin block", "the memory is used up", MEMORY),
)
"""What libraries and the system say, what that is in our words, and what to do about it."""

KINDS = frozenset(
    {
        "OSError",
        "PermissionError",
        "IOException",
        "TransactionException",
        "FatalException",
        "OutOfMemoryException",
        "OperationalError",
    }
)
"""The errors whose words are believed. Others may quote evidence, and evidence may say anything."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})

PATH = re.compile(r"[\"'](/[^\"'\n]{1,400})[\"']")


@contextmanager
def told(work: str) -> Iterator[None]:
    """Turn the machine's fault into its sentence. `work` is what was being done, such as `Case a`."""
    try:
        yield
    except M365dqError:
        raise
    except Exception as error:
        fault = fault_of(error, work)
        if fault is None:
            raise
        raise fault from error


def fault_of(error: BaseException, work: str = "", place: str = "the home folder") -> StorageFault | None:
    """The machine's fault behind an error, or None. `place` is named where the error does not say which file."""
    for one in _chain(error):
        named = str(one.filename or "") if isinstance(one, OSError) else ""
        fault = fault_in(type(one).__name__, _words(one), work, named or place)
        if fault:
            return fault
    return None


def fault_in(kind: str, words: str, work: str = "", place: str = "the home folder") -> StorageFault | None:
    """The same of an error that is known by its class's name and its words alone."""
    found = _found(kind, words)
    if found is None:
        return None
    path, what = PATH.search(words), f"{work}: " if work else ""
    return StorageFault(
        f"{what}{path[1] if path else place} cannot be written: {found[0]}. The last published state is untouched; "
        f"{found[1]}, then run again."
    )


def reason_of(error: BaseException) -> str | None:
    """The machine's fault in a few words, or None where it is another."""
    found = _found(type(error).__name__, _words(error))
    return found[0] if found else None


def is_no_room(error: OSError) -> bool:
    """Whether only writing can have met this: nobody who reads runs out of room."""
    return error.errno in NO_ROOM


def _found(kind: str, words: str) -> tuple[str, str] | None:
    return next(((why, remedy) for said, why, remedy in REASONS if kind in KINDS and said in words), None)


def _words(error: BaseException) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it wraps, and what it was raised from."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [
                getattr(one, "orig", None),
                one.__cause__,
                None if one.__suppress_context__ else one.__context__,
            ]
