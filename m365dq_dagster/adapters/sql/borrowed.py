"""Builds the copying of one table of a database that was handed over into the canonical table of the same name.

A table of a published generation is copied as it stands. A table that a notebook or a test made may have fewer columns,
and texts as an export wrote them: it passes through the same macros as an import, and what it lacks stays NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from m365dq_dagster.adapters.sql import quote_identifier, quote_literal
from m365dq_dagster.adapters.sql.landing import CODES, RAW_SUFFIX, TargetColumn

SOURCE = "published"
"""The name under which the database that was handed over is attached."""

ALSO_CALLED: Mapping[str, tuple[str, ...]] = {
    "event_id": ("log_id",),
    "event_time": ("timestamp", "created_date_time", "creation_time"),
    "country": ("location_country",),
    "ip_address": ("client_ip",),
}
"""Other names of a canonical column in a table made by hand, those of the view `v_normalized_status` among them."""

Columns = Mapping[str, str]
"""The columns of a source table: name in lower case -> SQL type."""


def copy_as_it_is(table: str, target: Sequence[TargetColumn], given: Columns) -> str:
    """Copy a table of a generation: every column that both sides have."""
    names = ", ".join(quote_identifier(column.name) for column in target if column.name in given)
    return f"INSERT INTO {quote_identifier(table)} ({names}) SELECT {names} FROM {_source(table)}"


def copy_whole(table: str) -> str:
    """Copy a table that no schema describes."""
    return f"CREATE TABLE {quote_identifier(table)} AS FROM {_source(table)}"


def copy_cleaned(table: str, target: Sequence[TargetColumn], given: Columns, file_id: int) -> str:
    """Copy a table that was made by hand; rows are numbered as they stand, from 1."""
    texts = {column.name: _text(column.name, given) for column in target}
    values = [f"{_value(column, texts, given)} AS {quote_identifier(column.name)}" for column in target[2:]]
    listed = ", ".join([f"{file_id} AS file_id", "row_number() OVER () AS row_no", *values])
    return f"INSERT INTO {quote_identifier(table)} BY NAME SELECT {listed} FROM {_source(table)}"


def count_field(table: str, field: str) -> str:
    """Count one column of any table: rows, blanks, distinct values with blank as one, the commonest value, its rows."""
    value = f"CAST({quote_identifier(field)} AS VARCHAR)"
    return (
        "SELECT coalesce(sum(k), 0), coalesce(sum(k) FILTER (WHERE value IS NULL), 0), count(*),"
        " first(value ORDER BY k DESC, value), coalesce(max(k), 0)"
        f" FROM (SELECT {value} AS value, count(*) AS k FROM {_source(table)} GROUP BY 1) AS counted"
    )


def _source(table: str) -> str:
    return f"{SOURCE}.main.{quote_identifier(table)}"


def _given_name(name: str, given: Columns) -> str | None:
    return next((one for one in (name, *ALSO_CALLED.get(name, ())) if one in given), None)


def _text(name: str, given: Columns) -> str | None:
    found = _given_name(name, given)
    return f"CAST({quote_identifier(found)} AS VARCHAR)" if found else None


def _value(column: TargetColumn, texts: Mapping[str, str | None], given: Columns) -> str:
    """A canonical value, or NULL of its type where the table holds nothing that it could come from."""
    made = DERIVED.get(column.name)
    if made is not None:
        return made(texts)
    if column.name == "event_time":
        return _moment(given)
    if column.name.endswith(RAW_SUFFIX) and texts[column.name] is None:
        return texts[column.name.removesuffix(RAW_SUFFIX)] or "NULL"
    text = texts[column.name]
    return _typed(column, f"intake_text({text})") if text else f"CAST(NULL AS {column.type})"


def _typed(column: TargetColumn, text: str) -> str:
    if column.type in ("BOOLEAN", "BIGINT"):
        return f"intake_{column.type.lower()}({text})"
    if column.name in CODES:
        return f"intake_whole({text})"
    return f"intake_country({text})" if column.name == "country" else text


def _moment(given: Columns) -> str:
    """Moments are UTC; a text is read where it is written year first."""
    name = _given_name("event_time", given)
    if name is None:
        return "CAST(NULL AS TIMESTAMP)"
    column, kind = quote_identifier(name), given[name]
    if kind.startswith("TIMESTAMP WITH TIME ZONE"):
        return f"make_timestamp(epoch_us({column}))"
    return f"CAST({column} AS TIMESTAMP)" if kind.startswith(("TIMESTAMP", "DATE")) else f"intake_iso({column})"


def _account(texts: Mapping[str, str | None]) -> str:
    known = (texts["account"], texts.get("user_principal_name"), texts.get("user_id"))
    named = [f"intake_text({text})" for text in known if text]
    return f"lower(coalesce({', '.join(named)}))" if named else "CAST(NULL AS VARCHAR)"


def _address(texts: Mapping[str, str | None]) -> str:
    if texts["address"]:
        return f"intake_text({texts['address']})"
    return f"intake_address({texts['ip_address']})" if texts["ip_address"] else "CAST(NULL AS VARCHAR)"


def _is_person(texts: Mapping[str, str | None]) -> str:
    if texts["is_person"]:
        return f"intake_boolean({texts['is_person']})"
    return f"coalesce(NOT intake_is_system({_account(texts)}), false)"


def _is_logon(texts: Mapping[str, str | None]) -> str:
    """By record type where a row has one, else by the operations that are logons."""
    if texts["is_logon"]:
        return f"coalesce(intake_boolean({texts['is_logon']}), false)"
    kind, operation = texts["record_type"] or "NULL", texts["operation"] or "NULL"
    sign_in = ", ".join(quote_literal(one) for one in ("15", "AzureActiveDirectoryStsLogon"))
    return (
        f"CASE WHEN {kind} IS NOT NULL THEN intake_whole({kind}) IN ({sign_in})"
        f" ELSE coalesce(lower({operation}) IN (SELECT value FROM pack_words WHERE kind = 'operation'), false) END"
    )


DERIVED: Mapping[str, Callable[[Mapping[str, str | None]], str]] = {
    "account": _account,
    "address": _address,
    "is_person": _is_person,
    "is_logon": _is_logon,
}
"""Columns that follow from others, as an import derives them; a table that states them itself is believed."""
