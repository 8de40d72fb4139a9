"""Context rules: what the circumstances of a row say about one of its fields, and what that does to the field's score.
The rules themselves are data of the rule pack; counting matching rows is the business of the adapters, and what a
field is worth without them is judged in `reliability`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from m365dq_dagster.core.adjudication import Client
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import FieldState
from m365dq_dagster.core.profile import share
from m365dq_dagster.core.reliability import AppliedRule, FieldJudgement

FILE = "context_rules.yaml"
RULE_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
VETO_SHARE = 0.5
"""A veto silences a field where at least this share of its rows match."""

LEAST_EFFECT = 0.01
"""A rule that would lower a score by less than this share of it is left out."""

UNKNOWN_LICENCE = "unknown"
SIGN_IN_TYPES = ("interactiveuser", "noninteractiveuser", "serviceprincipal", "managedidentity")
ADDRESS_KINDS = ("ipv4", "ipv6")


class Effect(StrEnum):
    """What a rule does to a field."""

    MULTIPLY = "multiply"
    VETO = "veto"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True)
class Conditions:
    """What a row must show, all of it; None means "not asked". The vocabulary is closed: see `context_rules.yaml`."""

    clients: tuple[str, ...] | None = None
    sign_in_types: tuple[str, ...] | None = None
    record_types: tuple[str, ...] | None = None
    token_types: tuple[str, ...] | None = None
    formats: tuple[str, ...] | None = None
    licences: tuple[str, ...] | None = None
    values: tuple[str, ...] | None = None
    address_kinds: tuple[str, ...] | None = None
    systems: tuple[str, ...] | None = None
    filled: bool | None = None
    aggregated: bool | None = None
    hours_before_end: float | None = None


LISTS: Mapping[str, tuple[str, ...]] = {
    "clients": tuple(Client),
    "sign_in_types": SIGN_IN_TYPES,
    "record_types": (),
    "token_types": (),
    "formats": (),
    "licences": (),
    "values": (),
    "address_kinds": ADDRESS_KINDS,
    "systems": (),
}
"""Conditions that are lists, with the words they may hold; any word where none are named."""

FLAGS = ("filled", "aggregated")


@dataclass(frozen=True)
class RowFacts:
    """One row as a rule looks at it. None means that the row does not tell. `value` is the field's own value."""

    client: str | None = None
    sign_in_type: str | None = None
    record_type: str | None = None
    token_type: str | None = None
    format: str | None = None
    licence: str | None = None
    value: str | None = None
    address: str | None = None
    system: str | None = None
    aggregated: bool | None = None
    hours_before_end: float | None = None


@dataclass(frozen=True)
class Example:
    """A row given, and the effect expected of the rule; None where it must not match."""

    name: str
    given: RowFacts
    expect: Effect | None


@dataclass(frozen=True)
class ContextRule:
    """One rule. `targets` are the (log type, field) pairs it speaks of; `factor` is 1.0 unless it multiplies."""

    id: str
    targets: tuple[tuple[str, str], ...]
    when: Conditions
    effect: Effect
    factor: float
    because: str
    runbook: str
    source: str
    examples: tuple[Example, ...] = field(default_factory=tuple)

    def holds_for(self, licence: str | None) -> bool:
        """Whether the rule can match at all under the licence of the case."""
        return self.when.licences is None or (licence or UNKNOWN_LICENCE).strip().lower() in self.when.licences

    def matches(self, row: RowFacts) -> bool:
        """Whether a row shows all that the rule asks for."""
        return all(check(row) for check in self._checks())

    def _checks(self) -> list[Callable[[RowFacts], bool]]:
        when = self.when
        asked: list[tuple[object, Callable[[RowFacts], bool]]] = [
            (when.clients, lambda row: row.client in (when.clients or ())),
            (when.sign_in_types, lambda row: row.sign_in_type in (when.sign_in_types or ())),
            (when.record_types, lambda row: row.record_type in (when.record_types or ())),
            (when.token_types, lambda row: packed(row.token_type) in (when.token_types or ())),
            (when.formats, lambda row: row.format in (when.formats or ())),
            (when.licences, lambda row: self.holds_for(row.licence)),
            (when.values, lambda row: (row.value or "").strip().lower() in (when.values or ())),
            (when.address_kinds, lambda row: address_kind(row.address) in (when.address_kinds or ())),
            (when.systems, lambda row: (row.system or "").lower().startswith(when.systems or ())),
            (when.filled, lambda row: (row.value is not None) is when.filled),
            (when.aggregated, lambda row: row.aggregated is when.aggregated),
            (when.hours_before_end, lambda row: _within(row.hours_before_end, when.hours_before_end)),
        ]
        return [check for condition, check in asked if condition is not None]


