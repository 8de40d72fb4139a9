"""What the unified audit log holds of a story: logons, mailbox and file work, and the attacker's reading of mail.

Here belong the records and their payloads; how they are laid out in a file belongs to ``audit_writers``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from .calendars import USUAL, Calendar
from .draws import Draws
from .events import AuditRecord, SignIn
from .homelife import local, working_days
from .tenant import DOMAIN, TENANT_ID, Person
from .vocabulary import WORDING, Deed

SYSTEM_ACCOUNT = "NT AUTHORITY\\SYSTEM (Microsoft.Exchange.Servicehost)"

SYNC_BY_ATTACKER = 3
BIND_BY_ATTACKER = 14
SYNC_BY_OWNERS = 24
"""Records of mail access: 8 x 3 + 8 x 14 + 24 = 160."""
RULES_BY_ATTACKER = 2

LOGON_RECORD = 15


def _domain(person: Person) -> str:
    return person.account.partition("@")[2]


def _site(person: Person) -> str:
    return f"https://{_domain(person)}/sites/projects/Shared Documents/"


class Routine(NamedTuple):
    """One ordinary operation: how it is recorded and how often it happens."""

    operation: str
    record_type: int
    workload: str
    result: str | None
    weight: float


ROUTINES = (
    Routine("FileAccessed", 6, "SharePoint", None, 0.34),
    Routine("FileModified", 6, "SharePoint", None, 0.12),
    Routine("FilePreviewed", 6, "OneDrive", None, 0.08),
    Routine("FileUploaded", 6, "OneDrive", None, 0.05),
    Routine("PageViewed", 4, "SharePoint", None, 0.09),
    Routine("Create", 2, "Exchange", "Succeeded", 0.08),
    Routine("Update", 2, "Exchange", "Succeeded", 0.07),
    Routine("MoveToDeletedItems", 3, "Exchange", "Succeeded", 0.07),
    Routine("Move", 3, "Exchange", "PartiallySucceeded", 0.01),
    Routine("TeamsSessionStarted", 25, "MicrosoftTeams", None, 0.09),
)
"""The weights sum to 1."""


def logon(draws: Draws, event: SignIn) -> AuditRecord:
    """The audit log's record of an interactive sign-in.

    ``ResultStatus`` speaks of the HTTP exchange and says Success on two thirds of the failed logons too; the operation
    and the error number tell. A keep-me-signed-in page is logged as a logon.
    """
    words = WORDING[event.deed]
    came_in = event.deed in (Deed.SIGNED_IN, Deed.ASKED_TO_STAY_SIGNED_IN)
    exchange = "Success" if came_in or draws.share() < 0.67 else "Failed"
    details: dict[str, object] = {
        "ResultStatus": exchange,
        "ClientIP": event.address,
        "ObjectId": event.app.resource_id,
        "AzureActiveDirectoryEventType": 1,
        "ExtendedProperties": [
            {"Name": "ResultStatusDetail", "Value": "Success" if exchange == "Success" else "UserError"},
            {"Name": "UserAgent", "Value": event.device.agent},
            {"Name": "RequestType", "Value": "OAuth2:Authorize" if came_in else "Login:login"},
        ],
        "ModifiedProperties": [],
        "Actor": [{"ID": event.person.user_id, "Type": 0}, {"ID": event.person.account, "Type": 5}],
        "ActorContextId": TENANT_ID,
        "ActorIpAddress": event.address,
        "InterSystemsId": event.correlation,
        "IntraSystemId": event.request,
        "SupportTicketId": "",
        "Target": [{"ID": event.app.resource_id, "Type": 0}],
        "TargetContextId": TENANT_ID,
        "ApplicationId": event.app.app_id,
        "DeviceProperties": [
            {"Name": "OS", "Value": event.device.system},
            {"Name": "BrowserType", "Value": event.device.browser.partition(" ")[0]},
            {"Name": "SessionId", "Value": event.session},
        ],
        "ErrorNumber": str(words.code),
    }
    if not came_in:
        details["LogonError"] = words.symbol
    return AuditRecord(
        event.time,
        LOGON_RECORD,
        "UserLoggedIn" if came_in else "UserLoginFailed",
        event.person.account,
        event.person.user_id,
        0,
        "AzureActiveDirectory",
        draws.guid(),
        details,
        words.outcome,
    )


def logons(draws: Draws, events: Iterable[SignIn]) -> list[AuditRecord]:
    """One record for each interactive sign-in."""
    return [logon(draws, event) for event in events if event.interactive]


def routine(draws: Draws, time: datetime, person: Person) -> AuditRecord:
    """One ordinary operation of a person at home."""
    kind = _weighted(draws.share())
    document = f"{_site(person)}{draws.one(('plan', 'minutes', 'budget', 'roster'))}-{draws.below(400):03d}.docx"
    details: dict[str, object] = {"ClientIP": _with_port(draws, person), "ObjectId": document}
    if kind.workload == "Exchange":
        details = _mailbox(person, person.address, "Client=OWA;Action=ViaProxy") | {"ResultStatus": kind.result}
    return _record(draws, time, kind.record_type, kind.operation, person, kind.workload, details)


def _weighted(share: float) -> Routine:
    for kind in ROUTINES[:-1]:
        share -= kind.weight
        if share < 0:
            return kind
    return ROUTINES[-1]


def _with_port(draws: Draws, person: Person) -> str:
    """Clients appear as an address, an address with a port, or a bracketed IPv6 address with a port."""
    turn = draws.below(10)
    if turn == 0:
        return f"{person.address}:{1024 + draws.below(60000)}"
    if turn == 1:
        return f"[{person.mobile_address}]:{1024 + draws.below(60000)}"
    return person.address


def _mailbox(person: Person, address: str, client: str) -> dict[str, object]:
    return {
        "ResultStatus": "Succeeded",
        "ClientIPAddress": address,
        "ClientInfoString": client,
        "ExternalAccess": False,
        "InternalLogonType": 0,
        "LogonType": 0,
        "LogonUserSid": "S-1-5-21-1-2-3-1000",
        "MailboxGuid": person.user_id,
        "MailboxOwnerUPN": person.account,
        "OrganizationName": _domain(person),
        "OriginatingServer": "SYP01 (15.20.7025.01)",
    }


def _record(
    draws: Draws,
    time: datetime,
    record_type: int,
    operation: str,
    person: Person,
    workload: str,
    details: dict[str, object],
) -> AuditRecord:
    return AuditRecord(
        time,
        record_type,
        operation,
        person.account,
        person.user_id,
        0,
        workload,
        draws.guid(),
        details,
        None,
    )


def mail_read(draws: Draws, time: datetime, person: Person, address: str, *, sync: bool, session: str) -> AuditRecord:
    """One MailItemsAccessed record: Sync is a whole folder (record type 2), Bind lists messages (record type 50)."""
    client = "Client=MSExchangeRPC" if sync else "Client=OWA;Action=ViaProxy"
    details = _mailbox(person, address, client) | {
        "OperationProperties": [
            {"Name": "MailAccessType", "Value": "Sync" if sync else "Bind"},
            {"Name": "IsThrottled", "Value": "False"},
        ],
        "SessionId": session,
        "OperationCount": 1,
    }
    if sync:
        details["Item"] = {"Id": draws.guid(), "ParentFolder": {"Path": "\\Inbox", "Name": "Inbox"}}
    else:
        message = {"InternetMessageId": f"<{draws.guid()}@{_domain(person)}>", "SizeInBytes": 1000 + draws.below(90000)}
        details["Folders"] = [{"FolderItems": [message], "Id": draws.guid(), "Path": "\\Inbox"}]
    return _record(draws, time, 2 if sync else 50, "MailItemsAccessed", person, "Exchange", details)


def mail_theft(draws: Draws, takeovers: Sequence[SignIn], owners: Sequence[Person]) -> list[AuditRecord]:
    """All 160 records of mail access: the attacker's, minutes after a sign-in from its address, and the owners'."""
    rows: list[AuditRecord] = []
    for victim_rows in _by_account(takeovers):
        for number in range(SYNC_BY_ATTACKER + BIND_BY_ATTACKER):
            entry = victim_rows[number % len(victim_rows)]
            time = entry.time + timedelta(minutes=2 + draws.below(6), seconds=draws.below(60))
            sync = number < SYNC_BY_ATTACKER
            rows.append(mail_read(draws, time, entry.person, entry.address, sync=sync, session=entry.session))
    days = working_days()
    for number in range(SYNC_BY_OWNERS):
        owner = owners[number % len(owners)]
        time = local(draws.one(days), 600 + draws.below(400), draws.below(60))
        rows.append(mail_read(draws, time, owner, owner.address, sync=True, session=draws.guid()))
    return rows


def _by_account(takeovers: Iterable[SignIn]) -> list[list[SignIn]]:
    grouped: dict[str, list[SignIn]] = {}
    for event in takeovers:
        grouped.setdefault(event.person.account, []).append(event)
    return list(grouped.values())


def hiding_rules(draws: Draws, takeovers: Sequence[SignIn]) -> list[AuditRecord]:
    """Two of the victims get an inbox rule that hides replies, made from the attacker's address."""
    return [
        _record(
            draws,
            rows[1].time + timedelta(minutes=4),
            1,
            "New-InboxRule",
            rows[1].person,
            "Exchange",
            {
                "ResultStatus": "True",
                "ClientIP": f"{rows[1].address}:{1024 + draws.below(60000)}",
                "ObjectId": f"{rows[1].person.account}\\..",
                "ExternalAccess": False,
                "Parameters": [
                    {"Name": "Name", "Value": ".."},
                    {"Name": "SubjectOrBodyContainsWords", "Value": "invoice;payment;phish"},
                    {"Name": "MoveToFolder", "Value": "RSS Feeds"},
                    {"Name": "MarkAsRead", "Value": "True"},
                ],
            },
        )
        for rows in _by_account(takeovers)[:RULES_BY_ATTACKER]
    ]


