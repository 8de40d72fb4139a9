"""A log is kept for its owner alone, and is never worth a run."""

import stat
from pathlib import Path

import pytest

from m365dq_dagster.cli import logs

NO_ROOM = Path("/dev/full")


def test_a_log_is_kept_below_the_home_once_and_for_its_owner(home: Path) -> None:
    path = logs.keep("a.log", "words")
    assert path == home / "logs" / "a.log"
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("words", 0o600)


def test_a_name_that_is_taken_is_not_written_over_nor_followed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    (logs.home_logs() / "a.log").symlink_to(tmp_path / "elsewhere")
    assert logs.keep("a.log", "words") == tmp_path / "a.log"
    assert not (tmp_path / "elsewhere").exists()
    assert logs.keep("a.log", "words") is None


def test_half_a_log_does_not_stay(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    opened = logs.os.open
    monkeypatch.setattr(logs.os, "open", lambda path, *given: (opened(path, *given), opened(NO_ROOM, 1))[1])
    assert logs.keep("a.log", "words") is None
    assert not list(home.rglob("a.log"))
    assert not (tmp_path / "a.log").exists()


@pytest.mark.parametrize("path", [NO_ROOM, Path("/nowhere/run.log")])
def test_what_the_disk_cannot_take_is_lost_without_a_word(path: Path) -> None:
    with logs.open_forgiving(path) as log:
        print("words", file=log, flush=True)
