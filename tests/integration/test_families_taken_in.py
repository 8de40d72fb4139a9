"""Families with more than members' sign-ins, or kept out of the corpus: nothing of what was written is lost."""

import json
from itertools import cycle
from pathlib import Path

import pytest

from m365dq_dagster.adapters.synthetic.corpus import UNSEEN
from m365dq_dagster.adapters.synthetic.vocabulary import SIGN_IN_SHAPES, Family, Shape
from m365dq_dagster.stages.generate import generate
from tests.support.intake_case import take_in

RICH = (Family.MAIL_FRAUD, Family.CONSENT_PHISHING, Family.OWN_RULES, Family.RARE_GUESTS)


@pytest.mark.parametrize(("family", "shape"), list(zip([*RICH, *sorted(UNSEEN)], cycle(SIGN_IN_SHAPES))))
def test_every_row_of_a_family_is_imported_and_none_set_aside(tmp_path: Path, family: Family, shape: Shape) -> None:
    case = generate(family, tmp_path / "case", seed=3, shape=shape)
    taken = take_in(case.folder)
    imported = 0
    for path in case.files:
        read, kept, repeated, set_aside = taken.ledger(path.name)
        assert (repeated, set_aside) == (0, 0)
        assert read == kept
        imported += kept
    assert imported == case.rows
    assert len(taken.events()) == json.loads(case.expected.read_text())["events"]["sign_in_logs"]
