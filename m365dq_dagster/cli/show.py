"""`m365dq show`: a case read back, one view at a time, down to the raw lines a finding rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson, CaseName
from m365dq_dagster.cli.terminal import cell, table
from m365dq_dagster.cli.workbench import Workbench, workbench
from m365dq_dagster.core import narrative
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.printable import printable

Document = Mapping[str, Any]

RAW_ROWS = 200
"""Rows set aside that one screen shows; `--json` gives all of them."""

RAW_CHARACTERS = 500
"""Characters of such a row that the screen shows; `--json` gives the whole text."""

LEADS = 20
"""Leads of one kind that the screen shows."""

LINE = 116
"""Characters of a sentence on one line; longer ones lose their middle after two."""

LISTS = 40
"""Field lists and changes that the screen shows; `--json` gives all of them."""

NAMED = 5
"""Sentences of one kind in the summary."""

CORRECTION = 600
"""Characters of a correction in the summary."""


def show(
    ctx: typer.Context,
    case: CaseName,
    view: Annotated[str, typer.Argument(metavar="[VIEW]", help="What to show; see below.")] = "summary",
    finding: Annotated[
        str | None, typer.Argument(metavar="[FINDING]", help="With `evidence`: a finding, e.g. F-001.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read the results of a case back.

    Views: summary, files, quality, fields, accounts, findings, conflicts, indicators, completeness, schema, quarantine
    (with the raw rows), provenance, corrections, progress, runs (all judgements of the case); and `evidence F-001`,
    which prints the raw lines of a finding.
    """
    bench = workbench(ctx)
    if view not in KEYS and view not in READERS and view != "evidence":
        names = ", ".join([*KEYS, *READERS])
        raise BadInput(f"There is no view {view[:40]!r}; the views are {names} and evidence.")
    if finding is not None and view != "evidence":
        raise BadInput(f"{finding[:40]!r} was not expected after {view}; only `evidence` takes a finding.")
    if view in READERS:
        READERS[view](bench, case, as_json=as_json)
    elif view == "evidence":
        _evidence(bench, case, finding, as_json=as_json)
    else:
        _view(bench, bench.document(case), view, as_json=as_json)


def _view(bench: Workbench, document: Document, view: str, *, as_json: bool) -> None:
    if as_json:
        terminal.emit({key: document.get(key) for key in KEYS[view]} if KEYS[view] else document)
    elif view == "summary":
        terminal.console().print(_summary(document, bench.pack_hash()))
    else:
        corrected = narrative.correction_banners(document) if view != "corrections" else []
        banners = [cell(narrative.elided(text, CORRECTION), "yellow") for text in corrected[:NAMED]]
        terminal.console().print(Group(*banners, VIEWS[view](document)))


def _summary(document: Document, in_force: str) -> RenderableType:
    lines: list[RenderableType] = []
    lines.append(cell(narrative.verdict_line(document), "bold"))
    lines.append(cell(narrative.why(document)))
    banners = (
        narrative.override_banner(document),
        narrative.switch_banner(document),
        *(narrative.elided(text, CORRECTION) for text in narrative.correction_banners(document)[:NAMED]),
        narrative.stale(document),
        narrative.rejudged_banner(document),
        narrative.other_pack_banner(document, in_force),
    )
    lines += [cell(banner, "yellow") for banner in banners if banner]
    lines += [cell(f"Cannot be concluded: {text}") for text in narrative.texts(document, "cannot_conclude")]
    facts = [
        ("Case", document.get("case")),
        ("Stage", document.get("stage")),
        ("Judged at", narrative.moment(document.get("started_at"))),
        ("Rule pack", document.get("rule_pack")),
        *zip(("Sign-ins", "From abroad"), narrative.sign_in_figures(document), strict=False),
        *(("Trust", text) for text in narrative.trusted(document)),
        *(("Do not trust", text) for text in narrative.distrusted(document)),
        *(("Not known", text) for text in narrative.unknowns(document)),
        ("Files", narrative.files_summary(document)),
        ("Logs", narrative.logs_summary(document)),
        *([("Countries", narrative.places(document))] if narrative.places(document) else []),
        *_first("Rule conflict", narrative.texts(document, "rule_pack_conflicts"), "see the document (--json)"),
        *_first("Not read", narrative.unread(document), f"m365dq show {document.get('case')} files"),
        *_first("Missing?", narrative.gaps(document), f"m365dq show {document.get('case')} completeness"),
        *(("Not tested", text) for text in narrative.texts(document, "not_tested")),
    ]
    lines.append(_pairs(facts))
    lines.append(cell(narrative.RESIDUAL_RISK))
    return Group(*lines)


