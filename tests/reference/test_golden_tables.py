"""Every table of a judged case holds what it held before: making things faster, or tidier, never changes a result.

Of each case the digests of all tables are kept in `golden_tables.json` (the sample that every run of the tests judges)
and `golden_corpus.json` (what `make soak` judges besides). A difference names case, table, rows and columns. What is no
result, and so is left out, stands in `LEFT_OUT` with the reason.

**When a digest differs.** Say first which change of the code did it and whether it was meant to change a result.

- It was not (a faster statement, another order of steps, a new version of a library): the change is wrong. Open the
  generation that the failure names beside one made by the code before, and compare the table row by row; mend the
  change, not the file.
- It was (a rule, a code, a word in a sentence, a column): every table that differs must be one that the change speaks
  of, in the cases it speaks of and in no other. Look at a few rows of each; then renew, and say in the commit which
  results changed and why. A change of the rules also shows what it is worth on the scoreboard.
- A table became scaffolding, or went: name it in `LEFT_OUT` with where its result is held now, and renew; the digests
  of all other tables must stay.

Renew with `pytest tests/reference/test_golden_tables.py --renew-golden`, and with `-m "soak or not soak"` for the long
run's file too; the public evidence has to lie beside the checkout.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from m365dq_dagster.adapters.case_store import create_schema
from m365dq_dagster.adapters.synthetic.vocabulary import SIGN_IN_SHAPES, Variant
from tests.support import golden_tables
from tests.support.golden_tables import (
    LEFT_OUT,
    MORE_PUBLIC,
    PUBLIC,
    SAMPLE,
    GoldenCase,
    differences,
    digests_of,
    judge,
    public,
    renew,
    whole,
)

HERE = Path(__file__).parent
SAMPLED, FULL = HERE / "golden_tables.json", HERE / "golden_corpus.json"
SHARED = HERE.parents[2] / "shared" / "cases"
RENEWAL = "pytest tests/reference/test_golden_tables.py --renew-golden"


def named(case: GoldenCase) -> str:
    return case.name


@pytest.mark.parametrize("case", [*SAMPLE, *public(SHARED)], ids=named)
def test_every_table_holds_what_it_held(case: GoldenCase, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    hold(case, SAMPLED, tmp_path, pytestconfig)


@pytest.mark.soak
@pytest.mark.parametrize("case", [*whole(), *public(SHARED, MORE_PUBLIC)], ids=named)
def test_every_table_of_the_corpus_holds_what_it_held(
    case: GoldenCase, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    hold(case, FULL, tmp_path, pytestconfig)


def hold(case: GoldenCase, kept: Path, folder: Path, config: pytest.Config) -> None:
    generation = judge(case, folder)
    found = digests_of(generation)
    if config.getoption("renew_golden"):
        renew(kept, case.name, found, names(kept), columns=kept == SAMPLED)
        pytest.skip(f"the digests of {case.name} are kept as they are now")
    before = golden_tables.read(kept).get(case.name)
    assert before, f"{case.name} has no digests yet; keep them: {RENEWAL}"
    told = differences(case.name, before, found)
    assert not told, "\n".join([*told, f"The tables now: {generation}", f"If they are right: {RENEWAL}"])


def names(kept: Path) -> list[str]:
    """The cases that a file holds."""
    return [*map(named, SAMPLE), *PUBLIC] if kept == SAMPLED else [*map(named, whole()), *MORE_PUBLIC]


@pytest.mark.parametrize("kept", [SAMPLED, FULL], ids=lambda path: path.name)
def test_digests_are_kept_of_every_case_and_of_no_other(kept: Path) -> None:
    assert sorted(golden_tables.read(kept)) == sorted(names(kept))


def test_the_sample_holds_every_shape_and_every_damage() -> None:
    told = " ".join(map(named, SAMPLE))
    assert [one for one in (*SIGN_IN_SHAPES, *Variant) if one not in told] == []
    tables = {table for case in golden_tables.read(SAMPLED).values() for table in case}
    assert {"sign_in_logs", "unified_audit_log", "legacy_auth_logs", "quarantine", "duplicates"} <= tables


def generation(folder: Path, name: str, *rows: tuple[object, ...]) -> Path:
    """A generation with a few rows of the sign-in log: file, row, account, code."""
    path = folder / f"{name}.duckdb"
    with duckdb.connect(str(path)) as con:
        create_schema(con)
        con.execute("CREATE TABLE told (position INTEGER, body VARCHAR)")
        con.execute("""INSERT INTO told VALUES (0, '{"a": 0.30000000000000004, "seconds": 3, "b": null}')""")
        for row in rows:
            con.execute(
                "INSERT INTO sign_in_logs (file_id, row_no, account, status_error_code) VALUES (?, ?, ?, ?)", row
            )
        con.execute("CREATE TABLE measured (x DOUBLE, wide BIGINT)")
        con.execute("INSERT INTO measured VALUES (0.1::DOUBLE + 0.2::DOUBLE, 3)")
    return path


ANN, BOB = (1, 1, "ann", "0"), (1, 2, "bob", "50126")


def test_a_digest_does_not_hang_on_order_or_on_last_digits(tmp_path: Path) -> None:
    before, after = generation(tmp_path, "a", ANN, BOB), generation(tmp_path, "b", BOB, ANN)
    with duckdb.connect(str(after)) as con:
        con.execute("CREATE OR REPLACE TABLE measured AS SELECT 3::INTEGER AS wide, 0.3::DOUBLE AS x")
        con.execute("""UPDATE told SET body = '{"a": 0.3, "seconds": 4}'""")
        con.execute("ALTER TABLE sign_in_logs ADD COLUMN more VARCHAR")
    assert digests_of(before) == digests_of(after)


def test_a_difference_names_case_table_rows_and_columns(tmp_path: Path) -> None:
    before = digests_of(generation(tmp_path, "a", ANN, BOB))
    other = digests_of(generation(tmp_path, "b", ANN, (1, 2, "bob", "0")))
    fewer = digests_of(generation(tmp_path, "c", ANN))
    swapped = digests_of(generation(tmp_path, "d", (1, 1, "ann", "50126"), (1, 2, "bob", "0")))
    assert differences("x", before, other) == ["x: sign_in_logs: 2 rows; other values in status_error_code"]
    assert differences("x", before, fewer)[0].startswith("x: sign_in_logs: 2 rows before, 1 now; other values in acc")
    assert differences("x", before, swapped) == [
        "x: sign_in_logs: 2 rows; the same values in every column, joined otherwise"
    ]


def test_a_repeated_row_counts_as_often_as_it_stands_there(tmp_path: Path) -> None:
    before, twice = digests_of(generation(tmp_path, "a")), digests_of(generation(tmp_path, "b", ANN, ANN))
    assert twice["sign_in_logs"].rows == 2
    assert differences("x", before, twice) == ["x: sign_in_logs: held no rows and holds 2 now"]
    assert differences("x", twice, before) == ["x: sign_in_logs: held 2 rows and holds none now"]


def test_digests_are_read_as_they_were_kept(tmp_path: Path) -> None:
    kept, found = tmp_path / "kept.json", digests_of(generation(tmp_path, "a", ANN))
    renew(kept, "old", found, ["old"], columns=True)
    renew(kept, "new", found, ["new"], columns=True)
    assert golden_tables.read(kept) == {"new": found}
    renew(kept, "new", found, ["new"], columns=False)
    assert differences("new", golden_tables.read(kept)["new"], found) == []


def test_what_is_left_out_says_why() -> None:
    assert all(len(reason.split()) > 4 for reason in LEFT_OUT.values())
