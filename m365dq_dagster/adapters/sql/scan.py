"""Builds the bare scan that a benchmark is held against: every column of one export read as text, nothing kept.

What the product makes of an export stands elsewhere; nothing of it may help or hinder here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from m365dq_dagster.adapters.sql import quote_identifier, quote_literal


def scan_table(path: Path, columns: int) -> str:
    """Counts the filled cells of every column of a comma-separated file; one header line, no guessing of types."""
    names = [f"c{position}" for position in range(columns)]
    types = ", ".join(f"{quote_literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"SELECT count(*), {_counts(names)} FROM read_csv({quote_literal(str(path))}, columns = {{{types}}}, "
        "header = false, skip = 1, auto_detect = false, delim = ',', quote = '\"', escape = '\"')"
    )


def scan_lines(path: Path, keys: Sequence[str]) -> str:
    """Counts the filled values of every top-level key of a file of JSON lines; a nested value counts as its text."""
    types = ", ".join(f"{quote_literal(key)}: 'VARCHAR'" for key in keys)
    return (
        f"SELECT count(*), {_counts(keys)} FROM read_json({quote_literal(str(path))}, columns = {{{types}}}, "
        "format = 'newline_delimited', auto_detect = false, records = true)"
    )


def _counts(names: Sequence[str]) -> str:
    return ", ".join(f"count({quote_identifier(name)})" for name in names)
