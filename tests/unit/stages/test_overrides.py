"""Overrides as they stand: in force, ended by their day, ended by a person; and what was concluded under one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.narrative import override_banner
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages import overrides

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LAST = datetime(2026, 3, 9, 23, 59, 59, tzinfo=UTC)
OVER = LAST + timedelta(seconds=1)
KIM = Person("analyst", "kim")


@pytest.fixture
def overridden(registry: Registry) -> Registry:
    """A case that was judged under an override until 9 March."""
    registry.register_case("c", "/evidence/c", {}, NOW)
    registry.add_override("c", "why", KIM, "2026-03-09", NOW)
    judged(registry, NOW, UNDER)
    return registry


UNDER = {"reason": "why", "actor": "kim", "expires": "2026-03-09", "recorded_by": "analyst"}


def judged(registry: Registry, at: datetime, override: dict[str, Any] | None, generation: str = "g1") -> None:
    under = {"generation": generation, "quality": "OVERRIDDEN" if override else "FAIL", "override": override}
    registry.set_verdict("c", "CANNOT_CONCLUDE", "digest", at, under)


def document(**override: Any) -> dict[str, Any]:
    told = {"reason": "why", "actor": "kim", "expires": "2026-03-09", "in_force": True, **override}
    return {"case": "c", "quality": {"status": "OVERRIDDEN", "failed_checks": [], "override": told}}


def test_a_verdict_stands_until_the_end_of_the_last_day_and_not_a_second_longer(overridden: Registry) -> None:
    assert overrides.lapsed(overridden, LAST) == []
    assert [one.case_id for one in overrides.in_force(overridden, LAST)] == ["c"]
    (left,) = overrides.lapsed(overridden, OVER)
    assert (left.case_id, left.generation, left.override.actor) == ("c", "g1", "kim")
    assert overrides.in_force(overridden, OVER) == []


def test_judging_again_without_the_override_puts_it_right(overridden: Registry) -> None:
    judged(overridden, OVER, None, "g2")
    assert overrides.lapsed(overridden, OVER) == []


def test_a_new_override_of_the_same_case_does_not_bring_an_old_verdict_back(overridden: Registry) -> None:
    overridden.add_override("c", "again", KIM, "2026-03-20", OVER)
    assert [one.case_id for one in overrides.lapsed(overridden, OVER)] == ["c"]
    judged(overridden, OVER, {**UNDER, "reason": "again", "expires": "2026-03-20"}, "g2")
    assert overrides.lapsed(overridden, OVER + timedelta(minutes=2)) == []


def test_a_case_of_an_older_registry_is_judged_by_nothing_that_is_not_known(overridden: Registry) -> None:
    overridden.set_verdict("c", "CANNOT_CONCLUDE", "digest", NOW)
    assert overrides.lapsed(overridden, OVER) == []


def test_a_person_ends_one_before_its_day_and_the_verdict_goes_with_it(overridden: Registry) -> None:
    noon = NOW + timedelta(hours=3)
    (ended,) = overrides.end(overridden, "c", Person("boss"), "mended", noon)
    assert (ended["state"], ended["ended_by"], ended["ends"]) == ("ENDED", "boss", noon.isoformat())
    assert [one.case_id for one in overrides.lapsed(overridden, noon)] == ["c"]
    with pytest.raises(BadInput, match="No override is in force"):
        overrides.end(overridden, "c", Person("boss"), "mended", noon)


def test_the_list_says_of_each_whether_it_holds(overridden: Registry) -> None:
    overridden.add_override("d", "why", KIM, "2026-03-20", NOW)
    assert [(one["case"], one["state"], one["recorded_by"]) for one in overrides.listed(overridden, OVER)] == [
        ("d", "IN_FORCE", "analyst"),
        ("c", "ENDED", "analyst"),
    ]


def test_the_standing_of_a_case_is_its_override_or_that_its_verdict_is_left_behind(overridden: Registry) -> None:
    assert overrides.standing(overridden, LAST)["c"]["verdict_stands"] is True
    left = overrides.standing(overridden, OVER)["c"]
    assert (left["verdict_stands"], left["state"], left["ends"]) == (False, "ENDED", "2026-03-10T00:00:00+00:00")
    overridden.add_override("c", "again", KIM, "2026-03-20", OVER)
    assert overrides.standing(overridden, OVER)["c"]["verdict_stands"] is False


def test_a_document_without_an_override_stays_as_it_is() -> None:
    plain = {"case": "c", "quality": {"status": "PASS", "override": None}}
    assert overrides.as_it_stands(plain, (), OVER) == plain
    assert overrides.as_it_stands({}, (), OVER) == {}


def test_a_document_says_that_its_override_is_over(overridden: Registry) -> None:
    known = overridden.overrides("c")
    for at, told in ((LAST, True), (OVER, False)):
        for records in (known, ()):
            found = overrides.as_it_stands(document(), records, at)["quality"]["override"]
            assert (found["in_force"], found["ended_at"], found["ended_by"]) == (told, None, None)
    tainted = {**document(), "findings": [{"id": "F-001", "not_verified": "not verified: why"}, {"id": "F-002"}]}
    first, second = overrides.as_it_stands(tainted, known, OVER)["findings"]
    assert first["not_verified"] == (
        "not verified: why; the override ended on 2026-03-09; this verdict no longer stands, run the case again"
    )
    assert second == {"id": "F-002"}
    assert overrides.as_it_stands(tainted, known, LAST)["findings"] == tainted["findings"]
    banner = override_banner(overrides.as_it_stands(document(), known, OVER))
    assert banner.startswith("The override ended on 2026-03-09; this verdict no longer stands, run the case again.")
    assert "NOT VERIFIED" in banner


def test_a_document_says_who_ended_its_override_before_its_day(overridden: Registry) -> None:
    noon = NOW + timedelta(hours=3)
    overridden.end_overrides("c", Person("boss", "lee"), "mended", noon)
    shown = overrides.as_it_stands(document(), overridden.overrides("c"), noon)
    assert shown["quality"]["override"]["ended_at"] == noon.isoformat()
    assert override_banner(shown).startswith(
        "The override ended on 2026-03-02 by boss (as lee); this verdict no longer"
    )
    elsewhere = overrides.as_it_stands({**document(), "case": "d"}, overridden.overrides(), noon)
    assert elsewhere["quality"]["override"]["in_force"] is True
