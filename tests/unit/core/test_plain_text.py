import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.plain_text import UNSEEN, one_line


@given(st.text(max_size=400), st.integers(min_value=1, max_value=80))
def test_whatever_the_evidence_holds_one_visible_bounded_line_comes_out(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert not any(unicodedata.category(character) in UNSEEN for character in line)
    assert line == one_line(line, limit)


def test_ordinary_text_stays_as_it_is() -> None:
    assert one_line("Zürich – 東京: 50126") == "Zürich – 東京: 50126"


def test_terminal_escapes_and_line_breaks_become_blanks() -> None:
    assert one_line("a\x1b[31mb\r\nBcc: x\u202ec") == "a [31mb Bcc: x c"


def test_a_long_text_ends_in_an_ellipsis() -> None:
    assert one_line("x" * 300) == "x" * 199 + "…"
