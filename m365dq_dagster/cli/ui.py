"""`m365dq ui`: Dagster's own pages on this installation's cases."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core.errors import BadInput, InternalFault


def ui(
    ctx: typer.Context,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on this machine.")] = 3000,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; others see the cases if it is not local.")
    ] = "127.0.0.1",
    as_json: AsJson = False,
) -> None:
    """Start the Dagster UI with its daemon (sensors, schedules); stop it with Ctrl-C."""
    _free(host, port)
    bench = workbench(ctx)
    command = bench.ui_command(host, port)
    address = f"http://{host}:{port}"
    if as_json:
        terminal.emit({"url": address, "command": command, "home": str(bench.home)})
    else:
        terminal.say(f"The UI opens at {address} (home {bench.home}); stop it with Ctrl-C.")
    code = bench.start_ui(command)
    if code:
        raise InternalFault(f"The UI ended with code {code}; what it said stands above.")


def _free(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            return
    except OSError as error:
        raise BadInput(f"{host}:{port} cannot be used ({error.strerror}); give another --port.") from None