def housekeeping(draws: Draws, number: int, *, calendar: Calendar = USUAL, domain: str = DOMAIN) -> AuditRecord:
    """The mail system's own maintenance of a mailbox: an admin operation by no person."""
    return AuditRecord(
        calendar.local(1 + number % (calendar.days - 1), 100 + draws.below(60), draws.below(60)),
        1,
        "Set-Mailbox",
        SYSTEM_ACCOUNT,
        SYSTEM_ACCOUNT,
        3,
        "Exchange",
        draws.guid(),
        {
            "ResultStatus": "True",
            "ObjectId": f"{domain}/mailbox-{draws.below(90):03d}",
            "ExternalAccess": True,
            "Parameters": [{"Name": "RecipientLimits", "Value": "500"}],
        },
        None,
    )


def everyday_records(
    draws: Draws, people: Sequence[Person], count: int, *, calendar: Calendar = USUAL, domain: str = DOMAIN
) -> list[AuditRecord]:
    """``count`` ordinary records: one in forty by the system, the rest by people on working days."""
    days = calendar.working_days()
    return [
        housekeeping(draws, number, calendar=calendar, domain=domain)
        if number % 40 == 0
        else routine(draws, calendar.local(draws.one(days), 530 + draws.below(530), draws.below(60)), draws.one(people))
        for number in range(count)
    ]


def file_theft(draws: Draws, takeovers: Iterable[SignIn]) -> Iterator[AuditRecord]:
    """Each sign-in of the attacker that opened a session reads one document."""
    for event in takeovers:
        if event.interactive:
            name = f"{_site(event.person)}payroll-{draws.below(90):02d}.xlsx"
            details: dict[str, object] = {"ClientIP": event.address, "ObjectId": name}
            time = event.time + timedelta(seconds=90 + draws.below(60))
            yield _record(draws, time, 6, "FileAccessed", event.person, "SharePoint", details)


def plunder(draws: Draws, takeovers: Sequence[SignIn], records: int) -> list[AuditRecord]:
    """``records`` readings of mail minutes after the attacker's sign-ins, from their addresses; one in six a sync."""
    rows: list[AuditRecord] = []
    for number in range(records if takeovers else 0):
        entry = takeovers[number % len(takeovers)]
        time = entry.time + timedelta(minutes=1 + draws.below(9), seconds=draws.below(60))
        sync = number % 6 == 0
        rows.append(mail_read(draws, time, entry.person, entry.address, sync=sync, session=entry.session))
    return rows
