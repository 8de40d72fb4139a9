"""The list of checks is the checks that there are, and each has something that stands in for it."""

import ast
from pathlib import Path

import m365dq_dagster
from m365dq_dagster.adapters.table_guards import GUARDS
from m365dq_dagster.core.adjudication import WITNESSES
from m365dq_dagster.core.known_checks import GATES, KNOWN_CHECKS, NOTES, OUTCOME_GATE, blocks, compensation
from m365dq_dagster.core.outcome import LogType
from m365dq_dagster.stages import expectations, guards

PACKAGE = Path(m365dq_dagster.__file__).parent
MAKERS = ("CheckResult", "remark")
NO_CHECK_OF_THE_EVIDENCE = {"verdict"}


def written_names() -> set[str]:
    """The names that the code gives its checks as plain text."""
    found = set()
    for path in (*PACKAGE.glob("core/*.py"), *PACKAGE.glob("stages/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "name")]
                found |= {one.value for one in given if isinstance(one, ast.Constant)}
    return {str(name) for name in found}


def made_names() -> set[str]:
    """The names that the code makes of log types and groups of tables."""
    gates = {OUTCOME_GATE.format(log_type) for log_type in WITNESSES}
    suites = {expectations.check_name(log_type) for log_type in LogType}
    return gates | suites | {guards.check_name(group) for group in GUARDS}


def test_the_list_is_exactly_the_checks_that_the_code_makes() -> None:
    assert written_names() - NO_CHECK_OF_THE_EVIDENCE | made_names() == set(KNOWN_CHECKS)
    assert len(KNOWN_CHECKS) == len(GATES) + len(NOTES)


def test_what_blocks_is_the_closed_list() -> None:
    assert {one.name for one in KNOWN_CHECKS.values() if one.blocking} == {
        "ledger_balances",
        "recognised_evidence",
        "quarantine_share",
        *(f"{log_type}_outcome_may_be_judged" for log_type in WITNESSES),
    }
    assert blocks("ledger_balances")
    assert not blocks("completeness_leads")
    assert not blocks("no_such_check")


def test_every_check_says_in_a_sentence_what_stands_in_for_it() -> None:
    for one in KNOWN_CHECKS.values():
        assert compensation(one.name) == one.compensated_by
        assert one.compensated_by[0].isupper()
        assert one.compensated_by.endswith(".")
    assert compensation("of_another_version") == "Not known here: see the run-book of the check."
