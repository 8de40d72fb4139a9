"""The product in Python, for notebooks and scripts: one function a question, thin over the stages of a run.

Every function and class takes `db_path`: a published generation of a case (`cases/<case>/<generation>.duckdb`), the
folder of a case, or any DuckDB file that holds tables named and filled like ours (`sign_in_logs`, `legacy_auth_logs`,
`unified_audit_log`), perhaps with fewer columns. The file is opened for reading only and is never changed; what is
judged is a copy in memory, and nothing is remembered. What cannot be done raises `BadInput` with one sentence.

Counts are integers. Shares, rates and scores are 0..1. Names in capitals are those of the case document.

    from m365dq_dagster import api

    found = api.verify_sign_in_status("oculus.duckdb", home_countries=["AU"])
    print(found.headline, found.foreign_successes, found.compromised_accounts)

How a case is judged stands in `core`; how it is run and recorded, in `stages` and `defs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters.clock import Clock, SystemClock
from m365dq_dagster.adapters.operating_user import operating_person
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.maintenance import MaintenanceReport
from m365dq_dagster.core.outcome import (
    AccountVerdict,
    CaseVerdict,
    Confidence,
    FieldCause,
    FieldState,
    LogType,
    Role,
    Severity,
)
from m365dq_dagster.core.profile import is_one_sided, share
from m365dq_dagster.core.purposes import Purpose, recommend_for
from m365dq_dagster.core.reliability import FieldJudgement, Recommendation, recommend
from m365dq_dagster.core.schema_changes import SchemaChange
from m365dq_dagster.core.verdict import foreign_rate_indicator
from m365dq_dagster.stages import borrowed, maintenance
from m365dq_dagster.stages.code_proposals import ProposedCode

__all__ = [
    "AuditIndicator",
    "AuditVerificationSummary",
    "BadInput",
    "FieldRecommendation",
    "FieldReliabilityCheck",
    "FieldReliabilityScorer",
    "LookupTableMaintenance",
    "MaintenanceReport",
    "PopulationScore",
    "ProposedCode",
    "SchemaChange",
    "SignInVerificationSummary",
    "verify_audit_log_operations",
    "verify_sign_in_status",
    "write_normalized_status",
]


@dataclass(frozen=True)
class SignInVerificationSummary:
    """What became of the sign-ins of a database.

    The verdict is `status` with its `confidence` (`LOW`, `MEDIUM`, `HIGH`); read `cannot_conclude` and `not_tested`
    before it. The flags beside it are the specification's, and a flag alone is no verdict.

    `events`, `successes`, `failures`, `unknown`, `foreign_successes` and the counts by outcome are rows; `flows`,
    `successful_flows`, `foreign_attempts` and `foreign_successful_flows` count flows, the rows of one sign-in folded
    into one. The rates are shares of flows: `foreign_attempt_success_rate` is foreign successes over foreign attempts,
    `foreign_share_of_success` over all successes, `foreign_share_of_all` over all flows; None where there are none.

    `by_conditional_access_status` counts the rows of the sign-in log by what Conditional Access says, as read, '' where
    it is blank. It is no outcome: Conditional Access is evaluated after the first factor. `by_outcome` is.

    `decision_coverage` is the share of rows whose outcome is known. `foreign` means foreign to the account's own home;
    `home_countries` are those of the case, given or learned, and empty where none is known.

    `all_blocked`: the specification's "0 % success", held to the judged rule. True only where the verdict is
    `ALL_BLOCKED`: no success in any log, at least one attempt, an outcome known on at least 95 % of the rows, and a
    field behind it that can carry a verdict. One success, and it is False.

    `no_success`: the literal reading of the same words, no row is a success. It may mislead: it is also True where the
    outcomes are not known, as in the incident that this product was made for. Never conclude from it.

    `breach_indicator`: the specification's "> 80 % foreign success", literally: strictly more than 80 % of at least
    five foreign attempts of the whole case succeeded. It may mislead both ways: travel looks like that, and one account
    taken among many that were only attacked does not. `status` and `compromised_accounts` weigh what speaks for and
    against it; `accounts_above_rate` are the accounts of which the same holds.
    """

    database: str
    case: str
    status: CaseVerdict
    confidence: Confidence
    headline: str
    events: int
    flows: int
    successful_flows: int
    by_outcome: Mapping[str, int]
    by_conditional_access_status: Mapping[str, int]
    successes: int
    failures: int
    unknown: int
    decision_coverage: float
    foreign_successes: int
    foreign_attempts: int
    foreign_successful_flows: int
    foreign_attempt_success_rate: float | None
    foreign_share_of_success: float | None
    foreign_share_of_all: float | None
    all_blocked: bool
    no_success: bool
    breach_indicator: bool
    accounts_above_rate: tuple[str, ...]
    compromised_accounts: tuple[str, ...]
    accounts: Mapping[str, AccountVerdict]
    home_countries: tuple[str, ...]
    recommended_field: str | None
    cannot_conclude: tuple[str, ...]
    not_tested: tuple[str, ...]
    rule_pack: str


@dataclass(frozen=True)
class AuditIndicator:
    """An operation that points to `type` (exfiltration, persistence, privilege, evasion).

    `rows` counts all rows of the operation, `detail` splits them, `accounts` are the people behind them (at most 100),
    `mitre` is the ATT&CK id, '' where it has none.
    """

    type: str
    operation: str
    severity: Severity
    rows: int
    accounts: tuple[str, ...]
    detail: Mapping[str, Any]
    mitre: str


@dataclass(frozen=True)
class AuditVerificationSummary:
    """What was done, by the unified audit log.

    All counts are rows. `by_operation` counts them by operation, `by_result` by operation and result status as read, ''
    where one is blank. A result status speaks of the request and not of the logon: `logons_by_outcome` is judged by
    operation and error number, and `decision_coverage` is the share of logons whose outcome is known, None without any.

    `mail_access` splits MailItemsAccessed: `Sync` (a whole folder), `Bind` (single messages), `throttled` (up to a day
    of reads that were not logged), `not stated`.

    `exfiltration_indicator`, `persistence_indicator`, `privilege_indicator` and `evasion_indicator` say that an
    operation of that kind occurs which is worth a look (`WARNING` or `CRITICAL`). Owners do such things too: they are
    no verdict on anybody. `status`, `confidence`, `cannot_conclude` and `not_tested` are those of the whole database.
    """

    database: str
    case: str
    status: CaseVerdict
    confidence: Confidence
    events: int
    logons: int
    by_operation: Mapping[str, int]
    by_result: Mapping[tuple[str, str], int]
    logons_by_outcome: Mapping[str, int]
    decision_coverage: float | None
    indicators: tuple[AuditIndicator, ...]
    mail_access: Mapping[str, int]
    exfiltration_indicator: bool
    persistence_indicator: bool
    privilege_indicator: bool
    evasion_indicator: bool
    compromised_accounts: tuple[str, ...]
    cannot_conclude: tuple[str, ...]
    not_tested: tuple[str, ...]
    rule_pack: str


def verify_sign_in_status(db_path: str | Path, *, home_countries: Sequence[str] = ()) -> SignInVerificationSummary:
    """Judge the sign-ins of a database. `home_countries` are two-letter codes; without them homes are learned.

    Raises `BadInput` where the file cannot be read, holds no log, or a code is no country.
    """
    return _sign_ins(borrowed.examine(db_path, home_countries))


def verify_audit_log_operations(db_path: str | Path, *, home_countries: Sequence[str] = ()) -> AuditVerificationSummary:
    """Judge the operations of the unified audit log of a database, in the light of its sign-ins.

    Raises `BadInput` where the file cannot be read or holds no unified audit log.
    """
    found = borrowed.examine(db_path, home_countries)
    if LogType.UAL not in found.columns:
        raise BadInput(f"{found.path}: there is no table {LogType.UAL}, so no operation can be verified.")
    return _operations(found)


def write_normalized_status(db_path: str | Path, out: str | Path) -> int:
    """Write the view `v_normalized_status` of a published case into the new DuckDB file `out`, as the table
    `normalized_status_materialized` with an index on status and time. Returns the number of rows.

    The view answers as quickly in all but rare questions, so runs keep the view alone; the table is for those who ask
    one generation very often. Raises `BadInput` where there is no such view, and where `out` exists or cannot be made.
    """
    return borrowed.write_normalized(db_path, out)


def _sign_ins(found: borrowed.Examination) -> SignInVerificationSummary:
    body, policy = found.document, found.policy
    sign_ins = body["sign_ins"]
    normalized = sign_ins["normalized"]
    foreign, succeeded = sign_ins["foreign_attempts"], sign_ins["foreign_success_flows"]
    recommended = body["recommended"].get(str(LogType.SIGN_IN))
    status = CaseVerdict(body["status"])
    return SignInVerificationSummary(
        database=str(found.path),
        case=str(body["case"]),
        status=status,
        confidence=Confidence(body["confidence"]),
        headline=str(body["headline"]),
        events=sign_ins["events"],
        flows=sign_ins["flows"],
        successful_flows=sign_ins["success_flows"],
        by_outcome=sign_ins["by_outcome"],
        by_conditional_access_status=found.by_access,
        successes=normalized["SUCCESS"],
        failures=normalized["FAILURE"],
        unknown=normalized["UNKNOWN"],
        decision_coverage=sign_ins["decision_coverage"],
        foreign_successes=sign_ins["foreign_successes"],
        foreign_attempts=foreign,
        foreign_successful_flows=succeeded,
        foreign_attempt_success_rate=sign_ins["foreign_attempt_success_rate"],
        foreign_share_of_success=sign_ins["foreign_share_of_success"],
        foreign_share_of_all=sign_ins["foreign_share_of_all"],
        all_blocked=status is CaseVerdict.ALL_BLOCKED,
        no_success=normalized["SUCCESS"] == 0,
        breach_indicator=foreign_rate_indicator(succeeded, foreign, policy),
        accounts_above_rate=_above_rate(found),
        compromised_accounts=_compromised(body),
        accounts={row["account"]: AccountVerdict(row["verdict"]) for row in body["accounts"]},
        home_countries=tuple(sign_ins["home_countries"]),
        recommended_field=recommended["field"] if recommended else None,
        cannot_conclude=tuple(body["cannot_conclude"]),
        not_tested=tuple(body["not_tested"]),
        rule_pack=str(body["rule_pack"]),
    )


def _above_rate(found: borrowed.Examination) -> tuple[str, ...]:
    return tuple(
        row["account"]
        for row in found.document["accounts"]
        if foreign_rate_indicator(row["foreign_success_flows"], row["foreign_attempts"], found.policy)
    )


def _compromised(body: Mapping[str, Any]) -> tuple[str, ...]:
    indicated = AccountVerdict.COMPROMISE_INDICATED
    return tuple(row["account"] for row in body["accounts"] if row["verdict"] == indicated)


def _operations(found: borrowed.Examination) -> AuditVerificationSummary:
    body = found.document
    log = body["by_log_type"].get(str(LogType.UAL), {})
    indicators = tuple(_indicator(row) for row in body["indicators"] if row["log_type"] == LogType.UAL)
    worth_a_look = {one.type for one in indicators if one.severity is not Severity.INFO}
    by_operation: dict[str, int] = {}
    for (operation, _), rows in found.by_operation.items():
        by_operation[operation] = by_operation.get(operation, 0) + rows
    return AuditVerificationSummary(
        database=str(found.path),
        case=str(body["case"]),
        status=CaseVerdict(body["status"]),
        confidence=Confidence(body["confidence"]),
        events=log.get("events", 0),
        logons=log.get("logons", 0),
        by_operation=by_operation,
        by_result=found.by_operation,
        logons_by_outcome=log.get("by_outcome", {}),
        decision_coverage=log.get("decision_coverage"),
        indicators=indicators,
        mail_access=next((one.detail for one in indicators if one.operation == "MailItemsAccessed"), {}),
        exfiltration_indicator="exfiltration" in worth_a_look,
        persistence_indicator="persistence" in worth_a_look,
        privilege_indicator="privilege" in worth_a_look,
        evasion_indicator="evasion" in worth_a_look,
        compromised_accounts=_compromised(body),
        cannot_conclude=tuple(body["cannot_conclude"]),
        not_tested=tuple(body["not_tested"]),
        rule_pack=str(body["rule_pack"]),
    )


def _indicator(row: Mapping[str, Any]) -> AuditIndicator:
    return AuditIndicator(
        type=str(row["type"]),
        operation=str(row["operation"]),
        severity=Severity(row["severity"]),
        rows=int(row["rows"]),
        accounts=tuple(row["accounts"]),
        detail=dict(row["detail"]),
        mitre=str(row.get("mitre") or ""),
    )


@dataclass(frozen=True)
class PopulationScore:
    """How a field is filled, and whether it may testify.

    `rows` are those on which the field can exist; `blank_rows` hold no value, `type_name_rows` hold the name of a type
    where a value should stand. `population` is the share of rows with a value of the field's domain, `distinct_values`
    counts a blank as a value of its own, `top_value` is the commonest text as read (None for a blank) on `top_rows`
    rows, which are the share `top_share`.

    `unreliable` is the specification's flag, literally: one value on strictly more than 95 % of the rows, blank
    counting as a value. It may mislead: the error code of a healthy tenant is `0` on 97 % of its rows, and right.
    `state`, `may_testify`, `cause` and `reasons` are judged, against the other witnesses of the same rows; they are
    None, and `reasons` empty, for a column that is none of ours. `uniform` says that there is one value only.
    """

    table: str
    field: str
    rows: int
    blank_rows: int
    type_name_rows: int
    population: float
    distinct_values: int
    top_value: str | None
    top_rows: int
    top_share: float
    uniform: bool
    unreliable: bool
    state: FieldState | None
    may_testify: bool | None
    cause: FieldCause | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class FieldRecommendation:
    """A field to judge a table by for a purpose, with its `score` and the sentences that say why.

    `field` is None, with score 0.0, where none may be recommended; `reasons` then say why not. `instead_of` are the
    fields that it stands in for because they may not testify.
    """

    table: str
    purpose: str
    field: str | None
    score: float
    confidence: Confidence
    instead_of: tuple[str, ...]
    reasons: tuple[str, ...]


class FieldReliabilityCheck:
    """Asks the fields of a database whether they may be trusted.

    The fields are judged once, when first asked for. Errors are `BadInput`: the file cannot be read, or holds no such
    table or column.
    """

    def __init__(self, db_path: str | Path) -> None:
        self._path = db_path
        self._profile: borrowed.Profile | None = None

    def check_field_population(self, table: str, field: str) -> PopulationScore:
        """How the field is filled over the rows on which it can exist, and whether it may testify."""
        judged = self._judgement(table, field)
        return _judged_score(judged) if judged else self._literal_score(table, field)

    def check_discriminatory_power(self, table: str, field: str) -> float:
        """The specification's literal formula, distinct values over rows, a blank counting as a value; 0.0 without
        rows.

        Published, and never used to rank: it crowns identifiers and rejects every code. What ranks is
        `discriminatory_power` of the case document, which is right on both outcomes or is nothing.
        """
        judged = self._judgement(table, field)
        if judged:
            return judged.counts.uniqueness_ratio
        score = self._literal_score(table, field)
        return share(score.distinct_values, score.rows)

    def recommend_status_field(self, table: str) -> FieldRecommendation:
        """The outcome field to judge a table by: the one that may testify and scores highest."""
        fields = self.fields(table)
        best = recommend(LogType(table), fields)
        if best:
            return _recommendation(best, Purpose.OUTCOME)
        why = tuple(one.reasons[0] for one in fields if one.spec.role is Role.OUTCOME) or (f"{table} holds no rows.",)
        return FieldRecommendation(table, Purpose.OUTCOME, None, 0.0, Confidence.LOW, (), why)

    @property
    def profile(self) -> borrowed.Profile:
        """All fields of the database, judged."""
        if self._profile is None:
            self._profile = borrowed.profile(self._path)
        return self._profile

    def fields(self, table: str) -> tuple[FieldJudgement, ...]:
        """The judged fields of a table; none where it holds no rows."""
        if table not in self.profile.columns:
            raise BadInput(
                f"{self.profile.path}: there is no table {table[:60]!r}, so none of its fields can be judged."
            )
        if table not in borrowed.JUDGED:
            raise BadInput(f"{table[:60]}: fields are judged in the tables {', '.join(borrowed.JUDGED)}.")
        return self.profile.fields.get(LogType(table), ())

    def _judgement(self, table: str, field: str) -> FieldJudgement | None:
        """What a field of ours is worth; None for a column that is none of ours, or where the table holds no rows."""
        fields = self.profile.fields.get(LogType(table), ()) if table in set(LogType) else ()
        return next((one for one in fields if one.spec.field == field), None)

    def _literal_score(self, table: str, field: str) -> PopulationScore:
        rows, blank, distinct, top, top_rows = borrowed.count(self._path, table, field)
        return PopulationScore(
            table=table,
            field=field,
            rows=rows,
            blank_rows=blank,
            type_name_rows=0,
            population=share(rows - blank, rows),
            distinct_values=distinct,
            top_value=top,
            top_rows=top_rows,
            top_share=share(top_rows, rows),
            uniform=distinct == 1,
            unreliable=is_one_sided(top_rows, rows),
            state=None,
            may_testify=None,
            cause=None,
            reasons=(),
        )


class FieldReliabilityScorer:
    """Scores the fields of a database, and ranks them for a question. Errors are those of `FieldReliabilityCheck`."""

    def __init__(self, db_path: str | Path) -> None:
        self._check = FieldReliabilityCheck(db_path)

    def calculate_base_score(self, table: str, field: str) -> float | None:
        """Population x decisiveness x discriminatory power x consistency, 0..1, before any context.

        None, and not 0, where the field does not apply in this evidence: it holds no value where it could stand.
        """
        return self._judged(table, field).base_score

    def apply_context_rules(self, log_type: str, field: str, base_score: float) -> float:
        """The score after the context rules that apply to the field in this evidence, 0..1; 0.0 where it is not heard.

        Conditional Access counts half wherever a code or status text may testify; the other rules, each with its reason
        and its runbook, stand in `context_rules.yaml` of the rule pack and in the field's `reasons`.
        """
        judged = self._judged(log_type, field)
        if judged.score is None:
            return 0.0
        if judged.base_score:
            return base_score * judged.score / judged.base_score
        return base_score * prod(0.0 if rule.factor is None else rule.factor for rule in judged.rules)

    def recommend_fields(self, table: str, purpose: str) -> list[FieldRecommendation]:
        """The fields of a table that can answer a question, best first; empty where none can.

        `purpose` is one of `outcome` (how did the sign-in end), `attribution` (who acted, and from where), `timeline`
        (in which order, and what belongs together), `exfiltration` (what was taken). Raises `BadInput` for another.
        """
        if purpose not in set(Purpose):
            raise BadInput(f"There is no purpose {purpose[:40]!r}; choose from: {', '.join(Purpose)}.")
        found = recommend_for(Purpose(purpose), self._check.fields(table))
        return [_recommendation(one, purpose) for one in found]

    def _judged(self, table: str, field: str) -> FieldJudgement:
        found = next((one for one in self._check.fields(table) if one.spec.field == field), None)
        if found is None:
            known = ", ".join(one.spec.field for one in self._check.fields(table)) or "none, for it holds no rows"
            raise BadInput(f"{table}: field {field[:60]!r} is not judged there; those that are: {known}.")
        return found


def _recommendation(one: Recommendation, purpose: str) -> FieldRecommendation:
    return FieldRecommendation(
        str(one.log_type), purpose, one.field, one.score, one.confidence, one.instead_of, one.reasons
    )


def _judged_score(one: FieldJudgement) -> PopulationScore:
    counts = one.counts
    return PopulationScore(
        table=one.spec.log_type,
        field=one.spec.field,
        rows=counts.applicable,
        blank_rows=counts.applicable - counts.present - counts.type_names,
        type_name_rows=counts.type_names,
        population=counts.population,
        distinct_values=counts.distinct,
        top_value=counts.top_raw,
        top_rows=counts.top_rows,
        top_share=counts.top_share,
        uniform=counts.distinct == 1,
        unreliable=is_one_sided(counts.top_rows, counts.applicable),
        state=one.state,
        may_testify=one.may_testify,
        cause=one.cause,
        reasons=one.reasons,
    )


class LookupTableMaintenance:
    """Keeps what is known of Microsoft's codes true: the quarterly cycle, and its parts one by one.

    It works on the registry of an installation: that of `home`, else of the environment (`M365DQ_HOME`,
    `M365DQ_REGISTRY_URL`). `clock` tells the moment, else the machine does. `documents` is a folder of the vendor's
    saved pages; with `fetch` they are fetched over the network as well. `actor` is a name beside the user of the
    machine, who stands in the audit log either way.

    With `dry_run` every method works on a copy of the registry that is thrown away, and writes nothing anywhere else.
    Errors are `BadInput`, with one sentence; other errors of the product end with what to do next as well.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        clock: Clock | None = None,
        documents: str | Path | None = None,
        fetch: bool = False,
        actor: str | None = None,
        dry_run: bool = False,
    ) -> None:
        self._home = home
        self._clock = clock or SystemClock()
        self._documents = Path(documents) if documents is not None else None
        self._fetch = fetch
        self._actor = actor
        self._dry = dry_run

    def detect_unknown_codes(self) -> list[str]:
        """The codes seen in the last 90 days that are in no reference in force, the commonest first, each once.

        A code that was seen exactly 90 days ago still counts, one that was seen before does not. A code that waits for
        approval is unknown.
        """
        settings = self._settings()
        with maintenance.registry_for(settings, dry=self._dry) as registry:
            return maintenance.unknown_codes_of(settings, registry, self._request())

    def check_microsoft_changelog(self) -> list[SchemaChange]:
        """What the vendor's pages say that they did not say when they were last read, the gravest first.

        Empty where nothing changed, and where no pages were given. A page that cannot be used changes nothing; the
        report names it.
        """
        settings = self._settings()
        with maintenance.registry_for(settings, dry=self._dry) as registry:
            return maintenance.document_changes(settings, registry, self._request())

    def generate_maintenance_report(self) -> MaintenanceReport:
        """Go through the quarterly cycle: a checklist that one person works off in 30 minutes.

        Its files are under the home folder, in `maintenance/<quarter>/`. Going through it again in a quarter makes the
        report anew and proposes nothing twice.
        """
        settings, request = self._settings(), self._request()
        if self._dry:
            return maintenance.dry_run(settings, request).report
        with maintenance.registry_for(settings, dry=False) as registry:
            return maintenance.run_cycle(settings.prepared(), registry, request).report

    def auto_add_codes(self, codes: list[str], approval_required: bool = True) -> list[ProposedCode]:
        """Propose a row for each code, with what is known of it: the vendor's text, the class that its topic speaks
        for (else `unknown`), and where it was seen.

        A proposal waits for a person and is unknown to the judge until then. Without `approval_required` it is approved
        in the same breath, and so is what waits already, unless it is critical: then it waits for a second person all
        the same. What is in force is left as it is; `note` says of each what became of it.
        """
        settings, request = self._settings(), self._request()
        with maintenance.registry_for(settings, dry=self._dry) as registry:
            return list(maintenance.add_codes(settings, registry, request, codes, approval_required=approval_required))

    def _settings(self) -> Settings:
        settings = Settings.read()
        if self._home is None:
            return settings
        return settings.model_copy(update={"home": Path(self._home).expanduser().absolute()})

    def _request(self) -> maintenance.CycleRequest:
        return maintenance.CycleRequest(
            operating_person(self._actor), self._clock.now(), documents=self._documents, fetch=self._fetch
        )
