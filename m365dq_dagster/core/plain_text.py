"""Text from evidence made fit to be shown: one visible, bounded line. Escaping for HTML or Markdown belongs where those
are written.
"""

from __future__ import annotations

import unicodedata

MAX_CHARACTERS = 200
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that steer a terminal, hide text or break a line."""


def one_line(text: str, limit: int = MAX_CHARACTERS) -> str:
    """The text on one line: unseen characters and runs of blanks become one blank; longer than `limit` ends in an
    ellipsis.
    """
    visible = "".join(
        " " if unicodedata.category(character) in UNSEEN else character for character in text[: limit * 4]
    )
    folded = " ".join(visible.split())
    return folded if len(folded) <= limit else folded[: limit - 1] + "…"
