"""Finding columns and cells in the tables of the vendor's pages. What a table says is read in `vendor_readers` and
`vendor_posts`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

TEXT_KEPT = 2_000
"""Characters of one description or announcement that a snapshot keeps."""


def column_of(header: Sequence[str], *words: str) -> int | None:
    """The first column that is headed by one of the words, exactly or, failing that, by one that begins with it."""
    folded = [heading_of(cell) for cell in header]
    for word in words:
        if word in folded:
            return folded.index(word)
    for word in words:
        for index, cell in enumerate(folded):
            if cell.startswith(word):
                return index
    return None


def heading_of(cell: str) -> str:
    """A heading as it is compared: small letters, digits, blanks and dots."""
    return re.sub(r"[^a-z0-9. ]", "", cell.casefold()).strip()


def cell_of(row: Sequence[str], column: int | None) -> str:
    """The cell of a column; empty where the table has no such column."""
    return row[column] if column is not None and column < len(row) else ""


def kept_text(text: str) -> str:
    """A text with single blanks, as long as a snapshot keeps it."""
    return " ".join(text.split())[:TEXT_KEPT]
