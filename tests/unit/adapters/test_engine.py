"""What a statement says on a cluster, what is refused, and what is told of a server that does not answer."""

from __future__ import annotations

import socket
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from m365dq_dagster.adapters.engine import spark_connect
from m365dq_dagster.adapters.engine.opening import engine_place, open_engine
from m365dq_dagster.adapters.engine.spark_connect import Address, SparkConnect
from m365dq_dagster.adapters.engine.translation import Append, Clear, Declare, Drop, Make, Query, View, literal, steps
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.errors import BadInput, InternalFault

SECRET = "s3cr3t"


def said(text: str, **values: object) -> str:
    """A query in Spark's words."""
    (step,) = steps(text, values, lambda _: ["a", "b"], {})
    assert isinstance(step, (Query, Make, Append))
    return step.text


@pytest.mark.parametrize(
    "text",
    [
        "SELECT median(a) FROM t",
        "SELECT regexp_matches(a, 'x') FROM t",
        "SELECT my_own(a) FROM t",
        "SELECT list(DISTINCT a ORDER BY b) FROM t",
        "SELECT string_split(a, '::') FROM t",
        "SELECT list_contains(b, a) FROM t",
        "SELECT a FROM t WHERE (a, b) IN (SELECT (a, b) FROM u)",
        "CREATE INDEX i ON t (a)",
        "DELETE FROM t WHERE a = 1",
    ],
)
def test_what_was_never_compared_is_refused(text: str) -> None:
    with pytest.raises(InternalFault, match=r"compared on both engines|one machine alone"):
        said(text)


def test_a_value_that_was_not_given_is_a_fault() -> None:
    with pytest.raises(InternalFault, match=r"asks for \$missing"):
        said("SELECT $missing")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (7, "CAST('7' AS BIGINT)"),
        (0.1, "CAST('0.1' AS DOUBLE)"),
        ("plain name@contoso.example", "'plain name@contoso.example'"),
        ("it's", "CAST(X'69742773' AS STRING)"),
        ("a\\b", "CAST(X'615c62' AS STRING)"),
        ("${env:HOME}", "CAST(X'247b656e763a484f4d457d' AS STRING)"),
        (date(2026, 1, 5), "CAST('2026-01-05' AS DATE)"),
        (datetime(2026, 1, 5, 9, 0, 0, 5, tzinfo=UTC), "CAST('2026-01-05 09:00:00.000005' AS TIMESTAMP_NTZ)"),
        (["a", "b"], "ARRAY('a', 'b')"),
        ([], "ARRAY(NULL)"),
    ],
)
def test_a_value_is_bound_with_its_type_and_never_becomes_part_of_the_statement(value: object, text: str) -> None:
    assert literal(value).sql(dialect="spark") == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_a_value_without_a_literal_is_a_fault(value: object) -> None:
    with pytest.raises(InternalFault, match=r"cannot be bound|not finite"):
        literal(value)


def test_every_kind_of_statement_is_a_step_of_its_own() -> None:
    text = """
        CREATE OR REPLACE TEMP MACRO same(x) AS (x = 'a');
        CREATE OR REPLACE TABLE d (n INTEGER, t TIMESTAMP[]);
        CREATE OR REPLACE TABLE m AS SELECT same(v.a) AS b FROM v;
        CREATE OR REPLACE VIEW v AS SELECT a FROM d;
        INSERT INTO d SELECT a FROM v;
        UPDATE m SET b = 1 WHERE a = 2;
        UPDATE m SET b = p.x FROM p WHERE p.a = m.a;
        DELETE FROM d;
        DROP TABLE d
    """
    found = steps(text, {}, lambda _: ["a", "b"], {})
    assert [type(one) for one in found] == [Declare, Make, View, Append, Make, Make, Clear, Drop]
    assert isinstance(found[0], Declare)
    assert found[0].columns == (("n", "INT"), ("t", "ARRAY<TIMESTAMP_NTZ>"))
    assert isinstance(found[3], Append)
    assert found[3].text == "WITH `v` AS (SELECT `a` FROM `d`) SELECT `a` FROM `v`"
    assert isinstance(found[4], Make)
    assert found[4].text == "SELECT `m`.`a`, CASE WHEN `a` = 2 THEN 1 ELSE `m`.`b` END AS `b` FROM `m`"


