"""What the rows were like on which a conclusion leaned: counted in a published generation, for corrections to keep.
What that teaches is judged in `core.learned_rules`.
"""

from __future__ import annotations

from typing import Any

import duckdb

from m365dq_dagster.adapters.measure import LOGON_ONLY, run_named
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.adapters.sql.circumstances import MOST_WORDS, askable, count_words
from m365dq_dagster.core.adjudication import Client
from m365dq_dagster.core.outcome import LogType


def count_circumstances(
    con: duckdb.DuckDBPyConnection, pack: RulePack, log_type: str, field: str, account: str | None
) -> dict[str, Any]:
    """Of the rows on which a field holds a value: how many are the account's (`rows`; all without an account), how
    many others there are, and for each circumstance the words with both numbers. Empty where the log has no such field.
    """
    columns = {name for (name,) in run_named(con, "columns_of", {"name": log_type})}
    if field not in columns:
        return {}
    counted = {name: _count(con, pack, log_type, field, name, account) for name in askable(columns)}
    mine, others = (sum(row[1] for row in counted["aggregated"]), sum(row[2] for row in counted["aggregated"]))
    words = {
        name: {str(row[0]): [row[1], row[2]] for row in rows if row[0] is not None} for name, rows in counted.items()
    }
    return {"rows": mine, "other_rows": others, "words": {name: told for name, told in words.items() if told}}


def _count(
    con: duckdb.DuckDBPyConnection, pack: RulePack, log_type: str, field: str, name: str, account: str | None
) -> list[tuple[str | None, int, int]]:
    kinds: dict[Client, list[str]] = {kind: [] for kind in (Client.ACTIVESYNC, Client.LEGACY)}
    for word, kind in pack.vocabulary.clients.items():
        kinds.setdefault(kind, []).append(word)
    otherwise = Client.LEGACY if log_type == LogType.LEGACY else Client.OTHER
    logons = log_type == LogType.UAL and field in LOGON_ONLY
    text, values = count_words(log_type, field, name, kinds, otherwise, logons_only=logons)
    rows = con.execute(text, {**values, "account": account}).fetchall()
    return [(word, int(mine), int(others)) for word, mine, others in rows[:MOST_WORDS]]
