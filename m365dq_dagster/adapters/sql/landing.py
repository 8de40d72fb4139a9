"""Writes the SQL that brings one file into its canonical table in one pass, from the plan that a format definition gave
for that file's header. What happens once all files are in stands in `intake`.

Column names of evidence never become SQL: a file's columns are called `c0`, `c1`, ... and the parts of a nested cell
are a list `n0`, `n1`, ... Texts of evidence and of format files enter as quoted literals. Which value means what is
decided by the macros in `intake.sql`.

While files come in, a canonical table carries columns that speak of the row and not of the event (`TRANSIENT`); they
are dropped when the ledger is settled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from m365dq_dagster.adapters.evidence.delimited import TableHead, header_key
from m365dq_dagster.adapters.evidence.plans import Column, ImportPlan, Place
from m365dq_dagster.adapters.sql import quote_identifier, quote_literal
from m365dq_dagster.core.ledger import CELL_LIMIT
from m365dq_dagster.core.outcome import DateOrder

SYSTEM_FIELDS = ("file_id", "row_no")
RAW_SUFFIX = "_raw"
TRANSIENT = {
    "landing_fault": "VARCHAR",
    "landing_hash": "VARCHAR",
    "landing_late": "BIGINT",
    "landing_index": "BIGINT",
    "landing_count": "BIGINT",
    "landing_stands_for": "BIGINT",
}
"""Why a row is no event, its hash where it has no id, which late fields it holds, and its counters."""

MAX_LATE = 60
"""How many fields that come late in a document are watched; one bit each."""

NO_ID = "00000000-0000-0000-0000-000000000000"
"""A GUID that names nothing."""

CODES = ("status_error_code", "status_error_code_copy", "error_number", "record_type")
"""Whole numbers, which spreadsheets and data frames write as 50126.0."""

_OF_FILES = "file_id BETWEEN $low AND $high AND list_contains($file_ids, file_id)"
"""The rows of some files; the bounds let the engine pass over what lies elsewhere."""

LONGEST_RECORDS = (1 << 23, 1 << 28)
"""Bytes that a record of a document may have, as first tried and then. Every thread fills buffers of twice that: with
the larger number alone they would cost half as much again as the reading, and most of the memory."""

TOO_LONG = "maximum_object_size"
"""What the engine says of a record that is longer."""

MAX_COLUMNS = 1_000
"""Columns of a table that the engine reads by itself: its time and memory grow faster than they do."""

WHOLE = "whole"
"""The cells of a row of a wider table in one, where the row has to be compared with others as a whole."""

AS_THEY_ARE = "compression = 'none', hive_partitioning = false"
"""What the engine must not conclude from a file's path: how it is packed, and values of columns (`Id=1/`)."""

_TIMES = ("%I:%M:%S %p", "%H:%M:%S", "%I:%M:%S.%n %p", "%H:%M:%S.%n", "%I:%M %p", "%H:%M")
_DATES = {DateOrder.MDY: "%m/%d/%Y", DateOrder.DMY: "%d/%m/%Y"}


@dataclass(frozen=True)
class TargetColumn:
    """One column of a canonical table and its SQL type."""

    name: str
    type: str


def read_csv(paths: Sequence[Path], head: TableHead) -> str:
    """The engine's reading of well-formed tables of one head: every column as text, nothing guessed, any broken row an
    error. `file_index` counts the paths from 0."""
    columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(head.columns)))
    return (
        f"read_csv({_listed(paths)}, columns = {{{columns}}}, header = false, skip = {head.skip_lines}, "
        f"auto_detect = false, {AS_THEY_ARE},"
        f" delim = {quote_literal(head.delimiter)}, quote = '\"', escape = '\"', strict_mode = true, null_padding = "
        "false)"
    )


