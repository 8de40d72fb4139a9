"""The page on misreadings tells of every case what its file tells, and of no other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from m365dq_dagster.core.misreadings import Misreading, Statement
from m365dq_dagster.stages import misreadings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "misreadings.md").read_text(encoding="utf-8")
LIST_OF_CASES = "## The misreadings\n"


def section(case: Misreading) -> str:
    """What the page says of a case."""
    return "\n".join(
        [
            f"### {case.id} {case.title}",
            "",
            f"**Wrong.** {case.wrong}",
            "",
            f"**Right.** {case.right}",
            "",
            f"**Where it shows.** {case.check}",
            "",
            f"Expected: {told(case.expect)}. Never: {told(case.never)}.",
            "",
            f"Source: {case.source}",
            "",
        ]
    )


def told(statements: Iterable[Statement]) -> str:
    return "; ".join(str(one) for one in statements)


def all_sections() -> str:
    return "\n".join(section(case) for case in misreadings.load())


def test_the_page_tells_every_misreading_as_its_case_does() -> None:
    assert PAGE.split(LIST_OF_CASES, 1)[1].strip() == all_sections().strip()
