"""Labelled cases, from their folder to a verdict, against the truth that was written beside them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.synthetic.vocabulary import AUDIT_SHAPES, SIGN_IN_SHAPES
from m365dq_dagster.stages.generate import generate
from tests.support.case_runs import FolderRun, run_folder

QUICK: list[tuple[str, dict[str, Any]]] = [
    ("oculus", {}),
    ("oculus", {"variant": "invented-one", "shape": "graph-jsonl", "mfa_steps": False, "context": False}),
    ("healthy", {"shape": "sentinel-csv", "audit_shape": "purview-csv"}),
    ("all-blocked", {"shape": "portal-csv"}),
    ("single-country", {"shape": "graph-json"}),
    ("mostly-success", {"shape": "portal-csv"}),
    ("one-user", {"shape": "graph-json-value"}),
]
"""Every family, and every shape at least once."""


def every_shape() -> list[tuple[str, dict[str, Any]]]:
    """Every family in every shape of its logs, with the options that change what the evidence shows."""
    families = ["healthy", "all-blocked", "single-country", "mostly-success", "one-user"]
    found: list[tuple[str, dict[str, Any]]] = [(one, {"shape": shape}) for one in families for shape in SIGN_IN_SHAPES]
    for variant in ("type-name", "invented-one"):
        for shape in SIGN_IN_SHAPES:
            found.append(("oculus", {"variant": variant, "shape": shape}))
        for option in ("mfa_steps", "devices", "context"):
            found.append(("oculus", {"variant": variant, option: False}))
    found += [("oculus", {"audit_shape": shape, "seed": seed}) for shape in AUDIT_SHAPES for seed in (1, 2, 3)]
    return found


def named(case: tuple[str, Mapping[str, Any]]) -> str:
    family, options = case
    return "-".join([family, *(f"{key}={value}" for key, value in options.items())])


@pytest.mark.parametrize("case", QUICK, ids=named)
def test_a_labelled_case_is_judged_as_its_label_says(
    case: tuple[str, dict[str, Any]], tmp_path: Path, registry: Registry
) -> None:
    hold_to_the_truth(case, tmp_path, registry)


@pytest.mark.soak
@pytest.mark.parametrize("case", every_shape(), ids=named)
def test_every_shape_of_a_labelled_case_is_judged_alike(
    case: tuple[str, dict[str, Any]], tmp_path: Path, registry: Registry
) -> None:
    hold_to_the_truth(case, tmp_path, registry)


def hold_to_the_truth(case: tuple[str, dict[str, Any]], tmp_path: Path, registry: Registry) -> None:
    family, options = case
    written = generate(family, tmp_path / "case", **options)
    expected = json.loads(written.expected.read_text(encoding="utf-8"))
    found = run_folder(written.folder, registry)
    document = found.document
    assert document["status"] == expected["verdict"], document["headline"]
    assert document["sign_ins"]["foreign_successes"] == expected["foreign_successes"]
    assert found.compromised == expected["compromised_accounts"]
    assert outcomes(document) == {log: kept(counts) for log, counts in expected["by_outcome"].items() if kept(counts)}
    recommended = {log: row["field"] for log, row in document["recommended"].items()}
    for log_type, allowed in expected["recommended"].items():
        assert recommended.get(log_type) in allowed
    states = {one["field"]: one["state"] for one in document["fields"] if one["log_type"] == "sign_in_logs"}
    for name, allowed in expected["field_states"].items():
        assert states[name] in allowed
    balanced(found)


def kept(counts: Mapping[str, int]) -> dict[str, int]:
    return {outcome: count for outcome, count in counts.items() if count}


def outcomes(document: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    return {log: kept(row["by_outcome"]) for log, row in document["by_log_type"].items() if kept(row["by_outcome"])}


def balanced(found: FolderRun) -> None:
    """No row is lost, none counted twice, and every line that a finding names is one of a file of the case."""
    files = {row["path"]: row for row in found.document["files"]}
    for row in files.values():
        assert row["rows_read"] == row["rows_imported"] + row["rows_duplicate"] + row["rows_quarantined"]
    assert sum(row["rows_imported"] for row in files.values()) == sum(
        row["events"] for row in found.document["by_log_type"].values()
    )
    for finding in found.document["findings"]:
        assert finding["verified"]
        assert finding["evidence"]
        assert all(1 <= line["row"] <= files[line["file"]]["rows_read"] for line in finding["evidence"])


def test_a_folder_whose_files_stand_in_it_twice_is_judged_the_same(tmp_path: Path, registry: Registry) -> None:
    written = generate("signins", tmp_path / "case", rows=300, shape="portal-csv")
    once = run_folder(written.folder, registry).document
    for path in written.files:
        (written.folder / f"copy of {path.name}").write_bytes(path.read_bytes())
    twice = run_folder(written.folder, registry, "g2").document
    assert twice["sign_ins"] == once["sign_ins"]
    assert twice["accounts"] == once["accounts"]
    assert sum(row["rows_duplicate"] for row in twice["files"]) == sum(row["rows_imported"] for row in once["files"])
