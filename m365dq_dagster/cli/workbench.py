"""Where the commands meet the stages: settings, registry, store and rule pack, opened when first needed.

Every heavy import of the command line is in here. Nothing is printed and nothing is judged here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from m365dq_dagster.adapters.loading import undisturbed
from m365dq_dagster.cli import logs, terminal
from m365dq_dagster.core.errors import BadInput, CaseBusy, InternalFault, M365dqError

if TYPE_CHECKING:
    from datetime import datetime

    from m365dq_dagster.adapters.case_store import CaseStore
    from m365dq_dagster.adapters.registry import Registry
    from m365dq_dagster.adapters.rule_pack import RulePack
    from m365dq_dagster.adapters.settings import Settings
    from m365dq_dagster.core.differences import Difference
    from m365dq_dagster.core.metrics import Dashboard
    from m365dq_dagster.core.overrides import Override
    from m365dq_dagster.core.pace import Soaked
    from m365dq_dagster.core.people import Person
    from m365dq_dagster.stages.case import PreparedCase
    from m365dq_dagster.stages.case_run import Progress
    from m365dq_dagster.stages.code_changes import CodeDesk
    from m365dq_dagster.stages.maintenance import Cycle


INTERRUPTED = ("Query interrupted", "failed with KeyboardInterrupt", "failed with DagsterExecutionInterruptedError")
"""How the engine and the orchestrator tell that somebody pressed Ctrl-C: they take the signal themselves."""


@dataclass(frozen=True)
class RunRequest:
    """One `m365dq run` as it was asked for."""

    folder: Path
    case: str | None = None
    add: bool = False
    home_countries: tuple[str, ...] = ()
    date_order: str | None = None
    override: Override | None = None
    forget_missing: bool = False
    verify: bool = False


@dataclass(frozen=True)
class RunResult:
    """What a run left behind: the published document, where its report is, and since when nothing has changed."""

    document: dict[str, Any]
    report: Path | None
    unchanged_since: str | None = None


class Workbench:
    """The collaborators of one command. Settings are read and the registry is opened when first asked for."""

    _registry: Registry | None = None

    @cached_property
    def settings(self) -> Settings:
        """The settings of this installation; makes the home folder."""
        from m365dq_dagster.adapters.settings import Settings

        return Settings.load()

    @property
    def home(self) -> Path:
        """The home folder, where all state lives."""
        return self.settings.home

    @cached_property
    def store(self) -> CaseStore:
        """The folder of cases."""
        from m365dq_dagster.adapters.case_store import CaseStore

        return CaseStore(self.settings.cases_dir)

    @contextmanager
    def registry(self) -> Iterator[Registry]:
        """The registry, closed again after the outermost block."""
        from m365dq_dagster.adapters.registry import Registry

        if self._registry is not None:
            yield self._registry
            return
        with Registry.open(self.settings.registry_url) as registry:
            self._registry = registry
            try:
                yield registry
            finally:
                self._registry = None

    def cases(self) -> list[dict[str, Any]]:
        """One plain row a case, by id."""
        from m365dq_dagster.stages.corrections import in_force
        from m365dq_dagster.stages.overrides import standing
        from m365dq_dagster.stages.progress import case_mapping

        with self.registry() as registry:
            corrected, overridden = in_force(registry), standing(registry, self.now())
            return [
                case_mapping(one, corrected.get(one.case_id), overridden.get(one.case_id)) for one in registry.cases()
            ]

    def overrides(self) -> list[dict[str, Any]]:
        """Every override of a quality gate, newest first."""
        from m365dq_dagster.stages.overrides import listed

        with self.registry() as registry:
            return listed(registry, self.now())

    def end_overrides(self, case_id: str, reason: str, actor: str | None) -> list[dict[str, Any]]:
        """End what is in force for a case before its day; returns what was ended."""
        from m365dq_dagster.core.context import valid_case_id
        from m365dq_dagster.stages.overrides import end

        with self.registry() as registry:
            return end(registry, valid_case_id(case_id), self._person(actor), reason, self.now())

    def progress(self, case_id: str) -> dict[str, Any]:
        """Where the case stands, what blocks it and what comes next."""
        from m365dq_dagster.core.context import valid_case_id
        from m365dq_dagster.stages.progress import case_progress, progress_mapping

        with self.registry() as registry:
            return progress_mapping(case_progress(registry, valid_case_id(case_id)))

    def schema_versions(self) -> list[dict[str, Any]]:
        """One plain row a field list that exports were seen with."""
        from m365dq_dagster.stages.schema import versions

        with self.registry() as registry:
            return versions(registry)

    def schema_changes(self, *, every: bool) -> list[dict[str, Any]]:
        """The open changes, or every one, newest first."""
        from m365dq_dagster.stages.schema import changes

        with self.registry() as registry:
            return changes(registry, None if every else "OPEN")

    def close_schema_change(self, change_id: int, reason: str, actor: str | None) -> dict[str, Any]:
        """Close a change in the name of this machine's user."""
        from m365dq_dagster.stages.schema import as_row

        person = self._person(actor)
        with self.registry() as registry:
            return as_row(registry.close_schema_change(change_id, person, reason, self.now()))

    def generate(
        self, name: str, out: Path, rows: int | None, seed: int, shape: str | None, variant: str | None, **extra: Any
    ) -> dict[str, Any]:
        """Write labelled evidence and say what was written."""
        from m365dq_dagster.stages.generate import generate

        made = generate(name, out, seed=seed, rows=rows, shape=shape, variant=variant, **extra)
        return {
            "family": made.family,
            "variant": made.variant,
            "seed": seed,
            "folder": str(made.folder),
            "files": [str(path) for path in made.files],
            "rows": made.rows,
            "expected": str(made.expected),
        }

    def alerts(self, state: str | None) -> list[dict[str, Any]]:
        """The alerts, newest first, as plain rows."""
        from m365dq_dagster.core.alerts import AlertState
        from m365dq_dagster.stages.alerts import list_alerts

        word = state.upper() if state else None
        if word is not None and word not in set(AlertState):
            raise BadInput(f"There is no alert state {word[:40]!r}; the states are {', '.join(AlertState)}.")
        with self.registry() as registry:
            return list_alerts(registry, word)

    def ack(self, alert: int, actor: str | None) -> str:
        """Acknowledge an alert; returns who did."""
        name = self._person(actor).told
        with self.registry() as registry:
            registry.ack(alert, name, self.now())
        return name

    def test_alert(self) -> dict[str, Any]:
        """Send a test mail through the configured server."""
        from m365dq_dagster.stages.alerts import send_test

        return send_test(self.settings, self.now())

    def codes(
        self, value: str | None, wanted: Mapping[str, str | None], *, deprecated: bool = False
    ) -> list[dict[str, Any]]:
        """The rows of the reference that have the wanted words; see `stages.codes.selected`."""
        from m365dq_dagster.stages.codes import selected

        with self._reference() as (registry, _):
            return selected(registry, value, wanted, deprecated=deprecated)

    @contextmanager
    def code_desk(self, actor: str | None = None) -> Iterator[CodeDesk]:
        """Where the reference is changed, by the person behind this process."""
        from m365dq_dagster.stages.code_changes import CodeDesk

        person = self._person(actor)
        with self._reference() as (registry, pack):
            yield CodeDesk(registry, pack, person, self.now())

    def code_history(self, value: str) -> list[dict[str, Any]]:
        """How the rows of a value came about, oldest first."""
        from m365dq_dagster.stages.code_changes import history

        with self._reference() as (registry, _):
            return history(registry, value)

    def export_codes(self, path: Path) -> dict[str, Any]:
        """Write the reference to a file."""
        from m365dq_dagster.stages.code_lists import export

        with self._reference() as (registry, _):
            return export(registry, path)

    def owner(self) -> str:
        """Who answers for the reference."""
        from m365dq_dagster.adapters.rule_pack import load_operations_policy

        return load_operations_policy().owner

    @contextmanager
    def _reference(self) -> Iterator[tuple[Registry, RulePack]]:
        """The registry with its reference brought up to the rule pack in force, and that pack."""
        from m365dq_dagster.stages.codes import bring_up_to_date

        with self.registry() as registry:
            yield registry, bring_up_to_date(self.settings, registry, self.now())

    def unknown_codes(self, days: int) -> list[dict[str, Any]]:
        """The values seen in the last days that are in no table, with their rows in each case and what waits."""
        from m365dq_dagster.stages.codes import unknown_listing

        with self._reference() as (registry, _):
            return unknown_listing(registry, self.now() - timedelta(days=days))

    def maintain(
        self, quarter: str | None, documents: Path | None, actor: str | None, *, dry: bool, fetch: bool
    ) -> Cycle:
        """Go through the quarterly cycle; a dry one reads everything and makes nothing, not even the home folder."""
        from m365dq_dagster.adapters.settings import Settings
        from m365dq_dagster.stages import maintenance

        request = maintenance.CycleRequest(self._person(actor), self.now(), quarter, documents, fetch)
        if dry:
            return maintenance.dry_run(Settings.read(), request)
        with self.registry() as registry:
            return maintenance.run_cycle(self.settings, registry, request)

    def dashboard(self, days: int) -> Dashboard:
        """The metrics page of the last days."""
        from m365dq_dagster.stages.metrics import compute_dashboard
        from m365dq_dagster.stages.packs import effective_pack

        with self.registry() as registry:
            return compute_dashboard(registry, self.now(), days, pack=effective_pack(self.settings, registry))

    def correct(
        self,
        case_id: str,
        finding: str,
        verdict: str,
        reason: str,
        fields: tuple[str, ...] | None,
        actor: str | None,
    ) -> dict[str, Any]:
        """Record that a conclusion was wrong, and tell of it in the report of the published generation too."""
        from m365dq_dagster.stages import corrections

        asked = corrections.Asked(case_id, finding, verdict, reason, fields)
        person, pack = self._person(actor), self.pack()
        with self.registry() as registry:
            made = corrections.correct(registry, self.store, pack, asked, person, self.now())
        document = self.document(case_id)
        self._renew_report(document)
        row = next(row for row in document["corrections"] if row["id"] == made.correction.id)
        return {"case": case_id, **row, "proposals": [one.as_mapping() for one in made.proposals]}

    def _renew_report(self, document: Mapping[str, Any]) -> None:
        """Write the report anew, so that nobody reads it without the correction; the correction is kept either way."""
        from m365dq_dagster.stages.report import write_report

        try:
            write_report(document, self.report_path(document).parent)
        except OSError as error:
            terminal.note(
                f"m365dq: the correction is kept, but the report could not be written anew ({error.strerror}); "
                f"write it with `m365dq report {document.get('case')}`."
            )

    def proposals(self) -> tuple[list[dict[str, Any]], str]:
        """The context rules that corrections speak for: as plain rows, and as entries of the rules' file."""
        from m365dq_dagster.stages import corrections

        with self.registry() as registry:
            found = corrections.proposals(registry, self.pack())
        return [one.as_mapping() for one in found], corrections.entries_text(found)

    def run(self, request: RunRequest, progress: Progress) -> RunResult:
        """Judge a folder of evidence, or say since when nothing has changed."""
        with undisturbed(), self.registry() as registry:
            pack = self._pack_for(registry)
            prepared = self._prepared(registry, pack, request)
            if not prepared.unchanged and self._waited(prepared.case_id):
                prepared = self._prepared(registry, pack, request)
            if prepared.unchanged:
                return self._as_it_was(prepared)
        self._execute(prepared.case_id, progress)
        self._deliver()
        document = self.document(prepared.case_id)
        return RunResult(document, self.report_path(document))

    def _as_it_was(self, prepared: PreparedCase) -> RunResult:
        """What is published already, as it stands now."""
        self._deliver()
        document = self._as_it_stands(prepared.document)
        if document.get("corrections"):  # one that was killed may have left a report that does not tell of it
            self._renew_report(document)
        return RunResult(document, self.report_path(document), str(document.get("started_at")))

    def _pack_for(self, registry: Registry) -> RulePack:
        """The rule pack in force for a run; says what of this home's own rules has to be looked at."""
        from m365dq_dagster.stages.packs import effective_pack

        pack = effective_pack(self.settings, registry)
        for conflict in pack.overlay.conflicts:
            terminal.note(f"m365dq: {conflict.sentence}")
        return pack

    def rejudge(self, case_id: str, pack: str) -> RunResult:
        """Judge what was taken in before by the rule pack that is named; the evidence is not read."""
        from m365dq_dagster.core.context import valid_case_id
        from m365dq_dagster.stages.packs import open_pack

        name = pack if not Path(pack).expanduser().exists() else str(Path(pack).expanduser().resolve())
        self.document(valid_case_id(case_id))
        with self.registry() as registry:
            open_pack(self.settings, registry, case_id, name)
        with terminal.StderrProgress(sys.stderr).shown() as progress:
            self._execute(case_id, progress, name)
        self._deliver()
        document = self.document(case_id)
        return RunResult(document, self.report_path(document))

    def difference(self, case_id: str, before: str | None, after: str | None) -> Difference:
        """What two judgements of a case say differently, and why."""
        from m365dq_dagster.stages.differences import difference

        with self.registry() as registry:
            return difference(self.settings, registry, case_id, before, after)

    def export_parquet(self, case_id: str) -> None:
        """Write the canonical tables of the published state as Parquet, and say where."""
        from m365dq_dagster.stages.canonical import export

        files = export(self.store, case_id)
        terminal.note(f"m365dq: the canonical tables are in {next(iter(files.values())).parent}")

    def estate(self, case_ids: Sequence[str], progress: Progress) -> dict[str, Any]:
        """Profile and adjudication of many cases, on the engine of the settings."""
        from m365dq_dagster.stages.estate import run

        with self.registry() as registry:
            return run(self.settings, registry, case_ids, progress)

    def runs(self, case_id: str) -> list[dict[str, Any]]:
        """The judgements of a case, oldest first."""
        from m365dq_dagster.stages.differences import runs

        return runs(self.store, case_id)

    def _prepared(self, registry: Registry, pack: RulePack, request: RunRequest) -> PreparedCase:
        from m365dq_dagster.core.outcome import DateOrder
        from m365dq_dagster.stages.case import prepare_case

        return prepare_case(
            self.settings,
            registry,
            self.store,
            pack,
            request.folder,
            request.case,
            add=request.add,
            home_countries=request.home_countries,
            date_order=DateOrder(request.date_order) if request.date_order else None,
            override=request.override,
            forget_missing=request.forget_missing,
            verify=request.verify,
        )

    def _waited(self, case_id: str) -> bool:
        """True where another run held the case and has finished by now. Raises `CaseBusy` after the bounded wait."""
        try:
            with self.store.lock(case_id, 0):
                return False
        except CaseBusy:
            seconds = self.settings.lock_wait_seconds
            terminal.note(f"another run of this case is working; waiting up to {seconds:g} s")
            with self.store.lock(case_id, seconds):
                return True

    def _execute(self, case_id: str, progress: Progress, rejudge_by: str | None = None) -> None:
        """Run the asset graph in this process; what its libraries print goes to a log under the home."""
        with self._quiet():
            from m365dq_dagster.definitions import run_case

            outcome = run_case(self.settings, case_id, progress=progress, rejudge_by=rejudge_by)
        if isinstance(outcome.error, InternalFault):
            if any(word in f"{outcome.error} {outcome.details}" for word in INTERRUPTED):
                raise KeyboardInterrupt
            kept = logs.keep(f"run-{outcome.run_id}.log", outcome.details)
            raise type(outcome.error)(f"{outcome.error} The details are in {kept}." if kept else str(outcome.error))
        if outcome.error is not None:
            raise outcome.error

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        with logs.open_forgiving(logs.home_logs() / "run.log") as log, redirect_stdout(log), redirect_stderr(log):
            yield

    def _deliver(self) -> None:
        """Try to deliver what waits in the outbox; what cannot be delivered stays recorded, and that is said. Without a
        mail server nothing is loaded for it.
        """
        if not self.settings.smtp_host:
            return
        from m365dq_dagster.adapters.mail import Mailer
        from m365dq_dagster.stages.alerts import deliver

        try:
            with self.registry() as registry:
                tried = deliver(registry, Mailer.from_settings(self.settings), self.now())
        except M365dqError as error:
            terminal.note(f"m365dq: the alerts are recorded but could not be sent: {error}")
            return
        for alert in tried:
            if not alert["delivered"]:
                terminal.note(f"m365dq: alert {alert['id']} is recorded but was not delivered: {alert['last_error']}")

    def demo_evidence(self) -> Path:
        """The folder of the synthetic Oculus case, made anew: the same bytes every time."""
        from m365dq_dagster.stages.generate import generate

        return generate("oculus", self.home / "demo" / "oculus").folder

    def ui_command(self, host: str, port: int) -> list[str]:
        """The command that serves the UI."""
        from m365dq_dagster.defs.ui import ui_command

        return ui_command(host, port)

    def start_ui(self, command: list[str]) -> int:
        """Serve the UI until it is stopped; returns its exit code."""
        from m365dq_dagster.defs.ui import start_ui

        return start_ui(self.settings, command)

    def soak(self, cases: int, rows: int, at_once: int, progress: Progress) -> Soaked:
        """Run many cases through the daemon, on a home that is thrown away."""
        from m365dq_dagster.defs.many_cases import soak

        return soak(self.home, cases, rows, at_once, progress)

    def document(self, case_id: str) -> dict[str, Any]:
        """The published document of a case, with its alerts, corrections and override as they stand now; where the
        registry cannot be read, with the alerts as they stood when it was published, and an override by its last day.
        `BadInput` for a case without one.
        """
        from m365dq_dagster.core.context import valid_case_id
        from m365dq_dagster.stages.published import read_document

        return self._as_it_stands(read_document(self.store, valid_case_id(case_id)))

    def _as_it_stands(self, published: Mapping[str, Any]) -> dict[str, Any]:
        from m365dq_dagster.core import corrections
        from m365dq_dagster.stages.alerts import alerts_of
        from m365dq_dagster.stages.overrides import as_it_stands

        document, case_id = as_it_stands(published, (), self.now()), str(published["case"])
        try:
            with self.registry() as registry:
                document = as_it_stands(document, registry.overrides(case_id), self.now())
                beside = {"corrections": corrections.mappings(registry.corrections(case_id), document)}
                return {**document, "alerts": alerts_of(registry, case_id), **beside}
        except M365dqError as error:
            terminal.note(
                f"m365dq: alerts are shown as they stood when the case was published, corrections not: {error}"
            )
            return document

    def quarantine(self, case_id: str, rows: int | None = None, characters: int | None = None) -> list[dict[str, Any]]:
        """The rows that were set aside with their raw text, at most so many and so much of each."""
        from m365dq_dagster.core.context import valid_case_id
        from m365dq_dagster.stages.document import read_quarantine

        return read_quarantine(self.store, valid_case_id(case_id), rows, characters)

    def provenance(self, case_id: str) -> list[dict[str, Any]]:
        """Where every canonical field of every file comes from."""
        from m365dq_dagster.core.context import valid_case_id
        from m365dq_dagster.stages.document import read_provenance

        return read_provenance(self.store, valid_case_id(case_id))

    def pack(self) -> RulePack:
        """The rule pack in force."""
        from m365dq_dagster.stages.packs import pack_at_rest

        return pack_at_rest(self.settings)

    def pack_hash(self) -> str:
        """The content hash of the rule pack in force; nothing where that cannot be told, and that is said."""
        try:
            return self.pack().content_hash
        except M365dqError as error:
            terminal.note(f"m365dq: whether this was judged by the rule pack in force cannot be told: {error}")
            return ""

    def evidence(self, case_id: str, finding: str) -> list[dict[str, Any]]:
        """The raw lines a finding rests on, or why they cannot be shown."""
        from m365dq_dagster.stages.evidence import raw_lines
        from m365dq_dagster.stages.packs import effective_pack

        document = self.document(case_id)
        with self.registry() as registry:
            record, pack = registry.case(case_id), effective_pack(self.settings, registry)
        folders = [Path(line) for line in record.folder.splitlines()] if record else []
        lines = raw_lines(document, finding, folders, pack, self.store.case_dir(case_id))
        return [asdict(line) for line in lines]

    def rendered(self, case_id: str, form: str) -> str:
        """The report of a case as text."""
        from m365dq_dagster.stages.report import rendered

        return rendered(self.document(case_id), form)

    def write_report(self, case_id: str, form: str, out: Path | None) -> Path:
        """Write the report of a case to `out`, else to the folder of the case's reports."""
        from m365dq_dagster.stages.report import export

        document = self.document(case_id)
        return export(document, form, out or self.report_path(document, form))

    def report_path(self, document: Mapping[str, Any], form: str = "html") -> Path:
        """Where the report of the published generation is."""
        from m365dq_dagster.stages.published import report_dir

        return (
            report_dir(self.store.case_dir(str(document["case"])), str(document.get("generation"))) / f"report.{form}"
        )

    def _person(self, acting_as: str | None) -> Person:
        """Who runs this command."""
        from m365dq_dagster.adapters.operating_user import operating_person

        return operating_person(acting_as)

    def now(self) -> datetime:
        """The moment, aware and in UTC."""
        from m365dq_dagster.adapters.clock import SystemClock

        return SystemClock().now()


def workbench(ctx: typer.Context) -> Workbench:
    """The collaborators that the command was handed, else those of this installation."""
    return ctx.obj if isinstance(ctx.obj, Workbench) else Workbench()
