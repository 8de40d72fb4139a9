"""The workspace of one run of one case: lock, working generation, publishing. What is done with it is up to the assets.

A run holds the case's lock from its first use until it ends. The generation is published in the body of the last asset
that the run was asked for, or of the asset whose gate stopped it, so that a failure to publish is a failure of that
asset. A stage that raises leaves the published state as it was.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date
from typing import Any

import duckdb
from dagster import DagsterInstance, DagsterRun, InitResourceContext, ResourceDefinition
from dagster_duckdb import DuckDBResource

from m365dq_dagster.adapters import storage_faults
from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, CaseStore, create_schema, limit_memory, open_reader
from m365dq_dagster.adapters.registry import CaseRecord, Registry
from m365dq_dagster.core.checks import CheckResult, failed_blocking
from m365dq_dagster.core.errors import BadInput, InternalFault
from m365dq_dagster.core.known_checks import BY_HAND, OUTCOME_GATE
from m365dq_dagster.core.outcome import DateOrder
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.defs import left_behind, warming
from m365dq_dagster.defs.services import Services
from m365dq_dagster.stages.case_run import CaseRun, Rejudged

FIRST, SECOND = "raw_logs", "quality_report"
PACK_TAG = "m365dq/pack"
"""The tag of a run that judges evidence again by another rule pack than the one in force."""

QUALITY_GATES = frozenset(OUTCOME_GATE.format(log_type) for log_type in BY_HAND)
"""The gates that a run asks which judges evidence again."""

STAGE_OF = {
    "raw_logs": "intake",
    "quality_report": "quality",
    "reliability_scores": "reliability",
    "verified_findings": "verification",
    "case_report": "report",
}
"""The assets of a case in order, and the stage that makes each."""


@dataclass(frozen=True)
class CaseForm:
    """What a person gave on the launch form; nothing given leaves the case's context as it is registered."""

    home_countries: tuple[str, ...] = ()
    date_order: DateOrder | None = None
    override: Override | None = None


