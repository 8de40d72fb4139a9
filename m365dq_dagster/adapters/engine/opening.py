"""Opens the engine that the settings name. What it is asked is the business of whoever opens it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, confine, limit_memory
from m365dq_dagster.adapters.engine import Engine

IN_PROCESS = "this machine"


def engine_place(url: str | None) -> str:
    """Where the work is done, in words without secrets. Raises `BadInput` where the address is none, `InternalFault`
    where nothing listens there.
    """
    if url is None:
        return IN_PROCESS
    from m365dq_dagster.adapters.engine.spark_connect import Address

    address = Address.of(url)
    address.reach()
    return address.place


@contextmanager
def open_engine(url: str | None, work: Path, *folders: Path, memory: str | None = None) -> Iterator[Engine]:
    """An engine with nothing in it: the Spark Connect server at an address, or without one this machine, which then
    reads Parquet below these folders and nothing else. `work` takes what does not fit into memory, of
    which this machine's engine keeps to `memory` (such as 1GB).
    """
    engine = _in_process(work, folders, memory) if url is None else _cluster(url, work)
    try:
        yield engine
    finally:
        engine.close()


def _in_process(work: Path, folders: Sequence[Path], memory: str | None) -> Engine:
    from m365dq_dagster.adapters.engine.in_process import InProcess

    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    con = duckdb.connect(":memory:", config={**CONNECT_CONFIG, "temp_directory": str(work)})
    limit_memory(con, memory)
    confine(con, *folders)
    return InProcess(con)


def _cluster(url: str, work: Path) -> Engine:
    from m365dq_dagster.adapters.engine.spark_connect import SparkConnect

    return SparkConnect(url, work)
