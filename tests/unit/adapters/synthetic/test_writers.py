import csv
import json
from pathlib import Path

import pytest

from m365dq_dagster.adapters.synthetic.audit_writers import (
    LEGACY_COLUMNS,
    PURVIEW_COLUMNS,
    SESSION_ROWS,
    UAL_COLUMNS,
    write_audit_log,
    write_legacy_log,
)
from m365dq_dagster.adapters.synthetic.bulk import many_audit_records, many_legacy_attempts, many_sign_ins
from m365dq_dagster.adapters.synthetic.intrusion import AZURE_CLI
from m365dq_dagster.adapters.synthetic.office_days import SMTP
from m365dq_dagster.adapters.synthetic.sign_in_writers import (
    PORTAL_COLUMNS,
    PS_COLUMNS,
    SENTINEL_COLUMNS,
    Rendering,
    write_sign_ins,
)
from m365dq_dagster.adapters.synthetic.vocabulary import (
    SIGN_IN_SHAPES,
    TYPE_NAME,
    WORDING,
    ConditionalAccess,
    Shape,
    Variant,
)

ROWS = 300
EVENTS = list(many_sign_ins(5, ROWS))
CSV_SHAPES = {Shape.PORTAL_CSV: PORTAL_COLUMNS, Shape.PS_CSV: PS_COLUMNS, Shape.SENTINEL_CSV: SENTINEL_COLUMNS}


