import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from m365dq_dagster.adapters.clock import Clock, FixedClock
from m365dq_dagster.adapters.pack_overlay import FOLDER
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import POLICY
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.people import Person
from m365dq_dagster.definitions import build_definitions, run_case
from m365dq_dagster.defs.sensors import QUIET_SECONDS, TICK_SECONDS, fingerprint
from m365dq_dagster.stages import packs
from m365dq_dagster.stages.packs import effective_pack
from tests.support.sign_in_folder import write_sign_ins

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Watched:
    """The inbox's sensor, ticked at moments of the test's choosing, with its cursor kept between ticks."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance, self.cursor = settings, instance, None
        self.seconds = 0.0

    def tick(self, seconds: float = 0, clock: Clock | None = None) -> Any:
        self.seconds += seconds
        clock = clock or FixedClock(NOON + timedelta(seconds=self.seconds))
        definitions = build_definitions(self.settings, clock=clock).get_repository_def()
        context = dg.build_sensor_context(self.instance, cursor=self.cursor, repository_def=definitions)
        result: Any = definitions.get_sensor_def("inbox")(context)
        self.cursor = result.cursor
        return result

    def requested(self, seconds: float = 0) -> list[str]:
        return [str(request.partition_key) for request in self.tick(seconds).run_requests or ()]


class SlowClock:
    """A clock on which as much time passes between two looks as one tick has in all, and a little."""

    def __init__(self, begun: datetime) -> None:
        self.moment = begun - self.STEP

    STEP = timedelta(seconds=TICK_SECONDS + 1)

    def now(self) -> datetime:
        self.moment += self.STEP
        return self.moment


@pytest.fixture
def watched(settings: Settings, instance: dg.DagsterInstance) -> Watched:
    return Watched(settings, instance)


@pytest.fixture
def new_case(settings: Settings) -> Path:
    return write_sign_ins(settings.inbox / "Tenant A", 12)


def test_without_an_inbox_there_is_nothing_to_do(watched: Watched) -> None:
    assert watched.requested() == []


def test_a_new_folder_becomes_a_case_and_is_run_once_nothing_in_it_changes(
    watched: Watched, new_case: Path, registry: Registry
) -> None:
    assert watched.requested() == []
    result = watched.tick(QUIET_SECONDS + 1)
    (request,) = result.run_requests
    assert request.partition_key == "tenant-a"
    (added,) = result.dynamic_partitions_requests
    assert list(added.partition_keys) == ["tenant-a"]
    record = registry.case("tenant-a")
    assert record is not None
    assert record.folder == str(new_case)
    assert watched.requested(QUIET_SECONDS + 1) == []


def test_a_folder_that_is_still_being_copied_waits(watched: Watched, new_case: Path) -> None:
    watched.tick()
    for n in range(3):
        (new_case / f"more-{n}.csv").write_text("x", encoding="utf-8")
        assert watched.requested(QUIET_SECONDS + 1) == []
    assert watched.requested(QUIET_SECONDS + 1) == ["tenant-a"]


def test_a_folder_that_changes_later_is_run_again(watched: Watched, new_case: Path, settings: Settings) -> None:
    watched.tick()
    watched.tick(QUIET_SECONDS + 1)
    assert run_case(settings, "tenant-a").success
    write_sign_ins(new_case, 13)
    assert watched.requested(30) == []
    assert watched.requested(QUIET_SECONDS + 1) == ["tenant-a"]


def test_a_folder_whose_evidence_is_judged_already_is_not_run_again(
    watched: Watched, new_case: Path, settings: Settings
) -> None:
    watched.tick()
    watched.tick(QUIET_SECONDS + 1)
    assert run_case(settings, "tenant-a").success
    watched.cursor = None
    watched.tick()
    assert watched.requested(QUIET_SECONDS + 1) == []


def test_what_a_tick_has_no_time_for_waits_for_the_next_one_and_nothing_is_lost(
    watched: Watched, settings: Settings
) -> None:
    for name in ("a", "b", "c"):
        write_sign_ins(settings.inbox / name, 3)
    watched.tick()
    asked = []
    for _ in range(4):
        result = watched.tick(QUIET_SECONDS + 1, SlowClock(NOON + timedelta(seconds=watched.seconds + 60)))
        asked.append([request.partition_key for request in result.run_requests])
    assert asked == [["a"], ["b"], ["c"], []]


def test_many_folders_of_one_tick_open_the_rule_pack_once(
    watched: Watched, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    monkeypatch.setattr(packs, "effective_pack", lambda *given: opened.append(1) or effective_pack(*given))
    for number in range(5):
        write_sign_ins(settings.inbox / f"case-{number}", 3)
    watched.tick()
    assert len(watched.requested(QUIET_SECONDS + 1)) == 5
    assert len(opened) == 1


def test_a_rule_pack_that_cannot_be_used_is_said_and_the_folder_is_asked_for_once_it_can(
    watched: Watched, new_case: Path, settings: Settings
) -> None:
    local = settings.home / FOLDER / POLICY
    local.parent.mkdir()
    local.write_text("no = [", encoding="utf-8")
    watched.tick()
    result = watched.tick(QUIET_SECONDS + 1)
    assert not result.run_requests
    local.unlink()
    assert watched.requested(1) == ["tenant-a"]


def test_a_folder_that_cannot_become_a_case_is_left_alone_and_the_others_are_run(
    watched: Watched, new_case: Path, settings: Settings
) -> None:
    bad = settings.inbox / "broken"
    bad.mkdir()
    (bad / "case.toml").write_text("home_countries = 7", encoding="utf-8")
    watched.tick()
    assert watched.requested(QUIET_SECONDS + 1) == ["tenant-a"]
    assert json.loads(str(watched.cursor))["broken"]["handled"]


def test_files_links_hidden_and_empty_folders_in_the_inbox_are_no_cases(
    watched: Watched, settings: Settings, tmp_path: Path
) -> None:
    write_sign_ins(tmp_path / "elsewhere", 3)
    settings.inbox.mkdir()
    (settings.inbox / "note.txt").write_text("x", encoding="utf-8")
    (settings.inbox / "linked").symlink_to(tmp_path / "elsewhere")
    (settings.inbox / "empty").mkdir()
    write_sign_ins(settings.inbox / ".hidden", 3)
    watched.tick()
    assert watched.requested(QUIET_SECONDS + 1) == []


def test_a_fingerprint_sees_content_grow_and_never_follows_a_link(tmp_path: Path) -> None:
    folder = write_sign_ins(tmp_path / "a", 3)
    first = fingerprint(folder)
    (folder / "link").symlink_to("/nowhere")
    second = fingerprint(folder)
    (folder / "more.csv").write_text("x", encoding="utf-8")
    assert len({first, second, fingerprint(folder)}) == 3


@pytest.fixture
def outbox(settings: Settings, instance: dg.DagsterInstance) -> Iterator[Any]:
    sensor = build_definitions(settings).get_repository_def().get_sensor_def("outbox")
    return sensor.evaluate_tick(dg.build_sensor_context(instance))


def test_without_a_mail_server_alerts_stay_recorded(outbox: Any) -> None:
    assert outbox.skip_message == "0 of 0 alerts that waited were delivered."


def test_all_sensors_are_on_unless_turned_off(settings: Settings) -> None:
    sensors = build_definitions(settings).get_repository_def().sensor_defs
    assert {one.name for one in sensors} == {"inbox", "outbox", "killed_runs", "ended_overrides"}
    assert all(one.default_status is dg.DefaultSensorStatus.RUNNING for one in sensors)


def test_a_case_whose_override_has_ended_is_judged_again_once(
    settings: Settings, instance: dg.DagsterInstance, registry: Registry
) -> None:
    registry.add_override("c1", "why", Person("analyst", "kim"), "2026-03-03", NOON)
    under = {"reason": "why", "actor": "kim", "expires": "2026-03-03"}
    registry.register_case("c1", "/evidence", {}, NOON)
    registry.set_verdict("c1", "CANNOT_CONCLUDE", "x", NOON, {"generation": "r1", "override": under})

    def asked(days: int) -> list[tuple[str | None, str | None]]:
        definitions = build_definitions(settings, clock=FixedClock(NOON + timedelta(days=days))).get_repository_def()
        context = dg.build_sensor_context(instance, repository_def=definitions)
        result: Any = definitions.get_sensor_def("ended_overrides")(context)
        return [(request.partition_key, request.run_key) for request in result.run_requests]

    assert asked(1) == []
    assert asked(2) == asked(9) == [("c1", "override-ended:c1:r1")]
    registry.set_verdict("c1", "CANNOT_CONCLUDE", "x", NOON, {"generation": "r2", "override": None})
    assert asked(9) == []
