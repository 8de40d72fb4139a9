"""Small databases of countries in the MMDB form, of addresses that the public net routes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from mmdb_writer import MMDBWriter
from netaddr import IPSet

BUILT = datetime(2026, 1, 10, tzinfo=UTC)
"""When a database was built unless a test says otherwise: within the time of the evidence."""

HOME = "8.8.8.0/24"
AWAY = "1.1.1.0/24"


def country_database(
    folder: Path,
    places: Mapping[str, object],
    *,
    name: str = "Countries.mmdb",
    kind: str = "Test-Country",
    built: datetime = BUILT,
    version: int = 6,
) -> Path:
    """Write a database: networks to countries, or to whole records. Returns its path."""
    writer = MMDBWriter(ip_version=version, database_type=kind, ipv4_compatible=version == 6)
    for network, country in places.items():
        record = {"country": {"iso_code": country}} if isinstance(country, str) else country
        writer.insert_network(IPSet([network]), record)
    path = folder / name
    with mock.patch("time.time", return_value=built.timestamp()):
        writer.to_db_file(str(path))
    return path