def read_json(paths: Sequence[Path], plan: ImportPlan, *, array: bool, longest: int) -> str:
    """The engine's reading of well-formed documents: the keys of the plan as text, nested values as JSON text.
    `file_index` counts the paths from 0; a record of more than `longest` bytes is an error that says `TOO_LONG`."""
    columns = ", ".join(f"{quote_literal(column.name)}: 'VARCHAR'" for column in plan.used)
    layout = "array" if array else "newline_delimited"
    names = ", ".join(f"{quote_identifier(column.name)} AS {_cell(column)}" for column in plan.used)
    return (
        f"(SELECT file_index, {names} FROM read_json({_listed(paths)}, columns = {{{columns}}}, format = '{layout}', "
        f"auto_detect = false, {AS_THEY_ARE},"
        f" records = true, maximum_object_size = {longest}))"
    )


def _listed(paths: Sequence[Path]) -> str:
    return f"[{', '.join(quote_literal(str(path)) for path in paths)}]"


def parsed_lines(relation: str, plan: ImportPlan) -> str:
    """Records that come as JSON text in `line`: the keys of the plan as cells, and what is no object with its
    reason."""
    paths = ", ".join(quote_literal("$" + _json_key(column.name)) for column in plan.used)
    cells = ", ".join(f"parts[{at}] AS {_cell(column)}" for at, column in enumerate(plan.used, 1))
    return (
        "(WITH opened AS MATERIALIZED (SELECT row_no,"
        " coalesce(fault, CASE WHEN NOT json_valid(line) THEN 'JSON_UNPARSABLE' END) AS fault,"
        f" CASE WHEN fault IS NULL AND json_valid(line) THEN json_extract_string(line, [{paths}]) END AS parts"
        f" FROM {relation}) SELECT row_no, fault{_comma([cells] if cells else [])} FROM opened)"
    )


def insert(
    plan: ImportPlan, target: Iterable[TargetColumn], reading: DateOrder, relation: str, *, numbered: bool, cells: int
) -> str:
    """Bring the records of a relation into the plan's canonical table; the ids of its files are bound as `$file_ids`.

    `numbered` says that the relation carries `row_no` and `fault`, and comes from one file; else the rows come in the
    order of files and rows with `row_no` 0 and their file's `file_index`, and `number_rows` follows. `cells` is the
    number of columns of a table, 0 for documents. Written in layers (cells, opened cells, text of each place, cleaned
    value of each place, fields, types), since the engine plans a deep expression slowly."""
    columns = [column for column in target if column.name not in (*SYSTEM_FIELDS, *TRANSIENT)]
    mapped = {column.name: _field(column.name, plan) for column in columns}
    derived = _derived(plan, mapped)
    outer = [_outer(column, mapped, derived, reading, plan.definition.null_words) for column in columns]
    names = ", ".join([*SYSTEM_FIELDS, *(quote_identifier(column.name) for column in columns), *TRANSIENT])
    key = key_of(plan)
    unnamed = f"CASE WHEN {quote_identifier(key)} IS NULL THEN landing_hash END" if key else "landing_hash"
    last = f"landing_fault, {unnamed}, landing_late, landing_index"
    return (
        f"INSERT INTO {quote_identifier(plan.definition.log_type)} ({names})"
        " SELECT CAST($file_ids[landing_file + 1] AS INTEGER), row_no, "
        f"{', '.join(outer)}, {last}, landing_count, landing_stands_for"
        f" FROM ({_fields(plan, mapped, relation, numbered, cells)})"
    )