@dataclass
class CaseWorkspace:
    """One case, open for one run of the orchestrator."""

    services: Services
    dagster_run: DagsterRun
    instance: DagsterInstance
    _held: ExitStack = field(default_factory=ExitStack)
    _connection: ExitStack = field(default_factory=ExitStack)
    _run: CaseRun | None = None
    _made: set[str] = field(default_factory=set)
    _has_begun: bool = False
    _is_published: bool = False
    _has_ended: bool = False

    @property
    def case_id(self) -> str:
        """The case this run is about. Raises `BadInput` where none was chosen."""
        if "dagster/partition" not in self.dagster_run.tags:
            raise BadInput("This run has no case; choose the case as partition when launching it.")
        return self.dagster_run.tags["dagster/partition"]

    @property
    def today(self) -> date:
        """The day (UTC) by the clock of the run."""
        return self.services.clock.now().astimezone(UTC).date()

    @property
    def store(self) -> CaseStore:
        """The folder of cases."""
        return CaseStore(self.services.settings.cases_dir)

    @property
    def planned(self) -> frozenset[str]:
        """The assets of the case that this run was asked to make."""
        return planned_assets(self.dagster_run)

    def run(self, form: CaseForm | None = None) -> CaseRun:
        """The run that stages are handed, opened at first use. Once published, its connection only reads."""
        if self._has_ended:
            raise InternalFault(
                f"Case {self.case_id}: an earlier step of this run failed, so there is nothing to check."
            )
        if self._run is None:
            warming.start()
            with self._thrown_away_on_failure():
                self._run = self._open(form or CaseForm())
        return self._run

    def make(self, asset: str, form: CaseForm | None = None) -> Any:
        """Run the stage behind an asset and return its report."""
        run = self.run(form)
        with self._thrown_away_on_failure():
            report = self.services.stages[STAGE_OF[asset]].run(run)
        self._made.add(asset)
        return report

    def settle(self, checks: tuple[CheckResult, ...] = ()) -> None:
        """Publish where a gate stops the run or its last asset is made."""
        failed = failed_blocking(checks)
        if (failed and self.run().override is None) or self._made >= self.planned:
            self.publish()

    def publish(self) -> None:
        """Write document and report into the generation, close it, and make it what readers see."""
        run = self.run()
        with self._thrown_away_on_failure():
            self.services.stages["case"].finish_run(run)
            run.con.execute("CHECKPOINT")
            self._connection.close()
            path = self.store.publish(self.case_id, run.run_id)
            self._is_published = True
            self._remember(run)
        if self.services.settings.engine_url:
            self.services.stages["canonical"].export(self.store, self.case_id)
        reader = open_reader(path, self.services.settings.memory_limit)
        self._run = replace(run, con=self._connection.enter_context(reader))

    def close(self) -> None:
        """Give everything back; a generation that was not published is thrown away."""
        self._has_ended = True
        with self._held, ExitStack() as last:
            if self._has_begun and not self._is_published:
                last.callback(self.store.discard, self.case_id, self.dagster_run.run_id)
            self._connection.close()

    def _remember(self, run: CaseRun) -> None:
        """The registry hears of a state once readers see it; the next run makes good what is missed here."""
        case = self.services.stages["case"]
        case.remember(run.registry, self.store, self.case_id, self.services.clock.now())
        case.forget_options(run)

    def _open(self, form: CaseForm) -> CaseRun:
        settings = self.services.settings
        lock = self.store.lock(self.case_id, settings.lock_wait_seconds)
        left_behind.sign(self.instance, self.dagster_run.run_id)
        self._held.enter_context(lock)
        left_behind.bury(self.instance)
        registry = Registry.open(settings.registry_url)
        self._held.callback(registry.close)
        pack, rejudged = self._pack(registry)
        prepared = self._prepared(registry, pack, form)
        case = self.services.stages["case"]
        override = case.override_in_force(registry, self.case_id, self.services.clock.now())
        return CaseRun(
            case_id=self.case_id,
            run_id=self.dagster_run.run_id,
            folder=prepared.folder,
            case_dir=self.store.case_dir(self.case_id),
            context=prepared.context,
            pack=pack,
            con=self._working_generation(registry.case(self.case_id), override),
            registry=registry,
            clock=self.services.clock,
            progress=self.services.progress,
            override=override,
            more_folders=prepared.more_folders,
            options=prepared.options,
            country_database=prepared.country_database,
            rejudged=rejudged,
        )

    @property
    def _rejudges(self) -> bool:
        """Whether evidence is judged again that was taken in before."""
        return FIRST not in self.planned and SECOND in self.planned

    def _pack(self, registry: Registry) -> tuple[Any, Rejudged | None]:
        """The rule pack in force, or the one that the run is tagged with; and what is judged again by it."""
        packs, settings = self.services.stages["packs"], self.services.settings
        effective = packs.effective_pack(settings, registry)
        current = self.store.current(self.case_id)
        if not self._rejudges or current is None:
            return effective, None
        ref = self.dagster_run.tags.get(PACK_TAG, packs.EFFECTIVE)
        pack = packs.open_pack(settings, registry, self.case_id, ref, effective)
        return pack, Rejudged(ref, current.stem, effective.content_hash)

    def _prepared(self, registry: Registry, pack: Any, form: CaseForm) -> Any:
        """The case as it is registered, or registered anew with what the launch form adds."""
        case, settings = self.services.stages["case"], self.services.settings
        reads = FIRST in self.planned
        prepared = case.open_case(settings, registry, self.store, self.case_id, pack, reads_evidence=reads)
        if form == CaseForm():
            return prepared
        return case.prepare_case(
            settings,
            registry,
            self.store,
            pack,
            prepared.folder,
            case_id=self.case_id,
            home_countries=form.home_countries,
            date_order=form.date_order,
            override=form.override,
            clock=self.services.clock,
        )

    def _working_generation(self, record: CaseRecord | None, override: Override | None) -> duckdb.DuckDBPyConnection:
        from_current = FIRST not in self.planned
        if from_current and record and self._is_held_back(record) and override is None:
            raise BadInput(
                f"Case {self.case_id} is blocked ({record.blocked_by}); mend that and run it from raw_logs, or give an "
                "override with reason, actor and expiry on the launch form of raw_logs."
            )
        path = self.store.begin(self.case_id, self.dagster_run.run_id, from_current=from_current)
        self._has_begun = True
        duckdb.connect(
            str(path), config=CONNECT_CONFIG
        ).close()  # what fails here at once, the resource tries for minutes
        database = DuckDBResource(database=str(path), connection_config=CONNECT_CONFIG)
        con: duckdb.DuckDBPyConnection = self._connection.enter_context(database.get_connection())
        limit_memory(con, self.services.settings.memory_limit)
        if not from_current:
            create_schema(con)
        return con

    def _is_held_back(self, record: CaseRecord) -> bool:
        """Whether a gate holds the case that this run does not ask again."""
        return bool(record.blocked_by) and not (self._rejudges and record.blocked_by in QUALITY_GATES)

    @contextmanager
    def _thrown_away_on_failure(self) -> Iterator[None]:
        try:
            with storage_faults.told(f"Case {self.case_id}"):
                yield
        except BaseException:
            self.close()
            raise


def planned_assets(run: DagsterRun) -> frozenset[str]:
    """The assets of a case that a run was asked to make; a run of checks alone makes none."""
    if run.step_keys_to_execute:
        return frozenset(STAGE_OF).intersection(run.step_keys_to_execute)
    if run.asset_selection is not None:
        return frozenset(STAGE_OF).intersection(key.path[-1] for key in run.asset_selection)
    return frozenset() if run.asset_check_selection else frozenset(STAGE_OF)


def case_workspace(services: Services) -> ResourceDefinition:
    """The resource: one workspace a run, closed when the run ends, however it ends."""

    def opened(context: InitResourceContext) -> Iterator[CaseWorkspace]:
        if context.run is None or context.instance is None:
            raise InternalFault("A case can only be opened by a run; start one with `m365dq run FOLDER`.")
        workspace = CaseWorkspace(services, context.run, context.instance)
        try:
            yield workspace
        finally:
            workspace.close()

    return ResourceDefinition(resource_fn=contextmanager(opened), description="The open case of a run.")
