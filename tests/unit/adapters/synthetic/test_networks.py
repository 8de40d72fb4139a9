import csv
import ipaddress
from pathlib import Path

import pytest

from m365dq_dagster.adapters.synthetic.draws import Draws
from m365dq_dagster.adapters.synthetic.events import SignIn
from m365dq_dagster.adapters.synthetic.geography import (
    CROSSED_DAILY,
    DESTINATIONS,
    HEADQUARTERS,
    LANDS,
    RENTED,
    elsewhere,
    neighbour,
)
from m365dq_dagster.adapters.synthetic.networks import COUNT, Numbering, system_number
from m365dq_dagster.adapters.synthetic.sign_in_writers import Rendering, write_sign_ins
from m365dq_dagster.adapters.synthetic.stories import tell
from m365dq_dagster.adapters.synthetic.vocabulary import Family, Shape

PLACE = LANDS["DE"].cities[0]


@pytest.mark.parametrize("wide", [False, True])
def test_networks_share_no_address_and_each_has_a_system_of_its_own(wide: bool) -> None:
    draws = Draws(5, "networks")
    numbering = Numbering(draws)
    networks = [numbering.network(PLACE, wide=wide) for _ in range(COUNT)]
    systems = set()
    for network in networks:
        spots = [network.spot(draws) for _ in range(20)]
        assert all(ipaddress.ip_address(spot.address).version == (6 if wide else 4) for spot in spots)
        (system,) = {system_number(spot.address) for spot in spots}
        systems.add(system)
        assert [one for one in networks if one.owns(spots[0].address)] == [network]
    assert len(systems) == COUNT
    assert all(system is not None and 64512 <= system <= 65534 for system in systems)


@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8:1::7", "192.0.2.1"])
def test_an_address_that_no_network_hands_out_has_no_system(address: str) -> None:
    assert system_number(address) is None


def test_neighbours_and_lists_name_countries_that_are_on_the_map() -> None:
    for codes in (HEADQUARTERS, CROSSED_DAILY, DESTINATIONS, RENTED, *(land.near for land in LANDS.values())):
        assert set(codes) <= set(LANDS)
    assert all(LANDS[code].near for code in CROSSED_DAILY)
    assert {place.country for land in LANDS.values() for place in land.cities} == set(LANDS)
    assert neighbour(Draws(1, "map"), LANDS["IE"]).code == "GB"


def test_elsewhere_is_never_a_country_that_is_known() -> None:
    for seed in range(20):
        lands = elsewhere(Draws(seed, "map"), RENTED, 5, "US", "DE")
        assert len({land.code for land in lands}) == 5
        assert not {land.code for land in lands} & {"US", "DE"}


def test_an_export_names_guests_as_guests_and_the_system_of_each_address(tmp_path: Path) -> None:
    rows: list[SignIn] = tell(Family.RARE_GUESTS, 1, mfa_steps=True).sign_ins
    write_sign_ins(tmp_path / "log.csv", rows, Shape.PORTAL_CSV, Rendering())
    with (tmp_path / "log.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    kinds = {row["Username"]: row["User type"] for row in written}
    assert set(kinds.values()) == {"Guest", "Member"}
    assert all((kind == "Guest") == ("#EXT#" in account) for account, kind in kinds.items())
    assert len({row["Autonomous system  number"] for row in written}) > 4
