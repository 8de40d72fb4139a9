"""Every failure of a command is one sentence and an exit code."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from m365dq_dagster import __version__
from m365dq_dagster.cli.main import app, main
from m365dq_dagster.core.errors import CaseBusy, InternalFault
from tests.support import sample_document
from tests.support.handed_workbench import HandedWorkbench
from tests.support.program import call, call_json

COMMANDS = [
    "demo", "run", "cases", "show", "report", "generate", "ui", "dashboard",
    "alerts list", "alerts ack", "alerts test", "codes list", "codes lookup", "codes unknown",
]  # fmt: skip


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(command: str) -> None:
    result = call(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage: m365dq" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_json(command: str) -> None:
    assert "--json" in call(*command.split(), "--help").stdout


def test_the_version_is_printed() -> None:
    assert call("--version").stdout.strip() == f"m365dq {__version__}"


def test_no_command_shows_the_help() -> None:
    assert call().exit_code == 0
    assert "Commands:" in call().stdout


@pytest.mark.parametrize(
    "words",
    [
        ("rum",), ("run",), ("run", "--colour", "x"), ("show",), ("generate", "oculus"), ("dashboard", "--days", "all"),
        ("dashboard", "--days", "0"), ("alerts", "ack", "x"), ("alerts", "shout"), ("alerts",), ("codes",),
        ("codes", "lookup"),
    ],
)  # fmt: skip
def test_wrong_usage_is_exit_2_and_one_sentence(words: tuple[str, ...]) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("m365dq: ")
    assert result.stderr.count("\n") == 1
    assert "--help` shows" in result.stderr


def test_wrong_usage_with_json_puts_the_error_on_stdout_too() -> None:
    document = call_json("run", "--colour", "x")
    assert document["exit_code"] == 2
    assert "--colour" in document["error"]


@pytest.mark.parametrize(("failure", "code"), [(CaseBusy("Case a: busy."), 4), (InternalFault("The disk is full."), 3)])
def test_an_error_of_the_product_keeps_its_sentence_and_exit_code(failure: Exception, code: int) -> None:
    result = call("show", "a", bench=HandedWorkbench(failure=failure))
    assert result.exit_code == code
    assert result.stderr == f"m365dq: {failure}\n"
    assert result.stdout == ""


def test_a_surprise_is_exit_3_one_sentence_and_a_private_log_under_the_home(home: Path) -> None:
    result = call("show", "a", "--json", bench=HandedWorkbench(failure=KeyError("surprise")))
    assert result.exit_code == 3
    assert result.stderr.startswith("m365dq: Internal error (KeyError)")
    assert json.loads(result.stdout)["exit_code"] == 3
    log = next((home / "logs").iterdir())
    assert str(log) in result.stderr
    assert "surprise" in log.read_text(encoding="utf-8")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_without_a_home_the_log_of_a_surprise_goes_to_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("M365DQ_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    result = call("show", "a", bench=HandedWorkbench(failure=KeyError("surprise")))
    assert f"the details are in {tmp_path}" in result.stderr


def test_where_nothing_can_be_written_the_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("M365DQ_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "nowhere"))
    result = call("show", "a", bench=HandedWorkbench(failure=KeyError("surprise")))
    assert "could not be written anywhere" in result.stderr
    assert result.exit_code == 3


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), typer.Abort()])
def test_stopping_says_that_the_published_state_is_untouched(stop: BaseException) -> None:
    result = call("show", "a", bench=HandedWorkbench(failure=stop))
    assert result.exit_code == 130
    assert "untouched" in result.stderr


def test_an_error_cannot_steer_the_terminal() -> None:
    result = call("show", "a", sample_document.ESCAPE)
    assert "\x1b" not in result.stderr
    assert "\\x1b" in result.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m m365dq_dagster.cli.main generate --help | head -c 10"
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=False, env=os.environ.copy()
    )
    assert "Traceback" not in done.stderr


def test_a_broken_pipe_ends_quietly() -> None:
    kept = os.dup(1)
    try:
        result = call("show", "a", bench=HandedWorkbench(failure=BrokenPipeError()))
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    assert result.exit_code == 0
    assert result.stderr == ""


def test_the_entry_point_reads_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["m365dq", "--version"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert __version__ in capsys.readouterr().out


def loads_nothing_heavy(code: str) -> None:
    """Run the code in an interpreter of its own; none of the modules that it calls `heavy` is loaded afterwards."""
    said = "sys.exit(','.join(sorted(heavy & set(sys.modules))) or 0)"
    words = [sys.executable, "-c", code + said]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr


def test_help_loads_no_engine_and_no_orchestrator() -> None:
    code = (
        "import sys; from m365dq_dagster.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'dagster', 'duckdb', 'great_expectations', 'pandera', 'pandas', 'sqlalchemy', 'jinja2'}\n"
    )
    loads_nothing_heavy(code)


def test_telling_that_nothing_has_changed_loads_nothing_that_reads_evidence_or_writes_a_page() -> None:
    code = (
        "import sys\n"
        "import m365dq_dagster.adapters.settings, m365dq_dagster.cli.run, m365dq_dagster.stages.alerts\n"
        "import m365dq_dagster.stages.case, m365dq_dagster.stages.overrides, m365dq_dagster.stages.packs\n"
        "names = ('evidence.recognition', 'evidence.archives', 'mail', 'places', 'templates')\n"
        "heavy = {f'm365dq_dagster.adapters.{name}' for name in names} | {'dagster', 'pandas', 'jinja2', 'maxminddb'}\n"
    )
    loads_nothing_heavy(code)


def test_the_program_has_no_completion_installer() -> None:
    assert "install-completion" not in call("--help").stdout
    assert app.info.name == "m365dq"
