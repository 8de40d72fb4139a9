"""Where documents of the vendor come from: a folder of saved pages, or the fixed list of pages fetched from the vendor.
Both hand over bytes behind one interface and turn every failure into an issue. What the bytes say is read elsewhere.

Nothing is followed: no link of a page, no script, no symbolic link, no redirect to a host that is not listed.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Protocol
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    wait_random_exponential,
)
from tenacity.stop import stop_base
from urllib3.exceptions import HTTPError

from m365dq_dagster.adapters.evidence.folder import printable
from m365dq_dagster.adapters.vendor_markup import MAX_BYTES
from m365dq_dagster.core.document_policy import DocumentPolicy, PageAddress
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.vendor_pages import DocumentIssue, DocumentReason, PageKind, issue


@dataclass(frozen=True)
class Document:
    """One document as it came. `name` is its path in the folder or its address, `kind` what it was asked for as (None:
    whatever it is), `read_at` when it was saved or fetched. `believed` says that somebody looked at it and takes it as
    it is, however much it lost.
    """

    name: str
    kind: PageKind | None
    content: bytes
    read_at: datetime
    believed: bool = False


class DocumentSource(Protocol):
    """Hands over documents, each of which may be an issue instead. Never raises because of a document."""

    def documents(self) -> Iterable[Document | DocumentIssue]:
        """Every document of the source, in a fixed order."""
        ...


# A folder of saved pages

SUFFIXES = frozenset({".html", ".htm", ".xhtml", ".mhtml", ".mht", ".md", ".markdown", ".json", ".csv", ".txt"})
BELIEVED = "believed"
"""The folder inside the folder for pages that really lost what they seem to have lost."""

MAX_FILES = 500
MAX_FOLDERS_DEEP = 4


@dataclass(frozen=True)
class SavedPages:
    """Pages and files that somebody put into a folder. Only the suffixes above are opened; the folders in which a
    browser keeps a page's pictures and scripts (`..._files`) and hidden ones are left alone.
    """

    folder: Path

    def documents(self) -> Iterator[Document | DocumentIssue]:
        """Every document below the folder, ordered by path."""
        try:
            paths = sorted(_below(self.folder))
        except OSError as error:
            yield issue(
                DocumentReason.NO_FOLDER,
                printable(str(self.folder)),
                f"the folder of vendor documents cannot be listed ({error.strerror or error})",
                "set M365DQ_VENDOR_DOCUMENTS to a folder that exists, or leave it out",
            )
            return
        for path in paths[:MAX_FILES]:
            yield self._document(path)
        if len(paths) > MAX_FILES:
            what = f"the folder holds {len(paths):,} documents, and {MAX_FILES} are read"
            name = printable(str(self.folder))
            yield issue(DocumentReason.TOO_MANY, name, what, "take out what is not wanted")

    def _document(self, path: Path) -> Document | DocumentIssue:
        name = printable(path.relative_to(self.folder).as_posix())
        try:
            state = path.lstat()
            if stat.S_ISLNK(state.st_mode):
                return issue(
                    DocumentReason.LINK, name, "links are not followed", "copy the file itself into the folder"
                )
            if not stat.S_ISREG(state.st_mode):
                return issue(DocumentReason.NOT_A_FILE, name, "this is no plain file and was not opened", "remove it")
            if state.st_size > MAX_BYTES:
                return _too_large(name, f"the file has {state.st_size:,} bytes", MAX_BYTES)
            with open(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except OSError as error:
            what = f"the file cannot be read ({error.strerror or error})"
            return issue(DocumentReason.UNREADABLE, name, what, "give yourself read permission")
        saved = datetime.fromtimestamp(state.st_mtime, UTC)
        return Document(name, None, content, saved, believed=name.startswith(f"{BELIEVED}/"))


def _too_large(name: str, what: str, most: int) -> DocumentIssue:
    return issue(
        DocumentReason.TOO_LARGE,
        name,
        f"{what}, and {most:,} are read at most",
        "save the page alone, without pictures",
    )


def _below(folder: Path) -> Iterator[Path]:
    pending = [(folder, 0)]
    while pending:
        current, depth = pending.pop()
        with os.scandir(current) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if depth < MAX_FOLDERS_DEEP and not entry.name.endswith(("_files", ".files")):
                        pending.append((Path(entry.path), depth + 1))
                elif Path(entry.name).suffix.casefold() in SUFFIXES:
                    yield Path(entry.path)


# Fetched pages

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that may be asked without encryption: a mirror on this machine, and the tests."""

