import json
import sys
from pathlib import Path

import duckdb
import pytest

from m365dq_dagster.adapters import bench_profile, sql
from m365dq_dagster.adapters.bench import own_interpreter
from m365dq_dagster.adapters.bench_profile import WatchedConnection, draw, frames, query_name, watched, watching

SLOW = "import time, json\ndef slowly():\n    time.sleep(0.05)\nslowly()\n"


class Ticking:
    """A clock that shows the next of these seconds each time it is looked at."""

    def __init__(self, *shown: float) -> None:
        self._shown = list(shown)

    def __call__(self) -> float:
        return self._shown.pop(0)


def test_a_watched_process_leaves_a_tree_of_calls_and_can_be_drawn(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    session = tmp_path / "session"
    own_interpreter(watched((str(tmp_path / "slow.py"),), session), tmp_path, tmp_path / "log")
    found, names = [frames(session)], set()
    while found:
        one = found.pop()
        names.add(one.function)
        found.extend(one.children)
        assert one.seconds + 1e-6 >= sum(child.seconds for child in one.children)
    assert "slowly" in names
    draw(session, tmp_path / "drawn")
    assert "slowly" in (tmp_path / "drawn.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "drawn.speedscope.json").read_text(encoding="utf-8"))["profiles"]


def test_a_block_can_be_watched_in_this_process(tmp_path: Path) -> None:
    with watching(tmp_path / "block"):
        sum(range(1000))
    assert json.loads((tmp_path / "block.speedscope.json").read_text())["profiles"] is not None
    assert (tmp_path / "block.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")


def test_a_watched_connection_works_as_the_real_one_and_tells_the_heaviest_statements(tmp_path: Path) -> None:
    con = WatchedConnection(duckdb.connect(), Ticking(0, 1, 10, 15, 20, 22, 30, 32))
    con.execute("CREATE TABLE t AS SELECT range AS n FROM range(1000)")
    assert con.execute("SELECT count(*) FROM t WHERE n < ?", [10]).fetchall() == [(10,)]
    assert con.execute("SELECT   1\n  AS one").fetchall() == [(1,)]
    assert con.execute("SELECT   1\n  AS one").fetchall() == [(1,)]
    con.close()
    heavy, twice, made = con.statements(tmp_path / "plans")
    assert (heavy.name, heavy.calls, heavy.seconds, heavy.rows_scanned) == (
        "SELECT count(*) FROM t WHERE n < ?",
        1,
        5.0,
        1000,
    )
    assert (twice.name, twice.calls, twice.seconds) == ("SELECT 1 AS one", 2, 4.0)
    assert (made.seconds, made.name[:14]) == (1.0, "CREATE TABLE t")
    assert heavy.processor_seconds > 0
    files = sorted(path.name for path in (tmp_path / "plans").iterdir())
    assert files[0] == "01-SELECT-count-FROM-t-WHERE-n.json"
    assert json.loads((tmp_path / "plans" / files[0]).read_text())["query"]["total_rows_scanned"] == 1000


def test_no_more_plans_are_written_than_anyone_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_profile, "KEPT_STATEMENTS", 2)
    con = WatchedConnection(duckdb.connect())
    for number in range(4):
        con.execute(f"SELECT {number}")
    con.close()
    assert len(con.statements(tmp_path / "plans")) == len(list((tmp_path / "plans").iterdir())) == 2


def test_a_named_statement_is_called_by_its_file_and_name() -> None:
    name, text = next(iter(sql.named_statements("judge").items()))
    assert query_name(f"{text};\n") == f"judge.sql: {name}"


def test_it_is_known_whether_anything_can_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench_profile.can_watch()
    monkeypatch.setitem(sys.modules, "pyinstrument", None)
    assert not bench_profile.can_watch()
