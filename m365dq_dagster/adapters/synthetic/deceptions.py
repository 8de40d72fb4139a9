"""What is done with a mailbox, as the audit log tells it: rules, forwarding, applications with consent.

Intruders do it to deceive, owners to tidy up. How somebody signed in belongs to ``intrusions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from .auditing import mail_read
from .draws import Draws
from .events import AuditRecord, SignIn, sign_in
from .geography import RENTED, elsewhere
from .intrusions import campaign, crew, surroundings
from .networks import Spot
from .story import Setting, Story
from .tenant import DOMAIN, TENANT_ID, App, Person
from .vocabulary import Deed
from .workplaces import Workplace, came_in, concluded, found, ordinary_records, steps_before, weeks

GRAPH = "00000003-0000-0000-c000-000000000000"
SCOPES = "openid profile offline_access User.Read Mail.Read Mail.Send Contacts.Read"
LURES = ("eDoc Viewer", "Secure Document Share", "Mail Upgrade", "Invoice Connect", "HR Payslips")
RULE_NAMES = (".", "..", "a", "zz", "rss")
HIDEOUTS = ("RSS Feeds", "RSS Subscriptions", "Conversation History", "Archive")
WORDS = "invoice;payment;bank;wire;iban"


def mail_fraud(setting: Setting) -> Story:
    """One or two mailboxes taken over from abroad: mail is read, a rule hides the answers, copies go outside."""
    work = found(setting.draws)
    draws = work.draws
    victims = draws.some(work.people, 1 + draws.below(2))
    band = crew(work, setting, 1)
    rows = surroundings(work, victims)
    audit: list[AuditRecord] = []
    for victim in victims:
        first = work.middle()
        stolen = campaign(work, victim, band, first=first, days=2 + draws.below(4), a_day=2)
        audit += _fraud(draws, sorted(filter(came_in, stolen), key=lambda row: row.time))
        rows += stolen
    named = ", ".join(sorted(victim.account for victim in victims))
    why = f"Somebody in {band.named} took over {named}, hid the answers with an inbox rule and forwarded the mail."
    return concluded(work, rows, why, audit=audit + ordinary_records(work, rows, 150 + draws.below(250)))


def _fraud(draws: Draws, stolen: Sequence[SignIn]) -> list[AuditRecord]:
    """In the order of such cases: reading, then the rule, then forwarding, then more reading."""
    entry = stolen[0]
    records = [_rule(draws, entry, entry.time + timedelta(minutes=6 + draws.below(20)))]
    if draws.share() < 0.7:
        records.append(_forwarding(draws, entry, entry.time + timedelta(minutes=30 + draws.below(60))))
    for row in stolen:
        for sync in (True, False) if draws.share() < 0.3 else (False,):
            time = row.time + timedelta(minutes=2 + draws.below(9))
            records.append(mail_read(draws, time, row.person, row.address, sync=sync, session=row.session))
    return records


def _admin_record(
    draws: Draws, row: SignIn, time: datetime, operation: str, subject: str, parameters: dict[str, str]
) -> AuditRecord:
    details: dict[str, object] = {
        "ResultStatus": "True",
        "ClientIP": f"{row.address}:{1024 + draws.below(60000)}",
        "ObjectId": subject,
        "ExternalAccess": False,
        "OrganizationName": DOMAIN,
        "Parameters": [{"Name": name, "Value": value} for name, value in parameters.items()],
        "SessionId": row.session,
    }
    person = row.person
    return AuditRecord(time, 1, operation, person.account, person.user_id, 0, "Exchange", draws.guid(), details, None)


def _rule(draws: Draws, row: SignIn, time: datetime) -> AuditRecord:
    name = draws.one(RULE_NAMES)
    parameters = {
        "AlwaysDeleteOutlookRulesBlob": "False",
        "Name": name,
        "SubjectOrBodyContainsWords": WORDS,
        "MoveToFolder": draws.one(HIDEOUTS),
        "MarkAsRead": "True",
        "StopProcessingRules": "True",
    }
    return _admin_record(draws, row, time, "New-InboxRule", f"{row.person.account}\\{name}", parameters)


def _forwarding(draws: Draws, row: SignIn, time: datetime) -> AuditRecord:
    parameters = {
        "Identity": row.person.account,
        "ForwardingSmtpAddress": f"smtp:archive{draws.below(900)}@mailbox.example",
        "DeliverToMailboxAndForward": "True",
    }
    return _admin_record(draws, row, time, "Set-Mailbox", row.person.account, parameters)


def consent_phishing(setting: Setting) -> Story:
    """The owner is talked into consenting to an application, which then reads the mailbox from a rented server. Every
    sign-in is the owner's own; the audit log holds the consent and the reading."""
    return _consented(found(setting.draws), audited=True)


def consent_unseen(setting: Setting) -> Story:
    """The same deceit where only sign-ins were exported: nothing in them is somebody else's."""
    return _consented(found(setting.draws), audited=False)


