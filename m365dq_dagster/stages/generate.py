"""Make labelled synthetic evidence: a case folder with its files, its context and the truth beside it.

Here belong the choice of files and options and the answer to bad ones. The story and the export shapes belong to
``adapters.synthetic``. The judge has no part in this: no code table, policy or rule is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TypeVar

from m365dq_dagster.adapters.synthetic.audit_writers import write_audit_log, write_legacy_log
from m365dq_dagster.adapters.synthetic.bulk import counted, many_audit_records, many_legacy_attempts, many_sign_ins
from m365dq_dagster.adapters.synthetic.calendars import USUAL, Calendar
from m365dq_dagster.adapters.synthetic.corpus import CaseOrder, corpus
from m365dq_dagster.adapters.synthetic.damage import shown, told
from m365dq_dagster.adapters.synthetic.events import AuditRecord, LegacyAttempt, SignIn
from m365dq_dagster.adapters.synthetic.labels import Tally, field_states, recommended, truth
from m365dq_dagster.adapters.synthetic.program_writers import APART, UNSEEN, write_programs
from m365dq_dagster.adapters.synthetic.settled import decidable, plain
from m365dq_dagster.adapters.synthetic.sign_in_writers import Rendering, write_sign_ins
from m365dq_dagster.adapters.synthetic.stories import STORIES, tell
from m365dq_dagster.adapters.synthetic.story import Story
from m365dq_dagster.adapters.synthetic.tenant import HOME_COUNTRY
from m365dq_dagster.adapters.synthetic.vocabulary import AUDIT_SHAPES, SIGN_IN_SHAPES, Family, Shape, Variant
from m365dq_dagster.core.errors import BadInput

__all__ = [
    "EXPECTED",
    "CaseOrder",
    "Family",
    "GeneratedCase",
    "Shape",
    "Variant",
    "corpus",
    "generate",
    "generate_order",
]

EXPECTED = "expected.json"
"""The file with the truth; a run never reads it."""
CONTEXT = "case.toml"
DEFAULT_ROWS = 10_000
MOST_ROWS = 20_000_000
DAMAGES = tuple(variant for variant in Variant if variant is not Variant.INTACT)
JUDGED_AS_TOLD = (Variant.INTACT, Variant.TYPE_NAME, Variant.INVENTED_ONE)
"""Variants of which a verdict is claimed where the story claims one; of the others the truth alone is told."""
SINGLE_LOG_WHY = "A single log for measuring: its rows are labelled, and no verdict on a case is claimed."

Name = TypeVar("Name", bound=StrEnum)
Part = tuple[str, Callable[[Path], None]]
"""A file's name and what writes it."""


@dataclass(frozen=True)
class GeneratedCase:
    """What was written: the folder, the evidence files in it, how many rows they hold, and the file with the truth."""

    family: Family
    variant: Variant
    folder: Path
    files: tuple[Path, ...]
    rows: int
    expected: Path


@dataclass(frozen=True)
class _Order:
    """A checked request."""

    family: Family
    variant: Variant
    shape: Shape
    audit_shape: Shape
    rows: int
    audit: bool


@dataclass(frozen=True)
class _Draft:
    """Files to be written, the counts of their rows, and the story behind them where there is one."""

    parts: list[Part]
    tally: Tally
    story: Story | None = None

    @property
    def home_countries(self) -> tuple[str, ...]:
        return self.story.home_countries if self.story else (HOME_COUNTRY,)


