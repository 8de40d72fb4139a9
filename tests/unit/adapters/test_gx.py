import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest

from m365dq_dagster.adapters import gx
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import LogType, Severity
from tests.support.case_runs import shipped_pack
from tests.support.evidence import load, sign_in

META = {"severity": "WARNING", "reason": "why it is asked", "runbook": "docs/runbooks/x.md"}


def suite(*entries: Any) -> gx.Suite:
    return gx.load_suite(json.dumps({"expectations": entries}).encode(), LogType.SIGN_IN)


def entry(kind: str, meta: Any = META, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "meta": meta}


def not_null(column: str, mostly: float = 1.0) -> dict[str, Any]:
    return entry("expect_column_values_to_not_be_null", column=column, mostly=mostly)


def rows_where(condition: str) -> dict[str, Any]:
    query = f"SELECT row_no FROM {{batch}} WHERE {condition}"
    return entry("unexpected_rows_expectation", unexpected_rows_query=query)


@pytest.fixture
def evidence(duckdb_con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    load(duckdb_con, [sign_in(country=None if n < 2 else "AU", code="0" if n else "Some.Type") for n in range(10)])
    return duckdb_con


def test_an_expectation_counts_what_is_unexpected_and_keeps_no_value(evidence: duckdb.DuckDBPyConnection) -> None:
    (result,) = gx.judge(evidence, [suite(not_null("country"), not_null("country", 0.8))])
    assert result.rows == 10
    strict, lenient = result.judged
    assert (strict.passed, strict.broken, strict.unexpected, strict.percent) == (False, False, 2, 20.0)
    assert lenient.passed
    assert (result.passed, result.unmet, result.broken) == (False, (strict,), ())
    assert (strict.column, strict.severity, strict.reason) == ("country", Severity.WARNING, "why it is asked")
    assert "AU" not in repr(result)


def test_a_regular_expression_is_asked_inside_the_engine(evidence: duckdb.DuckDBPyConnection) -> None:
    asked = rows_where("NOT regexp_full_match(status_error_code_raw, '[0-9]{{1,7}}')")
    (result,) = gx.judge(evidence, [suite(asked)])
    assert [(one.passed, one.unexpected, one.percent) for one in result.judged] == [(False, 1, 10.0)]


def test_a_question_that_cannot_be_asked_is_broken_and_never_bad_evidence(evidence: duckdb.DuckDBPyConnection) -> None:
    asked = suite(not_null("no_such_column"), rows_where("broken("), not_null("row_no"))
    (result,) = gx.judge(evidence, [asked])
    assert [(one.passed, one.broken, one.unexpected) for one in result.judged] == [
        (False, True, 0),
        (False, True, 0),
        (True, False, 0),
    ]
    assert result.unmet == ()
    assert len(result.broken) == 2


def test_answers_come_in_the_order_of_the_questions(evidence: duckdb.DuckDBPyConnection) -> None:
    columns = ["country", "no_such_column", "row_no", "account", "file_id"]
    (result,) = gx.judge(evidence, [suite(*(not_null(column) for column in columns))])
    assert [one.column for one in result.judged] == columns


def test_a_log_type_without_rows_is_not_asked(duckdb_con: duckdb.DuckDBPyConnection) -> None:
    (result,) = gx.judge(duckdb_con, [suite(not_null("country"))])
    assert (result.rows, result.judged, result.passed) == (0, (), True)


def test_of_two_log_types_only_the_one_with_rows_is_asked(evidence: duckdb.DuckDBPyConnection) -> None:
    asked = suite(not_null("row_no"))
    empty = gx.Suite(LogType.LEGACY, asked.expectations)
    assert [result.rows for result in gx.judge(evidence, [asked, empty])] == [10, 0]


def test_evidence_is_judged_where_the_engine_is_locked_down(evidence: duckdb.DuckDBPyConnection) -> None:
    evidence.execute("SET enable_external_access = false")
    evidence.execute("SET lock_configuration = true")
    (result,) = gx.judge(evidence, [suite(not_null("account"))])
    assert result.passed


def test_the_connection_that_was_handed_in_stays_open(evidence: duckdb.DuckDBPyConnection) -> None:
    gx.judge(evidence, [suite(not_null("account"))])
    assert evidence.execute("SELECT count(*) FROM sign_in_logs").fetchall() == [(10,)]


def test_a_spark_client_without_a_spark_of_its_own_does_not_end_the_process(tmp_path: Path, checkout: Path) -> None:
    package = tmp_path / "great_expectations"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "expectations.py").write_text("import os, sys\nif 'SPARK_HOME' not in os.environ:\n    sys.exit(-1)\n")
    ask = "import os; from m365dq_dagster.adapters import gx; gx.warm_up(); print(os.environ.get('SPARK_HOME'))"
    env = {name: value for name, value in os.environ.items() if name != "SPARK_HOME"}
    env["PYTHONPATH"] = os.pathsep.join((str(tmp_path), str(checkout)))
    for told, kept in (({}, "None"), ({"SPARK_HOME": "/spark"}, "/spark")):
        done = subprocess.run([sys.executable, "-c", ask], env={**env, **told}, capture_output=True, text=True)
        assert done.stdout.strip() == kept, done.stderr


