"""The report pages: jinja2 templates beside this file and the one environment that renders them.

Every value passes `printable`, is escaped for HTML, and cannot become a formula where a table of the page is pasted
into a spreadsheet; templates hold layout, and the words come from `core.narrative`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from m365dq_dagster.core.printable import printable

HERE = Path(__file__).resolve().parent
TEXT_LIMIT = 2000
FORMULA = ("=", "+", "-", "@")
"""What a cell begins with that a spreadsheet takes for a formula."""


def render(name: str, **values: Any) -> str:
    """The page `<name>.html.j2` filled with values; evidence in them can neither run nor steer the page."""
    return _environment().get_template(f"{name}.html.j2").render(**values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _shown(value: object) -> object:
    return value if isinstance(value, Markup) else inert(printable(value, TEXT_LIMIT))


def inert(text: str) -> str:
    """Text with an apostrophe in front where a spreadsheet would take it for a formula; a dash alone is none."""
    return f"'{text}" if text.lstrip().startswith(FORMULA) and text.strip() != "-" else text
