"""The document that others script against: its keys, and where its numbers come from."""

import json
from pathlib import Path

import duckdb
import pytest

from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, CaseStore, create_schema
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.stages import document, quality
from tests.support.case_runs import Bench, judged
from tests.support.evidence import ANN, BOB, abroad, at, at_home, logon, operation, rejected, sign_in

ROWS = [*at_home(), *at_home(BOB), *rejected(BOB, 2, at(3), "AU"), *abroad()]

KEYS = [
    "case", "status", "confidence", "headline", "rule_pack", "started_at", "seconds", "stage", "quality", "files",
    "quarantine", "completeness", "sign_ins", "by_log_type", "fields", "recommended", "unknown_codes", "unknown_values",
    "conflicts", "accounts", "indicators", "findings", "leads", "not_tested", "cannot_conclude", "alerts",
]  # fmt: skip
"""Promised to everybody who reads a document."""


def test_every_promised_key_is_there_whether_judged_blocked_or_hardly_begun() -> None:
    with Bench().run(ROWS) as run:
        begun = document.build(run, stage="IMPORTED")
        quality.run(run)
        checked = document.build(run, stage="CHECKED")
        found = judged(run)
    with Bench().run([sign_in(code=None)]) as run:
        blocked = judged(run)
    for body in (begun, checked, found, blocked):
        assert set(KEYS) <= set(body)
        assert set(document.EMPTY_SIGN_INS) <= set(body["sign_ins"])
        assert json.loads(json.dumps(body)) == body


def test_a_run_that_reached_no_verdict_says_so_and_concludes_nothing() -> None:
    with Bench().run(ROWS) as run:
        found = document.build(run, stage="IMPORTED")
    assert (found["status"], found["confidence"]) == ("CANNOT_CONCLUDE", "LOW")
    assert found["headline"] == "Case tiny: cannot conclude. The run did not reach a verdict."
    assert found["findings"] == found["unknown_codes"] == found["unknown_values"] == []
    assert found["by_log_type"] == {"sign_in_logs": {"events": len(ROWS), "by_outcome": {}}}


def test_normalized_counts_and_ratios_are_those_of_the_outcomes() -> None:
    with Bench().run([*ROWS, sign_in(when=at(9), code="512345")], home=["AU"]) as run:
        found = judged(run)["sign_ins"]
    assert found["by_outcome"] == {"REJECTED": 2, "SUCCESS": 46, "UNKNOWN": 1}
    assert found["normalized"] == {"SUCCESS": 46, "FAILURE": 2, "UNKNOWN": 1}
    assert found["decision_coverage"] == pytest.approx(48 / 49, abs=1e-6)
    assert (found["foreign_attempt_success_rate"], found["foreign_successes"]) == (1.0, 6)
    assert found["foreign_share_of_success"] == pytest.approx(6 / 46)
    assert found["foreign_share_of_all"] == pytest.approx(6 / 49)


def test_each_log_shows_its_own_events_logons_and_coverage() -> None:
    rows = [*ROWS, logon(when=at(2)), logon(BOB, at(2), "512345"), operation("FileAccessed", BOB, at(3))]
    with Bench().run(rows, home=["AU"]) as run:
        found = judged(run)["by_log_type"]
    audit = found["unified_audit_log"]
    assert (audit["events"], audit["logons"], audit["by_outcome"]) == (3, 2, {"SUCCESS": 1, "UNKNOWN": 1})
    assert audit["decision_coverage"] == 0.5
    assert found["sign_in_logs"]["decision_coverage"] == 1.0


def test_a_log_without_logons_has_no_coverage() -> None:
    with Bench().run([*ROWS, operation("FileAccessed", BOB, at(3))], home=["AU"]) as run:
        assert judged(run)["by_log_type"]["unified_audit_log"]["decision_coverage"] is None


def test_an_unknown_word_is_shown_under_the_name_that_the_source_gives_the_field() -> None:
    odd = [sign_in(ANN, at(3), status="Sucess") for _ in range(3)]
    with Bench().run([*ROWS, *odd]) as run:
        run.con.execute("INSERT INTO field_provenance VALUES (1, 'sign_in_logs', 'status', 'source:Result Type')")
        one = judged(run)["unknown_values"]
        run.con.execute("INSERT INTO field_provenance VALUES (2, 'sign_in_logs', 'status', 'source:Other')")
        two = judged(run)["unknown_values"]
    row = {"log_type": "sign_in_logs", "value": "Sucess", "rows": 3, "canonical_field": "status"}
    assert one == [{**row, "field": "result_type"}]
    assert two == [{**row, "field": "status"}]


def test_ledger_rows_are_shown_with_moments_in_utc() -> None:
    with Bench().run(ROWS) as run:
        run.con.execute("UPDATE files SET first_event = TIMESTAMP '2026-01-05 09:00:00'")
        run.con.execute(
            "INSERT INTO quarantine (file_id, row_no, reason) VALUES (1, 7, 'ROW_EMPTY'), (1, 8, 'ROW_EMPTY')"
        )
        run.con.execute("INSERT INTO completeness VALUES ('HOLE', 'sign_in_logs', '2026-01-06', NULL, 'a gap')")
        found = document.build(run, stage="IMPORTED")
    assert found["files"][0]["first_event"] == "2026-01-05T09:00:00Z"
    assert found["quarantine"] == [{"reason": "ROW_EMPTY", "rows": 2}]
    lead = {"kind": "HOLE", "log_type": "sign_in_logs", "from": "2026-01-06T00:00:00Z", "to": None, "detail": "a gap"}
    assert found["completeness"] == [lead]


def test_a_case_that_was_never_judged_has_no_document(home: Path) -> None:
    with pytest.raises(BadInput, match="There is no case 'nobody' that was judged"):
        document.read_document(CaseStore(home / "cases"), "nobody")


def test_a_generation_without_a_document_says_what_to_do(home: Path) -> None:
    store = CaseStore(home / "cases")
    with duckdb.connect(str(store.begin("c", "g1", from_current=False)), config=CONNECT_CONFIG) as con:
        create_schema(con)
    store.publish("c", "g1")
    with pytest.raises(BadInput, match="without a document; run it again"):
        document.read_document(store, "c")


def test_a_kept_document_is_replaced_by_a_later_one() -> None:
    with Bench().run(ROWS) as run:
        assert document.kept(run.con) == {}
        document.keep(run.con, {"case": "one"})
        document.keep(run.con, {"case": "two", "text": "\"'; -- é"})
        assert document.kept(run.con) == {"case": "two", "text": "\"'; -- é"}
