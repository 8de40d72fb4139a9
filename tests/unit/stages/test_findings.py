"""A finding says what is claimed, how sure it is, on which fields it leans, and which lines prove it."""

from collections.abc import Mapping
from typing import Any

import pytest

from m365dq_dagster.adapters.engine import Rows
from m365dq_dagster.adapters.engine.in_process import InProcess
from m365dq_dagster.stages.findings import EVIDENCE_ROWS
from tests.support.case_runs import Bench, shipped_pack
from tests.support.evidence import ANN, BOB, EVE, Row, abroad, at, at_home, rejected, sign_in

OTHER = "cy@contoso.example"
QUIET = [*at_home(BOB), *rejected(BOB, 2, at(3), "AU")]


def findings(rows: list[Row], **given: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Bench().judge(rows, **{"home": ["AU"], **given})["findings"]
    return found


def test_the_cases_conclusion_comes_first_and_then_the_accounts_the_worst_first() -> None:
    rows = [
        *QUIET,
        sign_in("zed@contoso.example", at(30), "RU", "53003"),
        sign_in(OTHER, at(30), "NZ"),
        *at_home(),
        *abroad(times=1, client_app_used="IMAP4"),
        *at_home("mal@contoso.example"),
        *abroad("mal@contoso.example"),
    ]
    found = findings(rows)
    assert [one["id"] for one in found] == ["F-001", "F-002", "F-003", "F-004", "F-005"]
    assert found[0]["claim"].startswith("Case tiny: breach indicated.")
    assert [one.get("account") for one in found] == [None, "mal@contoso.example", ANN, OTHER, "zed@contoso.example"]
    assert [one["severity"] for one in found] == ["CRITICAL", "CRITICAL", "WARNING", "WARNING", "WARNING"]
    assert "6 successful foreign sign-ins" in found[1]["claim"]
    assert all(one["verified"] and "not_verified" not in one for one in found)
    assert {one["rule_pack"] for one in found} == {shipped_pack().content_hash}


def test_a_compromise_is_proved_by_the_lines_of_its_foreign_successes() -> None:
    rows = [*QUIET, *at_home(), *abroad(), *rejected(times=1)]
    finding = findings(rows)[1]
    first = len(QUIET) + 20 + 1
    assert finding["evidence"] == [{"file": "SignInLogs.csv", "row": first + n} for n in range(6)]
    assert (finding["evidence_rows"], finding["contradictions"]) == (6, 0)
    field = finding["fields_used"]
    assert [(one["field"], one["log_type"]) for one in field] == [("status_error_code", "sign_in_logs")]
    assert field[0]["score"] > 0


def test_an_exposed_credential_is_proved_by_what_was_stopped_and_an_unclear_account_by_what_is_open() -> None:
    stopped = sign_in(ANN, at(30), "RU", "53003")
    odd = sign_in(OTHER, at(9), code="512345")
    found = findings([*QUIET, *at_home(), stopped, *at_home(OTHER), odd])
    proofs = {one.get("account"): one["evidence"] for one in found}
    assert proofs[ANN] == [{"file": "SignInLogs.csv", "row": len(QUIET) + 21}]
    assert proofs[OTHER] == [{"file": "SignInLogs.csv", "row": len(QUIET) + 42}]


def test_a_lead_is_proved_by_the_attempts_on_the_account() -> None:
    guessed = rejected(times=5, country="AU", address=EVE)
    found = findings([*QUIET, *at_home(days=range(3)), *guessed, sign_in(when=at(30, 10), address=EVE)])
    assert (found[1]["account"], found[1]["evidence_rows"]) == (ANN, 9)


def test_a_quiet_case_has_one_finding_that_rests_on_every_row() -> None:
    found = findings([*QUIET, *at_home()])
    assert [one["severity"] for one in found] == ["INFO"]
    assert found[0]["evidence_rows"] == len(QUIET) + 20


def test_only_so_many_lines_are_shown_and_all_are_counted() -> None:
    many = [sign_in(BOB, at(1, n)) for n in range(EVIDENCE_ROWS + 10)]
    found = findings([*QUIET, *many])
    assert (len(found[0]["evidence"]), found[0]["evidence_rows"]) == (EVIDENCE_ROWS, len(QUIET) + EVIDENCE_ROWS + 10)


def test_contradictions_among_the_lines_are_counted() -> None:
    odd = abroad(access="failure", client_app_used="Exchange ActiveSync")
    found = findings([*QUIET, *at_home(), *odd])
    assert found[1]["contradictions"] == 6


def test_a_finding_that_no_single_row_proves_rests_on_all_rows_of_the_account() -> None:
    rows = [sign_in(OTHER, at(day), code=None, status=None, access="notApplied") for day in (1, 2)]
    found = Bench().judge([*QUIET, *rows], home=["AU"])["findings"]
    (one,) = [finding for finding in found if finding.get("account") == OTHER]
    assert one["reasons"] == ["None of its 2 sign-ins has a known outcome, so nothing can be said of it."]
    assert [line["row"] for line in one["evidence"]] == [len(QUIET) + 1, len(QUIET) + 2]


def test_a_case_of_many_accounts_asks_the_engine_as_often_as_one_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    run = InProcess.run

    def counted(engine: InProcess, text: str, values: Mapping[str, object] | None = None) -> Rows:
        asked.append(text)
        return run(engine, text, values)

    monkeypatch.setattr(InProcess, "run", counted)
    numbers = []
    for accounts in (2, 20):
        asked.clear()
        rows = [row for n in range(accounts) for row in abroad(f"owner{n}@contoso.example")]
        assert len(findings([*QUIET, *rows])) == accounts + 1
        numbers.append(len(asked))
    assert numbers[0] == numbers[1]
