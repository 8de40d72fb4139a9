from datetime import date, datetime, timedelta

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.errors import BadInput


def test_an_override_holds_to_the_end_of_its_last_day(store: Registry, now: datetime) -> None:
    store.add_override("c", "vendor outage", "kim", "2026-03-03", now)
    last_moment = datetime.fromisoformat("2026-03-03T23:59:59+00:00")
    override = store.active_override("c", last_moment)
    assert override is not None
    assert (override.reason, override.actor, override.expires) == ("vendor outage", "kim", date(2026, 3, 3))
    assert store.active_override("c", last_moment + timedelta(seconds=1)) is None
    assert store.active_override("other", now) is None


def test_the_newest_override_counts_and_each_is_in_the_audit_log(store: Registry, now: datetime) -> None:
    store.add_override("c", "first", "kim", date(2026, 3, 9), now)
    store.add_override("c", "second", "lee", now + timedelta(days=1), now)
    override = store.active_override("c", now)
    assert override is not None
    assert override.reason == "second"
    assert [(entry.actor, entry.action, entry.detail["reason"]) for entry in store.audit_entries()] == [
        ("kim", "override", "first"),
        ("lee", "override", "second"),
    ]


@pytest.mark.parametrize(
    ("reason", "actor", "expires", "sentence"),
    [
        (" ", "kim", "2026-03-09", "needs a reason and a name"),
        ("why", "", "2026-03-09", "needs a reason and a name"),
        ("why", "kim", "soon", "'soon' is no date"),
        ("why", "kim", "2026-03-01", "would have ended on 2026-03-01"),
    ],
)
def test_an_override_without_its_three_parts_is_refused(
    store: Registry, now: datetime, reason: str, actor: str, expires: str, sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        store.add_override("c", reason, actor, expires, now)
    assert store.active_override("c", now) is None


def test_corrections_are_kept_and_audited(store: Registry, now: datetime) -> None:
    store.record_correction("c", "F-001", "NO_INDICATION", "travel", "kim", now)
    (found,) = store.corrections_until(now)
    assert (found.case_id, found.finding, found.verdict, found.reason) == ("c", "F-001", "NO_INDICATION", "travel")
    assert (found.actor, found.corrected_at) == ("kim", now)
    assert store.corrections_until(now - timedelta(seconds=1)) == []
    assert store.audit_entries()[0].action == "correct"


def test_decisions_and_deeds_are_logged_in_order(store: Registry, now: datetime) -> None:
    store.record_approval("sign_in_logs/status_error_code/530031", "APPROVED", "kim", None, now)
    store.audit("lee", "exported", {"rows": 3}, now)
    entries = store.audit_entries()
    assert [(entry.actor, entry.action) for entry in entries] == [("kim", "approved"), ("lee", "exported")]
    assert entries[1].detail == {"rows": 3}
    assert entries[1].logged_at == now
