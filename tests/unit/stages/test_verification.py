"""From rows to verdicts on accounts and case: what indicates a breach, what explains it, and what stays open."""

from collections.abc import Sequence
from typing import Any

import pytest

from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.stages import quality, reliability, verification
from tests.support.case_runs import Bench, judged
from tests.support.evidence import (
    ANN,
    BOB,
    EVE,
    Row,
    abroad,
    address_of,
    at,
    at_home,
    legacy,
    logon,
    operation,
    rejected,
    sign_in,
)

HOME = ["AU"]
OTHERS = ["cy@contoso.example", "di@contoso.example", "ed@contoso.example"]
LAPTOP = {"device_id": "d-1"}
CHROME = {"browser": "Chrome 142.0", "os": "Windows 11"}
EDGE = {"browser": "Edge 9", "os": "MacOs"}
QUIET = [*at_home(BOB), *rejected(BOB, 2, at(3), "AU")]
"""Another owner at home, who mistypes a password twice: the code column tells success from failure."""


def judge(*rows: Row | Sequence[Row], **given: Any) -> dict[str, Any]:
    """The document of the rows, of the owner's life at home and of a quiet colleague's."""
    flat = [one for item in rows for one in ([item] if isinstance(item, Row) else item)]
    return Bench().judge([*QUIET, *flat], **{"home": HOME, **given})


def account(document: dict[str, Any], name: str = ANN) -> tuple[str, list[str]]:
    row = document["by_account"][name]
    return row["verdict"], row["indicators"]


# --- V1, and what explains it


def test_foreign_successes_above_the_rate_indicate_a_compromise_and_a_breach() -> None:
    found = judge(at_home(), abroad())
    assert account(found) == ("COMPROMISE_INDICATED", ["V1"])
    assert found["status"] == "BREACH_INDICATED"
    assert found["sign_ins"]["foreign_successes"] == 6
    assert found["by_account"][ANN]["foreign_attempt_success_rate"] == 1.0
    assert "V1: 6 of 6 foreign attempts succeeded" in found["by_account"][ANN]["reasons"][0]
    assert account(found, BOB) == ("NO_INDICATION", [])


def test_a_breach_told_by_nothing_but_a_uniform_code_is_hardly_sure() -> None:
    rows = [*at_home(access="success"), *abroad(), *at_home(BOB, access="success")]
    found = Bench().judge(rows, home=HOME)
    assert (found["status"], found["confidence"]) == ("BREACH_INDICATED", "LOW")


def test_four_of_five_is_not_above_eighty_percent_and_leaves_the_account_unclear() -> None:
    found = judge(at_home(), abroad(times=4), rejected(times=1))
    assert account(found) == ("CANNOT_CONCLUDE", [])
    assert found["status"] == "CANNOT_CONCLUDE"


def test_without_a_list_and_without_a_baseline_nothing_is_called_a_compromise() -> None:
    found = judge(at_home(days=range(20, 24)), abroad(), home=[])
    assert found["by_account"][ANN]["home_source"] == "tenant"
    assert account(found) == ("CANNOT_CONCLUDE", [])


def test_a_home_of_the_account_itself_is_basis_enough_without_a_list() -> None:
    found = judge(at_home(), abroad(), home=[])
    assert found["by_account"][ANN]["home_source"] == "learned"
    assert account(found) == ("COMPROMISE_INDICATED", ["V1"])
    assert found["by_account"][ANN]["confidence"] == "MEDIUM"


def test_the_owners_own_device_explains_foreign_successes_wholly() -> None:
    found = judge(at_home(**LAPTOP), abroad(**LAPTOP))
    assert account(found) == ("NO_INDICATION", [])
    assert found["status"] == "NO_BREACH_INDICATED"


def test_a_joined_device_of_the_owners_system_is_the_owners_own() -> None:
    joined = {"device_trust_type": "Hybrid Azure AD joined", "os": "Windows 11"}
    assert account(judge(at_home(**joined), abroad(**joined))) == ("NO_INDICATION", [])


def test_a_joined_device_of_another_id_is_not_the_owners_own() -> None:
    joined = {"device_trust_type": "Azure AD registered", "os": "Windows 11"}
    found = judge(at_home(**joined, **LAPTOP), abroad(**joined, device_id="d-2"))
    assert account(found) == ("COMPROMISE_INDICATED", ["V1", "V4"])


def test_a_traveller_whose_window_begins_abroad_is_not_accused_by_what_he_uses_at_home_later() -> None:
    journey = [
        sign_in(when=at(day, n), country=land, **CHROME) for day, land in enumerate(["NZ", "NZ", "FJ"]) for n in (0, 9)
    ]
    later = at_home(days=range(6, 40, 2), **CHROME)
    assert account(judge(journey, later)) == ("CANNOT_CONCLUDE", [])
    elsewhere = [Row(row.table, {**row.columns, **EDGE}) for row in journey]
    assert account(judge(elsewhere, later)) == ("COMPROMISE_INDICATED", ["V1"])


def test_abroad_from_the_first_days_until_late_is_unclear_and_no_compromise_by_the_rate_alone() -> None:
    commuter = [sign_in(when=at(day, 90), country="NZ") for day in (1, 4, 8, 16, 22, 30)]
    assert account(judge(at_home(), commuter)) == ("CANNOT_CONCLUDE", [])
    assert account(judge(at_home(), commuter[3:], abroad(times=2))) == ("COMPROMISE_INDICATED", ["V1"])


def test_a_journey_through_several_countries_is_travel_like_while_they_follow_each_other() -> None:
    lands = ["NZ", "NZ", "FJ", "FJ", "PE", "PE"]
    trip = [sign_in(when=at(31 + 2 * n), country=land) for n, land in enumerate(lands)]
    home = at_home(days=range(0, 30, 2))
    assert account(judge(home, trip)) == ("CANNOT_CONCLUDE", [])
    mixed = [sign_in(when=at(31 + 2 * n), country=land) for n, land in enumerate(["NZ", "FJ"] * 3)]
    assert account(judge(home, mixed)) == ("COMPROMISE_INDICATED", ["V1"])


