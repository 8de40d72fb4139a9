"""Which pages of the vendor are fetched, and within which bounds. Operations, not judgement: it changes no verdict.
Fetching them belongs to the adapters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.vendor_pages import PageKind

KEYS = frozenset({"hosts", "page_seconds", "total_seconds", "attempts", "max_megabytes", "pages"})
WHERE = "maintenance.documents"


@dataclass(frozen=True)
class PageAddress:
    """One page to fetch, and what it must be; None where any kind will do."""

    url: str
    kind: PageKind | None = None


@dataclass(frozen=True)
class DocumentPolicy:
    """The pages, the hosts that they may lie on (redirects included), and the bounds: seconds for a page and for all,
    tries for a page, megabytes of a page once unpacked.
    """

    pages: tuple[PageAddress, ...] = ()
    hosts: tuple[str, ...] = ()
    page_seconds: int = 30
    total_seconds: int = 300
    attempts: int = 4
    max_megabytes: int = 8

    @classmethod
    def from_mapping(cls, data: object) -> DocumentPolicy:
        """Read the table `maintenance.documents` of `operations.toml`. Raises `BadInput` naming the key."""
        if not isinstance(data, Mapping):
            raise BadInput(f"operations.toml: {WHERE} must be a table.")
        _only(data, KEYS, WHERE)
        pages = data.get("pages", [])
        if not isinstance(pages, list) or len(pages) > 200:
            raise BadInput(f"operations.toml: {WHERE}.pages must be a list of at most 200 pages.")
        return cls(
            pages=tuple(_page(page) for page in pages),
            hosts=tuple(_host(host) for host in _list(data.get("hosts", []))),
            page_seconds=_whole(data, "page_seconds", cls.page_seconds, 600),
            total_seconds=_whole(data, "total_seconds", cls.total_seconds, 3600),
            attempts=_whole(data, "attempts", cls.attempts, 10),
            max_megabytes=_whole(data, "max_megabytes", cls.max_megabytes, 8),
        )


def _page(data: object) -> PageAddress:
    where = f"{WHERE}.pages"
    if not isinstance(data, Mapping) or not isinstance(data.get("url"), str):
        raise BadInput(f"operations.toml: each of {where} must be a table with url and, if wanted, kind.")
    _only(data, frozenset({"url", "kind"}), where)
    kind = data.get("kind")
    if kind is not None and kind not in set(PageKind):
        kinds = ", ".join(PageKind)
        raise BadInput(f"operations.toml: {where}: {str(kind)[:40]!r} is no kind of page; the kinds are {kinds}.")
    return PageAddress(data["url"], PageKind(kind) if kind else None)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise BadInput(f"operations.toml: {WHERE}.hosts must be a list of host names.")
    return value


def _host(value: object) -> str:
    if not isinstance(value, str) or not value or any(char in value for char in "/:@ "):
        raise BadInput(f"operations.toml: {WHERE}.hosts holds {str(value)[:60]!r}, which is no host name.")
    return value.casefold()


def _whole(data: Mapping[str, Any], key: str, default: int, most: int) -> int:
    value = data.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise BadInput(f"operations.toml: {WHERE}.{key} must be a whole number from 1 to {most}.")
    return value


def _only(data: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for key in data:
        if key not in known:
            raise BadInput(
                f"operations.toml: {where}.{key} is not known; the keys here are {', '.join(sorted(known))}."
            )