def test_a_list_in_an_order_that_runs_backwards_keeps_it() -> None:
    assert "'k1', -`n`" in said("SELECT list(a ORDER BY n DESC, b)[1:3] AS x FROM t GROUP BY c")
    assert said("SELECT list(a) FILTER (WHERE b) AS x FROM t").startswith(
        "SELECT (CASE WHEN SIZE(COLLECT_LIST(`a`) FILTER"
    )
    assert said("SELECT first(a ORDER BY n) AS x FROM t").count("MIN_BY") == 1
    assert "TRY_ELEMENT_AT(`l`, -1)" in said("SELECT l[-1] AS x, x IS FALSE AS z FROM t")


@pytest.mark.parametrize("url", ["", "localhost:15002", "http://host:1", "sc://", "sc://host:notaport", "sc://[::1"])
def test_an_address_that_is_none_is_bad_input(url: str) -> None:
    with pytest.raises(BadInput, match="M365DQ_ENGINE_URL is no address"):
        Address.of(url)


def test_only_host_and_port_of_an_address_are_told() -> None:
    address = Address.of(f"sc://host.example:15003/;token={SECRET};use_ssl=true")
    assert (address.place, Address.of("sc://host.example").port) == ("host.example:15003", 15002)
    fault = spark_connect._fault(address, RuntimeError(f"cannot speak to {address.url}\nmore"))
    assert SECRET not in str(fault)
    assert "host.example:15003" in str(fault)


@pytest.mark.parametrize(
    ("address", "secrets"),
    [
        ("sc://h:1/;token=t0p-s3cr3t", ["t0p-s3cr3t"]),
        ("sc://h:1/;use_ssl=true;Token=t0p%2Fs3cr3t", ["t0p%2Fs3cr3t", "t0p/s3cr3t"]),
        ("sc://h:1/;token=dDBwLXMzY3IzdA==", ["dDBwLXMzY3IzdA==", "dDBwLXMzY3IzdA"]),
        ("sc://h:1/;x-api-key=k3y;password=p4ss w0rd", ["k3y", "p4ss w0rd", "p4ss%20w0rd"]),
        ("sc://kim:p4ss@h:1", ["kim:p4ss", "p4ss", "kim"]),
        ("sc://h:1;token=t0p-s3cr3t", ["t0p-s3cr3t"]),
        ("sc://h:1/t0p-s3cr3t", ["t0p-s3cr3t"]),
        ("sc://h:1/?a=1&token=t0p-s3cr3t", ["t0p-s3cr3t"]),
    ],
)
def test_no_secret_part_of_an_address_is_told_even_where_it_stands_alone(address: str, secrets: list[str]) -> None:
    known = Address.of(address)
    for secret in secrets:
        fault = spark_connect._fault(known, ValueError(f"the call with <{secret}> from {address} is no call\n{secret}"))
        assert "the call with <***> from h:1 is no call" in str(fault)
        assert secret not in repr(known)


def test_a_token_that_the_client_itself_refuses_is_not_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"sc://127.0.0.1:{listening.getsockname()[1]}/;token={SECRET}=="
        with pytest.raises(InternalFault, match="key-value pair") as told:
            SparkConnect(url, tmp_path)
    assert SECRET not in "".join(traceback.format_exception(told.value))


def test_what_an_address_may_show_is_shown() -> None:
    fault = spark_connect._fault(Address.of("sc://h/;use_ssl=true;token=k"), ValueError("a true sentence"))
    assert "a true sentence" in str(fault)


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"sc://127.0.0.1:{taken.getsockname()[1]}/;token={SECRET}"


def test_a_server_that_does_not_listen_is_one_sentence(nobody: str) -> None:
    with pytest.raises(InternalFault, match=r"cannot be reached .* M365DQ_ENGINE_URL") as told:
        engine_place(nobody)
    assert SECRET not in str(told.value)
    assert engine_place(None) == "this machine"


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(BadInput, match=r"m365dq-dagster\[cluster\]"):
        spark_connect._session(Address.of("sc://127.0.0.1:1"))