def test_without_a_list_a_country_that_several_live_in_from_the_first_days_accuses_nobody() -> None:
    staff = [row for name in (*OTHERS, "fay@contoso.example") for row in at_home(name, days=range(0, 40, 2))]
    abroad_staff = [sign_in(name, at(day), "NZ") for name in OTHERS for day in (1, 3)]
    assert account(judge(at_home(), abroad(country="NZ"), staff, abroad_staff, home=[])) == ("CANNOT_CONCLUDE", [])
    assert account(judge(at_home(), abroad(country="NZ"), staff, home=[])) == ("COMPROMISE_INDICATED", ["V1"])


def test_who_seems_to_live_in_two_places_at_once_is_not_called_free_of_an_indication() -> None:
    home = at_home(days=range(0, 40, 2))
    from_the_first_day = [sign_in(when=at(day, 60), country="RU") for day in range(0, 40, 2)]
    found = judge(home, from_the_first_day)
    assert found["by_account"][ANN]["home_countries"] == ["AU", "RU"]
    assert account(found)[0] == "CANNOT_CONCLUDE"
    assert "two people may use it" in found["by_account"][ANN]["reasons"][0]
    same = [Row(row.table, {**row.columns, **LAPTOP}) for row in (*home, *from_the_first_day)]
    assert account(judge(same))[0] == "NO_INDICATION"


def test_a_session_between_two_homes_is_no_lead() -> None:
    rows = [sign_in(when=at(30, n), country=land, session_id="s") for n, land in enumerate(["AU", "NZ"])]
    assert kinds(judge(at_home(), rows, home=["AU", "NZ"])) == []
    assert kinds(Bench().judge(rows)) == ["SESSION_IN_TWO_COUNTRIES"]


def test_a_commuter_with_his_known_browser_is_clear_and_one_without_is_not() -> None:
    days = (1, 4, 8, 16, 22, 30)
    known = [sign_in(when=at(day, 90), country="NZ", **CHROME) for day in days]
    assert account(judge(at_home(**CHROME), known)) == ("NO_INDICATION", [])
    assert account(judge(at_home(**CHROME), known[3:], abroad(times=1, country="NZ", **CHROME)))[0] == "CANNOT_CONCLUDE"


def test_a_guest_is_not_at_home_where_the_tenant_is() -> None:
    guest = "bea_partner.example#ext#@contoso.example"
    assert account(judge(at_home(), abroad(guest)), guest) == ("CANNOT_CONCLUDE", [])


def test_a_device_first_used_abroad_and_later_at_home_is_not_the_owners_own() -> None:
    found = judge(at_home(), abroad(**LAPTOP), sign_in(when=at(36), **LAPTOP))
    assert account(found) == ("COMPROMISE_INDICATED", ["V1", "V4"])


def test_the_owners_browser_and_system_explain_the_rate_and_leave_it_unclear() -> None:
    updated = {"browser": "Chrome 143.1", "os": "Windows 11"}
    assert account(judge(at_home(**CHROME), abroad(**updated))) == ("CANNOT_CONCLUDE", [])


def test_a_standing_egress_explains_the_rate_and_leaves_it_unclear() -> None:
    proxy = [sign_in(name, at(1, n), "DE", address="192.0.2.7") for n, name in enumerate(OTHERS)]
    found = judge(at_home(), proxy, abroad(country="DE", address="192.0.2.7"))
    assert account(found) == ("CANNOT_CONCLUDE", [])


def test_a_late_address_of_many_accounts_is_no_standing_egress() -> None:
    late = [sign_in(name, at(30, n), "DE", address="192.0.2.7") for n, name in enumerate(OTHERS)]
    found = judge(at_home(), late, abroad(country="DE", address="192.0.2.7"))
    assert account(found) == ("COMPROMISE_INDICATED", ["V1"])
    assert [lead["kind"] for lead in found["leads"]] == ["NEW_ADDRESS_ON_MANY_ACCOUNTS"]


def test_a_late_address_of_half_of_many_accounts_accuses_nobody_by_the_rate_and_stays_a_lead() -> None:
    names = [f"p{n}@contoso.example" for n in range(12)]
    staff = [row for name in names for row in at_home(name, days=range(0, 40, 4))]
    opened = [sign_in(name, at(30, 9 * n), "DE", address="192.0.2.7") for name in names[:10] for n in range(6)]
    found = judge(staff, opened)
    assert {account(found, name)[0] for name in names[:10]} == {"SUSPICIOUS"}
    assert account(judge(staff, opened[:54]), names[0]) == ("COMPROMISE_INDICATED", ["V1"])


def test_an_address_inside_a_known_egress_range_is_never_foreign() -> None:
    addresses = [{"address": "203.0.113.9"}, {"address": "2001:db8::9"}, {"address": "proxy.example"}]
    rows = [sign_in(when=at(30, n), country="DE", **where) for n, where in enumerate(addresses)]
    found = judge(at_home(), rows, egress_ranges=["203.0.113.0/24", "2001:db8::/32"])
    assert found["sign_ins"]["foreign_successes"] == 1


def test_days_abroad_without_home_sign_ins_look_like_travel_where_no_device_is_named() -> None:
    trip = [sign_in(when=at(day, n), country="NZ") for day in (31, 33, 35) for n in range(2)]
    assert account(judge(at_home(), trip)) == ("CANNOT_CONCLUDE", [])


def test_days_abroad_on_a_strange_device_are_not_explained_by_travel_where_a_list_is_given() -> None:
    trip = [sign_in(when=at(day, n), country="NZ", **EDGE) for day in (31, 33, 35) for n in range(2)]
    assert account(judge(at_home(**CHROME), trip)) == ("COMPROMISE_INDICATED", ["V1"])
    assert account(judge(at_home(**CHROME), trip, home=[])) == ("CANNOT_CONCLUDE", [])


def test_days_abroad_beside_interactive_home_sign_ins_are_no_travel() -> None:
    trip = [sign_in(when=at(day, 300 + n), country="NZ") for day in (30, 32, 34) for n in range(2)]
    assert account(judge(at_home(), trip)) == ("COMPROMISE_INDICATED", ["V1"])


def test_a_known_journey_is_not_foreign_and_counts_once_however_often_it_is_named() -> None:
    trip = {"account": ANN, "country": "NZ"}
    known = [{**trip, "from": "2026-01-20", "to": "2026-01-27"}, {**trip, "from": "2026-01-24", "to": "2026-01-30"}]
    found = judge(at_home(), sign_in(when=at(20), country="NZ"), sign_in(when=at(26), country="NZ"), travel=known)
    assert found["sign_ins"]["events"] == len(QUIET) + 20 + 2
    assert found["sign_ins"]["foreign_successes"] == 1


