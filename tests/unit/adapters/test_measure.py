"""What is counted and kept in a generation, and read back from it."""

from datetime import UTC, datetime

import duckdb
import pytest

from m365dq_dagster.adapters import measure, places
from m365dq_dagster.core.adjudication import Access, Client, Decision, Mark, Word
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.outcome import Confidence, LogType, Outcome, Severity
from m365dq_dagster.core.verdict import AccountEvidence
from tests.support.case_runs import shipped_pack
from tests.support.evidence import START, Row, legacy, load, logon, operation, sign_in

PACK = shipped_pack()


@pytest.fixture
def con(duckdb_con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    measure.load_pack_tables(duckdb_con, PACK)
    return duckdb_con


def logons(con: duckdb.DuckDBPyConnection, *rows: Row) -> None:
    load(con, rows)
    measure.build_logons(con)


def key_of(con: duckdb.DuckDBPyConnection, row: Row) -> tuple[object, ...]:
    """What the witnesses of one row say."""
    logons(con, row)
    (combo,) = next(iter(measure.combos(con).values())).values()
    return combo.code, combo.word, combo.access, combo.client, combo.single_factor, combo.codes_differ


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (sign_in(), ("0", Mark.BLANK, Mark.BLANK, Client.OTHER, None, False)),
        (sign_in(code="1"), (Mark.OUT_OF_DOMAIN, Mark.BLANK, Mark.BLANK, Client.OTHER, None, False)),
        (sign_in(code="050126"), (Mark.OUT_OF_DOMAIN, Mark.BLANK, Mark.BLANK, Client.OTHER, None, False)),
        (sign_in(code="512345"), (Mark.UNKNOWN_CODE, Mark.BLANK, Mark.BLANK, Client.OTHER, None, False)),
        (sign_in(code="50999999"), (Mark.UNKNOWN_CODE, Mark.BLANK, Mark.BLANK, Client.OTHER, None, False)),
        (sign_in(code="12345678901"), (Mark.OUT_OF_DOMAIN, Mark.BLANK, Mark.BLANK, Client.OTHER, None, False)),
        (sign_in(code="530031"), (Mark.UNKNOWN_CODE, Mark.BLANK, Mark.BLANK, Client.OTHER, None, False)),
        (sign_in(code=None, status=" success "), (Mark.BLANK, Word.SUCCESS, Mark.BLANK, Client.OTHER, None, False)),
        (sign_in(status="Sucess"), ("0", Mark.OUT_OF_DOMAIN, Mark.BLANK, Client.OTHER, None, False)),
        (sign_in(access="x|y"), ("0", Mark.BLANK, Mark.OUT_OF_DOMAIN, Client.OTHER, None, False)),
        (sign_in(access="Not Applied"), ("0", Mark.BLANK, Access.NOT_APPLIED, Client.OTHER, None, False)),
        (sign_in(code=None, status_error_code_copy="0"), ("0", Mark.BLANK, Mark.BLANK, Client.OTHER, None, False)),
        (sign_in(status_error_code_copy="50126"), ("0", Mark.BLANK, Mark.BLANK, Client.OTHER, None, True)),
        (
            sign_in(client_app_used="Exchange ActiveSync", authentication_requirement="singleFactorAuthentication"),
            ("0", Mark.BLANK, Mark.BLANK, Client.ACTIVESYNC, True, False),
        ),
        (
            sign_in(client_app_used="IMAP4", authentication_requirement="Multifactor authentication"),
            ("0", Mark.BLANK, Mark.BLANK, Client.LEGACY, False, False),
        ),
        (legacy(client_app_used=None), ("0", Mark.BLANK, Mark.BLANK, Client.LEGACY, None, False)),
        (logon(number="50126"), ("50126", Word.FAILURE, Mark.BLANK, Client.OTHER, None, False)),
    ],
)  # fmt: skip
def test_a_row_is_reduced_to_what_its_witnesses_say(
    con: duckdb.DuckDBPyConnection, row: Row, said: tuple[object, ...]
) -> None:
    assert key_of(con, row) == said


def test_rows_that_say_the_same_are_one_combo_and_operations_none(con: duckdb.DuckDBPyConnection) -> None:
    logons(con, sign_in(), sign_in(), sign_in(code="50126"), operation("Send"), logon())
    found = measure.combos(con)
    assert sorted(combo.rows for combo in found[LogType.SIGN_IN].values()) == [1, 2]
    assert len(found[LogType.UAL]) == 1


def test_only_filled_log_types_are_told(con: duckdb.DuckDBPyConnection) -> None:
    assert measure.filled_log_types(con) == {}
    load(con, [sign_in(), sign_in(), logon()])
    assert measure.filled_log_types(con) == {LogType.SIGN_IN: 2, LogType.UAL: 1}


