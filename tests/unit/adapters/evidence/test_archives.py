"""Archives are opened without being believed: nothing is lost in silence, and nothing leads out of the folder."""

from __future__ import annotations

import bz2
import fcntl
import gzip
import io
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from py7zr import FILTER_COPY, FILTER_ZSTD

from m365dq_dagster.adapters.evidence import archive_readers, archives
from m365dq_dagster.adapters.evidence.archives import Limits, name_fault, opened, unpacking
from m365dq_dagster.adapters.evidence.folder import CONTEXT_NAMES, FoundFile, case_files
from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.core.ledger import FileReason, explain
from tests.support.archives import (
    TAR_END,
    seven_zipped,
    sparse_block,
    tar_block,
    tar_entry,
    tarred,
    zip_flags,
    zip_method,
    zipped,
)

CSV = b"h\n1\n2\n"
SOME = [("a.csv", CSV), ("in/b.json", b"{}\n")]


class Opened:
    """A folder of archives, opened into another folder."""

    def __init__(self, root: Path, limits: Limits | None = None) -> None:
        self.into = root / "into"
        shutil.rmtree(self.into, ignore_errors=True)
        self.into.mkdir(mode=0o700)
        self.files = opened(case_files([root / "evidence"]), self.into, limits)

    def states(self) -> dict[str, str | None]:
        return {file.path: file.trouble.value if file.trouble else None for file in self.files}

    def __getitem__(self, path: str) -> FoundFile:
        return next(file for file in self.files if file.path == path)

    def sentence(self, path: str) -> str:
        file = self[path]
        assert file.trouble
        return explain(file.trouble, file.detail)

    def on_disk(self) -> list[Path]:
        return [path for path in self.into.rglob("*") if path.is_file()]


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    folder.mkdir()
    return folder


def made(evidence: Path, name: str, data: bytes, limits: Limits | None = None) -> Opened:
    (evidence / name).write_bytes(data)
    return Opened(evidence.parent, limits)


def seven(evidence: Path, **options: object) -> Path:
    entries = options.pop("entries", SOME)
    return seven_zipped(evidence / "x.7z", entries, **options)  # type: ignore[arg-type]


def test_a_packing_method_of_a_zip_changes_nothing(evidence: Path) -> None:
    big = [("a.csv", CSV * 700_000)]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        found = made(evidence, "x.zip", zipped(big, method))

        assert found["x.zip/a.csv"].location.read_bytes() == big[0][1]