TYPES = ("text/html", "application/xhtml+xml", "text/markdown", "text/plain", "text/csv", "application/json")
MAX_REDIRECTS = 5
CHUNK = 1 << 14
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
CONNECT_SECONDS = 10.0


class _Failed(Exception):
    """A page cannot be had; asking again would not help."""

    def __init__(self, reason: DocumentReason, what: str, remedy: str) -> None:
        super().__init__(what)
        self.reason, self.what, self.remedy = reason, what, remedy


class _Again(_Failed):
    """A page cannot be had now. `wait` is how long the server asks to wait, in seconds."""

    wait: float = 0.0


class _Anonymous(AuthBase):
    """No name and no password, not even one from the user's own files."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        return request


@dataclass(frozen=True)
class FetchedPages:
    """The fixed list of pages, fetched with a session of its own: no cookies, no passwords, no redirect elsewhere."""

    policy: DocumentPolicy
    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep

    def documents(self) -> Iterator[Document | DocumentIssue]:
        """Every page of the list; one that cannot be had is an issue, and the others are fetched all the same."""
        ends = time.monotonic() + self.policy.total_seconds
        with closing(_session()) as session:
            for page in self.policy.pages:
                yield self._document(session, page, ends)

    def _document(self, session: requests.Session, page: PageAddress, ends: float) -> Document | DocumentIssue:
        try:
            content = self._fetched(session, page.url, ends)
        except _Failed as failed:
            return issue(failed.reason, page.url, failed.what, failed.remedy)
        return Document(page.url, page.kind, content, self.now())

    def _fetched(self, session: requests.Session, url: str, ends: float) -> bytes:
        """The bytes of a page, asked for again with growing pauses where that may help and there is time left."""
        retrying = Retrying(
            retry=retry_if_exception_type(_Again),
            stop=stop_any(stop_after_attempt(self.policy.attempts), _OutOfTime(ends)),
            wait=_pause,
            sleep=lambda seconds: self.sleep(max(0.0, min(seconds, ends - time.monotonic()))),
            reraise=True,
        )
        try:
            content: bytes = retrying(self._once, session, url, ends)
        except RetryError as error:  # pragma: no cover - `reraise` raises the last failure itself
            raise _Failed(DocumentReason.UNREACHABLE, str(error), "try again later") from None
        return content

    def _once(self, session: requests.Session, url: str, ends: float) -> bytes:
        deadline = min(ends, time.monotonic() + self.policy.page_seconds)
        address = url
        for _ in range(MAX_REDIRECTS + 1):
            self._allowed(address, first=address == url)
            answer = _asked(session, address, deadline)
            with closing(answer):
                if answer.status_code not in REDIRECTS:
                    return self._body(answer, deadline)
                address = _joined(address, answer.headers.get("Location", ""))
        raise _Failed(DocumentReason.REDIRECTED, "the page redirects without end", "correct its address")

    def _allowed(self, url: str, first: bool) -> None:
        scheme, host = _scheme_and_host(url)
        secure = scheme == "https" or (scheme == "http" and host in LOOPBACK)
        if secure and host in self.policy.hosts:
            return
        if first:
            what = "the address is not https, or its host is not listed in maintenance.documents.hosts"
            raise _Failed(DocumentReason.NOT_ALLOWED, what, "correct reference_data/operations.toml")
        where = one_line(f"{scheme or '?'}://{host or '?'}", 80)
        what = f"the page redirects to {where}, which is not listed"
        raise _Failed(DocumentReason.REDIRECTED, what, "correct its address, or list the host if it is the vendor's")

    def _body(self, answer: requests.Response, deadline: float) -> bytes:
        _check_status(answer)
        kind = answer.headers.get("Content-Type", "text/html").partition(";")[0].strip().casefold()
        if kind not in TYPES:
            what = f"the answer is {one_line(kind, 60)!r} and no page"
            raise _Failed(DocumentReason.WRONG_TYPE, what, "correct its address")
        return _streamed(answer, deadline, self.policy.max_megabytes << 20)


def _scheme_and_host(url: str) -> tuple[str, str]:
    """Both in small letters; empty where the address cannot be understood or carries a name and a password."""
    try:
        parts = urlsplit(url)
        return ("", "") if "@" in parts.netloc else (parts.scheme, (parts.hostname or "").casefold())
    except ValueError:
        return "", ""


def _joined(address: str, target: str) -> str:
    """Where a redirect leads; nowhere, where it cannot be understood."""
    try:
        return urljoin(address, target)
    except ValueError:  # pragma: no cover - the library refuses such an answer first, and need not for ever
        return ""


def _session() -> requests.Session:
    session = requests.Session()
    session.auth = _Anonymous()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update(
        {
            "User-Agent": "m365dq (reads vendor documentation)",
            "Accept": "text/html, text/markdown, application/json;q=0.9, text/plain;q=0.8",
            "Accept-Language": "en-US",
            "Accept-Encoding": "gzip, deflate",
        }
    )
    return session


def _asked(session: requests.Session, url: str, deadline: float) -> requests.Response:
    left = deadline - time.monotonic()
    if left <= 0:
        raise _timed_out()
    try:
        return session.get(
            url, stream=True, allow_redirects=False, timeout=(min(CONNECT_SECONDS, left), min(CONNECT_SECONDS, left))
        )
    except requests.Timeout:
        raise _timed_out() from None
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        raise _Again(
            DocumentReason.UNREACHABLE, "the host does not answer", "check the network, or save the page"
        ) from None
    except (requests.RequestException, HTTPError, ValueError, UnicodeError):
        what = "the address or the answer cannot be understood"
        raise _Failed(DocumentReason.NOT_ALLOWED, what, "correct reference_data/operations.toml") from None


def _timed_out() -> _Again:
    return _Again(DocumentReason.TIMED_OUT, "the page did not arrive in time", "try again later, or save the page")


def _check_status(answer: requests.Response) -> None:
    status = answer.status_code
    if status in TRY_AGAIN:
        again = _Again(DocumentReason.REFUSED, f"the server answers {status}", "try again later, or save the page")
        again.wait = _asked_to_wait(answer.headers.get("Retry-After", ""))
        raise again
    if status != 200:
        raise _Failed(DocumentReason.REFUSED, f"the server answers {status}", "correct its address, or save the page")


def _asked_to_wait(text: str) -> float:
    return float(min(int(text), 120)) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _streamed(answer: requests.Response, deadline: float, most: int) -> bytes:
    """The unpacked body, piece by piece, so that neither a great nor a slow page is waited for."""
    parts: list[bytes] = []
    length = 0
    try:
        while chunk := answer.raw.read1(CHUNK, decode_content=True):
            parts.append(chunk)
            length += len(chunk)
            if length > most:
                what = f"the page has more than {most:,} bytes"
                raise _Failed(DocumentReason.TOO_LARGE, what, "save the part that is wanted")
            if time.monotonic() > deadline:
                raise _timed_out()
    except (HTTPError, OSError):
        raise _cut_short() from None
    return b"".join(parts)


def _cut_short() -> _Again:
    return _Again(
        DocumentReason.CUT_SHORT, "the page ended before it was complete", "try again later, or save the page"
    )


class _OutOfTime(stop_base):
    """No further try once the time for all pages is over."""

    def __init__(self, ends: float) -> None:
        self._ends = ends

    def __call__(self, retry_state: RetryCallState) -> bool:
        return time.monotonic() >= self._ends


_growing = wait_random_exponential(multiplier=0.5, max=20)


def _pause(state: RetryCallState) -> float:
    """What the server asked for, or half a second, growing."""
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.wait if isinstance(failure, _Again) else 0.0
    return max(asked, _growing(state))
