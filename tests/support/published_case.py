"""A published generation of a case that holds a few sign-ins, made without a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, CaseStore, create_schema

Said = tuple[str | None, str | None, str | None]
"""Code, status, Conditional Access."""


def publish_sign_ins(cases_dir: Path, case_id: str, rows: Sequence[Said]) -> Path:
    """Publish the rows as the sign-in log of a case."""
    store = CaseStore(cases_dir)
    store.case_dir(case_id).mkdir(parents=True, exist_ok=True)
    working = store.begin(case_id, "g1", from_current=False)
    with duckdb.connect(str(working), config=CONNECT_CONFIG) as con:
        create_schema(con)
        statement = (
            "INSERT INTO sign_in_logs (file_id, row_no, status_error_code, status, conditional_access_status)"
            " VALUES (1, ?, ?, ?, ?)"
        )
        con.executemany(statement, [(number, *row) for number, row in enumerate(rows)])
    return store.publish(case_id, "g1")
