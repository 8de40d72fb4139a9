"""Networks of the stories: who hands out which addresses.

Here belong numbering and nothing else: which place a log gives an address, and who uses it, belongs to the stories.
Addresses come from the benchmark range 198.18.0.0/15 and the documentation range 2001:db8::/32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .draws import Draws
from .tenant import Place

SIZE = 1024
"""Addresses of one network of version 4: a /22, of which the range holds 128."""
COUNT = 128
FIRST_SYSTEM = 64512


class Spot(NamedTuple):
    """An address, and where the log places it."""

    address: str
    place: Place


class Network(NamedTuple):
    """The addresses of one provider at one place."""

    number: int
    place: Place
    wide: bool
    """Addresses of version 6."""

    def spot(self, draws: Draws) -> Spot:
        """One of its addresses."""
        if self.wide:
            host = f"{draws.below(65536):x}:{draws.below(65536):x}:{draws.below(65536):x}:{1 + draws.below(65535):x}"
            return Spot(f"2001:db8:{0x4000 + self.number:x}:{1 + draws.below(4095):x}:{host}", self.place)
        index = self.number * SIZE + 1 + draws.below(SIZE - 2)
        return Spot(f"198.{18 + index // 65536}.{index // 256 % 256}.{index % 256}", self.place)

    def owns(self, address: str) -> bool:
        """Whether it handed out the address."""
        return system_number(address) == FIRST_SYSTEM + self.number + (COUNT if self.wide else 0)


class Numbering:
    """Hands out networks; no two of them share an address."""

    def __init__(self, draws: Draws) -> None:
        self._numbers: Iterator[int] = iter(draws.some(range(COUNT), COUNT))

    def network(self, place: Place, *, wide: bool = False) -> Network:
        """A network that nobody else has."""
        return Network(next(self._numbers), place, wide)


def system_number(address: str) -> int | None:
    """The number of the autonomous system that an address handed out here belongs to; None of any other address.

    Of the range 64512 to 65534, which is set aside for private use.
    """
    parts = address.split(":")
    if len(parts) == 8 and parts[:2] == ["2001", "db8"]:
        return FIRST_SYSTEM + COUNT + int(parts[2], 16) % COUNT
    if not address.startswith(("198.18.", "198.19.")):
        return None
    _, second, third, _ = (int(part) for part in address.split("."))
    return FIRST_SYSTEM + ((second - 18) * 65536 + third * 256) // SIZE
