"""Exports that nobody changed raise no alarm among each other: every format's own examples, the public cases, the
corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.synthetic.corpus import CaseOrder, corpus
from m365dq_dagster.stages.generate import generate_order
from tests.support.format_examples import ending, text_of
from tests.support.intake_case import shipped_formats
from tests.support.schema_watch import Watch

QUICK = 5
ALL = 520


@pytest.fixture
def watch(registry: Registry, tmp_path: Path) -> Watch:
    return Watch(registry, tmp_path)


def examples() -> list[tuple[str, str, str]]:
    """Format, path and text of every example of formats with several of them."""
    found = []
    for data in shipped_formats():
        for number, one in enumerate(data.get("examples", ())):
            if "text" in one and len(data["examples"]) > 1:
                found.append((data["id"], one.get("path") or f"{number}{ending(data)}", text_of(one)))
    return found


def test_the_examples_of_the_formats_raise_no_alarm(watch: Watch) -> None:
    by_turn: dict[int, dict[str, str]] = {}
    seen: dict[str, int] = {}
    for name, path, text in examples():
        seen[name] = seen.get(name, 0) + 1
        by_turn.setdefault(seen[name], {})[f"{name}/{path}"] = text
    for turn in (1, 2):
        watch.take(by_turn[turn])
    assert watch.alarms == []
    assert len(watch.registry.schema_versions()) > 40


@pytest.mark.soak
def test_all_examples_of_the_formats_raise_no_alarm(watch: Watch) -> None:
    for number, (name, path, text) in enumerate(examples()):
        watch.take({f"{name}/{path}": text}, f"case-{number}")
    assert watch.alarms == []


def test_the_public_cases_raise_no_alarm(watch: Watch, shared_cases: Path) -> None:
    for folder in sorted(shared_cases.iterdir()):
        if folder.is_dir():
            watch.take_folder(folder, folder.name)
    assert watch.alarms == []


def test_cases_of_the_corpus_raise_no_alarm(watch: Watch) -> None:
    hold_silent(watch, corpus(QUICK))


@pytest.mark.soak
def test_the_whole_corpus_raises_no_alarm(watch: Watch) -> None:
    hold_silent(watch, corpus(ALL))


def hold_silent(watch: Watch, orders: tuple[CaseOrder, ...]) -> None:
    for number, order in enumerate(orders):
        made = generate_order(order, watch.folder / f"made-{number}")
        watch.take_folder(made.folder, f"made-{number}")
    assert [(one.detail, one.case_id) for one in watch.alarms] == []
