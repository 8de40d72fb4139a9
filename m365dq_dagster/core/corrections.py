"""Corrections: what a person says of a conclusion that was wrong, which of several words stands, and how that is told.
Keeping them is the registry's matter; what they teach about fields is in `learned_rules`.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict
from m365dq_dagster.core.people import Person

CASE = "case"
"""The subject of a correction that speaks of the whole case."""

FINDING_ID = re.compile(r"f-\d{1,9}")
MOST_CHARACTERS = 2000
NO_FIELD = "none"
"""What is given where no field misled: the circumstances did."""


class CorrectionState(StrEnum):
    """What became of a correction: it stands, gave way to a later one, was taken back, or takes another back."""

    IN_FORCE = "IN_FORCE"
    SUPERSEDED = "SUPERSEDED"
    TAKEN_BACK = "TAKEN_BACK"
    TAKES_BACK = "TAKES_BACK"


@dataclass(frozen=True)
class MisledField:
    """A field that a corrected conclusion had leaned on, and what the rows were like on which it did."""

    log_type: str
    field: str
    circumstances: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """As it is written: `log type.field`."""
        return f"{self.log_type}.{self.field}"


@dataclass(frozen=True)
class Correction:
    """A conclusion that a person found wrong afterwards.

    `finding` is what the person named, `subject` what it speaks of: an account, or `case`. `concluded` is what the
    generation said of it; None in records that are older than that column.
    """

    case_id: str
    finding: str
    verdict: str
    reason: str
    actor: str
    corrected_at: datetime
    acting_as: str | None = None
    subject: str | None = None
    concluded: str | None = None
    generation: str | None = None
    fields: tuple[MisledField, ...] = ()
    id: int = 0

    @property
    def about(self) -> str:
        """The subject; in old records the finding that was named."""
        return self.subject or self.finding

    @property
    def takes_back(self) -> bool:
        """Whether it says what was concluded, and so takes an earlier correction back."""
        return self.verdict == self.concluded

    @property
    def told_by(self) -> str:
        """Who said it: the operating-system user, and the name given besides."""
        return Person(self.actor, self.acting_as).told


@dataclass(frozen=True)
class Wrong:
    """A conclusion that the last word on its subject contradicts; `at` is when that began, `said` what stands."""

    said: Correction
    at: datetime


def chains(corrections: Iterable[Correction]) -> dict[tuple[str, str], list[Correction]]:
    """The corrections by (case, subject), oldest first; the last of each is the word that stands."""
    found: dict[tuple[str, str], list[Correction]] = defaultdict(list)
    for one in sorted(corrections, key=lambda one: one.id):
        found[one.case_id, one.about].append(one)
    return dict(found)


def wrong_conclusions(corrections: Iterable[Correction]) -> tuple[Wrong, ...]:
    """The conclusions that turned out wrong: those that the last word on their subject contradicts.

    A generation's conclusion counts once, however often it was corrected; one whose correction was taken back does
    not count, and one that was right after all neither. Judging a case again changes nothing about what was wrong.
    """
    return tuple(wrong for chain in chains(corrections).values() for wrong in _wrong_of(chain))


def _wrong_of(chain: Sequence[Correction]) -> list[Wrong]:
    word = chain[-1].verdict
    groups: dict[tuple[str | None, str | None], list[Correction]] = defaultdict(list)
    for one in chain:
        groups[one.generation, one.concluded].append(one)
    return [_wrong(group) for (_, concluded), group in groups.items() if concluded is None or concluded != word]


def _wrong(group: Sequence[Correction]) -> Wrong:
    """It began when it was corrected first, or again after that had been taken back."""
    begun = group[0].corrected_at
    for before, one in pairwise(group):
        begun = one.corrected_at if before.takes_back else begun
    return Wrong(group[-1], begun)


def states(corrections: Iterable[Correction]) -> dict[int, CorrectionState]:
    """What became of each correction, by its id."""
    return {
        one.id: _state(one, chain[place + 1 :])
        for chain in chains(corrections).values()
        for place, one in enumerate(chain)
    }


def _state(one: Correction, later: Sequence[Correction]) -> CorrectionState:
    if one.takes_back:
        return CorrectionState.SUPERSEDED if later else CorrectionState.TAKES_BACK
    if any(other.takes_back for other in later):
        return CorrectionState.TAKEN_BACK
    return CorrectionState.SUPERSEDED if later else CorrectionState.IN_FORCE


def subject_of(document: Mapping[str, Any], named: str) -> str:
    """What a finding's id, an account's name or the word `case` speaks of: an account as the document writes it, or
    `case`. Raises `BadInput` where the document holds nothing of that name.
    """
    word = named.strip().lower()
    if word == CASE:
        return CASE
    rows = document.get("findings") or [] if FINDING_ID.fullmatch(word) else document.get("accounts") or []
    key = "id" if FINDING_ID.fullmatch(word) else "account"
    for row in rows:
        if str(row.get(key)).lower() == word:
            return str(row.get("account") or CASE)
    case = document.get("case")
    raise BadInput(
        f"Case {case} has no finding and no account {named.strip()[:80]!r}; `m365dq show {case} findings` and "
        f"`m365dq show {case} accounts` list them, and `case` stands for the whole case."
    )


def concluded_of(document: Mapping[str, Any], subject: str) -> str | None:
    """What the document says of a subject; None where it does not hold it."""
    if subject == CASE:
        return str(document.get("status"))
    return next((str(row["verdict"]) for row in document.get("accounts") or [] if row.get("account") == subject), None)


def claims_nothing(verdict: str) -> bool:
    """Whether a conclusion was left open: no field misled anybody into it."""
    return verdict in (CaseVerdict.CANNOT_CONCLUDE, AccountVerdict.CANNOT_CONCLUDE)


def leaned_on(document: Mapping[str, Any], subject: str) -> tuple[tuple[str, str], ...]:
    """The (log type, field) that the finding on a subject rests on; empty where there is no such finding."""
    account = None if subject == CASE else subject
    for row in document.get("findings") or []:
        if row.get("account") == account:
            return tuple((str(one["log_type"]), str(one["field"])) for one in row.get("fields_used") or [])
    return ()


def checked_verdict(subject: str, word: str) -> str:
    """The verdict as the enums write it. Raises `BadInput` naming the verdicts that fit the subject."""
    known: Sequence[str] = list(CaseVerdict) if subject == CASE else list(AccountVerdict)
    verdict = word.strip().upper().replace("-", "_").replace(" ", "_")
    if verdict not in known:
        of = "a case" if subject == CASE else "an account"
        raise BadInput(f"{word[:40]!r} is no verdict on {of}; the verdicts are {', '.join(known)}.")
    return str(verdict)


def checked_reason(reason: str) -> str:
    """The reason without blanks around it. Raises `BadInput` where it is empty or too long to keep."""
    text = reason.strip()
    if not text:
        raise BadInput("A correction needs a reason; say with --reason what the evidence or the inquiry showed.")
    if len(text) > MOST_CHARACTERS:
        raise BadInput(
            f"--reason is longer than {MOST_CHARACTERS:,} characters; give the gist and where the rest is kept."
        )
    return text


def checked_fields(document: Mapping[str, Any], given: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The named (log type, field), each once; empty for `none`. Raises `BadInput` for one that was not judged."""
    names = list(dict.fromkeys(text.strip().lower() for text in given))
    if names == [NO_FIELD]:
        return ()
    known = {f"{row.get('log_type')}.{row.get('field')}" for row in document.get("fields") or []}
    for name in names:
        if name not in known:
            raise BadInput(
                f"{name[:80]!r} is no field that was judged in case {document.get('case')}; write LOG_TYPE.FIELD as "
                f"`m365dq show {document.get('case')} fields` lists them, or {NO_FIELD!r} alone where no field misled."
            )
    return tuple((name.partition(".")[0], name.partition(".")[2]) for name in names)


