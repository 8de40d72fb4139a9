"""pandera's guards of the product's own tables: types, what may be missing, words, ranges. Run in DuckDB, through ibis.

What the evidence should look like stands in `expectations/` and `gx`. A breach here is a fault of the product, never of
the evidence. pandera and ibis take seconds to import, so that happens inside the function that needs them. Results name
columns and rules, never values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from importlib import import_module
from operator import and_
from typing import TYPE_CHECKING, Any

from m365dq_dagster.adapters.sql import named_statements
from m365dq_dagster.core.outcome import (
    AccountVerdict,
    Confidence,
    DateOrder,
    FieldCause,
    FieldState,
    FileStatus,
    LogType,
    NormalizedStatus,
    Outcome,
    Role,
    Severity,
)

if TYPE_CHECKING:
    import duckdb
    from pandera.ibis import Check, DataFrameSchema

FAILURE_CASES = 5
Rule = Callable[[Any], Any]


class Kind(StrEnum):
    """The types our tables use."""

    TEXT = "text"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT = "float64"
    TRUTH = "bool"
    MOMENT = "timestamp"


@dataclass(frozen=True)
class Column:
    """What a column of ours holds."""

    kind: Kind
    required: bool = False
    words: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Guard:
    """What a table of ours holds; columns that are not named are free. `in_json`: it keeps one JSON object a row."""

    table: str
    columns: dict[str, Column]
    in_json: bool = False


@dataclass(frozen=True)
class Fault:
    """A rule that a column breaks."""

    column: str
    rule: str


@dataclass(frozen=True)
class Guarded:
    """A table, guarded."""

    table: str
    rows: int
    faults: tuple[Fault, ...]

    @property
    def passed(self) -> bool:
        """True where no rule is broken."""
        return not self.faults


def _text(*, required: bool = False) -> Column:
    return Column(Kind.TEXT, required)


def _word(words: type[StrEnum], *, required: bool = True) -> Column:
    return Column(Kind.TEXT, required, tuple(words))


def _count(kind: Kind = Kind.INT64) -> Column:
    return Column(kind, required=True, low=0)


def _share(*, required: bool = False) -> Column:
    return Column(Kind.FLOAT, required, low=0.0, high=1.0)


_LINE = {"file_id": _count(Kind.INT32), "row_no": _count()}
_SIGN_IN = {
    **_LINE,
    "event_time": Column(Kind.MOMENT),
    "account": _text(),
    "is_person": Column(Kind.TRUTH),
    "address": _text(),
    "country": _text(),
    "status_error_code": _text(),
    "conditional_access_status": _text(),
}

_EVIDENCE = (
    Guard(
        "files",
        {
            "file_id": _count(Kind.INT32),
            "path": _text(required=True),
            "status": _word(FileStatus),
            "log_type": _word(LogType, required=False),
            "date_order": _word(DateOrder, required=False),
            "rows_read": _count(),
            "rows_imported": _count(),
            "rows_duplicate": _count(),
            "rows_quarantined": _count(),
        },
    ),
    Guard("sign_in_logs", _SIGN_IN),
    Guard("legacy_auth_logs", _SIGN_IN),
    Guard(
        "unified_audit_log",
        {
            **_LINE,
            "event_time": Column(Kind.MOMENT),
            "account": _text(),
            "operation": _text(),
            "is_logon": Column(Kind.TRUTH, required=True),
            "error_number": _text(),
            "result_status": _text(),
        },
    ),
)

_RELIABILITY = (
    Guard(
        "field_profiles",
        {
            "log_type": _word(LogType),
            "field": _text(required=True),
            "role": _word(Role),
            "applicable_rows": _count(),
            "population": _share(),
            "top_share": _share(),
            "uniqueness_ratio": _share(),
            "normalized_entropy": _share(),
            "discriminatory_power": Column(Kind.FLOAT, low=-1.0, high=1.0),
            "decisiveness": _share(),
            "consistency": _share(),
            "base_score": _share(),
            "score": _share(),
            "state": _word(FieldState),
            "may_testify": Column(Kind.TRUTH, required=True),
            "cause": _word(FieldCause, required=False),
            "provenance": _text(required=True),
        },
        in_json=True,
    ),
    Guard(
        "recommendations",
        {
            "log_type": _word(LogType),
            "field": _text(required=True),
            "score": _share(required=True),
            "confidence": _word(Confidence),
        },
        in_json=True,
    ),
)
_VERIFICATION = (
    Guard(
        "events",
        {
            **_LINE,
            "log_type": _word(LogType),
            "event_time": Column(Kind.MOMENT),
            "outcome": _word(Outcome),
            "normalized_status": _word(NormalizedStatus),
            "confidence": _word(Confidence),
            "is_foreign": Column(Kind.TRUTH, required=True),
            "counted": Column(Kind.TRUTH, required=True),
        },
    ),
    Guard(
        "flows",
        {
            "flow_id": _text(required=True),
            "row_count": Column(Kind.INT64, required=True, low=1),
            "outcome": _word(Outcome),
            "is_foreign": Column(Kind.TRUTH, required=True),
            "is_attempt": Column(Kind.TRUTH, required=True),
        },
    ),
    Guard(
        "account_verdicts",
        {
            "account": _text(required=True),
            "events": _count(),
            "success": _count(),
            "foreign_attempt_success_rate": _share(),
            "foreign_share_of_success": _share(),
            "foreign_share_of_all": _share(),
            "verdict": _word(AccountVerdict),
            "confidence": _word(Confidence),
        },
        in_json=True,
    ),
    Guard(
        "findings",
        {
            "id": _text(required=True),
            "claim": _text(required=True),
            "severity": _word(Severity),
            "confidence": _word(Confidence),
            "rule_pack": _text(required=True),
            "verified": Column(Kind.TRUTH, required=True),
            "contradictions": _count(),
        },
        in_json=True,
    ),
)
GUARDS: dict[str, tuple[Guard, ...]] = {
    "evidence": _EVIDENCE,
    "reliability": _RELIABILITY,
    "verification": _VERIFICATION,
}
"""The tables that a stage writes, by the stage's word."""


