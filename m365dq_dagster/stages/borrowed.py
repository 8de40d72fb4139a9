"""Judging a database that was handed over, by the stages of a run and without a run: nothing is published, nothing is
remembered, and the file is never changed. Notebooks and scripts come in here, through `m365dq_dagster.api`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from m365dq_dagster.adapters import borrowed, measure
from m365dq_dagster.adapters.borrowed import Borrowed
from m365dq_dagster.adapters.clock import SystemClock
from m365dq_dagster.adapters.places import CountryDatabase
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.adapters.sql.borrowed import Columns
from m365dq_dagster.core.checks import CheckResult, failed_blocking
from m365dq_dagster.core.context import CaseContext, parse_context
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import CaseStage
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.stages import document, quality, reliability, verification
from m365dq_dagster.stages.case_run import CaseRun
from m365dq_dagster.stages.packs import pack_at_rest
from m365dq_dagster.stages.quality import Judged

if TYPE_CHECKING:
    from m365dq_dagster.adapters.registry import Registry
    from m365dq_dagster.adapters.rule_pack import RulePack

JUDGED = borrowed.JUDGED
"""The tables of which outcomes are judged."""

CASE = "database"
"""What the case is called where the database names none."""


@dataclass(frozen=True)
class Profile:
    """The fields of a database judged: by log type, with the columns that its tables really have."""

    path: Path
    columns: Mapping[str, Columns]
    fields: Judged
    policy: Policy


@dataclass(frozen=True)
class Examination:
    """A database judged to the end: the case document, and counts by what the logs say of themselves.

    `by_access` counts rows of the sign-in log by Conditional Access as read, `by_operation` rows of the audit log by
    operation and result status as read; '' stands for a blank.
    """

    path: Path
    columns: Mapping[str, Columns]
    document: Mapping[str, Any]
    by_access: Mapping[str, int]
    by_operation: Mapping[tuple[str, str], int]
    policy: Policy


class Unrecorded:
    """Stands where the registry stands: a look at a database is no run of a case, and is remembered nowhere."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given, **more: None

    def schema_changes_of_case(self, *_: object) -> list[Any]:
        """None are remembered."""
        return []


def profile(db_path: str | Path) -> Profile:
    """Judge the fields of a database. Raises `BadInput` where it cannot be read."""
    with _opened(db_path, ()) as (run, found):
        fields = quality.run(run).fields
        return Profile(found.path, found.columns, fields, run.pack.policy)


def examine(db_path: str | Path, home_countries: Sequence[str] = ()) -> Examination:
    """Judge a database to the end, as a run would.

    A published generation is judged with the context it was judged with, and with its override until that ends by its
    last day; `home_countries`, where given, replace its home countries. Raises `BadInput` where it cannot be read or
    holds no log.
    """
    with _opened(db_path, home_countries) as (run, found):
        _holds_a_log(found)
        body = _judged(run, found)
        by_access, by_operation = borrowed.by_access(run.con), borrowed.by_operation(run.con)
        return Examination(found.path, found.columns, body, by_access, by_operation, run.pack.policy)


def count(db_path: str | Path, table: str, field: str) -> tuple[int, int, int, str | None, int]:
    """Rows, blanks, distinct values (blank is one), the commonest value and its rows, of any column of any table.

    Raises `BadInput` where the file cannot be read or has no such column.
    """
    return borrowed.counted(Path(db_path), table, field)


def write_normalized(db_path: str | Path, out: str | Path) -> int:
    """Write the view `v_normalized_status` of a published generation as an indexed table into a new database.

    Returns the number of rows. Raises `BadInput` where there is no such view, or `out` exists or cannot be made.
    """
    return borrowed.write_normalized(Path(db_path), Path(out))


@contextmanager
def _opened(db_path: str | Path, home_countries: Sequence[str]) -> Iterator[tuple[CaseRun, Borrowed]]:
    pack = pack_at_rest(Settings.load())
    with borrowed.borrowed(Path(db_path), pack) as found:
        yield _run(found, pack, home_countries), found


def _run(found: Borrowed, pack: RulePack, home_countries: Sequence[str]) -> CaseRun:
    """A run on the copy, with the context that a published generation was judged with, and its override while that
    holds.
    """
    body, place = found.document, found.path.parent
    clock = SystemClock()
    return CaseRun(
        case_id=str(body.get("case") or CASE),
        run_id=str(body.get("generation") or CASE),
        folder=place,
        case_dir=place,
        context=_context(body, str(found.path), home_countries),
        pack=pack,
        con=found.con,
        registry=cast("Registry", Unrecorded()),
        clock=clock,
        override=_override(body, clock.now()),
        country_database=CountryDatabase.open(Settings.load().country_database),
    )


def _override(body: Mapping[str, Any], now: datetime) -> Override | None:
    """The override of a published generation, until the end of its last day."""
    kept = (body.get("quality") or {}).get("override")
    override = Override.of(kept) if kept else None
    return override if override and now < override.ends else None


def _context(body: Mapping[str, Any], where: str, home_countries: Sequence[str]) -> CaseContext:
    given = (home_countries,) if isinstance(home_countries, str) else tuple(home_countries)
    kept = {key: value for key, value in dict(body.get("context") or {}).items() if value}
    return parse_context(kept, where).with_options(given, None)


def _holds_a_log(found: Borrowed) -> None:
    if not set(found.columns) & set(borrowed.JUDGED):
        wanted = ", ".join(borrowed.JUDGED)
        raise BadInput(f"{found.path}: none of the tables {wanted} is there, so there is nothing to verify.")


def _judged(run: CaseRun, found: Borrowed) -> dict[str, Any]:
    """The stages after intake, as far as the gate lets them, and the document they make."""
    told = tuple(CheckResult.of(body) for body in found.failures if body.get("stage") == "intake")
    kept = run.pack.policy.checks.reheard(run.case_id, told)
    measure.keep_failed(run.con, "intake", kept)
    for stage in (quality, reliability, verification):
        checks = stage.run(run)
        if run.override is None and failed_blocking((*kept, *getattr(checks, "checks", ()))):
            return document.build(run, stage=str(CaseStage.CHECKED))
    return document.build(run, stage=str(CaseStage.VERIFIED))
