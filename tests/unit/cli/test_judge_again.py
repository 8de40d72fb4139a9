"""`rejudge` and `diff` on the screen and for programs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.cli.workbench import RunResult
from m365dq_dagster.core.differences import Changed, Difference, PackSide, RuleChange, compare, moved
from tests.support import sample_document
from tests.support.handed_workbench import HandedWorkbench
from tests.support.program import call, call_json

PLACE = "sign_in_logs"


def sides() -> Difference:
    before = sample_document.oculus()
    return compare(before, {**before, "generation": "g2"}, ({}, {}), (PackSide(), PackSide()))


def much() -> Difference:
    """A difference with something in every part, and something hostile."""
    accounts = [
        Changed(f"u{n}@x", {"verdict": "TARGETED", "success": 1, "foreign_attempt_success_rate": 0.5, "home": ["AU"]},
                {"verdict": "SUSPICIOUS", "success": 1200, "foreign_attempt_success_rate": None, "home": []})
        for n in range(30)
    ]  # fmt: skip
    side = {"field": "status", "score": 0.5, "confidence": "LOW"}
    return replace(
        sides(),
        verdict=(Changed("case", {"status": "CANNOT_CONCLUDE"}, {"status": "BREACH_INDICATED"}),),
        accounts=(Changed("new\x1b[31m@x", None, {"verdict": "TARGETED"}),
                  Changed("only@x", {"success": 1}, {"success": 2}), *accounts),
        outcomes=moved({(PLACE, "512345", "UNKNOWN"): 4},
                       {(PLACE, "512345", "REJECTED"): 4, (PLACE, "", "SUCCESS"): 1}),
        unknown=(Changed(f"{PLACE}.code.512345", {"rows": 4}, None), Changed("x", None, {"rows": 1}),
                 Changed("y", {"rows": 1}, {"rows": 2})),
        findings=(Changed("case", {"claim": "a"}, {"claim": "b"}), Changed("u@x", None, {"claim": "came"}),
                  Changed("v@x", {"claim": "went"}, None)),
        recommended=(Changed(PLACE, side, {**side, "score": 0.75}), Changed("ual", None, side)),
        fields=(Changed(f"{PLACE}.status", {"state": "UNIFORM"}, {"state": "RELIABLE"}), Changed("z", side, None)),
        rules=tuple(RuleChange("code", str(n), "", "bad_credentials", n) for n in range(30)),
    )  # fmt: skip


class Judged(HandedWorkbench):
    """Hands out a difference, and a judgement as it was asked for."""

    def __init__(self, found: Difference, document: dict[str, Any] | None = None) -> None:
        super().__init__(document or sample_document.oculus())
        self.found = found
        self.told: list[tuple[str | None, ...]] = []

    def rejudge(self, case_id: str, pack: str) -> RunResult:
        self.told.append((case_id, pack))
        return RunResult(self.document(case_id), None)

    def difference(self, case_id: str, before: str | None, after: str | None) -> Difference:
        self.told.append((case_id, before, after))
        return self.found

    def runs(self, case_id: str) -> list[dict[str, Any]]:
        head = {"started_at": "2026-03-02T09:30:00+00:00", "rule_pack": "sha256:" + "ab" * 32, "confidence": "LOW"}
        kept = [("g0", False, False, None), ("g1", True, False, {"pack": "shipped"}), ("g2", True, True, None)]
        return [
            {
                **head,
                "generation": name,
                "status": "ALL_BLOCKED",
                "rows_kept": rows,
                "published": last,
                "rejudged": again,
            }
            for name, rows, last, again in kept
        ]


def test_nothing_changed_is_said_plainly() -> None:
    out = call("diff", "oculus", bench=Judged(sides())).stdout
    assert out.startswith("Nothing changed: case oculus is judged as before, BREACH INDICATED (MEDIUM).")
    assert "Both were judged by the same rule pack, from the same files and context." in out


def test_the_verdict_comes_first_then_what_changed_then_why() -> None:
    out = call("diff", "oculus", "--before", "a", "--after", "b", bench=(bench := Judged(much()))).stdout
    assert bench.told == [("oculus", "a", "b")]
    order = ("Case oculus was judged", "Before: run", "After: run", "Accounts judged otherwise: 32", "Outcomes by code",
             "Unknown codes and values: 3 changes", "Findings: 3 changes", "Recommended fields: 2 changes",
             "Fields: 2 changes", "Why: what they were judged by")  # fmt: skip
    places = [out.index(words) for words in order]
    assert places == sorted(places)
    for words in ("targeted", "suspicious", "success 1 -> 1,200", "home AU -> none", "4 UNKNOWN", "4 REJECTED",
                  "not there", "as before", "known now", "y: 2 rows now",
                  "new: came", "gone: went", "claim a -> b", "score 0.50 -> 0.75", "new: field status",
                  "gone: field status", "state UNIFORM -> RELIABLE", "and 7 more: --json gives all of them",
                  "code 3: not there -> bad_credentials; 3 rows of this case"):  # fmt: skip
        assert words in out, words
    assert "\x1b" not in out


def test_rows_that_are_not_kept_are_said_to_be_missing() -> None:
    totals = (Changed(PLACE, {"UNKNOWN": 4}, {"REJECTED": 4}),)
    found = replace(sides(), outcomes=None, totals=totals, rules=None)
    out = call("diff", "oculus", bench=Judged(found)).stdout
    assert "The rows of one side are not kept any more" in out
    assert "sign_in_logs: 4 UNKNOWN -> 4 REJECTED" in out
    assert "The rule pack of one side was not kept" in out
    assert "none" in call("diff", "c", bench=Judged(replace(found, totals=(Changed(PLACE, None, {"A": 1}),)))).stdout


def test_codes_that_did_not_move_are_not_listed() -> None:
    out = call("diff", "c", bench=Judged(replace(much(), outcomes=(), accounts=()))).stdout
    assert "Outcomes by code" not in out
    assert "Accounts judged" not in out


def test_the_comparison_as_json_holds_every_part_and_the_sentences() -> None:
    told = call_json("diff", "oculus", bench=Judged(much()))
    assert told["changed"] is True
    assert len(told["accounts"]) == 32
    assert told["outcomes"][0]["after"]
    assert told["why"][3].startswith("code 3")
    assert told["sentence"].startswith("Case oculus")


def test_judging_again_says_what_changed_and_then_the_verdict() -> None:
    bench = Judged(much())
    out = call("rejudge", "oculus", "--pack", "shipped", bench=bench).stdout
    assert bench.told[0] == ("oculus", "shipped")
    assert (
        out.index("Case oculus was judged")
        < out.index("m365dq diff oculus")
        < out.index("BREACH INDICATED, confidence")
    )


def test_judging_again_as_json_is_the_document_with_the_difference() -> None:
    told = call_json("rejudge", "oculus", bench=(bench := Judged(sides())))
    assert bench.told[0] == ("oculus", "effective")
    assert told["case"] == "oculus"
    assert told["difference"]["changed"] is False


@pytest.mark.parametrize("json", [[], ["--json"]])
def test_a_gate_that_says_no_is_the_exit_code(json: list[str]) -> None:
    assert call("rejudge", "c", *json, bench=Judged(sides(), sample_document.blocked())).exit_code == 1


def test_the_judgements_of_a_case_are_listed() -> None:
    out = call("show", "oculus", "runs", bench=Judged(sides())).stdout
    for words in ("g0", "the report alone", "judged again, rows and report", "published", "ALL ATTEMPTS BLOCKED"):
        assert words in out, words
    assert [row["generation"] for row in call_json("show", "c", "runs", bench=Judged(sides()))["runs"]] == [
        "g0",
        "g1",
        "g2",
    ]


def test_a_case_judged_by_another_pack_says_so_wherever_it_is_read() -> None:
    again = {"pack": "shipped", "of": "g1", "in_force": "sha256:" + "cd" * 32, "taken_in_by": None}
    document = {**sample_document.oculus(), "rejudged": again}
    bench = Judged(sides(), document)
    for out in (call("show", "oculus", bench=bench).stdout, call("rejudge", "oculus", bench=bench).stdout):
        assert "which was not the one in force" in " ".join(out.split())
    same = {**again, "in_force": document["rule_pack"]}
    assert (
        "not the one in force" not in call("rejudge", "c", bench=Judged(sides(), {**document, "rejudged": same})).stdout
    )


def test_a_case_is_shown_though_the_rules_in_force_cannot_be_read(home: Path) -> None:
    (home / "rule_pack").mkdir()
    (home / "rule_pack" / "policy.toml").write_text("[case")
    shown = call("show", "oculus", bench=HandedWorkbench(sample_document.oculus()))
    assert shown.exit_code == 0
    assert "Judged by another rule pack" not in shown.stdout
    assert "whether this was judged by the rule pack in force cannot be told" in shown.stderr
