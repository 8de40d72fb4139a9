"""Writes the SQL that takes one file into its canonical table, from the plan a format definition gave for that file's
header.

Column names of evidence never become SQL: a file's columns are called `c0`, `c1`, ... and the parts of a nested cell
are a list `n0`, `n1`, ... Texts of evidence and of format files enter as quoted literals. Which value means what is
decided by the macros in `intake.sql`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from m365dq_dagster.adapters.evidence.delimited import TableHead
from m365dq_dagster.adapters.evidence.formats import Column, ImportPlan, Place
from m365dq_dagster.adapters.sql import named_statements, quote_identifier, quote_literal
from m365dq_dagster.core.ledger import CELL_LIMIT
from m365dq_dagster.core.outcome import DateOrder

STAGING = "intake_staging"
SYSTEM_FIELDS = ("file_id", "row_no")
RAW_SUFFIX = "_raw"
_TIMES = ("%I:%M:%S %p", "%H:%M:%S", "%I:%M:%S.%n %p", "%H:%M:%S.%n", "%I:%M %p", "%H:%M")
_DATES = {DateOrder.MDY: "%m/%d/%Y", DateOrder.DMY: "%d/%m/%Y"}


@dataclass(frozen=True)
class TargetColumn:
    """One column of a canonical table and its SQL type."""

    name: str
    type: str


def macros() -> str:
    """The macros every other statement here rests on."""
    return named_statements("intake")["macros"]


def statement(name: str) -> str:
    """A fixed statement of the import, by name."""
    return named_statements("intake")[name]


def read_csv(path: Path, head: TableHead) -> str:
    """The engine's reading of a well-formed table: every column as text, nothing guessed, any broken row an error."""
    columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(head.columns)))
    return (
        f"read_csv({quote_literal(str(path))}, columns = {{{columns}}}, header = false, skip = {head.skip_lines}, "
        "auto_detect = false,"
        f" delim = {quote_literal(head.delimiter)}, quote = '\"', escape = '\"', strict_mode = true, null_padding = "
        "false)"
    )


def read_json(path: Path, plan: ImportPlan, *, array: bool) -> str:
    """The engine's reading of a well-formed document: the keys of the plan as text, nested values as JSON text."""
    columns = ", ".join(f"{quote_literal(column.name)}: 'VARCHAR'" for column in plan.used)
    layout = "array" if array else "newline_delimited"
    names = ", ".join(f"{quote_identifier(column.name)} AS {_cell(column)}" for column in plan.used)
    return (
        f"(SELECT {names} FROM read_json({quote_literal(str(path))}, columns = {{{columns}}}, format = '{layout}', "
        "auto_detect = false,"
        f" records = true, maximum_object_size = {1 << 28}))"
    )


def parsed_lines(relation: str, plan: ImportPlan) -> str:
    """Records that come as JSON text in `line`: the keys of the plan as cells, and what is no object with its
    reason."""
    paths = ", ".join(quote_literal(_json_path((column.name,))) for column in plan.used)
    cells = ", ".join(f"parts[{at}] AS {_cell(column)}" for at, column in enumerate(plan.used, 1))
    return (
        "(WITH opened AS MATERIALIZED (SELECT"
        " coalesce(fault, CASE WHEN NOT json_valid(line) THEN 'JSON_UNPARSABLE'"
        " WHEN json_type(line) <> 'OBJECT' THEN 'JSON_NOT_OBJECT' END) AS fault, coalesce(raw, CASE WHEN NOT "
        "json_valid(line) THEN line END) AS raw,"
        f" CASE WHEN fault IS NULL AND json_valid(line) THEN json_extract_string(line, [{paths}]) END AS parts"
        f" FROM {relation}) SELECT fault, raw, {cells} FROM opened)"
    )


