"""Which evidence has changed is told without reading it, and never wrongly said to be the same."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from m365dq_dagster.adapters.evidence import folder as subject
from m365dq_dagster.adapters.evidence.folder import evidence_files, read_anew
from m365dq_dagster.adapters.evidence.remembered import FILE, Remembered


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files have lain still for a while when they are hashed."""
    monkeypatch.setattr(subject, "now_ns", lambda: time.time_ns() + 10_000_000_000)


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    root = tmp_path / "evidence"
    root.mkdir()
    (root / "log.csv").write_text("a,b\n1,2\n")
    read_anew()
    return root


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the file was read")

    monkeypatch.setattr(subject, "_fingerprint", read)


@pytest.mark.usefixtures("later")
def test_a_file_that_lay_still_is_known_without_reading_it(
    evidence: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Remembered()
    first = evidence_files(evidence, known)
    assert known.is_new
    known.keep(tmp_path)
    unread(monkeypatch)
    again = Remembered.load(tmp_path)
    assert evidence_files(evidence, again) == first
    assert not again.is_new
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("later")
def test_other_bytes_of_the_same_size_and_time_are_seen(evidence: Path) -> None:
    file, known = evidence / "log.csv", Remembered()
    (first,) = evidence_files(evidence, known)
    before = file.stat()
    file.write_text("a,b\n1,3\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    read_anew()
    (second,) = evidence_files(evidence, known)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert second.sha256 != first.sha256


def test_a_file_that_has_just_changed_is_not_remembered(evidence: Path) -> None:
    known = Remembered()
    evidence_files(evidence, known)
    assert (known.entries, known.is_new) == ({}, False)


@pytest.mark.parametrize("text", ["", "[]", "[1]", '[["a", 1, "b", 2]]', '{"a": 1}'])
def test_a_damaged_memory_knows_nothing(evidence: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    known = Remembered.load(tmp_path)
    assert known.entries == {}
    (found,) = evidence_files(evidence, known)
    assert found.sha256 == hashlib.sha256((evidence / "log.csv").read_bytes()).hexdigest()


def test_a_memory_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    Remembered().keep(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