def _fields(plan: ImportPlan, mapped: Mapping[str, str | None], relation: str, numbered: bool, cells: int) -> str:
    places = _all_places(plan)
    fields = [f"{text} AS {quote_identifier(name)}" for name, text in mapped.items() if text]
    cleaned = [f"{_clean(place, f'p{at}')} AS v{at}" for at, place in enumerate(places)]
    texts = [f"{_text(place, plan)} AS p{at}" for at, place in enumerate(places)]
    whole = [f"{_whole(place)} AS w{at}" for at, place in enumerate(places) if _is_nested(place, plan)]
    paths = _paths(plan)
    opened = [f"{_opened(column, plan, paths[column])} AS {_list(column)}" for column in paths]
    kept = ", ".join(f"{text} AS {name}" for name, text in _transient(plan, numbered, cells).items())
    place = (
        "0 AS landing_file, row_no, fault" if numbered else "file_index::BIGINT AS landing_file, 0::BIGINT AS row_no"
    )
    read = list(dict.fromkeys([*(_cell(column) for column in plan.used), *_hashed(plan, cells).values()]))
    first = f"SELECT {place}{_comma(read)}{_comma(opened)} FROM {relation}"
    carried = ", ".join(("landing_file", "row_no", *(name for name in TRANSIENT if name != "landing_late")))
    second = f"SELECT landing_file, row_no, {kept}{_comma(texts)}{_comma(whole)} FROM ({first})"
    third = f"SELECT *, {_late(plan, places)} AS landing_late{_comma(cleaned)} FROM ({second})"
    return f"SELECT {carried}, landing_late{_comma(fields)} FROM ({third})"


def _transient(plan: ImportPlan, numbered: bool, cells: int) -> dict[str, str]:
    """What is kept of a row while files come in."""
    counters = {"landing_index": "index", "landing_count": "count", "landing_stands_for": "stands_for"}
    return {
        "landing_fault": _fault(plan, numbered, cells),
        "landing_hash": _hash(plan, cells),
        **{name: _counter(plan.declared.get(role)) for name, role in counters.items()},
    }


def _hash(plan: ImportPlan, cells: int) -> str:
    """What a row without an id is compared by: its log type and its filled cells by the names of their columns, in
    whatever order and format its file has them."""
    named = sorted((header_key(name), cell) for name, cell in _hashed(plan, cells).items())
    parts = ", ".join(f"{quote_literal(f'{name}=')} || nullif({cell}, '')" for name, cell in named)
    digest = f"sha256(concat_ws(chr(31), {quote_literal(plan.definition.log_type)}, {parts}))"
    key = key_of(plan)
    if key is None:
        return digest
    text = _coalesce([_text(place, plan) for place in plan.fields[key]])
    return f"CASE WHEN intake_text({text}) IS NULL OR {text} = {quote_literal(NO_ID)} THEN {digest} END"


def _hashed(plan: ImportPlan, cells: int) -> dict[str, str]:
    """The cells that a row's hash is taken over, by column name: the whole row of a table, or what is read of a row
    that could have an id, and of a record."""
    if key_of(plan) or not cells:
        return {column.name: _cell(column) for column in plan.used}
    return {name: f"c{at}" for at, name in enumerate(plan.columns)} if cells <= MAX_COLUMNS else {WHOLE: WHOLE}


def key_of(plan: ImportPlan) -> str | None:
    """The field that names an event of this file, or None where it has none."""
    named = plan.definition.identity[:1]
    return named[0] if named and named[0] in plan.fields else None


def _counter(column: Column | None) -> str:
    return f"try_cast({_cell(column)} AS BIGINT)" if column else "NULL::BIGINT"


def _late(plan: ImportPlan, places: list[Place]) -> str:
    """Which of the fields that may come late a record holds, one bit each."""
    bits = []
    for name, number in plan.late_fields.items():
        if number < MAX_LATE:
            held = " OR ".join(f"p{places.index(place)} IS NOT NULL" for place in plan.fields[name])
            bits.append(f"(CASE WHEN {held} THEN {1 << number} ELSE 0 END)::BIGINT")
    return " + ".join(bits) or "NULL::BIGINT"


def _all_places(plan: ImportPlan) -> list[Place]:
    return list(dict.fromkeys(place for found in plan.fields.values() for place in found))


