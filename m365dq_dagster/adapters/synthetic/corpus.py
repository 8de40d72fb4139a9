"""The corpus: which labelled cases a scoreboard is held against, in an order whose beginning is a fair sample.

Here belongs the mix of families, shapes, damages and seeds. Making the files belongs to ``stages.generate``; nothing
here knows how evidence is judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from .draws import Draws
from .stories import STORIES
from .vocabulary import AUDIT_SHAPES, SIGN_IN_SHAPES, Family, Shape, Variant

T = TypeVar("T")
Name = TypeVar("Name", Variant, Shape)

LARGE = frozenset({Family.OCULUS, Family.HEALTHY, Family.MOSTLY_SUCCESS})
"""Families of many thousand rows, left out for their length; the small companies tell the same in fewer rows."""
UNSEEN = frozenset({Family.LOCAL_INTRUDER, Family.CONSENT_UNSEEN})
"""Families whose logs cannot show the breach that took place, left out because no reader of them could be right."""
TOLD_BY_AUDIT = frozenset({Family.CONSENT_PHISHING})
"""Families whose breach the audit log alone can show; no case of theirs goes without one."""
DAMAGES = tuple(variant for variant in Variant if variant is not Variant.INTACT)
TOO_FEW_ROWS = frozenset({Variant.CODES_MISSING})
"""Three rows in ten may be none of a few."""
WITHOUT: Mapping[Family, frozenset[Variant]] = MappingProxyType(
    {
        Family.SINGLE_COUNTRY: frozenset({Variant.STUCK_ZERO}),
        Family.TINY_CLEAN: TOO_FEW_ROWS | {Variant.STUCK_ZERO},
        Family.TINY_FAILURES: TOO_FEW_ROWS | {Variant.STUCK_FAILURE},
        Family.TINY_INTRUSION: TOO_FEW_ROWS | {Variant.STUCK_ZERO},
        Family.NO_ROWS: frozenset(DAMAGES),
    }
)
"""Damages that would leave the export of a family as it was, because every row says that anyway or there is none."""
SEEDS_APART = 10_000
"""How far the seeds of two corpora lie apart."""
PATTERN = (True, False, True, True, False)
"""Whether the export is intact, in turn: three of five."""


@dataclass(frozen=True)
class CaseOrder:
    """One case of the corpus, as ``stages.generate.generate_order`` makes it.

    ``audit_shape`` is the flavour of the audit log, None where the case holds none. ``devices``: the export names
    devices; ``context``: a case.toml with the home countries stands beside it; ``mfa_steps``: an attacker meets prompts
    that the owners approve.
    """

    family: Family
    seed: int
    shape: Shape
    audit_shape: Shape | None
    variant: Variant
    devices: bool
    context: bool
    mfa_steps: bool


def families() -> tuple[Family, ...]:
    """The families of the corpus, in the order in which they are declared."""
    return tuple(family for family in STORIES if family not in LARGE | UNSEEN)


def expressible(family: Family) -> tuple[Variant, ...]:
    """The damages that change something in an export of the family."""
    return tuple(variant for variant in DAMAGES if variant not in WITHOUT.get(family, frozenset()))


def corpus(cases: int, seed: int = 7) -> tuple[CaseOrder, ...]:
    """The first ``cases`` of a mix without end; the same arguments give the same orders.

    Every family stands once in each round of as many cases as there are families, in an order drawn from the seed, so
    that a sample shorter than a round is a fair one too. About three exports of five are intact; each of the others has
    the damage that its family, and then the corpus, had least so far, and the shape is chosen alike. No two cases are
    the same, and a longer corpus begins with the shorter one.
    """
    kinds = Draws(seed, "corpus").some(families(), len(families()))
    options = [_options(Draws(seed, f"corpus/{family}"), family) for family in kinds]
    balance = _Balance()
    orders: list[CaseOrder] = []
    for number in range(cases):
        turn, place = divmod(number, len(kinds))
        family = kinds[place]
        variant = balance.variant(family, intact=PATTERN[(turn + place) % len(PATTERN)])
        shape = balance.shape(family, variant)
        audit, *switches = next(options[place])
        orders.append(CaseOrder(family, seed * SEEDS_APART + turn, shape, audit, variant, *switches))
    return tuple(orders)


Options = tuple[Shape | None, bool, bool, bool]


def _options(draws: Draws, family: Family) -> Iterator[Options]:
    """Audit log, devices, context and prompts of one family's cases, each in a shuffled turn of its own."""
    audits = _turns(draws, AUDIT_SHAPES if family in TOLD_BY_AUDIT else (None, *AUDIT_SHAPES))
    devices, contexts, prompts = (_turns(draws, (True, True, False)) for _ in range(3))
    return zip(audits, devices, contexts, prompts, strict=True)


def _turns(draws: Draws, items: Sequence[T]) -> Iterator[T]:
    """All of the items in random order, then all of them again in another."""
    while True:
        yield from draws.some(items, len(items))


class _Balance:
    """Remembers what was taken how often, and takes what was taken least."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[StrEnum, ...]] = Counter()

    def variant(self, family: Family, *, intact: bool) -> Variant:
        """The next variant of a family."""
        possible = () if intact else expressible(family)
        return self._least(possible, family) if possible else Variant.INTACT

    def shape(self, family: Family, variant: Variant) -> Shape:
        """The next shape of a family in that variant."""
        return self._least(SIGN_IN_SHAPES, family, variant)

    def _least(self, items: Sequence[Name], *beside: StrEnum) -> Name:
        chosen: Name = min(
            items, key=lambda item: [*(self._taken[other, item] for other in beside), self._taken[item,]]
        )
        self._taken.update([(chosen,), *((other, chosen) for other in beside)])
        return chosen