def stage(plan: ImportPlan, relation: str, *, has_faults: bool, cells: int, append: bool = False) -> str:
    """Bring a file into the staging table, one row a record in the file's order, with the reason where a record is no
    event.

    `has_faults` says that the relation already carries `fault` and `raw`; `cells` is the number of columns a row hash
    is taken over."""
    known = "fault" if has_faults else "NULL::VARCHAR"
    whole = "sha256(concat_ws(chr(31), " + ", ".join(f"coalesce(c{at}, chr(0))" for at in range(cells)) + "))"
    columns = [f"{known} AS known_fault", "raw" if has_faults else "NULL::VARCHAR AS raw"]
    columns.append(f"{whole if plan.hash_rows else 'NULL::VARCHAR'} AS row_hash")
    columns += [_cell(column) for column in plan.used]
    paths = _paths(plan)
    kept = [_cell(column) for column in plan.used if column != plan.payload]
    nested = [f"{_opened(column, plan, paths[column])} AS {_list(column)}" for column in paths]
    return (
        f"{f'INSERT INTO {STAGING}' if append else f'CREATE OR REPLACE TEMP TABLE {STAGING} AS'} SELECT "
        f"{_fault(plan)} AS fault, raw, row_hash"
        f"{_comma(kept)}{_comma(nested)} FROM (SELECT {', '.join(columns)} FROM {relation})"
    )


def filled_cells(columns: Iterable[Column]) -> str:
    """How many staged records have something in each of these columns."""
    return f"SELECT {', '.join(f'count({_cell(column)})' for column in columns)} FROM {STAGING}"


def date_sightings(plan: ImportPlan) -> str:
    """The distinct slashed dates of the staged file: first, second, year, rows."""
    texts = [_text(place, plan) for place in plan.fields["event_time"]]
    return (
        f"WITH intake_times AS (SELECT {_coalesce(texts)} AS event_text FROM {STAGING} WHERE fault IS NULL) "
        + statement("date_sightings")
    )


def insert(plan: ImportPlan, target: Iterable[TargetColumn], reading: DateOrder) -> str:
    """Take the sound rows of the staging table into the canonical table; the file's id is bound as `$file_id`.

    Written in layers (text of each place, cleaned value of each place, fields, types), since the engine plans a deep
    expression slowly."""
    columns = [column for column in target if column.name not in SYSTEM_FIELDS]
    places = list(dict.fromkeys(place for found in plan.fields.values() for place in found))
    texts = [f"{_text(place, plan)} AS p{at}" for at, place in enumerate(places)]
    cleaned = [f"{_clean(place, f'p{at}')} AS v{at}" for at, place in enumerate(places)]
    whole = [f"{_whole(place, plan)} AS w{at}" for at, place in enumerate(places) if _is_nested(place, plan)]
    mapped = {column.name: _field(column.name, plan, places) for column in columns}
    fields = [f"{text} AS {name}" for name, text in mapped.items() if text]
    times = "" if "event_time" in plan.fields else ", NULL::VARCHAR AS event_time_raw"
    derived = _derived(plan, mapped)
    outer = [_outer(column, mapped, derived, reading) for column in columns]
    names = ", ".join([*SYSTEM_FIELDS, *(column.name for column in columns)])
    first = f"SELECT rowid + 1 AS row_no{_comma(texts)}{_comma(whole)} FROM {STAGING} WHERE fault IS NULL"
    second = f"SELECT *{_comma(cleaned)} FROM ({first})"
    third = f"SELECT row_no{_comma(fields)}{times if 'event_time_raw' not in mapped else ''} FROM ({second})"
    return (
        f"INSERT INTO {quote_identifier(plan.definition.log_type)} ({names}) SELECT $file_id, row_no, "
        f"{', '.join(outer)} FROM ({third})"
    )


def derived_provenance(plan: ImportPlan, target: Iterable[TargetColumn]) -> Mapping[str, str]:
    """Where every column of the canonical table came from in this file: `source:`, `derived:` or `absent`."""
    names = [column.name for column in target if column.name not in SYSTEM_FIELDS]
    mapped: dict[str, str | None] = {name: "x" if name in plan.fields else None for name in names}
    derived = _derived(plan, mapped)
    return {name: _origin(name, plan, derived) for name in names}


def _origin(name: str, plan: ImportPlan, derived: Mapping[str, tuple[str, str]]) -> str:
    base = name.removesuffix(RAW_SUFFIX)
    if base in plan.fields and (name == base or base not in derived):
        return (
            plan.provenance(base)
            if name == base
            else "source:" + plan.provenance(base).split(" from ")[-1].removeprefix("source:")
        )
    return derived[name][1] if name in derived else "absent"


def _outer(
    column: TargetColumn, mapped: Mapping[str, str | None], derived: Mapping[str, tuple[str, str]], reading: DateOrder
) -> str:
    if column.name in derived:
        return f"{derived[column.name][0]} AS {column.name}"
    if not mapped.get(column.name):
        return f"CAST(NULL AS {column.type}) AS {column.name}"
    if column.type == "TIMESTAMP":
        return f"{_time(column.name, reading)} AS {column.name}"
    if column.type in ("BOOLEAN", "BIGINT"):
        return f"intake_{column.type.lower()}({column.name}) AS {column.name}"
    return f"intake_country({column.name}) AS {column.name}" if column.name == "country" else column.name