def _first(label: str, sentences: list[str], rest: str) -> list[tuple[str, str]]:
    """The first sentences of a kind, each bounded, and where the rest of them stands."""
    shown = [(label, narrative.elided(text, 2 * LINE)) for text in sentences[:NAMED]]
    return shown + ([(label, f"and {len(sentences) - NAMED:,} more: {rest}")] if len(sentences) > NAMED else [])


def _pairs(facts: Iterable[tuple[str, object]]) -> RenderableType:
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for label, value in facts:
        grid.add_row(cell(label), cell(value))
    return grid


def _files(document: Document) -> RenderableType:
    """The files by what they were read as, then what was opened and what was not taken in, by reason, and the sums."""
    taken: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    opened, unread, files = [], narrative.not_taken_in(document), narrative.items(document, "files")
    for row in (row for row in files if row not in unread):
        if row.get("log_type"):
            taken.setdefault((str(row["log_type"]), str(row.get("format"))), []).append(row)
        else:
            opened.append(row)
    parts = [_files_of(*key, rows) for key, rows in sorted(taken.items())]
    parts += [*_by_reason("Opened", opened), *_by_reason("Not taken in", unread)]
    told = (*narrative.remarks(document), *narrative.schema_changes(document), narrative.places(document))
    remarks = [cell(text) for text in told if text]
    totals = cell(f"{len(files):,} in all: {narrative.files_summary(document)}", "bold")
    return Group(*parts, *remarks, totals)


def _by_reason(title: str, files: list[Mapping[str, Any]]) -> list[RenderableType]:
    """Files that are no table of events: each reason once, then one file a line."""
    lines: list[RenderableType] = [_heading(f"{title}: {narrative.plural(len(files), 'file')}")] if files else []
    for reason, rows in narrative.by_reason(files).items():
        lines.append(cell(narrative.elided(reason, 2 * LINE)))
        lines += [Padding(_status_of(row), (0, 0, 0, 2)) for row in rows]
    return [*lines, cell("")] if lines else []


def _status_of(row: Mapping[str, Any]) -> Text:
    return cell(row.get("status")) + Text("  ") + cell(row.get("path"))


def _files_of(log_type: str, form: str, files: list[Mapping[str, Any]]) -> RenderableType:
    rows = (
        (
            row.get("path"),
            row.get("status"),
            *(narrative.count(row.get(key)) for key in narrative.ROW_COUNTS),
            _day(row.get("first_event")),
            _day(row.get("last_event")),
        )
        for row in files
    )
    numbers = ("Rows", "Kept", "Copies", "Set aside")
    title = _heading(f"{log_type}, read as {form}: {narrative.plural(len(files), 'file')}")
    return Group(title, table("", ("File", "Status", *numbers, "From", "To"), rows, numbers), cell(""))


def _heading(words: str) -> Text:
    return cell(words, "bold")


def _day(moment: object) -> str:
    return str(moment)[:10] if moment else "-"


def _quality(document: Document) -> RenderableType:
    quality = narrative.part(document, "quality")
    rows = ((row.get("check"), row.get("reason"), row.get("runbook")) for row in narrative.failed_checks(document))
    parts: list[RenderableType] = [cell(f"Quality gate: {quality.get('status')}")]
    banners = (narrative.override_banner(document), narrative.switch_banner(document))
    parts += [cell(banner, "yellow") for banner in banners if banner]
    titles = ("Check", "Reason", "What to do")
    if narrative.failed_checks(document):
        parts.append(table("Failed checks", titles, rows, free=("Reason",)))
    parts += _disabled("Passed over by the override", narrative.passed_over(document))
    parts += _disabled("Switched off by policy", narrative.switched_off(document))
    notes = [(row.get("check"), row.get("reason"), row.get("runbook")) for row in narrative.items(quality, "notes")]
    if notes:
        parts.append(table("Failed, and only to be noted", titles, notes, free=("Reason",)))
    return Group(*parts)


def _disabled(title: str, rows: list[Mapping[str, Any]]) -> list[RenderableType]:
    """Checks that held nothing back, each with what it says and what stands in for it."""
    shown = [(row.get("check"), row.get("reason"), row.get("compensated_by")) for row in rows]
    columns = ("Check", "What it says", "What stands in for it")
    return [table(title, columns, shown, free=columns[1:])] if shown else []


