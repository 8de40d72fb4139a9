from collections import Counter, defaultdict
from pathlib import Path

import pytest

from m365dq_dagster.adapters.synthetic.corpus import CaseOrder, corpus, expressible, families
from m365dq_dagster.adapters.synthetic.damage import shown, told
from m365dq_dagster.adapters.synthetic.stories import STORIES, tell
from m365dq_dagster.adapters.synthetic.vocabulary import AUDIT_SHAPES, SIGN_IN_SHAPES, Family, Shape, Variant

ROUND, LONG = len(families()), 10 * len(families())


@pytest.fixture(scope="module")
def orders() -> tuple[CaseOrder, ...]:
    return corpus(LONG)


def test_the_same_arguments_give_the_same_orders_and_another_seed_others() -> None:
    assert corpus(60) == corpus(60)
    assert not set(corpus(60)) & set(corpus(60, seed=8))


def test_a_longer_corpus_begins_with_the_shorter_one(orders: tuple[CaseOrder, ...]) -> None:
    assert orders[:ROUND] == corpus(ROUND)


def test_no_case_stands_in_the_corpus_twice(orders: tuple[CaseOrder, ...]) -> None:
    assert len({(order.family, order.seed) for order in orders}) == LONG


def test_a_round_holds_every_family_variant_and_shape(orders: tuple[CaseOrder, ...]) -> None:
    sample = orders[:ROUND]
    assert {order.family for order in sample} == set(families())
    assert {order.variant for order in sample} == set(Variant)
    assert {order.shape for order in sample} == set(SIGN_IN_SHAPES)
    assert {order.audit_shape for order in sample} == {None, *AUDIT_SHAPES}
    for option in ("devices", "context", "mfa_steps"):
        assert {getattr(order, option) for order in sample} == {True, False}


def test_every_whole_case_is_in_the_corpus_but_the_largest_and_what_no_log_can_show() -> None:
    large = {Family.OCULUS, Family.HEALTHY, Family.MOSTLY_SUCCESS}
    assert set(STORIES) - set(families()) == large | {Family.LOCAL_INTRUDER, Family.CONSENT_UNSEEN}
    for family in families():
        assert tell(family, 70_000, mfa_steps=True).visible


def test_a_breach_that_the_audit_log_alone_shows_never_goes_without_it(orders: tuple[CaseOrder, ...]) -> None:
    shapes = {order.audit_shape for order in orders if order.family is Family.CONSENT_PHISHING}
    assert shapes == set(AUDIT_SHAPES)


def test_three_exports_of_five_are_intact_and_the_damages_are_as_frequent_as_one_another(
    orders: tuple[CaseOrder, ...],
) -> None:
    variants = Counter(order.variant for order in orders)
    assert variants.pop(Variant.INTACT) / LONG == pytest.approx(0.6, abs=0.05)
    assert max(variants.values()) - min(variants.values()) <= 3


def test_every_family_goes_through_one_damage_after_another_and_none_that_it_cannot_show(
    orders: tuple[CaseOrder, ...],
) -> None:
    seen = defaultdict(set)
    for order in orders:
        seen[order.family].add(order.variant)
    for family in families():
        assert seen[family] - {Variant.INTACT} <= set(expressible(family))
        assert len(seen[family]) == 1 + min(4, len(expressible(family)))


def test_every_damage_is_shown_in_every_shape(orders: tuple[CaseOrder, ...]) -> None:
    pairs = {(order.variant, order.shape) for order in orders}
    assert pairs == {(variant, shape) for variant in Variant for shape in SIGN_IN_SHAPES}


def test_the_page_names_every_family_and_every_damage(checkout: Path) -> None:
    page = (checkout / "docs" / "reference" / "corpus.md").read_text(encoding="utf-8")
    assert [name for name in (*STORIES, *Variant) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("family", families())
def test_the_damages_of_a_family_change_something_in_each_of_its_stories(family: Family) -> None:
    for seed in (70_000, 70_001):
        story = tell(family, seed, mfa_steps=True)
        for variant in expressible(family):
            shape = Shape.GRAPH_JSON
            assert any(shown(event, variant, shape) != told(event.deed) for event in story.sign_ins)
