"""What is looked up of an import: the columns whose values stand in a closed list, how spellings are compared, which
values the rule pack knows, and the sentences on those that it does not.

What a known value says of an outcome is judged in `adjudication`; counting what stands in the evidence is SQL.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from m365dq_dagster.core.adjudication import ACCESS, CodeRow
from m365dq_dagster.core.indicators import folded
from m365dq_dagster.core.narrative import elided, listed, plural
from m365dq_dagster.core.plain_text import one_line

REST = "(other values)"
"""Stands for the unknown values of a field beyond those that are kept one by one."""

MOST = 50
"""Unknown values of a field that are kept one by one: whoever signs in may choose what he calls himself."""

CUT = 200
"""Characters of a value that are kept."""

NAMED = 5
"""Values that one sentence names."""

Key = tuple[str, str]
"""A log type and a field."""


class Fold(StrEnum):
    """How two spellings are compared: as the judge reads a word (case, blanks around it); also without the blanks and
    dashes in which interface and portal differ; as operations are.
    """

    WORD = "word"
    LETTERS = "letters"
    NAME = "name"


LOOSE = str.maketrans("", "", " -_.'\"[]")
"""What letters are compared without; a list of one word is that word."""


def fold(text: str, how: Fold) -> str:
    """A spelling as it is compared."""
    if how is Fold.NAME:
        return folded(text)
    word = text.strip().lower()
    return word.translate(LOOSE) if how is Fold.LETTERS else word


class Kind(StrEnum):
    """What a looked-up field is: codes and witnesses' words tell outcomes, so an unknown one is told to a person."""

    CODE = "code"
    WITNESS = "witness"
    OPERATION = "operation"
    CLIENT = "client"
    RECORD_TYPE = "record type"
    VALUE = "value"

    @property
    def alerts(self) -> bool:
        """Whether an unknown value raises an alert; the others are shown and counted only."""
        return self in (Kind.CODE, Kind.WITNESS)


@dataclass(frozen=True)
class Watched:
    """A field that is looked up.

    `known_as` is where the rule pack holds its values; `column` is the canonical column where `field` is not its name.
    """

    log_type: str
    field: str
    known_as: Key
    kind: Kind = Kind.VALUE
    fold: Fold = Fold.LETTERS
    column: str = ""

    @property
    def key(self) -> Key:
        """Log type and field."""
        return self.log_type, self.field

    @property
    def is_code(self) -> bool:
        """True for a column of Entra's codes."""
        return self.kind is Kind.CODE

    @property
    def of_logons(self) -> bool:
        """True for what is read from the witnesses of logons, and not from the log's own table."""
        return self.kind.alerts

    @property
    def source(self) -> str:
        """The canonical column."""
        return self.column or self.field


SIGN_INS = ("sign_in_logs", "legacy_auth_logs")
AUDIT = "unified_audit_log"
OPERATIONS = (AUDIT, "operation")
MAIL_ACCESS = ("mailbox_audit", "mail_access_type")


def _sign_in(log_type: str) -> Iterable[Watched]:
    def one(name: str, of: str = "", kind: Kind = Kind.VALUE, how: Fold = Fold.LETTERS) -> Watched:
        return Watched(log_type, name, ("sign_in_logs", of or name), kind, how)

    yield Watched(log_type, "status_error_code", (log_type, "status_error_code"), Kind.CODE, Fold.WORD)
    yield one("status", kind=Kind.WITNESS, how=Fold.WORD)
    yield one("conditional_access_status", kind=Kind.WITNESS, how=Fold.WORD)
    yield one("client_app_used", kind=Kind.CLIENT, how=Fold.WORD)
    yield one("authentication_protocol")
    yield one("authentication_requirement")
    yield one("incoming_token_type")
    yield one("sign_in_event_type")
    yield one("user_type")
    yield one("risk_level_aggregated", "risk_level")
    yield one("risk_level_during", "risk_level")
    yield one("risk_state")