def _fields(document: Document) -> RenderableType:
    rows = narrative.items(document, "fields")
    log_types = dict.fromkeys(str(row.get("log_type")) for row in rows)
    tables = [_fields_of(name, [row for row in rows if row.get("log_type") == name]) for name in log_types]
    return Group(*tables, *(cell(f"Trust: {text}") for text in narrative.trusted(document)))


def _fields_of(log_type: str, rows: list[Mapping[str, Any]]) -> RenderableType:
    """The fields that tell outcomes, the others, what changes within the log, and what was counted against a field."""
    outcome = [row for row in rows if row.get("role") == "outcome" and narrative.is_there(row)]
    others = [row for row in rows if row.get("role") != "outcome" and narrative.is_there(row)]
    absent = [row for row in rows if not narrative.is_there(row)]
    parts: list[RenderableType] = []
    if outcome:
        parts.append(_judged(f"Fields of {log_type} that may tell how a sign-in ended", outcome))
    if others:
        parts.append(_described(f"Other fields of {log_type}", others))
    parts += _listed(
        f"Not in {log_type}, and why", [narrative.field_sentence(row) for row in absent if row.get("rules")]
    )
    plain = [str(row.get("field")) for row in absent if not row.get("rules")]
    parts += [cell(f"Not in {log_type}: {', '.join(plain)}."), cell("")] if plain else []
    parts += _listed("What changes within the log", narrative.field_changes(rows))
    parts += _listed("Context rules that applied", narrative.rules_told(rows))
    remarks = [f"{row.get('field')}: {text}" for row in rows for text in narrative.texts(row, "remarks")]
    parts += _listed("Remarks", remarks)
    return Group(*parts, *_types(rows))


def _judged(title: str, rows: list[Mapping[str, Any]]) -> RenderableType:
    columns = ("Field", "State", "Score", "May testify", "Why")
    shown = (
        (
            row.get("field"),
            row.get("state"),
            narrative.score(row.get("score")),
            narrative.heard(row),
            narrative.field_sentence(row),
        )
        for row in rows
    )
    return table(title, columns, shown, ("Score",), ("Why",))


def _described(title: str, rows: list[Mapping[str, Any]]) -> RenderableType:
    columns = ("Field", "Role", "State", "Score", "Filled", "Most common")
    shown = (
        (
            row.get("field"),
            row.get("role"),
            row.get("state"),
            narrative.score(row.get("score")),
            narrative.percent(row.get("population")),
            narrative.elided(row.get("top_raw") or row.get("top_value") or "-", 40),
        )
        for row in rows
    )
    return table(title, columns, shown, ("Score", "Filled"), ("Most common",))


def _listed(title: str, sentences: list[str]) -> list[RenderableType]:
    """A heading and one sentence a line, the first of them where there are many; nothing for none."""
    if not sentences:
        return []
    lines: list[RenderableType] = [_heading(title)]
    lines += [Padding(cell(text), (0, 0, 0, 2)) for text in sentences[:LEADS]]
    if len(sentences) > LEADS:
        lines.append(cell(f"  and {len(sentences) - LEADS:,} more: --json gives all of them"))
    return [*lines, cell("")]


def _types(rows: list[Mapping[str, Any]]) -> list[RenderableType]:
    """Fields that are not in one state on all types of sign-ins."""
    shown = [
        (
            field,
            kind,
            narrative.count(each.get("applicable_rows")),
            each.get("state") or "too few rows",
            "yes" if each.get("may_testify") else "no",
            narrative.percent(each.get("population")),
            f"{narrative.elided(each.get('top_value') or '-')} ({narrative.percent(each.get('top_share'))})",
        )
        for field, kind, each in narrative.type_differences(rows)
    ]
    columns = ("Field", "Sign-ins", "Rows", "State", "May testify", "Filled", "Most common")
    return [table("Not the same on all sign-ins", columns, shown, ("Rows", "Filled")), cell("")] if shown else []


