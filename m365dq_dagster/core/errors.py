"""The errors a person can meet, each with its exit code. Poor evidence is never an error: it is a check or an issue.

    M365dqError
    ├── BadInput        2  what was asked cannot be done as asked
    ├── CaseBusy        4  another run holds the case
    └── InternalFault   3  the program or the machine failed
        └── StorageFault   the machine cannot keep what it is given: disk full, read-only, no permission

A message says what, where, and what to do next, in one sentence and without secrets.
"""

from __future__ import annotations


class M365dqError(Exception):
    """Base of every error with a sentence for the person at the keyboard."""

    exit_code = 3


class BadInput(M365dqError):
    """The request cannot be carried out as given; nothing was changed."""

    exit_code = 2


class CaseBusy(M365dqError):
    """Another run of the same case is working and did not finish within the bounded wait."""

    exit_code = 4


class InternalFault(M365dqError):
    """The program or its machine failed (disk full, store damaged); the last published state is untouched."""

    exit_code = 3


class StorageFault(InternalFault):
    """A file cannot be written (disk full, quota, read-only, no permission); the last published state is untouched."""