WATCHED: tuple[Watched, ...] = (
    *(one for log_type in SIGN_INS for one in _sign_in(log_type)),
    Watched(AUDIT, "error_number", (AUDIT, "error_number"), Kind.CODE, Fold.WORD),
    Watched(AUDIT, "operation_login", (AUDIT, "operation_login"), Kind.WITNESS, Fold.WORD, "operation"),
    Watched(AUDIT, "operation", OPERATIONS, Kind.OPERATION, Fold.NAME),
    Watched(AUDIT, "record_type", (AUDIT, "record_type"), Kind.RECORD_TYPE),
    Watched(AUDIT, "user_type", (AUDIT, "user_type")),
    Watched(AUDIT, "result_status", (AUDIT, "result_status")),
    Watched(AUDIT, "mail_access_type", MAIL_ACCESS),
    Watched("entra_audit_logs", "activity", OPERATIONS, Kind.OPERATION, Fold.NAME),
    Watched("entra_audit_logs", "result", ("entra_audit_log", "result")),
    Watched("mailbox_audit", "operation", OPERATIONS, Kind.OPERATION, Fold.NAME),
    Watched("mailbox_audit", "logon_type", ("mailbox_audit", "logon_type")),
    Watched("mailbox_audit", "mail_access_type", MAIL_ACCESS),
    Watched("mailbox_sessions", "operation", OPERATIONS, Kind.OPERATION, Fold.NAME),
    Watched("mailbox_sessions", "mail_access_type", MAIL_ACCESS),
    Watched("message_trace", "status", ("message_trace", "status")),
    Watched("mfa_changes", "activity", OPERATIONS, Kind.OPERATION, Fold.NAME),
    Watched("risk_detections", "risk_event_type", ("risk_detections", "risk_event_type")),
    *(
        Watched(log_type, name, ("sign_in_logs", name))
        for log_type in ("risk_detections", "risky_users")
        for name in ("risk_level", "risk_state")
    ),
)
"""Every field that is looked up."""

BY_KEY: Mapping[Key, Watched] = {one.key: one for one in WATCHED}


HELD: Mapping[Key, Watched] = {one.known_as: one for one in reversed(WATCHED)}
"""What is watched by where the reference holds its values; the registry keeps sightings under these names."""


def is_quiet(log_type: str, name: str) -> bool:
    """True for values of the reference that are shown where they are unknown and raise no alert."""
    held = HELD.get((log_type, name))
    return held is not None and not held.kind.alerts


def held_as(log_type: str, name: str, value: str) -> tuple[str, str, str]:
    """A value under the names of the reference, folded: two that are the same to the judge are the same."""
    held = HELD.get((log_type, name))
    return log_type, name, fold(value, held.fold) if held else value


@dataclass(frozen=True)
class Reference:
    """What the rule pack knows of each watched field: folded spelling -> its own spelling. Codes that wait for approval
    are not known; `proposed` holds them.
    """

    known: Mapping[Key, Mapping[str, str]]
    proposed: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, codes: Iterable[CodeRow], values: Iterable[tuple[str, str, str, str]], operations: Iterable[str]
    ) -> Reference:
        """From the rows of a rule pack; `values` are (log type, field, value, normalised)."""
        codes, names = tuple(codes), tuple(operations)
        lists: dict[Key, list[str]] = {OPERATIONS: list(names)}
        for log_type, name, value, normalised in values:
            if name != "conditional_access_status" or normalised in ACCESS:
                lists.setdefault((log_type, name), []).append(value)
        lists.update({one.key: [row.code for row in codes if row.state == "active"] for one in WATCHED if one.is_code})
        return cls(
            {one.key: _folded(lists.get(one.known_as, ()), one) for one in WATCHED},
            frozenset(row.code for row in codes if row.state == "pending"),
        )

    def knows(self, log_type: str, name: str, value: str) -> bool:
        """Whether a value of a field is in force; nothing is known of a field that is not looked up."""
        watched = BY_KEY.get((log_type, name))
        return watched is not None and fold(value, watched.fold) in self.known[watched.key]

    def is_proposed(self, log_type: str, name: str, value: str) -> bool:
        """True for a code that waits for approval."""
        watched = BY_KEY.get((log_type, name))
        return watched is not None and watched.is_code and value in self.proposed


def _folded(values: Iterable[str], watched: Watched) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in values:
        found.setdefault(fold(value, watched.fold), value)
    return found


@dataclass(frozen=True)
class Sighted:
    """A value that stands in the evidence: on how many rows, between which events, and whether the rule pack knew it.

    `values` counts distinct values, more than one for `REST` alone; `well_formed` says that a code could be one;
    `columns` are the source's own names for the field, as provenance tells them.
    """

    log_type: str
    field: str
    value: str
    rows: int
    known: bool = True
    values: int = 1
    first: datetime | None = None
    last: datetime | None = None
    well_formed: bool = False
    proposed: bool = False
    columns: tuple[str, ...] = ()

    @property
    def watched(self) -> Watched:
        """The field it stands in."""
        return BY_KEY[self.log_type, self.field]

    @property
    def is_unknown_code(self) -> bool:
        """True for a code that could be one and is in no table."""
        return not self.known and self.watched.is_code and self.well_formed


