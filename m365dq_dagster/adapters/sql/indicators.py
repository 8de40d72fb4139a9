"""Builds the views through which verifiers read logs that only format files describe: such a table has the columns of
the formats that made it, and what it lacks is NULL. The statements stand in `indicators.sql`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from m365dq_dagster.adapters.sql import quote_identifier

TEXT, TIME, TRUTH = "VARCHAR", "TIMESTAMP", "BOOLEAN"

READ: Mapping[str, Mapping[str, str]] = {
    "entra_audit_logs": {
        **dict.fromkeys(
            (
                "account",
                "address",
                "activity",
                "app_id",
                "app_display_name",
                "service_principal_id",
                "initiated_by",
                "result",
                "modified_properties",
                "target_resources",
                "target_user_principal_name",
                "target_display_name",
            ),
            TEXT,
        ),
        "is_person": TRUTH,
    },
    "message_trace": dict.fromkeys(
        ("message_id", "message_trace_id", "sender_address", "recipient_address", "subject", "status"), TEXT
    ),
    "mailbox_audit": dict.fromkeys(("operation", "logon_type", "mailbox_owner_upn", "address"), TEXT),
    "risk_detections": {
        **dict.fromkeys(
            ("account", "address", "service_principal_id", "risk_event_type", "risk_level", "risk_state"), TEXT
        ),
        "last_updated_time": TIME,
        "detected_time": TIME,
    },
    "risky_users": {
        **dict.fromkeys(("account", "user_id", "risk_level", "risk_state"), TEXT),
        "risk_last_updated": TIME,
    },
    "security_alerts": dict.fromkeys(
        ("title", "severity", "category", "status", "classification", "attack_techniques"), TEXT
    ),
    "inbox_rules": {
        **dict.fromkeys(
            ("mailbox", "rule_name", "forward_to", "forward_as_attachment_to", "redirect_to", "move_to_folder"), TEXT
        ),
        "delete_message": TRUTH,
        "enabled": TRUTH,
    },
    "transport_rules": {
        **dict.fromkeys(("name", "state", "blind_copy_to", "copy_to", "redirect_message_to"), TEXT),
        "delete_message": TRUTH,
        "set_scl": "BIGINT",
    },
    "oauth_consents": dict.fromkeys(("scope", "consent_type"), TEXT),
    "mailbox_delegations": {
        **dict.fromkeys(("mailbox", "delegate", "access_rights", "permission_type"), TEXT),
        "is_inherited": TRUTH,
    },
    "mfa_changes": dict.fromkeys(("activity", "result"), TEXT),
}
"""The columns that verifiers read of a log, with their SQL types, beside those that every table of events has."""

ALWAYS = ("file_id", "row_no", "event_id", "event_time")


def read_view(log_type: str, have: Collection[str]) -> str:
    """The view `<log_type>_read`, where `have` are the columns that the table has."""
    columns = {**dict.fromkeys(ALWAYS, TEXT), **READ[log_type]}
    picks = [
        quote_identifier(name) if name in have else f"CAST(NULL AS {kind}) AS {quote_identifier(name)}"
        for name, kind in columns.items()
    ]
    view = quote_identifier(f"{log_type}_read")
    return f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT {', '.join(picks)} FROM {quote_identifier(log_type)}"
