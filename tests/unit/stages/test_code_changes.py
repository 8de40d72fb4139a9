from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.adapters.registry import Registry, StatusCode
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.code_changes import Asked, ChangeAction, ChangeState, CodeKey
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages.code_changes import CodeDesk, change_mapping, history, known_words, sentences
from m365dq_dagster.stages.code_proposals import to_decide
from m365dq_dagster.stages.codes import listing, load_codes, turned_down
from m365dq_dagster.stages.packs import effective_pack
from tests.support.case_runs import shipped_pack

ALICE, BOB = Person("alice"), Person("bob", "Bobby")
NEW = ("sign_in_logs", "status_error_code", "999999")
KNOWN = StatusCode(
    *("sign_in_logs", "status_error_code", "50126", "wrong password", Severity.WARNING),
    category="bad_credentials",
    outcome="failure",
    first_factor="rejected",
)
SHIPPED = replace(KNOWN, value="530031", state="PENDING", category="password_correct_blocked", first_factor="accepted")
WORD = StatusCode("sign_in_logs", "status", "Success", "went through", Severity.INFO, category="SUCCESS")

DeskOf = Callable[[Person], CodeDesk]


@pytest.fixture
def desk(registry: Registry, now: datetime) -> DeskOf:
    """Desks of several people at one reference of three rows."""
    registry.load_status_codes([KNOWN, SHIPPED, WORD], now)
    return lambda person: CodeDesk(registry, shipped_pack(), person, now)


def asked(log_type: str = NEW[0], field: str = NEW[1], value: str = NEW[2], **said: Any) -> Asked:
    return Asked(
        CodeKey(log_type, field, value),
        **{"category": "bad_credentials", "severity": "WARNING", "meaning": "A thing", **said},
    )


def states(registry: Registry, value: str) -> set[tuple[str, int | None]]:
    return {(row["state"], row["pending_change"]) for row in listing(registry, value)}


def test_a_proposed_code_waits_is_listed_so_and_is_in_force_once_approved(desk: DeskOf, registry: Registry) -> None:
    change = desk(ALICE).propose(asked("legacy_auth_logs"), "seen in a case")
    assert change is not None
    assert (change.key, change.action) == (CodeKey(*NEW), ChangeAction.ADD)
    assert states(registry, "999999") == {("PENDING", change.id)}
    assert {row["first_seen"] for row in listing(registry, "999999")} == {None}
    waiting = desk(ALICE).mapping(change)
    assert waiting["sentences"] == [
        f"Proposed as change {change.id}; it waits for approval: "
        "m365dq codes approve sign_in_logs status_error_code 999999"
    ]
    done = desk(ALICE).decide(
        desk(ALICE).key("unified_audit_log", "error_number", "999999"), ChangeState.APPROVED, None
    )
    assert states(registry, "999999") == {("ACTIVE", None)}
    assert {row["last_validated"] for row in listing(registry, "999999")} == {"2026-03-02"}
    told = desk(ALICE).mapping(done)
    assert told["holds_for"] == [
        "sign_in_logs.status_error_code", "legacy_auth_logs.status_error_code", "unified_audit_log.error_number",
    ]  # fmt: skip
    assert told["sentences"][1] == "No case holds it; every run from now on judges by it."


def test_an_approved_code_names_the_cases_to_judge_again(desk: DeskOf, registry: Registry, now: datetime) -> None:
    for number in range(10):
        registry.record_sightings(f"c{number}", [("unified_audit_log", "error_number", "999999", 1, None, None)], now)
    desk(ALICE).propose(asked())
    change = desk(ALICE).decide(CodeKey(*NEW), ChangeState.APPROVED, None)
    told = desk(ALICE).mapping(change)
    assert len(told["cases"]) == 10
    assert told["sentences"][1].endswith("c6, c7 and 2 more. Judge them again: m365dq rejudge c0")


