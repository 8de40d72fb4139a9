"""Quality: profile every field, judge which may testify, and decide the gate. Scores and recommendations are the
next stage's work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from m365dq_dagster.adapters import measure
from m365dq_dagster.core.adjudication import WITNESSES, Mark
from m365dq_dagster.core.causes import Surroundings, with_causes
from m365dq_dagster.core.checks import CheckResult, failed_blocking, remark
from m365dq_dagster.core.context_rules import apply_rules
from m365dq_dagster.core.known_checks import OUTCOME_GATE
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.outcome import CaseStage, LogType, Severity
from m365dq_dagster.core.parts import Rows, judge_log, part_names, parts_told
from m365dq_dagster.core.profile import Witness
from m365dq_dagster.core.reliability import AppliedRule, FieldJudgement, is_rejected, recommend
from m365dq_dagster.core.sightings import Sighted
from m365dq_dagster.core.stretches import ChangePoint, DayCount, PartFault, TypeProfile
from m365dq_dagster.stages import schema, sightings
from m365dq_dagster.stages.case_run import CaseRun, Judging
from m365dq_dagster.stages.codes import load_codes
from m365dq_dagster.stages.stamps import stamp

STAGE = "quality"
RUNBOOK = "docs/runbooks/quality-check-failure.md"
CODES_RUNBOOK = "docs/runbooks/unknown-status-code.md"
PACK_TABLES, ORIGINS, FIELDS, FILLED, OUTGROWN = "pack_tables", "origins", "fields", "filled", "outgrown"
"""What is worked out once a run, by name."""
MOST_DAYS = 400
"""Days of a field's profile that the document holds, the latest ones; a year of a log and its edges."""

Judged = Mapping[LogType, tuple[FieldJudgement, ...]]


@dataclass(frozen=True)
class QualityReport:
    """Every field judged, and the checks that decide whether the case may be concluded on."""

    fields: Judged
    checks: tuple[CheckResult, ...]
    unknown_codes: int
    unknown_values: int


def run(run: CaseRun) -> QualityReport:
    """Profile, judge, decide the gate, and remember which codes the case holds."""
    run.memory.clear()
    run.once(OUTGROWN, lambda: measure.drop_outgrown(run.con))
    fields = profile(run)
    run.progress.step(STAGE, "looking up codes and values")
    unknown = sightings.look_up(run)
    found = (
        *gates(run.case_id, fields),
        _substitutes(run.case_id, fields),
        _throughout(run.case_id, fields),
        _vocabulary(run.case_id, unknown),
    )
    checks = run.pack.policy.checks.applied(run.case_id, found)
    _keep_profiles(run, fields)
    _remember(run, checks)
    schema.note_words(run, unknown)
    stamp(run, STAGE)
    codes = sum(one.values for one in unknown if one.is_unknown_code)
    return QualityReport(fields, checks, codes, sum(one.values for one in unknown) - codes)


def load_pack_tables(run: Judging) -> None:
    """Lookup tables of the rule pack for this run's connection."""
    run.once(PACK_TABLES, lambda: measure.load_pack_tables(run.con, run.pack))


def filled_logs(run: Judging) -> Mapping[LogType, int]:
    """Rows of every log with logons that holds any."""
    return run.once(FILLED, lambda: measure.filled_log_types(run.con))


def profile(run: Judging) -> Judged:
    """Reduce every logon to what its witnesses say, count every field, and judge which may testify."""
    run.progress.step(STAGE, "reading witnesses")
    load_pack_tables(run)
    filled = filled_logs(run)
    measure.build_logons(run.con, filled)
    specs = [spec for spec in run.pack.fields if spec.log in filled]
    run.progress.step(STAGE, f"profiling {len(specs)} fields")
    with run.watch.lap("profile"):
        measure.count_columns(run.con, specs, filled)
    measure.count_rule_matches(run.con, run.pack, run.context.licence)
    fields = judged_fields(run)
    measure.mark_parts(run.con, {log_type: part_names(judged) for log_type, judged in fields.items()})
    return fields


def judged_fields(run: Judging) -> dict[LogType, tuple[FieldJudgement, ...]]:
    """The fields of every log type, judged from the kept counts, once a run; a run that begins later judges them again
    instead of reading them back.
    """
    return run.once(FIELDS, lambda: _judged_fields(run))


def _judged_fields(run: Judging) -> dict[LogType, tuple[FieldJudgement, ...]]:
    counts, found = measure.column_counts(run.con), measure.sightings(run.con)
    matches = measure.rule_matches(run.con)
    absent, paths = measure.absent_witnesses(run.con, run.pack.fields), measure.log_paths(run.con)
    judged = {}
    for log_type in filled_logs(run):
        specs = [spec for spec in run.pack.fields if spec.log is log_type and (spec.log_type, spec.field) in counts]
        rows = Rows(
            log_type,
            found.get(log_type, []),
            specs,
            run.pack.vocabulary,
            run.pack.policy,
            absent.get(log_type, set()),
            paths,
        )
        found_fields = judge_log(rows, {spec.field: counts[(spec.log_type, spec.field)] for spec in specs})
        judged[log_type] = apply_rules(found_fields, run.pack.context_rules, matches)
    return with_causes(judged, _surroundings(run))


