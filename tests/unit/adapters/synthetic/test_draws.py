import re

from m365dq_dagster.adapters.synthetic.draws import Draws


def test_the_same_seed_and_topic_give_the_same_stream() -> None:
    one, other = Draws(7, "a"), Draws(7, "a")
    assert [one.share(), one.below(9), one.guid()] == [other.share(), other.below(9), other.guid()]


def test_topics_and_seeds_are_independent() -> None:
    assert len({Draws(7, "a").guid(), Draws(7, "b").guid(), Draws(8, "a").guid()}) == 3


def test_an_identifier_has_the_form_of_a_version_4_uuid() -> None:
    shape = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(shape, Draws(1, "x").guid())


def test_some_draws_different_items_and_never_more_than_there_are() -> None:
    draws = Draws(3, "x")
    assert len(set(draws.some(range(50), 20))) == 20
    assert sorted(draws.some(range(5), 9)) == [0, 1, 2, 3, 4]
    assert draws.some([], 3) == []


def test_below_stays_below() -> None:
    draws = Draws(3, "x")
    assert {draws.below(3) for _ in range(200)} == {0, 1, 2}
    assert {draws.one("ab") for _ in range(100)} == {"a", "b"}
