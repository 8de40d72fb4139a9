"""A case on disk: one writer at a time, one published state, and nothing left of a run that was killed."""

import ast
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from m365dq_dagster.adapters import case_store
from m365dq_dagster.adapters.case_store import (
    CONNECT_CONFIG,
    IN_MEMORY,
    KEPT_GENERATIONS,
    CaseStore,
    confine,
    create_schema,
    limit_memory,
    open_reader,
)
from m365dq_dagster.core.errors import BadInput, CaseBusy, InternalFault, StorageFault

PACKAGE = Path(case_store.__file__).parents[1]


@pytest.fixture
def store(home: Path) -> CaseStore:
    return CaseStore(home / "cases")


def made(store: CaseStore, generation: str, word: str = "x", *, from_current: bool = False) -> Path:
    """A closed working generation that holds a word."""
    path = store.begin("c", generation, from_current=from_current)
    with duckdb.connect(str(path), config=CONNECT_CONFIG) as con:
        con.execute("CREATE TABLE IF NOT EXISTS words (word VARCHAR)")
        con.execute("INSERT INTO words VALUES (?)", [word])
    return path


def words(store: CaseStore) -> list[str]:
    """What readers of the published state see."""
    path = store.current("c")
    assert path is not None
    with open_reader(path) as con:
        return [word for (word,) in con.execute("SELECT word FROM words").fetchall()]


def test_a_case_has_a_private_folder_and_no_state_before_it_is_published(store: CaseStore) -> None:
    assert store.current("c") is None
    made(store, "g1")
    assert store.current("c") is None
    assert stat.S_IMODE(store.case_dir("c").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["../up", "a/b", "", "A", ".."])
def test_a_case_id_never_leads_out_of_the_folder(store: CaseStore, name: str) -> None:
    for use in (store.case_dir, store.current):
        with pytest.raises(BadInput, match="not usable"):
            use(name)


def test_publishing_shows_the_new_state_and_keeps_the_old_one(store: CaseStore) -> None:
    made(store, "g1", "one")
    assert store.publish("c", "g1") == store.current("c")
    made(store, "g2", "two")
    assert words(store) == ["one"]
    store.publish("c", "g2")
    assert words(store) == ["two"]
    assert sorted(path.name for path in store.case_dir("c").glob("*.duckdb")) == ["g1.duckdb", "g2.duckdb"]


