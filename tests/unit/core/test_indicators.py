"""What operations come to, by their parameters and their actor."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.core.indicators import (
    FAILED,
    NOT_TOUCHED,
    RANK,
    READERS,
    UNREAD,
    Act,
    Actor,
    Known,
    failed,
    folded,
    judge_act,
)
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.parameters import read_parameters
from m365dq_dagster.stages.indicators import known_in

I, W, C = Severity.INFO, Severity.WARNING, Severity.CRITICAL  # noqa: E741
KNOWN = known_in(load_rule_pack().operations)
ANN = "ann@contoso.example"
OWN = frozenset({"contoso.example"})


def act(name: str, actor: Actor = Actor.PERSON, lost: bool = False, target: str | None = None, **given: Any) -> Act:
    pairs = [{"Name": key.replace("__", "."), "Value": value} for key, value in given.items()]
    return Act(name, read_parameters(json.dumps(pairs)), actor, ANN, target, lost, OWN)


RULE = "New-InboxRule"
ROLE = "Add member to role."
CASES: list[tuple[str, dict[str, Any], str, Severity, Severity]] = [
    (RULE, {"Name": "news", "From": "n@example.org", "MoveToFolder": "News"}, "sorts mail", I, I),
    (RULE, {"Name": "n", "MoveToFolder": "News"}, "odd name", W, C),
    (RULE, {"Name": "...", "From": "a@b.example", "MarkAsRead": "True"}, "odd name", W, C),
    (RULE, {"Name": "fw", "ForwardTo": "x@example.org"}, "forwards outside", C, C),
    (RULE, {"Name": "fwd", "RedirectTo": '"X" [SMTP:x@example.org]'}, "forwards outside", C, C),
    (RULE, {"Name": "fwd", "ForwardAsAttachmentTo": "bob@contoso.example"}, "forwards inside", W, W),
    (RULE, {"Name": "fwd", "ForwardTo": "Bob Example"}, "forwards, to whom is not told", W, C),
    (RULE, {"Name": "rule", "DeleteMessage": "True"}, "deletes every message", C, C),
    (RULE, {"Name": "rule", "DeleteMessage": "True", "From": "n@example.org"}, "deletes messages", W, C),
    (
        RULE,
        {"Name": "rule", "DeleteMessage": "True", "SubjectContainsWords": "invoice"},
        "deletes telling messages",
        C,
        C,
    ),
    (RULE, {"Name": "rule", "DeleteMessage": "True", "BodyContainsWords": "covid-19"}, "deletes messages", W, C),
    (
        RULE,
        {"Name": "rule", "DeleteMessage": "True", "SubjectContainsWords": "Newsletter"},
        "deletes messages",
        W,
        C,
    ),
    (RULE, {"Name": "rule", "DeleteMessage": "False", "From": "n@example.org"}, "sorts mail", I, I),
    (
        RULE,
        {
            "Name": "..",
            "SubjectOrBodyContainsWords": "invoice;payment",
            "MoveToFolder": "RSS Feeds",
            "MarkAsRead": "True",
        },
        "hides telling messages",
        C,
        C,
    ),
    (
        RULE,
        {"Name": "feeds", "From": "a@b.example", "MoveToFolder": "RSS Feeds"},
        "moves to a folder nobody reads",
        W,
        C,
    ),
    (
        RULE,
        {"Name": "old", "From": "a@b.example", "MoveToFolder": "Archive"},
        "moves to archive, junk or deleted items",
        I,
        W,
    ),
    (RULE, {"Name": "old", "MoveToFolder": "Archive", "MarkAsRead": "True"}, "moves to a folder nobody reads", W, C),
    ("Set-InboxRule", {"Identity": "news", "DeleteMessage": "True"}, "deletes messages", W, C),
    ("UpdateInboxRules", {"RuleOperation": "RemoveMailboxRule", "RuleName": "x"}, "removes a rule", I, W),
    (
        "UpdateInboxRules",
        {
            "RuleOperation": "AddMailboxRule",
            "RuleName": "fw",
            "RuleActions": '[{"ActionType":"Forward","To":"x@example.org"}]',
        },
        "forwards outside",
        C,
        C,
    ),
    (
        "UpdateInboxRules",
        {
            "RuleOperation": "AddMailboxRule",
            "RuleName": "old",
            "RuleActions": '[{"ActionType":"MoveToFolder RSS"},"MarkAsRead"]',
        },
        "moves to a folder nobody reads",
        W,
        C,
    ),
    ("Set-Mailbox", {"Languages": "en"}, NOT_TOUCHED, I, I),
    ("Set-Mailbox", {"ForwardingSmtpAddress": "smtp:x@example.org"}, "forwards outside", C, C),
    ("Set-Mailbox", {"ForwardingSmtpAddress": "smtp:bob@contoso.example"}, "forwards inside", W, W),
    ("Set-Mailbox", {"ForwardingSmtpAddress": ""}, "ends a forwarding", I, I),
    ("Set-Mailbox", {"ForwardingAddress": "Bob"}, "forwards to a name of the directory", W, C),
    ("Set-Mailbox", {"DeliverToMailboxAndForward": "True"}, "delivers and forwards", W, C),
    ("Set-Mailbox", {"DeliverToMailboxAndForward": "False"}, NOT_TOUCHED, I, I),
    ("Set-Mailbox", {"GrantSendOnBehalfTo": ["bob"]}, "lets others send on behalf", W, C),
    ("Set-Mailbox", {"GrantSendOnBehalfTo": None}, "takes a delegation back", I, I),
    ("Set-Mailbox", {"AuditEnabled": "True"}, "switches auditing on", I, I),
    ("Set-Mailbox", {"AuditEnabled": "False"}, "switches auditing off", C, C),
    ("Set-Mailbox", {"AuditOwner": "None"}, "changes what is audited", W, W),
    (
        "New-TransportRule",
        {"Name": "disclaimer", "ApplyHtmlDisclaimerText": "x"},
        "no copy, redirection, deletion or bypass",
        I,
        I,
    ),
    ("New-TransportRule", {"BlindCopyTo": "x@example.org"}, "copies or redirects outside", C, C),
    ("Set-TransportRule", {"RedirectMessageTo": "bob@contoso.example"}, "copies or redirects inside", W, W),
    ("New-TransportRule", {"DeleteMessage": "True"}, "deletes messages", W, C),
    ("New-TransportRule", {"SetSCL": "-1"}, "lets mail past the filter", W, W),
    ("New-TransportRule", {"RouteMessageOutboundConnector": "out"}, "routes mail over a connector", W, C),
    ("Set-RemoteDomain", {"AutoForwardEnabled": "True"}, "allows automatic forwarding", W, C),
    ("Set-HostedOutboundSpamFilterPolicy", {"AutoForwardingMode": "Off"}, "other settings", I, I),
    ("Add-MailboxPermission", {"User": "bob", "AccessRights": "FullAccess"}, "lets another person in", W, C),
    (
        "Add-MailboxPermission",
        {"User": ANN, "Identity": "ceo", "AccessRights": "FullAccess"},
        "lets the actor in",
        C,
        C,
    ),
    ("Add-RecipientPermission", {"Trustee": "ANN", "AccessRights": "SendAs"}, "lets the actor in", C, C),
    ("Add-MailboxPermission", {"User": "x", "Deny": "True"}, "denies access, or a mailbox of the service", I, I),
    ("Add-MailboxFolderPermission", {"User": "bob", "AccessRights": "Editor"}, "shares a folder with one", I, W),
    (
        "Add-MailboxFolderPermission",
        {"Identity": "ann:\\Inbox", "User": "Default", "AccessRights": "Reviewer"},
        "opens a folder to everybody",
        W,
        C,
    ),
    (
        "Set-MailboxFolderPermission",
        {"Identity": "ann:\\Calendar", "User": "Default", "AccessRights": "Reviewer"},
        "shares a folder with one",
        I,
        W,
    ),
    ("Consent to application.", {"ConsentAction__Permissions": "Scope: User.Read openid"}, "consents to little", I, W),
    (
        "Consent to application.",
        {"ConsentAction__Permissions": "ConsentType: Principal, Scope: Mail.Read offline_access"},
        "consents to mail, files or directory",
        C,
        C,
    ),
    ("Add OAuth2PermissionGrant.", {"Scope": "Mail.Read"}, "consents to mail, files or directory", W, C),
    (
        "Add delegated permission grant.",
        {"DelegatedPermissionGrant__Scope": "Mail.Read", "DelegatedPermissionGrant__ConsentType": "AllPrincipals"},
        "consents to mail, files or directory for everybody",
        C,
        C,
    ),
    ("Consent to application.", {"Scope": "EWS.AccessAsUser.All offline_access"}, "consents to personal data", W, W),
    ("Consent to application.", {"ConsentContext__OnBehalfOfAll": "False"}, "consents, to what is not told", W, C),
    (
        "Add app role assignment to service principal.",
        {"AppRole__Value": "Mail.ReadWrite"},
        "gives an application mail, files or directory",
        C,
        C,
    ),
    (
        "Add app role assignment to service principal.",
        {"AppRole__Value": "User.Read"},
        "gives an application a role",
        W,
        W,
    ),
    (
        "Add service principal credentials.",
        {"KeyDescription": "[KeyType=Password]"},
        "adds a secret or certificate",
        C,
        C,
    ),
    (
        "Update application – Certificates and secrets management ",
        {"KeyDescription": "[KeyType=Password]"},
        "adds a secret or certificate",
        W,
        C,
    ),
    (ROLE, {"Role__DisplayName": "Global Administrator"}, "gives a privileged role", C, C),
    (ROLE, {"Role__WellKnownObjectName": "TenantAdmins"}, "gives a privileged role", C, C),
    (ROLE, {"Role__TemplateId": "62e90394-69f5-4237-9190-012177145e10"}, "gives a privileged role", C, C),
    (ROLE, {"Role__DisplayName": "Directory Readers"}, "gives a role that only reads", I, W),
    (ROLE, {"Role__DisplayName": "License Administrator"}, "gives a role", W, W),
    (
        "New-ManagementRoleAssignment",
        {"Role": "ApplicationImpersonation", "User": "svc"},
        "gives a privileged role",
        C,
        C,
    ),
    ("Update policy.", {"PolicyDetail": "lifetime"}, "changes an access policy", W, W),
    (
        "Update conditional access policy",
        {"ConditionalAccessPolicy": '{"state":"disabled"}'},
        "switches an access policy off",
        C,
        C,
    ),
    ("Set domain authentication.", {"LiveType": "Federated"}, "federates a domain", C, C),
    ("Set domain authentication.", {"LiveType": "Managed"}, "changes how a domain authenticates", W, C),
    ("Set-AdminAuditLogConfig", {"UnifiedAuditLogIngestionEnabled": "False"}, "switches auditing off", C, C),
    ("Set-AdminAuditLogConfig", {"AdminAuditLogEnabled": "True"}, "auditing stays on", I, I),
    ("Set-MailboxAuditBypassAssociation", {"AuditBypassEnabled": "True"}, "an account is no longer audited", C, C),
    ("Set-MailboxAuditBypassAssociation", {"AuditBypassEnabled": "False"}, "ends a bypass of auditing", I, I),
    ("Set-OrganizationConfig", {"AuditDisabled": "True"}, "switches auditing off", C, C),
    ("Set-OrganizationConfig", {"AuditDisabled": "False"}, "auditing stays on", I, I),
]


@pytest.mark.parametrize(("name", "given", "label", "alone", "after"), CASES, ids=[f"{c[0]}: {c[2]}" for c in CASES])
def test_the_parameters_decide(name: str, given: dict[str, Any], label: str, alone: Severity, after: Severity) -> None:
    found = judge_act(act(name, **given), KNOWN[folded(name)])
    assert (found.label, found.severity, found.after_foreign) == (label, alone, after)


@pytest.mark.parametrize(("name", "given", "label", "alone", "after"), CASES, ids=[f"{c[0]}: {c[2]}" for c in CASES])
def test_by_the_service_nothing_is_grave_and_by_an_application_nothing_is_critical(
    name: str, given: dict[str, Any], label: str, alone: Severity, after: Severity
) -> None:
    known = KNOWN[folded(name)]
    by_service = judge_act(act(name, Actor.SYSTEM, **given), known)
    assert (by_service.label, by_service.severity, by_service.after_foreign) == (label, I, I)
    assert judge_act(act(name, Actor.APPLICATION, **given), known).severity is (W if alone is C else I)
    assert judge_act(act(name, Actor.UNNAMED, **given), known).severity is alone


def test_every_operation_that_is_read_is_in_the_reference() -> None:
    assert set(READERS) <= set(KNOWN)


def test_what_is_ordinary_is_never_graver_than_what_is_not() -> None:
    assert [name for name, one in KNOWN.items() if RANK[one.ordinary] > RANK[one.severity]] == []


def test_every_reading_of_a_technique_has_the_form_of_one() -> None:
    told = {one.mitre for one in KNOWN.values()} | {
        found.mitre for name, given, *_ in CASES if (found := judge_act(act(name, **given), KNOWN[folded(name)])).mitre
    }
    assert all(re.fullmatch(r"(T\d{4}(\.\d{3})?)?", one or "") for one in told)


@pytest.mark.parametrize(
    ("name", "weight"), [(RULE, C), ("Consent to application.", C), ("Set-Mailbox", W), ("Update policy.", W)]
)
def test_without_parameters_the_reference_stands_and_routine_is_only_looked_at(name: str, weight: Severity) -> None:
    found = judge_act(Act(name, None, Actor.PERSON, ANN), KNOWN[folded(name)])
    assert (found.label, found.severity, found.after_foreign) == (UNREAD, weight, weight)


def test_an_ordinary_operation_is_grave_only_after_a_foreign_success() -> None:
    found = judge_act(
        Act("User registered security info", None, Actor.PERSON, ANN), KNOWN["user registered security info"]
    )
    assert (found.severity, found.after_foreign) == (W, C)


def test_a_failed_attempt_is_looked_at_and_counted_apart() -> None:
    grave = judge_act(act(ROLE, lost=True, Role__DisplayName="Global Administrator"), KNOWN[folded(ROLE)])
    small = judge_act(act(ROLE, lost=True, Role__DisplayName="License Administrator"), KNOWN[folded(ROLE)])
    assert [(one.label, one.severity) for one in (grave, small)] == [(FAILED, W), (FAILED, I)]


@pytest.mark.parametrize(
    ("word", "lost"),
    [("failure", True), ("False", True), ("Failed", True), ("success", False), (None, False), ("timeout", False)],
)
def test_only_a_word_for_failure_says_that_nothing_came_of_it(word: str | None, lost: bool) -> None:
    assert failed(word) is lost


def test_a_removed_secret_is_told_from_an_added_one() -> None:
    def changed(old: list[str], new: list[str]) -> str:
        text = json.dumps([{"displayName": "KeyDescription", "oldValue": json.dumps(old), "newValue": json.dumps(new)}])
        return judge_act(
            Act("Add service principal credentials", read_parameters(text), Actor.PERSON),
            KNOWN["add service principal credentials"],
        ).label

    assert (changed(["a", "b"], ["a"]), changed(["a"], ["a", "b"])) == (
        "removes a secret or certificate",
        "adds a secret or certificate",
    )


def test_a_policy_that_was_off_before_is_not_switched_off_again() -> None:
    text = json.dumps(
        [
            {
                "displayName": "ConditionalAccessPolicy",
                "oldValue": '{"state":"disabled"}',
                "newValue": '{"state":"disabled"}',
            }
        ]
    )
    found = judge_act(Act("x", read_parameters(text), Actor.PERSON), Known("evasion", C, C, "T1556.009"))
    assert found.label == "rows"
    found = judge_act(
        Act("Update conditional access policy", read_parameters(text), Actor.PERSON),
        KNOWN["update conditional access policy"],
    )
    assert (found.label, found.severity) == ("changes an access policy", W)


def test_where_no_domain_is_known_an_address_counts_as_outside() -> None:
    text = '[{"Name":"ForwardTo","Value":"x@example.org"}]'
    found = judge_act(Act(RULE, read_parameters(text), Actor.PERSON), KNOWN["new-inboxrule"])
    assert found.label == "forwards outside"


@given(st.lists(st.tuples(st.sampled_from(sorted(READERS)), st.text(max_size=40)), max_size=3), st.text(max_size=80))
def test_any_text_gives_a_reading_that_is_no_graver_alone_than_after_a_foreign_success(
    pairs: list[tuple[str, str]], text: str
) -> None:
    parameters = read_parameters(json.dumps([{"Name": name, "Value": value} for name, value in pairs]), text)
    for name in READERS:
        found = judge_act(Act(name, parameters, Actor.PERSON, ANN, None, False, OWN), KNOWN[name])
        assert found.label
        assert RANK[found.severity] <= RANK[found.after_foreign]
