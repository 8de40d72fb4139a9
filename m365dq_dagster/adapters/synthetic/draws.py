"""Chance, from a seed: every draw that a story makes.

Only ``random()`` and ``randbytes()`` of the generator are used, because their sequences are the ones that Python keeps
between versions; ``choice``, ``sample`` and ``shuffle`` are not. No clock and no operating-system randomness.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A reproducible stream of draws. The same seed and topic give the same stream; topics are independent."""

    def __init__(self, seed: int, topic: str) -> None:
        self._random = random.Random(f"{seed}/{topic}")

    def share(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    def below(self, limit: int) -> int:
        """A whole number in [0, limit)."""
        return int(self._random.random() * limit)

    def one(self, items: Sequence[T]) -> T:
        """One of the items, each as likely as the other."""
        return items[int(self._random.random() * len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """``count`` different items in random order; all of them where there are fewer."""
        pool = list(items)
        for index in range(min(count, len(pool) - 1)):
            other = index + self.below(len(pool) - index)
            pool[index], pool[other] = pool[other], pool[index]
        return pool[:count]

    def guid(self) -> str:
        """An identifier in the form of a version 4 UUID."""
        text = self._random.randbytes(16).hex()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