def _derived(plan: ImportPlan, mapped: Mapping[str, str | None]) -> dict[str, tuple[str, str]]:
    """Fields that follow from mapped ones: their SQL, and the rule as provenance says it."""
    found: dict[str, tuple[str, str]] = {}
    have = {name for name, sql in mapped.items() if sql}
    names = [name for name in ("user_principal_name", "user_id") if name in have]
    origin = ", ".join(plan.provenance(name).removeprefix("source:") for name in names)
    if names and "account" in mapped and "account" not in have:
        account = f"lower(coalesce({', '.join(names)}))"
        found["account"] = account, f"derived:folded_user_name from {origin}"
        found["is_person"] = _is_person(account, have), f"derived:no_system_actor from {origin}"
    if "ip_address" in have and "address" in mapped:
        found["address"] = (
            "intake_address(ip_address)",
            f"derived:plain_address from {plan.provenance('ip_address').removeprefix('source:')}",
        )
    if "is_logon" in mapped:
        number = (
            "coalesce(record_type IN ('15', 'AzureActiveDirectoryStsLogon'), false)"
            if "record_type" in have
            else "false"
        )
        from_where = plan.provenance("record_type").removeprefix("source:") if "record_type" in have else "no column"
        found["is_logon"] = number, f"derived:record_type_15 from {from_where}"
    return found


def _is_person(account: str, have: set[str]) -> str:
    """A user principal name is a person's unless it is a system's; a bare GUID is one only where sign-ins name users
    by it."""
    person = f"NOT intake_is_system({account})"
    if "user_principal_name" not in have:
        person += " AND NOT intake_is_guid(lower(user_id))" if "record_type" in have else ""
    if "sign_in_event_type" in have:
        person += " AND NOT contains(lower(coalesce(sign_in_event_type, '')), 'principal')"
        person += " AND NOT contains(lower(coalesce(sign_in_event_type, '')), 'managedidentity')"
    return f"coalesce({person}, false)"


def _field(name: str, plan: ImportPlan, places: list[Place]) -> str | None:
    """A canonical field as text, from the layer of places. Times are taken from the source's own text and read in the
    last layer."""
    base = name.removesuffix(RAW_SUFFIX)
    found = plan.fields.get(base)
    if found is None:
        return None
    numbers = [places.index(place) for place in found]
    if name != base or name == "event_time":
        by_value = {place.column for place in found if place.when}
        return _coalesce(
            [_raw(place, number, plan, place.column in by_value) for place, number in zip(found, numbers, strict=True)]
        )
    return _valued(_coalesce([f"v{number}" for number in numbers]), name, plan)


def _valued(text: str, name: str, plan: ImportPlan) -> str:
    words = plan.definition.null_words
    if words:
        text = f"CASE WHEN {text} IN ({', '.join(map(quote_literal, words))}) THEN NULL ELSE {text} END"
    table = plan.definition.values.get(name)
    if table:
        branches = " ".join(f"WHEN {quote_literal(key)} THEN {quote_literal(value)}" for key, value in table.items())
        text = f"CASE {text} {branches} ELSE {text} END"
    return text


def _time(text: str, reading: DateOrder) -> str:
    formats = ", ".join(quote_literal(f"{_DATES[reading]} {clock}") for clock in _TIMES)
    return (
        f"CASE WHEN {text}[5] = '-' AND {text}[-1] = 'Z' THEN try_cast({text} AS TIMESTAMP)"
        f" WHEN regexp_matches({text}, '^\\s*\\d{{4}}-\\d{{1,2}}-\\d') THEN intake_iso({text})"
        f" WHEN starts_with(ltrim({text}), '/Date(') THEN intake_epoch({text})"
        f" WHEN regexp_matches({text}, '^\\s*\\d{{1,2}}[/.-]') THEN try_strptime(intake_slashed({text}), "
        f"[{formats}]) END"
    )


def _clean(place: Place, text: str) -> str:
    if place.when:
        return f"intake_{place.when}({text})"
    return f"intake_location_{place.part}({text})" if place.part else f"intake_text({text})"


