"""Reads the parameters of an administrative operation, in whatever way an export wrote them: lists of names and values,
properties with an old and a new value, columns gathered into one object, shell notation. What they mean is judged in
`indicators`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_CHARACTERS = 100_000
"""Longer texts are cut before they are read: no cmdlet has that many parameters."""

MOST_DEPTH = 12
NAMES = ("name", "displayname", "key", "id")
VALUES = ("newvalue", "value")
OLD = "oldvalue"
SHELL = re.compile(r"@\{\s*Name=(?P<name>[^;}]*);\s*(?:New)?Value=(?P<value>[^}]*)\}", re.IGNORECASE)
BROKEN = re.compile(r'"(?:Name|displayName|key)"\s*:\s*"([^"]*)"\s*,\s*"(?:New)?Value"\s*:\s*"((?:[^"\\]|\\.)*)"', re.I)
GATHERED = re.compile(r"(?P<place>.*Propert\w*?\d+)(?P<part>Name|NewValue|OldValue)$", re.IGNORECASE)
NOTHING = frozenset({"", "null", "none", "[]", "{}", "$null", '""'})
"""How an export writes that a parameter was emptied."""


@dataclass(frozen=True)
class Parameters:
    """The parameters of one operation by folded name, each with what it was set to and what it was before.

    A parameter that is named without a value has an empty tuple; `text` is all of it in small letters.
    """

    new: Mapping[str, tuple[str, ...]]
    old: Mapping[str, tuple[str, ...]]
    text: str

    def given(self, name: str) -> bool:
        """Whether the operation named the parameter at all."""
        return name.lower() in self.new

    def words(self, *names: str) -> tuple[str, ...]:
        """What the parameters were set to, empty values left out."""
        return tuple(value for name in names for value in self.new.get(name.lower(), ()))

    def first(self, *names: str) -> str:
        """The first value of the first parameter that has one, or an empty text."""
        return next(iter(self.words(*names)), "")

    def is_true(self, name: str) -> bool:
        """Whether the parameter was set to a word for yes."""
        return any(value.lower() in ("true", "$true", "1", "yes") for value in self.words(name))

    def is_false(self, name: str) -> bool:
        """Whether the parameter was set to a word for no."""
        return any(value.lower() in ("false", "$false", "0", "no") for value in self.words(name))


def read_parameters(*texts: str | None) -> Parameters | None:
    """The parameters in the texts, or None where no text holds any: what is not in the evidence is not known."""
    new: dict[str, list[str]] = {}
    old: dict[str, list[str]] = {}
    whole = " ".join(text[:MOST_CHARACTERS] for text in texts if text)
    for text in texts:
        for name, value, before in _pairs((text or "")[:MOST_CHARACTERS]):
            key = name.strip().lower()
            new.setdefault(key, []).extend(_plain(value))
            if before is not None:
                old.setdefault(key, []).extend(_plain(before))
    if not new:
        return None
    return Parameters(_frozen(new), _frozen(old), whole.lower())


def _frozen(found: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in found.items()}


def _pairs(text: str) -> Iterator[tuple[str, Any, Any]]:
    """Name, new and old value of everything that the text names."""
    tree = _tree(text)
    if tree is not None:
        yield from _walk(tree, 0)
        return
    for name, value in BROKEN.findall(text):
        yield name, value.replace('\\"', '"'), None
    for found in SHELL.finditer(text):
        yield found["name"], found["value"], None


def _tree(text: str) -> Any:
    """The text as JSON, or as the Python literal that some tools write; None where it is neither."""
    stripped = text.strip()
    if not stripped.startswith(("[", "{")):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(stripped)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return None


def _walk(node: Any, depth: int) -> Iterator[tuple[str, Any, Any]]:
    if depth > MOST_DEPTH:
        return
    if isinstance(node, list):
        for one in node:
            yield from _walk(one, depth + 1)
    elif isinstance(node, dict):
        yield from _of_object(node, depth)
    elif isinstance(node, str):
        yield from ((found["name"], found["value"], None) for found in SHELL.finditer(node))


def _of_object(node: dict[Any, Any], depth: int) -> Iterator[tuple[str, Any, Any]]:
    folded = {str(key).lower(): value for key, value in node.items()}
    name = next((folded[word] for word in NAMES if isinstance(folded.get(word), str)), None)
    told = [folded[word] for word in VALUES if word in folded]
    if name is not None and (told or OLD in folded or len(folded) == 1):
        yield name, next(iter(told), None), folded.get(OLD)
        return
    yield from _gathered(node)
    for key, inner in node.items():
        if isinstance(inner, dict | list):
            yield from _walk(inner, depth + 1)
        elif not GATHERED.match(str(key)):
            yield str(key), inner, None


def _gathered(node: Mapping[Any, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Properties that a table spread over numbered columns: `Target1ModifiedProperty1Name`, `...NewValue`."""
    places: dict[str, dict[str, Any]] = {}
    for key, value in node.items():
        found = GATHERED.match(str(key))
        if found:
            places.setdefault(found["place"], {})[found["part"].lower()] = value
    for parts in places.values():
        if isinstance(parts.get("name"), str):
            yield parts["name"], parts.get("newvalue"), parts.get(OLD)


def _plain(value: Any) -> list[str]:
    """A value as texts: lists taken apart, JSON inside a text unwrapped once, nothing where it was emptied."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [text for one in value for text in _plain(one)]
    if isinstance(value, dict):
        return [json.dumps(value)]
    text = str(value).strip()
    if text.lower() in NOTHING:
        return []
    return list(_unwrapped(text)) if text[:1] in ('"', "[") else [text]


def _unwrapped(text: str) -> Iterable[str]:
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return [text]
    items = inner if isinstance(inner, list) else [inner]
    return [
        word for one in items if (word := (one if isinstance(one, str) else json.dumps(one)).strip()) not in NOTHING
    ]
