"""The layers of the reference: what ships, what a person approved, what an installation says for itself, put on one
another. Which changes may be proposed and decided stands in `code_changes`; where layers are read from and how they are
written down is the business of the adapters; what a value means for an outcome is judged in `adjudication`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from m365dq_dagster.core.code_changes import CODE_FIELDS, ChangeState, CodeKey, Kind, ReferenceRow
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.printable import printable

CATEGORIES = frozenset(
    {
        "success",
        "interrupt",
        "password_correct_blocked",
        "bad_credentials",
        "throttling_lockout",
        "account_state",
        "app_config",
        "credential_key",
        "federation",
        "onprem_agent",
        "password_change",
        "service_error",
        "tenant_config",
        "token_session",
        "unknown",
    }
)
"""The classes of Entra's codes."""

OUTCOMES = frozenset({"success", "interrupted", "failure", "not_a_signin"})
"""What became of the request that a code ends, coarsely."""

FIRST_FACTORS = frozenset(
    {"accepted", "likely_accepted", "likely_accepted_ropc", "rejected", "not_evaluated", "n/a", "unknown"}
)
"""Whether the password or token was right, as far as a code tells."""

STATES = frozenset({"ACTIVE", *ChangeState} - {ChangeState.APPROVED})
"""Whether a row is in force, waits for somebody's decision, or was turned down."""

TOLD = tuple(one.name for one in fields(ReferenceRow) if one.name not in ("log_type", "field_name", "code_value"))
"""The attributes of a row that say something of its value."""

UPPER = frozenset({"severity", "state"})
TRUE = frozenset({"true", "yes", "1"})
"""How a file says that a row is deprecated."""

FILES = {Kind.CODE: "status_codes.csv", Kind.VALUE: "values.csv", Kind.OPERATION: "operations.csv"}
"""The file of a rule pack that holds rows of each kind."""


class Origin(StrEnum):
    """Which layer a row comes from: what ships, an approved change, or the installation's own files."""

    PACK = "PACK"
    CHANGE = "CHANGE"
    LOCAL = "LOCAL"


def reference_key(log_type: str, name: str, value: str) -> CodeKey:
    """What a value is found by: Entra's codes are one vocabulary, in whichever field they stand."""
    place = CODE_FIELDS[0] if (log_type, name) in CODE_FIELDS else (log_type, name)
    return CodeKey(*place, value.strip())


def spread(row: ReferenceRow) -> tuple[ReferenceRow, ...]:
    """A row once for every field that may hold it."""
    if row.key.kind is not Kind.CODE:
        return (row,)
    return tuple(replace(row, log_type=log_type, field_name=name) for log_type, name in CODE_FIELDS)


@dataclass(frozen=True)
class Layer:
    """What an upper layer says of one value: only what is `given` replaces what stands below.

    `source` names the change or the file, for messages. An approved change has its `number`, and `before`, the row that
    it was made upon.
    """

    key: CodeKey
    given: Mapping[str, Any]
    source: str
    origin: Origin = Origin.CHANGE
    before: Mapping[str, Any] | None = None
    number: int | None = None


@dataclass(frozen=True)
class Conflict:
    """What ships has changed under something that this installation changed; the installation's word is kept."""

    file: str
    key: str
    kept: Origin
    detail: str

    @property
    def sentence(self) -> str:
        """For people: where, what, and what to do."""
        mine = "the approved change is kept" if self.kept is Origin.CHANGE else "the local entry is kept"
        return f"{self.file}: {printable(self.key)}: {self.detail}; {mine}. Look at both and change or remove yours."


@dataclass(frozen=True)
class Layered:
    """The rows with all layers on, which of them are not what ships and by which layer, and what has to be looked
    at.
    """

    rows: Mapping[CodeKey, ReferenceRow]
    changed: Mapping[CodeKey, Layer] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()


def layered(shipped: Iterable[ReferenceRow], approved: Sequence[Layer], local: Sequence[Layer] = ()) -> Layered:
    """Put approved changes, oldest first, and then local entries upon the shipped rows.

    A change that says what ships anyway changes nothing. Raises `BadInput`, naming the layer, where a row that would
    come out cannot be used.
    """
    below = {row.key: row for row in shipped}
    rows = dict(below)
    upper = {one.key: one for one in (*approved, *local)}
    for layer in (*approved, *local):
        rows[layer.key] = put_on(rows.get(layer.key), layer)
    changed = {key: one for key, one in upper.items() if key not in below or differing(below[key], rows[key])}
    for key, layer in changed.items():
        check(rows[key], layer.source)
    rows |= {key: below[key] for key in upper if key not in changed}
    return Layered(rows, changed, (*_outdated(below, approved), *_shadowed(approved, local)))


