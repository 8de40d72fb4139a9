"""Evidence inside archives is taken in as the same evidence beside them would be."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from m365dq_dagster.adapters.evidence.archives import unpacking
from m365dq_dagster.stages.generate import generate
from tests.support.archives import seven_zipped, tarred, zip_flags, zipped
from tests.support.intake_case import Taken, take_in


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Sign-ins as a table and as records, and an audit log."""
    root = tmp_path_factory.mktemp("logs")
    shapes = (("signins", "portal-csv"), ("signins", "graph-json"), ("ual", "ual-csv"))
    for seed, (kind, shape) in enumerate(shapes):
        generate(kind, root / shape, rows=40, seed=seed, shape=shape, context=False)
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "expected.json"
    }


def packed(form: str, logs: dict[str, bytes], folder: Path) -> None:
    entries = list(logs.items())
    if form == "7z":
        seven_zipped(folder / "logs.7z", entries)
    elif form == "nested":
        (folder / "logs.zip").write_bytes(zipped([("logs.tgz", tarred(entries, "w:gz"))]))
    elif form == "gz":
        for name, data in entries:
            (folder / f"{name.replace('/', '-')}.gz").write_bytes(gzip.compress(data))
    else:
        (folder / "logs").write_bytes(zipped(entries) if form == "zip" else tarred(entries))


def events(taken: Taken) -> dict[str, list[dict[str, object]]]:
    """All events without the place that they were read from, in an order of their own."""
    tables = ("sign_in_logs", "unified_audit_log")
    return {
        table: sorted(
            ({name: value for name, value in row.items() if name not in ("file_id", "row_no")} for row in rows),
            key=str,
        )
        for table in tables
        if (rows := taken.events(table))
    }


@pytest.mark.parametrize("form", ["zip", "tar", "gz", "7z", "nested"])
def test_an_archive_gives_the_events_that_its_files_give(logs: dict[str, bytes], form: str, tmp_path: Path) -> None:
    plain, boxed = tmp_path / "plain", tmp_path / "boxed"
    for name, data in logs.items():
        (plain / name).parent.mkdir(parents=True, exist_ok=True)
        (plain / name).write_bytes(data)
    boxed.mkdir()
    packed(form, logs, boxed)
    outside, inside = take_in(plain), take_in(boxed)

    assert events(inside) == events(outside)
    assert len(events(outside)) == 2
    ledger = inside.rows("SELECT path, status, format, rows_read, reason FROM files")
    archives = [row for row in ledger if row["format"] in ("zip", "tar", "gz", "7z", "tar.gz")]
    assert {(row["status"], row["rows_read"]) for row in archives} == {("IMPORTED", 0)}
    assert all("listed below it" in row["reason"] for row in archives)
    assert all("/" in row["path"] for row in ledger if row not in archives)
    assert inside.passed("ledger_balances")


def test_the_same_file_beside_and_inside_an_archive_counts_once(logs: dict[str, bytes], tmp_path: Path) -> None:
    name, data = next(iter(logs.items()))
    (tmp_path / "beside.csv").write_bytes(data)
    (tmp_path / "logs.zip").write_bytes(zipped([(name, data)]))
    taken = take_in(tmp_path, case_dir=_case(tmp_path))
    read, imported, duplicate, _ = taken.ledger(f"logs.zip/{name}")

    assert (imported, duplicate) == (0, read)
    assert taken.ledger("beside.csv")[1] == read


def test_a_refused_archive_stands_in_the_ledger_with_its_reason(logs: dict[str, bytes], tmp_path: Path) -> None:
    name, data = next(iter(logs.items()))
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "good.csv").write_bytes(data)
    (evidence / "locked.zip").write_bytes(zip_flags(zipped([("a.csv", data)]), b"a.csv", 1))
    (evidence / "cut.zip").write_bytes(zipped([("a.csv", data)])[:-40])
    (evidence / "slip.zip").write_bytes(zipped([("../../slip.csv", data), (name, data)]))
    taken = take_in(evidence, case_dir=_case(tmp_path))

    assert taken.file("locked.zip")["status"] == "REFUSED"
    assert "protected by a password" in taken.file("locked.zip")["reason"]
    assert taken.file("cut.zip")["status"] == "REFUSED"
    assert taken.file("slip.zip/../../slip.csv")["status"] == "REFUSED"
    assert taken.file(f"slip.zip/{name}")["rows_read"] == taken.file("good.csv")["rows_read"]
    assert not list(tmp_path.rglob("slip.csv"))


def test_nothing_unpacked_stays_in_the_cases_folder(logs: dict[str, bytes], tmp_path: Path) -> None:
    evidence, case = tmp_path / "evidence", _case(tmp_path)
    evidence.mkdir()
    (evidence / "logs.zip").write_bytes(zipped(list(logs.items())))
    take_in(evidence, case_dir=case)

    assert list(case.iterdir()) == []


def _case(root: Path) -> Path:
    folder = root.parent / f"{root.name}-case"
    folder.mkdir(exist_ok=True)
    return folder


KILLED = """
import sys, time
from pathlib import Path
from m365dq_dagster.adapters.evidence.archives import opened, unpacking
from m365dq_dagster.adapters.evidence.folder import case_files

with unpacking(Path(sys.argv[2])) as into:
    opened(case_files([Path(sys.argv[1])]), into)
    print("unpacked", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_unpacked_is_gone_after_the_next_run(logs: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "logs.zip").write_bytes(zipped(list(logs.items())))
    case = _case(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(case)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "unpacked\n"
    with unpacking(case) as mine:
        assert len(list(case.iterdir())) == 2, mine
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert [path for path in case.rglob("*") if path.is_file()]

    with unpacking(case) as mine:
        assert list(case.iterdir()) == [mine]
