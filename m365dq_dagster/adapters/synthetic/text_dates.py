"""How the export shapes spell a moment. Nothing else belongs here."""

from __future__ import annotations

from datetime import datetime


def iso(moment: datetime) -> str:
    """``2025-11-18T22:04:11Z``, as the portal and Graph write it."""
    return f"{moment.isoformat()}Z"


def american(moment: datetime) -> str:
    """``11/18/2025 10:04:11 PM``, as PowerShell writes it on a machine with American settings."""
    hour = moment.hour
    half = "PM" if hour >= 12 else "AM"
    return f"{moment.month}/{moment.day}/{moment.year} {hour % 12 or 12}:{moment.minute:02}:{moment.second:02} {half}"


def workspace(moment: datetime) -> str:
    """``11/18/2025, 10:04:11.000 PM``, as a Log Analytics workspace exports it."""
    hour = moment.hour
    half = "PM" if hour >= 12 else "AM"
    return (
        f"{moment.month}/{moment.day}/{moment.year}, {hour % 12 or 12}:{moment.minute:02}:{moment.second:02}.000 {half}"
    )


def seven_decimals(moment: datetime) -> str:
    """``2025-11-18T22:04:11.0000000Z`` with a trailing blank, as the compliance portal writes it."""
    return f"{moment.isoformat()}.0000000Z "