def test_a_rejected_proposal_is_kept_as_one_and_stays_unknown(desk: DeskOf, registry: Registry) -> None:
    desk(ALICE).propose(asked())
    change = desk(ALICE).decide(CodeKey(*NEW), ChangeState.REJECTED, "a typing error")
    assert states(registry, "999999") == {("REJECTED", None)}
    assert sentences(change, [], critical=False) == [
        f"Change {change.id} is rejected; sign_in_logs.status_error_code '999999' stays unknown to the judge."
    ]
    again = desk(ALICE).propose(asked())
    assert again is not None
    assert states(registry, "999999") == {("PENDING", again.id)}


def test_a_change_of_what_is_in_force_shows_old_and_new_and_leaves_it_in_force_meanwhile(
    desk: DeskOf, registry: Registry
) -> None:
    change = desk(ALICE).propose(asked(value="50126", meaning="bad password"))
    assert change is not None
    assert (change.action, change.critical) == (ChangeAction.CHANGE, False)
    assert change_mapping(change)["differences"] == [
        {"column": "meaning", "before": "wrong password", "after": "bad password"}
    ]
    assert states(registry, "50126") == {("ACTIVE", change.id)}
    refused = desk(ALICE).decide(change.key, ChangeState.REJECTED, "no")
    assert sentences(refused, [], critical=False)[0].endswith("stays as it was.")
    assert states(registry, "50126") == {("ACTIVE", None)}
    assert desk(ALICE).propose(asked(value="50126", meaning="wrong password")) is None


def test_a_critical_change_needs_another_user_and_the_attempt_of_the_first_is_kept(
    desk: DeskOf, registry: Registry
) -> None:
    change = desk(ALICE).propose(asked(severity="CRITICAL"))
    assert change is not None
    assert (
        "waits for somebody else than alice, as another user of this machine"
        in desk(ALICE).mapping(change)["sentences"][0]
    )
    for user in (ALICE, Person("alice", "Bob")):
        with pytest.raises(BadInput, match="alice proposed; somebody else must approve it"):
            desk(user).decide(change.key, ChangeState.APPROVED, "I am sure")
    tried = [entry for entry in registry.audit_entries() if entry.action == "code-approve-refused"]
    assert [entry.actor for entry in tried] == ["alice", "alice (as Bob)"]
    assert tried[0].detail["change"] == change.id
    with pytest.raises(BadInput, match="needs a reason"):
        desk(BOB).decide(change.key, ChangeState.APPROVED, None)
    assert states(registry, "999999") == {("PENDING", change.id)}
    assert desk(BOB).decide(change.key, ChangeState.APPROVED, "looked up").decider == BOB


def test_a_change_that_became_critical_while_it_waited_needs_two_as_well(
    desk: DeskOf, registry: Registry, now: datetime
) -> None:
    change = desk(ALICE).propose(asked(value="50126", meaning="bad password"))
    assert change is not None
    registry.load_status_codes([replace(KNOWN, category="app_config", first_factor="unknown")], now)
    with pytest.raises(BadInput, match="somebody else"):
        desk(ALICE).decide(change.key, ChangeState.APPROVED, None)


def test_the_proposer_may_take_back_a_critical_change(desk: DeskOf) -> None:
    change = desk(ALICE).propose(asked(severity="CRITICAL"))
    assert change is not None
    assert desk(ALICE).decide(change.key, ChangeState.REJECTED, "my mistake").state is ChangeState.REJECTED


