"""The document that others script against: its keys, and where its numbers come from."""

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, CaseStore, create_schema
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.ledger import QuarantineReason
from m365dq_dagster.stages import document, quality
from m365dq_dagster.stages.published import kept, read_document
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
        last = "(SELECT max(rowid) FROM sign_in_logs WHERE status = 'Sucess')"
        run.con.execute(f"UPDATE sign_in_logs SET file_id = 2 WHERE rowid = {last}")
        two = judged(run)["unknown_values"]
    row = {"log_type": "sign_in_logs", "value": "Sucess", "rows": 3, "canonical_field": "status"}
    assert [one[0][key] for key in row] == [two[0][key] for key in row] == list(row.values())
    assert (one[0]["field"], two[0]["field"]) == ("result_type", "status")


def test_ledger_rows_are_shown_with_moments_in_utc() -> None:
    with Bench().run(ROWS) as run:
        run.con.execute("UPDATE files SET first_event = TIMESTAMP '2026-01-05 09:00:00'")
        run.con.execute(
            "INSERT INTO quarantine (file_id, row_no, reason) VALUES (1, 7, 'ROW_EMPTY'), (1, 8, 'ROW_EMPTY')"
        )
        run.con.execute("INSERT INTO completeness VALUES ('HOLE', 'sign_in_logs', '2026-01-06', NULL, 'a gap')")
        found = document.build(run, stage="IMPORTED")
    assert found["files"][0]["first_event"] == "2026-01-05T09:00:00Z"
    assert [(row["reason"], row["rows"]) for row in found["quarantine"]] == [("ROW_EMPTY", 2)]
    lead = {"kind": "HOLE", "log_type": "sign_in_logs", "from": "2026-01-06T00:00:00Z", "to": None, "detail": "a gap"}
    assert found["completeness"] == [lead]


def test_each_reason_says_in_which_files_what_it_means_and_what_to_do() -> None:
    with Bench().run(ROWS) as run:
        run.con.execute("INSERT INTO files (file_id, path, bytes, status) VALUES (7, 'b.csv', 1, 'IMPORTED')")
        run.con.execute(
            "INSERT INTO quarantine (file_id, row_no, reason) VALUES "
            "(1, 1, 'ROW_EMPTY'), (7, 1, 'ROW_EMPTY'), (7, 2, 'ROW_EMPTY'), (99, 1, 'OF_ANOTHER_VERSION')"
        )
        odd, empty = document.build(run, stage="IMPORTED")["quarantine"]
    assert empty["files"] == [{"path": "b.csv", "rows": 2}, {"path": "SignInLogs.csv", "rows": 1}]
    assert (empty["rows"], empty["file_count"]) == (3, 2)
    assert empty["means"] == "Every cell of the row is blank."
    assert empty["what_to_do"].startswith("Nothing to do")
    assert (odd["rows"], odd["means"], odd["what_to_do"]) == (1, "", "")


def test_every_reason_has_a_meaning_and_a_remedy() -> None:
    told = {reason: document.remedy(reason) for reason in QuarantineReason}
    assert [reason for reason, words in told.items() if not words["means"] or not words["what_to_do"]] == []


ACTIVITY = "CREATE TABLE azure_activity (file_id INTEGER, row_no BIGINT, event_time TIMESTAMP, event_time_raw VARCHAR)"


def test_a_log_that_is_not_judged_is_counted_and_said_not_to_be_judged() -> None:
    with Bench().run(ROWS) as run:
        run.con.execute(ACTIVITY)
        run.con.execute('CREATE TABLE "odd ""log""" AS FROM azure_activity')
        run.con.execute("INSERT INTO azure_activity VALUES (1, 1, '2026-01-05', 'x'), (1, 2, NULL, NULL)")
        found = judged(run)
    assert found["by_log_type"]["azure_activity"] == {
        "events": 2,
        "by_outcome": {},
        "first_event": "2026-01-05T00:00:00Z",
        "last_event": "2026-01-05T00:00:00Z",
        "judged": False,
    }
    assert set(found["by_log_type"]) == {"sign_in_logs", "azure_activity"}
    assert "judged" not in found["by_log_type"]["sign_in_logs"]
    sentence = "2 azure_activity rows were taken in and are not judged yet: nothing is concluded from them."
    assert found["not_tested"][-1] == sentence


def test_a_blocked_case_says_too_which_logs_were_not_judged() -> None:
    with Bench().run([sign_in(code=None)]) as run:
        run.con.execute(ACTIVITY)
        run.con.execute("INSERT INTO azure_activity VALUES (1, 1, NULL, NULL)")
        found = judged(run)
    assert found["by_log_type"]["azure_activity"]["first_event"] is None
    assert found["not_tested"] == [
        "1 azure_activity row was taken in and is not judged yet: nothing is concluded from it."
    ]


