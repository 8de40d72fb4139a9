from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m365dq_dagster.adapters.mail import Mail, Mailer
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.alerts import OperationsPolicy
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.stages import alerts as stage
from m365dq_dagster.stages.alerts import alerts_of, deliver, list_alerts, raise_for_document, send_test
from tests.support.mail_server import Letters, free_port, mail_server

BREACH: dict[str, Any] = {
    "case": "oculus",
    "status": "BREACH_INDICATED",
    "quality": {"status": "PASS", "failed_checks": []},
    "sign_ins": {"foreign_attempt_success_rate": 0.94},
    "accounts": [{"account": "a@contoso.example", "verdict": "COMPROMISE_INDICATED"}],
    "unknown_codes": [{"log_type": "unified_audit_log", "field": "error_number", "value": "512345", "rows": 2}],
}
SENTENCES = [
    "Breach indicator detected: foreign_success_rate in oculus",
    "Unknown status code detected in unified_audit_log: 512345",
]


@pytest.fixture
def letters() -> Iterator[Letters]:
    with mail_server() as server:
        yield server


def mailer(letters: Letters) -> Mailer:
    return Mailer("127.0.0.1", letters.port, pause=0.0)


def test_the_alerts_of_a_document_are_recorded_in_the_contracts_form(registry: Registry, now: datetime) -> None:
    found = raise_for_document(registry, BREACH, now)
    assert [alert["message"] for alert in found] == SENTENCES
    assert found[0] == {
        "id": 1,
        "rule": "breach_indicator",
        "severity": "CRITICAL",
        "message": SENTENCES[0],
        "recipients": ["ir-team@maia.local"],
        "case": "oculus",
        "subject": "foreign_success_rate",
        "state": "RECORDED",
        "raised_at": now.isoformat(),
        "delivered_at": None,
        "delivered": False,
        "times_raised": 1,
        "last_error": None,
    }
    assert alerts_of(registry, "oculus") == found
    assert alerts_of(registry, "other") == []


def test_raising_the_same_document_again_adds_nothing(registry: Registry, now: datetime) -> None:
    first = raise_for_document(registry, BREACH, now)
    again = raise_for_document(registry, BREACH, now + timedelta(days=400))
    assert [alert["id"] for alert in again] == [alert["id"] for alert in first]
    assert [alert["times_raised"] for alert in again] == [2, 2]
    assert len(list_alerts(registry)) == 2


@settings(max_examples=8)
@given(st.lists(st.integers(min_value=0, max_value=200), min_size=1, max_size=8))
def test_an_alert_is_raised_at_most_once_a_window(tmp_path_factory: pytest.TempPathFactory, hours: list[int]) -> None:
    start = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
    policy = OperationsPolicy(dedup_window=timedelta(hours=24))
    folder = tmp_path_factory.mktemp("window")
    with Registry.open(f"sqlite:///{folder / 'r'}") as registry:
        for hour in sorted(hours):
            raise_for_document(registry, {**BREACH, "unknown_codes": []}, start + timedelta(hours=hour), policy)
        raised = sorted(alert.raised_at for alert in registry.alerts())
    expected: list[datetime] = []
    for hour in sorted(hours):
        moment = start + timedelta(hours=hour)
        if not expected or moment - expected[-1] >= timedelta(hours=24):
            expected.append(moment)
    assert raised == expected


def test_without_a_mail_server_alerts_stay_recorded(registry: Registry, now: datetime) -> None:
    raise_for_document(registry, BREACH, now)
    assert deliver(registry, None, now) == []
    assert {alert["state"] for alert in list_alerts(registry)} == {"RECORDED"}


@pytest.mark.smtp
def test_what_is_recorded_is_mailed_once_each_to_its_recipients(
    registry: Registry, now: datetime, letters: Letters
) -> None:
    raise_for_document(registry, BREACH, now)
    sent = deliver(registry, mailer(letters), now)
    assert [(alert["delivered"], alert["state"], alert["delivered_at"]) for alert in sent] == [
        (True, "DELIVERED", now.isoformat())
    ] * 2
    assert letters.subjects == [f"[m365dq] CRITICAL: {SENTENCES[0]}", f"[m365dq] WARNING: {SENTENCES[1]}"]
    assert [recipients for recipients, _ in letters.taken] == [["ir-team@maia.local"], ["sre@maia.local"]]
    assert "m365dq show oculus" in letters.taken[0][1].get_content()
    raise_for_document(registry, BREACH, now)
    assert deliver(registry, mailer(letters), now) == []
    assert len(letters.taken) == 2
    assert len(list_alerts(registry, "DELIVERED")) == 2


