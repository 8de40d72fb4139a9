"""An entry of the audit log, as every part of the registry adds it within the transaction of the deed itself. Reading
the log is the journal's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from m365dq_dagster.adapters.registry.tables import audit_log


def audited(actor: str, action: str, detail: Mapping[str, Any], now: datetime) -> sa.Insert:
    """The statement that says who did what, when, and with which particulars."""
    return sa.insert(audit_log).values(actor=actor, action=action, detail=dict(detail), logged_at=now)
