"""What a process does when several write one registry at once. It imports little: every process imports it anew."""

from datetime import datetime

from m365dq_dagster.adapters.registry import CaseStage, Registry, StatusCode
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.field_lists import FieldList, FieldSeen
from m365dq_dagster.core.outcome import Severity

NOW = datetime.fromisoformat("2026-03-02T09:30:00+00:00")


def open_and_register(job: tuple[str, str]) -> str:
    """Open a registry that may not exist yet, and register a case."""
    url, case_id = job
    with Registry.open(url) as registry:
        registry.register_case(case_id, "/x", {}, NOW)
        return registry.place


def write_everything(job: tuple[str, int]) -> tuple[int, list[int]]:
    """Raise the same alerts, load the same codes, write rows of its own, claim alerts: how many new, which claimed."""
    url, number = job
    with Registry.open(url) as registry:
        new = sum(
            registry.raise_alert("r", "c", f"s{subject}", Severity.INFO, "m", ["a@x.example"], NOW)
            for subject in range(10)
        )
        registry.load_status_codes([StatusCode("l", "f", str(v), "m", Severity.INFO) for v in range(50)], NOW)
        registry.register_case(f"case-{number}", "/x", {}, NOW)
        registry.set_stage(f"case-{number}", CaseStage.IMPORTED, NOW)
        check = CheckResult("same", "quality", True, False, Severity.INFO, "h", "docs/x.md")
        registry.record_checks(f"case-{number}", "run", [check], NOW)
        registry.record_sightings("c", [("l", "f", "7", number, None, None)], NOW)
        registry.keep_field_list(FieldList("f", "l", "v1.0", {"": 1}, {"a": FieldSeen("a", True, {"": 1})}), "c", NOW)
        return new, [alert.id for _ in range(5) for alert in registry.claim_undelivered(NOW, 1)]
