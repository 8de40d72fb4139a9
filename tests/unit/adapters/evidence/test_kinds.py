"""The format of single records of a document."""

from __future__ import annotations

import pytest

from m365dq_dagster.adapters.evidence import plans
from m365dq_dagster.adapters.evidence.formats import parse_formats
from m365dq_dagster.adapters.evidence.plans import Kinds

FORMATS = parse_formats(
    [
        {
            "id": name,
            "title": name,
            "log_type": name,
            "container": "json",
            "detect": {"all": ["id", "status.errorCode"], **further},
            "fields": {"event_id": "id", "category": "Category"},
        }
        for name, further in (
            ("plain", {}),
            ("told", {"values": {"Category": "Audit"}}),
            ("stuffed", {"filled": ["x"]}),
        )
    ]
)
RECORD = {"id": "1", "status": {"errorCode": 0}}


def test_records_of_one_make_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    real = plans.recognise
    monkeypatch.setattr(plans, "recognise", lambda *given: (looks.append(given), real(*given))[1])
    kinds = Kinds(FORMATS, "a.json")

    found = {str(kinds.alone({**RECORD, "id": str(number), f"unknown {number}": number})) for number in range(100)}

    assert len(found) == len(looks) == 1


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (RECORD, "plain"),
        ({"ID ": "1", "Status": {"ErrorCode": 0}}, "plain"),
        ({**RECORD, "Category": " audit"}, "told"),
        ({**RECORD, "Category": "Other"}, "plain"),
        ({**RECORD, "x": [1]}, "stuffed"),
        ({**RECORD, "x": ""}, "plain"),
        ({"id": "1", "status": {"other": 0}}, None),
        ({"id": "1", "status": "0"}, None),
        ({"status": {"errorCode": 0}}, None),
    ],
)
def test_what_tells_formats_apart_tells_makes_apart(record: dict[str, object], expected: str | None) -> None:
    kinds = Kinds(FORMATS, "a.json")
    others = [{**RECORD, "Category": "Audit"}, {**RECORD, "Category": "Other"}, {**RECORD, "x": 1}, {"x": 1}, RECORD]
    for other in others:
        kinds.alone(other)

    plan = kinds.alone(record)

    assert (plan.definition.id if plan else None) == expected
