"""The screen after a run fits, says first what cannot be concluded, and stays neutral."""

import io
from typing import Any

import pytest

from m365dq_dagster.cli import screen, terminal
from tests.support import sample_document
from tests.support.sample_document import SAMPLES

FOOTER = screen.Footer("/home/jo/.m365dq/cases/oculus/report.html", "/home/jo/.m365dq", 9.83)


def shown(document: dict[str, Any], footer: screen.Footer = FOOTER) -> str:
    sink = io.StringIO()
    terminal.console(sink, width=100).print(screen.compose(document, footer))
    return sink.getvalue()


@pytest.mark.parametrize("name", SAMPLES)
def test_it_is_one_screen(name: str) -> None:
    lines = shown(getattr(sample_document, name)()).splitlines()
    assert len(lines) <= screen.LINES
    assert max(len(line) for line in lines) <= terminal.SCREEN_WIDTH


@pytest.mark.parametrize("name", SAMPLES)
def test_no_escape_of_the_evidence_is_left(name: str) -> None:
    text = shown(getattr(sample_document, name)())
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_what_cannot_be_concluded_stands_before_the_accounts() -> None:
    text = shown(sample_document.oculus())
    assert text.index("218 sign-ins: Conditional Access") < text.index("user1@contoso.example")


def test_it_opens_with_the_verdict_and_its_confidence() -> None:
    assert shown(sample_document.oculus()).startswith("BREACH INDICATED, confidence MEDIUM   case oculus")
    assert shown(sample_document.blocked()).startswith("CANNOT CONCLUDE   case stuck")


def test_it_gives_figures_fields_files_and_both_times() -> None:
    text = " ".join(shown(sample_document.oculus()).split())
    for words in (
        "188 successes: 80.3 % of the attempts from abroad", "92.7 %",
        "judge by conditional_access_status", "status_error_code and status",
        "3 imported, 1 unrecognised", "'512345'", "(and 1 more)", "docs/runbooks/quality-check-failure.md",
        "1.2 s to judge, 9.8 s in total", "report.html", "m365dq ui", "/home/jo/.m365dq",
    ):  # fmt: skip
        assert words in text, words


def test_the_share_of_known_outcomes_stands_beside_the_rates_of_an_account() -> None:
    lines = shown(sample_document.oculus()).splitlines()
    assert any("Foreign rate" in line and line.rstrip().endswith("Decided") for line in lines)
    assert any(line.rstrip().endswith("97.3 %") for line in lines)


def test_more_accounts_than_fit_are_counted() -> None:
    text = shown(sample_document.oculus())
    listed = text.count("@contoso.example ")
    assert 1 < listed < 14
    assert f"and {14 - listed} more accounts: m365dq show oculus accounts" in text


def test_logs_that_no_verdict_looked_at_are_on_the_screen() -> None:
    text = " ".join(shown(sample_document.oculus()).split())
    assert "Not judged 12 message_trace rows were taken in and are not judged yet: nothing is concluded" in text


def test_files_that_were_not_read_are_named() -> None:
    assert "notes.txt: its first line names no column" in shown(sample_document.oculus())


def test_the_reason_of_a_withheld_verdict_is_not_told_twice() -> None:
    document = sample_document.blocked()
    reason = document["quality"]["failed_checks"][0]["reason"]
    text = shown({**document, "headline": f"Case stuck: cannot conclude. {reason}"})
    assert text.count("may testify") == 1
    assert "What to do: docs/runbooks" in text


def test_an_override_is_on_the_screen() -> None:
    text = shown(sample_document.overridden())
    assert "NOT VERIFIED" in text
    assert "Passed over" in text
    assert "Instead        Ask the portal how single sign-ins ended." in text
    assert "Failed checks" not in text


def test_an_override_that_has_ended_and_a_check_that_is_off_are_on_the_screen() -> None:
    assert "this verdict no longer stands" in " ".join(shown(sample_document.lapsed()).split())
    text = " ".join(shown(sample_document.switched_off()).split())
    assert "NOT VERIFIED: switched off by policy" in text
    assert "Switched off quarantine_share. Instead: Read the rows" in text


def test_a_long_path_stands_alone_on_the_last_line() -> None:
    path = "/home/jo/.m365dq/cases/oculus/reports/e55ee6d2-64af-4aa1-a262-a55a14a27db4/report-of-the-case.html"
    assert shown(sample_document.oculus(), screen.Footer(path, "/h", 1.0)).splitlines()[-1].rstrip() == path


def test_nothing_done_is_said_first() -> None:
    footer = screen.Footer(None, "/h", 0.5, unchanged_since="2026-03-01T08:00:00Z")
    text = shown({**sample_document.clean(), "seconds": None}, footer)
    assert text.startswith("Nothing has changed since 2026-03-01 08:00:00 UTC; nothing was done.")
    assert "Report" not in text
    assert "0.5 s in total" in text


def test_a_case_without_accounts_or_untested_points_has_a_screen() -> None:
    assert "Account" not in shown(sample_document.blocked())
    assert "Not tested" not in shown({**sample_document.clean(), "not_tested": []})
