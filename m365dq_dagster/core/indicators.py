"""What an administrative operation points to, by its parameters and its actor: which of 1,562 mailbox settings matter.

Reading the parameters is `parameters`' job, counting rows an adapter's. Nothing here knows a sign-in: where the weight
of an operation depends on whether it followed a foreign success, both weights are told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.parameters import Parameters

INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL
RANK = {INFO: 0, WARNING: 1, CRITICAL: 2}

FAMILIES = {
    "privilege_escalation": "privilege",
    "defense_evasion": "evasion",
    "credential_access": "credential",
}
"""The types that the reference names at length, as the document names them."""

ROWS = "rows"
UNREAD = "parameters not in the export"
FAILED = "attempted and failed"


class Actor(StrEnum):
    """Who did it: a person, an application, the service itself, or nobody that the row names."""

    PERSON = "person"
    APPLICATION = "application"
    SYSTEM = "system"
    UNNAMED = "not named"


@dataclass(frozen=True)
class Known:
    """An operation of the reference: its type, its severity, its severity where nothing speaks against whoever did it,
    and its ATT&CK technique.
    """

    indicator: str
    severity: Severity
    ordinary: Severity
    mitre: str


@dataclass(frozen=True)
class Act:
    """One distinct way in which an operation was done. `parameters` is None where the export holds none; `domains` are
    the mail domains known to be the tenant's own.
    """

    operation: str
    parameters: Parameters | None
    actor: Actor
    account: str | None = None
    target: str | None = None
    failed: bool = False
    domains: frozenset[str] = frozenset()

    @property
    def own_domains(self) -> frozenset[str]:
        """The tenant's domains, that of the person who acts among them."""
        return self.domains | ({domain_of(self.account)} if self.account and "@" in self.account else set())


@dataclass(frozen=True)
class Reading:
    """What an act comes to: a label for the split of its rows, how grave it is by itself, and how grave where it
    follows a foreign success that nothing explains. Type and technique only where they differ from the operation's.
    """

    label: str
    severity: Severity
    after_foreign: Severity
    indicator: str | None = None
    mitre: str | None = None

    @property
    def rank(self) -> tuple[int, int]:
        """Greater is graver."""
        return RANK[self.severity], RANK[self.after_foreign]


Reader = Callable[[Act, Parameters], Iterable[Reading]]


def folded(operation: str) -> str:
    """An operation's name as it is compared: logs spell one name with and without a dot, with a dash of any length."""
    return " ".join(operation.replace("–", "-").replace("—", "-").lower().split()).rstrip(". ")


def domain_of(address: str) -> str:
    """The domain of a mail address, in small letters."""
    return address.rpartition("@")[2].strip(" >;,\"'").lower()


def judge_act(act: Act, known: Known) -> Reading:
    """The gravest thing that an act does. By the service itself nothing is grave; by an application, and where it
    failed, it is at most to be looked at.
    """
    found = _told(act, known)
    milder = WARNING if found.severity is CRITICAL else INFO
    if act.actor is Actor.SYSTEM:
        return replace(found, severity=INFO, after_foreign=INFO)
    if act.actor is Actor.APPLICATION:
        found = replace(found, severity=milder, after_foreign=milder)
    if act.failed:
        return Reading(FAILED, milder, milder, found.indicator, found.mitre)
    return found


def _told(act: Act, known: Known) -> Reading:
    name = folded(act.operation)
    reader = READERS.get(name)
    if reader is None:
        return Reading(ROWS, known.ordinary, known.severity)
    if act.parameters is None:
        weight = min(known.severity, UNREAD_AT_MOST.get(name, CRITICAL), key=RANK.__getitem__)
        return Reading(UNREAD, weight, weight)
    return max(reversed([*reader(act, act.parameters)]), key=lambda one: one.rank)


# --- Addresses


ADDRESS = re.compile(r"[\w.+'=-]+@[\w-]+(?:\.[\w-]+)+")