def _surroundings(run: Judging) -> Surroundings:
    origins = run.once(ORIGINS, lambda: measure.provenance(run.con))
    return Surroundings(
        measure.files_by_log(run.con),
        {key for key, found in origins.items() if found and all(one.startswith("derived:file_name") for one in found)},
        run.pack.vendor_changes,
        run.pack.policy.field_states.contradicted_rows,
    )


def gates(case_id: str, fields: Judged) -> tuple[CheckResult, ...]:
    """For every log with logons, whether any of its fields may say how they ended."""
    return tuple(
        _gate(case_id, log_type, judged) for log_type, judged in fields.items() if _has_logons(log_type, judged)
    )


def _has_logons(log_type: LogType, judged: tuple[FieldJudgement, ...]) -> bool:
    code = WITNESSES[log_type].code
    return any(one.spec.field == code and one.counts.applicable > 0 for one in judged)


def _gate(case_id: str, log_type: LogType, judged: tuple[FieldJudgement, ...]) -> CheckResult:
    able = [one.spec.field for one in judged if one.may_testify and one.decisiveness]
    named = [one for one in judged if one.spec.witness in (Witness.PRIMARY, Witness.SECONDARY)]
    if able:
        told = f"{log_type}: {', '.join(able)} may testify about outcomes."
    else:
        told = f"{log_type}: no outcome field may testify. " + " ".join(_told_once(named))
    return CheckResult(
        name=OUTCOME_GATE.format(log_type),
        stage=STAGE,
        passed=bool(able),
        blocking=True,
        severity=Severity.INFO if able else Severity.CRITICAL,
        headline=f"Case {case_id}: {told}",
        runbook=RUNBOOK,
        table=tuple({"field": one.spec.field, "state": str(one.state), "cause": str(one.cause or "")} for one in named),
        reason="" if able else "NO_OUTCOME_FIELD_MAY_TESTIFY",
    )


def _told_once(fields: Sequence[FieldJudgement]) -> list[str]:
    """The first sentence on each field; fields of which the same is true share one."""
    shared: dict[str, list[str]] = {}
    for one in fields:
        shared.setdefault(one.reasons[0].removeprefix(one.spec.field), []).append(one.spec.field)
    return [
        names[0] + (f" (and {', '.join(names[1:])})" if names[1:] else "") + sentence
        for sentence, names in shared.items()
    ]


def _substitutes(case_id: str, fields: Judged) -> CheckResult:
    rejected = [one for judged in fields.values() for one in judged if is_rejected(one)]
    told = "every outcome field present may testify."
    if rejected:
        first = rejected[0]
        best = recommend(first.spec.log, fields[first.spec.log])
        told = f"{first.spec.log_type}: {first.reasons[0]}" + (f" Judge by {best.field} instead." if best else "")
    table = (
        {
            "log_type": one.spec.log_type,
            "field": one.spec.field,
            "state": str(one.state),
            "cause": str(one.cause or ""),
        }
        for one in rejected
    )
    reason = "FIELD_REJECTED" if rejected else ""
    return remark("outcome_fields_may_testify", STAGE, f"Case {case_id}: {told}", RUNBOOK, reason, table)


def _throughout(case_id: str, fields: Judged) -> CheckResult:
    """Whether every witness tells the same way in all files, types of sign-in and days."""
    found = [one for judged in fields.values() for one in judged if one.faults or one.change_points]
    sentences = parts_told(found)
    told = "every witness is filled and varies alike in all files, types of sign-in and days."
    if sentences:
        more = f" ({plural(len(sentences) - 1, 'more part', 'more parts')})" if len(sentences) > 1 else ""
        told = f"{found[0].spec.log_type}: {sentences[0]}{more}"
    table = ({"what": sentence} for sentence in sentences[:20])
    reason = "FIELD_CHANGES_WITHIN_THE_LOG" if sentences else ""
    return remark("outcome_fields_hold_throughout", STAGE, f"Case {case_id}: {told}", RUNBOOK, reason, table)


def _vocabulary(case_id: str, unknown: Sequence[Sighted]) -> CheckResult:
    """Whether every code and word of the witnesses is known; what stands in other fields decides no outcome."""
    found = [one for one in unknown if one.watched.kind.alerts]
    codes, known = sum(one.values for one in found if one.is_unknown_code), not found
    told = "every code and word of the witnesses is known."
    if not known:
        counted = f"{plural(codes, 'code')} and {plural(sum(one.values for one in found) - codes, 'word')}"
        told = f"{counted} of the witnesses are in no table; they are reported and never guessed."
    found.sort(key=lambda one: not one.is_unknown_code)
    rows = [{"field": one.watched.source, "value": one.value, "rows": one.rows} for one in found]
    reason = "" if known else "UNKNOWN_VALUE"
    return remark("codes_and_values_known", STAGE, f"Case {case_id}: {told}", CODES_RUNBOOK, reason, rows[:20])


