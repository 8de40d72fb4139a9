"""Builds the statement that counts what stands beside a value in one log of a published generation."""

from __future__ import annotations

from collections.abc import Collection

from m365dq_dagster.adapters.sql import quote_identifier

WITNESSES = ("status", "conditional_access_status", "operation")
"""What else may say how a sign-in ended, in the order of the result's columns."""


def beside(table: str, field: str, columns: Collection[str]) -> str:
    """For every value of `$wanted`: value, what each witness says ('' where it is silent or not a column), rows."""
    told = [
        f"coalesce(trim(t.{quote_identifier(name)}), '')" if name in columns and name != field else "''"
        for name in WITNESSES
    ]
    value = f"trim(t.{quote_identifier(field)})"
    return (
        f"SELECT {value} AS value, {', '.join(f'{one} AS {name}' for one, name in zip(told, WITNESSES, strict=True))},"
        f" count(*) AS found FROM {quote_identifier(table)} AS t WHERE list_contains($wanted, {value})"
        " GROUP BY ALL ORDER BY found DESC, 1, 2, 3, 4"
    )
