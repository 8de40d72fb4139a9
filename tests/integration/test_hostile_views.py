"""A case whose every name and cell was chosen by an attacker, from its folder to each screen and to the page."""

import json
import re
from pathlib import Path

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.cli import show
from m365dq_dagster.stages.report import rendered
from tests.support.case_runs import run_folder
from tests.support.program import call, call_json
from tests.support.sign_in_folder import write_sign_ins

SCRIPT = "<script>alert(1)</script>"
FORMULA = "=cmd|'/c calc'!A1"
STEERING = "\x1b]0;owned\x07\x1b[31mred\u202egpj.\u200fexe\x00"
EVIL = f"{FORMULA}{SCRIPT}{STEERING}"
LONG = "x" * 1_000_000
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
VIEWS = [*show.KEYS, *show.READERS]


@pytest.fixture
def hostile(tmp_path: Path, registry: Registry) -> str:
    folder = write_sign_ins(tmp_path / "evidence")
    written = folder / "SigninLogs.csv"
    text = written.read_text(encoding="utf-8").replace("Office 365", f"{FORMULA}{SCRIPT}")
    extra = text.splitlines()[1].replace("id-00000", "id-x").replace("person0@contoso.example", f"{EVIL}@x.example")
    bad = [f"{EVIL},{LONG}", f'"{EVIL} is never closed']
    written.write_text("\n".join([text.rstrip("\n"), extra, *bad]) + "\n", encoding="utf-8")
    (folder / f"={SCRIPT.replace('/', '')}\u202egpj.csv").write_text(f"{EVIL},{LONG}\n1,2\n", encoding="utf-8")
    (folder / "ual.csv").write_text(
        "Identity,CreationDate,RecordCreated,RecordType,UserIds,Operations,AuditData\n"
        + "".join(f'{n},2026-01-05T00:00:00Z,,15,a@x.example,UserLoggedIn,"{{{EVIL}{LONG}"\n' for n in range(3)),
        encoding="utf-8",
    )
    run_folder(folder, registry)
    return "evidence"


def test_no_view_and_no_page_carries_anything_that_runs_or_steers(hostile: str) -> None:
    for view in VIEWS:
        shown = call("show", hostile, view)
        assert shown.exit_code == 0, view
        assert not UNSEEN.search(shown.stdout), view
        assert len(shown.stdout) < 60_000, view
    document = call_json("show", hostile)
    html = rendered(document, "html")
    assert SCRIPT not in html
    assert not UNSEEN.search(html)
    assert len(html) < 200_000


def test_what_was_set_aside_is_shown_escaped_and_given_whole_as_json(hostile: str) -> None:
    shown = call("show", hostile, "quarantine").stdout
    assert "\\x1b]0;owned" in shown
    assert "\\u202egpj" in shown
    assert "What to do:" in shown
    assert re.search(r"\(1,000,\d{3} characters\)", shown)
    printed = call("show", hostile, "quarantine", "--json").stdout
    assert printed.isascii()
    rows = json.loads(printed)["rows"]
    assert sum(row["rows"] for row in json.loads(printed)["quarantine"]) == len(rows)
    assert any(EVIL in row["raw"] for row in rows)
    assert max(len(row["raw"]) for row in rows) >= len(LONG)
