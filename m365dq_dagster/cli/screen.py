"""The one screen after a run: at most 40 lines of 100 columns, what cannot be concluded first.

The words come from `core.narrative`; nothing is judged here.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from m365dq_dagster.cli.terminal import COLOURS, SCREEN_WIDTH, cell
from m365dq_dagster.core import narrative
from m365dq_dagster.core.printable import printable

LINES = 40
ACCOUNTS = 10
CORRECTIONS = 2
"""Corrections told above the verdict's reasons; `show CASE corrections` tells all."""

LABEL = 15
ROOM = SCREEN_WIDTH - LABEL


@dataclass(frozen=True)
class Footer:
    """What the screen says beside the document: where things are, how long it took, and whether anything was done."""

    report: str | None
    home: str
    total_seconds: float
    unchanged_since: str | None = None


def compose(document: Mapping[str, Any], footer: Footer, width: int = SCREEN_WIDTH) -> RenderableType:
    """The screen of a case; the accounts table takes the lines that the rest leaves."""
    head = _head(document, footer)
    tail = Group(_grid([*_labelled(document), *_closing(document, footer)]), *_long_path(footer))
    room = LINES - _height(Group(*head, tail), width)
    accounts = _accounts(document, room)
    space = [Text("")] if room - _height(Group(*accounts), width) >= 2 else []
    return Group(*head, *space, *accounts, *(space if accounts else []), tail)


def _height(part: RenderableType, width: int) -> int:
    sink = Console(file=io.StringIO(), width=width, emoji=False, markup=False, highlight=False)
    return len(sink.render_lines(part, pad=False))


def _head(document: Mapping[str, Any], footer: Footer) -> list[RenderableType]:
    lines: list[RenderableType] = []
    if footer.unchanged_since is not None:
        lines.append(cell(f"Nothing has changed since {narrative.moment(footer.unchanged_since)}; nothing was done."))
    line = cell(narrative.verdict_line(document), COLOURS.get(str(document.get("status")), "bold"))
    line.append(f"   case {printable(document.get('case'))}", style="dim")
    lines += [line, cell(narrative.why(document))]
    corrected = narrative.correction_banners(document)
    banners = (
        narrative.override_banner(document),
        narrative.switch_banner(document),
        *map(_two_lines, corrected[:CORRECTIONS]),
        narrative.stale(document),
        narrative.rejudged_banner(document),
    )
    lines += [cell(banner, "bold yellow") for banner in banners if banner]
    lines += _bullets("What cannot be concluded:", narrative.open_points(document), 3)
    return lines


def _two_lines(sentence: str) -> str:
    return narrative.elided(sentence, 2 * SCREEN_WIDTH - 8)


def _bullets(title: str, sentences: Sequence[str], most: int) -> list[RenderableType]:
    if not sentences:
        return []
    shown: list[RenderableType] = [cell(title, "bold yellow")]
    shown += [cell(f"- {_cut(text, 94)}") for text in sentences[:most]]
    if len(sentences) > most:
        shown.append(cell(f"- and {len(sentences) - most} more in the report"))
    return shown


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def _accounts(document: Mapping[str, Any], lines: int) -> list[RenderableType]:
    rows = narrative.accounts_worst_first(document)
    if not rows:
        return []
    room = max(1, min(ACCOUNTS, lines - 3))
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("Account", no_wrap=True, overflow="ellipsis", max_width=36)
    grid.add_column("Verdict", no_wrap=True)
    grid.add_column("Conf.", no_wrap=True)
    for name in ("Success", "Foreign", "Foreign rate", "Decided"):
        grid.add_column(name, justify="right", no_wrap=True)
    for row in rows[:room]:
        grid.add_row(*_account(row))
    more = len(rows) - room
    hint = f"and {narrative.plural(more, 'more account')}: m365dq show {document.get('case')} accounts"
    return [grid, *([cell(hint, "dim")] if more > 0 else [])]