class Place(StrEnum):
    """Where a recipient is: in the tenant, outside, or a name that does not tell."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNKNOWN = "unknown"


def place_of(recipients: Iterable[str], act: Act) -> Place:
    """The place of recipients: outside as soon as one is."""
    addresses = [address for text in recipients for address in ADDRESS.findall(text)]
    if not addresses:
        return Place.UNKNOWN
    own = act.own_domains
    if not own:
        return Place.OUTSIDE
    return Place.INSIDE if all(domain_of(one) in own for one in addresses) else Place.OUTSIDE


# --- Inbox rules

FORWARDS = ("ForwardTo", "ForwardAsAttachmentTo", "RedirectTo")
SAID = ("SubjectContainsWords", "SubjectOrBodyContainsWords", "BodyContainsWords", "HeaderContainsWords")
LIMITS = (
    *SAID, "From", "FromAddressContainsWords", "SentTo", "ReceivedBeforeDate", "ReceivedAfterDate", "MyNameInToBox",
    "RecipientAddressContainsWords", "HasAttachment", "FlaggedForAction", "MessageTypeMatches", "WithImportance",
    "SentOnlyToMe", "MyNameInCcBox", "MyNameNotInToBox", "HasClassification", "WithinSizeRangeMinimum",
)  # fmt: skip
"""Conditions: a rule that has none of them takes every message."""

HIDING = re.compile(r"rss|conversation history|sync issues|deleted items|junk|archive|notes", re.I)
DEEP_HIDING = re.compile(r"rss|conversation history|sync issues", re.I)
TELLING = re.compile(
    r"invoice|payment|payroll|wire|bank|transfer|iban|swift|remit|deposit|purchase order|statement|phish|spam|hack|"
    r"scam|fraud|virus|malware|suspicious|security|password|mfa|helpdesk|it support|docusign|undeliver|mailer-daemon",
    re.I,
)
ODD_NAME = re.compile(r"[\W_]{0,6}|.{1,2}", re.DOTALL)


def _inbox_rule(act: Act, given: Parameters) -> Iterable[Reading]:
    """Rules of a cmdlet, and of a client, which writes its actions and conditions as texts."""
    yield Reading("sorts mail", INFO, INFO)
    if "remove" in given.first("RuleOperation").lower():
        yield Reading("removes a rule", INFO, WARNING)
        return
    actions = " ".join(given.words("RuleActions", "Actions")).lower()
    words = " ".join(given.words(*SAID, "RuleConditions", "RuleCondition"))
    name = given.first("Name", "RuleName")
    odd = bool(name) and ODD_NAME.fullmatch(name) is not None
    if odd:
        yield Reading("odd name", WARNING, CRITICAL)
    yield from _rule_forwards(act, given, actions)
    yield from _rule_hides(given, actions, grave=odd or TELLING.search(words) is not None)


def _rule_forwards(act: Act, given: Parameters, actions: str) -> Iterable[Reading]:
    recipients = given.words(*FORWARDS)
    sends_on = "forward" in actions or "redirect" in actions
    if not recipients and not sends_on:
        return
    place = place_of(recipients or (actions,), act)
    if place is Place.OUTSIDE:
        yield Reading("forwards outside", CRITICAL, CRITICAL, mitre="T1114.003")
    elif place is Place.INSIDE:
        yield Reading("forwards inside", WARNING, WARNING, mitre="T1114.003")
    else:
        yield Reading("forwards, to whom is not told", WARNING, CRITICAL, mitre="T1114.003")


def _rule_hides(given: Parameters, actions: str, *, grave: bool) -> Iterable[Reading]:
    deletes = given.is_true("DeleteMessage") or given.is_true("SoftDeleteMessage") or "delete" in actions
    everything = not given.words(*LIMITS, "RuleConditions", "RuleCondition", "Identity")
    folder = given.first("MoveToFolder") or (actions if "move" in actions else "")
    if deletes and everything:
        yield Reading("deletes every message", CRITICAL, CRITICAL)
    elif deletes and grave:
        yield Reading("deletes telling messages", CRITICAL, CRITICAL)
    elif deletes:
        yield Reading("deletes messages", WARNING, CRITICAL)
    if folder and HIDING.search(folder):
        yield from _hidden_in(folder, grave=grave, read=given.is_true("MarkAsRead") or "markasread" in actions)


def _hidden_in(folder: str, *, grave: bool, read: bool) -> Iterable[Reading]:
    deep = DEEP_HIDING.search(folder) is not None
    if grave and (deep or read):
        yield Reading("hides telling messages", CRITICAL, CRITICAL)
    elif deep or grave or read:
        yield Reading("moves to a folder nobody reads", WARNING, CRITICAL)
    else:
        yield Reading("moves to archive, junk or deleted items", INFO, WARNING)


# --- Mailbox settings and mail flow

NOT_TOUCHED = "no forwarding, delegation or auditing touched"


def _mailbox(act: Act, given: Parameters) -> Iterable[Reading]:
    yield Reading(NOT_TOUCHED, INFO, INFO)
    yield from _mailbox_forwards(act, given)
    if given.given("GrantSendOnBehalfTo"):
        yield (
            Reading("lets others send on behalf", WARNING, CRITICAL, "persistence", "T1098.002")
            if given.words("GrantSendOnBehalfTo")
            else Reading("takes a delegation back", INFO, INFO)
        )
    if given.given("AuditEnabled"):
        on = given.is_true("AuditEnabled")
        yield (
            Reading("switches auditing on", INFO, INFO)
            if on
            else Reading("switches auditing off", CRITICAL, CRITICAL, mitre="T1562.008")
        )
    if any(given.given(name) for name in ("AuditOwner", "AuditDelegate", "AuditAdmin")):
        yield Reading("changes what is audited", WARNING, WARNING, "evasion", "T1562.008")


def _mailbox_forwards(act: Act, given: Parameters) -> Iterable[Reading]:
    by_address, by_name = given.words("ForwardingSmtpAddress"), given.words("ForwardingAddress")
    place = place_of((*by_address, *by_name), act)
    if (by_address and place is not Place.INSIDE) or place is Place.OUTSIDE:
        yield Reading("forwards outside", CRITICAL, CRITICAL)
    elif place is Place.INSIDE:
        yield Reading("forwards inside", WARNING, WARNING)
    elif by_name:
        yield Reading("forwards to a name of the directory", WARNING, CRITICAL)
    elif given.given("ForwardingSmtpAddress") or given.given("ForwardingAddress"):
        yield Reading("ends a forwarding", INFO, INFO)
    elif given.given("DeliverToMailboxAndForward") and not given.is_false("DeliverToMailboxAndForward"):
        yield Reading("delivers and forwards", WARNING, CRITICAL)


COPIES = ("BlindCopyTo", "CopyTo", "RedirectMessageTo", "AddToRecipients", "AddManagerAsRecipientType")


def _transport_rule(act: Act, given: Parameters) -> Iterable[Reading]:
    yield Reading("no copy, redirection, deletion or bypass", INFO, INFO)
    recipients = given.words(*COPIES)
    if recipients:
        place = place_of(recipients, act)
        yield (
            Reading("copies or redirects outside", CRITICAL, CRITICAL)
            if place is Place.OUTSIDE
            else Reading("copies or redirects inside", WARNING, WARNING)
        )
    if given.is_true("DeleteMessage"):
        yield Reading("deletes messages", WARNING, CRITICAL, "evasion", "T1564.008")
    if given.first("SetSCL") == "-1" or given.is_true("BypassSpamFiltering"):
        yield Reading("lets mail past the filter", WARNING, WARNING, "evasion", "T1562.001")
    if given.words("RouteMessageOutboundConnector"):
        yield Reading("routes mail over a connector", WARNING, CRITICAL)


def _auto_forwarding(act: Act, given: Parameters) -> Iterable[Reading]:
    allowed = given.is_true("AutoForwardEnabled") or given.first("AutoForwardingMode").lower() == "on"
    yield Reading("other settings", INFO, INFO)
    if allowed:
        yield Reading("allows automatic forwarding", WARNING, CRITICAL)


# --- Permissions

GRANTEES = ("User", "Trustee", "Member", "Members", "Owner")
NO_RIGHTS = frozenset({"", "none", "availabilityonly", "limiteddetails", "freebusytimeonly"})


def _mailbox_permission(act: Act, given: Parameters) -> Iterable[Reading]:
    mailbox = f"{given.first('Identity')} {act.target or ''}".lower()
    if given.is_true("Deny") or "discoverysearchmailbox" in mailbox.replace(" ", ""):
        yield Reading("denies access, or a mailbox of the service", INFO, INFO)
        return
    yield Reading("lets another person in", WARNING, CRITICAL)
    grantee = given.first(*GRANTEES).lower()
    own = (act.account or "").lower()
    if own and grantee and (grantee == own or grantee == own.partition("@")[0]):
        yield Reading("lets the actor in", CRITICAL, CRITICAL)


def _folder_permission(act: Act, given: Parameters) -> Iterable[Reading]:
    yield Reading("shares a folder with one", INFO, WARNING)
    everybody = {word.lower() for word in given.words(*GRANTEES)} & {"default", "anonymous", "everyone"}
    rights = {word.strip(" {}").lower() for text in given.words("AccessRights") for word in text.split(",")}
    calendar = "calendar" in given.text or "calendar" in (act.target or "").lower()
    if everybody and not rights <= NO_RIGHTS and not (calendar and rights <= {"reviewer", *NO_RIGHTS}):
        yield Reading("opens a folder to everybody", WARNING, CRITICAL)


# --- Applications

GRAVE_SCOPES = (
    "mail.read", "mail.readwrite", "mail.send", "mailboxsettings.readwrite", "mail.readbasic.all", "files.read.all",
    "files.readwrite.all", "sites.read.all", "sites.readwrite.all", "sites.fullcontrol.all", "sites.manage.all",
    "full_access_as_app", "full_access_as_user", "directory.readwrite.all", "rolemanagement.readwrite.directory",
    "approleassignment.readwrite.all", "application.readwrite.all", "application.readwrite.ownedby",
    "user.readwrite.all", "groupmember.readwrite.all", "group.readwrite.all", "chat.read.all", "chat.readwrite.all",
    "exchange.manageasapp", "policy.readwrite.conditionalaccess",
    "userauthenticationmethod.readwrite.all", "domain.readwrite.all",
)  # fmt: skip
"""Permissions that read or send mail, read all files, or change the directory."""

NOTABLE_SCOPES = ("contacts.read", "ews.accessasuser.all", "eas.accessasuser.all", "imap.accessasuser.all",
                  "pop.accessasuser.all", "smtp.send", "files.readwrite", "files.read", "calendars.readwrite",
                  "notes.read", "chat.read", "user.read.all", "directory.read.all")  # fmt: skip
SCOPE = re.compile(r"[a-z]+(?:\.[a-z]+)+|full_access_as_\w+|offline_access|user_impersonation")


def scopes_in(given: Parameters) -> frozenset[str]:
    """The permissions that were set, in small letters; those that an arrow says were there before are left out."""
    values = (value.rpartition("=>")[2].lower() for words in given.new.values() for value in words)
    return frozenset(scope for value in values for scope in SCOPE.findall(value))


def _consent(act: Act, given: Parameters) -> Iterable[Reading]:
    yield Reading("consents to little", INFO, WARNING)
    scopes = scopes_in(given)
    for_all = "allprincipals" in given.text or given.is_true("ConsentContext.IsAdminConsent")
    if scopes & {*GRAVE_SCOPES}:
        lasting = for_all or "offline_access" in scopes
        yield Reading(
            "consents to mail, files or directory" + (" for everybody" if for_all else ""),
            CRITICAL if lasting else WARNING,
            CRITICAL,
        )
    elif scopes & {*NOTABLE_SCOPES}:
        yield Reading("consents to personal data", WARNING, CRITICAL if for_all else WARNING)
    elif not scopes:
        yield Reading("consents, to what is not told", WARNING, CRITICAL)


def _app_role(act: Act, given: Parameters) -> Iterable[Reading]:
    grave = scopes_in(given) & {*GRAVE_SCOPES}
    yield (
        Reading("gives an application mail, files or directory", CRITICAL, CRITICAL)
        if grave
        else Reading("gives an application a role", WARNING, WARNING)
    )


KEYS = ("KeyDescription",)


def _application_secret(act: Act, given: Parameters) -> Iterable[Reading]:
    yield from _secret(given, WARNING)


def _principal_secret(act: Act, given: Parameters) -> Iterable[Reading]:
    yield from _secret(given, CRITICAL)


def _secret(given: Parameters, weight: Severity) -> Iterable[Reading]:
    before = {word for name in KEYS for word in given.old.get(name.lower(), ())}
    after = set(given.words(*KEYS))
    if before and after < before:
        yield Reading("removes a secret or certificate", INFO, INFO)
    else:
        yield Reading("adds a secret or certificate", weight, CRITICAL)


# --- Roles, policies, federation

PRIVILEGED = (
    "global administrator", "company administrator", "tenantadmins", "privileged role administrator",
    "privileged authentication administrator", "application administrator", "cloud application administrator",
    "exchange administrator", "exchange service administrator", "hybrid identity administrator",
    "domain name administrator", "partner tier2 support", "conditional access administrator", "security administrator",
    "user administrator", "user account administrator", "authentication administrator", "intune administrator",
    "organization management", "applicationimpersonation", "ediscovery manager", "role management",
    "mailbox import export", "62e90394-69f5-4237-9190-012177145e10", "e8611ab8-c189-46e8-94e1-60213ab1f814",
)  # fmt: skip
"""Roles with which the tenant can be taken over or all mail be read; the ids are those of global administrator and
privileged role administrator.
"""
READING_ROLES = re.compile(r"reader|readers|viewer|view-only|message center", re.I)
ROLE_NAMES = ("Role.DisplayName", "Role.WellKnownObjectName", "Role.TemplateId", "Role", "Identity", "RoleName")


def _role(act: Act, given: Parameters) -> Iterable[Reading]:
    names = {word.lower() for word in given.words(*ROLE_NAMES)}
    if any(one == word or word in one for one in names for word in PRIVILEGED):
        yield Reading("gives a privileged role", CRITICAL, CRITICAL)
    elif names and all(READING_ROLES.search(one) for one in names):
        yield Reading("gives a role that only reads", INFO, WARNING)
    else:
        yield Reading("gives a role", WARNING, WARNING)


DISABLED = re.compile(r'\\*"state\\*"\s*:\s*\\*"(?:disabled|enabledforreportingbutnotenforced)|\'state\': \'disabled')
ENABLED = re.compile(r"\\*[\"']state\\*[\"']\s*:\s*\\*[\"']enabled\\*[\"']")


def _access_policy(act: Act, given: Parameters) -> Iterable[Reading]:
    yield Reading("changes an access policy", WARNING, WARNING)
    after = " ".join(word for words in given.new.values() for word in words).lower()
    before = " ".join(word for words in given.old.values() for word in words).lower()
    if DISABLED.search(after) and (not before or ENABLED.search(before)):
        yield Reading("switches an access policy off", CRITICAL, CRITICAL)


def _domain(act: Act, given: Parameters) -> Iterable[Reading]:
    federated = "federat" in given.text or "issueruri" in given.text
    yield (
        Reading("federates a domain", CRITICAL, CRITICAL)
        if federated
        else Reading("changes how a domain authenticates", WARNING, CRITICAL)
    )


def _audit_log_setting(act: Act, given: Parameters) -> Iterable[Reading]:
    yield Reading("auditing stays on", INFO, INFO)
    if given.is_false("UnifiedAuditLogIngestionEnabled") or given.is_false("AdminAuditLogEnabled"):
        yield Reading("switches auditing off", CRITICAL, CRITICAL)


def _audit_bypass(act: Act, given: Parameters) -> Iterable[Reading]:
    yield (
        Reading("ends a bypass of auditing", INFO, INFO)
        if given.is_false("AuditBypassEnabled")
        else Reading("an account is no longer audited", CRITICAL, CRITICAL)
    )


def _organisation(act: Act, given: Parameters) -> Iterable[Reading]:
    yield Reading("auditing stays on", INFO, INFO)
    if given.is_true("AuditDisabled"):
        yield Reading("switches auditing off", CRITICAL, CRITICAL)


READERS: Mapping[str, Reader] = {
    "new-inboxrule": _inbox_rule,
    "set-inboxrule": _inbox_rule,
    "updateinboxrules": _inbox_rule,
    "set-mailbox": _mailbox,
    "new-transportrule": _transport_rule,
    "set-transportrule": _transport_rule,
    "set-remotedomain": _auto_forwarding,
    "new-remotedomain": _auto_forwarding,
    "set-hostedoutboundspamfilterpolicy": _auto_forwarding,
    "add-mailboxpermission": _mailbox_permission,
    "add-recipientpermission": _mailbox_permission,
    "add-mailboxfolderpermission": _folder_permission,
    "set-mailboxfolderpermission": _folder_permission,
    "consent to application": _consent,
    "add oauth2permissiongrant": _consent,
    "add delegated permission grant": _consent,
    "add app role assignment to service principal": _app_role,
    "update application - certificates and secrets management": _application_secret,
    "add service principal credentials": _principal_secret,
    "add member to role": _role,
    "add eligible member to role": _role,
    "add-rolegroupmember": _role,
    "new-managementroleassignment": _role,
    "update policy": _access_policy,
    "update conditional access policy": _access_policy,
    "set domain authentication": _domain,
    "set federation settings on domain": _domain,
    "set-adminauditlogconfig": _audit_log_setting,
    "set-mailboxauditbypassassociation": _audit_bypass,
    "set-organizationconfig": _organisation,
}
"""What reads the parameters of an operation, by its folded name."""

UNREAD_AT_MOST = {"set-mailbox": WARNING, "set-organizationconfig": WARNING, "update policy": WARNING}
"""Operations that are mostly routine: where their parameters are not in the export, they are looked at and no more."""

TARGETED = frozenset(
    {"add-mailboxpermission", "add-recipientpermission", "add-mailboxfolderpermission", "set-mailboxfolderpermission"}
)
"""Operations that are also read by what they were done to."""

FAILURES = frozenset({"failure", "failed", "false", "fail"})
"""Words of a result that say that nothing came of it; any other word says nothing against it."""


def failed(result: str | None) -> bool:
    """Whether a result's word says that the operation failed."""
    return (result or "").strip().lower() in FAILURES
