"""Two ways to judge sign-ins that the product is measured against: the naive analyst and the literal specification.

Both read the rows that the product took in, as texts, and know nothing else of it: no code table, no policy, no
witnesses. Nothing is measured here, and the product's own judgement never asks this module. How a judge is scored is
`core.scoreboard`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict, LogType, NormalizedStatus

SUCCESS_WORDS = frozenset({"success", "succeeded", "successful", "true", "userloggedin", "0"})
FAILURE_WORDS = frozenset({"failure", "failed", "false", "userloginfailed"})
STATUS_FIELDS = ("status", "status_error_code")
AUDIT_FIELDS = ("result_status", "error_number")
ACCESS = "conditional_access_status"
CHOICE: Mapping[LogType, tuple[str, ...]] = {
    LogType.SIGN_IN: (*STATUS_FIELDS, ACCESS),
    LogType.LEGACY: (*STATUS_FIELDS, ACCESS),
    LogType.UAL: (*AUDIT_FIELDS, "operation"),
}
"""The fields of each log that tell of an outcome."""
SAME_VALUE = 0.95
"""The specification calls a field unreliable above this share of one value."""
FOREIGN_RATE = 0.80
"""The specification calls it a breach above this share of foreign attempts that succeed."""

Place = tuple[int, LogType]


@dataclass(frozen=True)
class Reading:
    """So many rows of one file that say the same: the texts of their outcome fields as the source wrote them, by
    canonical field, with account and country where the row has them.
    """

    file_id: int
    log_type: LogType
    texts: Mapping[str, str | None]
    account: str | None
    country: str | None
    rows: int

    @property
    def place(self) -> Place:
        """The log of the file that they stand in."""
        return self.file_id, self.log_type


@dataclass(frozen=True)
class Export:
    """The columns of a file in their order, and the column that each canonical field of a log was read from."""

    file_id: int
    log_type: LogType
    header: Sequence[str]
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Column:
    """Counts of one outcome field of the sign-in log: `top_rows` hold the commonest value, blank being a value;
    `consistency` is 0..1.
    """

    field: str
    applicable: int
    present: int
    distinct: int
    top_rows: int
    consistency: float


@dataclass(frozen=True)
class Opinion:
    """What a rival concludes: verdict and reason, the outcome field it recommends (None: none), and the verdict on each
    account.
    """

    verdict: CaseVerdict
    headline: str
    recommended: str | None
    accounts: Mapping[str, AccountVerdict]


def logons(readings: Iterable[Reading]) -> list[Reading]:
    """The rows a case is judged by: sign-ins of any kind, and only where there are none the audit log's logons."""
    found = list(readings)
    sign_ins = [one for one in found if one.log_type is not LogType.UAL]
    return sign_ins or found


def naive(readings: Iterable[Reading], exports: Iterable[Export]) -> Opinion:
    """The analyst who trusts the first status-like column of an export.

    A success word or 0 is a success, everything else a failure. Home is the commonest country. A foreign success is a
    breach; without one the attack failed, and without any success everything was blocked.
    """
    rows = logons(readings)
    trusted = _trusted(rows, exports)
    said = [(row, _plain(row.texts.get(trusted.get(row.place, "")))) for row in rows]
    home = _commonest(rows)
    foreign = [row for row, outcome in said if outcome is NormalizedStatus.SUCCESS and _abroad(row, (home,))]
    successes = sum(row.rows for row, outcome in said if outcome is NormalizedStatus.SUCCESS)
    verdict = _verdict(said, bool(foreign))
    told = f"{successes:,} successes, {sum(row.rows for row in foreign):,} of them outside {home or 'home'}."
    best = _most((trusted.get(row.place), row.rows) for row in rows) or None
    return Opinion(verdict, f"By {best or 'no column'}: {told}", best, _accounts(said, (home,), 0.0))


def _trusted(rows: Sequence[Reading], exports: Iterable[Export]) -> dict[Place, str]:
    """The field that is trusted in each log of each file."""
    own: dict[Place, list[Reading]] = {}
    for row in rows:
        own.setdefault(row.place, []).append(row)
    known = {(one.file_id, one.log_type): one for one in exports}
    found = {at: trusted_field(known.get(at) or Export(*at, (), {}), mine) for at, mine in own.items()}
    return {at: name for at, name in found.items() if name}


def trusted_field(export: Export, readings: Sequence[Reading]) -> str | None:
    """The canonical field of the first status-like column that holds anything; Conditional Access only where there is
    no other. None where the export has none. A column that two fields are read from is the code where it holds digits.
    """
    if not readings:
        return None
    fields = [name for name in CHOICE[readings[0].log_type] if any(row.texts.get(name) for row in readings)]
    own = [name for name in fields if name != ACCESS]
    places = {name: _place(export, name) for name in own}
    first = [name for name in own if places[name] == min(places.values())]
    if not first:
        return ACCESS if fields else None
    digits = any((row.texts.get(first[-1]) or "").strip().isdigit() for row in readings)
    return first[-1] if digits else first[0]


