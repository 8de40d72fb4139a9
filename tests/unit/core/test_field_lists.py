"""Claims about which names an export writes, and what is kept of what stands under them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.field_lists import (
    MOST_NAMES,
    NAME_CHARS,
    WORDS_KEPT,
    FieldList,
    FieldSeen,
    compared,
    kind_of,
    observe,
    schema_hash,
)

Record = dict[str, Any]


def seen(records: list[Record], *header: str, **more: Any) -> dict[str, FieldSeen]:
    return observe(header, records, model=more.pop("model", {}), **more)[1]


def test_names_are_compared_without_case_blanks_and_marks() -> None:
    assert compared("\ufeffDate   (UTC) ") == compared("date (utc)") == "date (utc)"


def test_nested_names_are_paths_three_levels_deep() -> None:
    record = {"a": {"b": {"c": {"d": 1}}}}
    assert list(seen([record])) == ["a", "a.b", "a.b.c"]


def test_rows_and_names_are_counted_by_make() -> None:
    records = [{"t": 1, "x": 1}, {"t": 2}, {"t": 2, "x": None}]
    rows, fields = observe((), records, model={}, make=lambda one: str(one["t"]))
    assert rows == {"1": 1, "2": 2}
    assert fields["x"].present == {"1": 1, "2": 1}
    assert fields["x"].rows == 2


def test_a_header_states_its_names_and_a_record_only_shows_them() -> None:
    fields = seen([{"A": "1", "B": "2"}], "A")
    assert (fields["a"].stated, fields["b"].stated) == (True, False)


def test_spellings_of_one_column_are_one_name_and_two_of_them_stay_two() -> None:
    model = {"datum (utc)": "date (utc)", "date (utc)": "date (utc)"}
    assert list(seen([], "Datum (UTC)", model=model)) == ["date (utc)"]
    assert list(seen([], "Date (UTC)", "Datum (UTC)", model=model)) == ["date (utc)", "datum (utc)"]
    assert list(seen([{"Datum (UTC)": {"x": 1}}], model=model)) == ["date (utc)", "date (utc).x"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "flag"),
        (50126, "code"),
        ("3.5", "number"),
        ("0e0f0000-0000-4000-8000-000000000001", "guid"),
        ("2026-01-05T08:00:00Z", "time"),
        ("1/5/2026 8:00 AM", "time"),
        ("203.0.113.7:443", "address"),
        ("[2001:db8::7]:443", "address"),
        ("ann@contoso.example", "mail"),
        ({"a": 1}, "object"),
        ([1], "list"),
        ("words", "text"),
    ],
    ids=str,
)
def test_values_have_kinds(value: object, kind: str) -> None:
    assert kind_of(value) == kind


def test_words_of_enumerated_fields_stay_and_others_are_digests() -> None:
    records = [{"status": "Success", "name": "Ann"}] * 3
    fields = seen(records, enumerated=frozenset({"status"}))
    assert fields["status"].words == {"Success": 3}
    assert list(fields["name"].words.values()) == [3]
    assert "Ann" not in str(fields["name"].words)


def test_the_words_of_lists_are_their_elements_and_those_of_objects_their_names() -> None:
    fields = seen([{"list": ["A", {"x": 1}], "object": {"Inner": 1}}], enumerated=frozenset({"list", "object"}))
    assert fields["list"].words == {"a": 1}
    assert fields["object"].words == {"inner": 1}


def test_a_field_of_many_values_has_no_vocabulary() -> None:
    records = [{"id": f"v{number}"} for number in range(WORDS_KEPT + 1)]
    assert seen(records)["id"].words == {}
    assert len(seen(records[:-1])["id"].words) == WORDS_KEPT


def test_a_field_that_is_never_filled_has_no_kind() -> None:
    assert seen([{"a": None, "b": "", "c": [], "d": {}}])["a"].kind == ""


def test_names_that_records_make_up_are_bounded_in_number_and_length() -> None:
    records = [{f"name {number}": 1} for number in range(12 * MOST_NAMES)]
    fields = seen([*records, {"x" * 5000: 1}])
    assert len(fields) == MOST_NAMES
    assert max(len(one.spelling) for one in fields.values()) <= NAME_CHARS


def test_a_list_comes_back_as_it_was_kept() -> None:
    rows, fields = observe(("A",), [{"A": "x", "b": {"c": 1}}], model={})
    one = FieldList("f", "sign_in_logs", "beta", rows, fields)
    assert FieldList.of("f", "sign_in_logs", "beta", one.as_mapping()) == one
    assert one.names == ("A", "b", "b.c")
    assert one.stated == {"A"}


@given(st.lists(st.text(max_size=8), max_size=6))
def test_the_order_of_names_makes_no_other_schema(names: list[str]) -> None:
    assert schema_hash(names) == schema_hash(reversed(names)) == schema_hash([*names, *names])
