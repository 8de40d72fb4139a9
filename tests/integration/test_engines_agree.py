"""Every portable statement gives the same rows on this machine and on a Spark Connect server."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters import measure, places
from m365dq_dagster.adapters.engine import Engine
from m365dq_dagster.adapters.places import CountryDatabase
from m365dq_dagster.core.context import parse_context
from m365dq_dagster.stages import estate, quality, verification
from tests.support.case_runs import shipped_pack
from tests.support.country_database import AWAY, HOME, country_database
from tests.support.engines import NAMES, Both, both, parquet_of_rows
from tests.support.evidence import ANN, BOB, EVE, Row, at, legacy, logon, operation, sign_in

pytestmark = [pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")]

PACK = shipped_pack()
OWNERS = [f"owner{number}@contoso.example" for number in range(6)]

HERE_ALONE = frozenset(
    {
        "columns_of",
        "columns_of_tables",
        "document_table",
        "has_table",
        "keep_document",
        "kept_document",
        "normalized_table",
        "note",
        "noted",
        "outgrown",
        "stamp",
        "stamps",
        "table_names",
    }
)
"""What keeps a generation in order, which only the machine of a run has."""

TABLES = (
    "logon_rows",
    "logons",
    "said",
    "witness_days",
    "row_parts",
    "column_counts",
    "decided",
    "decisions",
    "address_countries",
    "address_places",
    "unplaced",
    "field_provenance",
    "copies",
    "counted_logons",
    "placed",
    "corroborated",
    "success_days",
    "success_countries",
    "own_homes",
    "case_homes",
    "known_travel",
    "known_egress",
    "known_bad",
    "travelled",
    "shared_ids",
    "flow_numbers",
    "suspected_copies",
    "adjudicated",
    "judged",
    "events",
    "folded_flows",
    "flows",
    "v_normalized_status",
)

MOVED = (
    "account_days",
    "usual_countries",
    "suspects",
    "sightings",
    "misplaced",
    "faults",
    "flickering",
    "flicker_rows",
    "flips",
)
"""The tables that are made where locations may have moved."""

CONTEXT: dict[str, Any] = {
    "home_countries": ["AU"],
    "egress_ranges": ["198.51.100.0/28"],
    "known_bad_addresses": [EVE],
    "licence": "P2",
    "travel": [
        {"account": ANN, "country": "NZ", "from": "2026-01-06", "to": "2026-01-07"},
        {"account": "o'brien\\${env:HOME}@contoso.example", "country": "RU", "from": "2026-01-06", "to": "2026-01-09"},
    ],
}


def hostile() -> list[Row]:
    """What only an attacker, a spreadsheet or a broken export writes."""
    texts = [
        "plain",
        "o'brien\\${env:HOME}@contoso.example",
        "\u00a0 nbsp \u3000",
        "İSTANBUL ΑΣ Σ ß ﬁ",
        "a|b\nc\td\r\x00e\x1f",
        "𝄞 🙂 \u202ereversed",
        '"; DROP TABLE logons; --',
        "%s {x} :name $name ?",
        "\\Q.*\\E ^$ [a] (b)+",
        "",
        " ",
        "Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus",
        "  System.Object[]",
        "@{errorCode=0}",
        "[object Object]",
    ]
    rows = []
    for number, text in enumerate(texts):
        when = at(number % 3, number)
        rows += [
            sign_in(text, when, "AU", "0", os=text, browser=text, user_agent=text, device_id=text, session_id=text),
            sign_in(ANN, when, text, text or None, status=text, access=text, client_app_used=text, event_id=text),
            sign_in(BOB, None, "ß" + text[:1], None, status_error_code_raw=text, status_raw=text, address=text),
            sign_in(BOB, when, "ru", "50126", correlation_id=text, sign_in_event_type=text, is_interactive=None),
            logon(text, when, text, session_id=text, user_agent=text, country=None),
        ]
    addresses = [
        "10.0.0.1",
        "2001:db8:1:2::5",
        "::1",
        "fe80::1%eth0",
        "host.example",
        "::ffff:10.0.0.1",
        "1.2.3",
        "8.8.8.8",
    ]
    rows += [sign_in(ANN, at(1, n), "AU", "0", address=address) for n, address in enumerate(addresses)]
    times = [datetime(1970, 1, 1), datetime(2038, 1, 19, 3, 14, 7, 999999), datetime(9999, 12, 31, 23, 59, 59, 1)]
    rows += [sign_in(BOB, when, "AU", "0") for when in times]
    return rows


def of_every_kind() -> list[Row]:
    """Codes of every class, every word, copies, flows longer than a flow's length, logs beside each other."""
    rows: list[Row] = []
    codes = [
        "0",
        "50126",
        "50053",
        "50074",
        "53003",
        "500121",
        "50140",
        "50061",
        "90072",
        "512345",
        "1",
        "050126",
        None,
    ]
    for number, code in enumerate(codes):
        for status, access in ((None, "success"), ("Failure", "failure"), ("Success", "notApplied"), ("Sucess", None)):
            rows.append(sign_in(ANN, at(number, number), "AU", code, status=status, access=access))
    rows += [sign_in(BOB, at(1, 6 * n), "RU", "50126" if n < 9 else "0", correlation_id="c1") for n in range(10)]
    rows += [sign_in(BOB, at(2, n / 60), "AU", "50074" if n else "0", correlation_id="c2") for n in range(3)]
    rows += [sign_in(BOB, None, "AU", "0", correlation_id="c1"), sign_in(None, at(2), "AU", "0", correlation_id="c1")]
    rows += [sign_in(OWNERS[n % 6], at(n), "AU", "0", event_id=f"e{n}") for n in range(40)]
    again = {"file_id": 3, "code": "50126"}  # told once more by a file of another format, which has no ids
    rows += [sign_in(OWNERS[n % 6], at(n, 0.001), "AU", row_no=1000 + n, **again) for n in range(12)]
    rows += [sign_in(ANN, at(1), "NZ", "0", address="198.51.100.7"), sign_in(BOB, at(3), "RU", "0", address=EVE)]
    rows += [legacy(ANN, at(n), "AU", "0") for n in range(5)] + [legacy(BOB, at(n), "RU", "50126") for n in range(3)]
    access = {"code": None, "access": "success"}
    rows += [sign_in(OWNERS[1], at(n), "AU", session_id="s1", address="8.8.8.8", **access) for n in range(6)]
    rows += [operation("MailItemsAccessed", OWNERS[1], at(n), session_id="s1", address="8.8.8.8") for n in range(3)]
    rows += [logon(OWNERS[2], at(n), "50126" if n % 3 else "0", country=None, address="1.1.1.1") for n in range(9)]
    return rows


