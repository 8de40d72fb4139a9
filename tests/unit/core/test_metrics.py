from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.metrics import (
    CorrectionFact,
    Dashboard,
    FlagFact,
    ImportFact,
    OverrideFact,
    ScoreFact,
    Window,
    dashboard,
    duration,
    percent,
    render_text,
)

END = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
WINDOW = Window(END, 30)
TICK = timedelta(microseconds=1)


def made(number: int, status: str = "PASS", at: datetime = END, seconds: float = 138.0, case: str = "") -> ImportFact:
    return ImportFact(case or f"case-{number}", at, seconds, status, "ledger broken" if status == "FAIL" else None, 3)


def page(
    imports: list[ImportFact] | None = None,
    flags: list[FlagFact] | None = None,
    corrections: list[CorrectionFact] | None = None,
    scores: list[ScoreFact] | None = None,
) -> Dashboard:
    return dashboard(WINDOW, imports or [], flags or [], corrections or [], scores or [])


def specification() -> Dashboard:
    day = timedelta(days=1)
    imports = [made(n, "FAIL" if n < 3 else "PASS", END - n * timedelta(hours=13)) for n in range(50)]
    flags = [FlagFact("sign_in_logs", "status_error_code", str(n), END - day) for n in (1, 2, 3, 3)]
    scores = [
        ScoreFact("case-1", "sign_in_logs", field, score, END)
        for field, score in (("b", 0.92), ("conditional_access_status", 0.98), ("c", 0.89), ("d", 0.5))
    ]
    return page(imports, flags, [CorrectionFact(f"case-{n}", END) for n in (4, 4, 5)], scores)


def test_the_page_has_the_layout_of_the_specification() -> None:
    assert render_text(specification()) == (
        "M365 IR Data Quality Dashboard\n"
        "==============================\n"
        "Period: last 30 days (2026-01-31 09:30 to 2026-03-02 09:30 UTC)\n"
        "\n"
        "Quality Check Pass Rate: 94% (47/50 imports)\n"
        "Unknown Code Detections: 3 codes flagged\n"
        "Forensic Error Rate: 4% (2/50 cases corrected)\n"
        "Avg Import Time: 2.3 minutes\n"
        "Verifications Run: 150 (3 per import x 50)\n"
        "\n"
        "Recent Failures:\n"
        "- 2026-03-02 - case-0 - ledger broken\n"
        "- 2026-03-01 - case-1 - ledger broken\n"
        "- 2026-03-01 - case-2 - ledger broken\n"
        "\n"
        "Top Reliable Fields (30 d):\n"
        "1. conditional_access_status (sign_in_logs): 0.98\n"
        "2. b (sign_in_logs): 0.92\n"
        "3. c (sign_in_logs): 0.89\n"
    )


def test_an_empty_registry_gives_a_page_without_a_division_by_zero() -> None:
    empty = page()
    assert (empty.pass_rate, empty.error_rate, empty.average_seconds) == (None, None, None)
    text = render_text(empty)
    for line in (
        "Quality Check Pass Rate: n/a (0/0 imports)",
        "Unknown Code Detections: 0 codes flagged",
        "Forensic Error Rate: n/a (0/0 cases corrected)",
        "Avg Import Time: n/a",
        "Verifications Run: 0 (0 per import x 0)",
        "- none",
        "- none scored",
    ):
        assert line in text.splitlines()


def test_both_ends_of_the_window_belong_to_it_and_a_tick_beyond_does_not() -> None:
    start = END - timedelta(days=30)
    moments = [start - TICK, start, END, END + TICK]
    found = page([made(n, at=moment) for n, moment in enumerate(moments)])
    assert (found.imports, found.cases, found.verifications) == (2, 2, 6)
    assert [WINDOW.holds(moment) for moment in moments] == [False, True, True, False]


@given(st.lists(st.integers(min_value=-40 * 86_400, max_value=5 * 86_400), max_size=30))
def test_exactly_the_imports_of_the_last_days_count(offsets: list[int]) -> None:
    found = page([made(n, at=END + timedelta(seconds=offset)) for n, offset in enumerate(offsets)])
    assert found.imports == sum(-30 * 86_400 <= offset <= 0 for offset in offsets)
    assert sum(day.imports for day in found.daily) == found.imports
    assert len(found.daily) == 31


def test_an_overridden_import_did_not_pass_and_is_no_failure() -> None:
    found = page([made(1), made(2, "OVERRIDDEN")])
    assert (found.passed, found.imports, found.failures) == (1, 2, ())
    assert found.pass_rate == 0.5


def test_a_case_that_was_corrected_counts_once_and_only_where_it_was_imported() -> None:
    imports = [made(1, case="a"), made(2, case="a"), made(3, case="b")]
    corrections = [CorrectionFact("a", END), CorrectionFact("a", END), CorrectionFact("elsewhere", END)]
    found = page(imports, corrections=corrections)
    assert (found.corrected, found.cases, found.error_rate) == (1, 2, 0.5)


