import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.outcome import LogType, Role
from m365dq_dagster.core.profile import ColumnCounts, FieldSpec, Witness, share


def column(*groups: int, in_domain: int | None = None) -> ColumnCounts:
    """A column whose values occur as often as given."""
    rows = sum(groups)
    return ColumnCounts(
        applicable=rows,
        present=rows,
        type_names=0,
        distinct=len(groups),
        top_value="v",
        top_raw="v",
        top_rows=max(groups, default=0),
        sum_k_ln_k=sum(k * math.log(k) for k in groups),
        in_domain=rows if in_domain is None else in_domain,
    )


def test_a_column_without_rows_has_no_shares_and_no_entropy() -> None:
    empty = column()
    assert (empty.top_share, empty.uniqueness_ratio, empty.population) == (0.0, 0.0, 0.0)
    assert (empty.entropy, empty.normalized_entropy, empty.effective_values) == (0.0, 0.0, 0.0)


def test_one_value_tells_nothing_apart() -> None:
    one = column(600)
    assert (one.entropy, one.normalized_entropy, one.effective_values) == (0.0, 0.0, 0.0)
    assert one.uniqueness_ratio == 1 / 600
    assert one.top_share == 1.0


@pytest.mark.parametrize("values", [2, 3, 8])
def test_equally_frequent_values_have_full_entropy(values: int) -> None:
    even = column(*[50] * values)
    assert even.normalized_entropy == pytest.approx(1.0)
    assert even.effective_values == pytest.approx(1.0)
    assert even.entropy == pytest.approx(math.log(values))


def test_population_counts_only_values_of_the_domain() -> None:
    assert column(60, 40, in_domain=30).population == 0.3


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=12))
def test_shares_and_entropies_stay_between_nought_and_one(groups: list[int]) -> None:
    counted = column(*groups)
    for number in (
        counted.top_share,
        counted.uniqueness_ratio,
        counted.population,
        counted.normalized_entropy,
        counted.effective_values,
    ):
        assert 0.0 <= number <= 1.0
    assert counted.entropy >= 0.0


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=8), st.integers(2, 50))
def test_entropy_depends_on_shares_and_not_on_the_number_of_rows(groups: list[int], times: int) -> None:
    scaled = column(*[k * times for k in groups])
    assert scaled.entropy == pytest.approx(column(*groups).entropy, abs=1e-9)


def test_no_whole_has_no_share() -> None:
    assert (share(3, 0), share(3, 4)) == (0.0, 0.75)


def test_a_field_knows_its_log_type() -> None:
    assert FieldSpec("unified_audit_log", "operation", Role.OUTCOME, Witness.PRIMARY, 2).log is LogType.UAL
