"""Documents from a folder and from a real web server, in good and in bad ways."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from m365dq_dagster.adapters.vendor_documents import Document, FetchedPages, SavedPages
from m365dq_dagster.adapters.vendor_markup import MAX_BYTES
from m365dq_dagster.core.document_policy import DocumentPolicy, PageAddress
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.vendor_pages import DocumentIssue, DocumentReason, PageKind
from tests.support.page_server import Pages, bomb, cut, dripping, hung_up, in_turn, page, page_server, silent, status
from tests.support.vendor_pages import save

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


# A folder


def found(folder: Path) -> dict[str, Document | DocumentIssue]:
    return {d.name if isinstance(d, Document) else d.document: d for d in SavedPages(folder).documents()}


def test_documents_of_the_folder_and_below_are_read_in_order_and_nothing_else(tmp_path: Path) -> None:
    save(tmp_path, "b.html", "<html></html>")
    save(tmp_path, "a.MD", "# A")
    save(tmp_path, "graph/signin.md", "# B")
    save(tmp_path, "b_files/frame.html", "x")
    save(tmp_path, ".git/c.md", "x")
    save(tmp_path, "logo.png", b"\x89PNG")
    documents = list(SavedPages(tmp_path).documents())

    assert [d.name for d in documents if isinstance(d, Document)] == ["a.MD", "b.html", "graph/signin.md"]
    assert len(documents) == 3


def test_a_document_says_when_it_was_saved_and_whether_somebody_believes_it(tmp_path: Path) -> None:
    path = save(tmp_path, "believed/a.md", "# A")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    (document,) = SavedPages(tmp_path).documents()

    assert document == Document("believed/a.md", None, b"# A", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), True)


def test_links_pipes_great_and_unreadable_files_are_issues_and_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = save(tmp_path / "outside", "secret.md", "# secret")
    folder = tmp_path / "pages"
    save(folder, "good.md", "# A")
    (folder / "link.md").symlink_to(secret)
    os.mkfifo(folder / "pipe.md")
    with (folder / "great.md").open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    save(folder, "gone.md", "# B")
    opened = os.open

    def refuse(path: str | Path, *more: int, **named: int) -> int:
        if str(path).endswith("gone.md"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *more, **named)

    monkeypatch.setattr(os, "open", refuse)
    reasons = {name: d.reason if isinstance(d, DocumentIssue) else None for name, d in found(folder).items()}

    assert reasons == {
        "good.md": None,
        "gone.md": DocumentReason.UNREADABLE,
        "great.md": DocumentReason.TOO_LARGE,
        "link.md": DocumentReason.LINK,
        "pipe.md": DocumentReason.NOT_A_FILE,
    }


def test_a_folder_link_is_not_followed(tmp_path: Path) -> None:
    save(tmp_path / "outside", "a.md", "# A")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "more").symlink_to(tmp_path / "outside")
    assert found(tmp_path / "pages") == {}


def test_a_folder_that_is_not_there_is_one_clear_issue(tmp_path: Path) -> None:
    (problem,) = SavedPages(tmp_path / "absent").documents()

    assert isinstance(problem, DocumentIssue)
    assert (problem.reason, problem.severity) == (DocumentReason.NO_FOLDER, Severity.WARNING)
    assert "M365DQ_VENDOR_DOCUMENTS" in problem.sentence


def test_more_documents_than_any_real_folder_holds_are_left_out_with_an_issue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m365dq_dagster.adapters.vendor_documents.MAX_FILES", 2)
    for number in range(4):
        save(tmp_path, f"{number}.md", "# A")
    documents = list(SavedPages(tmp_path).documents())

    assert len(documents) == 3
    assert isinstance(documents[-1], DocumentIssue)
    assert documents[-1].reason is DocumentReason.TOO_MANY


def test_hostile_names_are_shown_in_one_line(tmp_path: Path) -> None:
    save(tmp_path, "a\x1b[31m\nb\u202e.md", "# A")
    (document,) = SavedPages(tmp_path).documents()
    assert document == replace(document, name=r"a\x1b[31m\nb\u202e.md") if isinstance(document, Document) else False


# A web server


@pytest.fixture
def server() -> Iterator[Pages]:
    with page_server() as pages:
        yield pages


POLICY = DocumentPolicy(hosts=("127.0.0.1",), page_seconds=5, total_seconds=20, attempts=3, max_megabytes=1)


def fetch(url: str, policy: DocumentPolicy = POLICY, waits: list[float] | None = None) -> Document | DocumentIssue:
    source = FetchedPages(
        replace(policy, pages=(PageAddress(url, PageKind.CODES),)),
        lambda: NOW,
        (waits if waits is not None else []).append,
    )
    (answer,) = source.documents()
    return answer


def reason(answer: Document | DocumentIssue) -> DocumentReason:
    assert isinstance(answer, DocumentIssue), answer
    assert answer.severity is Severity.WARNING
    assert answer.sentence.startswith(answer.document[:50])
    assert answer.sentence.endswith(".")
    return answer.reason


def test_a_page_is_fetched_with_its_kind_and_moment(server: Pages) -> None:
    server.answers["/codes"] = page("<html>é</html>")
    url = server.at("/codes")
    assert fetch(url) == Document(url, PageKind.CODES, "<html>é</html>".encode(), NOW)


def test_nothing_of_the_user_goes_with_the_question(
    server: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = save(tmp_path, "netrc", "machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.answers["/a"] = page("a", Set_Cookie="id=1; Path=/")
    server.answers["/b"] = page("b")
    pages = (PageAddress(server.at("/a")), PageAddress(server.at("/b")))
    list(FetchedPages(replace(POLICY, pages=pages), lambda: NOW).documents())

    assert not any({"Authorization", "Cookie", "Referer"} & set(headers) for headers in server.headers)
    assert server.asked == {"/a": 1, "/b": 1}


def test_a_server_that_is_too_busy_is_asked_again_after_the_time_it_names(server: Pages) -> None:
    server.answers["/a"] = in_turn(status(429, Retry_After="7"), status(503), page("fine"))
    waits: list[float] = []
    answer = fetch(server.at("/a"), waits=waits)

    assert isinstance(answer, Document)
    assert answer.content == b"fine"
    assert waits[0] >= 6
    assert server.asked["/a"] == 3


def test_a_server_that_fails_for_ever_is_given_up_after_the_tries_of_the_policy(server: Pages) -> None:
    server.answers["/a"] = status(500, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT")
    answer = fetch(server.at("/a"))

    assert reason(answer) is DocumentReason.REFUSED
    assert server.asked["/a"] == 3


@pytest.mark.parametrize("code", [401, 403, 404, 410, 206, 304])
def test_an_answer_that_will_not_change_is_not_asked_for_again(server: Pages, code: int) -> None:
    server.answers["/a"] = status(code)

    assert reason(fetch(server.at("/a"))) is DocumentReason.REFUSED
    assert server.asked["/a"] == 1


def test_a_server_that_hangs_up_is_asked_again(server: Pages) -> None:
    server.answers["/a"] = in_turn(hung_up(), page("fine"))
    answer = fetch(server.at("/a"))
    assert isinstance(answer, Document)


def test_nobody_there_is_an_issue() -> None:
    with page_server() as gone:
        url = gone.at("/a")
    assert reason(fetch(url)) is DocumentReason.UNREACHABLE


def test_a_page_that_drips_is_cut_off_when_its_time_is_over(server: Pages) -> None:
    server.answers["/a"] = dripping(b"<p>a</p>", 0.05)
    answer = fetch(server.at("/a"), replace(POLICY, page_seconds=1, attempts=1))
    assert reason(answer) is DocumentReason.TIMED_OUT


def test_a_server_that_says_nothing_is_cut_off_when_the_time_for_all_is_over(server: Pages) -> None:
    server.answers["/a"] = silent()
    server.answers["/b"] = page("never asked")
    policy = replace(POLICY, total_seconds=1, pages=(PageAddress(server.at("/a")), PageAddress(server.at("/b"))))
    first, second = FetchedPages(policy, lambda: NOW).documents()

    assert reason(first) is DocumentReason.TIMED_OUT
    assert reason(second) is DocumentReason.TIMED_OUT
    assert server.asked["/b"] == 0


def test_a_page_that_is_too_great_is_left_while_it_comes(server: Pages) -> None:
    server.answers["/a"] = dripping(b"x" * 65_536, 0.0)
    assert reason(fetch(server.at("/a"))) is DocumentReason.TOO_LARGE


def test_a_packed_page_counts_unpacked(server: Pages) -> None:
    server.answers["/a"] = bomb(64)
    assert reason(fetch(server.at("/a"))) is DocumentReason.TOO_LARGE


def test_a_packed_page_that_is_damaged_is_cut_short(server: Pages) -> None:
    server.answers["/a"] = page("no gzip", Content_Encoding="gzip")
    assert reason(fetch(server.at("/a"))) is DocumentReason.CUT_SHORT


def test_a_page_that_ends_before_its_declared_length_is_cut_short(server: Pages) -> None:
    server.answers["/a"] = cut("<html><table>")
    assert reason(fetch(server.at("/a"))) is DocumentReason.CUT_SHORT
    assert server.asked["/a"] == 3


def test_a_page_that_is_none_is_not_taken(server: Pages) -> None:
    server.answers["/a"] = page("MZ", Content_Type="application/octet-stream")
    assert reason(fetch(server.at("/a"))) is DocumentReason.WRONG_TYPE


def test_a_redirect_within_the_host_is_followed(server: Pages) -> None:
    server.answers["/a"] = status(301, Location="/b?view=1")
    server.answers["/b?view=1"] = page("fine")
    answer = fetch(server.at("/a"))

    assert isinstance(answer, Document)
    assert answer.name == server.at("/a")


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost:1/x",
        "https://elsewhere.example/x",
        "file:///etc/passwd",
        "//elsewhere.example/x",
        "ftp://127.0.0.1/",
    ],
)
def test_a_redirect_to_anywhere_else_is_not_followed(server: Pages, target: str) -> None:
    server.answers["/a"] = status(302, Location=target)
    answer = fetch(server.at("/a"))

    assert reason(answer) is DocumentReason.REDIRECTED
    assert server.asked["/a"] == 1


def test_a_redirect_that_cannot_be_understood_is_an_issue(server: Pages) -> None:
    server.answers["/a"] = status(302, Location="http://[::1")
    assert reason(fetch(server.at("/a"))) is DocumentReason.NOT_ALLOWED


def test_redirects_without_end_are_given_up(server: Pages) -> None:
    server.answers["/a"] = status(302, Location="/a")
    assert reason(fetch(server.at("/a"))) is DocumentReason.REDIRECTED
    assert server.asked["/a"] == 6


@pytest.mark.parametrize(
    "url",
    [
        "http://learn.example/codes",
        "https://other.example/codes",
        "https://learn.example@evil.example/",
        "https://user:word@learn.example/",
        "file:///etc/passwd",
        "",
        "https://[::1",
    ],
)
def test_only_listed_hosts_are_asked_and_only_in_a_secure_way(url: str) -> None:
    policy = replace(POLICY, hosts=("learn.example",))
    assert reason(fetch(url, policy)) is DocumentReason.NOT_ALLOWED


def test_an_address_that_cannot_be_understood_is_an_issue(server: Pages) -> None:
    port = server.address.rpartition(":")[2]
    assert reason(fetch(f"http://127.0.0.1:{port}0000/")) is DocumentReason.NOT_ALLOWED