def _account(row: Mapping[str, Any]) -> list[Text]:
    word = str(row.get("verdict"))
    return [
        cell(row.get("account")),
        cell(narrative.ACCOUNT_VERDICTS.get(word, word), COLOURS.get(word, "")),
        cell(row.get("confidence")),
        cell(narrative.count(row.get("success"))),
        cell(narrative.count(row.get("foreign_success"))),
        cell(narrative.percent(row.get("foreign_attempt_success_rate"))),
        cell(narrative.percent(row.get("decision_coverage"))),
    ]


def _labelled(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    passed_over = _passed_over(document)
    failed = [] if passed_over else [_failed(document, row) for row in narrative.failed_checks(document)]
    off = [f"{row.get('check')}. Instead: {row.get('compensated_by')}" for row in narrative.switched_off(document)]
    figures = narrative.sign_in_figures(document)
    return [
        *zip(("Sign-ins", "From abroad"), figures, strict=False),
        *_some("Trust", narrative.trusted(document), 2),
        *_some("Do not trust", narrative.distrusted(document), 2),
        *_some("Failed checks", failed, 2),
        *passed_over,
        *_some("Switched off", off, 1),
        *_some("Not known", narrative.unknowns(document), 1),
        ("Files", narrative.files_summary(document)),
        *_some("Not read", narrative.unread(document), 2),
        *_some("Missing?", narrative.gaps(document), 1),
        *_some("Not judged", narrative.unjudged(document), 1),
        *_not_tested(document),
    ]


def _failed(document: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Reason and runbook of a failed check; the reason is left out where it stands above as that of the verdict."""
    reason = str(row.get("reason"))
    shown = f"{row.get('check')}." if narrative.is_told(document, reason) else _cut(reason, 90)
    return f"{shown} What to do: {row.get('runbook')}"


def _passed_over(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an override disabled, and what stands in for the first of it."""
    rows = narrative.passed_over(document)
    told = _some("Passed over", [f"{row.get('check')}: {_cut(str(row.get('reason')), 60)}" for row in rows], 1)
    return [*told, *_some("Instead", [str(row.get("compensated_by")) for row in rows], 1)]


def _some(label: str, sentences: Sequence[str], most: int) -> list[tuple[str, str]]:
    shown = [_cut(text, 2 * ROOM - 24) for text in sentences[:most]]
    if shown and len(sentences) > most:
        shown[-1] += f" (and {len(sentences) - most} more)"
    return [(label if index == 0 else "", text) for index, text in enumerate(shown)]


def _not_tested(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    untested = narrative.texts(document, "not_tested")
    if not untested:
        return []
    return [("Not tested", _cut("; ".join(untested), ROOM))]


def _closing(document: Mapping[str, Any], footer: Footer) -> list[tuple[str, str]]:
    seconds = document.get("seconds")
    judged = isinstance(seconds, (int, float)) and footer.unchanged_since is None
    inside = f"{seconds:.1f} s to judge, " if judged else ""
    view = "quality" if narrative.part(document, "quality").get("status") == "FAIL" else "accounts"
    view = "findings" if narrative.items(document, "findings") else view
    return [
        *([("Report", _report(footer.report))] if footer.report else []),
        ("Next", f"open the report; m365dq show {document.get('case')} {view}; m365dq ui"),
        ("Home", footer.home),
        ("Time", f"{inside}{footer.total_seconds:.1f} s in total"),
    ]


def _report(path: str) -> str:
    return path if len(path) <= ROOM else "for readers and, beside it, as JSON; its path is the last line"


def _long_path(footer: Footer) -> list[RenderableType]:
    """A path too long for its column stands alone, so that it can be copied whole."""
    return [cell(footer.report)] if footer.report and len(footer.report) > ROOM else []


def _grid(rows: Sequence[tuple[str, str]]) -> Table:
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True, width=LABEL - 1, style="bold")
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(cell(label), cell(text))
    return grid
