"""Claims about the words for changes of what a vendor exports."""

from __future__ import annotations

import pytest

from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange


def change(kind: ChangeKind, severity: Severity) -> SchemaChange:
    return SchemaChange(kind, severity, "sign_in_logs", "graph_signin_v1 v1.0", "a", "b", None, "a became b", "x.json")


@pytest.mark.parametrize("severity", Severity)
def test_a_change_of_wording_never_alarms(severity: Severity) -> None:
    assert not change(ChangeKind.TEXT_ONLY, severity).is_told


@pytest.mark.parametrize("kind", [kind for kind in ChangeKind if kind is not ChangeKind.TEXT_ONLY])
def test_any_other_change_is_told_unless_it_is_only_for_the_record(kind: ChangeKind) -> None:
    assert change(kind, Severity.WARNING).is_told
    assert change(kind, Severity.CRITICAL).is_told
    assert not change(kind, Severity.INFO).is_told
