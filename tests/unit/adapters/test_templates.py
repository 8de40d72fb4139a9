"""The report pages show everything a reader needs, and nothing in them can run, call out or steer."""

import re
from html.parser import HTMLParser

import pytest

from m365dq_dagster.adapters import templates
from m365dq_dagster.core import narrative
from m365dq_dagster.stages.report import rendered
from tests.support import sample_document
from tests.support.sample_document import SAMPLES


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page(name: str) -> Page:
    return Page(rendered(getattr(sample_document, name)(), "html"))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_page_holds_no_script_no_link_and_nothing_to_fetch(name: str) -> None:
    shown = page(name)
    assert {"script", "a", "img", "link", "iframe", "form", "object"}.isdisjoint(tag for tag, _ in shown.tags)
    assert not [
        attrs for _, attrs in shown.tags if any(key.startswith("on") or key in ("src", "href") for key in attrs)
    ]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_page_forbids_what_it_does_not_need(name: str) -> None:
    policies = [
        attrs["content"] for tag, attrs in page(name).tags if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_hostile_evidence_is_shown_as_text() -> None:
    shown = page("hostile").text
    assert "<script>alert('x')</script>" in shown
    assert "\\x1b]0;owned" in shown
    assert "=cmd|'/c calc'!A1" in shown
    assert "{{ 7 * 7 }}" in shown
    assert 'x" onmouseover="alert(1).csv\\u202egpj' in shown


@pytest.mark.parametrize("name", SAMPLES)
def test_no_control_character_is_left(name: str) -> None:
    html = rendered(getattr(sample_document, name)(), "html")
    assert re.search("[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e]", html) is None


def test_the_page_reads_in_the_order_a_reader_needs() -> None:
    shown = page("oculus").text
    order = [
        "BREACH INDICATED", "8 accounts are in use", "What cannot be concluded", "Which logs the verdict looked at",
        "message_trace 12", "successes from outside",
        "Accounts, worst first", "Failed checks and what to do", "Findings", "sign_ins.csv:1", "Leads",
        "Operations that deserve a look", "Which fields may be trusted", "Do not trust", "Contradictions in",
        "Codes and values that are in no table", "Evidence files", "Rows set aside as unreadable",
        "Export again without opening the file in a spreadsheet.", "Is it all there?", "What to do: Export that time",
        "What was not tested",
        "80 to 90 %", "sha256:abab",
    ]  # fmt: skip
    places = [shown.find(words) for words in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_page_states_the_residual_risk_and_the_pack(name: str) -> None:
    shown = page(name).text
    assert narrative.RESIDUAL_RISK in shown
    assert "sha256:abab" in shown


def test_a_blocked_case_gets_one_page_that_says_what_is_wrong_and_what_to_do() -> None:
    shown = page("blocked").text
    assert "CANNOT CONCLUDE" in shown
    assert "no field that tells how a sign-in ended may testify" in shown
    assert "What to do next" in shown
    assert "--skip-quality-check" in shown
    assert "Accounts, worst first" not in shown
    assert "Evidence files" in shown


def test_an_override_is_a_banner_and_on_every_finding() -> None:
    shown = page("overridden").text
    assert "The quality gate was overridden" in shown
    assert shown.count("not verified") >= 8
    assert "It ends by itself: after 2026-12-05" in shown
    assert "Ask the portal how single sign-ins ended." in shown
    assert shown.count("Not verified: quality gate overridden by jo until 2026-12-05 (lab exercise).") == 8


def test_an_override_of_a_gate_that_held_says_that_nothing_was_passed_over() -> None:
    document = sample_document.overridden()
    document["quality"]["failed_checks"] = document["quality"]["override"]["disabled"] = []
    assert "Nothing was passed over" in templates.render("report", document=document, say=narrative, version="0")


def test_an_override_that_has_ended_and_checks_that_are_off_are_banners() -> None:
    assert "The override ended on 2026-11-30 by boss; this verdict no longer stands" in page("lapsed").text
    shown = page("switched_off").text
    assert "Checks are switched off" in shown
    assert "Read the rows that were set aside by hand." in shown
    assert shown.count("Not verified: the check quarantine_share is switched off.") == 8


def test_a_correction_is_a_banner_and_stands_at_the_account_and_the_finding() -> None:
    shown = page("corrected").text
    assert shown.index("Corrected by a person") < shown.index("Accounts, worst first")
    assert shown.count("corrected to NO_BREACH_INDICATED") >= 2
    assert shown.count("corrected to NO_INDICATION") >= 2
    assert "CANNOT_CONCLUDE: the owner" not in shown
    assert "Corrected by a person" not in page("oculus").text


def test_the_context_is_shown_where_it_was_given() -> None:
    document = {
        **sample_document.oculus(),
        "context": {"home_countries": ["AU", "NZ"], "licence": "P2", "egress_ranges": []},
    }
    shown = Page(rendered(document, "html")).text
    assert "What was known beforehand" in shown
    assert "AU, NZ" in shown
    assert "P2" in shown
    assert "egress_ranges" not in shown


def test_long_tables_are_cut_and_say_where_the_rest_is() -> None:
    document = sample_document.oculus()
    document["accounts"] = document["accounts"][:1] * 400
    document["findings"] = document["findings"][:1] * 400
    document["findings"][0]["evidence"] *= 20
    shown = Page(rendered(document, "html")).text
    assert "and 100 more accounts" in shown
    assert "and 100 more findings" in shown
    assert "and 28 more" in shown


def test_no_cell_of_a_page_is_a_formula_when_it_is_pasted_into_a_spreadsheet() -> None:
    html = rendered(sample_document.hostile(), "html")
    assert [
        cell for cell in re.findall(r"<t[dh][^>]*>(?:<[^>]*>)*\s*([^<]*)", html) if cell[:1] in ("=", "+", "@")
    ] == []
    assert "&#39;=cmd" in html


@pytest.mark.parametrize(
    ("text", "shown"), [("-", "-"), ("-2+3", "'-2+3"), (" =1", "' =1"), ("@a", "'@a"), ("a=1", "a=1")]
)
def test_only_what_a_spreadsheet_would_calculate_gets_an_apostrophe(text: str, shown: str) -> None:
    assert templates.inert(text) == shown


def test_a_page_with_values_of_a_megabyte_stays_small() -> None:
    assert len(rendered(sample_document.hostile(), "html")) < 150_000


def test_many_files_and_leads_are_cut_and_say_where_the_rest_is() -> None:
    document = sample_document.oculus()
    document["files"] = document["files"][:1] * 400
    document["completeness"] = document["completeness"] * 80 + [{"kind": "NEW_KIND", "detail": "something new"}]
    shown = Page(rendered(document, "html")).text
    assert "and 100 more files" in shown
    assert "and 30 more leads" in shown
    assert "NEW_KIND" in shown
    assert "something new" in shown


def test_a_blocked_page_too_says_that_no_log_was_looked_at() -> None:
    shown = page("blocked").text
    assert "Which logs the verdict looked at" in shown
    assert "12 message_trace rows were taken in and are not judged yet" in shown
    assert " yes " not in shown[shown.index("Which logs the verdict looked at") : shown.index("Which fields may be")]


def test_files_that_were_not_taken_in_are_listed_by_reason() -> None:
    document = sample_document.oculus()
    document["files"] += [{**document["files"][3], "path": f"note_{number}.txt"} for number in range(60)]
    shown = Page(rendered(document, "html")).text
    assert "Not taken in: 61 files" in shown
    assert shown.count("its first line names no column") == 1
    assert "note_38.txt and 21 more" in shown
