"""The scoreboard in words."""

from m365dq_dagster.core.scoreboard import Fixed
from m365dq_dagster.core.scoreboard_page import fixed_lines, group_rows, markdown, measures, summary, wrong_lines
from tests.support.scored import BLOCKED, BREACH, NO_BREACH, OPEN, board, concluded, scored, truth


def test_every_measure_names_its_target_and_whether_it_is_met() -> None:
    rows = {line[0]: line[1:] for line in measures(board(scored(truth("breach"), BREACH, BLOCKED, NO_BREACH)))}
    assert rows["wrong conclusions"] == ("0.0%", "100.0%", "100.0%", "at most 2.0%", "met")
    assert rows["breaches called blocked or none"] == ("0", "1", "1", "at most 0", "met")
    assert rows["clean cases called a breach"] == ("-", "-", "-", "at most 5.0%", "met")
    assert rows["outcome field recommended rightly"][3] == "at least 98.0%"


def test_a_missed_target_is_said_in_the_table_and_in_the_summary() -> None:
    found = board(scored(truth("clean"), BREACH))
    assert "MISSED" in {line[-1] for line in measures(found)}
    assert summary(found) == "1 case of seed 7 judged in 2 s: 2 of 7 targets missed."
    assert summary(board(scored(truth("clean"), NO_BREACH))).endswith(": every target is met.")


def test_a_group_says_what_each_judge_got_wrong() -> None:
    cases = [scored(truth("clean"), NO_BREACH, BREACH), scored(truth("clean"), OPEN, BREACH, BREACH, family="a")]
    assert group_rows(board(*cases), "family") == [
        ("a", "1", "0", "0", "1", "1", "1"),
        ("travel", "1", "1", "0", "0", "1", "0"),
    ]


def test_what_is_wrong_is_told_with_the_command_that_makes_it_again() -> None:
    wanted = truth("clean", outcome_fields=("status_error_code",))
    lines = [*wrong_lines(board(scored(truth("blocked"), None), scored(wanted, concluded(NO_BREACH))))]
    assert lines == [
        "case-1: ALL_BLOCKED or NO_BREACH_INDICATED expected, nothing said. Because. [m365dq generate travel]",
        "case-1: status_error_code to be recommended, nothing was. [m365dq generate travel]",
    ]


def test_misreadings_and_real_cases_are_told_where_they_were_judged() -> None:
    found = (Fixed("a", "X", "X", "", True), Fixed("b", "X", "Y", "Why.", False))
    assert [*fixed_lines("Misreadings", found)] == ["Misreadings: 1 of 2 right.", "b: X expected, Y said. Why."]
    assert [*fixed_lines("Misreadings", None)] == []
    assert summary(board(real_cases=found)).endswith("every target is met, 1 of 2 misreadings and real cases wrong.")


def test_the_page_holds_every_table_and_escapes_what_would_break_one() -> None:
    page = markdown(board(scored(truth("clean"), concluded(BREACH)), misreadings=(Fixed("a|b", "X", "Y", "", False),)))
    assert page.startswith("# Scoreboard\n\n1 case of seed 7")
    assert "| what | ours | naive | literal | target |  |" in page
    assert [f"## By {kind}" in page for kind in ("family", "variant", "shape")] == [True, True, True]
    assert "- case-1: NO_BREACH_INDICATED expected" in page
    assert "a\\|b" in page
    assert "## Wrong\n\nNothing.\n" in markdown(board(scored(truth("clean"), NO_BREACH)))
