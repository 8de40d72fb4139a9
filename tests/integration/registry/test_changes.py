from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.code_changes import (
    CODE_FIELDS,
    ChangeAction,
    ChangeState,
    Proposal,
    ReferenceRow,
    Settlement,
    withdrawn,
)
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.people import Person

ALICE, BOB = Person("alice", "Al"), Person("bob")
ROW = ReferenceRow(
    "sign_in_logs",
    "status_error_code",
    "999999",
    "A made-up code",
    "WARNING",
    category="bad_credentials",
    outcome="failure",
    first_factor="rejected",
    provenance="unverified",
    method="hand",
)
WORD = ReferenceRow("sign_in_logs", "status", "Sucess", "A misspelt success", "WARNING", category="SUCCESS")
ADD = Proposal(ChangeAction.ADD, None, ROW, ALICE, "seen in a case", "vendor page")


def approve(store: Registry, number: int, now: datetime, who: Person = BOB) -> None:
    store.settle_codes([Settlement(number, ChangeState.APPROVED, "looked up")], who, now)


def test_a_proposal_waits_and_leaves_the_reference_alone(store: Registry, now: datetime) -> None:
    (made,) = store.propose_codes([ADD], now)
    assert store.code_changes(ChangeState.PENDING) == [made]
    assert (made.proposer, made.proposed_at, made.after, made.before) == (ALICE, now, ROW, None)
    assert (made.action, made.critical, made.reason, made.source) == ("ADD", False, "seen in a case", "vendor page")
    assert (made.decider, made.decided_at) == (None, None)
    assert store.status_codes() == []
    assert store.code_changes(ChangeState.APPROVED) == []
    (entry,) = store.audit_entries()
    assert (entry.actor, entry.action) == ("alice (as Al)", "code-propose")
    assert entry.detail["code_value"] == "999999"


def test_what_is_approved_stands_in_every_place_that_shares_the_vocabulary_at_once(
    store: Registry, now: datetime
) -> None:
    (made,) = store.propose_codes([ADD, replace(ADD, after=WORD)], now)[:1]
    approve(store, made.id, now)
    held = store.status_codes()
    assert sorted((code.log_type, code.field) for code in held) == sorted(CODE_FIELDS)
    assert {(code.meaning, code.category, code.state) for code in held} == {(ROW.meaning, "bad_credentials", "ACTIVE")}
    assert {code.last_validated for code in held} == {date(2026, 3, 2)}
    (decided,) = store.code_changes(ChangeState.APPROVED)
    assert (decided.decider, decided.decision_reason, decided.state) == (BOB, "looked up", ChangeState.APPROVED)
    assert [change.key.value for change in store.code_changes(ChangeState.PENDING)] == ["Sucess"]
    assert store.audit_entries()[-1].detail["proposed_by"] == "alice (as Al)"
    assert ROW in store.reference()
    assert len(store.reference()) == 3


def test_history_tells_what_a_row_was_and_who_made_it_another(store: Registry, now: datetime) -> None:
    (made,) = store.propose_codes([replace(ADD, after=WORD)], now)
    approve(store, made.id, now)
    (change,) = store.propose_codes([withdrawn(WORD, ALICE, "no longer written")], now)
    approve(store, change.id, now + timedelta(days=1))
    first, second = store.code_history("Sucess")
    assert (first.before, first.after, first.actor, first.change) == (None, WORD.as_mapping(), "bob", made.id)
    assert (second.before, second.after) == (WORD.as_mapping(), replace(WORD, deprecated=True).as_mapping())
    assert (second.origin, second.key, second.pack_hash) == ("CHANGE", WORD.key, None)
    assert second.changed_at == now + timedelta(days=1)
    assert [(code.deprecated, code.last_validated) for code in store.status_codes()] == [(True, date(2026, 3, 3))]


def test_the_newest_approved_change_of_a_value_is_in_force(store: Registry, now: datetime) -> None:
    for meaning in ("first", "second"):
        (made,) = store.propose_codes([replace(ADD, after=replace(WORD, meaning=meaning))], now)
        approve(store, made.id, now)
    (third,) = store.propose_codes([replace(ADD, after=replace(WORD, meaning="third"))], now)
    store.settle_codes([Settlement(third.id, ChangeState.REJECTED, "wrong")], BOB, now)
    assert [code.meaning for code in store.status_codes()] == ["second"]


def test_a_second_pending_change_of_a_value_is_refused_with_the_number_of_the_first(
    store: Registry, now: datetime
) -> None:
    (made,) = store.propose_codes([ADD], now)
    with pytest.raises(
        BadInput, match=rf"Change {made.id} of alice \(as Al\) already waits .*codes approve sign_in_logs"
    ):
        store.propose_codes([replace(ADD, after=WORD), ADD], now)
    assert [change.id for change in store.code_changes()] == [made.id]


def test_what_was_decided_is_not_decided_again(store: Registry, now: datetime) -> None:
    (made,) = store.propose_codes([ADD], now)
    approve(store, made.id, now)
    with pytest.raises(BadInput, match=f"Change {made.id} .* was approved by bob in the meantime"):
        approve(store, made.id, now)
    with pytest.raises(BadInput, match="There is no change 77"):
        approve(store, 77, now)


def test_a_decision_that_cannot_be_taken_undoes_those_beside_it(store: Registry, now: datetime) -> None:
    (made,) = store.propose_codes([ADD], now)
    both = [
        Settlement(replace(ADD, after=WORD), ChangeState.APPROVED),
        Settlement(made.id, ChangeState.APPROVED),
        Settlement(made.id, ChangeState.REJECTED, "twice"),
    ]
    before = len(store.audit_entries())
    with pytest.raises(BadInput):
        store.settle_codes(both, BOB, now)
    assert store.status_codes() == []
    assert [change.state for change in store.code_changes()] == [ChangeState.PENDING]
    assert len(store.audit_entries()) == before


def test_what_is_proposed_and_approved_in_one_breath_names_both(store: Registry, now: datetime) -> None:
    (made,) = store.settle_codes([Settlement(ADD, ChangeState.APPROVED, "from a list")], BOB, now)
    assert (made.proposer, made.decider, made.state) == (ALICE, BOB, ChangeState.APPROVED)
    assert [entry.action for entry in store.audit_entries()] == ["code-propose", "code-approve"]
    with store.engine.connect() as connection:
        row = connection.execute(sa.text("SELECT subject, decision, actor, reason FROM approvals")).one()
    assert tuple(row) == (f"change {made.id}: {ROW.key}", "APPROVED", "bob", "from a list")


def test_of_two_who_decide_at_once_exactly_one_wins(store: Registry, now: datetime) -> None:
    (made,) = store.propose_codes([ADD], now)

    def decide(state: ChangeState) -> bool:
        try:
            store.settle_codes([Settlement(made.id, state, "mine")], BOB, now)
        except BadInput:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(decide, [ChangeState.APPROVED, ChangeState.REJECTED] * 6))
    assert sum(won) == 1
    assert len([e for e in store.audit_entries() if e.action in ("code-approve", "code-reject")]) == 1
    (change,) = store.code_changes()
    assert len(store.status_codes()) == (3 if change.state is ChangeState.APPROVED else 0)


def test_of_two_who_propose_at_once_exactly_one_wins(store: Registry, now: datetime) -> None:
    def propose(_: int) -> bool:
        try:
            store.propose_codes([ADD], now)
        except BadInput:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(propose, range(12))) == 1
    assert len(store.code_changes()) == 1