def _raw(place: Place, number: int, plan: ImportPlan, by_value: bool) -> str:
    """The source's own text. A cell that should be an object and is none stands for itself, so that its type name can
    be named."""
    text = f"p{number}"
    if place.when == "words":
        return f"CASE WHEN intake_digits({text}) IS NULL THEN {text} END"
    if place.when == "digits":
        return f"CASE WHEN intake_words({text}) IS NULL THEN {text} END"
    return f"coalesce({text}, w{number})" if _is_nested(place, plan) and not by_value else text


def _is_nested(place: Place, plan: ImportPlan) -> bool:
    return place.path is not None and place.column != plan.payload


def _whole(place: Place, plan: ImportPlan) -> str:
    cell = _cell(place.column)
    return f"CASE WHEN left(ltrim({cell}), 1) NOT IN ('{{', '[') THEN {cell} END"


def _text(place: Place, plan: ImportPlan) -> str:
    text = _cell(place.column)
    if place.path:
        text = f"{_list(place.column)}[{_paths(plan)[place.column].index(place.path) + 1}]"
    return f"intake_named({text}, {quote_literal(place.named)})" if place.named else text


def _paths(plan: ImportPlan) -> dict[Column, list[str]]:
    """Which paths are taken out of which nested column, each once."""
    found: dict[Column, list[str]] = {}
    for places in plan.fields.values():
        for place in places:
            if place.path and place.path not in found.setdefault(place.column, []):
                found[place.column].append(place.path)
    return found


def _opened(column: Column, plan: ImportPlan, paths: list[str]) -> str:
    """A nested cell as list of the texts at its paths. Elsewhere than in a payload, spelling follows the exporter's
    case, and Python's own notation for a dictionary is read too."""
    cell = _cell(column)
    exact = ", ".join(quote_literal(_json_path(path.split("."))) for path in paths)
    if column == plan.payload:
        return f"CASE WHEN {_is_object(cell)} THEN json_extract_string({cell}, [{exact}]) END"
    pascal = ", ".join(quote_literal(_json_path(_pascal(path).split("."))) for path in paths)
    either = ", ".join(f"coalesce(parts[{at}], parts[{at + len(paths)}])" for at in range(1, len(paths) + 1))
    python = ", ".join(
        "NULL"
        if "." in path or "[" in path
        else f"intake_python({cell}, {quote_literal('|'.join(map(re.escape, (path, _pascal(path)))))})"
        for path in paths
    )
    opened = f"list_transform([json_extract_string({cell}, [{exact}, {pascal}])], lambda parts: [{either}])[1]"
    return f"CASE WHEN json_valid({cell}) THEN {opened} WHEN starts_with(ltrim({cell}), '{{') THEN [{python}] END"


def _fault(plan: ImportPlan) -> str:
    filled = " OR ".join(f"{_cell(column)} >= '!'" for column in plan.used)
    padded = " OR ".join(f"trim({_cell(column)}, intake_blank()) <> ''" for column in plan.used)
    empty = f"WHEN coalesce({filled}, false) THEN NULL WHEN NOT coalesce({padded}, false) THEN 'ROW_EMPTY'"
    if plan.payload is None:
        return f"CASE WHEN known_fault IS NOT NULL THEN known_fault {empty} END"
    cell = _cell(plan.payload)
    return (
        f"CASE WHEN known_fault IS NOT NULL THEN known_fault WHEN {_is_object(cell)} AND trim({cell}) <> '{{}}' THEN "
        "NULL"
        f" WHEN NOT coalesce({padded}, false) THEN 'ROW_EMPTY'"
        f" WHEN {cell} IS NULL OR trim({cell}) IN ('', '{{}}', 'null') THEN 'AUDITDATA_EMPTY'"
        f" WHEN length({cell}) BETWEEN {CELL_LIMIT - 8} AND {CELL_LIMIT} THEN 'AUDITDATA_TRUNCATED' ELSE "
        "'AUDITDATA_UNPARSABLE' END"
    )


def _is_object(cell: str) -> str:
    return f"(starts_with(ltrim({cell}, ' \t\r\n'), '{{') AND json_valid({cell}))"


def _json_path(steps: Iterable[str]) -> str:
    path = "$"
    for step in steps:
        name, bracket, index = step.partition("[")
        path += ('."' + name.replace("\\", "").replace('"', "") + '"' if name else "") + bracket + index
    return path


def _pascal(path: str) -> str:
    return ".".join(step[:1].upper() + step[1:] for step in path.split("."))


def _cell(column: Column) -> str:
    return f"c{column.position}"


