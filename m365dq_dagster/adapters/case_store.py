"""Where a case lives on disk: one folder, one DuckDB file a generation, the small file `current` that names the
published one, and the lock.

What stands inside a generation is the business of `adapters/sql`; when to publish is the business of the run.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from m365dq_dagster.adapters import sql
from m365dq_dagster.adapters.storage_faults import told
from m365dq_dagster.core.context import valid_case_id
from m365dq_dagster.core.errors import BadInput, CaseBusy, InternalFault

CONNECT_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": False,
    "python_enable_replacements": False,
}
"""The one configuration every connection to a generation is opened with; two connections in a process must not
differ. A name in a statement is a table's and never that of a variable of the program.
"""

IN_MEMORY = {**CONNECT_CONFIG, "temp_directory": ""}
"""How an engine without a file is opened: where its memory is used up it says so, and leaves nothing of the evidence in
the folder that the program was started in.
"""

KEPT_GENERATIONS = 5


class CaseStore:
    """The folder of cases.

    cases/<case>/current             name of the published generation
    cases/<case>/generations         names of the generations that are kept, oldest first
    cases/<case>/<generation>.duckdb
    cases/<case>/reports/<generation>/
    cases/<case>/canonical/          the tables of the published one as Parquet, see `canonical`
    cases/<case>/lock
    """

    def __init__(self, cases_dir: Path) -> None:
        self.cases_dir = cases_dir

    def case_dir(self, case_id: str) -> Path:
        """The folder of a case, made where it is missing, mode 0700."""
        folder = self._folder(case_id)
        with told(f"Case {case_id}"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @contextmanager
    def lock(self, case_id: str, wait_seconds: float) -> Iterator[None]:
        """Hold the case against every other process. Raises `CaseBusy` after `wait_seconds`; a killed holder frees
        it.
        """
        lock = FileLock(self.case_dir(case_id) / "lock", mode=0o600)
        try:
            with told(f"Case {case_id}"):
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
        self.sweep(case_id)
        working = self.case_dir(case_id) / f"{_plain(generation)}.duckdb"
        if from_current:
            self._copy(case_id, working)
        return working

    def sweep(self, case_id: str) -> None:
        """Remove what killed runs left: their generations with all that stands beside them, and their reports. Of one
        that had published, the thinning out of old generations is made good.

        Only the holder of the lock may call it.
        """
        folder, published = self._folder(case_id), self.current(case_id)
        if published and published not in _listed(folder):
            with suppress(OSError):
                self._thin_out(folder, published)
        kept = {path.name for path in [*_listed(folder), *([published] if published else [])]}
        with told(f"Case {case_id}"):
            for name in {_owner(file) for file in folder.glob("*.duckdb*")} - kept:
                _remove(folder / "reports" / Path(name).stem)
                _remove_generation(folder, name)
            for unfinished in (*folder.glob("*.new"), *folder.glob("canonical/*.new")):
                _remove(unfinished)

    def publish(self, case_id: str, generation: str) -> Path:
        """Make a closed generation the one that readers see, in one step that survives a power cut; old ones are
        thinned out.
        """
        folder = self.case_dir(case_id)
        working, before = folder / f"{_plain(generation)}.duckdb", self.current(case_id)
        try:
            _fsync(working)
            _replace(folder / "current", working.name)
        except OSError as error:
            raise InternalFault(
                f"Case {case_id}: the new state could not be published ({error.strerror}); the last published state is "
                "untouched. Free disk space or mend the disk, then run again."
            ) from None
        with suppress(OSError):  # it is published; what could not be cleared away, the next run clears away
            self._thin_out(folder, *([before] if before else []), working)
        return working

    def discard(self, case_id: str, generation: str) -> None:
        """Throw a working generation away, with the report on it; the published one stays."""
        folder, name = self._folder(case_id), _plain(generation)
        _remove(folder / "reports" / name)
        _remove_generation(folder, f"{name}.duckdb")

    def current(self, case_id: str) -> Path | None:
        """The published file of a case, or None."""
        folder = self._folder(case_id)
        try:
            name = (folder / "current").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        path = folder / Path(name).name
        return path if path.is_file() else None

    def case_dirs(self) -> list[Path]:
        """The folders of all cases, by name."""
        return sorted(path for path in self.cases_dir.glob("*") if path.is_dir())

    def generations(self, case_id: str) -> list[Path]:
        """The published generations of a case that are kept, oldest first; none for a case that was never judged."""
        folder, current = self._folder(case_id), self.current(case_id)
        kept = [path for path in _listed(folder) if path.is_file() and path != current]
        return [*kept, *([current] if current else [])]

    def _folder(self, case_id: str) -> Path:
        return self.cases_dir / valid_case_id(case_id)

    def _copy(self, case_id: str, working: Path) -> None:
        published = self.current(case_id)
        if published is None:
            raise BadInput(
                f"Case {case_id} has no published state yet; run it from raw_logs, or with `m365dq run FOLDER`."
            )
        try:
            with told(f"Case {case_id}"):
                shutil.copyfile(published, working)
                working.chmod(0o600)
        except BaseException:
            working.unlink(missing_ok=True)
            raise

    def _thin_out(self, folder: Path, *newest: Path) -> None:
        """Keep the newest generations and forget the others; of a forgotten one the report stays."""
        known = [path for path in _listed(folder) if path.is_file() and path not in newest]
        keep = [*known, *newest][-KEPT_GENERATIONS:]
        _replace(folder / "generations", "\n".join(path.name for path in keep) + "\n")
        for name in {path.name for path in known} - {path.name for path in keep}:
            _remove_generation(folder, name)


def create_schema(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of a generation in an empty database, in one transaction: each one alone would wait for the
    disk.
    """
    con.begin()
    con.execute(sql.statement("schema"))
    con.commit()


