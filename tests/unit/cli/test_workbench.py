"""Where the commands meet the stages: failures keep their sentence, alerts are never lost, logs stay private."""

import smtplib
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import Overlay
from m365dq_dagster.cli.workbench import Workbench
from m365dq_dagster.core.errors import BadInput, InternalFault
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.reference import Conflict, Origin
from m365dq_dagster.stages import packs
from m365dq_dagster.stages.case_run import Silent
from tests.support.case_runs import shipped_pack

NOW = datetime.now(UTC)


def ended_with(error: Exception | None, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """A workbench whose asset graph prints, and ends like this."""
    from m365dq_dagster.defs.launch import RunOutcome

    def run_case(*_: Any, **__: Any) -> RunOutcome:
        print("chatter of a library")
        return RunOutcome("r1", error is None, error=error)  # type: ignore[arg-type]

    monkeypatch.setattr("m365dq_dagster.definitions.run_case", run_case)
    return Workbench()


def test_what_libraries_print_goes_to_a_private_log(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended_with(None, monkeypatch)._execute("c1", Silent())
    log = home / "logs" / "run.log"
    assert "chatter" in log.read_text(encoding="utf-8")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert capsys.readouterr() == ("", "")


def test_bad_input_met_inside_the_graph_keeps_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=r"^No such thing\.$"):
        ended_with(BadInput("No such thing."), monkeypatch)._execute("c1", Silent())


def test_a_fault_inside_the_graph_names_the_file_with_its_details(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InternalFault, match=r"It broke\. The details are in .*/logs/run-r1\.log\."):
        ended_with(InternalFault("It broke."), monkeypatch)._execute("c1", Silent())
    assert stat.S_IMODE((home / "logs" / "run-r1.log").stat().st_mode) == 0o600


def test_ctrl_c_inside_the_graph_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    error = InternalFault("The run failed with DagsterExecutionInterruptedError; its log has the details.")
    with pytest.raises(KeyboardInterrupt):
        ended_with(error, monkeypatch)._execute("c1", Silent())


@pytest.fixture
def waiting(registry: Registry) -> Registry:
    """One alert that waits."""
    registry.raise_alert("breach_indicator", "c1", "s", Severity.CRITICAL, "Breach", ["a@b.example"], NOW)
    return registry


@pytest.mark.usefixtures("waiting")
def test_without_a_mail_server_alerts_wait_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    Workbench()._deliver()
    assert capsys.readouterr() == ("", "")


def test_a_mail_server_that_does_not_answer_is_said_and_the_alert_stays(
    waiting: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise smtplib.SMTPServerDisconnected("gone")

    monkeypatch.setattr("smtplib.SMTP.connect", refuse)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("M365DQ_SMTP_HOST", "127.0.0.1")
    Workbench()._deliver()
    assert "is recorded but was not delivered" in capsys.readouterr().err
    assert [alert.state for alert in waiting.alerts()] == ["FAILED"]


def test_a_delivered_alert_needs_no_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("m365dq_dagster.stages.alerts.deliver", lambda *_: [{"id": 1, "delivered": True}])
    Workbench()._deliver()
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("waiting")
def test_a_wrong_mail_setting_is_said_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("M365DQ_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("M365DQ_MAIL_FROM", "no address")
    Workbench()._deliver()
    assert "recorded but could not be sent" in capsys.readouterr().err


def test_the_demo_writes_the_same_evidence_every_time(home: Path) -> None:
    contents = []
    for _ in range(2):
        folder = Workbench().demo_evidence()
        contents.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert folder == home / "demo" / "oculus"
    assert contents[0] == contents[1]


def test_a_published_document_is_read_although_the_registry_is_not(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("m365dq_dagster.stages.published.read_document", lambda *_: {"case": "c1", "alerts": ["kept"]})
    monkeypatch.setenv("M365DQ_REGISTRY_URL", f"sqlite:///{home / 'registry.sqlite3'}")
    (home / "registry.sqlite3").write_bytes(b"no database, but long enough to be read as one" * 20)
    assert Workbench().document("c1") == {"case": "c1", "alerts": ["kept"]}
    assert "alerts are shown as they stood when the case was published" in capsys.readouterr().err


def test_a_run_says_which_local_rows_the_shipped_ones_moved_under(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conflict = Conflict("values.csv", "Sucess", Origin.LOCAL, "what ships has changed since this was written")
    moved = replace(shipped_pack(), overlay=Overlay(conflicts=(conflict,)))
    monkeypatch.setattr(packs, "effective_pack", lambda *_: moved)
    bench = Workbench()
    with bench.registry() as registry:
        assert bench._pack_for(registry) is moved
    assert "values.csv: Sucess: what ships has changed since this was written; the local entry is kept" in (
        capsys.readouterr().err
    )
