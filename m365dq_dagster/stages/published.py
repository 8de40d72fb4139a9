"""Reads back what the published generation of a case says of the case as a whole: its document, what it was judged
from, and where its report is. Loads nothing that reads evidence; what a document holds is built in `document`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m365dq_dagster.adapters import carry_over, measure
from m365dq_dagster.adapters.case_store import CaseStore, open_reader
from m365dq_dagster.core.errors import BadInput

if TYPE_CHECKING:
    import duckdb

IDENTITY = "identity"
"""The note on what a generation was judged from."""


def settled(generation: Path, identity: str, *, forgets: bool) -> dict[str, Any]:
    """The document of a published generation that was judged from exactly this; empty where there is anything to do.

    With `forgets` there is where it holds rows of files that have gone. One opening answers all of it.
    """
    with open_reader(generation) as con:
        if measure.noted(con, IDENTITY) != identity or (forgets and carry_over.has_kept(con)):
            return {}
        return kept(con)


def kept(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The document of this generation; empty where none was kept."""
    text = measure.kept_document(con)
    return dict(json.loads(text)) if text else {}


def read_document(store: CaseStore, case_id: str) -> dict[str, Any]:
    """The published document of a case. Raises `BadInput` where the case has none."""
    with opened(store, case_id) as con:
        body = kept(con)
    if not body:
        raise BadInput(f"Case {case_id} was published without a document; run it again with `m365dq run FOLDER`.")
    return body


@contextmanager
def opened(store: CaseStore, case_id: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the published generation of a case that only reads. Raises `BadInput` where there is none."""
    path = store.current(case_id)
    if path is None:
        raise BadInput(
            f"There is no case {case_id!r} that was judged; run `m365dq run FOLDER` first, or see `m365dq cases`."
        )
    with open_reader(path) as con:
        yield con


def report_dir(case_dir: Path, generation: str) -> Path:
    """Where the report of a generation is written."""
    return case_dir / "reports" / generation
