"""A case larger than the memory it may use: the run keeps to it, and concludes the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from m365dq_dagster.adapters.bench import STOPWATCH
from m365dq_dagster.adapters.case_store import CaseStore
from tests.support.golden_tables import digests_of
from tests.support.program import call

ROWS = 600_000
LIMIT = 256 * 10**6
"""The smallest limit there is; the evidence alone is larger. What spills of it depends on the statements; that spilled
data stands in the case's own folder is held by the tests of the store.
"""

LIBRARIES = 700 * 10**6
"""What interpreter, libraries and text being read may take beside the engine's memory; seen: 450 MB."""


@dataclass(frozen=True)
class Ended:
    """A run of the command: what it held at most, what it had spilled at most, and the folder of its case."""

    peak: int
    spilled: int
    folder: Path


def run(evidence: Path, home: Path, **settings: str) -> Ended:
    home.mkdir(mode=0o700)
    folder, words = home / "cases" / "large", ("run", str(evidence), "--case", "large", "--json")
    command = [sys.executable, "-m", "m365dq_dagster.cli.main", *words]
    out, spilled = home / "out", 0
    begun = subprocess.Popen(
        [sys.executable, "-I", "-S", str(STOPWATCH), str(out), str(home / "err"), *command],
        env={**os.environ, "M365DQ_HOME": str(home), **settings},
        stdout=subprocess.PIPE,
    )
    while begun.poll() is None:
        spilled = max(spilled, sum(map(size_of, folder.glob("*.duckdb.tmp/*"))))
        time.sleep(0.02)
    told = json.loads(begun.communicate()[0])
    assert told["code"] == 0, out.read_text()[-2000:] + (home / "err").read_text()[-2000:]
    return Ended(told["peak_bytes"], spilled, folder)


def size_of(file: Path) -> int:
    try:
        return file.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


@pytest.mark.soak
@pytest.mark.slow
def test_a_case_larger_than_its_memory_is_judged_alike_within_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    call("generate", "signins", "--rows", str(ROWS), "--shape", "portal-csv", "--out", str(evidence))
    assert sum(file.stat().st_size for file in evidence.rglob("*.csv")) > LIMIT
    free = run(evidence, tmp_path / "free")
    limited = run(evidence, tmp_path / "limited", M365DQ_MEMORY_LIMIT=f"{LIMIT // 10**6}MB")
    print(f"peak memory {free.peak:,} without and {limited.peak:,} with a limit; {limited.spilled:,} bytes spilled")
    assert limited.peak < LIMIT + LIBRARIES
    assert limited.peak < free.peak
    assert digests(limited) == digests(free)
    assert [path.name for path in limited.folder.rglob("*") if "tmp" in path.name] == []
    assert limited.folder.stat().st_mode & 0o777 == 0o700


def digests(ended: Ended) -> tuple[object, object]:
    """Every table, and of the document all but the name of the generation, which is the run's own."""
    published = CaseStore(ended.folder.parent).current("large")
    assert published is not None
    found = digests_of(published)
    document = found.pop("case_document").columns
    return found, {key: one for key, one in document.items() if key != "generation"}
