"""Every table of a published generation as a few short digests, the cases that are held to them, and the files in which
they are kept.

A digest depends on what the rows say and on nothing else: not on their order, the order of the columns, columns without
a value, the width of an integer, the last digits of a sum; nor on the run, its folders, its time, its threads, the rule
pack's hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import duckdb
from filelock import FileLock

from m365dq_dagster.adapters import misreadings
from m365dq_dagster.adapters.case_store import open_reader
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.adapters.sql import quote_identifier
from m365dq_dagster.adapters.synthetic.vocabulary import Variant
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.stages.generate import CaseOrder, Family, Shape, corpus, generate, generate_order
from tests.support.case_runs import run_folder
from tests.support.format_examples import write_examples

LEFT_OUT: Mapping[str, str] = {
    "table_stamps": "says which evidence, context and rule pack a table is of; tests of the stamps hold it",
    "row_hashes": "what intake remembers of rows to find their copies in the next import; its result is `duplicates`",
    "logon_rows": "lines as they were read; the columns of `events` that are looked at hold them",
    "row_parts": "the parts in which a witness is not heard as elsewhere; its result are `decisions`",
    "decided": "the rows of `decisions` with their numbers",
    "adjudicated": "`events` without the texts of their lines",
    "judged": "the same with what was decided",
    "folded_flows": "the rows of `flows` that stand for several events",
    "witness_days": "what contradictions are counted from; its result are `field_profiles`",
    "address_places": "what a country database answered, on its way to `events`",
    "unplaced": "rows whose location is not believed, on their way to `events`",
}
"""Tables that are scaffolding, and where that which they carry is held instead."""

OF_THE_RUN = frozenset({"started_at", "seconds", "rule_pack", "pack_hash", "written_at"})
"""Keys and columns that say when, how fast and under which hash of the rule pack something was made."""
OF_THE_PACK = ("intake_rules", "identity", "report_run")
"""Rows of `case_meta` that say the same."""
DIGITS = 9
"""Sums of many numbers depend on their order in the digits after these."""
ANYWAY = Override("the tables are wanted, not the verdict", "golden", "2026-03-20")
JSON_COLUMNS = frozenset({"body", "document"})
HEX = 12
HEX_OF_COLUMN = 4


@dataclass(frozen=True)
class TableDigest:
    """Rows of a table, a digest of them, and one of each column that holds a value."""

    rows: int
    digest: str
    columns: Mapping[str, str] = field(default_factory=dict)


Tables = Mapping[str, TableDigest]
"""The tables that hold a row, by name."""


def digests_of(path: Path) -> dict[str, TableDigest]:
    """Every table and view of a generation that holds a row, but those that are left out."""
    with open_reader(path) as con:
        found = {name: _digest(con, name) for name in _names(con) if name not in LEFT_OUT}
    return {name: one for name, one in found.items() if one.rows}


def _names(con: duckdb.DuckDBPyConnection) -> list[str]:
    statement = "SELECT table_name FROM duckdb_tables() UNION SELECT view_name FROM duckdb_views() WHERE NOT internal"
    return sorted(str(row[0]) for row in con.execute(statement).fetchall())


def _digest(con: duckdb.DuckDBPyConnection, table: str) -> TableDigest:
    columns = {str(row[0]): str(row[1]) for row in con.execute(f"DESCRIBE {quote_identifier(table)}").fetchall()}
    if JSON_COLUMNS & columns.keys():
        return _of_documents(con, table)
    told = {name: _as_text(name, kind) for name, kind in sorted(columns.items()) if name not in OF_THE_RUN}
    row = ", ".join(f"'{name}=' || {text}" for name, text in told.items())
    sums = ", ".join(_sum(text) for text in (f"concat_ws(chr(31), {row})", *told.values()))
    where = f"WHERE key NOT IN {OF_THE_PACK}" if table == "case_meta" else ""
    found = con.execute(f"SELECT count(*), {sums} FROM {quote_identifier(table)} {where}").fetchone()
    assert found is not None
    return _table(found[0], found[1], dict(zip(told, found[2:], strict=True)))


def _as_text(name: str, kind: str) -> str:
    column = quote_identifier(name)
    return f"format('{{:.{DIGITS}g}}', {column} + 0.0)" if kind in ("DOUBLE", "FLOAT") else f"CAST({column} AS VARCHAR)"


def _sum(text: str) -> str:
    return f"sum(md5_number_lower({text}))"


def _table(rows: int, total: int | None, columns: Mapping[str, int | None]) -> TableDigest:
    """Sums of hashes, so that order means nothing and a repeated row counts as often as it stands there."""
    kept = {name: _hex(one, HEX_OF_COLUMN) for name, one in sorted(columns.items()) if one is not None}
    return TableDigest(rows, _hex(total or 0, HEX), kept)


def _hex(total: int, digits: int) -> str:
    return f"{int(total) % 16**digits:0{digits}x}"


def _of_documents(con: duckdb.DuckDBPyConnection, table: str) -> TableDigest:
    """A table of JSON documents; the keys of a document are its columns, and its position one of them."""
    total, columns, rows = 0, dict[str, int | None](), con.execute(f"FROM {quote_identifier(table)}").fetchall()
    for *position, body in rows:
        parsed = timeless(json.loads(body))
        found = parsed if isinstance(parsed, dict) else {"item": parsed}
        row = {"position": position, **{name: one for name, one in found.items() if one is not None}}
        total += _hash(row)
        for name, value in row.items():
            columns[name] = (columns.get(name) or 0) + _hash(value)
    return _table(len(rows), total, columns)


def _hash(value: Any) -> int:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return int.from_bytes(hashlib.md5(text.encode("utf-8", "surrogatepass")).digest()[:8])


def timeless(value: Any) -> Any:
    """A document without what differs from run to run; numbers without their last digits."""
    if isinstance(value, dict):
        return {key: timeless(one) for key, one in value.items() if key not in OF_THE_RUN}
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") + 0.0
    return [timeless(one) for one in value] if isinstance(value, list) else value


# The cases.


@dataclass(frozen=True)
class GoldenCase:
    """A case whose tables are known: its name, what writes its evidence into a folder or names the folder it is in, and
    whether its gate is overridden, so that every stage has its tables.
    """

    name: str
    evidence: Callable[[Path], Path]
    override: Override | None = None


def _ordered(order: CaseOrder, folder: Path) -> Path:
    return generate_order(order, folder).folder


def _generated(family: Family, shape: Shape | None, folder: Path) -> Path:
    return generate(family, folder, shape=shape).folder


def _story(
    family: Family,
    shape: Shape,
    variant: Variant = Variant.INTACT,
    audit: Shape | None = None,
    *,
    seed: int = 11,
    devices: bool = True,
    context: bool = True,
) -> GoldenCase:
    order = CaseOrder(family, seed, shape, audit, variant, devices=devices, context=context, mfa_steps=True)
    return GoldenCase(f"{family}-{shape}-{variant}", partial(_ordered, order))


def _misread(folder: Path) -> Path:
    """The evidence of every misreading, each in a folder of its own, without their contexts."""
    for one in misreadings.load():
        misreadings.write(one, folder / one.id)
        (folder / one.id / "case.toml").unlink(missing_ok=True)
    return folder


SAMPLE = (
    GoldenCase("oculus", partial(_generated, Family.OCULUS, None)),
    _story(Family.SPRAY_HIT, Shape.PORTAL_CSV, Variant.INTACT, Shape.UAL_CSV, context=False),
    _story(Family.SERVICES_ABROAD, Shape.PORTAL_CSV, Variant.CODES_MISSING, Shape.PURVIEW_CSV),
    _story(Family.MAIL_FRAUD, Shape.GRAPH_JSONL, Variant.INTACT, Shape.PURVIEW_CSV),
    _story(Family.CONSENT_PHISHING, Shape.GRAPH_JSON, Variant.STUCK_ZERO, Shape.UAL_CSV, devices=False),
    _story(Family.TOKEN_REPLAY, Shape.GRAPH_JSON_VALUE, Variant.INVENTED_ONE, context=False),
    _story(Family.MISLOCATED_DAY, Shape.SENTINEL_CSV, Variant.INTACT, context=False),
    _story(Family.RARE_GUESTS, Shape.SENTINEL_CSV, Variant.STUCK_FAILURE),
    _story(Family.LEGACY_TAKEOVER, Shape.PS_CSV, Variant.TYPE_NAME, Shape.UAL_CSV),
    _story(Family.UNUSED_MAILBOXES, Shape.PS_CSV, Variant.BLANK_CODES, devices=False),
    GoldenCase("misreadings", _misread, ANYWAY),
)
"""Every export shape, every damage, stories of every verdict, and every documented misreading in one folder. The
examples of every format are of the long run: what each of them is read as, the tests of the formats hold.
"""

PUBLIC = ("aad-logons", "office-activity", "management-api")
MORE_PUBLIC = ("disabled-account", "labelled-events")
"""Folders of public evidence, which may be absent: those of the sample, and what the long run holds besides."""


CORPUS = 60
"""How many cases of the corpus the long run holds: each family, and some of them twice."""
LARGE = (Family.HEALTHY, Family.MOSTLY_SUCCESS, Family.LOCAL_INTRUDER, Family.CONSENT_UNSEEN, Family.LEGACY)
LOGS = (
    (Family.SIGNINS, Shape.PORTAL_CSV),
    (Family.SIGNINS, Shape.GRAPH_JSONL),
    (Family.UAL, Shape.UAL_CSV),
    (Family.UAL, Shape.PURVIEW_CSV),
)
"""Single logs of ten thousand rows."""


def whole() -> list[GoldenCase]:
    """What the long run holds besides the sample: the corpus, the large stories, single logs, every example of every
    format, and the misreadings one by one.
    """
    orders = enumerate(corpus(CORPUS), 1)
    return [
        *(GoldenCase(f"{number:03}-{one.family}", partial(_ordered, one)) for number, one in orders),
        *(GoldenCase(f"{family}", partial(_generated, family, None)) for family in LARGE),
        *(GoldenCase(f"{family}-{shape}", partial(_generated, family, shape)) for family, shape in LOGS),
        GoldenCase("examples", write_examples, ANYWAY),
        *(GoldenCase(one.id.lower(), partial(misreadings.write, one)) for one in misreadings.load()),
    ]


def public(cases: Path, names: Sequence[str] = PUBLIC) -> list[GoldenCase]:
    """The public evidence that lies beside the checkout."""
    return [GoldenCase(name, partial(_there, cases / name)) for name in names if (cases / name).is_dir()]


def _there(folder: Path, _: Path) -> Path:
    return folder


def judge(case: GoldenCase, folder: Path) -> Path:
    """Make the evidence and run it to a published generation, beside a registry of its own; returns the generation."""
    settings = Settings(home=folder / "judged")
    settings.home.mkdir(parents=True)
    with Registry.open(settings.registry_url) as registry:
        evidence = case.evidence(folder / "evidence")
        given = {"override": case.override} if case.override else {}
        made = run_folder(evidence, registry, settings=settings, case_id="golden", **given)
    path = made.store.current("golden")
    assert path is not None
    return path


# The files in which the digests are kept.


def differences(case: str, before: Tables, after: Tables) -> list[str]:
    """A sentence for each table that is not what it was."""
    return [
        f"{case}: {table}: {_told(before.get(table), after.get(table))}"
        for table in sorted({*before, *after})
        if not _same(before.get(table), after.get(table))
    ]


def _same(one: TableDigest | None, other: TableDigest | None) -> bool:
    return one is not None and other is not None and (one.rows, one.digest) == (other.rows, other.digest)


def _told(before: TableDigest | None, after: TableDigest | None) -> str:
    if before is None or after is None:
        rows = (before or after or TableDigest(0, "")).rows
        return f"held no rows and holds {rows:,} now" if before is None else f"held {rows:,} rows and holds none now"
    other = before.rows != after.rows
    counted = f"{before.rows:,} rows before, {after.rows:,} now" if other else f"{before.rows:,} rows"
    return f"{counted}; {_columns(before.columns, after.columns)}"


def _columns(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if not before or not after:
        return "other values"
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return f"other values in {', '.join(names)}" if names else "the same values in every column, joined otherwise"


def read(path: Path) -> dict[str, dict[str, TableDigest]]:
    """The digests that are kept, by case and table."""
    if not path.is_file():
        return {}
    kept = json.loads(path.read_text(encoding="utf-8"))
    return {case: {table: _read(told) for table, told in tables.items()} for case, tables in kept.items()}


def _read(told: str) -> TableDigest:
    rows, digest, *columns = told.split()
    return TableDigest(int(rows), digest, dict(one.rsplit(":", 1) for one in columns))


def _written(one: TableDigest, *, columns: bool) -> str:
    parts = (f"{name}:{digest}" for name, digest in one.columns.items()) if columns else ()
    return " ".join([str(one.rows), one.digest, *parts])


def renew(path: Path, case: str, tables: Tables, known: Sequence[str], *, columns: bool) -> None:
    """Keep the digests of a case, and let go of cases that are no longer known."""
    with FileLock(Path(gettempdir()) / f"{path.name}.lock"):
        kept = {name: found for name, found in {**read(path), case: tables}.items() if name in known}
        told = {
            name: {table: _written(one, columns=columns) for table, one in sorted(found.items())}
            for name, found in sorted(kept.items())
        }
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
