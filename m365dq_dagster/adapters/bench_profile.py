"""Watches work while it runs: flame graphs by pyinstrument, and every statement with its time and plan by DuckDB.

pyinstrument is among the tools of development; without it nothing is watched, and the caller says so. What is watched,
and when, is the business of the stages of the benchmark.
"""

from __future__ import annotations

import importlib.util
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m365dq_dagster.adapters import sql
from m365dq_dagster.core.bench_results import Statement
from m365dq_dagster.core.composition import Frame

if TYPE_CHECKING:
    import duckdb

EVERY_SECONDS = 0.002
"""How often it is looked at what the program does."""
WATCHER = ("-m", "pyinstrument", "-i", str(EVERY_SECONDS), "-r", "pyisession", "-o")
KEPT_STATEMENTS = 20
"""Of how many of the heaviest statements the plan is written."""
ONE_LINE = 70


def can_watch() -> bool:
    """Whether pyinstrument is installed."""
    return importlib.util.find_spec("pyinstrument") is not None


def watched(words: Sequence[str], session: Path) -> tuple[str, ...]:
    """The words by which the interpreter runs these words and writes down what it did."""
    return (*WATCHER, str(session), *words)


@contextmanager
def watching(graph: Path) -> Iterator[None]:
    """Draw what this thread does within the block."""
    from pyinstrument import Profiler

    profiler = Profiler(interval=EVERY_SECONDS)
    profiler.start()
    try:
        yield
    finally:
        profiler.stop()
    session = profiler.last_session
    assert session
    _draw(session, graph)


def draw(session: Path, graph: Path) -> None:
    """Draw what a watched process wrote down."""
    _draw(_load(session), graph)


def frames(session: Path) -> Frame:
    """The calls of a watched process as a tree."""
    root = _load(session).root_frame()
    assert root
    return _frame(root)


def _load(session: Path) -> Any:
    from pyinstrument.session import Session

    return Session.load(session)


def _frame(found: Any) -> Frame:
    """One call of the interpreter's stack a level of the tree: imports lie deep."""
    children = []
    for child in found.children:
        children.append(_frame(child))
    return Frame(str(found.function), str(found.file_path or ""), float(found.time), tuple(children))


def _draw(session: Any, graph: Path) -> None:
    """As a page that opens by itself, and for speedscope.app."""
    from pyinstrument.renderers import HTMLRenderer, SpeedscopeRenderer

    graph.with_name(f"{graph.name}.html").write_text(HTMLRenderer().render(session), encoding="utf-8")
    graph.with_name(f"{graph.name}.speedscope.json").write_text(SpeedscopeRenderer().render(session), encoding="utf-8")


class WatchedConnection:
    """A connection that does what the real one does, and remembers every statement with its seconds and its plan."""

    def __init__(self, con: duckdb.DuckDBPyConnection, clock: Callable[[], float] = time.perf_counter) -> None:
        self._con, self._clock = con, clock
        self._last: tuple[str, float] | None = None
        self._seen: list[tuple[str, float, Mapping[str, Any]]] = []
        con.execute("SET enable_profiling = 'no_output'")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """It passes for a connection wherever one is asked for."""
        return type(self._con)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)

    def execute(self, query: str, *given: Any) -> Any:
        """Run the statement; it is complete before it is fetched, so the time of the call is its time."""
        self._remember()
        begun = self._clock()
        result = self._con.execute(query, *given)
        self._last = (query, self._clock() - begun)
        return result

    def close(self) -> None:
        """Close the connection; what it ran is remembered."""
        self._remember()
        self._con.close()

    def _remember(self) -> None:
        """The plan of the last statement: the engine tells it until the next one."""
        if self._last is not None:
            plan = json.loads(self._con.get_profiling_information(format="json") or "{}")
            self._seen.append((*self._last, plan))
        self._last = None

    def statements(self, folder: Path) -> tuple[Statement, ...]:
        """The heaviest statements, each with all its calls taken together; the plan of the slowest call is in the
        folder, for ``python -m duckdb.query_graph``.
        """
        calls: dict[str, list[tuple[float, Mapping[str, Any]]]] = {}
        for query, seconds, plan in self._seen:
            calls.setdefault(query_name(query), []).append((seconds, plan))
        heavy = sorted(calls.items(), key=lambda item: -sum(seconds for seconds, _ in item[1]))[:KEPT_STATEMENTS]
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(_statement(number, name, made, folder) for number, (name, made) in enumerate(heavy, 1))


def _statement(number: int, name: str, calls: Sequence[tuple[float, Mapping[str, Any]]], folder: Path) -> Statement:
    _, plan = max(calls, key=lambda call: call[0])
    file = folder / f"{number:02d}-{re.sub(r'[^A-Za-z0-9]+', '-', name)[:40].strip('-')}.json"
    file.write_text(json.dumps(plan, indent=1), encoding="utf-8")
    told = [call.get("query", {}) for _, call in calls]
    processor = sum(float(one.get("cpu_time", 0.0)) for one in told)
    scanned = sum(int(one.get("total_rows_scanned", 0)) for one in told)
    return Statement(name, len(calls), sum(seconds for seconds, _ in calls), processor, scanned)


def query_name(query: str) -> str:
    """What a statement is called: its file and name, or the beginning of its text."""
    return _names().get(query.strip().rstrip(";")) or re.sub(r"\s+", " ", query.strip())[:ONE_LINE]


@cache
def _names() -> Mapping[str, str]:
    files = sorted(path.stem for path in sql.HERE.glob("*.sql"))
    return {text: f"{file}.sql: {name}" for file in files for name, text in sql.named_statements(file).items()}
