"""Damaged copies of every format: nothing is lost, nothing is counted twice, nothing is invented."""

from __future__ import annotations

import csv
import io
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, confine, create_schema
from m365dq_dagster.adapters.evidence import text as evidence_text
from tests.support.intake_case import Taken, shipped_formats, take_in

FIRST_EXAMPLES = [(data["id"], data["examples"][0]["text"]) for data in shipped_formats()]
EXAMPLES = [(data["id"], example["text"]) for data in shipped_formats() for example in data["examples"]]
TOLD_VERBATIM = {
    "sign_in_logs": (
        "event_id",
        "user_principal_name",
        "status_error_code",
        "status",
        "conditional_access_status",
        "city",
    ),
    "legacy_auth_logs": ("user_principal_name", "status_error_code", "status", "client_app_used"),
    "unified_audit_log": ("event_id", "operation", "result_status", "error_number", "mail_access_type"),
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, duckdb.DuckDBPyConnection]]:
    """One folder and one generation for all damaged files, each of which is taken in anew."""
    root = tmp_path_factory.mktemp("damaged")
    con = duckdb.connect(config=CONNECT_CONFIG)
    create_schema(con)
    con.execute("SET preserve_insertion_order = true")
    confine(con, root)
    yield root, con
    con.close()


def _drop(lines: list[str], rng: random.Random) -> list[str]:
    return [line for line in lines if rng.random() > 0.2]


def _double(lines: list[str], rng: random.Random) -> list[str]:
    return [copy for line in lines for copy in [line] * rng.choice((1, 1, 2, 3))]


def _shuffle(lines: list[str], rng: random.Random) -> list[str]:
    return [lines[0], *rng.sample(lines[1:], len(lines) - 1)] if lines else lines


def _blank(lines: list[str], rng: random.Random) -> list[str]:
    return [piece for line in lines for piece in ((line, "\n") if rng.random() < 0.3 else (line,))]


def _scribble(lines: list[str], rng: random.Random) -> list[str]:
    body = list("".join(lines))
    for _ in range(rng.randrange(1, 6)):
        if body:
            body[rng.randrange(len(body))] = rng.choice("\"',;{}[]\\\n\r\t\x00é ☃" + "a0")
    return io.StringIO("".join(body), newline="").readlines()


def _cut(lines: list[str], rng: random.Random) -> list[str]:
    body = "".join(lines)
    return io.StringIO(body[: rng.randrange(len(body) + 1)], newline="").readlines()


def _delimit(lines: list[str], rng: random.Random) -> list[str]:
    rows = list(csv.reader(lines))
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=rng.choice(";\t|"), lineterminator=rng.choice(("\n", "\r\n"))).writerows(rows)
    return io.StringIO(out.getvalue(), newline="").readlines()


CHANGES: tuple[Callable[[list[str], random.Random], list[str]], ...] = (
    _drop,
    _double,
    _shuffle,
    _blank,
    _scribble,
    _cut,
    _delimit,
)


def _damaged(text: str, changes: list[int], seed: int, encoding: str) -> bytes:
    rng = random.Random(seed)
    lines = io.StringIO(text, newline="").readlines()
    for change in changes:
        try:
            lines = CHANGES[change](lines, rng)
        except (csv.Error, ValueError):
            continue
    body = "".join(lines)
    if encoding in ("utf-16-le", "utf-16-be"):
        body = "\ufeff" + body
    return body.encode(encoding, "replace")


def _invented(taken: Taken, raw: bytes) -> list[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "export.txt")
        path.write_bytes(raw)
        head = evidence_text.read_head(path)
        text = head.text.replace("\\/", "/") if isinstance(head, evidence_text.TextHead) else ""
    return [
        (field, event[field])
        for log_type, fields in TOLD_VERBATIM.items()
        for event in taken.events(log_type)
        for field in fields
        if event[field] is not None and event[field].replace('"', "") not in text.replace('"', "").replace("\\", "")
        and "\\" not in event[field]
    ]  # fmt: skip


@given(
    example=st.integers(0, len(EXAMPLES) - 1),
    changes=st.lists(st.integers(0, len(CHANGES) - 1), max_size=4),
    seed=st.integers(0, 2**32),
    encoding=st.sampled_from(ENCODINGS),
    twice=st.booleans(),
)
def test_a_damaged_file_is_accounted_for_to_the_last_row(
    work: tuple[Path, duckdb.DuckDBPyConnection],
    example: int,
    changes: list[int],
    seed: int,
    encoding: str,
    twice: bool,
) -> None:
    root, con = work
    raw = _damaged(EXAMPLES[example][1], changes, seed, encoding)
    with tempfile.TemporaryDirectory(dir=root) as name:
        folder = Path(name)
        (folder / "export.txt").write_bytes(raw)
        taken = take_in(folder, con=con)

        assert taken.passed("ledger_balances")
        assert [file["path"] for file in taken.rows("SELECT path FROM files")] == ["export.txt"]
        assert taken.file("export.txt")["status"] in ("IMPORTED", "UNRECOGNISED", "REFUSED", "EMPTY")
        assert not _invented(taken, raw)
        if twice:
            (folder / "other name.log").write_bytes(raw)
            again = take_in(folder, con=con)
            assert again.report.rows_imported == taken.report.rows_imported
            assert again.passed("ledger_balances")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize(("name", "text"), FIRST_EXAMPLES)
def test_every_encoding_of_a_sound_file_gives_the_same_events(
    work: tuple[Path, duckdb.DuckDBPyConnection],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    text: str,
    encoding: str,
) -> None:
    root, con = work
    found = []
    for raw in (text.encode(), _damaged(text, [], 0, encoding)):
        with tempfile.TemporaryDirectory(dir=root) as folder:
            Path(folder, "export.txt").write_bytes(raw)
            taken = take_in(Path(folder), con=con)
            found.append(({log_type: taken.events(log_type) for log_type in TOLD_VERBATIM}, taken.ledger("export.txt")))

    assert found[0] == found[1]