def generate(
    family: str,
    out: Path,
    *,
    seed: int = 7,
    rows: int | None = None,
    shape: str | None = None,
    variant: str | None = None,
    audit_shape: str | None = None,
    mfa_steps: bool = True,
    devices: bool = True,
    context: bool = True,
    audit: bool = True,
) -> GeneratedCase:
    """Writes one labelled case into ``out`` and says what was written. The same arguments give the same bytes.

    ``rows`` applies to the single logs (signins, ual, legacy; 10,000 unless told). ``shape`` is the flavour of the
    sign-ins, or of the audit log for the family ual; ``audit_shape`` that of the audit log in a whole case. ``variant``
    is how the sign-in status was damaged; a whole case is intact unless told. Oculus is type-name unless told, and
    takes no intact one (that is healthy, which takes no other). A single log is always intact.
    ``mfa_steps``: the attacker meets MFA prompts that the owners approve. ``devices``: the export names devices.
    ``context``: a case.toml with the home countries stands beside the evidence. ``audit``: the audit log of a whole
    case is in it.

    Raises BadInput where a name is unknown, options do not fit the family, a damage would change nothing in the case,
    or ``out`` holds files of something else.
    """
    order = _checked(family, rows, shape, variant, audit_shape, audit=audit)
    style = Rendering(order.variant, devices)
    if order.family in STORIES:
        draft = _whole_case(order, seed, style, mfa_steps=mfa_steps)
    else:
        draft = _single_log(order, seed, style)
    names = tuple(name for name, _ in draft.parts)
    _claim(out, (*names, CONTEXT, EXPECTED))
    for name, write in draft.parts:
        write(out / name)
    if context:
        _write_text(out / CONTEXT, _context(order.family, draft.home_countries))
    settled = draft.story is not None and decidable(order.family, devices=devices, context=context, audit=audit)
    label = _label(order, seed, draft, names, settled=settled)
    _write_text(out / EXPECTED, json.dumps(label, indent=2, sort_keys=True) + "\n")
    written = tuple(out / name for name in names)
    return GeneratedCase(order.family, order.variant, out, written, draft.tally.events.total(), out / EXPECTED)


def generate_order(order: CaseOrder, out: Path) -> GeneratedCase:
    """Writes one case of the corpus into ``out``. Raises BadInput as ``generate`` does."""
    return generate(
        order.family,
        out,
        seed=order.seed,
        shape=order.shape,
        variant=order.variant,
        audit_shape=order.audit_shape,
        mfa_steps=order.mfa_steps,
        devices=order.devices,
        context=order.context,
        audit=order.audit_shape is not None,
    )


def _checked(
    family: str, rows: int | None, shape: str | None, variant: str | None, audit_shape: str | None, *, audit: bool
) -> _Order:
    kind = _named(Family, family, "family", tuple(Family))
    whole = kind in STORIES
    if rows is not None and whole:
        raise BadInput(
            f"'{kind}' is a whole case of fixed size; leave out the number of rows, or generate a single log."
        )
    if rows is not None and not 1 <= rows <= MOST_ROWS:
        raise BadInput(f"{rows} rows cannot be generated; give a number from 1 to {MOST_ROWS}.")
    variants = _variants(kind)
    shapes = {Family.UAL: AUDIT_SHAPES, Family.LEGACY: (Shape.LEGACY_CSV,)}.get(kind, SIGN_IN_SHAPES)
    usual = Shape.PS_CSV if kind is Family.OCULUS else shapes[0]
    return _Order(
        kind,
        _named(Variant, variant or variants[0], f"variant of '{kind}'", variants),
        _named(Shape, shape or usual, f"shape for '{kind}'", shapes),
        _named(Shape, audit_shape or AUDIT_SHAPES[0], "shape of the audit log", AUDIT_SHAPES),
        rows or DEFAULT_ROWS,
        audit,
    )


def _variants(family: Family) -> tuple[Variant, ...]:
    """The variants that the family takes, the usual one first. Oculus and healthy are one story, damaged and intact."""
    if family is Family.OCULUS:
        return DAMAGES
    return (Variant.INTACT,) if family is Family.HEALTHY or family not in STORIES else tuple(Variant)


def _named(kind: type[Name], value: str, what: str, allowed: tuple[Name, ...]) -> Name:
    for item in allowed:
        if item.value == value:
            return item
    raise BadInput(f"'{value}' is no {what}; choose one of: {', '.join(item.value for item in allowed)}.")


def _claim(out: Path, names: tuple[str, ...]) -> None:
    """Makes the folder, or clears an earlier case of the same files out of it; anything else in it is left and said."""
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; name a folder to write the case into.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise BadInput(f"{out} cannot be made ({problem.strerror}); name a folder that you may write to.") from problem
    strangers = sorted({entry.name for entry in out.iterdir()} - set(names))
    if strangers:
        raise BadInput(f"{out} already holds '{strangers[0]}', which is not part of this case; name an empty folder.")
    (out / CONTEXT).unlink(missing_ok=True)


