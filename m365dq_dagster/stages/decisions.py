"""The file of decisions: what a person decides on many values at once, written by the maintenance report, filled in
with a spreadsheet, read back and carried out. Deciding on one value is `code_changes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters.edited_tables import EditedTable, Line, csv_text, read_table
from m365dq_dagster.adapters.registry import CodeChange
from m365dq_dagster.core.code_changes import TEXT_CHARACTERS, Asked, ChangeState, CodeKey, ReferenceRow, Settlement
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.stages.code_changes import CodeDesk, cases_that_hold, next_step


@dataclass(frozen=True)
class DecisionRow:
    """One value to decide on: `decision` is `approve`, `reject` or blank; `evidence` helps to decide."""

    log_type: str
    field_name: str
    code_value: str
    category: str = ""
    outcome: str = ""
    first_factor: str = ""
    severity: str = ""
    meaning: str = ""
    source: str = ""
    evidence: str = ""
    decision: str = ""
    reason: str = ""


COLUMNS = tuple(one.name for one in fields(DecisionRow))
SAID = ("category", "outcome", "first_factor", "severity", "meaning")
"""What a line says of its value."""

FOLLOWING = ("outcome", "first_factor")
"""What follows from the class of a code where a line does not say it."""

REPLACED = "The file of decisions says otherwise; its line takes the place of this change."

WORDS: Mapping[str, ChangeState | None] = {
    "": None,
    "approve": ChangeState.APPROVED,
    "approved": ChangeState.APPROVED,
    "reject": ChangeState.REJECTED,
    "rejected": ChangeState.REJECTED,
}


class Result(StrEnum):
    """What became of a line."""

    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    LEFT = "LEFT"
    NEEDS_SECOND_PERSON = "NEEDS_SECOND_PERSON"


@dataclass(frozen=True)
class Decided:
    """What is to be done with a line: nothing, or these settlements, of which the last one is the line's own."""

    line: int
    key: CodeKey
    result: Result
    note: str
    settlements: tuple[Settlement, ...] = ()


def decisions_text(rows: Iterable[DecisionRow]) -> str:
    """The file as text, for whoever writes it; every cell is safe in a spreadsheet."""
    return csv_text(COLUMNS, ({name: getattr(row, name) for name in COLUMNS} for row in rows))


def carry_out(desk: CodeDesk, path: Path, reason: str | None = None, only: ChangeState | None = None) -> dict[str, Any]:
    """Carry out the decisions of a file: all lines are checked first, and either all decisions are kept or none.

    `reason` stands where a line has none; with `only` decisions of the other kind are left. A value that nobody
    proposed, or not as the line says, is proposed and decided in one step, unless it is critical: then it is proposed
    and waits for a second person. Raises `BadInput` naming file and line where a line is wrong.
    """
    table = read_table(path)
    missing = sorted({"log_type", "field_name", "code_value", "decision"} - set(table.columns))
    if missing:
        raise BadInput(
            f"{table.name}: the column {missing[0]!r} is missing; give the file that the maintenance report wrote, "
            "with its header."
        )
    decided = _checked(desk, table, reason, only)
    todo = [settlement for one in decided for settlement in one.settlements]
    done = iter(desk.registry.settle_codes(todo, desk.person, desk.now, f"{table.name} {table.sha256}"))
    rows = [_told(one, [next(done) for _ in one.settlements]) for one in decided]
    counts = Counter(row["result"] for row in rows)
    return {
        "file": str(path),
        **{result.value.lower(): counts[result.value] for result in Result},
        "lines": rows,
        "cases": cases_that_hold(desk.registry, [one.key for one in decided if one.result is Result.APPROVED]),
    }


def _told(one: Decided, changes: Sequence[CodeChange]) -> dict[str, Any]:
    return {
        "line": one.line,
        "log_type": one.key.log_type,
        "field_name": one.key.field,
        "code_value": one.key.value,
        "result": one.result.value,
        "change": changes[-1].id if changes else None,
        "note": one.note,
    }


def _checked(desk: CodeDesk, table: EditedTable, reason: str | None, only: ChangeState | None) -> list[Decided]:
    """Every line with what is to be done, or `BadInput` for the first wrong one, naming the others."""
    wrong = list(table.unreadable)
    decided: list[Decided] = []
    first: dict[CodeKey, tuple[int, Mapping[str, str]]] = {}
    for line in table.lines:
        try:
            decided += _line(desk, line, reason, only, first)
        except BadInput as error:
            wrong.append((line.number, str(error)))
    if wrong:
        raise BadInput(_wrong(table, sorted(wrong)))
    return decided


def _wrong(table: EditedTable, wrong: list[tuple[int, str]]) -> str:
    number, why = wrong[0]
    others = ", ".join(str(line) for line, _ in wrong[1:10])
    more = f" More is wrong in {table.unit} {others}{' and others' if len(wrong) > 10 else ''}." if others else ""
    return f"{table.name}, {table.unit} {number}: {why.rstrip('.')}. Nothing was done.{more}"


