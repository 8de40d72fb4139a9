"""What every context rule must keep, shipped or proposed: its own examples hold, and are of both kinds."""

from m365dq_dagster.core.context_rules import ContextRule


def assert_examples_hold(one: ContextRule) -> None:
    """Asks the rule of each of its examples."""
    assert {example.expect for example in one.examples} == {one.effect, None}, "give an example of both kinds"
    for example in one.examples:
        assert one.matches(example.given) is (example.expect is not None), example.name
