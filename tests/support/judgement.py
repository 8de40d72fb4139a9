"""A small bench to try judgement on: codes, words and policy as shipped, rows said in one line, counts made of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache

from m365dq_dagster.adapters.rule_pack import RulePack, load_rule_pack
from m365dq_dagster.core.adjudication import WITNESSES, Access, Client, Combo, Mark, Vocabulary, Word
from m365dq_dagster.core.outcome import LogType, Role
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.core.profile import ColumnCounts, FieldSpec, Witness
from m365dq_dagster.core.reliability import FieldJudgement, LogBench, judge_fields

TYPE_NAME = "Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus"
CODE, TEXT, CA = "status_error_code", "status", "conditional_access_status"
ERROR, OPERATION = "error_number", "operation"


@cache
def pack() -> RulePack:
    return load_rule_pack()


def vocabulary() -> Vocabulary:
    return pack().vocabulary


def policy() -> Policy:
    return pack().policy


def row(
    code: str = Mark.BLANK,
    word: Word | Mark = Mark.BLANK,
    access: Access | Mark = Mark.BLANK,
    rows: int = 1,
    *,
    client: Client = Client.OTHER,
    differ: bool = False,
    single_factor: bool | None = None,
) -> Combo:
    """Sign-in rows that say the same."""
    return Combo(LogType.SIGN_IN, code, word, access, client, single_factor, differ, rows)


def logon(code: str = Mark.BLANK, word: Word | Mark = Mark.BLANK, rows: int = 1) -> Combo:
    """Logon rows of the audit log that say the same."""
    return Combo(LogType.UAL, code, word, Mark.BLANK, rows=rows)


def specs(log_type: LogType = LogType.SIGN_IN) -> list[FieldSpec]:
    """The witnesses of a log type."""
    names = WITNESSES[log_type]
    found = [
        FieldSpec(log_type, names.code, Role.OUTCOME, Witness.PRIMARY, 1),
        FieldSpec(log_type, names.word, Role.OUTCOME, Witness.PRIMARY, 2),
    ]
    if names.access:
        found.append(FieldSpec(log_type, names.access, Role.OUTCOME, Witness.SECONDARY, 3))
    return found


def bench(combos: Sequence[Combo], only: Sequence[str] = ()) -> LogBench:
    log_type = combos[0].log_type if combos else LogType.SIGN_IN
    chosen = [spec for spec in specs(log_type) if not only or spec.field in only]
    return LogBench(log_type, combos, chosen, vocabulary(), policy())


def said(combo: Combo, field: str) -> str:
    names = WITNESSES[combo.log_type]
    value = combo.code if field == names.code else combo.word if field == names.word else combo.access
    return "" if value == Mark.BLANK else str(value)


def counts(combos: Sequence[Combo], field: str, type_names: int = 0, texts: Counter[str] | None = None) -> ColumnCounts:
    """What counting the column would give; blank rows hold the type name on `type_names` of them."""
    found = Counter(texts or {})
    if texts is None:
        for combo in combos:
            found[said(combo, field)] += combo.rows
    if type_names:
        found[""] -= type_names
        found[TYPE_NAME] += type_names
    found = +found
    total = found.total()
    top = found.most_common(1)[0] if found else ("", 0)
    present = total - found[""] - found[TYPE_NAME]
    return ColumnCounts(
        applicable=total,
        present=present,
        type_names=found[TYPE_NAME],
        distinct=len([k for k in found if found[k]]),
        top_value=None if top[0] in ("", TYPE_NAME) else top[0],
        top_raw=top[0] or None,
        top_rows=top[1],
        sum_k_ln_k=sum(k * math.log(k) for k in found.values() if k),
        in_domain=present,
    )


def judged(
    combos: Sequence[Combo],
    type_names: dict[str, int] | None = None,
    texts: dict[str, Counter[str]] | None = None,
) -> dict[str, FieldJudgement]:
    """Every witness of the rows judged, by field."""
    one = bench(combos)
    lost, read = type_names or {}, texts or {}
    chosen = specs(one.log_type)
    measured = {s.field: counts(combos, s.field, lost.get(s.field, 0), read.get(s.field)) for s in chosen}
    return {field.spec.field: field for field in judge_fields(one, chosen, measured)}
