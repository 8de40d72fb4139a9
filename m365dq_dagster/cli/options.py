"""Options that several commands share, declared once. No behaviour."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout and nothing else.")]
CaseName = Annotated[str, typer.Argument(metavar="CASE", help="The case's id, as `m365dq cases` lists it.")]
