"""What a benchmark may be asked for: exports, sizes, figures and rounds, read from words. Pure; nothing heavy is
imported, because the command line reads it for its help.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from m365dq_dagster.core.errors import BadInput

SHAPES = ("portal-csv", "graph-jsonl", "ual-csv")
"""The exports that are measured, by the names of the generator."""
MOST_ROWS = 20_000_000
UNITS = {"k": 1_000, "m": 1_000_000}

MANY_ROUNDS, FEW_ROUNDS = 5, 3
LARGE = 10_000_000
"""From so many rows on, few rounds are enough: the longer a round, the less it is disturbed."""


class Figure(StrEnum):
    """What is measured: the stages in one process, whole runs of the program, the plain implementation, and what
    passes at the shell prompt.
    """

    STAGES = "stages"
    RUNS = "runs"
    PROMPT = "prompt"
    PLAIN = "plain"


@dataclass(frozen=True)
class Order:
    """What is to be measured: exports by name, sizes in rows, figures, and the least number of rounds.

    ``plain`` are the sizes at which the plain implementation is measured beside; it takes long.
    """

    shapes: tuple[str, ...]
    sizes: tuple[int, ...]
    at_least: int = 1
    figures: tuple[Figure, ...] = tuple(Figure)
    plain: tuple[int, ...] = (10_000, 100_000)
    rounds: int | None = None
    """Exactly so many rounds, for trying out; None takes what the size asks for."""

    def rounds_of(self, rows: int) -> int:
        """How often a size is measured."""
        return self.rounds or rounds_for(rows, self.at_least)

    def wants(self, figure: Figure) -> bool:
        """Whether a figure was asked for."""
        return figure in self.figures


def rounds_for(rows: int, at_least: int = 1) -> int:
    """How often a size is measured: five times, three times from ten million rows on, more where more are asked for."""
    return max(FEW_ROUNDS if rows >= LARGE else MANY_ROUNDS, at_least)


def parse_sizes(text: str) -> tuple[int, ...]:
    """Row counts such as ``10k,100k,1m``, each once, rising. Raises ``BadInput`` where one cannot be read."""
    return tuple(sorted({_size(word.strip()) for word in text.split(",")}))


def _size(word: str) -> int:
    unit = UNITS.get(word[-1:].lower(), 1)
    digits = word[:-1] if unit > 1 else word
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
        raise BadInput(f"{word[:40]!r} is no number of rows; give numbers such as 10k,100k,1m.")
    rows = int(digits) * unit
    if not 1 <= rows <= MOST_ROWS:
        raise BadInput(f"{rows:,} rows cannot be measured; give numbers from 1 to {MOST_ROWS:,}, such as 10k,100k,1m.")
    return rows


def parse_shapes(text: str) -> tuple[str, ...]:
    """Export names separated by commas, each once. Raises ``BadInput`` where one is unknown."""
    return _chosen(text, SHAPES, "no export that is measured")


def parse_figures(text: str) -> tuple[Figure, ...]:
    """Names of figures separated by commas, each once; whole runs and the plain implementation bring the stages along,
    which they are held against. Raises ``BadInput`` where one is unknown.
    """
    asked = {Figure(word) for word in _chosen(text, tuple(Figure), "nothing that is measured")}
    return tuple(one for one in Figure if one in asked or (one is Figure.STAGES and asked - {Figure.PROMPT}))


def _chosen(text: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if word not in known:
            raise BadInput(f"{word[:40]!r} is {what}; choose from: {', '.join(known)}.")
    return words


def size_words(rows: int) -> str:
    """10K, 1M, or the number itself where it is not round; nothing for what has no size."""
    for unit, factor in (("M", 1_000_000), ("K", 1_000)):
        if rows >= factor and rows % factor == 0:
            return f"{rows // factor}{unit}"
    return f"{rows:,}" if rows else ""
