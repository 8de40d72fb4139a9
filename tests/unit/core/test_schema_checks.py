"""Claims about the check on the field lists of an import."""

from __future__ import annotations

from typing import Any

from m365dq_dagster.core.schema_checks import schema_as_known


def change(**parts: Any) -> dict[str, Any]:
    told = {"kind": "FIELD_GONE", "severity": "WARNING", "log_type": "sign_in_logs", "before": "A", "after": ""}
    return {**told, "detail": "'A' is gone", "state": "OPEN", **parts}


def test_it_fails_without_blocking_where_a_change_touches_what_is_read() -> None:
    check = schema_as_known([change(), change(before="B")], [])
    assert (check.passed, check.blocking, check.reason) == (False, False, "SCHEMA_CHANGED")
    assert check.headline == ("The vendor or the exporter changed sign_in_logs: 'A' is gone; 1 more change beside it.")
    assert [row["before"] for row in check.table] == ["A", "B"]


def test_one_change_is_told_alone() -> None:
    assert schema_as_known([change()], []).headline.endswith("'A' is gone.")


def test_what_nobody_reads_or_somebody_closed_is_only_counted() -> None:
    for one in (change(severity="INFO"), change(state="CLOSED"), change(kind="TEXT_ONLY")):
        check = schema_as_known([one], [{"is_new": True}, {}])
        assert check.passed
        assert check.headline == ("2 field lists, 1 new; 1 difference from earlier imports, none in what is read.")


def test_nothing_to_tell_is_said() -> None:
    assert schema_as_known([], []).headline == "0 field lists, 0 new; no difference from earlier imports."
