from dataclasses import replace

import dagster as dg

from m365dq_dagster.core.checks import CheckResult, switched_off
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.defs import shown

OVERRIDE = Override("no second export", "jo", "2099-12-31", "ann")


def check(
    name: str = "one",
    *,
    passed: bool = False,
    blocking: bool = True,
    severity: Severity = Severity.CRITICAL,
    said: str = "",
) -> CheckResult:
    return CheckResult(
        name, "intake", passed, blocking, severity, said or f"{name} says so.", f"docs/runbooks/{name}.md"
    )


def rows_of(metadata: object) -> list[dict[str, object]]:
    assert isinstance(metadata, dg.TableMetadataValue)
    return [dict(record.data) for record in metadata.records]


def test_a_table_is_short_narrow_and_all_text() -> None:
    made = shown.table({f"c{n}": n for n in range(9)} | {"c0": row} for row in range(50))
    found = rows_of(made)
    assert (len(found), len(found[0])) == (shown.ROWS_SHOWN, shown.COLUMNS_SHOWN)
    assert {type(value) for row in found for value in row.values()} == {str}


def test_a_cell_cannot_steer_the_page_and_a_number_is_rounded() -> None:
    (row,) = rows_of(shown.table([{"a": "x\x1b[2J\u202egpj", "b": 0.123456, "c": None, "d": "y" * 500}]))
    assert row["a"] == "x [2J gpj"
    assert (row["b"], row["c"]) == ("0.1235", "")
    assert len(str(row["d"])) == 120


def test_rows_with_other_columns_share_one_header() -> None:
    assert rows_of(shown.table([{"a": 1}, {"b": 2}])) == [{"a": "1", "b": ""}, {"a": "", "b": "2"}]


def test_an_open_gate_says_how_much_it_asked_and_names_the_case() -> None:
    gate = shown.gate_result("gate", "c1", [check(passed=True), check("note", blocking=False)], None)
    assert gate.passed
    assert gate.description == "Case c1: the gate is open; 1 of 1 checks hold."
    assert [row["check"] for row in rows_of(gate.metadata["details"])] == ["one"]


def test_a_closed_gate_is_an_error_with_the_first_reason_and_its_runbook() -> None:
    gate = shown.gate_result("gate", "c1", [check("zero", passed=True), check("one"), check("two")], None)
    assert (gate.passed, gate.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert gate.description == "Case c1: one says so."
    assert gate.metadata["runbook"].value == "docs/runbooks/one.md"


def test_an_overridden_gate_warns_with_who_until_when_and_why() -> None:
    gate = shown.gate_result("gate", "c1", [check(said="Case c1: lost.")], OVERRIDE)
    assert (gate.passed, gate.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert gate.description == "Case c1: lost. Overridden by jo until 2099-12-31: no second export"
    assert gate.metadata["overridden by"].value == "jo (recorded by ann)"
    assert gate.metadata["override ends"].value == "2100-01-01T00:00:00+00:00"
    (row,) = rows_of(gate.metadata["disabled"])
    assert row["check"] == "one"


def test_an_override_of_an_open_gate_is_told_too() -> None:
    gate = shown.gate_result("gate", "c1", [check(passed=True)], replace(OVERRIDE, recorded_by=None))
    assert gate.passed
    assert str(gate.description).endswith("1 of 1 checks hold. Overridden by jo until 2099-12-31: no second export")
    assert gate.metadata["overridden by"].value == "jo"
    assert "disabled" not in gate.metadata


def test_a_gate_with_a_check_switched_off_warns_and_says_so() -> None:
    off = switched_off("c1", check("ledger_balances", said="It does not add up."))
    gate = shown.gate_result("gate", "c1", [check(passed=True), off], None)
    assert (gate.passed, gate.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert gate.description == (
        "Case c1: the gate is open; 1 of 2 checks hold. Switched off by policy: ledger_balances."
    )
    (row,) = rows_of(gate.metadata["disabled"])
    assert str(row["compensated by"]).startswith("Nothing in the product: count the rows")
    stopped = shown.gate_result("gate", "c1", [check(), off], None)
    assert stopped.severity == dg.AssetCheckSeverity.ERROR
    assert stopped.description == "Case c1: one says so. Switched off by policy: ledger_balances."


def test_a_note_that_is_switched_off_comes_after_what_failed_and_is_never_silent() -> None:
    off = switched_off("c1", check("two", passed=True, blocking=False))
    notes = shown.notes_result("notes", "c1", [off, check(blocking=False)])
    assert notes.description == "Case c1: one says so. And 1 more."
    alone = shown.notes_result("notes", "c1", [off])
    assert (alone.passed, alone.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "two is switched off by policy" in str(alone.description)


def test_notes_lead_with_the_first_failure_and_count_the_others() -> None:
    found = [check(f"n{n}", blocking=False, severity=Severity.WARNING) for n in range(3)]
    notes = shown.notes_result("notes", "c1", [check("gate"), *found])
    assert (notes.passed, notes.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert notes.description == "Case c1: n0 says so. And 2 more."


def test_a_critical_note_is_an_error_and_does_not_block() -> None:
    notes = shown.notes_result("notes", "c1", [check(blocking=False)])
    assert (notes.severity, notes.description) == (dg.AssetCheckSeverity.ERROR, "Case c1: one says so.")


def test_without_failures_there_is_nothing_to_note() -> None:
    notes = shown.notes_result("notes", "c1", [check(passed=True, blocking=False)])
    assert (notes.passed, notes.description) == (True, "Case c1: nothing to note; 1 checks hold.")
    assert "runbook" not in notes.metadata
