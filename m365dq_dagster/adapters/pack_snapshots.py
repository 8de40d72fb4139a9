"""Rule packs kept beside the cases that were judged by them, one archive a case and content hash, and opened again
from there. Which pack runs judge by is not decided here.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from m365dq_dagster.adapters.rule_pack import EXPECTATIONS, REFERENCE, Overlay, RulePack
from m365dq_dagster.adapters.whole_files import write_whole
from m365dq_dagster.core.errors import BadInput

FOLDER = "packs"
PREFIX = "sha256:"
EPOCH = (1980, 1, 1, 0, 0, 0)
MOST_BYTES = 64 << 20
"""What all files of a kept pack may hold together; a shipped one holds less than a hundredth of it."""


def snapshot_path(case_dir: Path, content_hash: str) -> Path:
    """Where a case keeps the pack of this hash."""
    return case_dir / FOLDER / f"{content_hash.removeprefix(PREFIX)}.zip"


def keep(case_dir: Path, pack: RulePack) -> Path:
    """Keep a pack in a case, once; the same pack gives the same archive. What a killed run leaves half written lies in
    the case's own folder, where the next run sweeps it away. Only the holder of the case's lock may call it.
    """
    path = snapshot_path(case_dir, pack.content_hash)
    if path.is_file():
        return path
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole(path, _packed(pack), partial=case_dir / f"{path.name}.new", durable=True)
    return path


def _packed(pack: RulePack) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in pack.files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o600 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return sink.getvalue()


def read(path: Path) -> RulePack:
    """A kept pack. Raises `BadInput` where the archive cannot be read or does not hold what its name says."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise BadInput(f"{path} would unpack to more than {MOST_BYTES >> 20} MB and is no rule pack.")
            files = {entry.filename: archive.read(entry) for entry in entries if _belongs(entry.filename)}
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise BadInput(f"{path} is no rule pack that can be read ({error}); restore it from a backup.") from None
    nowhere = path / "-"
    pack = RulePack(nowhere, nowhere, Overlay(files), in_force=False)
    if path.stem != pack.content_hash.removeprefix(PREFIX):
        raise BadInput(f"{path} does not hold the rule pack that it is named after; restore it from a backup.")
    return pack


def _belongs(name: str) -> bool:
    return name.startswith((f"{REFERENCE}/", f"{EXPECTATIONS}/"))


def find(case_dirs: Iterable[Path], beginning: str) -> list[Path]:
    """The archives whose hash begins so, one for each hash, those of the first cases first."""
    found: dict[str, Path] = {}
    for folder in case_dirs:
        for path in sorted((folder / FOLDER).glob("*.zip")):
            if path.name.startswith(beginning):
                found.setdefault(path.name, path)
    return list(found.values())
