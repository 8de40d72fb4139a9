"""`m365dq codes`: the reference of codes, values and operations, read and changed. What may be changed and by whom is
not decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.narrative import plural

if TYPE_CHECKING:
    from m365dq_dagster.core.code_changes import ChangeState

app = typer.Typer(
    help="List, look up and change what is known of codes, values and operations.",
    add_completion=False,
    rich_markup_mode=None,
)

COLUMNS = ("log_type", "field_name", "code_value", "category", "severity", "state", "meaning")
TITLES = ("Log type", "Field", "Code", "Category", "Severity", "State", "Meaning")

FIRST = ("category", "first_factor", "severity", "meaning")
CONFLICTS_SHOWN = 40
CONFLICTS = {
    "DUPLICATE": "said twice and differently",
    "DIFFERS": "other than what is known",
    "OTHER_WORDS": "known in other words",
    "BEHIND": "decided here already",
    "WAITS": "waiting with other values",
    "UNREADABLE": "unreadable",
}

LogType = Annotated[str | None, typer.Option("--log-type", help="Only codes of this log type.")]
Field = Annotated[str | None, typer.Option("--field", help="Only codes of this field.")]
InLog = Annotated[str, typer.Argument(metavar="LOG_TYPE", help="The log type, e.g. sign_in_logs.")]
InField = Annotated[str, typer.Argument(metavar="FIELD", help="The field, e.g. status_error_code.")]
Value = Annotated[str, typer.Argument(metavar="VALUE", help="The value as it stands in the log, e.g. 50126.")]
MaybeLog = Annotated[str | None, typer.Argument(metavar="LOG_TYPE", help="The log type, e.g. sign_in_logs.")]
MaybeField = Annotated[str | None, typer.Argument(metavar="FIELD", help="The field, e.g. status_error_code.")]
MaybeValue = Annotated[str | None, typer.Argument(metavar="VALUE", help="The value, e.g. 50126.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, in one sentence; kept in the audit log.")]
Actor = Annotated[
    str | None,
    typer.Option("--actor", help="A name beside that of this machine's user; it makes nobody another person."),
]
From = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="A file of decisions, as the maintenance report writes it."),
]


@app.command("list")
def listed(
    ctx: typer.Context,
    state: Annotated[str | None, typer.Option("--state", help="Only ACTIVE, PENDING or REJECTED rows.")] = None,
    log_type: LogType = None,
    field: Field = None,
    severity: Annotated[str | None, typer.Option("--severity", help="Only INFO, WARNING or CRITICAL.")] = None,
    category: Annotated[str | None, typer.Option("--category", help="Only this class, e.g. bad_credentials.")] = None,
    deprecated: Annotated[bool, typer.Option("--deprecated", help="Only what the vendor gives no more.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what is known: in force, and waiting for approval."""
    bench = workbench(ctx)
    wanted = {"log_type": log_type, "field_name": field, "severity": severity, "category": category, "state": state}
    rows = bench.codes(None, wanted, deprecated=deprecated)
    _print(rows, bench.owner(), as_json=as_json)


@app.command("lookup")
def lookup(
    ctx: typer.Context,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The code as it stands in the log, e.g. 50126.")],
    log_type: LogType = None,
    field: Field = None,
    as_json: AsJson = False,
) -> None:
    """Say what a code means."""
    bench = workbench(ctx)
    rows = bench.codes(value, {"log_type": log_type, "field_name": field})
    if not rows:
        raise BadInput(
            f"Code {value[:40]!r} is in no table and is not guessed; look it up in the vendor's reference, then "
            "propose it with m365dq codes add."
        )
    _print(rows, bench.owner(), as_json=as_json)


