"""Work on a registry whose process is killed in the middle: `python -m tests.support.killed_work ADDRESS WORK WORD`
dies after the first statement that begins with WORD, or when the work is done where none does.
"""

import os
import signal
import sys
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.code_changes import ChangeAction, ChangeState, Proposal, ReferenceRow, Settlement
from m365dq_dagster.core.corrections import MisledField
from m365dq_dagster.core.people import Person

NOW = datetime.fromisoformat("2026-03-02T09:30:00+00:00")
ALICE, BOB = Person("alice"), Person("bob")
ROW = ReferenceRow(
    "sign_in_logs", "status_error_code", "999999", "A made-up code", "WARNING", category="bad_credentials",
    outcome="failure", first_factor="rejected", provenance="unverified", method="hand",
)  # fmt: skip
ADD = Proposal(ChangeAction.ADD, None, ROW, ALICE, "seen in a case", "vendor page")
MISLED = (MisledField("sign_in_logs", "status", {"rows": 3}), MisledField("sign_in_logs", "country"))


def propose(registry: Registry) -> None:
    """Propose a code."""
    registry.propose_codes([ADD], NOW)


def decide(registry: Registry) -> None:
    """Approve the first change."""
    registry.settle_codes([Settlement(1, ChangeState.APPROVED, "looked up")], BOB, NOW)


def correct(registry: Registry) -> None:
    """Correct a case."""
    registry.record_correction("c", "case", "ALL_BLOCKED", "why", "kim", NOW, subject="case", fields=MISLED, after=0)


def die(*_: Any) -> None:
    """What a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


def killed_after(word: str) -> None:
    """Die as soon as any engine has carried out a statement that begins so."""

    def look(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.lstrip().startswith(word):
            die()

    sa.event.listen(sa.Engine, "after_cursor_execute", look)


def program(words: list[str], word: str) -> None:
    """Run a command of the program, and die."""
    from m365dq_dagster.cli.main import app

    killed_after(word)
    app(words)


if __name__ == "__main__":
    address, work, word = sys.argv[1:4]
    if work == "program":
        program(sys.argv[4:], word)
    with Registry.open(address) as opened:
        killed_after(word)
        globals()[work](opened)
        die()
