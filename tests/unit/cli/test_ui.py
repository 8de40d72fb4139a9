"""`ui` starts Dagster's pages on the home's cases, or says why it cannot."""

import socket
from pathlib import Path

import pytest

from m365dq_dagster.cli.workbench import Workbench
from tests.support.program import call, call_json


class Served(Workbench):
    """Starts nothing; remembers what it would have started."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.started: list[list[str]] = []

    def start_ui(self, command: list[str]) -> int:
        self.started.append(command)
        return self.code


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_it_says_where_the_pages_are_before_it_serves_them(port: int, home: Path) -> None:
    bench = Served()
    result = call("ui", "--port", str(port), bench=bench)
    assert result.exit_code == 0
    assert f"http://127.0.0.1:{port}" in result.stdout
    assert str(home) in result.stdout
    assert str(port) in bench.started[0]


def test_json_gives_address_and_command(port: int, home: Path) -> None:
    bench = Served()
    shown = call_json("ui", "--port", str(port), bench=bench)
    assert shown == {"url": f"http://127.0.0.1:{port}", "command": bench.started[0], "home": str(home)}


def test_a_port_in_use_is_exit_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        result = call("ui", "--port", str(held.getsockname()[1]), bench=Served())
    assert result.exit_code == 2
    assert "give another --port" in result.stderr


def test_pages_that_do_not_start_are_an_error(port: int) -> None:
    assert call("ui", "--port", str(port), bench=Served(code=7)).exit_code == 3


def test_the_pages_are_served_by_dagster(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr("m365dq_dagster.defs.ui.start_ui", lambda settings, command: asked.append(list(command)) or 0)
    bench = Workbench()
    assert bench.start_ui(bench.ui_command("127.0.0.1", 3000)) == 0
    assert "dagster" in asked[0]
