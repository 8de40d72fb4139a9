"""Mutated files of every format: nothing is lost, nothing is counted twice, nothing is invented, whatever happened to
an export on its way. What is done to the files stands in `tests.support.mutations`, what must hold in
`tests.support.accounting`."""

from __future__ import annotations

import csv
import multiprocessing
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m365dq_dagster.adapters.evidence.landing import Landing
from tests.support.accounting import Sound, Workshop, complaints, drawn, run_case, small_pieces, sound_examples
from tests.support.intake_case import Taken
from tests.support.mutations import DAMAGE, KEEPING, STRUCTURE, Example, Mutated, examples, mutated

SEEDS = Path(__file__).with_name("seeds") / "once_failed.csv"
CASES, FILES = 100, 101
LIMIT = 180.0
"""Seconds after which a case of the soak run counts as hung."""

FEW = settings(max_examples=settings().max_examples // 2)
LONG = settings().max_examples > 100
"""Whether this is the long run, whose folders are larger."""
chosen_example = st.integers(0, 10_000).map(lambda number: examples()[number % len(examples())])
several = st.lists(st.sampled_from(sorted(STRUCTURE)), max_size=4, unique=True)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """One engine for all mutated files, each folder of which is taken in anew."""
    made = Workshop(tmp_path_factory.mktemp("mutated"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def sound(shop: Workshop) -> dict[Example, Sound]:
    """What intake says of every example that nothing happened to."""
    return sound_examples(shop)


def test_most_examples_tell_what_their_mutated_copies_are_held_against(sound: dict[Example, Sound]) -> None:
    assert len(sound) > 0.8 * len(examples())
    assert sum(example.sound for example in examples()) > 0.9 * len(examples())


@FEW
@given(example=chosen_example, steps=st.lists(st.sampled_from(sorted(KEEPING)), max_size=5), seed=st.integers(0, 9999))
def test_a_file_written_otherwise_tells_the_same_events(
    shop: Workshop, sound: dict[Example, Sound], example: Example, steps: list[str], seed: int
) -> None:
    assert not complaints(shop, [mutated(example, steps, seed)], sound)


@FEW
@given(
    example=chosen_example,
    steps=several,
    damage=st.lists(st.sampled_from(sorted(DAMAGE)), max_size=2),
    seed=st.integers(0, 9999),
)
def test_a_damaged_file_is_accounted_for_to_the_last_row(
    shop: Workshop, sound: dict[Example, Sound], example: Example, steps: list[str], damage: list[str], seed: int
) -> None:
    assert not complaints(shop, [mutated(example, [*steps, *damage], seed)], sound)


def test_a_folder_of_mutated_files_is_accounted_for(shop: Workshop, sound: dict[Example, Sound]) -> None:
    assert not complaints(shop, drawn(1, 120 if LONG else 50), sound)


def test_what_once_failed_holds(shop: Workshop, sound: dict[Example, Sound]) -> None:
    named = {(example.format, example.name): example for example in examples()}
    with SEEDS.open(encoding="utf-8", newline="") as table:
        files = [
            mutated(named[row["format"], row["example"]], row["changes"].split(), int(row["seed"]), number)
            for number, row in enumerate(csv.DictReader(table), 1)
        ]

    assert not complaints(shop, files, sound)


def test_the_engine_and_the_reader_of_records_read_alike(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [file for file in drawn(2, 60 if LONG else 30) if file.same]
    by_engine = told(*shop.take_in(files)[:2])
    monkeypatch.setattr(Landing, "land_together", lambda *_: {})

    assert told(*shop.take_in(files)[:2]) == by_engine


def test_how_large_the_pieces_are_that_are_read_changes_nothing(shop: Workshop) -> None:
    files = drawn(4, 40 if LONG else 20)
    at_once = told(*shop.take_in(files)[:2])
    with small_pieces():
        assert told(*shop.take_in(files)[:2]) == at_once


def test_a_file_that_lies_there_twice_counts_once(shop: Workshop) -> None:
    files = drawn(3, 25 if LONG else 15)
    once = shop.take_in(files)[0].report
    twice = shop.take_in([*files, *files])[0]

    assert twice.report.rows_imported == once.rows_imported
    assert twice.report.rows_read == 2 * once.rows_read
    assert twice.passed("ledger_balances")


@pytest.mark.soak
def test_ten_thousand_mutated_files_are_accounted_for(capsys: pytest.CaptureFixture[str]) -> None:
    first = random.SystemRandom().randrange(1_000_000)
    files, done, wrong = soaked(range(first, first + CASES))
    with capsys.disabled():
        print(f"\n{files:,} mutated files, from seed {first}: {dict(done.most_common())}")

    assert not wrong
    assert files >= 10_000
    assert set(done) >= {*STRUCTURE, *DAMAGE}


def soaked(seeds: range) -> tuple[int, Counter[str], list[str]]:
    """Every case in one of two processes, so that one that hangs or breaks down is a failure and no end of the run."""
    files, done, wrong = 0, Counter[str](), list[str]()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        cases = {seed: pool.submit(run_case, seed, FILES, LIMIT) for seed in seeds}
        for seed, case in cases.items():
            try:
                count, applied, found = case.result()
            except BrokenProcessPool:
                wrong.append(f"case {seed} or the next one hung for {LIMIT} s or broke down; stderr says where")
                break
            files, done = files + count, done + applied
            wrong += [f"case {seed}: {one}" for one in found]
    return files, done, wrong


def told(taken: Taken, laid: dict[str, Mutated]) -> dict[str, list[dict[str, Any]]]:
    """All that was kept of a folder, in order, without the text of what was set aside."""
    tables = {name: taken.events(name) for name in taken.report.rows_by_log_type}
    shown = "file_id, row_no, reason"
    return {
        **tables,
        "files": taken.rows("SELECT * EXCLUDE (sha256) FROM files ORDER BY file_id"),
        "quarantine": taken.rows(f"SELECT {shown} FROM quarantine ORDER BY file_id, row_no"),
        "duplicates": taken.rows("SELECT * FROM duplicates ORDER BY file_id, row_no"),
        "provenance": taken.rows("SELECT * FROM field_provenance ORDER BY ALL"),
    }