def test_a_new_hire_abroad_who_is_not_on_a_given_list_stays_indicated() -> None:
    hire = [sign_in("new@contoso.example", at(day), "PH", **EDGE) for day in range(30, 38)]
    found = judge(at_home(), hire)
    assert account(found, "new@contoso.example") == ("COMPROMISE_INDICATED", ["V1"])


def test_a_colleague_abroad_from_the_start_has_a_home_of_their_own() -> None:
    found = judge([sign_in("old@contoso.example", at(day), "PH") for day in range(8)], at_home())
    assert found["by_account"]["old@contoso.example"]["home_countries"] == ["AU", "PH"]
    assert account(found, "old@contoso.example") == ("NO_INDICATION", [])


def test_successes_without_a_time_are_unclear_and_never_v1() -> None:
    found = judge([sign_in(when=None, country="RU") for _ in range(6)])
    assert account(found) == ("CANNOT_CONCLUDE", [])


# --- Conditional Access alone


def lost(row: Row) -> Row:
    """The same row as an export without the status object leaves it: Conditional Access alone is there."""
    name = "Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus"
    access = "success" if row.columns["status_error_code"] == "0" else "notApplied"
    wiped = {"status_error_code": None, "status_error_code_raw": name, "status": None, "status_raw": name}
    return Row(row.table, {**row.columns, **wiped, "conditional_access_status": access})


def blocked_by_policy() -> list[Row]:
    """Sign-ins that a policy stopped, so that Conditional Access shows both of its classes."""
    return [sign_in(BOB, at(5, n), code="53003", access="failure") for n in range(3)]


def by_access(*rows: Sequence[Row], extra: Sequence[Row] = ()) -> dict[str, Any]:
    damaged = [lost(row) for item in (QUIET, *rows) for row in item]
    stopped = [
        Row(row.table, {**lost(row).columns, "conditional_access_status": "failure"}) for row in blocked_by_policy()
    ]
    return Bench().judge([*damaged, *stopped, *extra], home=HOME)


def test_where_access_decides_ten_foreign_successes_are_needed() -> None:
    assert account(by_access(at_home(), abroad(times=9))) == ("CANNOT_CONCLUDE", [])
    found = by_access(at_home(), abroad(times=10))
    assert account(found) == ("COMPROMISE_INDICATED", ["V1"])
    assert found["recommended"]["sign_in_logs"]["field"] == "conditional_access_status"
    assert found["by_account"][ANN]["confidence"] == "MEDIUM"
    status = next(one for one in found["fields"] if (one["log_type"], one["field"]) == ("sign_in_logs", "status"))
    assert (status["state"], status["cause"]) == ("CORRUPTED", "SERIALISATION_LOST")


def test_undecided_attempts_are_published_as_failures_beside_the_rate() -> None:
    row = by_access(at_home(), abroad(times=10), rejected(times=5))["by_account"][ANN]
    assert (row["foreign_attempt_success_rate"], row["unknown"]) == (1.0, 5)
    assert row["foreign_attempt_success_rate_unknown_as_failure"] == pytest.approx(10 / 15)


@pytest.mark.parametrize("same", [{"address": EVE}, {"address": "192.0.2.200", "session_id": "s-1"}])
def test_acting_from_the_same_address_or_session_in_the_audit_log_makes_the_success_sure(same: dict[str, str]) -> None:
    acts = [operation("MailItemsAccessed", when=at(30, 30), **same), operation("UserLoginFailed", BOB, at(1))]
    successes = abroad(times=20, address=EVE, session_id="s-1")
    assert by_access(at_home(), successes)["by_account"][ANN]["confidence"] == "MEDIUM"
    assert by_access(at_home(), successes, extra=acts)["by_account"][ANN]["confidence"] == "HIGH"


def test_a_failed_logon_makes_no_success_sure() -> None:
    acts = [logon(when=at(30, 30), number="50126", address=EVE), logon(BOB, at(2))]
    found = by_access(at_home(), abroad(times=20, address=EVE), extra=acts)
    assert found["by_account"][ANN]["confidence"] == "MEDIUM"


# --- V2 to V5


def test_v2_failures_from_the_country_before_the_first_success_where_devices_are_named() -> None:
    found = judge(at_home(**CHROME), rejected(times=5, **EDGE), abroad(times=1, **EDGE))
    assert account(found) == ("COMPROMISE_INDICATED", ["V2"])
    assert found["confidence"] == "HIGH"


def test_failures_before_the_first_success_are_a_lead_where_no_device_is_named() -> None:
    found = judge(at_home(), rejected(times=5, address="192.0.2.5"), abroad(times=1))
    assert account(found)[0] == "SUSPICIOUS"
    assert "names no devices" in found["by_account"][ANN]["reasons"][0]


@pytest.mark.parametrize(("country", "first"), [("RU", at(20)), ("CN", at(30, -60))])
def test_failures_long_before_or_from_elsewhere_are_not_v2(country: str, first: Any) -> None:
    before = rejected(times=5, first=first, country=country, **EDGE)
    assert account(judge(at_home(**CHROME), before, abroad(times=1, **EDGE))) == ("CANNOT_CONCLUDE", [])


def test_v3_the_address_of_a_success_failed_on_others_that_it_never_entered() -> None:
    sprayed = [sign_in(name, at(30, n), "RU", "50126", address=EVE) for n, name in enumerate(OTHERS)]
    found = judge(at_home(), sprayed, abroad(times=1, address=EVE))
    assert account(found) == ("COMPROMISE_INDICATED", ["V3"])
    assert account(found, OTHERS[0]) == ("TARGETED", [])


def test_an_address_that_also_entered_one_of_three_is_not_v3() -> None:
    sprayed = [sign_in(name, at(30, n), "RU", "50126", address=EVE) for n, name in enumerate(OTHERS)]
    entered = sign_in(OTHERS[0], at(30, 9), "RU", address=EVE)
    assert account(judge(at_home(), sprayed, entered, abroad(times=1, address=EVE))) == ("CANNOT_CONCLUDE", [])


