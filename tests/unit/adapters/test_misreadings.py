from pathlib import Path
from typing import Any

import pytest
import yaml

from m365dq_dagster.adapters.misreadings import load, read, write
from m365dq_dagster.core.errors import BadInput

CASE: dict[str, Any] = {
    "id": "M99",
    "title": "A title",
    "wrong": "One\n thing.\n",
    "right": "Another.",
    "check": "A check.",
    "source": "A page.",
    "files": [{"path": "sub/a.csv", "text": "a,b\n"}],
    "expect": [{"at": "status", "equals": "X"}],
    "never": [{"at": "status", "equals": "Y"}],
}


def kept(folder: Path, **changes: Any) -> Path:
    data = {key: value for key, value in {**CASE, **changes}.items() if value is not None}
    path = folder / "M99.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def test_a_case_is_read_with_its_sentences_on_one_line(tmp_path: Path) -> None:
    kept(tmp_path)
    (found,) = load(tmp_path)
    assert (found.id, found.wrong, found.context, found.files[0].path) == ("M99", "One thing.", "", "sub/a.csv")
    assert [str(one) for one in (*found.expect, *found.never)] == ["`status` is `X`", "`status` is `Y`"]


def test_the_evidence_is_written_where_it_is_said_with_its_context(tmp_path: Path) -> None:
    folder = write(read(kept(tmp_path, context='home_countries = ["AU"]\n')), tmp_path / "evidence")
    assert (folder / "sub" / "a.csv").read_text(encoding="utf-8") == "a,b\n"
    assert (folder / "case.toml").read_text(encoding="utf-8") == 'home_countries = ["AU"]\n'


def test_rows_are_written_out_with_their_moments_and_words_in_turn(tmp_path: Path) -> None:
    block = {
        "times": 3,
        "begin": "2026-03-02T23:30:00",
        "every": 60,
        "write": "<n>,<n:3>,<iso>,<date>,<us>,<dmy>,<of:a|b>,<add:40>",
    }
    found = read(kept(tmp_path, files=[{"path": "a.csv", "text": "head\n", "rows": [block], "foot": "end\n"}]))
    assert found.files[0].text.splitlines() == [
        "head",
        "1,001,2026-03-02T23:30:00Z,2026-03-02,3/2/2026 11:30:00 PM,02/03/2026 23:30:00,a,40",
        "2,002,2026-03-03T00:30:00Z,2026-03-03,3/3/2026 12:30:00 AM,03/03/2026 00:30:00,b,41",
        "3,003,2026-03-03T01:30:00Z,2026-03-03,3/3/2026 1:30:00 AM,03/03/2026 01:30:00,a,42",
        "end",
    ]


def test_a_block_without_times_is_one_line_and_a_mark_may_stand_for_a_filling(tmp_path: Path) -> None:
    files = [{"path": "a.csv", "rows": [{"write": "(long)<x>"}], "fill": {"(long)": 4}}]
    assert read(kept(tmp_path, files=files)).files[0].text == "xxxx<x>\n"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"never": None}, "misreadings/M99.yaml: 'never' is missing."),
        ({"wrong": ""}, "misreadings/M99.yaml: 'wrong' is missing."),
        ({"colour": "red"}, "misreadings/M99.yaml: 'colour' is not known; the keys are check, context, expect"),
        ({"files": [{"path": "/etc/a", "text": ""}]}, "the path '/etc/a' leads out of the case's folder"),
        ({"files": [{"path": "../a", "text": ""}]}, "the path '../a' leads out of the case's folder"),
        ({"files": [{"path": "a", "lines": []}]}, "'lines' is not known; the keys are fill, foot, path, rows, text"),
        ({"files": [{"path": "a", "rows": [{"print": ""}]}]}, "'print' is not known; the keys are begin, every, times"),
        ({"expect": [{"at": "status"}]}, "is no statement"),
    ],
)
def test_a_case_that_is_written_wrongly_is_refused(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(kept(tmp_path, **changes))
    assert sentence in str(refused.value)


@pytest.mark.parametrize(("text", "sentence"), [("a: [", "no readable YAML"), ("- a", "holds no case; give it id")])
def test_a_file_that_holds_no_case_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "M98.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=sentence):
        load(tmp_path)
