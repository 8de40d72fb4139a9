import os
import time
from pathlib import Path

import pytest

from m365dq_dagster.adapters import processes
from m365dq_dagster.adapters.processes import cpu_seconds


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells of other processes in files")
def test_a_process_is_seen_with_the_seconds_it_held_a_core() -> None:
    told = cpu_seconds(os.getpid())
    assert told is not None
    assert abs(told - time.process_time()) < 0.5


def test_of_a_process_that_has_gone_nothing_is_told() -> None:
    assert cpu_seconds(2**30) is None


@pytest.mark.parametrize("told", ["", "12 (name) S 1 2", "12 (na me)) S" + " x" * 40])
def test_what_cannot_be_read_is_not_told(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "12").mkdir()
    (tmp_path / "12" / "stat").write_text(told)
    monkeypatch.setattr(processes, "PROCESSES", tmp_path)
    assert cpu_seconds(12) is None


def test_a_name_with_blanks_and_brackets_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "12").mkdir()
    fields = ["S", *("0" * 10), "300", "100", *("0" * 30)]
    (tmp_path / "12" / "stat").write_text(f"12 (a ) b) {' '.join(fields)}")
    monkeypatch.setattr(processes, "PROCESSES", tmp_path)
    assert cpu_seconds(12) == 400 / os.sysconf("SC_CLK_TCK")
