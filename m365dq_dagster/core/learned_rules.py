"""Learned rules: what corrections of conclusions teach about fields, as proposed entries of the context rules.

A proposal is text for a person to judge. Nothing here changes a rule, a score or a verdict, and nothing is applied by
being computed; what a context rule is, and does once somebody has put it into the pack, is `context_rules`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from m365dq_dagster.core.adjudication import Client
from m365dq_dagster.core.context_rules import (
    ADDRESS_KINDS,
    SIGN_IN_TYPES,
    VETO_SHARE,
    ContextRule,
    Effect,
    parse_rules,
)
from m365dq_dagster.core.corrections import Correction, MisledField, wrong_conclusions
from m365dq_dagster.core.narrative import some

LEAST_CASES = 2
"""A field must have misled in this many cases before a rule is proposed: one case may be its own circumstances."""

HOLDS = 0.9
"""A circumstance is that of a correction where at least this share of the rows leaned on show it."""

ELSEWHERE = 0.5
"""It separates them where at most this share of the other rows of the log do."""

MOST_FACTOR = 0.95
"""A rule that is proposed takes at least a twentieth of the score away."""

RUNBOOK = "docs/runbooks/context-rules.md#a-rule-learned-from-corrections"

CLOSED: Mapping[str, Sequence[str]] = {
    "clients": tuple(Client),
    "sign_in_types": SIGN_IN_TYPES,
    "address_kinds": ADDRESS_KINDS,
    "aggregated": ("true", "false"),
}
"""Circumstances with a closed list of words; others hold words of a format file or of the vendor."""

OPEN = ("formats", "record_types", "token_types")
MOST_WORDS = 8
"""A circumstance of more words than this is none."""

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
"""How a word of an open list must look to stand in a rule: evidence does not write rules."""

FACT = {
    "clients": "client",
    "sign_in_types": "sign_in_type",
    "record_types": "record_type",
    "token_types": "token_type",
    "formats": "format",
    "address_kinds": "address",
    "aggregated": "aggregated",
}
"""The fact of a row that a condition looks at."""

NAMED = 12
"""Cases and corrections that a rule's source names."""

ADDRESSES = {"ipv4": "192.0.2.7", "ipv6": "2001:db8::7"}
ANOTHER = "another"

Circumstance = tuple[str, tuple[str, ...]]
"""A condition, and its words in order."""


@dataclass(frozen=True)
class Lesson:
    """One field that misled in one case, with the correction that says so and the circumstances that set it apart."""

    case_id: str
    correction: Correction
    circumstances: frozenset[Circumstance]


@dataclass(frozen=True)
class Proposal:
    """A rule that corrections speak for. `entry` is what `context_rules.yaml` would hold, `rule` the same as parsed.

    `misled` are the cases in which the field misled, `heard` how many cases heard it at all.
    """

    entry: Mapping[str, Any]
    rule: ContextRule
    misled: tuple[str, ...]
    heard: int
    corrections: tuple[int, ...]

    @property
    def field(self) -> tuple[str, str]:
        """The (log type, field) that it speaks of."""
        return self.rule.targets[0]

    @property
    def effect(self) -> str:
        """The effect in words."""
        return f"multiply by {self.rule.factor:g}" if self.rule.effect is Effect.MULTIPLY else str(self.rule.effect)

    def as_mapping(self) -> dict[str, Any]:
        """For JSON and pages."""
        return {
            "id": self.rule.id,
            "field": ".".join(self.field),
            "effect": self.effect,
            "because": self.rule.because,
            "cases": list(self.misled),
            "heard_in_cases": self.heard,
            "corrections": list(self.corrections),
            "entry": dict(self.entry),
        }


def propose(
    corrections: Iterable[Correction],
    heard: Mapping[tuple[str, str], Collection[str]],
    known: Iterable[ContextRule] = (),
) -> tuple[Proposal, ...]:
    """The rules that corrections speak for, those with most cases first.

    A field is proposed where it misled in conclusions of at least two cases that turned out wrong. `heard` tells the
    cases in which each field had a say; the more of them it did not mislead in, the less the rule takes away, and a
    field that misled in half of them is to be silenced. A rule of `known` that is at least as strict is not proposed
    again.
    """
    held = {rule.id: rule for rule in known}
    found = [
        proposal
        for field, lessons in _lessons(corrections).items()
        for proposal in _of_field(field, lessons, heard.get(field, ()))
        if not _covers(held.get(proposal.rule.id), proposal.rule)
    ]
    return tuple(sorted(found, key=lambda one: (-len(one.misled), one.rule.id)))


def _covers(held: ContextRule | None, rule: ContextRule) -> bool:
    if held is None:
        return False
    return held.effect is Effect.VETO or (rule.effect is Effect.MULTIPLY and held.factor <= rule.factor)


def _lessons(corrections: Iterable[Correction]) -> dict[tuple[str, str], list[Lesson]]:
    found: dict[tuple[str, str], list[Lesson]] = defaultdict(list)
    for wrong in wrong_conclusions(corrections):
        for misled in wrong.said.fields:
            lesson = Lesson(wrong.said.case_id, wrong.said, frozenset(_separating(misled)))
            found[misled.log_type, misled.field].append(lesson)
    return dict(sorted(found.items()))


def _separating(misled: MisledField) -> Iterable[Circumstance]:
    """What the misleading rows have in common and the other rows have not. The format is told without others too: a
    rule for the formats that misled leaves every other one alone.
    """
    rows, others = (_number(misled.circumstances.get(name)) for name in ("rows", "other_rows"))
    words = misled.circumstances.get("words")
    for name, counted in sorted(words.items()) if isinstance(words, Mapping) else ():
        chosen = _chosen(name, counted, rows)
        elsewhere = sum(_number(_pair(counted[word])[1]) for word in chosen)
        apart = others > 0 and elsewhere <= ELSEWHERE * others
        if chosen and (apart or name == "formats"):
            yield name, chosen