def sprayer(country: str | None, entered: Sequence[str] = (ANN,), victims: Sequence[str] = tuple(OTHERS)) -> list[Row]:
    """An address that appears late, is refused on some accounts and enters others."""
    refused = [sign_in(name, at(30, n), country, "50126", address=EVE) for n, name in enumerate(victims)]
    return [*refused, *(sign_in(name, at(30, 30 + n), country, address=EVE) for n, name in enumerate(entered))]


@pytest.mark.parametrize("country", ["AU", None])
def test_v3_holds_for_a_late_address_at_home_or_nowhere(country: str | None) -> None:
    found = judge(at_home(), sprayer(country))
    assert account(found) == ("COMPROMISE_INDICATED", ["V3"])
    assert found["status"] == "BREACH_INDICATED"
    assert found["headline"].endswith("None of it came from abroad.")
    assert "refused on 3 other accounts" in found["by_account"][ANN]["reasons"][0]
    finding = next(one for one in found["findings"] if one.get("account") == ANN)
    assert finding["claim"] == f"Somebody else seems to use {ANN}, from where its owner is at home."
    assert len(finding["evidence"]) == 1


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(sprayer("AU", entered=[ANN, BOB, "fay@contoso.example"]), id="an office that opens late"),
        pytest.param([sign_in(BOB, at(1), address=EVE), *sprayer("AU")], id="an address known from the first days"),
        pytest.param(sprayer("AU", victims=OTHERS[:2]), id="two colleagues who mistype"),
    ],
)
def test_an_address_that_others_work_from_is_no_sprayer(rows: list[Row]) -> None:
    assert account(judge(at_home(), rows))[0] == "NO_INDICATION"


def test_the_owners_device_at_a_late_address_is_not_the_sprayers() -> None:
    rows = [
        row if row.columns["account"] != ANN else Row(row.table, {**row.columns, **LAPTOP}) for row in sprayer("AU")
    ]
    assert account(judge(at_home(**LAPTOP), rows)) == ("NO_INDICATION", [])


def test_a_late_address_of_a_known_egress_is_no_sprayer() -> None:
    assert account(judge(at_home(), sprayer("AU"), egress_ranges=[EVE])) == ("NO_INDICATION", [])


def test_v4_foreign_successes_from_an_unknown_device_within_hours_of_home() -> None:
    found = judge(at_home(**CHROME), abroad(times=2, **EDGE))
    assert account(found) == ("COMPROMISE_INDICATED", ["V4"])


def test_nothing_that_turns_on_time_is_concluded_where_day_and_month_cannot_be_told() -> None:
    with Bench().run([*QUIET, *at_home(**CHROME), *abroad(times=2, **EDGE)], home=HOME) as run:
        run.con.execute("UPDATE files SET date_order = 'AMBIGUOUS'")
        found = judged(run)
    assert account(found) == ("CANNOT_CONCLUDE", [])
    assert any("--date-order" in sentence for sentence in found["not_tested"])


@pytest.mark.parametrize(
    "columns",
    [{}, CHROME, {"is_interactive": False, **EDGE}, {"first": at(30, 121), **EDGE}],
    ids=["no device named", "known device", "not interactive", "too late"],
)
def test_what_is_not_v4(columns: dict[str, Any]) -> None:
    assert account(judge(at_home(**CHROME), abroad(times=2, **columns))) == ("CANNOT_CONCLUDE", [])


def test_a_strange_device_id_is_unknown_even_with_the_owners_browser() -> None:
    found = judge(at_home(**CHROME, **LAPTOP), abroad(times=2, **CHROME, device_id="d-2"))
    assert account(found) == ("COMPROMISE_INDICATED", ["V4"])


RULE = {"when": at(30, 60), "address": EVE}


@pytest.mark.parametrize("trail", [{"address": EVE}, {"address": "192.0.2.200", "session_id": "s-1"}])
def test_v5_a_success_followed_by_a_critical_operation_from_its_address_or_session(trail: dict[str, str]) -> None:
    entry = abroad(times=1, address=EVE, session_id="s-1")
    found = judge(at_home(), entry, operation("New-InboxRule", when=at(30, 60), **trail))
    assert account(found) == ("COMPROMISE_INDICATED", ["V5"])
    assert "New-InboxRule" in found["by_account"][ANN]["reasons"][0]


@pytest.mark.parametrize(
    "act",
    [
        operation("New-InboxRule", when=at(31, 16), address=EVE),
        operation("New-InboxRule", when=at(30, 10), address=EVE),
        operation("New-InboxRule", when=None, address=EVE),
        operation("New-InboxRule", when=at(30, 60), address="192.0.2.200"),
        operation("New-InboxRule", when=at(30, 60), address=EVE, is_person=False),
        operation("MailItemsAccessed", when=at(30, 60), address=EVE),
        operation("Set-Mailbox", when=at(30, 60), address=EVE, parameters='[{"Name":"Languages"}]'),
    ],
    ids=["a day later", "before", "untimed", "from elsewhere", "by the system", "not critical", "a harmless setting"],
)
def test_what_is_not_v5(act: Row) -> None:
    assert account(judge(at_home(), abroad(times=1, address=EVE), act)) == ("CANNOT_CONCLUDE", [])


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("ForwardingSmtpAddress", "forwards outside"),
        ("DeliverToMailboxAndForward", "delivers and forwards"),
        ("GrantSendOnBehalfTo", "lets others send on behalf"),
        ("AuditEnabled", "switches auditing off"),
    ],
)
def test_a_mailbox_setting_is_critical_where_it_forwards_delegates_or_touches_auditing(word: str, label: str) -> None:
    act = operation("Set-Mailbox", **RULE, parameters=f'[{{"Name":"{word}","Value":"x"}}]')
    found = judge(at_home(), abroad(times=1, address=EVE), act)
    assert account(found) == ("COMPROMISE_INDICATED", ["V5"])
    indicator = next(one for one in found["indicators"] if one["operation"] == "Set-Mailbox")
    assert (indicator["severity"], indicator["detail"][label]) == ("CRITICAL", 1)


def test_a_habit_of_three_earlier_days_is_not_v5() -> None:
    habit = [operation("New-InboxRule", when=at(day)) for day in (10, 11, 12)]
    rule = operation("New-InboxRule", **RULE)
    assert account(judge(at_home(), abroad(times=1, address=EVE), *habit, rule)) == ("CANNOT_CONCLUDE", [])
    assert account(judge(at_home(), abroad(times=1, address=EVE), *habit[1:], rule)) == ("COMPROMISE_INDICATED", ["V5"])