def _place(export: Export, name: str) -> int:
    """Where a field's column stands in the export; behind all others where that is unknown."""
    column = export.sources.get(name, "").strip().lower()
    header = [one.strip().lower() for one in export.header]
    for known in (column, column.partition(".")[0]):
        if known and known in header:
            return header.index(known)
    return len(header) + [*STATUS_FIELDS, *AUDIT_FIELDS, "operation"].index(name)


def literal(readings: Iterable[Reading], columns: Iterable[Column], homes: Sequence[str] = ()) -> Opinion:
    """The specification, word by word.

    Outcomes of sign-ins come from Conditional Access alone: success, failure, everything else unknown. Old protocols
    have none and are read by their status; logons of the audit log by operation and result together. No success at all
    means all blocked; more than 80 % of the decided foreign attempts succeeding means breach; everything else no
    breach. `homes` is the case context's list; without one, home is the commonest country.
    """
    rows = logons(readings)
    said = [(row, _by_specification(row)) for row in rows]
    known = tuple(homes) or (_commonest(rows),)
    rate = _rate(said, known)
    verdict = _verdict(said, rate is not None and rate > FOREIGN_RATE)
    told = "no foreign attempt was decided" if rate is None else f"{rate:.1%} of foreign attempts succeeded"
    return Opinion(verdict, f"By {ACCESS}: {told}.", recommended(columns), _accounts(said, known, FOREIGN_RATE))


def recommended(columns: Iterable[Column]) -> str | None:
    """The field with the highest population x unique / total x consistency among those that do not hold one value in
    more than 95 % of their rows; where all do, among all. None where no field holds anything.
    """
    filled = [one for one in columns if one.present]
    able = [one for one in filled if one.top_rows / one.applicable <= SAME_VALUE]
    return max(able or filled, key=_score).field if filled else None


def _score(one: Column) -> float:
    return one.present / one.applicable * one.distinct / one.applicable * one.consistency


def _by_specification(row: Reading) -> NormalizedStatus:
    if row.log_type is LogType.SIGN_IN:
        return _worded(row.texts.get(ACCESS))
    if row.log_type is LogType.LEGACY:
        return _worded(next((text for name in STATUS_FIELDS if (text := row.texts.get(name))), None))
    operation, result = _worded(row.texts.get("operation")), _worded(row.texts.get("result_status"))
    if NormalizedStatus.FAILURE in (operation, result):
        return NormalizedStatus.FAILURE
    return NormalizedStatus.SUCCESS if operation is result else NormalizedStatus.UNKNOWN


def _worded(text: str | None) -> NormalizedStatus:
    word = (text or "").strip().lower()
    if word in SUCCESS_WORDS:
        return NormalizedStatus.SUCCESS
    return NormalizedStatus.FAILURE if word in FAILURE_WORDS else NormalizedStatus.UNKNOWN


def _plain(text: str | None) -> NormalizedStatus:
    """Success words and 0 are success; everything else is a failure."""
    return NormalizedStatus.SUCCESS if _worded(text) is NormalizedStatus.SUCCESS else NormalizedStatus.FAILURE


Said = Sequence[tuple[Reading, NormalizedStatus]]


def _verdict(said: Said, breach: bool) -> CaseVerdict:
    if not said:
        return CaseVerdict.CANNOT_CONCLUDE
    if breach:
        return CaseVerdict.BREACH_INDICATED
    some = any(outcome is NormalizedStatus.SUCCESS for _, outcome in said)
    return CaseVerdict.NO_BREACH_INDICATED if some else CaseVerdict.ALL_BLOCKED


def _commonest(rows: Iterable[Reading]) -> str:
    """The commonest country; empty where no row has one."""
    return _most((row.country, row.rows) for row in rows)


def _most(counted: Iterable[tuple[str | None, int]]) -> str:
    """The name with most rows, the first by name of several; empty where none is named."""
    sums: Counter[str] = Counter()
    for name, rows in counted:
        sums[name or ""] += rows if name else 0
    return max(sorted(sums), key=lambda name: sums[name], default="")


def _abroad(row: Reading, homes: Sequence[str]) -> bool:
    return bool(row.country) and row.country not in homes


def _rate(said: Said, homes: Sequence[str]) -> float | None:
    """Foreign successes over foreign successes and failures; None where there are none."""
    counted = dict.fromkeys(NormalizedStatus, 0)
    for row, outcome in said:
        counted[outcome] += row.rows if _abroad(row, homes) else 0
    decided = counted[NormalizedStatus.SUCCESS] + counted[NormalizedStatus.FAILURE]
    return counted[NormalizedStatus.SUCCESS] / decided if decided else None


def _accounts(said: Said, homes: Sequence[str], limit: float) -> dict[str, AccountVerdict]:
    """An account is compromised where more than the limit of its foreign attempts succeed."""
    own: dict[str, list[tuple[Reading, NormalizedStatus]]] = {}
    for row, outcome in said:
        own.setdefault(row.account or "", []).append((row, outcome))
    rates = {account: _rate(rows, homes) for account, rows in own.items() if account}
    return {
        account: AccountVerdict.COMPROMISE_INDICATED
        if rate is not None and rate > limit
        else AccountVerdict.NO_INDICATION
        for account, rate in rates.items()
    }
