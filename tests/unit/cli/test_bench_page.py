"""The page on speed shows the tables that the command prints, and the budgets that the code holds."""

from dataclasses import replace
from pathlib import Path

import pytest

from m365dq_dagster.adapters.sql.normalized import QUERIES
from m365dq_dagster.cli.bench_tables import as_markdown, sheets
from m365dq_dagster.core.bench_results import Layers, Measured
from m365dq_dagster.core.budgets import BUDGETS, MOST_GROWTH, PROMPT_BUDGETS
from m365dq_dagster.stages.bench import held
from tests.support.benchmarks import MACHINE, plain, prompt, result, runs

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "performance.md").read_text(encoding="utf-8")


def tables() -> list[str]:
    asked = dict.fromkeys(QUERIES, 1.0)
    whole = replace(result(), runs=runs(9.0), plain=plain(60.0), normalized=Layers(asked, asked, 1.0, 1))
    found = held("", MACHINE, Measured((whole,), prompt()), None)
    return [as_markdown(sheet) for sheet in sheets(found)]


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.splitlines()[0].partition(" (")[0].strip(":"))
def test_the_page_shows_every_table_in_the_form_in_which_it_is_printed(table: str) -> None:
    _, _, header, rule, *_ = table.splitlines()
    assert f"{header}\n{rule}\n" in PAGE


def row(begins: str) -> list[str]:
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {begins}")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_page_states_the_budgets_that_the_code_holds() -> None:
    ratios = [BUDGETS["portal-csv", rows].ratio for rows in (10_000, 100_000, 1_000_000)]
    assert row("pipeline / scan, portal CSV")[:3] == [f"{ratio:g}x" for ratio in ratios]
    seconds = [BUDGETS["ual-csv", rows].seconds for rows in (10_000, 100_000, 1_000_000, 10_000_000)]
    assert row("pipeline, seconds")[:4] == [f"{one:g}" for one in seconds]
    assert row("what a row costs")[3] == f"{MOST_GROWTH:g}x"
    waited = ("shell prompt to verdict", "second run on unchanged evidence", "`m365dq --help`")
    assert [row(begins)[0] for begins in waited] == [f"{PROMPT_BUDGETS[name]:g}" for name in ("first", "above", "help")]