def provenance(plan: ImportPlan, target: Iterable[TargetColumn]) -> Mapping[str, str]:
    """Where every column of the canonical table came from in this file: `source:`, `derived:` or `absent`."""
    names = [column.name for column in target if column.name not in (*SYSTEM_FIELDS, *TRANSIENT)]
    mapped: dict[str, str | None] = {name: "x" if name in plan.fields else None for name in names}
    derived = _derived(plan, mapped)
    return {name: _origin(name, plan, derived) for name in names}


def _origin(name: str, plan: ImportPlan, derived: Mapping[str, tuple[str, str]]) -> str:
    base = name.removesuffix(RAW_SUFFIX)
    if base in plan.fields and (name == base or base not in derived):
        told = plan.provenance(base)
        return told if name == base else "source:" + told.split(" from ")[-1].removeprefix("source:")
    if name in plan.told:
        return plan.provenance(name)
    return derived[name][1] if name in derived else "absent"


def _outer(
    column: TargetColumn,
    mapped: Mapping[str, str | None],
    derived: Mapping[str, tuple[str, str]],
    reading: DateOrder,
    words: tuple[str, ...],
) -> str:
    name = quote_identifier(column.name)
    if column.name in derived:
        return f"{derived[column.name][0]} AS {name}"
    if not mapped.get(column.name):
        return f"CAST(NULL AS {column.type}) AS {name}"
    if column.type == "TIMESTAMP":
        return f"{_known(_time(name, reading), name, words)} AS {name}"
    if column.type in ("BOOLEAN", "BIGINT"):
        return f"intake_{column.type.lower()}({name}) AS {name}"
    if column.name in CODES:
        return f"intake_whole({name}) AS {name}"
    return f"intake_country({name}) AS {name}" if column.name == "country" else name


def _derived(plan: ImportPlan, mapped: Mapping[str, str | None]) -> dict[str, tuple[str, str]]:
    """Fields that follow from mapped ones: their SQL, and the rule as provenance says it."""
    found: dict[str, tuple[str, str]] = {}
    have = {name for name, sql in mapped.items() if sql}
    names = [name for name in ("user_principal_name", "user_id") if name in have]
    origin = ", ".join(plan.provenance(name).removeprefix("source:") for name in names)
    if names and "account" in mapped and "account" not in have:
        account = f"lower(coalesce({', '.join(names)}))"
        found["account"] = account, f"derived:folded_user_name from {origin}"
        found["is_person"] = (
            _is_person(account, have, "is_interactive" in mapped),
            f"derived:no_system_actor from {origin}",
        )
    if "ip_address" in have and "address" in mapped:
        found["address"] = (
            "intake_address(ip_address)",
            f"derived:plain_address from {plan.provenance('ip_address').removeprefix('source:')}",
        )
    if "is_logon" in mapped:
        number = (
            "coalesce(intake_whole(record_type) IN ('15', 'AzureActiveDirectoryStsLogon'), false)"
            if "record_type" in have
            else "false"
        )
        from_where = plan.provenance("record_type").removeprefix("source:") if "record_type" in have else "no column"
        found["is_logon"] = number, f"derived:record_type_15 from {from_where}"
    return found


def _is_person(account: str, have: set[str], of_sign_ins: bool) -> str:
    """A user principal name is a person's unless it is a system's; a bare GUID is one only where sign-ins name users
    by it."""
    person = f"NOT intake_is_system({account})"
    if not of_sign_ins:
        person += f" AND NOT intake_is_guid({account})"
    if "sign_in_event_type" in have:
        person += " AND NOT contains(lower(coalesce(sign_in_event_type, '')), 'principal')"
        person += " AND NOT contains(lower(coalesce(sign_in_event_type, '')), 'managedidentity')"
    return f"coalesce({person}, false)"


def _field(name: str, plan: ImportPlan) -> str | None:
    """A canonical field as text, from the layer of places. Times are taken from the source's own text and read in the
    last layer."""
    base = name.removesuffix(RAW_SUFFIX)
    found = plan.fields.get(base)
    told = quote_literal(plan.told[name][0]) if name in plan.told else None
    if found is None:
        return told
    places = _all_places(plan)
    numbers = [places.index(place) for place in found]
    if name != base or name == "event_time":
        by_value = {place.column for place in found if place.when}
        return _coalesce(
            [_raw(place, number, plan, place.column in by_value) for place, number in zip(found, numbers, strict=True)]
        )
    text = _valued(_coalesce([f"v{number}" for number in numbers]), name, plan)
    return f"coalesce({text}, {told})" if told else text


