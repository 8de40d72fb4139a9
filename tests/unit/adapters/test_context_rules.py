"""Counting in SQL the rows that match a rule gives what the rule says of each row."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, create_schema
from m365dq_dagster.core.context_rules import ContextRule, RowFacts
from m365dq_dagster.core.outcome import LogType
from tests.support.case_runs import shipped_pack
from tests.support.evidence import START, Row, load, logon, operation, sign_in

CLIENTS = {"Browser": "OTHER", "IMAP4": "LEGACY", "Exchange ActiveSync": "ACTIVESYNC", None: "OTHER", "Odd": "OTHER"}
TYPES = {
    "interactiveUser": "interactiveuser",
    "nonInteractiveUser": "noninteractiveuser",
    "servicePrincipal": "serviceprincipal",
    "managedIdentity": "managedidentity",
    None: None,
}
SIGN_INS = st.fixed_dictionaries(
    {
        "client_app_used": st.sampled_from(list(CLIENTS)),
        "sign_in_event_type": st.sampled_from(list(TYPES)),
        "is_interactive": st.none(),
        "incoming_token_type": st.sampled_from([None, "refreshToken", "Refresh token", "none"]),
        "address": st.sampled_from([None, "203.0.113.7", "2001:db8::7"]),
        "country": st.sampled_from([None, "NA", "AU"]),
        "city": st.sampled_from([None, "Windhoek"]),
        "os": st.sampled_from([None, "iOS 18", "Windows 11"]),
        "status": st.sampled_from([None, "Success"]),
        "access": st.sampled_from([None, "failure"]),
        "risk_state": st.sampled_from([None, "atRisk"]),
        "authentication_requirement": st.sampled_from([None, "singleFactorAuthentication"]),
        "when": st.sampled_from([None, START, START + timedelta(hours=47), START + timedelta(hours=60)]),
        "table": st.sampled_from(["sign_in_logs", "legacy_auth_logs"]),
    }
)
RECORDS = st.fixed_dictionaries(
    {
        "record_type": st.sampled_from([None, "15", "6", "8"]),
        "result_status": st.sampled_from([None, "Success"]),
        "is_logon": st.booleans(),
    }
)
LAST = START + timedelta(hours=60)
NAMES = {"access": "conditional_access_status"}


def matched(rows: list[Row], licence: str | None, *, stands_for: int = 1) -> measure.Rows:
    """The rule matches of rows whose files are PowerShell exports that end at `LAST`."""
    con = duckdb.connect(":memory:", config={**CONNECT_CONFIG, "threads": 1})
    try:
        create_schema(con)
        load(con, rows)
        con.execute("UPDATE files SET last_event = ?, rows_stand_for = rows_read * ?", [LAST, stands_for])
        con.execute("INSERT INTO file_formats VALUES (1, 'sign_in_logs', 'ps_signin_csv')")
        measure.count_rule_matches(con, shipped_pack(), licence)
        return sorted((*key, *numbers) for key, numbers in measure.rule_matches(con).items())
    finally:
        con.close()


def facts(row: Row, field: str, licence: str | None, aggregated: bool) -> RowFacts:
    columns: dict[str, Any] = dict(row.columns)
    when = columns.get("event_time")
    client = CLIENTS[columns.get("client_app_used")]
    legacy_log = row.table == "legacy_auth_logs"
    return RowFacts(
        client="LEGACY" if legacy_log and client == "OTHER" else client,
        sign_in_type=TYPES[columns.get("sign_in_event_type")],
        record_type=columns.get("record_type"),
        token_type=columns.get("incoming_token_type"),
        format="ps_signin_csv" if row.table == "sign_in_logs" else None,
        licence=licence,
        value=None if columns.get(field) is None else str(columns[field]),
        address=columns.get("address"),
        system=columns.get("os"),
        aggregated=aggregated,
        hours_before_end=None if when is None else (LAST - when) / timedelta(hours=1),
    )


def by_hand(rule: ContextRule, rows: list[Row], log: str, field: str, licence: str | None, aggregated: bool) -> int:
    logons = log == LogType.UAL and field in measure.LOGON_ONLY and rule.effect.value != "not_applicable"
    of_log = [row for row in rows if row.table == log and (not logons or row.columns.get("is_logon"))]
    return sum(rule.matches(facts(row, field, licence, aggregated)) for row in of_log)


@settings(max_examples=12)
@given(
    st.lists(SIGN_INS, min_size=1, max_size=6),
    st.lists(RECORDS, max_size=4),
    st.sampled_from([None, "P1", "P2"]),
    st.booleans(),
)
def test_the_counts_of_a_log_equal_the_rule_asked_of_each_row(
    sign_ins: list[dict[str, Any]], records: list[dict[str, Any]], licence: str | None, aggregated: bool
) -> None:
    rows = [sign_in(**columns) for columns in sign_ins] + [operation("FileAccessed", **columns) for columns in records]
    found = {key[:3]: key[3] for key in matched(rows, licence, stands_for=2 if aggregated else 1)}
    filled = {row.table for row in rows}
    for rule in shipped_pack().context_rules:
        for log, field in rule.targets:
            expected = by_hand(rule, rows, log, field, licence, aggregated) if log in filled else 0
            assert found.get((rule.id, log, field), 0) == expected, (rule.id, log, field)


def test_a_rule_that_looks_at_a_column_the_log_does_not_have_matches_nothing() -> None:
    con = duckdb.connect(":memory:", config={**CONNECT_CONFIG, "threads": 1})
    try:
        create_schema(con)
        load(con, [logon()])
        pack = shipped_pack()
        found = {key[0] for key in measure.rule_matches(con)}
        assert found == set()
        measure.count_rule_matches(con, pack, None)
        logs = {log for _, log, _ in measure.rule_matches(con)}
        assert logs == {"unified_audit_log"}
    finally:
        con.close()


@pytest.mark.parametrize("one", shipped_pack().context_rules, ids=lambda one: one.id)
def test_the_runbook_of_a_shipped_rule_has_its_section(one: ContextRule, checkout: Path) -> None:
    page, _, section = one.runbook.partition("#")
    assert f"\n## {section}\n" in (checkout / page).read_text(encoding="utf-8")
    assert section == one.id


def test_the_formats_that_rules_name_are_there() -> None:
    known = {str(one["id"]) for one in shipped_pack().formats}
    assert {name for rule in shipped_pack().context_rules for name in rule.when.formats or ()} <= known
