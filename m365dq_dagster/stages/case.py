"""A case as a whole: which folder and context it has, whether anything has changed since it was last judged, and how
a run of it ends.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.case_store import CaseStore, open_reader
from m365dq_dagster.adapters.clock import Clock, SystemClock
from m365dq_dagster.adapters.evidence.folder import LEFTOVER, case_files, evidence_digest, must_be_listed, read_anew
from m365dq_dagster.adapters.evidence.remembered import Remembered
from m365dq_dagster.adapters.operating_user import operating_person
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.checks import SWITCHED_OFF
from m365dq_dagster.core.context import CaseContext, case_id_from_folder, parse_context, valid_case_id
from m365dq_dagster.core.errors import BadInput, CaseBusy
from m365dq_dagster.core.outcome import CaseStage, DateOrder
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.core.progress import STAGES
from m365dq_dagster.stages import published
from m365dq_dagster.stages.case_run import FORGET_MISSING, CaseRun
from m365dq_dagster.stages.packs import effective_pack, keep_pack

if TYPE_CHECKING:
    from m365dq_dagster.adapters.places import CountryDatabase

CONTEXT_FILE = "case.toml"
MAX_CONTEXT_BYTES = 1 << 20
FOLDER_SEPARATOR = "\n"
TOML_DIGEST = "case_toml"
OPTIONS = "options"


@dataclass(frozen=True)
class PreparedCase:
    """A registered case, ready to be run.

    `identity` is the digest of evidence, context, rule pack, override and database of countries, empty where nothing is
    published that it could be held against; `unchanged` says that the published generation was judged from exactly
    that; `judged_at` is when, `document` what it says then.
    """

    case_id: str
    folder: Path
    context: CaseContext
    identity: str
    unchanged: bool
    judged_at: datetime | None = None
    more_folders: tuple[Path, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    country_database: CountryDatabase | None = None
    document: Mapping[str, Any] = field(default_factory=dict)


def prepare_case(
    settings: Settings,
    registry: Registry,
    store: CaseStore,
    pack: RulePack,
    folder: Path,
    case_id: str | None = None,
    *,
    add: bool = False,
    home_countries: Sequence[str] = (),
    date_order: DateOrder | None = None,
    override: Override | None = None,
    forget_missing: bool = False,
    verify: bool = False,
    clock: Clock | None = None,
) -> PreparedCase:
    """Register the case with its folder and context, and tell whether there is anything to do.

    The id comes from `case_id`, else from `case.toml`, else from the folder's name. Raises `BadInput` where the
    folder, the context or the id cannot be used, or where the case is known with another folder and `add` was not
    asked for. With `forget_missing` the rows of files that have gone from the folder are left out. Whether a file has
    changed is told by its size and times; with `verify` by its bytes.
    """
    now = (clock or SystemClock()).now()
    root = _readable(folder)
    given = read_context(root)
    name = valid_case_id(case_id) if case_id else given.case_id or case_id_from_folder(root.name)
    record = registry.case(name)
    folders = _folders(name, root, tuple(record.folder.split(FOLDER_SEPARATOR)) if record else (), add=add)
    context = _context_of(folders).with_options(tuple(home_countries), date_order)
    if override is not None:
        registry.add_override(name, override.reason, operating_person(override.actor), override.expires, now)
    options = {FORGET_MISSING: "yes"} if forget_missing else {}
    _register(registry, name, folders, context, options, now)
    skipped = override_in_force(registry, name, now)
    places = _countries(settings)
    prepared = _prepared(registry, store, pack, name, folders, context, skipped, options, places, verify=verify)
    if prepared.unchanged:
        _put_right(registry, store, prepared, now)
    return prepared


def _register(
    registry: Registry,
    case_id: str,
    folders: Sequence[Path],
    context: CaseContext,
    options: Mapping[str, str],
    now: datetime,
) -> None:
    """Remember the case as it is about to be run, and which `case.toml` its context was taken from."""
    kept = {**context.as_mapping(), TOML_DIGEST: _toml_digest(folders[0]), OPTIONS: dict(options)}
    registry.register_case(case_id, FOLDER_SEPARATOR.join(str(one) for one in folders), kept, now)


def open_case(
    settings: Settings,
    registry: Registry,
    store: CaseStore,
    case_id: str,
    pack: RulePack | None = None,
    *,
    reads_evidence: bool = True,
) -> PreparedCase:
    """A case that is registered already, as it was registered; a `case.toml` that has changed since is read over it.
    To be judged by the pack in force unless another is given. A run that does not read the evidence asks for no folder.

    Raises `BadInput` where the case is unknown.
    """
    record = registry.case(valid_case_id(case_id))
    if record is None:
        raise BadInput(
            f"There is no case {case_id!r}; register it with `m365dq run FOLDER`, or put its folder into the inbox."
        )
    named = tuple(Path(text) for text in record.folder.split(FOLDER_SEPARATOR))
    folders = tuple(_readable(one) for one in named) if reads_evidence else named
    kept = dict(record.context)
    options = kept.pop(OPTIONS, {})
    same_toml = kept.pop(TOML_DIGEST, None) == _toml_digest(folders[0])
    data = {key: value for key, value in kept.items() if value}
    if not same_toml:
        data.update(_read_toml(folders[0] / CONTEXT_FILE))
    context = parse_context(data, str(folders[0] / CONTEXT_FILE))
    override = override_in_force(registry, case_id, SystemClock().now())
    places = _countries(settings)
    pack = pack or effective_pack(settings, registry)
    if not reads_evidence:
        return PreparedCase(case_id, folders[0], context, "", False, record.last_run, folders[1:], options, places)
    return _prepared(registry, store, pack, case_id, folders, context, override, options, places)


def override_in_force(registry: Registry, case_id: str, now: datetime) -> Override | None:
    """The override that was recorded for the case and has not ended."""
    found = registry.active_override(case_id, now)
    return Override(found.reason, found.actor, found.expires.isoformat(), found.recorded_by) if found else None


def read_context(folder: Path) -> CaseContext:
    """The context in the folder's `case.toml`; empty where there is none. Raises `BadInput` where it cannot be read."""
    return parse_context(_read_toml(folder / CONTEXT_FILE), str(folder / CONTEXT_FILE))


