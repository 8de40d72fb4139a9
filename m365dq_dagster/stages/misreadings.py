"""The labelled misreadings, run: each miniature case through the real stages, in a place of its own and beside nobody's
registry, and its document held to what the misreading asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters import misreadings
from m365dq_dagster.core.misreadings import Misreading, MisreadingResult, judge
from m365dq_dagster.stages.scratch_case import Desk


def load() -> tuple[Misreading, ...]:
    """Every misreading that the product ships."""
    return misreadings.load()


def judge_at(desk: Desk, case: Misreading) -> MisreadingResult:
    """Run one at a desk that judges many, and tell whether it was read right, and what was said otherwise."""
    return judge(case, document_at(desk, case))


def document_at(desk: Desk, case: Misreading) -> dict[str, Any]:
    """What the stages make of the case's evidence, which is left in the desk's folder."""
    evidence = misreadings.write(case, desk.scratch / "evidence" / case.id)
    return desk.judge(evidence, case.id.lower()).document


def documents(cases: Iterable[Misreading], folder: Path) -> Iterator[tuple[Misreading, dict[str, Any]]]:
    """Each of many with its document; rule pack and registry are opened once."""
    with closing(Desk(folder)) as desk:
        for one in cases:
            yield one, document_at(desk, one)