def test_a_wrong_check_sum_is_seen_whatever_the_packing_method(evidence: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        data = zipped([("a.csv", CSV)], method)
        right = zlib.crc32(CSV).to_bytes(4, "little")
        found = made(evidence, "x.zip", data.replace(right, b"\1\2\3\4"))

        assert found["x.zip/a.csv"].detail == "its check sum is wrong"
        assert found.on_disk() == []


@pytest.mark.parametrize("form", ["zip", "7z", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_what_an_archive_holds_is_listed_below_it_by_its_content_and_not_its_name(evidence: Path, form: str) -> None:
    if form == "7z":
        seven(evidence).rename(evidence / "x.dat")
    else:
        data = zipped(SOME) if form == "zip" else tarred(SOME, "w" + form[3:].replace(".", ":"))
        (evidence / "x.dat").write_bytes(data)
    found = Opened(evidence.parent)
    plain, archive = found["x.dat/a.csv"], found["x.dat"]

    assert found.states() == {"x.dat": "UNPACKED", "x.dat/a.csv": None, "x.dat/in/b.json": None}
    assert archive.archive == form
    assert "holds (2 files) is listed" in found.sentence("x.dat")
    assert (archive.sha256, archive.bytes) == (case_files([evidence])[0].sha256, case_files([evidence])[0].bytes)
    (evidence / "plain.csv").write_bytes(CSV)
    outside = next(file for file in case_files([evidence]) if file.path == "plain.csv")
    assert (plain.fingerprint, plain.bytes) == (outside.fingerprint, outside.bytes)
    assert plain.location.read_bytes() == CSV


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_packed_file_holds_the_file_that_its_name_says(evidence: Path, suffix: str, pack: object) -> None:
    data = pack(CSV)  # type: ignore[operator]
    (evidence / "unnamed").write_bytes(data)
    found = made(evidence, f"a.csv.{suffix.upper()}", data)

    assert found.states() == {
        f"a.csv.{suffix.upper()}": "UNPACKED",
        f"a.csv.{suffix.upper()}/a.csv": None,
        "unnamed": "UNPACKED",
        "unnamed/unnamed": None,
    }
    assert found["unnamed"].archive == suffix
    assert found["unnamed/unnamed"].location.read_bytes() == CSV


def test_evidence_on_the_disk_is_private_and_has_no_name_of_the_archive(evidence: Path) -> None:
    found = made(evidence, "x.zip", zipped(SOME))

    for path in found.on_disk():
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.name.isdigit()
        assert path.parent.name == found["x.zip"].sha256


def test_other_files_stay_as_they_are_and_in_their_place(evidence: Path) -> None:
    (evidence / "a.csv").write_bytes(CSV)
    (evidence / "ustar.csv").write_bytes(b"h\n" + b"x" * 255 + b"ustar, and more text\n" + b"x" * 512)
    (evidence / "z.link").symlink_to(evidence / "a.csv")
    found = made(evidence, "BZh.csv", b"BZhao,Name\n1,2\n")

    assert found.files == case_files([evidence])


def test_a_file_that_has_gone_meanwhile_is_left_to_be_told_where_it_is_looked_at(evidence: Path) -> None:
    (evidence / "x.zip").write_bytes(zipped(SOME))
    found = case_files([evidence])
    (evidence / "x.zip").unlink()

    assert opened(found, evidence) == found


def test_two_archives_of_the_same_bytes_are_both_opened(evidence: Path) -> None:
    (evidence / "x.zip").write_bytes(zipped(SOME))
    found = made(evidence, "y.zip", zipped(SOME))

    assert found["x.zip/a.csv"].sha256 == found["y.zip/a.csv"].sha256
    assert found["x.zip/a.csv"].location != found["y.zip/a.csv"].location


def test_archives_in_archives_are_opened_three_deep(evidence: Path) -> None:
    data = zipped(SOME)
    for name in ("three.zip", "two.zip", "one.zip"):
        data = zipped([(name, data)])
    found = made(evidence, "x.zip", data)
    deepest = "x.zip/one.zip/two.zip/three.zip"

    assert found.states() == {
        "x.zip": "UNPACKED",
        "x.zip/one.zip": "UNPACKED",
        "x.zip/one.zip/two.zip": "UNPACKED",
        deepest: "ARCHIVE_DEPTH",
    }
    assert "more than 3 archives deep" in found.sentence(deepest)
    assert found[deepest].sha256
    assert found.on_disk() == []


def test_an_archive_inside_another_leaves_only_what_it_holds_on_the_disk(evidence: Path) -> None:
    found = made(evidence, "x.zip", zipped([("in/y.tgz", tarred(SOME, "w:gz")), ("c.csv", CSV)]))

    assert list(found.states()) == [
        "x.zip",
        "x.zip/in/y.tgz",
        "x.zip/in/y.tgz/a.csv",
        "x.zip/in/y.tgz/in/b.json",
        "x.zip/c.csv",
    ]
    assert len(found.on_disk()) == 3
    assert found["x.zip/in/y.tgz"].archive == "tar.gz"


def test_what_speaks_about_the_case_is_no_evidence_in_an_archive_either(evidence: Path) -> None:
    names = [("case.toml", b"x"), ("in/expected.json", b"x"), ("a.csv", CSV)]
    (evidence / "case.toml.gz").write_bytes(gzip.compress(b"x"))
    found = made(evidence, "x.zip", zipped(names))

    assert found.states() == {"case.toml.gz": "UNPACKED", "x.zip": "UNPACKED", "x.zip/a.csv": None}
    assert "(0 files)" in found.sentence("case.toml.gz")


def test_litter_of_other_systems_is_listed_like_any_file(evidence: Path) -> None:
    found = made(evidence, "x.zip", zipped([("__MACOSX/._a.csv", b"\0\5"), (".DS_Store", b"\0"), ("in/", b"")]))

    assert list(found.states()) == ["x.zip", "x.zip/__MACOSX/._a.csv", "x.zip/.DS_Store"]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["[Content_Types].xml", "xl/workbook.xml"], FileReason.SPREADSHEET),
        (["[Content_Types].xml", "word/document.xml"], FileReason.BINARY),
        (["mimetype", "content.xml"], FileReason.BINARY),
    ],
)
def test_an_office_document_is_no_archive(evidence: Path, names: list[str], reason: FileReason) -> None:
    data = zipped([(name, b"application/vnd.oasis.opendocument.text") for name in names], zipfile.ZIP_STORED)
    found = made(evidence, "book", data)

    assert found.states() == {"book": reason.value}
    assert found["book"].archive == ""


