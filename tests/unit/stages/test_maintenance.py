from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from m365dq_dagster.adapters.registry import Registry, StatusCode
from m365dq_dagster.core.alerts import OperationsPolicy
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.stages.maintenance import maintenance_report

CODE = StatusCode("sign_in_logs", "status_error_code", "1", "meaning", Severity.INFO)


def sight(registry: Registry, value: str, at: datetime, case: str = "c") -> None:
    registry.record_sightings(case, [("sign_in_logs", "status_error_code", value, 2, None, None)], at)


def test_an_untouched_registry_has_an_empty_report(registry: Registry, now: datetime) -> None:
    report = maintenance_report(registry, now)
    assert (report.unknown, report.pending, report.stale) == ((), (), ())
    assert (report.quarter, report.owner) == ("2026Q1", "sre@maia.local")
    assert report.markdown.count("None.") == 3


def test_a_code_sighted_ninety_days_ago_is_listed_and_one_sighted_before_is_not(
    registry: Registry, now: datetime
) -> None:
    sight(registry, "on_the_edge", now - timedelta(days=90))
    sight(registry, "too_old", now - timedelta(days=90, microseconds=1))
    sight(registry, "on_the_edge", now, case="b")
    (found,) = maintenance_report(registry, now).unknown
    assert (found.value, found.rows, found.cases) == ("on_the_edge", 4, ("b", "c"))


def test_a_code_is_stale_the_day_after_its_year_and_neither_pending_nor_deprecated_ones_are(
    registry: Registry, now: datetime
) -> None:
    year = date(2026, 3, 2) - timedelta(days=365)
    old = year - timedelta(days=1)
    registry.load_status_codes(
        [
            replace(CODE, value="fresh", last_validated=year),
            replace(CODE, value="stale", last_validated=old),
            replace(CODE, value="gone", last_validated=old, deprecated=True),
            replace(CODE, value="waits", last_validated=old, state="PENDING"),
        ],
        now,
    )
    report = maintenance_report(registry, now)
    assert [code.value for code in report.stale] == ["stale"]
    assert [code.value for code in report.pending] == ["waits"]


def test_the_report_is_a_checklist_to_work_through(registry: Registry, now: datetime) -> None:
    sight(registry, "512345", now)
    registry.load_status_codes([replace(CODE, state="PENDING")], now)
    page = maintenance_report(registry, now, OperationsPolicy(owner="duty@corp.example", sighting_days=7)).markdown
    assert page.startswith("# Status-code maintenance 2026Q1\n\nOwner: duty@corp.example. Made 2026-03-02 09:30 UTC.\n")
    for line in (
        "- [ ] Look up the 1 unknown codes in the vendor's documentation and propose a row for each.",
        "- [ ] Decide on the 1 pending codes.",
        "## Unknown codes of the last 7 days",
        "- `512345` in sign_in_logs.status_error_code: 2 rows in c",
        "- `1` in sign_in_logs.status_error_code: meaning",
    ):
        assert line in page.splitlines()


def test_a_code_from_hostile_evidence_cannot_break_the_page(registry: Registry, now: datetime) -> None:
    sight(registry, "1`\n# owned <script>", now)
    assert "- `1' # owned <script>` in" in maintenance_report(registry, now).markdown


def test_a_long_list_is_cut_and_its_rest_counted(registry: Registry, now: datetime) -> None:
    rows = [("sign_in_logs", "status_error_code", str(n), 1, None, None) for n in range(53)]
    registry.record_sightings("c", rows, now)
    page = maintenance_report(registry, now).markdown
    assert page.count("rows in c") == 50
    assert "- and 3 more" in page


@pytest.mark.parametrize(("month", "quarter"), [(1, 1), (3, 1), (4, 2), (9, 3), (10, 4), (12, 4)])
def test_the_quarter_is_the_calendars(registry: Registry, now: datetime, month: int, quarter: int) -> None:
    assert maintenance_report(registry, now.replace(month=month)).quarter == f"2026Q{quarter}"