def test_what_the_rule_pack_ships_as_pending_one_person_decides(desk: DeskOf, registry: Registry) -> None:
    key = desk(ALICE).key("sign_in_logs", "status_error_code", "530031")
    refused = desk(ALICE).decide(key, ChangeState.REJECTED, "not yet")
    assert (refused.proposer.user, refused.source) == ("rule pack", None)
    assert states(registry, "530031") == {("REJECTED", None)}
    assert turned_down(registry.code_changes()) == {key}
    assert to_decide(desk(ALICE), ()) == []
    approved = desk(ALICE).decide(key, ChangeState.APPROVED, None)
    assert approved.after.state == "ACTIVE"
    assert turned_down(registry.code_changes()) == frozenset()
    assert states(registry, "530031") == {("ACTIVE", None)}
    with pytest.raises(BadInput, match="is in force and nothing waits"):
        desk(ALICE).decide(key, ChangeState.APPROVED, None)


def test_what_nobody_proposed_cannot_be_decided(desk: DeskOf) -> None:
    with pytest.raises(BadInput, match=r"Nothing waits for .*m365dq codes add sign_in_logs status_error_code 999999"):
        desk(ALICE).decide(CodeKey(*NEW), ChangeState.APPROVED, None)


def test_deprecating_waits_for_approval_and_keeps_the_row(desk: DeskOf, registry: Registry) -> None:
    change = desk(ALICE).deprecate(CodeKey(NEW[0], NEW[1], "50126"), "withdrawn")
    assert change.action is ChangeAction.DEPRECATE
    assert not any(row["deprecated"] for row in listing(registry, "50126"))
    done = desk(ALICE).decide(change.key, ChangeState.APPROVED, None)
    assert all(row["deprecated"] and row["state"] == "ACTIVE" for row in listing(registry, "50126"))
    assert "'50126' (bad_credentials, WARNING), deprecated," in sentences(done, [], critical=False)[0]
    with pytest.raises(BadInput, match="is deprecated already"):
        desk(ALICE).deprecate(change.key, "again")
    with pytest.raises(BadInput, match="is not in force, so it cannot be deprecated"):
        desk(ALICE).deprecate(CodeKey(*NEW), "never there")
    again = desk(ALICE).propose(asked(value="50126", meaning="wrong password"))
    assert again is not None
    assert change_mapping(again)["differences"] == [{"column": "deprecated", "before": True, "after": False}]


def test_a_word_is_found_as_the_reference_spells_it(desk: DeskOf, registry: Registry) -> None:
    assert desk(ALICE).key("legacy_auth_logs", "status", "SUCCESS").value == "Success"
    change = desk(ALICE).propose(asked("sign_in_logs", "status", "Sucess", category="success"))
    assert change is not None
    assert desk(ALICE).key("sign_in_logs", "status", "Sucess") == change.key
    assert [row["state"] for row in listing(registry, "SUCESS")] == ["PENDING"]


def test_history_tells_proposals_decisions_and_what_packs_brought(desk: DeskOf, registry: Registry) -> None:
    change = desk(ALICE).propose(asked(value="50126", meaning="bad password"), "better words")
    assert change is not None
    desk(BOB).decide(change.key, ChangeState.APPROVED, "indeed")
    told = [row for row in history(registry, " 50126 ") if row["change"]]
    assert [(row["what"], row["who"], row["why"]) for row in told] == [
        ("CHANGE proposed", "alice", "better words"),
        ("CHANGE approved", "bob (as Bobby)", "indeed"),
    ]
    assert told[0]["differences"][0]["before"] == "wrong password"
    assert history(registry, "Success") == []
    with pytest.raises(BadInput, match="Nothing is known of '999999'"):
        history(registry, "999999")


def test_the_words_of_the_rule_pack_are_those_that_its_rows_use() -> None:
    words = known_words(shipped_pack())
    assert {"success", "bad_credentials"} <= words.categories
    assert "persistence" in words.indicators
    assert words.values["sign_in_logs", "status"] == {"SUCCESS", "FAILURE", "INTERRUPTED"}
    assert ("unified_audit_log", "record_type") in words.open_places
    assert ("sign_in_logs", "user_principal_name") not in words.places


