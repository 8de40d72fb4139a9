"""What watches: the inbox for new evidence, the outbox for alerts that wait, the runs for killed processes, and
overrides that have ended.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import dagster as dg

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.core.errors import M365dqError
from m365dq_dagster.defs import left_behind
from m365dq_dagster.defs.jobs import case_job
from m365dq_dagster.defs.partitions import cases
from m365dq_dagster.defs.services import Services
from m365dq_dagster.defs.shown import sentence

INBOX_SECONDS = 30
QUIET_SECONDS = 20
TICK_SECONDS = 20
"""How long one tick looks into folders. Dagster ends a tick after a minute and forgets what it has found, so what is
left waits for the next one.
"""
OUTBOX_SECONDS = 60
OVERRIDE_SECONDS = 600


@dataclass(frozen=True)
class Sighting:
    """A folder as it was last seen: what it held, since when, and whether that has been dealt with."""

    fingerprint: str
    since: float
    handled: bool = False


def fingerprint(folder: Path) -> str:
    """Names, sizes and times of everything below a folder; links are not followed. Empty for a folder without files."""
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() or path.is_symlink():
            stat = path.lstat()
            lines.append(f"{path.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest() if lines else ""


def look(inbox: Path, known: dict[str, Sighting], now: float) -> dict[str, Sighting]:
    """Every folder of the inbox as it is now; one that changed starts its quiet time anew."""
    seen = {}
    for folder in sorted(inbox.iterdir()) if inbox.is_dir() else ():
        if not folder.is_dir() or folder.is_symlink() or folder.name.startswith("."):
            continue
        mark, before = fingerprint(folder), known.get(folder.name)
        if mark:
            seen[folder.name] = before if before and before.fingerprint == mark else Sighting(mark, now)
    return seen


def sensors(services: Services) -> list[dg.SensorDefinition]:
    """The sensors; all are on unless somebody turns them off."""

    @dg.sensor(job=case_job, minimum_interval_seconds=INBOX_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
    def inbox(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """A new or changed folder in the inbox becomes a case and is run, once nothing in it changes any more."""
        known = {name: Sighting(**one) for name, one in json.loads(context.cursor or "{}").items()}
        now = services.clock.now().timestamp()
        seen = look(services.settings.inbox, known, now)
        quiet = [name for name, one in seen.items() if not one.handled and now - one.since >= QUIET_SECONDS]
        requests = []
        try:
            for name, request in _requested(context, services, {name: seen[name].fingerprint for name in quiet}):
                requests += [request] if request else []
                seen[name] = replace(seen[name], handled=True)
        except M365dqError as error:
            context.log.error(sentence(f"No folder of the inbox can be looked into: {error}"))
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[cases.build_add_request([str(one.partition_key) for one in requests])],
            cursor=json.dumps({name: asdict(one) for name, one in seen.items()}),
        )

    @dg.sensor(minimum_interval_seconds=OUTBOX_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
    def outbox(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Alerts that wait are mailed; those that failed are tried again."""
        from m365dq_dagster.adapters.mail import Mailer

        with services.registry() as registry:
            tried = services.stages["alerts"].deliver(
                registry, Mailer.from_settings(services.settings), services.clock.now()
            )
        delivered = sum(bool(alert["delivered"]) for alert in tried)
        return dg.SkipReason(f"{delivered} of {len(tried)} alerts that waited were delivered.")

    @dg.sensor(minimum_interval_seconds=INBOX_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
    def killed_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Runs whose process has gone are marked as failed, so that the queue of their case moves on."""
        buried = left_behind.bury(context.instance)
        return dg.SkipReason(f"{len(buried)} runs had lost their process.")

    @dg.sensor(job=case_job, minimum_interval_seconds=OVERRIDE_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
    def ended_overrides(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """A case whose verdict was reached under an override that has ended is judged again without it, once."""
        with services.registry() as registry:
            left = services.stages["overrides"].lapsed(registry, services.clock.now())
        keys = {one.case_id: f"override-ended:{one.case_id}:{one.generation}" for one in left}
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=key, partition_key=case_id) for case_id, key in keys.items()],
            dynamic_partitions_requests=[cases.build_add_request(list(keys))],
        )

    return [inbox, outbox, killed_runs, ended_overrides]


def _requested(
    context: dg.SensorEvaluationContext, services: Services, marks: Mapping[str, str]
) -> Iterator[tuple[str, dg.RunRequest | None]]:
    """Folders of the inbox by turns, with the run that each asks for, until the time of the tick is over. Registry and
    rule pack are opened once: that costs more than to look into a folder.
    """
    if not marks:
        return
    begun = services.clock.now()
    with services.registry() as registry:
        pack = services.stages["packs"].effective_pack(services.settings, registry)
        for name, mark in marks.items():
            yield name, _request(context, services, registry, pack, name, mark)
            if (services.clock.now() - begun).total_seconds() > TICK_SECONDS:
                return


def _request(
    context: dg.SensorEvaluationContext, services: Services, registry: Registry, pack: RulePack, name: str, mark: str
) -> dg.RunRequest | None:
    """Register the folder's case and ask for its run; None where that cannot be or nothing changed."""
    settings = services.settings
    try:
        prepared = services.stages["case"].prepare_case(
            settings, registry, CaseStore(settings.cases_dir), pack, settings.inbox / name
        )
    except M365dqError as error:
        context.log.warning(sentence(f"{name}: {error}"))
        return None
    if prepared.unchanged:
        return None
    return dg.RunRequest(run_key=f"{prepared.case_id}:{mark}", partition_key=prepared.case_id)