def _keep_profiles(run: CaseRun, fields: Judged) -> None:
    origins = run.once(ORIGINS, lambda: measure.provenance(run.con))
    rows = [one for judged in fields.values() for one in judged]
    measure.keep_json(
        run.con,
        "field_profiles",
        (profile_row(one, origins.get((one.spec.log_type, one.spec.field), ())) for one in rows),
    )


def _remember(run: CaseRun, checks: tuple[CheckResult, ...]) -> None:
    now = run.clock.now()
    measure.keep_failed(run.con, STAGE, checks)
    load_codes(run.registry, run.pack, now)
    run.registry.record_checks(run.case_id, run.run_id, checks, now)
    run.registry.set_stage(run.case_id, CaseStage.CHECKED, now, blocked_by=_blocker(run, checks))


def _blocker(run: CaseRun, checks: tuple[CheckResult, ...]) -> str | None:
    failed = failed_blocking(checks)
    return failed[0].name if failed and run.override is None else None


def profile_row(one: FieldJudgement, origins: tuple[str, ...]) -> dict[str, object]:
    """A field as the document shows it; shares and scores are 0..1, None where the field does not apply."""
    counts = one.counts
    return {
        "log_type": one.spec.log_type,
        "field": one.spec.field,
        "role": str(one.spec.role),
        "applicable_rows": counts.applicable,
        "population": rounded(counts.population),
        "top_value": counts.top_value,
        "top_raw": counts.top_raw,
        "top_share": rounded(counts.top_share),
        "uniqueness_ratio": rounded(counts.uniqueness_ratio),
        "normalized_entropy": rounded(counts.normalized_entropy),
        "discriminatory_power": rounded(one.discriminatory_power),
        "decisiveness": rounded(one.decisiveness),
        "consistency": rounded(one.consistency),
        "base_score": rounded(one.base_score),
        "score": rounded(one.score),
        "state": str(one.state),
        "may_testify": one.may_testify,
        "firm": one.firm,
        "confidence": str(one.confidence),
        "cause": str(one.cause) if one.cause else None,
        "reasons": list(one.reasons),
        "provenance": "; ".join(origins) or "absent",
        "theils_u": rounded(one.theils_u),
        "by_sign_in_type": [_type_row(profile) for profile in one.by_sign_in_type],
        "by_day": [_day_row(day) for day in one.by_day[-MOST_DAYS:]],
        "change_points": [_change_row(change) for change in one.change_points],
        "parts": [_part_row(fault) for fault in one.faults],
        "rules": [_rule_row(rule) for rule in one.rules],
    }


def _type_row(one: TypeProfile) -> dict[str, object]:
    return {
        "sign_in_type": one.sign_in_type,
        "applicable_rows": one.rows,
        "population": rounded(one.population),
        "top_value": one.top_value,
        "top_share": rounded(one.top_share),
        "state": str(one.state) if one.state else None,
        "may_testify": one.may_testify,
    }


def _day_row(one: DayCount) -> dict[str, object]:
    value, rows = min(one.values.items(), key=lambda item: (-item[1], item[0]))
    return {
        "date": one.day.isoformat(),
        "applicable_rows": one.rows,
        "population": rounded(one.population),
        "top_value": None if value in set(Mark) else value,
        "top_share": rounded(rows / one.rows),
    }


def _change_row(one: ChangePoint) -> dict[str, object]:
    return {
        "date": one.day.isoformat(),
        "kind": str(one.kind),
        "sign_in_type": one.sign_in_type,
        "before": rounded(one.before),
        "after": rounded(one.after),
        "sentence": one.sentence,
    }


def _rule_row(one: AppliedRule) -> dict[str, object]:
    return {
        "id": one.id,
        "effect": one.effect,
        "factor": rounded(one.factor),
        "rows": one.rows,
        "because": one.because,
        "runbook": one.runbook,
    }


def _part_row(one: PartFault) -> dict[str, object]:
    return {
        "file_id": one.file_id,
        "sign_in_type": one.sign_in_type,
        "from": one.begins.isoformat() if one.begins else None,
        "to": one.ends.isoformat() if one.ends else None,
        "rows": one.rows,
        "state": str(one.state),
        "cause": str(one.cause) if one.cause else None,
        "heard": "NOT" if one.silent else "AT_MOST_LOW",
        "sentence": one.sentence,
    }


def rounded(value: float | None) -> float | None:
    """A share or score as the document shows it; None stays None."""
    return None if value is None else round(value, 6)