def _valued(text: str, name: str, plan: ImportPlan) -> str:
    text = _known(text, text, (*plan.definition.null_words, *([NO_ID] if name == key_of(plan) else [])))
    table = plan.definition.values.get(name)
    if table:
        branches = " ".join(f"WHEN {quote_literal(key)} THEN {quote_literal(value)}" for key, value in table.items())
        text = f"CASE {text} {branches} ELSE {text} END"
    return text


def _known(value: str, text: str, null_words: tuple[str, ...]) -> str:
    """A value, unless its text is one of the words by which this export says that it has none."""
    if not null_words:
        return value
    return f"CASE WHEN {text} IN ({', '.join(map(quote_literal, null_words))}) THEN NULL ELSE {value} END"


def _time(text: str, reading: DateOrder) -> str:
    """A time from its text. Every branch gives a TIMESTAMP: in nanoseconds the engine has no year 1 and no year
    9999, which exports are full of."""
    formats = ", ".join(quote_literal(f"{_DATES[reading]} {clock}") for clock in _TIMES)
    offset = "'[\\dMm.]\\s*[+-]\\d{2}:?\\d{2}\\s*$'"
    base = f"regexp_replace({text}, '\\s*[+-]\\d{{2}}:?\\d{{2}}\\s*$', '')"
    return (
        f"CASE WHEN regexp_full_match({text}, '\\d{{4}}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{{1,9}})?Z?')"
        f" THEN try_cast({text} AS TIMESTAMP)"
        f" WHEN regexp_matches({text}, '^\\s*\\d{{4}}-\\d{{1,2}}-\\d') THEN intake_iso({text})"
        f" WHEN regexp_matches({text}, '^\\s*\\d{{4}}/\\d{{1,2}}/\\d') THEN intake_iso(replace({text}, '/', '-'))"
        f" WHEN starts_with(ltrim({text}), '/Date(') THEN intake_epoch({text})"
        f" WHEN regexp_matches({text}, '^\\s*\\d{{1,2}}[/.-]\\d') THEN"
        f" try_strptime(intake_slashed({base}), [{formats}])::TIMESTAMP - CASE WHEN regexp_matches({text}, {offset})"
        f" THEN intake_offset(regexp_extract({text}, '([+-]\\d{{2}}:?\\d{{2}})\\s*$', 1)) ELSE to_minutes(0) END"
        f" WHEN regexp_matches({text}, '^\\s*([A-Za-z]{{3,9}} \\d|\\d{{1,2}}[- ][A-Za-z]{{3}})')"
        f" THEN intake_named_month({text}) END"
    )


def _clean(place: Place, text: str) -> str:
    if place.when:
        return f"intake_{place.when}({text})"
    if place.part:
        return f"intake_{'location_' if place.part != 'recipients' else ''}{place.part}({text})"
    return f"intake_text({text})"


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


def _whole(place: Place) -> str:
    cell = _cell(place.column)
    return f"CASE WHEN left(ltrim({cell}), 1) NOT IN ('{{', '[') THEN {cell} END"


def _text(place: Place, plan: ImportPlan) -> str:
    text = _cell(place.column)
    if place.gather:
        return _gathered(place.gather)
    if place.path:
        paths, parts = _paths(plan)[place.column], _list(place.column)
        at = paths.index(place.path) + 1
        text = f"{parts}[{at}]"
        if place.column != plan.payload:
            text = f"coalesce({text}, {parts}[{at + len(paths)}])"
    return f"intake_named({text}, {quote_literal(place.named)})" if place.named else text