def guard(con: duckdb.DuckDBPyConnection, guards: Sequence[Guard]) -> tuple[Guarded, ...]:
    """Hold every table against its guard, through a second connection to the same open database."""
    cursor = con.cursor()
    try:
        backend = _backend(cursor)
        return tuple(_guard_one(cursor, backend, item) for item in guards)
    finally:
        cursor.close()


def warm_up() -> None:
    """Import what guarding needs, so that a thread can do it while other work runs."""
    import_module("ibis.backends.duckdb")
    import_module("pandera.ibis")


def _backend(con: duckdb.DuckDBPyConnection) -> Any:
    from ibis.backends.duckdb import Backend

    class AsItStands(Backend):  # type: ignore[misc]
        """ibis on a connection whose configuration is locked: what it would set is noted and not set."""

        @property
        def settings(self) -> dict[str, Any]:
            return {}

    return AsItStands.from_connection(con)


def _guard_one(cursor: duckdb.DuckDBPyConnection, backend: Any, item: Guard) -> Guarded:
    """All rules of a table in one question first; only where the answer is no, each rule by itself, to name it.

    Over no rows "all of them" is unknown and reads as broken, so an empty table is asked for its types alone.
    """
    name = f"guarded_{item.table}" if item.in_json else item.table
    if item.in_json:
        cursor.execute(named_statements("guards")[item.table])
    rows = int(cursor.table(item.table).shape[0])
    table = backend.table(name)
    faults = _faults(_schema(item, whole=rows > 0), table)
    if rows and faults:
        faults = _faults(_schema(item, each=True), table)
    return Guarded(item.table, rows, faults)


def _faults(schema: DataFrameSchema, table: Any) -> tuple[Fault, ...]:
    from pandera.errors import SchemaErrors

    try:
        schema.validate(table, lazy=True)
    except SchemaErrors as errors:
        return tuple(_fault(error) for error in errors.schema_errors)
    return ()


def _schema(item: Guard, *, whole: bool = False, each: bool = False) -> DataFrameSchema:
    from pandera.ibis import Column as PanderaColumn
    from pandera.ibis import DataFrameSchema

    columns = {
        name: PanderaColumn(_type(column.kind), checks=_checks(column) if each else [], nullable=True)
        for name, column in item.columns.items()
    }
    return DataFrameSchema(columns, checks=[_all_rules(item)] if whole else [], name=item.table)


def _checks(column: Column) -> list[Check]:
    from pandera.ibis import Check

    return [
        Check(_on_column(rule), name=name, ignore_na=False, n_failure_cases=FAILURE_CASES)
        for name, rule in _rules(column)
    ]


def _all_rules(item: Guard) -> Check:
    from pandera.ibis import Check

    def hold(data: Any) -> Any:
        asked = [rule(data.table[name]) for name, column in item.columns.items() for _, rule in _rules(column)]
        return reduce(and_, asked)

    return Check(hold, name="all rules", ignore_na=False, n_failure_cases=FAILURE_CASES)


def _rules(column: Column) -> Iterator[tuple[str, Rule]]:
    """Each rule by its name, true or false on every row; what is missing breaks only "required"."""
    if column.required:
        yield "required", lambda values: values.notnull()
    if column.words:
        yield "one of our words", lambda values: values.isnull() | values.isin(column.words)
    if column.low is not None:
        yield f"at least {column.low:g}", lambda values: values.isnull() | (values >= column.low)
    if column.high is not None:
        yield f"at most {column.high:g}", lambda values: values.isnull() | (values <= column.high)


def _on_column(rule: Rule) -> Rule:
    return lambda data: rule(data.table[data.key])


def _type(kind: Kind) -> Any:
    from ibis.expr import datatypes

    return {
        Kind.TEXT: str,
        Kind.INT32: datatypes.int32,
        Kind.INT64: datatypes.int64,
        Kind.FLOAT: datatypes.float64,
        Kind.TRUTH: bool,
        Kind.MOMENT: datatypes.Timestamp(scale=6),
    }[kind]


def _fault(error: Any) -> Fault:
    """The column and the rule; the error's own text may quote values and is left alone."""
    if error.reason_code.name == "COLUMN_NOT_IN_DATAFRAME":
        return Fault(str(error.failure_cases), "is missing")
    return Fault(str(error.schema.name), str(getattr(error.check, "name", error.check)))
