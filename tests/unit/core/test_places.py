"""Locations are believed as far as they agree: what names a country, which addresses are somewhere, what is said."""

from datetime import datetime, timedelta

import pytest

from m365dq_dagster.core.places import Agreement, Edition, country_of, is_public
from m365dq_dagster.core.policy import PlacePolicy
from tests.support.case_runs import shipped_pack

POLICY: PlacePolicy = shipped_pack().policy.places
BUILT = datetime(2026, 1, 10)
EDITION = Edition("Countries.mmdb", "Test-Country", BUILT, "ab" * 32)
DIFFERENT = (("8.8.8.8", "AU", "US"),)


@pytest.mark.parametrize(
    ("record", "country"),
    [
        ({"country": {"iso_code": "AU"}}, "AU"),
        ({"country": "au"}, "AU"),
        ({"country_code": "NA"}, "NA"),
        ({"country": "Australia", "country_code": "AU"}, "AU"),
        ({"country": {}, "registered_country": {"iso_code": "US"}}, None),
        ({"country": {"iso_code": "EU"}}, None),
        ({"country": {"iso_code": "A1"}}, None),
        ({"country": {"iso_code": "ÄÜ"}}, None),
        ({"country": 7}, None),
        ({"autonomous_system_number": 64500}, None),
        ("AU", None),
        (None, None),
    ],
)
def test_a_record_names_the_country_where_the_address_is_used_or_none(record: object, country: str | None) -> None:
    assert country_of(record) == country


@pytest.mark.parametrize("address", ["10.0.0.1", "100.64.0.1", "203.0.113.7", "fe80::1", "2001:db8::1", "::1", "host"])
def test_private_reserved_and_broken_addresses_are_nowhere(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_routed_addresses_are_somewhere(address: str) -> None:
    assert is_public(address)


def test_the_origin_names_file_type_build_and_hash() -> None:
    assert EDITION.origin == (
        f"derived:country_database(Countries.mmdb, Test-Country, built 2026-01-10, sha256:{'ab' * 32})"
    )


def test_a_database_of_another_time_is_told_with_what_to_do() -> None:
    last = BUILT + timedelta(days=POLICY.database_max_days)
    assert EDITION.far_from(last - timedelta(days=1), last, POLICY) is None
    told = EDITION.far_from(last, last + timedelta(days=1), POLICY)
    assert told is not None
    assert "more than 400 days before the evidence" in told
    assert "name a database of that time" in told
    early = BUILT - timedelta(days=POLICY.database_max_days)
    assert EDITION.far_from(early, early, POLICY) is None
    assert "days after the evidence" in str(EDITION.far_from(early - timedelta(days=1), early, POLICY))
    assert EDITION.far_from(None, None, POLICY) is None


def test_agreement_with_the_exports_is_silent() -> None:
    assert Agreement(9, 0).told(EDITION, POLICY) is None
    assert Agreement(9, 0).trusted(POLICY)
    assert Agreement().trusted(POLICY)


def test_a_few_differences_are_told_and_the_export_is_kept() -> None:
    found = Agreement(15, 3, 40, DIFFERENT)
    assert found.trusted(POLICY)
    told = str(found.told(EDITION, POLICY))
    assert "places 3 of 15 addresses elsewhere" in told
    assert "8.8.8.8 (export AU, database US)" in told
    assert "What the export says is kept" in told


def test_a_database_that_differs_on_too_many_places_nothing() -> None:
    found = Agreement(14, 3, 40, DIFFERENT)
    assert not found.trusted(POLICY)
    assert "places no address" in str(found.told(EDITION, POLICY))


def test_two_differences_of_two_are_too_few_to_distrust_a_database() -> None:
    assert Agreement(2, 2, 4, DIFFERENT).trusted(POLICY)
