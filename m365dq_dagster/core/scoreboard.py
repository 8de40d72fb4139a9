"""How right a judge is on cases whose truth is known: the mark of a verdict, the rates, and the targets they are held
to.

Pure. Cases are made and judged in `stages.validation`; the judges that the product is measured against are
`core.rivals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict


class Judge(StrEnum):
    """Who concluded: the product, or one of the two it is measured against."""

    OURS = "ours"
    NAIVE = "naive"
    LITERAL = "literal"


class Mark(StrEnum):
    """What a verdict is worth. UNDECIDED: nothing was concluded although something could have been."""

    RIGHT = "RIGHT"
    WRONG = "WRONG"
    UNDECIDED = "UNDECIDED"


ALL_CLEAR = frozenset({CaseVerdict.ALL_BLOCKED, CaseVerdict.NO_BREACH_INDICATED})
NOTICED = frozenset({AccountVerdict.COMPROMISE_INDICATED, AccountVerdict.SUSPICIOUS, AccountVerdict.CANNOT_CONCLUDE})
"""The verdicts on an account that make somebody look at it."""


@dataclass(frozen=True)
class Truth:
    """What happened, whatever the evidence shows of it.

    `compromised` and `attacked` are accounts; `any_success` says whether any sign-in got in; `rows` is the number of
    events; `outcome_fields` of the sign-in log are those of which one must be recommended, none where that is not
    asked; `healthy_export` says that nothing was damaged or left out on the way into the files; `decidable` that an
    analyst could settle an intact export of the case without asking anybody; `plain` that any intact export does.
    """

    breach: bool
    any_success: bool
    rows: int
    compromised: frozenset[str] = frozenset()
    attacked: frozenset[str] = frozenset()
    outcome_fields: tuple[str, ...] = ()
    healthy_export: bool = True
    decidable: bool = True
    plain: bool = True

    @property
    def right(self) -> frozenset[CaseVerdict]:
        """The verdicts that are right."""
        if not self.rows:
            return frozenset({CaseVerdict.CANNOT_CONCLUDE})
        if self.breach:
            return frozenset({CaseVerdict.BREACH_INDICATED})
        return frozenset({CaseVerdict.NO_BREACH_INDICATED}) if self.any_success else ALL_CLEAR

    def mark(self, verdict: CaseVerdict | None) -> Mark:
        """What a verdict is worth; None, no verdict at all, is wrong."""
        if verdict in self.right:
            return Mark.RIGHT
        return Mark.UNDECIDED if self.rows and verdict is CaseVerdict.CANNOT_CONCLUDE else Mark.WRONG


@dataclass(frozen=True)
class Conclusion:
    """What a judge said of a case. `verdict` is None where it broke down; `alerts` are the rules it raised, once for
    each alert.
    """

    verdict: CaseVerdict | None
    headline: str
    recommended: str | None = None
    accounts: Mapping[str, AccountVerdict] = field(default_factory=dict)
    alerts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Labelled:
    """A case of the corpus: its name, what it is a member of, and the command that makes it again."""

    name: str
    family: str
    variant: str
    shape: str
    command: str


@dataclass(frozen=True)
class ScoredCase:
    """A case with its truth and what every judge said of it."""

    label: Labelled
    truth: Truth
    said: Mapping[Judge, Conclusion]
    seconds: float = 0.0

    def mark(self, judge: Judge = Judge.OURS) -> Mark:
        """What the judge's verdict is worth."""
        return self.truth.mark(self.said[judge].verdict)


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The share, 0..1; None where there is nothing to share."""
        return round(self.part / self.whole, 6) if self.whole else None


@dataclass(frozen=True)
class Scores:
    """The numbers of one judge over some cases. Rates count the verdict whatever its confidence.

    `wrong` over cases is the forensic error rate. `false_all_clear`: breaches called blocked or none.
    `false_all_blocked`: ALL_BLOCKED over cases where a sign-in succeeded. `false_breach`: BREACH_INDICATED over clean
    cases. `undecided_on_intact`: CANNOT_CONCLUDE over cases with an intact export that is not empty;
    `undecided_on_decidable` over those of them that an analyst could settle, `undecided_on_healthy` over those that any
    intact export settles. `false_alerts`: clean cases with a breach alert. `alerts_false`: breach alerts that were
    raised on clean cases. `quality_alerts`: intact exports with an alert about quality. `compromised`: accounts taken
    over that were noticed. `innocent`: others that were not called compromised.
    """

    cases: int
    right: int
    undecided: int
    wrong: Share
    false_all_clear: Share
    false_all_blocked: Share
    false_breach: Share
    undecided_on_healthy: Share
    undecided_on_intact: Share
    undecided_on_decidable: Share
    recommendation: Share
    false_alerts: Share
    alerts_false: Share
    quality_alerts: Share
    compromised: Share
    innocent: Share

    def as_mapping(self) -> dict[str, Any]:
        """The numbers by name. Shares are 0..1, null where nothing could be counted; `false_all_clear` and
        `false_all_blocked` are counts.
        """
        return {
            "cases": self.cases,
            "right": self.right,
            "wrong": self.wrong.part,
            "undecided": self.undecided,
            "breach_cases": self.false_all_clear.whole,
            "clean_cases": self.false_breach.whole,
            "healthy_cases": self.undecided_on_healthy.whole,
            "forensic_error_rate": self.wrong.value,
            "false_all_clear": self.false_all_clear.part,
            "false_all_clear_rate": self.false_all_clear.value,
            "false_all_blocked": self.false_all_blocked.part,
            "false_breach_rate": self.false_breach.value,
            "undecided_on_healthy": self.undecided_on_healthy.value,
            "intact_cases": self.undecided_on_intact.whole,
            "undecided_on_intact": self.undecided_on_intact.value,
            "decidable_cases": self.undecided_on_decidable.whole,
            "undecided_on_decidable": self.undecided_on_decidable.value,
            "alert_false_positive_rate": self.false_alerts.value,
            "alert_false_share": self.alerts_false.value,
            "quality_alerts_on_healthy": self.quality_alerts.value,
            "recommendation_accuracy": self.recommendation.value,
            "account_accuracy": {
                "compromised_noticed": self.compromised.value,
                "compromised_accounts": self.compromised.whole,
                "innocent_not_accused": self.innocent.value,
                "innocent_accounts": self.innocent.whole,
            },
        }


@dataclass(frozen=True)
class Target:
    """What a number of the scoreboard has to reach: at most `limit`, or at least that much."""

    key: str
    words: str
    limit: float
    at_least: bool = False

    def met(self, value: float | None) -> bool:
        """Whether a number reaches the target; where nothing could be counted there is nothing to miss."""
        if value is None:
            return True
        return value >= self.limit if self.at_least else value <= self.limit


TARGETS = (
    Target("forensic_error_rate", "wrong conclusions", 0.02),
    Target("false_all_clear", "breaches called blocked or none", 0),
    Target("false_all_blocked", "'all blocked' where a sign-in succeeded", 0),
    Target("false_breach_rate", "clean cases called a breach", 0.05),
    Target("alert_false_positive_rate", "clean cases with a breach alert", 0.05),
    Target("recommendation_accuracy", "outcome field recommended rightly", 0.98, at_least=True),
    Target("undecided_on_healthy", "nothing concluded where any intact export settles it", 0.15),
)
"""What the product has to reach on at least 500 generated cases."""

BREACH_ALERT, QUALITY_ALERT = "breach_indicator", "quality_check_failure"


def scores(cases: Iterable[ScoredCase], judge: Judge) -> Scores:
    """The numbers of one judge."""
    seen = [(one.truth, one.said[judge]) for one in cases]
    marks = [truth.mark(said.verdict) for truth, said in seen]
    breaches = [said for truth, said in seen if truth.breach]
    clean = [said for truth, said in seen if not truth.breach]
    entered = [said for truth, said in seen if truth.any_success]
    intact = [said for truth, said in seen if truth.healthy_export and truth.rows]
    healthy = [said for truth, said in seen if truth.healthy_export and truth.rows and truth.plain]
    settled = [said for truth, said in seen if truth.healthy_export and truth.rows and truth.decidable]
    asked = [(truth, said) for truth, said in seen if truth.outcome_fields]
    alerted = [truth for truth, said in seen for rule in said.alerts if rule == BREACH_ALERT]
    return Scores(
        cases=len(seen),
        right=marks.count(Mark.RIGHT),
        undecided=marks.count(Mark.UNDECIDED),
        wrong=Share(marks.count(Mark.WRONG), len(marks)),
        false_all_clear=_of(breaches, lambda said: said.verdict in ALL_CLEAR),
        false_all_blocked=_of(entered, lambda said: said.verdict is CaseVerdict.ALL_BLOCKED),
        false_breach=_of(clean, lambda said: said.verdict is CaseVerdict.BREACH_INDICATED),
        undecided_on_healthy=_of(healthy, lambda said: said.verdict is CaseVerdict.CANNOT_CONCLUDE),
        undecided_on_intact=_of(intact, lambda said: said.verdict is CaseVerdict.CANNOT_CONCLUDE),
        undecided_on_decidable=_of(settled, lambda said: said.verdict is CaseVerdict.CANNOT_CONCLUDE),
        recommendation=Share(sum(said.recommended in truth.outcome_fields for truth, said in asked), len(asked)),
        false_alerts=_of(clean, lambda said: BREACH_ALERT in said.alerts),
        alerts_false=Share(sum(not truth.breach for truth in alerted), len(alerted)),
        quality_alerts=_of(intact, lambda said: QUALITY_ALERT in said.alerts),
        compromised=_together(noticed(truth, said) for truth, said in seen),
        innocent=_together(not_accused(truth, said) for truth, said in seen),
    )


def _of(said: Sequence[Conclusion], holds: Callable[[Conclusion], bool]) -> Share:
    return Share(sum(map(holds, said)), len(said))


def _together(shares: Iterable[Share]) -> Share:
    found = list(shares)
    return Share(sum(one.part for one in found), sum(one.whole for one in found))


def missed_accounts(truth: Truth, said: Conclusion) -> tuple[str, ...]:
    """The accounts taken over that nobody would look at. An account that has no verdict shares the case's: where
    nothing is concluded of the case, nothing is concluded of it.
    """
    open_case = said.verdict is CaseVerdict.CANNOT_CONCLUDE
    judged = {account.lower(): verdict for account, verdict in said.accounts.items()}
    otherwise = AccountVerdict.CANNOT_CONCLUDE if open_case else AccountVerdict.NO_INDICATION
    return tuple(one for one in sorted(truth.compromised) if judged.get(one.lower(), otherwise) not in NOTICED)


def accused_accounts(truth: Truth, said: Conclusion) -> tuple[str, ...]:
    """The accounts called compromised that nobody took over."""
    others = _others(truth, said)
    return tuple(one for one in sorted(others) if others[one] is AccountVerdict.COMPROMISE_INDICATED)


def noticed(truth: Truth, said: Conclusion) -> Share:
    """The accounts taken over that somebody would look at."""
    return Share(len(truth.compromised) - len(missed_accounts(truth, said)), len(truth.compromised))


def not_accused(truth: Truth, said: Conclusion) -> Share:
    """The other accounts that got a verdict, and those of them that were not called compromised."""
    others = len(_others(truth, said))
    return Share(others - len(accused_accounts(truth, said)), others)


def _others(truth: Truth, said: Conclusion) -> dict[str, AccountVerdict]:
    guilty = {account.lower() for account in truth.compromised}
    return {account: verdict for account, verdict in said.accounts.items() if account.lower() not in guilty}


@dataclass(frozen=True)
class Fixed:
    """What came of a case that is known by what must be said of it alone: a misreading, or a real case."""

    name: str
    expected: str
    said: str
    headline: str
    right: bool

    def as_mapping(self) -> dict[str, Any]:
        """Name, what was expected, what was said, and how it was told."""
        return {"name": self.name, "expected": self.expected, "said": self.said, "headline": self.headline}


def fixed_mapping(found: Sequence[Fixed]) -> dict[str, Any]:
    """How many there are, how many came out right, and the wrong ones."""
    wrong = [one.as_mapping() for one in found if not one.right]
    return {"cases": len(found), "right": len(found) - len(wrong), "wrong": wrong}


@dataclass(frozen=True)
class Scoreboard:
    """What came of judging the corpus: every generated case, the misreadings and the real cases (None: not asked)."""

    cases: tuple[ScoredCase, ...]
    seed: int
    seconds: float
    misreadings: tuple[Fixed, ...] | None = None
    real_cases: tuple[Fixed, ...] | None = None

    def scores(self, judge: Judge = Judge.OURS) -> Scores:
        """The numbers of one judge over all generated cases."""
        return scores(self.cases, judge)

    @property
    def missed(self) -> tuple[Target, ...]:
        """The targets that the product does not reach."""
        found = self.scores().as_mapping()
        return tuple(target for target in TARGETS if not target.met(found[target.key]))

    @property
    def passed(self) -> bool:
        """Every target reached, and every misreading and real case right."""
        fixed = [*(self.misreadings or ()), *(self.real_cases or ())]
        return not self.missed and all(one.right for one in fixed)

    def groups(self, kind: str) -> dict[str, tuple[ScoredCase, ...]]:
        """The cases by `family`, `variant` or `shape`, by name."""
        found: dict[str, list[ScoredCase]] = {}
        for one in self.cases:
            found.setdefault(str(getattr(one.label, kind)), []).append(one)
        return {name: tuple(found[name]) for name in sorted(found)}

    def worth(self, mark: Mark, judge: Judge = Judge.OURS) -> tuple[ScoredCase, ...]:
        """The cases on which a judge's verdict is worth that much, in the order of the corpus."""
        return tuple(one for one in self.cases if one.mark(judge) is mark)

    @property
    def misadvised(self) -> tuple[ScoredCase, ...]:
        """The cases for which the product recommends another outcome field than it should."""
        return tuple(
            one
            for one in self.cases
            if one.truth.outcome_fields and one.said[Judge.OURS].recommended not in one.truth.outcome_fields
        )

    def as_mapping(self) -> dict[str, Any]:
        """The scoreboard as one document; key names are added to, never renamed."""
        ours = self.scores().as_mapping()
        rivals = {str(judge): self.scores(judge).as_mapping() for judge in (Judge.NAIVE, Judge.LITERAL)}
        return {
            **ours,
            **rivals,
            "passed": self.passed,
            "targets": [_target_mapping(target, ours[target.key]) for target in TARGETS],
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            **{f"by_{kind}": self._grouped(kind) for kind in ("family", "variant", "shape")},
            "wrong_cases": [case_mapping(one) for one in self.worth(Mark.WRONG)],
            "undecided_cases": [case_mapping(one) for one in self.worth(Mark.UNDECIDED)],
            "wrong_recommendations": [_advice_mapping(one) for one in self.misadvised],
            "misreadings": None if self.misreadings is None else fixed_mapping(self.misreadings),
            "real_cases": None if self.real_cases is None else fixed_mapping(self.real_cases),
        }

    def _grouped(self, kind: str) -> dict[str, Any]:
        return {
            name: {str(judge): scores(cases, judge).as_mapping() for judge in Judge}
            for name, cases in self.groups(kind).items()
        }