# --- Leads


def kinds(document: dict[str, Any]) -> list[str]:
    return [lead["kind"] for lead in document["leads"]]


def test_rejections_and_then_success_from_a_new_address_is_a_lead_even_at_home() -> None:
    guessed = rejected(times=5, country="AU", address=EVE)
    found = judge(at_home(), guessed, sign_in(when=at(30, 10), address=EVE))
    assert (account(found), kinds(found)) == (("SUSPICIOUS", []), ["SUCCESS_AFTER_REJECTIONS"])
    assert found["status"] == "CANNOT_CONCLUDE"
    assert found["leads"][0]["addresses"] == [EVE]


def test_two_addresses_that_guessed_are_two_leads_and_one_reason() -> None:
    guessed = [*rejected(times=5, country="AU", address=EVE), *rejected(times=5, country="AU", address="192.0.2.8")]
    found = judge(at_home(), guessed, [sign_in(when=at(30, 10), address=where) for where in (EVE, "192.0.2.8")])
    assert kinds(found) == ["SUCCESS_AFTER_REJECTIONS"] * 2
    assert len(found["by_account"][ANN]["reasons"]) == 1


def test_a_person_who_mistypes_a_password_is_no_lead() -> None:
    mistyped = rejected(times=4, country="AU", address=EVE)
    assert kinds(judge(at_home(), mistyped, sign_in(when=at(30, 10), address=EVE))) == []
    known = [sign_in(when=at(1), address=EVE), *rejected(times=6, country="AU", address=EVE)]
    assert kinds(judge(at_home(), known, sign_in(when=at(30, 10), address=EVE))) == []


def test_rejections_are_counted_once_however_many_successes_follow_at_once() -> None:
    early = rejected(times=2, first=at(20), country="AU", address=EVE)
    late = rejected(times=3, first=at(25), country="AU", address=EVE)
    twins = [sign_in(when=at(25, 60), address=EVE) for _ in range(2)]
    assert kinds(judge(at_home(), early, late, twins)) == []


def test_a_new_address_that_enters_three_accounts_is_a_lead_on_each() -> None:
    entered = [sign_in(name, at(30, n), "DE", address=EVE) for n, name in enumerate(OTHERS)]
    found = judge(at_home(), entered)
    assert kinds(found) == ["NEW_ADDRESS_ON_MANY_ACCOUNTS"]
    assert [account(found, name)[0] for name in OTHERS] == ["SUSPICIOUS"] * 3
    assert kinds(judge(at_home(), entered[:2])) == []


def test_an_owner_who_mistypes_on_his_own_device_at_a_new_address_is_no_lead() -> None:
    mistyped = [sign_in(when=at(30, n), code="50126", address=EVE, **LAPTOP) for n in range(6)]
    entered = [*mistyped, sign_in(when=at(30, 9), address=EVE, **LAPTOP)]
    assert kinds(judge(at_home(**LAPTOP), entered)) == []
    assert kinds(judge(at_home(), entered)) == ["SUCCESS_AFTER_REJECTIONS"]


def test_denied_second_factors_and_then_a_success_are_one_lead() -> None:
    denied = [sign_in(when=at(30, n), code="500121") for n in range(3)]
    successes = [sign_in(when=at(30, 30 + n)) for n in range(2)]
    found = judge(at_home(), denied, successes)
    assert kinds(found) == ["SUCCESS_AFTER_MFA_DENIALS"]
    assert found["leads"][0]["from"] == "2026-02-04T09:00:00Z"
    assert kinds(judge(at_home(), denied[1:], successes)) == []


def test_an_owner_who_refuses_the_prompts_of_another_and_goes_on_working_is_no_lead() -> None:
    denied = [sign_in(when=at(30, n), country="RU", code="500121", address=EVE) for n in range(4)]
    found = judge(at_home(), denied)
    assert (kinds(found), account(found)[0]) == ([], "CREDENTIAL_EXPOSED")
    assert found["status"] == "NO_BREACH_INDICATED"
    for address in (EVE, "198.51.100.67"):
        entered = sign_in(when=at(30, 30), country="RU", address=address)
        assert "SUCCESS_AFTER_MFA_DENIALS" in kinds(judge(at_home(), denied, entered))


def test_one_sign_in_tells_nobodys_home() -> None:
    alone = Bench().judge([sign_in(), sign_in(when=at(0, 9), code="50126")])
    assert alone["status"] == "CANNOT_CONCLUDE"
    assert alone["by_account"][ANN]["home_source"] == "unknown"
    assert "No home country is known for 1 account" in " ".join(alone["cannot_conclude"])
    days = Bench().judge([*(sign_in(when=at(day)) for day in range(3)), sign_in(when=at(0, 9), code="50126")])
    assert days["status"] == "NO_BREACH_INDICATED"


def test_an_account_whose_foreign_sign_ins_have_no_outcome_is_not_called_free_of_an_indication() -> None:
    blank = [sign_in(when=at(30, n), country="RU", code=None) for n in range(2)]
    found = judge(at_home(), blank)
    assert account(found) == ("CANNOT_CONCLUDE", [])
    assert "2 of 2 sign-ins from abroad have no known outcome" in found["by_account"][ANN]["reasons"][0]
    assert f"1 account has sign-ins whose outcome or owner the evidence leaves open: {ANN}." in found["cannot_conclude"]
    assert f"{ANN} has sign-ins whose outcome or owner the evidence leaves open." in [
        one["claim"] for one in found["findings"]
    ]


def test_no_account_is_a_mere_target_where_its_failures_may_be_a_stuck_column() -> None:
    rows = [sign_in(name, at(day), code=None, status="Failure") for name in (ANN, BOB) for day in range(9)]
    found = Bench().judge(rows, home=HOME)
    assert {row["verdict"] for row in found["accounts"]} == {"CANNOT_CONCLUDE"}
    assert "cannot be told apart from a stuck column" in found["by_account"][ANN]["reasons"][0]


