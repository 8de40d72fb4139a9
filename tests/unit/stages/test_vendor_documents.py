"""Documents from bytes to kept changes, on a real registry and the shipped rule pack."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import RulePack, load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.adapters.vendor_documents import Document, FetchedPages, SavedPages
from m365dq_dagster.core.document_policy import DocumentPolicy, PageAddress
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.schema_changes import ChangeKind
from m365dq_dagster.core.vendor_pages import DocumentIssue, DocumentReason, PageKind
from m365dq_dagster.stages.vendor_documents import Checked, Reading, check_documents, document_sources
from tests.support.page_server import page, page_server, status
from tests.support.vendor_pages import (
    activity_page,
    code_page,
    code_page_html,
    html,
    notes_page,
    resource_page,
    retention_page,
    save,
    schema_page,
)


@pytest.fixture(scope="module")
def pack() -> RulePack:
    return load_rule_pack()


@dataclass
class Handed:
    """Documents as they are given."""

    texts: dict[str, str | bytes]
    kind: PageKind | None = None
    saved: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def documents(self) -> Iterable[Document | DocumentIssue]:
        for name, text in self.texts.items():
            yield Document(name, self.kind, text.encode() if isinstance(text, str) else text, self.saved)


CODES = {
    "50126": "Wrong password.",
    "50034": "No such user.",
    "50053": "Locked.",
    "53003": "Blocked by Conditional Access.",
}
NEW_CODE = {"530777": "MfaFatigueBlocked - Access was blocked because multifactor authentication was denied too often."}


def check(registry: Registry, pack: RulePack, now: datetime, **texts: str | bytes) -> Checked:
    named = {name.replace("__", "."): text for name, text in texts.items()}
    return check_documents(registry, pack, [Handed(named)], now)


def test_a_code_that_no_reference_holds_is_new_with_a_proposal(
    registry: Registry, pack: RulePack, now: datetime
) -> None:
    checked = check(registry, pack, now, codes__md=code_page(CODES | NEW_CODE))

    (change,) = checked.changes
    assert (change.kind, change.severity, change.after) == (ChangeKind.CODE_NEW, Severity.WARNING, "530777")
    assert "password_correct_blocked" in change.detail
    assert "topic_rule" in change.detail
    assert "at most LOW" in change.detail
    (document,) = checked.documents
    assert (document.kind, document.entries, document.reading) == (PageKind.CODES, 5, Reading.FIRST)


def test_the_same_documents_again_find_nothing_new(registry: Registry, pack: RulePack, now: datetime) -> None:
    texts = {"codes__md": code_page(CODES | NEW_CODE), "audit__md": activity_page({"FileDeleted": "Gone."})}
    check(registry, pack, now, **texts)
    again = check(registry, pack, now + timedelta(days=90), **texts)

    assert again.changes == ()
    assert {document.reading for document in again.documents} == {Reading.UNCHANGED}
    assert registry.vendor_documents()[0].read_at == now


def test_without_keeping_nothing_is_written_and_the_answer_is_the_same(
    registry: Registry, pack: RulePack, now: datetime
) -> None:
    source = Handed({"codes.md": code_page(CODES | NEW_CODE)})
    tried = check_documents(registry, pack, [source], now, keep=False)

    assert registry.vendor_documents() == []
    assert registry.document_changes() == set()
    assert check_documents(registry, pack, [source], now) == tried


def test_a_document_is_known_by_what_it_holds_and_not_by_its_name(
    registry: Registry, pack: RulePack, now: datetime
) -> None:
    check(registry, pack, now, autumn__html=code_page_html(CODES))
    later = check(
        registry,
        pack,
        now,
        pictures__txt=code_page({c: t for c, t in CODES.items() if c != "50053"}),
        notes__md="# Hi\n\nYou.",
    )

    assert [(c.kind, c.before) for c in later.changes] == [(ChangeKind.CODE_GONE, "50053")]
    assert [issue.reason for issue in later.issues] == [DocumentReason.NOT_RECOGNISED]


def test_two_readings_of_one_page_in_one_folder_are_taken_in_the_order_in_which_they_were_written(
    registry: Registry, pack: RulePack, now: datetime
) -> None:
    old = "---\nms.date: 01/15/2025\n---\n" + code_page(CODES)
    new = "---\nms.date: 02/20/2026\n---\n" + code_page(CODES | NEW_CODE)
    checked = check(registry, pack, now, b__md=old, a__md=new)

    assert [(c.kind, c.after) for c in checked.changes] == [(ChangeKind.CODE_NEW, "530777")]
    again = check(registry, pack, now, b__md=old, a__md=new)
    assert again.changes == ()


def test_a_page_that_lost_most_of_its_codes_is_not_believed(registry: Registry, pack: RulePack, now: datetime) -> None:
    many = {code.code: code.meaning for code in pack.codes if len(code.code) > 3}
    check(registry, pack, now, codes__md=code_page(many))
    cut = check(registry, pack, now, codes__md=code_page(dict(list(many.items())[:500])))

    assert cut.changes == ()
    assert [issue.reason for issue in cut.issues] == [DocumentReason.SHRUNK]
    assert "nothing was taken for removed" in cut.issues[0].sentence
    assert len(registry.vendor_documents()[0].snapshot.entries) == len(many)


def test_two_lists_of_codes_side_by_side_are_each_held_against_themselves(
    registry: Registry, pack: RulePack, now: datetime
) -> None:
    many = {code.code: code.meaning for code in pack.codes if len(code.code) > 3}
    few = dict(list(many.items())[:300])
    check(registry, pack, now, many__md=code_page(many), few__md=code_page(few))
    again = check(registry, pack, now, renamed__md=code_page(few | NEW_CODE), many__md=code_page(many))

    assert again.issues == ()
    assert [c.after for c in again.changes] == ["530777"]


def test_a_page_that_comes_back_after_it_had_changed_is_a_change_again(
    registry: Registry, pack: RulePack, now: datetime
) -> None:
    first, second = activity_page({"FileDeleted": "A", "Send": "S"}), activity_page({"FileRecycled": "A", "Send": "S"})
    check(registry, pack, now, audit__md=first)
    check(registry, pack, now + timedelta(days=1), audit__md=second)
    back = check(registry, pack, now + timedelta(days=2), audit__md=first)

    assert [(c.before, c.after) for c in back.changes] == [("FileRecycled", "FileDeleted")]
    assert registry.vendor_documents()[-1].snapshot.entries.keys() >= {"operation:FileDeleted"}


def test_one_announcement_on_two_pages_is_told_once(registry: Registry, pack: RulePack, now: datetime) -> None:
    post = ("March 2026", "Deprecated", "Management Activity API retires on June 30, 2026", "Move to Graph.")
    checked = check(registry, pack, now, a__md=notes_page([post]), b__md=notes_page([post], title="Message center"))

    assert [(c.kind, c.before, c.after) for c in checked.changes] == [
        (ChangeKind.RETIREMENT, "Management Activity API", "2026-06-30")
    ]


def test_what_a_page_was_fetched_as_it_must_be(registry: Registry, pack: RulePack, now: datetime) -> None:
    source = Handed(
        {"https://learn.example/codes": retention_page({"Sign-ins": ["7 days", "30 days", "30 days"]})}, PageKind.CODES
    )
    checked = check_documents(registry, pack, [source], now)

    assert [issue.reason for issue in checked.issues] == [DocumentReason.OTHER_KIND]
    assert checked.changes == ()


def test_a_folder_of_forty_pages_is_checked_and_each_is_recognised(
    registry: Registry, pack: RulePack, now: datetime, tmp_path: Path
) -> None:
    folder = forty_pages(tmp_path / "pages", pack)
    checked = check_documents(registry, pack, [SavedPages(folder)], now)

    assert len(checked.documents) == 40
    assert checked.issues == ()
    assert {document.kind for document in checked.documents} == set(PageKind)
    assert [c.after for c in checked.changes if c.kind is ChangeKind.CODE_NEW] == ["530777"]
    assert check_documents(registry, pack, [SavedPages(folder)], now).changes == ()


def forty_pages(folder: Path, pack: RulePack) -> Path:
    """Forty saved pages: 900 codes, release notes of 200 posts, resources, schemas, activities, retention."""
    codes = {code.code: f"Name{code.code} - {code.meaning}" for code in pack.codes if len(code.code) > 3}
    codes |= NEW_CODE
    save(folder, "codes.html", code_page_html(codes))
    posts = [
        (f"{month} {year}", "New feature", f"Feature {number} of {month} {year}", "It can be switched on now. " * 20)
        for year in (2025, 2026)
        for month in ("December", "October", "August", "June", "April")
        for number in range(20)
    ]
    save(folder, "whats-new.md", notes_page(posts))
    save(folder, "posts.json", json.dumps({"value": [graph_post(number) for number in range(50)]}))
    save(folder, "record-types.md", schema_page({str(n): (f"Workload{n}", "Events.") for n in range(300)}))
    save(folder, "retention.md", retention_page({"Sign-ins": ["7 days", "30 days", "30 days"]}))
    save(
        folder,
        "activities.csv",
        csv_text(
            ["Friendly name", "Operation", "Description"], [[f"Did {n}", f"Did{n}Thing", "x"] for n in range(1500)]
        ),
    )
    for number in range(34):
        save(
            folder,
            f"resource-{number}.md",
            resource_page(f"thing{number}", {f"name{n}": "Some text." for n in range(60)}),
        )
    return folder


def graph_post(number: int) -> dict[str, object]:
    return {
        "id": f"MC{100000 + number}",
        "title": f"Post {number}",
        "startDateTime": "2026-01-02T00:00:00Z",
        "category": "stayInformed",
        "actionRequiredByDateTime": None,
        "body": {"contentType": "html", "content": "<p>It <b>looks</b> nicer.</p>"},
    }


def csv_text(header: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


def test_what_two_copies_of_a_page_say_is_told_once_and_what_is_no_text_is_an_issue(
    registry: Registry, pack: RulePack, now: datetime
) -> None:
    text = code_page(CODES | NEW_CODE)
    checked = check(registry, pack, now, a__md=text, b__md=text, c__md=b"%PDF-1.7")

    assert len(checked.changes) == 1
    assert [issue.reason for issue in checked.issues] == [DocumentReason.NOT_TEXT]
    assert [d.reading for d in checked.documents] == [Reading.FIRST, Reading.CHANGED, Reading.NOT_USED]


def test_a_page_that_is_in_no_unicode_is_read_and_said_to_be(registry: Registry, pack: RulePack, now: datetime) -> None:
    text = code_page(CODES | {"50055": "Mot de passe expiré."}).encode("cp1252")
    checked = check(registry, pack, now, codes__md=text)

    assert [(problem.reason, problem.severity) for problem in checked.issues] == [
        (DocumentReason.OTHER_ENCODING, Severity.INFO)
    ]
    assert registry.vendor_documents()[0].snapshot.entries["50055"] == {"text": "Mot de passe expiré."}


def test_posts_of_the_message_centre_are_read_from_its_json(registry: Registry, pack: RulePack, now: datetime) -> None:
    post = graph_post(1) | {
        "title": "Search-UnifiedAuditLog will be retired",
        "category": "planForChange",
        "actionRequiredByDateTime": "2026-05-31T00:00:00Z",
    }
    checked = check(registry, pack, now, posts__json=json.dumps({"value": [post]}))

    (change,) = checked.changes
    assert (change.kind, change.before, change.after) == (ChangeKind.RETIREMENT, "Search-UnifiedAuditLog", "2026-05-31")


def test_the_folder_of_the_settings_or_of_the_home_is_read_and_nothing_is_fetched_unless_asked(home: Path) -> None:
    settings = Settings.load()
    assert document_sources(settings) == ()

    (home / "vendor_documents").mkdir()
    assert document_sources(settings) == (SavedPages(home / "vendor_documents"),)
    assert document_sources(settings, folder=home / "else") == (SavedPages(home / "else"),)
    _, fetched = document_sources(settings, fetch=True)
    assert isinstance(fetched, FetchedPages)
    assert len(fetched.policy.pages) > 5


def test_fetching_and_the_folder_are_switched_by_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M365DQ_VENDOR_FETCH", "1")
    monkeypatch.setenv("M365DQ_VENDOR_DOCUMENTS", str(home / "absent"))
    folder, fetched = document_sources(Settings.load())

    assert folder == SavedPages(home / "absent")
    assert isinstance(fetched, FetchedPages)
    assert document_sources(Settings.load(), fetch=False) == (folder,)


def test_a_login_page_in_place_of_the_codes_removes_nothing(registry: Registry, pack: RulePack, now: datetime) -> None:
    check(registry, pack, now, codes__html=code_page_html(CODES))
    login = html("Sign in to your account", "<form><input type='password' name='p'></form><p>AADSTS50058 may show.</p>")
    checked = check(registry, pack, now, codes__html=login)

    assert checked.changes == ()
    assert [issue.reason for issue in checked.issues] == [DocumentReason.SIGN_IN_PAGE]


def test_pages_from_a_server_are_checked_like_saved_ones_and_one_that_fails_spoils_no_other(
    registry: Registry, pack: RulePack, now: datetime
) -> None:
    with page_server() as server:
        server.answers["/codes"] = page(code_page_html(CODES | NEW_CODE))
        server.answers["/broken"] = status(500)
        pages = (PageAddress(server.at("/broken"), PageKind.NOTES), PageAddress(server.at("/codes"), PageKind.CODES))
        policy = DocumentPolicy(pages, ("127.0.0.1",), attempts=2)
        source = FetchedPages(policy, lambda: now, lambda seconds: None)
        checked = check_documents(registry, pack, [source], now)
        again = check_documents(registry, pack, [source], now)

    assert [c.after for c in checked.changes] == ["530777"]
    assert [problem.reason for problem in checked.issues] == [DocumentReason.REFUSED]
    assert again.changes == ()
    assert server.asked == {"/codes": 2, "/broken": 4}
