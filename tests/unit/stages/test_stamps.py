"""What a table was made from is known, and a table is stale where the rules that it turns on are others now."""

from dataclasses import replace
from pathlib import Path

from m365dq_dagster.adapters.pack_overlay import overlaid
from m365dq_dagster.adapters.rule_pack import Overlay, RulePack
from m365dq_dagster.core.code_changes import CodeKey
from m365dq_dagster.core.context import CaseContext
from m365dq_dagster.core.reference import Layer
from m365dq_dagster.stages.stamps import TABLES, stale_tables, stamp, taken_in_by
from tests.support.case_runs import Bench, lean_pack, shipped_pack
from tests.support.evidence import sign_in

CODE = CodeKey("sign_in_logs", "status_error_code", "50126")


def other_code() -> RulePack:
    return overlaid(shipped_pack(), [Layer(CODE, {"category": "unknown"}, "change 1")], None)


def other_format() -> RulePack:
    return replace(shipped_pack(), overlay=Overlay({"reference_data/formats/ours.yaml": b"id: ours\n"}))


def test_what_was_just_made_is_not_stale() -> None:
    with Bench().run([sign_in()]) as run:
        assert taken_in_by(run) is None
        stamp(run, "intake")
        stamp(run, "quality")
        assert stale_tables(run) == []
        assert taken_in_by(run) == lean_pack().content_hash


def test_a_code_that_says_something_else_makes_only_judgements_stale() -> None:
    with Bench().run([sign_in()]) as run:
        stamp(run, "intake")
        stamp(run, "quality")
        assert set(stale_tables(replace(run, pack=other_code()))) == set(TABLES["quality"])


def test_other_ways_to_read_evidence_make_what_was_taken_in_stale_too() -> None:
    with Bench().run([sign_in()]) as run:
        stamp(run, "intake")
        assert set(TABLES["intake"]) <= set(stale_tables(replace(run, pack=other_format())))


def test_another_context_makes_everything_stale(tmp_path: Path) -> None:
    with Bench().run([sign_in()]) as run:
        stamp(run, "intake")
        assert "files" in stale_tables(replace(run, context=CaseContext(home_countries=("NZ",))))
