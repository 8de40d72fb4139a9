"""Every family of labelled evidence, taken in by the product: nothing of what was written is lost or set aside."""

import json
from itertools import cycle
from pathlib import Path

import pytest

from m365dq_dagster.adapters.synthetic.stories import STORIES
from m365dq_dagster.adapters.synthetic.vocabulary import SIGN_IN_SHAPES, Family, Shape
from m365dq_dagster.stages.generate import generate
from tests.support.intake_case import take_in

MADE = list(zip(list(STORIES)[list(STORIES).index(Family.BUSINESS_TRIP) :], cycle(SIGN_IN_SHAPES)))
SOME = [made for made in MADE if made[0] in (Family.MAIL_FRAUD, Family.CONSENT_PHISHING, Family.RARE_GUESTS)]
"""What holds more than sign-ins of members: audit logs, and guests."""


def taken_in_whole(folder: Path, family: Family, shape: Shape) -> None:
    case = generate(family, folder, seed=3, shape=shape)
    taken = take_in(case.folder)
    imported = 0
    for path in case.files:
        read, kept, repeated, set_aside = taken.ledger(path.name)
        assert (repeated, set_aside) == (0, 0)
        assert read == kept
        imported += kept
    assert imported == case.rows
    assert len(taken.events()) == json.loads(case.expected.read_text())["events"]["sign_in_logs"]


@pytest.mark.parametrize(("family", "shape"), SOME)
def test_every_row_of_a_family_is_imported_and_none_set_aside(tmp_path: Path, family: Family, shape: Shape) -> None:
    taken_in_whole(tmp_path / "case", family, shape)


@pytest.mark.soak
@pytest.mark.parametrize(("family", "shape"), [made for made in MADE if made not in SOME])
def test_the_same_holds_of_all_other_families(tmp_path: Path, family: Family, shape: Shape) -> None:
    taken_in_whole(tmp_path / "case", family, shape)
