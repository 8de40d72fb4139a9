"""Sign-ins as the export shapes lay them out.

Rows are streamed: nothing is held beyond the row being written. What a damaged variant leaves of a status belongs to
``damage``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from .damage import BLANK, INVENTED, TYPED, Status, shown
from .events import SignIn
from .networks import system_number
from .tenant import TENANT_ID
from .text_dates import american, iso, workspace
from .vocabulary import INVENTED_CODE, PORTAL_POLICIES, TYPE_NAME, ConditionalAccess, Shape, Variant

PORTAL_COLUMNS = (
    "Date (UTC)",
    "Request ID",
    "User agent",
    "Correlation ID",
    "User ID",
    "User",
    "Username",
    "User type",
    "Cross tenant access type",
    "Incoming token type",
    "Authentication Protocol",
    "Unique token identifier",
    "Original transfer method",
    "Client credential type",
    "Token Protection - Sign In Session",
    "Token Protection - Sign In Session StatusCode",
    "Application",
    "Application ID ",
    "App owner tenant ID",
    "Resource",
    "Resource ID ",
    "Resource tenant ID",
    "Resource owner tenant ID",
    "Home tenant ID",
    "Home tenant name",
    "IP address",
    "Location",
    "Status",
    "Sign-in error code",
    "Failure reason",
    "Client app",
    "Device ID",
    "Browser",
    "Operating System",
    "Compliant",
    "Managed",
    "Join Type",
    "Multifactor authentication result",
    "Multifactor authentication auth method",
    "Multifactor authentication auth detail",
    "Authentication requirement",
    "Sign-in identifier",
    "Session ID",
    "IP address (seen by resource)",
    "Through Global Secure Access",
    "Global Secure Access IP address",
    "Autonomous system  number",
    "Flagged for review",
    "Token issuer type",
    "Incoming token type",
    "Token issuer name",
    "Latency",
    "Conditional Access",
    "Managed Identity type",
    "Associated Resource Id",
    "Federated Token Id",
    "Federated Token Issuer",
)
"""The portal's headers as they are: two end in a blank, one holds two blanks, one stands twice."""

PS_COLUMNS = (
    "CreatedDateTime",
    "UserPrincipalName",
    "UserDisplayName",
    "AppDisplayName",
    "IPAddress",
    "City",
    "Country",
    "Device",
    "Browser",
    "OS",
    "Status",
    "RiskState",
    "RiskLevelDuringSignIn",
    "RiskLevelAggregated",
    "ConditionalAccessStatus",
)

SENTINEL_COLUMNS = (
    "TenantId",
    "SourceSystem",
    "TimeGenerated [UTC]",
    "ResourceId",
    "OperationName",
    "OperationVersion",
    "Category",
    "ResultType",
    "ResultSignature",
    "ResultDescription",
    "DurationMs",
    "CorrelationId",
    "Resource",
    "ResourceGroup",
    "ResourceProvider",
    "Identity",
    "Level",
    "Location",
    "AlternateSignInName",
    "AppDisplayName",
    "AppId",
    "AuthenticationDetails",
    "AuthenticationMethodsUsed",
    "AuthenticationProcessingDetails",
    "AuthenticationRequirement",
    "AuthenticationRequirementPolicies",
    "ClientAppUsed",
    "ConditionalAccessPolicies",
    "ConditionalAccessStatus",
    "CreatedDateTime [UTC]",
    "DeviceDetail",
    "IsInteractive",
    "Id",
    "IPAddress",
    "IsRisky",
    "LocationDetails",
    "MfaDetail",
    "NetworkLocationDetails",
    "OriginalRequestId",
    "ProcessingTimeInMilliseconds",
    "RiskDetail",
    "RiskEventTypes",
    "RiskEventTypes_V2",
    "RiskLevelAggregated",
    "RiskLevelDuringSignIn",
    "RiskState",
    "ResourceDisplayName",
    "ResourceIdentity",
    "ServicePrincipalId",
    "ServicePrincipalName",
    "Status",
    "TokenIssuerName",
    "TokenIssuerType",
    "UserAgent",
    "UserDisplayName",
    "UserId",
    "UserPrincipalName",
    "AADTenantId",
    "UserType",
    "FlaggedForReview",
    "SignInIdentifier",
    "SignInIdentifierType",
    "ResourceTenantId",
    "HomeTenantId",
    "Type",
)


USUAL_SYSTEM = 64496


@dataclass(frozen=True)
class Rendering:
    """How rows are written: what happened to the status, and whether devices are named at all."""

    variant: Variant = Variant.INTACT
    devices: bool = True


Row = tuple[object, ...]