def _line(
    desk: CodeDesk,
    line: Line,
    reason: str | None,
    only: ChangeState | None,
    first: dict[CodeKey, tuple[int, Mapping[str, str]]],
) -> Iterator[Decided]:
    cells = line.cells
    word = cells["decision"].lower()
    if word not in WORDS:
        raise BadInput(f"decision is {one_line(word, 40)!r}; write approve or reject, or leave it blank")
    key = desk.key(cells["log_type"], cells["field_name"], cells["code_value"])
    state = WORDS[word]
    if state is None or only not in (None, state):
        yield Decided(line.number, key, Result.LEFT, "no decision" if state is None else f"not {only}".lower())
        return
    told = {name: cells.get(name, "") for name in (*SAID, "decision")}
    earlier, said = first.setdefault(key, (line.number, told))
    if earlier == line.number:
        yield _decided(desk, line, key, state, cells.get("reason") or reason)
    elif said == told:
        yield Decided(line.number, key, Result.LEFT, f"the same as line {earlier}")
    else:
        raise BadInput(f"{key} is decided otherwise in line {earlier}; keep one of the two")


def _decided(desk: CodeDesk, line: Line, key: CodeKey, state: ChangeState, reason: str | None) -> Decided:
    held, waiting, shipped = desk.in_force(key), desk.waiting.get(key), desk.shipped_as_pending(key)
    if waiting is None and held is not None and state is ChangeState.APPROVED and not any(_otherwise(line, held)):
        return Decided(line.number, key, Result.LEFT, "in force with just these values already")
    row = waiting.after if waiting else shipped.after if shipped else None
    if row is not None and (state is ChangeState.REJECTED or not any(_otherwise(line, row))):
        return _as_proposed(desk, line, key, state, reason)
    return _as_the_line_says(desk, line, key, row, state, reason)


def _as_proposed(desk: CodeDesk, line: Line, key: CodeKey, state: ChangeState, reason: str | None) -> Decided:
    """A decision on what waits, as it waits."""
    waiting = desk.waiting.get(key)
    own = waiting is not None and desk.is_own(waiting) and desk.critical(waiting)
    if waiting is not None and own and state is ChangeState.APPROVED:
        return Decided(line.number, key, Result.NEEDS_SECOND_PERSON, f"change {waiting.id} is your own proposal")
    settlement = desk.settlement(key, state, reason)
    return Decided(line.number, key, Result(state.value), settlement.reason or "", (settlement,))


def _as_the_line_says(
    desk: CodeDesk, line: Line, key: CodeKey, row: ReferenceRow | None, state: ChangeState, reason: str | None
) -> Decided:
    """A decision on what nobody proposed, or not so: the line's own proposal, in place of the one that waits."""
    asked = _asked(key, line.cells, row)
    if not (asked.category and asked.severity and asked.meaning):
        if state is ChangeState.REJECTED:
            return Decided(line.number, key, Result.LEFT, "nothing waits for it; it stays as it is")
        raise BadInput(f"{key} is not proposed yet; give its category, severity and meaning")
    proposal = desk.draft(asked, reason)
    if proposal is None:
        return Decided(line.number, key, Result.LEFT, "what the line says is in force")
    replaced, note = _replaced(desk.waiting.get(key))
    if proposal.is_critical and state is ChangeState.APPROVED:
        told = f"{note}it waits{next_step(key, critical=True)}"
        settlements = (*replaced, Settlement(proposal, ChangeState.PENDING))
        return Decided(line.number, key, Result.NEEDS_SECOND_PERSON, told, settlements)
    settlement = desk.checked(proposal, state, reason)
    told = f"{note}{settlement.reason or ''}"
    return Decided(line.number, key, Result(state.value), told, (*replaced, settlement))


def _replaced(waiting: CodeChange | None) -> tuple[tuple[Settlement, ...], str]:
    """What waits and is not what the line says is turned down, so that the line can take its place."""
    if waiting is None:
        return (), ""
    return (Settlement(waiting.id, ChangeState.REJECTED, REPLACED),), f"in place of change {waiting.id}; "


def _otherwise(line: Line, row: ReferenceRow) -> Iterator[tuple[str, str, str]]:
    """What a line says of its value and a row says otherwise; a blank says nothing."""
    for name in SAID:
        said, held = line.cells.get(name, ""), getattr(row, name) or ""
        if said and one_line(said, TEXT_CHARACTERS).lower() != held.lower():
            yield name, said, held


def _asked(key: CodeKey, cells: Mapping[str, str], row: ReferenceRow | None) -> Asked:
    """What a line says of its value, completed from the row that waits. Where the line gives another class and repeats
    outcome and first factor of the old one, they follow from the new class.
    """
    said = {name: cells.get(name) or (getattr(row, name) or "" if row else "") for name in SAID}
    if row is not None and said["category"].lower() != (row.category or "").lower():
        said |= {name: "" for name in FOLLOWING if said[name] == (getattr(row, name) or "")}
    return Asked(
        key,
        said["category"],
        said["severity"],
        said["meaning"],
        said["outcome"] or None,
        said["first_factor"] or None,
        cells.get("source") or None,
    )
