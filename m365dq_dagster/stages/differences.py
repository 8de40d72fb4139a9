"""Two judgements of one case side by side: finding the generations, reading what is kept of each, and the rule packs
they were judged by. What differs is worked out in `core.differences`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.case_store import CaseStore, open_reader
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import CODES, OPERATIONS, POLICY, REFERENCE, VALUES, RulePack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.context import valid_case_id
from m365dq_dagster.core.differences import Difference, PackSide, Tally, compare
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.printable import printable
from m365dq_dagster.stages.packs import effective_pack, kept_pack
from m365dq_dagster.stages.published import kept, report_dir

APART = frozenset(f"{REFERENCE}/{name}" for name in (CODES, VALUES, OPERATIONS, POLICY))
"""Files that are compared row by row or number by number."""


@dataclass(frozen=True)
class Generation:
    """One judgement of a case. `path` is its database; None where only its report was kept."""

    id: str
    path: Path | None
    report: Path


def generations(store: CaseStore, case_id: str) -> list[Generation]:
    """The judgements of a case, oldest first; of those that were thinned out the report stays. Raises `BadInput` for a
    case that was never judged.
    """
    kept = store.generations(valid_case_id(case_id))
    if not kept:
        raise BadInput(
            f"There is no case {case_id!r} that was judged; run `m365dq run FOLDER` first, or see `m365dq cases`."
        )
    case_dir = store.case_dir(case_id)
    names = {path.stem for path in kept}
    old = [path for path in case_dir.glob("reports/*/report.json") if path.parent.name not in names]
    old.sort(key=lambda path: (path.stat().st_mtime_ns, path.parent.name))
    found = [Generation(path.parent.name, None, path) for path in old]
    return [*found, *(Generation(path.stem, path, report_dir(case_dir, path.stem) / "report.json") for path in kept)]


def runs(store: CaseStore, case_id: str) -> list[dict[str, Any]]:
    """The judgements of a case as plain rows, oldest first: when, by which pack, and what was concluded."""
    names = ("generation", "started_at", "rule_pack", "status", "confidence", "headline", "rejudged")
    found = generations(store, case_id)
    rows = [(one, read(one)) for one in found]
    return [
        {**{name: body.get(name) for name in names}, "rows_kept": one.path is not None, "published": one is found[-1]}
        for one, body in rows
    ]


def difference(
    settings: Settings, registry: Registry, case_id: str, before: str | None = None, after: str | None = None
) -> Difference:
    """What two judgements of a case say differently, and why; the last two unless told otherwise, by id or the unique
    beginning of one. Raises `BadInput` where there are not two, or one is not there.
    """
    store = CaseStore(settings.cases_dir)
    found = generations(store, case_id)
    later = _picked(found, after, case_id) if after else found[-1]
    earlier = _picked(found, before, case_id) if before else _before(found, later, case_id)
    bodies = read(earlier), read(later)
    return compare(*bodies, _tallies(earlier, later), _packs(settings, registry, case_id, *bodies))


def _before(found: list[Generation], later: Generation, case_id: str) -> Generation:
    at = found.index(later)
    if at == 0:
        raise BadInput(f"Case {case_id} has no judgement before this one, so there is nothing to compare it with.")
    return found[at - 1]


def _picked(found: list[Generation], name: str, case_id: str) -> Generation:
    fitting = [one for one in found if one.id.startswith(name.strip())]
    if len(fitting) != 1:
        many = "more than one judgement begins" if fitting else "no judgement begins"
        raise BadInput(f"Case {case_id}: {many} with {printable(name, 40)!r}; `m365dq show {case_id} runs` lists them.")
    return fitting[0]


def read(one: Generation) -> dict[str, Any]:
    """The document of a judgement. Raises `BadInput` where nothing of it can be read."""
    if one.path is not None:
        with open_reader(one.path) as con:
            if body := kept(con):
                return body
    try:
        return dict(json.loads(one.report.read_bytes()))
    except (OSError, ValueError, TypeError):
        raise BadInput(f"{one.report} cannot be read; of this judgement nothing else was kept.") from None


def _tallies(earlier: Generation, later: Generation) -> tuple[Tally, Tally] | None:
    """Rows by code and outcome of both, or None where the rows of one are not kept."""
    if earlier.path is None or later.path is None:
        return None
    return _tally(earlier.path), _tally(later.path)


def _tally(path: Path) -> Tally:
    with open_reader(path) as con:
        if not measure.has_table(con, "events"):
            return {}
        rows = measure.run_named(con, "outcomes_by_code", file="document")
        return {(log_type, code, outcome): int(count) for log_type, code, outcome, count in rows}


def _packs(
    settings: Settings, registry: Registry, case_id: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[PackSide, PackSide] | None:
    """Both rule packs, or None where one of them was not kept."""
    if before.get("rule_pack") == after.get("rule_pack"):
        return PackSide(), PackSide()
    known = (effective_pack(settings, registry),)
    try:
        one, other = (kept_pack(settings, case_id, str(body.get("rule_pack")), known) for body in (before, after))
    except BadInput:
        return None
    return _side(one), _side(other)


def _side(pack: RulePack) -> PackSide:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in pack.files.items() if name not in APART}
    return PackSide(pack.reference, _flat(pack.policy_table), digests)


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, object]:
    """Numbers and switches by their whole name."""
    found: dict[str, object] = {}
    for key, value in table.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return found
