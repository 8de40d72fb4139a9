"""`cases`, `show progress`, `alerts`, `codes` and `dashboard` answer from the registry of the home folder."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from m365dq_dagster.adapters.operating_user import operating_person
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.cli.workbench import Workbench
from m365dq_dagster.core.outcome import CaseStage, Severity
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.plain_text import one_line
from tests.support.program import call, call_json
from tests.support.sample_document import ESCAPE

NOW = datetime.now(UTC)


@pytest.fixture
def filled(registry: Registry) -> None:
    """One blocked case, one alert and one unknown code."""
    registry.register_case("c1", "/evidence/c1", {}, NOW)
    registry.set_stage("c1", CaseStage.IMPORTED, NOW, blocked_by="ledger" + ESCAPE)
    registry.raise_alert("breach_indicator", "c1", "s", Severity.CRITICAL, "Breach " + ESCAPE, ["a@b.example"], NOW)
    registry.record_sightings("c1", [("unified_audit_log", "error_number", "512345", 2, None, None)], NOW)
    registry.record_import("c1", "r1", NOW, 1.5, 10, "FAIL", "ledger", 3, NOW - timedelta(minutes=1))


def test_an_empty_home_has_no_cases_and_says_how_to_begin() -> None:
    assert "m365dq demo" in call("cases").stdout
    assert call_json("cases") == []


@pytest.mark.usefixtures("filled")
def test_cases_lists_stage_and_what_blocks() -> None:
    out = call("cases").stdout
    assert "IMPORTED" in out
    assert "ledger\\x1b" in out
    assert call_json("cases")[0]["case"] == "c1"


@pytest.mark.usefixtures("filled")
def test_progress_says_where_a_case_stands_and_what_comes_next() -> None:
    out = call("show", "c1", "progress").stdout
    assert out.startswith("Case c1 stands at IMPORTED, 2 of 11 tasks done; blocked by ledger")
    assert "check_fields" in out
    shown = call_json("show", "c1", "progress")["progress"]
    assert (shown["tasks_done"], shown["tasks_total"], shown["next_stage"]) == (2, 11, "CHECKED")


def test_progress_of_a_finished_case_has_nothing_left(registry: Registry) -> None:
    registry.register_case("c2", "/e", {}, NOW)
    for stage in CaseStage:
        registry.set_stage("c2", stage, NOW)
    out = call("show", "c2", "progress").stdout
    assert "nothing is left to do" in out
    assert "What comes next" not in out


@pytest.mark.parametrize("case", ["nobody", "../etc", "UPPER"])
@pytest.mark.parametrize("view", ["progress", "summary"])
def test_an_unknown_or_impossible_case_is_exit_2(case: str, view: str) -> None:
    result = call("show", case, view)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


@pytest.mark.usefixtures("filled")
def test_alerts_are_listed_filtered_and_acknowledged() -> None:
    out = call("alerts", "list").stdout
    assert "\\x1b]0;" in out
    assert "\x1b" not in out
    alert = call_json("alerts", "list", "--state", "recorded")[0]
    assert {
        "rule",
        "severity",
        "message",
        "recipients",
        "case",
        "subject",
        "state",
        "raised_at",
        "delivered_at",
    } <= set(alert)
    assert call_json("alerts", "ack", str(alert["id"]), "--actor", "jo") == {
        "id": alert["id"], "state": "ACKNOWLEDGED", "actor": operating_person("jo").told,
    }  # fmt: skip
    assert "is acknowledged by" in call("alerts", "ack", str(alert["id"])).stdout
    assert call("alerts", "list", "--state", "RECORDED").stdout == "There are no alerts.\n"


def test_an_unknown_alert_or_state_is_exit_2() -> None:
    assert call("alerts", "ack", "99").exit_code == 2
    result = call("alerts", "list", "--state", "lost")
    assert result.exit_code == 2
    assert "the states are RECORDED" in result.stderr


def test_a_test_alert_needs_a_mail_server() -> None:
    result = call("alerts", "test", "--json")
    assert result.exit_code == 2
    assert "M365DQ_SMTP_HOST" in json.loads(result.stdout)["error"]


class Sent(Workbench):
    """A mail server that took the test mail for some."""

    def __init__(self, refused: list[str]) -> None:
        self.refused = refused

    def test_alert(self) -> dict[str, object]:
        return {"server": "mail.example:25", "recipients": ["a@b.example"], "refused": self.refused}


def test_a_test_alert_names_who_is_reached_and_who_is_not() -> None:
    assert call("alerts", "test", bench=Sent([])).stdout == "mail.example:25 took a test mail for a@b.example.\n"
    assert "It refused c@d.example" in call("alerts", "test", bench=Sent(["c@d.example"])).stdout
    assert call_json("alerts", "test", bench=Sent([]))["recipients"] == ["a@b.example"]


def test_codes_are_looked_up_and_never_guessed() -> None:
    assert "bad_credentials" in call("codes", "lookup", "50126").stdout
    found = call_json("codes", "lookup", "50126", "--log-type", "sign_in_logs", "--field", "status_error_code")
    assert [row["code_value"] for row in found] == ["50126"]
    result = call("codes", "lookup", "512345")
    assert result.exit_code == 2
    assert "not guessed" in result.stderr


def test_the_list_of_codes_has_the_columns_of_the_specification() -> None:
    rows = call_json("codes", "list", "--log-type", "sign_in_logs")
    assert len(rows) > 50
    columns = ("code_id", "log_type", "field_name", "code_value", "meaning", "severity", "first_seen", "last_validated")
    assert {*columns, "deprecated", "category", "outcome", "first_factor", "state"} <= set(rows[0])
    assert len({row["code_id"] for row in rows}) == len(rows)


@pytest.mark.usefixtures("filled")
def test_unknown_codes_are_listed_with_their_cases() -> None:
    assert "512345" in call("codes", "unknown").stdout
    assert call_json("codes", "unknown") == [
        {
            "log_type": "unified_audit_log",
            "field": "error_number",
            "value": "512345",
            "rows": 2,
            "cases": {"c1": 2},
            "state": "UNKNOWN",
            "pending_change": None,
        }
    ]


@pytest.mark.usefixtures("filled")
def test_unknown_codes_that_wait_name_the_command_that_approves_them(registry: Registry) -> None:
    said = call("codes", "unknown").stdout
    assert "m365dq codes add LOG_TYPE FIELD CODE" in said
    assert "PENDING" not in said
    place = ("unified_audit_log", "error_number", "512345")
    call("codes", "add", *place, "--category", "app_config", "--severity", "INFO", "--meaning", "x")
    said = call("codes", "unknown").stdout
    assert "What is PENDING waits for approval: m365dq codes approve unified_audit_log error_number 512345" in said
    assert "m365dq codes add" not in said
    assert call_json("codes", "unknown")[0]["pending_change"] == 1
    call("codes", "approve", *place)
    assert call_json("codes", "unknown") == []


def test_no_unknown_codes_is_said() -> None:
    assert "No unknown codes were seen in the last 7 days." in call("codes", "unknown", "--days", "7").stdout


@pytest.mark.usefixtures("filled")
def test_the_dashboard_is_the_page_of_the_specification() -> None:
    out = call("dashboard").stdout
    assert out.startswith("M365 IR Data Quality Dashboard")
    assert "0% (0/1 imports)" in out
    assert call_json("dashboard", "--days", "7")["period"]


@pytest.fixture
def overridden(registry: Registry) -> Registry:
    """A case that was judged under an override in force."""
    registry.register_case("c1", "/evidence/c1", {}, NOW)
    last = (NOW + timedelta(days=7)).date().isoformat()
    registry.add_override("c1", "no second " + ESCAPE, Person("analyst", "kim"), last, NOW)
    under = {"reason": one_line("no second " + ESCAPE), "actor": "kim", "expires": last, "recorded_by": "analyst"}
    known = {"generation": "g1", "quality": "OVERRIDDEN", "override": under}
    registry.set_verdict("c1", "CANNOT_CONCLUDE", "x", NOW, known)
    return registry


def test_without_overrides_every_case_is_held_to_the_gate() -> None:
    assert "every case is held to the quality gate" in call("overrides").stdout
    assert call_json("overrides", "list") == []


@pytest.mark.usefixtures("overridden")
def test_overrides_are_listed_with_who_recorded_them_and_until_when() -> None:
    for words in (("overrides",), ("overrides", "list")):
        out = call(*words).stdout
        assert "IN_FORCE" in out
        assert "analyst" in out
        assert "no second" in out
        assert "\x1b" not in out
    (row,) = call_json("overrides", "list")
    assert (row["case"], row["actor"], row["recorded_by"]) == ("c1", "kim", "analyst")


@pytest.mark.usefixtures("overridden")
def test_cases_says_that_a_verdict_is_not_verified_and_then_that_it_no_longer_stands() -> None:
    assert "not verified" in call("cases").stdout
    assert call_json("cases")[0]["override"]["verdict_stands"] is True
    ended = call("overrides", "end", "c1", "--reason", "mended", "--actor", "lee").stdout
    assert f"is ended by {operating_person('lee').told}." in ended
    assert "no longer stands: run the case again" in ended
    assert "run again" in " ".join(call("cases").stdout.split())
    assert call_json("cases")[0]["override"]["verdict_stands"] is False


def test_cases_says_that_a_verdict_is_not_verified_for_a_check_that_is_off(registry: Registry) -> None:
    registry.register_case("c1", "/evidence/c1", {}, NOW)
    known = {"generation": "g1", "quality": "OVERRIDDEN", "override": None}
    registry.set_verdict("c1", "CANNOT_CONCLUDE", "x", NOW, known)
    (row,) = call_json("cases")
    assert (row["quality"], row["override"]) == ("OVERRIDDEN", None)
    assert "switched off" in " ".join(call("cases").stdout.split())


def test_ending_says_why_and_needs_something_to_end(overridden: Registry) -> None:
    for words, sentence in (
        (("c1",), "--reason"),
        (("c1", "--reason", " "), "needs --reason too"),
        (("nobody", "--reason", "mended"), "No override is in force for case nobody"),
        (("../etc", "--reason", "mended"), "../etc"),
    ):
        result = call("overrides", "end", *words)
        assert result.exit_code == 2
        assert sentence in result.stderr
    assert call_json("overrides", "end", "c1", "--reason", "mended")[0]["state"] == "ENDED"
    assert overridden.audit_entries()[-1].detail == {"case": "c1", "reason": "mended"}
