"""A home in which two small cases were judged, for tests that say something of them afterwards."""

from __future__ import annotations

from pathlib import Path

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from tests.support.case_runs import run_folder
from tests.support.sign_in_folder import write_sign_ins

ACCOUNT = "person1@contoso.example"
"""Somebody in both cases."""


def judge_two(home: Path) -> Path:
    """Judge the cases `c1` and `c2` in a home, which is returned."""
    settings = Settings(home=home)
    with Registry.open(settings.registry_url) as registry:
        for case_id in ("c1", "c2"):
            run_folder(write_sign_ins(home / case_id), registry, settings=settings, case_id=case_id)
    return home