def test_an_open_spreadsheet_is_a_spreadsheet(evidence: Path) -> None:
    kind = b"application/vnd.oasis.opendocument.spreadsheet"

    assert made(evidence, "b.ods", zipped([("mimetype", kind)], zipfile.ZIP_STORED)).states() == {
        "b.ods": "SPREADSHEET"
    }
    assert made(evidence, "b.ods", zipped([("mimetype", kind)])).states()["b.ods"] == "UNPACKED"


@pytest.mark.parametrize(("name", "head"), [("rar", b"Rar!\x1a\x07\x00"), ("zst", b"\x28\xb5\x2f\xfd")])
def test_a_kind_that_no_library_reads_is_refused_in_words(evidence: Path, name: str, head: bytes) -> None:
    found = made(evidence, "x", head + b"whatever")

    assert found.states() == {"x": "ARCHIVE_KIND"}
    assert f"a {name} archive, which cannot be opened here" in found.sentence("x")
    assert found["x"].archive == name


HOSTILE = {
    "../up.csv": "leads out of its folder",
    "in/../../up.csv": "leads out of its folder",
    "..\\up.csv": "leads out of its folder",
    "/etc/passwd": "absolute path",
    "\\\\server\\share": "absolute path",
    "C:\\up.csv": "absolute path",
    "c:up.csv": "absolute path",
    "a\0.csv": "NUL character",
    "n" * 2000: "more than 1,024 characters",
    "in/": "names no file",
    ".": "names no file",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_a_hostile_name_costs_its_own_entry_and_nothing_else(evidence: Path, form: str, name: str) -> None:
    if form == "tar" and ("\0" in name or name.endswith("/")):
        pytest.skip("a tar cannot write this name")
    pack = zipped if form == "zip" else tarred
    found = made(evidence, "x", pack([(name, b"evil"), ("a.csv", CSV)]))

    assert sorted(str(state) for state in found.states().values()) == ["MEMBER_NAME", "None", "UNPACKED"]
    assert HOSTILE[name] in found.sentence(found.files[1].path)
    assert "2 files, 1 of them not unpacked" in found.sentence("x")
    assert len(found.files[1].path) < 300
    assert [path.read_bytes() for path in found.on_disk()] == [CSV]
    assert sorted(os.listdir(evidence.parent)) == ["evidence", "home", "into"]


def test_names_that_windows_writes_with_backslashes_are_folders(evidence: Path) -> None:
    assert list(made(evidence, "x.zip", zipped([("in\\a.csv", CSV), ("in\\", b"")])).states()) == [
        "x.zip",
        "x.zip/in/a.csv",
    ]


def test_of_two_entries_of_one_name_the_first_is_taken_and_the_other_named(evidence: Path) -> None:
    entries = [("a.csv", CSV), ("./a.csv", b"other"), ("a.csv", b"third")]
    for form, data in (("x.zip", zipped(entries)), ("x.tar", tarred(entries))):
        found = made(evidence, form, data)

        assert found[f"{form}/a.csv"].location.read_bytes() == CSV
        assert found[f"{form}/a.csv (entry 2)"].trouble is FileReason.MEMBER_TWICE
        assert found[f"{form}/a.csv (entry 3)"].trouble is FileReason.MEMBER_TWICE
    assert made(evidence, "y", seven(evidence, entries=entries).read_bytes()).states()["y/a.csv (entry 3)"]


def test_links_and_devices_are_listed_and_never_made(evidence: Path) -> None:
    entries = [("link", b"/etc/passwd"), ("pipe", b""), ("a.csv", CSV)]
    (evidence / "x.zip").write_bytes(zipped(entries, modes={"link": 0o120777, "pipe": 0o010644}))
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
    blocks = [tar_block(tar_entry(f"e{kind.decode()}", 0, kind)) for kind in kinds]
    (evidence / "x.tar").write_bytes(b"".join(blocks) + tar_block(tar_entry("a.csv", 6), CSV) + TAR_END)
    seven(evidence, entries=entries[:1], attributes=0x8000 | 0o120777 << 16)
    seven_zipped(evidence / "y.7z", entries[:1], attributes=0x8000 | 0o140777 << 16)
    found = Opened(evidence.parent)

    assert found.states() == {
        "x.7z": "UNPACKED",
        "x.7z/link": "LINK",
        "x.tar": "UNPACKED",
        "x.tar/e2": "LINK",
        "x.tar/e1": "LINK",
        "x.tar/e3": "NOT_A_FILE",
        "x.tar/e6": "NOT_A_FILE",
        "x.tar/a.csv": None,
        "x.zip": "UNPACKED",
        "x.zip/link": "LINK",
        "x.zip/pipe": "NOT_A_FILE",
        "x.zip/a.csv": None,
        "y.7z": "UNPACKED",
        "y.7z/link": "NOT_A_FILE",
    }
    assert not any(path.is_symlink() for path in found.into.rglob("*"))


def test_a_folder_that_holds_bytes_is_said_and_an_empty_one_is_nothing(evidence: Path) -> None:
    seven(evidence, entries=[("in", b"bytes")], attributes=0x10)
    seven_zipped(evidence / "y.7z", [("in", b"")], attributes=0x10)
    block = tar_block(tar_entry("in", 5, tarfile.DIRTYPE), b"bytes")
    found = made(evidence, "x.tar", block + tar_block(tar_entry("a.csv", 6), CSV) + TAR_END)

    assert found["x.7z/in"].trouble is FileReason.MEMBER_NAME
    assert "it names a folder, and yet it holds bytes" in found.sentence("x.tar/in")
    assert "(0 files)" in found.sentence("y.7z")


def test_names_are_read_in_their_own_encoding_and_shown_printable(evidence: Path) -> None:
    mac = "Zugriff-ä.csv".encode()
    data = zipped([("Größe 日本.csv", CSV), ("X" * len(mac), CSV), ("Y.csv", CSV), ("e\x1b[31m.csv", CSV)])
    found = made(evidence, "x.zip", data.replace(b"X" * len(mac), mac).replace(b"Y.csv", b"\x8e.csv"))

    assert list(found.states()) == [
        "x.zip",
        "x.zip/Größe 日本.csv",
        "x.zip/Zugriff-ä.csv",
        "x.zip/Ä.csv",
        "x.zip/e\\x1b[31m.csv",
    ]
    assert list(made(evidence, "x.zip", tarred([("t\udcff.csv", CSV)])).states()) == ["x.zip", "x.zip/t\\xff.csv"]


def test_a_password_is_said_for_the_archive_or_for_the_entries_that_have_one(evidence: Path) -> None:
    (evidence / "all.zip").write_bytes(zip_flags(zipped(SOME[:1]), b"a.csv", 1))
    (evidence / "some.zip").write_bytes(zip_flags(zipped(SOME), b"a.csv", 1))
    seven_zipped(evidence / "content.7z", SOME, password="secret")
    seven_zipped(evidence / "header.7z", SOME, password="secret", header_encryption=True)
    found = Opened(evidence.parent)

    assert found.states() == {
        "all.zip": "ARCHIVE_PASSWORD",
        "content.7z": "ARCHIVE_PASSWORD",
        "header.7z": "ARCHIVE_PASSWORD",
        "some.zip": "UNPACKED",
        "some.zip/a.csv": "MEMBER_PASSWORD",
        "some.zip/in/b.json": None,
    }
    assert "protected by a password" in found.sentence("all.zip")
    assert len(found.on_disk()) == 1


def test_an_entry_packed_by_an_unknown_method_is_said_by_name(evidence: Path) -> None:
    (evidence / "x.zip").write_bytes(zip_method(zipped(SOME), b"a.csv", 9))
    (evidence / "y.zip").write_bytes(zip_method(zipped(SOME), b"a.csv", 77))
    seven(evidence, filters=[{"id": FILTER_ZSTD, "level": 1}])
    found = Opened(evidence.parent)

    assert found["x.zip/a.csv"].detail == "deflate64"
    assert found["y.zip/a.csv"].detail == "zip method 77"
    assert found["x.7z/a.csv"].detail == "7z method 04f71101"
    assert found["x.zip/in/b.json"].trouble is None


def test_a_damaged_entry_of_a_zip_costs_itself_and_the_archive_says_so(evidence: Path) -> None:
    data = zipped([("a.csv", CSV), ("b.csv", b"fine\n"), ("c.csv", CSV * 2)], zipfile.ZIP_STORED)
    broken = data.replace(CSV, b"h\n1\n9\n", 1).replace(b"PK\x03\x04", b"PKxx", 3).replace(b"PKxx", b"PK\x03\x04", 2)
    found = made(evidence, "x.zip", broken)

    assert found.states() == {
        "x.zip": "ARCHIVE_DAMAGED",
        "x.zip/a.csv": "MEMBER_DAMAGED",
        "x.zip/b.csv": None,
        "x.zip/c.csv": "MEMBER_DAMAGED",
    }
    assert found["x.zip/a.csv"].detail == "its check sum is wrong"
    assert "(not every file in it can be read; 1 of 3 files unpacked)" in found.sentence("x.zip")
    assert len(found.on_disk()) == 1


@pytest.mark.parametrize("form", ["zip", "tar", "gz", "bz2", "xz", "7z", "tar.gz"])
def test_an_archive_that_was_cut_off_gives_no_half_file(evidence: Path, form: str) -> None:
    big = os.urandom(50_000)
    if form == "7z":
        data = seven(evidence, entries=[("a.csv", big)]).read_bytes()
        (evidence / "x.7z").unlink()
    elif form in ("zip", "tar", "tar.gz"):
        data = {"zip": zipped, "tar": tarred, "tar.gz": lambda e: tarred(e, "w:gz")}[form]([("a.csv", big)])
    else:
        data = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[form](big)
    found = made(evidence, "x", data[:20_000])

    assert found["x"].trouble is FileReason.ARCHIVE_DAMAGED
    assert all(file.trouble for file in found.files)
    assert found.on_disk() == []
    assert "too early" in found.sentence("x") or form in ("zip", "7z")


def test_what_stood_before_the_damage_of_a_tar_is_whole_and_taken(evidence: Path) -> None:
    first, second = tar_block(tar_entry("a.csv", 6), CSV), tar_block(tar_entry("b.csv", 6), CSV)
    damages = {
        "cut in an entry": (first + second[:515], "it ends too early"),
        "cut behind an entry": (first, "it ends too early"),
        "damaged header": (first + b"x" * 512 + second + TAR_END, "the header of an entry is damaged"),
        "more behind the end": (first + TAR_END + second + TAR_END, "more follows behind its end mark"),
    }
    for name, (data, words) in damages.items():
        found = made(evidence, "x.tar", data)

        assert found["x.tar"].trouble is FileReason.ARCHIVE_DAMAGED, name
        assert words in found.sentence("x.tar"), name
        assert found["x.tar/a.csv"].location.read_bytes() == CSV
        assert {file.trouble for file in found.files[2:]} <= {FileReason.MEMBER_DAMAGED}


def test_a_tar_that_leads_in_circles_or_claims_nonsense_ends(evidence: Path) -> None:
    first = tar_block(tar_entry("a.csv", 6), CSV)
    backwards = tar_entry("back.csv")
    backwards.size = -1024
    found = made(evidence, "x.tar", first + tar_block(backwards) + TAR_END)
    assert found.states()["x.tar"] == "ARCHIVE_DAMAGED"
    assert found["x.tar/a.csv"].trouble is None

    huge = tar_entry("././@LongLink", 1 << 40, tarfile.GNUTYPE_LONGNAME)
    found = made(evidence, "x.tar", first + tar_block(huge) + b"n" * (20 << 20) + TAR_END)
    assert "its directory is too large" in found.sentence("x.tar")

    found = made(evidence, "x.tar", tar_block(tar_entry("p", 10, tarfile.XHDTYPE), b"nonsense\0\0") + TAR_END)
    assert found.states()["x.tar"] == "ARCHIVE_DAMAGED"


def test_a_ruined_first_header_is_still_a_damaged_tar(evidence: Path) -> None:
    data = tarred(SOME)

    assert made(evidence, "x.tar", b"zzz" + data[3:]).states() == {"x.tar": "ARCHIVE_DAMAGED"}


def test_reading_in_circles_ends(evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_readers, "BLOCK", 80 << 20)

    assert "lead in circles" in made(evidence, "x.zip", zipped(SOME)).sentence("x.zip")


def test_behind_a_damaged_block_of_a_7z_the_next_is_taken(evidence: Path) -> None:
    copy = {"filters": [{"id": FILTER_COPY}]}
    path = seven(evidence, entries=[("a.csv", b"first"), ("b.csv", b"wrong"), ("c.csv", b"third")], **copy)
    seven_zipped(path, [("d.csv", CSV)], mode="a")
    found = made(evidence, "x.7z", path.read_bytes().replace(b"wrong", b"WRONG"))

    assert found.states() == {
        "x.7z": "ARCHIVE_DAMAGED",
        "x.7z/a.csv": None,
        "x.7z/b.csv": "MEMBER_DAMAGED",
        "x.7z/c.csv": "MEMBER_DAMAGED",
        "x.7z/d.csv": None,
    }
    assert found["x.7z/b.csv"].detail == "its check sum is wrong"
    assert found["x.7z/c.csv"].detail == "what stands before it is damaged"
    assert len(found.on_disk()) == 2


def test_a_7z_is_not_tried_for_ever(evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_readers, "SEVEN_ZIP_TRIES", 1)
    path = seven(evidence, entries=[("a.csv", b"wrong")], filters=[{"id": FILTER_COPY}])
    seven_zipped(path, [("b.csv", CSV)], mode="a")
    found = made(evidence, "x.7z", path.read_bytes().replace(b"wrong", b"WRONG"))

    assert found["x.7z/b.csv"].detail == "too much of the archive is damaged"


BOMB = b"\0" * 3_000_000
TIGHT = Limits(ratio=20, ratio_from=100_000)


@pytest.mark.parametrize("form", ["zip", "bz2.zip", "lzma.zip", "tar.gz", "gz", "bz2", "xz", "7z", "sparse"])
def test_a_bomb_is_stopped_by_what_comes_out_of_it(evidence: Path, form: str) -> None:
    entries = [("a.csv", CSV), ("bomb", BOMB)]
    makers = {
        "zip": lambda: zipped(entries),
        "bz2.zip": lambda: zipped(entries, zipfile.ZIP_BZIP2),
        "lzma.zip": lambda: zipped(entries, zipfile.ZIP_LZMA),
        "tar.gz": lambda: tarred(entries, "w:gz"),
        "gz": lambda: gzip.compress(BOMB),
        "bz2": lambda: bz2.compress(BOMB),
        "xz": lambda: lzma.compress(BOMB),
        "7z": lambda: seven_zipped(evidence.parent / "y", entries).read_bytes(),
        "sparse": lambda: sparse_block("bomb", 1 << 32) + TAR_END,
    }
    found = made(evidence, "x", makers[form](), TIGHT)

    assert found.states() == {"x": "ARCHIVE_BOUNDS"}
    assert "more than 20 times its own size came out of it" in found.sentence("x")
    assert list(found.into.iterdir()) == []


def test_what_is_skipped_in_a_solid_7z_is_counted_too(evidence: Path) -> None:
    seven(evidence, entries=[("../bomb", BOMB), ("a.csv", CSV)])

    assert Opened(evidence.parent, TIGHT).states() == {"x.7z": "ARCHIVE_BOUNDS"}


def test_more_entries_than_allowed_refuse_the_archive_with_those_inside_it(evidence: Path) -> None:
    entries = [(f"{number}.csv", CSV) for number in range(3)]
    (evidence / "fine.csv").write_bytes(CSV)
    found = made(evidence, "x.zip", zipped([("y.zip", zipped(entries)), ("z.csv", CSV), ("in/", b"")]), Limits(5))

    assert found.states() == {"fine.csv": None, "x.zip": "ARCHIVE_BOUNDS"}
    assert "it has more than 5 entries" in found.sentence("x.zip")
    assert found.on_disk() == []
    assert made(evidence, "x.zip", zipped(entries), Limits(3)).states()["x.zip"] == "UNPACKED"


def test_the_bytes_of_all_archives_count_together_and_those_of_refused_ones_do_not(evidence: Path) -> None:
    for name in ("a", "b", "d"):
        (evidence / f"{name}.zip").write_bytes(zipped([("a.csv", os.urandom(400))]))
    found = made(evidence, "c.zip", zipped([("a.csv", os.urandom(900))]), Limits(unpacked_bytes=1300))

    assert [found.states()[f"{name}.zip"] for name in "abcd"] == ["UNPACKED", "UNPACKED", "ARCHIVE_BOUNDS", "UNPACKED"]
    assert "with it more than 1,300 bytes would come out of the case's archives" in found.sentence("c.zip")


def test_a_bomb_inside_an_archive_is_refused_and_its_neighbours_are_not(evidence: Path) -> None:
    found = made(evidence, "x.zip", zipped([("b.zip", zipped([("bomb", BOMB)])), ("n", os.urandom(20_000))]), TIGHT)

    assert found.states() == {"x.zip": "UNPACKED", "x.zip/b.zip": "ARCHIVE_BOUNDS", "x.zip/n": None}
    assert found.sentence("x.zip/b.zip")
    assert len(found.on_disk()) == 1


def test_bombs_that_are_harmless_alone_count_for_the_archive_around_them(evidence: Path) -> None:
    inner = zipped([("part", os.urandom(2000) + b"\0" * 60_000)])
    copies = zipped([(f"{number}.zip", inner) for number in range(40)])
    found = made(evidence, "x.gz", gzip.compress(copies), Limits(ratio=50, ratio_from=100_000))

    assert found.states() == {"x.gz": "ARCHIVE_BOUNDS"}


def test_large_numbers_are_said_in_gib() -> None:
    budget = archives._Budget(Limits(), 1 << 40, None, 64 << 30)

    with pytest.raises(archives._Broken, match="64 GiB"):
        budget.charge((64 << 30) + 1)


def test_a_disk_that_would_fill_up_ends_the_run(evidence: Path) -> None:
    with pytest.raises(InternalFault, match=r"x\.zip/a\.csv.*would stay free.*Free disk space"):
        made(evidence, "x.zip", zipped(SOME), Limits(keep_free=1 << 60))


def test_a_write_that_fails_ends_the_run(evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives.os, "write", full)
    with pytest.raises(InternalFault, match="No space left on device"):
        made(evidence, "x.7z", seven(evidence).read_bytes())


def test_too_little_memory_is_the_archives_damage(evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object) -> None:
        raise MemoryError

    data = zipped(SOME)
    monkeypatch.setattr(archive_readers.zipfile.ZipFile, "open", greedy)

    assert "too much memory" in made(evidence, "x.zip", data).sentence("x.zip/a.csv")


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "case"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


def test_unpacked_evidence_is_private_and_gone_at_the_end(case: Path) -> None:
    def fail(into: Path) -> None:
        assert into.parent == case
        assert into.stat().st_mode & 0o777 == 0o700
        (into / "a.csv").write_bytes(CSV)
        raise KeyError

    with pytest.raises(KeyError), unpacking(case) as into:
        fail(into)
    assert not into.exists()


def test_what_a_killed_run_left_is_cleared_and_a_living_one_left_alone(case: Path) -> None:
    (case / "unpacked-killed").mkdir()
    (case / "unpacked-killed" / "a.csv").write_bytes(CSV)
    with unpacking(case) as living:
        assert [path.name for path in case.iterdir()] == [living.name]
        with unpacking(case) as second:
            assert living.exists()
            assert second != living
        assert living.exists()


def test_a_link_in_the_place_of_a_leftover_is_not_followed(case: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (case / "unpacked-link").symlink_to(tmp_path / "precious")
    with unpacking(case):
        assert (tmp_path / "precious").exists()
    (case / "unpacked-link").unlink()


def test_a_case_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InternalFault, match="no folder can be made to unpack evidence in"), unpacking(tmp_path / "no"):
        pass


def test_a_folder_held_by_another_is_not_cleared(case: Path) -> None:
    held = case / "unpacked-held"
    held.mkdir()
    handle = os.open(held, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    with unpacking(case):
        assert held.exists()
    os.close(handle)
    with unpacking(case):
        assert not held.exists()


PIECES = [
    "..",
    ".",
    "/",
    "\\",
    "C:",
    "a",
    "b.csv",
    "case.toml",
    "\0",
    "\x1b[2J",
    "\u202e",
    "ä",
    "日",
    " ",
    "-",
    "~",
    "%2e",
]
NAMES = st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join), min_size=1, max_size=8)


