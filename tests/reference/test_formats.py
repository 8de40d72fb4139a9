"""Every format file of the rule pack does what its own examples say, and no format is taken for another."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.evidence.delimited import header_key, records, table_head
from m365dq_dagster.adapters.evidence.documents import document_head, looks_like_json, unwrapped
from m365dq_dagster.adapters.evidence.formats import (
    ENVELOPE,
    SIDECAR_CONTAINERS,
    TABLE,
    TRANSLATION,
    FormatDefinition,
    parse_formats,
)
from m365dq_dagster.adapters.evidence.plans import ImportPlan, envelope, recognise
from tests.support.intake_case import differences, shipped_formats, take_in

OTHERS = (*SIDECAR_CONTAINERS, TRANSLATION, ENVELOPE)
READ = tuple(data for data in shipped_formats() if data.get("container") not in OTHERS)
EXAMPLES = [
    pytest.param(data, example, id=f"{data['id']}: {example['name']}") for data in READ for example in data["examples"]
]


@cache
def definitions() -> tuple[FormatDefinition, ...]:
    return parse_formats(shipped_formats())


def definition(format_id: str) -> FormatDefinition:
    return next(one for one in definitions() if one.id == format_id)


def path_of(example: Mapping[str, Any]) -> str:
    return str(example.get("path", "export.txt"))


def text_of(example: Mapping[str, Any]) -> str:
    """The file's text; `fill` names a mark and how many characters of filling stand for it."""
    text = str(example["text"]) if "text" in example else "\n".join(example["lines"])
    for mark, length in example.get("fill", {}).items():
        text = text.replace(mark, "x" * length)
    return text


@pytest.mark.parametrize(("data", "example"), EXAMPLES)
def test_an_example_gives_its_rows_and_its_ledger(
    tmp_path: Path, data: dict[str, Any], example: dict[str, Any]
) -> None:
    place = tmp_path / "evidence" / path_of(example)
    place.parent.mkdir(parents=True)
    place.write_text(text_of(example), encoding=example.get("encoding", "utf-8"))
    log_type = definition(data["id"]).log_type

    taken = take_in(tmp_path / "evidence")

    file = taken.file(path_of(example))
    assert (file["format"], file["log_type"], file["status"]) == (data["id"], log_type, "IMPORTED"), file["reason"]
    wanted = example["ledger"]
    assert taken.ledger(path_of(example)) == tuple(
        wanted[name] for name in ("read", "imported", "duplicate", "quarantined")
    )
    if "date_order" in example:
        assert file["date_order"] == example["date_order"]
    rows = {row["row_no"]: row for row in taken.events(log_type)}
    wrong = {expected["row_no"]: differences(rows[expected["row_no"]], expected) for expected in example["expect"]}
    assert not {number: found for number, found in wrong.items() if found}
    reasons = [row["reason"] for row in taken.rows("SELECT reason FROM quarantine ORDER BY row_no")]
    assert reasons == example.get("quarantine", reasons)


@pytest.mark.parametrize("data", [pytest.param(data, id=data["id"]) for data in READ])
def test_a_format_has_examples_and_speaks_of_its_own_fields(data: dict[str, Any]) -> None:
    one = definition(data["id"])

    assert one.examples
    assert one.hazards
    assert set(one.renderings) <= set(one.fields)
    assert set(one.renderings.values()) <= set(one.fields)
    assert set(one.values) <= set(one.fields)


def test_a_format_of_a_log_type_with_a_table_of_its_own_knows_only_its_columns(tmp_path: Path) -> None:
    taken = take_in(tmp_path)
    for one in definitions():
        columns = {
            row["column_name"]
            for row in taken.rows("SELECT column_name FROM duckdb_columns() WHERE table_name = $1", one.log_type)
        }
        assert not columns or {*one.fields, *one.name_values} <= columns, one.id


def test_formats_of_one_log_type_agree_on_types_and_identity() -> None:
    for log_type in {one.log_type for one in definitions() if one.log_type}:
        alike = [one for one in definitions() if one.log_type == log_type]
        assert len({one.identity for one in alike}) == 1, log_type
        for name in {name for one in alike for name in one.fields}:
            assert len({one.types.get(name, "text") for one in alike if name in one.fields}) == 1, (log_type, name)


@pytest.mark.parametrize(("data", "example"), EXAMPLES)
def test_an_example_is_taken_for_no_other_format(data: dict[str, Any], example: dict[str, Any]) -> None:
    keys, container, samples = looked_at(text_of(example))

    assert recognised(keys, container, samples, path_of(example)) == data["id"]


@pytest.mark.parametrize(
    ("data", "example"),
    [one for one in EXAMPLES if not looks_like_json(text_of(one.values[1]))],  # type: ignore[arg-type]
)
def test_a_table_that_lacks_optional_columns_keeps_its_format(data: dict[str, Any], example: dict[str, Any]) -> None:
    columns, container, samples = looked_at(text_of(example))
    plan = recognise(columns, container, definitions(), samples, path_of(example))
    assert plan

    for gone in lacking(columns, plan):
        left = [name for name in columns if name not in gone]
        rows = [{name: value for name, value in row.items() if name not in gone} for row in samples]
        assert recognised(left, container, rows, path_of(example)) == data["id"], gone


def looked_at(text: str) -> tuple[tuple[str, ...], str, tuple[Mapping[str, Any], ...]]:
    """The header or keys of an example, its container and its first records."""
    if looks_like_json(text):
        head = document_head(text, 200)
        inside = envelope(head.samples, definitions())
        samples = tuple(one for record in head.samples for one in unwrapped(record, inside))
        return tuple(dict.fromkeys(key for one in samples for key in one)), "json", samples
    table = table_head(text)
    assert table
    rows = records(text.splitlines(keepends=True)[table.skip_lines :], table.delimiter, len(table.columns))
    return table.columns, TABLE, tuple(dict(zip(table.columns, row.cells, strict=True)) for row in rows if row.cells)


def recognised(keys: Sequence[str], container: str, samples: Sequence[Mapping[str, Any]], path: str) -> str | None:
    plan = recognise(keys, container, definitions(), samples, path)
    return plan.definition.id if plan else None


def lacking(columns: Sequence[str], plan: ImportPlan) -> Iterable[set[str]]:
    """What an export may lack: each column that is not needed, and a third of them all, four times at random."""
    for column in columns:
        if not needed(columns, plan) - (set(columns) - {column}):
            yield {column}
    for seed in range(4):
        kept = needed(columns, plan, random.Random(seed))
        optional = sorted(set(columns) - kept)
        yield set(random.Random(seed).sample(optional, len(optional) // 3))


def needed(columns: Sequence[str], plan: ImportPlan, chance: random.Random | None = None) -> set[str]:
    """The columns without which the format is not met: one of each required group, and those whose values tell."""
    detect = plan.definition.detect
    told = {header_key(name) for name in (*detect.values, *detect.filled)}
    kept = {name for name in columns if header_key(name) in told}
    for group in detect.require:
        names = [name for name in columns if header_key(name) in {header_key(known) for known in group}]
        if chance:
            kept.add(chance.choice(names))
        elif len(names) == 1:
            kept.update(names)
    return kept
