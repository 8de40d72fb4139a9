"""Runs of a case without the orchestrator: of rows put straight into the tables, and of a folder of exports."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import duckdb

from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, CaseStore, create_schema
from m365dq_dagster.adapters.clock import FixedClock
from m365dq_dagster.adapters.places import CountryDatabase
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import RulePack, load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.checks import CheckResult, failed_blocking
from m365dq_dagster.core.context import CaseContext, parse_context
from m365dq_dagster.core.outcome import CaseStage, Role
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.core.policy import CheckPolicy
from m365dq_dagster.core.profile import FieldSpec
from m365dq_dagster.stages import case, document, intake, quality, reliability, verification
from m365dq_dagster.stages.case_run import CaseRun
from tests.support.evidence import Row, load
from tests.support.tiny_engine import tiny_engine

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CASE = "tiny"
STAGES = (intake, quality, reliability, verification)


@cache
def shipped_pack() -> RulePack:
    """The rule pack of the checkout, read once."""
    return load_rule_pack()


class LeanPack(RulePack):
    """The shipped rule pack, profiling only what an outcome or a place is read from, so that tiny cases are quick."""

    @cached_property
    def fields(self) -> tuple[FieldSpec, ...]:
        """The fields of these roles."""
        return tuple(spec for spec in super().fields if spec.role in (Role.OUTCOME, Role.PLACE))


@cache
def lean_pack() -> RulePack:
    """The lean rule pack, read once."""
    return LeanPack(shipped_pack().root, shipped_pack().expectations_dir)


def pack_without(*names: str, lean: bool = True) -> RulePack:
    """The rule pack with checks switched off by its policy."""
    base = lean_pack() if lean else shipped_pack()
    made = type(base)(base.root, base.expectations_dir)
    vars(made)["policy"] = replace(base.policy, checks=CheckPolicy(tuple(sorted(names))))
    return made


@dataclass
class Listener:
    """Stands where the registry stands: hears everything, and knows of nothing that was there before."""

    heard: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given, **_: self.heard.append((name, given))

    def nothing(self, *_: object) -> list[Any]:
        """What it knows of earlier imports."""
        return []

    schema_changes_of_case = field_lists = latest_field_lists = operations_of_cases = spans = nothing

    def loaded_pack(self) -> str:
        """The rule pack of which the reference is: the shipped one."""
        return lean_pack().content_hash

    def keep_field_list(self, *_: object) -> tuple[int, bool]:
        """The field list of the import is its first."""
        return 1, True


@dataclass
class Bench:
    """Judges rows that stand in the canonical tables already, in memory. Without a registry, nothing is remembered."""

    registry: Any = field(default_factory=Listener)
    folder: Path = Path("/nowhere")
    country_database: CountryDatabase | None = None

    @contextmanager
    def run(
        self,
        rows: Sequence[Row],
        *,
        home: Sequence[str] = (),
        context: CaseContext | None = None,
        override: Override | None = None,
        shuffled: int | None = None,
        pack: RulePack | None = None,
        **keys: object,
    ) -> Iterator[CaseRun]:
        """A run whose evidence is taken in and not judged yet. `keys` are those of a `case.toml`."""
        known = context or parse_context({"home_countries": list(home), **keys}, "test")
        self.registry.register_case(CASE, str(self.folder), known.as_mapping(), NOW)
        self.registry.set_stage(CASE, CaseStage.IMPORTED, NOW)
        con = tiny_engine()
        try:
            load(con, rows, shuffled)
            yield CaseRun(
                CASE,
                "g1",
                self.folder,
                self.folder,
                known,
                pack or lean_pack(),
                con,
                self.registry,
                FixedClock(NOW),
                override=override,
                country_database=self.country_database,
            )
        finally:
            con.close()

    def judge(self, rows: Sequence[Row], **given: Any) -> dict[str, Any]:
        """The case document of the rows, judged to the end; every account by its name under `by_account`."""
        with self.run(rows, **given) as run:
            return judged(run)


def judged(run: CaseRun) -> dict[str, Any]:
    """The stages after intake, and the document they make."""
    quality.run(run)
    reliability.run(run)
    verification.run(run)
    found = document.build(run, stage=str(CaseStage.VERIFIED))
    return {**found, "by_account": {row["account"]: row for row in found["accounts"]}}


@dataclass(frozen=True)
class FolderRun:
    """What came of running a folder: its document, the blocking checks that stopped it, and how it was prepared."""

    document: dict[str, Any]
    blocked: tuple[CheckResult, ...]
    prepared: case.PreparedCase
    store: CaseStore

    @property
    def compromised(self) -> list[str]:
        """The accounts that are indicated, by name."""
        return sorted(row["account"] for row in self.document["accounts"] if row["verdict"] == "COMPROMISE_INDICATED")


def prepare(folder: Path, registry: Registry, settings: Settings | None = None, **given: Any) -> case.PreparedCase:
    """Register a folder as case; in the home of the environment unless settings are given."""
    settings = settings or Settings.load()
    return case.prepare_case(
        settings, registry, CaseStore(settings.cases_dir), shipped_pack(), folder, clock=FixedClock(NOW), **given
    )


def run_folder(
    folder: Path,
    registry: Registry,
    generation: str = "g1",
    settings: Settings | None = None,
    stages: Sequence[Any] = STAGES,
    **given: Any,
) -> FolderRun:
    """Run a folder through the stages to a published verdict."""
    settings = settings or Settings.load()
    prepared = prepare(folder, registry, settings, **given)
    store = CaseStore(settings.cases_dir)
    override = given.get("override") or case.override_in_force(registry, prepared.case_id, NOW)
    with store.lock(prepared.case_id, 1):
        path = store.begin(prepared.case_id, generation, from_current=False)
        with duckdb.connect(str(path), config=CONNECT_CONFIG) as con:
            create_schema(con)
            run = CaseRun(
                prepared.case_id,
                generation,
                prepared.folder,
                store.case_dir(prepared.case_id),
                prepared.context,
                shipped_pack(),
                con,
                registry,
                FixedClock(NOW),
                override=override,
                options=prepared.options,
                more_folders=prepared.more_folders,
                country_database=prepared.country_database,
            )
            blocked = _through(stages, run)
            body = case.finish_run(run)
            con.execute("CHECKPOINT")
        store.publish(prepared.case_id, generation)
        case.remember(registry, store, prepared.case_id, NOW)
        case.forget_options(run)
    return FolderRun(body, blocked, prepared, store)


def _through(stages: Sequence[Any], run: CaseRun) -> tuple[CheckResult, ...]:
    failed: list[CheckResult] = []
    for stage in stages:
        report = stage.run(run)
        failed += failed_blocking(getattr(report, "checks", ()))
        if failed and run.override is None:
            break
    return tuple(failed)
