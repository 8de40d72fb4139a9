from dataclasses import replace
from datetime import datetime, timedelta

from m365dq_dagster.adapters.registry import Registry, StatusCode
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.core.code_changes import CODE_FIELDS
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.stages.codes import (
    code_mapping,
    load_codes,
    unknown_codes,
    unknown_listing,
)

WORD = ("sign_in_logs", "status", "Sucess")


def test_the_rule_packs_codes_are_loaded_once_for_every_field_that_holds_them(
    registry: Registry, now: datetime
) -> None:
    pack = load_rule_pack()
    wanted = len(pack.codes) * len(CODE_FIELDS) + len(pack.values) + len(pack.operations)
    assert load_codes(registry, pack, now) == wanted > 2700
    assert load_codes(registry, pack, now + timedelta(days=1)) == 0
    held = registry.status_codes()
    assert len(held) == wanted
    assert {code.origin for code in held} == {"PACK"}
    codes = [code for code in held if (code.log_type, code.field) in CODE_FIELDS]
    assert {code.value for code in codes} == {code.code for code in pack.codes}


def test_values_and_operations_are_looked_up_like_codes(registry: Registry, now: datetime) -> None:
    load_codes(registry, load_rule_pack(), now)
    (word,) = [code for code in registry.status_codes("notApplied") if code.log_type == "sign_in_logs"]
    assert word.category == "CA_NOT_EVALUATED"
    (operation,) = registry.status_codes("New-InboxRule")
    assert (operation.log_type, operation.field, operation.severity) == (
        "unified_audit_log",
        "operation",
        Severity.CRITICAL,
    )
    assert operation.meaning


def test_a_pack_that_is_not_in_force_leaves_the_reference_alone(registry: Registry, now: datetime) -> None:
    assert load_codes(registry, replace(load_rule_pack(), in_force=False), now) == 0
    assert registry.status_codes() == []


def test_a_pack_that_is_loaded_already_is_not_even_read(registry: Registry, now: datetime) -> None:
    pack = load_rule_pack()
    load_codes(registry, pack, now)
    again = load_rule_pack()
    assert load_codes(registry, again, now) == 0
    assert "reference" not in vars(again)


def test_a_pending_code_of_the_pack_is_not_in_force(registry: Registry, now: datetime) -> None:
    load_codes(registry, load_rule_pack(), now)
    assert {code.state for code in registry.status_codes("530031")} == {"PENDING"}
    registry.record_sightings("c", [("sign_in_logs", "status_error_code", "530031", 1, None, None)], now)
    assert list(unknown_codes(registry, now)) == [("sign_in_logs", "status_error_code", "530031")]


def test_a_code_is_held_once_for_every_field_that_may_hold_it(registry: Registry, now: datetime) -> None:
    load_codes(registry, load_rule_pack(), now)
    held = registry.status_codes("50126")
    assert {code.key[:2] for code in held} == set(CODE_FIELDS)
    assert {code.category for code in held} == {"bad_credentials"}
    assert registry.status_codes("512345") == []


def test_what_tells_outcomes_is_listed_before_what_does_not(registry: Registry, now: datetime) -> None:
    seen = [("unified_audit_log", "operation", "PageViewed", 900, None, None), (*WORD, 3, None, None)]
    registry.record_sightings("c", [*seen, ("sign_in_logs", "status_error_code", "512345", 1, None, None)], now)
    assert [row["value"] for row in unknown_listing(registry, now)] == ["Sucess", "512345", "PageViewed"]


def test_unknown_codes_are_summed_up_by_case_from_a_moment_on(registry: Registry, now: datetime) -> None:
    for days, case in ((10, "a"), (5, "b"), (0, "c")):
        sighting = ("sign_in_logs", "status_error_code", "512345", days + 1, None, None)
        registry.record_sightings(case, [sighting], now - timedelta(days=days))
    assert unknown_codes(registry, now - timedelta(days=5)) == {
        ("sign_in_logs", "status_error_code", "512345"): {"b": 6, "c": 1}
    }


def test_a_code_as_json_has_the_columns_of_the_specification_and_ours(registry: Registry, now: datetime) -> None:
    registry.load_status_codes([StatusCode("l", "f", "1", "m", Severity.WARNING, category="x")], now)
    (held,) = map(code_mapping, registry.status_codes())
    assert (held["log_type"], held["field_name"], held["code_value"]) == ("l", "f", "1")
    assert (held["severity"], held["first_seen"], held["last_validated"]) == ("WARNING", "2026-03-02", "2026-03-02")
    assert (held["deprecated"], held["category"], held["state"]) == (False, "x", "ACTIVE")
    assert code_mapping(StatusCode("l", "f", "1", "m", Severity.INFO))["first_seen"] is None
