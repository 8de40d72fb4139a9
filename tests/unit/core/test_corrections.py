"""Which word on a conclusion stands, what counts as wrong, and what a correction must be."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core import corrections as rules
from m365dq_dagster.core.corrections import Correction, CorrectionState, MisledField, Wrong
from m365dq_dagster.core.errors import BadInput

DAY = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
FIRST = MisledField("sign_in_logs", "status")
DOCUMENT: dict[str, Any] = {
    "case": "c",
    "status": "BREACH_INDICATED",
    "generation": "g1",
    "findings": [
        {"id": "F-001", "fields_used": [{"log_type": "sign_in_logs", "field": "status"}]},
        {"id": "F-002", "account": "a@x.example", "fields_used": []},
    ],
    "accounts": [
        {"account": "a@x.example", "verdict": "SUSPICIOUS"},
        {"account": "b@x.example", "verdict": "NO_INDICATION"},
    ],
    "fields": [{"log_type": "sign_in_logs", "field": "status"}, {"log_type": "sign_in_logs", "field": "country"}],
}


def correction(number: int, verdict: str = "B", concluded: str | None = "A", **more: Any) -> Correction:
    keys: dict[str, Any] = {"case_id": "c", "subject": "case", "generation": "g1", **more}
    at = DAY + timedelta(days=number)
    return Correction(
        finding="F-001",
        verdict=verdict,
        reason="why",
        actor="kim",
        corrected_at=at,
        concluded=concluded,
        id=number,
        **keys,
    )


def wrong(*said: Correction) -> list[tuple[int, int]]:
    """The id of each wrong conclusion's last word, and the day on which it began."""
    return [(one.said.id, (one.at - DAY).days) for one in rules.wrong_conclusions(said)]


def test_a_corrected_conclusion_is_wrong_from_the_day_it_was_corrected() -> None:
    one = correction(1)
    assert rules.wrong_conclusions([one]) == (Wrong(one, one.corrected_at),)


def test_a_correction_that_was_taken_back_leaves_nothing_wrong() -> None:
    assert wrong(correction(1), correction(2, "A")) == []


def test_a_conclusion_that_was_corrected_twice_is_wrong_once_and_since_the_first_time() -> None:
    assert wrong(correction(1), correction(2, "C")) == [(2, 1)]


def test_a_conclusion_that_was_corrected_again_after_a_taking_back_is_wrong_since_then() -> None:
    assert wrong(correction(1), correction(2, "A"), correction(3)) == [(3, 3)]


def test_judging_again_does_not_undo_that_a_conclusion_was_wrong() -> None:
    accepted = correction(2, "C", "C", generation="g2")
    assert wrong(correction(1), accepted) == [(1, 1)]


def test_a_new_conclusion_that_is_corrected_to_the_first_one_is_the_wrong_one() -> None:
    assert wrong(correction(1), correction(2, "A", "B", generation="g2")) == [(2, 2)]


def test_cases_and_subjects_have_their_own_last_words() -> None:
    others = [correction(2, subject="a@x.example"), correction(3, case_id="d"), correction(4, "A")]
    assert sorted(wrong(correction(1), *others)) == [(2, 2), (3, 3)]


def test_a_record_without_what_was_concluded_counts_and_speaks_of_its_finding() -> None:
    old = correction(1, concluded=None, subject=None, generation=None)
    assert (wrong(old), old.about, old.takes_back) == ([(1, 1)], "F-001", False)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("AB"), st.sampled_from(["g1", "g2"])), max_size=8))
def test_only_the_last_word_decides_which_conclusions_were_wrong(said: list[tuple[str, str, str]]) -> None:
    chain = [correction(n, verdict, concluded, generation=run) for n, (verdict, concluded, run) in enumerate(said, 1)]
    found = rules.wrong_conclusions(chain)
    expected = {(one.generation, one.concluded) for one in chain if one.concluded != chain[-1].verdict}
    assert {(one.said.generation, one.said.concluded) for one in found} == expected
    assert len(found) == len(expected)
    assert all(one.at <= one.said.corrected_at for one in found)
    assert rules.wrong_conclusions(reversed(chain)) == found


def test_each_correction_knows_what_became_of_it() -> None:
    chain = [correction(1), correction(2, "C"), correction(3, "A"), correction(4, "A", "B", generation="g2")]
    assert rules.states(chain[:1]) == {1: CorrectionState.IN_FORCE}
    assert rules.states(chain[:2]) == {1: CorrectionState.SUPERSEDED, 2: CorrectionState.IN_FORCE}
    assert rules.states(chain[:3])[1] is CorrectionState.TAKEN_BACK
    assert rules.states(chain[:3])[3] is CorrectionState.TAKES_BACK
    assert rules.states(chain)[3] is CorrectionState.SUPERSEDED


@pytest.mark.parametrize(
    ("named", "subject"),
    [("F-001", "case"), ("f-002", "a@x.example"), (" A@X.example ", "a@x.example"), ("Case", "case")],
)
def test_a_finding_is_named_by_its_id_its_account_or_the_word_case(named: str, subject: str) -> None:
    assert rules.subject_of(DOCUMENT, named) == subject


