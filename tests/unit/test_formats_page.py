"""The page on formats lists the formats that there are, explains every key, and its worked examples do what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from m365dq_dagster.adapters.evidence.formats import parse_format, parse_formats
from m365dq_dagster.core.errors import BadInput
from tests.support.intake_case import differences, shipped_formats, take_in

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
WORKED = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.M | re.S)]


def rows_of_the_pack() -> list[str]:
    """The table as it should stand on the page."""
    logs = {one.id: one.log_type for one in parse_formats(shipped_formats()) if one.log_type}
    return [
        f"| `{data['id']}` | {data['title']} | {f'`{log}`' if (log := logs.get(data['id'])) else '-'} |"
        for data in sorted(shipped_formats(), key=lambda data: str(data["id"]))
    ]


def test_the_page_lists_every_format_and_no_other() -> None:
    listed = re.findall(r"^\| `[a-z0-9_]+` \| [^|]* \| (?:`[a-z0-9_]+`|-) \|$", PAGE, flags=re.M)
    assert "\n".join(listed) == "\n".join(rows_of_the_pack())


def test_the_page_explains_every_key() -> None:
    with pytest.raises(BadInput) as refused:
        parse_format({"colour": "blue"}, "page")
    keys = str(refused.value).split("the keys are ")[1].rstrip(".").split(", ")

    explained = re.findall(r"^\| `([a-z_]+)` \|", PAGE.split("## Every key")[1], flags=re.M)
    assert sorted(explained) == sorted(keys)


@pytest.mark.parametrize("data", [pytest.param(data, id=data["id"]) for data in WORKED])
def test_a_format_that_the_page_adds_is_read_without_code(tmp_path: Path, data: dict[str, Any]) -> None:
    formats = (*shipped_formats(), data)
    log_type = next(one.log_type for one in parse_formats(formats) if one.id == data["id"])
    (example,) = data["examples"]
    (tmp_path / example["path"]).write_text(example["text"], encoding="utf-8")

    taken = take_in(tmp_path, formats=formats)

    assert taken.file(example["path"])["format"] == data["id"]
    assert taken.ledger(example["path"]) == tuple(example["ledger"].values())
    rows = {row["row_no"]: row for row in taken.events(log_type)}
    wrong = {expected["row_no"]: differences(rows[expected["row_no"]], expected) for expected in example["expect"]}
    assert not {number: found for number, found in wrong.items() if found}