def test_a_blocked_case_concludes_nothing_from_a_log_that_has_a_verifier() -> None:
    with Bench().run([sign_in(code=None)]) as run:
        run.con.execute(ACTIVITY.replace("azure_activity", "message_trace"))
        run.con.execute("INSERT INTO message_trace VALUES (1, 1, NULL, NULL)")
        found = judged(run)
    assert found["by_log_type"]["message_trace"]["judged"] is False


def published(store: CaseStore, *statements: str) -> None:
    with duckdb.connect(str(store.begin("c", "g1", from_current=False)), config=CONNECT_CONFIG) as con:
        create_schema(con)
        for one in ("a.csv", "b.csv"):
            con.execute(
                "INSERT INTO files (file_id, path, sha256, bytes, format, status) "
                "VALUES (?, ?, 'ab', 1, 'f', 'IMPORTED')",
                [ord(one[0]), one],
            )
        for statement in statements:
            con.execute(statement)
    store.publish("c", "g1")


def test_rows_set_aside_are_read_back_as_they_were_with_every_reason_and_file_first(home: Path) -> None:
    store = CaseStore(home / "cases")
    published(
        store,
        "INSERT INTO quarantine "
        "SELECT ord('a'), range, 'ROW_EMPTY', 'd', concat('raw', chr(0), range) FROM range(1, 50)",
        "INSERT INTO quarantine VALUES "
        "(ord('b'), 3, 'ROW_EMPTY', NULL, NULL), (ord('b'), 2, 'COLUMN_COUNT', 'd', 'é<b>')",
    )
    everything = document.read_quarantine(store, "c")
    few = document.read_quarantine(store, "c", rows=3, characters=2)
    assert len(everything) == 51
    assert everything[0] == {
        "file": "b.csv", "row": 2, "reason": "COLUMN_COUNT", "detail": "d", "raw": "é<b>", "characters": 4,
    }  # fmt: skip
    assert [row["raw"] for row in everything[1:3]] == ["raw\x001", "raw\x002"]
    assert [(row["file"], row["row"], row["raw"]) for row in few] == [
        ("b.csv", 2, "é<"), ("a.csv", 1, "ra"), ("b.csv", 3, None),
    ]  # fmt: skip


def test_provenance_is_read_back_by_file_and_field(home: Path) -> None:
    store = CaseStore(home / "cases")
    published(
        store,
        "INSERT INTO field_provenance VALUES (ord('a'), 'sign_in_logs', 'status', 'source:Status'), "
        "(ord('a'), 'sign_in_logs', 'country', 'absent'), (ord('b'), 'sign_in_logs', 'status', 'derived:x from Y')",
    )
    file = {"sha256": "ab", "format": "f", "log_type": "sign_in_logs"}
    assert document.read_provenance(store, "c") == [
        {**file, "path": "a.csv", "fields": {"country": "absent", "status": "source:Status"}},
        {**file, "path": "b.csv", "fields": {"status": "derived:x from Y"}},
    ]


@pytest.mark.parametrize("read", [document.read_quarantine, document.read_provenance])
def test_what_was_never_judged_has_no_rows_to_read_back(home: Path, read: Callable[..., object]) -> None:
    with pytest.raises(BadInput, match="There is no case 'nobody' that was judged"):
        read(CaseStore(home / "cases"), "nobody")


def test_a_case_that_was_never_judged_has_no_document(home: Path) -> None:
    with pytest.raises(BadInput, match="There is no case 'nobody' that was judged"):
        read_document(CaseStore(home / "cases"), "nobody")


def test_a_generation_without_a_document_says_what_to_do(home: Path) -> None:
    store = CaseStore(home / "cases")
    with duckdb.connect(str(store.begin("c", "g1", from_current=False)), config=CONNECT_CONFIG) as con:
        create_schema(con)
    store.publish("c", "g1")
    with pytest.raises(BadInput, match="without a document; run it again"):
        read_document(store, "c")


def test_a_kept_document_is_replaced_by_a_later_one() -> None:
    with Bench().run(ROWS) as run:
        assert kept(run.con) == {}
        document.keep(run.con, {"case": "one"})
        document.keep(run.con, {"case": "two", "text": "\"'; -- é"})
        assert kept(run.con) == {"case": "two", "text": "\"'; -- é"}


def test_the_share_of_known_outcomes_stands_beside_every_rate() -> None:
    found = Bench().judge([*at_home(days=range(3)), sign_in(when=at(4), code=None)], home=["AU"])
    assert found["sign_ins"]["decision_coverage"] == 0.75
    assert found["by_log_type"]["sign_in_logs"]["decision_coverage"] == 0.75
    assert found["by_account"][ANN]["decision_coverage"] == 0.75
