"""The rule pack that runs judge by, and others to judge by instead. What a pack holds is read in the adapters; which of
its layers wins is judged in `core.reference`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from m365dq_dagster.adapters import pack_snapshots
from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.pack_overlay import overlaid, remember
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import EXPECTATIONS, REFERENCE, RulePack, load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.code_changes import ChangeState
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.printable import printable
from m365dq_dagster.core.reference import Layer, reference_key

EFFECTIVE, SHIPPED = "effective", "shipped"
HASH = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})")
LEAST = 8
"""Digits of a hash that name a pack."""


def effective_pack(settings: Settings, registry: Registry) -> RulePack:
    """What ships, with the changes that people approved and the home's own files upon it: what every run judges by.

    Raises `BadInput` naming the local file or the change that cannot be used.
    """
    return overlaid(load_rule_pack(), approved_layers(registry), settings.home)


def pack_at_rest(settings: Settings) -> RulePack:
    """The rule pack in force for who only looks: a registry that is not there yet is not made, and approves nothing."""
    if not Registry.is_there(settings.registry_url):
        return overlaid(load_rule_pack(), (), settings.home)
    with Registry.open(settings.registry_url) as registry:
        return effective_pack(settings, registry)


def approved_layers(registry: Registry) -> list[Layer]:
    """Every approved change as a layer, oldest first."""
    return [
        Layer(
            key=reference_key(change.key.log_type, change.key.field, change.key.value),
            given=change.after.as_mapping(),
            source=f"change {change.id}",
            before=change.before.as_mapping() if change.before else None,
            number=change.id,
        )
        for change in registry.code_changes(ChangeState.APPROVED)
    ]


def open_pack(
    settings: Settings, registry: Registry, case_id: str, ref: str, effective: RulePack | None = None
) -> RulePack:
    """The pack that somebody names: `effective`, `shipped`, a folder that holds `reference_data` (and `expectations`),
    or `sha256:` with at least eight digits of a hash that any case was judged by. Who has the effective one already
    hands it over.

    `in_force` where it says what the effective one says. Raises `BadInput` where there is no such pack.
    """
    effective = effective or effective_pack(settings, registry)
    if ref == EFFECTIVE:
        return effective
    found = _named(settings, case_id, ref, effective)
    return replace(found, in_force=found.content_hash == effective.content_hash)


def _named(settings: Settings, case_id: str, ref: str, effective: RulePack) -> RulePack:
    shipped = load_rule_pack()
    if ref == SHIPPED:
        return shipped
    if ref.endswith(".zip") and Path(ref).is_file():
        return pack_snapshots.read(Path(ref))
    if Path(ref).is_dir():
        return _in_folder(Path(ref))
    if digits := HASH.fullmatch(ref.strip().lower()):
        return kept_pack(settings, case_id, digits[1], (effective, shipped))
    raise BadInput(
        f"There is no rule pack {printable(ref, 80)!r}; give effective, shipped, a folder that holds {REFERENCE}, or "
        f"sha256: with at least {LEAST} digits, as `m365dq show {case_id} runs` lists them."
    )


def kept_pack(settings: Settings, case_id: str, digits: str, known: tuple[RulePack, ...] = ()) -> RulePack:
    """The pack whose hash begins so: one of those known, or one that this case or else any other was judged by.

    Raises `BadInput` where there is none or more than one.
    """
    beginning = digits.removeprefix(pack_snapshots.PREFIX)
    found = {pack.content_hash: pack for pack in known if pack.content_hash[7:].startswith(beginning)}
    cases = CaseStore(settings.cases_dir)
    own = cases.case_dir(case_id)
    paths = pack_snapshots.find([own], beginning) or pack_snapshots.find(cases.case_dirs(), beginning)
    hashes = {*found, *(f"{pack_snapshots.PREFIX}{path.stem}" for path in paths)}
    if len(hashes) > 1:
        raise BadInput(f"More than one rule pack begins with {digits[:20]}; give more digits.")
    if not hashes:
        raise BadInput(
            f"No case keeps a rule pack that begins with {digits[:20]}; `m365dq show {case_id} runs` lists the rule "
            "packs of this case."
        )
    return next(iter(found.values())) if found else pack_snapshots.read(paths[0])


def _in_folder(folder: Path) -> RulePack:
    root = folder / REFERENCE if (folder / REFERENCE).is_dir() else folder
    if not (root / "status_codes.csv").is_file():
        raise BadInput(f"{folder} holds no rule pack; give a folder that holds {REFERENCE}/status_codes.csv.")
    expectations = root.parent / EXPECTATIONS
    return load_rule_pack(root.resolve(), expectations.resolve() if expectations.is_dir() else None)


def keep_pack(case_dir: Path, pack: RulePack) -> None:
    """Keep the pack that a case is judged by, so that the verdict can be reached again; and what ships below the home's
    own files.
    """
    pack_snapshots.keep(case_dir, pack)
    remember(pack)
