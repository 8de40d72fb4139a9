"""The built wheel works from outside the checkout: program, rule pack and expectation suites travel in it."""

import csv
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.wheel, pytest.mark.slow]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="hatchling is not installed; `make setup` brings it")
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment that holds the wheel and sees the libraries of this one, but not the checkout."""
    place = tmp_path_factory.mktemp("installed")
    venv.create(place, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(place), "platbase": str(place)}))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(place / "bin" / "python"),
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            str(wheel),
        ],
        check=True,
        capture_output=True,
    )
    # A .pth file adds the folder without reading the .pth files in it, so an editable install there stays unseen.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return place


def run(place: Path, *arguments: str, cwd: Path, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "M365DQ_", "COV"))
    }
    environment["M365DQ_HOME"] = str(home)
    command = [str(place / "bin" / arguments[0]), *arguments[1:]]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def write_rejected_sign_ins(path: Path) -> int:
    rows = [
        {
            "Date (UTC)": f"2026-01-{day:02d}T08:{minute:02d}:00Z",
            "Request ID": f"00000000-0000-0000-0000-00000000{day:02d}{minute:02d}",
            "User": "Ada Ash",
            "Username": "ada@contoso.example",
            "User ID": "11111111-1111-1111-1111-111111111111",
            "Application": "Office 365 Exchange Online",
            "IP address": f"203.0.113.{day}",
            "Location": "Perth, Western Australia, AU",
            "Status": "Failure",
            "Sign-in error code": code,
            "Failure reason": "Error validating credentials due to invalid username or password.",
            "Client app": "Browser",
            "Conditional Access": "Not Applied",
            "Correlation ID": f"00000000-0000-0000-0001-00000000{day:02d}{minute:02d}",
        }
        for day in range(1, 11)
        for minute, code in ((10, "50126"), (25, "50126"), (40, "50053"), (55, "50126"))
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def test_the_wheel_carries_the_rule_pack_and_the_expectation_suites(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in ("reference_data", "expectations"):
        here = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert here
        assert {f"m365dq_dagster/_data/{name}" for name in here} <= names


def test_the_wheel_carries_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    files = [
        path for path in (ROOT / "m365dq_dagster").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    assert {path.relative_to(ROOT).as_posix() for path in files} <= names


def test_the_installed_wheel_judges_a_case_from_outside_the_checkout(
    installed: Path, tmp_path: Path, home: Path
) -> None:
    place = run(
        installed, "python", "-c", "import m365dq_dagster; print(m365dq_dagster.__file__)", cwd=tmp_path, home=home
    )
    assert str(installed) in place.stdout

    rules = run(
        installed,
        "python",
        "-c",
        "from m365dq_dagster.adapters.rule_pack import load_rule_pack, resource_dir; p = load_rule_pack();"
        "print(len(p.codes), p.content_hash, len(list(resource_dir('expectations').glob('*.json'))))",
        cwd=tmp_path,
        home=home,
    )
    assert rules.returncode == 0, rules.stderr
    codes, content_hash, suites = rules.stdout.split()
    assert int(codes) > 50
    assert content_hash.startswith("sha256:")
    assert int(suites) > 0

    evidence = tmp_path / "all-blocked"
    evidence.mkdir()
    rejected = write_rejected_sign_ins(evidence / "InteractiveSignIns.csv")
    done = run(installed, "m365dq", "run", str(evidence), "--home-country", "AU", "--json", cwd=tmp_path, home=home)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["sign_ins"]["events"] == rejected
    assert document["status"] == "ALL_BLOCKED"
