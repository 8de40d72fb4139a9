"""Parameters read the same in every notation that an export uses."""

import json

import pytest

from m365dq_dagster.core.parameters import MOST_DEPTH, read_parameters

FORWARD = {"forwardto": ("x@example.org",)}


@pytest.mark.parametrize(
    "text",
    [
        '[{"Name":"ForwardTo","Value":"x@example.org"}]',
        '[{"name":"ForwardTo","value":"x@example.org"}]',
        '[{"Value":"x@example.org","Name":"ForwardTo"}]',
        '[\r\n  {\r\n "Name": "ForwardTo",\r\n "Value": "x@example.org"\r\n }\r\n]',
        '[{"Name":"ForwardTo","Value":["x@example.org"]}]',
        '[{"Name":"ForwardTo","Value":"[\\"x@example.org\\"]"}]',
        '[{"displayName":"ForwardTo","oldValue":null,"newValue":"\\"x@example.org\\""}]',
        '[{"key":"ForwardTo","value":"x@example.org"}]',
        '{"ForwardTo":"x@example.org"}',
        "[{'Name': 'ForwardTo', 'Value': 'x@example.org'}]",
        '["@{Name=ForwardTo; Value=x@example.org}"]',
        "@{Name=ForwardTo; Value=x@example.org}",
        '{"Target1ModifiedProperty1Name":"ForwardTo","Target1ModifiedProperty1NewValue":"\\"x@example.org\\""}',
        '[{"Name":"ForwardTo","Value":"x@example.org"},{"Name":"Cut","Val',
    ],
)
def test_a_parameter_is_found_however_it_was_written(text: str) -> None:
    found = read_parameters(text)
    assert found is not None
    assert {name: found.new[name] for name in FORWARD} == FORWARD
    assert (found.first("ForwardTo"), found.first("RedirectTo")) == ("x@example.org", "")


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "no list", "[1, 2]", "[" * 5000, "['a' + ]"])
def test_where_no_parameter_is_told_nothing_is_known(text: str | None) -> None:
    assert read_parameters(text) is None


@pytest.mark.parametrize("value", [None, "", "null", "$null", "[]", '[""]', "None"])
def test_an_emptied_parameter_is_given_and_has_no_value(value: object) -> None:
    found = read_parameters(json.dumps([{"Name": "ForwardingSmtpAddress", "Value": value, "Type": 1}]))
    assert found is not None
    assert (found.given("forwardingsmtpaddress"), found.words("ForwardingSmtpAddress")) == (True, ())


def test_old_and_new_values_are_told_apart_and_words_for_yes_and_no_are_read() -> None:
    text = '[{"Name":"State","NewValue":"False","OldValue":"True"},{"Name":"On","Value":true},{"Name":"Languages"}]'
    found = read_parameters(text, '[{"targets":[{"displayName":"Deep","newValue":{"a":1}}]}]')
    assert found is not None
    assert (found.old["state"], found.is_false("State"), found.is_true("State")) == (("True",), True, False)
    assert (found.is_true("On"), found.is_false("On"), found.given("Languages")) == (True, False, True)
    assert found.first("Deep") == '{"a": 1}'
    assert "languages" in found.text


def test_a_flat_object_keeps_the_parameter_called_name() -> None:
    found = read_parameters('{"Name":"..","DeleteMessage":true,"Id":"7"}')
    assert found is not None
    assert (found.first("Name"), found.is_true("DeleteMessage")) == ("..", True)


def test_what_lies_too_deep_is_not_looked_for() -> None:
    text = "[" * (MOST_DEPTH + 2) + '{"Name":"a","Value":"b"}' + "]" * (MOST_DEPTH + 2)
    assert read_parameters(text) is None


def test_broken_json_inside_a_value_stays_text() -> None:
    found = read_parameters('[{"Name":"a","Value":"[broken"}, {"Name":"b","Value":"[1, \\"x\\"]"}]')
    assert found is not None
    assert (found.words("a"), found.words("b")) == (("[broken",), ("1", "x"))


def test_a_gathered_property_without_a_name_is_left_out() -> None:
    found = read_parameters('{"Target1ModifiedProperty1NewValue":"x","Target1Type":"User"}')
    assert found is not None
    assert set(found.new) == {"target1type"}