@pytest.mark.smtp
def test_every_mail_of_one_alert_has_one_message_id_and_two_alerts_have_two(
    registry: Registry, now: datetime, letters: Letters
) -> None:
    raise_for_document(registry, BREACH, now)
    deliver(registry, mailer(letters), now)
    assert len({message["Message-ID"] for _, message in letters.taken}) == 2


@pytest.mark.smtp
def test_a_server_that_is_down_ends_the_round_and_the_rest_waits(
    registry: Registry, now: datetime, letters: Letters
) -> None:
    raise_for_document(registry, BREACH, now)
    (tried,) = deliver(registry, Mailer("127.0.0.1", free_port(), pause=0.0), now)
    assert (tried["state"], tried["delivered"]) == ("FAILED", False)
    assert "did not take the mail" in tried["last_error"]
    assert [alert["state"] for alert in list_alerts(registry)] == ["RECORDED", "FAILED"]
    deliver(registry, mailer(letters), now + timedelta(minutes=1))
    assert len(letters.taken) == 2
    assert {alert["state"] for alert in list_alerts(registry)} == {"DELIVERED"}


@pytest.mark.smtp
def test_one_mail_that_is_refused_does_not_hold_up_the_others(
    registry: Registry, now: datetime, letters: Letters
) -> None:
    raise_for_document(registry, BREACH, now)
    letters.answers = ["554 never"]
    assert [alert["state"] for alert in deliver(registry, mailer(letters), now)] == ["FAILED", "DELIVERED"]


@pytest.mark.smtp
def test_recipients_that_the_server_refused_are_noted(registry: Registry, now: datetime, letters: Letters) -> None:
    check = {"check": "ledger", "reason": "rows lost", "runbook": "x"}
    raise_for_document(registry, {"case": "c", "quality": {"status": "FAIL", "failed_checks": [check]}}, now)
    letters.refused = {"sre@maia.local"}
    (alert,) = deliver(registry, mailer(letters), now)
    assert (alert["state"], alert["last_error"]) == ("DELIVERED", "refused for sre@maia.local")


def test_a_round_of_deliveries_ends_before_its_claims_do(
    registry: Registry, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "ROUND_SECONDS", -1)
    raise_for_document(registry, BREACH, now)
    assert deliver(registry, Mailer("127.0.0.1", 9), now) == []


class Counting:
    """Takes every mail and counts."""

    def __init__(self) -> None:
        self.subjects: list[str] = []

    def send(self, mail: Mail) -> tuple[str, ...]:
        self.subjects.append(mail.subject)
        return ()


def test_threads_that_deliver_at_once_send_each_alert_once(registry: Registry, now: datetime) -> None:
    codes = [{"log_type": "sign_in_logs", "value": str(n), "rows": 1} for n in range(12)]
    raise_for_document(registry, {"case": "c", "unknown_codes": codes}, now)
    counting = Counting()
    with ThreadPoolExecutor(4) as pool:
        tried = list(pool.map(lambda _: deliver(registry, counting, now), range(4)))
    assert sum(map(len, tried)) == 12
    assert len(counting.subjects) == len(set(counting.subjects)) == 12


def raise_and_deliver(job: tuple[str, int]) -> int:
    url, port = job
    now = datetime.fromisoformat("2026-03-02T09:30:00+00:00")
    with Registry.open(url) as registry:
        raise_for_document(registry, BREACH, now)
        return len(deliver(registry, Mailer("127.0.0.1", port, pause=0.0), now))


@pytest.mark.smtp
def test_processes_that_raise_and_deliver_the_same_alert_give_one_row_and_one_mail(
    tmp_path: Path, letters: Letters
) -> None:
    url = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        assert sum(pool.map(raise_and_deliver, [(url, letters.port)] * 3)) == 2
    assert sorted(letters.subjects) == sorted(
        [f"[m365dq] CRITICAL: {SENTENCES[0]}", f"[m365dq] WARNING: {SENTENCES[1]}"]
    )
    with Registry.open(url) as registry:
        assert [alert.times_raised for alert in registry.alerts()] == [3, 3]


@pytest.mark.smtp
def test_a_test_alert_reaches_every_configured_recipient_and_leaves_no_trace(
    registry: Registry, now: datetime, home: Path, letters: Letters
) -> None:
    configured = Settings(home=home).model_copy(update={"smtp_host": "127.0.0.1", "smtp_port": letters.port})
    assert send_test(configured, now) == {
        "server": f"127.0.0.1:{letters.port}",
        "recipients": ["ir-team@maia.local", "sre@maia.local"],
        "refused": [],
    }
    assert letters.subjects == ["[m365dq] INFO: test of alert delivery"]
    assert list_alerts(registry) == []


def test_a_test_alert_without_a_mail_server_says_what_to_set(home: Path, now: datetime) -> None:
    with pytest.raises(BadInput, match="set M365DQ_SMTP_HOST"):
        send_test(Settings(home=home), now)
