"""Figures of benchmarks as hypothesis draws them."""

from hypothesis import strategies as st

from m365dq_dagster.core.bench_request import SHAPES
from m365dq_dagster.core.bench_results import (
    PARTS,
    STEPS,
    Layers,
    Measured,
    Plain,
    PlainRound,
    Prompt,
    PromptRound,
    Result,
    Round,
    RunRound,
    Runs,
    Statement,
)

TIMES = st.floats(min_value=1e-4, max_value=1e3)
BYTES = st.integers(1, 10**10)


def _some(rounds: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(rounds, min_size=1, max_size=6).map(tuple)


def _round(scan: float, steps: list[float], parts: list[float]) -> Round:
    return Round(scan, sum(steps), dict(zip(STEPS, steps, strict=True)), dict(zip(PARTS, parts, strict=True)))


ROUNDS = st.builds(
    _round,
    TIMES,
    st.lists(TIMES, min_size=len(STEPS), max_size=len(STEPS)),
    st.lists(TIMES, min_size=len(PARTS), max_size=len(PARTS)),
)
ASKED = st.dictionaries(st.sampled_from(["by day", "by user"]), TIMES)
LAYERS = st.builds(Layers, ASKED, ASKED, TIMES, st.integers(0, 10**10))
RUNS = st.builds(Runs, _some(st.builds(RunRound, TIMES, TIMES, TIMES)), BYTES)
PLAIN = st.builds(Plain, _some(st.builds(PlainRound, TIMES, TIMES)), BYTES, BYTES, BYTES)
STATEMENTS = st.builds(Statement, st.just("judge.sql: events"), BYTES, st.just(0.5), st.just(0.25), BYTES)
RESULTS = st.builds(
    Result,
    st.sampled_from(SHAPES),
    st.sampled_from([200, 10_000, 1_000_000]),
    _some(ROUNDS),
    BYTES,
    BYTES,
    BYTES,
    TIMES,
    st.just("NO_BREACH_INDICATED"),
    st.none() | LAYERS,
    st.none() | RUNS,
    st.none() | PLAIN,
    st.lists(STATEMENTS, max_size=2).map(tuple),
)
PROMPTS = st.builds(
    Prompt,
    st.sampled_from(SHAPES),
    st.just(10_000),
    _some(st.builds(PromptRound, TIMES, TIMES, TIMES, TIMES, TIMES, st.just({}) | st.just({"first": 1.5}))),
    st.dictionaries(st.sampled_from(["imports", "intake"]), st.just(1.5)),
)
MEASURED = st.builds(Measured, st.lists(RESULTS, max_size=2).map(tuple), st.none() | PROMPTS)
