"""What is found in a folder, whatever lies in it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.adapters.evidence import folder as subject
from m365dq_dagster.adapters.evidence.folder import (
    Tally,
    case_files,
    evidence_digest,
    evidence_files,
    files_meanwhile,
    present_files,
)
from m365dq_dagster.adapters.evidence.remembered import Fingerprint
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.ledger import FileReason


def test_files_at_any_depth_are_found_with_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "log.csv").write_bytes(b"x\ny\n")
    (tmp_path / "z.csv").write_bytes(b"")

    found = evidence_files(tmp_path)

    assert [(file.path, file.bytes) for file in found] == [("a/b/log.csv", 4), ("z.csv", 0)]
    assert found[0].sha256 == hashlib.sha256(b"x\ny\n").hexdigest()
    assert found[0].fingerprint
    assert found[0].fingerprint.newlines == 2


def test_what_speaks_about_the_case_is_no_evidence(tmp_path: Path) -> None:
    for name in ("case.toml", "expected.json", "log.csv"):
        (tmp_path / name).write_text("x")

    assert [file.path for file in evidence_files(tmp_path)] == ["log.csv"]


def test_links_are_listed_and_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere"
    secret.mkdir()
    (secret / "passwords.csv").write_text("x")
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "file.csv").symlink_to(secret / "passwords.csv")
    (evidence / "folder").symlink_to(secret)
    (evidence / "nowhere").symlink_to(tmp_path / "missing")

    assert {file.path: (file.trouble, file.sha256) for file in evidence_files(evidence)} == {
        "file.csv": (FileReason.LINK, None),
        "folder": (FileReason.LINK, None),
        "nowhere": (FileReason.LINK, None),
    }


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")

    assert evidence_files(tmp_path)[0].trouble is FileReason.NOT_A_FILE


def test_names_that_are_no_text_are_written_as_escapes(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[31m.csv")).write_text("x")

    assert evidence_files(tmp_path)[0].path == "\\xff\\x1b[31m.csv"


def test_a_folder_that_does_not_exist_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such folder"):
        evidence_files(tmp_path / "nowhere")


def test_what_cannot_be_read_is_accounted_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "log.csv").write_text("x")
    real = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(subject.os, "scandir", scandir)
    monkeypatch.setattr(subject, "_fingerprint", refuse)

    assert [(file.path, file.trouble) for file in evidence_files(tmp_path)] == [
        ("locked", FileReason.UNREADABLE),
        ("log.csv", FileReason.UNREADABLE),
    ]


def test_a_file_that_goes_while_the_folder_is_listed_is_accounted_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log.csv").write_text("x")

    def gone(self: Path) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "lstat", gone)

    assert evidence_files(tmp_path)[0].trouble is FileReason.UNREADABLE


def test_a_root_that_cannot_be_listed_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(subject.os, "scandir", refuse)

    with pytest.raises(BadInput, match="cannot be listed"):
        evidence_files(tmp_path)


def test_the_digest_speaks_of_names_and_contents_and_not_of_the_place(tmp_path: Path) -> None:
    for name in ("one", "two", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text("changed" if name == "other" else "same")
    digests = [evidence_digest(evidence_files(tmp_path / name)) for name in ("one", "two", "other")]

    assert digests[0] == digests[1] != digests[2]


def test_files_of_added_folders_are_told_apart_and_a_folder_that_has_gone_holds_none(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "in/second", "also/second", "third")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "log.csv").write_text("x")
    paths = ["log.csv", "second-2/log.csv", "second-3/log.csv", "third/log.csv"]

    assert [file.path for file in case_files(folders)] == paths
    assert present_files(folders) == case_files(folders)
    (folders[1] / "log.csv").unlink()
    folders[1].rmdir()
    assert [file.path for file in present_files(folders)] == [paths[0], *paths[2:]]


@given(chunks=st.lists(st.lists(st.sampled_from([b"\r", b"\n", b"x"])).map(b"".join)))
def test_line_ends_are_counted_alike_however_the_bytes_come(chunks: list[bytes]) -> None:
    tally, whole = Tally(), b"".join(chunks)
    for chunk in chunks:
        tally.add(chunk)

    returns = whole.count(b"\r") - whole.count(b"\r\n")
    assert tally.fingerprint() == Fingerprint(hashlib.sha256(whole).hexdigest(), whole.count(b"\n"), returns)


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fingerprints of files of every size are taken on the other thread."""
    monkeypatch.setattr(subject, "MEANWHILE_BYTES", 0)


@pytest.mark.usefixtures("any_size")
def test_fingerprints_that_are_taken_meanwhile_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x\r\ny\rz\n")
    (tmp_path / "b.csv").write_bytes(b"x")
    at_once = evidence_files(tmp_path)
    meanwhile = files_meanwhile((tmp_path,))

    assert evidence_digest(meanwhile) == evidence_digest(at_once)
    for one, other in zip(at_once, meanwhile, strict=True):
        assert one.fingerprint
        assert other.fingerprint
        assert (one.fingerprint.newlines, one.fingerprint.bare_returns) == (
            other.fingerprint.newlines,
            other.fingerprint.bare_returns,
        )


@pytest.mark.usefixtures("any_size")
def test_a_file_that_changes_while_it_is_read_has_no_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x\n")
    monkeypatch.setattr(Tally, "add", lambda *_: file.unlink(missing_ok=True) or file.write_text("longer\n"))
    (found,) = files_meanwhile((tmp_path,))

    assert found.sha256 is None
    assert found.fingerprint
    with pytest.raises(OSError, match="changed while it was read"):
        assert found.fingerprint.newlines
