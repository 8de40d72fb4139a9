"""Validation: judge cases whose truth is known, side by side in several processes, and put what came of it on a
scoreboard.

What makes a verdict right and which targets there are is `core.scoreboard`; the evidence and its truth come from
`stages.generate`. The user's home is not touched: every process has a folder of its own that is thrown away.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from threading import Thread
from typing import Any, Protocol, TypeVar

from m365dq_dagster.adapters.rule_pack import LABELS_FILE, resource_dir
from m365dq_dagster.adapters.whole_files import write_whole
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.misreadings import Misreading
from m365dq_dagster.core.outcome import LogType
from m365dq_dagster.core.scoreboard import Conclusion, Fixed, Judge, Labelled, Scoreboard, ScoredCase, Truth
from m365dq_dagster.core.scoreboard_page import markdown
from m365dq_dagster.stages.bench import writable_file
from m365dq_dagster.stages.case_run import Progress, Silent
from m365dq_dagster.stages.generate import CaseOrder, corpus, generate_order
from m365dq_dagster.stages.misreadings import judge_at, load
from m365dq_dagster.stages.scratch_case import Desk

__all__ = ["Order", "cores", "keep", "validate", "writable_file"]

MOST_CASES = 100_000
STAGE = "validate"

Result = TypeVar("Result", covariant=True)


@dataclass(frozen=True)
class Order:
    """What is to be judged: how many generated cases, of which seed, in how many processes; the folder of real cases;
    whether the documented misreadings are judged too.
    """

    cases: int
    seed: int = 7
    workers: int = 1
    real: Path | None = None
    misreadings: bool = True


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Task(Protocol[Result]):
    """One case to be judged, which can be handed to another process."""

    @property
    def name(self) -> str:
        """Its name, for the progress."""
        ...

    def score(self, desk: Desk) -> Result:
        """Judge it and compare."""
        ...


@dataclass(frozen=True)
class GeneratedTask:
    """A case that is made, judged and thrown away."""

    number: int
    order: CaseOrder

    @property
    def name(self) -> str:
        """Family and number: a case id."""
        return f"{self.order.family}-{self.number:04d}"

    def score(self, desk: Desk) -> ScoredCase:
        """Make it, judge it, compare with its truth. A case that breaks the judge has no verdict and is wrong."""
        begun = time.perf_counter()
        folder = desk.scratch / "evidence" / self.name
        label = Labelled(self.name, self.order.family, self.order.variant, self.order.shape, self.command)
        try:
            made = generate_order(self.order, folder)
            truth = read_truth(json.loads(made.expected.read_text(encoding="utf-8"))["truth"])
            said = _said(desk, folder, self.name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return ScoredCase(label, truth, said, time.perf_counter() - begun)

    @property
    def command(self) -> str:
        """What makes the case again."""
        one = self.order
        words = ["m365dq generate", one.family, f"--seed {one.seed}", f"--shape {one.shape}"]
        words += [f"--variant {one.variant}"]
        words += [f"--audit-shape {one.audit_shape}" if one.audit_shape else "--no-audit"]
        switches = {"devices": one.devices, "context": one.context, "mfa-steps": one.mfa_steps}
        return " ".join([*words, *(f"--no-{name}" for name, on in switches.items() if not on), f"--out {self.name}"])


def _said(desk: Desk, folder: Path, name: str) -> Mapping[Judge, Conclusion]:
    try:
        return desk.judge(folder, name).said
    except Exception as error:
        return dict.fromkeys(Judge, Conclusion(None, _broken(error)))


def _broken(error: Exception) -> str:
    return f"The judge broke down: {type(error).__name__}: {error}"[:500]


def read_truth(found: Mapping[str, Any]) -> Truth:
    """The truth as the generator writes it beside its evidence."""
    field = found["outcome_field"]
    return Truth(
        breach=found["breach"],
        any_success=found["any_success"],
        rows=found["rows"],
        compromised=frozenset(found["compromised_accounts"]),
        attacked=frozenset(found["attacked_accounts"]),
        outcome_fields=() if field is None else (field,) if isinstance(field, str) else tuple(field),
        healthy_export=found["healthy_export"],
        decidable=found["decidable"],
        plain=found["plain"],
    )


@dataclass(frozen=True)
class RealTask:
    """A folder of real evidence and what is known of it: the verdict, and the outcome field to recommend."""

    folder: Path
    verdict: str
    field: str | None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    def score(self, desk: Desk) -> Fixed:
        """Judge it and compare."""
        said = _said(desk, self.folder, self.name)[Judge.OURS]
        right = said.verdict == self.verdict and self.field in (None, said.recommended)
        told = str(said.verdict) if self.field is None else f"{said.verdict} by {said.recommended}"
        expected = self.verdict if self.field is None else f"{self.verdict} by {self.field}"
        return Fixed(self.name, expected, told, said.headline, right)


def real_tasks(folder: Path) -> list[RealTask]:
    """The labelled cases that a folder holds, by the names of its sub-folders. Raises `BadInput` where it has none."""
    labels = tomllib.loads((resource_dir("reference_data") / LABELS_FILE).read_text(encoding="utf-8"))
    known = [(folder / name, label) for name, label in labels.items() if (folder / name).is_dir()]
    if not known:
        raise BadInput(
            f"{folder} holds none of the real cases that are labelled ({', '.join(labels)}); name the folder that "
            "they are in."
        )
    return [RealTask(path, label["verdict"], label.get(str(LogType.SIGN_IN))) for path, label in known]


@dataclass(frozen=True)
class MisreadingTask:
    """A documented misreading as a miniature case."""

    case: Misreading

    @property
    def name(self) -> str:
        """Its id."""
        return self.case.id

    def score(self, desk: Desk) -> Fixed:
        """Run it and hold its document to what it asks for."""
        try:
            found = judge_at(desk, self.case)
        except Exception as error:
            return Fixed(self.name, self.case.right, "nothing", _broken(error), False)
        said = self.case.right if found.right else "another reading"
        return Fixed(self.name, self.case.right, said, " ".join(found.why), found.right)


def validate(order: Order, progress: Progress | None = None) -> Scoreboard:
    """Judge the corpus and score it. Raises `BadInput` where the order cannot be carried out."""
    _checked(order)
    begun = time.perf_counter()
    real = real_tasks(order.real) if order.real else None
    made = [GeneratedTask(number, one) for number, one in enumerate(corpus(order.cases, order.seed), 1)]
    misread = [MisreadingTask(one) for one in load()] if order.misreadings else None
    heard = _Counting(progress or Silent(), len(made) + len(misread or ()) + len(real or ()))
    with judging(order.workers) as judge:
        cases = tuple(heard(judge(made)))
        read = None if misread is None else tuple(heard(judge(misread)))
        known = None if real is None else tuple(heard(judge(real)))
    return Scoreboard(cases, order.seed, time.perf_counter() - begun, read, known)


def _checked(order: Order) -> None:
    if not 1 <= order.cases <= MOST_CASES:
        raise BadInput(f"{order.cases} cases cannot be judged; give a number from 1 to {MOST_CASES:,}.")
    if order.workers < 1:
        raise BadInput(f"{order.workers} processes cannot judge anything; give at least 1.")


@dataclass
class _Counting:
    """Passes results on and says how many of all there were."""

    progress: Progress
    total: int
    done: int = 0

    def __call__(self, found: Iterator[tuple[str, Result]]) -> Iterator[Result]:
        for name, one in found:
            self.done += 1
            self.progress.step(STAGE, name, self.done, self.total)
            yield one


Judging = Callable[[Sequence[Task[Result]]], Iterator[tuple[str, Result]]]
"""Judges tasks and gives name and result of each, in their order."""


@contextmanager
def judging(workers: int) -> Iterator[Judging[Any]]:
    """Somebody who judges tasks: this process, or several others where more than one worker is asked for."""
    with TemporaryDirectory(prefix="m365dq-validate-") as scratch:
        if workers == 1:
            with closing(Desk(Path(scratch))) as desk:
                yield lambda tasks: ((task.name, task.score(desk)) for task in tasks)
            return
        pool = ProcessPoolExecutor(workers, get_context("spawn"), _sit_down, (scratch,))
        try:
            yield lambda tasks: zip((task.name for task in tasks), pool.map(_work, tasks), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


_desks: list[Desk] = []
"""The desk of a worker process."""


def _sit_down(scratch: str) -> None:
    """Give a worker process its desk."""
    _desks.append(Desk(Path(mkdtemp(dir=scratch))))
    parent = parent_process()
    if parent is not None:
        Thread(target=_leave_with, args=(parent.sentinel, Path(scratch)), daemon=True).start()


def _leave_with(parent: int, scratch: Path, leave: Callable[[int], None] = os._exit) -> None:
    """End this process when its parent has ended, however that came: a worker that is orphaned would wait for ever."""
    wait([parent])
    shutil.rmtree(scratch, ignore_errors=True)
    leave(1)


def _work(task: Task[Result]) -> Result:
    """One task of a worker process."""
    return task.score(_desks[0])


def keep(board: Scoreboard, out: Path) -> None:
    """Write the scoreboard: Markdown where the name ends in `.md`, else JSON. Raises `BadInput` where it cannot."""
    text = markdown(board) if out.suffix.lower() == ".md" else json.dumps(board.as_mapping(), indent=2) + "\n"
    try:
        write_whole(out, text)
    except OSError as error:
        raise BadInput(f"{out} cannot be written ({error.strerror}); give --out a file elsewhere.") from None
