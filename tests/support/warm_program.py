"""The program, loaded once and forked for every command; each command is a process of its own that can be killed.

What a command does, it does as from the shell; only the seconds that loading takes are spared.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

SERVER = """
import ctypes, gc, json, os, resource, sys
gc.disable()
from importlib import import_module
import m365dq_dagster.definitions, m365dq_dagster.cli.workbench
import m365dq_dagster.cli.main as program
from m365dq_dagster.adapters import gx, table_guards
for word in ("case", "intake", "quality", "verification", "report", "reliability", "expectations", "alerts"):
    import_module("m365dq_dagster.stages." + word)
table_guards.warm_up()
gx.warm_up()

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.defs.launch import open_instance
settings = Settings.load()
with open_instance(settings), Registry.open(settings.registry_url):
    m365dq_dagster.definitions.build_definitions(settings).resolve_job_def("case_job")

def give_up_power():
    "Root without capabilities: permissions hold for it as for anybody."
    no_power = (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), no_power) == 0

def become(job):
    os.setpgid(0, 0)
    os.environ.update(job["env"])
    for number, name in enumerate(("/dev/null", job["out"], job["err"])):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), number)
    if job["largest_file"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest_file"],) * 2)
    if job["powerless"]:
        give_up_power()
    exec(job["before"], {})
    try:
        program.app(job["words"])
    except SystemExit as left:
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(left.code or 0)

gc.freeze()  # so that no command walks through what was loaded, or copies its pages
gc.enable()
print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    if "wait" in job:
        print(os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        try:
            become(job)
        finally:
            os._exit(99)
    os.setpgid(pid, pid)
    print(pid, flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended; a signal is a negative code."""

    code: int
    out: str
    err: str


class Command:
    """One command that was started."""

    def __init__(self, program: WarmProgram, pid: int, out: Path, err: Path) -> None:
        self.program = program
        self.pid = pid
        self._out = out
        self._err = err

    def kill(self) -> Ended:
        """SIGKILL to the whole process group."""
        os.killpg(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> Ended:
        """Its exit code, and what it printed; no traceback may be in it."""
        code = int(self.program.ask({"wait": self.pid}))
        ended = Ended(code, self._out.read_text(), self._err.read_text())
        assert "Traceback" not in ended.out + ended.err
        return ended


class WarmProgram:
    """The loaded program that waits for commands."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.started = 0

    def ask(self, job: dict[str, object]) -> str:
        """Hand over one job and take its one line of answer."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def start(
        self,
        *words: object,
        home: Path,
        largest_file: int = 0,
        powerless: bool = False,
        before: str = "",
        env: dict[str, str] | None = None,
    ) -> Command:
        """Start a command; it works in `home` and may write files up to `largest_file` bytes.

        With `powerless`, root is held to permissions as anybody is. `before` is Python that its process executes first.
        """
        self.started += 1
        out, err = self.folder / f"{self.started}.out", self.folder / f"{self.started}.err"
        job = {
            "words": [str(word) for word in words],
            "env": {"M365DQ_HOME": str(home), **(env or {})},
            "out": str(out),
            "err": str(err),
            "largest_file": largest_file,
            "powerless": powerless,
            "before": before,
        }
        return Command(self, int(self.ask(job)), out, err)

    def run(self, *words: object, **given: object) -> Ended:
        """Start a command and wait for its end."""
        return self.start(*words, **given).wait()  # type: ignore[arg-type]


@contextmanager
def warm_program(folder: Path) -> Iterator[WarmProgram]:
    """The program in a process of its own, which ends with the block. Output of commands goes to `folder`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("M365DQ_", "DAGSTER_"))}
    quiet = {"OPENBLAS_NUM_THREADS": "1", "GX_ANALYTICS_ENABLED": "false", "DAGSTER_DISABLE_TELEMETRY": "yes"}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**env, **quiet, "PYTHONPATH": str(ROOT), "M365DQ_HOME": str(folder / "unused")},
    )
    program = WarmProgram(process, folder)
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield program
    finally:
        process.kill()
        process.communicate()