def elsewhere() -> list[Row]:
    """Everybody moved on one day, and one session that flickers between countries within its network."""
    rows = [
        sign_in(owner, at(day), "AU", "0", address=f"20.{number}.{host}.{host}")
        for number, owner in enumerate(OWNERS)
        for day in range(0, 40, 2)
        for host in (7, 9)
    ]
    rows += [
        sign_in(owner, at(21, 5), "UZ", "0", address=f"20.{number}.{host}.{host}")
        for number, owner in enumerate(OWNERS)
        for host in (7, 9)
    ]
    flicker = {"session_id": "s9", "device_id": "D-9"}
    rows += [
        sign_in(OWNERS[0], at(25 + n / 10, 0), "AU" if n % 2 else "PL", "0", address=f"20.0.7.{50 + n}", **flicker)
        for n in range(12)
    ]
    rows += [
        sign_in(OWNERS[0], at(25.5, minutes), country, "0", address=f"20.0.7.{90 + minutes}", **flicker)
        for minutes, country in enumerate(("AU", "PL", "AU", "PL"))
    ]
    return rows


def in_parts() -> list[Row]:
    """A log whose codes are lost on some days alone, so that its rows are judged in parts."""
    lost = {"status_error_code_raw": "Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus"}
    rows = []
    for day in range(40):
        for number in range(12):
            code = None if day >= 20 else ("0" if number % 3 else "50126")
            access = "success" if number % 3 else "failure"
            rows.append(
                sign_in(OWNERS[number % 6], at(day, number), "AU", code, access=access, **(lost if day >= 20 else {}))
            )
    return rows