def _list(column: Column) -> str:
    return f"n{column.position}"


def _coalesce(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"


def _comma(items: list[str]) -> str:
    return "".join(f", {item}" for item in items)


def declared_rows(plan: ImportPlan) -> str | None:
    """The number of rows a file's own counters declare: the count of every window, read at the window's first row.
    None where it has none."""
    if not {"index", "count"} <= set(plan.declared):
        return None
    index, count = (f"try_cast({_cell(plan.declared[role])} AS BIGINT)" for role in ("index", "count"))
    return (
        f"SELECT sum({count}) FILTER (WHERE {index} = 1), count(*) FILTER (WHERE {index} < 0 OR {count} <= 0) "
        f"FROM {STAGING}"
    )


def repeated_ids(log_type: str) -> str:
    """The rows whose event id occurs more than once in a table."""
    table = quote_identifier(log_type)
    return (
        "CREATE OR REPLACE TEMP TABLE intake_repeated AS SELECT file_id, row_no, event_id"
        f" FROM {table} SEMI JOIN (SELECT event_id FROM {table} WHERE event_id IS NOT NULL GROUP BY event_id HAVING "
        "count(*) > 1) USING (event_id)"
    )


def same_ids(log_type: str, target: Iterable[TargetColumn], untimed: Iterable[int]) -> str:
    """Find the copies among rows of one event id, in whatever format they came: of each event the row with most values
    stays.

    A sign-in is one event by id, sign-in type, creation time (to the second) and outcome; an audit record by its id
    alone. A copy that lacks type or outcome is a copy of the only one there is. Files in `untimed` (ids) hold only the
    time of collection, which identifies nothing.
    """
    columns = [column.name for column in target if column.name not in SYSTEM_FIELDS]
    is_sign_in = "sign_in_event_type" in columns
    filled = " + ".join(f"(t.{quote_identifier(name)} IS NOT NULL)::INTEGER" for name in columns)
    keys = _sign_in_keys(untimed) if is_sign_in else ("NULL", "NULL", "NULL")
    told = "".join(f", {key} AS {name}" for key, name in zip(keys, ("at_time", "kind", "ending"), strict=True))
    one = ", ".join(
        f"CASE WHEN min({name}) OVER same = max({name}) OVER same THEN min({name}) OVER same ELSE {name} END AS {name}"
        for name in ("kind", "ending")
    )
    return (
        "INSERT INTO duplicates (file_id, row_no, of_file_id, of_row_no, rule)"
        " SELECT file_id, row_no, of_file_id, of_row_no, 'SAME_EVENT_ID' FROM (SELECT file_id, row_no,"
        " row_number() OVER event AS place, first_value(file_id) OVER event AS of_file_id,"
        " first_value(row_no) OVER event AS of_row_no"
        f" FROM (SELECT file_id, row_no, event_id, filled, at_time, {one}"
        f" FROM (SELECT t.file_id, t.row_no, t.event_id, {filled} AS filled{told}"
        f" FROM {quote_identifier(log_type)} AS t"
        " JOIN intake_repeated AS r ON r.file_id = t.file_id AND r.row_no = t.row_no)"
        " WINDOW same AS (PARTITION BY event_id, at_time))"
        " WINDOW event AS (PARTITION BY event_id, at_time, kind, ending ORDER BY filled DESC, file_id, row_no))"
        " WHERE place > 1"
    )


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


def busy_minutes(log_type: str) -> str:
    """First and last event of every minute that has one, in order, of files whose dates are certain; for the search
    for holes."""
    return (
        f"SELECT min(t.event_time), max(t.event_time), count(*) FROM {quote_identifier(log_type)} AS t JOIN files AS "
        "f USING (file_id)"
        " WHERE t.event_time IS NOT NULL AND f.date_order <> 'AMBIGUOUS' GROUP BY date_trunc('minute', t.event_time) "
        "ORDER BY 1"
    )


def clear(log_type: str) -> str:
    """Empty a canonical table."""
    return f"DELETE FROM {quote_identifier(log_type)}"


def count_rows(log_type: str) -> str:
    """How many events a canonical table holds."""
    return f"SELECT count(*) FROM {quote_identifier(log_type)}"


def timed_rows(log_type: str) -> str:
    """How many rows of one file (`$file_id`) have a usable time."""
    return f"SELECT count(event_time) FROM {quote_identifier(log_type)} WHERE file_id = $file_id"
