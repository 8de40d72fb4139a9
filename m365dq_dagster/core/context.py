"""What the responder knows about the case beforehand: home countries, travel, egress, window. Reading `case.toml` is an
adapter's job; here the mapping is checked and becomes part of a run's identity.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import DateOrder

CASE_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
COUNTRY = re.compile(r"[A-Z]{2}")
KEYS = frozenset(
    {
        "case",
        "home_countries",
        "egress_ranges",
        "travel",
        "window",
        "accounts_in_scope",
        "known_bad_addresses",
        "licence",
        "date_order",
    }
)


@dataclass(frozen=True)
class Travel:
    """A journey known beforehand: successes of the account from that country between the two days are expected."""

    account: str
    country: str
    begins: str
    ends: str


@dataclass(frozen=True)
class CaseContext:
    """The knowledge a case is judged with. Empty tuples and None mean "not given", never "none exist"."""

    case_id: str | None = None
    home_countries: tuple[str, ...] = ()
    egress_ranges: tuple[str, ...] = ()
    travel: tuple[Travel, ...] = ()
    window_from: str | None = None
    window_to: str | None = None
    accounts_in_scope: tuple[str, ...] = ()
    known_bad_addresses: tuple[str, ...] = ()
    licence: str | None = None
    date_order: DateOrder | None = None

    def digest(self) -> str:
        """SHA-256 of the canonical form without the case id: part of a run's identity."""
        body = {key: value for key, value in asdict(self).items() if key != "case_id"}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

    def with_options(self, home_countries: tuple[str, ...], date_order: DateOrder | None) -> CaseContext:
        """The same context with what was given on the command line or launch form on top."""
        return replace(
            self,
            home_countries=countries(home_countries, "--home-country") or self.home_countries,
            date_order=date_order or self.date_order,
        )

    def as_mapping(self) -> dict[str, Any]:
        """The form in which the registry keeps it; `parse_context` reads it back."""
        window = {"from": self.window_from, "to": self.window_to}
        return {
            "home_countries": list(self.home_countries),
            "egress_ranges": list(self.egress_ranges),
            "travel": [
                {"account": t.account, "country": t.country, "from": t.begins, "to": t.ends} for t in self.travel
            ],
            "window": {key: value for key, value in window.items() if value},
            "accounts_in_scope": list(self.accounts_in_scope),
            "known_bad_addresses": list(self.known_bad_addresses),
            **({"licence": self.licence} if self.licence else {}),
            **({"date_order": self.date_order.value} if self.date_order else {}),
        }


def valid_case_id(text: str) -> str:
    """The case id itself, or `BadInput` saying which characters are allowed."""
    if not CASE_ID.fullmatch(text):
        raise BadInput(
            f"Case id {text[:80]!r} is not usable: give 1 to 64 lower-case letters, digits, dots, dashes or "
            "underscores that start with a letter or digit, with --case or `case` in case.toml."
        )
    return text


def case_id_from_folder(name: str) -> str:
    """A usable case id from a folder's name: lower case, other characters become dashes."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:64]
    return valid_case_id(slug or "case")


def countries(values: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Two-letter country codes, upper case, sorted, each once; anything else is `BadInput`."""
    found = []
    for value in values:
        code = value.strip().upper()
        if not COUNTRY.fullmatch(code):
            raise BadInput(f"{where}: {value[:40]!r} is no country code; give two letters such as AU.")
        found.append(code)
    return tuple(sorted(set(found)))


def parse_context(data: Mapping[str, Any], where: str) -> CaseContext:
    """Check a mapping (from `case.toml`, the registry or the launch form) and make the context of it.

    Raises `BadInput` naming the key, what is wrong with it and what is expected.
    """
    unknown = sorted(set(data) - KEYS)
    if unknown:
        raise BadInput(f"{where}: key {unknown[0]!r} is not known; the keys are {', '.join(sorted(KEYS))}.")
    order = data.get("date_order")
    if order is not None and order not in (DateOrder.MDY, DateOrder.DMY):
        raise BadInput(f"{where}: date_order must be MDY or DMY.")
    case_id = data.get("case")
    begins, ends = _window(data.get("window") or {}, where)
    return CaseContext(
        case_id=valid_case_id(str(case_id)) if case_id is not None else None,
        home_countries=countries(_texts(data, "home_countries", where), f"{where}: home_countries"),
        egress_ranges=_networks(data, "egress_ranges", where),
        travel=tuple(_travel(item, where) for item in _items(data, "travel", where)),
        window_from=begins,
        window_to=ends,
        accounts_in_scope=tuple(sorted({text.strip().lower() for text in _texts(data, "accounts_in_scope", where)})),
        known_bad_addresses=_networks(data, "known_bad_addresses", where),
        licence=str(data["licence"]) if data.get("licence") else None,
        date_order=DateOrder(order) if order else None,
    )


def _items(data: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = data.get(key) or []
    if not isinstance(value, (list, tuple)):
        raise BadInput(f"{where}: {key} must be a list.")
    return list(value)


def _texts(data: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    items = _items(data, key, where)
    if any(not isinstance(item, str) for item in items):
        raise BadInput(f"{where}: {key} must be a list of texts.")
    return tuple(items)


def _networks(data: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    try:
        found = {str(ipaddress.ip_network(text.strip(), strict=False)) for text in _texts(data, key, where)}
    except ValueError as error:
        raise BadInput(f"{where}: {key}: {error}; give addresses or ranges such as 203.0.113.0/24.") from None
    return tuple(sorted(found))


def _window(window: object, where: str) -> tuple[str | None, str | None]:
    if not isinstance(window, Mapping) or not set(window) <= {"from", "to"}:
        raise BadInput(f"{where}: window must be a table with the days `from` and `to`, and nothing else.")
    begins = _moment(window.get("from"), f"{where}: window.from")
    ends = _moment(window.get("to"), f"{where}: window.to")
    return _in_order(begins, ends, f"{where}: window")


def _travel(item: object, where: str) -> Travel:
    if not isinstance(item, Mapping) or set(item) != {"account", "country", "from", "to"}:
        raise BadInput(f"{where}: each travel entry needs account, country, from and to, and nothing else.")
    begins = _moment(item["from"], f"{where}: travel.from")
    ends = _moment(item["to"], f"{where}: travel.to")
    if not begins or not ends:
        raise BadInput(f"{where}: travel of {str(item['account'])[:80]!r} needs both days; write them as 2026-03-31.")
    _in_order(begins, ends, f"{where}: travel of {str(item['account'])[:80]!r}")
    code = countries((str(item["country"]),), f"{where}: travel.country")[0]
    return Travel(str(item["account"]).strip().lower(), code, begins, ends)


def _in_order(begins: str | None, ends: str | None, where: str) -> tuple[str | None, str | None]:
    if begins and ends and datetime.fromisoformat(begins).date() > datetime.fromisoformat(ends).date():
        raise BadInput(f"{where} begins on {begins} and ends before that, on {ends}; exchange the two days.")
    return begins, ends


def _moment(value: object, where: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    text = str(value).strip()
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            return _moment(read(text), where)
        except ValueError:
            continue
    raise BadInput(f"{where}: {text[:40]!r} is no date; write it as 2026-03-31.")
