from contextlib import closing
from dataclasses import replace
from pathlib import Path

from m365dq_dagster.core.misreadings import parse_statements
from m365dq_dagster.stages import misreadings
from m365dq_dagster.stages.scratch_case import Desk
from tests.support.case_runs import lean_pack

LEGACY, CUT = (one for one in misreadings.load() if one.id in ("M02", "M27"))


def test_a_case_is_run_beside_nobodys_registry(tmp_path: Path, home: Path) -> None:
    with closing(Desk(tmp_path / "place")) as desk:
        found = misreadings.judge_at(desk, LEGACY)
    assert (found.id, found.right, found.why) == ("M02", True, ())
    assert list(home.iterdir()) == []


def test_what_the_product_says_otherwise_is_told(tmp_path: Path) -> None:
    wrong = replace(CUT, never=parse_statements([{"at": "quality.status", "equals": "FAIL"}], "here"))
    with closing(Desk(tmp_path)) as desk:
        desk.pack = lean_pack()
        found = misreadings.judge_at(desk, wrong)
    assert found.why == ("The wrong reading is made: `quality.status` is `FAIL`.",)