@given(NAMES)
@example(["a", "a", "./a", "a (entry 2)", "a/", "/a", "../into/00001"])
def test_no_list_of_names_writes_outside_or_hides_an_entry(tmp_path: Path, names: list[str]) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir(exist_ok=True)
    contents = [f"content {number}".encode() for number in range(len(names))]
    found = made(evidence, "x.zip", zipped(list(zip(names, contents, strict=True))))
    members = found.files[1:]
    skipped = [
        name for name in names if not name_fault(name) and name.replace("\\", "/").split("/")[-1] in CONTEXT_NAMES
    ]

    assert len(members) == len(names) - len(skipped)
    assert len({file.path for file in found.files}) == len(found.files)
    assert all(file.path.isprintable() for file in found.files)
    taken = [file for file in members if not file.trouble]
    assert sorted(found.on_disk()) == sorted(file.location for file in taken)
    assert {file.location.read_bytes() for file in taken} <= set(contents)
    assert len({file.location.read_bytes() for file in taken}) == len(taken)
    assert sorted(os.listdir(tmp_path)) == ["evidence", "home", "into"]


@cache
def whole(form: str) -> bytes:
    """An archive of four files; made once, since the time of its making stands in it."""
    entries = [(f"{number}.csv", f"row {number}\n".encode() * 50) for number in range(4)]
    if form == "7z":
        out = io.BytesIO()
        seven_zipped(out, entries)
        return out.getvalue()
    return zipped(entries) if form == "zip" else tarred(entries, "w" + form[3:].replace(".", ":"))


@given(st.data())
def test_no_damage_to_an_archive_is_an_error_or_a_false_file(tmp_path: Path, data: st.DataObject) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir(exist_ok=True)
    form = data.draw(st.sampled_from(["zip", "tar", "tar.gz", "7z"]))
    damaged = bytearray(whole(form))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    found = made(evidence, "x", bytes(damaged[: data.draw(st.integers(1, len(damaged)))]), TIGHT)

    for file in found.files:
        if file.path != "x" and not file.trouble and form != "tar":
            assert file.location.read_bytes() in {f"row {number}\n".encode() * 50 for number in range(4)} | {b""}