def test_a_window_has_its_baseline_in_its_first_quarter(con: duckdb.DuckDBPyConnection) -> None:
    logons(con)
    measure.keep_decisions(con, [])
    places.settle_addresses(con, PACK.policy)
    nothing = measure.join_decisions(con, PACK.policy)
    assert (nothing.begins, nothing.baseline_end) == (None, None)
    logons(con, sign_in(), sign_in(when=datetime(2026, 1, 9, 9)), sign_in(when=None))
    decision = Decision(Outcome.SUCCESS, Confidence.HIGH, "status_error_code")
    measure.keep_decisions(
        con, [(LogType.SIGN_IN, key, decision, True) for key in measure.combos(con)[LogType.SIGN_IN]]
    )
    found = measure.join_decisions(con, PACK.policy)
    assert (found.begins, found.ends, found.baseline_end) == (START, datetime(2026, 1, 9, 9), datetime(2026, 1, 6, 9))


def test_every_column_of_an_account_has_its_place_in_the_evidence() -> None:
    fields = set(AccountEvidence.__dataclass_fields__)
    assert fields == {*measure.ACCOUNT_COLUMNS, "own_homes", "leads", "refused_yet_active", "open_values"}


def test_kept_things_come_back_in_their_order_and_replace_earlier_ones(con: duckdb.DuckDBPyConnection) -> None:
    assert measure.read_json(con, "things") == []
    measure.keep_json(con, "things", [{"n": number, "at": START} for number in range(30)])
    assert [one["n"] for one in measure.read_json(con, "things")] == list(range(30))
    measure.keep_json(con, "things", ["'; DROP TABLE files; --"])
    assert measure.read_json(con, "things") == ["'; DROP TABLE files; --"]
    measure.keep_json(con, "things", [])
    assert measure.read_json(con, "things") == []
    assert measure.has_table(con, "files")


def test_a_word_about_a_generation_is_kept_once(con: duckdb.DuckDBPyConnection) -> None:
    assert measure.noted(con, "k") is None
    measure.note(con, "k", "one")
    measure.note(con, "k", "two")
    assert measure.noted(con, "k") == "two"


def test_failed_checks_of_a_stage_replace_those_it_kept_before(con: duckdb.DuckDBPyConnection) -> None:
    def check(name: str, stage: str, *, passed: bool = False, blocking: bool = True) -> CheckResult:
        return CheckResult(
            name, stage, passed, blocking, Severity.CRITICAL, f"{name} failed", "r.md", ({"a": 1},), "WHY"
        )

    assert measure.failed_checks(con) == ()
    kept, shown = check("one", "intake"), check("soft", "intake", blocking=False)
    measure.keep_failed(con, "intake", [kept, check("fine", "intake", passed=True), shown])
    measure.keep_failed(con, "quality", [check("two", "quality")])
    assert measure.failed_checks(con) == (kept, shown, check("two", "quality"))
    measure.keep_failed(con, "intake", [])
    assert [one.name for one in measure.failed_checks(con)] == ["two"]


def test_tables_are_stamped_with_what_they_were_made_from(con: duckdb.DuckDBPyConnection) -> None:
    moment = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    measure.stamp(con, ["events", "flows"], "e", "c", "p", moment)
    measure.stamp(con, ["events"], "e2", "c", "p", moment)
    assert [tuple(row) for row in measure.stamps(con)] == [("events", "e2", "c", "p"), ("flows", "e", "c", "p")]


def test_provenance_is_told_over_all_files(con: duckdb.DuckDBPyConnection) -> None:
    for number, origin in enumerate(["source:Status", "source:ResultType", "source:Status"], 1):
        con.execute("INSERT INTO field_provenance VALUES (?, 'sign_in_logs', 'status', ?)", [number, origin])
    assert measure.provenance(con) == {("sign_in_logs", "status"): ("source:ResultType", "source:Status")}


def test_the_pack_tables_hold_every_known_code_and_word(con: duckdb.DuckDBPyConnection) -> None:
    def count(table: str) -> int:
        row = con.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row
        return int(row[0])

    assert count("pack_codes") == len(PACK.vocabulary.codes)
    measure.load_pack_tables(con, PACK)
    assert count("pack_codes") == len(PACK.vocabulary.codes)


def test_what_is_written_together_is_kept_whole_or_not_at_all(con: duckdb.DuckDBPyConnection) -> None:
    def write(word: str, *, interrupted: bool) -> None:
        with measure.together(con):
            measure.note(con, "k", word)
            if interrupted:
                raise KeyboardInterrupt

    write("one", interrupted=False)
    with pytest.raises(KeyboardInterrupt):
        write("two", interrupted=True)
    assert measure.noted(con, "k") == "one"
