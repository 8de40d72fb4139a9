"""A never-seen code from its sighting to its approval: what it colours, whom it tells, and what changes then."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.code_changes import Asked, ChangeState, CodeKey
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages import alerts
from m365dq_dagster.stages.code_changes import CodeDesk
from m365dq_dagster.stages.codes import load_codes
from m365dq_dagster.stages.packs import effective_pack
from tests.support.case_runs import CASE, Bench, judged
from tests.support.drawn_cases import ANN, BOB, CY, healthy
from tests.support.evidence import Row, abroad, at, operation, sign_in

NEW = ("sign_in_logs", "status_error_code", "599999")
EVENT = "log_type, file_id, row_no"


def evidence() -> list[Row]:
    """Owners at home, an intruder on one account, an unknown code on another, a pending one on a third."""
    strange = [sign_in(CY, at(9, n), "AU", NEW[2]) for n in range(3)]
    pending = [sign_in(BOB, at(10), "AU", "530031")]
    return [*healthy(), *abroad(ANN, 12), *strange, *pending, operation("PageViewed", BOB, at(3))]


Judged = tuple[dict[str, Any], dict[tuple[Any, ...], tuple[Any, ...]]]


def run(registry: Registry, settings: Settings, folder: Path) -> Judged:
    """The document judged by the pack in force, and every event without what names the rules."""
    with Bench(registry, folder).run(evidence(), home=["AU"]) as one:
        found = judged(replace(one, pack=effective_pack(settings, registry)))
        rows = one.con.execute(f"SELECT {EVENT}, code, outcome, confidence, is_foreign FROM events").fetchall()
    return found, {row[:3]: row[3:] for row in rows}


def approve(registry: Registry, settings: Settings, value: str, now: datetime, **said: str) -> None:
    """One person proposes what a code means, and another one approves it."""
    pack = effective_pack(settings, registry)
    load_codes(registry, pack, now)
    key = CodeKey(*NEW[:2], value)
    told = {"category": "bad_credentials", "severity": "WARNING", "meaning": "The password was wrong", **said}
    if value not in {row.value for row in registry.status_codes() if row.state == "PENDING"}:
        CodeDesk(registry, pack, Person("alice"), now).propose(Asked(key, **told), "seen in a case")
    CodeDesk(registry, pack, Person("bob"), now).decide(key, ChangeState.APPROVED, "checked in the reference")


def alike(row: Mapping[str, Any]) -> dict[str, Any]:
    """A finding or account without what names the rules it was judged by."""
    return {key: value for key, value in row.items() if key not in ("rule_pack", "fields_used", "id")}


@pytest.fixture
def settings(home: Path) -> Settings:
    """The settings of a home of its own."""
    return Settings.load()


@pytest.fixture
def before(registry: Registry, settings: Settings, tmp_path: Path) -> Judged:
    return run(registry, settings, tmp_path)


def test_a_new_code_is_sighted_told_once_and_colours_what_leaned_on_it(
    before: Judged, registry: Registry, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    found, _ = before
    seen = {one.value: one for one in registry.sightings() if one.flagged}
    assert (seen[NEW[2]].case_id, seen[NEW[2]].rows) == (CASE, 3)
    assert set(seen) == {NEW[2], "530031", "PageViewed"}
    for document in (found, run(registry, settings, tmp_path)[0]):
        raised = alerts.raise_for_document(registry, document, now)
        assert [one["message"] for one in raised if one["rule"] == "unknown_status_code"] == [
            f"Unknown status code detected in sign_in_logs: {NEW[2]}",
            "Unknown status code detected in sign_in_logs: 530031",
        ]
    assert len(registry.alerts()) == 3
    accounts = found["by_account"]
    assert (accounts[CY]["verdict"], accounts[BOB]["verdict"]) == ("CANNOT_CONCLUDE", "CANNOT_CONCLUDE")
    assert accounts[CY]["leaned_on_unknown"] == [
        {"log_type": NEW[0], "field": NEW[1], "value": NEW[2], "rows": 3, "proposed": False}
    ]
    assert "530031 is known as a proposal and waits for approval: m365dq codes approve" in str(accounts[BOB]["reasons"])
    assert accounts[ANN]["leaned_on_unknown"] == []
    assert (found["status"], accounts[ANN]["verdict"]) == ("BREACH_INDICATED", "COMPROMISE_INDICATED")
    assert f"code {NEW[2]} (3 rows)" in found["cannot_conclude"][0]
    assert {one["value"] for one in found["leaned_on_unknown"]} == {NEW[2], "530031"}
    assert found["findings"][0]["leaned_on_unknown"] == found["leaned_on_unknown"]


@pytest.mark.parametrize(("value", "whose"), [(NEW[2], CY), ("530031", BOB)])
def test_approving_a_code_changes_exactly_what_leaned_on_it(
    value: str, whose: str, before: Judged, registry: Registry, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    approve(registry, settings, value, now)
    (old, old_rows), (new, new_rows) = before, run(registry, settings, tmp_path)
    changed = {key for key, row in old_rows.items() if new_rows[key] != row}
    assert changed == {key for key, row in old_rows.items() if row[0] == value}
    assert {new_rows[key][1] for key in changed} <= {"REJECTED", "BLOCKED_AFTER_FIRST_FACTOR"}
    assert others(old["accounts"], whose) == others(new["accounts"], whose)
    assert others(old["findings"][1:], whose) == others(new["findings"][1:], whose)
    assert new["by_account"][whose]["leaned_on_unknown"] == []
    assert new["by_account"][whose]["verdict"] == "NO_INDICATION"
    assert value not in {one["value"] for one in (*new["unknown_codes"], *new["leaned_on_unknown"])}
    assert (old["status"], old["indicators"], old["leads"]) == (new["status"], new["indicators"], new["leads"])
    assert value not in {one.value for one in registry.sightings(unknown=True)}


def others(rows: Sequence[Mapping[str, Any]], whose: str) -> list[dict[str, Any]]:
    """What is said of everybody else."""
    return [alike(row) for row in rows if row["account"] != whose]
