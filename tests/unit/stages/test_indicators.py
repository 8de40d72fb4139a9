"""Verifiers: what each log points to, how it weighs on the case, and how many of them ran."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from m365dq_dagster.stages import indicators
from tests.support.case_runs import Bench, judged
from tests.support.evidence import (
    ANN,
    BOB,
    EVE,
    START,
    Row,
    abroad,
    at,
    at_home,
    directory,
    legacy,
    logon,
    mail,
    operation,
    sign_in,
)

HOME = ["AU"]
OUTSIDE = "x@example.org"
QUIET = [
    *(row for name in ("cara", "dan", "eli") for row in at_home(f"{name}@contoso.example")),
    sign_in("cara@contoso.example", at(1, 5), code="50126"),
]


def judge(*rows: Row | Sequence[Row], **given: Any) -> dict[str, Any]:
    flat = [one for item in rows for one in ([item] if isinstance(item, Row) else item)]
    return Bench().judge([*QUIET, *at_home(), *flat], home=HOME, **given)


def told(found: dict[str, Any], operation: str, log_type: str = "unified_audit_log") -> dict[str, Any]:
    return next(one for one in found["indicators"] if (one["operation"], one["log_type"]) == (operation, log_type))


def parameters(**given: Any) -> str:
    return json.dumps([{"Name": name, "Value": value} for name, value in given.items()])


FORWARDS = parameters(Name="fw", ForwardTo=OUTSIDE)
SORTS = parameters(Name="news", From="n@example.org", MoveToFolder="News")


# --- Operations of the audit log


def test_rows_of_an_operation_are_split_and_system_rows_are_no_alarm() -> None:
    by_system = [
        operation(
            "Set-Mailbox", "nt authority\\system", at(1, n), is_person=False, parameters=parameters(RecipientLimits=n)
        )
        for n in range(20)
    ]
    forwards = operation("Set-Mailbox", when=at(3), parameters=parameters(ForwardingSmtpAddress=f"smtp:{OUTSIDE}"))
    inside = operation("Set-Mailbox", BOB, at(3), parameters=parameters(ForwardingSmtpAddress=f"smtp:{ANN}"))
    found = judge(by_system, forwards, inside)
    one = told(found, "Set-Mailbox")
    assert (one["rows"], one["severity"], one["type"], one["mitre"]) == (22, "CRITICAL", "exfiltration", "T1114.003")
    assert one["detail"] == {
        "no forwarding, delegation or auditing touched": 20,
        "forwards inside": 1,
        "forwards outside": 1,
    }
    assert one["actors"] == {"system": 20, "person": 2}
    assert one["accounts"] == [ANN, BOB]
    assert one["evidence"][0] == {"file": "AuditLog.csv", "row": 21}
    assert (one["first"], one["last"]) == ("2026-01-06T09:00:00Z", "2026-01-08T09:00:00Z")


@pytest.mark.parametrize(
    ("rule", "status", "severity"),
    [(FORWARDS, "CANNOT_CONCLUDE", "CRITICAL"), (SORTS, "NO_BREACH_INDICATED", "INFO")],
    ids=["forwards outside", "sorts mail"],
)
def test_a_rule_opens_a_quiet_case_only_where_its_parameters_are_grave(rule: str, status: str, severity: str) -> None:
    found = judge(operation("New-InboxRule", when=at(3), parameters=rule))
    assert (found["status"], told(found, "New-InboxRule")["severity"]) == (status, severity)


@pytest.mark.parametrize(
    ("act", "verdict"),
    [
        (operation("New-InboxRule", when=at(30, 60), address=EVE, parameters=FORWARDS), "COMPROMISE_INDICATED"),
        (operation("New-InboxRule", when=at(30, 60), address=EVE, parameters=SORTS), "CANNOT_CONCLUDE"),
        (
            operation("Add-MailboxPermission", when=at(30, 60), address=EVE, parameters=parameters(User="bob")),
            "COMPROMISE_INDICATED",
        ),
        (operation("User registered security info", when=at(30, 60), address=EVE), "COMPROMISE_INDICATED"),
        (directory("User registered security info", when=at(30, 60), address=EVE), "COMPROMISE_INDICATED"),
        (directory("User registered security info", when=at(30, 60), address=EVE, result="failure"), "CANNOT_CONCLUDE"),
        (operation("User registered security info", when=at(30, 60)), "CANNOT_CONCLUDE"),
    ],
    ids=["forwards", "sorts", "lets in", "new method", "in the directory", "failed", "from elsewhere"],
)
def test_v5_asks_for_an_act_that_is_grave_after_a_foreign_success(act: Row, verdict: str) -> None:
    found = judge(abroad(times=1, address=EVE), act)
    assert found["by_account"][ANN]["verdict"] == verdict


def test_after_the_owners_own_device_an_ordinary_act_stays_ordinary() -> None:
    laptop = {"device_id": "d-1", "browser": "Chrome", "os": "Windows"}
    entry = [*at_home(BOB, **laptop), *abroad(BOB, 1, address=EVE, **laptop)]
    found = judge(entry, operation("User registered security info", BOB, at(30, 60), address=EVE))
    one = told(found, "User registered security info")
    assert (one["severity"], one["detail"], "after_foreign_success" in one) == ("WARNING", {}, False)


def test_what_follows_a_foreign_success_is_told() -> None:
    found = judge(
        abroad(times=1, address=EVE), operation("User registered security info", when=at(30, 60), address=EVE)
    )
    one = told(found, "User registered security info")
    assert (one["severity"], one["detail"], one["after_foreign_success"]) == ("CRITICAL", {}, 1)


def test_a_habit_takes_what_is_grave_back_and_needs_three_earlier_days() -> None:
    days = [operation("New-InboxRule", when=at(day), parameters=FORWARDS) for day in (3, 4, 5, 6)]
    assert told(judge(days), "New-InboxRule")["severity"] == "CRITICAL"
    with Bench().run([*QUIET, *at_home(), *days], home=HOME) as run:
        judged(run)
        rows = run.con.execute("SELECT severity, earlier_days FROM indicator_rows ORDER BY event_time").fetchall()
    assert rows == [("CRITICAL", 0), ("CRITICAL", 1), ("CRITICAL", 2), ("WARNING", 3)]


def test_everyday_work_leaves_a_quiet_case_free() -> None:
    admin = "adm@contoso.example"
    grant = parameters(User="bob", Identity="team", AccessRights="FullAccess")
    reader = parameters(**{"Role.DisplayName": "Teams Reader"})
    everyday = [
        operation("Add-MailboxPermission", admin, at(3), parameters=grant),
        operation("Set-Mailbox", admin, at(3), parameters=parameters(GrantSendOnBehalfTo="bob")),
        operation("New-InboxRule", when=at(4), parameters=SORTS),
        operation("User registered security info", when=at(4)),
        operation("Add device.", when=at(4)),
        operation("AnonymousLinkCreated", when=at(5)),
        operation("SomethingThatNoTableKnows", when=at(5)),
        operation("MailItemsAccessed", when=at(5), mail_access_type="Sync"),
        operation("Consent to application.", when=at(5), parameters=parameters(Scope="User.Read openid")),
        directory("Add member to role", admin, at(6), modified_properties=reader),
        directory("Reset user password", admin, at(6)),
        directory("Add app role assignment grant to user", admin, at(6)),
    ]
    found = judge(at_home(admin), everyday)
    assert found["status"] == "NO_BREACH_INDICATED"
    assert {one["severity"] for one in found["indicators"]} <= {"INFO", "WARNING"}


def test_mail_read_from_where_an_unexplained_foreign_success_came_is_grave_where_it_takes_whole_folders() -> None:
    reads = [
        operation("MailItemsAccessed", when=at(30, 60 + n), address=EVE, mail_access_type=kind, operation_count=7)
        for n, kind in enumerate(["Sync", "Bind"])
    ]
    one = told(judge(abroad(times=1, address=EVE), reads), "MailItemsAccessed")
    assert one["severity"] == "CRITICAL"
    assert (one["detail"], one["after_foreign_success"]) == ({"Bind": 1, "Sync": 1, "items": 7}, 2)
    one = told(judge(abroad(times=1, address=EVE), reads[1:]), "MailItemsAccessed")
    assert (one["severity"], one["after_foreign_success"]) == ("WARNING", 1)


def test_an_operation_by_the_service_alone_is_for_the_record() -> None:
    by_system = operation("MailItemsAccessed", "s-1-5-18", at(3), is_person=False, mail_access_type="Sync")
    by_app = operation("Send", "7f9c0000-0000-4000-8000-000000000001", at(3), is_person=False)
    found = judge(by_system, by_app)
    assert [(one["severity"], one["actors"]) for one in found["indicators"]] == [("INFO", {"system": 1})] * 2


def downloads(day: int, files: int, name: str = "FileDownloaded", **columns: Any) -> list[Row]:
    return [operation(name, when=at(day) + timedelta(seconds=n), object_id=f"f{n}", **columns) for n in range(files)]


def test_many_files_within_an_hour_stand_out_unless_the_account_always_does_that() -> None:
    burst = told(judge(downloads(20, 120)), "mass download")
    assert (burst["severity"], burst["rows"], burst["detail"]) == ("WARNING", 120, {"files downloaded": 120})
    assert (burst["type"], burst["mitre"], burst["accounts"]) == ("exfiltration", "T1530", [ANN])
    found = judge(downloads(18, 60), downloads(20, 120), downloads(20, 400, "FileAccessed"))
    assert "mass download" not in {one["operation"] for one in found["indicators"]}


def test_a_mass_download_after_a_foreign_success_is_v5() -> None:
    found = judge(abroad(times=1, address=EVE, first=at(29, 23 * 60)), downloads(30, 120, address=EVE))
    assert found["by_account"][ANN]["indicators"] == ["V5"]


# --- The directory


def test_directory_operations_are_judged_and_failed_attempts_counted_apart() -> None:
    role = json.dumps([{"displayName": "Role.DisplayName", "oldValue": None, "newValue": '"Global Administrator"'}])
    given = [directory("Add member to role", when=at(3), modified_properties=role)]
    tried = [directory("Add member to role", when=at(3), modified_properties=role, result="failure")]
    one = told(judge(given, tried), "Add member to role", "entra_audit_logs")
    assert one["detail"] == {"attempted and failed": 1, "gives a privileged role": 1}
    assert (one["severity"], one["type"], one["mitre"]) == ("CRITICAL", "privilege", "T1098.003")
    assert judge(given)["status"] == "CANNOT_CONCLUDE"
    assert judge(tried)["status"] == "NO_BREACH_INDICATED"


def test_one_act_that_two_logs_hold_is_named_once() -> None:
    role = parameters(**{"Role.DisplayName": "Global Administrator"})
    both = [
        directory("Add member to role", when=at(3), modified_properties=role),
        operation("Add member to role.", when=at(3), parameters=role),
    ]
    found = judge(both)
    assert sum(sentence.count("Add member to role") for sentence in found["cannot_conclude"]) == 1


@pytest.mark.parametrize(
    ("columns", "actor", "severity"),
    [
        ({"account": None, "is_person": False, "app_display_name": "Sync"}, "application", "WARNING"),
        ({"account": None, "is_person": False, "initiated_by": "Bob@contoso.example"}, "person", "CRITICAL"),
        ({"account": None, "is_person": False, "initiated_by": "Sync"}, "not named", "CRITICAL"),
        ({"account": "s-1-5-18", "is_person": False}, "system", "INFO"),
    ],
)
def test_who_did_it_in_the_directory(columns: dict[str, Any], actor: str, severity: str) -> None:
    role = parameters(**{"Role.DisplayName": "Global Administrator"})
    found = judge(directory("Add member to role", when=at(3), modified_properties=role, **columns))
    one = told(found, "Add member to role", "entra_audit_logs")
    assert (one["actors"], one["severity"]) == ({actor: 1}, severity)
    assert (found["status"] == "CANNOT_CONCLUDE") is (actor == "person")


# --- Mail that leaves


def redirected(day: float, number: int) -> list[Row]:
    sender = f"s@sender{number}.example"
    came = mail(sender, ANN, at(day), f"m{number}")
    return [came, mail(sender, OUTSIDE, at(day, 1), f"m{number}")]


def everyday_mail(days: int = 40) -> list[Row]:
    return [mail(f"s@sender{day}.example", ANN, at(day), f"e{day}") for day in range(days)]


def test_mail_redirected_to_the_outside_from_some_day_on_must_be_explained() -> None:
    found = judge(everyday_mail(), [row for n in range(8) for row in redirected(30 + n / 2, n)])
    one = told(found, "external forwarding", "message_trace")
    assert (one["severity"], one["rows"], one["accounts"]) == ("CRITICAL", 8, [ANN])
    assert one["detail"] == {"passed on from some day": 8}
    assert found["status"] == "CANNOT_CONCLUDE"


def test_a_forwarding_that_stands_from_the_start_is_asked_about() -> None:
    found = judge(everyday_mail(), [row for n in range(30) for row in redirected(n, n)])
    one = told(found, "external forwarding", "message_trace")
    assert (one["severity"], one["detail"]) == ("WARNING", {"passed on from the start": 30})
    assert found["status"] == "NO_BREACH_INDICATED"


def test_a_few_forwarded_messages_are_for_the_record_and_failed_ones_did_not_leave() -> None:
    lost = [mail("s@example.com", OUTSIDE, at(31), "m9", status="Failed"), mail("s@example.com", ANN, at(31), "m9")]
    found = judge(everyday_mail(), redirected(30, 1), lost)
    assert told(found, "external forwarding", "message_trace")["detail"] == {"a few messages passed on": 1}


def test_rewritten_senders_and_messages_sent_on_at_once_are_forwardings_too() -> None:
    rewritten = [mail("ann+srs=ab=cd=example.com=s@contoso.example", OUTSIDE, at(30, n), f"r{n}") for n in range(6)]
    sent_on = [
        row
        for n in range(6)
        for row in (
            mail("s@example.com", BOB, at(30, n), f"i{n}", subject=f"Offer {n}"),
            mail(BOB, OUTSIDE, at(30, n + 1), f"o{n}", subject=f"FW: Offer {n}"),
        )
    ]
    one = told(judge(everyday_mail(), rewritten, sent_on), "external forwarding", "message_trace")
    assert (one["rows"], one["accounts"]) == (12, [ANN, BOB])


def test_without_accounts_the_tenants_domain_is_read_from_the_trace() -> None:
    rows = [*everyday_mail(), *(row for n in range(8) for row in redirected(30 + n / 2, n))]
    found = Bench().judge(rows)
    assert told(found, "external forwarding", "message_trace")["rows"] == 8
    assert found["by_log_type"]["message_trace"]["judged"] is True


def test_a_burst_of_mail_to_many_outside_recipients_stands_out() -> None:
    burst = [mail(ANN, f"u{n}@example.org", at(30, n / 2), f"b{n}") for n in range(60)]
    one = told(judge(everyday_mail(), burst), "outbound mail burst", "message_trace")
    assert (one["severity"], one["rows"], one["mitre"]) == ("WARNING", 60, "T1566")


# --- Detections of others


def risk(level: str | None, state: str, **columns: Any) -> Row:
    filled = {"event_id": "r1", "event_time": at(30), "account": ANN, "risk_event_type": "anomalousToken"}
    return Row("risk_detections", {**filled, "risk_level": level, "risk_state": state, **columns})


def test_an_open_high_risk_keeps_the_case_open_until_it_is_closed() -> None:
    found = judge(risk("high", "atRisk"))
    assert told(found, "anomalousToken", "risk_detections")["severity"] == "CRITICAL"
    assert found["status"] == "CANNOT_CONCLUDE"
    assert any("risk engine" in sentence and ANN in sentence for sentence in found["cannot_conclude"])
    later = risk("high", "dismissed", last_updated_time=at(32))
    found = judge(risk("high", "atRisk", last_updated_time=at(31)), later)
    assert found["status"] == "NO_BREACH_INDICATED"
    assert told(found, "anomalousToken", "risk_detections")["detail"] == {"an earlier state": 1, "closed": 1}


def test_an_application_at_risk_and_a_user_confirmed_compromised() -> None:
    app = risk("high", "atRisk", account=None, service_principal_id="5e0f")
    user = Row("risky_users", {"account": BOB, "risk_state": "confirmedCompromised", "user_id": "u1"})
    found = judge(app, user)
    assert told(found, "anomalousToken", "risk_detections")["actors"] == {"application": 1}
    assert told(found, "user at risk", "risky_users")["accounts"] == [BOB]


def test_an_alert_of_another_product_is_listed_and_decides_nothing() -> None:
    alert = {"title": "Suspicious rule", "severity": "High", "category": "Persistence", "event_time": START}
    found = judge(Row("security_alerts", {**alert, "attack_techniques": '["Email Hiding Rules (T1564.008)"]'}))
    one = told(found, "Suspicious rule", "security_alerts")
    assert (one["severity"], one["type"], one["mitre"]) == ("WARNING", "persistence", "T1564.008")
    assert found["status"] == "NO_BREACH_INDICATED"


# --- Mailboxes and sign-ins


def test_the_mailbox_audit_names_the_owner_and_counts_others() -> None:
    rows = [
        Row("mailbox_audit", {"operation": "SendAs", "logon_type": kind, "mailbox_owner_upn": ANN, "event_time": at(3)})
        for kind in ("Owner", "Delegate", None)
    ]
    one = told(judge(rows), "SendAs", "mailbox_audit")
    assert (one["accounts"], one["detail"]) == ([ANN], {"by others than the owner": 1})
    assert one["actors"] == {"person": 2, "not named": 1}


def test_a_spray_is_told_from_an_office_whose_people_mistype() -> None:
    sprayed = [sign_in(f"v{n}@contoso.example", at(30, n), "AU", "50126", address=EVE) for n in range(6)]
    one = told(judge(sprayed), "password spray", "sign_in_logs")
    assert (one["rows"], one["severity"], one["mitre"], one["addresses"]) == (6, "WARNING", "T1110.003", [EVE])
    office = [
        sign_in(f"v{n}@contoso.example", at(30, n), "AU", code, address="192.0.2.1")
        for n in range(6)
        for code in ("50126", "0")
    ]
    assert "password spray" not in {one["operation"] for one in judge(office)["indicators"]}


def test_a_spray_says_what_came_of_the_right_passwords() -> None:
    sprayed = [sign_in(f"v{n}@contoso.example", at(30, n), "AU", "50126", address=EVE) for n in range(6)]
    hits = [sign_in(when=at(30, 9), address=EVE), sign_in(BOB, at(30, 9), "AU", "53003", address=EVE)]
    one = told(judge(sprayed, hits), "password spray", "sign_in_logs")
    assert one["detail"] == {"rejected": 6, "right password, stopped": 1, "succeeded": 1}


def test_legacy_sign_ins_are_split_by_outcome_and_matter_where_they_succeed() -> None:
    failed = [legacy(when=at(3, n), code="50126") for n in range(3)]
    one = told(judge(failed), "legacy authentication", "legacy_auth_logs")
    assert (one["severity"], one["rows"], one["detail"]) == ("INFO", 3, {"REJECTED": 3})
    one = told(judge(failed, legacy(BOB, at(4))), "legacy authentication", "legacy_auth_logs")
    assert (one["severity"], one["accounts"], one["detail"]) == ("WARNING", [BOB], {"REJECTED": 3, "SUCCESS": 1})


# --- What stood when it was asked for


def test_a_standing_rule_that_forwards_outside_must_be_explained() -> None:
    rule = {"mailbox": "Ann@contoso.example", "rule_name": "fw", "forward_to": f'"x" [SMTP:{OUTSIDE}]'}
    found = judge(
        Row("inbox_rules", rule),
        Row("inbox_rules", {**rule, "enabled": False}),
        Row("inbox_rules", {"mailbox": ANN, "rule_name": "news", "delete_message": True}),
    )
    one = told(found, "inbox rule in force", "inbox_rules")
    assert one["detail"] == {"deletes messages": 1, "forwards outside": 1}
    assert (one["severity"], one["accounts"], found["status"]) == ("CRITICAL", [ANN], "CANNOT_CONCLUDE")


def test_standing_rights_of_nobody_that_is_named_are_told_and_weigh_on_no_verdict() -> None:
    found = judge(
        Row("transport_rules", {"name": "copy", "blind_copy_to": OUTSIDE}),
        Row("transport_rules", {"name": "off", "blind_copy_to": OUTSIDE, "state": "Disabled"}),
        Row("oauth_consents", {"scope": "Mail.Read offline_access", "consent_type": "Principal"}),
        Row("mailbox_delegations", {"mailbox": ANN, "delegate": BOB, "access_rights": "FullAccess"}),
        Row("mailbox_delegations", {"mailbox": ANN, "delegate": "NT AUTHORITY\\SELF", "is_inherited": False}),
        Row("mfa_changes", {"activity": "User registered security info", "result": "success"}),
    )
    weights = {one["log_type"]: (one["rows"], one["severity"]) for one in found["indicators"]}
    assert weights == {
        "transport_rules": (1, "CRITICAL"),
        "oauth_consents": (1, "CRITICAL"),
        "mailbox_delegations": (1, "WARNING"),
        "mfa_changes": (1, "WARNING"),
    }
    assert found["status"] == "NO_BREACH_INDICATED"


# --- All together


def everything() -> list[Row]:
    return [
        *at_home(),
        *abroad(times=1, address=EVE),
        operation("New-InboxRule", when=at(30, 60), address=EVE, parameters=FORWARDS),
        operation("New-InboxRule", when=at(3), parameters=SORTS),
        logon(when=at(3)),
        directory("Add member to role", when=at(3)),
        *everyday_mail(20),
        *[row for n in range(8) for row in redirected(15 + n / 2, n)],
        risk("high", "atRisk"),
        Row("risky_users", {"account": BOB, "risk_state": "atRisk", "user_id": "u1"}),
        Row("security_alerts", {"title": "Alert", "severity": "low"}),
        Row("mailbox_audit", {"operation": "HardDelete", "logon_type": "Owner", "mailbox_owner_upn": ANN}),
        Row("mfa_changes", {"activity": "User registered security info"}),
        *(Row(name, {}) for name in indicators.IN_FORCE),
    ]


def test_the_order_of_rows_never_matters_and_a_second_copy_changes_no_severity() -> None:
    found = [Bench().judge(everything(), home=HOME, shuffled=order)["indicators"] for order in (None, 1, 2)]
    assert found[0] == found[1] == found[2]
    twice = Bench().judge([*everything(), *everything()[2:5]], home=HOME)["indicators"]

    def weights(entries: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
        return {(one["log_type"], one["operation"]): one["severity"] for one in entries}

    assert weights(twice) == weights(found[0])


def test_every_log_that_has_a_verifier_is_judged_and_the_verifiers_that_ran_are_counted() -> None:
    with Bench().run(everything(), home=HOME) as run:
        assert indicators.verifiers_ran(run.con) == 0
        found = judged(run)
        assert indicators.verifiers_ran(run.con) == len(indicators.VERIFIERS)
    others = {name: row for name, row in found["by_log_type"].items() if "judged" in row}
    assert len(others) == 11
    assert all(row["judged"] for row in others.values())
    assert not any("not judged" in sentence for sentence in found["not_tested"])
    with Bench().run(at_home(), home=HOME) as run:
        judged(run)
        assert indicators.verifiers_ran(run.con) == len(indicators.CORE_LOGS)


COLUMNS = "file_id INTEGER, row_no BIGINT, event_time TIMESTAMP, event_time_raw TEXT"


@pytest.mark.parametrize(
    "log_type",
    [one.log_type for one in indicators.VERIFIERS if one.log_type not in indicators.CORE_LOGS],
)
def test_a_log_whose_formats_gave_it_few_columns_is_read_all_the_same(log_type: str) -> None:
    with Bench().run(at_home()) as run:
        run.con.execute(
            f"CREATE TABLE {log_type} ({COLUMNS}, activity TEXT, result TEXT, target_display_name TEXT, account TEXT)"
        )
        run.con.execute(f"INSERT INTO {log_type} VALUES (1, 1, '2026-01-05', 'x', NULL, NULL, NULL, NULL)")
        found = judged(run)
    assert found["by_log_type"][log_type]["judged"] is True
    assert all(one["severity"] != "CRITICAL" for one in found["indicators"])


def test_the_initial_domain_of_the_tenant_is_its_own_however_few_use_it() -> None:
    people = [row for n in range(25) for row in at_home(f"p{n}@contoso.example", [n])]
    first = sign_in("root@contoso.onmicrosoft.com", at(3))
    rule = operation("New-InboxRule", when=at(4), parameters=parameters(ForwardTo="root@contoso.onmicrosoft.com"))
    assert told(judge(people, first, rule), "New-InboxRule")["detail"] == {"forwards inside": 1}
