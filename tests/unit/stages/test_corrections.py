"""Correcting a conclusion: read from the published case, kept in the registry, told beside the document."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from m365dq_dagster.adapters import circumstances, measure
from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, CaseStore, create_schema
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.context_rules import ContextRule, parse_rules
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.learned_rules import FACT
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages import corrections
from m365dq_dagster.stages.corrections import Asked, Corrected
from m365dq_dagster.stages.metrics import compute_dashboard
from m365dq_dagster.stages.packs import effective_pack
from m365dq_dagster.stages.published import read_document
from tests.support.case_runs import NOW, run_folder, shipped_pack
from tests.support.evidence import Row, load, logon, sign_in
from tests.support.judged_home import ACCOUNT, judge_two
from tests.support.rule_examples import assert_examples_hold

KIM = Person("kim", "Kim of the night shift")
CODE = "sign_in_logs.status_error_code"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which two small cases were judged."""
    return judge_two(tmp_path_factory.mktemp("judged"))


@pytest.fixture
def store(judged: Path, home: Path) -> CaseStore:
    """The cases of a copy of that home."""
    shutil.copytree(judged, home, dirs_exist_ok=True)
    return CaseStore(home / "cases")


@pytest.fixture
def registry(store: CaseStore, home: Path) -> Iterator[Registry]:
    with Registry.open(f"sqlite:///{home / 'registry.sqlite3'}") as opened:
        yield opened


def correct(
    registry: Registry, store: CaseStore, finding: str = "case", verdict: str = "ALL_BLOCKED", **more: Any
) -> Corrected:
    given = {"case_id": "c1", "reason": "found out", **more}
    days = given.pop("days", 0)
    asked = Asked(finding=finding, verdict=verdict, **given)
    return corrections.correct(registry, store, shipped_pack(), asked, KIM, NOW + timedelta(days=days))


def test_a_correction_keeps_who_what_was_concluded_and_what_it_leaned_on(registry: Registry, store: CaseStore) -> None:
    made = correct(registry, store, "f-001").correction
    assert (made.finding, made.subject, made.verdict, made.generation) == ("F-001", "case", "ALL_BLOCKED", "g1")
    assert (made.actor, made.acting_as, made.corrected_at) == ("kim", "Kim of the night shift", NOW)
    assert made.concluded == read_document(store, "c1")["status"]
    assert [one.name for one in made.fields] == [CODE]
    assert made.fields[0].circumstances["rows"] == 40
    entry = registry.audit_entries()[-1]
    assert (entry.actor, entry.action) == ("kim (as Kim of the night shift)", "correct")
    assert {"acting_as", "reason", "concluded", "generation"} <= set(entry.detail)
    assert entry.detail["fields"] == [CODE]


def test_an_account_without_a_finding_leaned_on_what_decided_its_rows(registry: Registry, store: CaseStore) -> None:
    made = correct(registry, store, ACCOUNT.upper(), "SUSPICIOUS").correction
    assert (made.finding, made.subject) == (ACCOUNT, ACCOUNT)
    (misled,) = made.fields
    assert misled.name == CODE
    assert (misled.circumstances["rows"], misled.circumstances["other_rows"]) == (10, 30)


def test_the_fields_that_misled_can_be_named_or_denied(registry: Registry, store: CaseStore) -> None:
    made = correct(registry, store, fields=("sign_in_logs.country", CODE)).correction
    assert [one.name for one in made.fields] == ["sign_in_logs.country", CODE]
    assert correct(registry, store, fields=("none",)).correction.fields == ()
    assert correct(registry, store, ACCOUNT, "SUSPICIOUS", fields=("none",)).correction.fields == ()


