"""A real Apache Spark for the tests: a standalone master, two workers and a Spark Connect server, each a process of
its own on loopback; and why where none starts.

What is asked of it stands in the tests. The client is the package pyspark-client of the test environment; the server
is the package pyspark, which cannot live beside it, so it has an environment of its own (`make spark`).
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.leash import Leash
from tests.support.processor_time import seconds_of_group

ROOT = Path(__file__).resolve().parents[2]
OLDEST_JAVA = 17
SMALL = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
}
"""For the few rows of a test: compiling a program for every statement takes most of the time that Spark takes of it.
Statements are interpreted instead, by the same rules.
"""
START_SECONDS = 120.0
"""How long one of the processes may take until it is ready; it takes two to ten seconds on two idle cores."""
STOP_SECONDS = 20.0

MASTER = re.compile(r"Starting Spark master at (spark://127\.0\.0\.1:\d+)")
WORKER = re.compile(r"Successfully registered with master")
CONNECT = re.compile(r"Spark Connect server started at: .*?:(\d+)")


JVM = "-XX:+UseSerialGC"
"""One core each: collecting garbage in parallel would take it from the others."""


class NoSpark(Exception):
    """No Spark can be started here; the message says why."""


def installed_spark(root: Path = ROOT) -> Path:
    """The folder with `bin/spark-class`: that of `.venv-spark` beside the project file, else `SPARK_HOME`."""
    found = [*root.glob(".venv-spark/lib/python3*/site-packages/pyspark"), Path(os.environ.get("SPARK_HOME") or "/-")]
    for folder in found:
        if (folder / "bin" / "spark-class").is_file() and list(folder.glob("jars/spark-connect_*.jar")):
            return folder
    raise NoSpark("Apache Spark is not installed; `make spark` does it where Java 17 or newer is present")


def java_version(java: str | None = None) -> int:
    """The major version of the machine's Java."""
    home = os.environ.get("JAVA_HOME")
    java = java or (str(Path(home) / "bin" / "java") if home else shutil.which("java"))
    try:
        told = subprocess.run([java or "java", "-version"], capture_output=True, text=True, timeout=60).stderr
    except (OSError, subprocess.SubprocessError):
        raise NoSpark("Java is not installed") from None
    number = re.search(r'version "(\d+)', told)
    if number is None or int(number[1]) < OLDEST_JAVA:
        raise NoSpark(f"Java {OLDEST_JAVA} or newer is needed, and there is {told.splitlines()[0] if told else 'none'}")
    return int(number[1])


