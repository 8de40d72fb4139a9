from __future__ import annotations

import stat
from pathlib import Path

import pytest

from m365dq_dagster.adapters.whole_files import write_whole


def test_a_file_is_replaced_and_its_owner_alone_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "reports" / "report.json"
    file.parent.mkdir()
    write_whole(file, "old")
    write_whole(file, "n\u00e9w\n", durable=True)
    assert file.read_bytes() == b"n\xc3\xa9w\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_cannot_take_its_place_leaves_the_old_one_and_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "case" / "packs"
    folder.mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        write_whole(folder, b"bytes", partial=folder.with_name("pack.new"))
    assert list(folder.parent.iterdir()) == [folder]
