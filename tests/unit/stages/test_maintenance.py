import json
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from m365dq_dagster.adapters.edited_tables import read_table
from m365dq_dagster.adapters.registry import Registry, ScoreRow, StatusCode
from m365dq_dagster.adapters.rule_pack import Overlay
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.code_changes import Asked, ChangeState, CodeKey
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.learned_rules import Proposal
from m365dq_dagster.core.maintenance import DocumentsRead, Matter, Topic
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.reference import Conflict, Origin
from m365dq_dagster.stages import codes, corrections
from m365dq_dagster.stages.code_changes import CodeDesk
from m365dq_dagster.stages.codes import load_codes
from m365dq_dagster.stages.maintenance import (
    Cycle,
    CycleRequest,
    cycle_done,
    document_changes,
    run_cycle,
    unknown_codes_of,
)
from tests.support.case_runs import shipped_pack
from tests.support.published_case import publish_sign_ins
from tests.support.vendor_pages import code_page, resource_page, save

ADA = Person("ada")
CODE = StatusCode("sign_in_logs", "status_error_code", "1", "meaning", Severity.INFO)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry that holds the shipped reference, made once."""
    file = tmp_path_factory.mktemp("loaded") / "registry.sqlite3"
    with Registry.open(f"sqlite:///{file}") as made:
        load_codes(made, shipped_pack(), datetime(2026, 3, 1, tzinfo=UTC))
    return file


@pytest.fixture
def registry(home: Path, loaded: Path) -> Iterator[Registry]:
    shutil.copyfile(loaded, home / "registry.sqlite3")
    with Registry.open(f"sqlite:///{home / 'registry.sqlite3'}") as opened:
        yield opened


@pytest.fixture
def settings(home: object) -> Settings:
    return Settings.load()


def cycle(settings: Settings, registry: Registry, now: datetime, **given: object) -> Cycle:
    return run_cycle(settings, registry, CycleRequest(ADA, now, **given))  # type: ignore[arg-type]


def sight(
    registry: Registry, value: str, at: datetime, case: str = "c", place: str = "sign_in_logs.status_error_code"
) -> None:
    log_type, field = place.split(".")
    registry.record_sightings(case, [(log_type, field, value, 2, at, at)], at)


def matters(made: Cycle, topic: Topic) -> dict[str, Matter]:
    return {one.subject: one for one in made.report.step(topic).matters}


def test_a_code_sighted_ninety_days_ago_is_unknown_and_one_sighted_a_moment_before_is_not(
    registry: Registry, now: datetime
) -> None:
    sight(registry, "510001", now - timedelta(days=90))
    sight(registry, "510002", now - timedelta(days=90, microseconds=1))
    sight(registry, "510003", now - timedelta(days=91))
    assert unknown_codes_of(Settings.load(), registry, CycleRequest(ADA, now)) == ["510001"]


def test_an_unknown_code_is_one_wherever_it_stands_and_the_commonest_comes_first(
    registry: Registry, now: datetime
) -> None:
    sight(registry, "510001", now, "a")
    sight(registry, "510009", now, "a")
    sight(registry, "510009", now, "b", "unified_audit_log.error_number")
    sight(registry, "Sucess", now, "a", "sign_in_logs.status")
    sight(registry, "50126", now)
    assert unknown_codes_of(Settings.load(), registry, CycleRequest(ADA, now)) == ["510009", "510001"]


def test_a_code_that_waits_for_approval_is_still_unknown(registry: Registry, now: datetime) -> None:
    sight(registry, "530031", now)
    assert unknown_codes_of(Settings.load(), registry, CycleRequest(ADA, now)) == ["530031"]


def test_an_unknown_code_is_told_with_its_rows_its_cases_and_what_stands_beside_it(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    publish_sign_ins(settings.cases_dir, "c", [("512345", "Failure", "notApplied")] * 2)
    publish_sign_ins(settings.cases_dir, "d", [("512345", "Failure", "notApplied")])
    for case in ("c", "d", "gone"):
        sight(registry, "512345", now, case)
    made = cycle(settings, registry, now)
    (matter,) = made.report.step(Topic.UNKNOWN_CODES).matters
    assert (matter.subject, matter.where, matter.weight) == ("512345", "sign_in_logs.status_error_code", 6)
    assert matter.facts[0].startswith("6 rows in 3 cases (c, d, gone), events of 2026-03-02; last judged 2026-03-02")
    assert matter.facts[1:] == (
        "Beside it, of 3 rows: status Failure, Conditional Access notApplied on 3.",
        "It reads like failure: no witness beside it says otherwise.",
    )
    assert made.report.unknown[0].cases == ("c", "d", "gone")


def test_an_unknown_word_is_no_code_and_stands_in_its_own_step(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    sight(registry, "Sucess", now, place="sign_in_logs.status")
    made = cycle(settings, registry, now)
    assert set(matters(made, Topic.UNKNOWN_VALUES)) == {"Sucess"}
    assert matters(made, Topic.UNKNOWN_CODES) == {}


def test_what_the_rule_pack_ships_as_pending_waits_for_a_decision(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    assert set(matters(cycle(settings, registry, now), Topic.PENDING)) == {"530031"}
    sight(registry, "530031", now)
    made = cycle(settings, registry, now)
    assert set(matters(made, Topic.UNKNOWN_CODES)) == {"530031"}
    assert matters(made, Topic.PENDING) == {}


def test_a_code_in_use_is_stale_the_day_after_its_year_and_one_that_nobody_saw_is_only_counted(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    year = now.date() - timedelta(days=365)
    rows = {"fresh": year, "stale": year - timedelta(days=1), "unseen": year - timedelta(days=1)}
    registry.load_status_codes([replace(CODE, value=value, last_validated=day) for value, day in rows.items()], now)
    registry.load_status_codes(
        [replace(CODE, log_type="legacy_auth_logs", value="stale", last_validated=year - timedelta(days=1))], now
    )
    for value in ("fresh", "stale"):
        sight(registry, value, now)
    sight(registry, "stale", now, place="legacy_auth_logs.status_error_code")
    made = cycle(settings, registry, now)
    (matter,) = made.report.step(Topic.NOT_VALIDATED).matters
    assert (matter.subject, matter.weight) == ("stale", 4)
    assert matter.where == "legacy_auth_logs.status_error_code, sign_in_logs.status_error_code"
    assert made.report.notes == ("Never seen here, and validated more than a year ago: 1 code.",)


def test_withdrawn_codes_that_are_still_seen_and_codes_not_seen_for_a_year_are_listed(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    registry.load_status_codes([replace(CODE, value="gone", deprecated=True), replace(CODE, value="quiet")], now)
    sight(registry, "gone", now)
    sight(registry, "quiet", now - timedelta(days=365, microseconds=1))
    sight(registry, "50126", now - timedelta(days=365))
    made = cycle(settings, registry, now)
    assert set(matters(made, Topic.DEPRECATED)) == {"gone"}
    assert set(matters(made, Topic.NOT_SEEN)) == {"quiet"}


def test_a_witness_that_no_case_could_hear_although_its_log_was_there_went_dark(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    def score(case: str, at: datetime, **scores: float | None) -> None:
        registry.record_scores(case, [ScoreRow("sign_in_logs", name, one, one) for name, one in scores.items()], at)

    score("old", now - timedelta(days=91), status=0.9)
    score("a", now, status=None, conditional_access_status=0.0, status_error_code=0.98, browser=0.0)
    score("b", now, status=0.0, conditional_access_status=None, status_error_code=None)
    registry.record_scores("u", [ScoreRow("unified_audit_log", "operation", None, None)], now)
    dark = matters(cycle(settings, registry, now), Topic.DARK_RULES)
    assert set(dark) == {"status", "1 field never heard here"}
    assert dark["status"].severity is Severity.WARNING
    assert dark["status"].facts[1] == "Within the year it was heard in 1 of 3 cases."
    assert dark["status"].facts[2].startswith("Looked at by: witness of outcomes (primary)")
    never = dark["1 field never heard here"]
    assert never.severity is Severity.INFO
    assert "sign_in_logs.conditional_access_status." in never.facts[0]


def test_overrides_in_force_are_asked_about(settings: Settings, registry: Registry, now: datetime) -> None:
    registry.register_case("c", "/evidence/c", {}, now)
    registry.register_case("d", "/evidence/d", {}, now)
    registry.add_override("c", "only this once", Person("ada", "Ada"), str(now.date()), now)
    assert "only this once" in matters(cycle(settings, registry, now), Topic.OVERRIDES)["c"].facts[0]


def test_the_files_of_a_cycle_are_the_owners_alone_and_say_the_same(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    sight(registry, "512345", now)
    made = cycle(settings, registry, now, quarter="2026q2")
    assert made.folder == settings.home / "maintenance" / "2026Q2"
    page, text = (made.folder / name for name in ("report.html", "report.md"))
    for file in made.files:
        assert stat.S_IMODE((made.folder / file).stat().st_mode) == 0o600
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    body = json.loads((made.folder / "report.json").read_text(encoding="utf-8"))
    assert body["counts"]["unknown codes"] == 1
    assert body["headline"] in page.read_text(encoding="utf-8")
    assert body["headline"] in text.read_text(encoding="utf-8")
    assert body["steps"][0]["matters"][0]["subject"] == "512345"


def test_decisions_that_were_filled_in_survive_another_cycle(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    sight(registry, "512345", now)
    file = cycle(settings, registry, now).folder / "decisions.csv"
    written = file.read_text(encoding="utf-8")
    assert cycle(settings, registry, now).note == ""
    filled = "".join(
        line.replace(",,\n", ",reject,not ours\n") if "512345" in line else line for line in written.splitlines(True)
    )
    file.write_text(filled, encoding="utf-8")
    again = cycle(settings, registry, now)
    assert again.note.startswith("1 decision that nobody has carried out yet was taken over")
    assert file.read_text(encoding="utf-8") == filled
    assert (file.parent / "decisions.before.csv").read_text(encoding="utf-8") == filled
    assert stat.S_IMODE((file.parent / "decisions.before.csv").stat().st_mode) == 0o600


def test_decisions_that_cannot_be_read_are_set_aside(settings: Settings, registry: Registry, now: datetime) -> None:
    file = cycle(settings, registry, now).folder / "decisions.csv"
    file.write_bytes(b"\x00\xff")
    again = cycle(settings, registry, now)
    assert "could not be read and are kept as decisions.before.csv" in again.note
    assert (file.parent / "decisions.before.csv").read_bytes() == b"\x00\xff"
    assert file.read_text(encoding="utf-8").startswith("log_type,")


def test_a_word_that_reads_like_a_known_one_is_told_so_and_not_guessed(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    word = replace(CODE, field="status", value="Success", category="SUCCESS")
    registry.load_status_codes([word], now)
    sight(registry, "Sucess", now, place="sign_in_logs.status")
    sight(registry, "qqq", now, place="sign_in_logs.status")
    found = matters(cycle(settings, registry, now), Topic.UNKNOWN_VALUES)
    assert "It reads like 'Success', which is known; nothing is guessed from that." in found["Sucess"].facts
    assert len(found["qqq"].facts) == 2


def test_a_code_that_somebody_rejected_is_not_proposed_again_and_says_so(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    sight(registry, "512345", now)
    assert cycle(settings, registry, now).report.proposed == 1
    desk = CodeDesk(registry, shipped_pack(), ADA, now)
    desk.decide(desk.key("sign_in_logs", "status_error_code", "512345"), ChangeState.REJECTED, "a stray row")
    made = cycle(settings, registry, now)
    assert made.report.proposed == 0
    told = matters(made, Topic.UNKNOWN_CODES)["512345"]
    assert told.proposal == ""
    assert told.facts[-1] == "A proposal was rejected 2026-03-02 by ada: a stray row"


def test_what_was_rejected_of_another_field_says_nothing_of_a_code(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    word = CodeKey("sign_in_logs", "risk_state", "512345")
    CodeDesk(registry, shipped_pack(), ADA, now).propose(Asked(word, "SAFE", "INFO", "A word."))
    CodeDesk(registry, shipped_pack(), ADA, now).decide(word, ChangeState.REJECTED, "no word")
    sight(registry, "512345", now)
    assert cycle(settings, registry, now).report.proposed == 1


def test_a_proposal_for_a_code_that_nobody_saw_lately_waits_with_its_age(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    desk = CodeDesk(registry, shipped_pack(), Person("bob"), now - timedelta(days=3))
    cycle(settings, registry, now)
    desk.propose(Asked(CodeKey("sign_in_logs", "status_error_code", "512399"), "success", "CRITICAL", "A word."))
    told = matters(cycle(settings, registry, now), Topic.PENDING)["512399"]
    assert told.facts == ("Add proposed by bob 3 days ago.",)
    assert told.severity is Severity.CRITICAL
    assert "Somebody else than the proposer must approve it." in told.proposal


def test_a_local_row_under_which_the_shipped_one_moved_is_looked_at(
    settings: Settings, registry: Registry, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflict = Conflict("values.csv", "sign_in_logs.status Success", Origin.LOCAL, "the shipped row says INFO now")
    moved = replace(shipped_pack(), overlay=Overlay(conflicts=(conflict,)))
    monkeypatch.setattr(codes, "effective_pack", lambda *_: moved)
    told = matters(cycle(settings, registry, now), Topic.LOCAL)
    assert told["sign_in_logs.status Success"].facts == (conflict.sentence,)


def test_what_corrections_speak_for_is_proposed_and_not_applied(
    settings: Settings, registry: Registry, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = shipped_pack().context_rules[0]
    proposal = Proposal({}, rule, ("a", "b"), 4, (1, 2))
    monkeypatch.setattr(corrections, "proposals", lambda registry, pack: (proposal,))
    (told,) = cycle(settings, registry, now).report.step(Topic.CORRECTIONS).matters
    assert (told.subject, told.weight) == (rule.id, 2)
    assert told.facts == (rule.because, "Cases a, b")


def test_the_vendors_text_of_an_unknown_code_is_proposed_with_the_class_of_its_topic(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    sight(registry, "530777", now)
    codes = {"50126": "Wrong password.", "50034": "No such user.", "50053": "Locked."}
    text = "MfaFatigueBlocked - Access was blocked because multifactor authentication was denied too often."
    save(settings.home / "vendor_documents", "codes.md", code_page({**codes, "530777": text}))
    made = cycle(settings, registry, now)
    assert made.report.documents == DocumentsRead(True, 1, (), 1)
    told = matters(made, Topic.UNKNOWN_CODES)["530777"]
    assert told.proposal.startswith("category password_correct_blocked, WARNING: MfaFatigueBlocked - Access ")
    assert told.proposal.endswith("Source: codes.md.")
    (change,) = registry.code_changes()
    assert (change.after.method, change.after.symbolic_name) == ("topic_rule", "MfaFatigueBlocked")
    (row,) = [one for one in read_table(made.folder / "decisions.csv").lines if one.cells["code_value"] == "530777"]
    assert row.cells["first_factor"] == "likely_accepted"


def test_what_the_vendor_changed_is_a_matter_until_somebody_closes_it(
    settings: Settings, registry: Registry, now: datetime, tmp_path: Path
) -> None:
    codes = {"50126": "Wrong password.", "50034": "No such user.", "50053": "Locked.", "53003": "Blocked."}
    save(tmp_path / "pages", "codes.md", code_page(codes))
    request = CycleRequest(ADA, now, documents=tmp_path / "pages")
    document_changes(settings, registry, request)
    (tmp_path / "pages" / "junk.html").write_text("<html><title>Sign in to your account</title></html>")
    save(tmp_path / "pages", "codes.md", code_page({**codes, "530777": "A new thing happened in the tenant."}))
    made = run_cycle(settings, registry, request)
    assert "530777" in matters(made, Topic.SCHEMA)
    assert len(made.report.documents.trouble) == 1
    assert document_changes(settings, registry, request) == []


def test_what_the_vendor_does_to_a_field_that_is_read_is_alerted_once_and_belongs_to_no_case(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    signin = {"id": "Key.", "createdDateTime": "When.", "status": "How it ended.", "userPrincipalName": "Who."}
    save(settings.home / "vendor_documents", "signin.md", resource_page("signIn", signin))
    cycle(settings, registry, now)
    assert registry.alerts() == []
    renamed = {("conclusion" if name == "status" else name): text for name, text in signin.items()}
    save(settings.home / "vendor_documents", "signin.md", resource_page("signIn", renamed))
    for _ in range(2):
        cycle(settings, registry, now)
    (alert,) = registry.alerts()
    assert (alert.rule, alert.case_id, alert.times_raised) == ("schema_change", "", 1)
    assert alert.message.endswith("The property status is no longer listed in Graph signIn.")


def test_hostile_evidence_cannot_reach_the_page(settings: Settings, registry: Registry, now: datetime) -> None:
    sight(registry, "<script>alert(1)</script>", now)
    sight(registry, "=HYPERLINK(1)<img src=x>", now, place="sign_in_logs.status")
    page = (cycle(settings, registry, now).folder / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "<img" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert ">=HYPERLINK" not in page


def test_a_cycle_is_kept_and_a_second_one_in_the_quarter_says_so(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    assert not cycle_done(registry, now).passed
    sight(registry, "512345", now)
    first = cycle(settings, registry, now)
    second = cycle(settings, registry, now + timedelta(days=1))
    assert (len(first.report.earlier), len(second.report.earlier)) == (0, 1)
    assert first.report.counts == second.report.counts
    assert [one.quarter for one in registry.cycles()] == ["2026Q1", "2026Q1"]
    assert registry.cycles("2026Q2") == []
    told = [entry for entry in registry.audit_entries() if entry.action == "maintain"]
    assert [entry.actor for entry in told] == ["ada", "ada"]
    assert told[0].detail["unknown codes"] == 1
    assert cycle_done(registry, now).passed
    assert not cycle_done(registry, now + timedelta(days=60)).passed


def test_a_quarter_that_is_none_is_refused_before_anything_is_done(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    with pytest.raises(BadInput, match="2026Q4"):
        cycle(settings, registry, now, quarter="../../etc")
    assert registry.cycles() == []
    assert not (settings.home / "maintenance").exists()


def test_only_fields_that_tell_outcomes_are_compared_with_their_neighbours(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    publish_sign_ins(settings.cases_dir, "c", [("0", "Sucess", "success")])
    sight(registry, "Sucess", now, place="sign_in_logs.status")
    sight(registry, "Telex", now, place="sign_in_logs.client_app_used")
    found = matters(cycle(settings, registry, now), Topic.UNKNOWN_VALUES)
    assert "Beside it, of 1 row: Conditional Access success on 1." in found["Sucess"].facts
    assert len(found["Telex"].facts) == 1
