"""The estate: many cases profiled and adjudicated where their Parquet can be read, by the judgement of a run.

Findings, leads, verdicts and reports are made by a run of a case, one case at a time; here it is told of which accounts
somebody should look first, and whose exports may not be trusted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m365dq_dagster.adapters import canonical as parquet
from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.engine.opening import engine_place, open_engine
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.checks import failed_blocking
from m365dq_dagster.core.errors import BadInput, M365dqError
from m365dq_dagster.core.outcome import Outcome
from m365dq_dagster.core.profile import Witness
from m365dq_dagster.stages import canonical, case, quality, verification
from m365dq_dagster.stages.case_run import Progress, Silent, Unwatched, Watch, WorkedOut
from m365dq_dagster.stages.packs import effective_pack
from m365dq_dagster.stages.published import read_document
from m365dq_dagster.stages.reliability import recommendations

if TYPE_CHECKING:
    from m365dq_dagster.adapters.engine import Evidence
    from m365dq_dagster.adapters.places import CountryDatabase
    from m365dq_dagster.adapters.rule_pack import RulePack
    from m365dq_dagster.core.context import CaseContext

STAGE = "estate"
JUDGED, BLOCKED, FAILED = "JUDGED", "BLOCKED", "FAILED"
SIDE_BY_SIDE = 4
"""Cases that a cluster is asked at a time; one machine does one after the other."""

MOST_ACCOUNTS = 20
"""Accounts of a case that are named."""

SCOPE = (
    "Profile and adjudication only: which fields may be trusted, how sign-ins ended, which successes are foreign. "
    "Findings, leads, verdicts and reports are made by `m365dq run`."
)


@dataclass(frozen=True)
class Tenant(WorkedOut):
    """A case of the estate: its tables on an engine, and what its own run knew of it."""

    case_id: str
    con: Evidence
    context: CaseContext
    pack: RulePack
    country_database: CountryDatabase | None
    progress: Progress = field(default_factory=Silent)
    watch: Watch = field(default_factory=Unwatched)


@dataclass(frozen=True)
class _Asked:
    """A case before it is read: what it is judged by, its files, and why it is not to be judged, where that is so."""

    case_id: str
    context: CaseContext
    country_database: CountryDatabase | None
    files: Mapping[str, Path]
    blocked: str | None = None


def run(
    settings: Settings, registry: Registry, case_ids: Sequence[str] = (), progress: Progress | None = None
) -> dict[str, Any]:
    """Judge the named cases, or every one that was published, on the engine of the settings.

    Raises `BadInput` for a case that was never judged or an address that is none, `InternalFault` where the engine
    cannot be reached. What goes wrong with one case is told of that case.
    """
    begun, heard = time.monotonic(), progress or Silent()
    place, pack = engine_place(settings.engine_url), effective_pack(settings, registry)
    asked = _asked(settings, registry, pack, case_ids, heard)

    def judge(one: _Asked) -> dict[str, Any]:
        heard.step(STAGE, one.case_id, asked.index(one) + 1, len(asked))
        return _judged(settings, pack, one)

    with ThreadPoolExecutor(SIDE_BY_SIDE if settings.engine_url else 1) as pool:
        rows = list(pool.map(judge, asked))
    return {
        "engine": place,
        "scope": SCOPE,
        "rule_pack": pack.content_hash,
        "cases": rows,
        "total": _total(rows),
        "seconds": round(time.monotonic() - begun, 3),
    }


def _asked(
    settings: Settings, registry: Registry, pack: RulePack, case_ids: Sequence[str], progress: Progress
) -> list[_Asked]:
    store = CaseStore(settings.cases_dir)
    names = list(dict.fromkeys(case_ids)) or [one.case_id for one in registry.cases() if store.current(one.case_id)]
    if not names:
        raise BadInput("There are no judged cases yet; start with `m365dq run FOLDER`.")
    found = []
    for number, name in enumerate(names, 1):
        progress.step(STAGE, f"preparing {name}", number, len(names))
        known = case.open_case(settings, registry, store, name, pack, reads_evidence=False)
        files = canonical.export(store, name)
        found.append(_Asked(name, known.context, known.country_database, files, _held_back(store, name)))
    return found


def _held_back(store: CaseStore, case_id: str) -> str | None:
    """Why the run of a case stopped before it judged any field; None where it did not."""
    body = read_document(store, case_id)
    stopped = body["quality"]["status"] == "FAIL" and not body["fields"]
    return str(body["quality"]["failed_checks"][0]["reason"]) if stopped else None


def _judged(settings: Settings, pack: RulePack, one: _Asked) -> dict[str, Any]:
    """One case as a row; what goes wrong with it is told there."""
    begun = time.monotonic()
    try:
        row = {"status": BLOCKED, "reason": one.blocked} if one.blocked else _on_engine(settings, pack, one)
    except M365dqError as error:
        row = {"status": FAILED, "reason": str(error)}
    nothing: dict[str, Any] = {"reason": None, "rows": {}, "fields": [], "recommended": {}, "sign_ins": None}
    seconds = round(time.monotonic() - begun, 3)
    return {"case": one.case_id, **nothing, **row, "seconds": seconds}


def _on_engine(settings: Settings, pack: RulePack, one: _Asked) -> dict[str, Any]:
    folders = {path.parent for path in one.files.values()}
    url, work = settings.engine_url, settings.engine_folder
    with open_engine(url, work, *folders, memory=settings.memory_limit) as engine:
        engine.register(one.files, changed=parquet.LEDGER)
        return judged_tenant(Tenant(one.case_id, engine, one.context, pack, one.country_database))


def judged_tenant(tenant: Tenant) -> dict[str, Any]:
    """What profile and adjudication tell of one case whose tables stand on an engine. A case without an outcome field
    that may testify is not adjudicated.
    """
    fields = quality.profile(tenant)
    checks = tenant.pack.policy.checks.applied(tenant.case_id, quality.gates(tenant.case_id, fields))
    told = {
        "rows": {str(name): rows for name, rows in measure.filled_log_types(tenant.con).items()},
        "fields": _fields(fields),
        "recommended": {str(one.log_type): one.field for one in recommendations(fields)},
    }
    if failed := failed_blocking(checks):
        return {"status": BLOCKED, "reason": failed[0].headline, **told}
    verification.adjudicated(tenant, fields)
    return {"status": JUDGED, **told, "sign_ins": _sign_ins(tenant.con)}


def _fields(fields: quality.Judged) -> list[dict[str, Any]]:
    """The witnesses of outcomes, the others being what they are described by."""
    return [
        {
            "log_type": one.spec.log_type,
            "field": one.spec.field,
            "state": str(one.state),
            "may_testify": one.may_testify,
            "score": quality.rounded(one.score),
        }
        for judged in fields.values()
        for one in judged
        if one.spec.witness in (Witness.PRIMARY, Witness.SECONDARY)
    ]


def _sign_ins(con: Evidence) -> dict[str, Any]:
    """Counted sign-ins by outcome, and the foreign successes among them with their accounts."""
    counted = [row for row in measure.outcome_rows(con) if row[1]]
    by_outcome = _added((Outcome(row[2]), int(row[3])) for row in counted)
    accounts = [{"account": account, "rows": int(rows)} for account, rows in measure.foreign_accounts(con)]
    return {
        "events": sum(by_outcome.values()),
        "by_outcome": by_outcome,
        "foreign_successes": sum(row["rows"] for row in accounts),
        "accounts_with_foreign_success": len(accounts),
        "accounts": accounts[:MOST_ACCOUNTS],
    }


def _added(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word, rows in counts:
        found[str(word)] = found.get(str(word), 0) + rows
    return dict(sorted(found.items()))


def _total(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    judged = [row["sign_ins"] for row in rows if row["sign_ins"]]
    return {
        "cases": len(rows),
        **{word.lower(): sum(row["status"] == word for row in rows) for word in (JUDGED, BLOCKED, FAILED)},
        "rows": _added(pair for row in rows for pair in row["rows"].items()),
        "events": sum(one["events"] for one in judged),
        "by_outcome": _added(pair for one in judged for pair in one["by_outcome"].items()),
        "foreign_successes": sum(one["foreign_successes"] for one in judged),
        "accounts_with_foreign_success": sum(one["accounts_with_foreign_success"] for one in judged),
    }
