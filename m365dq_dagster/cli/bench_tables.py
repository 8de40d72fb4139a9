"""The tables of a benchmark as plain sheets, ratios first, and how a sheet becomes a screen's table or Markdown.

Nothing is measured and nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from m365dq_dagster.cli import terminal
from m365dq_dagster.core.bench_request import size_words
from m365dq_dagster.core.bench_results import PARTS, PIPELINE, PROMPT_TIMES, STEPS, Prompt, Result, Spread, Statement
from m365dq_dagster.core.budgets import PROMPT_BUDGETS, PROMPT_WORDS, BudgetVerdict, Change, Trend, Unit
from m365dq_dagster.core.printable import printable

if TYPE_CHECKING:
    from m365dq_dagster.stages.bench import Benchmark

MB = 1_000_000
NONE = "-"
SHOWN_STATEMENTS = 8
COLOURS = {"BROKEN": "red", "kept": "green", str(Trend.WORSE): "red", str(Trend.BETTER): "green"}
DEVIATION = "± is the median absolute deviation"

Cells = Callable[[Result], list[str]]


@dataclass(frozen=True)
class Sheet:
    """A table before anyone has decided where it is shown; columns not in ``words`` are numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[str] = frozenset({"export"})

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns that are set to the right."""
        return tuple(name for name in self.columns if name not in self.words)


def as_table(sheet: Sheet) -> Any:
    """A table for the terminal, without its title, which a narrow table would break."""
    rows = [[terminal.cell(value, COLOURS.get(value, "")) for value in row] for row in sheet.rows]
    return terminal.table("", sheet.columns, rows, numbers=sheet.numbers)


def as_markdown(sheet: Sheet) -> str:
    """A table for a page, with its title above it."""
    rule = ["---:" if name in sheet.numbers else "---" for name in sheet.columns]
    lines = ["| " + " | ".join(_escaped(row)) + " |" for row in (sheet.columns, *sheet.rows)]
    return "\n".join([f"{sheet.title}:", "", lines[0], "|" + "|".join(rule) + "|", *lines[1:], ""])


def _escaped(row: Sequence[str]) -> list[str]:
    return [printable(cell).replace("|", "\\|") for cell in row]


def sheets(found: Benchmark) -> Iterator[Sheet]:
    """Every table of a benchmark that has something to show, ratios first."""
    results, prompt = found.measured.results, found.measured.prompt
    if results:
        yield from (table(results) for table in (_ratios, _step_ratios, _parts, _seconds, _step_seconds, _room))
    if prompt:
        yield _prompt(prompt)
    if prompt and prompt.made_of:
        yield _made_of(prompt)
    if any(result.statements for result in results):
        yield _statements(results)
    if any(result.normalized for result in results):
        yield _layers([result for result in results if result.normalized])
    if found.budgets:
        yield _budgets(found.budgets)
    moved = [change for change in found.changes or () if change.trend is not Trend.SAME]
    if moved:
        yield _changes(moved)


def _sheet(title: str, names: Sequence[str], results: Sequence[Result], cells: Cells) -> Sheet:
    rows = tuple((result.shape, size_words(result.rows), *cells(result)) for result in results)
    return Sheet(title, ("export", "rows", *names), rows, frozenset({"export", "verdict"}))


def _times(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}x"


def _clock(spread: Spread | None) -> str:
    return NONE if spread is None else f"{spread.median:.3f}"


def _ratios(results: Sequence[Result]) -> Sheet:
    """The whole as a multiple of the bare scan, since a ratio holds on a busy machine."""

    def cells(result: Result) -> list[str]:
        whole = result.ratio(PIPELINE)
        run = result.runs.ratio.median if result.runs else None
        plain = result.plain.ratio.median if result.plain else None
        numbers = (whole.median, whole.deviation, run, plain, result.times_as_fast)
        return [str(len(result.rounds)), *(_times(number) for number in numbers)]

    names = ("rounds", PIPELINE, "±", "m365dq run", "plain way", "plain / pipeline")
    return _sheet(f"Multiples of the bare scan (medians; {DEVIATION})", names, results, cells)


def _step_ratios(results: Sequence[Result]) -> Sheet:
    def cells(result: Result) -> list[str]:
        return [*(_times(result.ratio(name).median) for name in STEPS), f"{result.intake_share:.0%}"]

    return _sheet("Multiples of the bare scan, step by step", (*STEPS, "intake %"), results, cells)


def _parts(results: Sequence[Result]) -> Sheet:
    """What lies within a step and is worth a number of its own."""

    def cell(result: Result, name: str) -> str:
        if name not in result.parts:
            return NONE
        return f"{_times(result.ratio(name).median)} = {_clock(result.seconds(name))} s"

    def cells(result: Result) -> list[str]:
        return [cell(result, name) for name in PARTS]

    names = tuple(f"{name} (in {step})" for name, step in PARTS.items())
    return _sheet("Within the steps, as multiples of the bare scan and in seconds", names, results, cells)


def _seconds(results: Sequence[Result]) -> Sheet:
    def cells(result: Result) -> list[str]:
        whole, runs, plain = result.seconds(PIPELINE), result.runs, result.plain
        parts = [runs.seconds(name) if runs else None for name in ("own", "start")]
        spreads = (result.scan, whole, Spread(whole.deviation, 0), *parts, plain.seconds if plain else None)
        return [_clock(spread) for spread in spreads]

    names = ("scan", PIPELINE, "±", "m365dq run", "its start", "plain way")
    return _sheet(f"Seconds (medians; {DEVIATION}; a run without its start)", names, results, cells)


def _step_seconds(results: Sequence[Result]) -> Sheet:
    def cells(result: Result) -> list[str]:
        return [_clock(result.seconds(name)) for name in STEPS]

    return _sheet("Seconds, step by step", STEPS, results, cells)


def _room(results: Sequence[Result]) -> Sheet:
    def cells(result: Result) -> list[str]:
        run = result.runs.peak_bytes if result.runs else None
        sizes = (result.peak_bytes, run, result.evidence_bytes, result.case_bytes)
        speed = (f"{result.rows_per_second:,.0f}", f"{result.microseconds_per_row:.2f}")
        start = f"{result.start_seconds:.2f} s"
        return [*speed, *(NONE if size is None else f"{size / MB:,.0f} MB" for size in sizes), start, result.status]

    names = ("rows/s", "µs/row", "peak memory", "of m365dq run", "evidence", "case on disk", "imports", "verdict")
    return _sheet("Throughput and room", names, results, cells)


def _prompt(prompt: Prompt) -> Sheet:
    """What a person waits for."""

    def row(name: str) -> tuple[str, ...]:
        spread, allowed = prompt.seconds(name), PROMPT_BUDGETS.get(name)
        held = prompt.processor_seconds(name)
        times = (f"{spread.median:.3f}", f"{spread.deviation:.3f}", NONE if held is None else f"{held:.3f}")
        return (PROMPT_WORDS[name], *times, _most(allowed))

    title = f"At the shell prompt, {prompt.shape} {size_words(prompt.rows)} (seconds, medians of {len(prompt.rounds)})"
    rows = tuple(row(name) for name in (*PROMPT_TIMES, "above"))
    return Sheet(title, ("process", "seconds", "±", "of processors", "allowed"), rows, frozenset({"process"}))


def _most(allowed: float | None) -> str:
    return NONE if allowed is None else f"{allowed:.1f}"


def _made_of(prompt: Prompt) -> Sheet:
    whole = sum(prompt.made_of.values())
    parts = sorted(prompt.made_of.items(), key=lambda item: -item[1])
    rows = tuple((name, f"{seconds:.2f}", f"{seconds / whole:.0%}") for name, seconds in parts)
    title = "What the first run consists of (one run watched while it worked, which slows it)"
    return Sheet(title, ("part", "seconds", "share"), rows, frozenset({"part"}))


def _statements(results: Sequence[Result]) -> Sheet:
    """The heaviest statements of a watched run, each with all its calls."""
    rows = tuple(
        (result.shape, size_words(result.rows), one.name, str(one.calls), *_cost(one))
        for result in results
        for one in result.statements[:SHOWN_STATEMENTS]
    )
    columns = ("export", "rows", "statement", "calls", "seconds", "of processors", "rows scanned")
    return Sheet("The heaviest statements of one watched run", columns, rows, frozenset({"export", "statement"}))


def _cost(one: Statement) -> tuple[str, ...]:
    return (f"{one.seconds:.3f}", f"{one.processor_seconds:.3f}", f"{one.rows_scanned:,}")


def _layers(results: Sequence[Result]) -> Sheet:
    """The normalized statuses as view, which is what a run leaves, and as table with an index."""
    questions = tuple(dict.fromkeys(name for one in results if one.normalized for name in one.normalized.view))

    def cells(result: Result) -> list[str]:
        layers = result.normalized
        assert layers
        pairs = [f"{layers.view[name]:.1f} / {layers.table[name]:.1f}" for name in questions]
        return [*pairs, f"{layers.build_seconds:.2f} s", f"{layers.table_bytes / MB:,.0f} MB"]

    title = "Normalized statuses, view / table (milliseconds, 95th percentile), and what the table costs"
    return _sheet(title, (*questions, "made in", "size"), results, cells)


def _budgets(verdicts: Sequence[BudgetVerdict]) -> Sheet:
    rows = tuple(
        (
            one.shape or NONE,
            size_words(one.rows) or NONE,
            one.what,
            worded(one.allowed, one.unit),
            worded(one.seen, one.unit),
            _outcome(one),
        )
        for one in verdicts
    )
    return Sheet(
        "Budgets",
        ("export", "rows", "budget", "allowed", "seen", "result"),
        rows,
        frozenset({"export", "budget", "result"}),
    )


def _outcome(one: BudgetVerdict) -> str:
    """Seconds of the pipeline are shown only, since machines differ."""
    if not one.decides:
        return "within" if one.kept else "above; shown only"
    return "kept" if one.kept else "BROKEN"


def worded(value: float, unit: Unit) -> str:
    """A number with its unit."""
    shown = {Unit.SECONDS: f"{value:.2f} s", Unit.TIMES: f"{value:.2f}x", Unit.BYTES: f"{value / MB:,.0f} MB"}
    return shown[unit]


def _changes(moved: Sequence[Change]) -> Sheet:
    """What differs by more than noise."""
    rows = tuple(
        (
            one.shape or NONE,
            size_words(one.rows) or NONE,
            one.what,
            *(worded(value, one.unit) for value in (one.before, one.after, one.noise)),
            str(one.trend),
        )
        for one in moved
    )
    columns = ("export", "rows", "what", "before", "now", "noise", "trend")
    return Sheet("Changed beyond noise", columns, rows, frozenset({"export", "what", "trend"}))
