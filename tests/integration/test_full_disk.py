"""Where the disk is full, read-only or closed to us, a run says so in one sentence, leaves nothing half-written, and
the published state stays; with room again the next run ends as a clean one.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.evidence import landing
from m365dq_dagster.stages.generate import generate
from tests.support.archives import zipped
from tests.support.intake_case import take_in
from tests.support.published_state import left_in, state_of
from tests.support.warm_program import Ended, WarmProgram

CASE = "full"
NOBODY = 65534
KIB = 1024


@dataclass(frozen=True)
class Scene:
    """A case that was published from little evidence and has more of it now."""

    program: WarmProgram
    evidence: Path
    home: Path
    before: dict[str, Any]
    after: dict[str, Any]

    def run(self, home: Path, **given: Any) -> Ended:
        return self.program.run("run", self.evidence, "--case", CASE, home=home, **given)


def scene(program: WarmProgram, root: Path, rows: int) -> Scene:
    """Set the scene, and say how an undisturbed run ends in it."""
    made = Scene(program, root / "evidence", root / "before", {}, {})
    generate("signins", made.evidence, rows=80, shape="sentinel-csv", seed=3)
    assert made.run(made.home).code == 0
    made.before.update(state_of(made.home, CASE))
    generate("signins", made.evidence / "more", rows=rows, context=False)
    (made.evidence / "more" / "expected.json").unlink()
    clean = Path(shutil.copytree(made.home, root / "clean"))
    assert made.run(clean).code == 0
    made.after.update(state_of(clean, CASE))
    return made


@pytest.fixture(scope="module")
def small(program: WarmProgram, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return scene(program, tmp_path_factory.mktemp("small"), 3_000)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own; skips, saying why, where none can be mounted."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "m365dq-test", folder], capture_output=True)
    if mounted.returncode:
        reason = f"no disk can be mounted here: {mounted.stderr.decode(errors='replace').strip()}"
        print(reason)
        pytest.skip(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "48m") as folder:
        yield folder


@contextmanager
def almost_full(disk: Path, free: int) -> Iterator[None]:
    """All of the disk taken but so many bytes."""
    filler = disk / "filler"
    left = shutil.disk_usage(disk).free - free
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, left)
    yield
    filler.unlink()


def assert_one_sentence(ended: Ended, words: str) -> None:
    """Exit code 3 or 2, and on stderr, after the stages, what is wrong, where, and what to do."""
    told = [line for line in ended.err.splitlines() if line.startswith("m365dq: ")]
    assert ended.code in (2, 3), ended.err
    assert len(told) == 1, ended.err
    assert any(word in told[0] for word in ("untouched", "nothing was changed", "M365DQ_HOME")), told[0]
    assert words in told[0], told[0]
    assert "Internal error" not in told[0]


def assert_untouched(scene: Scene, home: Path) -> None:
    assert state_of(home, CASE)["tables"] == scene.before["tables"]
    assert left_in(home, CASE) == []


def assert_clean_again(scene: Scene, home: Path) -> None:
    ended = scene.run(home)
    assert ended.code == 0, ended.err
    assert state_of(home, CASE) == scene.after
    assert left_in(home, CASE) == []


@pytest.mark.slow
@pytest.mark.parametrize("left", [(0, 400, 2_600), pytest.param((40, 1_400), marks=pytest.mark.soak)], ids=str)
def test_a_run_on_a_full_or_almost_full_disk_says_so_and_leaves_the_published_state(
    small: Scene, disk: Path, left: tuple[int, ...]
) -> None:
    home = Path(shutil.copytree(small.home, disk / "home"))
    for free in left:
        with almost_full(disk, free * KIB):
            ended = small.run(home)
            assert_one_sentence(ended, "disk is full")
            shown = small.program.run("show", CASE, "--json", home=home)
            assert (shown.code, json.loads(shown.out).get("status")) == (0, small.before["record"][1]), shown.err
            assert small.program.run("report", CASE, "--out", "-", home=home).code == 0
        assert_untouched(small, home)
    assert_clean_again(small, home)


@pytest.mark.slow
@pytest.mark.parametrize("left", [(0, 500), pytest.param((100,), marks=pytest.mark.soak)], ids=str)
def test_a_run_in_a_new_home_on_a_full_disk_says_so(small: Scene, disk: Path, left: tuple[int, ...]) -> None:
    for number, free in enumerate(left):
        with almost_full(disk, free * KIB):
            ended = small.run(disk / f"home-{number}")
        assert_one_sentence(ended, "disk is full")
        assert not list(disk.glob("home-*/cases/*/current*"))


@pytest.mark.slow
@pytest.mark.parametrize("most", [256 * KIB, pytest.param(1_500 * KIB, marks=pytest.mark.soak)])
def test_a_run_that_may_not_write_large_files_says_so(small: Scene, tmp_path: Path, most: int) -> None:
    home = Path(shutil.copytree(small.home, tmp_path / "case"))
    assert_one_sentence(small.run(home, largest_file=most), "size limit of files")
    assert_untouched(small, home)


def test_evidence_that_the_disk_has_no_room_to_unpack_ends_the_run(small: Scene, disk: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(small.home, disk / "home"))
    evidence = Path(shutil.copytree(small.evidence, tmp_path / "evidence"))
    rows = next((evidence / "more").glob("*.csv"))
    (evidence / "logs.zip").write_bytes(zipped([("logs.csv", rows.read_bytes())]))
    ended = small.program.run("run", evidence, "--case", CASE, "--add", home=home)
    assert_one_sentence(ended, "cannot be unpacked")
    assert_untouched(small, home)


def test_a_file_that_finds_no_room_for_its_working_copy_is_not_called_unreadable(
    program: WarmProgram, tmp_path: Path
) -> None:
    """The evidence is whole: a verdict without its rows would be published as if it were not."""
    home, evidence = tmp_path / "case", tmp_path / "evidence"
    generate("signins", evidence, rows=12_000, context=False)
    rows = next(evidence.glob("*.csv"))
    rows.write_text(rows.read_text(encoding="utf-8-sig"), encoding="utf-16")
    ended = program.run("run", evidence, "--case", CASE, home=home, largest_file=8 << 20)
    assert_one_sentence(ended, "size limit of files")
    assert not (home / "cases" / CASE / "current").exists()


def test_intake_ends_where_a_working_copy_finds_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate("signins", tmp_path / "evidence", rows=5, context=False)
    rows = next((tmp_path / "evidence").glob("*.csv"))
    rows.write_text(rows.read_text(encoding="utf-8-sig"), encoding="utf-16")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(landing, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        take_in(tmp_path / "evidence")


def test_a_registry_on_a_full_disk_is_said_and_the_case_stays(small: Scene, disk: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(small.home, tmp_path / "case"))
    shutil.move(home / "registry.sqlite3", disk / "registry.sqlite3")
    there = {"M365DQ_REGISTRY_URL": f"sqlite:///{disk / 'registry.sqlite3'}"}
    for free in (0, 60 * KIB):
        with almost_full(disk, free):
            assert_one_sentence(small.run(home, env=there), "disk is full")
            assert small.program.run("show", CASE, home=home, env=there).code == 0
    shutil.copy(disk / "registry.sqlite3", home)
    assert_untouched(small, home)


def test_a_report_that_finds_no_room_is_said_and_leaves_nothing(small: Scene, disk: Path) -> None:
    with almost_full(disk, 4 * KIB):
        ended = small.program.run("report", CASE, "--out", disk / "case.html", home=small.home)
        assert_one_sentence(ended, "No space left on device")
        assert [path.name for path in disk.iterdir()] == ["filler"]


def test_a_read_only_home_is_said_and_still_read(small: Scene, disk: Path) -> None:
    home = Path(shutil.copytree(small.home, disk / "home"))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert_one_sentence(small.run(home), "ead-only file system")
    shown = small.program.run("show", CASE, home=home)
    assert shown.code == 0, shown.err
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert_untouched(small, home)


@pytest.mark.parametrize(
    "closed",
    [
        "cases",
        pytest.param("cases/full", marks=pytest.mark.soak),
        pytest.param("dagster/history", marks=pytest.mark.soak),
        "dagster/history/runs",
    ],
)
def test_a_folder_below_the_home_that_may_not_be_written_is_said(small: Scene, tmp_path: Path, closed: str) -> None:
    home = Path(shutil.copytree(small.home, tmp_path / "case"))
    (home / closed).chmod(0o500)
    if closed == "cases":
        shutil.rmtree(home / "cases" / CASE)
    ended = small.run(home, powerless=True)
    (home / closed).chmod(0o700)
    assert_one_sentence(ended, "read-only" if closed.startswith("dagster") else "ermission denied")
    if closed != "cases":
        assert_untouched(small, home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_home_that_belongs_to_somebody_else_is_said(small: Scene, tmp_path: Path) -> None:
    home = Path(shutil.copytree(small.home, tmp_path / "case"))
    os.chown(home, NOBODY, NOBODY)
    home.chmod(0o755)
    ended = small.run(home, powerless=True)
    assert_one_sentence(ended, "set M365DQ_HOME to a folder you may write")
    assert_untouched(small, home)


@pytest.mark.soak
@pytest.mark.slow
def test_an_import_of_100_000_rows_on_a_disk_that_fills_up(
    program: WarmProgram, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    root = tmp_path_factory.mktemp("large")
    large = scene(program, root, 100_000)
    needed = max(generation.stat().st_size for generation in root.glob("clean/**/*.duckdb"))
    with small_disk(tmp_path / "disk", "256m") as disk:
        home = Path(shutil.copytree(large.home, disk / "home"))
        for share in (0, 0.01, 0.05, 0.2, 0.5, 0.9):
            with almost_full(disk, int(share * needed)):
                assert_one_sentence(large.run(home), "disk is full")
            assert_untouched(large, home)
        assert_clean_again(large, home)