def test_a_partial_run_starts_from_a_private_copy_of_the_published_state(store: CaseStore) -> None:
    with pytest.raises(BadInput, match="no published state yet"):
        store.begin("c", "g0", from_current=True)
    made(store, "g1", "one")
    store.publish("c", "g1")
    path = made(store, "g2", "two", from_current=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert words(store) == ["one"]
    store.publish("c", "g2")
    assert sorted(words(store)) == ["one", "two"]


def test_old_generations_are_thinned_out(store: CaseStore) -> None:
    for number in range(KEPT_GENERATIONS + 3):
        made(store, f"g{number}")
        store.publish("c", f"g{number}")
    kept = sorted(path.name for path in store.case_dir("c").glob("*.duckdb"))
    assert kept == [f"g{number}.duckdb" for number in range(3, KEPT_GENERATIONS + 3)]


def test_what_a_killed_run_left_is_swept_by_the_next_and_the_published_state_stays(store: CaseStore) -> None:
    made(store, "g1", "one")
    store.publish("c", "g1")
    dead = made(store, "dead")
    (dead.parent / "dead.duckdb.wal").write_bytes(b"half")
    (store.case_dir("c") / "generations").unlink()
    made(store, "g2", "two")
    assert not list(store.case_dir("c").glob("dead*"))
    assert words(store) == ["one"]


def test_what_a_killed_run_spilled_and_reported_is_swept_and_a_readers_spill_is_not(store: CaseStore) -> None:
    """The engine spills into a folder beside the file."""
    made(store, "g1", "one")
    folder = store.publish("c", "g1").parent
    for name in ("dead.duckdb.tmp", "reports/dead", "reports/g1", "g1.duckdb.tmp"):
        (folder / name).mkdir(parents=True)
        (folder / name / "part").write_text("half")
    made(store, "g2")
    assert not (folder / "dead.duckdb.tmp").exists()
    assert not list(folder.glob("reports/dead*"))
    assert (folder / "reports" / "g1" / "part").exists()
    assert (folder / "g1.duckdb.tmp").exists()


def test_a_pointer_that_was_half_written_goes_with_the_next_run(store: CaseStore) -> None:
    made(store, "g1", "one")
    folder = store.publish("c", "g1").parent
    (folder / "current.new").write_text("g2.du")
    made(store, "g2")
    assert (words(store), list(folder.glob("*.new"))) == (["one"], [])


def test_a_run_killed_after_publishing_loses_no_earlier_generation(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(store, "g1")
    store.publish("c", "g1")
    made(store, "g2")
    with monkeypatch.context() as killed:
        killed.setattr(store, "_thin_out", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            store.publish("c", "g2")
    store.sweep("c")
    assert (store.case_dir("c") / "generations").read_text().split() == ["g1.duckdb", "g2.duckdb"]
    made(store, "g3")
    store.publish("c", "g3")
    assert sorted(path.stem for path in store.case_dir("c").glob("*.duckdb")) == ["g1", "g2", "g3"]


def test_a_list_of_generations_that_cannot_be_written_fails_no_run(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(store, "g1", "one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_thin_out", full)
    store.publish("c", "g1")
    assert words(store) == ["one"]


def test_half_a_copy_does_not_stay(store: CaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    made(store, "g1", "one")
    folder = store.publish("c", "g1").parent

    def half(_: Path, working: Path) -> None:
        working.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(working))

    monkeypatch.setattr(case_store.shutil, "copyfile", half)
    with pytest.raises(StorageFault, match=r"Case c: .*g2\.duckdb cannot be written: the disk is full"):
        store.begin("c", "g2", from_current=True)
    assert [path.name for path in folder.glob("*.duckdb")] == ["g1.duckdb"]


def test_a_run_that_is_killed_leaves_the_published_state_and_the_case_free(store: CaseStore) -> None:
    made(store, "g1", "one")
    store.publish("c", "g1")
    code = (
        "import os, signal, sys, duckdb\n"
        "from pathlib import Path\n"
        "from m365dq_dagster.adapters.case_store import CaseStore, CONNECT_CONFIG\n"
        "store = CaseStore(Path(sys.argv[1]))\n"
        "with store.lock('c', 5):\n"
        "    con = duckdb.connect(str(store.begin('c', 'dead', from_current=True)), config=CONNECT_CONFIG)\n"
        "    con.execute(\"INSERT INTO words VALUES ('half')\")\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(store.cases_dir)], cwd=Path(__file__).parents[3])
    assert done.returncode < 0
    assert words(store) == ["one"]
    with store.lock("c", 0):
        made(store, "g2", "two")
        store.publish("c", "g2")
    assert words(store) == ["two"]
    assert not list(store.case_dir("c").glob("dead*"))


def test_a_second_process_waits_and_then_says_that_the_case_is_busy(store: CaseStore) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from m365dq_dagster.adapters.case_store import CaseStore\n"
        "with CaseStore(Path(sys.argv[1])).lock('c', 5):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(store.cases_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert holder.stdin
    assert holder.stdout
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(CaseBusy, match=r"another run is working on it and did not finish within 0\.1 s") as caught:
        store.lock("c", 0.1).__enter__()
    assert caught.value.exit_code == 4
    with store.lock("other", 0.1):
        pass
    holder.communicate()
    with store.lock("c", 5):
        assert stat.S_IMODE((store.case_dir("c") / "lock").stat().st_mode) == 0o600


def test_a_run_that_fails_frees_the_case(store: CaseStore) -> None:
    with pytest.raises(ZeroDivisionError), store.lock("c", 0):
        raise ZeroDivisionError
    with store.lock("c", 0):
        pass


def test_a_state_that_cannot_be_published_leaves_the_last_one(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(store, "g1", "one")
    store.publish("c", "g1")
    made(store, "g2", "two")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(case_store.os, "replace", full)
    with pytest.raises(
        InternalFault, match=r"could not be published \(No space left on device\); the last published state"
    ):
        store.publish("c", "g2")
    assert words(store) == ["one"]


def test_a_generation_that_was_never_made_cannot_be_published(store: CaseStore) -> None:
    with pytest.raises(InternalFault, match="No such file"):
        store.publish("c", "never")


def test_a_discarded_generation_is_gone_with_what_stands_beside_it(store: CaseStore) -> None:
    path = made(store, "g1")
    (path.parent / "g1.duckdb.wal").write_bytes(b"half")
    store.discard("c", "g1")
    store.discard("c", "g1")
    assert not list(store.case_dir("c").glob("*.duckdb*"))


@pytest.mark.parametrize("text", ["gone.duckdb", "", "../../../etc/passwd"])
def test_a_pointer_to_nothing_is_no_state(store: CaseStore, text: str) -> None:
    (store.case_dir("c") / "current").write_text(text)
    assert store.current("c") is None


def test_a_generation_name_never_leads_out_of_the_folder(store: CaseStore) -> None:
    assert store.begin("c", "../../g1", from_current=False) == store.case_dir("c") / "g1.duckdb"


def test_a_reader_cannot_write_nor_reach_files_nor_unlock_itself(store: CaseStore, tmp_path: Path) -> None:
    made(store, "g1")
    (tmp_path / "x.csv").write_text("a\n1\n")
    with open_reader(store.publish("c", "g1")) as con:
        for forbidden in (
            "INSERT INTO words VALUES ('y')",
            f"SELECT * FROM read_csv('{tmp_path / 'x.csv'}')",
            "SET enable_external_access = true",
            "SET lock_configuration = false",
        ):
            with pytest.raises(duckdb.Error):
                con.execute(forbidden)


def test_a_confined_connection_reads_below_the_cases_folders_and_nothing_else(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in 'quoted'", tmp_path / "in 'quoted' not"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "x.csv").write_text("a\n1\n")
    with duckdb.connect(config=CONNECT_CONFIG) as con:
        confine(con, inside)
        read = "SELECT count(*) FROM read_csv($path)"
        assert con.execute(read, {"path": str(inside / "x.csv")}).fetchone() == (1,)
        for path in (outside / "x.csv", inside / ".." / outside.name / "x.csv"):
            with pytest.raises(duckdb.Error):
                con.execute(read, {"path": str(path)})
        with pytest.raises(duckdb.Error):
            con.execute("SET enable_external_access = true")


def test_what_does_not_fit_into_the_memory_is_spilled_into_the_private_folder_of_the_case_and_goes(
    store: CaseStore,
) -> None:
    path = store.begin("c", "g1", from_current=False)
    with duckdb.connect(str(path), config=CONNECT_CONFIG) as con:
        limit_memory(con, "64MiB")
        con.execute("SET lock_configuration = true")
        with duckdb.connect(str(path), config=CONNECT_CONFIG) as second:
            assert second.execute("SELECT current_setting('memory_limit')").fetchone() == ("64.0 MiB",)
        result = con.execute("SELECT md5(CAST(r AS VARCHAR)) AS word FROM range(2500000) AS t(r) ORDER BY word")
        spilled = list(path.parent.glob(f"{path.name}.tmp/*"))
        assert result.fetchone() is not None
    assert spilled
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir() if "tmp" in file.name] == []


def test_an_engine_without_a_file_leaves_nothing_where_the_program_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_in = tmp_path / "elsewhere"
    started_in.mkdir()
    monkeypatch.chdir(started_in)
    with duckdb.connect(":memory:", config=IN_MEMORY) as con:
        limit_memory(con, "64MiB")
        with pytest.raises(duckdb.OutOfMemoryException):
            con.execute("SELECT md5(CAST(r AS VARCHAR)) AS word FROM range(2500000) AS t(r) ORDER BY word").fetchone()
        assert list(started_in.iterdir()) == []


def connections(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Of every engine that a module opens, what it opens and how, in the words of the module."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "duckdb.connect":
            place = ast.unparse(call.args[0]) if call.args else "nothing"
            yield place, " ".join(ast.unparse(one.value) for one in call.keywords)


def test_every_engine_without_a_file_is_opened_so_that_it_leaves_nothing_behind() -> None:
    modules = [(path, path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]
    found = {
        (path.name, place, how)
        for path, text in modules
        if "duckdb.connect(" in text
        for place, how in connections(ast.parse(text))
        if place in ("nothing", "MEMORY", "':memory:'")
    }
    assert {name for name, *_ in found} == {"bench.py", "borrowed.py", "opening.py", "scratch_case.py"}
    assert [one for one in found if "IN_MEMORY" not in one[2] and "temp_directory" not in one[2]] == []
    assert [path.name for path, text in modules if re.search(r"\bduckdb\.(sql|execute|query)\(", text)] == []


def test_without_a_limit_the_engines_own_stays() -> None:
    with duckdb.connect(config=CONNECT_CONFIG) as con:
        before = con.execute("SELECT current_setting('memory_limit')").fetchone()
        limit_memory(con, None)
        assert con.execute("SELECT current_setting('memory_limit')").fetchone() == before


def test_the_schema_is_made_in_an_empty_database_once() -> None:
    with duckdb.connect(config=CONNECT_CONFIG) as con:
        create_schema(con)
        tables = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        assert {"files", "quarantine", "sign_in_logs", "unified_audit_log", "legacy_auth_logs"} <= tables
        with pytest.raises(duckdb.Error):
            create_schema(con)
