"""A local database of countries is read as it is, and one that cannot be read is refused in one sentence."""

from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest
from maxminddb import InvalidDatabaseError

from m365dq_dagster.adapters import places
from m365dq_dagster.adapters.places import CountryDatabase
from m365dq_dagster.core.errors import BadInput
from tests.support.country_database import AWAY, HOME, country_database


def opened(path: Path) -> CountryDatabase:
    found = CountryDatabase.open(path)
    assert found is not None
    return found


def test_no_file_named_is_no_database() -> None:
    assert CountryDatabase.open(None) is None
    assert CountryDatabase.open(Path("")) is None


def test_a_database_is_known_by_file_type_build_and_hash(tmp_path: Path) -> None:
    built = datetime(2025, 12, 24, 18, tzinfo=UTC)
    first = opened(country_database(tmp_path, {HOME: "AU"}, built=built)).edition
    assert (first.file, first.type, first.built) == ("Countries.mmdb", "Test-Country", datetime(2025, 12, 24, 18))
    other = opened(country_database(tmp_path, {HOME: "NZ"}, built=built)).edition
    assert len({first.sha256, other.sha256}) == 2


def test_addresses_get_the_country_that_the_database_knows(tmp_path: Path) -> None:
    found = opened(country_database(tmp_path, {HOME: "AU", AWAY: "RU", "2606:4700::/32": "DE", "9.9.9.0/24": "EU"}))
    asked = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "9.9.9.9", "4.4.4.4", "10.0.0.1", "mail.example", ""]
    assert found.countries(asked) == {"8.8.8.8": "AU", "1.1.1.1": "RU", "2606:4700:4700::1111": "DE"}


def test_a_database_of_old_addresses_knows_nothing_of_new_ones(tmp_path: Path) -> None:
    found = opened(country_database(tmp_path, {HOME: "AU"}, version=4))
    assert found.countries(["8.8.8.8", "2606:4700:4700::1111"]) == {"8.8.8.8": "AU"}


def test_a_missing_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.mmdb cannot be read .No such file.*M365DQ_COUNTRY_DATABASE, or unset"):
        CountryDatabase.open(tmp_path / "gone.mmdb")


def test_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no MMDB file"):
        CountryDatabase.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no database", b"\xab\xcd\xefMaxMind.com", bytes(5000)])
def test_a_file_that_is_no_database_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.mmdb"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"country database .*odd\.mmdb"):
        CountryDatabase.open(path)


def test_a_database_cut_short_is_damaged_and_not_half_read(tmp_path: Path) -> None:
    path = country_database(tmp_path, {HOME: "AU"})
    found = opened(path)
    with (
        mock.patch.object(places, "country_of", side_effect=InvalidDatabaseError("the record points nowhere")),
        pytest.raises(BadInput, match=r"is damaged \(the record points nowhere\)"),
    ):
        found.countries(["8.8.8.8"])


def test_a_database_without_a_usable_build_date_is_told(tmp_path: Path) -> None:
    path = country_database(tmp_path, {HOME: "AU"}, built=datetime(9999, 1, 1, tzinfo=UTC))
    epoch = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()).to_bytes(5, "big")
    path.write_bytes(path.read_bytes().replace(epoch, b"\xff" * 5))
    with pytest.raises(BadInput, match="does not say when it was built"):
        CountryDatabase.open(path)


def test_a_database_that_changes_while_a_case_is_judged_is_not_used(tmp_path: Path) -> None:
    found = opened(country_database(tmp_path, {HOME: "AU"}))
    country_database(tmp_path, {HOME: "NZ"})
    with pytest.raises(BadInput, match="changed while the case was judged; run it again"):
        found.countries(["8.8.8.8"])
