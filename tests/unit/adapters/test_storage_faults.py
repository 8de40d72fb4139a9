"""A machine that cannot keep what it is given is told apart from every other failure, and said in one sentence."""

import errno
import sqlite3

import duckdb
import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.storage_faults import fault_in, fault_of, is_no_room, reason_of, told
from m365dq_dagster.core.errors import BadInput, StorageFault


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "x", "/home/case"), "/home/case cannot be written: the disk is full"),
        (OSError(errno.EFBIG, "x"), "the home folder cannot be written: it would pass the size limit of files"),
        (OSError(errno.EROFS, "x"), "the disk is read-only"),
        (OSError(errno.EDQUOT, "x"), "the disk quota is used up"),
        (PermissionError(errno.EACCES, "x", "/h"), "/h cannot be written: permission denied"),
        (duckdb.IOException('Could not write file "/h/g.duckdb": No space left on device'), "/h/g.duckdb cannot be"),
        (duckdb.TransactionException('Failed to commit: "/h/g.wal": No space left on device'), "the disk is full"),
        (duckdb.OutOfMemoryException("could not allocate block of size 256 KiB"), "the memory is used up"),
        (duckdb.OutOfMemoryException("failed to allocate data of size 16.0 MiB (2/2 used)"), "M365DQ_MEMORY_LIMIT"),
        (duckdb.OutOfMemoryException("set by the 'max_temp_directory_size' setting"), "no room for intermediate"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "it is read-only"),
        (sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error")), "reports an error"),
    ],
)
def test_a_fault_of_the_machine_is_one_sentence_with_what_to_do(error: Exception, said: str) -> None:
    fault = fault_of(error, "Case a")
    assert isinstance(fault, StorageFault)
    assert fault.exit_code == 3
    assert said in str(fault)
    assert str(fault).startswith("Case a: ")
    assert "The last published state is untouched; " in str(fault)
    assert str(fault).endswith(", then run again.")


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "x"),
        OSError("no number"),
        ValueError("No space left on device"),
        duckdb.ConversionException("Could not convert string 'No space left on device' to INT32"),
        sqlite3.OperationalError("no such table: cases"),
    ],
)
def test_another_failure_is_none_whatever_its_words_quote(error: Exception) -> None:
    assert fault_of(error) is None
    assert reason_of(error) is None
    with pytest.raises(type(error)), told("Case a"):
        raise error


def test_the_fault_is_found_beneath_what_it_was_wrapped_in_and_a_ring_ends() -> None:
    inner, outer = OSError(errno.ENOSPC, "x"), RuntimeError("step failed")
    outer.__cause__, inner.__context__ = inner, outer
    assert fault_of(outer) is not None
    hidden = RuntimeError("on purpose")
    hidden.__context__, hidden.__suppress_context__ = inner, True
    assert fault_of(hidden) is None


def test_what_is_told_already_keeps_its_words_and_the_rest_keeps_its_cause() -> None:
    with pytest.raises(BadInput, match="Mine"), told("Case a"):
        raise BadInput("Mine") from OSError(errno.ENOSPC, "x")
    with pytest.raises(StorageFault) as caught, told("Case a"):
        raise OSError(errno.ENOSPC, "x")
    assert isinstance(caught.value.__cause__, OSError)


def test_a_fault_is_known_by_its_words_where_only_they_were_kept() -> None:
    assert fault_in("IOException", 'Could not write file "/h/x": No space left on device') is not None
    assert fault_in("ValueError", "No space left on device") is None


def test_who_reads_never_runs_out_of_room() -> None:
    assert is_no_room(OSError(errno.EFBIG, "x"))
    assert not is_no_room(PermissionError(errno.EACCES, "x"))