@dataclass(frozen=True)
class OpenValue:
    """An unknown value that left sign-ins open: which one, and on how many rows."""

    log_type: str
    field: str
    value: str
    rows: int
    proposed: bool = False

    @property
    def spoken(self) -> str:
        """The value with what it is and its rows."""
        value = elided(one_line(self.value), 60)
        if self.value == REST:
            told = "further values"
        elif BY_KEY[self.log_type, self.field].is_code:
            told = f"code {value}"
        else:
            told = f"{BY_KEY[self.log_type, self.field].source} {value!r}"
        return f"{told} ({plural(self.rows, 'row')})"


@dataclass(frozen=True)
class OpenValues:
    """The unknown values that sign-ins were left open by, the commonest first."""

    values: tuple[OpenValue, ...] = field(default=())

    @property
    def rows(self) -> int:
        """Sign-ins that carry one."""
        return sum(one.rows for one in self.values)

    @property
    def sentence(self) -> str:
        """That sign-ins carry them, up to the verb: what follows from it is said by who judges."""
        one = self.rows == 1
        named = named_values(self.values)
        kind = "a value that is in no table" if len(self.values) == 1 else "values that are in no table"
        return f"{plural(self.rows, 'sign-in')} {'carries' if one else 'carry'} {kind}: {named}"


NOTHING_OPEN = OpenValues()


def named_values(values: Sequence[OpenValue]) -> str:
    """The first values by name, and how many more there are."""
    told = [one.spoken for one in values[:NAMED]]
    left = len(values) - len(told)
    return listed([*told, *([f"{left:,} more"] if left else [])])


def proposals(values: Iterable[OpenValue]) -> tuple[str, ...]:
    """One sentence for every code among them that waits for approval."""
    waiting = {one.value: one for one in values if one.proposed}
    return tuple(
        f"{code} is known as a proposal and waits for approval: {approve(one.log_type, one.field, code)}."
        for code, one in sorted(waiting.items())
    )


def argument(value: str) -> str:
    """A value from evidence as the last argument of a command: it can neither end it nor be taken for an option."""
    quoted = shlex.quote(one_line(value))
    return f"-- {quoted}" if value.startswith("-") else quoted


def approve(log_type: str, name: str, value: str) -> str:
    """The command that approves a proposal."""
    return f"m365dq codes approve {log_type} {name} {argument(value)}"


def propose(log_type: str, name: str, value: str) -> str:
    """The command that proposes a row for an unknown value, under the name at which the reference holds the field."""
    of_log, of_field = BY_KEY[log_type, name].known_as if (log_type, name) in BY_KEY else (log_type, name)
    return f"m365dq codes add --category C --severity S --meaning TEXT {of_log} {of_field} {argument(value)}"


def look_up(value: str) -> str:
    """The command that looks a value up."""
    return f"m365dq codes lookup {argument(value)}"


LOGS = {
    AUDIT: "the unified audit log",
    "entra_audit_logs": "the directory's audit log",
    "mailbox_audit": "the mailbox audit log",
    "mailbox_sessions": "the list of mailbox sessions",
    "mfa_changes": "the list of changed factors",
}


def unjudged_operations(found: Iterable[Sighted]) -> tuple[str, ...]:
    """One sentence a log on the operations that no table knows: they were counted and not judged."""
    by_log: dict[str, list[Sighted]] = {}
    for one in found:
        if not one.known and one.watched.kind is Kind.OPERATION:
            by_log.setdefault(one.log_type, []).append(one)
    return tuple(_unjudged(log_type, rows) for log_type, rows in by_log.items())


def _unjudged(log_type: str, found: Sequence[Sighted]) -> str:
    distinct, rows = sum(one.values for one in found), sum(one.rows for one in found)
    common = sorted((one for one in found if one.value != REST), key=lambda one: (-one.rows, one.value))[:NAMED]
    named = listed([f"{elided(one_line(one.value), 60)} ({one.rows:,})" for one in common])
    is_one = distinct == 1
    return (
        f"What {plural(distinct, 'operation')} of {LOGS.get(log_type, log_type)} in no table "
        f"{'means' if is_one else 'mean'}: {plural(rows, 'row')}, {'' if is_one else 'the commonest '}{named}, "
        f"{'was' if is_one and rows == 1 else 'were'} counted and not judged."
    )
