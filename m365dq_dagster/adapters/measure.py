"""Measures the evidence of a case in SQL and keeps what was judged of it. Every number that `core` judges by is
counted here; nothing is judged here.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import duckdb

from m365dq_dagster.adapters import sql
from m365dq_dagster.adapters.engine import Evidence, Rows, engine_of
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.adapters.sql.context_rules import Asked, count_matches
from m365dq_dagster.adapters.sql.document import reach_of
from m365dq_dagster.adapters.sql.logons import logon_rows
from m365dq_dagster.adapters.sql.profile import Counted
from m365dq_dagster.adapters.sql.profile import count_columns as count_columns_of
from m365dq_dagster.core.adjudication import Access, Client, Combo, Decision, Mark, Word
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.context import CaseContext
from m365dq_dagster.core.context_rules import ContextRule, Effect, Matches
from m365dq_dagster.core.outcome import LogType
from m365dq_dagster.core.parts import Sighting
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.core.profile import ColumnCounts, FieldSpec, Witness
from m365dq_dagster.core.stretches import Spot
from m365dq_dagster.core.verdict import AccountEvidence, Lead, LeadKind

RAW_COLUMNS = {"status_error_code", "status", "conditional_access_status", "error_number", "result_status"}
"""Fields whose text as read is kept beside the cleaned value."""

LOGON_ONLY = {"error_number", "operation", "result_status", "logon_error"}
"""Fields of the audit log that are profiled on logon rows, because only there they can speak of an outcome."""

JUDGED_LOGS = frozenset({LogType.SIGN_IN, LogType.LEGACY, LogType.UAL})
"""The log types whose logons are judged."""

ONLY = {**dict.fromkeys(LOGON_ONLY, "logons"), "mail_access_type": "mail access"}
"""Fields of the audit log that can exist on rows of one kind alone."""

Steps = Sequence[tuple[str, Mapping[str, object] | None]]
"""Named statements in their order, each with what is bound."""

COUNTED_AT_ONCE = 500_000
"""Rows of a log up to which its columns are counted by one statement: all their values are in memory meanwhile."""

SINGLE_FACTOR = {"single": True, "multi": False}


@dataclass(frozen=True)
class Window:
    """First and last event of the counted sign-ins, and the end of the baseline; None where no row has a time."""

    begins: datetime | None
    ends: datetime | None
    baseline_end: datetime | None

    @property
    def middle(self) -> datetime | None:
        """Half way between the first and the last event."""
        return self.begins + (self.ends - self.begins) / 2 if self.begins and self.ends else None


def run_named(con: Evidence, name: str, values: Mapping[str, object] | None = None, *, file: str = "judge") -> Rows:
    """Run a named statement; rows of its last part are returned."""
    return engine_of(con).run(sql.named_statements(file)[name], values)


def holds(con: Evidence, table: str) -> bool:
    """Whether a table that is there holds a row; yes where the engine would have to work for it."""
    return engine_of(con).holds(table)


def run_without(con: Evidence, name: str, *perhaps_empty: str, file: str = "judge") -> Rows:
    """Run a named statement without its joins with those of the tables that are empty by now."""
    engine = engine_of(con)
    empty = [table for table in perhaps_empty if not engine.holds(table)]
    return engine.run(sql.without_joins(sql.named_statements(file)[name], empty))


def counts_any(con: Evidence, name: str, values: Mapping[str, object] | None = None, *, file: str = "judge") -> bool:
    """Whether a named statement counts more than nothing."""
    return bool(run_named(con, name, values, file=file)[0][0])


def together(con: Evidence) -> AbstractContextManager[None]:
    """Write many small statements at once."""
    return engine_of(con).together()


def load_pack_tables(con: Evidence, pack: RulePack) -> None:
    """Lookup tables for this connection: known codes and words."""
    vocabulary = pack.vocabulary
    run_named(con, "pack_tables")
    codes = [[c, c in vocabulary.accepted_codes, c in vocabulary.accepted_codes_ropc] for c in vocabulary.codes]
    words = [
        *(["status", value, str(word)] for value, word in vocabulary.words.items()),
        *(["operation", value, str(word)] for value, word in vocabulary.operations.items()),
        *(["access", value, str(word)] for value, word in vocabulary.access.items()),
        *(["client", value, str(word)] for value, word in vocabulary.clients.items()),
    ]
    insert_rows(con, "pack_codes", codes)
    insert_rows(con, "pack_words", words)


def insert_rows(con: Evidence, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert a few thousand rows at once; values are never pasted."""
    engine_of(con).fill(table, rows)


