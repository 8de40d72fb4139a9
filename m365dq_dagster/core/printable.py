"""Text from evidence made safe to show, in a terminal and on a page alike.

Escaping for one medium (HTML, SQL) belongs to that medium.
"""

from __future__ import annotations

import unicodedata

LIMIT = 400
UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that steer a display instead of being seen: control, format, surrogate, private use, breaks."""


def printable(value: object, limit: int = LIMIT) -> str:
    """Text that cannot steer a display: control, format and bidirectional characters become visible escapes.

    Line breaks and tabs become blanks; more than `limit` characters are cut with an ellipsis. None becomes a dash.
    """
    text = "-" if value is None else str(value)
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(_visible(char) for char in shown)


def _visible(char: str) -> str:
    if char in "\t\n\r":
        return " "
    if unicodedata.category(char) not in UNSAFE:
        return char
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
