"""What collectors write beside the evidence is known by what stands in it, read within bounds, and never trusted."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from m365dq_dagster.adapters.evidence.folder import FoundFile, evidence_files
from m365dq_dagster.adapters.evidence.sidecars import (
    CONTAINERS,
    MAX_KEPT,
    MAX_LINE,
    Sidecar,
    SidecarDefinition,
    parse_sidecar,
    parse_sidecars,
    read_sidecar,
)
from m365dq_dagster.adapters.evidence.text import TextHead, read_head
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.core.declared import Declaration, DeclarationKind
from m365dq_dagster.core.errors import BadInput

SHIPPED = [data for data in load_rule_pack().formats if data.get("container") in CONTAINERS]
DEFINITIONS = parse_sidecars(SHIPPED)
LINE = "3/9/2026 10:00:00: [INFO] Found {} audit logs between 2026-03-01T00:00:00Z and 2026-03-01T06:00:00Z"
A = "a" * 64


def found(text: str, path: str = "x") -> FoundFile:
    return FoundFile(path, Path("nowhere"), len(text), None)


def read(text: str, definitions: tuple[SidecarDefinition, ...] = DEFINITIONS) -> Sidecar | None:
    return read_sidecar(found(text), text, definitions)


def declared(text: str, definitions: tuple[SidecarDefinition, ...] = DEFINITIONS) -> tuple[Declaration, ...]:
    sidecar = read(text, definitions)
    assert sidecar
    return sidecar.declarations


# The shipped definitions


@pytest.mark.parametrize(
    ("data", "example"),
    [pytest.param(data, one, id=f"{data['id']}: {one['name']}") for data in SHIPPED for one in data["examples"]],
)
def test_an_example_declares_what_it_says(data: dict[str, Any], example: dict[str, Any]) -> None:
    sidecar = read(example["text"])
    assert sidecar
    assert (sidecar.definition_id, sidecar.title, sidecar.left_out) == (data["id"], data["title"], 0)
    told = [
        {name: str(value) if isinstance(value, datetime) else value for name, value in vars(item).items()}
        for item in sidecar.declarations
    ]
    assert [
        {name: one[name] for name in wanted} for one, wanted in zip(told, example["expect"], strict=True)
    ] == example["expect"]
    assert all(item.says or item.kind in ("FILE", "WINDOW", "COLLECTED") for item in sidecar.declarations)


def test_every_shipped_definition_has_examples_and_the_formats_of_logs_are_passed_by() -> None:
    assert {"mes_logfile", "goose_ual_bounds", "goose_ual_state", "dfir_o365rc_log", "evidence_manifest"} <= {
        definition.id for definition in DEFINITIONS
    }
    assert all(definition.examples for definition in DEFINITIONS)
    assert len(parse_sidecars(load_rule_pack().formats)) == len(DEFINITIONS)


# Recognition


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# what we did\nCollected logs with the extractor suite.\n",
        "Date (UTC),Request ID,Username\n2026-03-01T00:00:00Z,1,ann\n",
        "2026-03-01 00:00:00,2026-03-01 08:00:00,4100\nand a note\n",
        '[{"start": "2026-03-01", "end": "2026-03-02", "subject": "meeting"}]',
        '{"Files": []}',
        '{"Files": [{"FileName": "a.csv"}]}',
        '{"Files": "a.csv", "FileName": 1, "Hash": 2}',
        '{"files": [{"name": "a", "hash": "b"}, 7]}',
        '[{"FileName": "a.csv", "SHA256": "x"}]',
        '{"files": [{"name": "a", "hash": "b"}',
        "[" * 100_000,
        '{"@odata.context": "x", "value": [{"id": 1, "createdDateTime": "2026-03-01T00:00:00Z"}]}',
    ],
)
def test_what_is_none_of_them_is_left_alone(text: str) -> None:
    assert read(text) is None


def test_a_file_is_known_by_what_stands_in_it_under_any_name() -> None:
    sidecar = read_sidecar(found("", "holiday.txt"), LINE.format(3), DEFINITIONS)

    assert sidecar
    assert (sidecar.definition_id, sidecar.file.path) == ("mes_logfile", "holiday.txt")


def test_a_manifest_may_begin_with_a_byte_order_mark_and_spell_its_keys_otherwise() -> None:
    text = "\ufeff" + json.dumps(
        {"file_list": [{"relative path": "./x/a.csv", "sha-256": f"SHA256: {A.upper()}", "row_count": "1,204"}]}
    )

    assert declared(text) == (Declaration(DeclarationKind.FILE, path="x/a.csv", sha256=A, rows=1204),)


def test_a_shorter_digest_and_a_size_that_is_no_number_are_none() -> None:
    files = [{"Name": "/data/a.csv", "Hash": "d41d8cd98f00b204e9800998ecf8427e", "Size": "12 kB"}]
    whole = {"Name": "b.csv", "Hash": A}

    assert declared(json.dumps({"Files": [*files, whole]})) == (
        Declaration(DeclarationKind.FILE, path="data/a.csv"),
        Declaration(DeclarationKind.FILE, path="b.csv", sha256=A),
    )


def test_a_list_of_names_without_one_sha_256_is_no_manifest() -> None:
    assert read(json.dumps({"items": [{"name": "a", "hash": "abc"}, {"name": "b", "hash": None}]})) is None


@pytest.mark.parametrize(
    "text",
    [
        "a,b,c\n1,Unified Audit Log Collection Summary,3\n",
        "a\tb\tUnified Audit Log Collection Summary\n",
        '{"note": "Unified Audit Log Collection Summary"}\n{"note": "x"}\n',
        'sep=;\na;b;c\n"1";"=== Unified Audit Log Collection Summary ===\nx";3\n',
    ],
)
def test_a_cell_that_reads_like_a_line_of_a_log_makes_no_table_one(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    "before",
    ["[INFO] 1,204,331 events, 3 windows\n", "=== Unified Audit Log, Collection Summary, total ===\n", "", "{ }\n"],
)
def test_a_log_with_commas_or_brackets_stays_a_log(before: str) -> None:
    assert read(before + LINE.format("1,204,331") + "\n" + LINE.format(3))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-09T10:00:00", datetime(2026, 3, 9, 10)),
        ("2026-03-09T10:00:00+02:00", datetime(2026, 3, 9, 8)),
        ("2026-03-09T10:00:00.1234567Z", datetime(2026, 3, 9, 10, 0, 0, 123456)),
        (1_773_050_400, datetime(2026, 3, 9, 10)),
        (1_773_050_400_000, datetime(2026, 3, 9, 10)),
        (10**30, None),
        ("9/3/2026", None),
        (True, None),
    ],
)
def test_the_time_of_a_collection_is_read_in_the_ways_it_is_written(text: object, moment: datetime | None) -> None:
    document = {"CollectedAt": text, "Files": [{"Name": "a", "Hash": A}]}
    told = [item.begins for item in declared(json.dumps(document)) if item.kind is DeclarationKind.COLLECTED]

    assert told == ([moment] if moment else [])


def test_a_time_without_a_zone_is_none_where_the_clock_is_local() -> None:
    text = "[ERROR] Max retries reached for window {0} -> {1}. Skipping."
    local = declared(text.format("2026-03-01 12:00:00", "2026-03-01 18:00:00"))[0]
    zoned = declared(text.format("2026-03-01T12:00:00Z", "2026-03-01T18:00:00Z"))[0]

    assert (local.begins, "2026-03-01 12:00:00 to 2026-03-01 18:00:00" in local.says) == (None, True)
    assert zoned.begins == datetime(2026, 3, 1, 12)


# Bounds


def test_a_long_log_is_read_from_its_place_and_declarations_beyond_the_bound_are_counted(tmp_path: Path) -> None:
    with (tmp_path / "LogFile.txt").open("w", encoding="utf-16-le", newline="") as stream:
        stream.write("\ufeff")
        for number in range(9_000):
            stream.write(LINE.format(number) + "\r\n")
        stream.write("[ERROR] Window a -> b has 5000+ events. SOME EVENTS IN THIS RANGE ARE NOT CAPTURED.\r\n")
    file = evidence_files(tmp_path)[0]
    head = read_head(file.location)
    assert isinstance(head, TextHead)
    sidecar = read_sidecar(file, head.text, DEFINITIONS)

    assert sidecar
    assert (len(sidecar.declarations), sidecar.left_out) == (MAX_KEPT + 1, 9_000 - MAX_KEPT)
    assert sidecar.declarations[-1].line == 9_001


def test_a_file_that_went_meanwhile_is_none(tmp_path: Path) -> None:
    gone = FoundFile("x", tmp_path / "gone", 1 << 30, None)

    assert read_sidecar(gone, LINE.format(3), DEFINITIONS) is None


def test_a_file_that_became_something_else_is_judged_by_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"PK\x03\x04")
    changed = FoundFile("x", tmp_path / "x", 1 << 30, None)
    sidecar = read_sidecar(changed, LINE.format(3), DEFINITIONS)

    assert sidecar
    assert len(sidecar.declarations) == 1


def test_a_line_without_end_is_looked_at_in_pieces() -> None:
    text = LINE.format(3) + "\n" + "x" * (3 * MAX_LINE) + "\n" + LINE.format(4)

    assert [item.rows for item in declared(text)] == [3, 4]


def test_a_text_of_the_evidence_is_cut_and_made_printable_in_a_sentence() -> None:
    text = LINE.format(1) + "\n\x1b[31mwhat {evil} NOT CAPTURED"
    said = declared(text)[-1].says

    assert "\x1b" not in said
    assert "(evil)" in said
    long = parse_sidecar(TEXT | {"lines": [LINES | {"pattern": "mark(?P<detail>.*)", "says": "{detail}"}]}, "x")
    assert len(declared("mark" + "y" * 900, (long,))[0].says) == 200


def test_a_manifest_beyond_its_bounds_is_none_or_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({"Files": [{"Name": str(n), "Hash": A} for n in range(5)]})
    module = "m365dq_dagster.adapters.evidence.sidecars"
    monkeypatch.setattr(f"{module}.MAX_LISTED", 3)
    sidecar = read(text)
    assert sidecar
    assert (len(sidecar.declarations), sidecar.left_out) == (3, 2)
    monkeypatch.setattr(f"{module}.MAX_MANIFEST", 20)
    assert read(text) is None


# Definitions


LINES = {"kind": "HOLE", "word": "mark", "pattern": "mark", "says": "it says so"}
TEXT: dict[str, Any] = {
    "id": "x", "title": "t", "container": "text", "recognise": "mark", "lines": [LINES], "examples": [],
}  # fmt: skip
MANIFEST: dict[str, Any] = {
    "id": "x", "title": "t", "container": "manifest", "entry": ["name"], "fields": {"path": "name"}, "examples": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TEXT | {"container": "csv"}, "container must be one of text, manifest"),
        (TEXT | {"colour": 1}, "key 'colour' is not known"),
        ({name: TEXT[name] for name in TEXT if name != "lines"}, "key 'lines' is missing"),
        ({name: MANIFEST[name] for name in MANIFEST if name != "entry"}, "key 'entry' is missing"),
        (TEXT | {"clock": "moon"}, "clock must be one of utc, local"),
        (TEXT | {"recognise": ["("]}, "is no regular expression"),
        (TEXT | {"sections": [{"pattern": "("}]}, "is no regular expression"),
        (TEXT | {"lines": [{"kind": "HOLE"}]}, "each line needs kind, word, pattern and says"),
        (TEXT | {"lines": [LINES | {"extra": 1}]}, "each line needs kind, word, pattern and says"),
        (TEXT | {"lines": [LINES | {"kind": "ROUND"}]}, "kind must be one of"),
        (TEXT | {"lines": [LINES | {"clock": "moon"}]}, "clock must be one of"),
        (TEXT | {"lines": [LINES | {"pattern": "(?P<colour>x)"}]}, "the groups of a pattern are"),
        (TEXT | {"lines": [LINES | {"says": "{rows}"}]}, "only the groups of its pattern"),
        (TEXT | {"lines": [LINES | {"says": "{"}]}, "only the groups of its pattern"),
        (MANIFEST | {"fields": {"colour": "x"}}, "fields must be a mapping"),
        (MANIFEST | {"fields": "name"}, "fields must be a mapping"),
        (MANIFEST | {"says": "{colour}"}, "says may hold in braces"),
        (MANIFEST | {"entry_kind": "ROUND"}, "entry_kind must be one of"),
    ],
)
def test_a_definition_that_cannot_be_used_is_refused_with_what_is_expected(data: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match="format x") as error:
        parse_sidecar(data, "format x")

    assert message in str(error.value)


def test_a_new_kind_of_file_is_a_document_of_the_rule_pack_and_no_code() -> None:
    document = yaml.safe_load(
        """
        id: own_collector
        title: our own collector
        container: text
        clock: utc
        recognise: ['^own collector']
        sections: [{pattern: '^sign-ins:', log_type: sign_in_logs}]
        lines:
          - {kind: TOTAL, word: rows, pattern: '(?P<rows>\\d+) rows', says: '{rows} rows'}
        examples: []
        """
    )
    own = parse_sidecars([document, {"id": "csv", "container": "csv"}])

    assert declared("own collector\n7 rows\nsign-ins:\n9 rows\n", own) == (
        Declaration(DeclarationKind.TOTAL, rows=7, says="7 rows", line=2),
        Declaration(DeclarationKind.TOTAL, "sign_in_logs", rows=9, says="9 rows", line=4),
    )


def test_a_manifest_of_entries_alone_needs_no_document_around_them() -> None:
    own = (parse_sidecar(MANIFEST, "x"),)

    assert declared('[{"name": "a.csv"}]', own) == (Declaration(DeclarationKind.FILE, path="a.csv"),)
    assert read('{"name": "a.csv"}', own) is not None
    assert read('"name": 1', own) is None
    assert read('[{"name": "a.csv"}]', ()) is None