def _accounts(document: Document) -> RenderableType:
    columns = ("Account", "Verdict", "Conf.", "Success", "Foreign", "Rate", "Decided", "Home")
    accounts = narrative.accounts_worst_first(document)
    rows = (
        (
            row.get("account"),
            row.get("verdict"),
            row.get("confidence"),
            narrative.count(row.get("success")),
            narrative.count(row.get("foreign_success")),
            narrative.percent(row.get("foreign_attempt_success_rate")),
            narrative.percent(row.get("decision_coverage")),
            ", ".join(narrative.texts(row, "home_countries")) or "unknown",
        )
        for row in accounts
    )
    told = [row for row in accounts if row.get("verdict") != "NO_INDICATION" and narrative.reasons(row)]
    why = [cell(f"{row.get('account')}: {narrative.reasons(row)}") for row in told]
    made = table("Accounts, worst first", columns, rows, ("Success", "Foreign", "Rate", "Decided"), ("Home",))
    return Group(made, *why)


def _findings(document: Document) -> RenderableType:
    rows = (
        (
            row.get("id"),
            row.get("severity"),
            row.get("confidence"),
            "yes" if row.get("verified") else "NO",
            row.get("claim"),
            ", ".join(str(item.get("field")) for item in narrative.items(row, "fields_used")),
            f"{len(narrative.items(row, 'evidence'))} lines",
        )
        for row in narrative.items(document, "findings")
    )
    columns = ("Finding", "Severity", "Conf.", "Verified", "Claim", "Witnesses", "Evidence")
    leads = (
        (
            row.get("kind"),
            narrative.some(narrative.texts(row, "accounts")),
            narrative.some(narrative.texts(row, "addresses")),
            narrative.moment(row.get("from") or "-"),
            narrative.moment(row.get("to") or "-"),
        )
        for row in narrative.items(document, "leads")
    )
    told = (row.get("not_verified") for row in narrative.items(document, "findings"))
    taints = dict.fromkeys(words for words in told if words)
    hint = cell(f"The raw lines of a finding: m365dq show {document.get('case')} evidence F-001")
    return Group(
        *(cell(f"Every finding is {words}.", "yellow") for words in taints),
        table("Findings", columns, rows, free=("Claim", "Witnesses")),
        table("Leads", ("Kind", "Accounts", "Addresses", "From", "To"), leads, free=("Accounts", "Addresses")),
        hint,
    )


def _conflicts(document: Document) -> RenderableType:
    found = narrative.contradictions(document)
    if not found:
        return cell("No fields of this evidence were seen to contradict each other.")
    return Group(*(_contradiction(one) for one in found))


def _contradiction(one: narrative.Contradiction) -> RenderableType:
    lines: list[RenderableType] = [_heading(one.kind), cell(one.sentence)]
    lines += [Padding(cell(text), (0, 0, 0, 2)) for text in one.details[:NAMED]]
    if len(one.details) > NAMED:
        lines.append(cell(f"  and {len(one.details) - NAMED:,} more: --json gives all of them"))
    if one.examples:
        lines.append(cell(f"Examples: {narrative.some(one.examples, NAMED)}"))
    return Group(*lines, cell(""))


def _indicators(document: Document) -> RenderableType:
    columns = ("Operation", "Type", "Severity", "Rows", "Accounts", "Detail")
    rows = (
        (
            row.get("operation"),
            row.get("type"),
            row.get("severity"),
            narrative.count(row.get("rows")),
            narrative.some(narrative.texts(row, "accounts")),
            narrative.split_of(row),
        )
        for row in narrative.items(document, "indicators")
    )
    return table("Indicators", columns, rows, ("Rows",), ("Accounts", "Detail"))


def _completeness(document: Document) -> RenderableType:
    groups = narrative.gap_groups(document)
    if not groups:
        return cell(
            "Nothing was noticed that is missing from the evidence. That does not prove that all of it is here."
        )
    leads = sum(len(group.rows) for group in groups)
    title = f"Is it all there? Leads, not proof: {leads:,}"
    return Group(_heading(title), *(_gaps_of(group, document) for group in groups))


def _schema(document: Document) -> RenderableType:
    """The field lists of the files, and how they differ from those of earlier imports."""
    lists = [
        (
            narrative.elided(row.get("format")),
            row.get("api_version"),
            row.get("fields"),
            str(row.get("schema_hash"))[:12],
            narrative.elided(row.get("file")),
            _yes(row.get("is_new")),
        )
        for row in narrative.items(document, "schema_versions")[:LISTS]
    ]
    changes = [
        (
            *(row.get(key) for key in ("id", "severity", "kind")),
            narrative.elided(row.get("detail"), 300),
            row.get("state"),
        )
        for row in narrative.items(document, "schema_changes")[:LISTS]
    ]
    titles = ("Format", "Version", "Fields", "Hash", "File", "New")
    parts: list[RenderableType] = [table("Field lists", titles, lists, ("Fields",))]
    if not changes:
        return Group(*parts, cell("Nothing differs from earlier imports of these formats."))
    heads = ("Id", "Severity", "Kind", "What changed", "State")
    return Group(*parts, table("Differences from earlier imports", heads, changes, free=("What changed",)))


