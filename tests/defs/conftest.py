"""Fixtures of the tests of Dagster's side: settings of a test's own home, and a case registered there."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.defs.launch import open_instance
from m365dq_dagster.stages.case import prepare_case
from tests.support.sign_in_folder import write_sign_ins

Register = Callable[..., str]


@pytest.fixture(scope="session")
def empty_dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dagster's state before the first run, made once: its databases take a second to make."""
    settings = Settings(home=tmp_path_factory.mktemp("template"))
    with open_instance(settings) as opened:
        opened.get_runs(limit=1)
    return settings.dagster_home


@pytest.fixture
def settings(home: Path, empty_dagster_home: Path) -> Settings:
    """The settings of the test's home; nobody waits long for a lock."""
    settings = Settings.load().model_copy(update={"lock_wait_seconds": 0.2})
    shutil.copytree(empty_dagster_home, settings.dagster_home)
    return settings


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Dagster's own state in the test's home."""
    with open_instance(settings) as opened:
        yield opened


@pytest.fixture
def store(settings: Settings) -> CaseStore:
    """The folder of cases in the test's home."""
    return CaseStore(settings.cases_dir)


@pytest.fixture
def register(settings: Settings, registry: Registry, store: CaseStore, tmp_path: Path) -> Register:
    """Write evidence and register it as a case; returns the case's id."""

    def registered(case_id: str = "tiny", **evidence: Any) -> str:
        folder = write_sign_ins(tmp_path / "evidence" / case_id, **evidence)
        return prepare_case(settings, registry, store, load_rule_pack(), folder, case_id).case_id

    return registered