@pytest.mark.parametrize(
    "columns", [{"client_app_used": "IMAP4"}, {"user_agent": "BAV2ROPC"}, {"authentication_protocol": "ROPC"}]
)
def test_a_foreign_success_without_a_modern_client_is_a_lead(columns: dict[str, str]) -> None:
    found = judge(at_home(), abroad(times=1, **columns))
    assert (account(found)[0], kinds(found)) == ("SUSPICIOUS", ["LEGACY_FOREIGN_SUCCESS"])


def test_a_session_that_the_owners_own_device_took_abroad_is_no_lead() -> None:
    trip = [
        sign_in(when=at(30), session_id="s", **LAPTOP),
        sign_in(when=at(31), country="NZ", session_id="s", **LAPTOP),
    ]
    found = judge(at_home(**LAPTOP), trip)
    assert (kinds(found), account(found)[0]) == ([], "NO_INDICATION")


def test_an_egress_that_owners_reach_on_their_own_devices_is_the_staffs() -> None:
    names = [ANN, *OTHERS]
    rows = [row for n, name in enumerate(names) for row in at_home(name, device_id=f"d-{n}")]
    exits = [sign_in(name, at(30), "DE", address=EVE, device_id=f"d-{n}") for n, name in enumerate(names)]
    phone = [sign_in(BOB, at(30, n), "DE", address=EVE, device_id="p-9") for n in range(9)]
    assert account(judge(rows, exits, phone), BOB) == ("NO_INDICATION", [])
    assert account(judge(rows, exits[:2], phone), BOB)[0] == "COMPROMISE_INDICATED"
    guessed = [sign_in(f"p{n}@contoso.example", at(30), "DE", "50126", address=EVE) for n in range(3)]
    assert account(judge(rows, exits, phone, guessed), BOB)[0] == "COMPROMISE_INDICATED"


def test_a_new_address_abroad_that_many_use_from_their_own_devices_is_no_lead() -> None:
    names = [ANN, *OTHERS]
    rows = [row for n, name in enumerate(names) for row in at_home(name, device_id=f"d-{n}")]
    exits = [sign_in(name, at(30), "DE", address=EVE, device_id=f"d-{n}") for n, name in enumerate(names)]
    found = judge(rows, exits)
    assert (kinds(found), found["status"]) == ([], "NO_BREACH_INDICATED")


def test_one_session_in_two_countries_is_a_lead() -> None:
    found = judge(
        at_home(), sign_in(when=at(30, 1), session_id="s"), sign_in(when=at(30, 9), country="RU", session_id="s")
    )
    assert (account(found)[0], kinds(found)) == ("SUSPICIOUS", ["SESSION_IN_TWO_COUNTRIES"])


# --- Accounts that were never entered


def test_a_right_password_that_was_stopped_abroad_is_an_exposed_credential() -> None:
    found = judge(at_home(), sign_in(when=at(30), country="RU", code="53003"))
    assert account(found) == ("CREDENTIAL_EXPOSED", [])
    assert found["status"] == "NO_BREACH_INDICATED"
    assert "reset" in found["headline"]


def test_a_password_grant_code_exposes_the_credential_in_a_password_grant_only() -> None:
    codes = [one.code for one in verification_codes() if one.first_factor == "likely_accepted_ropc"]
    assert codes, "the rule pack knows codes that follow a right password in a password grant only"
    for protocol, verdict in (("ropc", "CREDENTIAL_EXPOSED"), (None, "NO_INDICATION")):
        found = judge(at_home(), sign_in(when=at(30), country="RU", code=codes[0], authentication_protocol=protocol))
        assert account(found)[0] == verdict


def verification_codes() -> tuple[Any, ...]:
    from tests.support.case_runs import shipped_pack

    return shipped_pack().codes


def test_a_struck_code_column_exposes_nobody() -> None:
    stuck = [sign_in(name, at(day), status="Success") for name in (ANN, BOB) for day in range(0, 40, 2)]
    failed = [sign_in(OTHERS[0], at(1, n), "RU", status="Failure", access="notApplied") for n in range(8)]
    found = Bench().judge([*stuck, *failed], home=HOME)
    code = next(
        one for one in found["fields"] if (one["log_type"], one["field"]) == ("sign_in_logs", "status_error_code")
    )
    assert (code["state"], code["cause"]) == ("CONTRADICTED", "IMPORTER_DEFAULT")
    assert account(found, OTHERS[0]) == ("TARGETED", [])


def test_wrong_passwords_alone_are_a_target() -> None:
    found = judge(at_home(), rejected(OTHERS[0]))
    assert account(found, OTHERS[0]) == ("TARGETED", [])


def test_an_unknown_code_leaves_the_account_uncleared_and_is_listed() -> None:
    found = judge(at_home(), sign_in(when=at(9), code="512345"))
    assert account(found) == ("CANNOT_CONCLUDE", [])
    (row,) = found["unknown_codes"]
    assert (row["log_type"], row["field"], row["value"], row["rows"]) == (
        "sign_in_logs",
        "status_error_code",
        "512345",
        1,
    )
    assert "512345" not in str(found["unknown_values"])


# --- Places


def test_an_address_in_two_countries_is_a_finding_and_its_country_the_one_of_most_rows() -> None:
    moved = [sign_in(when=at(day), address="192.0.2.9") for day in range(30, 38)]
    found = judge(at_home(), moved, sign_in(when=at(30, 5), country="UZ", address="192.0.2.9"))
    assert found["sign_ins"]["foreign_successes"] == 0
    conflict = found["conflicts"][0]
    assert (conflict["kind"], conflict["rows"]) == ("ADDRESS_IN_TWO_COUNTRIES", 9)
    assert "taken as AU" in conflict["detail"]
    assert len(conflict["example_event_ids"]) == 5


def test_an_address_evenly_in_two_countries_is_nowhere_and_unknown_is_not_foreign() -> None:
    moved = [
        sign_in(when=at(30, n), country=country, address="192.0.2.9") for n, country in enumerate(["AU", "UZ"] * 5)
    ]
    found = judge(at_home(), moved)
    assert found["sign_ins"]["foreign_successes"] == 0
    assert "taken as unknown" in found["conflicts"][0]["detail"]
    assert "no known country" in found["cannot_conclude"][0]


def test_a_country_that_is_no_code_is_unknown_and_not_foreign() -> None:
    found = judge(at_home(), abroad(country="Australia"))
    assert found["sign_ins"]["foreign_successes"] == 0
    assert found["status"] == "CANNOT_CONCLUDE"
    assert found["conflicts"] == []


