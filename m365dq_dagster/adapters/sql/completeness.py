"""The statements of the search for missing evidence that name a table: how often a log speaks, which mailboxes were
throttled. What the answers mean is judged in `core.completeness`."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from m365dq_dagster.adapters.sql import named_statements, quote_identifier

TYPE_COLUMNS = frozenset({"is_interactive", "sign_in_event_type"})
"""The columns of a table that tell the type of a sign-in."""

_KIND = (
    "CASE WHEN contains(lower(t.sign_in_event_type), 'principal') THEN 'service principal'"
    " WHEN contains(lower(t.sign_in_event_type), 'managedidentity') THEN 'managed identity'"
    " WHEN contains(lower(t.sign_in_event_type), 'noninteractive') THEN 'non-interactive'"
    " WHEN lower(t.sign_in_event_type) IN ('interactiveuser', 'signinlogs') THEN 'interactive'"
    " WHEN t.is_interactive THEN 'interactive' WHEN t.is_interactive = false THEN 'non-interactive' END"
)


def statement(name: str) -> str:
    """A fixed statement of the search, by name."""
    return named_statements("completeness")[name].replace("{kind}", _KIND)


def busy_minutes(log_type: str, columns: AbstractSet[str]) -> str:
    """Keep first and last event of every minute that has one, of the whole log (kind '') and, where every row names
    its type and there are several, of each type. Files in `$left_out` are passed by."""
    kind = _KIND if columns >= TYPE_COLUMNS else "CAST(NULL AS VARCHAR)"
    return (
        "CREATE OR REPLACE TEMP TABLE completeness_minutes AS WITH timed AS ("
        f"SELECT {kind} AS kind, date_trunc('minute', t.event_time) AS minute, min(t.event_time) AS first,"
        f" max(t.event_time) AS last, count(*) AS events FROM {quote_identifier(log_type)} AS t"
        " WHERE t.event_time IS NOT NULL AND NOT list_contains($left_out, t.file_id) GROUP BY ALL)"
        " SELECT '' AS kind, minute, min(first) AS first, max(last) AS last, sum(events) AS events FROM timed"
        " GROUP BY minute"
        " UNION ALL SELECT kind, minute, first, last, events FROM timed"
        " WHERE (SELECT count(DISTINCT kind) > 1 AND count(*) = count(kind) FROM timed)"
    )


def throttled(log_type: str, account: str) -> str:
    """Mailboxes and hours in which reads were throttled; `account` is the column that names the mailbox. Rows of files
    in `$left_out` have no hour."""
    return (
        "SELECT account, date_trunc('hour', moment) AS hour, min(moment) AS moment, count(*) AS rows"
        f" FROM (SELECT {quote_identifier(account)} AS account,"
        " CASE WHEN NOT list_contains($left_out, file_id) THEN event_time END AS moment"
        f" FROM {quote_identifier(log_type)} WHERE is_throttled) GROUP BY account, hour ORDER BY ALL"
    )
