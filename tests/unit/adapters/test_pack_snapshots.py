"""A rule pack that a case was judged by is kept once and opened again as what it was."""

import zipfile
from pathlib import Path

import pytest

from m365dq_dagster.adapters import pack_snapshots
from m365dq_dagster.adapters.pack_overlay import overlaid
from m365dq_dagster.core.code_changes import CodeKey
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.reference import Layer
from tests.support.case_runs import shipped_pack

LAYER = Layer(CodeKey("sign_in_logs", "status_error_code", "50126"), {"meaning": "other"}, "change 1")


def test_a_kept_pack_says_all_that_it_said(tmp_path: Path) -> None:
    pack = overlaid(shipped_pack(), [LAYER], None)
    again = pack_snapshots.read(pack_snapshots.keep(tmp_path, pack))
    assert again.content_hash == pack.content_hash
    for part in ("codes", "values", "operations", "fields", "context_rules", "vendor_changes", "retention", "policy"):
        assert getattr(again, part) == getattr(pack, part), part
    assert again.formats == pack.formats
    assert again.suite("sign_in_logs") == pack.suite("sign_in_logs")
    assert again.suite("nothing") is None
    assert again.intake_hash == pack.intake_hash
    assert not again.in_force


def test_the_same_pack_gives_the_same_bytes_and_is_written_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = (pack_snapshots.keep(tmp_path / name, shipped_pack()) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_mode & 0o777 == 0o600
    first.write_bytes(b"untouched")
    assert pack_snapshots.keep(tmp_path / "a", shipped_pack()).read_bytes() == b"untouched"
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_what_could_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    folder = tmp_path / "case"
    folder.mkdir()
    with pytest.raises(OSError, match="No space"):
        pack_snapshots.keep(folder, shipped_pack())
    assert [path.name for path in folder.rglob("*")] == ["packs"]


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_an_archive_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{'0' * 64}.zip"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="is no rule pack that can be read"):
        pack_snapshots.read(path)


def test_an_archive_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    path = pack_snapshots.keep(tmp_path, shipped_pack())
    other = path.rename(path.with_name(f"{'0' * 64}.zip"))
    with pytest.raises(BadInput, match="does not hold the rule pack that it is named after"):
        pack_snapshots.read(other)


def test_an_archive_that_holds_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack_snapshots.keep(tmp_path, shipped_pack())
    monkeypatch.setattr(pack_snapshots, "MOST_BYTES", 1000)
    with pytest.raises(BadInput, match="would unpack to more than"):
        pack_snapshots.read(path)


def test_entries_that_belong_to_no_pack_are_not_read(tmp_path: Path) -> None:
    path = pack_snapshots.keep(tmp_path, shipped_pack())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../elsewhere", b"x")
    assert pack_snapshots.read(path).content_hash == shipped_pack().content_hash


def test_a_pack_is_found_by_the_beginning_of_its_hash_first_in_the_first_case(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    path = pack_snapshots.keep(folders[1], shipped_pack())
    assert pack_snapshots.find(folders, path.stem[:8]) == [path]
    assert pack_snapshots.find(folders, "nothing") == []
    own = pack_snapshots.keep(folders[0], shipped_pack())
    assert pack_snapshots.find(folders, path.stem) == [own]
