from datetime import datetime, timedelta

import pytest

from m365dq_dagster.adapters.registry import AlertRecord, Registry, outbox
from m365dq_dagster.adapters.registry.outbox import CLAIM_LEASE
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import Severity

RULE = "breach_indicator"


def put(
    store: Registry, now: datetime, subject: str = "s", window: timedelta | None = None, case_id: str = "c"
) -> bool:
    return store.raise_alert(RULE, case_id, subject, Severity.CRITICAL, "message", ["a@x.example"], now, window)


def only(store: Registry) -> AlertRecord:
    (alert,) = store.alerts()
    return alert


def test_an_alert_raised_again_is_counted_and_not_repeated(store: Registry, now: datetime) -> None:
    later = now + timedelta(days=700)
    assert [put(store, now), put(store, now), put(store, later)] == [True, False, False]
    alert = only(store)
    assert (alert.times_raised, alert.raised_at, alert.last_raised_at) == (3, now, later)
    assert (alert.state, alert.severity, alert.recipients) == ("RECORDED", Severity.CRITICAL, ("a@x.example",))


def test_an_alert_that_another_writer_raised_in_between_is_counted(
    store: Registry, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert put(store, now)
    looks = iter([lambda *_: None, outbox._latest])
    monkeypatch.setattr(outbox, "_latest", lambda *wanted: next(looks)(*wanted))
    assert not put(store, now)
    assert only(store).times_raised == 2


def test_case_and_subject_make_another_alert(store: Registry, now: datetime) -> None:
    assert put(store, now)
    assert put(store, now, subject="t")
    assert put(store, now, case_id="d")
    assert [alert.case_id for alert in store.alerts(case_id="d")] == ["d"]
    assert len(store.alerts()) == 3


def test_with_a_window_an_alert_is_raised_anew_when_it_has_passed(store: Registry, now: datetime) -> None:
    window = timedelta(hours=24)
    assert put(store, now, window=window)
    assert not put(store, now + window - timedelta(microseconds=1), window=window)
    assert put(store, now + window, window=window)
    assert not put(store, now + window + timedelta(hours=23), window=window)
    assert [alert.episode for alert in store.alerts()] == [1, 0]


def test_what_is_claimed_is_not_claimed_again(store: Registry, now: datetime) -> None:
    for number in range(3):
        put(store, now + timedelta(seconds=number), str(number))
    later = now + timedelta(minutes=1)
    assert [alert.subject for alert in store.claim_undelivered(later, 2)] == ["0", "1"]
    assert [alert.subject for alert in store.claim_undelivered(later, 2)] == ["2"]
    assert store.claim_undelivered(later, 2) == []
    assert {alert.state for alert in store.alerts()} == {"SENDING"}


def test_the_claim_of_a_deliverer_that_died_ends(store: Registry, now: datetime) -> None:
    put(store, now)
    assert store.claim_undelivered(now, 1)
    assert store.claim_undelivered(now + CLAIM_LEASE - timedelta(seconds=1), 1) == []
    assert store.claim_undelivered(now + CLAIM_LEASE, 1)


def test_a_delivered_alert_is_never_claimed_again(store: Registry, now: datetime) -> None:
    put(store, now)
    (claimed,) = store.claim_undelivered(now, 1)
    store.mark_delivered(claimed.id, now, "refused for b@x.example")
    alert = only(store)
    assert (alert.state, alert.delivered_at, alert.attempts) == ("DELIVERED", now, 1)
    assert alert.last_error == "refused for b@x.example"
    assert store.claim_undelivered(now + timedelta(days=30), 9) == []
    assert store.alerts("DELIVERED") == [alert]
    assert store.alerts("RECORDED") == []


def test_a_failed_alert_is_tried_again_after_a_growing_pause(store: Registry, now: datetime) -> None:
    put(store, now)
    moment = now
    for minutes in (1, 2, 4):
        (claimed,) = store.claim_undelivered(moment, 1)
        store.mark_failed(claimed.id, moment, "server down")
        assert store.claim_undelivered(moment + timedelta(minutes=minutes, seconds=-1), 1) == []
        moment += timedelta(minutes=minutes)
    alert = only(store)
    assert (alert.state, alert.attempts, alert.last_error) == ("FAILED", 3, "server down")


def test_an_acknowledged_alert_is_not_mailed_any_more(store: Registry, now: datetime) -> None:
    put(store, now)
    store.ack(only(store).id, "kim", now)
    (entry,) = store.audit_entries()
    assert (entry.actor, entry.action, entry.detail) == ("kim", "alert-ack", {"alert": only(store).id})
    alert = only(store)
    assert (alert.state, alert.acknowledged_by, alert.acknowledged_at) == ("ACKNOWLEDGED", "kim", now)
    assert store.claim_undelivered(now, 9) == []
    assert not put(store, now)


def test_an_alert_that_does_not_exist_cannot_be_acknowledged(store: Registry, now: datetime) -> None:
    with pytest.raises(BadInput, match="There is no alert 7"):
        store.ack(7, "kim", now)
