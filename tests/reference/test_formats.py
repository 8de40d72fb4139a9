"""Every format file of the rule pack does what its own examples say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.evidence.formats import parse_format
from tests.support.intake_case import differences, shipped_formats, take_in

EXAMPLES = [
    pytest.param(data, example, id=f"{data['id']}: {example['name']}")
    for data in shipped_formats()
    for example in data["examples"]
]


@pytest.mark.parametrize(("data", "example"), EXAMPLES)
def test_an_example_gives_its_rows_and_its_ledger(
    tmp_path: Path, data: dict[str, Any], example: dict[str, Any]
) -> None:
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "export.txt").write_text(example["text"], encoding="utf-8")

    taken = take_in(folder)

    file = taken.file("export.txt")
    assert (file["format"], file["log_type"], file["status"]) == (data["id"], data["log_type"], "IMPORTED"), file[
        "reason"
    ]
    wanted = example["ledger"]
    assert taken.ledger("export.txt") == (
        wanted["read"],
        wanted["imported"],
        wanted["duplicate"],
        wanted["quarantined"],
    )
    if "date_order" in example:
        assert file["date_order"] == example["date_order"]
    rows = {row["row_no"]: row for row in taken.events(data["log_type"])}
    wrong = {expected["row_no"]: differences(rows[expected["row_no"]], expected) for expected in example["expect"]}
    assert not {number: found for number, found in wrong.items() if found}
    assert [row["reason"] for row in taken.rows("SELECT reason FROM quarantine ORDER BY row_no")] == example.get(
        "quarantine", [row["reason"] for row in taken.rows("SELECT reason FROM quarantine ORDER BY row_no")]
    )


@pytest.mark.parametrize("data", [pytest.param(data, id=data["id"]) for data in shipped_formats()])
def test_a_format_has_examples_and_only_known_canonical_fields(tmp_path: Path, data: dict[str, Any]) -> None:
    definition = parse_format(data, data["id"])
    columns = {
        row["column_name"]
        for row in take_in(tmp_path).rows(
            "SELECT column_name FROM duckdb_columns() WHERE table_name = $1", definition.log_type
        )
    }

    assert definition.examples
    assert set(definition.fields) <= columns
    assert set(definition.renderings) <= set(definition.fields)
    assert set(definition.values) <= set(definition.fields)
