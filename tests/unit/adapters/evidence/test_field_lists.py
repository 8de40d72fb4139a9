"""Claims about which records of which files are read again to see their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters.evidence import field_lists
from m365dq_dagster.adapters.evidence.field_lists import exported, make_of, readings, sample, spellings
from m365dq_dagster.adapters.evidence.folder import case_files
from m365dq_dagster.adapters.evidence.formats import FormatDefinition, parse_formats
from m365dq_dagster.adapters.evidence.recognition import RecognisedFile, look_at
from tests.support.intake_case import shipped_formats
from tests.support.schema_watch import as_audit_csv, as_csv, as_json, graph, logon, portal, rows

FORMATS = parse_formats(shipped_formats())


def named(name: str) -> FormatDefinition:
    return next(one for one in FORMATS if one.id == name)


def looked_at(folder: Path) -> list[RecognisedFile]:
    seen = [look_at(file, FORMATS) for file in case_files((folder,))]
    return [one for one in seen if isinstance(one, RecognisedFile)]


def test_tables_of_one_header_are_one_group_and_documents_of_one_format_are(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(as_csv(rows(portal, 3)), encoding="utf-8")
        (tmp_path / f"{name}.json").write_text(as_json(rows(graph, 3)), encoding="utf-8")
    (tmp_path / "c.csv").write_text(as_csv([{**portal(1), "More": 1}]), encoding="utf-8")
    groups = exported(looked_at(tmp_path))
    assert sorted((one.definition.id, len(one.files), len(one.header)) for one in groups) == [
        ("graph_signin_beta", 2, 0),
        ("portal_signin_csv", 1, 19),
        ("portal_signin_csv", 2, 18),
    ]


def test_some_of_many_files_are_read_first_and_last_among_them(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:02}.json").write_text(as_json([{**graph(number), "n": number}]), encoding="utf-8")
    (group,) = exported(looked_at(tmp_path))
    read = [record["n"] for record in sample(group, FORMATS)]
    assert len(read) == field_lists.FILES_EACH
    assert (read[0], read[-1]) == (0, 19)


def test_a_file_that_went_in_between_is_passed_by(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(as_json(rows(graph, 2)), encoding="utf-8")
    (group,) = exported(looked_at(tmp_path))
    (tmp_path / "a.json").unlink()
    assert len(list(sample(group, FORMATS))) == 2


def test_cells_that_hold_objects_are_opened_and_broken_rows_are_left_out(tmp_path: Path) -> None:
    text = as_audit_csv(rows(logon, 3)) + '"broken\n'
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    (group,) = exported(looked_at(tmp_path))
    records = list(sample(group, FORMATS))
    assert [record["AuditData"]["RecordType"] for record in records] == [15, 15, 15]
    assert {make_of(group.definition, record) for record in records} == {"15"}


def test_a_cell_that_only_begins_like_an_object_stays_text(tmp_path: Path) -> None:
    line = as_audit_csv(rows(logon, 1)).splitlines()
    text = "\n".join((*line, line[1].replace('{""', '{{""', 1))) + "\n"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    (group,) = exported(looked_at(tmp_path))
    first, second = sample(group, FORMATS)
    assert isinstance(first["AuditData"], dict)
    assert isinstance(second["AuditData"], str)
    assert make_of(group.definition, second) == ""


def test_of_a_document_of_several_logs_only_its_own_records_are_read(tmp_path: Path) -> None:
    mixed: list[dict[str, Any]] = [*rows(graph, 5), *rows(logon, 2)]
    (tmp_path / "a.json").write_text("\n".join(map(json.dumps, mixed)), encoding="utf-8")
    (group,) = exported(looked_at(tmp_path))
    assert len(list(sample(group, FORMATS))) == 5


def test_names_lead_to_the_fields_that_are_read_from_them() -> None:
    found = readings(named("graph_signin_beta"))
    assert found["status.errorcode"] == {"status_error_code"}
    assert found["conditionalaccessstatus"] == {"conditional_access_status"}
    assert readings(named("mes_ual_csv"))["auditdata.errornumber"] == {"error_number"}


def test_every_language_of_a_header_leads_to_the_english_one() -> None:
    assert spellings(named("portal_signin_csv"))["fecha (utc)"] == "date (utc)"
