"""The labelled misreadings on disk: reads `reference_data/misreadings/`, writes the evidence of one into a folder. What
they ask of a case document is judged in `core.misreadings`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from m365dq_dagster.adapters.rule_pack import resource_dir
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.misreadings import EvidenceFile, Misreading, parse_statements

FOLDER = "misreadings"
SENTENCES = ("id", "title", "wrong", "right", "check", "source")
KEYS = frozenset({*SENTENCES, "context", "files", "expect", "never"})
FILE_KEYS = frozenset({"path", "text", "rows", "foot", "fill"})
ROW_KEYS = frozenset({"write", "times", "begin", "every"})
MARK = re.compile(r"<(?P<name>iso|date|us|dmy|n|of|add)(?::(?P<rest>[^<>]*))?>")
FORMS = {
    "iso": "{0:%Y-%m-%dT%H:%M:%SZ}",
    "date": "{0:%Y-%m-%d}",
    "us": "{0.month}/{0.day}/{0.year} {1}:{0:%M:%S} {0:%p}",
    "dmy": "{0:%d/%m/%Y %H:%M:%S}",
}


def load(folder: Path | None = None) -> tuple[Misreading, ...]:
    """Every labelled misreading, in the order of their ids. Raises `BadInput` where a file is written wrongly."""
    root = folder or resource_dir("reference_data") / FOLDER
    return tuple(read(path) for path in sorted(root.glob("*.yaml")))


def read(path: Path) -> Misreading:
    """One misreading from its file."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{path.name} is no readable YAML ({str(error).splitlines()[0]}); correct it.") from None
    where = f"misreadings/{path.name}"
    if not isinstance(data, Mapping):
        raise BadInput(f"{where} holds no case; give it {', '.join(SENTENCES)}, files, expect and never.")
    return _parsed(data, where)


def write(case: Misreading, folder: Path) -> Path:
    """Write the evidence of a misreading, and its `case.toml` where it has one, into a folder; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in case.files:
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text, encoding="utf-8")
    if case.context:
        (folder / "case.toml").write_text(case.context, encoding="utf-8")
    return folder


def _parsed(data: Mapping[str, Any], where: str) -> Misreading:
    _known(data, KEYS, where)
    lacking = [key for key in (*SENTENCES, "files", "expect", "never") if not data.get(key)]
    if lacking:
        raise BadInput(f"{where}: {lacking[0]!r} is missing.")
    texts = {key: " ".join(str(data[key]).split()) for key in SENTENCES}
    return Misreading(
        **texts,
        files=tuple(_file(one, where) for one in data["files"]),
        context=str(data.get("context", "")),
        expect=parse_statements(data["expect"], where),
        never=parse_statements(data["never"], where),
    )


def _file(data: Mapping[str, Any], where: str) -> EvidenceFile:
    _known(data, FILE_KEYS, where)
    path = str(data["path"])
    if path.startswith("/") or ".." in Path(path).parts:
        raise BadInput(f"{where}: the path {path!r} leads out of the case's folder.")
    rows = "".join(f"{line}\n" for block in data.get("rows", ()) for line in _lines(block, where))
    text = f"{data.get('text', '')}{rows}{data.get('foot', '')}"
    for mark, length in data.get("fill", {}).items():
        text = text.replace(mark, "x" * length)
    return EvidenceFile(path, text)


def _lines(block: Mapping[str, Any], where: str) -> Iterator[str]:
    """One line for each repetition of a block: `write` with its marks filled in.

    `<n>` counts from 1, `<iso>`, `<date>`, `<us>` and `<dmy>` write the moment that begins at `begin` and moves on by
    `every` minutes, `<of:a|b|c>` takes its words in turn, `<add:100>` adds the count to a number.
    """
    _known(block, ROW_KEYS, where)
    begin = datetime.fromisoformat(str(block.get("begin", "2026-01-05T09:00:00")))
    for count in range(int(block.get("times", 1))):
        moment = begin + timedelta(minutes=count * float(block.get("every", 1)))
        yield MARK.sub(lambda mark, n=count, t=moment: _filled(mark, n, t), str(block["write"]))  # type: ignore[misc]


def _filled(mark: re.Match[str], count: int, moment: datetime) -> str:
    name, rest = mark["name"], mark["rest"] or ""
    if name == "of":
        words = rest.split("|")
        return words[count % len(words)]
    if name == "n":
        return f"{count + 1:0{rest or 1}}"
    if name == "add":
        return str(int(rest) + count)
    return FORMS[name].format(moment, moment.hour % 12 or 12)


def _known(data: Mapping[str, Any], keys: frozenset[str], where: str) -> None:
    strange = sorted(str(key) for key in data if key not in keys)
    if strange:
        raise BadInput(f"{where}: {strange[0]!r} is not known; the keys are {', '.join(sorted(keys))}.")