def packed(text: str | None) -> str | None:
    """A word as token types are compared: lower case, without blanks."""
    return None if text is None else text.lower().replace(" ", "")


def address_kind(address: str | None) -> str | None:
    """`ipv6` for an address with colons, `ipv4` for another, None for none."""
    return None if address is None else "ipv6" if ":" in address else "ipv4"


def _within(hours: float | None, most: float | None) -> bool:
    return hours is not None and most is not None and hours <= most


def parse_rules(data: object) -> tuple[ContextRule, ...]:
    """The rules of the parsed file. Raises `BadInput` naming the file, the rule and the key that is wrong."""
    if not isinstance(data, list) or not data:
        raise BadInput(f"{FILE} must be a list of rules; {REMEDY}")
    found = [_rule(item, number) for number, item in enumerate(data, 1)]
    for one in found:
        if sum(other.id == one.id for other in found) > 1:
            raise BadInput(f"{FILE}: rule {one.id!r} stands there twice; give each its own id.")
    return tuple(found)


REMEDY = "correct the file or restore the shipped one."
KEYS = ("id", "fields", "when", "effect", "because", "runbook", "source", "examples")


def _rule(item: object, number: int) -> ContextRule:
    if not isinstance(item, Mapping):
        raise BadInput(f"{FILE}: rule {number} must be a table of keys; {REMEDY}")
    name = item.get("id")
    if not isinstance(name, str) or not RULE_ID.fullmatch(name):
        raise BadInput(f"{FILE}: rule {number}: id must be lower-case words joined by dashes; {REMEDY}")
    where = f"{FILE}: rule {name!r}"
    wrong = sorted((set(item) - {"factor"}) ^ set(KEYS), key=str)
    if wrong:
        raise BadInput(f"{where}: key {wrong[0]!r} is {'missing' if wrong[0] in KEYS else 'not known'}; {REMEDY}")
    effect = _effect(item["effect"], f"{where}: effect")
    for key in ("because", "runbook", "source"):
        if not isinstance(item[key], str) or not item[key].strip():
            raise BadInput(f"{where}: {key} must be a text; {REMEDY}")
    return ContextRule(
        name,
        _targets(item["fields"], where),
        _conditions(item["when"], where),
        effect,
        _factor(item, effect, where),
        item["because"].strip(),
        item["runbook"].strip(),
        item["source"].strip(),
        _examples(item["examples"], effect, where),
    )


def _effect(text: object, where: str) -> Effect:
    if text not in set(Effect):
        raise BadInput(f"{where} must be one of {', '.join(Effect)}; {REMEDY}")
    return Effect(str(text))


def _factor(item: Mapping[str, Any], effect: Effect, where: str) -> float:
    if effect is not Effect.MULTIPLY:
        if "factor" in item:
            raise BadInput(f"{where}: factor belongs to the effect multiply alone; {REMEDY}")
        return 1.0
    factor = item.get("factor")
    if not isinstance(factor, int | float) or isinstance(factor, bool) or not 0 <= factor <= 1:
        raise BadInput(f"{where}: factor must be a number from 0 to 1; {REMEDY}")
    return float(factor)


def _targets(value: object, where: str) -> tuple[tuple[str, str], ...]:
    found = []
    for text in _texts(value, f"{where}: fields"):
        log_type, dot, name = text.partition(".")
        if not (log_type and dot and name):
            raise BadInput(f"{where}: fields: {text[:60]!r} must be written as `log type.field`; {REMEDY}")
        found.append((log_type, name))
    return tuple(found)


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or any(not isinstance(one, str) or not one.strip() for one in value):
        raise BadInput(f"{where} must be a list of texts, at least one; {REMEDY}")
    return tuple(value)


def _conditions(value: object, where: str) -> Conditions:
    if not isinstance(value, Mapping) or not value:
        raise BadInput(f"{where}: when must name at least one condition; {REMEDY}")
    known = [one.name for one in fields(Conditions)]
    found: dict[str, Any] = {}
    for key, given in value.items():
        if key not in known:
            raise BadInput(f"{where}: when: {str(key)[:40]!r} is no condition; they are {', '.join(known)}.")
        found[str(key)] = _condition(str(key), given, f"{where}: when: {key}")
    return Conditions(**found)