def test_what_was_left_open_misled_nobody_unless_a_field_is_named(
    registry: Registry, store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left_open(*_: Any) -> dict[str, Any]:
        return {**read_document(store, "c1"), "status": "CANNOT_CONCLUDE"}

    monkeypatch.setattr(corrections, "read_document", left_open)
    assert correct(registry, store).correction.fields == ()
    assert [one.name for one in correct(registry, store, fields=(CODE,)).correction.fields] == [CODE]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"case_id": "nobody"}, "There is no case 'nobody' that was judged"),
        ({"case_id": "../etc"}, "case"),
        ({"finding": "F-077"}, "no finding and no account"),
        ({"verdict": "SUSPICIOUS"}, "is no verdict on a case"),
        ({"verdict": "NO_BREACH_INDICATED"}, "nothing to correct"),
        ({"reason": "  "}, "needs a reason"),
        ({"fields": ("sign_in_logs.moon",)}, "is no field that was judged"),
    ],
)
def test_what_cannot_be_corrected_is_refused_and_leaves_no_trace(
    registry: Registry, store: CaseStore, more: dict[str, Any], sentence: str
) -> None:
    assert read_document(store, "c1")["status"] == "NO_BREACH_INDICATED"
    with pytest.raises(BadInput, match=sentence):
        correct(registry, store, **more)
    assert registry.corrections() == []
    assert registry.audit_entries() == []


def test_the_concluded_verdict_takes_a_correction_back_and_it_no_longer_counts(
    registry: Registry, store: CaseStore
) -> None:
    correct(registry, store)
    assert compute_dashboard(registry, NOW).error_rate == 0.5
    assert corrections.in_force(registry) == {"c1": {"case": "ALL_BLOCKED"}}
    back = correct(registry, store, verdict="NO_BREACH_INDICATED", days=1).correction
    assert (back.takes_back, back.fields) == (True, ())
    assert compute_dashboard(registry, NOW + timedelta(days=1)).error_rate == 0
    assert compute_dashboard(registry, NOW).error_rate == 0.5
    assert corrections.in_force(registry) == {}
    told = corrections.of_document(registry, read_document(store, "c1"))
    assert [row["state"] for row in told] == ["TAKEN_BACK", "TAKES_BACK"]


def test_two_corrections_of_one_case_count_once(registry: Registry, store: CaseStore) -> None:
    correct(registry, store)
    correct(registry, store, ACCOUNT, "SUSPICIOUS")
    page = compute_dashboard(registry, NOW)
    assert (page.corrected, page.cases, page.daily[-1].corrections) == (1, 2, 1)


def test_a_correction_counts_to_the_last_moment_of_the_window(registry: Registry, store: CaseStore) -> None:
    correct(registry, store)
    for days, offset, counted in ((30, timedelta(), 1), (30, timedelta(microseconds=1), 0)):
        found = compute_dashboard(registry, NOW + timedelta(days=days) + offset)
        assert found.corrected == counted
    assert compute_dashboard(registry, NOW - timedelta(microseconds=1)).corrected == 0


def test_a_case_that_was_judged_again_since_still_counts_and_says_so(registry: Registry, store: CaseStore) -> None:
    correct(registry, store)
    document = {**read_document(store, "c1"), "generation": "g2", "status": "ALL_BLOCKED"}
    (row,) = corrections.of_document(registry, document)
    assert row["sentence"].endswith("The case was judged again since and says ALL_BLOCKED.")
    registry.record_import("c1", "g2", NOW, 1.0, 40, "PASS", None, 3, NOW)
    assert compute_dashboard(registry, NOW).corrected == 1


