"""The program `m365dq`: its commands in one list, and the one wrapper that turns failures into exit codes.

Exit codes: 0 done, 1 a blocking check failed, 2 bad input or usage, 3 internal error, 4 another run of the case works.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from m365dq_dagster import __version__
from m365dq_dagster.adapters.loading import collect_seldom
from m365dq_dagster.cli import (
    alerts,
    bench,
    cases,
    codes,
    correct,
    dashboard,
    estate,
    generate,
    judge_again,
    logs,
    maintain,
    overrides,
    report,
    run,
    schema,
    show,
    soak,
    terminal,
    ui,
    validate,
)
from m365dq_dagster.core.errors import M365dqError
from m365dq_dagster.core.printable import printable

STOPPED = 130


class Program(TyperGroup):
    """The group of all commands; it never lets a traceback through."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> NoReturn:
        """Run one command and leave with its exit code."""
        collect_seldom()
        given = list(sys.argv[1:] if args is None else args)
        raise SystemExit(self.outcome(given, extra.get("obj")))

    def outcome(self, given: list[str], obj: object = None) -> int:
        """Run one command; a failure becomes one sentence, on stdout too, as JSON, where `--json` was asked for."""
        try:
            with self.make_context("m365dq", given.copy(), obj=obj) as context:
                self.invoke(context)
            sys.stdout.flush()
            return 0
        except typer.Exit as left:
            sys.stdout.flush()
            return left.exit_code
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 0
        except (KeyboardInterrupt, typer.Abort):
            return _failed("Stopped; the last published state of the case is untouched.", STOPPED, given)
        except M365dqError as error:
            return _failed(str(error), error.exit_code, given)
        except typer.TyperException as error:
            return _failed(_usage(error), 2, given)
        except Exception as error:
            return _failed(_machine(error) or _unexpected(error), 3, given)


def _failed(sentence: str, code: int, given: Sequence[str]) -> int:
    line = printable(sentence, limit=2000)
    terminal.note(f"m365dq: {line}")
    if "--json" in given:
        sys.stdout.write(json.dumps({"error": line, "exit_code": code}) + "\n")
        sys.stdout.flush()
    return code


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "m365dq"
    return f"{error.format_message().rstrip('.')}; `{command} --help` shows what can be given."


def _machine(error: Exception) -> str | None:
    """The sentence for a disk that is full, read-only or closed to us, whichever library met it."""
    from m365dq_dagster.adapters.storage_faults import fault_of

    fault = fault_of(error)
    return f"{str(fault).rstrip('.')}; {_details(error)}." if fault else None


def _unexpected(error: Exception) -> str:
    return f"Internal error ({type(error).__name__}); the last published state is untouched, and {_details(error)}."


def _details(error: Exception) -> str:
    """Where the traceback is kept."""
    name = f"error-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    kept = logs.keep(name, "".join(traceback.format_exception(error)))
    return f"the details are in {kept}" if kept else "the details could not be written anywhere"


app = typer.Typer(
    name="m365dq",
    cls=Program,
    help="May I trust this conclusion about this Microsoft 365 account, and can I prove it?",
    epilog="Start with `m365dq demo`, then `m365dq run FOLDER` on your own exports.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        terminal.say(f"m365dq {__version__}")
        raise typer.Exit


@app.callback()
def program(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """May I trust this conclusion about this Microsoft 365 account, and can I prove it?"""
    if ctx.invoked_subcommand is None:
        sys.stdout.write(ctx.get_help() + "\n")


app.command("demo")(run.demo)
app.command("run")(run.run)
app.command("rejudge")(judge_again.rejudge)
app.command("diff")(judge_again.diff)
app.command("cases")(cases.cases)
app.command("show")(show.show)
app.command("estate")(estate.estate)
app.command("correct")(correct.correct)
app.command("report")(report.report)
app.command("generate")(generate.generate)
app.command("bench")(bench.bench)
app.command("soak")(soak.soak)
app.command("validate")(validate.validate)
app.command("ui")(ui.ui)
app.command("dashboard")(dashboard.dashboard)
app.command("maintain")(maintain.maintain)
app.add_typer(alerts.app, name="alerts")
app.add_typer(codes.app, name="codes")
app.add_typer(overrides.app, name="overrides")
app.add_typer(schema.app, name="schema")


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":  # pragma: no cover  a process of its own, which a reader that goes away may end unmeasured
    main()
