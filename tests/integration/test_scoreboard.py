"""The product is right on labelled cases that nobody tuned it to, through the real stages, and the rivals are not."""

from pathlib import Path

import pytest

from m365dq_dagster.core.scoreboard import TARGETS, Judge, Mark, Scoreboard, Target
from m365dq_dagster.core.scoreboard_page import wrong_lines
from m365dq_dagster.stages.validation import Order, cores, validate

SAMPLE = 24
"""Every damage and shape, and half of the families; the long run judges every one of them."""


@pytest.fixture(scope="module")
def sample() -> Scoreboard:
    return validate(Order(SAMPLE, workers=1, misreadings=False))


TOO_FEW = {"undecided_on_healthy"}
"""Shares that so few cases cannot tell from their target; the long run holds them."""


@pytest.mark.parametrize("target", [one for one in TARGETS if one.key not in TOO_FEW], ids=lambda one: one.key)
def test_a_sample_of_half_of_the_families_meets_the_target(sample: Scoreboard, target: Target) -> None:
    seen = sample.scores().as_mapping()[target.key]
    assert target.met(seen), "\n".join([f"{target.words}: {seen}", *wrong_lines(sample)])


def test_no_case_of_the_sample_breaks_the_judge(sample: Scoreboard) -> None:
    assert len(sample.groups("family")) >= 20
    assert [one.label.name for one in sample.cases if one.said[Judge.OURS].verdict is None] == []


def test_the_rivals_are_wrong_several_times_as_often(sample: Scoreboard) -> None:
    ours, *rivals = (len(sample.worth(Mark.WRONG, judge)) for judge in Judge)
    assert min(rivals) >= 3 * max(ours, 1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [7, 2026])
def test_hundreds_of_cases_meet_every_target(seed: int, shared_cases: Path) -> None:
    board = validate(Order(520, seed, cores(), shared_cases))
    assert board.passed, "\n".join([*(target.words for target in board.missed), *wrong_lines(board)])
