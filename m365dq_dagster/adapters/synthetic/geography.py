"""Countries of the stories: their cities, their clocks and their neighbours.

Here belong facts of the map alone. Who lives or travels there belongs to the stories. Clocks keep standard time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from types import MappingProxyType
from typing import NamedTuple

from .draws import Draws
from .tenant import Place


class Land(NamedTuple):
    """A country: its two-letter code, how far its clocks are ahead of UTC, some cities, and the codes around it."""

    code: str
    clock: timedelta
    cities: tuple[Place, ...]
    near: tuple[str, ...]


def _land(code: str, hours: float, near: str, *cities: tuple[str, str, float, float]) -> tuple[str, Land]:
    places = tuple(Place(city, state, code, north, east) for city, state, north, east in cities)
    return code, Land(code, timedelta(hours=hours), places, tuple(near.split()))


LANDS = MappingProxyType(
    dict(
        (
            _land("AE", 4, "", ("Dubai", "Dubayy", 25.205, 55.271), ("Abu Dhabi", "Abu Zaby", 24.454, 54.377)),
            _land("AT", 1, "DE CH IT", ("Vienna", "Wien", 48.208, 16.374), ("Salzburg", "Salzburg", 47.81, 13.055)),
            _land(
                "AU",
                10,
                "NZ",
                ("Sydney", "New South Wales", -33.869, 151.209),
                ("Melbourne", "Victoria", -37.814, 144.963),
                ("Brisbane", "Queensland", -27.47, 153.025),
            ),
            _land("BE", 1, "NL FR DE", ("Brussels", "Brussels Hoofdstedelijk Gewest", 50.85, 4.352)),
            _land("BR", -3, "", ("Sao Paulo", "Sao Paulo", -23.55, -46.633), ("Curitiba", "Parana", -25.43, -49.273)),
            _land(
                "CA",
                -5,
                "US",
                ("Toronto", "Ontario", 43.653, -79.383),
                ("Windsor", "Ontario", 42.315, -83.036),
                ("Montreal", "Quebec", 45.502, -73.567),
            ),
            _land(
                "CH",
                1,
                "DE FR AT IT",
                ("Zurich", "Zurich", 47.377, 8.542),
                ("Basel", "Basel-Stadt", 47.56, 7.589),
                ("Geneva", "Geneve", 46.204, 6.143),
            ),
            _land(
                "DE",
                1,
                "CH FR NL AT PL DK",
                ("Berlin", "Berlin", 52.52, 13.405),
                ("Frankfurt am Main", "Hessen", 50.111, 8.682),
                ("Freiburg", "Baden-Wurttemberg", 47.999, 7.842),
                ("Aachen", "Nordrhein-Westfalen", 50.775, 6.084),
            ),
            _land(
                "DK", 1, "SE DE", ("Copenhagen", "Hovedstaden", 55.676, 12.568), ("Aarhus", "Midtjylland", 56.15, 10.2)
            ),
            _land("ES", 1, "PT FR", ("Madrid", "Madrid", 40.417, -3.704), ("Barcelona", "Barcelona", 41.386, 2.17)),
            _land("FI", 2, "SE", ("Helsinki", "Uusimaa", 60.17, 24.938)),
            _land(
                "FR",
                1,
                "BE CH DE ES IT",
                ("Paris", "Paris", 48.857, 2.352),
                ("Lyon", "Rhone", 45.764, 4.836),
                ("Mulhouse", "Haut-Rhin", 47.751, 7.336),
            ),
            _land(
                "GB",
                0,
                "IE FR",
                ("London", "London, City of", 51.507, -0.128),
                ("Manchester", "Manchester", 53.48, -2.242),
                ("Belfast", "Belfast", 54.597, -5.93),
            ),
            _land("HK", 8, "", ("Hong Kong", "Central And Western", 22.28, 114.159)),
            _land("ID", 7, "SG", ("Jakarta", "Jakarta Raya", -6.175, 106.827)),
            _land("IE", 0, "GB", ("Dublin", "Dublin", 53.35, -6.26), ("Dundalk", "Louth", 54.004, -6.4)),
            _land("IN", 5.5, "", ("Mumbai", "Maharashtra", 19.076, 72.878), ("Bengaluru", "Karnataka", 12.972, 77.594)),
            _land("IT", 1, "CH FR AT", ("Milan", "Milano", 45.464, 9.19), ("Rome", "Roma", 41.903, 12.496)),
            _land("JP", 9, "", ("Tokyo", "Tokyo", 35.69, 139.692), ("Osaka", "Osaka", 34.694, 135.502)),
            _land("KE", 3, "", ("Nairobi", "Nairobi City", -1.286, 36.817)),
            _land("MX", -6, "US", ("Mexico City", "Ciudad de Mexico", 19.433, -99.133)),
            _land(
                "MY",
                8,
                "SG",
                ("Johor Bahru", "Johor", 1.493, 103.741),
                ("Kuala Lumpur", "Kuala Lumpur", 3.139, 101.687),
            ),
            _land("NG", 1, "", ("Lagos", "Lagos", 6.524, 3.379)),
            _land(
                "NL",
                1,
                "BE DE",
                ("Amsterdam", "Noord-Holland", 52.368, 4.904),
                ("Maastricht", "Limburg", 50.851, 5.691),
            ),
            _land("NO", 1, "SE", ("Oslo", "Oslo", 59.914, 10.752)),
            _land(
                "NZ",
                12,
                "AU",
                ("Auckland", "Auckland", -36.849, 174.763),
                ("Wellington", "Wellington", -41.287, 174.776),
            ),
            _land("PH", 8, "", ("Manila", "Manila", 14.6, 120.984)),
            _land("PL", 1, "DE", ("Warsaw", "Mazowieckie", 52.23, 21.012), ("Krakow", "Malopolskie", 50.065, 19.945)),
            _land("PT", 0, "ES", ("Lisbon", "Lisboa", 38.722, -9.139), ("Porto", "Porto", 41.158, -8.629)),
            _land("RO", 2, "", ("Bucharest", "Bucuresti", 44.427, 26.103)),
            _land("RU", 3, "", ("Moscow", "Moskva", 55.756, 37.617)),
            _land(
                "SE",
                1,
                "DK NO FI",
                ("Stockholm", "Stockholms Lan", 59.329, 18.069),
                ("Malmo", "Skane Lan", 55.605, 13.003),
            ),
            _land("SG", 8, "MY", ("Singapore", "", 1.352, 103.82)),
            _land("TH", 7, "MY", ("Bangkok", "Krung Thep", 13.756, 100.502)),
            _land("TR", 3, "", ("Istanbul", "Istanbul", 41.008, 28.978)),
            _land("UA", 2, "PL", ("Kyiv", "Kyiv", 50.45, 30.523)),
            _land(
                "US",
                -5,
                "CA MX",
                ("New York", "New York", 40.713, -74.006),
                ("Detroit", "Michigan", 42.331, -83.046),
                ("Ashburn", "Virginia", 39.044, -77.487),
            ),
            _land("UZ", 5, "", ("Tashkent", "Toshkent", 41.299, 69.24)),
            _land("VN", 7, "", ("Ho Chi Minh City", "Ho Chi Minh", 10.823, 106.63)),
            _land(
                "ZA",
                2,
                "",
                ("Johannesburg", "Gauteng", -26.204, 28.047),
                ("Cape Town", "Western Cape", -33.925, 18.424),
            ),
        )
    )
)
"""Every country by its code."""

HEADQUARTERS = tuple("AT AU BE BR CA CH DE DK ES FR GB IE IT JP MY NL NO NZ PL PT SE SG US ZA".split())
"""Countries in which the tenants of the stories are at home."""
CROSSED_DAILY = tuple("AT BE CA CH DE DK FR GB IE MY NL SE SG US".split())
"""Countries with borders that people cross to work."""
DESTINATIONS = tuple("AE AU BR CA DE ES FR GB HK IN IT JP KE MX NL PH PT SG TH TR US VN ZA".split())
"""Countries that business and holidays lead to."""
RENTED = tuple("DE FR GB HK ID IN NG NL PL RO RU SG TR UA US VN ZA".split())
"""Countries in which intruders rent servers or sit themselves."""


def elsewhere(draws: Draws, codes: Iterable[str], count: int, *known: str) -> list[Land]:
    """``count`` different countries out of ``codes``, none of those that are ``known``."""
    return [LANDS[code] for code in draws.some([code for code in codes if code not in known], count)]


def neighbour(draws: Draws, land: Land) -> Land:
    """A country next to this one."""
    return LANDS[draws.one(land.near)]