@app.command("add")
def add(
    ctx: typer.Context,
    log_type: InLog,
    field: InField,
    value: Value,
    category: Annotated[str, typer.Option("--category", help="Its class, e.g. bad_credentials.")],
    severity: Annotated[str, typer.Option("--severity", help="INFO, WARNING or CRITICAL.")],
    meaning: Annotated[str, typer.Option("--meaning", help="What it means, in one sentence of your own.")],
    outcome: Annotated[str | None, typer.Option("--outcome", help="Else it follows from the class.")] = None,
    first_factor: Annotated[
        str | None, typer.Option("--first-factor", help="Was the password right? Else it follows from the class.")
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Where it is documented.")] = None,
    provenance: Annotated[
        str | None, typer.Option("--provenance", help="documented, community or unverified; else by the source.")
    ] = None,
    reason: Reason = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Propose a code, or a change of one; nothing is judged by it before somebody approves it."""
    from m365dq_dagster.core.code_changes import Asked, CodeKey

    key = CodeKey(log_type, field, value)
    asked = Asked(key, category, severity, meaning, outcome, first_factor, source, provenance)
    with workbench(ctx).code_desk(actor) as desk:
        change = desk.propose(asked, reason)
        if change is not None:
            _changed(desk.mapping(change), as_json=as_json)
        elif as_json:
            terminal.emit({"change": None, "state": "ACTIVE", "log_type": log_type, "code_value": value})
        else:
            terminal.say(f"{log_type}.{field} {value!r} is in force with just these values; nothing was proposed.")


@app.command("approve")
def approve(
    ctx: typer.Context,
    log_type: MaybeLog = None,
    field: MaybeField = None,
    value: MaybeValue = None,
    file: From = None,
    reason: Reason = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Put in force what waits for approval: one value, or all that a file decides."""
    from m365dq_dagster.core.code_changes import ChangeState

    _decide(ctx, ChangeState.APPROVED, (log_type, field, value), file, reason, actor, as_json=as_json)


@app.command("reject")
def reject(
    ctx: typer.Context,
    log_type: MaybeLog = None,
    field: MaybeField = None,
    value: MaybeValue = None,
    file: From = None,
    reason: Reason = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Turn down what waits for approval; the value stays unknown, or as it was."""
    from m365dq_dagster.core.code_changes import ChangeState

    _decide(ctx, ChangeState.REJECTED, (log_type, field, value), file, reason, actor, as_json=as_json)


@app.command("deprecate")
def deprecate(
    ctx: typer.Context,
    log_type: InLog,
    field: InField,
    value: Value,
    reason: Annotated[str, typer.Option("--reason", help="Why, in one sentence; kept in the audit log.")],
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Propose to mark a code as one that the vendor gives no more; old evidence is judged by it all the same."""
    with workbench(ctx).code_desk(actor) as desk:
        _changed(desk.mapping(desk.deprecate(desk.key(log_type, field, value), reason)), as_json=as_json)


@app.command("history")
def history(
    ctx: typer.Context,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The code as it stands in the log, e.g. 50126.")],
    as_json: AsJson = False,
) -> None:
    """Tell how a row came about: who proposed, who decided, when and why, and what the rule pack changed."""
    rows = workbench(ctx).code_history(value)
    if as_json:
        terminal.emit(rows)
        return
    if not rows:
        terminal.say(f"{value} stands as the rule pack brought it; m365dq codes lookup shows it.")
        return
    titles = ("When (UTC)", "What", "Who", "Why", "Column: old -> new")
    shown = [[row["at"][:16], row["what"], row["who"], row["why"], _told(row["differences"])] for row in rows]
    terminal.console().print(terminal.table(f"History of {value}", titles, shown, free=("Why", "Column: old -> new")))


@app.command("import")
def take_in(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV or JSON list of codes, ours or a public one.")],
    log_type: Annotated[
        str | None, typer.Option("--log-type", help="Where values stand of which the file does not say it.")
    ] = None,
    field: Annotated[str | None, typer.Option("--field", help="The field they stand in; else Entra's codes.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report; propose nothing.")] = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Propose what a list says and the reference does not, and report what does not agree; nothing comes into force."""
    from m365dq_dagster.core.code_changes import CODE_FIELDS
    from m365dq_dagster.stages.code_lists import take_in

    place = (log_type or CODE_FIELDS[0][0], field or CODE_FIELDS[0][1])
    with workbench(ctx).code_desk(actor) as desk:
        done = take_in(desk, file, dry_run=dry_run, place=place)
    if as_json:
        terminal.emit(done)
        return
    _show_conflicts(done["conflicts"])
    for sentence in _taken_in(done):
        terminal.say(sentence)


@app.command("export")
def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; .csv or .json.")],
    as_json: AsJson = False,
) -> None:
    """Write what is known to a file, which `codes import` reads back without a difference."""
    written = workbench(ctx).export_codes(file)
    if as_json:
        terminal.emit(written)
        return
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(written["states"].items()))
    terminal.say(f"{plural(written['rows'], 'row')} ({states}) written to {written['file']}.")


@app.command("unknown")
def unknown(
    ctx: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How many days back.")] = 90,
    as_json: AsJson = False,
) -> None:
    """List the codes and other values seen in evidence that are in no table."""
    bench = workbench(ctx)
    rows = bench.unknown_codes(days)
    if as_json:
        terminal.emit(rows)
    elif not rows:
        terminal.say(f"No unknown codes were seen in the last {days} days.")
    else:
        shown = [
            [row["log_type"], row["field"], row["value"], row["rows"], row["state"], ", ".join(sorted(row["cases"]))]
            for row in rows
        ]
        titles = ("Log type", "Field", "Code", "Rows", "State", "Cases")
        caption = f"{plural(len(rows), 'unknown code')}; {bench.owner()} answers for the reference"
        terminal.console().print(terminal.table(caption, titles, shown, ("Rows",), ("Cases",)))
        for sentence in _what_next(rows):
            terminal.say(sentence)


def _what_next(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    from m365dq_dagster.core.code_changes import CodeKey

    waiting = [row for row in rows if row["state"] == "PENDING"]
    first = []
    if waiting:
        row = waiting[0]
        key = CodeKey(row["log_type"], row["field"], row["value"])
        first = [f"What is PENDING waits for approval: {key.command('approve')}"]
    if len(waiting) == len(rows):
        return first
    return [
        *first,
        "Find out what each means (docs/runbooks/unknown-status-code.md), then: m365dq codes add LOG_TYPE FIELD CODE "
        "--category CATEGORY --severity SEVERITY --meaning TEXT",
    ]


def _decide(
    ctx: typer.Context,
    state: ChangeState,
    named: tuple[str | None, str | None, str | None],
    file: Path | None,
    reason: str | None,
    actor: str | None,
    *,
    as_json: bool,
) -> None:
    log_type, field, value = named
    if file is not None and not any(named):
        _decide_many(ctx, state, file, reason, actor, as_json=as_json)
        return
    if log_type is None or field is None or value is None or file is not None:
        raise BadInput("Give LOG_TYPE, FIELD and VALUE, or --from FILE with the decisions of many.")
    with workbench(ctx).code_desk(actor) as desk:
        change = desk.decide(desk.key(log_type, field, value), state, reason)
        _changed(desk.mapping(change), as_json=as_json)


def _decide_many(
    ctx: typer.Context, state: ChangeState, file: Path, reason: str | None, actor: str | None, *, as_json: bool
) -> None:
    from m365dq_dagster.core.code_changes import ChangeState
    from m365dq_dagster.stages.decisions import carry_out

    only = ChangeState.REJECTED if state is ChangeState.REJECTED else None
    with workbench(ctx).code_desk(actor) as desk:
        done = carry_out(desk, file, reason, only)
    if as_json:
        terminal.emit(done)
        return
    titles = ("Line", "Log type", "Field", "Code", "Result", "Change", "Note")
    names = ("line", "log_type", "field_name", "code_value", "result", "change", "note")
    rows = [[row[name] for name in names] for row in done["lines"]]
    caption = (
        f"{done['approved']} approved, {done['rejected']} rejected, {done['left']} left, "
        f"{done['needs_second_person']} need a second person"
    )
    terminal.console().print(terminal.table(caption, titles, rows, ("Line", "Change"), free=("Note",)))
    if done["cases"]:
        cases = ", ".join(done["cases"])
        terminal.say(f"Cases that hold what was approved: {cases}. Judge each again: m365dq rejudge {done['cases'][0]}")


def _show_conflicts(conflicts: Sequence[Mapping[str, Any]]) -> None:
    titles = ("Conflict", "Lines", "Value", "What does not agree")
    rows = [
        [row["kind"], ", ".join(map(str, row["lines"])), row["value"], row["detail"]]
        for row in conflicts[:CONFLICTS_SHOWN]
    ]
    if rows:
        caption = plural(len(conflicts), "conflict")
        terminal.console().print(terminal.table(caption, titles, rows, free=("Value", "What does not agree")))
    if len(conflicts) > CONFLICTS_SHOWN:
        terminal.say(f"and {len(conflicts) - CONFLICTS_SHOWN:,} more; --json gives all.")


def _taken_in(done: Mapping[str, Any]) -> list[str]:
    proposed = done["proposed"]
    kinds = Counter(row["kind"] for row in done["conflicts"])
    told = "".join(f"; {count:,} {CONFLICTS[kind]}" for kind, count in kinds.items())
    would = "would be proposed" if done["dry_run"] else "proposed"
    first = f"{plural(done['rows'], 'row')}: {len(proposed):,} {would}, {done['equal']:,} as they are known{told}."
    if not proposed or done["dry_run"]:
        return [first, "Nothing was changed."]
    critical = sum(row["critical"] for row in proposed)
    second = f" {critical:,} of them are critical and need a second person." if critical else ""
    return [
        first,
        "What was proposed waits for approval: m365dq codes list --state PENDING, then m365dq codes approve LOG_TYPE "
        f"FIELD VALUE, or many at once with --from FILE.{second}",
    ]


def _changed(change: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        terminal.emit(change)
        return
    if change["before"] is not None:
        rows = [[one["column"], one["before"], one["after"]] for one in change["differences"]]
        terminal.console().print(terminal.table("What changes", ("Column", "Old", "New"), rows, free=("Old", "New")))
    for sentence in change["sentences"]:
        terminal.say(sentence)


def _told(differences: Sequence[Mapping[str, Any]]) -> str:
    """What a change alters; of a new row what it says first of all."""
    if differences and all(one["before"] is None for one in differences):
        told = {one["column"]: one["after"] for one in differences}
        return "; ".join(f"{name}: {told[name]}" for name in FIRST if told.get(name))
    return "; ".join(f"{one['column']}: {one['before'] or '-'} -> {one['after'] or '-'}" for one in differences)


def _print(rows: list[dict[str, Any]], owner: str, *, as_json: bool) -> None:
    if as_json:
        terminal.emit(rows)
        return
    shown = ([row.get(name) for name in COLUMNS] for row in rows)
    caption = f"{plural(len(rows), 'row')}; {owner} answers for the reference"
    terminal.console().print(terminal.table(caption, TITLES, shown, free=("Meaning",)))
    if any(row["state"] == "PENDING" or row["pending_change"] for row in rows):
        terminal.say("What waits is decided by m365dq codes approve LOG_TYPE FIELD VALUE, or reject with --reason.")