def test_an_export_without_countries_never_ends_in_no_breach() -> None:
    rows = [*at_home(country=None), *rejected(times=2, country=None)]
    found = Bench().judge([Row(row.table, {**row.columns, "country": None}) for row in (*QUIET, *rows)], home=HOME)
    assert found["status"] == "CANNOT_CONCLUDE"


def test_a_row_without_a_country_takes_that_of_its_address() -> None:
    found = judge(at_home(), abroad(times=1, address=EVE), sign_in(when=at(31), country=None, address=EVE))
    assert found["sign_ins"]["foreign_successes"] == 2


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({}, "CANNOT_CONCLUDE"),
        ({"address": None}, "CANNOT_CONCLUDE"),
        ({"country": "AU"}, "NO_BREACH_INDICATED"),
        ({"sign_in_event_type": "servicePrincipal", "is_interactive": None}, "NO_BREACH_INDICATED"),
        ({"code": "50126"}, "NO_BREACH_INDICATED"),
    ],
)
def test_a_foreign_success_of_nobody_leaves_the_case_open(columns: dict[str, Any], status: str) -> None:
    nobody = sign_in(None, **{"when": at(30), "country": "NG", **columns})
    assert judge(at_home(), nobody)["status"] == status


@pytest.mark.parametrize(("copied", "overlap"), [(True, True), (False, False)])
def test_a_sign_in_that_two_formats_tell_is_one_attempt_and_said_to_overlap(copied: bool, overlap: bool) -> None:
    known = [Row(one.table, {**one.columns, "event_id": f"e-{n}"}) for n, one in enumerate(abroad(times=4))]
    nameless = [
        Row(one.table, {**one.columns, "file_id": 9, "row_no": n})
        for n, one in enumerate(abroad(times=4, first=None if copied else at(34)), 1)
    ]
    with Bench().run([*QUIET, *at_home(), *known, *nameless], home=HOME) as run:
        run.con.execute("UPDATE files SET format = 'portal_signin_csv'")
        run.con.execute(
            "INSERT INTO files (file_id, path, sha256, bytes, format, log_type, status, rows_read, rows_imported) "
            "VALUES (9, 'b.csv', 'b', 1, 'ps_signin_csv', 'sign_in_logs', 'IMPORTED', 4, 4)"
        )
        found = judged(run)
    assert found["sign_ins"]["foreign_successes"] == 8
    assert account(found) == (("CANNOT_CONCLUDE", []) if overlap else ("COMPROMISE_INDICATED", ["V1"]))
    told = [(one["kind"], one["rows"]) for one in found["conflicts"] if one["kind"] != "TRAVEL_TOO_FAST"]
    assert told == ([("SUSPECTED_OVERLAP", 4)] if overlap else [])


# --- Other logs


def test_a_legacy_row_that_copies_a_sign_in_is_counted_once() -> None:
    found = judge(at_home(), legacy(when=at(0)), legacy(when=at(0, 1)), legacy(when=at(0, 2), code="50126"))
    assert found["sign_ins"]["events"] == len(QUIET) + 20 + 2
    assert found["by_log_type"]["legacy_auth_logs"]["logons"] == 3


def test_a_legacy_success_is_no_copy_of_a_sign_in_that_did_not_succeed() -> None:
    failed = sign_in(when=at(30), country="RU", code="50126")
    found = judge(at_home(), failed, legacy(when=at(30), country="RU"))
    assert found["sign_ins"]["foreign_successes"] == 1
    assert account(found) == ("SUSPICIOUS", [])


def test_audit_logons_are_not_counted_beside_a_sign_in_log() -> None:
    found = judge(at_home(), logon(when=at(2)), logon(BOB, at(3), "50126"))
    assert found["sign_ins"]["events"] == len(QUIET) + 20
    assert found["by_log_type"]["unified_audit_log"]["logons"] == 2
    assert found["status"] == "NO_BREACH_INDICATED"


def test_audit_logons_are_counted_where_there_is_no_sign_in_log() -> None:
    rows = [logon(when=at(day)) for day in range(10)]
    found = Bench().judge([*rows, *(logon(when=at(1, n), number="50126") for n in range(2))], home=HOME)
    assert (found["sign_ins"]["events"], found["sign_ins"]["by_outcome"]) == (12, {"REJECTED": 2, "SUCCESS": 10})
    assert found["recommended"]["unified_audit_log"]["field"] == "error_number"


def test_an_audit_logon_that_the_sign_in_log_lacks_leaves_the_case_open() -> None:
    logons = [logon(OTHERS[0], at(2, hour)) for hour in range(20)]
    found = judge(at_home(), *logons, logon(OTHERS[0], at(2, 21), "50126"))
    assert found["status"] == "CANNOT_CONCLUDE"
    assert (
        "20 successful logons of 1 account in the audit log are not in the sign-in log" in found["cannot_conclude"][0]
    )


def test_what_the_context_asks_about_and_the_evidence_lacks_leaves_the_case_open() -> None:
    found = judge(at_home(), accounts_in_scope=["nobody@contoso.example"], window={"from": "2020-01-01"})
    assert found["status"] == "CANNOT_CONCLUDE"
    assert any("nobody@contoso.example" in sentence for sentence in found["cannot_conclude"])
    assert any("export the missing days" in sentence for sentence in found["cannot_conclude"])


def test_a_success_from_an_address_named_as_bad_is_a_lead() -> None:
    found = judge(at_home(), known_bad_addresses=[address_of(ANN, "AU")])
    assert [(lead["kind"], lead["accounts"]) for lead in found["leads"]] == [("KNOWN_BAD_ADDRESS", [ANN])]


BLOCKED = [sign_in(ANN, at(day), "RU", code) for day in range(20) for code in ("50126", "50053")]


def test_nothing_but_failures_is_all_blocked() -> None:
    found = Bench().judge(BLOCKED, home=HOME)
    assert (found["status"], found["confidence"]) == ("ALL_BLOCKED", "HIGH")
    assert "40 of 40 attempts failed" in found["headline"]


def test_a_successful_audit_logon_forbids_all_blocked() -> None:
    found = Bench().judge([*BLOCKED, logon(when=at(3)), logon(when=at(3), number="50126")], home=HOME)
    assert found["status"] == "CANNOT_CONCLUDE"


