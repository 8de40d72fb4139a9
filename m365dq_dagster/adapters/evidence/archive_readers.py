"""Reads the containers that evidence comes in: zip, tar, 7z, and single files packed by gzip, bzip2 or xz.

A reader names every entry of a container to a `Taker` and pours the bytes of those that it wants. What is taken, under
which name and within which bounds is decided by the taker, in `archives`. No entry's name ever becomes a path here, and
no container is believed about a size: what is read at once is bounded, and so is how often.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from m365dq_dagster.adapters.evidence.folder import CHUNK, printable
from m365dq_dagster.adapters.evidence.text import open_bytes
from m365dq_dagster.core.errors import M365dqError
from m365dq_dagster.core.ledger import FileReason

if TYPE_CHECKING:
    from py7zr import SevenZipFile
    from py7zr.py7zr import ArchiveFile

MAX_READ = 16 << 20
"""Bytes that a container may ask for at once, which bounds its directory: about 100,000 entries of a zip."""

SMALL_CHUNK = 4096
"""Packed bytes given at once to a method that cannot be told to stop at a length: they may become 7,000 times that."""

SEVEN_ZIP_CHUNK = 1 << 15
SEVEN_ZIP_TRIES = 16

FOLDER_WITH_BYTES = "it names a folder, and yet it holds bytes"

BLOCK = 512
"""Bytes of a tar's blocks; its headers are one each."""


class ArchiveKind(StrEnum):
    """What kind of container a file is, by its content."""

    ZIP = "zip"
    TAR = "tar"
    GZ = "gz"
    BZ2 = "bz2"
    XZ = "xz"
    SEVEN_ZIP = "7z"
    RAR = "rar"
    ZSTD = "zst"


MAGIC = {
    b"PK\x03\x04": ArchiveKind.ZIP,
    b"PK\x05\x06": ArchiveKind.ZIP,
    b"\x1f\x8b\x08": ArchiveKind.GZ,
    b"7z\xbc\xaf\x27\x1c": ArchiveKind.SEVEN_ZIP,
    b"\xfd7zXZ\x00": ArchiveKind.XZ,
    b"Rar!\x1a\x07": ArchiveKind.RAR,
    b"\x28\xb5\x2f\xfd": ArchiveKind.ZSTD,
}
BZIP2_BLOCKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
USTAR = b"ustar"


