"""`run` and `demo`: what they ask for, what they print, with which code they leave."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support import sample_document
from tests.support.handed_workbench import HandedWorkbench
from tests.support.program import call, call_json

LAST = datetime.now(UTC).date() + timedelta(days=30)


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "a.csv").write_text("x\n")
    return folder


def test_a_run_prints_the_screen_and_leaves_with_0_although_a_breach_was_found(evidence: Path) -> None:
    result = call("run", str(evidence), bench=HandedWorkbench(sample_document.oculus()))
    assert result.exit_code == 0
    assert result.stdout.startswith("BREACH INDICATED")
    assert "s in total" in result.stdout


def test_progress_goes_to_stderr_alone(evidence: Path) -> None:
    result = call("run", str(evidence), bench=HandedWorkbench(sample_document.oculus()))
    assert result.stderr.splitlines() == ["intake: sign_ins.csv", "quality: profiles of 12 fields"]
    assert "intake" not in result.stdout


def test_with_json_stdout_is_one_document_and_nothing_else(evidence: Path) -> None:
    result = call("run", str(evidence), "--json", bench=HandedWorkbench(sample_document.hostile()))
    document = json.loads(result.stdout)
    assert document["status"] == "BREACH_INDICATED"
    assert document["unchanged"] is False
    assert document["total_seconds"] > 0
    assert document["report"].endswith("report.html")
    assert "\x1b" not in result.stdout


def test_a_blocked_case_leaves_with_1_and_still_prints(evidence: Path) -> None:
    bench = HandedWorkbench(sample_document.blocked())
    result = call("run", str(evidence), bench=bench)
    assert result.exit_code == 1
    assert "CANNOT CONCLUDE" in result.stdout
    assert call("run", str(evidence), "--json", bench=bench).exit_code == 1


def test_an_overridden_gate_leaves_with_0(evidence: Path) -> None:
    assert call("run", str(evidence), bench=HandedWorkbench(sample_document.overridden())).exit_code == 0


def test_nothing_changed_is_said(evidence: Path) -> None:
    bench = HandedWorkbench(sample_document.oculus())
    bench.unchanged_since = "2026-03-01T08:00:00Z"
    assert call("run", str(evidence), bench=bench).stdout.startswith("Nothing has changed since 2026-03-01 08:00")
    assert call_json("run", str(evidence), bench=bench)["unchanged"] is True


def test_the_options_reach_the_stage(evidence: Path) -> None:
    bench = HandedWorkbench(sample_document.oculus())
    call(
        "run", str(evidence), "--case", "c1", "--add", "--home-country", "AU", "--home-country", "NZ",
        "--date-order", "dmy", "--skip-quality-check", "--reason", " no second export ", "--actor", "jo",
        "--expires", str(LAST), bench=bench,
    )  # fmt: skip
    asked = bench.asked[0]
    assert (asked.folder, asked.case, asked.add) == (evidence, "c1", True)
    assert (asked.home_countries, asked.date_order) == (("AU", "NZ"), "DMY")
    assert asked.override is not None
    assert (asked.override.reason, asked.override.actor, asked.override.expires) == (
        "no second export", "jo", str(LAST),
    )  # fmt: skip


def test_without_options_nothing_is_asked_for(evidence: Path) -> None:
    bench = HandedWorkbench(sample_document.oculus())
    call("run", str(evidence), bench=bench)
    asked = bench.asked[0]
    assert (asked.case, asked.add, asked.home_countries, asked.date_order, asked.override) == (
        None,
        False,
        (),
        None,
        None,
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--date-order", "YMD"), "--date-order 'YMD' is not known"),
        (("--skip-quality-check",), "needs --reason, --actor, --expires too"),
        (("--skip-quality-check", "--reason", " ", "--actor", "a", "--expires", "2026-12-01"), "needs --reason too"),
        (("--reason", "x"), "--reason belongs to --skip-quality-check"),
        (("--skip-quality-check", "--reason", "r", "--actor", "a", "--expires", "soon"), "'soon' is no date"),
        (("--skip-quality-check", "--reason", "r", "--actor", "a", "--expires", "2020-01-01"), "lies in the past"),
        (
            ("--skip-quality-check", "--reason", "r", "--actor", "a", "--expires", str(LAST + timedelta(days=1))),
            f"is more than 30 days ahead; the last day allowed is {LAST}.",
        ),
    ],
)
def test_bad_options_are_exit_2_and_nothing_is_run(evidence: Path, words: tuple[str, ...], sentence: str) -> None:
    bench = HandedWorkbench(sample_document.oculus())
    result = call("run", str(evidence), *words, bench=bench)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert bench.asked == []


def test_a_folder_that_is_missing_empty_a_file_or_closed_is_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").write_bytes(b"\x00\x01")
    (tmp_path / "context" / "deep").mkdir(parents=True)
    (tmp_path / "context" / "case.toml").write_text('case = "c"\n')
    wrong = {"missing": "does not exist", "empty": "is empty", "context": "is empty", "binary": "is a file"}
    for name, sentence in wrong.items():
        result = call("run", str(tmp_path / name))
        assert result.exit_code == 2
        assert sentence in result.stderr
        assert "error" in call_json("run", str(tmp_path / name))

    def closed(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", closed)
    assert "cannot be read (Permission denied)" in call("run", str(tmp_path / "empty")).stderr


def test_demo_judges_the_synthetic_case_and_opens_its_report(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("typer.launch", opened.append)
    bench = HandedWorkbench(sample_document.oculus())
    result = call("demo", "--open", bench=bench)
    assert result.exit_code == 0
    assert opened == [(bench.home / "report.html").as_uri()]
    assert bench.asked[0].case == "oculus"
    assert call_json("demo", bench=bench)["case"] == "oculus"
    assert len(opened) == 1