def _condition(key: str, given: object, where: str) -> object:
    if key in FLAGS:
        if not isinstance(given, bool):
            raise BadInput(f"{where} must be true or false; {REMEDY}")
        return given
    if key == "hours_before_end":
        if not isinstance(given, int | float) or isinstance(given, bool) or given <= 0:
            raise BadInput(f"{where} must be a number of hours; {REMEDY}")
        return float(given)
    words = _texts(given, where)
    strange = [word for word in words if LISTS[key] and word not in LISTS[key]]
    if strange:
        raise BadInput(f"{where}: {strange[0][:40]!r} is not known; the words are {', '.join(LISTS[key])}.")
    return words


def _examples(value: object, effect: Effect, where: str) -> tuple[Example, ...]:
    if not isinstance(value, list) or not value:
        raise BadInput(f"{where}: examples must be a list, at least one; {REMEDY}")
    return tuple(_example(item, effect, f"{where}: example {number}") for number, item in enumerate(value, 1))


def _example(item: object, effect: Effect, where: str) -> Example:
    if not isinstance(item, Mapping) or set(item) != {"name", "given", "expect"}:
        raise BadInput(f"{where} needs name, given and expect, and nothing else; {REMEDY}")
    given, known = item["given"], {one.name for one in fields(RowFacts)}
    if not isinstance(given, Mapping) or set(given) - known:
        raise BadInput(f"{where}: given may hold {', '.join(sorted(known))}, and nothing else; {REMEDY}")
    if item["expect"] not in (effect.value, "nothing"):
        raise BadInput(f"{where}: expect must be {effect} or nothing; {REMEDY}")
    return Example(str(item["name"]), RowFacts(**given), effect if item["expect"] == effect.value else None)


Matches = Mapping[tuple[str, str, str], tuple[int, int]]
"""(rule, log type, field) -> rows that match, of how many it was asked on."""


def apply_rules(
    judged: Sequence[FieldJudgement], rules: Iterable[ContextRule], matches: Matches
) -> tuple[FieldJudgement, ...]:
    """The judgements after the context rules, each with the rules that applied to it.

    A rule applies where at least one row matches, a veto where half of the rows do, a factor where it lowers the score
    by a hundredth or more. A field that is not there only hears why it cannot be.
    """
    found = []
    for one in judged:
        target = (one.spec.log_type, one.spec.field)
        of_field = [rule for rule in rules if target in rule.targets]
        counted = [(rule, *matches.get((rule.id, *target), (0, 0))) for rule in of_field]
        found.append(
            _after(one, [(rule, rows, whole) for rule, rows, whole in counted if _applies(one, rule, rows, whole)])
        )
    return tuple(found)


def _applies(one: FieldJudgement, rule: ContextRule, rows: int, whole: int) -> bool:
    if rule.effect is Effect.NOT_APPLICABLE:
        return rows > 0
    if rows == 0 or one.state is FieldState.NOT_APPLICABLE:
        return False
    if rule.effect is Effect.VETO:
        return share(rows, whole) >= VETO_SHARE
    return share(rows, whole) * (1.0 - rule.factor) >= LEAST_EFFECT


def _after(one: FieldJudgement, applied: Sequence[tuple[ContextRule, int, int]]) -> FieldJudgement:
    for rule, rows, whole in applied:
        factor = 1.0 - share(rows, whole) * (1.0 - rule.factor) if rule.effect is Effect.MULTIPLY else None
        told = AppliedRule(rule.id, rule.effect.value, factor, rows, rule.because, rule.runbook)
        one = replace(one, rules=(*one.rules, told))
        if factor is not None:
            one = replace(one, score=(one.score or 0.0) * factor)
        elif rule.effect is Effect.VETO:
            one = _vetoed(one, rule)
        elif rows == whole:
            one = _never_there(one, rule)
    return one


def _vetoed(one: FieldJudgement, rule: ContextRule) -> FieldJudgement:
    told = f"{one.spec.field} is not heard: {_lowered(rule.because)}"
    reasons = one.reasons if not one.may_testify and one.score == 0 else (told, *one.reasons)
    return replace(one, score=0.0, may_testify=False, firm=False, reasons=reasons)


def _never_there(one: FieldJudgement, rule: ContextRule) -> FieldJudgement:
    return replace(
        one,
        state=FieldState.NOT_APPLICABLE,
        base_score=None,
        score=None,
        may_testify=False,
        firm=False,
        reasons=(f"{one.spec.field} is empty in every row: {_lowered(rule.because)}",),
    )


def _lowered(sentence: str) -> str:
    """A sentence as it goes on after a colon; a word with capitals in it keeps them."""
    first, _, _ = sentence.partition(" ")
    return sentence if first[1:] != first[1:].lower() else sentence[:1].lower() + sentence[1:]