class Refusal(Exception):
    """The whole container is not taken in: why, and what about it."""

    def __init__(self, reason: FileReason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Stop(Exception):
    """Raised by a taker when reading has to end, whatever the container still holds."""


class Sink(Protocol):
    """Where the bytes of one entry go; ends with either `done` or `spoil`."""

    def write(self, chunk: bytes) -> None:
        """Take some more bytes. Raises `Stop`."""

    def done(self) -> None:
        """The entry is whole."""

    def spoil(self, detail: str) -> None:
        """The entry is damaged in the way said; nothing of it is kept."""


class Taker(Protocol):
    """What is told about every entry of a container, in its order. Each call may raise `Stop`."""

    def take(self, name: str) -> Sink | None:
        """A file of this name; None where it is not wanted."""

    def refuse(self, name: str, reason: FileReason, detail: str = "") -> None:
        """An entry that no reader unpacks."""

    def folder(self) -> None:
        """A folder, of which nothing is kept."""

    def room(self) -> int:
        """How many bytes may still come out."""

    def overflow(self) -> None:
        """More than that came out: always raises `Stop`."""


def archive_kind(path: Path) -> ArchiveKind | None:
    """What container a file is by its first bytes, or None for any other file. Raises `OSError`."""
    with open_bytes(path) as stream:
        head = stream.read(BLOCK)
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return kind
    if head.startswith(b"BZh") and head[4:10] in BZIP2_BLOCKS:
        return ArchiveKind.BZ2
    return ArchiveKind.TAR if _is_tar(head) else None


def _is_tar(head: bytes) -> bool:
    """A block with a tar header's check sum, or one that was a tar header before it was damaged. Text is neither."""
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return head[257:262] == USTAR and b"\0" in head
    return True


def office_document(path: Path) -> FileReason | None:
    """How a zip is listed that is one document of an office program and no container, or None."""
    try:
        with _Guarded(path) as stream, zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            kind = archive.read(names[0]) if _says_its_kind(archive, names) else b""
    except Exception:  # what is wrong with it is told when it is unpacked
        return None
    folders = {name.partition("/")[0] for name in names}
    if b"opendocument.spreadsheet" in kind or ("[Content_Types].xml" in names and "xl" in folders):
        return FileReason.SPREADSHEET
    if b"opendocument" in kind or ("[Content_Types].xml" in names and folders & {"word", "ppt", "visio"}):
        return FileReason.BINARY
    return None


def _says_its_kind(archive: zipfile.ZipFile, names: Sequence[str]) -> bool:
    if not names or names[0] != "mimetype":
        return False
    info = archive.getinfo("mimetype")
    return info.compress_type == zipfile.ZIP_STORED and info.file_size < 200


def read_archive(path: Path, kind: ArchiveKind, taker: Taker) -> str:
    """Tell every entry of a zip, tar or 7z to the taker. Returns what is wrong with the container as a whole, or "".

    Raises `Refusal` where nothing of it can be read, and what the taker raises.
    """
    readers = {ArchiveKind.ZIP: _read_zip, ArchiveKind.TAR: _read_tar, ArchiveKind.SEVEN_ZIP: _read_7z}
    return readers[kind](path, taker)


def read_single(path: Path, kind: ArchiveKind, sink: Sink) -> None:
    """Pour the one file that a gzip, bzip2 or xz file holds."""
    unpackers: dict[ArchiveKind, Callable[[io.BufferedReader], gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]] = {
        ArchiveKind.GZ: lambda stream: gzip.GzipFile(fileobj=stream, mode="rb"),
        ArchiveKind.BZ2: bz2.BZ2File,
        ArchiveKind.XZ: lzma.LZMAFile,
    }
    with _Guarded(path) as stream, unpackers[kind](stream) as unpacked:
        _pour(unpacked.read, CHUNK, sink)


class _Guarded(io.BufferedReader):
    """A container's bytes, where nobody can ask for more at once than is sane, nor read in circles for ever."""

    def __init__(self, path: Path) -> None:
        raw = open_bytes(path).detach()
        super().__init__(raw)
        self.size = os.fstat(raw.fileno()).st_size
        self.left = 8 * self.size + (64 << 20)
        self.portion = MAX_READ
        """Longer reads end here; none of the readers takes a short read for the end."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As asked, up to the end of the file. Raises `ValueError` where it is too much."""
        rest = max(self.size - self.tell(), 0)
        wanted = rest if size is None or size < 0 else min(size, rest)
        if wanted > MAX_READ:
            raise ValueError("its directory is too large")
        self.left -= max(wanted, BLOCK)
        if self.left < 0:
            raise ValueError("its entries lead in circles")
        return super().read(min(wanted, self.portion))


def damage(error: Exception) -> str:
    """What a library's error over damaged bytes means, in words that hold nothing of the evidence but what is
    printable."""
    text = str(error)
    if isinstance(error, EOFError) or "unexpected end" in text or "truncated" in text.lower():
        return "it ends too early"
    if "crc" in text.lower() or type(error).__name__ == "CrcError":
        return "its check sum is wrong"
    if isinstance(error, MemoryError):
        return "unpacking it needs too much memory"
    words = getattr(error, "strerror", None) or text or type(error).__name__
    return printable(str(words))[:120]


def _pour(read: Callable[[int], bytes], size: int, sink: Sink) -> None:
    """All bytes of an entry into its sink. Whatever a library raises over hostile bytes is damage to that entry."""
    try:
        while chunk := read(size):
            sink.write(chunk)
    except (Stop, M365dqError):
        raise
    except Exception as error:
        sink.spoil(damage(error))
    else:
        sink.done()


def _read_zip(path: Path, taker: Taker) -> str:
    with _Guarded(path) as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except Exception as error:
            raise Refusal(FileReason.ARCHIVE_DAMAGED, damage(error)) from None
        with archive:
            for info in archive.infolist():
                _zip_entry(archive, info, taker)
    return ""


def _zip_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, taker: Taker) -> None:
    name, mode = _zip_name(info), info.external_attr >> 16
    if trouble := _special(mode):
        taker.refuse(name, trouble)
    elif not info.file_size and (name.endswith(("/", "\\")) or stat.S_ISDIR(mode)):
        taker.folder()
    elif info.flag_bits & _ZIP_LOCKED:
        taker.refuse(name, FileReason.MEMBER_PASSWORD)
    elif info.compress_type not in _ZIP_CHUNKS:
        taker.refuse(
            name, FileReason.MEMBER_METHOD, _ZIP_METHODS.get(info.compress_type, f"zip method {info.compress_type}")
        )
    elif sink := taker.take(name):
        _pour_zip(archive, info, sink)


