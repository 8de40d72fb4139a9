"""Countries that no export states: looked up, told apart from those that were stated, and never against them."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.places import CountryDatabase
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.stages.document import read_provenance
from tests.support.case_runs import Bench, judged, prepare, run_folder
from tests.support.country_database import AWAY, BUILT, HOME, country_database
from tests.support.evidence import ANN, BOB, Row, abroad, at, at_home, logon, rejected, sign_in

AT_HOME, ABROAD = "8.8.8.8", "1.1.1.1"


@pytest.fixture
def database(tmp_path: Path) -> CountryDatabase:
    return opened(country_database(tmp_path, {HOME: "AU", AWAY: "RU"}))


def opened(path: Path) -> CountryDatabase:
    found = CountryDatabase.open(path)
    assert found is not None
    return found


def logons(account: str, address: str, times: int, first: float = 0, step: float = 1) -> list[Row]:
    """Successful logons of the audit log, which states no country."""
    return [logon(account, at(first + n * step), address=address, country=None) for n in range(times)]


def audit_log_of_a_breach() -> list[Row]:
    failed = [logon(BOB, at(n), "50126", address=AT_HOME, country=None) for n in range(2)]
    return [*logons(ANN, AT_HOME, 20), *logons(BOB, AT_HOME, 20), *failed, *logons(ANN, ABROAD, 6, 30, 0.001)]


def judge(rows: Sequence[Row], database: CountryDatabase | None, **given: Any) -> dict[str, Any]:
    return Bench(country_database=database).judge(rows, **{"home": ["AU"], **given})


def test_a_case_of_audit_logons_alone_is_judged_by_the_countries_of_the_database(database: CountryDatabase) -> None:
    rows = audit_log_of_a_breach()
    without = judge(rows, None)
    assert (without["status"], without["country_database"]) == ("CANNOT_CONCLUDE", None)
    found = judge(rows, database)
    assert found["status"] == "BREACH_INDICATED"
    assert found["by_account"][ANN]["foreign_success"] == 6
    assert found["by_account"][BOB]["foreign_success"] == 0


def test_the_document_says_which_database_it_was(database: CountryDatabase) -> None:
    told = judge(audit_log_of_a_breach(), database)["country_database"]
    assert told == {
        "file": "Countries.mmdb",
        "type": "Test-Country",
        "built": "2026-01-10T00:00:00Z",
        "sha256": database.edition.sha256,
        "trusted": True,
        "addresses_asked": 2,
        "addresses_placed": 2,
        "addresses_compared": 0,
        "addresses_differing": 0,
        "rows_placed": {"unified_audit_log": 48},
    }


def test_without_the_attacker_the_same_audit_log_is_no_breach(database: CountryDatabase) -> None:
    quiet = [row for row in audit_log_of_a_breach() if row.columns["address"] == AT_HOME]
    assert judge(quiet, database)["status"] == "NO_BREACH_INDICATED"


def test_what_the_export_states_is_never_overwritten_and_the_contradiction_is_told(database: CountryDatabase) -> None:
    rows = [*at_home(BOB), *at_home(address=ABROAD, country="AU"), sign_in(ANN, at(1), "AU", "50126")]
    found = judge(rows, database)
    assert found["status"] == "NO_BREACH_INDICATED"
    (conflict,) = [row for row in found["conflicts"] if row["kind"] == "ADDRESS_PLACED_DIFFERENTLY"]
    assert conflict["rows"] == 20
    assert f"{ABROAD} (export AU, database RU)" in conflict["detail"]
    assert found["country_database"]["rows_placed"] == {}


def test_a_row_without_a_country_follows_what_the_export_states_of_its_address_elsewhere(
    database: CountryDatabase,
) -> None:
    rows = [*at_home(address=ABROAD, country="AU"), *abroad(address=ABROAD, country=None), *at_home(BOB)]
    assert judge(rows, database)["by_account"][ANN]["foreign_success"] == 0


def test_a_database_that_differs_from_the_exports_on_most_addresses_places_nothing(tmp_path: Path) -> None:
    wrong = opened(country_database(tmp_path, {"8.8.0.0/16": "BR", AWAY: "RU"}))
    owners = [at_home(f"user{n}@contoso.example", address=f"8.8.{n}.1") for n in range(4)]
    rows = [*(row for rows in owners for row in rows), *abroad(address=ABROAD, country=None, times=6)]
    found = judge(rows, wrong)
    assert not found["country_database"]["trusted"]
    assert found["sign_ins"]["foreign_successes"] == 0
    assert found["status"] == "CANNOT_CONCLUDE"
    (note,) = [row for row in found["quality"]["notes"] if row["check"] == "country_database_fits"]
    assert note["code"] == "COUNTRY_DATABASE_DOUBTFUL"
    assert "agrees on too few" in note["reason"]


def test_an_old_database_is_used_and_noted(tmp_path: Path) -> None:
    old = opened(country_database(tmp_path, {HOME: "AU", AWAY: "RU"}, built=BUILT - timedelta(days=500)))
    found = judge(audit_log_of_a_breach(), old)
    assert found["status"] == "BREACH_INDICATED"
    (note,) = [row for row in found["quality"]["notes"] if row["check"] == "country_database_fits"]
    assert "was built on 2024-08-28, more than 400 days before the evidence" in note["reason"]


def test_a_database_that_knows_no_country_says_so(tmp_path: Path) -> None:
    networks = opened(country_database(tmp_path, {HOME: {"autonomous_system_number": 15169}}, kind="Test-ASN"))
    found = judge(audit_log_of_a_breach(), networks)
    assert found["status"] == "CANNOT_CONCLUDE"
    (note,) = [row for row in found["quality"]["notes"] if row["check"] == "country_database_fits"]
    assert "Countries.mmdb (type Test-ASN) names no country for any address of the case" in note["reason"]


def test_private_addresses_stay_unknown_whatever_the_database_says(tmp_path: Path) -> None:
    bold = opened(country_database(tmp_path, {"10.0.0.0/8": "RU", HOME: "AU"}))
    found = judge([*logons(ANN, AT_HOME, 20), *logons(ANN, "10.0.0.7", 6, 30)], bold)
    assert found["sign_ins"]["foreign_successes"] == 0
    assert found["status"] == "CANNOT_CONCLUDE"


def test_addresses_of_every_log_are_looked_up_once(database: CountryDatabase) -> None:
    with Bench(country_database=database).run(audit_log_of_a_breach(), home=["AU"]) as run:
        run.con.execute("CREATE TABLE some_other_log (address VARCHAR, event_time TIMESTAMP, event_time_raw VARCHAR)")
        run.con.execute("INSERT INTO some_other_log BY NAME SELECT unnest(['8.8.8.99', '8.8.8.99', NULL]) AS address")
        run.con.execute("CREATE TABLE no_events (address VARCHAR)")
        run.con.execute("INSERT INTO no_events VALUES ('8.8.8.77')")
        judged(run)
        found = dict(run.con.execute("SELECT address, country FROM address_places ORDER BY address").fetchall())
    assert found == {ABROAD: "RU", AT_HOME: "AU", "8.8.8.99": "AU"}


def test_the_remark_on_the_field_says_how_many_rows_the_database_placed(database: CountryDatabase) -> None:
    rows = [*at_home(BOB), *at_home(address=AT_HOME, country=None)]
    found = judge(rows, database)
    (country,) = [row for row in found["fields"] if (row["log_type"], row["field"]) == ("sign_in_logs", "country")]
    assert country["remarks"][-1] == (
        "20 rows without a country have it from Countries.mmdb, type Test-Country, built on 2026-01-10."
    )


# --- From a folder, with the database that the settings name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An audit log as a collector exports it: twenty days at home, then six logons from elsewhere."""
    made = tmp_path / "audit-only"
    made.mkdir()
    (made / "case.toml").write_text('home_countries = ["AU"]\n')
    with (made / "AuditLog.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["RecordType", "CreationDate", "UserIds", "Operations", "AuditData", "Identity"])
        for number, row in enumerate(audit_log_of_a_breach()):
            writer.writerow(_audit_record(number, row.columns))
    return made


def _audit_record(number: int, columns: Any) -> list[str]:
    moment, number_id = columns["event_time"].isoformat(), f"00000000-0000-4000-8000-{number:012d}"
    record = {
        "CreationTime": moment,
        "Id": number_id,
        "Operation": columns["operation"],
        "RecordType": 15,
        "ResultStatus": "Success",
        "UserId": columns["account"],
        "UserType": 0,
        "Workload": "AzureActiveDirectory",
        "ClientIP": columns["address"],
        "ErrorNumber": columns["error_number"],
    }
    return ["15", moment, columns["account"], columns["operation"], json.dumps(record), number_id]


def test_the_database_of_the_settings_places_a_folder_and_stands_in_the_provenance(
    folder: Path, tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = country_database(tmp_path, {HOME: "AU", AWAY: "RU"})
    monkeypatch.setenv("M365DQ_COUNTRY_DATABASE", str(path))
    found = run_folder(folder, registry)
    assert found.document["status"] == "BREACH_INDICATED"
    (file,) = read_provenance(CaseStore(Settings.load().cases_dir), found.prepared.case_id)
    assert file["fields"]["country"] == opened(path).edition.origin
    assert found.document["stale"] == []


def test_a_case_is_judged_again_when_the_database_changes_or_goes(
    folder: Path, tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M365DQ_COUNTRY_DATABASE", str(country_database(tmp_path, {HOME: "AU", AWAY: "RU"})))
    assert run_folder(folder, registry).document["status"] == "BREACH_INDICATED"
    assert prepare(folder, registry).unchanged
    country_database(tmp_path, {HOME: "AU", AWAY: "AU"})
    assert not prepare(folder, registry).unchanged
    assert run_folder(folder, registry, "g2").document["status"] == "NO_BREACH_INDICATED"
    monkeypatch.delenv("M365DQ_COUNTRY_DATABASE")
    assert not prepare(folder, registry).unchanged
    assert run_folder(folder, registry, "g3").document["status"] == "CANNOT_CONCLUDE"


def test_a_database_that_is_not_there_stops_a_run_before_it_begins(
    folder: Path, tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M365DQ_COUNTRY_DATABASE", str(tmp_path / "gone.mmdb"))
    with pytest.raises(BadInput, match=r"gone\.mmdb cannot be read"):
        prepare(folder, registry)


def test_judging_again_with_another_database_leaves_one_origin_in_the_provenance(tmp_path: Path) -> None:
    rows = [*at_home(BOB), *at_home(address=AT_HOME, country=None)]
    with Bench(country_database=opened(country_database(tmp_path, {HOME: "AU"}))).run(rows, home=["AU"]) as run:
        run.con.execute("INSERT INTO field_provenance VALUES (1, 'sign_in_logs', 'country', 'source:Country')")
        judged(run)
        other = opened(country_database(tmp_path, {HOME: "AU"}, name="Other.mmdb"))
        again = judged(replace(run, country_database=other))
        (country,) = [row for row in again["fields"] if (row["log_type"], row["field"]) == ("sign_in_logs", "country")]
        assert country["provenance"] == f"source:Country or {other.edition.origin}"
        judged(replace(run, country_database=None))
        left = run.con.execute("SELECT provenance FROM field_provenance WHERE field = 'country'").fetchall()
    assert left == [("source:Country",)]


# --- Locations that moved while nobody did

OWNERS = [f"owner{n}@contoso.example" for n in range(6)]
FAULTY = 25
"""The day on which everybody was placed in Tashkent."""


def network(owner: str, host: int = 7) -> str:
    """An address in the owner's own network; another host of it is another address."""
    return f"20.{OWNERS.index(owner)}.{host}.{host}"


def settled_life(days: Sequence[int] = range(0, 40, 2), owners: Sequence[str] = OWNERS, **columns: object) -> list[Row]:
    """Owners at home, each in a network of his own; one of them mistypes a password twice."""
    lives = [at_home(owner, days, **{"address": network(owner), **columns}) for owner in owners]
    typos = [sign_in(owners[0], at(1, n), "AU", "50126", address=network(owners[0])) for n in range(2)]
    return [*(row for life in lives for row in life), *typos]


def moved(owners: Sequence[str] = OWNERS, host: int = 7, day: int = FAULTY, country: str = "UZ") -> list[Row]:
    """One success of each, from the old address or another one of the own network, placed elsewhere."""
    return [sign_in(owner, at(day, 5), country, address=network(owner, host)) for owner in owners]


def kinds(document: dict[str, Any]) -> list[str]:
    return [row["kind"] for row in document["conflicts"]]


def test_everybody_moved_to_one_country_on_one_day_is_a_fault_of_the_location() -> None:
    found = judge([*settled_life(), *moved(), *moved(host=9)], None)
    assert (found["status"], found["sign_ins"]["foreign_successes"]) == ("NO_BREACH_INDICATED", 0)
    (fault,) = [row for row in found["conflicts"] if row["kind"] == "LOCATION_FAULT"]
    assert fault["rows"] == 12
    assert fault["detail"].startswith("On 2026-01-30 6 of 6 active accounts were placed in UZ")
    (country,) = [row for row in found["fields"] if (row["log_type"], row["field"]) == ("sign_in_logs", "country")]
    assert country["remarks"][-1] == "6 rows not believed (LOCATION_FAULT); the country of 6 is unknown."
    assert any("6 rows of sign_in_logs whose location is not believed" in text for text in found["not_tested"])


def test_an_address_with_a_history_keeps_its_country_on_the_day_of_the_fault() -> None:
    found = judge([*settled_life(), *moved()], None)
    assert found["status"] == "NO_BREACH_INDICATED"
    assert "LOCATION_FAULT" in kinds(found)
    assert not any("not believed" in text for text in found["not_tested"])


def test_an_address_without_a_settled_country_is_named_under_what_was_not_tested() -> None:
    rows = [sign_in(ANN, at(30, n), country, address="45.9.1.1") for n, country in enumerate(["RU", "AU"] * 2)]
    found = judge([*settled_life(), *rows], None)
    assert found["sign_ins"]["foreign_successes"] == 0
    assert any("4 rows from addresses that were placed in several countries" in text for text in found["not_tested"])


def test_an_attacker_who_enters_every_account_from_new_addresses_is_no_fault() -> None:
    entered = [row for owner in OWNERS for row in abroad(owner, first=at(FAULTY), country="UZ", address="45.9.1.1")]
    found = judge([*settled_life(), *entered], None)
    assert found["status"] == "BREACH_INDICATED"
    assert "LOCATION_FAULT" not in kinds(found)


def test_an_attacker_in_the_owners_networks_is_no_fault_without_their_lines() -> None:
    """A hoster or carrier may serve both: he fails on everybody, and enters some."""
    tried = [sign_in(owner, at(FAULTY, n), "UZ", "50126", address=network(owner)) for n, owner in enumerate(OWNERS)]
    entered = [
        sign_in(owner, at(FAULTY, 30 + n), "UZ", address=network(owner, 66)) for owner in OWNERS for n in range(6)
    ]
    found = judge([*settled_life(), *tried, *entered], None)
    assert found["status"] == "BREACH_INDICATED"
    assert "LOCATION_FAULT" not in kinds(found)


def test_an_attacker_on_the_day_of_a_fault_is_still_seen() -> None:
    rows = [*settled_life(), *moved(), *abroad(OWNERS[2], first=at(FAULTY, 60), country="UZ", address="45.9.1.1")]
    found = judge(rows, None)
    assert "LOCATION_FAULT" in kinds(found)
    assert found["by_account"][OWNERS[2]]["verdict"] == "COMPROMISE_INDICATED"
    assert found["by_account"][OWNERS[2]]["foreign_success"] == 6


def test_a_sprayer_cannot_prepare_a_history_of_his_network() -> None:
    tried = [sign_in(owner, at(3), "AU", "50126", address=f"45.9.{n}.1") for n, owner in enumerate(OWNERS)]
    entered = [
        row
        for n, owner in enumerate(OWNERS)
        for row in abroad(owner, first=at(FAULTY), country="UZ", address=f"45.9.{n + 100}.1")
    ]
    found = judge([*settled_life(), *tried, *entered], None)
    assert found["status"] == "BREACH_INDICATED"
    assert "LOCATION_FAULT" not in kinds(found)


def test_too_few_accounts_or_too_small_a_share_are_travellers_and_no_fault() -> None:
    few = judge([*settled_life(), *moved(OWNERS[:4]), *moved(OWNERS[:4], host=9)], None)
    assert "LOCATION_FAULT" not in kinds(few)
    assert few["sign_ins"]["foreign_successes"] == 4
    crowd = [
        sign_in(f"clerk{n}@contoso.example", at(FAULTY + day), address=f"21.0.{n}.1")
        for n in range(7)
        for day in (0, 2)
    ]
    most = judge([*settled_life(), *crowd, *moved(OWNERS[:5])], None)
    assert "LOCATION_FAULT" not in kinds(most)


@pytest.mark.parametrize(
    ("line", "other", "fault", "foreign"),
    [
        ("2a01:{n}:0:7:99::9", "2a01:{n}:0:8::9", True, 0),
        ("2a01:{n}:0:7:99::9", "2a01:{n}:1:8::9", True, 6),
        ("2a01:{n}:0:8::9", "2a01:{n}:0:8::9", False, 12),
    ],
)
def test_a_line_of_new_addresses_is_64_bits_and_a_network_48(line: str, other: str, fault: bool, foreign: int) -> None:
    lives = [
        sign_in(owner, at(day), address=f"2a01:{n}:0:7::{day + 1}:5")
        for n, owner in enumerate(OWNERS)
        for day in range(0, 40, 2)
    ]
    there = [
        sign_in(owner, at(FAULTY, number), "UZ", address=text.format(n=n))
        for n, owner in enumerate(OWNERS)
        for number, text in enumerate((line, other))
    ]
    found = judge([*lives, *there, sign_in(OWNERS[0], at(1, 1), code="50126")], None)
    assert ("LOCATION_FAULT" in kinds(found), found["sign_ins"]["foreign_successes"]) == (fault, foreign)


def test_a_fault_that_the_vendor_told_of_needs_one_account_alone() -> None:
    day = (datetime(2023, 3, 23) - at(0)).days + 1
    days = range(day - 20, day + 10, 2)
    rows = [*settled_life(days, OWNERS[:2]), *moved(OWNERS[:1], day=day), *moved(OWNERS[:1], host=9, day=day)]
    found = judge(rows, None)
    (fault,) = [row for row in found["conflicts"] if row["kind"] == "LOCATION_FAULT"]
    assert "Microsoft is known to have misplaced users then (Microsoft incident MO531859)" in fault["detail"]
    assert found["sign_ins"]["foreign_successes"] == 0
    later = [*moved(OWNERS[:1], day=day + 2), *moved(OWNERS[:1], host=9, day=day + 2)]
    other = judge([*settled_life(days, OWNERS[:2]), *later], None)
    assert other["sign_ins"]["foreign_successes"] == 1


def test_days_of_a_fault_that_follow_each_other_are_told_as_one() -> None:
    days = [*range(20), *range(24, 40)]
    found = judge([*settled_life(days), *moved(day=21), *moved(day=22)], None)
    (fault,) = [row for row in found["conflicts"] if row["kind"] == "LOCATION_FAULT"]
    assert fault["detail"].startswith("From 2026-01-26 to 2026-01-27 6 of 6")
    assert fault["rows"] == 12


def test_dates_that_may_be_misread_make_no_fault() -> None:
    with Bench().run([*settled_life(), *moved()], home=["AU"]) as run:
        run.con.execute("UPDATE files SET date_order = 'AMBIGUOUS'")
        assert "LOCATION_FAULT" not in kinds(judged(run))


# --- Locations that flicker


def mobile(country: str, minutes: float, host: int, day: int = 20, **columns: object) -> Row:
    return sign_in(ANN, at(day, minutes), country, address=f"84.10.20.{host}", **columns)


def flickering(**columns: object) -> list[Row]:
    return [mobile("DE" if n % 2 else "AU", n, n, **columns) for n in range(1, 7)]


@pytest.mark.parametrize("named", [{"session_id": "s-1"}, {"device_id": "D-1"}])
def test_a_session_or_device_whose_network_flickers_between_countries_did_not_travel(named: dict[str, str]) -> None:
    found = judge([*at_home(BOB), *at_home(), *rejected(BOB, 2, at(3), "AU"), *flickering(**named)], None)
    assert (found["status"], found["sign_ins"]["foreign_successes"]) == ("CANNOT_CONCLUDE", 0)
    (flicker,) = [row for row in found["conflicts"] if row["kind"] == "LOCATION_FLICKERS"]
    assert flicker["rows"] == 6
    assert "84.10.20.0/24 (AU, DE)" in flicker["detail"]
    assert "taken as unknown" in flicker["detail"]
    assert "TRAVEL_TOO_FAST" not in kinds(found)


def test_a_flickering_network_has_the_country_of_most_of_its_rows() -> None:
    used = [mobile("AU", 0, 100 + day, day, session_id=f"s-{day}") for day in range(40)]
    found = judge([*at_home(BOB), *used, *rejected(BOB, 2, at(3), "AU"), *flickering(session_id="s-1")], None)
    assert (found["status"], found["sign_ins"]["foreign_successes"]) == ("NO_BREACH_INDICATED", 0)
    (flicker,) = [row for row in found["conflicts"] if row["kind"] == "LOCATION_FLICKERS"]
    assert "taken as AU, where most of its rows there are" in flicker["detail"]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([mobile("DE", n, 50 + n) for n in range(6)], id="neither session nor device is named"),
        pytest.param([mobile("DE", n, 50 + n, session_id="s-2") for n in range(6)], id="another session"),
        pytest.param([mobile("DE", 300 + n, 50 + n, session_id="s-1") for n in range(6)], id="hours later"),
        pytest.param(
            [sign_in(ANN, at(20, 2 + n), "DE", address="45.9.1.1", session_id="s-1") for n in range(6)],
            id="a stolen session in another network",
        ),
    ],
)
def test_what_is_no_flicker_stays_foreign(rows: list[Row]) -> None:
    home = [mobile("AU", 0, 1, session_id="s-1"), mobile("AU", 1, 2, session_id="s-1")]
    found = judge([*at_home(BOB), *rejected(BOB, 2, at(3), "AU"), *at_home(), *home, *rows], None)
    assert "LOCATION_FLICKERS" not in kinds(found)
    assert found["by_account"][ANN]["foreign_success"] == 6


# --- Faster than anybody travels


def test_two_countries_within_an_hour_are_told_and_decide_nothing() -> None:
    rows = [*at_home(BOB), *at_home(), *rejected(BOB, 2, at(3), "AU"), *abroad(times=1, first=at(30, 12))]
    found = judge(rows, None)
    (fast,) = [row for row in found["conflicts"] if row["kind"] == "TRAVEL_TOO_FAST"]
    assert fast["detail"].startswith(
        f"{ANN} succeeded in two countries faster than anybody travels, AU to RU within 12"
    )
    assert fast["rows"] == 1
    assert found["by_account"][ANN]["verdict"] == "CANNOT_CONCLUDE"


def test_a_flight_a_known_egress_and_an_application_are_not_too_fast() -> None:
    flight = [*at_home(BOB), *at_home(), *abroad(times=1, first=at(31))]
    assert "TRAVEL_TOO_FAST" not in kinds(judge(flight, None))
    exit_point = [*at_home(BOB), *at_home(), *abroad(times=1, first=at(30, 12), address="45.9.1.1")]
    assert "TRAVEL_TOO_FAST" not in kinds(judge(exit_point, None, egress_ranges=["45.9.1.0/24"]))
    robot = [*at_home(BOB), *at_home(is_person=False), *abroad(times=1, first=at(30, 12), is_person=False)]
    assert "TRAVEL_TOO_FAST" not in kinds(judge(robot, None))
