"""Format files are checked, and headers find the one they belong to."""

from __future__ import annotations

from typing import Any

import pytest

from m365dq_dagster.adapters.evidence.formats import Source, parse_format, parse_formats
from m365dq_dagster.adapters.evidence.plans import recognise
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import DateOrder

MINIMAL: dict[str, Any] = {
    "id": "tiny",
    "title": "Tiny",
    "log_type": "sign_in_logs",
    "container": "csv",
    "detect": {"all": ["When", ["Who", "Whom"]]},
    "fields": {"event_time": "When", "user_principal_name": ["Who", "Whom"]},
}


def test_the_shipped_formats_load() -> None:
    found = parse_formats(load_rule_pack().formats)

    assert {
        "graph_signin_beta",
        "legacy_auth_csv",
        "mes_ual_csv",
        "portal_signin_csv",
        "ps_signin_csv",
        "purview_csv",
        "sentinel_signinlogs_csv",
    } <= {definition.id for definition in found}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"colour": "blue"}, "key 'colour' is not known"),
        ({"columns": "some"}, "columns is chosen"),
        ({"container": "xml"}, "container must be one of"),
        ({"container": []}, "container must be one of"),
        ({"detect": {"all": ["When"], "some": ["Who"]}}, "detect must be a mapping"),
        ({"detect": {"all": ["When"], "values": ["Who"]}}, "detect.values is a mapping"),
        ({"types": {"event_time": "date"}}, "types gives one of its fields"),
        ({"types": {"other": "text"}}, "types gives one of its fields"),
        ({"log_type": "Door Logs"}, "'Door Logs' cannot name a table or column"),
        ({"fields": {"Event Time": "When"}}, "'Event Time' cannot name a table or column"),
        ({"file_name": "("}, "is no regular expression"),
        ({"name_values": {"status": {"(": "x"}}}, "is no regular expression"),
        ({"fields": {"event_time": {"gather": "("}}}, "is no regular expression"),
        ({"detect": None}, "detect must be a mapping"),
        ({"detect": {"all": []}}, "detect must be a mapping"),
        ({"fields": {"event_time": {"from": "When"}}}, "a source is a column name, or a mapping"),
        ({"fields": {"event_time": [{"of": "When", "payload": "x"}]}}, "a source is a column name, or a mapping"),
        ({"fields": {"city": {"of": "Where", "part": "street"}}}, "part is one of city, state, country"),
        ({"fields": {"status": {"of": "S", "when": "colours"}}}, "when is one of digits, words"),
        ({"date_order": "YMD"}, "date_order must be"),
    ],
)
def test_what_a_format_file_may_not_say_is_named_with_its_place(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput, match=f"tiny.yaml: .*{sentence}"):
        parse_format({**MINIMAL, **change}, "tiny.yaml")


def test_a_format_file_without_a_needed_key_is_named() -> None:
    with pytest.raises(BadInput, match=r"tiny\.yaml: key 'fields' is missing"):
        parse_format({key: value for key, value in MINIMAL.items() if key != "fields"}, "tiny.yaml")


def test_a_flavour_takes_over_what_its_model_says_and_changes_what_it_says_itself() -> None:
    flavour = {
        "id": "other",
        "title": "Other",
        "like": "tiny",
        "fields": {"user_principal_name": None, "city": "Town"},
        "file_name": "x",
    }
    third = {"id": "third", "title": "Third", "like": "other", "caps": [10]}
    found = {one.id: one for one in parse_formats([MINIMAL, flavour, third])}

    assert set(found["other"].fields) == {"event_time", "city"}
    assert found["other"].detect == found["tiny"].detect
    assert (found["third"].fields, found["third"].caps) == (found["other"].fields, (10,))
    assert found["third"].title == "Third"


@pytest.mark.parametrize("model", ["nothing", "loop"])
def test_a_model_that_is_no_other_format_is_named(model: str) -> None:
    with pytest.raises(BadInput, match=f"format loop: like names '{model}'"):
        parse_formats([MINIMAL, {"id": "loop", "title": "Loop", "like": model}])


