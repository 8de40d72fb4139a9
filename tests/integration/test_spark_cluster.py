"""The Spark that the tests of the cluster lean on: that it is one, that it is private, and that nothing stays of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.support.spark_cluster import NoSpark, SparkCluster, installed_spark, java_version, within

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

pytestmark = [pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")]

TASKS = """
SELECT t % 7 AS remainder, COUNT(*) AS number, COUNT(DISTINCT word) AS words, SUM(LN(t + 1)) AS logs
FROM numbers GROUP BY t % 7 ORDER BY 1
"""


@contextmanager
def session(url: str) -> Iterator[SparkSession]:
    from pyspark.sql.connect.session import SparkSession

    opened = SparkSession.builder.remote(url).create()
    try:
        yield opened
    finally:
        opened.stop()


def rows(spark: SparkSession, sql: str) -> list[dict[str, Any]]:
    return list(spark.sql(sql).toArrow().to_pylist())


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    folder = tmp_path / "numbers"
    folder.mkdir()
    for part in range(4):
        duckdb.sql(
            f"COPY (SELECT r * 4 + {part} AS t, 'w' || (r % 100) AS word FROM range(25000) AS x(r)) "
            f"TO '{folder / f'{part}.parquet'}' (FORMAT parquet)"
        )
    return folder


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.spark
def test_sql_over_parquet_gives_the_answers_of_one_machine_and_both_workers_take_part(
    spark: SparkCluster, numbers: Path
) -> None:
    with session(spark.url) as opened:
        opened.read.parquet(str(numbers)).createOrReplaceTempView("numbers")
        theirs = rows(opened, TASKS)
    duckdb.sql(f"CREATE OR REPLACE TEMP VIEW numbers AS SELECT * FROM '{numbers}/*.parquet'")
    ours = duckdb.sql(TASKS).to_arrow_table().to_pylist()
    assert [(row["remainder"], row["number"], row["words"]) for row in theirs] == [
        (row["remainder"], row["number"], row["words"]) for row in ours
    ]
    assert [row["logs"] for row in theirs] == pytest.approx([row["logs"] for row in ours])
    executors = {path.name for path in (spark.folder / "work").glob("app-*/*") if path.is_dir()}
    assert len(executors) == 2


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.spark
def test_only_who_knows_the_word_may_give_the_cluster_work(spark: SparkCluster) -> None:
    with pytest.raises(Exception, match=r"(?i)unauthenticated|token"), session(spark.url[:-1] + "0x") as opened:
        rows(opened, "SELECT 1 AS one")
    assert (spark.folder / "conf" / "spark-defaults.conf").stat().st_mode & 0o777 == 0o600
    word = spark.url.partition("token=")[2]
    told = [path.read_text(errors="replace") for path in spark.folder.glob("*.log")]
    assert [text for text in told if word in text] == []


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.skipif(sys.platform != "linux", reason="the open sockets of a process are read from Linux's own tables")
def test_the_cluster_listens_on_loopback_alone(spark: SparkCluster) -> None:
    places = [address for group in spark.process_groups() for address in listening(group)]
    assert len(places) > 4
    assert [place for place in places if place not in ("0100007F", "0000000000000000FFFF00000100007F")] == []


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.spark
def test_nothing_is_left_of_a_cluster_that_was_stopped_or_did_not_come_up(spark: SparkCluster, tmp_path: Path) -> None:
    cluster = SparkCluster(tmp_path / "one", workers=1).start()
    groups = cluster.process_groups()
    assert len(groups) == 3
    assert cluster.processor_seconds() > 0
    cluster.stop()
    assert [group for group in groups if is_alive(group)] == []
    with pytest.raises(NoSpark, match=r"Spark's connect is not ready; its log says: .*DRIVER_MEMORY"):
        SparkCluster(tmp_path / "two", workers=0, server_mb=128).start()


def test_why_there_is_no_spark_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_HOME", raising=False)
    with pytest.raises(NoSpark, match="`make spark` does it where Java 17 or newer is present"):
        installed_spark(tmp_path)
    with pytest.raises(NoSpark, match=r"^Java is not installed$"):
        java_version(str(tmp_path / "java"))
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    old.chmod(0o700)
    with pytest.raises(NoSpark, match="Java 17 or newer is needed, and there is openjdk version"):
        java_version(str(old))


def listening(group: int) -> list[str]:
    """The addresses, in hexadecimal, on which the processes of a group listen."""
    mine = {number for pid in members(group) for number in sockets(pid)}
    lines = [
        line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]
    ]
    return [field[1].partition(":")[0] for field in lines if field[3] == "0A" and field[9] in mine]


def members(group: int) -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if os.getpgid(int(path.name)) == group]


def sockets(pid: int) -> set[str]:
    found = [re.fullmatch(r"socket:\[(\d+)\]", os.readlink(path)) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return {match[1] for match in found if match}


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


HELD = """
import subprocess, sys, time
from tests.support.leash import Leash
leash = Leash()
words = ["sh", "-c", "sleep 600 & echo $!; wait"]
process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
leash.hold(process.pid)
print(process.pid, process.stdout.readline(), flush=True)
if sys.argv[1] == "ends":
    leash.let_go()
else:
    time.sleep(600)
"""
"""A program that starts another one, which starts one of its own, and tells which they are."""


def holder(ending: str) -> tuple[subprocess.Popen[str], list[int]]:
    """Such a program, and the processes that it tells of."""
    program = subprocess.Popen(
        [sys.executable, "-c", HELD, ending], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert program.stdout
    return program, [int(word) for word in program.stdout.readline().split()]


def test_what_is_held_dies_with_tests_that_are_killed_hard_and_so_does_what_it_started() -> None:
    program, started = holder("stays")
    try:
        assert all(map(runs, started))
        os.killpg(program.pid, signal.SIGKILL)
        assert within(20, lambda: not any(map(runs, started)))
    finally:
        ended(program, started)


def test_what_was_let_go_is_left_alone() -> None:
    program, started = holder("ends")
    try:
        assert program.wait(20) == 0
        assert all(map(runs, started))
    finally:
        ended(program, started)


def runs(pid: int) -> bool:
    """Whether a process is at work; one that has ended may stand in the table for a while."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ended(program: subprocess.Popen[str], started: list[int]) -> None:
    """End whatever is left of both."""
    for group in (program.pid, started[0]):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    program.communicate()
