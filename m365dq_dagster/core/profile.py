"""What a column looks like: counts, shares, entropy, and the named numbers made of them. Whether it may testify is
judged in `reliability`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from m365dq_dagster.core.outcome import LogType, Role


class Witness(StrEnum):
    """The part a field plays when an outcome is adjudicated."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    RENDERING = "rendering"
    NOT_A_WITNESS = "not_a_witness"
    NONE = "none"


@dataclass(frozen=True)
class FieldSpec:
    """A canonical field: where it stands, what it is for, and how its word weighs (1 is heaviest)."""

    log_type: str
    field: str
    role: Role
    witness: Witness
    precedence: int

    @property
    def log(self) -> LogType:
        """The log type as enum."""
        return LogType(self.log_type)


@dataclass(frozen=True)
class ColumnCounts:
    """Exact counts of one column over its applicable rows.

    `present` holds a usable text; `type_names` is the number of rows that hold a type name instead; `distinct` counts
    values with blank as one of them; `sum_k_ln_k` is the sum over values of k ln k, from which the entropy follows;
    `top_raw` is the commonest text as read.
    """

    applicable: int
    present: int
    type_names: int
    distinct: int
    top_value: str | None
    top_raw: str | None
    top_rows: int
    sum_k_ln_k: float
    in_domain: int

    @property
    def top_share(self) -> float:
        """Share of the commonest value, blank included, 0..1."""
        return share(self.top_rows, self.applicable)

    @property
    def uniqueness_ratio(self) -> float:
        """The specification's literal formula, distinct / total. Published and never used to rank."""
        return share(self.distinct, self.applicable)

    @property
    def population(self) -> float:
        """Share of applicable rows that hold a value of the domain, 0..1."""
        return share(self.in_domain, self.applicable)

    @property
    def entropy(self) -> float:
        """Shannon entropy in nats over all values, blank included."""
        if self.applicable == 0:
            return 0.0
        return max(0.0, math.log(self.applicable) - self.sum_k_ln_k / self.applicable)

    @property
    def normalized_entropy(self) -> float:
        """Entropy over the largest it could be with as many values, 0..1."""
        return min(1.0, self.entropy / math.log(self.distinct)) if self.distinct > 1 else 0.0

    @property
    def effective_values(self) -> float:
        """(2^H - 1) / (k - 1) with H in bits: 0 for one value, 1 for k equally frequent ones."""
        if self.distinct < 2:
            return 0.0
        return min(1.0, (math.exp(self.entropy) - 1) / (self.distinct - 1))


def is_one_sided(top_rows: int, rows: int) -> bool:
    """The specification's flag: one value, blank counting as a value, on strictly more than 95 % of the rows.

    Counted in whole numbers, so that exactly 95 % is never above it.
    """
    return 100 * top_rows > 95 * rows


def share(part: float, whole: float) -> float:
    """The part over the whole, and 0.0 where there is no whole."""
    return part / whole if whole else 0.0


def entropy_of(counts: Iterable[int]) -> float:
    """Shannon entropy in nats of values that occur so often, 0 for one value or none."""
    found = [count for count in counts if count]
    total = sum(found)
    return max(0.0, math.log(total) - sum(k * math.log(k) for k in found) / total) if total else 0.0