def _yes(flag: object) -> str:
    return "yes" if flag else "no"


def _gaps_of(group: narrative.GapGroup, document: Document) -> RenderableType:
    lines: list[RenderableType] = [cell(""), _heading(f"{group.kind}: {narrative.plural(len(group.rows), 'lead')}")]
    lines += [cell(text) for text in (group.means, group.what_to_do and f"What to do: {group.what_to_do}") if text]
    rows = (
        (
            row.get("log_type") or "-",
            narrative.moment(row.get("from") or "-"),
            narrative.moment(row.get("to") or "-"),
            row.get("detail"),
        )
        for row in group.rows[:LEADS]
    )
    lines.append(table("", ("Log", "From", "To", "What was noticed"), rows, free=("What was noticed",)))
    if len(group.rows) > LEADS:
        more = narrative.plural(len(group.rows) - LEADS, "more lead")
        lines.append(cell(f"and {more}: m365dq show {document.get('case')} completeness --json"))
    return Group(*lines)


def _quarantine(bench: Workbench, case: str, *, as_json: bool) -> None:
    document = bench.document(case)
    if as_json:
        terminal.emit({"quarantine": document.get("quarantine"), "rows": bench.quarantine(case)})
        return
    reasons = narrative.set_aside(document)
    if not reasons:
        terminal.say("No row was set aside: every row of the files that were taken in could be read.")
        return
    rows = bench.quarantine(case, RAW_ROWS, RAW_CHARACTERS)
    total = sum(row.get("rows") or 0 for row in reasons)
    parts = [_reason(reason, [row for row in rows if row.get("reason") == reason.get("reason")]) for reason in reasons]
    terminal.console().print(
        Group(_heading(f"{narrative.plural(total, 'row')} set aside as unreadable"), *parts, *_left(case, rows, total))
    )


def _reason(reason: Mapping[str, Any], rows: list[dict[str, Any]]) -> RenderableType:
    told = (
        reason.get("means"),
        reason.get("what_to_do") and f"What to do: {reason['what_to_do']}",
        reason.get("files") and f"In {narrative.files_of(reason)}",
    )
    title = _heading(f"{reason.get('reason')}: {narrative.plural(reason.get('rows') or 0, 'row')}")
    lines = [Padding(_raw_row(row), (0, 0, 0, 2)) for row in rows]
    return Group(cell(""), title, *(cell(text) for text in told if text), *lines)


def _raw_row(row: Mapping[str, Any]) -> Text:
    text = Text()
    text.append(f"{printable(row.get('file'))}:{printable(row.get('row'))}  ", style="dim")
    text.append(printable(row.get("raw"), RAW_CHARACTERS + 1))
    if (row.get("characters") or 0) > RAW_CHARACTERS:
        text.append(f"… ({narrative.count(row['characters'])} characters)", style="dim")
    return text


def _left(case: str, rows: list[dict[str, Any]], total: int) -> list[RenderableType]:
    cut = any((row.get("characters") or 0) > RAW_CHARACTERS for row in rows)
    if len(rows) >= total and not cut:
        return []
    shown = f"{len(rows):,} of {total:,} rows are shown" if len(rows) < total else "Long rows are cut"
    return [cell(""), cell(f"{shown}; all of them, with their whole text: m365dq show {case} quarantine --json")]


def _provenance(bench: Workbench, case: str, *, as_json: bool) -> None:
    files = bench.provenance(case)
    if as_json:
        terminal.emit({"provenance": files})
        return
    groups = narrative.origins(files)
    told = [_heading("Where each field comes from: copied from a column, derived by a named rule, or absent")]
    terminal.console().print(Group(*told, *map(_origins, groups)) if groups else cell("No file was taken in."))


def _origins(group: narrative.Origins) -> RenderableType:
    count = narrative.plural(len(group.files), "file")
    title = _heading(
        f"{group.log_type}, read as {group.format}: {count} ({narrative.some(group.files, narrative.NAMED)})"
    )
    shown = table("", ("Field", "Comes from"), group.present, free=("Comes from",))
    absent = f"Not in {'this file' if len(group.files) == 1 else 'these files'}: {', '.join(group.absent) or 'nothing'}"
    return Group(cell(""), title, shown, Text(printable(absent, 4000)))