@pytest.mark.parametrize("content", [b"no json", b"[]", b"{}", b'{"expectations": 3}', b'{"\xff": 1}'])
def test_a_file_that_is_no_suite_is_named(content: bytes) -> None:
    with pytest.raises(BadInput, match=r"sign_in_logs\.json: not a suite"):
        gx.load_suite(content, LogType.SIGN_IN)


@pytest.mark.parametrize(
    "bad",
    [
        "words",
        {"type": "x", "kwargs": {}},
        entry("x", {**META, "severity": "BAD"}),
        entry("x", {"severity": "INFO", "reason": "r"}),
        {"type": "x", "kwargs": 7, "meta": META},
    ],
)
def test_an_entry_that_cannot_be_used_is_named_by_its_place(bad: Any) -> None:
    with pytest.raises(BadInput, match=r"sign_in_logs\.json: entry 2: needs `type`"):
        suite(not_null("country"), bad)


def test_every_shipped_suite_can_be_asked_of_its_table(duckdb_con: duckdb.DuckDBPyConnection, checkout: Path) -> None:
    contents = [(shipped_pack().suite(log_type), log_type) for log_type in LogType]
    shipped = [gx.load_suite(content, log_type) for content, log_type in contents if content]
    assert len(shipped) == len(list((checkout / "expectations").glob("*.json")))
    for one in shipped:
        flag = {"is_logon": "true"} if one.log_type is LogType.UAL else {}
        columns = ", ".join(["file_id", "row_no", *flag])
        values = ", ".join(["1", "1", *flag.values()])
        duckdb_con.execute(f"INSERT INTO {one.log_type} ({columns}) VALUES ({values})")
    for result in gx.judge(duckdb_con, shipped):
        assert result.broken == ()


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"code": "Some.Type", "status_error_code_raw": "Some.Type"}, "An outcome code is digits or blank"),
        ({"country": "Australia"}, "no two-letter country"),
        ({"access": "perhaps"}, "Conditional Access word"),
        ({"ip_address": "300.1.2.3", "address": None}, "Addresses that do not parse"),
        ({"status_error_code_copy": "50126"}, "Two copies of one code differ"),
    ],
)
def test_the_shipped_suite_of_sign_ins_finds_what_it_was_written_for(
    duckdb_con: duckdb.DuckDBPyConnection, columns: dict[str, Any], sentence: str
) -> None:
    shipped = gx.load_suite(shipped_pack().suite(LogType.SIGN_IN) or b"", LogType.SIGN_IN)
    load(duckdb_con, [sign_in(event_id=f"e{n}", **(columns if n == 0 else {})) for n in range(40)])
    (result,) = gx.judge(duckdb_con, [shipped])
    assert [one.unexpected for one in result.unmet if sentence in one.reason] == [1]


def test_a_module_that_is_put_off_runs_when_it_is_first_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy").mkdir()
    (tmp_path / "heavy" / "__init__.py").write_text("ran = []\n")
    (tmp_path / "heavy" / "part.py").write_text("import heavy\nheavy.ran.append(1)\nanswer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        gx._put_off("heavy", "part")
    gx._put_off("heavy", "nothing")
    heavy = import_module("heavy")
    part = heavy.part
    assert heavy.ran == []
    assert part.answer == 42
    assert heavy.ran == [1]
    for name in ("heavy", "heavy.part"):
        sys.modules.pop(name)
