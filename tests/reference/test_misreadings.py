"""Every documented misreading, as a labelled miniature case: the product reads it right, and would be caught reading it
wrong."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from m365dq_dagster.core.completeness import CompletenessKind
from m365dq_dagster.core.ledger import QuarantineReason
from m365dq_dagster.core.misreadings import Misreading, Relation, Statement, judge, steps
from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict, Confidence, FieldState
from m365dq_dagster.core.verdict import LeadKind
from m365dq_dagster.stages import misreadings

CASES = misreadings.load()
Documents = Mapping[str, dict[str, Any]]

WORDS: Mapping[str, frozenset[str]] = {
    "status": frozenset({*CaseVerdict}),
    "confidence": frozenset({*Confidence}),
    "accounts.verdict": frozenset({*AccountVerdict}),
    "fields.state": frozenset({*FieldState}),
    "leads.kind": frozenset({*LeadKind}),
}
"""Values that a statement may ask for, by the names of its path."""


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    """The document of every case, each judged once."""
    return {one.id: body for one, body in misreadings.documents(CASES, tmp_path_factory.mktemp("misreadings"))}


def named(case: Misreading) -> str:
    return f"{case.id} {case.title}"


def test_there_are_thirty_two_and_each_is_called_by_its_number() -> None:
    assert [one.id for one in CASES] == [f"M{number:02}" for number in range(1, 33)]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_misreading_is_read_right(case: Misreading, documents: Documents) -> None:
    found = judge(case, documents[case.id])
    assert found.right, "\n".join(found.why)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_wrong_reading_would_be_noticed(case: Misreading, documents: Documents) -> None:
    for one in case.never:
        wrong = said_otherwise(documents[case.id], one)
        assert f"The wrong reading is made: {one}." in judge(case, wrong).why


@pytest.mark.parametrize("case", CASES, ids=named)
def test_every_row_of_a_case_is_accounted_for(case: Misreading, documents: Documents) -> None:
    for row in documents[case.id]["files"]:
        assert row["rows_read"] == row["rows_imported"] + row["rows_duplicate"] + row["rows_quarantined"]


def test_the_statements_speak_of_what_a_document_holds(documents: Documents) -> None:
    known = {path for body in documents.values() for path in paths(body)}
    asked = {(case.id, names(one)) for case in CASES for one in (*case.expect, *case.never)}
    assert {(case_id, path) for case_id, path in asked if path not in known} == set()


def test_the_statements_ask_for_words_that_there_are() -> None:
    for case in CASES:
        for one in (*case.expect, *case.never):
            allowed = WORDS.get(names(one))
            assert allowed is None or one.value in allowed, f"{case.id}: {one}"
            for name, picks in steps(one.at):
                for key, value in picks:
                    if (name, key) == ("completeness", "kind"):
                        CompletenessKind(value)
                    if (name, key) == ("quarantine", "reason"):
                        QuarantineReason(value)


def names(statement: Statement) -> str:
    return ".".join(name for name, _ in steps(statement.at))


def paths(value: Any, above: str = "") -> Iterator[str]:
    """The names that lead to every value of a document, elements of lists under the list's name."""
    if above:
        yield above
    for inner in value if isinstance(value, list) else [value] if isinstance(value, Mapping) else ():
        if isinstance(inner, Mapping):
            for key, one in inner.items():
                yield from paths(one, f"{above}.{key}" if above else str(key))


def said_otherwise(document: Mapping[str, Any], statement: Statement) -> dict[str, Any]:
    """The document as the wrong reading would write it: the statement's value put where its path leads."""
    wrong = copy.deepcopy(dict(document))
    *above, (last, picks) = steps(statement.at)
    if statement.relation is Relation.NUMBER:
        assert statement.value == 0
        holders = places(wrong, above)
        for holder in holders:
            holder[last] = [one for one in holder[last] if any(str(one.get(key)) != wanted for key, wanted in picks)]
        return wrong
    for holder in places(wrong, above):
        holder[last] = statement.value
    return wrong


def places(document: dict[str, Any], above: list[tuple[str, tuple[tuple[str, str], ...]]]) -> list[dict[str, Any]]:
    """The mappings that a path leads to; an element that is looked for and not there is put there."""
    found = [document]
    for name, picks in above:
        inner: list[dict[str, Any]] = []
        for one in found:
            held = one.setdefault(name, {})
            if not isinstance(held, list):
                inner.append(held)
                continue
            fitting = [row for row in held if all(str(row.get(key)) == wanted for key, wanted in picks)]
            if not fitting:
                fitting = [dict(picks)]
                held += fitting
            inner += fitting
        found = inner
    return found
