"""What a file is taken for, and in which words one is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from m365dq_dagster.adapters.evidence.folder import FoundFile
from m365dq_dagster.adapters.evidence.formats import parse_formats
from m365dq_dagster.adapters.evidence.recognition import NotRecognised, RecognisedFile, look_at
from m365dq_dagster.adapters.evidence.sidecars import Sidecar, parse_sidecars
from m365dq_dagster.core.ledger import FileReason
from tests.support.intake_case import shipped_formats, take_in

FORMATS, SIDECARS = parse_formats(shipped_formats()), parse_sidecars(shipped_formats())
HEADER = "CreatedDateTime,UserPrincipalName,ErrorCode,AppDisplayName\n"
ROW = "2025-03-01T09:15:00Z,ann@contoso.example,0,Office\n"


def sign_in(number: int) -> dict[str, object]:
    return {
        "id": f"s{number}",
        "createdDateTime": "2025-03-01T09:15:00Z",
        "userPrincipalName": "ann@contoso.example",
        "appDisplayName": "Office",
        "ipAddress": "203.0.113.7",
        "status": {"errorCode": 0},
        "conditionalAccessStatus": "success",
    }


def looked_at(folder: Path, text: str | bytes) -> RecognisedFile | NotRecognised | Sidecar:
    place = folder / "export"
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return look_at(FoundFile("export", place, place.stat().st_size, None), FORMATS, SIDECARS)


def test_lists_on_the_lines_of_a_document_are_counted_element_by_element(tmp_path: Path) -> None:
    lines = [json.dumps(sign_in(number)) for number in range(1_000, 1_300)]
    lines.append(json.dumps([sign_in(number) for number in range(50)]))
    (tmp_path / "late.json").write_text("\n".join(lines))

    taken = take_in(tmp_path)

    assert taken.ledger("late.json") == (350, 350, 0, 0)


def test_a_page_with_an_element_that_is_no_record_keeps_its_other_records(tmp_path: Path) -> None:
    pages = [{"value": [sign_in(1), None, sign_in(2)]}, {"value": []}, {"value": [sign_in(3)]}]
    (tmp_path / "pages.json").write_text(json.dumps(pages))

    taken = take_in(tmp_path)

    assert taken.ledger("pages.json") == (4, 3, 0, 1)
    assert [row["raw"] for row in taken.rows("SELECT raw FROM quarantine")] == ["null"]


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        ("[]", FileReason.NO_RECORDS, ""),
        ("{}", FileReason.NO_RECORDS, ""),
        ("[null]", FileReason.NO_RECORDS, ""),
        ('{"@odata.context":"c","value":[]}', FileReason.NO_RECORDS, ""),
        ('{"schema":[{"Name":"Timestamp"}],"results":[]}', FileReason.NO_RECORDS, ""),
        ("[", FileReason.BROKEN_JSON, ""),
        ('{"error":{"code":"Invalid\\u0007Token","message":"m"}}', FileReason.ERROR_ANSWER, "Invalid\\x07Token"),
        ('{"error":{"code":"x"}}', FileReason.UNKNOWN_KEYS, "error"),
        ("\n<!DOCTYPE html>\n<html>", FileReason.WEB_PAGE, ""),
        ("<!-- Copyright, 2025 -->\n<!-- a,b,c -->\n<html lang=en>", FileReason.WEB_PAGE, ""),
        ('<Objs Version="1.1.0.1" xmlns="x">', FileReason.CLIXML, ""),
        (
            "ResultType,UserPrincipalName,AppDisplayName,ResultSignature,SignIns\n0,ann@contoso.example,Office,None,188\n",
            FileReason.UNKNOWN_HEADER,
            "ResultType, UserPrincipalName, AppDisplayName, ResultSignature, SignIns",
        ),
        ("ResultType,count_\n0,188\n", FileReason.UNKNOWN_HEADER, "ResultType, count_"),
        ("<log>\n", FileReason.NO_HEADER, ""),
    ],
)
def test_a_file_that_is_no_log_is_told_for_what_it_is(
    tmp_path: Path, text: str, reason: FileReason, detail: str
) -> None:
    seen = looked_at(tmp_path, text)

    assert isinstance(seen, NotRecognised)
    assert (seen.reason, seen.detail) == (reason, detail)


def test_a_web_page_of_comments_alone_costs_no_more_than_its_length(tmp_path: Path) -> None:
    assert isinstance(looked_at(tmp_path, "<!-- x -->" * 10_000), NotRecognised)


def test_a_table_with_zeros_at_its_end_or_a_mark_encoded_twice_is_read(tmp_path: Path) -> None:
    (tmp_path / "zeros.csv").write_text(HEADER + ROW + "\x00" * 800, encoding="utf-8")
    (tmp_path / "twice.csv").write_text("\u00ef\u00bb\u00bf" + HEADER + ROW.replace("ann", "bob"), encoding="utf-8")

    taken = take_in(tmp_path)

    assert taken.ledger("twice.csv") == (1, 1, 0, 0)
    assert taken.ledger("zeros.csv") == (2, 1, 0, 1)


def test_a_document_with_zeros_at_its_end_is_read(tmp_path: Path) -> None:
    (tmp_path / "zeros.json").write_text(json.dumps([sign_in(1), sign_in(2)]) + "\x00" * 500, encoding="utf-8")

    taken = take_in(tmp_path)

    assert taken.ledger("zeros.json") == (3, 2, 0, 1)