def check_news(subject: str, verdict: str, concluded: str, last: Correction | None, *, more: bool) -> None:
    """Refuse a correction that says nothing new. `more` says that it names other fields than the last one did."""
    stands = last is not None and not last.takes_back
    word = last.verdict if last is not None and stands else concluded
    if verdict != word or (stands and more and verdict != concluded):
        return
    of = "The case" if subject == CASE else subject
    if last is not None and stands:
        raise BadInput(
            f"{of} was corrected to {verdict} already, on {last.corrected_at:%Y-%m-%d} by {last.told_by}; "
            "give another verdict, or --field with the fields that misled."
        )
    raise BadInput(f"{of} was concluded {verdict}: there is nothing to correct. Give the verdict that is right.")


def sentence(one: Correction, generation: str | None, concluded: str | None) -> str:
    """A correction as it is told beside a conclusion, with what the generation at hand says where that is another."""
    when = f"on {one.corrected_at:%Y-%m-%d} by {one.told_by}"
    of = "this conclusion" if one.about == CASE else f"the conclusion on {one.about}"
    was = f" from {one.concluded}" if one.concluded else ""
    told = f"{of[:1].upper()}{of[1:]} was corrected {when}{was} to {one.verdict}"
    if one.takes_back:
        told = f"The correction of {of} was taken back {when}; it stands at {one.verdict}"
    since = f" The case was judged again since and says {concluded or 'nothing of it'}."
    again = since if one.generation and generation and one.generation != generation else ""
    return f"{told}: {_ended(one.reason)}{again}"


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def mappings(corrections: Sequence[Correction], document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The corrections of a case for JSON and for pages, oldest first, read beside its document."""
    became = states(corrections)
    generation = document.get("generation")
    return [
        {
            "id": one.id,
            "finding": one.finding,
            "subject": one.about,
            "concluded": one.concluded,
            "verdict": one.verdict,
            "reason": one.reason,
            "by": one.actor,
            "acting_as": one.acting_as,
            "at": one.corrected_at.isoformat(),
            "fields": [misled.name for misled in one.fields],
            "state": str(became[one.id]),
            "generation": one.generation,
            "sentence": sentence(one, generation, concluded_of(document, one.about)),
        }
        for one in sorted(corrections, key=lambda one: one.id)
    ]
