"""Writes the SQL that settles the canonical tables once every file of a folder is in: copies, counts, overlaps. How one
file comes in stands in `landing`; fixed statements stand in `intake.sql`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from m365dq_dagster.adapters.sql import named_statements, quote_identifier, quote_literal
from m365dq_dagster.adapters.sql.landing import SYSTEM_FIELDS, TRANSIENT, TargetColumn

DECISIVE = ("t.mail_access_type", "t.is_throttled", "intake_settings(t.parameters)")
"""What a copy of an audit record may have lost to a type name while its other values are whole."""


def statement(name: str) -> str:
    """A fixed statement of the import, by name."""
    return named_statements("intake")[name]


def repeated_ids(log_type: str, identity: Sequence[str]) -> str:
    """The rows whose id occurs more than once in a table. `identity` names the log type's id first."""
    table, name = quote_identifier(log_type), quote_identifier(identity[0])
    return (
        f"CREATE OR REPLACE TEMP TABLE intake_repeated AS SELECT file_id, row_no, {name} AS event_id"
        f" FROM {table} SEMI JOIN (SELECT {name} FROM {table} WHERE {name} IS NOT NULL GROUP BY {name} HAVING "
        f"count(*) > 1) USING ({name})"
    )


def same_ids(log_type: str, target: Iterable[TargetColumn], identity: Sequence[str], untimed: Iterable[int]) -> str:
    """Find the copies among rows of one id, in whatever format they came: of each event the row with most values stays.

    A sign-in is one event by id, sign-in type, creation time (to the second) and outcome; an audit record by its id,
    and another operation or other parameters are another record; elsewhere `identity` says what tells events apart. A
    copy that lacks one of these is a copy of the only one there is. Files in `untimed` (ids) hold only the time of
    collection, which identifies nothing."""
    columns = [column.name for column in target if column.name not in (*SYSTEM_FIELDS, *TRANSIENT)]
    filled = " + ".join(f"(t.{quote_identifier(name)} IS NOT NULL)::INTEGER" for name in columns)
    if {"parameters", "mail_access_type"} <= set(columns):
        filled += f" + 100 * ({' + '.join(f'({text} IS NOT NULL)::INTEGER' for text in DECISIVE)})"
    keys = _keys(columns, identity, untimed)
    told = "".join(f", {key} AS {name}" for key, name in zip(keys, ("at_time", "kind", "ending"), strict=True))
    one = ", ".join(_only(name, "same") for name in ("kind", "ending"))
    return (
        "INSERT INTO duplicates (file_id, row_no, of_file_id, of_row_no, rule)"
        " SELECT file_id, row_no, of_file_id, of_row_no, 'SAME_EVENT_ID' FROM (SELECT file_id, row_no,"
        " row_number() OVER event AS place, first_value(file_id) OVER event AS of_file_id,"
        " first_value(row_no) OVER event AS of_row_no"
        f" FROM (SELECT file_id, row_no, event_id, filled, at_time, {one}"
        f" FROM (SELECT file_id, row_no, event_id, filled, kind, ending, {_only('at_time', 'named')}"
        f" FROM (SELECT t.file_id, t.row_no, r.event_id, {filled} AS filled{told}"
        f" FROM {quote_identifier(log_type)} AS t"
        " JOIN intake_repeated AS r ON r.file_id = t.file_id AND r.row_no = t.row_no)"
        " WINDOW named AS (PARTITION BY event_id))"
        " WINDOW same AS (PARTITION BY event_id, at_time))"
        " WINDOW event AS (PARTITION BY event_id, at_time, kind, ending ORDER BY filled DESC, file_id, row_no))"
        " WHERE place > 1"
    )


def _only(name: str, rows: str) -> str:
    """What a copy lacks is what the others of its window agree on."""
    least, most = f"min({name}) OVER {rows}", f"max({name}) OVER {rows}"
    return f"CASE WHEN {least} = {most} THEN {least} ELSE {name} END AS {name}"


def _keys(columns: Sequence[str], identity: Sequence[str], untimed: Iterable[int]) -> tuple[str, str, str]:
    """What tells two rows of one id apart: a time, and two words of which each may be missing."""
    if "sign_in_event_type" in columns:
        return _sign_in_keys(untimed)
    if "parameters" in columns:
        return "NULL", "lower(t.operation)", "intake_settings(t.parameters)"
    kind, *further = [f"lower(t.{quote_identifier(name)}::VARCHAR)" for name in identity[1:] if name in columns] or [
        "NULL"
    ]
    return "NULL", kind, _joined(further) if further else "NULL"


def _joined(texts: Sequence[str]) -> str:
    """Several words as one; NULL where every one is."""
    held = ", ".join(f"coalesce({text}, chr(0))" for text in texts)
    return f"CASE WHEN coalesce({', '.join(texts)}) IS NOT NULL THEN concat_ws(chr(31), {held}) END"