def test_the_latest_failures_are_shown_with_a_reason_and_no_terminal_escapes() -> None:
    failed = [made(n, "FAIL", END - timedelta(days=n)) for n in range(9)]
    assert [failure.case_id for failure in page(failed).failures] == [f"case-{n}" for n in range(5)]
    hostile = ImportFact("c", END, 1, "FAIL", "bad\x1b[2J", 3)
    assert "- 2026-03-02 - c - bad [2J" in render_text(page([hostile])).splitlines()
    silent = ImportFact("c", END, 1, "FAIL", None, 3)
    assert page([silent]).failures[0].reason == "no reason recorded"


def test_a_field_is_ranked_by_the_mean_of_each_cases_latest_score() -> None:
    scores = [
        ScoreFact("a", "t", "f", 1.0, END - timedelta(days=1)),
        ScoreFact("a", "t", "f", 0.5, END),
        ScoreFact("b", "t", "f", 0.7, END),
        ScoreFact("a", "t", "never_applicable", None, END),
        ScoreFact("a", "t", "useless", 0.0, END),
        ScoreFact("a", "t", "old", 1.0, END - timedelta(days=31)),
    ]
    (best,) = page(scores=scores).fields
    assert (best.field, best.cases) == ("f", 2)
    assert best.score == pytest.approx(0.6)


def test_a_code_flagged_in_several_cases_is_one_code() -> None:
    flags = [FlagFact("t", "f", "1", END), FlagFact("t", "f", "1", END - timedelta(days=2))]
    found = page(flags=flags)
    assert "Unknown Code Detections: 1 code flagged" in render_text(found)
    assert [day.unknown_codes for day in found.daily].count(1) == 2


@given(st.integers(min_value=1, max_value=5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_percentage_is_within_one_point_and_never_claims_all_or_none_wrongly(pair: tuple[int, int]) -> None:
    part, whole = pair
    shown = int(percent(part, whole).removesuffix("%"))
    assert abs(shown - 100 * part / whole) <= 1
    assert (shown == 100) == (part == whole)
    assert (shown == 0) == (part == 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "n/a"), (1.25, "1.2 seconds"), (59.9, "59.9 seconds"), (60, "1.0 minutes"), (138, "2.3 minutes")],
)
def test_import_times_are_told_in_minutes_from_one_minute_on(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_uneven_verifications_show_their_mean() -> None:
    uneven = [ImportFact("a", END, 1, "PASS", None, 3), ImportFact("b", END, 1, "PASS", None, 2)]
    assert "Verifications Run: 5 (2.5 per import x 2)" in render_text(page(uneven))


def test_the_mapping_for_json_holds_the_unrounded_numbers() -> None:
    data = specification().as_mapping()
    assert data["period"] == {"days": 30, "from": "2026-01-31T09:30:00+00:00", "to": "2026-03-02T09:30:00+00:00"}
    assert data["quality_check_pass_rate"] == {"share": 0.94, "passed": 47, "imports": 50}
    assert data["forensic_error_rate"] == {"share": 0.04, "corrected": 2, "cases": 50}
    assert data["recent_failures"][0] == {"date": "2026-03-02", "case": "case-0", "reason": "ledger broken"}
    assert data["top_reliable_fields"][0]["field"] == "conditional_access_status"
    assert sum(day["passed"] for day in data["daily"]) == 47


def test_what_was_not_held_to_the_gate_is_named_below_the_page_and_passes_nowhere() -> None:
    day = END.date()
    imports = [made(1), *(made(n, "OVERRIDDEN", case=f"o{n}") for n in range(9)), made(9, "OVERRIDDEN", case="o1")]
    held = [
        OverrideFact("o2", day + timedelta(days=3), "jo\x1b", "no second export", True),
        OverrideFact("o1", day - timedelta(days=3), "kim", "outage", False),
    ]
    found = dashboard(WINDOW, imports, [], [], [], held, ["quarantine_share"])
    text = render_text(found)
    assert text.endswith(
        "\n"
        "Overrides of the Quality Gate:\n"
        "- o1 - ended, verdict no longer stands, run again (until 2026-02-27) - kim: outage\n"
        "- o2 - until 2026-03-05 - jo: no second export\n"
        "\n"
        "Overridden Imports: 10 of 11, none of them passed: o0, o1, o2, o3, o4, o5, o6, o7 and 1 more\n"
        "\n"
        "Checks Switched Off: quarantine_share\n"
    )
    assert found.pass_rate == 1 / 11
    told = found.as_mapping()
    assert [row["case"] for row in told["overridden_imports"]][:2] == ["o0", "o1"]
    assert told["overrides"][0] == {
        "case": "o1", "until": "2026-02-27", "actor": "kim", "reason": "outage", "in_force": False,
    }  # fmt: skip
    assert told["checks_switched_off"] == ["quarantine_share"]


def test_overridden_imports_are_named_up_to_a_bound() -> None:
    assert "1 of 1, none of them passed: case-1\n" in render_text(page([made(1, "OVERRIDDEN")]))