def _toml_digest(folder: Path) -> str | None:
    """SHA-256 of the folder's `case.toml`, or None where there is none."""
    path = folder / CONTEXT_FILE
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_CONTEXT_BYTES:
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_toml(path: Path) -> dict[str, Any]:
    if path.is_symlink() or not path.is_file():
        return {}
    try:
        if path.stat().st_size > MAX_CONTEXT_BYTES:
            raise BadInput(f"{path} is larger than 1 MB and is no case context; remove it or write a short one.")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not readable TOML ({error}); correct it or remove it.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); give yourself read permission.") from None


def _readable(folder: Path) -> Path:
    root = folder.expanduser().resolve()
    if not root.is_dir():
        raise BadInput(f"{root}: there is no such folder; give the folder that holds the exports.")
    return root


def _folders(case_id: str, root: Path, known: tuple[str, ...], *, add: bool) -> tuple[Path, ...]:
    if not known or str(root) in known:
        return tuple(Path(text) for text in known) or (root,)
    if not add:
        raise BadInput(
            f"Case {case_id} belongs to {known[0]}; {root} is another folder. Give --case another id, or --add to add "
            "its evidence to the case."
        )
    return (*(Path(text) for text in known), root)


def _context_of(folders: Iterable[Path]) -> CaseContext:
    """The context of the first folder that has one."""
    contexts = [read_context(folder) for folder in folders if (folder / CONTEXT_FILE).is_file()]
    return contexts[0] if contexts else CaseContext()


def _prepared(
    registry: Registry,
    store: CaseStore,
    pack: RulePack,
    case_id: str,
    folders: tuple[Path, ...],
    context: CaseContext,
    override: Override | None,
    options: Mapping[str, str],
    places: CountryDatabase | None,
    *,
    verify: bool = False,
) -> PreparedCase:
    current = store.current(case_id)
    if verify:
        read_anew()
    identity, document = "", {}
    if current:
        known = Remembered() if verify else Remembered.load(current.parent)
        identity = identity_of(evidence_digest(case_files(folders, known)), context, pack, override, places)
        if known.is_new:
            known.keep(current.parent)
        document = published.settled(current, identity, forgets=bool(options))
    else:
        must_be_listed(folders)
    record = registry.case(case_id)
    judged_at = record.last_run if record else None
    return PreparedCase(
        case_id, folders[0], context, identity, bool(document), judged_at, folders[1:], options, places, document
    )


def _countries(settings: Settings) -> CountryDatabase | None:
    """The database of countries, where one is named; only then is what reads it loaded."""
    if settings.country_database is None:
        return None
    from m365dq_dagster.adapters.places import CountryDatabase

    return CountryDatabase.open(settings.country_database)


