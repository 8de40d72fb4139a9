import csv
import json
from pathlib import Path

import pytest

from m365dq_dagster.adapters.synthetic.events import SignIn
from m365dq_dagster.adapters.synthetic.program_writers import (
    APART,
    PORTAL_COLUMNS,
    SENTINEL_COLUMNS,
    write_programs,
)
from m365dq_dagster.adapters.synthetic.sign_in_writers import Rendering, write_sign_ins
from m365dq_dagster.adapters.synthetic.stories import tell
from m365dq_dagster.adapters.synthetic.vocabulary import TYPE_NAME, WORDING, Family, Shape, Variant

CODES = {Shape.PORTAL_CSV: "Sign-in error code", Shape.SENTINEL_CSV: "ResultType"}


@pytest.fixture(scope="module")
def programs() -> list[SignIn]:
    story = tell(Family.SERVICES_ABROAD, 3, mfa_steps=True)
    return [event for event in story.sign_ins if not event.person.account]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("shape", APART)
def test_a_program_stands_in_a_file_of_programs_with_its_own_code(
    tmp_path: Path, programs: list[SignIn], shape: Shape
) -> None:
    path = tmp_path / "log.csv"
    write_programs(path, programs, shape, Rendering())
    rows = table(path)
    assert tuple(rows[0]) == {Shape.PORTAL_CSV: PORTAL_COLUMNS, Shape.SENTINEL_CSV: SENTINEL_COLUMNS}[shape]
    assert [row[CODES[shape]] for row in rows] == [str(WORDING[event.deed].code) for event in programs]
    assert {"0", "7000215"} == {row[CODES[shape]] for row in rows}


@pytest.mark.parametrize("shape", APART)
def test_a_damage_reaches_the_programs_too(tmp_path: Path, programs: list[SignIn], shape: Shape) -> None:
    path = tmp_path / "log.csv"
    write_programs(path, programs, shape, Rendering(Variant.TYPE_NAME))
    assert {row[CODES[shape]] for row in table(path)} == {TYPE_NAME}


def test_graph_names_the_application_where_a_user_would_stand(tmp_path: Path, programs: list[SignIn]) -> None:
    path = tmp_path / "log.json"
    write_sign_ins(path, programs, Shape.GRAPH_JSON, Rendering())
    for row in json.loads(path.read_text(encoding="utf-8")):
        assert row["userPrincipalName"] == row["userId"] == ""
        assert row["signInEventTypes"] == ["servicePrincipal"]
        assert row["servicePrincipalName"] == row["appDisplayName"]
