from pathlib import Path

from m365dq_dagster.adapters.neighbours import beside
from m365dq_dagster.core.maintenance import Beside
from tests.support.published_case import publish_sign_ins

CODE = ("sign_in_logs", "status_error_code")


def test_what_stands_beside_a_value_is_counted_the_commonest_first(tmp_path: Path) -> None:
    rows = [("512345", "Failure", "notApplied")] * 2 + [(" 512345 ", None, " success "), ("50126", "Failure", None)]
    published = publish_sign_ins(tmp_path, "c", rows)
    found = beside(published, {CODE: {"512345", "nowhere"}, ("sign_in_logs", "status"): {"Failure"}})
    assert found == {
        (*CODE, "512345"): [Beside("Failure", "notApplied", "", 2), Beside("", "success", "", 1)],
        ("sign_in_logs", "status", "Failure"): [Beside("", "notApplied", "", 2), Beside("", "", "", 1)],
    }


def test_a_log_or_a_field_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    published = publish_sign_ins(tmp_path, "c", [("1", None, None)])
    assert beside(published, {("no_such_log", "x"): {"1"}, ("sign_in_logs", 'no"such'): {"1"}}) == {}


def test_a_generation_that_cannot_be_read_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.duckdb").write_bytes(b"no database")
    assert beside(tmp_path / "broken.duckdb", {CODE: {"1"}}) == {}
    assert beside(tmp_path / "missing.duckdb", {CODE: {"1"}}) == {}
    assert not (tmp_path / "missing.duckdb").exists()
