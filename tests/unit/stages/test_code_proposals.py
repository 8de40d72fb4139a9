from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.code_changes import Asked, ChangeState, CodeKey
from m365dq_dagster.core.maintenance import UnknownValue
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.sightings import REST
from m365dq_dagster.stages.code_changes import CodeDesk
from m365dq_dagster.stages.code_proposals import DESCRIBED_NOW, Known, ProposedCode, propose_codes, to_decide
from m365dq_dagster.stages.codes import load_codes
from m365dq_dagster.stages.decisions import carry_out, decisions_text
from tests.support.case_runs import shipped_pack

ADA = Person("ada")


@pytest.fixture
def desk(registry: Registry, now: datetime) -> CodeDesk:
    load_codes(registry, shipped_pack(), now)
    return CodeDesk(registry, shipped_pack(), ADA, now)


def unknown(value: str, now: datetime, field: str = "sign_in_logs.status_error_code") -> UnknownValue:
    log_type, name = field.split(".")
    return UnknownValue(((log_type, name),), value, 6, ("c", "d"), now, now, now, now)


def again(desk: CodeDesk) -> CodeDesk:
    return CodeDesk(desk.registry, desk.pack, desk.person, desk.now + timedelta(minutes=1))


def proposed(desk: CodeDesk, *codes: str, **given: bool) -> list[ProposedCode]:
    return list(propose_codes(desk, codes, **given))


def test_a_code_of_which_nothing_is_known_is_proposed_as_unknown_and_waits(desk: CodeDesk, now: datetime) -> None:
    (made,) = propose_codes(desk, ["512345"], [unknown("512345", now)])
    (change,) = desk.registry.code_changes()
    assert (made.state, made.category, made.change) == (ChangeState.PENDING, "unknown", change.id)
    assert (change.after.method, change.after.provenance) == ("topic_rule", "unverified")
    assert change.reason is not None
    assert change.reason.startswith("Seen in evidence: 6 rows in 2 cases (c, d)")
    assert change.proposer == ADA
    assert again(desk).in_force(change.key) is None


def test_each_code_is_proposed_once_however_often_it_is_asked_for(desk: CodeDesk) -> None:
    assert len(proposed(desk, "512345", " 512345 ")) == 1
    (second,) = proposed(again(desk), "512345")
    assert (second.state, second.note) == (None, "A proposal waits already.")
    assert len(desk.registry.code_changes()) == 1


def test_a_proposal_of_which_nothing_was_known_gives_way_once_a_page_describes_the_code(desk: CodeDesk) -> None:
    proposed(desk, "512345")
    texts = {"512345": Known("The password is wrong; try again.", "", "codes.md")}
    (second,) = propose_codes(again(desk), ["512345"], (), texts)
    assert (second.state, second.category) == (ChangeState.PENDING, "bad_credentials")
    first, now_waits = desk.registry.code_changes()
    assert (first.state, first.decision_reason) == (ChangeState.REJECTED, DESCRIBED_NOW)
    assert now_waits.after.first_factor == "rejected"
    (third,) = propose_codes(again(desk), ["512345"], (), texts)
    assert third.note == "A proposal waits already."


def test_what_is_in_force_or_shipped_as_pending_or_no_code_is_left_and_said(desk: CodeDesk) -> None:
    known, shipped, none = proposed(desk, "50126", "530031", "no code")
    assert known.note == "It is in force already."
    assert "waits for approval" in shipped.note
    assert "no Entra code" in none.note
    assert desk.registry.code_changes() == []


def test_without_a_review_the_proposal_is_in_force_at_once_and_audited(desk: CodeDesk) -> None:
    (made,) = proposed(desk, "512345", approval_required=False)
    assert made.state is ChangeState.APPROVED
    held = again(desk).rows
    assert {key.log_type for key in held if key.value == "512345"} == {
        "sign_in_logs",
        "legacy_auth_logs",
        "unified_audit_log",
    }
    actions = [entry.action for entry in desk.registry.audit_entries()]
    assert actions[-2:] == ["code-propose", "code-approve"]


def test_without_a_review_what_waits_already_is_approved_too_unless_it_is_critical(desk: CodeDesk) -> None:
    proposed(desk, "512345")
    critical = Asked(CodeKey("sign_in_logs", "status_error_code", "512399"), "bad_credentials", "CRITICAL", "A word.")
    desk.propose(critical)
    waited, shipped, grave = proposed(again(desk), "512345", "530031", "512399", approval_required=False)
    assert (waited.state, shipped.state, grave.state) == (ChangeState.APPROVED, ChangeState.APPROVED, None)
    assert (shipped.category, grave.note) == ("password_correct_blocked", "A proposal waits already.")


def test_a_code_that_somebody_else_proposes_at_the_same_moment_is_left_and_said(desk: CodeDesk) -> None:
    assert desk.waiting == {}
    proposed(again(desk), "512345")
    (made,) = proposed(desk, "512345")
    assert made.state is None
    assert "already waits" in made.note


def test_what_waits_is_a_file_to_fill_in_that_can_be_carried_out(desk: CodeDesk, now: datetime, tmp_path: Path) -> None:
    rest, elsewhere = unknown(REST, now, "sign_in_logs.status"), unknown("x", now, "a.b")
    found = [unknown("512345", now), unknown("Sucess", now, "sign_in_logs.status"), elsewhere, rest]
    propose_codes(desk, ["512345", "512346"], found)
    rows = to_decide(again(desk), found)
    assert [row.code_value for row in rows] == ["512345", "Sucess", "512346", "530031"]
    assert "6 rows in 2 cases" in rows[0].evidence
    assert rows[1].category == ""
    assert rows[2].evidence.startswith("Asked for by its value")
    file = tmp_path / "decisions.csv"
    file.write_text(decisions_text(rows), encoding="utf-8")
    assert carry_out(again(desk), file)["left"] == 4
    file.write_text(decisions_text([replace(rows[0], decision="approve"), *rows[1:]]), encoding="utf-8")
    assert carry_out(again(desk), file)["approved"] == 1
    assert [row.code_value for row in to_decide(again(desk), [])] == ["512346", "530031"]