def drop_outgrown(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what an earlier version wrote as tables and this one only looks at."""
    for (table,) in run_named(con, "outgrown"):
        con.execute(f"DROP TABLE {sql.quote_identifier(table)}")


def read_logons(con: Evidence, filled: Collection[LogType]) -> None:
    """Open the logons of the logs that are filled for this connection, with their witnesses reduced to known words;
    nothing is written. Asks for the pack tables and the parts.
    """
    engine_of(con).run(logon_rows(filled))
    run_without(con, "logons", "row_parts")


def build_logons(con: Evidence, filled: Collection[LogType] = ()) -> None:
    """Count what the witnesses of the logons say, by file, type and day, before any part is known. `filled` are the
    logs that hold any row; all are read where none is named.
    """
    run_named(con, "row_parts")
    read_logons(con, filled)
    run_named(con, "said")
    run_named(con, "witness_days")


def sightings(con: Evidence) -> dict[LogType, list[Sighting]]:
    """What witnesses say, with row counts, by log type, file, type of sign-in and day."""
    found: dict[LogType, list[Sighting]] = {}
    known: dict[tuple[str, str], Combo] = {}
    for log_type, file_id, kind, day, key, rows in run_named(con, "sightings"):
        combo = known.get((log_type, key))
        if combo is None:
            combo = known[(log_type, key)] = _combo(LogType(log_type), key, 1)
        found.setdefault(combo.log_type, []).append(Sighting(Spot(file_id, kind, day), combo, int(rows)))
    return found


def absent_witnesses(con: Evidence, specs: Iterable[FieldSpec]) -> dict[LogType, set[tuple[int, str]]]:
    """The (file, witness) pairs whose file has no such column, by log type."""
    names = sorted({spec.field for spec in specs if spec.witness in (Witness.PRIMARY, Witness.SECONDARY)})
    found: dict[LogType, set[tuple[int, str]]] = {}
    for log_type, file_id, field in run_named(con, "absent_witnesses", {"witnesses": names}):
        if log_type in JUDGED_LOGS:
            found.setdefault(LogType(log_type), set()).add((int(file_id), str(field)))
    return found


def log_paths(con: Evidence) -> dict[int, str]:
    """The path of every file of the ledger by its id."""
    return {int(file_id): str(path) for file_id, path in run_named(con, "log_paths")}


def files_by_log(con: Evidence) -> dict[LogType, tuple[str, ...]]:
    """The paths of the files that the logons of each log type come from, in order."""
    return {LogType(log_type): tuple(paths) for log_type, paths in run_named(con, "files_by_log")}


def mark_parts(con: Evidence, parts: Mapping[LogType, Mapping[Spot, str]]) -> None:
    """Name the part on every logon of a spot on which a witness is not heard as elsewhere."""
    rows = [
        [str(log_type), spot.file_id, spot.sign_in_type, spot.day, name]
        for log_type, spots in parts.items()
        for spot, name in spots.items()
    ]
    insert_rows(con, "row_parts", rows)


def combos(con: Evidence) -> dict[LogType, dict[str, Combo]]:
    """The distinct things that witnesses say, by log type and key, with their row counts."""
    found: dict[LogType, dict[str, Combo]] = {}
    for log_type, key, rows in run_named(con, "combos"):
        found.setdefault(LogType(log_type), {})[key] = _combo(LogType(log_type), key, int(rows))
    return found


def _combo(log_type: LogType, key: str, rows: int) -> Combo:
    code, word, access, client, factor, differ, *part = key.split("|")
    return Combo(
        log_type,
        code,
        Mark(word) if word in set(Mark) else Word(word),
        Mark(access) if access in set(Mark) else Access(access),
        Client(client),
        SINGLE_FACTOR.get(factor),
        differ == "1",
        rows,
        "".join(part),
    )


def count_columns(con: Evidence, specs: Iterable[FieldSpec], rows: Mapping[LogType, int]) -> None:
    """Count every profiled column exactly and keep the counts, so that later steps need not scan again. `rows` are
    those of each log.
    """
    engine = engine_of(con)
    with engine.together():
        run_named(engine, "column_counts_table")
        for log_type, found in groupby(specs, key=lambda spec: spec.log):
            columns = [_counted(spec) for spec in found]
            few = rows[log_type] <= COUNTED_AT_ONCE
            for together in [columns] if few else [[one] for one in columns]:
                for text in count_columns_of(log_type, together):
                    engine.run(text)


def _counted(spec: FieldSpec) -> Counted:
    only = ONLY.get(spec.field) if spec.log is LogType.UAL else None
    return Counted(spec.field, spec.field in RAW_COLUMNS, only, spec.field == "country")


def count_rule_matches(con: Evidence, pack: RulePack, licence: str | None) -> None:
    """Count the rows that match each context rule, one pass a log, and keep the counts for later steps."""
    kinds: dict[Client, list[str]] = {kind: [] for kind in (Client.ACTIVESYNC, Client.LEGACY)}
    for word, kind in pack.vocabulary.clients.items():
        kinds.setdefault(kind, []).append(word)
    found = []
    for log_type in filled_log_types(con):
        columns = engine_of(con).columns(log_type)
        otherwise = Client.LEGACY if log_type is LogType.LEGACY else Client.OTHER
        asked = [
            (rule.id, Asked(name, rule.when, _of_logons(rule, log_type, name), kinds, otherwise))
            for rule in pack.context_rules
            for of_log, name in rule.targets
            if of_log == log_type and rule.holds_for(licence)
        ]
        asked = [(rule_id, one) for rule_id, one in asked if one.columns <= columns]
        if asked:
            text, values = count_matches(log_type, [one for _, one in asked])
            numbers = engine_of(con).run(text, values)[0]
            for (rule_id, one), rows, whole in zip(asked, numbers[::2], numbers[1::2], strict=True):
                found.append([rule_id, str(log_type), one.field, int(rows), int(whole)])
    keep_json(con, "rule_matches", found)


def _of_logons(rule: ContextRule, log_type: LogType, name: str) -> bool:
    """A field that is judged on logons is asked there; where it cannot stand at all is asked of the whole log."""
    return log_type is LogType.UAL and name in LOGON_ONLY and rule.effect is not Effect.NOT_APPLICABLE


def rule_matches(con: Evidence) -> Matches:
    """The kept counts: (rule, log type, field) -> rows that match, of how many."""
    return {
        (rule, log_type, name): (rows, whole) for rule, log_type, name, rows, whole in read_json(con, "rule_matches")
    }


def column_counts(con: Evidence) -> dict[tuple[str, str], ColumnCounts]:
    """The kept counts by (log type, field)."""
    found = {}
    for row in engine_of(con).run("SELECT * FROM column_counts"):
        log_type, field, applicable, present, type_names, distinct, top_value, top_raw, top_rows, sum_k, valid = row
        found[(log_type, field)] = ColumnCounts(
            int(applicable),
            int(present),
            int(type_names),
            int(distinct),
            top_value,
            top_raw,
            int(top_rows),
            float(sum_k),
            int(valid),
        )
    return found


def filled_log_types(con: Evidence) -> dict[LogType, int]:
    """Rows of every canonical table that holds any."""
    return {LogType(log_type): int(rows) for log_type, rows in run_named(con, "log_rows") if rows}


def event_tables(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The canonical tables of a generation: those that only format files describe are there once evidence came in."""
    return [str(name) for (name,) in run_named(con, "event_tables", file="document")]


def other_logs(con: duckdb.DuckDBPyConnection, judged: Iterable[str]) -> Rows:
    """Log type, rows, first and last event of the filled tables of events that are not among those judged."""
    tables = [name for name in event_tables(con) if name not in set(judged)]
    return con.execute(reach_of(tables)).fetchall() if tables else []


def provenance(con: Evidence) -> dict[tuple[str, str], tuple[str, ...]]:
    """Where the values of each canonical field come from, over all files."""
    rows = run_named(con, "provenance", file="document")
    return {(log_type, field): tuple(found) for log_type, field, found in rows}


@dataclass(frozen=True)
class Proof:
    """The lines that prove a conclusion (path, row), the first ones of them; how many there are, how many contradict
    themselves, and the fields (log type, field) that decided them.
    """

    lines: Sequence[tuple[str, int]] = ()
    rows: int = 0
    contradictions: int = 0
    used: Sequence[tuple[str, str]] = ()


def proof(con: duckdb.DuckDBPyConnection, *, intruder: bool, most: int) -> Proof:
    """What proves the conclusion on the case, with at most `most` lines: all rows, or those that may be an
    intruder's.
    """
    run_named(con, "proof", {"intruder": intruder}, file="document")
    lines = run_named(con, "proof_lines", {"most": most}, file="document")
    return _proofs(con, {None: lines}).get(None, Proof())


def proofs(con: duckdb.DuckDBPyConnection, kinds: Mapping[str, str], most: int) -> Mapping[str | None, Proof]:
    """What proves the conclusion on each account, by the kind of rows that do, with at most `most` lines each; an
    account of which no row is left is not among them.
    """
    if not kinds:
        return {}
    run_named(con, "asked_proofs", file="document")
    insert_rows(con, "asked_proofs", list(kinds.items()))
    run_named(con, "proofs", file="document")
    lines: dict[str | None, Rows] = {}
    for account, path, row in run_named(con, "proofs_lines", {"most": most}, file="document"):
        lines.setdefault(account, []).append((path, row))
    return _proofs(con, lines)


def _proofs(con: duckdb.DuckDBPyConnection, lines: Mapping[str | None, Rows]) -> dict[str | None, Proof]:
    return {
        account: Proof(
            [(path, int(row)) for path, row in lines.get(account, ())], int(rows), int(contradictions), used or ()
        )
        for account, rows, contradictions, used in run_named(con, "proof_sums", file="document")
    }


def mappings(
    con: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """The rows of a statement of the document as mappings; moments as ISO 8601 UTC."""
    cursor = con.execute(sql.named_statements("document")[name], None if values is None else dict(values))
    names = [column[0] for column in cursor.description or ()]
    return [
        {key: _iso(value) if isinstance(value, datetime) else value for key, value in zip(names, row, strict=True)}
        for row in cursor.fetchall()
    ]


def keep_decisions(con: Evidence, decided: Iterable[tuple[LogType, str, Decision, bool]]) -> None:
    """Keep the decision on every combo; the last value says whether a verdict may rest on it."""
    run_named(con, "decisions_table")
    insert_rows(
        con,
        "decided",
        [
            [
                number,
                str(log_type),
                key,
                str(one.outcome),
                str(one.confidence),
                one.decided_by,
                ",".join(one.witnesses),
                one.contradiction,
                one.credential_accepted,
                one.unknown_code,
                firm,
                one.open_by,
            ]
            for number, (log_type, key, one, firm) in enumerate(decided)
        ],
    )


def join_decisions(con: Evidence, policy: Policy) -> Window:
    """Give every logon its outcome and the country it is judged by; tells the window of the counted sign-ins. Asks
    `places.settle_addresses` to have run.
    """
    home = policy.home
    run_named(con, "copies")
    if holds(con, LogType.LEGACY) and holds(con, LogType.SIGN_IN):
        run_named(con, "find_copies")
    run_without(con, "counted_logons", "copies")
    run_without(con, "placed", "address_places", "unplaced")
    run_named(con, "corroborated")
    if counts_any(con, "decided_by_access"):
        run_named(con, "corroborate", file="accounts")
    begins, ends = run_named(con, "window")[0]
    run_named(con, "success_days")
    run_named(con, "success_countries")
    baseline = begins + (ends - begins) * home.baseline_window if begins and ends else None
    return Window(begins, ends, baseline)


def modal_countries(con: Evidence) -> Rows:
    """Country, accounts whose modal success country it is, all accounts with one. Asks `join_decisions` to have run."""
    return run_named(con, "modal_countries")


def build_events(con: Evidence, context: CaseContext, homes: Sequence[str], window: Window, policy: Policy) -> None:
    """Learn each account's own home, mark what is foreign to it, and fold rows into flows."""
    learn = policy.home
    run_named(
        con,
        "own_homes",
        {"own_days": learn.own_days, "own_share": learn.own_share, "baseline_end": window.baseline_end},
    )
    run_named(con, "context_tables")
    insert_rows(con, "case_homes", [[country] for country in homes])
    for one in context.travel:
        values = {"account": one.account, "country": one.country, "begins": one.begins, "ends": one.ends}
        run_named(con, "add_travel", values)
    insert_rows(con, "known_egress", [[address] for address in _inside(con, context.egress_ranges)])
    insert_rows(con, "known_bad", [[address] for address in _inside(con, context.known_bad_addresses)])
    run_named(con, "travelled")
    if context.travel:
        run_named(con, "find_travelled")
    run_named(con, "shared_ids_tables")
    if may_repeat(con, "correlation_id"):
        _number_flows(con, policy.flows.minutes)
    run_named(con, "suspected_copies")
    if run_named(con, "formats_of_events")[0][0] > 1:
        run_named(con, "suspect_copies")
    run_without(con, "adjudicated", *RARE)
    for name in ("judged", "events", "folded_flows", "flows", "normalized_view"):
        run_named(con, name)


def _number_flows(con: Evidence, minutes: int) -> None:
    """Say which flow every moment of an account and correlation id belongs to, where these reach further than one.

    A flow begins at its first row, so that its end depends on where it began. What one leads to is followed in leaps
    that double: however long a chain some file holds, it takes as many as its length has binary digits.
    """
    run_named(con, "shared_ids", {"minutes": minutes})
    if not run_named(con, "long_ids")[0][0]:
        return
    run_named(con, "flow_steps", {"minutes": minutes})
    while run_named(con, "open_steps")[0][0]:
        run_named(con, "leap")
    run_named(con, "flow_numbers")


def may_repeat(con: Evidence, field: str) -> bool:
    """Whether an identifier may stand on several logons. What is counted of columns says so; where it does not, yes."""
    return not has_table(con, "column_counts") or bool(run_named(con, "repeats", {"field": field})[0][0])


def materialize_normalized(con: duckdb.DuckDBPyConnection) -> None:
    """Write the rows of the view `v_normalized_status` into the table `normalized_status_materialized`, with an index
    on status and time; in place of an earlier one.
    """
    run_named(con, "normalized_table")


def _inside(con: Evidence, ranges: Sequence[str]) -> list[str]:
    if not ranges:
        return []
    networks = [ipaddress.ip_network(text, strict=False) for text in ranges]
    found = []
    for (address,) in run_named(con, "distinct_addresses"):
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            continue
        if any(parsed in network for network in networks):
            found.append(address)
    return found


def account_evidence(
    con: duckdb.DuckDBPyConnection, window: Window, policy: Policy
) -> tuple[list[AccountEvidence], list[Lead]]:
    """What the evidence shows of every account, and the leads."""
    limits = policy.breach
    hours = {"hours": limits.indicator_hours}
    early = {"baseline_end": window.baseline_end}
    steps: Steps = (
        ("address_accounts", None),
        ("home_sprayers", {"spray_accounts": limits.spray_accounts, **early}),
        (
            "standing_egress",
            {
                "egress_accounts": limits.egress_accounts,
                "staff_accounts": limits.staff_accounts,
                "staff_share": limits.staff_share,
                "spray_accounts": limits.spray_accounts,
                **early,
            },
        ),
        ("rejected_addresses", {"rejections": policy.leads.rejections, **early}),
        ("asked_rows", None),
        ("strangers", None),
    )
    of_strangers: Steps = (
        ("home_devices", None),
        ("settled", {"days": policy.home.settled_days}),
        ("foreign_successes", None),
        ("sprayed_addresses", None),
        ("proven_egress", {"egress_accounts": limits.egress_accounts, "spray_accounts": limits.spray_accounts}),
        ("with_the_staff", None),
        ("prior_failures", {"days": limits.prior_failure_days}),
        ("home_sprayed", None),
        ("overlapping", {"hours": limits.overlap_hours}),
        ("raise_after_foreign", hours),
        ("standing_countries", {"accounts": limits.egress_accounts, **early}),
        ("foreign_profile", {"habit_days": limits.habit_days, "middle": window.middle, **early}),
    )
    _take(con, steps)
    asked = holds(con, "asked_rows")
    if asked:
        _take(con, of_strangers)
    run_named(con, "critical_operations", file="accounts")
    if asked:
        run_named(con, "followed_by_critical", hours, file="accounts")
    if counts_any(con, "homes_elsewhere", file="accounts"):
        run_named(con, "two_places", file="accounts")
    leads = _leads(con, window, policy, asked=asked)
    by_account: dict[str, list[LeadKind]] = {}
    for lead in leads:
        for account in lead.accounts:
            kinds = by_account.setdefault(account, [])
            if lead.kind not in kinds:
                kinds.append(lead.kind)
    found = []
    for row in run_without(con, "accounts", *OF_STRANGERS, file="accounts"):
        *numbers, own = row
        names = ACCOUNT_COLUMNS
        found.append(
            AccountEvidence(
                **dict(zip(names, numbers, strict=True)),
                own_homes=tuple(own or ()),
                leads=tuple(by_account.get(row[0], ())),
            )
        )
    return found, leads


def _take(con: Evidence, steps: Steps) -> None:
    for name, values in steps:
        run_named(con, name, values, file="accounts")


RARE = ("known_egress", "travelled", "corroborated", "suspected_copies", "shared_ids", "flow_numbers")
"""The tables that are joined to logons and mostly hold nothing."""

OF_STRANGERS = (
    "foreign_profile",
    "prior_failures",
    "overlapping",
    "home_sprayed",
    "two_places",
    "followed_by_critical",
)
"""The tables that are joined to accounts and mostly hold nothing."""

ACCOUNT_COLUMNS = (
    "account",
    "row_count",
    "success",
    "blocked",
    "rejected",
    "unknown",
    "foreign_success",
    "foreign_accepted",
    "attempts",
    "unfirm_rows",
    "success_untimed",
    "any_device",
    "foreign_attempts",
    "foreign_success_flows",
    "foreign_open",
    "success_flows",
    "flow_count",
    "eligible",
    "own",
    "own_or_plausible",
    "egress",
    "naming_device",
    "by_access",
    "high",
    "timed",
    "countries",
    "country_changes",
    "in_standing_country",
    "days",
    "home_days",
    "habitual",
    "spray_victims",
    "prior_failures",
    "overlapping",
    "home_spray_victims",
    "two_places",
    "critical_operation",
)


def _leads(con: duckdb.DuckDBPyConnection, window: Window, policy: Policy, *, asked: bool) -> list[Lead]:
    limits, early = policy.leads, {"baseline_end": window.baseline_end}
    hours = {"hours": limits.hours}

    def told(name: str, *, by: bool, **values: object) -> Rows:
        return run_named(con, name, values or None, file="accounts") if by else []

    found: list[Lead] = []
    rows = told("lead_rejections", by=asked, **hours, **early, rejections=limits.rejections)
    found += [Lead(LeadKind.SUCCESS_AFTER_REJECTIONS, (a,), (address,), _iso(b), _iso(e)) for a, address, b, e in rows]
    rows = told("lead_new_addresses", by=asked, **early, accounts=limits.new_address_accounts)
    found += [
        Lead(LeadKind.NEW_ADDRESS_ON_MANY_ACCOUNTS, tuple(a), (address,), _iso(b), _iso(e)) for address, a, b, e in rows
    ]
    denied = counts_any(con, "mfa_denials", file="accounts")
    seen: set[str] = set()
    for account, begins, ends in told("lead_mfa_denials", by=denied, **hours, denials=limits.mfa_denials):
        if account not in seen:
            seen.add(account)
            found.append(Lead(LeadKind.SUCCESS_AFTER_MFA_DENIALS, (account,), (), _iso(begins), _iso(ends)))
    rows = told("lead_known_bad", by=holds(con, "known_bad"))
    found += [Lead(LeadKind.KNOWN_BAD_ADDRESS, (a,), tuple(addresses), _iso(b), _iso(e)) for a, addresses, b, e in rows]
    rows = told("lead_legacy", by=asked)
    found += [
        Lead(LeadKind.LEGACY_FOREIGN_SUCCESS, (a,), tuple(addresses or ()), _iso(b), _iso(e))
        for a, addresses, b, e in rows
    ]
    rows = told("lead_sessions", by=may_repeat(con, "session_id"))
    found += [
        Lead(LeadKind.SESSION_IN_TWO_COUNTRIES, tuple(accounts or ()), tuple(addresses or ()), _iso(b), _iso(e))
        for _, accounts, addresses, b, e in rows
    ]
    return found


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() + "Z" if moment else None


def outcome_rows(con: Evidence) -> Rows:
    """Log type, counted, outcome, rows, firm rows, foreign rows, rows without a country, rows by Conditional Access,
    rows that are no success and follow a right credential.
    """
    return run_named(con, "case_rows", file="accounts")


def foreign_accounts(con: Evidence) -> Rows:
    """Accounts with counted successes that are foreign to their own home, and how many rows of these each has."""
    return run_named(con, "foreign_accounts")


def keep_json(con: Evidence, table: str, rows: Iterable[object]) -> None:
    """Keep judged things of one kind, one JSON object a row in their order, as table `<table>(position, body)`."""
    engine_of(con).keep(table, [json.dumps(row, default=str) for row in rows])


def read_json(con: Evidence, table: str) -> list[Any]:
    """What `keep_json` kept, or nothing where the table was never written."""
    return [json.loads(body) for body in engine_of(con).kept(table)]


def note(con: duckdb.DuckDBPyConnection, key: str, value: str) -> None:
    """Keep a word about this generation."""
    run_named(con, "note", {"key": key, "value": value})


def noted(con: duckdb.DuckDBPyConnection, key: str) -> str | None:
    """A word that was kept, or None."""
    rows = run_named(con, "noted", {"key": key})
    return str(rows[0][0]) if rows else None


def stamp(
    con: duckdb.DuckDBPyConnection, tables: Sequence[str], evidence: str, context: str, pack: str, moment: datetime
) -> None:
    """Mark tables with the digests of what they were made from."""
    values = {"names": list(tables), "evidence": evidence, "context": context, "pack": pack}
    run_named(con, "stamp", {**values, "moment": moment.replace(tzinfo=None)})


def stamps(con: duckdb.DuckDBPyConnection) -> Rows:
    """Every marked table with the digests of evidence, context and rule pack it was made from."""
    return run_named(con, "stamps")


def keep_failed(con: Evidence, stage: str, checks: Iterable[CheckResult]) -> None:
    """Keep the checks of a stage that failed, in place of those it kept before."""
    others = [one for one in failed_checks(con) if one.stage != stage]
    keep_json(con, "failed_checks", (asdict(one) for one in (*others, *(one for one in checks if not one.passed))))


def failed_checks(con: Evidence) -> tuple[CheckResult, ...]:
    """The checks of this generation that failed, blocking or not."""
    return tuple(CheckResult.of(body) for body in read_json(con, "failed_checks"))


def table_names(con: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The tables of this generation."""
    return frozenset(str(name) for (name,) in run_named(con, "table_names"))


def has_table(con: Evidence, name: str) -> bool:
    """Whether a table of that name stands in this generation."""
    return engine_of(con).has(name)


def keep_document(con: duckdb.DuckDBPyConnection, text: str) -> None:
    """Keep the case document, as JSON text, in place of an earlier one."""
    run_named(con, "document_table")
    run_named(con, "keep_document", {"document": text})


def kept_document(con: duckdb.DuckDBPyConnection) -> str | None:
    """The kept document's text, or None."""
    rows = run_named(con, "kept_document") if has_table(con, "case_document") else []
    return str(rows[0][0]) if rows else None
