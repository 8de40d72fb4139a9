"""The raw lines a finding rests on, read back from the source files. What they mean was judged before, not here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters.evidence.archives import opened, unpacking
from m365dq_dagster.adapters.evidence.folder import FoundFile, present_files
from m365dq_dagster.adapters.evidence.formats import FormatDefinition
from m365dq_dagster.adapters.evidence.recognition import RecognisedFile, chosen_records, look_at
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.ledger import FileReason, explain
from m365dq_dagster.core.narrative import items


@dataclass(frozen=True)
class RawLine:
    """One record of a source file as it stands there, or why it cannot be shown.

    `row` counts the records of the file from 1; `header` names the columns of a table.
    """

    file: str
    row: int
    raw: str | None
    problem: str | None = None
    header: str | None = None


def raw_lines(
    document: Mapping[str, Any], finding_id: str, folders: Sequence[Path], pack: RulePack, case_dir: Path
) -> tuple[RawLine, ...]:
    """The evidence of a finding, line by line, in the finding's order.

    A file that has gone from the case's folders, or whose hash is no longer the one that was judged, is not read: each
    of its lines says so instead. A file inside an archive is unpacked below the case's own folder for as long as it is
    read. Raises `BadInput` for a finding that the case does not have.
    """
    wanted: dict[str, list[int]] = {}
    for item in items(_finding(document, finding_id), "evidence"):
        wanted.setdefault(str(item["file"]), []).append(int(item["row"]))
    hashes = {str(row["path"]): row.get("sha256") for row in items(document, "files")}
    formats = pack.format_definitions
    with ExitStack() as stack:
        present = _Present(present_files(folders), lambda: stack.enter_context(unpacking(case_dir)))
        return tuple(
            line for path, rows in wanted.items() for line in _lines(path, rows, present, hashes.get(path), formats)
        )


@dataclass
class _Present:
    """What the case's folders hold now; an archive is opened when somebody asks for a file inside it."""

    files: tuple[FoundFile, ...]
    folder: Callable[[], Path]
    unpacked: dict[str, tuple[FoundFile, ...]] = field(default_factory=dict)

    def at(self, path: str) -> list[FoundFile]:
        """The files at this path, inside archives too."""
        return [file for file in (*self.files, *self._inside(path)) if file.path == path]

    def refused(self, path: str) -> FoundFile | None:
        """The archive around this path that cannot be opened now, if one is."""
        around = [file for file in self._inside(path) if file.archive and path.startswith(f"{file.path}/")]
        return around[-1] if around else None

    def _inside(self, path: str) -> Iterator[FoundFile]:
        for archive in self.files:
            if path.startswith(f"{archive.path}/"):
                if archive.path not in self.unpacked:
                    self.unpacked[archive.path] = opened([archive], self.folder())
                yield from self.unpacked[archive.path]


def _finding(document: Mapping[str, Any], finding_id: str) -> Mapping[str, Any]:
    findings = {str(row.get("id")): row for row in items(document, "findings")}
    found = findings.get(finding_id.strip().upper())
    if found is None:
        known = f"its findings are {', '.join(list(findings)[:5])}" if findings else "it has no findings"
        raise BadInput(f"Case {document.get('case')} has no finding {finding_id[:40]!r}; {known}.")
    return found


def _lines(
    path: str, rows: Sequence[int], present: _Present, sha256: str | None, formats: Sequence[FormatDefinition]
) -> Iterator[RawLine]:
    found = present.at(path)
    same = next((file for file in found if sha256 and file.sha256 == sha256), None)
    seen = look_at(same, formats) if same else None
    if isinstance(seen, RecognisedFile):
        texts = chosen_records(seen, rows)
        missing = "the file has no such record"
        header = ", ".join(seen.table.columns) if seen.table else None
    else:
        texts, header = {}, None
        missing = _problem(found, same, present.refused(path))
    for row in rows:
        raw = texts.get(row)
        yield RawLine(path, row, raw, None if raw is not None else missing, header)


def _problem(found: Sequence[FoundFile], same: FoundFile | None, archive: FoundFile | None) -> str:
    if not found and archive and archive.trouble and archive.trouble is not FileReason.UNPACKED:
        return f"the archive around the file no longer gives it: {explain(archive.trouble, archive.detail)}"
    if not found:
        return "the file has gone from the case's folder; put it back to read its lines"
    if same is None:
        return "the file has changed since it was judged (its SHA-256 differs); run the case again"
    return "the file's format is no longer known to the rule pack; run the case again"
