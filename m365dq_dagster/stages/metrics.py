"""The data quality dashboard from the registry: fetch the facts of the window, hand them to `core.metrics`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import RulePack, load_rule_pack
from m365dq_dagster.core.corrections import wrong_conclusions
from m365dq_dagster.core.metrics import (
    CorrectionFact,
    Dashboard,
    FlagFact,
    ImportFact,
    OverrideFact,
    ScoreFact,
    Window,
    dashboard,
)
from m365dq_dagster.core.profile import Witness
from m365dq_dagster.core.sightings import is_quiet
from m365dq_dagster.stages import overrides

Field = tuple[str, str]


def compute_dashboard(
    registry: Registry,
    now: datetime,
    days: int = 30,
    ranked: Collection[Field] | None = None,
    pack: RulePack | None = None,
) -> Dashboard:
    """The page over the last `days` times 24 hours up to `now`; an empty registry gives a page of zeros.

    `ranked` are the (log type, field) that compete for the most reliable: by default those of the rule pack that can
    tell an outcome, since an address that is always present says nothing about success. `pack` is the rule pack in
    force, which says what is switched off; the shipped one unless given.
    """
    window, pack = Window(now.astimezone(UTC), days), pack or load_rule_pack()
    fields = outcome_fields(pack) if ranked is None else frozenset(ranked)
    return dashboard(
        window,
        _imports(registry, window),
        _flags(registry, window),
        _corrections(registry, window),
        _scores(registry, window, fields),
        _overrides(registry, now),
        pack.policy.checks.off,
    )


def outcome_fields(pack: RulePack) -> frozenset[Field]:
    """The (log type, field) that are witnesses of an outcome; renderings of another field are none."""
    witnesses = (Witness.PRIMARY, Witness.SECONDARY)
    return frozenset((spec.log_type, spec.field) for spec in pack.fields if spec.witness in witnesses)


def _imports(registry: Registry, window: Window) -> list[ImportFact]:
    found = registry.imports_between(window.start, window.end)
    return [ImportFact(i.case_id, i.recorded_at, i.seconds, i.status, i.reason, i.verifications) for i in found]


def _flags(registry: Registry, window: Window) -> list[FlagFact]:
    """What was flagged as unknown; what raises no alert, such as an operation, is no detection."""
    found = [s for s in registry.flags_between(window.start, window.end) if not is_quiet(s.log_type, s.field)]
    return [FlagFact(s.log_type, s.field, s.value, s.first_sighted_at) for s in found]


def _corrections(registry: Registry, window: Window) -> list[CorrectionFact]:
    """As the corrections stood at the end of the window: what was taken back by then does not count."""
    wrong = wrong_conclusions(registry.corrections_until(window.end))
    return [CorrectionFact(one.said.case_id, one.at) for one in wrong]


def _overrides(registry: Registry, now: datetime) -> list[OverrideFact]:
    """Those in force, and those that have ended and left a verdict behind."""
    held = [
        OverrideFact(one.case_id, one.expires, one.actor, one.reason, True) for one in overrides.in_force(registry, now)
    ]
    left = [(one.case_id, one.override) for one in overrides.lapsed(registry, now)]
    return held + [
        OverrideFact(case_id, date.fromisoformat(one.expires), one.actor, one.reason, False) for case_id, one in left
    ]


def _scores(registry: Registry, window: Window, fields: Collection[Field]) -> list[ScoreFact]:
    found = registry.scores_between(window.start, window.end, fields)
    return [ScoreFact(s.case_id, s.row.table, s.row.field, s.row.adjusted, s.computed_at) for s in found]
