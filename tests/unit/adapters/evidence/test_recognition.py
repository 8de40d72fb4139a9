"""What a file is taken for, and in which words one is left out."""

from __future__ import annotations

import json
from pathlib import Path

from m365dq_dagster.adapters.evidence.folder import FoundFile
from m365dq_dagster.adapters.evidence.formats import parse_formats
from m365dq_dagster.adapters.evidence.recognition import NotRecognised, RecognisedFile, look_at
from m365dq_dagster.adapters.evidence.sidecars import Sidecar, parse_sidecars
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
    return look_at(FoundFile("export", place, place.stat().st_size, "x"), FORMATS, SIDECARS)


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
