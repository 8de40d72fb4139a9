"""Makes archives, honest and hostile ones, as bytes."""

from __future__ import annotations

import io
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import py7zr

Entries = Sequence[tuple[str, bytes]]
Out = TypeVar("Out", Path, io.BytesIO)


def zipped(entries: Entries, method: int = zipfile.ZIP_DEFLATED, modes: Mapping[str, int] | None = None) -> bytes:
    """A zip with the names exactly as given, twice where they are given twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in entries:
            info = zipfile.ZipInfo("name")
            info.filename = name
            info.compress_type = method
            info.external_attr = (modes or {}).get(name, 0o100644) << 16
            archive.writestr(info, data)
    return out.getvalue()


def zip_flags(data: bytes, name: bytes, flags: int) -> bytes:
    """The zip with these flag bits for the entry of this name, in both its headers."""
    return _patched(data, name, flags, local=6, central=8)


def zip_method(data: bytes, name: bytes, method: int) -> bytes:
    """The zip with the entry of this name said to be packed by another method."""
    return _patched(data, name, method, local=8, central=10)


def _patched(data: bytes, name: bytes, value: int, *, local: int, central: int) -> bytes:
    patched = bytearray(data)
    for mark, length, field in ((b"PK\x03\x04", 30, local), (b"PK\x01\x02", 46, central)):
        at = data.find(mark)
        while at >= 0:
            if data[at + length : at + length + len(name)] == name:
                struct.pack_into("<H", patched, at + field, value)
            at = data.find(mark, at + 4)
    return bytes(patched)


def tarred(entries: Entries, mode: str = "w") -> bytes:
    """A tar, or with `w:gz` and the like a packed one."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in entries:
            archive.addfile(tar_entry(name, len(data)), io.BytesIO(data))
    return out.getvalue()


def tar_entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """The header of an entry."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info


def tar_block(info: tarfile.TarInfo, data: bytes = b"") -> bytes:
    """One entry as it stands in a tar, whatever its header says."""
    return info.tobuf(tarfile.GNU_FORMAT) + data + b"\0" * (-len(data) % 512)


def sparse_block(name: str, size: int) -> bytes:
    """An entry of a tar that is all hole: it claims a size and holds no byte."""
    header = bytearray(tar_entry(name, 0, tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    header[386:398], header[398:410] = b"%011o\0" % size, b"%011o\0" % 0
    header[483:495] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


TAR_END = b"\0" * 1024


def seven_zipped(
    path: Out, entries: Entries, *, mode: str = "w", attributes: int | None = None, **options: object
) -> Out:
    """A 7z at this path with the names exactly as given; with mode `a` the entries get a block of their own."""
    with py7zr.SevenZipFile(path, mode, **options) as archive:  # type: ignore[arg-type]
        first = len(archive.files)
        for number, (name, data) in enumerate(entries, first):
            archive.writestr(data, "name")
            archive.header.files_info.files[number]["filename"] = name
        if attributes is not None:
            archive.header.files_info.files[0]["attributes"] = attributes
    return path
