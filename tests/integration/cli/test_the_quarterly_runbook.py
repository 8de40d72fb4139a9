"""The runbook of the quarterly maintenance, followed to the letter."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.maintenance import quarter_of
from tests.support.program import call
from tests.support.traces import files_of

NOW = datetime.now(UTC)
MEASURED_ELSEWHERE = ("m365dq validate",)


def commands(checkout: Path) -> list[str]:
    page = (checkout / "docs" / "runbooks" / "quarterly-maintenance.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```$", page, flags=re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


def test_the_runbook_can_be_followed_from_its_dry_run_to_the_approval(
    checkout: Path, home: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.record_sightings("c", [("sign_in_logs", "status_error_code", "512345", 3, NOW, NOW)], NOW)
    quarter, ran = quarter_of(NOW.date()), []
    for command in commands(checkout):
        words = command.replace("HOME", str(home)).replace("QUARTER", quarter).split()
        assert words[0] == "m365dq"
        if command in MEASURED_ELSEWHERE:
            continue
        before = files_of(home)
        told = call(*words[1:])
        assert told.exit_code == 0, (command, told.stderr)
        if "--dry-run" in words:
            assert files_of(home) == before
        file = home / "maintenance" / quarter / "decisions.csv"
        if command == "m365dq maintain":
            lines = file.read_text(encoding="utf-8").splitlines()
            filled = [line[:-1] + "approve," if ",512345," in line else line for line in lines]
            file.write_text("\n".join(filled) + "\n", encoding="utf-8")
        ran.append(command)
    assert len(ran) == 4
    (change,) = registry.code_changes()
    assert (change.key.value, change.state) == ("512345", "APPROVED")


def test_every_command_in_the_text_of_the_runbook_is_one(checkout: Path) -> None:
    page = (checkout / "docs" / "runbooks" / "quarterly-maintenance.md").read_text(encoding="utf-8")
    for command in sorted(set(re.findall(r"`m365dq ([a-z]+(?: [a-z]+)?)", page))):
        assert call(*command.split(), "--help").exit_code == 0, command
