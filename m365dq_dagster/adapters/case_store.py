"""Where a case lives on disk: one folder, one DuckDB file a generation, the small file `current` that names the
published one, and the lock.

What stands inside a generation is the business of `adapters/sql`; when to publish is the business of the run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from m365dq_dagster.adapters import sql
from m365dq_dagster.core.context import valid_case_id
from m365dq_dagster.core.errors import BadInput, CaseBusy, InternalFault

CONNECT_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": False,
}
"""The one configuration every connection to a generation is opened with; two connections in a process must not
differ.
"""

KEPT_GENERATIONS = 5


class CaseStore:
    """The folder of cases.

    cases/<case>/current             name of the published generation
    cases/<case>/<generation>.duckdb
    cases/<case>/reports/<generation>/
    cases/<case>/lock
    """

    def __init__(self, cases_dir: Path) -> None:
        self.cases_dir = cases_dir

    def case_dir(self, case_id: str) -> Path:
        """The folder of a case, made where it is missing, mode 0700."""
        folder = self.cases_dir / valid_case_id(case_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @contextmanager
    def lock(self, case_id: str, wait_seconds: float) -> Iterator[None]:
        """Hold the case against every other process. Raises `CaseBusy` after `wait_seconds`; a killed holder frees
        it.
        """
        lock = FileLock(self.case_dir(case_id) / "lock", mode=0o600)
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout:
            raise CaseBusy(
                f"Case {case_id}: another run is working on it and did not finish within {wait_seconds:g} s; "
                "nothing was changed. Run the command again when it has finished."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def begin(self, case_id: str, generation: str, *, from_current: bool) -> Path:
        """The working file of a new generation, as a copy of the published one where only a part is made again.

        Only the holder of the lock may call it: leftovers of killed runs are swept away here.
        """
        folder = self.case_dir(case_id)
        published = self.current(case_id)
        self._sweep(folder, published)
        working = folder / f"{_plain(generation)}.duckdb"
        if from_current:
            if published is None:
                raise BadInput(
                    f"Case {case_id} has no published state yet; run it from raw_logs, or with `m365dq run FOLDER`."
                )
            shutil.copyfile(published, working)
            working.chmod(0o600)
        return working

    def publish(self, case_id: str, generation: str) -> Path:
        """Make a closed generation the one that readers see, in one step that survives a power cut; old ones are
        thinned out.
        """
        folder = self.case_dir(case_id)
        working = folder / f"{_plain(generation)}.duckdb"
        try:
            _fsync(working)
            pointer = folder / "current.new"
            pointer.write_text(working.name, encoding="utf-8")
            _fsync(pointer)
            os.replace(pointer, folder / "current")
            _fsync(folder)
        except OSError as error:
            raise InternalFault(
                f"Case {case_id}: the new state could not be published ({error.strerror}); the last published state is "
                "untouched. Free disk space or mend the disk, then run again."
            ) from None
        self._thin_out(folder, working)
        return working

    def discard(self, case_id: str, generation: str) -> None:
        """Throw a working generation away; the published one stays."""
        folder = self.case_dir(case_id)
        for leftover in folder.glob(f"{_plain(generation)}.duckdb*"):
            leftover.unlink(missing_ok=True)

    def current(self, case_id: str) -> Path | None:
        """The published file of a case, or None."""
        folder = self.cases_dir / valid_case_id(case_id)
        try:
            name = (folder / "current").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        path = folder / Path(name).name
        return path if path.is_file() else None

    def _sweep(self, folder: Path, published: Path | None) -> None:
        kept = {line.name for line in self._generations(folder)}
        for file in folder.glob("*.duckdb*"):
            if file.name not in kept and (published is None or file.name != published.name):
                file.unlink(missing_ok=True)

    def _generations(self, folder: Path) -> list[Path]:
        names = (
            (folder / "generations").read_text(encoding="utf-8").split() if (folder / "generations").is_file() else []
        )
        return [folder / name for name in names]

    def _thin_out(self, folder: Path, newest: Path) -> None:
        known = [path for path in self._generations(folder) if path.is_file() and path != newest]
        keep = [*known, newest][-KEPT_GENERATIONS:]
        (folder / "generations").write_text("\n".join(path.name for path in keep) + "\n", encoding="utf-8")
        self._sweep(folder, newest)


def create_schema(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of a generation in an empty database."""
    con.execute(sql.statement("schema"))


@contextmanager
def open_reader(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to a published generation that can reach nothing else."""
    con = duckdb.connect(str(path), read_only=True, config=CONNECT_CONFIG)
    try:
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        yield con
    finally:
        con.close()


def confine(con: duckdb.DuckDBPyConnection, *folders: Path) -> None:
    """Let a working connection read files below the case's evidence folders and nothing else, for as long as it
    lives.
    """
    allowed = ", ".join(sql.quote_literal(str(folder.resolve()) + os.sep) for folder in folders)
    con.execute(f"SET allowed_directories = [{allowed}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def _plain(generation: str) -> str:
    return Path(generation).name


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
