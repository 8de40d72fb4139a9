"""What every stage of one run is handed: the case, its evidence, its context, the rule pack and the collaborators.
No logic.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from m365dq_dagster.core.overrides import Override, taints

if TYPE_CHECKING:
    import duckdb

    from m365dq_dagster.adapters.clock import Clock
    from m365dq_dagster.adapters.engine import Evidence
    from m365dq_dagster.adapters.places import CountryDatabase
    from m365dq_dagster.adapters.registry import Registry
    from m365dq_dagster.adapters.rule_pack import RulePack
    from m365dq_dagster.core.context import CaseContext


Found = TypeVar("Found")

FORGET_MISSING = "forget_missing"
"""The option of a run that lets rows of files go that are no longer in the folder."""


class Progress(Protocol):
    """Hears how far a stage has come."""

    def step(self, stage: str, detail: str, done: int = 0, total: int = 0) -> None:
        """`detail` in words; `done` of `total` where a total is known, else both 0."""
        ...


class Silent:
    """Progress that nobody watches."""

    def step(self, stage: str, detail: str, done: int = 0, total: int = 0) -> None:
        """Says nothing."""


class Watch(Protocol):
    """Hears when a part of a stage begins and ends, where somebody measures how long it takes."""

    def lap(self, part: str) -> AbstractContextManager[None]:
        """A block that does this part; a part may be done in several blocks."""
        ...


class Unwatched:
    """Nobody measures."""

    def lap(self, part: str) -> AbstractContextManager[None]:
        """Nothing but the block."""
        return nullcontext()


@dataclass(frozen=True)
class Rejudged:
    """Evidence that was judged again without being read again: the pack as it was named, the generation that was taken
    up, and the hash of the pack in force at the time.
    """

    pack: str
    of: str
    in_force: str


class Judging(Protocol):
    """What profiling and adjudication are handed: the tables of one case, wherever they are, and what is known of it.
    A run of a case is one; a case of an estate is another, whose tables may stand on a cluster.
    """

    @property
    def case_id(self) -> str:
        """The case."""
        ...

    @property
    def con(self) -> Evidence:
        """Its tables."""
        ...

    @property
    def context(self) -> CaseContext:
        """What was known of it beforehand."""
        ...

    @property
    def pack(self) -> RulePack:
        """The rule pack it is judged by."""
        ...

    @property
    def country_database(self) -> CountryDatabase | None:
        """Where countries of addresses are looked up, where one is named."""
        ...

    @property
    def progress(self) -> Progress:
        """Hears how far it has come."""
        ...

    @property
    def watch(self) -> Watch:
        """Times the parts of it."""
        ...

    def once(self, name: str, work: Callable[[], Found]) -> Found:
        """What was found under this name earlier, else what `work` finds now."""
        ...


@dataclass(frozen=True, kw_only=True)
class WorkedOut:
    """What a stage has worked out and later stages of this very judgement ask for again; a run of a part works it out
    itself.
    """

    memory: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, name: str, work: Callable[[], Found]) -> Found:
        """What was found under this name earlier, else what `work` finds now."""
        if name not in self.memory:
            self.memory[name] = work()
        found: Found = self.memory[name]
        return found


@dataclass(frozen=True)
class CaseRun(WorkedOut):
    """One run of one case, from evidence to verdict."""

    case_id: str
    run_id: str
    folder: Path
    case_dir: Path
    context: CaseContext
    pack: RulePack
    con: duckdb.DuckDBPyConnection
    registry: Registry
    clock: Clock
    progress: Progress = field(default_factory=Silent)
    watch: Watch = field(default_factory=Unwatched)
    override: Override | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    more_folders: tuple[Path, ...] = ()
    country_database: CountryDatabase | None = None
    rejudged: Rejudged | None = None
    begun: float = field(default_factory=time.monotonic)

    @property
    def taints(self) -> tuple[str, ...]:
        """Why nothing that this run concludes is verified; empty where its gate stands whole."""
        return taints(self.override, self.pack.policy.checks.blocking_off)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folder the case was registered with and those added to it since."""
        return (self.folder, *self.more_folders)

    @property
    def seconds(self) -> float:
        """How long the run has been going on."""
        return time.monotonic() - self.begun

    @property
    def started_at(self) -> datetime:
        """When the run began, aware, in UTC."""
        return self.clock.now() - timedelta(seconds=self.seconds)
