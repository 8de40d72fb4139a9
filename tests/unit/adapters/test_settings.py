"""Settings come from the environment, stay private, and say which variable is wrong."""

import stat
from pathlib import Path

import pytest

from m365dq_dagster.adapters import settings as module
from m365dq_dagster.adapters.settings import Settings, checkout_root, default_home
from m365dq_dagster.core.errors import BadInput


def test_everything_lives_under_one_private_home(home: Path) -> None:
    home.rmdir()
    found = Settings.load()
    assert found.home == home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert found.registry_url == f"sqlite:///{home}/registry.sqlite3"
    assert (found.inbox, found.cases_dir, found.dagster_home) == (home / "inbox", home / "cases", home / "dagster")


def test_an_open_home_is_closed_to_others(home: Path) -> None:
    home.chmod(0o755)
    assert stat.S_IMODE(Settings.load().home.stat().st_mode) == 0o700


def test_registry_inbox_and_mail_server_can_be_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("M365DQ_REGISTRY_URL", "postgresql://sam:secret@db/m365dq")
    monkeypatch.setenv("M365DQ_INBOX", str(tmp_path / "in"))
    monkeypatch.setenv("M365DQ_SMTP_HOST", "mail.example")
    monkeypatch.setenv("M365DQ_SMTP_PASSWORD", "hunter2")
    found = Settings.load()
    assert found.registry_url == "postgresql://sam:secret@db/m365dq"
    assert (found.inbox, found.smtp_host, found.smtp_port) == (tmp_path / "in", "mail.example", 25)
    assert "secret" not in repr(found)
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("M365DQ_SMTP_PORT", "twenty"),
        ("M365DQ_LOCK_WAIT_SECONDS", "a while"),
        ("M365DQ_SMTP_STARTTLS", "so"),
        ("M365DQ_MEMORY_LIMIT", "80%"),
        ("M365DQ_MEMORY_LIMIT", "1GB'; ATTACH 'x"),
        ("M365DQ_MEMORY_LIMIT", "200MB"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=f"{name} cannot be used: .*unset it"):
        Settings.load()


@pytest.mark.parametrize("told", ["1GB", "0.5 gib", "256MB", " 2TiB "])
def test_a_limit_of_memory_is_a_size_as_people_write_it(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("M365DQ_MEMORY_LIMIT", told)
    assert Settings.load().memory_limit == told.strip()


def test_a_limit_of_memory_that_is_no_size_or_too_little_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M365DQ_MEMORY_LIMIT", "lots")
    with pytest.raises(BadInput, match="cannot be used: 'lots' is no size; give one such as 1GB or 800MiB"):
        Settings.load()
    monkeypatch.setenv("M365DQ_MEMORY_LIMIT", "255MB")
    with pytest.raises(BadInput, match="is too little; give at least 256MB"):
        Settings.load()


def test_a_secret_that_cannot_be_used_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M365DQ_SMTP_PORT", "hunter2")
    with pytest.raises(BadInput) as caught:
        Settings.load()
    assert "hunter2" not in str(caught.value)


def test_a_home_that_is_a_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("M365DQ_HOME", str(tmp_path / "file"))
    with pytest.raises(BadInput, match=r"cannot be used .*set M365DQ_HOME"):
        Settings.load()


def test_a_relative_home_and_a_tilde_are_made_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("M365DQ_HOME", "~/state")
    assert Settings.load().home == tmp_path / "state"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("M365DQ_HOME", "near")
    assert Settings.load().home == tmp_path / "near"


def test_in_a_checkout_the_home_is_at_its_root_and_else_where_the_platform_keeps_data(
    monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> None:
    assert checkout_root() == checkout
    assert default_home() == checkout / ".m365dq"
    monkeypatch.setattr(module, "checkout_root", lambda: None)
    assert default_home().name == "m365dq"


def test_a_package_outside_a_checkout_has_no_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "__file__", str(tmp_path / "lib" / "package" / "adapters" / "settings.py"))
    assert checkout_root() is None
