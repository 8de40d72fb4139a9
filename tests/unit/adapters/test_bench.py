import json
import sys
from pathlib import Path

import duckdb
import pytest

from m365dq_dagster.adapters import bench, bench_stopwatch
from m365dq_dagster.adapters.bench import (
    BareScan,
    in_own_process,
    machine,
    only_one,
    own_interpreter,
    peak_memory,
)
from m365dq_dagster.adapters.sql import scan
from m365dq_dagster.core.errors import CaseBusy, InternalFault


def test_a_scan_counts_every_row_of_a_table_whatever_its_cells_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,"b ""c""",a\n1,"x\ny",\n2,,"z,"\n', encoding="utf-8-sig")
    bare = BareScan(path)
    seconds, rows = bare.seconds()
    bare.close()
    assert rows == 2
    assert seconds > 0


def test_a_scan_of_a_table_looks_at_every_column(tmp_path: Path) -> None:
    path = tmp_path / "it's.csv"
    path.write_text("a,b,c\n1,,3\n4,,\n", encoding="utf-8")
    assert duckdb.sql(scan.scan_table(path, 3)).fetchall() == [(2, 2, 0, 1)]


def test_a_scan_of_lines_looks_at_every_key_of_the_first_records(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"id": "1", 'o"k': {"deep": [1]}}, {"id": "2", "it's": None, "n": 3}]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    bare = BareScan(path)
    assert bare.seconds()[1] == 2
    bare.close()
    assert duckdb.sql(scan.scan_lines(path, ["id", 'o"k', "it's", "n"])).fetchall() == [(2, 2, 1, 0, 1)]


def test_the_peak_of_this_process_is_more_than_what_it_was_seen_to_hold() -> None:
    before = peak_memory()
    held = bytearray(40_000_000)
    assert peak_memory() >= before
    assert peak_memory() >= len(held)


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_where_the_process_has_no_status_file_its_usage_is_asked_for(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = peak_memory()
    monkeypatch.setattr(bench, "PROCESS_STATUS", tmp_path / "absent")
    monkeypatch.setattr(sys, "platform", platform)
    unit = 1 if sys.platform == "darwin" else 1024
    assert peak_memory() >= real * unit // 2048


def test_the_machine_is_described_without_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.platform, "node", lambda: "the-host")
    found = machine()
    assert found["cores"] >= 1
    assert "DuckDB" in found["words"]
    assert "the-host" not in json.dumps(found)


@pytest.mark.parametrize("text", [None, "flags: none\n"])
def test_a_processor_without_a_model_name_is_called_by_its_kind(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "cpuinfo"
    if text is not None:
        listed.write_text(text)
    monkeypatch.setattr(bench, "PROCESSOR_LIST", listed)
    assert bench.platform.machine() in machine()["words"]


def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> list[str]:
    (tmp_path / "spoken.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return ["spoken"]


def test_a_process_of_its_own_is_heard_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'import json\nfor word in ("ready", "done"): print(json.dumps({"event": word}))\n'
    heard: list[bench.Heard] = []
    last, started = in_own_process(script(tmp_path, monkeypatch, text), tmp_path / "log", heard.append)
    assert [one["event"] for one in heard] == ["ready", "done"]
    assert last == {"event": "done"}
    assert started > 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("raise SystemExit(3)", "ended with exit code 3; what it said is in"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9, which is what happens when memory runs out"),
        ('print(\'{"event": "ready"}\')', "ended with exit code 0; what it said is in"),
        ('print(\'{"event": "failed", "sentence": "Rows were lost."}\')', "^Rows were lost.$"),
    ],
)
def test_a_process_that_does_not_come_to_its_end_is_one_sentence(
    text: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InternalFault, match=sentence):
        in_own_process(script(tmp_path, monkeypatch, text), tmp_path / "log")


@pytest.mark.parametrize("ignores", [False, True])
def test_a_process_ends_with_whoever_started_it(ignores: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "STOP_SECONDS", 0.2)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if ignores else ""
    text = f'import os, signal, time\n{deaf}print(\'{{"event": "ready", "pid": %d}}\' % os.getpid(), flush=True)\n'
    pids: list[int] = []

    def stop(message: bench.Heard) -> None:
        pids.append(message["pid"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_own_process(script(tmp_path, monkeypatch, f"{text}time.sleep(60)\n"), tmp_path / "log", stop)
    with pytest.raises(ProcessLookupError):
        bench.os.kill(pids[0], 0)


def test_a_second_benchmark_of_one_home_is_told_to_wait(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(CaseBusy, match="Another benchmark is working"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_the_own_interpreter_is_timed_from_outside_on_a_home_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M365DQ_REGISTRY_URL", "postgresql://elsewhere")
    program = "import os; print(sorted((k, v) for k, v in os.environ.items() if k.startswith('M365DQ_')))"
    logs = tmp_path / "logs"
    logs.mkdir()
    found = own_interpreter(("-c", program), tmp_path / "home", logs / "bench.log")
    assert found.said == f"[('M365DQ_HOME', {str(tmp_path / 'home')!r})]\n"
    assert found.code == 0
    assert found.seconds > 0
    assert found.processor_seconds > 0
    assert found.peak_bytes > 1_000_000
    assert [path.name for path in logs.iterdir()] == ["bench.log"]


def test_a_process_that_fails_is_one_sentence_and_what_it_said_is_kept(tmp_path: Path) -> None:
    program = "import sys; print('on its way'); sys.exit('it broke')"
    with pytest.raises(
        InternalFault, match=r"ended with exit code 1; what it said is in .*bench\.log and .*bench\.out"
    ):
        own_interpreter(("-c", program), tmp_path, tmp_path / "bench.log")
    assert (tmp_path / "bench.log").read_text() == "it broke\n"
    assert (tmp_path / "bench.out").read_text() == "on its way\n"


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_the_stopwatch_tells_exit_code_seconds_and_memory(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    held = "import sys; b = bytearray(60_000_000); print(len(b)); sys.exit(3)"
    files = [str(tmp_path / "out"), str(tmp_path / "err")]
    assert bench_stopwatch.main([*files, sys.executable, "-S", "-c", held]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["code"] == 3
    assert told["seconds"] > 0
    assert told["processor_seconds"] > 0
    assert told["peak_bytes"] >= 60_000
    assert (tmp_path / "out").read_text() == "60000000\n"
