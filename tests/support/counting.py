"""Counting rows in SQL and nothing else, in a generation in memory where every witness is heard, whatever its worth."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import duckdb

from m365dq_dagster.adapters import measure, places
from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, create_schema
from m365dq_dagster.adapters.clock import FixedClock
from m365dq_dagster.core import adjudication
from m365dq_dagster.core.context import CaseContext
from m365dq_dagster.core.verdict import AccountEvidence, Lead
from m365dq_dagster.stages import indicators
from m365dq_dagster.stages.case_run import CaseRun
from tests.support.case_runs import CASE, NOW, Listener, shipped_pack
from tests.support.evidence import FILES, Row, load

PACK = shipped_pack()
POLICY = PACK.policy
HEARD = adjudication.Testimony(
    frozenset({"status_error_code", "status", "conditional_access_status", "error_number", "operation"})
)


@contextmanager
def judged(
    rows: Sequence[Row], homes: Sequence[str] = (), shuffled: int | None = None, *, accounts: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A generation in which every witness was heard and the rows stand as events and flows."""
    con, window = _events(rows, homes, shuffled)
    if accounts:
        _read_acts(con)
        measure.account_evidence(con, window, POLICY)
    yield con


@dataclass(frozen=True)
class Counted:
    """What was counted of every account, the leads, and the generation they were counted in."""

    con: duckdb.DuckDBPyConnection
    accounts: list[AccountEvidence]
    leads: list[Lead]


def counted_accounts(rows: Sequence[Row], homes: Sequence[str] = (), shuffled: int | None = None) -> Counted:
    """Count the accounts of these rows, every witness heard."""
    con, window = _events(rows, homes, shuffled)
    _read_acts(con)
    return Counted(con, *measure.account_evidence(con, window, POLICY))


def _read_acts(con: duckdb.DuckDBPyConnection) -> None:
    """What the operations of the logs come to, which is told elsewhere and only joined here."""
    nowhere = Path("/nowhere")
    indicators.read_acts(
        CaseRun(CASE, "g1", nowhere, nowhere, CaseContext(), PACK, con, cast("Any", Listener()), FixedClock(NOW))
    )


def _events(
    rows: Sequence[Row], homes: Sequence[str], shuffled: int | None
) -> tuple[duckdb.DuckDBPyConnection, measure.Window]:
    con = emptied()
    load(con, rows, shuffled)
    measure.build_logons(con)
    decided = [
        (log_type, key, adjudication.adjudicate(combo, HEARD, PACK.vocabulary), True)
        for log_type, found in measure.combos(con).items()
        for key, combo in found.items()
    ]
    measure.keep_decisions(con, decided)
    places.settle_addresses(con, POLICY)
    window = measure.join_decisions(con, POLICY)
    measure.build_events(con, CaseContext(), homes, window, POLICY)
    return con, window


@cache
def generation() -> duckdb.DuckDBPyConnection:
    """One generation in memory, with the rule pack's lookup tables, that every example uses anew."""
    con = duckdb.connect(":memory:", config={**CONNECT_CONFIG, "threads": 1})
    create_schema(con)
    measure.load_pack_tables(con, PACK)
    return con


def emptied() -> duckdb.DuckDBPyConnection:
    """The generation without rows; a table that its first rows make may not be there yet."""
    con = generation()
    for table in ("files", *FILES):
        if measure.has_table(con, table):
            con.execute(f"DELETE FROM {table}")
    return con


def close_generation() -> None:
    """Let go of the generation, so that nothing of the engine outlives the tests of a module."""
    generation().close()
    generation.cache_clear()
