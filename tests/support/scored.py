"""Cases with a truth and what judges said of them, in a few words."""

from collections.abc import Mapping
from typing import Any

from m365dq_dagster.core.outcome import CaseVerdict
from m365dq_dagster.core.scoreboard import Conclusion, Judge, Labelled, Scoreboard, ScoredCase, Truth

BREACH, BLOCKED = CaseVerdict.BREACH_INDICATED, CaseVerdict.ALL_BLOCKED
NO_BREACH, OPEN = CaseVerdict.NO_BREACH_INDICATED, CaseVerdict.CANNOT_CONCLUDE


def truth(kind: str = "clean", **given: Any) -> Truth:
    """A `breach`, a `clean` case with successes, one in which all was `blocked`, or an `empty` one."""
    kinds: Mapping[str, dict[str, Any]] = {
        "breach": {"breach": True, "any_success": True, "rows": 10},
        "clean": {"breach": False, "any_success": True, "rows": 10},
        "blocked": {"breach": False, "any_success": False, "rows": 10},
        "empty": {"breach": False, "any_success": False, "rows": 0},
    }
    return Truth(**{**kinds[kind], **given})


def concluded(verdict: CaseVerdict | None, **given: Any) -> Conclusion:
    """A conclusion with a sentence."""
    return Conclusion(verdict, "Because.", **given)


def scored(
    known: Truth,
    ours: CaseVerdict | Conclusion | None,
    naive: CaseVerdict | None = OPEN,
    literal: CaseVerdict | None = OPEN,
    name: str = "case-1",
    family: str = "travel",
) -> ScoredCase:
    """A case that the three judges spoke of."""
    own = ours if isinstance(ours, Conclusion) else concluded(ours)
    said = {Judge.OURS: own, Judge.NAIVE: concluded(naive), Judge.LITERAL: concluded(literal)}
    return ScoredCase(Labelled(name, family, "intact", "portal-csv", f"m365dq generate {family}"), known, said, 0.1)


def board(*cases: ScoredCase, **given: Any) -> Scoreboard:
    """A scoreboard of these cases."""
    return Scoreboard(cases, 7, 1.5, **given)
