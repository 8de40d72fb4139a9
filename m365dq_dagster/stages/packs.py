"""The rule pack that runs judge by, and others to judge by instead. What a pack holds is read in the adapters; which of
its layers wins is judged in `core.reference`.
"""

from __future__ import annotations

from m365dq_dagster.adapters.pack_overlay import overlaid
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import RulePack, load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.code_changes import ChangeState
from m365dq_dagster.core.reference import Layer, reference_key


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