def test_one_failure_code_in_a_column_that_is_struck_is_not_counted_as_a_second() -> None:
    text = [Row(r.table, {**r.columns, "status_error_code": "0", "status": "Failure"}) for r in BLOCKED]
    found = Bench().judge(text, home=HOME)
    assert found["confidence"] != "HIGH"


def test_no_sign_ins_at_all_cannot_be_concluded_on() -> None:
    found = Bench().judge([operation("FileAccessed", when=at(n)) for n in range(3)], home=HOME)
    assert found["status"] == "CANNOT_CONCLUDE"
    assert "holds no sign-ins" in found["cannot_conclude"][0]


# --- Contradictions


def test_code_zero_with_failed_access_stays_a_success_and_is_shown() -> None:
    odd = [sign_in(when=at(30, n), access="failure", client_app_used="Exchange ActiveSync") for n in range(3)]
    found = judge(at_home(access="success"), odd)
    assert found["sign_ins"]["by_outcome"]["SUCCESS"] == 20 + 20 + 3
    conflict = next(one for one in found["conflicts"] if one["kind"] == "CODE_ZERO_BUT_CA_FAILURE")
    assert conflict["rows"] == 3


def test_code_against_text_leaves_the_row_undecided() -> None:
    odd = sign_in(when=at(30), status="Failure")
    told = [
        Row(r.table, {**r.columns, "status": "Success" if r.columns["status_error_code"] == "0" else "Failure"})
        for r in QUIET
    ]
    found = Bench().judge([*told, *at_home(status="Success"), odd], home=HOME)
    assert found["sign_ins"]["by_outcome"]["CONFLICT"] == 1
    assert [one["kind"] for one in found["conflicts"]] == ["CODE_AGAINST_TEXT"]


def test_two_copies_of_the_code_that_differ_leave_the_row_undecided() -> None:
    found = judge(at_home(), sign_in(when=at(30), status_error_code_copy="50126"))
    assert found["sign_ins"]["by_outcome"]["CONFLICT"] == 1
    assert [one["kind"] for one in found["conflicts"]] == ["CODE_COPIES_DIFFER"]


# --- Flows, order, indicators, the check


def test_rows_stay_rows_and_rates_use_attempts() -> None:
    steps = [
        sign_in(when=at(30, 15 + n), country="RU", code=code, correlation_id="c")
        for n, code in enumerate(["50074", "0"])
    ]
    found = judge(at_home(), steps)
    assert found["sign_ins"]["flows"] == found["sign_ins"]["events"] - 1
    row = found["by_account"][ANN]
    assert (row["foreign_success"], row["foreign_attempts"], row["foreign_attempt_success_rate"]) == (1, 1, 1.0)


def test_the_verdict_does_not_depend_on_the_order_of_rows() -> None:
    sprayed = [sign_in(name, at(30, n), "RU", "50126", address=EVE) for n, name in enumerate(OTHERS)]
    moved = [
        sign_in(BOB, at(30, n), country=country, address="192.0.2.9") for n, country in enumerate(["AU", "UZ"] * 5)
    ]
    acts = [
        operation("New-InboxRule", **RULE),
        operation("MailItemsAccessed", when=at(30, 61), mail_access_type="Sync"),
    ]
    flow = [
        sign_in(when=at(12, n), code=code, correlation_id="c") for n, code in enumerate(["50074", "50126", "0", "0"])
    ]
    rows = [
        *QUIET,
        *at_home(**CHROME),
        *rejected(address=EVE),
        *abroad(address=EVE, **EDGE),
        *sprayed,
        *moved,
        *acts,
        *flow,
    ]
    documents = [Bench().judge(rows, home=HOME, shuffled=order) for order in (None, 1, 2)]
    assert [account(one) for one in documents] == [("COMPROMISE_INDICATED", ["V2", "V3", "V4", "V5"])] * 3
    for one in documents:
        del one["seconds"], one["started_at"]
    assert documents[0] == documents[1] == documents[2]


def test_indicators_are_split_by_what_they_mean() -> None:
    read = [
        operation("MailItemsAccessed", when=at(1, n), mail_access_type=kind)
        for n, kind in enumerate(["Sync", "Bind", "Bind", None])
    ]
    throttled = operation("MailItemsAccessed", BOB, at(2), mail_access_type="Bind", is_throttled=True)
    setting = operation("Set-Mailbox", when=at(3), parameters='[{"Name":"Languages"}]')
    found = {one["operation"]: one for one in judge(at_home(), read, throttled, setting)["indicators"]}
    assert found["MailItemsAccessed"]["rows"] == 5
    assert found["MailItemsAccessed"]["accounts"] == [ANN, BOB]
    assert found["MailItemsAccessed"]["detail"] == {"Bind": 3, "Sync": 1, "not stated": 1, "throttled": 1}
    assert found["Set-Mailbox"]["detail"] == {"no forwarding, delegation or auditing touched": 1}


def test_a_critical_operation_by_a_person_leaves_a_quiet_case_open() -> None:
    found = judge(at_home(), operation("New-InboxRule", when=at(3)))
    assert found["status"] == "CANNOT_CONCLUDE"
    assert "New-InboxRule (1)" in found["cannot_conclude"][0]


def verdict_check(*rows: Sequence[Row]) -> CheckResult:
    with Bench().run([*QUIET, *(one for item in rows for one in item)], home=HOME) as run:
        quality.run(run)
        reliability.run(run)
        return verification.run(run).checks[0]


def test_the_verdict_is_a_check_that_never_blocks_and_shows_the_worst_accounts_first() -> None:
    breach = verdict_check(at_home(), abroad(), rejected(OTHERS[0]), [sign_in(OTHERS[1], at(30), "RU", "53003")])
    assert (breach.passed, breach.blocking, breach.severity) == (False, False, Severity.CRITICAL)
    assert breach.reason == "BREACH_INDICATED"
    assert [row["verdict"] for row in breach.table] == ["COMPROMISE_INDICATED", "CREDENTIAL_EXPOSED"]
    quiet = verdict_check(at_home())
    assert (quiet.passed, quiet.severity, quiet.reason) == (True, Severity.INFO, "")
    doubt = verdict_check(at_home(), abroad(times=1))
    assert (doubt.passed, doubt.severity) == (False, Severity.WARNING)