def test_two_people_who_correct_at_once_do_not_overwrite_each_other(
    registry: Registry, store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = corrections._misled

    def meanwhile(*given: Any) -> Any:
        monkeypatch.setattr(corrections, "_misled", whole)
        correct(registry, store, verdict="BREACH_INDICATED")
        return whole(*given)

    monkeypatch.setattr(corrections, "_misled", meanwhile)
    with pytest.raises(BadInput, match="Somebody else has corrected case of case c1 in the meantime"):
        correct(registry, store)
    assert [one.verdict for one in registry.corrections()] == ["BREACH_INDICATED"]


def test_a_case_that_is_judged_again_in_between_is_not_corrected_blindly(
    registry: Registry, store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrections, "kept", lambda con: {"generation": "g2"})
    with pytest.raises(BadInput, match="judged again in the meantime"):
        correct(registry, store)
    assert registry.corrections() == []


def test_a_generation_without_judged_rows_leaves_the_fields_unnamed(
    registry: Registry, store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measure.has_table
    monkeypatch.setattr(measure, "has_table", lambda con, name: name != "events" and whole(con, name))
    assert correct(registry, store, ACCOUNT, "SUSPICIOUS").correction.fields == ()


def test_the_correction_that_crosses_the_threshold_brings_the_proposal(registry: Registry, store: CaseStore) -> None:
    assert correct(registry, store).proposals == ()
    made = correct(registry, store, case_id="c2")
    assert [one.misled for one in made.proposals] == [("c1", "c2")]
    found = corrections.proposals(registry, shipped_pack())
    assert found == made.proposals
    assert correct(registry, store, ACCOUNT, "SUSPICIOUS").proposals == ()
    rules = parse_rules(yaml.safe_load(corrections.entries_text(found)))
    assert rules == tuple(one.rule for one in found)
    assert [one.targets for one in rules] == [(("sign_in_logs", "status_error_code"),)]
    assert rules[0].when.formats == ("sentinel_signinlogs_csv",)
    for rule in rules:
        assert_examples_hold(rule)
    assert corrections.entries_text(()) == ""


def test_a_proposed_entry_stands_in_the_file_of_the_rule_pack(
    registry: Registry, store: CaseStore, tmp_path: Path
) -> None:
    correct(registry, store)
    found = correct(registry, store, case_id="c2").proposals
    folder = shutil.copytree(shipped_pack().root, tmp_path / "pack")
    with (folder / "context_rules.yaml").open("a", encoding="utf-8") as file:
        file.write("\n" + corrections.entries_text(found))
    pack = load_rule_pack(folder)
    assert pack.context_rules == (*shipped_pack().context_rules, *(one.rule for one in found))
    assert corrections.proposals(registry, pack) == ()


def test_the_runbook_of_a_proposal_has_its_section(registry: Registry, store: CaseStore, checkout: Path) -> None:
    correct(registry, store)
    (found,) = correct(registry, store, case_id="c2").proposals
    page, _, section = found.rule.runbook.partition("#")
    assert f"\n## {section}\n" in (checkout / page).read_text(encoding="utf-8")


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@settings(max_examples=8)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["c1", "c2"]),
            st.sampled_from(["case", "F-001", ACCOUNT, "person2@contoso.example"]),
            st.sampled_from(["ALL_BLOCKED", "NO_BREACH_INDICATED", "SUSPICIOUS", "NO_INDICATION"]),
            st.sampled_from([None, (CODE,), ("sign_in_logs.country", CODE), ("none",)]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_sequence_of_corrections_changes_the_rule_pack_or_a_verdict(
    registry: Registry, store: CaseStore, said: list[tuple[str, str, str, tuple[str, ...] | None]]
) -> None:
    before = (
        digests(store.cases_dir),
        load_rule_pack().content_hash,
        [replace_times(registry, one) for one in ("c1", "c2")],
    )
    for case_id, finding, verdict, fields in said:
        try:
            correct(registry, store, finding, verdict, case_id=case_id, fields=fields)
        except BadInput:
            continue
        for one in corrections.proposals(registry, shipped_pack()):
            assert_examples_hold(one.rule)
    after = (
        digests(store.cases_dir),
        load_rule_pack().content_hash,
        [replace_times(registry, one) for one in ("c1", "c2")],
    )
    assert after == before


def replace_times(registry: Registry, case_id: str) -> Any:
    record = registry.case(case_id)
    assert record is not None
    return replace(record, updated_at=NOW)


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "user_principal_name": st.sampled_from(["a@x.example", "b@x.example"]),
            "client_app_used": st.sampled_from(["Browser", "IMAP4", "Exchange ActiveSync", None]),
            "sign_in_event_type": st.sampled_from(["interactiveUser", "nonInteractiveUser", None]),
            "incoming_token_type": st.sampled_from([None, "Refresh token", "none"]),
            "address": st.sampled_from([None, "203.0.113.7", "2001:db8::7"]),
            "status": st.sampled_from([None, "Success"]),
            "table": st.sampled_from(["sign_in_logs", "legacy_auth_logs"]),
        }
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=10)
@given(ROWS)
def test_a_circumstance_counts_the_rows_that_a_rule_asking_for_it_would_match(rows: list[dict[str, Any]]) -> None:
    made = [sign_in(**columns) for columns in rows]
    for log_type in {row.table for row in made}:
        for word, found, expected in compared(made, log_type):
            assert found == expected, (log_type, word)