class SparkCluster:
    """One cluster on loopback. `start` waits until it answers, `stop` leaves no process behind, and where the tests are
    killed a leash does.

    `folder` takes its logs, scratch space and warehouse. Memory is in megabytes, of each of the two workers' executors
    and of the server (the driver). Ports are chosen by the system. `options` are Spark's own, by name.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 2,
        executor_mb: int = 768,
        server_mb: int = 1024,
        options: Mapping[str, str] = SMALL,
    ) -> None:
        self.spark = installed_spark()
        java_version()
        self.folder, self.workers, self.executor_mb, self.server_mb = folder, workers, executor_mb, server_mb
        self.master = self.url = ""
        self.options = dict(options)
        self._token = secrets.token_hex(16)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._leash: Leash | None = None

    def start(self) -> "SparkCluster":
        """Start everything and wait until it answers. Raises `NoSpark` with what the log of one that failed says."""
        for name in ("conf", "local", "work", "warehouse"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write_options()
        self._leash = Leash()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End every process of the cluster, the server first, and wait until all of them have gone."""
        for how, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            for process in reversed(self._processes):
                _signal(process, how)
            if _gone(self._processes, patience):
                break
        self._processes.clear()
        if self._leash:
            self._leash.let_go()
            self._leash = None

    def processor_seconds(self) -> float:
        """The processor time that all processes of the cluster have taken so far, those that have ended included as
        far as their parents waited for them.
        """
        return sum(seconds_of_group(process.pid) for process in self._processes)

    def process_groups(self) -> list[int]:
        """The process groups of the cluster; each executor belongs to that of its worker."""
        return [process.pid for process in self._processes]

    def _start(self) -> None:
        master = "org.apache.spark.deploy.master.Master"
        self._launch("master", "spark-class", master, "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        self.master = self._wait_for("master", MASTER)[1]
        worker = ("org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--webui-port", "0", "--cores", "1")
        names = [f"worker-{number}" for number in range(1, self.workers + 1)]
        for name in names:
            memory = ("--memory", f"{self.executor_mb + 256}m", "--work-dir", str(self.folder / "work"))
            self._launch(name, "spark-class", *worker, *memory, self.master)
        for name in names:
            self._wait_for(name, WORKER)
        connect = "org.apache.spark.sql.connect.service.SparkConnectServer"
        words = ("--master", self.master, "--class", connect, "spark-internal")  # it is in Spark's own jars
        self._launch("connect", "spark-submit", *words, memory_mb=self.server_mb)
        self.url = f"sc://localhost:{self._wait_for('connect', CONNECT)[1]}/;token={self._token}"

    def _write_options(self) -> None:
        """Into a file that nobody else can read: a command line would show the secrets to every user."""
        lines = [f"{name} {value}\n" for name, value in self._options().items()]
        with open(os.open(self.folder / "conf" / "spark-defaults.conf", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.writelines(lines)

    def _options(self) -> dict[str, str]:
        return {
            # Whoever may give a cluster work may run programs as its user, so other users of the machine may not.
            "spark.authenticate": "true",
            "spark.authenticate.secret": secrets.token_hex(16),
            "spark.connect.authenticate.token": self._token,
            "spark.master.rest.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.executor.memory": f"{self.executor_mb}m",
            "spark.executor.cores": "1",
            "spark.ui.enabled": "false",
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": "0",
            "spark.sql.catalogImplementation": "in-memory",
            "spark.sql.warehouse.dir": str(self.folder / "warehouse"),
            "spark.executor.extraJavaOptions": JVM,
            "spark.driver.extraJavaOptions": JVM,
        } | self.options

    def _launch(self, name: str, program: str, *words: str, memory_mb: int = 256) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(self.spark / "bin" / program), *words],
                cwd=self.folder,
                env=self._environment(memory_mb),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        if self._leash:
            self._leash.hold(process.pid)

    def _environment(self, memory_mb: int) -> dict[str, str]:
        """No setting of the caller's own Spark reaches this one."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
        return kept | {
            "SPARK_HOME": str(self.spark),
            "SPARK_CONF_DIR": str(self.folder / "conf"),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self.folder / "local"),
            "SPARK_DAEMON_MEMORY": f"{memory_mb}m",  # the server counts as a daemon
        }

    def _wait_for(self, name: str, words: re.Pattern[str]) -> re.Match[str]:
        """Read the log of a process until it says that it is ready."""
        log, until = self.folder / f"{name}.log", time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            found = words.search(log.read_text(errors="replace"))
            if found:
                return found
            if self._processes[-1].poll() is not None:
                break
            time.sleep(0.1)
        raise NoSpark(f"Spark's {name} is not ready; its log says: {_trouble(log.read_text(errors='replace'))}")


@contextmanager
def spark_cluster(folder: Path) -> Iterator[SparkCluster]:
    """A running cluster, ended when the block is left."""
    cluster = SparkCluster(folder).start()
    try:
        yield cluster
    finally:
        cluster.stop()


def _trouble(log: str) -> str:
    """The first lines of a log that tell of an error, else its end."""
    lines = [line for line in log.splitlines() if " ERROR " in line or "Exception" in line]
    return " ".join(lines[:3]) or log[-600:]


def _signal(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)


def _gone(processes: list[subprocess.Popen[bytes]], patience: float) -> bool:
    """Whether no process of any group is left, executors included, within so many seconds."""
    return within(patience, lambda: not any(_is_left(process) for process in processes))


def _is_left(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # a child that nobody waits for stays in its group
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold within so many seconds."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