def write_sign_ins(path: Path, events: Iterable[SignIn], shape: Shape, rendering: Rendering) -> None:
    """Writes the rows to ``path`` in the order given. ``shape`` must be one of the sign-in shapes."""
    if shape is Shape.PORTAL_CSV:
        _write_csv(path, PORTAL_COLUMNS, events, _portal_row, rendering, encoding="utf-8")
    elif shape is Shape.SENTINEL_CSV:
        _write_csv(path, SENTINEL_COLUMNS, events, _sentinel_row, rendering, encoding="utf-8-sig")
    elif shape is Shape.PS_CSV:
        _write_csv(path, PS_COLUMNS, events, _ps_row, rendering, encoding="utf-8-sig", quoting=csv.QUOTE_ALL)
    else:
        _write_graph(path, (_graph_object(event, rendering) | _program_keys(event) for event in events), shape)


def _write_csv(
    path: Path,
    columns: tuple[str, ...],
    events: Iterable[SignIn],
    row: Callable[[SignIn, Rendering], Row],
    rendering: Rendering,
    *,
    encoding: str,
    quoting: int = csv.QUOTE_MINIMAL,
) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, quoting=quoting)  # type: ignore[arg-type]
        writer.writerow(columns)
        writer.writerows(row(event, rendering) for event in events)


def _write_graph(path: Path, objects: Iterator[dict[str, object]], shape: Shape) -> None:
    opening, between, closing = {
        Shape.GRAPH_JSON: ("[\n", ",\n", "\n]\n"),
        Shape.GRAPH_JSON_VALUE: ('{"value": [\n', ",\n", "\n]}\n"),
        Shape.GRAPH_JSONL: ("", "", ""),
    }[shape]
    end = "\n" if shape is Shape.GRAPH_JSONL else ""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(opening)
        for number, item in enumerate(objects):
            if number:
                file.write(between)
            file.write(json.dumps(item, ensure_ascii=False) + end)
        file.write(closing)


def _device(event: SignIn, rendering: Rendering) -> tuple[str, str, str, str, str]:
    """Name, id, browser, system and join type; all blank where the export names no devices."""
    if not rendering.devices:
        return "", "", "", "", ""
    device = event.device
    return device.name, device.device_id, device.browser, device.system, device.join_type


def _system(event: SignIn) -> int:
    """The number of the autonomous system of the address; one for all addresses that belong to no network."""
    return system_number(event.address) or USUAL_SYSTEM


def _membership(event: SignIn) -> str:
    """Guests are known by the mark that the tenant puts into their account's name."""
    return "Guest" if "#EXT#" in event.person.account else "Member"


def _second_factor(event: SignIn) -> bool:
    return event.policies is not ConditionalAccess.NOT_APPLIED and not event.app.password_only


def _requirement(event: SignIn) -> str:
    return "multiFactorAuthentication" if _second_factor(event) else "singleFactorAuthentication"


def _portal_row(event: SignIn, rendering: Rendering) -> Row:
    code, status, reason = shown(event, rendering.variant, Shape.PORTAL_CSV)
    _, device_id, browser, system, join_type = _device(event, rendering)
    person, app, place = event.person, event.app, event.place
    managed = "Yes" if join_type else ""
    token = "none" if event.interactive else "primaryRefreshToken"
    return (
        iso(event.time),
        event.request,
        event.device.agent if rendering.devices else "",
        event.correlation,
        person.user_id,
        person.name,
        person.account,
        _membership(event),
        "none",
        token,
        app.protocol,
        event.request.replace("-", "")[:22],
        "none",
        "none",
        "unbound",
        "1002",
        app.name,
        app.app_id,
        TENANT_ID,
        app.resource,
        app.resource_id,
        TENANT_ID,
        TENANT_ID,
        TENANT_ID,
        person.account.partition("@")[2].partition(".")[0].capitalize(),
        event.address,
        f"{place.city}, {place.state}, {place.country}",
        status,
        code,
        reason,
        app.client,
        device_id,
        browser,
        system,
        managed,
        managed,
        join_type,
        "",
        "",
        "",
        "Multifactor authentication" if _second_factor(event) else "Single-factor authentication",
        person.account,
        event.session,
        "",
        "No",
        "",
        str(_system(event)),
        "No",
        "Azure AD",
        token,
        "",
        "180",
        PORTAL_POLICIES[event.policies],
        "",
        "",
        "",
        "",
    )


def _ps_row(event: SignIn, rendering: Rendering) -> Row:
    code, _, _ = shown(event, rendering.variant, Shape.PS_CSV)
    name, _, browser, system, _ = _device(event, rendering)
    return (
        american(event.time),
        event.person.account,
        event.person.name,
        event.app.name,
        event.address,
        event.place.city,
        event.place.country,
        name,
        browser,
        system,
        code,
        "none",
        "none",
        "none",
        event.policies.value,
    )


def _status_object(status: Status) -> object:
    """Graph's nested status, or what became of it."""
    if status == TYPED:
        return TYPE_NAME
    if status == INVENTED:
        return {"errorCode": INVENTED_CODE}
    return {"errorCode": status.code, "failureReason": status.reason or None, "additionalDetails": None}


