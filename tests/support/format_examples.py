"""The examples that formats carry, as files of evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.intake_case import shipped_formats


def text_of(example: dict[str, Any]) -> str:
    """An example's text, its long stretches filled in."""
    text = str(example["text"])
    for mark, characters in example.get("fill", {}).items():
        text = text.replace(mark, "x" * characters)
    return text


def ending(data: dict[str, Any]) -> str:
    """How a file of the format is called at its end, where an example gives no name."""
    return ".csv" if "csv" in str(data.get("container") or data["id"]) else ".json"


def write_examples(folder: Path, *, most: int | None = None) -> Path:
    """The examples of every format, or the first of them, each in a folder of its format and number."""
    for data in shipped_formats():
        for number, one in enumerate(data.get("examples", ())[:most]):
            if "text" in one:
                path = folder / data["id"] / str(number) / (one.get("path") or f"example{ending(data)}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text_of(one), encoding="utf-8", newline="")
    return folder