def _chosen(name: str, counted: object, rows: int) -> tuple[str, ...]:
    """The words that together hold on nearly all rows; none where a word is not fit to stand in a rule."""
    if not isinstance(counted, Mapping) or rows == 0 or name not in FACT:
        return ()
    ranked = sorted(counted, key=lambda word: (-_number(_pair(counted[word])[0]), word))
    chosen: list[str] = []
    covered = 0
    for word in ranked:
        if covered >= HOLDS * rows:
            break
        chosen.append(word)
        covered += _number(_pair(counted[word])[0])
    covers = covered >= HOLDS * rows and len(chosen) <= MOST_WORDS
    fit = all(word in CLOSED[name] if name in CLOSED else PLAIN.fullmatch(word) for word in chosen)
    whole = name in CLOSED and len(chosen) == len(CLOSED[name])
    return tuple(sorted(chosen)) if fit and covers and not whole else ()


def _pair(value: object) -> tuple[object, object]:
    return (value[0], value[1]) if isinstance(value, Sequence) and len(value) == 2 else (0, 0)


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _of_field(field: tuple[str, str], lessons: Sequence[Lesson], heard: Collection[str]) -> list[Proposal]:
    """One rule for each circumstance that several cases share, then one for what is left without any."""
    left, found = list(lessons), []
    while shared := _most_shared(left):
        group = [lesson for lesson in left if shared in lesson.circumstances]
        common = frozenset.intersection(*(lesson.circumstances for lesson in group))
        found.append(_proposal(field, dict(sorted(common)), group, heard))
        left = [lesson for lesson in left if lesson not in group]
    if len(_cases(left)) >= LEAST_CASES:
        found.append(_proposal(field, {}, left, heard))
    return found


def _most_shared(lessons: Sequence[Lesson]) -> Circumstance | None:
    """The circumstance that holds in most cases, where that is enough of them."""
    cases: dict[Circumstance, set[str]] = defaultdict(set)
    for lesson in lessons:
        for one in lesson.circumstances:
            cases[one].add(lesson.case_id)
    enough = [one for one, of in cases.items() if len(of) >= LEAST_CASES]
    return min(enough, key=lambda one: (-len(cases[one]), one), default=None)


def _cases(lessons: Iterable[Lesson]) -> tuple[str, ...]:
    return tuple(sorted({lesson.case_id for lesson in lessons}))


def _proposal(
    field: tuple[str, str], when: Mapping[str, tuple[str, ...]], lessons: Sequence[Lesson], heard: Collection[str]
) -> Proposal:
    misled = _cases(lessons)
    whole = len({*heard, *misled})
    corrections = tuple(sorted({lesson.correction.id for lesson in lessons}))
    effect = _effect(len(misled) / whole)
    entry = {
        "id": _id(field, when),
        "fields": [".".join(field)],
        "when": {name: _condition(name, words) for name, words in when.items()} or {"filled": True},
        **effect,
        "because": _because(field, when, len(misled), whole),
        "runbook": RUNBOOK,
        "source": f"corrections {some(corrections, NAMED)} of the cases {some(misled, NAMED)}",
        "examples": _examples(when, effect["effect"]),
    }
    return Proposal(entry, parse_rules([entry])[0], misled, whole, corrections)


def _effect(share: float) -> dict[str, Any]:
    """What is taken away: all of it where the field misled in half of the cases, else the share in which it did."""
    if share >= VETO_SHARE:
        return {"effect": str(Effect.VETO)}
    return {"effect": str(Effect.MULTIPLY), "factor": min(MOST_FACTOR, round(1.0 - share, 2))}


def _condition(name: str, words: Sequence[str]) -> object:
    return words == ("true",) if name == "aggregated" else list(words)


def _id(field: tuple[str, str], when: Mapping[str, Sequence[str]]) -> str:
    words = [*field, *(f"{name} {' '.join(told)}" for name, told in when.items())]
    return "learned-" + re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


def _because(field: tuple[str, str], when: Mapping[str, Sequence[str]], misled: int, heard: int) -> str:
    told = [f"{name.replace('_', ' ')} {', '.join(words)}" for name, words in when.items()]
    where = f" on rows with {' and '.join(told)}" if told else ""
    return (
        f"Conclusions that leaned on {field[1]}{where} were corrected in {misled} of the {heard} cases that heard it."
    )


def _examples(when: Mapping[str, tuple[str, ...]], effect: str) -> list[dict[str, Any]]:
    """A row that shows all of it, and for each condition one that shows all but that."""
    shown = {FACT[name]: _fact(name, words[0]) for name, words in when.items()} or {"value": ANOTHER}
    found = [{"name": "as where it misled", "given": shown, "expect": effect}]
    for name, words in when.items():
        given = {**shown, FACT[name]: _other(name, words)}
        found.append({"name": f"other {name.replace('_', ' ')}", "given": given, "expect": "nothing"})
    if not when:
        found.append({"name": "a row on which the field is empty", "given": {}, "expect": "nothing"})
    return found


def _fact(name: str, word: str) -> object:
    return ADDRESSES[word] if name == "address_kinds" else word == "true" if name == "aggregated" else word


def _other(name: str, words: Collection[str]) -> object:
    """A word of the same kind that the condition does not name."""
    if name in CLOSED:
        return _fact(name, next(word for word in CLOSED[name] if word not in words))
    return next(word for word in (ANOTHER, f"{ANOTHER}2") if word not in words)
