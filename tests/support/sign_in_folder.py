"""A folder of evidence in a few lines: one Sentinel sign-in export whose outcome columns are chosen by the test."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

TYPE_NAME = "Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus"
HEADER = (
    "CreatedDateTime [UTC]",
    "Id",
    "CorrelationId",
    "UserPrincipalName",
    "UserId",
    "AppDisplayName",
    "IPAddress",
    "LocationDetails",
    "ResultType",
    "ConditionalAccessStatus",
    "IsInteractive",
)


def mostly_good(row: int) -> str:
    """The code of a healthy tenant: one wrong password in ten."""
    return "50126" if row % 10 == 9 else "0"


def write_sign_ins(
    folder: Path, rows: int = 40, *, code: Callable[[int], str] = mostly_good, access: str = "notApplied"
) -> Path:
    """Write the export and a case.toml that says Australia is home; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    start = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
    with (folder / "SigninLogs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for n in range(rows):
            moment = start + timedelta(hours=3 * n)
            writer.writerow(
                [
                    f"{moment:%Y-%m-%dT%H:%M:%SZ}",
                    f"id-{n:05}",
                    f"flow-{n:05}",
                    f"person{n % 4}@contoso.example",
                    f"user-{n % 4}",
                    "Office 365",
                    f"192.0.2.{n % 4 + 1}",
                    '{"countryOrRegion": "AU", "city": "Perth"}',
                    code(n),
                    access,
                    "true",
                ]
            )
    (folder / "case.toml").write_text('home_countries = ["AU"]\n', encoding="utf-8")
    return folder