def _progress(bench: Workbench, case: str, *, as_json: bool) -> None:
    state = bench.progress(case)
    if as_json:
        terminal.emit({"progress": state})
        return
    terminal.say(state["sentence"])
    rows = [(task, stage) for stage, tasks in state["incomplete_tasks"].items() for task in tasks]
    if rows:
        terminal.console().print(table("What comes next", ("Task", "Stage"), rows))


def _evidence(bench: Workbench, case: str, finding: str | None, *, as_json: bool) -> None:
    if finding is None:
        raise BadInput(
            f"Say which finding: `m365dq show {case} evidence F-001`; `m365dq show {case} findings` lists them."
        )
    lines = bench.evidence(case, finding)
    if as_json:
        terminal.emit({"evidence": lines})
        return
    header: tuple[object, object] = (None, None)
    for line in lines:
        if line.get("header") and header != (line.get("file"), line.get("header")):
            header = (line.get("file"), line.get("header"))
            terminal.say(f"{line.get('file')}: header  {line.get('header')}")
        raw = line.get("raw")
        shown = f"({line.get('problem')})" if raw is None else raw
        terminal.say(f"{line.get('file')}:{line.get('row')}  {shown}")


def _corrections(document: Document) -> RenderableType:
    rows = narrative.items(document, "corrections")
    if "corrections" not in document:
        return cell("Whether conclusions were corrected could not be read from the registry.", "yellow")
    if not rows:
        return cell("No conclusion of this case was corrected.")
    return Group(*(_correction(row) for row in rows))


def _correction(row: Mapping[str, Any]) -> RenderableType:
    """One correction: what stands of it, the sentence, and the fields that misled."""
    fields = ", ".join(narrative.texts(row, "fields")) or "none named"
    title = _heading(f"{row.get('id')}  {row.get('subject')}: {str(row.get('state')).lower().replace('_', ' ')}")
    told = [Padding(cell(text), (0, 0, 0, 2)) for text in (row.get("sentence"), f"Fields that misled: {fields}")]
    return Group(title, *told)


VIEWS: dict[str, Callable[[Document], RenderableType]] = {
    "files": _files,
    "quality": _quality,
    "fields": _fields,
    "accounts": _accounts,
    "findings": _findings,
    "conflicts": _conflicts,
    "indicators": _indicators,
    "completeness": _completeness,
    "corrections": _corrections,
    "schema": _schema,
}


def _runs(bench: Workbench, case: str, *, as_json: bool) -> None:
    rows = bench.runs(case)
    if as_json:
        terminal.emit({"runs": rows})
        return
    shown = (
        (
            row["generation"],
            narrative.moment(row["started_at"]),
            str(row["rule_pack"])[:19],
            narrative.VERDICTS.get(str(row["status"]), row["status"]),
            row["confidence"],
            _kind_of_run(row),
        )
        for row in rows
    )
    titles = ("Run", "Judged at", "Rule pack", "Verdict", "Conf.", "What is kept")
    hint = cell(f"Compare two of them: m365dq diff {case} --before RUN --after RUN")
    terminal.console().print(Group(table("Judgements, oldest first", titles, shown, free=("What is kept",)), hint))


def _kind_of_run(row: Mapping[str, Any]) -> str:
    words = [
        "judged again" if row["rejudged"] else "",
        "published" if row["published"] else "rows and report" if row["rows_kept"] else "the report alone",
    ]
    return ", ".join(filter(None, words))


READERS: dict[str, Callable[..., None]] = {
    "quarantine": _quarantine,
    "provenance": _provenance,
    "progress": _progress,
    "runs": _runs,
}
"""The views that read more than the document of the case."""

KEYS: dict[str, tuple[str, ...]] = {
    "summary": (),
    "files": ("files",),
    "quality": ("quality",),
    "fields": ("fields",),
    "accounts": ("accounts",),
    "findings": ("findings", "leads"),
    "conflicts": ("conflicts",),
    "indicators": ("indicators",),
    "completeness": ("completeness",),
    "corrections": ("corrections",),
    "schema": ("schema_changes", "schema_versions"),
}
"""The views of a case document, each with the keys that `--json` prints; `summary` prints them all."""