def _gathered(columns: Iterable[Column]) -> str:
    """The filled cells of several columns as one JSON object by column name; NULL where none is filled."""
    pairs = ", ".join(f"{quote_literal(column.name.strip())}, nullif({_cell(column)}, '')" for column in columns)
    return f"nullif(json_merge_patch('{{}}', json_object({pairs}))::VARCHAR, '{{}}')"


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
    case, so that the list goes on with the texts of the other spelling, and Python's own notation for a dictionary is
    read too."""
    cell = _cell(column)
    exact = ", ".join(quote_literal(_json_path(path.split("."))) for path in paths)
    if column == plan.payload:
        return f"CASE WHEN {_opens_object(cell)} THEN try(json_extract_string({cell}, [{exact}])) END"
    pascal = ", ".join(quote_literal(_json_path(_pascal(path).split("."))) for path in paths)
    python = ", ".join(
        "NULL"
        if "." in path or "[" in path
        else f"intake_python({cell}, {quote_literal('|'.join(map(re.escape, (path, _pascal(path)))))})"
        for path in paths
    )
    opened = f"json_extract_string({cell}, [{exact}, {pascal}])"
    return f"CASE WHEN json_valid({cell}) THEN {opened} WHEN starts_with(ltrim({cell}), '{{') THEN [{python}] END"


def _fault(plan: ImportPlan, numbered: bool, cells: int) -> str:
    """Why a row is no event. A document's record that shows less than half of what its format requires is of another
    log.

    What most rows are comes first in every branch, since a branch is left as soon as it is decided."""
    known = "WHEN fault IS NOT NULL THEN fault " if numbered else ""
    filled = " OR ".join(f"{_cell(column)} >= '!'" for column in plan.used)
    read = ", ".join(_cell(column) for column in plan.used)
    empty = f"WHEN trim(concat_ws('', {read}), intake_blank()) = '' THEN 'ROW_EMPTY'"
    foreign = "" if numbered or cells else _foreign(plan)
    known += _other_table(plan)
    if plan.payload is None and cells:
        return f"CASE {known}WHEN {_like_an_event(plan)} THEN NULL {_header_again(plan)}{empty}{_no_event(plan)} END"
    if plan.payload is None:
        sound = _shows_all(plan) if foreign else f"({filled})"
        return f"CASE {known}WHEN {sound} THEN NULL {empty}{foreign} END"
    cell = _cell(plan.payload)
    return (
        f"CASE {known}WHEN {_list(plan.payload)} IS NOT NULL AND (strlen({cell}) > 8 OR trim({cell}) <> '{{}}')"
        f" THEN NULL {_header_again(plan) if cells else ''}{empty}{foreign}"
        f" WHEN {cell} IS NULL OR trim({cell}) IN ('', '{{}}', 'null') THEN 'AUDITDATA_EMPTY'"
        f" WHEN length({cell}) BETWEEN {CELL_LIMIT - 8} AND {CELL_LIMIT} THEN 'AUDITDATA_TRUNCATED' ELSE "
        "'AUDITDATA_UNPARSABLE' END"
    )


def _other_table(plan: ImportPlan) -> str:
    """Rows that say themselves that they belong to another table of a joined export."""
    branches = (
        f"WHEN lower(trim({_cell(column)})) IN ({', '.join(map(quote_literal, names))}) THEN 'OTHER_TABLE' "
        for column, names in plan.others.items()
    )
    return "".join(branches)


def _like_an_event(plan: ImportPlan) -> str:
    """What an event of a table shows at a glance: a time that begins with a digit, and something else that its format
    requires. Header lines, rulers and footers do not."""
    times = {place.column for place in plan.fields.get("event_time", ()) if not place.path}
    others = [column for group in plan.required for column in group if column not in times]
    timed = " OR ".join(f"({_cell(column)} >= '0' AND {_cell(column)} < ':')" for column in times)
    shown = " OR ".join(f"{_cell(column)} >= '!'" for column in others)
    if not timed:
        return f"NOT list_contains({_header(plan)}, lower(trim({_cell(plan.used[0])})))"
    return f"({timed}) AND ({shown})" if shown else f"({timed})"


def _header_again(plan: ImportPlan) -> str:
    """A header in the middle of joined files: two cells or more hold names of the header. Where the names stand at
    their own columns the rows behind it are read as those before; else they are not."""
    cells = ", ".join(_cell(column) for column in plan.used)
    own = " AND ".join(
        f"lower(trim({_cell(column)})) = {quote_literal(_plain_name(column))}" for column in plan.used[:3]
    )
    names = f"len(list_filter([{cells}], lambda cell: list_contains({_header(plan)}, lower(trim(cell))))) >= 2"
    return f"WHEN {names} THEN CASE WHEN {own} THEN 'HEADER_AGAIN' ELSE 'HEADER_CHANGED' END "


def _no_event(plan: ImportPlan) -> str:
    """Rulers, and lines with a single cell among many, such as a footer."""
    cells = ", ".join(_cell(column) for column in plan.used)
    ruler = f" WHEN regexp_full_match(concat_ws('', {cells}), '[-=_+| ]+') THEN 'ROW_NOT_EVENT'"
    if len(plan.used) < 4:
        return ruler
    return f"{ruler} WHEN len(list_filter([{cells}], lambda cell: cell >= '!')) < 2 THEN 'ROW_NOT_EVENT'"


def _header(plan: ImportPlan) -> str:
    names = dict.fromkeys(_plain_name(Column(at, name)) for at, name in enumerate(plan.columns))
    return f"[{', '.join(map(quote_literal, names))}]"


def _plain_name(column: Column) -> str:
    return column.name.split("#")[0].strip().lower()


def _shows_all(plan: ImportPlan) -> str:
    groups = (" OR ".join(f"{_cell(column)} >= '!'" for column in group) for group in plan.required)
    return " AND ".join(f"({group})" for group in groups)


def _foreign(plan: ImportPlan) -> str:
    shown = " + ".join(
        f"({' OR '.join(f'{_cell(column)} IS NOT NULL' for column in group)})::INTEGER" for group in plan.required
    )
    return f" WHEN 2 * ({shown}) < {len(plan.required)} THEN 'RECORD_UNKNOWN'"


def _opens_object(cell: str) -> str:
    return f"(starts_with({cell}, '{{') OR starts_with(ltrim({cell}, ' \t\r\n'), '{{'))"


def _json_path(steps: Iterable[str]) -> str:
    path = "$"
    for step in steps:
        name, bracket, index = step.partition("[")
        path += (_json_key(name) if name else "") + bracket + index
    return path


def _json_key(name: str) -> str:
    return '."' + name.replace("\\", "").replace('"', "") + '"'


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


def number_rows(log_type: str) -> str:
    """Give the rows that just came in their place in their file: each file's rows stand together, in its order."""
    table = quote_identifier(log_type)
    return (
        f"UPDATE {table} SET row_no = {table}.rowid + 1 - f.begins FROM"
        f" (SELECT file_id, min(rowid) AS begins FROM {table} WHERE row_no = 0 GROUP BY file_id) AS f"
        f" WHERE {table}.row_no = 0 AND {table}.file_id = f.file_id"
    )