def put_on(row: ReferenceRow | None, layer: Layer) -> ReferenceRow:
    """A row with what a layer gives upon it; a new one is complete in what a layer may leave open."""
    given = {name: _cell(name, value) for name, value in layer.given.items() if name in TOLD and value is not None}
    return replace(row or _blank(layer), **given)


def _blank(layer: Layer) -> ReferenceRow:
    row = ReferenceRow(layer.key.log_type, layer.key.field, layer.key.value, "", "")
    if row.key.kind is not Kind.CODE:
        return row
    return replace(row, outcome="failure", first_factor="unknown", provenance="unverified", method="hand")


def check(row: ReferenceRow, source: str) -> None:
    """Raise `BadInput`, naming the source, where a row cannot be used."""
    allowed: dict[str, Iterable[str]] = {"severity": Severity, "state": STATES}
    if row.key.kind is Kind.CODE:
        allowed |= {"category": CATEGORIES, "outcome": OUTCOMES, "first_factor": FIRST_FACTORS}
    name_of = printable(row.code_value, 60)
    for name, words in allowed.items():
        if (said := getattr(row, name)) not in list(words):
            known = ", ".join(sorted(words))
            raise BadInput(f"{source}: {name_of}: {name} is {printable(said, 40)!r}; it must be one of {known}.")
    for name in ("meaning", "category"):
        if not getattr(row, name):
            raise BadInput(f"{source}: {name_of} has no {name}; give one.")


def _cell(name: str, value: Any) -> Any:
    if name == "deprecated":
        return value if isinstance(value, bool) else str(value).strip().lower() in TRUE
    text = str(value).strip()
    return text.upper() if name in UPPER else text


def differing(one: ReferenceRow, other: ReferenceRow) -> tuple[str, ...]:
    """The attributes in which two rows of a value differ; a blank and nothing are the same."""
    return tuple(name for name in TOLD if (getattr(one, name) or "") != (getattr(other, name) or ""))


def _against(row: ReferenceRow, state: Mapping[str, Any]) -> list[str]:
    """The attributes of a shipped row that are not as a kept state has them."""
    kept = {name: _cell(name, state[name]) for name in TOLD if state.get(name) is not None}
    return [name for name, value in kept.items() if (getattr(row, name) or "") != (value or "")]


def _outdated(shipped: Mapping[CodeKey, ReferenceRow], approved: Sequence[Layer]) -> tuple[Conflict, ...]:
    """Shipped rows that are neither what approved changes were made upon nor what they came to."""
    by_key: dict[CodeKey, list[Layer]] = {}
    for layer in approved:
        by_key.setdefault(layer.key, []).append(layer)
    found = []
    for key, layers in by_key.items():
        row, first = shipped.get(key), layers[0].before
        known = [state for one in layers for state in (one.before, one.given) if state is not None]
        if all(_against(row, state) for state in known) if row else first is not None:
            found.append(Conflict(FILES[key.kind], key.value, Origin.CHANGE, _moved(row, first)))
    return tuple(found)


def _moved(row: ReferenceRow | None, before: Mapping[str, Any] | None) -> str:
    if row is None:
        return "the rule pack that ships no longer holds it"
    if not before:
        return "the rule pack that ships holds it by now, and says otherwise"
    parts = [
        f"{name} from {printable(before[name], 60)!r} to {printable(getattr(row, name), 60)!r}"
        for name in _against(row, before)
    ]
    return f"what ships has changed ({'; '.join(parts)})"


def _shadowed(approved: Sequence[Layer], local: Sequence[Layer]) -> tuple[Conflict, ...]:
    """Approved changes that a local entry stands upon."""
    decided = {one.key: one for one in approved}
    return tuple(
        Conflict(FILES[one.key.kind], one.key.value, Origin.LOCAL, f"{decided[one.key].source} says something else")
        for one in local
        if one.key in decided and _otherwise(one.given, decided[one.key].given)
    )


def _otherwise(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    said = {name: value for name, value in mine.items() if theirs.get(name) is not None}
    return any(_cell(name, value) != _cell(name, theirs[name]) for name, value in said.items())


@dataclass(frozen=True)
class Seen:
    """What stood in a local entry, and in the shipped one below it, when the local one was last changed; digests."""

    local: str
    shipped: str


At = tuple[str, str]
"""A file of the rule pack, and what in it."""


def moved_under(entries: Mapping[At, Seen], memory: Mapping[At, Seen]) -> tuple[tuple[Conflict, ...], dict[At, Seen]]:
    """Local entries below which what ships has changed since they were written; and what to keep in mind from now on.
    An entry that was changed since stands on what ships now.
    """
    known = {at: memory[at] for at, one in entries.items() if at in memory and memory[at].local == one.local}
    detail = "what ships has changed since this was written"
    conflicts = tuple(
        Conflict(*at, Origin.LOCAL, detail) for at, seen in known.items() if entries[at].shipped != seen.shipped
    )
    return conflicts, {**entries, **known}
