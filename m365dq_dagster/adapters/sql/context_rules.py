"""Builds the statement that counts, in one pass over a log, the rows that match each context rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from m365dq_dagster.adapters.sql import quote_identifier
from m365dq_dagster.core.adjudication import Client
from m365dq_dagster.core.context_rules import Conditions

SIGN_IN_TYPE = """
    CASE
        WHEN contains(lower(t.sign_in_event_type), 'principal') THEN 'serviceprincipal'
        WHEN contains(lower(t.sign_in_event_type), 'managedidentity') THEN 'managedidentity'
        WHEN contains(lower(t.sign_in_event_type), 'noninteractive') OR t.is_interactive = FALSE
            THEN 'noninteractiveuser'
        WHEN lower(t.sign_in_event_type) IN ('interactiveuser', 'signinlogs') OR t.is_interactive THEN 'interactiveuser'
    END
"""
"""The type of a sign-in, as the judge's rows have it."""

EXPRESSIONS: Mapping[str, str] = {
    "sign_in_types": SIGN_IN_TYPE,
    "record_types": "t.record_type",
    "token_types": "replace(lower(t.incoming_token_type), ' ', '')",
    "address_kinds": "CASE WHEN contains(t.address, ':') THEN 'ipv6' WHEN t.address IS NOT NULL THEN 'ipv4' END",
    "aggregated": "coalesce(f.rows_stand_for > f.rows_read, FALSE)",
}
"""What a condition compares with its words, of a row `t` of file `f`; NULL where the row does not tell."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "clients": ("client_app_used",),
    "sign_in_types": ("sign_in_event_type", "is_interactive"),
    "record_types": ("record_type",),
    "token_types": ("incoming_token_type",),
    "address_kinds": ("address",),
    "systems": ("os",),
    "hours_before_end": ("event_time",),
}
"""The columns that a condition looks at."""


FORMATS = "formats"

WORDS = ("sign_in_types", "record_types", "token_types", "address_kinds")
"""The conditions that compare one word of the row with a list."""


@dataclass(frozen=True)
class Asked:
    """A rule asked of a field: its conditions, whether only logons are looked at, and which values of the client
    column are of which kind (`clients`), and which kind any other value is.
    """

    field: str
    when: Conditions
    logons_only: bool
    clients: Mapping[Client, Sequence[str]]
    otherwise: Client

    @property
    def columns(self) -> set[str]:
        """The columns that it looks at."""
        named = [name for name in COLUMNS if getattr(self.when, name) is not None]
        return {self.field, *(column for name in named for column in COLUMNS[name])}


def count_matches(table: str, asked: Sequence[Asked]) -> tuple[str, dict[str, object]]:
    """One statement over a log, and its values: for every rule asked, the rows that match and those it was asked on."""
    values: dict[str, object] = {}
    picks = []
    for number, one in enumerate(asked):
        scope = "t.is_logon" if one.logons_only else "TRUE"
        tests = " AND ".join([scope, *_tests(one, f"r{number}", values)])
        picks += [f"count(*) FILTER (WHERE {tests})", f"count(*) FILTER (WHERE {scope})"]
    return (
        f"""
        SELECT {", ".join(picks)}
        FROM {quote_identifier(table)} AS t
        LEFT JOIN files AS f ON f.file_id = t.file_id
        {" ".join(_files_of(name) for name in values if name.startswith(FORMATS))}
        """,
        values,
    )


def _in_formats(formats: Sequence[str], values: dict[str, object]) -> str:
    """The name by which the files that hold records of one of these formats are joined; alike lists share one."""
    known = [name for name in values if name.startswith(FORMATS)]
    name = next((name for name in known if values[name] == list(formats)), f"{FORMATS}{len(known)}")
    values[name] = list(formats)
    return name


def _files_of(name: str) -> str:
    files = f"SELECT DISTINCT file_id FROM file_formats WHERE list_contains(${name}, format)"
    return f"LEFT JOIN ({files}) AS {name} ON {name}.file_id = t.file_id"


def client_kind(prefix: str, kinds: Iterable[Client], otherwise: Client) -> str:
    """The kind of a row's client: that whose words, `$<prefix>_<kind>`, hold its name, else `otherwise`."""
    cases = " ".join(
        f"WHEN list_contains(${prefix}_{kind}, lower(trim(t.client_app_used))) THEN '{kind}'" for kind in kinds
    )
    return f"CASE {cases} ELSE '{otherwise}' END"


def _tests(one: Asked, prefix: str, values: dict[str, object]) -> list[str]:
    when, column = one.when, f"t.{quote_identifier(one.field)}"
    lists = {
        **{name: (EXPRESSIONS[name], getattr(when, name)) for name in WORDS},
        "values": (f"lower(trim(CAST({column} AS VARCHAR)))", when.values),
    }
    tests = []
    for name, (expression, words) in lists.items():
        if words is not None:
            tests.append(f"(list_contains(${prefix}_{name}, {expression}) IS TRUE)")
            values[f"{prefix}_{name}"] = list(words)
    if when.clients is not None:
        tests.append(f"list_contains(${prefix}_clients, {client_kind(prefix, one.clients, one.otherwise)})")
        values[f"{prefix}_clients"] = [str(client) for client in when.clients]
        values.update({f"{prefix}_{kind}": list(words) for kind, words in one.clients.items()})
    if when.formats is not None:
        tests.append(f"{_in_formats(when.formats, values)}.file_id IS NOT NULL")
    if when.systems is not None:
        begins = [f"starts_with(lower(t.os), ${prefix}_system{n})" for n, _ in enumerate(when.systems)]
        tests.append(f"(({' OR '.join(begins)}) IS TRUE)")
        values.update({f"{prefix}_system{n}": word for n, word in enumerate(when.systems)})
    if when.filled is not None:
        tests.append(f"{column} IS {'NOT ' if when.filled else ''}NULL")
    if when.aggregated is not None:
        tests.append(f"{EXPRESSIONS['aggregated']} = ${prefix}_aggregated")
        values[f"{prefix}_aggregated"] = when.aggregated
    if when.hours_before_end is not None:
        tests.append(f"(t.event_time >= f.last_event - to_minutes(CAST(${prefix}_hours * 60 AS BIGINT))) IS TRUE")
        values[f"{prefix}_hours"] = when.hours_before_end
    return tests
