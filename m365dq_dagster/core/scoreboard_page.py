"""The scoreboard in words: rows of tables, and the whole as Markdown. Which numbers there are is `core.scoreboard`; how
a table is drawn on a terminal belongs to the command.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.scoreboard import TARGETS, Fixed, Judge, Mark, Scoreboard, ScoredCase, Target, scores

COUNTS = frozenset({"false_all_clear", "false_all_blocked"})
"""The numbers that are counts and no shares."""
MEASURES = ("what", *map(str, Judge), "target", "")
GROUPS = ("cases", "right", "wrong", "undecided", "naive wrong", "literal wrong")


def worded(key: str, value: float | None) -> str:
    """A number as it is read: a count as it is, a share in percent, nothing where nothing was counted."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if key in COUNTS else f"{value:.1%}"


def bound(target: Target) -> str:
    """What a target asks."""
    return f"{'at least' if target.at_least else 'at most'} {worded(target.key, target.limit)}"


def measures(board: Scoreboard) -> list[tuple[str, ...]]:
    """Every number with a target, for each judge: words, values, target, whether it is met."""
    found = {judge: board.scores(judge).as_mapping() for judge in Judge}
    return [
        (
            target.words,
            *(worded(target.key, found[judge][target.key]) for judge in Judge),
            bound(target),
            "met" if target.met(found[Judge.OURS][target.key]) else "MISSED",
        )
        for target in TARGETS
    ]


def others(board: Scoreboard) -> list[tuple[str, ...]]:
    """The numbers without a target, for each judge."""
    found = [board.scores(judge) for judge in Judge]
    rows: Sequence[tuple[str, Sequence[str]]] = (
        ("right verdicts", [f"{one.right:,}" for one in found]),
        ("wrong verdicts", [f"{one.wrong.part:,}" for one in found]),
        ("nothing concluded", [f"{one.undecided:,}" for one in found]),
        ("nothing concluded on intact exports", [worded("", one.undecided_on_intact.value) for one in found]),
        ("breach alerts on clean cases", [worded("", one.alerts_false.value) for one in found]),
        ("nothing concluded where one could", [worded("", one.undecided_on_decidable.value) for one in found]),
        ("compromised accounts noticed", [worded("", one.compromised.value) for one in found]),
        ("other accounts not accused", [worded("", one.innocent.value) for one in found]),
        ("quality alerts on intact exports", [worded("", one.quality_alerts.value) for one in found]),
    )
    return [(words, *values, "", "") for words, values in rows]


def group_rows(board: Scoreboard, kind: str) -> list[tuple[str, ...]]:
    """Cases and marks of each family, variant or shape, with what the rivals got wrong."""
    return [(name, *_counts(cases)) for name, cases in board.groups(kind).items()]


def _counts(cases: Sequence[ScoredCase]) -> tuple[str, ...]:
    ours, *rivals = (scores(cases, judge) for judge in Judge)
    return (
        *map(str, (ours.cases, ours.right, ours.wrong.part, ours.undecided)),
        *(str(one.wrong.part) for one in rivals),
    )


def wrong_lines(board: Scoreboard) -> Iterator[str]:
    """Every wrong case and every wrong recommendation in a line each, with the command that makes it again."""
    for one in board.worth(Mark.WRONG):
        expected, said = " or ".join(sorted(one.truth.right)), one.said[Judge.OURS]
        told = f"{expected} expected, {said.verdict or 'nothing'} said. {said.headline}"
        yield f"{one.label.name}: {told} [{one.label.command}]"
    for one in board.misadvised:
        fields, advice = " or ".join(one.truth.outcome_fields), one.said[Judge.OURS].recommended
        told = f"{fields} to be recommended, {advice or 'nothing'} was."
        yield f"{one.label.name}: {told} [{one.label.command}]"


def fixed_lines(words: str, found: Sequence[Fixed] | None) -> Iterator[str]:
    """How many of the misreadings or real cases are right, and each that is wrong."""
    if found is not None:
        yield f"{words}: {sum(one.right for one in found)} of {len(found)} right."
        for one in found:
            if not one.right:
                yield f"{one.name}: {one.expected} expected, {one.said} said. {one.headline}"


def summary(board: Scoreboard) -> str:
    """The sentence that stands first."""
    missed, fixed = len(board.missed), [*(board.misreadings or ()), *(board.real_cases or ())]
    ended = f"{missed} of {len(TARGETS)} targets missed" if missed else "every target is met"
    wrong = sum(not one.right for one in fixed)
    ended += f", {wrong} of {len(fixed)} misreadings and real cases wrong" if wrong else ""
    return f"{plural(len(board.cases), 'case')} of seed {board.seed} judged in {board.seconds:,.0f} s: {ended}."


def markdown(board: Scoreboard) -> str:
    """The whole scoreboard as a page."""
    parts = ["# Scoreboard", summary(board), _table(MEASURES, [*measures(board), *others(board)])]
    for kind in ("family", "variant", "shape"):
        parts += [f"## By {kind}", _table((kind, *GROUPS), group_rows(board, kind))]
    lines = [*wrong_lines(board)]
    parts += ["## Wrong", "\n".join(f"- {_cell(line)}" for line in lines) or "Nothing."]
    fixed = [*fixed_lines("Misreadings", board.misreadings), *fixed_lines("Real cases", board.real_cases)]
    return "\n\n".join([*parts, *([" \n".join(map(_cell, fixed))] if fixed else [])]) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
