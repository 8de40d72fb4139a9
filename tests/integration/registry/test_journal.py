from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.registry import Registry, ScoreRow
from m365dq_dagster.adapters.registry.tables import overrides
from m365dq_dagster.core.corrections import MisledField
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.people import Person

KIM = Person("analyst", "kim")


def test_an_override_holds_to_the_end_of_its_last_day(store: Registry, now: datetime) -> None:
    store.add_override("c", "vendor outage", KIM, "2026-03-03", now)
    last_moment = datetime.fromisoformat("2026-03-03T23:59:59+00:00")
    override = store.active_override("c", last_moment)
    assert override is not None
    assert (override.reason, override.actor, override.expires) == ("vendor outage", "kim", date(2026, 3, 3))
    assert override.recorded_by == "analyst"
    assert store.active_override("c", last_moment + timedelta(seconds=1)) is None
    assert store.active_override("other", now) is None


def test_the_newest_override_counts_and_each_is_in_the_audit_log(store: Registry, now: datetime) -> None:
    store.add_override("c", "first", KIM, "2026-03-09", now)
    store.add_override("c", "second", Person("other", "lee"), "2026-03-10", now)
    override = store.active_override("c", now)
    assert override is not None
    assert override.reason == "second"
    assert [(entry.actor, entry.action, entry.detail["reason"]) for entry in store.audit_entries()] == [
        ("analyst (as kim)", "override", "first"),
        ("other (as lee)", "override", "second"),
    ]


@pytest.mark.parametrize(
    ("reason", "actor", "expires", "sentence"),
    [
        (" ", "kim", "2026-03-09", "needs --reason too"),
        ("why", "", "2026-03-09", "needs --actor too"),
        ("why", "kim", "soon", "'soon' is no date"),
        ("why", "kim", "2026-03-01", "2026-03-01 lies in the past"),
        ("why", "kim", "2026-04-02", "the last day allowed is 2026-04-01"),
    ],
)
def test_an_override_without_its_three_parts_is_refused(
    store: Registry, now: datetime, reason: str, actor: str, expires: str, sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        store.add_override("c", reason, Person("analyst", actor), expires, now)
    assert store.active_override("c", now) is None


def test_an_override_that_was_recorded_for_longer_holds_no_longer_than_is_allowed(
    store: Registry, now: datetime
) -> None:
    row = {"case_id": "c", "reason": "old", "actor": "kim", "expires": date(2099, 1, 1), "created_at": now}
    with store._writing() as connection:
        connection.execute(sa.insert(overrides).values(row))
    (old,) = store.overrides("c")
    assert (old.expires, old.recorded_by) == (now.date() + timedelta(days=30), None)
    assert store.active_override("c", now + timedelta(days=31)) is None


def test_an_override_is_ended_early_by_a_person_with_a_reason(store: Registry, now: datetime) -> None:
    store.add_override("c", "first", KIM, "2026-03-09", now)
    store.add_override("c", "second", KIM, "2026-03-10", now)
    store.add_override("other", "third", KIM, "2026-03-10", now)
    later = now + timedelta(hours=3)
    with pytest.raises(BadInput, match="needs --reason too"):
        store.end_overrides("c", KIM, " ", later)
    ended = store.end_overrides("c", Person("boss"), "the export was repeated", later)
    assert [(one.reason, one.ended_at, one.ended_by) for one in ended] == [
        ("second", later, "boss"),
        ("first", later, "boss"),
    ]
    assert store.overrides("c") == ended
    assert store.active_override("c", later) is None
    assert store.active_override("other", later) is not None
    last = store.audit_entries()[-1]
    assert (last.actor, last.action) == ("boss", "end override")
    assert last.detail == {"case": "c", "reason": "the export was repeated"}
    with pytest.raises(BadInput, match="No override is in force for case c"):
        store.end_overrides("c", KIM, "again", later)


def test_corrections_are_kept_and_audited(store: Registry, now: datetime) -> None:
    store.record_correction("c", "F-001", "NO_INDICATION", "travel", "kim", now)
    (found,) = store.corrections_until(now)
    assert (found.case_id, found.finding, found.verdict, found.reason) == ("c", "F-001", "NO_INDICATION", "travel")
    assert (found.actor, found.corrected_at) == ("kim", now)
    assert store.corrections_until(now - timedelta(seconds=1)) == []
    assert store.audit_entries()[0].action == "correct"


def test_a_correction_keeps_its_fields_with_what_their_rows_were_like(store: Registry, now: datetime) -> None:
    words = {"rows": 3, "other_rows": 0, "words": {"clients": {"ACTIVESYNC": [3, 0]}}}
    fields = [MisledField("sign_in_logs", "status", words), MisledField("sign_in_logs", "country")]
    keys: dict[str, Any] = {"acting_as": "Bob", "subject": "a@x.example", "concluded": "SUSPICIOUS", "generation": "g1"}
    made = store.record_correction("c", "F-002", "NO_INDICATION", "travel", "kim", now, **keys, fields=fields)
    store.record_correction("d", "case", "ALL_BLOCKED", "why", "kim", now)
    (kept,) = store.corrections("c")
    assert (kept.id, kept.about, kept.told_by, kept.concluded) == (made, "a@x.example", "kim (as Bob)", "SUSPICIOUS")
    assert [(one.name, one.circumstances) for one in kept.fields] == [
        ("sign_in_logs.country", {}),
        ("sign_in_logs.status", words),
    ]
    assert [one.case_id for one in store.corrections()] == ["c", "d"]
    assert store.audit_entries()[0].detail["fields"] == ["sign_in_logs.status", "sign_in_logs.country"]


def test_of_two_corrections_that_know_of_no_other_one_is_kept(store: Registry, now: datetime) -> None:
    store.register_case("c", "/x", {}, now)

    def correct(verdict: str) -> bool:
        try:
            store.record_correction("c", "case", verdict, "why", "kim", now, subject="case", after=0)
        except BadInput:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(correct, ["ALL_BLOCKED", "BREACH_INDICATED"] * 2)) == 1
    assert len(store.corrections()) == len(store.audit_entries()) == 1


def test_cases_that_heard_a_field_are_those_where_it_had_a_score(store: Registry, now: datetime) -> None:
    for case_id, score in (("a", 0.5), ("b", 0.0), ("c", None), ("d", 1.0), ("a", 0.0)):
        store.record_scores(case_id, [ScoreRow("sign_in_logs", "status", score, score)], now)
    assert store.cases_that_heard() == {("sign_in_logs", "status"): {"a", "d"}}


def test_deeds_are_logged_in_order(store: Registry, now: datetime) -> None:
    store.audit("kim", "approved", {}, now)
    store.audit("lee", "exported", {"rows": 3}, now)
    entries = store.audit_entries()
    assert [(entry.actor, entry.action) for entry in entries] == [("kim", "approved"), ("lee", "exported")]
    assert entries[1].detail == {"rows": 3}
    assert entries[1].logged_at == now
