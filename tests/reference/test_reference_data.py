"""What ships is whole: every code, value and operation once, with all that a verdict and a reader need, and true to the
tables that it was filled from, where those lie beside the checkout.
"""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from m365dq_dagster.core.adjudication import ACCEPTED
from m365dq_dagster.core.code_changes import CLASS_DEFAULTS, Kind
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.reference import CATEGORIES, FIRST_FACTORS, OUTCOMES, check
from tests.support.case_runs import shipped_pack

CODES, VALUES, OPERATIONS = "status_codes.csv", "values.csv", "operations.csv"
PACK = shipped_pack()
TABLES = (CODES, VALUES, OPERATIONS, "vendor_changes.csv", "retention.csv")


def test_the_reference_has_the_size_that_was_promised() -> None:
    assert len(PACK.codes) > 800
    assert len(PACK.values) >= 147
    assert len(PACK.operations) >= 136
    assert len(PACK.vendor_changes) >= 31


def test_every_row_of_the_reference_stands_there_once() -> None:
    assert [key for key, rows in Counter(row.key for row in PACK.reference).items() if rows > 1] == []


def test_every_row_of_the_reference_can_be_used() -> None:
    for row in PACK.reference:
        check(row, "shipped")


def test_every_code_says_its_class_outcome_first_factor_severity_and_how_it_is_known() -> None:
    for code in PACK.codes:
        assert code.category in CATEGORIES, code
        assert code.outcome in OUTCOMES, code
        assert code.first_factor in FIRST_FACTORS, code
        assert code.severity in set(Severity), code
        assert code.provenance in ("documented", "community", "unverified"), code
        assert code.method in ("listed", "topic_rule", "hand"), code
        assert code.portal_status in ("", "Success", "Failure", "Interrupted"), code
        assert re.fullmatch(r"0|[1-9][0-9]{4,9}", code.code), code


def test_what_is_called_documented_says_where() -> None:
    assert [code.code for code in PACK.codes if code.provenance == "documented" and not code.sources] == []


def test_no_code_contradicts_itself() -> None:
    for code in PACK.codes:
        assert (code.category == "success") == (code.outcome == "success"), code
        if code.category == "bad_credentials":
            assert code.first_factor not in ACCEPTED, code
        if code.category in ("success", "password_correct_blocked"):
            assert code.first_factor != "rejected", code
    assert set(CLASS_DEFAULTS) <= {code.category for code in PACK.codes}


def test_the_one_code_that_waits_for_approval_is_unknown_to_the_judge() -> None:
    assert [code.code for code in PACK.codes if code.state != "active"] == ["530031"]
    assert "530031" not in PACK.vocabulary.codes


def test_codes_words_and_operations_have_a_file_each() -> None:
    kinds = Counter(row.key.kind for row in PACK.reference)
    assert kinds == {
        Kind.CODE: len(PACK.codes),
        Kind.VALUE: len(PACK.values),
        Kind.OPERATION: len(PACK.operations),
    }


@pytest.mark.parametrize("name", TABLES)
def test_no_table_names_a_person_a_handle_or_a_page_of_one(name: str) -> None:
    text = (PACK.root / name).read_text(encoding="utf-8").lower()
    found = re.findall(r"[\w.+-]+@[\w-]+\.\w+|(?<![\w.])@\w+|github\.com/\S+|twitter\.com\S*|linkedin\.com\S*", text)
    assert found == []


def test_every_table_has_one_header_and_rows_as_wide_as_it() -> None:
    for name in TABLES:
        with (PACK.root / name).open(encoding="utf-8", newline="") as file:
            widths = {len(row) for row in csv.reader(file)}
        assert len(widths) == 1, name


@pytest.fixture(scope="session")
def source_tables() -> Path:
    """The folder of tables that the reference was filled from, beside the checkout."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip("the tables that the reference was filled from (../shared/reference) are not beside this checkout")
    return folder


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["aadsts_codes.csv", "aadsts_codes_extended.csv"])
def test_every_known_code_is_there_and_judged_as_its_table_says(source_tables: Path, name: str) -> None:
    known = {code.code: code for code in PACK.codes}
    for row in rows_of(source_tables, name):
        held = known[row["code"]]
        for column in ("category", "outcome", "first_factor", "severity"):
            assert getattr(held, column) == row[column], row["code"]


def test_every_known_value_operation_and_vendor_change_is_there(source_tables: Path) -> None:
    values = {(row.log_type, row.field, row.value): row for row in PACK.values}
    cited = {(row.log_type, row.field_name, row.code_value) for row in PACK.reference if row.sources}
    for row in rows_of(source_tables, "value_tables.csv"):
        key = (row["log_type"], row["field"], row["value"])
        assert values[key].normalised == row["normalised"], row
        assert key in cited, row
    operations = {row.operation: row for row in PACK.operations}
    assert [
        row["operation"] for row in rows_of(source_tables, "ual_operations.csv") if row["operation"] not in operations
    ] == []
    changes = {change.id for change in PACK.vendor_changes}
    assert [row["id"] for row in rows_of(source_tables, "vendor_changes.csv") if row["id"] not in changes] == []
