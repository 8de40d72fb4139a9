"""Where this installation keeps its state and whom it may talk to, from the environment. Judgement policy is not
here: it is in the rule pack.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Annotated

from platformdirs import user_data_path
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from m365dq_dagster.core.errors import BadInput

PRIVATE = 0o700
"""The mode of the home folder."""


SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?([KMGT])(i?)B", re.IGNORECASE)
LEAST_MEMORY = 256 * 10**6
"""Below this the engine cannot hold what its threads work on at one time."""


def checkout_root() -> Path | None:
    """The root of the checkout this package runs from, or None when it was installed from a wheel."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "reference_data").is_dir() else None


def default_home() -> Path:
    """`.m365dq` at the root of a checkout, else the platform's data folder."""
    root = checkout_root()
    return root / ".m365dq" if root else user_data_path("m365dq")


ENGINE_MEMORY = "1.2GB"
"""What the engine of a run keeps in memory unless told otherwise: with interpreter, libraries and the text being read
a run stays within 2 GB at ten million rows, and up to a million nothing is spilled."""


def _memory_size(told: str) -> str:
    """A size as the engine reads it: a power of ten (MB) or of two (MiB), at least `LEAST_MEMORY` bytes."""
    found = SIZE.fullmatch(told.strip())
    if found is None:
        raise ValueError(f"{told!r} is no size; give one such as 1GB or 800MiB")
    size = float(found[1]) * (1024 if found[3] else 1000) ** ("KMGT".index(found[2].upper()) + 1)
    if size < LEAST_MEMORY:
        raise ValueError(f"{told!r} is too little; give at least {LEAST_MEMORY // 10**6}MB")
    return told.strip()


class Settings(BaseSettings):
    """Settings of one installation; every one can be given as `M365DQ_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="M365DQ_", frozen=True, extra="ignore")

    home: Path = Field(default_factory=default_home)
    registry_url_override: SecretStr | None = Field(default=None, validation_alias="M365DQ_REGISTRY_URL")
    inbox_override: Path | None = Field(default=None, validation_alias="M365DQ_INBOX")
    engine_url_override: SecretStr | None = Field(default=None, validation_alias="M365DQ_ENGINE_URL")
    engine_folder_override: Path | None = Field(default=None, validation_alias="M365DQ_ENGINE_FOLDER")
    country_database: Path | None = None
    vendor_documents: Path | None = None
    vendor_fetch: bool = False
    smtp_host: str | None = None
    smtp_port: int = 25
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_starttls: bool = False
    mail_from: str = "m365dq@localhost"
    lock_wait_seconds: float = 30.0
    memory_limit: Annotated[str, AfterValidator(_memory_size)] = ENGINE_MEMORY

    @classmethod
    def load(cls) -> Settings:
        """Read the environment and make the home folder, mode 0700. Raises `BadInput` where a value cannot be used."""
        return cls.read().prepared()

    @classmethod
    def read(cls) -> Settings:
        """Read the environment and make nothing; the home folder may be missing. Raises `BadInput` like `load`."""
        try:
            settings = cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = "M365DQ_" + str(first["loc"][0]).upper().removeprefix("M365DQ_")
            raise BadInput(
                f"The environment variable {name} cannot be used: {first['msg'].removeprefix('Value error, ')}. "
                "Correct it or unset it."
            ) from None
        return settings.model_copy(update={"home": settings.home.expanduser().absolute()})

    def prepared(self) -> Settings:
        """The same settings with an absolute home that exists."""
        home = self.home.expanduser().absolute()
        try:
            home.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            if stat.S_IMODE(home.stat().st_mode) != PRIVATE:
                home.chmod(PRIVATE)
        except OSError as error:
            raise BadInput(
                f"The home folder {home} cannot be used ({error.strerror}); set M365DQ_HOME to a folder you may write."
            ) from None
        return self.model_copy(update={"home": home})

    @property
    def registry_url(self) -> str:
        """SQLAlchemy address of the registry; may hold a password, so it is never printed."""
        if self.registry_url_override:
            return self.registry_url_override.get_secret_value()
        return f"sqlite:///{self.home / 'registry.sqlite3'}"

    @property
    def engine_url(self) -> str | None:
        """Address of the Spark Connect server to work on; may hold a token, so it is never printed."""
        return (self.engine_url_override.get_secret_value().strip() if self.engine_url_override else "") or None

    @property
    def engine_folder(self) -> Path:
        """Where an engine keeps its working tables; one on other machines must reach it under the same path."""
        return (self.engine_folder_override or self.home / "engine").expanduser().absolute()

    @property
    def inbox(self) -> Path:
        """The folder that the sensor watches for new cases."""
        return self.inbox_override or self.home / "inbox"

    @property
    def cases_dir(self) -> Path:
        """One folder a case."""
        return self.home / "cases"

    @property
    def dagster_home(self) -> Path:
        """The orchestrator's own state."""
        return self.home / "dagster"