def spread_change(log_type: str) -> str:
    """Set aside what stands behind a header that names the columns in another order, up to the next header in the
    order of the file's first; of some files (`$file_ids`)."""
    table = quote_identifier(log_type)
    return (
        f"UPDATE {table} SET landing_fault = 'HEADER_CHANGED'"
        " FROM (SELECT file_id, row_no AS begins, landing_fault AS kind,"
        " coalesce(lead(row_no) OVER (PARTITION BY file_id ORDER BY row_no), 9223372036854775807) AS ends"
        f" FROM {table} WHERE landing_fault IN ('HEADER_AGAIN', 'HEADER_CHANGED') AND {_OF_FILES}) AS part"
        f" WHERE part.kind = 'HEADER_CHANGED' AND {table}.file_id = part.file_id"
        f" AND {table}.row_no > part.begins AND {table}.row_no < part.ends"
    )


def faults(log_type: str) -> str:
    """The rows that are no events and whose text is not yet in quarantine, by file and in order."""
    return (
        f"SELECT t.file_id, t.row_no, t.landing_fault FROM {quote_identifier(log_type)} AS t"
        " ANTI JOIN quarantine AS q ON q.file_id = t.file_id AND q.row_no = t.row_no"
        " WHERE t.landing_fault IS NOT NULL ORDER BY t.file_id, t.row_no"
    )


