"""The quarterly cycle of the reference: see what evidence holds that nobody knows, propose rows, read what the vendor
changed, and make of it a report that one person works off in half an hour. What is approved is another's decision.

A dry run is the same cycle on a copy of the registry that is thrown away, and writes nothing anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.registry.throwaway import throwaway_copy
from m365dq_dagster.adapters.rule_pack import RulePack, load_operations_policy
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core import maintenance_checks
from m365dq_dagster.core.alerts import OperationsPolicy
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.maintenance import (
    DocumentsRead,
    EarlierCycle,
    MaintenanceReport,
    Matter,
    Topic,
    UnknownValue,
    parse_quarter,
    quarter_of,
    steps_of,
)
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.schema_changes import SchemaChange
from m365dq_dagster.stages import code_proposals, matters
from m365dq_dagster.stages.alerts import raise_for_pages
from m365dq_dagster.stages.code_changes import CodeDesk
from m365dq_dagster.stages.code_proposals import ProposedCode, to_decide
from m365dq_dagster.stages.codes import bring_up_to_date, turned_down
from m365dq_dagster.stages.decisions import DecisionRow
from m365dq_dagster.stages.maintenance_files import folder_of, write_files
from m365dq_dagster.stages.packs import effective_pack
from m365dq_dagster.stages.vendor_documents import Checked, Reading, check_documents, document_sources


@dataclass(frozen=True)
class CycleRequest:
    """One cycle as it was asked for: by whom, when, for which quarter (the moment's, unless told)."""

    person: Person
    now: datetime
    quarter: str | None = None
    documents: Path | None = None
    fetch: bool = False
    policy: OperationsPolicy | None = None

    @property
    def of(self) -> str:
        """The quarter. Raises `BadInput` where what was given is none."""
        return parse_quarter(self.quarter) if self.quarter else quarter_of(self.now.astimezone(UTC).date())


@dataclass(frozen=True)
class Cycle:
    """What a cycle made: its report, and the folder where its files are, or would be after a dry run. `note` says what
    became of decisions that were found there.
    """

    report: MaintenanceReport
    folder: Path
    files: tuple[str, ...]
    note: str = ""
    dry: bool = False


def run_cycle(settings: Settings, registry: Registry, request: CycleRequest, out: Path | None = None) -> Cycle:
    """Go through the cycle and keep what it makes. Running it again in a quarter makes the report anew and proposes
    nothing twice.

    `out` takes the files in place of the quarter's folder under the home folder.
    """
    folder = folder_of(settings.home, request.of)
    report, rows = made_report(settings, registry, request)
    files, note = write_files(report, rows, out or folder, folder)
    registry.record_cycle(report.quarter, request.person.told, report.counts, request.now)
    return Cycle(report, folder, files, note)


def dry_run(settings: Settings, request: CycleRequest) -> Cycle:
    """The same cycle on a copy: home folder, registry and cases are read and left exactly as they are."""
    with throwaway_copy(settings.registry_url) as registry, TemporaryDirectory(prefix="m365dq-dry-") as out:
        cycle = run_cycle(settings, registry, request, Path(out) / request.of)
    return replace(cycle, dry=True)


@contextmanager
def registry_for(settings: Settings, *, dry: bool) -> Iterator[Registry]:
    """The registry of an installation, or a copy that is thrown away."""
    if dry:
        with throwaway_copy(settings.registry_url) as copy:
            yield copy
    else:
        with Registry.open(settings.prepared().registry_url) as registry:
            yield registry


def made_report(
    settings: Settings, registry: Registry, request: CycleRequest
) -> tuple[MaintenanceReport, list[DecisionRow]]:
    """The report of a cycle, and what waits for a decision. It loads the reference of the rule pack in force, and
    proposes rows for what is unknown.
    """
    pack, policy = bring_up_to_date(settings, registry, request.now), request.policy or load_operations_policy()
    checked = _check(settings, registry, pack, request)
    desk = matters.Desk(registry, pack, CaseStore(settings.cases_dir), policy, request.now)
    unknown = matters.with_neighbours(desk, desk.unknown)
    code_desk = CodeDesk(registry, pack, request.person, request.now)
    made = _propose(code_desk, desk, unknown)
    found, notes = _matters(desk, unknown)
    report = MaintenanceReport(
        quarter=request.of,
        owner=policy.owner,
        actor=request.person.told,
        generated_at=request.now.astimezone(UTC),
        rule_pack=pack.content_hash,
        sighting_days=policy.sighting_days,
        revalidate_days=policy.revalidate_days,
        steps=steps_of(found),
        unknown=unknown,
        documents=_read(checked),
        earlier=_earlier(registry, request.of),
        notes=notes,
        proposed=made,
    )
    return report, to_decide(code_desk, unknown)


def _propose(code_desk: CodeDesk, desk: matters.Desk, unknown: Sequence[UnknownValue]) -> int:
    """Propose a row for every unknown code that nobody proposed or rejected before; returns for how many."""
    rejected = turned_down(desk.registry.code_changes())
    codes = [
        one.value
        for one in unknown
        if matters.is_unknown_code(one) and code_proposals.key_of_unknown(code_desk, one) not in rejected
    ]
    made = code_proposals.propose_codes(code_desk, codes, unknown, code_proposals.vendor_texts(desk.registry))
    return sum(one.change is not None for one in made)


def _matters(
    desk: matters.Desk, unknown: tuple[UnknownValue, ...]
) -> tuple[dict[Topic, list[Matter]], tuple[str, ...]]:
    stale, unused = matters.stale_matters(desk)
    found = {
        Topic.UNKNOWN_CODES: matters.unknown_matters(desk, unknown, codes=True),
        Topic.UNKNOWN_VALUES: matters.unknown_matters(desk, unknown, codes=False),
        Topic.PENDING: matters.pending_matters(desk, unknown),
        Topic.SCHEMA: matters.schema_matters(desk),
        Topic.DARK_RULES: matters.dark_matters(desk),
        Topic.LOCAL: matters.local_matters(desk),
        Topic.CORRECTIONS: matters.correction_matters(desk),
        Topic.OVERRIDES: matters.override_matters(desk),
        Topic.NOT_VALIDATED: stale,
        Topic.DEPRECATED: matters.deprecated_matters(desk),
        Topic.NOT_SEEN: matters.unseen_matters(desk),
    }
    never = f"Never seen here, and validated more than a year ago: {plural(unused, 'code')}."
    return found, (never,) if unused else ()


def add_codes(
    settings: Settings, registry: Registry, request: CycleRequest, codes: Iterable[str], *, approval_required: bool
) -> tuple[ProposedCode, ...]:
    """Propose a row for each code, with the evidence of the last days; see `code_proposals.propose_codes`."""
    pack, policy = bring_up_to_date(settings, registry, request.now), request.policy or load_operations_policy()
    unknown = matters.unknown_values(matters.unknown_sightings(registry, pack, policy, request.now))
    desk, texts = CodeDesk(registry, pack, request.person, request.now), code_proposals.vendor_texts(registry)
    return code_proposals.propose_codes(desk, codes, unknown, texts, approval_required=approval_required)


def unknown_codes_of(settings: Settings, registry: Registry, request: CycleRequest) -> list[str]:
    """The codes of the last days that are in no reference in force, the commonest first, each once.

    A code sighted exactly `sighting_days` ago still counts; one that waits for approval is unknown.
    """
    pack, policy = bring_up_to_date(settings, registry, request.now), request.policy or load_operations_policy()
    found = matters.unknown_values(matters.unknown_sightings(registry, pack, policy, request.now))
    return [one.value for one in found if matters.is_unknown_code(one)]


def document_changes(settings: Settings, registry: Registry, request: CycleRequest) -> list[SchemaChange]:
    """What the vendor's pages say that they did not say when they were last read, the gravest first."""
    checked = _check(settings, registry, effective_pack(settings, registry), request)
    return sorted(checked.changes, key=lambda one: -one.severity.gravity) if checked else []


def _check(settings: Settings, registry: Registry, pack: RulePack, request: CycleRequest) -> Checked | None:
    """Read the vendor's pages, and put into the outbox what touches what is read; None where nobody gave any."""
    sources = document_sources(settings, folder=request.documents, fetch=request.fetch or None)
    if not sources:
        return None
    checked = check_documents(registry, pack, sources, request.now)
    raise_for_pages(registry, checked.changes, request.now, request.policy)
    return checked


def _read(checked: Checked | None) -> DocumentsRead:
    if checked is None:
        return DocumentsRead()
    used = sum(one.reading is not Reading.NOT_USED for one in checked.documents)
    trouble = tuple(one.sentence for one in checked.issues if one.severity is not Severity.INFO)
    return DocumentsRead(True, used, trouble, len(checked.changes))


def cycle_done(registry: Registry, now: datetime) -> CheckResult:
    """Whether this quarter's cycle was gone through."""
    moment = now.astimezone(UTC)
    return maintenance_checks.cycle_done(_earlier(registry, quarter_of(moment.date())), moment)


def checks_of(report: MaintenanceReport) -> tuple[CheckResult, ...]:
    """Whether the reference is looked after, by what the cycle found."""
    return maintenance_checks.checks_of(report)


def _earlier(registry: Registry, quarter: str) -> tuple[EarlierCycle, ...]:
    return tuple(EarlierCycle(one.actor, one.made_at) for one in registry.cycles(quarter))
