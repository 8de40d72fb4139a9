"""Builds the view of all logons over the logs that hold any: what is planned costs more than what is empty, and every
statement about logons plans it again. What is made of its rows stands in `judge.sql`.
"""

from __future__ import annotations

from collections.abc import Collection

from m365dq_dagster.adapters.sql import quote_identifier, quote_literal
from m365dq_dagster.core.outcome import LogType

SIGN_INS = (LogType.SIGN_IN, LogType.LEGACY)


def logon_rows(filled: Collection[str]) -> str:
    """The view `logon_rows`: every logon of any log type with what its line says; of these logs, or of all where none
    is named. Whoever counts many rows asks `judged`, which needs none of the long texts.

    A country that is no two-letter code cannot be compared with a home and is unknown.
    """
    asked = filled or (*SIGN_INS, LogType.UAL)
    rows = [_sign_ins(log) for log in SIGN_INS if log in asked] + [_AUDIT_LOG] * (LogType.UAL in asked)
    return f"CREATE OR REPLACE VIEW logon_rows AS {' UNION ALL '.join(rows)}"


_LINE = "file_id, row_no, event_id, event_time AS read_time, account, is_person, address"
_PLACE = "CASE WHEN length(country) = 2 THEN upper(country) END AS stated_country"


def _sign_ins(log_type: str) -> str:
    return f"""
        SELECT
            {quote_literal(log_type)} AS log_type, {_LINE}, {_PLACE}, correlation_id, session_id,
            CASE
                WHEN contains(lower(sign_in_event_type), 'principal') THEN 'serviceprincipal'
                WHEN contains(lower(sign_in_event_type), 'managedidentity') THEN 'managedidentity'
                WHEN contains(lower(sign_in_event_type), 'noninteractive') OR is_interactive = FALSE
                    THEN 'noninteractiveuser'
                WHEN lower(sign_in_event_type) IN ('interactiveuser', 'signinlogs') OR is_interactive
                    THEN 'interactiveuser'
            END AS sign_in_type,
            lower(trim(client_app_used)) AS client_word, lower(authentication_protocol) AS protocol, user_agent,
            lower(authentication_requirement) AS requirement, device_id, device_trust_type,
            nullif(trim(lower(trim(browser, ' 0123456789.')), ' '), '') AS browser_family,
            nullif(lower(trim(os)), '') AS os, coalesce(status_error_code, status_error_code_copy) AS code,
            (
                status_error_code IS NOT NULL AND status_error_code_copy IS NOT NULL
                AND status_error_code <> status_error_code_copy
            ) AS codes_differ,
            'status' AS word_kind, status AS word, conditional_access_status AS access,
            status_error_code_raw AS code_raw, status_raw AS word_raw, conditional_access_status_raw AS access_raw
        FROM {quote_identifier(log_type)}
    """


_NOTHING = "CAST(NULL AS VARCHAR) AS"
_AUDIT_LOG = f"""
    SELECT
        'unified_audit_log' AS log_type, {_LINE}, {_PLACE}, correlation_id, session_id,
        {_NOTHING} sign_in_type, {_NOTHING} client_word, {_NOTHING} protocol,
        user_agent, {_NOTHING} requirement, {_NOTHING} device_id, {_NOTHING} device_trust_type,
        {_NOTHING} browser_family, {_NOTHING} os, error_number AS code, FALSE AS codes_differ,
        'operation' AS word_kind, operation AS word, {_NOTHING} access, error_number_raw AS code_raw,
        {_NOTHING} word_raw, {_NOTHING} access_raw
    FROM unified_audit_log
    WHERE is_logon
"""
