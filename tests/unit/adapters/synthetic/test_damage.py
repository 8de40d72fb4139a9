import pytest

from m365dq_dagster.adapters.synthetic.bulk import many_sign_ins
from m365dq_dagster.adapters.synthetic.damage import BLANK, INVENTED, TYPED, lost, outcome_left, shown, told
from m365dq_dagster.adapters.synthetic.vocabulary import (
    SIGN_IN_SHAPES,
    WHOLE_STATUS_LOST,
    WORDING,
    ConditionalAccess,
    Deed,
    Shape,
    Variant,
)

EVENTS = list(many_sign_ins(5, 2_000))


def statuses(variant: Variant, shape: Shape = Shape.PORTAL_CSV) -> set[object]:
    return {shown(event, variant, shape) for event in EVENTS}


def test_an_intact_export_shows_what_the_vendor_words() -> None:
    for event in EVENTS:
        assert shown(event, Variant.INTACT, Shape.GRAPH_JSON) == told(event.deed)
        assert outcome_left(event, Variant.INTACT) == WORDING[event.deed].outcome


@pytest.mark.parametrize("variant", sorted(WHOLE_STATUS_LOST))
@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_a_lost_status_is_one_value_throughout(variant: Variant, shape: Shape) -> None:
    assert len(statuses(variant, shape)) == 1


def test_each_damage_has_its_own_value() -> None:
    assert statuses(Variant.TYPE_NAME) == {TYPED}
    assert statuses(Variant.INVENTED_ONE) == {INVENTED}
    assert statuses(Variant.BLANK_CODES) == {BLANK}
    assert statuses(Variant.STUCK_ZERO) == {told(Deed.SIGNED_IN)}
    assert statuses(Variant.STUCK_FAILURE) == {told(Deed.MISTYPED_PASSWORD)}


def test_an_importer_without_a_code_column_is_stuck_at_the_word() -> None:
    (status,) = statuses(Variant.STUCK_FAILURE, Shape.PS_CSV)
    assert status == ("Failure", "Failure", told(Deed.MISTYPED_PASSWORD).reason)


def test_missing_codes_are_three_rows_of_ten_whatever_they_came_to() -> None:
    missing = [event for event in EVENTS if lost(event, Variant.CODES_MISSING)]
    assert len(missing) / len(EVENTS) == pytest.approx(0.3, abs=0.04)
    assert Deed.SIGNED_IN in {event.deed for event in missing}
    assert Deed.MISTYPED_PASSWORD in {event.deed for event in missing}
    for event in EVENTS:
        kept = BLANK if event in missing else told(event.deed)
        assert shown(event, Variant.CODES_MISSING, Shape.SENTINEL_CSV) == kept


def test_where_the_status_is_lost_only_the_policies_tell() -> None:
    left = {event.policies: outcome_left(event, Variant.STUCK_ZERO) for event in EVENTS}
    assert left == {
        ConditionalAccess.SUCCESS: "SUCCESS",
        ConditionalAccess.FAILURE: "BLOCKED_AFTER_FIRST_FACTOR",
        ConditionalAccess.NOT_APPLIED: "UNKNOWN",
    }
