"""Builds the statement that counts, by one circumstance, the rows on which a field holds a value: those of an account,
and the others of the same log. The circumstances are those that context rules can ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from m365dq_dagster.adapters.sql import quote_identifier
from m365dq_dagster.adapters.sql.context_rules import COLUMNS, EXPRESSIONS, client_kind
from m365dq_dagster.core.adjudication import Client

ASKED = ("clients", "sign_in_types", "record_types", "token_types", "formats", "address_kinds", "aggregated")
"""The circumstances that are counted: those whose words come from a closed list or from the vendor."""

MOST_WORDS = 40
"""Words of one circumstance that are told, the commonest first."""


def askable(columns: set[str]) -> tuple[str, ...]:
    """The circumstances that a log with these columns can tell."""
    return tuple(name for name in ASKED if set(COLUMNS.get(name, ())) <= columns)


def count_words(
    table: str, field: str, name: str, clients: Mapping[Client, Sequence[str]], otherwise: Client, *, logons_only: bool
) -> tuple[str, dict[str, object]]:
    """A statement and its values, `$account` still to be bound (NULL: every row is the account's): for each word of
    the circumstance the account's rows and the others.
    """
    values: dict[str, object] = {}
    expression = EXPRESSIONS.get(name, "m.format")
    if name == "clients":
        expression = client_kind("c", clients, otherwise)
        values = {f"c_{kind}": list(words) for kind, words in clients.items()}
    formats = f"JOIN file_formats AS m ON m.file_id = t.file_id AND m.log_type = '{table}'" if name == "formats" else ""
    scope = " AND t.is_logon" if logons_only else ""
    mine = "($account IS NULL OR t.account = $account)"
    return (
        f"""
        SELECT CAST({expression} AS VARCHAR) AS word, count(*) FILTER (WHERE {mine}) AS mine,
            count(*) FILTER (WHERE NOT coalesce({mine}, FALSE)) AS others
        FROM {quote_identifier(table)} AS t
        LEFT JOIN files AS f ON f.file_id = t.file_id
        {formats}
        WHERE t.{quote_identifier(field)} IS NOT NULL{scope}
        GROUP BY word
        ORDER BY mine DESC, others DESC, word
        """,
        values,
    )
