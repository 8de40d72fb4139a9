"""The canonical tables of a case as Parquet: for the cluster, and for whoever brings tools of his own."""

from __future__ import annotations

from pathlib import Path

from m365dq_dagster.adapters.canonical import parquet_of
from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.stages.published import opened


def export(store: CaseStore, case_id: str) -> dict[str, Path]:
    """The Parquet files of the published state of a case by table, written where they are missing.

    Raises `BadInput` for a case that was never judged, `StorageFault` where they cannot be written.
    """
    with opened(store, case_id) as con:
        return parquet_of(con, store.case_dir(case_id))
