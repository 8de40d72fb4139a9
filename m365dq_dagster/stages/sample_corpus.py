"""The whole-case families in every shape of export, as labelled cases."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import cycle, islice, product
from pathlib import Path

from m365dq_dagster.adapters.synthetic.vocabulary import SIGN_IN_SHAPES
from m365dq_dagster.stages.generate import GeneratedCase, generate

WHOLE = ("one-user", "all-blocked", "single-country", "mostly-success", "healthy", "oculus")


@dataclass(frozen=True)
class CaseOrder:
    """One case of the corpus."""

    family: str
    seed: int
    shape: str
    audit_shape: str = ""
    variant: str = ""
    devices: bool = True
    context: bool = True
    mfa_steps: bool = True


def corpus(cases: int, seed: int = 7) -> tuple[CaseOrder, ...]:
    """So many cases, families and shapes in turn."""
    mixed = cycle(product(map(str, SIGN_IN_SHAPES), WHOLE, (True, False)))
    return tuple(
        CaseOrder(family, seed + number, shape, devices=devices)
        for number, (shape, family, devices) in enumerate(islice(mixed, cases))
    )


def generate_order(order: CaseOrder, out: Path) -> GeneratedCase:
    """Write the case, and its truth in the words of the scoreboard."""
    made = generate(order.family, out, seed=order.seed, shape=order.shape, devices=order.devices, context=order.context)
    label = json.loads(made.expected.read_text(encoding="utf-8"))
    label["truth"] = {
        "breach": label["verdict"] == "BREACH_INDICATED",
        "compromised_accounts": label["compromised_accounts"],
        "attacked_accounts": [],
        "any_success": bool(label["true_outcome"]["sign_in_logs"].get("SUCCESS")),
        "rows": label["events"]["sign_in_logs"],
        "outcome_field": label["recommended"]["sign_in_logs"],
        "healthy_export": label["variant"] == "intact",
    }
    made.expected.write_text(json.dumps(label), encoding="utf-8")
    return made
