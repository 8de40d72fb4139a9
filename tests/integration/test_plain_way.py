"""The plain implementation that the benchmark runs beside the product counts what the product counts, where the
evidence is honest: otherwise a comparison of their times would say nothing.
"""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.stages.bench_program import PLAIN_WAY
from m365dq_dagster.stages.generate import generate
from tests.support.case_runs import run_folder


@pytest.fixture(scope="module")
def plain_way() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plain_way", PLAIN_WAY)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def judged(folder: Path, home: Path) -> dict[str, Any]:
    with Registry.open(f"sqlite:///{home / 'registry.sqlite3'}") as registry:
        return run_folder(folder, registry).document


@pytest.mark.parametrize(
    ("family", "shape"), [("signins", "portal-csv"), ("signins", "graph-jsonl"), ("ual", "ual-csv")]
)
def test_the_plain_way_decides_every_sign_in_of_the_benchmark_as_the_pipeline_does(
    family: str, shape: str, plain_way: ModuleType, tmp_path: Path, home: Path
) -> None:
    made = generate(family, tmp_path / "case", rows=400, shape=shape)
    found = plain_way.main(made.files[0], tmp_path / "plain.sqlite3")
    document = judged(made.folder, home)
    log_type = "unified_audit_log" if family == "ual" else "sign_in_logs"
    assert found["rows"] == made.rows
    assert found["by_outcome"] == document["by_log_type"][log_type]["by_outcome"]
    assert found["foreign_successes"] == 0 == document["sign_ins"]["foreign_successes"]


def test_the_plain_way_finds_the_foreign_successes_of_a_breach_whose_codes_are_intact(
    plain_way: ModuleType, tmp_path: Path, home: Path
) -> None:
    made = generate("takeover", tmp_path / "case", shape="graph-jsonl", variant="intact", audit=False)
    found = plain_way.main(made.files[0], tmp_path / "plain.sqlite3")
    document = judged(made.folder, home)
    assert found["successes"] == document["sign_ins"]["by_outcome"]["SUCCESS"]
    assert found["foreign_successes"] == document["sign_ins"]["foreign_successes"] > 0
    by_account = {one["account"]: one["foreign_success"] for one in document["accounts"] if one["foreign_success"]}
    assert found["foreign_by_account"] == by_account


def test_the_plain_way_believes_a_field_that_lies_and_misses_the_breach(
    plain_way: ModuleType, tmp_path: Path, home: Path
) -> None:
    made = generate("oculus", tmp_path / "case", shape="portal-csv", variant="invented-one", audit=False)
    found = plain_way.main(made.files[0], tmp_path / "plain.sqlite3")
    assert found["foreign_successes"] == 0
    assert judged(made.folder, home)["sign_ins"]["foreign_successes"] == 188


def test_the_plain_way_writes_over_no_file(plain_way: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(SystemExit, match="is there already"):
        plain_way.main(tmp_path / "export.csv", tmp_path / "kept")
    assert (tmp_path / "kept").read_text() == "mine"
