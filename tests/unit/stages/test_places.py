"""Countries that no export states: looked up, told apart from those that were stated, and never against them."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
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
from tests.support.evidence import ANN, BOB, Row, abroad, at, at_home, logon, sign_in

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


def test_the_remark_on_the_field_says_how_many_rows_the_database_placed(database: CountryDatabase) -> None:
    rows = [*at_home(BOB), *at_home(address=AT_HOME, country=None)]
    found = judge(rows, database)
    (country,) = [row for row in found["fields"] if (row["log_type"], row["field"]) == ("sign_in_logs", "country")]
    assert country["reasons"][-1] == (
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
