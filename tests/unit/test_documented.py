"""Every command of the program is documented, and the documentation names no command that does not exist."""

import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def commands(group: Any, above: str = "m365dq") -> list[str]:
    found = []
    for name, command in group.commands.items():
        if getattr(command, "hidden", False):
            continue
        address = f"{above} {name}"
        found += commands(command, address) if hasattr(command, "commands") else [address]
    return found


@pytest.fixture(scope="module")
def program() -> Any:
    import typer

    from m365dq_dagster.cli.main import app

    return typer.main.get_command(app)


def test_every_command_is_documented(program: Any) -> None:
    page = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in commands(program) if f"`{name}" not in page] == []


def test_no_document_names_a_command_that_does_not_exist(program: Any) -> None:
    known = set(commands(program)) | {f"m365dq {name}" for name in program.commands}
    unknown = set()
    for page in DOCS.rglob("*.md"):
        for line in re.findall(
            r"`(m365dq [a-z][^`]*)`|^\s*(?:\$ )?(m365dq [a-z].*)$", page.read_text(encoding="utf-8"), flags=re.M
        ):
            words = (line[0] or line[1]).split()
            if not {" ".join(words[:2]), " ".join(words[:3])} & known:
                unknown.add(f"{page.name}: {' '.join(words)}")
    assert unknown == set()


def test_every_link_between_the_documents_leads_somewhere() -> None:
    broken = []
    for page in [*DOCS.rglob("*.md"), *(DOCS.parent.glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name} -> {target}")
    assert broken == []