def _pour_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, sink: Sink) -> None:
    try:
        entry = _bzipped(archive, info) if info.compress_type == zipfile.ZIP_BZIP2 else archive.open(info)
    except Exception as error:
        sink.spoil(damage(error))
        return
    with entry:
        _pour(entry.read, _ZIP_CHUNKS[info.compress_type], sink)


def _bzipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Checked:
    """An entry packed by bzip2, of which a hundred bytes may become gigabytes: its packed bytes are read as if they
    were stored, since the library would unpack all that it reads at once."""
    packed = copy(info)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, info.compress_size
    del packed.CRC
    return _Checked(bz2.BZ2File(archive.open(packed)), info.CRC)


class _Checked:
    """Bytes whose check sum is told at their end."""

    def __init__(self, stream: IO[bytes], expected: int) -> None:
        self.stream = stream
        self.expected = expected
        self.sum = 0

    def read(self, size: int) -> bytes:
        """Some bytes. Raises `BadZipFile` at the end where the sum is wrong."""
        chunk = self.stream.read(size)
        self.sum = zlib.crc32(chunk, self.sum)
        if not chunk and self.sum != self.expected:
            raise zipfile.BadZipFile("Bad CRC-32")
        return chunk

    def __enter__(self) -> _Checked:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()


_ZIP_CHUNKS = {
    zipfile.ZIP_STORED: CHUNK,
    zipfile.ZIP_DEFLATED: CHUNK,
    zipfile.ZIP_BZIP2: CHUNK,
    zipfile.ZIP_LZMA: SMALL_CHUNK,
}
_ZIP_METHODS = {9: "deflate64", 93: "zstd", 95: "xz", 98: "ppmd"}
_ZIP_LOCKED = 0x1 | 0x40 | 0x2000
_ZIP_UTF8 = 0x800


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name as the archive has it: UTF-8 where it says so or where the bytes are nothing else, which is how macOS
    writes names, otherwise in the code page of the format."""
    if info.flag_bits & _ZIP_UTF8:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _special(mode: int) -> FileReason | None:
    """Why something with this mode is no file: a link, a device, a pipe. No mode at all is a file."""
    if stat.S_ISLNK(mode):
        return FileReason.LINK
    return None if stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR) else FileReason.NOT_A_FILE


def _read_tar(path: Path, taker: Taker) -> str:
    with _Guarded(path) as stream:
        try:
            archive = tarfile.TarFile(fileobj=stream, mode="r", encoding="utf-8")
        except Exception as error:
            raise Refusal(FileReason.ARCHIVE_DAMAGED, damage(error)) from None
        with archive:
            return _tar_entries(archive, taker) or _tar_end(stream, archive.offset)


def _tar_entries(archive: tarfile.TarFile, taker: Taker) -> str:
    while True:
        try:
            info = archive.next()
        except Exception as error:
            return damage(error)
        if info is None:
            return ""
        _tar_entry(archive, info, taker)
        if info.size < 0:
            return "an entry has a size below nothing"


def _tar_entry(archive: tarfile.TarFile, info: tarfile.TarInfo, taker: Taker) -> None:
    if info.issym() or info.islnk():
        taker.refuse(info.name, FileReason.LINK)
    elif info.isdir() and not info.size:
        taker.folder()
    elif info.isdir():
        taker.refuse(info.name, FileReason.MEMBER_NAME, FOLDER_WITH_BYTES)
    elif not info.isreg():
        taker.refuse(info.name, FileReason.NOT_A_FILE)
    elif info.size < 0:
        taker.refuse(info.name, FileReason.MEMBER_DAMAGED, "it has a size below nothing")
    elif (sink := taker.take(info.name)) and (entry := archive.extractfile(info)):
        with entry:
            _pour(entry.read, CHUNK, sink)


def _tar_end(stream: io.BufferedReader, offset: int) -> str:
    """What is wrong behind the last entry that was read: the library takes a damaged header for the end."""
    stream.seek(offset)
    block = stream.read(BLOCK)
    if len(block) < BLOCK:
        return "it ends too early"
    if block.strip(b"\0"):
        return "the header of an entry is damaged"
    while block := stream.read(CHUNK):
        if block.strip(b"\0"):
            return "more follows behind its end mark"
    return ""


_7Z_UNBOUNDED = {b"\x04\x01\x09", b"\x04\xf7\x11\x01"}
"""Deflate64 and Zstandard: their unpackers make everything of what they are given at once, however much that is."""


def _read_7z(path: Path, taker: Taker) -> str:
    """Unpack all blocks of the archive in one go; behind a damaged one, go on with the next."""
    sinks: dict[int, Sink] = {}
    with _opened_7z(path, taker) as archive:
        for entry in archive.files:
            if sink := _7z_entry(entry, taker):
                sinks[entry.id] = sink
    wrong = ""
    for _ in range(SEVEN_ZIP_TRIES):
        if not sinks:
            return wrong
        with _opened_7z(path, taker) as archive:
            wrong = _extract_7z(archive, sinks, taker) or wrong
    for sink in sinks.values():
        sink.spoil("too much of the archive is damaged")
    return wrong


@contextmanager
def _opened_7z(path: Path, taker: Taker) -> Iterator[SevenZipFile]:
    """The archive with its directory read; a file object keeps the library from starting threads."""
    from py7zr import PasswordRequired, SevenZipFile

    with _Guarded(path) as stream:
        try:
            archive = SevenZipFile(stream, "r", max_extract_size=taker.room())
        except PasswordRequired:
            raise Refusal(FileReason.ARCHIVE_PASSWORD) from None
        except Exception as error:
            raise Refusal(FileReason.ARCHIVE_DAMAGED, damage(error)) from None
        stream.portion = SEVEN_ZIP_CHUNK
        yield archive


def _7z_entry(entry: ArchiveFile, taker: Taker) -> Sink | None:
    if entry.is_symlink or entry.is_junction:
        taker.refuse(entry.filename, FileReason.LINK)
    elif trouble := _special(entry.st_fmt or 0):
        taker.refuse(entry.filename, trouble)
    elif entry.is_directory and not entry.uncompressed:
        taker.folder()
    elif entry.is_directory:
        taker.refuse(entry.filename, FileReason.MEMBER_NAME, FOLDER_WITH_BYTES)
    elif hindrance := _7z_hindrance(entry):
        taker.refuse(entry.filename, *hindrance)
    else:
        return taker.take(entry.filename)
    return None


def _7z_hindrance(entry: ArchiveFile) -> tuple[FileReason, str] | None:
    """Why an entry cannot be unpacked, by how its block is packed."""
    from py7zr.compressor import SupportedMethods

    coders = [] if entry.emptystream else entry.folder.coders
    if SupportedMethods.needs_password(coders):
        return FileReason.MEMBER_PASSWORD, ""
    known = {method["id"] for method in SupportedMethods.methods} - _7Z_UNBOUNDED
    unknown = [coder["method"].hex() for coder in coders if coder["method"] not in known]
    return (FileReason.MEMBER_METHOD, f"7z method {unknown[0]}") if unknown else None


def _extract_7z(archive: SevenZipFile, sinks: dict[int, Sink], taker: Taker) -> str:
    """Pour all entries that are still wanted, each under its number: no name of the archive reaches the library's
    paths. Those of the first damaged block are spoiled and gone from `sinks` afterwards; those behind it stay."""
    from py7zr.exceptions import DecompressionBombError

    for number, facts in enumerate(archive.header.files_info.files):
        facts["filename"] = str(number)
    blocks = {entry.id: entry.folder for entry in archive.files}
    factory: Any = _SevenZipFactory(sinks)
    try:
        archive.extract(targets=[str(number) for number in sinks], factory=factory)
    except (Stop, M365dqError):
        raise
    except DecompressionBombError:
        taker.overflow()
    except Exception as error:
        first = min(sinks)
        behind = [number for number in sinks if number != first and blocks[number] is blocks[first]]
        sinks.pop(first).spoil(damage(error))
        for number in behind:
            sinks.pop(number).spoil("what stands before it is damaged")
        return damage(error)
    return ""


class _SevenZipFactory:
    """Hands the library a writer for each entry, by number."""

    def __init__(self, sinks: dict[int, Sink]) -> None:
        self.sinks = sinks

    def create(self, filename: str) -> _SevenZipWriter:
        return _SevenZipWriter(self.sinks, int(filename))


class _SevenZipWriter:
    """What the library needs of a file; it closes it only where the entry's check sum is right."""

    def __init__(self, sinks: dict[int, Sink], number: int) -> None:
        self.sinks = sinks
        self.number = number

    def write(self, chunk: bytes) -> int:
        self.sinks[self.number].write(chunk)
        return len(chunk)

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.sinks.pop(self.number).done()