def test_what_is_decided_reaches_the_rule_pack_that_runs_judge_by_and_the_reference_agrees_with_it(
    registry: Registry, now: datetime
) -> None:
    settings = Settings.load()
    load_codes(registry, effective_pack(settings, registry), now)
    ours = CodeDesk(registry, shipped_pack(), ALICE, now)
    ours.decide(CodeKey(NEW[0], NEW[1], "530031"), ChangeState.APPROVED, None)
    ours.propose(asked(source="https://learn.microsoft.com/x"))
    ours.propose(asked(value="50126", meaning="bad password", severity="INFO", source="a blog"))
    ours.propose(asked("sign_in_logs", "status", "Sucess", category="success"))
    ours.propose(asked("unified_audit_log", "operation", "Bake cake", category="persistence"))
    ours.deprecate(CodeKey(NEW[0], NEW[1], "16000"), "withdrawn")
    again = CodeDesk(registry, shipped_pack(), ALICE, now)
    for key in list(again.waiting):
        again.decide(key, ChangeState.APPROVED, None)
    pack = effective_pack(settings, registry)
    assert pack.overlay.conflicts == ()
    known = {code.code: code for code in pack.codes if code.state == "active"}
    assert (known["530031"].category, known["999999"].category) == ("password_correct_blocked", "bad_credentials")
    assert known["50126"].meaning == "bad password"
    assert known["16000"].category == "interrupt"
    assert "sucess" in pack.vocabulary.words
    assert "Bake cake" in {row.operation for row in pack.operations}
    before = registry.reference()
    load_codes(registry, pack, now)
    assert registry.reference() == before
    assert [row.change for row in registry.code_history("50126")] == [3, 3, 3]


def test_what_a_rule_pack_changed_is_told_once_for_all_places(registry: Registry, now: datetime) -> None:
    first = replace(KNOWN, origin="PACK")
    twin = replace(first, log_type="unified_audit_log", field="error_number")
    registry.load_status_codes([first, twin], now, "sha256:a")
    newer = [replace(code, meaning="bad password") for code in (first, twin)]
    registry.load_status_codes(newer, now.replace(year=2027), "sha256:b")
    registry.load_status_codes([WORD], now.replace(year=2028), "sha256:c")
    told = history(registry, "50126")
    assert [(row["what"], row["who"], row["why"]) for row in told] == [
        ("rule pack loaded", "rule pack", "sha256:b"),
        ("rule pack loaded", "rule pack", "sha256:c"),
    ]
    assert told[0]["differences"] == [{"column": "meaning", "before": "wrong password", "after": "bad password"}]


USERS = st.builds(Person, st.sampled_from(["alice", "bob"]), st.sampled_from([None, "alice", "bob"]))
ACTS = st.tuples(USERS, st.sampled_from(["add", "approve", "reject", "deprecate"]), st.sampled_from(list(Severity)))


@given(st.lists(ACTS, max_size=8))
def test_whatever_is_tried_no_critical_change_is_approved_by_who_proposed_it(
    desk: DeskOf, registry: Registry, acts: list[tuple[Person, str, Severity]]
) -> None:
    key = CodeKey(*NEW)
    for who, verb, severity in acts:
        with suppress(BadInput):
            if verb == "add":
                desk(who).propose(asked(severity=severity.value))
            elif verb == "deprecate":
                desk(who).deprecate(key, "gone")
            else:
                state = ChangeState.APPROVED if verb == "approve" else ChangeState.REJECTED
                desk(who).decide(key, state, "a reason")
    changes = registry.code_changes()
    for change in changes:
        if change.critical and change.state is ChangeState.APPROVED and change.decider:
            assert not change.decider.is_same_as(change.proposer)
    assert sum(change.state is ChangeState.PENDING for change in changes) <= 1
    in_force = desk(ALICE).in_force(key)
    approved = registry.code_changes(ChangeState.APPROVED)
    assert (in_force is None) == (not approved)
    assert in_force is None or in_force == approved[-1].after