def test_a_language_adds_its_spellings_to_exports_that_follow_it() -> None:
    spanish = {"id": "es", "title": "Spanish", "container": "translation", "map": {"Cuándo": "When", "Quién": "Who"}}
    localised = {**MINIMAL, "id": "local", "localised": True}

    plan = recognise(["Cuándo", "Quién"], "csv", parse_formats([MINIMAL, localised, spanish]))

    assert plan
    assert plan.definition.id == "local"
    assert plan.provenance("event_time") == "source:Cuándo"


def test_a_language_without_a_map_is_named() -> None:
    with pytest.raises(BadInput, match="format es: map is missing"):
        parse_formats([{"id": "es", "title": "Spanish", "container": "translation"}])


def test_the_name_of_a_file_tells_flavours_of_one_shape_apart_and_never_suffices() -> None:
    named = {**MINIMAL, "id": "named", "file_name": r"Special_.*\.csv$", "name_required": True}
    formats = parse_formats([MINIMAL, named])

    assert [
        plan.definition.id if (plan := recognise(columns, "csv", formats, path=path)) else None
        for columns, path in [
            (["When", "Who"], "a/Special_1.csv"),
            (["When", "Who"], "a/other.csv"),
            (["What"], "a/Special_1.csv"),
        ]
    ] == ["named", "tiny", None]


def test_values_and_filled_cells_of_the_first_records_decide_where_a_format_asks_for_them() -> None:
    by_value = {**MINIMAL, "id": "by_value", "detect": {"all": ["When"], "values": {"Kind": ["Door"]}}}
    by_cell = {**MINIMAL, "id": "by_cell", "detect": {"all": ["When"], "filled": ["Kind"]}}

    def chosen(cell: str, *formats: dict[str, Any]) -> str | None:
        plan = recognise(["When", "Who", "Kind"], "csv", parse_formats(formats), [{"When": "1", "kind": cell}])
        return plan.definition.id if plan else None

    assert chosen(" door ", MINIMAL, by_value) == "by_value"
    assert chosen("window", MINIMAL, by_value) == "tiny"
    assert chosen("", by_cell) is None
    assert chosen("x", by_cell) == "by_cell"


def test_what_a_name_tells_is_said_to_come_from_it_and_a_column_stands_above_it() -> None:
    told = {**MINIMAL, "name_values": {"status": {"(?i)failed": "Failure"}, "event_time": {"failed": "x"}}}
    plan = recognise(["When", "Who"], "csv", [parse_format(told, "tiny")], path="in/Failed.csv")
    silent = recognise(["When", "Who"], "csv", [parse_format(told, "tiny")], path="in/all.csv")

    assert plan
    assert plan.told == {"status": ("Failure", "Failed.csv")}
    assert plan.provenance("status") == "derived:file_name from Failed.csv"
    assert silent
    assert silent.told == {}


def test_every_kind_of_source_can_be_written() -> None:
    definition = parse_format(
        {
            **MINIMAL,
            "payload": "Data",
            "date_order": "DMY",
            "fields": {
                "event_time": {"payload": "Time"},
                "user_agent": [{"payload": "Extra", "named": "UserAgent"}],
                "city": {"of": "Where", "part": "city"},
                "status": {"of": ["State", "Result"], "when": "words"},
                "country": {"of": "Place", "key": "countryOrRegion"},
            },
        },
        "tiny.yaml",
    )

    assert definition.date_order is DateOrder.DMY
    assert definition.fields["event_time"] == (Source(("Data",), path="Time"),)
    assert definition.fields["user_agent"] == (Source(("Data",), path="Extra", named="UserAgent"),)
    assert definition.fields["city"] == (Source(("Where",), part="city"),)
    assert definition.fields["status"] == (Source(("State", "Result"), when="words"),)
    assert definition.fields["country"] == (Source(("Place",), path="countryOrRegion"),)


