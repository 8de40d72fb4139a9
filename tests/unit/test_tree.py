import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "m365dq_dagster"
MODULES = sorted(PACKAGE.rglob("*.py"))
DRAWERS = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}

# Split so that this file does not hold what it looks for.
INDEX_WORDS = ["find-" + "links", "index-" + "url", "pypi" + ".org", "pythonhosted" + ".org", "files" + ".python"]
MACHINE_PATHS = [
    "/ro" + "ot/",
    "/ho" + "me/",
    "/Us" + "ers/",
    "/wo" + "rk/",
    "/tm" + "p/",
    "/op" + "t/",
    "C:" + "\\Users",
]


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: there is no list of tracked files")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def lines_with(words: list[str], paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            found += [f"{path.relative_to(ROOT)}:{number}: {word}" for word in words if word in line]
    return found


def test_no_file_names_a_package_index() -> None:
    asked_not_to = f"--no-emit-{INDEX_WORDS[1]}"
    found = [hit for hit in lines_with(INDEX_WORDS, tracked()) if not hit.startswith("Makefile:")]
    assert found == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace(asked_not_to, "")
    assert [word for word in INDEX_WORDS if word in makefile] == []


def test_no_file_outside_the_tests_names_a_path_of_one_machine() -> None:
    paths = [path for path in tracked() if "tests" not in path.relative_to(ROOT).parts]
    exact = [path for path in paths if not path.name.startswith("requirements")]
    found = [hit for hit in lines_with(MACHINE_PATHS, exact) if not hit.startswith("Makefile")]
    assert found == []


def test_every_dependency_of_the_lock_is_pinned_with_a_hash() -> None:
    for name, fewest in (("requirements.txt", 50), ("requirements-dev.txt", 50), ("requirements-spark.txt", 2)):
        text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
        entries = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        assert len(entries) >= fewest
        assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_the_run_time_lock_is_part_of_the_development_lock() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9_.-]+)(?:\[[^\]]*\])?(==[^\s;]+)", (ROOT / name).read_text(), flags=re.M))

    assert pins("requirements.txt") <= pins("requirements-dev.txt")


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_opens_by_saying_what_belongs_in_it(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert not tree.body or len(ast.get_docstring(tree) or "") >= 20


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert [
        str(path.relative_to(ROOT)) for path in MODULES if set(path.relative_to(ROOT).with_suffix("").parts) & DRAWERS
    ] == []


def test_deferred_annotations_stay_out_of_the_definitions() -> None:
    modules = [*PACKAGE.glob("defs/**/*.py"), *PACKAGE.glob("definitions.py")]
    assert [
        path.name for path in modules if "from __future__ import annotations" in path.read_text(encoding="utf-8")
    ] == []


def test_every_package_of_the_tree_is_a_package() -> None:
    folders = {path.parent for path in MODULES}
    assert [str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_the_continuous_integration_has_no_second_definition_of_green() -> None:
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make --no-print-directory test" in text
    assert "pytest" not in text
