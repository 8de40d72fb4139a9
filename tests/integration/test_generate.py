from hashlib import sha256
from pathlib import Path

import pytest

from m365dq_dagster.adapters.synthetic.vocabulary import SIGN_IN_SHAPES
from m365dq_dagster.stages.generate import GeneratedCase, corpus, generate, generate_order


def fingerprints(case: GeneratedCase) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in case.folder.iterdir()}


@pytest.mark.parametrize("family", ["oculus", "all-blocked"])
def test_a_seed_gives_the_same_bytes_again_and_another_seed_others(tmp_path: Path, family: str) -> None:
    first = fingerprints(generate(family, tmp_path / "a", seed=11))
    again = fingerprints(generate(family, tmp_path / "b", seed=11))
    other = fingerprints(generate(family, tmp_path / "c", seed=12))
    assert first == again
    assert [name for name in first if first[name] == other[name]] == ["case.toml"]


@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_a_sign_in_log_of_any_shape_is_the_same_bytes_for_its_seed(tmp_path: Path, shape: str) -> None:
    one = generate("signins", tmp_path / "a", seed=3, rows=500, shape=shape)
    two = generate("signins", tmp_path / "b", seed=3, rows=500, shape=shape)
    assert fingerprints(one) == fingerprints(two)


def test_the_bytes_of_a_seed_depend_on_nothing_but_the_seed(tmp_path: Path) -> None:
    case = generate("one-user", tmp_path / "case", seed=7, shape="ps-csv")
    assert fingerprints(case)["01_OneUser_SignInLogs.csv"][:16] == "18b34b25f8f6bc69"


def test_a_case_of_the_corpus_is_the_same_bytes_whenever_it_is_made(tmp_path: Path) -> None:
    for number, order in enumerate(corpus(6, seed=5)):
        first = fingerprints(generate_order(order, tmp_path / f"{number}-a"))
        assert fingerprints(generate_order(order, tmp_path / f"{number}-b")) == first


def test_writing_a_case_again_into_its_folder_gives_the_same_folder(tmp_path: Path) -> None:
    before = fingerprints(generate("one-user", tmp_path / "case"))
    assert fingerprints(generate("one-user", tmp_path / "case")) == before