def test_headers_are_recognised_in_any_case_and_order_and_with_blanks() -> None:
    plan = recognise(["x", " WHOM ", "when"], "csv", [parse_format(MINIMAL, "tiny")])

    assert plan
    assert plan.provenance("event_time") == "source:when"
    assert plan.provenance("user_principal_name") == "source:WHOM"
    assert [column.position for column in plan.used] == [1, 2]


@pytest.mark.parametrize("columns", [[], ["When"], ["Who"], ["Whenever", "Who"]])
def test_a_header_that_lacks_what_is_required_is_not_recognised(columns: list[str]) -> None:
    assert recognise(columns, "csv", [parse_format(MINIMAL, "tiny")]) is None


def test_a_table_is_never_taken_for_a_document() -> None:
    assert recognise(["When", "Who"], "json", [parse_format(MINIMAL, "tiny")]) is None


def test_of_two_formats_the_one_that_knows_more_columns_is_taken() -> None:
    richer = {**MINIMAL, "id": "richer", "fields": {**MINIMAL["fields"], "city": "City"}}
    excluding = {**MINIMAL, "id": "excluding", "detect": {"all": ["When"], "none": ["City"]}}
    formats = [parse_format(data, str(data["id"])) for data in (MINIMAL, richer, excluding)]

    with_city, without = recognise(["When", "Who", "City"], "csv", formats), recognise(["When", "Who"], "csv", formats)

    assert with_city
    assert with_city.definition.id == "richer"
    assert without
    assert without.definition.id == "tiny"


def test_provenance_names_every_column_and_the_rule() -> None:
    definition = parse_format(
        {
            **MINIMAL,
            "values": {"risk_state": {"0": "none"}},
            "fields": {
                **MINIMAL["fields"],
                "city": {"of": "Where", "part": "city"},
                "country": {"of": ["Place_dynamic", "Place_string"], "key": "countryOrRegion"},
                "risk_state": "Risk",
                "browser": "absent",
                "properties": {"gather": "^Property"},
                "recipients": {"of": "To", "part": "recipients"},
            },
        },
        "tiny.yaml",
    )
    header = ["When", "Who", "Where", "Place_dynamic", "Place_string", "Risk", "Property1", "To", "Property2"]
    plan = recognise(header, "csv", [definition])

    assert plan
    assert plan.provenance("city") == "derived:location_part from Where"
    assert plan.provenance("country") == "source:Place_dynamic.countryOrRegion, Place_string.countryOrRegion"
    assert plan.provenance("risk_state") == "derived:value_map from Risk"
    assert plan.provenance("properties") == "derived:gathered from Property1 and 1 more columns"
    assert plan.provenance("recipients") == "derived:recipient_list from To"
    assert "browser" not in plan.fields


def test_a_time_of_collection_does_not_identify() -> None:
    definition = parse_format(
        {**MINIMAL, "fields": {"event_time": ["When", "Stored"]}, "collection_time": "Stored"}, "tiny"
    )
    loose = parse_format(
        {
            **MINIMAL,
            "detect": {"all": ["Who"]},
            "fields": {"event_time": ["When", "Stored"]},
            "collection_time": "Stored",
        },
        "loose",
    )

    with_both = recognise(["When", "Who", "Stored"], "csv", [definition])
    only_stored = recognise(["Who", "Stored"], "csv", [loose])

    assert with_both
    assert with_both.time_identifies
    assert only_stored
    assert not only_stored.time_identifies


def test_what_a_name_tells_stands_behind_a_key_that_may_come_later() -> None:
    records = {
        **MINIMAL,
        "container": "json",
        "fields": {**MINIMAL["fields"], "sign_in_event_type": "Kind"},
        "name_values": {"sign_in_event_type": {"Night": "nonInteractiveUser"}},
    }
    plan = recognise(["When", "Who"], "json", [parse_format(records, "tiny")], path="in/Night.json")

    assert plan
    assert plan.provenance("sign_in_event_type") == "derived:file_name from Night.json where Kind is absent"
