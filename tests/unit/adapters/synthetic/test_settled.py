from dataclasses import replace
from pathlib import Path

import pytest

from m365dq_dagster.adapters.synthetic.corpus import TOLD_BY_AUDIT, CaseOrder, corpus, families
from m365dq_dagster.adapters.synthetic.settled import JUDGEMENTS, Settled, settles
from m365dq_dagster.adapters.synthetic.stories import STORIES, tell
from m365dq_dagster.adapters.synthetic.vocabulary import Family, Shape, Variant

FULL = CaseOrder(
    Family.TAKEOVER,
    seed=5,
    shape=Shape.PORTAL_CSV,
    audit_shape=Shape.UAL_CSV,
    variant=Variant.INTACT,
    devices=True,
    context=True,
    mfa_steps=True,
)


def with_everything(family: Family) -> CaseOrder:
    return replace(FULL, family=family)


def test_every_whole_case_family_is_judged_with_a_reason() -> None:
    assert set(JUDGEMENTS) == set(STORIES)
    assert all(judgement.reason for judgement in JUDGEMENTS.values())


@pytest.mark.parametrize(
    ("settled", "needed"),
    [
        (Settled.ALWAYS, set()),
        (Settled.DEVICES, {"devices"}),
        (Settled.HOME, {"context"}),
        (Settled.AUDIT, {"audit_shape"}),
        (Settled.NEVER, {"devices", "context", "audit_shape", "nothing else"}),
    ],
)
def test_a_case_is_settled_where_it_comes_with_what_its_family_needs(settled: Settled, needed: set[str]) -> None:
    for family in (one for one, judgement in JUDGEMENTS.items() if judgement.settled is settled):
        full = with_everything(family)
        assert settles(full) is ("nothing else" not in needed)
        assert settles(replace(full, devices=False)) is ("devices" not in needed)
        assert settles(replace(full, context=False)) is ("context" not in needed)
        assert settles(replace(full, audit_shape=None)) is ("audit_shape" not in needed)


def test_a_damage_does_not_change_what_an_intact_export_would_settle() -> None:
    for family in families():
        assert settles(replace(with_everything(family), variant=Variant.BLANK_CODES)) == settles(
            with_everything(family)
        )


def test_what_no_log_shows_and_what_holds_no_row_is_never_settled() -> None:
    for family in (Family.LOCAL_INTRUDER, Family.CONSENT_UNSEEN, Family.NO_ROWS):
        assert not settles(with_everything(family))
        story = tell(family, 5, mfa_steps=True)
        assert not (story.visible and story.sign_ins)


def test_families_that_the_audit_log_alone_tells_need_it() -> None:
    assert {one for one, judgement in JUDGEMENTS.items() if judgement.settled is Settled.AUDIT} == TOLD_BY_AUDIT


def test_most_of_the_corpus_can_be_settled_and_some_of_it_cannot() -> None:
    orders = corpus(5 * len(families()))
    share = sum(map(settles, orders)) / len(orders)
    assert 0.8 < share < 0.95


def test_the_page_puts_every_family_beside_its_judgement(checkout: Path) -> None:
    page = (checkout / "docs" / "reference" / "corpus.md").read_text(encoding="utf-8")
    for settled in Settled:
        row = next(line for line in page.splitlines() if line.startswith(f"| {settled} |"))
        named = [f"`{family}`" for family, judgement in JUDGEMENTS.items() if judgement.settled is settled]
        assert row == f"| {settled} | {', '.join(named)} |"
