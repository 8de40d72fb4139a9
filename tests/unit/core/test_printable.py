"""Text from evidence cannot steer what shows it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.printable import printable


@given(st.text())
def test_no_control_or_format_character_is_left(text: str) -> None:
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for char in printable(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 名", "plain ünïcode 名"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc\rd", "a b c d"),
        ("\u202eevil", "\\u202eevil"),
        ("\U000e0041", "\\U000e0041"),
        (None, "-"),
        (12, "12"),
        ("", ""),
    ],
)
def test_what_is_seen(text: object, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert printable("x" * 1000, limit=10) == "x" * 9 + "…"
