"""What two judgements of a case say otherwise, for the screen: the verdict, what changed, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from m365dq_dagster.cli.terminal import cell, table
from m365dq_dagster.core import differences
from m365dq_dagster.core.differences import Changed, Difference, Moved, RuleChange
from m365dq_dagster.core.narrative import count, moment, percent, plural, score

SHOWN = 25
"""Rows of one part that the screen shows; `--json` gives all of them."""


def screen(found: Difference) -> RenderableType:
    """The comparison for people: the verdict in a sentence, then what changed, then why."""
    parts: list[RenderableType] = [cell(differences.sentence(found), "bold"), *_sides(found)]
    if not found.is_empty:
        parts += [
            *_accounts(found.accounts),
            *_outcomes(found),
            *_part("Unknown codes and values", found.unknown, _rows),
            *_part("Findings", found.findings, _finding),
            *_part("Recommended fields", found.recommended, _named),
            *_part("Fields", found.fields, _named),
        ]
    return Group(*parts, *_why(found))


def _sides(found: Difference) -> list[RenderableType]:
    lines = []
    for name, head in (("Before", found.before), ("After", found.after)):
        again = ", judged again" if head.get("rejudged") else ""
        pack = str(head.get("rule_pack"))[:19]
        lines.append(
            cell(f"{name}: run {head.get('generation')} of {moment(head.get('started_at'))}{again}, pack {pack}")
        )
    return [*lines, cell("")]


def _accounts(changed: Sequence[Changed]) -> list[RenderableType]:
    if not changed:
        return []
    rows = [(one.what, _account(one.before), _account(one.after), _counts(one)) for one in changed[:SHOWN]]
    title = f"Accounts judged otherwise: {len(changed):,}"
    return [
        table(title, ("Account", "Before", "After", "What else"), rows, free=("What else",)),
        *_more(changed),
        cell(""),
    ]


def _account(side: Mapping[str, Any] | None) -> str:
    if side is None:
        return "not there"
    if "verdict" not in side:
        return "as before"
    return differences.account_word(side["verdict"])


def _counts(one: Changed) -> str:
    """The other words and counts that moved."""
    names = [name for name in (one.after or {}) if name != "verdict" and one.before is not None]
    return ", ".join(
        f"{name} {_value((one.before or {}).get(name))} -> {_value((one.after or {})[name])}" for name in names
    )


def _value(value: object) -> str:
    if isinstance(value, float):
        return percent(value)
    if isinstance(value, list):
        return "+".join(map(str, value)) or "none"
    return count(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _outcomes(found: Difference) -> list[RenderableType]:
    if found.outcomes is None:
        note = "The rows of one side are not kept any more; outcomes are compared by log and not by code."
        return [cell(note, "yellow"), *_part("Outcomes", found.totals, _totals)]
    if not found.outcomes:
        return []
    rows = [
        (one.code or differences.UNCODED, one.log_type, _tally(one.before), _tally(one.after)) for one in found.outcomes
    ]
    titles = ("Code", "Log", "Rows before", "Rows after")
    made = table("Outcomes by code", titles, rows[:SHOWN], free=("Rows before", "Rows after"))
    return [made, *_more(found.outcomes), cell("")]


def _tally(side: Mapping[str, int]) -> str:
    return ", ".join(f"{rows:,} {outcome}" for outcome, rows in sorted(side.items())) or "none"


def _totals(one: Changed) -> str:
    return f"{one.what}: {_tally(one.before or {})} -> {_tally(one.after or {})}"


def _rows(one: Changed) -> str:
    if one.after is None:
        return f"{one.what}: known now"
    return f"{one.what}: {plural(one.after['rows'], 'row')}" + ("" if one.before is None else " now")


def _finding(one: Changed) -> str:
    if one.before is None or one.after is None:
        claim = (one.after or one.before or {}).get("claim")
        return f"{'new' if one.before is None else 'gone'}: {claim}"
    return _named(one)


def _named(one: Changed) -> str:
    return f"{one.what}: {_words(one)}"


def _words(one: Changed) -> str:
    if one.before is None or one.after is None:
        side = one.after or one.before or {}
        return ("new: " if one.before is None else "gone: ") + ", ".join(f"{name} {_said(side[name])}" for name in side)
    return ", ".join(f"{name} {_said(one.before[name])} -> {_said(one.after.get(name))}" for name in one.before)


def _said(value: object) -> str:
    return score(value) if isinstance(value, float) else str(value)


def _part(title: str, changed: Sequence[Changed], told: Callable[[Changed], str]) -> list[RenderableType]:
    if not changed:
        return []
    lines: list[RenderableType] = [cell(f"{title}: {plural(len(changed), 'change')}", "bold")]
    lines += [Padding(cell(told(one)), (0, 0, 0, 2)) for one in changed[:SHOWN]]
    return [*lines, *_more(changed), cell("")]


def _more(rows: Sequence[Changed] | Sequence[Moved] | Sequence[RuleChange]) -> list[Text]:
    return [cell(f"  and {len(rows) - SHOWN:,} more: --json gives all of them")] if len(rows) > SHOWN else []


def _why(found: Difference) -> Iterable[RenderableType]:
    told = differences.reasons(found)
    if not told:
        same = "Both were judged by the same rule pack, from the same files and context."
        return [cell(same)]
    title = "Other rules or evidence, to the same end" if found.is_empty else "Why: what they were judged by"
    lines: list[RenderableType] = [cell(title, "bold")]
    lines += [Padding(cell(text), (0, 0, 0, 2)) for text in told[:SHOWN]]
    if len(told) > SHOWN:
        lines.append(cell(f"  and {len(told) - SHOWN:,} more: --json gives all of them"))
    return lines
