"""What a case's readers see, boiled down to what two runs of the same evidence must have in common."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters.case_store import CaseStore, open_reader
from m365dq_dagster.adapters.registry import Registry

OF_THE_RUN = frozenset(
    {"started_at", "seconds", "generation", "id", "raised_at", "delivered_at", "times_raised", "written_at"}
)
"""Keys that say when and by which run something was made."""

PACK = re.compile(r"[0-9a-f]{64}\.zip")
"""The name of a kept rule pack."""

DIGITS = 9
"""Sums of many numbers depend on their order in the last digits."""


def timeless(value: Any) -> Any:
    """A document without what differs from run to run."""
    if isinstance(value, dict):
        named = value.get("key") == "report_run"
        return {} if named else {key: timeless(one) for key, one in value.items() if key not in OF_THE_RUN}
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return [timeless(one) for one in value] if isinstance(value, list) else value


def tables_of(path: Path) -> dict[str, tuple[int, str]]:
    """Rows of every table of a generation, and a digest of them in an order of its own."""
    with open_reader(path) as con:
        names = [row[0] for row in con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
        return {name: _digest(con, name) for name in names}


def _digest(con: Any, table: str) -> tuple[int, str]:
    rows = [str(row[0]) for row in con.execute(f'SELECT to_json(t)::VARCHAR FROM "{table}" t').fetchall()]
    found = sorted(json.dumps(timeless(_parsed(row)), sort_keys=True) for row in rows)
    return len(found), hashlib.sha256("\n".join(found).encode()).hexdigest()


def _parsed(text: str) -> Any:
    """A row, with the JSON in its cells opened up."""

    def opened(value: Any) -> Any:
        if isinstance(value, str) and value[:1] in "{[":
            try:
                return json.loads(value)
            except ValueError:
                return value
        return value

    row = json.loads(text)
    return {key: opened(value) for key, value in row.items()}


def state_of(home: Path, case_id: str) -> dict[str, Any]:
    """The published tables and what the registry says of the case: everything that the next reader will rely on."""
    path = CaseStore(home / "cases").current(case_id)
    with Registry.open(f"sqlite:///{home / 'registry.sqlite3'}") as registry:
        record = registry.case(case_id)
        assert record is not None
        alerts = sorted((one.rule, one.subject, one.message, one.state) for one in registry.alerts(case_id=case_id))
        tasks = registry.progress(case_id)
        return {
            "tables": tables_of(path) if path else {},
            "record": (record.stage, record.verdict, record.blocked_by, record.identity),
            "tasks": (tasks.done, tasks.total, tasks.incomplete),
            "alerts": alerts,
        }


def left_in(home: Path, case_id: str) -> list[str]:
    """What stands in a case's folder beside published generations, their reports, rule packs and four small files."""
    folder = home / "cases" / case_id
    kept = set((folder / "generations").read_text().split()) if (folder / "generations").is_file() else set()
    known = {"current", "generations", "lock", "evidence_hashes.json", "reports", "packs", *kept}
    reports = [path.name for path in (folder / "reports").glob("*") if f"{path.name}.duckdb" not in kept]
    packs = [path.name for path in (folder / "packs").glob("*") if not re.fullmatch(r"[0-9a-f]{64}\.zip", path.name)]
    return sorted([path.name for path in folder.iterdir() if path.name not in known] + reports + packs)
