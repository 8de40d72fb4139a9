"""The statements count what a plain loop over the same rows counts, in whatever order the rows stand."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m365dq_dagster.adapters import measure, sql
from m365dq_dagster.adapters.sql.profile import Counted, count_columns
from m365dq_dagster.core import adjudication
from m365dq_dagster.core.outcome import LogType
from m365dq_dagster.core.profile import ColumnCounts
from tests.support import plain_reckoning as plain
from tests.support.counting import PACK, POLICY, close_generation, emptied, judged
from tests.support.evidence import START, Row, load, sign_in
from tests.support.plain_reckoning import Event

CODES = ["0", "50126", "50053", "50074", "50140", "512345"]
FEWER = settings(max_examples=settings.default.max_examples // 2)


def row_of(event: Event, code: str) -> Row:
    return sign_in(
        event.account,
        event.when,
        event.country,
        code,
        address=event.address,
        correlation_id=event.correlation,
        session_id=None,
    )


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    """Nothing of the engine outlives these tests."""
    yield
    close_generation()


def outcome_of(code: str) -> str:
    """What a code means, asked of the judge itself, so that only the counting is tried here."""
    row = PACK.vocabulary.codes.get(code)
    return str(adjudication.outcome_of_code(row)[0]) if row else "UNKNOWN"


OUTCOMES = {code: outcome_of(code) for code in CODES}

moments = st.one_of(st.none(), st.integers(0, 60).map(lambda m: START + timedelta(minutes=m)))
far_moments = st.one_of(st.none(), st.integers(0, 24).map(lambda d: START + timedelta(days=d, minutes=d)))
countries = st.sampled_from(["AU", "RU", "NZ", None])
addresses = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::3", None])
accounts = st.sampled_from(["ann@x.example", "bob@x.example", "cy@x.example", "di@x.example", None])


@st.composite
def tables(draw: st.DrawFn, when: st.SearchStrategy, most: int = 14) -> list[tuple[Event, str]]:
    """A small table of sign-ins with the code of each."""
    found = []
    for number in range(1, draw(st.integers(1, most)) + 1):
        code = draw(st.sampled_from(CODES))
        event = Event(
            number,
            draw(accounts),
            draw(when),
            OUTCOMES[code],
            draw(countries),
            draw(addresses),
            draw(st.sampled_from(["c1", "c2", None])),
        )
        found.append((event, code))
    return found


def settled(table: Sequence[tuple[Event, str]], homes: Sequence[str] = ()) -> list[Event]:
    """The events with the country they are judged by, and whether that is foreign to their account."""
    return plain.settled([event for event, _ in table], homes, POLICY)


@FEWER
@given(table=tables(moments), order=st.integers(0, 9))
def test_flows_are_folded_as_the_rule_says_in_any_order_of_rows(table: list[tuple[Event, str]], order: int) -> None:
    expected = plain.grouped_flows([event for event, _ in table], POLICY.flows.minutes)
    with judged([row_of(event, code) for event, code in table], shuffled=order) as con:
        members = con.execute("SELECT list(row_no ORDER BY row_no) FROM events GROUP BY flow_id").fetchall()
        assert sorted(row for (row,) in members) == sorted(sorted(e.number for e in flow) for flow in expected)
        told = con.execute("SELECT e.row_no, f.outcome FROM flows AS f JOIN events AS e USING (flow_id)").fetchall()
    assert dict(told) == {event.number: plain.outcome_of_flow(flow) for flow in expected for event in flow}


@FEWER
@given(table=tables(far_moments, 20), order=st.integers(0, 9))
def test_addresses_and_homes_are_placed_as_the_rule_says_in_any_order_of_rows(
    table: list[tuple[Event, str]], order: int
) -> None:
    events = [event for event, _ in table]
    home = POLICY.home
    placed = settled(table)
    with judged([row_of(event, code) for event, code in table], shuffled=order) as con:
        found = dict(con.execute("SELECT address, country FROM address_countries").fetchall())
        assert found == plain.countries_of_addresses(events, home.address_country_share, home.address_country_days)
        assert dict(con.execute("SELECT row_no, country FROM events").fetchall()) == {
            e.number: e.country for e in placed
        }
        assert set(con.execute("SELECT account, country FROM own_homes").fetchall()) == plain.own_homes(
            placed, home.own_days, home.own_share, home.baseline_window
        )
        modal = {country: int(number) for country, number, _, _ in measure.modal_countries(con)}
        assert modal == plain.modal_countries(placed)


@FEWER
@given(days=st.lists(st.tuples(st.sampled_from(["AU", "RU"]), st.integers(0, 30)), min_size=5, max_size=30))
def test_a_country_is_an_accounts_own_home_by_days_and_not_by_rows(days: list[tuple[str, int]]) -> None:
    events = [
        Event(n, "ann@x.example", START + timedelta(days=day), "SUCCESS", country)
        for n, (country, day) in enumerate(days, 1)
    ]
    home = POLICY.home
    with judged([row_of(event, "0") for event in events]) as con:
        found = set(con.execute("SELECT account, country FROM own_homes").fetchall())
    assert found == plain.own_homes(events, home.own_days, home.own_share, home.baseline_window)


@FEWER
@given(table=tables(far_moments, 20), order=st.integers(0, 9))
def test_ratios_victims_and_prior_failures_are_counted_as_the_rule_says(
    table: list[tuple[Event, str]], order: int
) -> None:
    events = settled(table, ["AU"])
    flows = plain.grouped_flows(events, POLICY.flows.minutes)
    picked = [(plain.outcome_of_flow(flow), pick(flow)) for flow in flows]
    attempts = [(outcome, one) for outcome, one in picked if outcome == "SUCCESS" or outcome in plain.FAILURES]
    with judged([row_of(event, code) for event, code in table], ["AU"], shuffled=order, accounts=True) as con:
        assert dict(con.execute("SELECT row_no, is_foreign FROM events").fetchall()) == {
            e.number: e.foreign for e in events
        }
        row = measure.run_named(con, "case_flows", file="accounts")[0]
        assert tuple(map(int, row)) == (
            len(flows),
            sum(outcome == "SUCCESS" for outcome, _ in picked),
            sum(one.foreign for _, one in attempts),
            sum(one.foreign and outcome == "SUCCESS" for outcome, one in picked),
        )
        abroad = {e.address for e in events if e.foreign and e.outcome == "SUCCESS" and e.address}
        expected = {address: number for address in abroad if (number := plain.victims(events, address))}
        assert dict(con.execute("SELECT address, victims FROM sprayed_addresses").fetchall()) == expected
        before = dict(con.execute("SELECT account, failures FROM prior_failures").fetchall())
    limits = POLICY.breach
    egress = plain.standing_egress(events, limits, POLICY.home.baseline_window)
    used = {e.number for e in events if e.address in egress}
    for account in {e.account for e in events if e.account}:
        assert before.get(account, 0) == plain.prior_failures(flows, account, limits.prior_failure_days, used)


def pick(flow: Sequence[Event]) -> Event:
    """The row that stands for a flow: the first success, else the last row of the weightiest kind."""
    for words in ({"SUCCESS"}, plain.FAILURES, {"CONFLICT"}, {"UNKNOWN"}, {"INTERRUPTED"}):
        rows = [event for event in flow if event.outcome in words]
        if rows and words == {"SUCCESS"}:
            return min(rows, key=lambda e: (e.when or START, e.number))
        if rows:
            return max(rows, key=lambda e: (e.when or START, -e.number))
    raise AssertionError("a flow has a row")


@FEWER
@given(
    here=st.lists(st.integers(0, 400), max_size=4),
    there=st.lists(st.integers(0, 400), min_size=1, max_size=4),
)
def test_overlap_counts_foreign_successes_close_to_one_at_home(here: list[int], there: list[int]) -> None:
    named = {"browser": "Chrome 1.2", "os": "Windows"}
    home = [sign_in(when=START + timedelta(minutes=m), browser="Edge 9", os="MacOs") for m in here]
    abroad = [sign_in(when=START + timedelta(minutes=m), country="RU", **named) for m in there]
    close = POLICY.breach.overlap_hours * 60
    expected = sum(any(abs(m - h) <= close for h in here) for m in there)
    with judged([*home, *abroad], ["AU"], accounts=True) as con:
        found = dict(con.execute("SELECT account, successes FROM overlapping").fetchall())
    assert sum(found.values()) == expected


values = st.sampled_from(
    [None, "0", "50126", "Success", "Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus"]
)


@given(column=st.lists(values, min_size=1, max_size=30), order=st.integers(0, 9))
def test_a_column_is_counted_with_blank_as_a_value_of_its_own(column: list[str | None], order: int) -> None:
    cleaned = [None if value and value.startswith("Microsoft.") else value for value in column]
    rows = [sign_in(code=kept, status_error_code_raw=raw) for raw, kept in zip(column, cleaned, strict=True)]
    counts = counted(rows, order)
    as_read = Counter(column)
    assert counts.applicable == len(column)
    assert counts.present == sum(value is not None for value in cleaned)
    assert counts.type_names == sum(value is not None for value in column) - counts.present
    assert counts.distinct == len(as_read)
    assert counts.top_rows == max(as_read.values())
    assert as_read[counts.top_raw] == counts.top_rows
    assert counts.top_value == (None if counts.top_raw and counts.top_raw.startswith("Microsoft.") else counts.top_raw)
    assert counts.entropy == pytest.approx(
        -sum(k / len(column) * math.log(k / len(column)) for k in as_read.values()), abs=1e-9
    )


def counted(rows: Sequence[Row], order: int | None = None, field: str = "status_error_code") -> ColumnCounts:
    """The counts of one column of the rows."""
    con = emptied()
    load(con, rows, order)
    spec = next(spec for spec in PACK.fields if (spec.log_type, spec.field) == ("sign_in_logs", field))
    measure.count_columns(con, [spec], {spec.log: len(rows)})
    return measure.column_counts(con)["sign_in_logs", field]


@given(column=st.lists(values, min_size=1, max_size=12), orders=st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_the_commonest_value_does_not_depend_on_the_order_of_rows(
    column: list[str | None], orders: tuple[int, int]
) -> None:
    rows = [sign_in(code=value) for value in column]
    one, other = counted(rows, orders[0]), counted(rows, orders[1])
    assert (one.top_value, one.top_raw, one.top_rows) == (other.top_value, other.top_raw, other.top_rows)


@given(column=st.lists(values, min_size=1, max_size=12))
def test_columns_are_counted_alike_together_and_one_by_one(column: list[str | None]) -> None:
    con, specs = emptied(), [spec for spec in PACK.fields if spec.log_type == "sign_in_logs"]
    load(con, [sign_in(code=value, country=value, city=value, os="x") for value in column])
    found = []
    for rows in (len(column), measure.COUNTED_AT_ONCE + 1):
        measure.count_columns(con, specs, {LogType.SIGN_IN: rows})
        found.append(measure.column_counts(con))
    assert len(found[0]) == len(specs)
    assert found[0] == found[1]


def test_a_field_of_which_no_row_is_asked_is_counted_as_none() -> None:
    con, spec = emptied(), next(spec for spec in PACK.fields if spec.field == "logon_error")
    measure.count_columns(con, [spec], {spec.log: 0})
    counts = measure.column_counts(con)["unified_audit_log", "logon_error"]
    assert (counts.applicable, counts.distinct, counts.top_value, counts.top_rows) == (0, 0, None, 0)


def test_a_blank_that_stands_on_most_rows_is_the_commonest_value() -> None:
    counts = counted([*[sign_in(code=None) for _ in range(9)], sign_in(code="0")])
    assert (counts.top_value, counts.top_rows, counts.distinct) == (None, 9, 2)


def test_values_that_differ_in_blanks_around_them_are_one_value() -> None:
    counts = counted([sign_in(code="0", status_error_code_raw=raw) for raw in ("0", "0 ", " 0")])
    assert (counts.distinct, counts.top_rows) == (1, 3)


def test_a_country_is_valid_where_it_has_two_letters() -> None:
    rows = [sign_in(country=country) for country in ("AU", "NA", "Australia", None)]
    assert counted(rows, field="country").in_domain == 2


def test_an_empty_table_counts_nothing() -> None:
    counts = counted([])
    assert (counts.applicable, counts.present, counts.top_rows, counts.top_value) == (0, 0, 0, None)


def test_identifiers_and_literals_survive_hostile_names() -> None:
    con = duckdb.connect()
    hostile = 'a"; DROP TABLE t; --'
    con.execute(f"CREATE TABLE t ({sql.quote_identifier(hostile)} INTEGER)")
    assert [row[0] for row in con.execute("DESCRIBE t").fetchall()] == [hostile]
    assert sql.quote_identifier("a\x00b") == '"a\ufffdb"'
    assert con.execute(f"SELECT {sql.quote_literal(chr(39) + '; SELECT 1')}").fetchone() == ("'; SELECT 1",)


@pytest.mark.parametrize("name", ["judge", "accounts", "document"])
def test_every_statement_has_a_name_and_a_body(name: str) -> None:
    found = sql.named_statements(name)
    assert found
    assert all(title and body and not body.endswith(";") for title, body in found.items())
    assert len(found) == sql.statement(name).count("-- name:")


def test_every_named_statement_is_one_that_somebody_runs(checkout: Path) -> None:
    code = "".join(path.read_text() for path in (checkout / "m365dq_dagster").rglob("*.py"))
    unused = [
        title
        for name in ("judge", "accounts", "document")
        for title in sql.named_statements(name)
        if f'"{title}"' not in code
    ]
    assert unused == []


def test_counting_narrows_the_audit_log_to_logons_where_only_they_speak() -> None:
    [text] = count_columns("unified_audit_log", [Counted("operation", only="logons")])
    assert "WHERE is_logon" in text