def _context(family: Family, home_countries: tuple[str, ...]) -> str:
    codes = ", ".join(f'"{code}"' for code in home_countries)
    return f'case = "{family}"\nhome_countries = [{codes}]\n'


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def _whole_case(order: _Order, seed: int, style: Rendering, *, mfa_steps: bool) -> _Draft:
    story = tell(order.family, seed, mfa_steps=mfa_steps)
    story = _exported(story, order)
    if order.variant is not Variant.INTACT and not _changes(story, order):
        raise BadInput(
            f"'{order.variant}' would change nothing in '{order.family}' of seed {seed}: its sign-in log would hold "
            "what the intact one holds; take another variant or leave it out."
        )
    tally = Tally(order.variant, frozenset(story.home_countries))
    for event in story.sign_ins:
        tally.sign_in(event)
    for record in story.audit:
        tally.audit_record(record)
    for attempt in story.legacy:
        tally.legacy_attempt(attempt)
    return _Draft(_sign_in_parts(order, story, style) + _other_parts(order, story), tally, story)


def _exported(story: Story, order: _Order) -> Story:
    """The part of the story that such an export holds: some shapes leave programs out, some orders the audit log."""
    seen = [event for event in story.sign_ins if event.person.account or order.shape not in UNSEEN]
    return replace(story, sign_ins=seen, audit=story.audit if order.audit else [])


def _changes(story: Story, order: _Order) -> bool:
    """Whether at least one row shows another status than in the intact export."""
    return any(shown(event, order.variant, order.shape) != told(event.deed) for event in story.sign_ins)


def _sign_in_parts(order: _Order, story: Story, style: Rendering) -> list[Part]:
    """The files of the sign-ins of people, and in shapes that keep them apart, of applications."""
    apart = order.shape in APART
    programs = [event for event in story.sign_ins if apart and not event.person.account]
    people = [event for event in story.sign_ins if not apart or event.person.account]
    return _people_parts(order, story.calendar, people, style) + _program_parts(order, story.calendar, programs, style)


def _people_parts(order: _Order, calendar: Calendar, people: list[SignIn], style: Rendering) -> list[Part]:
    """The portal exports interactive and non-interactive sign-ins apart; every other shape holds both in one file.

    An export without a row is a file all the same.
    """
    if order.shape is not Shape.PORTAL_CSV:
        return [(_sign_in_name(order, calendar), partial(_sign_in_file, people, order.shape, style))]
    interactive = [event for event in people if event.interactive]
    quiet = [event for event in people if not event.interactive]
    names = (_sign_in_name(order, calendar), f"NonInteractiveSignIns_{_window(calendar)}.csv")
    parts = zip(names, (interactive, quiet), strict=True)
    kept = [(name, events) for name, events in parts if events] or [(names[0], interactive)]
    return [(name, partial(_sign_in_file, events, order.shape, style)) for name, events in kept]


def _program_parts(order: _Order, calendar: Calendar, programs: list[SignIn], style: Rendering) -> list[Part]:
    portal = order.shape is Shape.PORTAL_CSV
    name = f"ApplicationSignIns_{_window(calendar)}.csv" if portal else "AADServicePrincipalSignInLogs.csv"
    return [(name, partial(_program_file, programs, order.shape, style))] if programs else []


def _window(calendar: Calendar) -> str:
    """The window as exports carry it in their names: first day, and the day after the last."""
    return f"{calendar.start:%Y-%m-%d}_{calendar.end:%Y-%m-%d}"


def _sign_in_name(order: _Order, calendar: Calendar) -> str:
    if order.shape is Shape.PORTAL_CSV:
        return f"InteractiveSignIns_{_window(calendar)}.csv"
    if order.shape is Shape.PS_CSV:
        return f"01_{_title(order.family)}_SignInLogs.csv"
    if order.shape is Shape.SENTINEL_CSV:
        return "SigninLogs.csv"
    return "SignInLogs.jsonl" if order.shape is Shape.GRAPH_JSONL else "SignInLogs.json"