def test_a_server_that_speaks_another_language_is_one_sentence() -> None:
    class Refuses:
        def create(self) -> None:
            raise ValueError(f"no {SECRET}")

    class Session:
        class builder:  # noqa: N801  the client's own name
            @staticmethod
            def remote(url: str) -> Refuses:
                return Refuses()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pyspark.sql.SparkSession", Session)
        with pytest.raises(InternalFault, match="did not carry out a statement"):
            spark_connect._session(Address.of("sc://127.0.0.1:1"))


def test_a_session_has_tables_of_its_own_and_leaves_nothing_behind(sail: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    one, other = SparkConnect(sail, work), SparkConnect(sail, work)
    try:
        for engine, number in ((one, 1), (other, 2)):
            engine.run("CREATE OR REPLACE TABLE t (n BIGINT, w VARCHAR)")
            engine.fill("t", [[number, "a"]])
            engine.fill("t", [])
            engine.run("INSERT INTO t VALUES ($n, NULL); INSERT INTO t SELECT 9 AS n, 'z' AS w", {"n": number + 10})
        assert sorted(one.run("SELECT n, w FROM t"), key=repr) == [(1, "a"), (11, None), (9, "z")]
        assert sorted(n for (n,) in other.run("SELECT n FROM t")) == [2, 9, 12]
        one.run("CREATE OR REPLACE VIEW v AS SELECT n FROM t; DELETE FROM t")
        assert (one.run("SELECT count(*) AS k FROM v"), one.has("v"), one.has("u")) == ([(0,)], True, False)
        assert (one.columns("v"), one.columns("u"), one.tables().keys()) == ({"n"}, frozenset(), {"t", "v"})
        one.run("CREATE OR REPLACE TABLE m AS SELECT (1, 'x') AS pair, [1, 2] AS l")
        assert one.run("SELECT * FROM m") == [((1, "x"), [1, 2])]
        one.run("DROP TABLE m")
        assert not one.has("m")
        one.keep("k", ["b", "a"])
        assert (one.kept("k"), one.kept("none")) == (["b", "a"], [])
        with one.together(), pytest.raises(InternalFault, match="did not carry out a statement"):
            one.run("SELECT * FROM nowhere")
    finally:
        one.close()
        other.close()
    assert list(work.iterdir()) == []


def test_a_fault_of_our_own_keeps_its_sentence() -> None:
    ours = InternalFault("ours")
    assert spark_connect._fault(Address.of("sc://h"), ours) is ours


def test_this_machine_reads_parquet_of_the_case_and_nothing_else(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    for name in ("case", "other"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"a": [1, 2]}), tmp_path / name / "t.parquet")
    with open_engine(None, tmp_path / "work", tmp_path / "case") as engine:
        engine.register({"t": tmp_path / "case" / "t.parquet", "c": tmp_path / "case" / "t.parquet"}, changed=("c",))
        engine.run("UPDATE c SET a = 3")
        assert (engine.run("SELECT sum(a) FROM t"), engine.run("SELECT sum(a) FROM c")) == ([(3,)], [(6,)])
        with pytest.raises(Exception, match=r"(?i)permission|disabled"):
            engine.register({"u": tmp_path / "other" / "t.parquet"})


def test_this_machine_keeps_to_the_limit_of_memory_and_spills_where_it_was_told(tmp_path: Path) -> None:
    with open_engine(None, tmp_path / "work", tmp_path, memory="256MiB") as engine:
        asked = "SELECT current_setting('memory_limit'), current_setting('temp_directory')"
        assert engine.run(asked) == [("256.0 MiB", str(tmp_path / "work"))]


def test_the_address_is_read_from_the_environment_and_never_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Settings.load().engine_url, Settings.load().engine_folder) == (None, home / "engine")
    monkeypatch.setenv("M365DQ_ENGINE_URL", f"sc://host:1/;token={SECRET}")
    monkeypatch.setenv("M365DQ_ENGINE_FOLDER", str(home / "shared"))
    found: Any = Settings.load()
    assert (found.engine_url, found.engine_folder) == (f"sc://host:1/;token={SECRET}", home / "shared")
    assert SECRET not in repr(found)