def _device_object(event: SignIn, rendering: Rendering) -> dict[str, object]:
    name, device_id, browser, system, join_type = _device(event, rendering)
    managed = bool(join_type)
    return {
        "deviceId": device_id,
        "displayName": name,
        "operatingSystem": system,
        "browser": browser,
        "isCompliant": managed,
        "isManaged": managed,
        "trustType": join_type,
    }


def location_object(event: SignIn) -> dict[str, object]:
    """Where a sign-in came from, as Graph nests it."""
    place = event.place
    return {
        "city": place.city,
        "state": place.state,
        "countryOrRegion": place.country,
        "geoCoordinates": {"altitude": None, "latitude": place.latitude, "longitude": place.longitude},
    }


def _graph_object(event: SignIn, rendering: Rendering) -> dict[str, object]:
    person, app = event.person, event.app
    return {
        "id": event.request,
        "createdDateTime": iso(event.time),
        "userDisplayName": person.name,
        "userPrincipalName": person.account,
        "userId": person.user_id,
        "appId": app.app_id,
        "appDisplayName": app.name,
        "ipAddress": event.address,
        "ipAddressFromResourceProvider": None,
        "clientAppUsed": app.client,
        "userAgent": event.device.agent if rendering.devices else "",
        "correlationId": event.correlation,
        "originalRequestId": event.request,
        "conditionalAccessStatus": event.policies.value,
        "isInteractive": event.interactive,
        "signInEventTypes": ["interactiveUser" if event.interactive else "nonInteractiveUser"],
        "riskDetail": "none",
        "riskLevelAggregated": "none",
        "riskLevelDuringSignIn": "none",
        "riskState": "none",
        "riskEventTypes_v2": [],
        "resourceDisplayName": app.resource,
        "resourceId": app.resource_id,
        "resourceTenantId": TENANT_ID,
        "homeTenantId": TENANT_ID,
        "status": _status_object(shown(event, rendering.variant, Shape.GRAPH_JSON)),
        "deviceDetail": _device_object(event, rendering),
        "location": location_object(event),
        "appliedConditionalAccessPolicies": [],
        "authenticationDetails": [],
        "authenticationProtocol": app.protocol,
        "authenticationRequirement": _requirement(event),
        "incomingTokenType": "none" if event.interactive else "primaryRefreshToken",
        "originalTransferMethod": "none",
        "sessionId": event.session,
        "uniqueTokenIdentifier": event.request.replace("-", "")[:22],
        "crossTenantAccessType": "none",
        "autonomousSystemNumber": _system(event),
        "servicePrincipalId": "",
        "servicePrincipalName": None,
        "tokenIssuerType": "AzureAD",
        "userType": _membership(event).lower(),
    }


def _program_keys(event: SignIn) -> dict[str, object]:
    """What Graph says instead of a user where an application signs in as itself; nothing for everybody else."""
    if event.person.account:
        return {}
    return {
        "userDisplayName": "",
        "userPrincipalName": "",
        "userId": "",
        "userType": None,
        "clientAppUsed": "",
        "appDisplayName": event.person.name,
        "signInEventTypes": ["servicePrincipal"],
        "servicePrincipalId": event.person.user_id,
        "servicePrincipalName": event.person.name,
    }


def _status_cell(status: Status) -> str:
    """The nested status as the text of a cell; a blank status leaves the cell blank."""
    if status == BLANK:
        return ""
    nested = _status_object(status)
    return nested if isinstance(nested, str) else json.dumps(nested)


def _sentinel_row(event: SignIn, rendering: Rendering) -> Row:
    known = shown(event, rendering.variant, Shape.SENTINEL_CSV)
    person, app = event.person, event.app
    return (
        TENANT_ID,
        "Azure AD",
        workspace(event.time + timedelta(minutes=4, seconds=11)),
        f"/tenants/{TENANT_ID}/providers/Microsoft.aadiam",
        "Sign-in activity",
        "1.0",
        "SignInLogs",
        known.code,
        "None",
        "" if known.code == 0 else known.reason,
        "0",
        event.correlation,
        "Microsoft.aadiam",
        "Microsoft.aadiam",
        "",
        person.name,
        "4",
        event.place.country,
        "",
        app.name,
        app.app_id,
        "[]",
        "",
        "[]",
        _requirement(event),
        "[]",
        app.client,
        "[]",
        event.policies.value,
        workspace(event.time),
        json.dumps(_device_object(event, rendering)),
        str(event.interactive),
        event.request,
        event.address,
        "",
        json.dumps(location_object(event)),
        "",
        "[]",
        event.request,
        "180",
        "none",
        "[]",
        "[]",
        "none",
        "none",
        "none",
        app.resource,
        app.resource_id,
        "",
        "",
        _status_cell(known),
        "",
        "AzureAD",
        event.device.agent if rendering.devices else "",
        person.name,
        person.user_id,
        person.account,
        TENANT_ID,
        _membership(event),
        "",
        person.account,
        "",
        TENANT_ID,
        TENANT_ID,
        "SigninLogs",
    )
