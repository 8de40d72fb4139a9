"""Great Expectations, run inside DuckDB over a connection that is already open: what the evidence should look like.

The suites are plain JSON in `expectations/`, one a log type, and analysts edit them. Guards of the product's own tables
stand in `table_guards`; judging outcomes is the business of `core`. Great Expectations takes seconds to import, so it
is imported inside the function that needs it. Evidence is private: results carry counts, never values.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import LazyLoader, find_spec, module_from_spec
from typing import TYPE_CHECKING, Any, cast

from m365dq_dagster.adapters.loading import no_spark_asked_for
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import LogType, Severity

if TYPE_CHECKING:
    import duckdb
    from great_expectations.core import ExpectationSuite, ExpectationValidationResult
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource

COUNTS_ONLY = {"result_format": "SUMMARY", "partial_unexpected_count": 0, "include_unexpected_rows": False}


@dataclass(frozen=True)
class Expected:
    """One expectation of a suite: what is asked, how bad a breach of it is, why it is asked, and where help stands."""

    type: str
    kwargs: Mapping[str, Any]
    severity: Severity
    reason: str
    runbook: str


@dataclass(frozen=True)
class Suite:
    """What one log type should look like."""

    log_type: LogType
    expectations: tuple[Expected, ...]


@dataclass(frozen=True)
class Judged:
    """One expectation, judged. `broken` says that it could not be asked, which says nothing about the evidence.

    `unexpected` counts rows, `percent` is their share of the rows that were asked, 0..100.
    """

    expectation: str
    column: str | None
    severity: Severity
    reason: str
    runbook: str
    passed: bool
    broken: bool
    unexpected: int
    percent: float


@dataclass(frozen=True)
class SuiteResult:
    """A suite judged over the rows of one log type; no rows, no judgement."""

    log_type: LogType
    rows: int
    judged: tuple[Judged, ...]

    @property
    def broken(self) -> tuple[Judged, ...]:
        """What could not be asked."""
        return tuple(item for item in self.judged if item.broken)

    @property
    def unmet(self) -> tuple[Judged, ...]:
        """What was asked and is not so."""
        return tuple(item for item in self.judged if not item.passed and not item.broken)

    @property
    def passed(self) -> bool:
        """True where everything was asked and is so, or where there was nothing to ask of."""
        return all(item.passed for item in self.judged)


def load_suite(content: bytes, log_type: LogType) -> Suite:
    """The suite of a log type from what its file holds. Raises `BadInput` naming file and entry that cannot be
    used.
    """
    name = f"{log_type}.json"
    try:
        entries = list(json.loads(content)["expectations"])
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{name}: not a suite; it must be a JSON object with a list `expectations`.") from None
    return Suite(log_type, tuple(_expected(entry, f"{name}: entry {n}") for n, entry in enumerate(entries, 1)))


def judge(con: duckdb.DuckDBPyConnection, suites: Sequence[Suite]) -> tuple[SuiteResult, ...]:
    """Ask every suite of its table on the open connection; tables without rows cost nothing and are not asked."""
    counts = {suite.log_type: int(con.table(suite.log_type).shape[0]) for suite in suites}
    if not any(counts.values()):
        return tuple(SuiteResult(suite.log_type, 0, ()) for suite in suites)
    with _source(con) as source:
        return tuple(_judge_one(source, suite, counts[suite.log_type]) for suite in suites)


def warm_up() -> None:
    """Import what judging needs, so that a thread can do it while other work runs."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    _put_off("scipy", "stats")
    with no_spark_asked_for():
        import_module("great_expectations.expectations")
    import_module("m365dq_dagster.adapters.buffered_duckdb")


def _put_off(package: str, name: str) -> None:
    """Have a module of a package executed when something of it is first used. Great Expectations takes the statistics
    in for expectations about distributions, which hardly a suite asks for, and they are a fifth of what it imports.
    """
    whole = f"{package}.{name}"
    if whole in sys.modules or (spec := find_spec(whole)) is None or spec.loader is None:
        return
    spec.loader = LazyLoader(spec.loader)
    module = sys.modules[whole] = module_from_spec(spec)
    spec.loader.exec_module(module)
    setattr(sys.modules[package], name, module)


def _expected(entry: object, where: str) -> Expected:
    try:
        meta = entry["meta"]  # type: ignore[index]
        return Expected(
            type=str(entry["type"]),  # type: ignore[index]
            kwargs=dict(entry["kwargs"]),  # type: ignore[index]
            severity=Severity(meta["severity"]),
            reason=str(meta["reason"]),
            runbook=str(meta["runbook"]),
        )
    except (KeyError, TypeError, ValueError):
        raise BadInput(
            f"{where}: needs `type`, `kwargs` and `meta` with `severity` ({', '.join(Severity)}), `reason`, `runbook`."
        ) from None


@contextmanager
def _source(con: duckdb.DuckDBPyConnection) -> Iterator[SQLDatasource]:
    warm_up()
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    from m365dq_dagster.adapters.buffered_duckdb import ADDRESS, BufferedConnection

    opened: list[BufferedConnection] = []

    def connect() -> BufferedConnection:
        opened.append(BufferedConnection(con.cursor()))
        return opened[-1]

    settings = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=settings)
    sources = cast("Any", context.data_sources)  # its methods are made at run time
    try:
        yield sources.add_sql("case", connection_string=ADDRESS, kwargs={"creator": connect}, create_temp_table=False)
    finally:
        for connection in opened:
            connection.close()


def _judge_one(source: SQLDatasource, suite: Suite, rows: int) -> SuiteResult:
    if not rows:
        return SuiteResult(suite.log_type, 0, ())
    table = source.add_table_asset(suite.log_type, table_name=suite.log_type)
    batch = table.add_batch_definition_whole_table("all").get_batch()
    answers = batch.validate(_as_suite(suite), result_format=COUNTS_ONLY).results
    found = {_entry(answer): answer for answer in answers}  # the order of answers is the engine's
    return SuiteResult(
        suite.log_type, rows, tuple(_judged(item, found[n], rows) for n, item in enumerate(suite.expectations))
    )


def _entry(answer: ExpectationValidationResult) -> int:
    meta = answer.expectation_config.meta if answer.expectation_config else None
    return int((meta or {})["entry"])


def _as_suite(suite: Suite) -> ExpectationSuite:
    from great_expectations.core import ExpectationSuite

    return ExpectationSuite(
        suite.log_type,
        expectations=[
            {"type": item.type, "kwargs": dict(item.kwargs), "meta": {"entry": n}}
            for n, item in enumerate(suite.expectations)
        ],
    )


def _judged(item: Expected, answer: ExpectationValidationResult, rows: int) -> Judged:
    result: Mapping[str, Any] = answer.result or {}
    unexpected = int(result.get("unexpected_count", result.get("observed_value", 0)) or 0)
    broken = _is_broken(answer.exception_info)
    return Judged(
        expectation=item.type,
        column=item.kwargs.get("column"),
        severity=item.severity,
        reason=item.reason,
        runbook=item.runbook,
        passed=bool(answer.success) and not broken,
        broken=broken,
        unexpected=0 if broken else unexpected,
        percent=0.0 if broken else round(100 * unexpected / rows, 2),
    )


def _is_broken(info: Mapping[str, Any] | None) -> bool:
    """True where a metric raised. Great Expectations writes one flag, or one entry a metric."""
    told = info or {}
    entries = [told] if "raised_exception" in told else list(told.values())
    return any(bool(entry.get("raised_exception", True)) for entry in entries)