@pytest.mark.parametrize("named", ["F-009", "nobody@x.example", ""])
def test_what_the_document_does_not_hold_cannot_be_corrected(named: str) -> None:
    with pytest.raises(BadInput, match="no finding and no account"):
        rules.subject_of(DOCUMENT, named)


def test_what_was_concluded_is_read_from_the_document() -> None:
    subjects = ("case", "a@x.example", "gone@x.example")
    assert [rules.concluded_of(DOCUMENT, one) for one in subjects] == ["BREACH_INDICATED", "SUSPICIOUS", None]
    assert rules.leaned_on(DOCUMENT, "case") == (("sign_in_logs", "status"),)
    assert rules.leaned_on(DOCUMENT, "a@x.example") == rules.leaned_on(DOCUMENT, "b@x.example") == ()


def test_an_open_conclusion_claims_nothing() -> None:
    assert rules.claims_nothing("CANNOT_CONCLUDE")
    assert not rules.claims_nothing("NO_INDICATION")


def test_a_verdict_is_one_that_fits_what_it_speaks_of() -> None:
    assert rules.checked_verdict("case", "no-breach indicated") == "NO_BREACH_INDICATED"
    assert rules.checked_verdict("a@x.example", "targeted") == "TARGETED"
    with pytest.raises(BadInput, match=r"no verdict on a case; the verdicts are BREACH_INDICATED"):
        rules.checked_verdict("case", "TARGETED")
    with pytest.raises(BadInput, match=r"no verdict on an account; the verdicts are COMPROMISE_INDICATED"):
        rules.checked_verdict("a@x.example", "fine")


def test_a_reason_is_neither_empty_nor_a_novel() -> None:
    assert rules.checked_reason(" travel ") == "travel"
    with pytest.raises(BadInput, match="needs a reason"):
        rules.checked_reason(" \n")
    with pytest.raises(BadInput, match="longer than 2,000"):
        rules.checked_reason("x" * 2001)


def test_the_fields_that_misled_are_fields_that_were_judged() -> None:
    named = ["sign_in_logs.status", "SIGN_IN_LOGS.country ", "sign_in_logs.status"]
    assert rules.checked_fields(DOCUMENT, named) == (("sign_in_logs", "status"), ("sign_in_logs", "country"))
    assert rules.checked_fields(DOCUMENT, ["none"]) == ()
    for given_fields in (["status"], ["sign_in_logs.moon"], ["none", "sign_in_logs.status"]):
        with pytest.raises(BadInput, match="is no field that was judged in case c"):
            rules.checked_fields(DOCUMENT, given_fields)


def test_a_correction_must_say_something_new() -> None:
    rules.check_news("case", "B", "A", None, more=False)
    with pytest.raises(BadInput, match="The case was concluded A: there is nothing to correct"):
        rules.check_news("case", "A", "A", None, more=False)
    with pytest.raises(BadInput, match=r"a@x\.example was concluded A"):
        rules.check_news("a@x.example", "A", "A", correction(1, "A"), more=True)
    with pytest.raises(BadInput, match="corrected to B already, on 2026-03-03 by kim"):
        rules.check_news("case", "B", "A", correction(1), more=False)
    rules.check_news("case", "B", "A", correction(1), more=True)
    rules.check_news("case", "A", "A", correction(1), more=False)
    with pytest.raises(BadInput, match="corrected to B already"):
        rules.check_news("case", "B", "B", correction(1), more=True)


@pytest.mark.parametrize(
    ("one", "generation", "told"),
    [
        (correction(0), "g1", "This conclusion was corrected on 2026-03-02 by kim from A to B: why."),
        (
            correction(0, subject="a@x.example", acting_as="Bob"),
            None,
            "The conclusion on a@x.example was corrected on 2026-03-02 by kim (as Bob) from A to B: why.",
        ),
        (
            correction(0),
            "g2",
            "This conclusion was corrected on 2026-03-02 by kim from A to B: why. "
            "The case was judged again since and says X.",
        ),
        (
            correction(0, "A"),
            "g1",
            "The correction of this conclusion was taken back on 2026-03-02 by kim; it stands at A: why.",
        ),
        (
            correction(0, "A", subject="a@x.example"),
            "g1",
            "The correction of the conclusion on a@x.example was taken back on 2026-03-02 by kim; it stands at A: why.",
        ),
        (correction(0, concluded=None), "g1", "This conclusion was corrected on 2026-03-02 by kim to B: why."),
    ],
)
def test_a_correction_is_told_in_one_sentence(one: Correction, generation: str | None, told: str) -> None:
    assert rules.sentence(one, generation, "X") == told


def test_what_a_later_generation_does_not_hold_is_said() -> None:
    assert rules.sentence(correction(0), "g2", None).endswith("judged again since and says nothing of it.")


def test_corrections_are_read_beside_the_document_oldest_first() -> None:
    found = rules.mappings([correction(2, "A"), correction(1, fields=(FIRST,))], DOCUMENT)
    assert [(row["id"], row["state"], row["fields"]) for row in found] == [
        (1, "TAKEN_BACK", ["sign_in_logs.status"]),
        (2, "TAKES_BACK", []),
    ]
    assert {"finding", "subject", "concluded", "verdict", "reason", "by", "acting_as", "at"} <= set(found[0])