CASES = {"hostile": hostile, "every-kind": of_every_kind, "elsewhere": elsewhere, "in-parts": in_parts}


@pytest.fixture(
    scope="module",
    params=["sail", pytest.param("spark", marks=[pytest.mark.soak, pytest.mark.slow, pytest.mark.spark])],
)
def server(request: pytest.FixtureRequest) -> str:
    """The address of the server that is compared: Sail, and in the long run a real Apache Spark."""
    found = request.getfixturevalue(request.param)
    return str(found if isinstance(found, str) else found.url)


@pytest.fixture(scope="module")
def ran() -> set[tuple[str, str]]:
    """Every named statement that the cases of this module ran."""
    return set()


def judged_on_both(
    pair: Both, given: dict[str, Any] | None = None, database: CountryDatabase | None = None
) -> dict[str, Any]:
    """Profile and adjudicate on both engines, and compare whatever came of it."""
    context = parse_context(given or {}, "case.toml")

    def tenant(engine: Engine) -> estate.Tenant:
        return estate.Tenant("c", engine, context, PACK, database)

    fields = pair.same(lambda engine: quality.profile(tenant(engine)))
    pair.same(lambda engine: vars(verification.adjudicated(tenant(engine), fields)))
    for table in TABLES:
        pair.same_rows(table)
    for table in sorted(
        {"long_ids", "flow_steps", "sightings", "misplaced", "faults", "flickering", "flicker_rows", "flips"}
        & set(pair.here.tables())
    ):
        pair.same_rows(table)
    pair.same(lambda engine: measure.outcome_rows(engine))
    pair.same(lambda engine: measure.foreign_accounts(engine))
    pair.same(lambda engine: places.fast_travel(engine, PACK.policy))
    pair.same(lambda engine: places.reach(engine))
    pair.same(lambda engine: places.agreement(engine))
    pair.same(lambda engine: measure.run_named(engine, "suspected_overlap"))
    return {"fields": fields}


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_profiled_and_adjudicated_row_for_row_alike(
    name: str, server: str, ran: set[tuple[str, str]], tmp_path: Path
) -> None:
    files = parquet_of_rows(CASES[name](), tmp_path / "case")
    with both(server, files, tmp_path / "work") as pair:
        judged_on_both(pair, CONTEXT if name != "in-parts" else None)
        ran |= pair.ran


def test_countries_that_only_a_database_knows_are_settled_alike(
    server: str, ran: set[tuple[str, str]], tmp_path: Path
) -> None:
    database = CountryDatabase.open(country_database(tmp_path, {HOME: "AU", AWAY: "RU"}))
    rows = [*of_every_kind(), *(sign_in(ANN, at(n), None, "0", address="1.1.1.9") for n in range(4))]
    with both(server, parquet_of_rows(rows, tmp_path / "case"), tmp_path / "work") as pair:
        judged_on_both(pair, CONTEXT, database)
        pair.same(lambda engine: places.forget_places(engine))
        pair.same_rows("address_places")
        ran |= pair.ran


def test_a_case_without_any_row_is_alike(server: str, ran: set[tuple[str, str]], tmp_path: Path) -> None:
    with both(server, parquet_of_rows([], tmp_path / "case"), tmp_path / "work") as pair:
        judged_on_both(pair)
        ran |= pair.ran


def test_every_portable_statement_was_compared(ran: set[tuple[str, str]]) -> None:
    asked = {(file, name) for file, name in NAMES.values() if file != "accounts" and name not in HERE_ALONE}
    assert sorted(asked - ran) == []
