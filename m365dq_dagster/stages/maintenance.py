"""The quarterly maintenance of the status-code reference, as a report to work through. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from m365dq_dagster.adapters.registry import Registry, StatusCode
from m365dq_dagster.adapters.rule_pack import load_operations_policy
from m365dq_dagster.core.alerts import OperationsPolicy
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.stages.codes import unknown_codes

ROWS_SHOWN = 50


@dataclass(frozen=True)
class UnknownCode:
    """A code value that cases hold and the reference lacks."""

    log_type: str
    field: str
    value: str
    rows: int
    cases: tuple[str, ...]


@dataclass(frozen=True)
class MaintenanceReport:
    """What the quarter asks for. `stale` codes were last validated too long ago; `pending` ones wait for a decision."""

    quarter: str
    owner: str
    generated_at: datetime
    sighting_days: int
    revalidate_days: int
    unknown: tuple[UnknownCode, ...]
    pending: tuple[StatusCode, ...]
    stale: tuple[StatusCode, ...]

    @property
    def checklist(self) -> tuple[str, ...]:
        """The steps in order, each with its count."""
        return (
            f"Look up the {len(self.unknown)} unknown codes in the vendor's documentation and propose a row for each.",
            f"Decide on the {len(self.pending)} pending codes.",
            f"Validate the {len(self.stale)} codes that were not validated for {self.revalidate_days} days.",
            "Read the vendor's change notes of the quarter; deprecate codes that it withdrew.",
            "Run the labelled cases again with the changed reference before it goes into force.",
        )

    @property
    def markdown(self) -> str:
        """The report as a page."""
        lines = [
            f"# Status-code maintenance {self.quarter}",
            "",
            f"Owner: {self.owner}. Made {self.generated_at:%Y-%m-%d %H:%M} UTC.",
            "",
            "## Checklist",
            "",
            *(f"- [ ] {step}" for step in self.checklist),
            "",
            f"## Unknown codes of the last {self.sighting_days} days",
            "",
            *_listed(f"{_code(u.value)} in {u.log_type}.{u.field}: {_rows(u)}" for u in self.unknown),
            "",
            "## Pending codes",
            "",
            *_listed(map(_line, self.pending)),
            "",
            f"## Codes not validated for {self.revalidate_days} days",
            "",
            *_listed(f"{_line(code)} (last validated {code.last_validated})" for code in self.stale),
        ]
        return "\n".join(lines) + "\n"


def maintenance_report(registry: Registry, now: datetime, policy: OperationsPolicy | None = None) -> MaintenanceReport:
    """Look at sightings and reference as they are now; `policy` defaults to the shipped operations policy.

    A code sighted exactly `sighting_days` ago still counts; one validated exactly `revalidate_days` ago is not stale.
    """
    policy = policy or load_operations_policy()
    moment = now.astimezone(UTC)
    found = unknown_codes(registry, moment - timedelta(days=policy.sighting_days))
    oldest = moment.date() - timedelta(days=policy.revalidate_days)
    codes = [code for code in registry.status_codes() if not code.deprecated]
    return MaintenanceReport(
        quarter=f"{moment.year}Q{(moment.month + 2) // 3}",
        owner=policy.owner,
        generated_at=moment,
        sighting_days=policy.sighting_days,
        revalidate_days=policy.revalidate_days,
        unknown=tuple(UnknownCode(*key, sum(cases.values()), tuple(sorted(cases))) for key, cases in found.items()),
        pending=tuple(code for code in codes if code.state == "PENDING"),
        stale=tuple(c for c in codes if c.state == "ACTIVE" and c.last_validated and c.last_validated < oldest),
    )


def _listed(items: Iterable[str]) -> list[str]:
    found = list(items)
    shown = [f"- {item}" for item in found[:ROWS_SHOWN]] or ["None."]
    return [*shown, f"- and {len(found) - ROWS_SHOWN} more"] if len(found) > ROWS_SHOWN else shown


def _rows(code: UnknownCode) -> str:
    return f"{code.rows} rows in {', '.join(code.cases)}"


def _line(code: StatusCode) -> str:
    return f"{_code(code.value)} in {code.log_type}.{code.field}: {one_line(code.meaning)}"


def _code(value: str) -> str:
    """A value from evidence as Markdown code: it can neither end the code span nor break the line."""
    return "`" + one_line(value).replace("`", "'") + "`"
