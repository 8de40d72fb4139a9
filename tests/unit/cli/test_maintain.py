from datetime import UTC, datetime
from pathlib import Path

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.maintenance import quarter_of
from tests.support.program import call, call_json

NOW = datetime.now(UTC)


@pytest.fixture
def unknown(registry: Registry) -> None:
    registry.record_sightings("c", [("sign_in_logs", "status_error_code", "512345", 3, NOW, NOW)], NOW)


@pytest.mark.usefixtures("unknown")
def test_the_screen_says_what_is_due_where_the_report_is_and_what_to_do_next(home: Path) -> None:
    told = call("maintain", "--actor", "Ada", columns=160)
    quarter = quarter_of(NOW.date())
    assert told.exit_code == 0
    assert told.stdout.startswith(f"{quarter}: 1 unknown code, ")
    assert "Checklist" in told.stdout
    assert f"The report: {home / 'maintenance' / quarter / 'report.html'}" in told.stdout
    assert "Next: read the report" in told.stdout
    assert "m365dq codes approve --from" in told.stdout
    assert "(as Ada)" in (home / "maintenance" / quarter / "report.md").read_text(encoding="utf-8")


def test_a_second_cycle_of_the_quarter_is_harmless_and_says_so() -> None:
    call("maintain", "--quarter", "2026Q4")
    told = call("maintain", "--quarter", "2026Q4")
    assert told.exit_code == 0
    assert "The cycle of 2026Q4 was gone through before" in told.stdout


@pytest.mark.usefixtures("unknown")
def test_one_document_says_it_all_for_programs(home: Path) -> None:
    body = call_json("maintain", "--quarter", "2026Q4")
    assert (body["quarter"], body["dry_run"], body["folder"]) == ("2026Q4", False, str(home / "maintenance" / "2026Q4"))
    assert body["counts"]["unknown codes"] == 1
    assert body["unknown"][0]["value"] == "512345"
    assert set(body["files"]) == {path.name for path in Path(body["folder"]).iterdir()}


def test_a_quarter_that_is_none_is_bad_input() -> None:
    told = call("maintain", "--quarter", "soon")
    assert (told.exit_code, told.stdout) == (2, "")
    assert "write it as 2026Q4" in told.stderr
    assert call("maintain", "--dry-run", "--quarter", "soon").exit_code == 2