@contextmanager
def open_reader(path: Path, memory: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to a published generation that can reach nothing else; `memory` as for `limit_memory`."""
    con = duckdb.connect(str(path), read_only=True, config=CONNECT_CONFIG)
    try:
        limit_memory(con, memory)
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        yield con
    finally:
        con.close()


def limit_memory(con: duckdb.DuckDBPyConnection, size: str | None) -> None:
    """Let the engine keep no more than `size` (such as 1GB) in memory, for all connections to the same file; before
    the configuration is locked. What does not fit is spilled into a folder beside the file, inside the case's own,
    and goes when the file is closed. Without a size the engine's own limit stays: four fifths of the machine's memory.

    What the engine does not count (text being read, the interpreter and its libraries) comes on top.
    """
    if size is not None:
        con.execute(f"SET memory_limit = {sql.quote_literal(size)}")


def _is_text(name: str) -> bool:
    return name.encode("utf-8", "replace").decode() == name


def confine(con: duckdb.DuckDBPyConnection, *folders: Path) -> None:
    """Let a working connection read files below the case's evidence folders and nothing else, for as long as it
    lives.
    """
    spelled = [str(folder.resolve()) + os.sep for folder in folders]
    # A name that is no text cannot be told to the engine, which then reaches what is linked into the other folders.
    allowed = ", ".join(sql.quote_literal(name) for name in spelled if _is_text(name))
    con.execute(f"SET allowed_directories = [{allowed}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def _plain(generation: str) -> str:
    return Path(generation).name


def _listed(folder: Path) -> list[Path]:
    """The generations that are kept, oldest first."""
    file = folder / "generations"
    return [folder / Path(name).name for name in file.read_text(encoding="utf-8").split()] if file.is_file() else []


def _owner(file: Path) -> str:
    """The generation that a file belongs to: the engine names its log and its spilled data after it."""
    return f"{file.name.partition('.duckdb')[0]}.duckdb"


def _remove_generation(folder: Path, name: str) -> None:
    for file in folder.glob(f"{glob.escape(name)}*"):
        _remove(file)


def _remove(path: Path) -> None:
    """Remove a file, or a folder with what is in it; what is not there is no fault."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _replace(path: Path, text: str) -> None:
    """Write a small file in one step that survives a power cut; where that fails, the old one stays and no other."""
    partial = path.with_name(f"{path.name}.new")
    try:
        partial.write_text(text, encoding="utf-8")
        _fsync(partial)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # it is in its place; not every disk can sync a folder
        _fsync(path.parent)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
