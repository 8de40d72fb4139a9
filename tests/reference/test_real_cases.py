"""Public evidence that nobody here wrote, and what is known to be true of it."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from tests.support.case_runs import run_folder

Judged = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def document_of(shared_cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """The document of a public case by its folder's name, judged once."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    with Registry.open(settings.registry_url) as registry:

        @cache
        def judged(name: str) -> dict[str, Any]:
            if not (shared_cases / name).is_dir():
                pytest.skip(f"the public evidence {name} is not beside this checkout")
            return run_folder(shared_cases / name, registry, settings=settings).document

        yield judged


def field(document: dict[str, Any], name: str) -> dict[str, Any]:
    rows = [row for row in document["fields"] if (row["log_type"], row["field"]) == ("sign_in_logs", name)]
    return rows[0]


def test_the_logons_of_a_real_tenant_are_read_once_and_indicate_no_breach(document_of: Judged) -> None:
    found = document_of("aad-logons")
    ledger = next(row for row in found["files"] if row["path"] == "aad_logons.csv")
    assert (ledger["rows_read"], ledger["rows_imported"], ledger["rows_duplicate"], ledger["rows_quarantined"]) == (
        86,
        45,
        41,
        0,
    )
    assert found["sign_ins"]["normalized"] == {"SUCCESS": 44, "FAILURE": 1, "UNKNOWN": 0}
    assert found["status"] == "NO_BREACH_INDICATED"
    assert found["not_tested"]


def test_a_code_that_is_nearly_always_zero_outranks_an_access_status_that_varies(document_of: Judged) -> None:
    found = document_of("aad-logons")
    assert found["recommended"]["sign_in_logs"]["field"] == "status_error_code"
    code, access = field(found, "status_error_code"), field(found, "conditional_access_status")
    assert code["may_testify"]
    assert code["top_value"] == "0"
    assert (access["score"] or 0) < code["score"]


def test_a_misspelt_status_word_is_reported_and_never_guessed(document_of: Judged) -> None:
    found = document_of("aad-logons")
    words = {row["value"]: row for row in found["unknown_values"]}
    assert words["Sucess"]["field"] == "result"
    assert words["Sucess"]["rows"] > 0
    assert not field(found, "status")["may_testify"]


def test_every_attempt_on_a_disabled_account_was_blocked(document_of: Judged) -> None:
    found = document_of("disabled-account")
    assert found["status"] == "ALL_BLOCKED"
    assert found["sign_ins"]["events"] == 4
    assert found["sign_ins"]["normalized"] == {"SUCCESS": 0, "FAILURE": 4, "UNKNOWN": 0}
    assert found["sign_ins"]["decision_coverage"] == 1.0


@pytest.mark.parametrize("name", ["office-activity", "management-api", "labelled-events"])
def test_evidence_that_cannot_carry_a_verdict_is_accounted_for_and_concludes_nothing(
    name: str, document_of: Judged, shared_cases: Path
) -> None:
    found = document_of(name)
    assert found["status"] == "CANNOT_CONCLUDE"
    assert found["cannot_conclude"]
    assert {row["path"] for row in found["files"]} == {path.name for path in (shared_cases / name).iterdir()}