def table(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def written(tmp_path: Path, shape: Shape, rendering: Rendering) -> list[dict[str, object]]:
    path = tmp_path / "log"
    write_sign_ins(path, EVENTS, shape, rendering)
    if shape in CSV_SHAPES:
        header, rows = table(path)
        return [dict(zip(header, row, strict=True)) for row in rows]
    text = path.read_text(encoding="utf-8")
    if shape is Shape.GRAPH_JSONL:
        return [json.loads(line) for line in text.splitlines()]
    loaded = json.loads(text)
    return loaded["value"] if shape is Shape.GRAPH_JSON_VALUE else loaded


def status_cells(row: dict[str, object], shape: Shape) -> list[object]:
    return {
        Shape.PORTAL_CSV: lambda: [row["Status"], row["Sign-in error code"]],
        Shape.PS_CSV: lambda: [row["Status"]],
        Shape.SENTINEL_CSV: lambda: [row["ResultType"], row["Status"]],
    }.get(shape, lambda: [row["status"]])()


@pytest.mark.parametrize(("shape", "columns"), CSV_SHAPES.items())
def test_a_csv_shape_has_its_real_headers_and_full_rows(tmp_path: Path, shape: Shape, columns: tuple[str, ...]) -> None:
    path = tmp_path / "log.csv"
    write_sign_ins(path, EVENTS, shape, Rendering())
    header, rows = table(path)
    assert header == list(columns)
    assert len(rows) == ROWS
    assert {len(row) for row in rows} == {len(columns)}


def test_the_portal_headers_keep_their_blanks_and_the_duplicate() -> None:
    assert len(PORTAL_COLUMNS) == 57
    assert {"Application ID ", "Resource ID ", "Autonomous system  number"} <= set(PORTAL_COLUMNS)
    assert PORTAL_COLUMNS.count("Incoming token type") == 2


def test_headers_are_those_of_the_catalogue_of_formats(checkout: Path) -> None:
    catalogue = checkout.parent / "shared" / "formats.json"
    if not catalogue.is_file():
        pytest.skip("the catalogue of formats (../shared/formats.json) is not beside this checkout")
    known = {entry["id"]: entry.get("columns") for entry in json.loads(catalogue.read_text())["formats"]}
    assert list(PORTAL_COLUMNS) == known["portal_signin_csv"]
    assert list(PS_COLUMNS) == known["ps_numbered_export"]["signin"]
    assert list(UAL_COLUMNS) == known["ps_numbered_export"]["ual"]
    assert list(LEGACY_COLUMNS) == known["ps_numbered_export"]["legacy_auth"]
    assert list(PURVIEW_COLUMNS) == known["purview_csv"]
    assert list(SENTINEL_COLUMNS) == [name.partition("|")[0].rstrip("*") for name in known["sentinel_signinlogs_csv"]]


@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_an_intact_status_holds_the_code_of_every_row(tmp_path: Path, shape: Shape) -> None:
    rows = written(tmp_path, shape, Rendering())
    assert len(rows) == ROWS
    for event, row in zip(EVENTS, rows, strict=True):
        code = WORDING[event.deed].code
        cell = status_cells(row, shape)[-1]
        if isinstance(cell, dict):
            assert cell["errorCode"] == code
        elif shape is Shape.SENTINEL_CSV:
            assert json.loads(str(cell))["errorCode"] == code
        else:
            assert cell == str(code)


@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_a_type_name_fills_every_status_cell(tmp_path: Path, shape: Shape) -> None:
    rows = written(tmp_path, shape, Rendering(Variant.TYPE_NAME))
    assert {cell for row in rows for cell in status_cells(row, shape)} == {TYPE_NAME}


@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_an_invented_one_fills_every_status_cell(tmp_path: Path, shape: Shape) -> None:
    rows = written(tmp_path, shape, Rendering(Variant.INVENTED_ONE))
    cells = {str(cell) for row in rows for cell in status_cells(row, shape)}
    assert cells <= {"1", "{'errorCode': 1}", '{"errorCode": 1}'}


@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_a_blank_status_is_blank_in_every_status_cell(tmp_path: Path, shape: Shape) -> None:
    blanks = [
        cell for row in written(tmp_path, shape, Rendering(Variant.BLANK_CODES)) for cell in status_cells(row, shape)
    ]
    told = {json.dumps(cell.get("errorCode")) if isinstance(cell, dict) else str(cell) for cell in blanks}
    assert told <= {"", "null"}


@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_a_stuck_zero_reads_like_a_success_in_every_row(tmp_path: Path, shape: Shape) -> None:
    honest = written(tmp_path, shape, Rendering())
    success = next(
        status_cells(row, shape) for row, event in zip(honest, EVENTS, strict=True) if not WORDING[event.deed].code
    )
    for row in written(tmp_path, shape, Rendering(Variant.STUCK_ZERO)):
        assert status_cells(row, shape) == success


@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_a_stuck_failure_is_the_word_or_a_failing_code(tmp_path: Path, shape: Shape) -> None:
    rows = written(tmp_path, shape, Rendering(Variant.STUCK_FAILURE))
    text = json.dumps([status_cells(row, shape) for row in rows])
    assert text.count("Failure" if shape is Shape.PS_CSV else "50126") >= ROWS


@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_where_codes_are_missing_the_other_rows_are_as_they_were(tmp_path: Path, shape: Shape) -> None:
    honest = written(tmp_path, shape, Rendering())
    damaged = written(tmp_path, shape, Rendering(Variant.CODES_MISSING))
    same = sum(one == other for one, other in zip(honest, damaged, strict=True))
    assert same / ROWS == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_an_export_without_rows_is_read_as_one(tmp_path: Path, shape: Shape) -> None:
    path = tmp_path / "log"
    write_sign_ins(path, [], shape, Rendering())
    if shape in CSV_SHAPES:
        assert table(path) == (list(CSV_SHAPES[shape]), [])
    elif shape is Shape.GRAPH_JSONL:
        assert path.read_bytes() == b""
    else:
        assert json.loads(path.read_text(encoding="utf-8")) in ([], {"value": []})


@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_the_policies_tell_in_every_shape_and_variant(tmp_path: Path, shape: Shape) -> None:
    column = {Shape.PORTAL_CSV: "Conditional Access", Shape.PS_CSV: "ConditionalAccessStatus"}
    column[Shape.SENTINEL_CSV] = "ConditionalAccessStatus"
    for variant in Variant:
        rows = written(tmp_path, shape, Rendering(variant))
        told = [str(row[column.get(shape, "conditionalAccessStatus")]).replace(" ", "").lower() for row in rows]
        assert told == [event.policies.value.lower() for event in EVENTS]


@pytest.mark.parametrize("shape", SIGN_IN_SHAPES)
def test_without_devices_no_device_is_named(tmp_path: Path, shape: Shape) -> None:
    named = json.dumps(written(tmp_path, shape, Rendering()))
    assert "Windows10" in named
    assert "Edge" in named
    unnamed = json.dumps(written(tmp_path, shape, Rendering(devices=False)))
    assert not [word for word in ("Windows10", "Edge", "MacOs", "LT-0", "Mozilla") if word in unnamed]


def test_the_search_export_names_record_types_outside_and_numbers_them_inside(tmp_path: Path) -> None:
    path = tmp_path / "ual.csv"
    write_audit_log(path, many_audit_records(5, ROWS), ROWS, Shape.UAL_CSV)
    header, rows = table(path)
    assert header == list(UAL_COLUMNS)
    names = {}
    for number, cells in enumerate(rows, 1):
        row = dict(zip(header, cells, strict=True))
        payload = json.loads(row["AuditData"])
        assert payload["Id"] == row["Identity"]
        assert payload["Operation"] == row["Operations"]
        assert (row["ResultIndex"], row["ResultCount"]) == (str(number), str(ROWS))
        names[row["RecordType"]] = payload["RecordType"]
    assert names["AzureActiveDirectoryStsLogon"] == 15
    assert all(isinstance(number, int) for number in names.values())


def test_a_long_search_is_several_sessions_that_count_their_own_rows(tmp_path: Path) -> None:
    path, count = tmp_path / "ual.csv", SESSION_ROWS + 5
    record = next(many_audit_records(5, 1))
    write_audit_log(path, (record for _ in range(count)), count, Shape.UAL_CSV)
    _, rows = table(path)
    assert rows[SESSION_ROWS - 1][5:7] == [str(SESSION_ROWS)] * 2
    assert rows[SESSION_ROWS][5:7] == ["1", "5"]


def test_the_compliance_portal_writes_numbers_and_a_trailing_blank(tmp_path: Path) -> None:
    path = tmp_path / "purview.csv"
    write_audit_log(path, many_audit_records(5, ROWS), ROWS, Shape.PURVIEW_CSV)
    header, rows = table(path)
    assert header == list(PURVIEW_COLUMNS)
    assert all(row[1].endswith("Z ") and row[2].isdigit() for row in rows)


def test_the_legacy_log_holds_code_digits_and_blank_policies(tmp_path: Path) -> None:
    path = tmp_path / "legacy.csv"
    write_legacy_log(path, many_legacy_attempts(5, ROWS))
    header, rows = table(path)
    assert header == list(LEGACY_COLUMNS)
    assert {row[8] for row in rows} == {"50126", "50053"}
    assert {row[10] for row in rows} == {""}


@pytest.mark.parametrize("shape", [shape for shape in SIGN_IN_SHAPES if shape is not Shape.PS_CSV])
def test_a_client_that_knows_only_a_password_meets_a_single_factor(tmp_path: Path, shape: Shape) -> None:
    rows = [
        event._replace(app=app, policies=ConditionalAccess.SUCCESS) for event in EVENTS[:2] for app in (SMTP, AZURE_CLI)
    ]
    path = tmp_path / "log"
    write_sign_ins(path, rows, shape, Rendering())
    text = path.read_text(encoding="utf-8-sig").lower().replace("-", "").replace(" ", "")
    assert text.count("singlefactorauthentication") == 4
    assert 'multifactorauthentication"' not in text
