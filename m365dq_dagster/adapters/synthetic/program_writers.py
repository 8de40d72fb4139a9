"""Sign-ins of applications that sign in as themselves: they have no user, and exports keep them apart or drop them.

Sign-ins of people, and of service accounts that look like people, belong to ``sign_in_writers``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

from .damage import Status, shown
from .events import SignIn
from .sign_in_writers import Rendering, location_object
from .tenant import TENANT_ID
from .text_dates import iso, workspace
from .vocabulary import PORTAL_POLICIES, Shape

PORTAL_COLUMNS = (
    "Date (UTC)",
    "Request ID",
    "Correlation ID",
    "Service principal ID",
    "Service principal name",
    "Credential key ID",
    "Credential thumbprint",
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
    "Conditional Access",
)
SENTINEL_COLUMNS = (
    "TimeGenerated [UTC]",
    "OperationName",
    "Category",
    "ResultType",
    "ResultSignature",
    "ResultDescription",
    "CorrelationId",
    "Identity",
    "AppId",
    "ConditionalAccessStatus",
    "Id",
    "IPAddress",
    "Location",
    "LocationDetails",
    "ResourceDisplayName",
    "ResourceIdentity",
    "ServicePrincipalCredentialKeyId",
    "ServicePrincipalId",
    "ServicePrincipalName",
    "UniqueTokenIdentifier",
    "Type",
)
APART = (Shape.PORTAL_CSV, Shape.SENTINEL_CSV)
"""Shapes that keep programs in a file of their own."""
UNSEEN = (Shape.PS_CSV,)
"""Shapes whose export asks for the sign-ins of people only."""


def write_programs(path: Path, events: Iterable[SignIn], shape: Shape, rendering: Rendering) -> None:
    """Writes the rows to ``path`` in the order given. ``shape`` must be one of those that keep programs apart."""
    columns, row, encoding = {
        Shape.PORTAL_CSV: (PORTAL_COLUMNS, _portal_row, "utf-8"),
        Shape.SENTINEL_CSV: (SENTINEL_COLUMNS, _sentinel_row, "utf-8-sig"),
    }[shape]
    _write(path, columns, (row(event, shown(event, rendering.variant, shape)) for event in events), encoding)


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]], encoding: str) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def _portal_row(event: SignIn, status: Status) -> tuple[object, ...]:
    program, app, place = event.person, event.app, event.place
    return (
        iso(event.time),
        event.request,
        event.correlation,
        program.user_id,
        program.name,
        event.session,
        "",
        program.name,
        app.app_id,
        TENANT_ID,
        app.resource,
        app.resource_id,
        TENANT_ID,
        TENANT_ID,
        TENANT_ID,
        "",
        event.address,
        f"{place.city}, {place.state}, {place.country}",
        status.text,
        status.code,
        status.reason,
        PORTAL_POLICIES[event.policies],
    )


def _sentinel_row(event: SignIn, status: Status) -> tuple[object, ...]:
    program, app = event.person, event.app
    return (
        workspace(event.time),
        "Sign-in activity",
        "ServicePrincipalSignInLogs",
        status.code,
        "None",
        "" if status.code == 0 else status.reason,
        event.correlation,
        program.name,
        app.app_id,
        event.policies.value,
        event.request,
        event.address,
        event.place.country,
        json.dumps(location_object(event)),
        app.resource,
        app.resource_id,
        event.session,
        program.user_id,
        program.name,
        event.request.replace("-", "")[:22],
        "AADServicePrincipalSignInLogs",
    )
