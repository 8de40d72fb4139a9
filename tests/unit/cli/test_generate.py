"""`generate` writes labelled evidence where it is told."""

from pathlib import Path

import pytest

from tests.support.program import call, call_json


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    made = [call_json("generate", "one-user", "--seed", "3", "--out", str(tmp_path / name)) for name in ("a", "b")]
    contents = [[Path(file).read_bytes() for file in one["files"]] for one in made]
    assert contents[0] == contents[1]
    assert made[0]["rows"] > 0
    assert Path(made[0]["expected"]).is_file()


def test_it_says_how_to_judge_what_was_made(tmp_path: Path) -> None:
    out = call(
        "generate", "signins", "--rows", "50", "--shape", "portal-csv", "--no-context", "--out", str(tmp_path / "g")
    ).stdout
    assert f"Judge them: m365dq run {tmp_path / 'g'}" in out
    assert not (tmp_path / "g" / "case.toml").exists()


@pytest.mark.parametrize("words", [("nothing",), ("oculus", "--shape", "x"), ("oculus", "--variant", "x")])
def test_an_unknown_name_shape_or_variant_is_exit_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    result = call("generate", *words, "--out", str(tmp_path / "g"))
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