def compared(rows: list[Row], log_type: str) -> Iterator[tuple[str, int, int]]:
    con = duckdb.connect(":memory:", config={**CONNECT_CONFIG, "threads": 1})
    try:
        create_schema(con)
        load(con, rows)
        con.execute(f"INSERT INTO file_formats VALUES (1, '{log_type}', 'ps_signin_csv')")
        told = circumstances.count_circumstances(con, shipped_pack(), log_type, "status", "a@x.example")
        for name, words in told["words"].items():
            for word, (mine, others) in words.items():
                rule = rule_of(log_type, name, word)
                pack = PackOf(rule)
                measure.count_rule_matches(con, pack, None)
                yield f"{name} {word}", mine + others, measure.rule_matches(con)[rule.id, log_type, "status"][0]
    finally:
        con.close()


def rule_of(log_type: str, name: str, word: str) -> ContextRule:
    """A rule that asks for one circumstance of a field that is filled."""
    words = word == "true" if name == "aggregated" else [word]
    entry = {
        "id": "probe",
        "fields": [f"{log_type}.status"],
        "when": {name: words, "filled": True},
        "effect": "veto",
        "because": "A probe.",
        "runbook": "none",
        "source": "a test",
        "examples": [{"name": "none", "given": {FACT[name]: None}, "expect": "nothing"}],
    }
    return parse_rules([entry])[0]


class PackOf:
    """A rule pack with one context rule."""

    def __init__(self, rule: ContextRule) -> None:
        self.context_rules = (rule,)
        self.vocabulary = shipped_pack().vocabulary


def test_a_log_without_the_field_tells_no_circumstances() -> None:
    con = duckdb.connect(":memory:", config={**CONNECT_CONFIG, "threads": 1})
    try:
        create_schema(con)
        load(con, [logon()])
        assert circumstances.count_circumstances(con, shipped_pack(), "unified_audit_log", "moon", None) == {}
        told = circumstances.count_circumstances(con, shipped_pack(), "unified_audit_log", "operation", None)
        assert (told["rows"], told["other_rows"]) == (1, 0)
        assert told["words"]["record_types"] == {"15": [1, 0]}
    finally:
        con.close()


def test_a_rule_that_somebody_adopts_is_judged_by_and_no_longer_proposed(
    registry: Registry, store: CaseStore, home: Path
) -> None:
    correct(registry, store)
    found = correct(registry, store, case_id="c2").proposals
    (home / "rule_pack").mkdir()
    (home / "rule_pack" / "context_rules.yaml").write_text(corrections.entries_text(found), encoding="utf-8")
    pack = effective_pack(Settings.load(), registry)
    assert pack.content_hash != shipped_pack().content_hash
    assert corrections.proposals(registry, pack) == ()
    con = duckdb.connect(":memory:", config={**CONNECT_CONFIG, "threads": 1})
    try:
        create_schema(con)
        load(con, [sign_in(status_error_code="0")])
        con.execute("INSERT INTO file_formats VALUES (1, 'sign_in_logs', 'sentinel_signinlogs_csv')")
        measure.count_rule_matches(con, pack, None)
        assert measure.rule_matches(con)[found[0].rule.id, "sign_in_logs", "status_error_code"] == (1, 1)
    finally:
        con.close()


def test_the_report_of_a_later_generation_still_tells_of_the_correction(
    registry: Registry, store: CaseStore, judged: Path
) -> None:
    correct(registry, store)
    made = run_folder(judged / "c1", registry, "g2", case_id="c1", home_countries=("NZ",))
    assert "corrections" not in made.document
    page = (store.case_dir("c1") / "reports" / "g2" / "report.html").read_text(encoding="utf-8")
    assert "Corrected by a person" in page
    assert f"The case was judged again since and says {made.document['status']}." in page