def _consented(work: Workplace, *, audited: bool) -> Story:
    draws = work.draws
    victims = draws.some(work.people, 1 + draws.below(2))
    land = elsewhere(draws, RENTED, 1, work.land.code)[0]
    spot = work.numbering.network(draws.one(land.cities)).spot(draws)
    lure = App(draws.one(LURES), draws.guid(), "Microsoft Graph", GRAPH, "Browser")
    rows, audit = weeks(work), list[AuditRecord]()
    for victim in victims:
        granted = _lured(work, victim, lure)
        rows += granted
        audit += _consent_records(draws, granted[-1], lure) + _readings(work, granted[-1], lure, spot)
    audit += ordinary_records(work, rows, 150 + draws.below(250))
    named = tuple(sorted(victim.account for victim in victims))
    why = f"The owners of {', '.join(named)} consented to '{lure.name}', which read their mail from {land.code}."
    return concluded(work, rows, why, audit=audit if audited else (), entered=named, visible=audited)


def _lured(work: Workplace, victim: Person, lure: App) -> list[SignIn]:
    """The owner, at home: the page that asks for consent, then the entry to the application."""
    time = work.minute_at(work.land, work.middle(), 540 + work.draws.below(420))
    entry = sign_in(work.draws, time, victim, lure, policies=work.policies())
    return [*steps_before(work.draws, entry, [Deed.ASKED_FOR_CONSENT]), entry]


def _consent_records(
    draws: Draws, row: SignIn, lure: App, *, scopes: str = SCOPES, admin: bool = False
) -> list[AuditRecord]:
    """Three records of one second: the application appears, the permission is granted, the consent is given."""
    kind = "AllPrincipals" if admin else "Principal"
    granted = f"[] => [[Id: {draws.guid()}, PrincipalId: {row.person.user_id}, ConsentType: {kind}, Scope: {scopes}]]"
    changes = {
        "Add service principal.": [],
        "Add delegated permission grant.": [{"Name": "DelegatedPermissionGrant.Scope", "NewValue": scopes}],
        "Consent to application.": [
            {"Name": "ConsentContext.IsAdminConsent", "NewValue": str(admin), "OldValue": ""},
            {"Name": "ConsentAction.Permissions", "NewValue": granted, "OldValue": ""},
        ],
    }
    return [_directory_record(draws, row, lure, operation, changed) for operation, changed in changes.items()]


def _directory_record(
    draws: Draws, row: SignIn, lure: App, operation: str, changed: list[dict[str, str]]
) -> AuditRecord:
    person = row.person
    details: dict[str, object] = {
        "ResultStatus": "Success",
        "ObjectId": lure.app_id,
        "AzureActiveDirectoryEventType": 1,
        "ExtendedProperties": [{"Name": "additionalDetails", "Value": f'{{"AppId":"{lure.app_id}"}}'}],
        "ModifiedProperties": changed,
        "Actor": [{"ID": person.account, "Type": 5}, {"ID": person.user_id, "Type": 2}],
        "ActorContextId": TENANT_ID,
        "InterSystemsId": row.correlation,
        "Target": [{"ID": lure.name, "Type": 1}, {"ID": lure.app_id, "Type": 2}],
        "TargetContextId": TENANT_ID,
    }
    return AuditRecord(
        row.time, 8, operation, person.account, person.user_id, 0, "AzureActiveDirectory", draws.guid(), details, None
    )


def _readings(work: Workplace, row: SignIn, lure: App, spot: Spot) -> list[AuditRecord]:
    """The application reads mail for days, at all hours."""
    draws = work.draws
    records = []
    for _ in range(8 + draws.below(25)):
        time = row.time + timedelta(minutes=5 + draws.below(6000))
        record = mail_read(draws, time, row.person, spot.address, sync=False, session=row.session)
        told = dict(record.details) | {"AppId": lure.app_id, "ClientAppId": lure.app_id}
        told["ClientInfoString"] = "Client=REST;Client=RESTSystem;;"
        records.append(record._replace(details=told))
    return records


def own_rules(setting: Setting) -> Story:
    """Owners tidy their mailboxes at home: rules that file or delete newsletters, forwarding to a colleague, and
    applications with the administrator's consent."""
    work = found(setting.draws)
    draws, rows = work.draws, weeks(work)
    entries = [row for row in rows if row.interactive and came_in(row)]
    audit = ordinary_records(work, rows, 150 + draws.below(250))
    for entry in draws.some(entries, 4 + draws.below(10)):
        audit.append(_tidied(work, entry))
    tool = App(
        draws.one(("Room Planner", "Time Sheets", "Survey Desk")), draws.guid(), "Microsoft Graph", GRAPH, "Browser"
    )
    audit += _consent_records(draws, draws.one(entries), tool, scopes="openid profile User.Read", admin=True)
    return concluded(
        work, rows, "Owners at home made rules and forwarding for themselves; nobody else was in.", audit=audit
    )


def _tidied(work: Workplace, entry: SignIn) -> AuditRecord:
    draws = work.draws
    time, account = entry.time + timedelta(minutes=3 + draws.below(30)), entry.person.account
    if draws.share() < 0.25:
        forwarding = {
            "Identity": account,
            "ForwardingSmtpAddress": f"smtp:{draws.one(work.people).account}",
            "DeliverToMailboxAndForward": "True",
        }
        return _admin_record(draws, entry, time, "Set-Mailbox", account, forwarding)
    name = draws.one(("Newsletters", "Team site", "Tickets", "Travel", "Customers"))
    act = {"DeleteMessage": "True"} if draws.share() < 0.2 else {"MoveToFolder": name}
    rule = {"Name": name, "SubjectContainsWords": draws.one(("newsletter", "ticket", "booking")), **act}
    return _admin_record(draws, entry, time, "New-InboxRule", f"{account}\\{name}", rule)
