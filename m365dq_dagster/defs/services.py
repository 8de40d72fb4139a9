"""What the assets are handed: settings, clock, progress, stages. Opening a case is the business of `resources`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from m365dq_dagster.adapters.clock import Clock, SystemClock
from m365dq_dagster.adapters.pack_overlay import FOLDER
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import EXPECTATIONS, resource_dir
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.stages.case_run import Progress, Silent


class Stages:
    """The stage modules by their word, imported when first asked for: each run is a new process, and imports cost."""

    def __init__(self, overrides: Mapping[str, Any] | None = None) -> None:
        self._overrides = dict(overrides or {})

    def __getitem__(self, word: str) -> Any:
        """The module of `stages`, or what stands in for it."""
        return self._overrides.get(word) or import_module(f"m365dq_dagster.stages.{word}")


@dataclass(frozen=True)
class Services:
    """The collaborators of one set of definitions."""

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    progress: Progress = field(default_factory=Silent)
    stages: Stages = field(default_factory=Stages)

    @contextmanager
    def registry(self) -> Iterator[Registry]:
        """The registry, for as long as the block runs."""
        registry = Registry.open(self.settings.registry_url)
        try:
            yield registry
        finally:
            registry.close()

    @property
    def suites(self) -> tuple[str, ...]:
        """The log types that have a suite of expectations, shipped or of this home: a check is made for each."""
        folders = (resource_dir(EXPECTATIONS), self.settings.home / FOLDER / EXPECTATIONS)
        return tuple(sorted({path.stem for folder in folders for path in folder.glob("*.json")}))