def drop_faults(log_type: str) -> str:
    """Take the rows that are no events out of the table."""
    return f"DELETE FROM {quote_identifier(log_type)} WHERE landing_fault IS NOT NULL"


def drop_files(log_type: str) -> str:
    """Take everything of some files (`$file_ids`) out of the table again."""
    return f"DELETE FROM {quote_identifier(log_type)} WHERE {_OF_FILES}"


def landed(log_type: str) -> str:
    """Each of some files (`$file_ids`) in a table: id, rows, rows of an unknown log, changed headers, late fields seen,
    declared rows, broken counters, events stood for, rows with a time, rows whose time is none that can be read, and
    one such text.

    A file's own counters declare the count of every window, read at the window's first row."""
    unread = "landing_fault IS NULL AND event_time IS NULL AND event_time_raw >= '!'"
    return (
        "SELECT file_id, count(*), count(*) FILTER (WHERE landing_fault = 'RECORD_UNKNOWN'),"
        " count(*) FILTER (WHERE landing_fault = 'HEADER_CHANGED'), bit_or(landing_late),"
        " sum(landing_count) FILTER (WHERE landing_index = 1),"
        " count(*) FILTER (WHERE landing_index < 0 OR landing_count <= 0), sum(landing_stands_for), count(event_time),"
        f" count(*) FILTER (WHERE {unread}), any_value(event_time_raw) FILTER (WHERE {unread})"
        f" FROM {quote_identifier(log_type)} WHERE {_OF_FILES} GROUP BY file_id"
    )


def date_texts(log_type: str) -> str:
    """The times of some files (`$file_ids`) as their source writes them: the relation that `date_sightings` reads."""
    return (
        f"WITH intake_times AS (SELECT file_id, event_time_raw AS event_text FROM {quote_identifier(log_type)}"
        f" WHERE landing_fault IS NULL AND {_OF_FILES}) "
    )


def remember_hashes(log_type: str) -> str:
    """Keep the hashes of rows without an id for the comparison across files."""
    return (
        "INSERT INTO intake_row_hashes SELECT file_id, row_no, landing_hash"
        f" FROM {quote_identifier(log_type)} WHERE landing_hash IS NOT NULL"
    )


def open_for_landing(log_type: str) -> tuple[str, ...]:
    """Give a canonical table the columns that speak of rows."""
    table = quote_identifier(log_type)
    return tuple(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} {kind}" for name, kind in TRANSIENT.items())


def close_landing(log_type: str) -> tuple[str, ...]:
    """Drop the columns that speak of rows."""
    return tuple(f"ALTER TABLE {quote_identifier(log_type)} DROP COLUMN IF EXISTS {name}" for name in TRANSIENT)


def create_table(log_type: str, columns: Mapping[str, str]) -> str:
    """A canonical table that only format files describe: `columns` leads from a field to its SQL type."""
    told = _comma([f"{quote_identifier(name)} {kind}" for name, kind in columns.items()])
    return (
        f"CREATE TABLE IF NOT EXISTS {quote_identifier(log_type)} (file_id INTEGER NOT NULL, row_no BIGINT NOT NULL,"
        f" event_id VARCHAR, event_time TIMESTAMP, event_time_raw VARCHAR{told})"
    )