def identity_of(
    evidence: str,
    context: CaseContext,
    pack: RulePack,
    override: Override | None,
    places: CountryDatabase | None = None,
) -> str:
    """What a verdict is judged from, as one digest: the same identity, the same verdict."""
    skipped = [override.reason, override.actor, override.expires] if override else []
    parts = [evidence, context.digest(), pack.content_hash, skipped, *([places.edition.sha256] if places else [])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def finish_run(run: CaseRun) -> dict[str, Any]:
    """End a run that got as far as it may: the report where none was made in this run, and what it was judged from.

    Nothing is published here. Returns the case document; once it is published, `remember` it.
    """
    from m365dq_dagster.stages import report

    if not report.is_made(run):
        report.run(run)
    measure.note(run.con, published.IDENTITY, identity_judged(run))
    keep_pack(run.case_dir, run.pack)
    return published.kept(run.con)


def remember(registry: Registry, store: CaseStore, case_id: str, now: datetime) -> None:
    """Bring import, verdict and stage of a case in the registry to what its published generation says.

    Kept apart from the run, so that it can be made good where a run ended between publishing and this.
    """
    from m365dq_dagster.stages.indicators import verifiers_ran

    current = store.current(case_id)
    if current is None:
        return
    with open_reader(current) as con:
        body, identity = published.kept(con), measure.noted(con, published.IDENTITY) or ""
        verifiers = verifiers_ran(con)
    quality = body["quality"]
    if body.get("rejudged"):  # nothing was imported
        _set_stage(registry, case_id, body, now)
        registry.set_verdict(case_id, body["status"], identity, now, _judged_under(body))
        return
    registry.record_import(
        case_id,
        body["generation"],
        datetime.fromisoformat(body["started_at"]),
        body["seconds"],
        sum(file["rows_read"] for file in body["files"]),
        quality["status"],
        _import_reason(quality),
        0 if quality["status"] == "FAIL" else verifiers,
        now,
    )
    _set_stage(registry, case_id, body, now)
    registry.set_verdict(case_id, body["status"], identity, now, _judged_under(body))


def _judged_under(body: Mapping[str, Any]) -> dict[str, Any]:
    """How the quality gate stood when a generation was judged."""
    override = body["quality"]["override"]
    kept = ("reason", "actor", "expires", "recorded_by")
    return {
        "generation": body["generation"],
        "quality": body["quality"]["status"],
        "override": {key: override.get(key) for key in kept} if override else None,
    }


def _import_reason(quality: Mapping[str, Any]) -> str | None:
    """The stable code of why an import did not pass, or None where it did."""
    if quality["failed_checks"]:
        return str(quality["failed_checks"][0]["code"])
    off = [row for row in quality.get("switched_off", ()) if row["blocking"]]
    return SWITCHED_OFF if off else None


def forget_options(run: CaseRun) -> None:
    """Options hold for one run: once it is published, the case is registered without them."""
    if run.options:
        _register(run.registry, run.case_id, run.folders, run.context, {}, run.clock.now())


def _set_stage(registry: Registry, case_id: str, body: Mapping[str, Any], now: datetime) -> None:
    """Move the case to the stage that its document stands at, one step at a time where it is behind."""
    stage, blocker = CaseStage(body["stage"]), _blocker(body)
    record = registry.case(case_id)
    if record and (record.stage, record.blocked_by) == (stage, blocker):
        return
    for step in STAGES[: STAGES.index(stage)]:
        registry.set_stage(case_id, step, now)
    registry.set_stage(case_id, stage, now, blocked_by=blocker)


def _blocker(body: Mapping[str, Any]) -> str | None:
    """The check that holds a case back at its gate."""
    stopped = body["quality"]["status"] == "FAIL" and body["stage"] == CaseStage.CHECKED
    return str(body["quality"]["failed_checks"][0]["check"]) if stopped else None


def _put_right(registry: Registry, store: CaseStore, prepared: PreparedCase, now: datetime) -> None:
    """Make good what a killed run left behind, where nothing is to be judged again; not while another run works."""
    case_id = prepared.case_id
    with suppress(CaseBusy), store.lock(case_id, 0):
        store.sweep(case_id)
        _clear_unpacked(store.case_dir(case_id))
        if not _is_remembered(registry, prepared):
            remember(registry, store, case_id, now)


def _clear_unpacked(case_dir: Path) -> None:
    if any(case_dir.glob(f"{LEFTOVER}*")):
        from m365dq_dagster.adapters.evidence.archives import unpacking

        with unpacking(case_dir):
            pass


def _is_remembered(registry: Registry, prepared: PreparedCase) -> bool:
    record, body = registry.case(prepared.case_id), prepared.document
    return record is not None and (record.identity, record.verdict, record.stage, record.blocked_by) == (
        prepared.identity,
        body["status"],
        body["stage"],
        _blocker(body),
    )


def identity_judged(run: CaseRun) -> str:
    """The identity of what was judged, or an empty text where the folder changed since it was read or is not there, so
    that the next run reads it again.
    """
    known = Remembered()
    try:
        found = case_files(run.folders, known)
    except BadInput:
        return ""
    known.keep(run.case_dir)
    read: dict[str, str] = dict(measure.run_named(run.con, "read_files", file="document"))
    if any(file.sha256 != read.get(file.path) for file in found if file.sha256):
        return ""
    return identity_of(evidence_digest(found), run.context, run.pack, run.override, run.country_database)