def _sign_in_keys(untimed: Iterable[int]) -> tuple[str, str, str]:
    """Time, type and outcome of a sign-in as every format would spell them; NULL where a row does not say."""
    files = ", ".join(str(int(file_id)) for file_id in untimed)
    at_time = "date_trunc('second', t.event_time)"
    kind = "lower(t.sign_in_event_type)"
    return (
        f"CASE WHEN t.file_id NOT IN ({files}) THEN {at_time} END" if files else at_time,
        f"CASE WHEN contains({kind}, 'principal') THEN 'principal' WHEN contains({kind}, 'managedidentity') THEN"
        f" 'identity' WHEN contains({kind}, 'noninteractive') OR t.is_interactive = false THEN 'non-interactive'"
        f" WHEN t.is_interactive OR {kind} IN ('interactiveuser', 'signinlogs') THEN 'interactive' END",
        "CASE WHEN t.status_error_code = '0' OR (t.status_error_code IS NULL AND lower(t.status) = 'success') THEN"
        " 'success' ELSE coalesce(t.status_error_code, lower(t.status)) END",
    )


def drop_duplicates(log_type: str) -> str:
    """Take the found copies out of a table; they stay listed in `duplicates`."""
    table = quote_identifier(log_type)
    return f"DELETE FROM {table} USING duplicates AS d WHERE {table}.file_id = d.file_id AND {table}.row_no = d.row_no"


def count_imported(log_types: Iterable[str]) -> str:
    """What each file has in the canonical tables, counted there: rows, first and last event."""
    parts = " UNION ALL ".join(f"SELECT file_id, event_time FROM {quote_identifier(name)}" for name in log_types)
    return (
        "CREATE OR REPLACE TEMP TABLE intake_imported AS SELECT file_id, count(*) AS imported, min(event_time) AS "
        "first_event,"
        f" max(event_time) AS last_event FROM ({parts}) GROUP BY file_id"
    )


def explain_quarantine(sentences: Mapping[str, str]) -> str:
    """Put the sentence for each reason beside the quarantined rows."""
    branches = " ".join(
        f"WHEN {quote_literal(reason)} THEN {quote_literal(text)}" for reason, text in sentences.items()
    )
    return f"UPDATE quarantine SET detail = CASE reason {branches} END"


def clear(log_type: str) -> str:
    """Empty a canonical table."""
    return f"DELETE FROM {quote_identifier(log_type)}"


def count_rows(log_type: str) -> str:
    """How many events a canonical table holds."""
    return f"SELECT count(*) FROM {quote_identifier(log_type)}"


def unnamed_overlap(log_type: str, identity: Sequence[str]) -> str:
    """Rows without an id that look like a row of another format: same second, account and address. They are reported
    and never merged."""
    table = quote_identifier(log_type)
    unnamed = f"t.{quote_identifier(identity[0])} IS NULL" if identity else "true"
    told = "date_trunc('second', {0}.event_time) AS at_second, {0}.account, {0}.address"
    formats = f"(FROM file_formats WHERE log_type = {quote_literal(log_type)})"
    rows = (
        f"(SELECT DISTINCT o.file_id, {told.format('o')}, g.format FROM {table} AS o"
        f" JOIN {formats} AS g USING (file_id)"
        " WHERE o.event_time IS NOT NULL AND o.account IS NOT NULL AND o.address IS NOT NULL)"
    )
    return (
        "SELECT count(*), string_agg(DISTINCT format || ' and ' || other, '; ' ORDER BY format || ' and ' || other)"
        f" FROM (SELECT t.file_id, t.row_no, f.format, min(r.format) AS other FROM {table} AS t"
        f" JOIN {formats} AS f USING (file_id)"
        f" JOIN {rows} AS r ON r.at_second = date_trunc('second', t.event_time) AND r.account = t.account"
        f" AND r.address = t.address AND r.format <> f.format AND r.file_id <> t.file_id WHERE {unnamed} GROUP BY ALL)"
    )


def spelled_addresses(log_type: str) -> str:
    """The distinct IPv6 addresses of a table, which have many spellings."""
    return f"SELECT DISTINCT address FROM {quote_identifier(log_type)} WHERE contains(address, ':')"


def respell_addresses(log_type: str) -> str:
    """Write addresses in their one short form; `intake_spellings` leads from a spelling to it."""
    table = quote_identifier(log_type)
    return f"UPDATE {table} SET address = s.short FROM intake_spellings AS s WHERE {table}.address = s.spelling"


def same_outcome_again(log_type: str, untimed: Iterable[int]) -> str:
    """Sign-ins of one id and one outcome that stay more than once, because their times differ or are missing; of files
    in more than one place."""
    *_, ending = _sign_in_keys(untimed)
    return (
        f"SELECT count(*) FROM (SELECT t.event_id FROM {quote_identifier(log_type)} AS t"
        " SEMI JOIN intake_repeated AS r ON r.event_id = t.event_id"
        f" GROUP BY t.event_id, {ending} HAVING count(*) > 1 AND min(t.file_id) < max(t.file_id))"
    )
