"""Format files are checked, and headers find the one they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.evidence.formats import Source, load_formats, parse_format, recognise
from m365dq_dagster.adapters.rule_pack import resource_dir
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
    found = load_formats(resource_dir("reference_data") / "formats")

    assert {
        "graph_signin_json",
        "legacy_auth_csv",
        "portal_signin_csv",
        "ps_signin_csv",
        "purview_csv",
        "sentinel_signinlogs_csv",
        "ual_csv",
    } <= {definition.id for definition in found}


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [")

    with pytest.raises(BadInput, match=r"bad\.yaml: this is no valid YAML"):
        load_formats(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"colour": "blue"}, "key 'colour' is not known"),
        ({"container": "xml"}, "container must be one of"),
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
            },
        },
        "tiny.yaml",
    )
    plan = recognise(["When", "Who", "Where", "Place_dynamic", "Place_string", "Risk"], "csv", [definition])

    assert plan
    assert plan.provenance("city") == "derived:location_part from Where"
    assert plan.provenance("country") == "source:Place_dynamic.countryOrRegion, Place_string.countryOrRegion"
    assert plan.provenance("risk_state") == "derived:value_map from Risk"
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
