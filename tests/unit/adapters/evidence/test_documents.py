"""Records of JSON documents, whatever wraps them and wherever they break."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.adapters.evidence import documents
from m365dq_dagster.adapters.evidence.documents import (
    DocumentShape,
    JsonRecord,
    document_head,
    looks_like_json,
    read_records,
    split,
    strip_wrapper,
)
from m365dq_dagster.core.ledger import QuarantineReason

RECORDS = [
    {"id": str(number), "time": "t", "list": [{"id": "n", "name": "nested"}, {"id": "m", "name": "nested"}]}
    for number in range(5)
]
LINES = "\n".join(json.dumps(record) for record in RECORDS)


@pytest.fixture(params=[7, 1 << 20], ids=["small pieces", "one piece"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(documents, "READ_CHARS", request.param)
    return int(request.param)


def _read(text: str) -> list[object]:
    shape = document_head(text).shape
    return [
        record.reason or json.loads(record.text)["id"] for record in read_records(io.StringIO(text, newline=""), shape)
    ]


@pytest.mark.parametrize(
    ("text", "shape", "ids"),
    [
        (json.dumps(RECORDS), DocumentShape.ARRAY, "01234"),
        (json.dumps(RECORDS, indent=2), DocumentShape.ARRAY, "01234"),
        (json.dumps(RECORDS) + "\n" + json.dumps(RECORDS), DocumentShape.ARRAY, "0123401234"),
        (json.dumps({"@odata.context": "x", "value": RECORDS}), DocumentShape.WRAPPED, "01234"),
        (json.dumps({"@odata.count": 5, "value": RECORDS, "@odata.nextLink": "u"}), DocumentShape.WRAPPED, "01234"),
        (
            json.dumps({"value": RECORDS}) + "\n" + json.dumps({"value": RECORDS}, indent=1),
            DocumentShape.WRAPPED,
            "0123401234",
        ),
        (LINES, DocumentShape.LINES, "01234"),
        (LINES.replace("\n", ",\r\n\r\n"), DocumentShape.LINES, "01234"),
        (json.dumps(RECORDS[0]), DocumentShape.LINES, "0"),
        (json.dumps(RECORDS[0], indent=2), DocumentShape.OBJECTS, "0"),
        ("\n".join(json.dumps(record, indent=2) for record in RECORDS), DocumentShape.OBJECTS, "01234"),
        ("\ufeff" + json.dumps(RECORDS), DocumentShape.ARRAY, "01234"),
        ("[]", DocumentShape.ARRAY, ""),
        ('{"value": []}', DocumentShape.WRAPPED, ""),
    ],
)
@pytest.mark.usefixtures("pieces")
def test_every_wrapping_gives_the_same_records(text: str, shape: DocumentShape, ids: str) -> None:
    assert document_head(text).shape is shape
    assert _read(text) == list(ids)


@pytest.mark.usefixtures("pieces")
def test_a_document_that_ends_in_a_record_is_truncated_there() -> None:
    assert _read(json.dumps(RECORDS)[:-40]) == [*"0123", QuarantineReason.JSON_TRUNCATED]


@pytest.mark.usefixtures("pieces")
def test_a_broken_record_in_the_middle_costs_itself_only_and_no_nested_object_is_taken_for_a_record() -> None:
    text = json.dumps(RECORDS).replace('"id": "2", "time"', '"id": "2" "time"')

    assert _read(text) == ["0", "1", QuarantineReason.JSON_UNPARSABLE, "3", "4"]


@pytest.mark.usefixtures("pieces")
def test_a_broken_first_record_leaves_no_guess_at_the_next() -> None:
    assert _read('[{"id" "0"}, {"id": "1"}]') == [QuarantineReason.JSON_TRUNCATED]


@pytest.mark.usefixtures("pieces")
def test_records_with_one_key_show_nothing_to_go_on_by() -> None:
    assert _read('[{"id": "0"}, {"id" "1"}, {"id": "2"}]') == ["0", QuarantineReason.JSON_TRUNCATED]


@pytest.mark.usefixtures("pieces")
def test_what_is_no_object_is_told() -> None:
    assert _read('[1, "text", null, [2], {"id": "a"}]')[:3] == [QuarantineReason.JSON_NOT_OBJECT] * 3
    assert _read('[1, "text", null, {"id": "a"}]')[-1] == "a"


def test_a_broken_line_costs_itself_only() -> None:
    lines = LINES.splitlines()
    lines[2] = lines[2][:19]
    texts = [record.text for record in read_records(io.StringIO("\n".join(lines)), DocumentShape.LINES)]

    assert texts == lines


def test_deep_nesting_is_broken_and_not_a_crash() -> None:
    assert _read("[" + '{"a":' * 100_000 + "1" + "}" * 100_000 + "]") == [QuarantineReason.JSON_UNPARSABLE]
    assert _read("[" + '{"a":' * 100_000 + "1" + "}" * 90_000) == [QuarantineReason.JSON_TRUNCATED]
    assert document_head('{"a":' * 100_000).keys == ()


def test_a_number_of_very_many_digits_breaks_its_record_alone() -> None:
    long = '{"id": ' + "9" * 5_000 + ', "time": "t"}'
    text = f"[{json.dumps(RECORDS[0])}, {long}, {json.dumps(RECORDS[2])}]"

    assert _read(text) == ["0", QuarantineReason.JSON_UNPARSABLE, "2"]


@given(window=st.integers(16, 200_000))
def test_what_follows_a_record_that_is_nested_too_deep_is_read(window: int) -> None:
    deep = '{"a":"]}' + '\\"' + '","b":' + "[" * 100_000 + "]" * 100_000 + "}"
    text = f'[{{"id":"0"}},\n{deep},{{}}, {{"id":"1"}}]'
    found = list(split(iter([text[:window], text[window:]]), DocumentShape.ARRAY))

    assert [one.text for one in found] == ['{"id":"0"}', deep, "{}", '{"id":"1"}']
    assert [one.reason for one in found] == [None, QuarantineReason.JSON_UNPARSABLE, None, None]


def test_a_record_too_large_to_keep_is_cut_and_the_search_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_RECORD_CHARS", 200)
    monkeypatch.setattr(documents, "READ_CHARS", 64)
    text = json.dumps([RECORDS[0], {"id": "1", "time": "t", "bad": "x" * 5000}, RECORDS[2]])

    assert _read(text.replace('"bad": ', '"bad" '))[0] == "0"
    assert _read(text.replace('"bad": ', '"bad" '))[-1] in ("2", QuarantineReason.JSON_TRUNCATED)


def test_json_is_told_by_its_first_character() -> None:
    assert looks_like_json("\ufeff \n[1]")
    assert looks_like_json("{")
    assert not looks_like_json('"a","b"')


def test_keys_are_those_of_the_first_records() -> None:
    assert document_head('[{"a":1,"b":2},{"c":3}]').keys == ("a", "b", "c")
    assert len(document_head(json.dumps([{"a": 1}] * 200)).samples) == 50


@pytest.mark.usefixtures("pieces")
def test_what_else_a_wrapper_holds_is_told_and_does_not_hide_its_records() -> None:
    found = _read('{"value": [{"id": "0", "time": "t"}], "more": {"a": 1}}')

    assert found[0] == "0"
    assert found[1:]
    assert set(found[1:]) <= set(QuarantineReason)


def test_a_list_on_a_line_holds_a_record_an_element() -> None:
    text = '{"id":"0"}\n[{"id":"1"},{"id":"2"},7]\n{"id":"3"}\n[{"id":"4"}'

    assert _read(text) == ["0", "1", "2", QuarantineReason.JSON_NOT_OBJECT, "3", "4"]


@pytest.mark.parametrize(
    ("text", "inside", "texts"),
    [
        ('{"log": {"id": 1.50, "id": 2e0}, "expected": true}', "log", ['{"id": 1.50, "id": 2e0}']),
        (' {"value" : [ {"a":"ä\\u00e4"} , {"b": [1]} ] }', "value", ['{"a":"ä\\u00e4"}', '{"b": [1]}']),
        ('{"value": [], "x": 1}', "value", []),
        ('{"value": 7}', "value", ['{"value": 7}']),
        ('{"other": {}}', "value", ['{"other": {}}']),
        ('{"broken": ', "value", ['{"broken": ']),
        ('{"value": [1]}', None, ['{"value": [1]}']),
        (r'{"result": {"_raw": "{\"id\": 1.0}", "x": 1}}', "result._raw", ['{"id": 1.0}']),
        ('{"result": {"_raw": "no JSON"}}', "result._raw", ['{"result": {"_raw": "no JSON"}}']),
        ('{"result": [1]}', "result._raw", ['{"result": [1]}']),
        ('{"hits": {"hits": [{"a": 1}]}}', "hits.hits", ['{"a": 1}']),
    ],
)
def test_records_keep_the_text_of_their_source_within_an_envelope(
    text: str, inside: str | None, texts: list[str]
) -> None:
    assert list(documents.unwrapped_texts(JsonRecord(text), inside)) == texts


def test_an_element_of_a_page_that_is_no_object_costs_itself_only() -> None:
    found = documents.unwrapped_records(JsonRecord('{"value": [{"id": 1}, null, "x", {"id": 2}]}'), "value")

    assert [one.reason for one in found] == [None, *[QuarantineReason.JSON_NOT_OBJECT] * 2, None]
    assert documents.unwrapped({"value": [{"id": 1}, None, {"id": 2}]}, "value") == ({"id": 1}, {"id": 2})


def test_the_objects_within_an_envelope_are_those_of_its_texts() -> None:
    assert documents.unwrapped({"result": {"_raw": '{"id": 1}'}}, "result._raw") == ({"id": 1},)
    assert documents.unwrapped({"result": {"_raw": "no JSON"}}, "result._raw") == ({"result": {"_raw": "no JSON"}},)
    assert documents.unwrapped({"result": [1]}, "result._raw") == ({"result": [1]},)
    assert documents.unwrapped({"a": 1}, None) == ({"a": 1},)


@pytest.mark.parametrize(
    ("text", "inside", "nothing"),
    [
        ("[]", None, True),
        ("{}", None, True),
        ("[null, {}]", None, True),
        ('{"@odata.context": "x", "value": []}', None, True),
        ('[{"value": []}, null]', "value", True),
        ('{"value": []}\n\n{"value": []}\n', "value", True),
        ('{"schema": [{"Name": "a"}], "results": []}', "results", True),
        ('{"value": [1]}', None, False),
        ("[", None, False),
        ('{"value": [', None, False),
        ('[{"a": 1}]', None, False),
        ('{"value": []}\n{"a', None, False),
    ],
)
def test_a_document_without_records_is_told_from_a_broken_one(text: str, inside: str | None, nothing: bool) -> None:
    assert documents.holds_nothing(text, inside) is nothing


def test_a_document_that_is_no_page_has_no_wrapper_to_strip(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"a": 1}]')

    assert not strip_wrapper(tmp_path / "a.json", "utf-8", tmp_path / "copy")
