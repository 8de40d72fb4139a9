"""A documented misreading as a labelled miniature case, and whether a case document reads it right: statements on the
document, pure. Where the cases stand on disk is an adapter's business, running them a stage's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from m365dq_dagster.core.errors import BadInput

STEP = re.compile(r"(?P<name>[^.\[\]]+)(?P<picks>(?:\[[^\[\]]*\])*)(?:\.|$)")
PICK = re.compile(r"\[(?P<key>[^=\[\]]+)=(?P<value>[^\[\]]*)\]")


class Relation(StrEnum):
    """What a statement says of the values that its path leads to."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    NUMBER = "number"


@dataclass(frozen=True)
class Statement:
    """One sentence about a case document, such as `status` equals `ALL_BLOCKED`.

    `at` is a dotted path. It goes through every element of a list, of which `[key=value]` keeps those with that value:
    `fields[log_type=sign_in_logs][field=status].state`. It holds where one of the values found fits; `not_equals` where
    values were found and none is the one named; `number` counts them.
    """

    at: str
    relation: Relation
    value: Any

    def holds(self, document: Mapping[str, Any]) -> bool:
        """True where the document says so."""
        found = select(document, self.at)
        match self.relation:
            case Relation.EQUALS:
                return self.value in found or (self.value is None and not found)
            case Relation.NOT_EQUALS:
                return bool(found) and self.value not in found
            case Relation.CONTAINS:
                return any(str(self.value) in one for one in found if isinstance(one, str))
            case Relation.NUMBER:
                return bool(len(found) == self.value)
        numbers = [one for one in found if isinstance(one, int | float)]
        if self.relation is Relation.AT_LEAST:
            return any(one >= self.value for one in numbers)
        return any(one <= self.value for one in numbers)

    def __str__(self) -> str:
        """The statement as words."""
        return f"`{self.at}` {WORDS[self.relation]} {_shown(self.value)}"


WORDS = {
    Relation.EQUALS: "is",
    Relation.NOT_EQUALS: "is not",
    Relation.CONTAINS: "contains",
    Relation.AT_LEAST: "is at least",
    Relation.AT_MOST: "is at most",
    Relation.NUMBER: "counts",
}


def _shown(value: object) -> str:
    return "empty" if value is None else f"`{value}`"


def select(document: Mapping[str, Any], path: str) -> list[Any]:
    """The values that a path leads to; none where it leads nowhere."""
    values: list[Any] = [document]
    for name, picks in steps(path):
        values = [inner for one in values if isinstance(one, Mapping) and name in one for inner in _spread(one[name])]
        values = [one for one in values if all(_is_picked(one, key, wanted) for key, wanted in picks)]
    return values


def steps(path: str) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """A path as names, each with its picks. Raises `BadInput` where it cannot be read."""
    found, reached = [], 0
    for step in STEP.finditer(path):
        if step.start() != reached:
            break
        reached = step.end()
        found.append((step["name"], tuple((pick["key"], pick["value"]) for pick in PICK.finditer(step["picks"]))))
    if not found or reached != len(path) or path.endswith("."):
        raise BadInput(f"The path {path!r} cannot be read; write it like accounts[account=a@b.example].verdict.")
    return tuple(found)


def _spread(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _is_picked(value: object, key: str, wanted: str) -> bool:
    return isinstance(value, Mapping) and str(value.get(key)) == wanted


@dataclass(frozen=True)
class EvidenceFile:
    """One file of a miniature case: its path inside the folder, and its text."""

    path: str
    text: str


@dataclass(frozen=True)
class Misreading:
    """One documented misreading.

    `wrong` is what an analyst concludes from the evidence, `right` what it says, `check` what of the product tells them
    apart and where it is read, `source` who described it. `files` are the evidence, `context` the text of a `case.toml`
    or empty. The document of the case must meet every statement of `expect` and none of `never`, which is the wrong
    reading in the words of the document.
    """

    id: str
    title: str
    wrong: str
    right: str
    check: str
    source: str
    files: tuple[EvidenceFile, ...]
    context: str
    expect: tuple[Statement, ...]
    never: tuple[Statement, ...]


@dataclass(frozen=True)
class MisreadingResult:
    """How the product read one of them: right or not, and in sentences what it said otherwise."""

    id: str
    title: str
    right: bool
    why: tuple[str, ...]


def judge(case: Misreading, document: Mapping[str, Any]) -> MisreadingResult:
    """Hold a case document to what the misreading asks for."""
    why = tuple(_faults(case, document))
    return MisreadingResult(case.id, case.title, not why, why)


def _faults(case: Misreading, document: Mapping[str, Any]) -> Iterator[str]:
    for one in case.expect:
        if not one.holds(document):
            yield f"Expected that {one}; found {_found(document, one.at)}."
    for one in case.never:
        if one.holds(document):
            yield f"The wrong reading is made: {one}."


def _found(document: Mapping[str, Any], path: str, most: int = 5) -> str:
    found = [_shown(one) for one in select(document, path)]
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "") or "nothing"


def parse_statements(given: Iterable[Any], where: str) -> tuple[Statement, ...]:
    """Statements from their mappings: `at` and one relation. Raises `BadInput` where one is written otherwise."""
    return tuple(_statement(one, where) for one in given)


def _statement(given: Any, where: str) -> Statement:
    words = [word for word in given if word != "at"] if isinstance(given, Mapping) else []
    if len(words) != 1 or words[0] not in set(Relation) or "at" not in given:
        known = ", ".join(Relation)
        raise BadInput(f"{where}: {str(given)[:80]} is no statement; give `at` and one of {known}.")
    steps(given["at"])
    return Statement(given["at"], Relation(words[0]), given[words[0]])
