import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from m365dq_dagster import api
from m365dq_dagster.adapters.clock import FixedClock
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict, Confidence, FieldCause, FieldState, Severity
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.stages import borrowed
from tests.support.case_runs import run_folder, shipped_pack
from tests.support.evidence import ANN, EVE, abroad, at, at_home, legacy, logon, operation, rejected, sign_in
from tests.support.handed_database import write_rows, write_tables
from tests.support.sign_in_folder import TYPE_NAME, write_sign_ins

Made = Mapping[str, Any]
START = datetime(2026, 1, 5, 9)


def plain(n: int = 0, code: Any = "0", country: str = "AU", **more: Any) -> Made:
    """A sign-in as somebody would write it down who has only a few columns."""
    return {
        "user_principal_name": f"User{n % 4}@contoso.example",
        "timestamp": START + timedelta(hours=7 * n),
        "ip_address": f"192.0.2.{n % 4 + 1}",
        "location_country": country,
        "status_error_code": code,
        **more,
    }


def digest(path: str) -> dict[str, str]:
    """What stands in the folder of a database."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(Path(path).parent.iterdir())
        if file.is_file()
    }


@pytest.fixture(autouse=True)
def pack_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(borrowed, "pack_at_rest", lambda _: shipped_pack())


@pytest.fixture
def db(tmp_path: Path) -> Path:
    folder = tmp_path / "handed over"
    folder.mkdir()
    return folder / "evidence.duckdb"


def values(db: Path, column: Sequence[Any], name: str = "status_error_code") -> api.PopulationScore:
    """The score of a column with these values."""
    path = write_tables(db, sign_in_logs=[{**plain(n), name: value} for n, value in enumerate(column)])
    return api.FieldReliabilityCheck(path).check_field_population("sign_in_logs", name)


def test_one_value_on_exactly_95_percent_of_the_rows_is_not_flagged(db: Path) -> None:
    score = values(db, ["0"] * 19 + ["50126"])
    assert (score.top_share, score.unreliable, score.uniform) == (0.95, False, False)


def test_one_value_on_95_01_percent_of_the_rows_is_flagged_and_may_testify_all_the_same(db: Path) -> None:
    score = values(db, ["0"] * 9501 + ["50126"] * 499)
    assert (score.top_rows, score.unreliable) == (9501, True)
    assert (score.state, score.may_testify) == (FieldState.LOW_CONTRAST, True)


def test_blanks_count_as_a_value_and_are_told_apart(db: Path) -> None:
    score = values(db, [None] * 96 + ["0"] * 2 + ["50126"] * 2)
    assert (score.blank_rows, score.rows, score.distinct_values) == (96, 100, 3)
    assert (score.top_value, score.top_rows, score.unreliable) == (None, 96, True)
    assert score.population == 0.04


def test_a_column_of_type_names_is_uniform_and_corrupted_and_access_is_recommended(db: Path) -> None:
    rows = [plain(n, TYPE_NAME, conditional_access_status="failure" if n % 3 == 0 else "success") for n in range(60)]
    path = write_tables(db, sign_in_logs=rows)
    check = api.FieldReliabilityCheck(path)
    score = check.check_field_population("sign_in_logs", "status_error_code")
    assert (score.uniform, score.unreliable, score.type_name_rows, score.blank_rows) == (True, True, 60, 0)
    assert (score.state, score.cause) == (FieldState.CORRUPTED, FieldCause.SERIALISATION_LOST)
    assert score.top_value == TYPE_NAME
    found = check.recommend_status_field("sign_in_logs")
    assert (found.field, found.instead_of) == ("conditional_access_status", ("status_error_code",))
    assert found.score > 0


def test_a_healthy_code_outranks_conditional_access(db: Path) -> None:
    rows = [
        plain(n, "53003" if n % 10 == 9 else "0", conditional_access_status="failure" if n % 10 == 9 else "success")
        for n in range(60)
    ]
    path = write_tables(db, sign_in_logs=rows)
    scorer = api.FieldReliabilityScorer(path)
    ranked = scorer.recommend_fields("sign_in_logs", "outcome")
    assert [one.field for one in ranked] == ["status_error_code", "conditional_access_status"]
    assert api.FieldReliabilityCheck(path).recommend_status_field("sign_in_logs").field == "status_error_code"
    base = scorer.calculate_base_score("sign_in_logs", "conditional_access_status")
    assert base is not None
    assert scorer.apply_context_rules("sign_in_logs", "conditional_access_status", base) == pytest.approx(base / 2)
    assert scorer.apply_context_rules("sign_in_logs", "status_error_code", 0.7) == pytest.approx(0.7)


def test_a_field_that_does_not_apply_has_no_score_and_no_state_but_that(db: Path) -> None:
    path = write_tables(db, legacy_auth_logs=[plain(n, "50126") for n in range(4)])
    scorer, check = api.FieldReliabilityScorer(path), api.FieldReliabilityCheck(path)
    assert scorer.calculate_base_score("legacy_auth_logs", "conditional_access_status") is None
    assert scorer.apply_context_rules("legacy_auth_logs", "conditional_access_status", 0.9) == 0.0
    score = check.check_field_population("legacy_auth_logs", "conditional_access_status")
    assert (score.state, score.may_testify, score.population) == (FieldState.NOT_APPLICABLE, False, 0.0)


def test_a_rule_of_the_context_lowers_a_score_and_its_reason_is_told(db: Path) -> None:
    rows = [
        plain(n, "53003" if n % 2 else "0", conditional_access_status="failure" if n % 2 else "success", **client)
        for n, client in enumerate([{"client_app_used": "Exchange ActiveSync"}, {"client_app_used": "Browser"}] * 40)
    ]
    scorer = api.FieldReliabilityScorer(write_tables(db, sign_in_logs=rows))
    assert scorer.apply_context_rules("sign_in_logs", "conditional_access_status", 1.0) < 0.5
    assert scorer.apply_context_rules("sign_in_logs", "status_error_code", 1.0) == pytest.approx(1.0)


def test_a_field_of_no_worth_keeps_the_score_that_it_is_given_unless_a_rule_speaks(db: Path) -> None:
    path = write_tables(db, sign_in_logs=[plain(n, conditional_access_status="notApplied") for n in range(20)])
    scorer = api.FieldReliabilityScorer(path)
    assert scorer.calculate_base_score("sign_in_logs", "conditional_access_status") == 0.0
    assert 0.0 <= scorer.apply_context_rules("sign_in_logs", "conditional_access_status", 0.8) <= 0.8


def test_the_base_score_is_the_product_of_its_four_factors(db: Path) -> None:
    path = write_tables(db, sign_in_logs=[plain(n, ["0", "50126", None, "0"][n % 4]) for n in range(80)])
    base = api.FieldReliabilityScorer(path).calculate_base_score("sign_in_logs", "status_error_code")
    population, decisiveness, power, consistency = 0.75, 0.75, min(1.0, 20 / 30), 1.0
    assert base == pytest.approx(population * decisiveness * power * consistency)


@pytest.mark.parametrize("purpose", ["outcome", "attribution", "timeline", "exfiltration"])
def test_fields_are_ranked_for_a_purpose(db: Path, purpose: str) -> None:
    rows = [
        *at_home(),
        *(operation("MailItemsAccessed", when=at(n), mail_access_type="Sync") for n in range(9)),
        logon(),
    ]
    scorer = api.FieldReliabilityScorer(write_rows(db, rows))
    table = "unified_audit_log" if purpose == "exfiltration" else "sign_in_logs"
    ranked = scorer.recommend_fields(table, purpose)
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
    assert {(one.table, one.purpose) for one in ranked} == {(table, purpose)}
    wanted = {"outcome": "status_error_code", "attribution": "user_principal_name", "timeline": "event_time"}
    assert wanted.get(purpose, "user_id") in [one.field for one in ranked]


def test_the_literal_ratio_is_distinct_values_over_rows_and_crowns_identifiers(db: Path) -> None:
    rows = [plain(n, "0" if n % 2 else "50126", note=f"n{n}", status=None) for n in range(50)]
    check = api.FieldReliabilityCheck(write_tables(db, sign_in_logs=rows, other=[{"a": 1}]))
    assert check.check_discriminatory_power("sign_in_logs", "status_error_code") == 2 / 50
    assert check.check_discriminatory_power("sign_in_logs", "note") == 1.0
    assert check.check_discriminatory_power("sign_in_logs", "status") == 1 / 50
    assert check.check_discriminatory_power("other", "a") == 1.0


def test_a_table_without_rows_has_a_score_of_nothing(db: Path) -> None:
    check = api.FieldReliabilityCheck(write_rows(db, []))
    score = check.check_field_population("sign_in_logs", "status_error_code")
    assert (score.rows, score.unreliable, score.uniform, score.top_share) == (0, False, False, 0.0)
    assert check.check_discriminatory_power("sign_in_logs", "status_error_code") == 0.0
    found = check.recommend_status_field("sign_in_logs")
    assert (found.field, found.score, found.reasons) == (None, 0.0, ("sign_in_logs holds no rows.",))


def test_where_no_field_may_testify_none_is_recommended_and_each_says_why(db: Path) -> None:
    check = api.FieldReliabilityCheck(write_tables(db, sign_in_logs=[plain(n, TYPE_NAME) for n in range(9)]))
    found = check.recommend_status_field("sign_in_logs")
    assert (found.field, found.confidence) == (None, Confidence.LOW)
    assert any("holds a type name in 9 of 9 rows" in reason for reason in found.reasons)


def blocked(*, successes: int, rows: int = 60) -> list[Made]:
    codes = ["50126", "50053"]
    return [plain(n, "0" if n < successes else codes[n % 2]) for n in range(rows)]


def test_no_success_at_all_is_all_blocked(db: Path) -> None:
    found = api.verify_sign_in_status(write_tables(db, sign_in_logs=blocked(successes=0)), home_countries=["AU"])
    assert (found.all_blocked, found.no_success, found.status) == (True, True, CaseVerdict.ALL_BLOCKED)
    assert (found.successes, found.failures, found.decision_coverage) == (0, 60, 1.0)


def test_one_success_is_not_all_blocked(db: Path) -> None:
    found = api.verify_sign_in_status(write_tables(db, sign_in_logs=blocked(successes=1)), home_countries=["AU"])
    assert (found.all_blocked, found.no_success, found.successes) == (False, False, 1)


@pytest.mark.parametrize("unknown", [TYPE_NAME, None, "1", "999999"])
def test_outcomes_that_are_not_known_are_no_success_and_never_all_blocked(db: Path, unknown: str | None) -> None:
    rows = [plain(n, unknown if n < 30 else "50126") for n in range(60)]
    found = api.verify_sign_in_status(write_tables(db, sign_in_logs=rows), home_countries=["AU"])
    assert (found.no_success, found.all_blocked, found.status) == (True, False, CaseVerdict.CANNOT_CONCLUDE)
    assert found.decision_coverage < 0.95
    assert found.cannot_conclude


def test_a_word_that_no_table_knows_stops_nothing_and_is_remembered_nowhere(db: Path) -> None:
    rows = [plain(n, status="Sucess" if n % 3 else "Success") for n in range(60)]
    before = digest(write_tables(db, sign_in_logs=rows))
    found = api.verify_sign_in_status(db, home_countries=["AU"])
    assert (found.successes, found.decision_coverage) == (60, 1.0)
    assert digest(str(db)) == before


def test_nothing_known_at_all_is_stopped_at_the_gate_and_concludes_nothing(db: Path) -> None:
    found = api.verify_sign_in_status(write_tables(db, sign_in_logs=[plain(n, TYPE_NAME) for n in range(40)]))
    assert (found.status, found.all_blocked, found.events) == (CaseVerdict.CANNOT_CONCLUDE, False, 0)
    assert "no outcome field may testify" in found.headline


def foreign(successes: int, attempts: int) -> list[Made]:
    """Owners at home, and attempts from abroad of which some succeed."""
    late = [START + timedelta(days=22, minutes=n) for n in range(attempts)]
    away = [
        plain(n, "0" if n < successes else "50126", "RU", ip_address=f"198.51.100.{n % 200}", timestamp=moment)
        for n, moment in enumerate(late)
    ]
    return [*(plain(n) for n in range(80)), *away]


@pytest.mark.parametrize(
    ("successes", "attempts", "flag"),
    [(4, 5, False), (80, 100, False), (81, 100, True), (8000, 10_000, False), (8001, 10_000, True), (4, 4, False)],
)
def test_the_breach_indicator_is_strictly_above_80_percent_of_at_least_five(
    db: Path, successes: int, attempts: int, flag: bool
) -> None:
    path = write_tables(db, sign_in_logs=foreign(successes, attempts))
    found = api.verify_sign_in_status(path, home_countries=["AU"])
    assert (found.foreign_successful_flows, found.foreign_attempts) == (successes, attempts)
    assert found.breach_indicator is flag
    assert found.foreign_attempt_success_rate == successes / attempts


def test_a_breach_among_many_attacked_accounts_is_judged_where_the_literal_flag_is_silent(db: Path) -> None:
    sprayed = [row for n in range(30) for row in rejected(f"p{n}@contoso.example", 2, country="RU")]
    path = write_rows(db, [*at_home(), *sprayed, *abroad(times=8)])
    found = api.verify_sign_in_status(path, home_countries=["AU"])
    assert (found.breach_indicator, found.accounts_above_rate) == (False, (ANN,))
    assert (found.status, found.compromised_accounts) == (CaseVerdict.BREACH_INDICATED, (ANN,))
    assert found.accounts[ANN] is AccountVerdict.COMPROMISE_INDICATED
    assert (found.foreign_successes, found.home_countries) == (8, ("AU",))


def test_homes_are_learned_where_none_are_given(db: Path) -> None:
    found = api.verify_sign_in_status(write_rows(db, [*at_home(), *at_home("bob@contoso.example")]))
    assert found.home_countries == ("AU",)
    assert found.foreign_successes == 0


def test_conditional_access_is_counted_as_read_beside_the_outcome(db: Path) -> None:
    words = ["success", "notApplied", None, "success"]
    rows = [plain(n, "50126" if n % 4 == 1 else "0", conditional_access_status=words[n % 4]) for n in range(8)]
    found = api.verify_sign_in_status(write_tables(db, sign_in_logs=rows))
    assert found.by_conditional_access_status == {"success": 4, "": 2, "notApplied": 2}
    assert found.by_outcome == {"REJECTED": 2, "SUCCESS": 6}
    assert found.recommended_field == "status_error_code"


def test_operations_are_counted_with_their_results_and_what_they_point_to(db: Path) -> None:
    rows = [
        *at_home(),
        *(operation("MailItemsAccessed", when=at(n), mail_access_type="Bind") for n in range(3)),
        *(operation("MailItemsAccessed", when=at(n), mail_access_type="Sync", is_throttled=True) for n in range(2)),
        operation("New-InboxRule", when=at(5), result_status="True"),
        logon(when=at(1)),
        logon(when=at(2), number="50126"),
    ]
    found = api.verify_audit_log_operations(write_rows(db, rows), home_countries=["AU"])
    assert (found.events, found.logons) == (8, 2)
    assert found.by_operation == {"MailItemsAccessed": 5, "New-InboxRule": 1, "UserLoggedIn": 1, "UserLoginFailed": 1}
    assert found.by_result["UserLoginFailed", "Success"] == 1
    assert found.logons_by_outcome == {"SUCCESS": 1, "REJECTED": 1}
    assert found.decision_coverage == 1.0
    assert (found.mail_access["Bind"], found.mail_access["Sync"], found.mail_access["throttled"]) == (3, 2, 2)
    rule = next(one for one in found.indicators if one.operation == "New-InboxRule")
    assert (rule.rows, rule.accounts, rule.mitre[:1]) == (1, (ANN,), "T")
    assert rule.severity in (Severity.WARNING, Severity.CRITICAL)
    assert found.exfiltration_indicator
    assert not found.privilege_indicator


def test_an_audit_log_made_by_hand_knows_its_logons_by_record_type_or_operation(db: Path) -> None:
    when = datetime(2026, 1, 5, 9, tzinfo=UTC)
    rows = [
        {"operation": "UserLoggedIn", "record_type": None, "user_id": "Ann@Contoso.example", "creation_time": when},
        {"operation": "UserLoginFailed", "record_type": 15.0, "user_id": "S-1-5-18", "creation_time": when},
        {"operation": "FileAccessed", "record_type": 6.0, "user_id": "ann@contoso.example", "creation_time": when},
    ]
    found = api.verify_audit_log_operations(write_tables(db, unified_audit_log=rows))
    assert (found.events, found.logons) == (3, 2)
    assert found.logons_by_outcome == {"SUCCESS": 1, "NOT_GRANTED": 1}
    assert found.by_result == {("FileAccessed", ""): 1, ("UserLoggedIn", ""): 1, ("UserLoginFailed", ""): 1}


def test_what_a_table_states_itself_is_believed_and_what_it_lacks_is_derived(db: Path) -> None:
    rows = [
        {
            "account": "ANN@contoso.example",
            "address": EVE,
            "is_person": True,
            "is_interactive": True,
            "event_time": "2026-01-05T09:00:00+02:00",
            "status_error_code": 50126.0,
            "country": "au",
        }
    ]
    path = write_tables(db, sign_in_logs=rows, unified_audit_log=[{"operation": "X", "is_logon": False}])
    found = api.verify_sign_in_status(path, home_countries="AU")
    assert (found.by_outcome, found.accounts) == ({"REJECTED": 1}, {"ann@contoso.example": AccountVerdict.TARGETED})
    assert found.all_blocked is (found.status is CaseVerdict.ALL_BLOCKED)


def test_a_table_with_hardly_a_column_is_judged_as_far_as_it_goes(db: Path) -> None:
    path = write_tables(db, sign_in_logs=[{"conditional_access_status": "success"} for _ in range(5)])
    found = api.verify_sign_in_status(path)
    assert (found.by_outcome, found.status) == ({"SUCCESS": 5}, CaseVerdict.CANNOT_CONCLUDE)
    assert found.accounts == {}


def test_legacy_sign_ins_alone_are_judged_too(db: Path) -> None:
    found = api.verify_sign_in_status(write_rows(db, [legacy(when=at(n), code="50126") for n in range(6)]))
    assert (found.by_outcome, found.recommended_field) == ({"REJECTED": 6}, None)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a published case and its document."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("M365DQ_HOME", str(home))
        registry = Registry.open(f"sqlite:///{home / 'registry.sqlite3'}")
        found = run_folder(write_sign_ins(home / "inbox" / "tiny"), registry)
        registry.close()
    return found.store.case_dir(found.prepared.case_id), found.document


def test_a_published_case_is_judged_as_it_was_published(published: tuple[Path, dict[str, Any]]) -> None:
    folder, document = published
    before = digest(str(folder / "current"))
    for path in (folder, folder / "g1.duckdb"):
        found = api.verify_sign_in_status(path)
        assert (found.case, found.status, found.confidence) == ("tiny", document["status"], document["confidence"])
        assert (found.headline, found.rule_pack) == (document["headline"], document["rule_pack"])
        assert found.by_outcome == document["sign_ins"]["by_outcome"]
        assert found.home_countries == ("AU",)
        assert dict(found.accounts) == {row["account"]: row["verdict"] for row in document["accounts"]}
    check = api.FieldReliabilityCheck(folder)
    for field in document["fields"]:
        score = check.check_field_population(field["log_type"], field["field"])
        assert score.population == pytest.approx(field["population"], abs=1e-6)
        assert (score.state, score.top_value) == (field["state"], field["top_raw"])
        ratio = check.check_discriminatory_power(field["log_type"], field["field"])
        assert ratio == pytest.approx(field["uniqueness_ratio"], abs=1e-6)
    assert digest(str(folder / "current")) == before


def test_other_home_countries_replace_those_of_a_published_case(published: tuple[Path, dict[str, Any]]) -> None:
    found = api.verify_sign_in_status(published[0], home_countries=["NZ"])
    assert "NZ" in found.home_countries


def test_any_table_of_a_generation_can_be_counted(published: tuple[Path, dict[str, Any]]) -> None:
    score = api.FieldReliabilityCheck(published[0]).check_field_population("files", "status")
    assert (score.rows, score.top_value, score.uniform, score.state, score.reasons) == (1, "IMPORTED", True, None, ())


def test_the_normalized_statuses_can_be_written_as_an_indexed_table(
    published: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, document = published
    out = tmp_path / "statuses.duckdb"
    assert api.write_normalized_status(folder, out) == 40
    with duckdb.connect(str(out), read_only=True) as con:
        counted = con.execute("SELECT normalized_status, count(*) FROM normalized_status_materialized GROUP BY ALL")
        told = {word: rows for word, rows in document["sign_ins"]["normalized"].items() if rows}
        assert dict(counted.fetchall()) == told
        assert len(con.execute("FROM duckdb_indexes()").fetchall()) == 1
    with pytest.raises(BadInput, match="cannot be made; give a file that does not exist yet"):
        api.write_normalized_status(folder, out)


def test_what_was_never_judged_has_no_normalized_statuses(db: Path, tmp_path: Path) -> None:
    path = write_tables(db, sign_in_logs=[plain()])
    with pytest.raises(BadInput, match="no table 'v_normalized_status'; it holds sign_in_logs"):
        api.write_normalized_status(path, tmp_path / "out.duckdb")
    assert not (tmp_path / "out.duckdb").exists()


def test_what_stopped_a_case_at_intake_stops_its_verification_and_an_override_does_not(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_sign_ins(tmp_path / "broken", 20)
    with (folder / "SigninLogs.csv").open("a", encoding="utf-8") as file:
        file.write("".join(f"torn,row,{n}\n" for n in range(20)))
    stopped = run_folder(folder, registry)
    place = stopped.store.case_dir("broken")
    assert stopped.blocked
    found = api.verify_sign_in_status(place)
    assert (found.status, found.events, found.headline) == (
        CaseVerdict.CANNOT_CONCLUDE,
        0,
        stopped.document["headline"],
    )
    forced = run_folder(folder, registry, "g2", override=Override("known", "ann", "2026-04-01"))
    for day, outcomes in ((1, forced.document["sign_ins"]["by_outcome"]), (2, {})):
        clock = FixedClock(datetime(2026, 4, day, 23, 59, tzinfo=UTC))
        monkeypatch.setattr("m365dq_dagster.stages.borrowed.SystemClock", lambda at=clock: at)
        assert api.verify_sign_in_status(place).by_outcome == outcomes


def test_the_file_is_never_changed_also_while_a_notebook_holds_it_open(db: Path) -> None:
    con = duckdb.connect(str(db))
    con.execute("CREATE TABLE sign_in_logs (conditional_access_status VARCHAR)")
    con.execute("INSERT INTO sign_in_logs VALUES ('success')")
    before = digest(str(db))
    assert api.verify_sign_in_status(str(db)).events == 1
    assert api.FieldReliabilityCheck(str(db)).check_discriminatory_power("sign_in_logs", "conditional_access_status")
    assert digest(str(db)) == before
    con.execute("CHECKPOINT")
    assert api.verify_sign_in_status(str(db)).events == 1
    con.close()


def test_a_log_that_no_verdict_looks_at_is_named_as_not_tested(db: Path) -> None:
    other = {"file_id": 9, "row_no": 1, "event_time": START, "event_time_raw": "x"}
    found = api.verify_sign_in_status(write_tables(db, sign_in_logs=[plain()], somebodys_logs=[other]))
    assert any("somebodys_logs" in sentence for sentence in found.not_tested)


def test_a_view_is_read_and_reaches_no_other_file(db: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("conditional_access_status\nsuccess\n", encoding="utf-8")
    with duckdb.connect(str(db)) as con:
        con.execute("CREATE TABLE kept AS SELECT 'success' AS conditional_access_status")
        con.execute("CREATE VIEW sign_in_logs AS FROM kept")
    assert api.verify_sign_in_status(str(db)).events == 1
    with duckdb.connect(str(db)) as con:
        con.execute(f"CREATE OR REPLACE VIEW sign_in_logs AS SELECT * FROM read_csv('{secret}')")
    with pytest.raises(BadInput, match="nothing was judged"):
        api.verify_sign_in_status(str(db))


def test_what_is_no_database_is_said_in_one_sentence(tmp_path: Path, db: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database" * 500, encoding="utf-8")
    for path, words in (
        (tmp_path / "nowhere.duckdb", "is no database and no folder of a published case"),
        (tmp_path, "is no database and no folder of a published case"),
        (text, r"cannot be read \(.*not a valid DuckDB database"),
    ):
        with pytest.raises(BadInput, match=words):
            api.verify_sign_in_status(str(path))
    (tmp_path / "current").write_text("../../etc/gone.duckdb", encoding="utf-8")
    with pytest.raises(BadInput, match="no folder of a published case"):
        api.verify_sign_in_status(tmp_path)


def test_what_a_database_lacks_is_said_in_one_sentence(db: Path) -> None:
    path = write_tables(db, cats=[{"name": "Tom"}], sign_in_logs=[plain()])
    check, scorer = api.FieldReliabilityCheck(path), api.FieldReliabilityScorer(path)
    for asked, words in (
        (lambda: api.verify_audit_log_operations(path), "there is no table unified_audit_log"),
        (lambda: check.check_field_population("dogs", "name"), "no table 'dogs'; it holds cats, sign_in_logs"),
        (lambda: check.check_discriminatory_power("cats", "colour"), "no column 'colour'; it has name"),
        (lambda: check.recommend_status_field("dogs"), "there is no table 'dogs'"),
        (lambda: check.recommend_status_field("cats"), "fields are judged in the tables sign_in_logs"),
        (lambda: scorer.calculate_base_score("sign_in_logs", "nothing"), "field 'nothing' is not judged there"),
        (lambda: scorer.recommend_fields("sign_in_logs", "revenge"), "no purpose 'revenge'; choose from: outcome"),
        (lambda: api.verify_sign_in_status(path, home_countries=["Australia"]), "is no country code"),
    ):
        with pytest.raises(BadInput, match=words):
            asked()


def test_a_database_without_any_log_is_refused(db: Path) -> None:
    with pytest.raises(BadInput, match="none of the tables sign_in_logs, legacy_auth_logs, unified_audit_log is there"):
        api.verify_sign_in_status(write_tables(db, cats=[{"name": "Tom"}]))


def test_nothing_is_remembered_of_a_look_at_a_database(db: Path, home: Path) -> None:
    api.verify_sign_in_status(write_tables(db, sign_in_logs=[plain(n) for n in range(5)]))
    assert list(home.iterdir()) == []


def test_a_summary_can_be_written_as_json(db: Path) -> None:
    from dataclasses import asdict

    found = api.verify_sign_in_status(write_rows(db, [*at_home(), sign_in(code=None)]))
    assert json.loads(json.dumps(asdict(found)))["events"] == 21
    assert os.listdir(db.parent) == [db.name]


@pytest.mark.parametrize(("days", "found"), [(90, ["512345"]), (91, [])])
def test_unknown_codes_are_those_of_ninety_days(
    registry: Registry, now: datetime, clock: FixedClock, days: int, found: list[str]
) -> None:
    at = now - timedelta(days=days)
    registry.record_sightings("c", [("sign_in_logs", "status_error_code", "512345", 1, None, None)], at)
    assert api.LookupTableMaintenance(clock=clock).detect_unknown_codes() == found


def test_a_code_that_was_added_stays_unknown_until_it_is_approved(
    registry: Registry, now: datetime, clock: FixedClock
) -> None:
    registry.record_sightings("c", [("sign_in_logs", "status_error_code", "512345", 1, None, None)], now)
    tables = api.LookupTableMaintenance(clock=clock, actor="Ada")
    (waits,) = tables.auto_add_codes(["512345"])
    assert waits.state == "PENDING"
    assert tables.detect_unknown_codes() == ["512345"]
    states = [one.state for one in tables.auto_add_codes(["512345", "512346"], approval_required=False)]
    assert states == ["APPROVED", "APPROVED"]
    assert tables.detect_unknown_codes() == []
    assert registry.code_changes()[0].proposer.acting_as == "Ada"


def test_the_maintenance_report_is_a_checklist_of_half_an_hour(home: Path, clock: FixedClock) -> None:
    report = api.LookupTableMaintenance(clock=clock).generate_maintenance_report()
    assert report.quarter == "2026Q1"
    assert report.minutes <= 30
    assert (home / "maintenance" / "2026Q1" / "report.html").is_file()


def test_a_dry_run_from_a_script_writes_nothing(tmp_path: Path, clock: FixedClock) -> None:
    tables = api.LookupTableMaintenance(tmp_path / "nowhere", clock=clock, dry_run=True)
    assert tables.detect_unknown_codes() == []
    assert tables.check_microsoft_changelog() == []
    assert [one.state for one in tables.auto_add_codes(["512345"])] == ["PENDING"]
    assert tables.generate_maintenance_report().quarter == "2026Q1"
    assert not (tmp_path / "nowhere").exists()