def _title(family: Family) -> str:
    return "".join(word.capitalize() for word in family.value.split("-"))


def _program_file(events: Iterable[SignIn], shape: Shape, style: Rendering, path: Path) -> None:
    write_programs(path, events, shape, style)


def _sign_in_file(events: Iterable[SignIn], shape: Shape, style: Rendering, path: Path) -> None:
    write_sign_ins(path, events, shape, style)


def _other_parts(order: _Order, story: Story) -> list[Part]:
    parts: list[Part] = []
    if story.audit:
        write = partial(_audit_file, story.audit, len(story.audit), order.audit_shape)
        parts.append((_audit_name(order.family, order.audit_shape, story.calendar), write))
    if story.legacy:
        parts.append((f"10_{_title(order.family)}_LegacyAuth.csv", partial(_legacy_file, story.legacy)))
    return parts


def _audit_name(family: Family, shape: Shape, calendar: Calendar) -> str:
    if shape is Shape.PURVIEW_CSV:
        return f"AuditLog_{_window(calendar)}.csv"
    return f"07_{_title(family)}_FullAuditLog.csv"


def _audit_file(records: Iterable[AuditRecord], count: int, shape: Shape, path: Path) -> None:
    write_audit_log(path, records, count, shape)


def _legacy_file(attempts: Iterable[LegacyAttempt], path: Path) -> None:
    write_legacy_log(path, attempts)


def _single_log(order: _Order, seed: int, style: Rendering) -> _Draft:
    """A log of any length: rows are counted while they are written, so the tally is complete once the file is."""
    tally = Tally(order.variant, frozenset({HOME_COUNTRY}))
    if order.family is Family.SIGNINS:
        sign_ins = counted(many_sign_ins(seed, order.rows), tally.sign_in)
        part: Part = (_sign_in_name(order, USUAL), partial(_sign_in_file, sign_ins, order.shape, style))
    elif order.family is Family.UAL:
        records = counted(many_audit_records(seed, order.rows), tally.audit_record)
        part = (_audit_name(order.family, order.shape, USUAL), partial(_audit_file, records, order.rows, order.shape))
    else:
        attempts = counted(many_legacy_attempts(seed, order.rows), tally.legacy_attempt)
        part = ("10_LegacyAuth.csv", partial(_legacy_file, attempts))
    return _Draft([part], tally)


def _label(order: _Order, seed: int, draft: _Draft, names: tuple[str, ...], *, settled: bool) -> dict[str, object]:
    """The truth as a document.

    ``events``, ``by_outcome`` and ``true_outcome`` count rows by log type; of the audit log, outcomes speak of logons
    only. ``by_outcome`` is what the evidence can show after the damage of the variant, ``true_outcome`` what happened.
    ``recommended`` and ``field_states`` (of the sign-in log) list answers of which any one is right; ``field_states``
    is empty and ``verdict`` null where none is claimed. ``truth`` is what a whole case is labelled with, null for a
    single log. ``visible`` is false where the files cannot show the breach that took place.
    """
    tally, story = draft.tally, draft.story
    claimed = order.variant in JUDGED_AS_TOLD and not (story and story.verdict is None)
    return {
        "family": order.family,
        "variant": order.variant,
        "shape": order.shape,
        "seed": seed,
        "files": list(names),
        "verdict": story.verdict if story and claimed else None,
        "why": story.why if story else SINGLE_LOG_WHY,
        "compromised_accounts": list(story.compromised) if story else [],
        "visible": story.visible if story else True,
        "foreign_successes": tally.foreign_successes,
        "foreign_failures": tally.foreign_failures,
        "home_countries": sorted(tally.home_countries),
        "events": tally.events,
        "by_outcome": tally.by_outcome,
        "true_outcome": tally.true_outcome,
        "mail_items_accessed": tally.mail_items_accessed,
        "legacy_attempts": tally.legacy_attempts,
        "recommended": recommended(tally),
        "field_states": field_states(tally) if claimed else {},
        "truth": truth(tally, story, decidable=settled, plain=plain(order.family)) if story else None,
    }