def _target_mapping(target: Target, value: float | None) -> dict[str, Any]:
    bound = "at_least" if target.at_least else "at_most"
    return {"key": target.key, bound: target.limit, "value": value, "met": target.met(value)}


def case_mapping(one: ScoredCase, judge: Judge = Judge.OURS) -> dict[str, Any]:
    """A case as it is listed: what was expected, what was said and how it was told, the accounts that were missed or
    accused wrongly, and how to make it again.
    """
    said = one.said[judge]
    return {
        "name": one.label.name,
        "family": one.label.family,
        "variant": one.label.variant,
        "shape": one.label.shape,
        "expected": sorted(map(str, one.truth.right)),
        "said": str(said.verdict) if said.verdict else None,
        "decidable": one.truth.decidable,
        "headline": said.headline,
        "missed_accounts": list(missed_accounts(one.truth, said)),
        "accused_accounts": list(accused_accounts(one.truth, said)),
        "command": one.label.command,
    }


def _advice_mapping(one: ScoredCase) -> dict[str, Any]:
    """A case with a wrong recommendation."""
    found = case_mapping(one)
    advice = {"expected": list(one.truth.outcome_fields), "said": one.said[Judge.OURS].recommended}
    return {**{key: found[key] for key in ("name", "family", "variant", "shape", "command")}, **advice}
