"""The judgement policy: every number a verdict depends on, by name. Values live in the rule pack's `policy.toml`; who
is told belongs to operations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from m365dq_dagster.core.checks import CheckResult, switched_off, switched_on
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.known_checks import KNOWN_CHECKS, blocks


@dataclass(frozen=True)
class QualityPolicy:
    """When the evidence is too broken to go on."""

    quarantine_share: float


@dataclass(frozen=True)
class FieldStatePolicy:
    """When a field may not testify."""

    low_contrast_share: float
    corrupted_type_name_share: float
    corrupted_domain_share: float
    contradicted_recall: float
    contradicted_rows: int
    contradicted_uniform_share: float
    unreliable_consistency: float
    unreliable_checkable: int
    firm_coverage: float
    firm_agreement: float


@dataclass(frozen=True)
class ScoringPolicy:
    """How a witness without a second opinion is scored."""

    rare_class_rows: int
    floor_two_classes: float
    one_class: float
    secondary_factor: float


@dataclass(frozen=True)
class StretchPolicy:
    """When a witness is judged by parts of a log: by file and sign-in type, and by days between change points."""

    rows: int
    day_rows: int
    dark_share: float
    filled_share: float
    stuck_days: int
    stuck_chance: float
    constant_days: int
    constant_chance: float
    varied_share: float


@dataclass(frozen=True)
class FlowPolicy:
    """How long one attempt lasts."""

    minutes: int


@dataclass(frozen=True)
class HomePolicy:
    """How a home country is learned."""

    tenant_share: float
    tenant_account_days: int
    own_days: int
    settled_days: int
    own_share: float
    baseline_window: float
    address_country_share: float
    address_country_days: int


@dataclass(frozen=True)
class PlacePolicy:
    """When a location is believed."""

    database_max_days: float
    database_min_agreement: float
    database_min_differing: int
    fault_accounts: int
    fault_share: float
    flicker_minutes: float
    travel_minutes: float


@dataclass(frozen=True)
class BreachPolicy:
    """V1 to V5."""

    foreign_rate: float
    min_attempts: int
    min_successes_by_conditional_access: int
    prior_failures: int
    prior_failure_days: int
    spray_accounts: int
    overlap_hours: int
    overlap_successes: int
    indicator_hours: int
    habit_days: int
    own_device_share: float
    egress_accounts: int
    staff_accounts: int
    staff_share: float
    travel_days: int


@dataclass(frozen=True)
class LeadPolicy:
    """Leads that need no ratio."""

    rejections: int
    hours: int
    new_address_accounts: int
    mfa_denials: int


@dataclass(frozen=True)
class IndicatorPolicy:
    """When what was done stands out: downloads in an hour, mail that leaves, and which domains are the tenant's own."""

    domain_share: float
    files_an_hour: int
    accessed_an_hour: int
    above_habit: float
    spray_accounts: int
    mails_an_hour: int
    recipients_an_hour: int
    forwarded_mails: int
    forward_seconds: int
    forwarded_share: float


@dataclass(frozen=True)
class CasePolicy:
    """The verdict of a case and its confidence."""

    basis_share: float
    blocked_coverage: float
    min_coverage: float
    min_foreign_coverage: float
    unknown_country_share: float
    wilson_high: float
    wilson_medium: float
    blocked_high_rows: int
    blocked_high_codes: int


@dataclass(frozen=True)
class CheckPolicy:
    """Which checks are switched off, by name in alphabetical order; none is, unless somebody says so."""

    off: tuple[str, ...] = ()

    @property
    def blocking_off(self) -> tuple[str, ...]:
        """Those among them that hold a case back while they are on."""
        return tuple(name for name in self.off if blocks(name))

    def is_on(self, name: str) -> bool:
        """Whether a check is asked and its answer heard."""
        return name not in self.off

    def applied(self, case_id: str, checks: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
        """The checks of a case, those that are switched off marked as such."""
        return tuple(check if self.is_on(check.name) else switched_off(case_id, check) for check in checks)

    def reheard(self, case_id: str, failed: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
        """Failed checks that an earlier judgement kept, perhaps under other switches, as they are heard under these."""
        return tuple(one for check in failed if (one := self._reheard(case_id, check)) is not None)

    def _reheard(self, case_id: str, check: CheckResult) -> CheckResult | None:
        if check.switched_off and self.is_on(check.name):
            return switched_on(case_id, check) if check.unheard else None
        return check if check.switched_off or self.is_on(check.name) else switched_off(case_id, check)


@dataclass(frozen=True)
class Policy:
    """The whole judgement policy of a rule pack."""

    quality: QualityPolicy
    field_states: FieldStatePolicy
    scoring: ScoringPolicy
    stretches: StretchPolicy
    flows: FlowPolicy
    home: HomePolicy
    places: PlacePolicy
    breach: BreachPolicy
    leads: LeadPolicy
    indicators: IndicatorPolicy
    case: CasePolicy
    checks: CheckPolicy = CheckPolicy()

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Policy:
        """Build it from the parsed file.

        Raises `BadInput` naming the table and the key that is missing, unknown, no number or no switch.
        """
        strange = sorted(set(data) - {field.name for field in fields(cls)})
        if strange:
            raise BadInput(f"policy.toml: table [{strange[0]}] is not known; {REMEDY}")
        return cls(
            quality=_section(QualityPolicy, data, "quality"),
            field_states=_section(FieldStatePolicy, data, "field_states"),
            scoring=_section(ScoringPolicy, data, "scoring"),
            stretches=_section(StretchPolicy, data, "stretches"),
            flows=_section(FlowPolicy, data, "flows"),
            home=_section(HomePolicy, data, "home"),
            places=_section(PlacePolicy, data, "places"),
            breach=_section(BreachPolicy, data, "breach"),
            leads=_section(LeadPolicy, data, "leads"),
            indicators=_section(IndicatorPolicy, data, "indicators"),
            case=_section(CasePolicy, data, "case"),
            checks=_switches(data.get("checks", {})),
        )


REMEDY = "correct the file or restore the shipped one."
Section = TypeVar("Section")


def _section(kind: type[Section], data: Mapping[str, Any], name: str) -> Section:
    table = data.get(name, {})
    if not isinstance(table, Mapping):
        raise BadInput(f"policy.toml: [{name}] must be a table of numbers; {REMEDY}")
    expected = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    wrong = sorted(expected ^ set(table))
    if wrong:
        what = "missing" if wrong[0] in expected else "not known"
        raise BadInput(f"policy.toml: table [{name}]: key {wrong[0]!r} is {what}; {REMEDY}")
    for key, value in table.items():
        if not _is_measure(value):
            raise BadInput(f"policy.toml: table [{name}]: {key} must be a number, zero or more; {REMEDY}")
    return kind(**table)


def _switches(table: object) -> CheckPolicy:
    """The table of checks, name = true or false. A check that is not named is on, so that older files can be read."""
    if not isinstance(table, Mapping):
        raise BadInput(f"policy.toml: [checks] must be a table of switches; {REMEDY}")
    for name, on in table.items():
        if name not in KNOWN_CHECKS:
            raise BadInput(f"policy.toml: table [checks]: there is no check {str(name)[:60]!r}; {REMEDY}")
        if not isinstance(on, bool):
            raise BadInput(f"policy.toml: table [checks]: {name} must be true or false; {REMEDY}")
    return CheckPolicy(tuple(sorted(name for name, on in table.items() if not on)))


def _is_measure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
