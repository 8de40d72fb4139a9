"""May a field testify? Consensus of the other witnesses, discriminatory power, decisiveness, consistency, the state and
its cause, the score and the recommendation. Works on combos and column counts; deciding single rows is the business of
`adjudication`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from m365dq_dagster.core.adjudication import (
    CA_BLOCK_CODES,
    KEEP_ME_SIGNED_IN,
    NO_CODE,
    WITNESSES,
    Access,
    Client,
    Combo,
    Mark,
    Side,
    Testimony,
    Vocabulary,
    Word,
    said_by,
    side,
)
from m365dq_dagster.core.narrative import percent, plural
from m365dq_dagster.core.outcome import Confidence, FieldCause, FieldState, LogType, Role
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.core.profile import ColumnCounts, FieldSpec, Witness, entropy_of, share
from m365dq_dagster.core.stretches import ChangePoint, DayCount, PartFault, Spot, TypeProfile

AT_FAULT = frozenset({FieldState.CORRUPTED, FieldState.CONTRADICTED, FieldState.UNRELIABLE})
"""States in which a witness that is there may not testify."""

JUDGED = (Side.SUCCESS, Side.FAILURE)
SIDES = (Side.SUCCESS, Side.INTERRUPTED, Side.FAILURE)


SILENT, WEAK = "silent", "weak"
"""How a part of a log is named by a witness that is not heard there, or with at most LOW."""


@dataclass(frozen=True)
class AppliedRule:
    """A context rule that applied to a field: on how many rows, and by which factor; None where none multiplies."""

    id: str
    effect: str
    factor: float | None
    rows: int
    because: str
    runbook: str


@dataclass(frozen=True)
class FieldJudgement:
    """What a field is worth in this evidence.

    Shares, scores and ratios are 0..1; `score` is None where the field does not apply. `firm` says that a verdict may
    rest on it. `theils_u` is the share of the uncertainty about the outcome that the field's values take away, by the
    consensus of the others; None where there is none. `reasons` are sentences for a person. `faults` are parts of the
    log in which the field is not heard as in the rest; `sides` counts a witness's rows by what they say of the outcome.
    """

    spec: FieldSpec
    counts: ColumnCounts
    discriminatory_power: float | None
    decisiveness: float | None
    consistency: float
    checkable: int
    base_score: float | None
    score: float | None
    state: FieldState
    cause: FieldCause | None
    may_testify: bool
    firm: bool
    confidence: Confidence
    reasons: tuple[str, ...]
    theils_u: float | None = None
    by_sign_in_type: tuple[TypeProfile, ...] = ()
    by_day: tuple[DayCount, ...] = ()
    change_points: tuple[ChangePoint, ...] = ()
    faults: tuple[PartFault, ...] = ()
    rules: tuple[AppliedRule, ...] = ()
    sides: Mapping[Side, int] = field(default_factory=dict)

    @property
    def silent_spots(self) -> frozenset[Spot]:
        """Where the field is not heard at all, though it may be elsewhere."""
        return frozenset(spot for fault in self.faults if fault.silent for spot in fault.spots)

    @property
    def weak_spots(self) -> frozenset[Spot]:
        """Where it carries at most LOW."""
        return frozenset(spot for fault in self.faults if not fault.silent for spot in fault.spots)


@dataclass(frozen=True)
class Recommendation:
    """The outcome field to judge a log type by, and the ones it stands in for."""

    log_type: LogType
    field: str
    score: float
    confidence: Confidence
    instead_of: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Power:
    """Discriminatory power and whether a consensus of other witnesses stood behind it."""

    value: float
    by_consensus: bool


class LogBench:
    """The witnesses of one log type, compared with each other."""

    def __init__(
        self,
        log_type: LogType,
        combos: Sequence[Combo],
        specs: Sequence[FieldSpec],
        vocabulary: Vocabulary,
        policy: Policy,
    ) -> None:
        self.log_type = log_type
        self.combos = combos
        self.policy = policy
        self.rows = sum(combo.rows for combo in combos)
        self.names = WITNESSES[log_type]
        self.witnesses = {
            spec.field: spec
            for spec in specs
            if spec.log is log_type and spec.witness in (Witness.PRIMARY, Witness.SECONDARY)
        }
        self._sides = {name: [side(combo, name, vocabulary) for combo in combos] for name in self.witnesses}
        self._voters = frozenset(
            name for name, spec in self.witnesses.items() if spec.witness is Witness.PRIMARY and self._may_vote(name)
        )
        self._vocabulary = vocabulary

    def tally(self, name: str) -> Counter[Side]:
        """Rows by what the witness says."""
        found: Counter[Side] = Counter()
        for combo, said in zip(self.combos, self._sides[name], strict=True):
            found[said] += combo.rows
        return found

    def in_domain(self, name: str) -> int:
        """Rows whose value belongs to the witness's domain: a well-formed code, a known word, a known access value."""
        return sum(
            combo.rows
            for combo in self.combos
            if not isinstance(said_by(combo, name), Mark) or self._is_code(combo, name)
        )

    def _is_code(self, combo: Combo, name: str) -> bool:
        return name == self.names.code and combo.code == Mark.UNKNOWN_CODE

    def is_struck(self, name: str) -> bool:
        """True where the witness is not heard on some of the rows."""
        return any(said_by(combo, name) is Mark.STRUCK for combo in self.combos)

    def counts(self, name: str) -> ColumnCounts:
        """What the rows hold on which the witness is heard, by what they say; codes in no table count as one value."""
        found: Counter[str] = Counter()
        for combo in self.combos:
            found[said_by(combo, name)] += combo.rows
        del found[Mark.STRUCK]
        total, top = found.total(), min(found.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
        value = None if top[0] in ("", Mark.BLANK, Mark.TYPE_NAME) else top[0]
        return ColumnCounts(
            applicable=total,
            present=total - found[Mark.BLANK] - found[Mark.TYPE_NAME],
            type_names=found[Mark.TYPE_NAME],
            distinct=len(+found),
            top_value=value,
            top_raw=value,
            top_rows=top[1],
            sum_k_ln_k=sum(k * math.log(k) for k in found.values() if k),
            in_domain=self.in_domain(name),
        )

    def theils_u(self, name: str) -> float | None:
        """Theil's uncertainty coefficient U(outcome | field) = (H(outcome) - H(outcome | field)) / H(outcome), 0..1.

        The outcome is the consensus of the other primary witnesses (success, interrupt, failure); the field's values
        are what it says, blank being a value. None where the consensus holds fewer than two classes. Published beside
        the entropy and never used to rank. Source: H. Theil, "Statistical Decomposition Analysis" (1972); also Press
        et al., "Numerical Recipes", section on contingency tables with entropy.
        """
        joint: Counter[tuple[str, Side]] = Counter()
        for combo, agreed in zip(self.combos, self.consensus(name), strict=True):
            if agreed in SIDES:
                joint[(said_by(combo, name), agreed)] += combo.rows
        outcomes, values = Counter[Side](), Counter[str]()
        for (value, agreed), rows in joint.items():
            outcomes[agreed] += rows
            values[value] += rows
        whole = entropy_of(outcomes.values())
        if whole == 0.0:
            return None
        left = entropy_of(joint.values()) - entropy_of(values.values())
        return min(1.0, max(0.0, (whole - left) / whole))

    def _may_vote(self, name: str) -> bool:
        classes = sum(1 for one in SIDES if self.tally(name)[one])
        return self.rows > 0 and self.in_domain(name) >= self.rows / 2 and classes >= 2

    def consensus(self, name: str) -> list[Side]:
        """For every combo the strict majority of the other primary voters; NONE where they tie or none votes."""
        voters = [voter for voter in self._voters if voter != name]
        agreed = []
        for index in range(len(self.combos)):
            votes = Counter(self._sides[voter][index] for voter in voters if self._sides[voter][index] is not Side.NONE)
            top = votes.most_common(1)
            agreed.append(top[0][0] if top and top[0][1] * 2 > votes.total() else Side.NONE)
        return agreed

    def power(self, name: str) -> Power:
        """J = (macro recall - 1/2) x 2 over success and failure by consensus; without one, by the rarer class's rows.

        A row on which the field says nothing counts as wrong; interrupts and rows left open are left out.
        """
        right, total = self._recall(name, (*JUDGED, Side.NONE))
        if all(total[one] for one in JUDGED):
            recall = sum(right[one] / total[one] for one in JUDGED) / 2
            return Power(max(0.0, (recall - 0.5) * 2), True)
        return Power(self._lone_power(name), False)

    def _recall(self, name: str, heard: Sequence[Side]) -> tuple[Counter[Side], Counter[Side]]:
        """Rows of each class by consensus on which the field is right, and all of them where it says one of `heard`."""
        right: Counter[Side] = Counter()
        total: Counter[Side] = Counter()
        for combo, said, agreed in zip(self.combos, self._sides[name], self.consensus(name), strict=True):
            if agreed in JUDGED and said in heard:
                total[agreed] += combo.rows
                right[agreed] += combo.rows if said is agreed else 0
        return right, total

    def _lone_power(self, name: str) -> float:
        scoring, tally = self.policy.scoring, self.tally(name)
        given = [tally[one] for one in SIDES if tally[one]]
        if len(given) < 2:
            return scoring.one_class if given else 0.0
        rarer = min(tally[one] for one in JUDGED) or min(given)
        return max(scoring.floor_two_classes, min(1.0, rarer / scoring.rare_class_rows))

    def uniform(self, name: str, counts: ColumnCounts) -> bool:
        """One value over all rows, blank being a value; spellings of one known word are one value."""
        if counts.applicable == 0:
            return False
        values = {said_by(combo, name) for combo in self.combos} - {Mark.STRUCK}
        one_word = name != self.names.code and len(values) == 1 and not values & set(Mark)
        return counts.distinct == 1 or one_word

    def contradicted(self, name: str, uniform: bool) -> bool:
        """Against the consensus on most rows of a class; or uniform while another witness shows the opposite, or while
        Conditional Access, which varies, shows on most rows what the one failure code rules out.
        """
        return self._against_consensus(name) or (uniform and (self._against_another(name) or self._stuck(name)))

    def _stuck(self, name: str) -> bool:
        """A failure code on every row that cannot be true of at least half of them: no policy is looked at before the
        first factor is accepted, so the column and not Conditional Access is at fault.
        """
        answers = {combo.access for combo in self.combos if isinstance(combo.access, Access)}
        least = max(self.policy.field_states.contradicted_rows, self.rows / 2)
        return (
            name == self.names.code
            and self._one_failure_code()
            and len(answers) > 1
            and self._ruled_out_rows() >= least
        )

    def _against_consensus(self, name: str) -> bool:
        limits = self.policy.field_states
        right, total = self._recall(name, JUDGED)
        return any(
            total[one] >= limits.contradicted_rows and right[one] / total[one] < limits.contradicted_recall
            for one in JUDGED
        )

    def _against_another(self, name: str) -> bool:
        others = (other for other in self.witnesses if other != name)
        return any(self._opposing_rows(name, other) >= self._too_many for other in others)

    @property
    def _too_many(self) -> float:
        """Rows against a uniform field that cannot be chance."""
        limits = self.policy.field_states
        return max(limits.contradicted_rows, limits.contradicted_uniform_share * self.rows)

    def _opposing_rows(self, name: str, other: str) -> int:
        opposing = 0
        for index, combo in enumerate(self.combos):
            mine, theirs = self._sides[name][index], self._sides[other][index]
            if {mine, theirs} == {Side.SUCCESS, Side.FAILURE} and self._counts_against(other, theirs, combo):
                opposing += combo.rows
        return opposing

    def _counts_against(self, other: str, theirs: Side, combo: Combo) -> bool:
        if self.witnesses[other].witness is Witness.PRIMARY:
            return True
        return theirs is Side.FAILURE and combo.client is Client.OTHER

    def consistency(self, name: str, struck: frozenset[str]) -> tuple[float, int]:
        """1 - violated / checkable over the implications charged to the field, and how many rows could be checked.

        A premise is only taken from a column that is not itself struck out.
        """
        checkable = violated = 0
        for combo in self.combos:
            verdict = self._implied(combo, name, struck)
            if verdict is not None:
                checkable += combo.rows
                violated += 0 if verdict else combo.rows
        return 1.0 - share(violated, checkable), checkable

    def _implied(self, combo: Combo, name: str, struck: frozenset[str]) -> bool | None:
        readable = self.names.code not in struck and combo.code not in NO_CODE
        code = combo.code if readable else None
        if name == self.names.word and isinstance(combo.word, Word):
            return self._word_implied(combo.word, code)
        if name == self.names.access and isinstance(combo.access, Access) and not self.is_ruled_out():
            return self._access_implied(combo.access, code)
        if name == "authentication_requirement" and combo.client is not Client.OTHER:
            return combo.single_factor
        return None

    def _word_implied(self, word: Word, code: str | None) -> bool | None:
        if code is None:
            return None
        if self.log_type is LogType.UAL:
            return {Word.SUCCESS: code in ("0", KEEP_ME_SIGNED_IN), Word.FAILURE: code != "0"}.get(word)
        return word is Word.SUCCESS if code == "0" else None

    def _access_implied(self, access: Access, code: str | None) -> bool | None:
        if code in CA_BLOCK_CODES:
            return access is Access.FAILURE
        row = self._vocabulary.codes.get(code or "")
        if row is not None and row.first_factor == "rejected":
            return access is Access.NOT_APPLIED
        return None

    def is_firm(self, name: str, state: FieldState, testifying: Iterable[str]) -> bool:
        """May a verdict rest on the field: it testifies and varies, or is uniform with a failure code, or is confirmed.

        A uniform failure code is not firm where Conditional Access shows on many rows what that code rules out, or that
        policies were met on many rows and failed on many others, which do not end alike; nor is a uniform text beside
        it: then both may be stuck, and "all blocked" would be said on fields that cannot tell.
        """
        if not state.may_testify:
            return False
        if state is not FieldState.UNIFORM:
            return True
        if self.is_ruled_out():
            return False
        if name == self.names.code and self._one_failure_code():
            return True
        return any(self.confirms(name, other) for other in testifying if other != name and other in self.witnesses)

    def _one_failure_code(self) -> bool:
        codes = {combo.code for combo in self.combos} - {Mark.STRUCK}
        return len(codes) == 1 and not codes & set(Mark) and "0" not in codes

    def is_ruled_out(self) -> bool:
        """One failure code on every row, and on more rows than chance, or on half of a few, Conditional Access shows
        what it rules out.
        """
        least = max(1, min(self._too_many, self.rows / 2))
        return self._one_failure_code() and max(self._ruled_out_rows(), self._met_and_failed()) >= least

    def _ruled_out_rows(self) -> int:
        return sum(
            combo.rows
            for combo in self.combos
            if isinstance(combo.access, Access)
            and (self._access_implied(combo.access, combo.code) is False or self._cannot_be(combo))
        )

    def _met_and_failed(self) -> int:
        """Rows on which policies were met, or rows on which one failed, whichever are fewer."""
        said = Counter[object]()
        for combo in self.combos:
            said[combo.access] += combo.rows
        return min(said[Access.SUCCESS], said[Access.FAILURE])

    def _cannot_be(self, combo: Combo) -> bool:
        """Conditional Access says that every policy was met, the code that a second factor or policy was not; or it
        was asked at all although the code says that the password was never looked at.
        """
        row = self._vocabulary.codes.get(combo.code)
        if row is None or combo.access not in (Access.SUCCESS, Access.FAILURE):
            return False
        unasked = row.category == "throttling_lockout" and row.first_factor == "not_evaluated"
        return unasked or (combo.access is Access.SUCCESS and row.subcategory.startswith(("mfa", "ca")))

    def confirms(self, name: str, other: str) -> bool:
        """The other witness gives an outcome on enough of the rows, and it is the same nearly everywhere."""
        limits = self.policy.field_states
        given = agreed = 0
        for index, combo in enumerate(self.combos):
            theirs = self._sides[other][index]
            if theirs.gives_outcome:
                given += combo.rows
                agreed += combo.rows if theirs is self._sides[name][index] else 0
        return given >= limits.firm_coverage * self.rows and share(agreed, given) >= limits.firm_agreement


def judge_fields(
    bench: LogBench,
    specs: Sequence[FieldSpec],
    counts: Mapping[str, ColumnCounts],
    ruled: Mapping[str, FieldState] | None = None,
) -> tuple[FieldJudgement, ...]:
    """Judge every field of a log type; the order of `specs` is kept.

    Witnesses are compared with each other; other roles are judged by validity. A field that does not apply gets no
    score. Where a witness is struck on some rows, its state is that of the others, and its score counts the struck
    rows as rows on which it says nothing. `ruled` gives the state of witnesses that are at fault in every part.
    """
    counted = {spec.field: _over_domain(bench, spec, counts[spec.field]) for spec in specs}
    heard = {name: bench.counts(name) if bench.is_struck(name) else counted[name] for name in _witnesses(bench, specs)}
    states, struck = judge_states(bench, heard, ruled)
    court = Court(bench, struck, tuple(name for name, state in states.items() if state.may_testify))
    return tuple(
        court.judge(spec, counted[spec.field], heard[spec.field], states[spec.field])
        if spec.field in states
        else _judge_other(bench, spec, counted[spec.field])
        for spec in specs
    )


def _witnesses(bench: LogBench, specs: Iterable[FieldSpec]) -> list[str]:
    return [spec.field for spec in specs if spec.field in bench.witnesses]


def judge_states(
    bench: LogBench, counts: Mapping[str, ColumnCounts], ruled: Mapping[str, FieldState] | None = None
) -> tuple[dict[str, FieldState], frozenset[str]]:
    """The state of every witness that was counted, and those struck out before consistency is looked at."""
    known = ruled or {}
    early = {name: known.get(name) or _early_state(bench, name, one) for name, one in counts.items()}
    early = _same_default(bench, counts, early)
    struck = frozenset(name for name, state in early.items() if state is not None)
    return {name: early[name] or _late_state(bench, name, one, struck) for name, one in counts.items()}, struck


def _over_domain(bench: LogBench, spec: FieldSpec, counts: ColumnCounts) -> ColumnCounts:
    return replace(counts, in_domain=bench.in_domain(spec.field)) if spec.field in bench.witnesses else counts


def _early_state(bench: LogBench, name: str, counts: ColumnCounts) -> FieldState | None:
    if counts.present == 0 and counts.type_names == 0:
        return FieldState.NOT_APPLICABLE
    if _serialisation_lost(counts, bench.policy):
        return FieldState.CORRUPTED
    if counts.in_domain / counts.present < bench.policy.field_states.corrupted_domain_share:
        return FieldState.CORRUPTED
    if bench.contradicted(name, bench.uniform(name, counts)):
        return FieldState.CONTRADICTED
    return None


def _same_default(
    bench: LogBench, counted: Mapping[str, ColumnCounts], early: Mapping[str, FieldState | None]
) -> dict[str, FieldState | None]:
    """A text that never varies, beside a code column that was lost or filled with a default, comes of that default."""
    code, word = bench.names.code, bench.names.word
    found = dict(early)
    lost = found.get(code) in (FieldState.CORRUPTED, FieldState.CONTRADICTED)
    if lost and found.get(word, FieldState.CORRUPTED) is None and bench.uniform(word, counted[word]):
        one_way = counted[code].type_names == counted[code].applicable or bench.uniform(code, counted[code])
        found[word] = FieldState.CORRUPTED if one_way else None
    return found


def _serialisation_lost(counts: ColumnCounts, policy: Policy) -> bool:
    """Type names on at least the policy's share of the rows, or wherever the field is filled at all."""
    if counts.type_names == 0:
        return False
    limit = policy.field_states.corrupted_type_name_share
    return counts.present == 0 or share(counts.type_names, counts.applicable) >= limit


def _late_state(bench: LogBench, name: str, counts: ColumnCounts, struck: frozenset[str]) -> FieldState:
    limits = bench.policy.field_states
    consistency, checkable = bench.consistency(name, struck)
    primary = bench.witnesses[name].witness is Witness.PRIMARY
    if primary and checkable >= limits.unreliable_checkable and consistency < limits.unreliable_consistency:
        return FieldState.UNRELIABLE
    return _contrast(counts, bench.policy, uniform=bench.uniform(name, counts))


def _contrast(counts: ColumnCounts, policy: Policy, *, uniform: bool) -> FieldState:
    if uniform:
        return FieldState.UNIFORM
    threshold = policy.field_states.low_contrast_share
    return FieldState.LOW_CONTRAST if counts.top_share >= threshold else FieldState.RELIABLE


@dataclass(frozen=True)
class Court:
    """A bench with what is already known of it: whose premises are struck out, and who testifies."""

    bench: LogBench
    struck: frozenset[str]
    testifying: tuple[str, ...]

    def judge(self, spec: FieldSpec, counts: ColumnCounts, heard: ColumnCounts, state: FieldState) -> FieldJudgement:
        """Score a witness whose state is known, and say why in sentences.

        `counts` are those of all its rows, `heard` those of the rows on which it is not struck.
        """
        if state is FieldState.NOT_APPLICABLE:
            return _not_applicable(spec, counts)
        name, bench = spec.field, self.bench
        cause = cause_of(bench, spec, heard, state)
        power, tally = bench.power(name), bench.tally(name)
        decisiveness = share(sum(tally[one] for one in SIDES), counts.applicable)
        consistency, checkable = bench.consistency(name, self.struck - {name})
        base = counts.population * decisiveness * power.value * consistency
        halved = spec.witness is Witness.SECONDARY and self._primary_heard
        score = base * (bench.policy.scoring.secondary_factor if halved else 1.0)
        return FieldJudgement(
            spec=spec,
            counts=counts,
            discriminatory_power=power.value,
            decisiveness=decisiveness,
            consistency=consistency,
            checkable=checkable,
            base_score=base,
            score=score if state.may_testify else 0.0,
            state=state,
            cause=cause,
            may_testify=state.may_testify,
            firm=bench.is_firm(name, state, self.testifying),
            confidence=_confidence(state, power, score),
            reasons=(
                witness_sentence(spec, heard, state, cause, tally),
                *_notes(spec, state, power, decisiveness, halved=halved),
            ),
            theils_u=bench.theils_u(name),
            sides=dict(tally),
        )

    @property
    def _primary_heard(self) -> bool:
        return any(self.bench.witnesses[name].witness is Witness.PRIMARY for name in self.testifying)


def _not_applicable(spec: FieldSpec, counts: ColumnCounts) -> FieldJudgement:
    where = "" if counts.applicable == 0 else f" in any of the {plural(counts.applicable, 'row')} it could stand in"
    told = f"{spec.field} holds no value{where}, so it is not judged."
    if counts.applicable == 0 and spec.log is LogType.UAL and spec.role is Role.OUTCOME:
        told = f"{spec.field} is judged on logons, and this log holds none."
    return FieldJudgement(
        spec=spec,
        counts=counts,
        discriminatory_power=None,
        decisiveness=None,
        consistency=1.0,
        checkable=0,
        base_score=None,
        score=None,
        state=FieldState.NOT_APPLICABLE,
        cause=None,
        may_testify=False,
        firm=False,
        confidence=Confidence.LOW,
        reasons=(told,),
    )


def _confidence(state: FieldState, power: Power, score: float) -> Confidence:
    if state is FieldState.UNIFORM or not state.may_testify or not power.by_consensus:
        return Confidence.LOW
    return Confidence.HIGH if score >= 0.8 else Confidence.MEDIUM


def _judge_other(bench: LogBench, spec: FieldSpec, counts: ColumnCounts) -> FieldJudgement:
    if counts.present == 0 and counts.type_names == 0:
        return _not_applicable(spec, counts)
    lost = _serialisation_lost(counts, bench.policy)
    state = FieldState.CORRUPTED if lost else _contrast(counts, bench.policy, uniform=counts.distinct == 1)
    consistency, checkable = bench.consistency(spec.field, frozenset())
    weight = 0.0 if spec.role is Role.OUTCOME or lost else counts.population
    base = weight * (counts.effective_values if spec.role is Role.EVENT else 1.0) * consistency
    return FieldJudgement(
        spec=spec,
        counts=counts,
        discriminatory_power=None,
        decisiveness=None,
        consistency=consistency,
        checkable=checkable,
        base_score=base,
        score=base,
        state=state,
        cause=FieldCause.SERIALISATION_LOST if lost else _constant_by_design(spec, state),
        may_testify=False,
        firm=False,
        confidence=Confidence.MEDIUM,
        reasons=(_lost(spec, counts) if lost else _validity(spec, counts),),
    )


ROLE_WORDS: Mapping[Role, str] = {
    Role.EVENT: "what kind of event it was",
    Role.IDENTIFIER: "which record it is",
    Role.ACTOR: "who acted",
    Role.ADDRESS: "from which address",
    Role.PLACE: "from where",
    Role.TIME: "when",
    Role.CONTEXT: "under which circumstances",
}


def _validity(spec: FieldSpec, counts: ColumnCounts) -> str:
    if spec.role is not Role.OUTCOME:
        return (
            f"{spec.field} is filled and valid on {percent(counts.population)} of the rows; it says "
            f"{ROLE_WORDS[spec.role]}, not what came of a sign-in."
        )
    if spec.witness is Witness.NOT_A_WITNESS:
        return (
            f"{spec.field} speaks of the HTTP exchange on logon rows, not of the logon: failed logons can carry "
            "Success there. It is not heard."
        )
    return f"{spec.field} is a rendering of the code and never votes for its own source."


def _constant_by_design(spec: FieldSpec, state: FieldState) -> FieldCause | None:
    if state is FieldState.UNIFORM and spec.witness is Witness.NOT_A_WITNESS:
        return FieldCause.CONSTANT_BY_DESIGN
    return None


def cause_of(bench: LogBench, spec: FieldSpec, counts: ColumnCounts, state: FieldState) -> FieldCause | None:
    """The named cause of a witness's state, or None where nothing needs one or the evidence names none."""
    uniform = bench.uniform(spec.field, counts)
    if state is FieldState.CORRUPTED:
        if _serialisation_lost(counts, bench.policy):
            return FieldCause.SERIALISATION_LOST
        # A word that no table knows may be of another language; a code that no directory gives was invented on the way.
        invented = uniform and (spec.field == bench.names.code or counts.in_domain == counts.present)
        return FieldCause.IMPORTER_DEFAULT if invented else FieldCause.UNKNOWN_VALUES
    if state is FieldState.CONTRADICTED and uniform and spec.witness is Witness.PRIMARY:
        return FieldCause.IMPORTER_DEFAULT
    if state is FieldState.UNIFORM:
        return FieldCause.LICENCE if _never_applied(bench, spec) else FieldCause.ALL_ONE_WAY
    return None


def _never_applied(bench: LogBench, spec: FieldSpec) -> bool:
    return spec.witness is Witness.SECONDARY and not any(bench.tally(spec.field)[one] for one in SIDES)


def _lost(spec: FieldSpec, counts: ColumnCounts) -> str:
    return (
        f"{spec.field} holds a type name in {counts.type_names:,} of {plural(counts.applicable, 'row')}: the object "
        "was not expanded at export and its value is lost. Export again with the object expanded."
    )


def witness_sentence(
    spec: FieldSpec, counts: ColumnCounts, state: FieldState, cause: FieldCause | None, tally: Counter[Side]
) -> str:
    """Why a witness is in its state, with its numbers and, where something is wrong, what to do or not to do."""
    if state is FieldState.CORRUPTED:
        return _corrupted(spec, counts, cause)
    if state in (FieldState.CONTRADICTED, FieldState.UNRELIABLE):
        return _opposed(spec, counts, state, cause)
    if state is FieldState.UNIFORM:
        return f"{_stands(spec, counts)}{UNIFORM_TAILS[cause or FieldCause.ALL_ONE_WAY]}"
    if state is FieldState.LOW_CONTRAST:
        return (
            f"{spec.field} holds {_value_text(counts)} in {percent(counts.top_share)} of the rows, as a healthy tenant "
            "often does; the other rows differ, and "
            f"{'it is heard where no code or text decides' if spec.witness is Witness.SECONDARY else 'it may testify'}."
        )
    given = sum(tally[one] for one in SIDES)
    told = f"on {given:,} of {plural(counts.applicable, 'row')}" if given else "on none of the rows"
    return f"{spec.field} gives an outcome {told}, and nothing speaks against it."


UNIFORM_TAILS: Mapping[FieldCause, str] = {
    FieldCause.LICENCE: ": no policy was enforced or the licence is missing, so it says nothing of the outcome.",
    FieldCause.ALL_ONE_WAY: "; an honest one-way case cannot be told apart from a stuck field by this column alone.",
}


def _value_text(counts: ColumnCounts) -> str:
    return "no value" if counts.top_value is None else f"'{one_line(counts.top_value, 60)}'"


def _stands(spec: FieldSpec, counts: ColumnCounts) -> str:
    spelled = " or another spelling of it" if counts.distinct > 1 else ""
    rows = "the only row" if counts.applicable == 1 else f"all {counts.applicable:,} rows"
    return f"{spec.field} holds {_value_text(counts)}{spelled} in {rows}"


def _corrupted(spec: FieldSpec, counts: ColumnCounts, cause: FieldCause | None) -> str:
    if cause is FieldCause.SERIALISATION_LOST:
        return _lost(spec, counts)
    if cause is FieldCause.IMPORTER_DEFAULT and counts.in_domain:
        return (
            f"{_stands(spec, counts)}, beside a code column that was lost or filled with one value: it was made of the "
            "same default and tells nothing. Export again from the source."
        )
    if cause is FieldCause.IMPORTER_DEFAULT:
        return (
            f"{_stands(spec, counts)}, which is no value of this field: an importer or exporter wrote a default where "
            "it had nothing. Export again from the source."
        )
    known = f"{counts.in_domain:,}" if counts.in_domain else "none"
    return (
        f"{spec.field} holds a known value in {known} of {plural(counts.present, 'filled row')}; the rest is unknown "
        "and is not guessed. See the unknown values."
    )


def _opposed(spec: FieldSpec, counts: ColumnCounts, state: FieldState, cause: FieldCause | None) -> str:
    if state is FieldState.UNRELIABLE:
        return f"{spec.field} breaks too often what the code of the same row implies; it may not testify."
    if cause is FieldCause.IMPORTER_DEFAULT:
        return (
            f"{_stands(spec, counts)} while another witness shows the opposite: the column is stuck at one value and "
            "may not testify. Export again from the source."
        )
    return f"{spec.field} says the opposite of the other witnesses where they show one class; it may not testify."


def _notes(spec: FieldSpec, state: FieldState, power: Power, decisiveness: float, *, halved: bool) -> tuple[str, ...]:
    notes = []
    if spec.witness is Witness.SECONDARY:
        notes.append(
            "Conditional Access is evaluated after the first factor: its success and its failure both mean that the "
            "credential was accepted."
        )
    if not state.may_testify:
        return tuple(notes)
    if halved:
        notes.append("Its score is halved because a primary witness may testify.")
    if not power.by_consensus:
        notes.append(
            "No other primary witness shows both success and failure, so its power to tell them apart is an estimate."
        )
    if 0 < decisiveness < 0.8:
        notes.append(f"It decides {percent(decisiveness)} of the rows.")
    return tuple(notes)


def recommend(log_type: LogType, fields: Sequence[FieldJudgement]) -> Recommendation | None:
    """The outcome field with the highest score that may testify, or None.

    Ties go to the code, then to the text, then to Conditional Access. Where no other witness confirms either, their
    powers are estimates from how often the rarer class occurs; a code that varies and decides as many rows is then
    recommended before its own words, which read some failures as interruptions. A column of one value that no verdict
    may rest on gives way to a field that may carry one and decides half of the rows, and Conditional Access to a code
    or text that varies and does.
    """
    able = [one for one in fields if one.may_testify and one.score]
    if not able:
        return None
    best = min(able, key=lambda one: (-round(one.score or 0.0, 6), one.spec.precedence))
    best = next((one for one in able if _tells_more(one, best) or _carries(one, best)), best)
    rejected = [one for one in fields if is_rejected(one)]
    return Recommendation(
        log_type,
        best.spec.field,
        best.score or 0.0,
        best.confidence,
        tuple(one.spec.field for one in rejected),
        (*best.reasons, *(one.reasons[0] for one in rejected)),
    )


def _tells_more(one: FieldJudgement, best: FieldJudgement) -> bool:
    """Whether a primary witness of higher precedence varies and decides as many rows as the best by estimate."""
    primary = one.spec.witness is best.spec.witness is Witness.PRIMARY and one.spec.precedence < best.spec.precedence
    varies = one.state is not FieldState.UNIFORM and best.confidence is Confidence.LOW
    return primary and varies and (one.decisiveness or 0.0) >= (best.decisiveness or 0.0)


def _carries(one: FieldJudgement, best: FieldJudgement) -> bool:
    stuck = best.state is FieldState.UNIFORM and not best.firm
    stands_in = best.spec.witness is Witness.SECONDARY and one.spec.witness is Witness.PRIMARY
    varies = one.state is not FieldState.UNIFORM
    return (stuck or (stands_in and varies)) and one.firm and (one.decisiveness or 0.0) >= 0.5


def is_rejected(one: FieldJudgement) -> bool:
    """True for a witness that is there and may not testify."""
    witness = one.spec.witness in (Witness.PRIMARY, Witness.SECONDARY)
    return witness and not one.may_testify and one.state is not FieldState.NOT_APPLICABLE


def testimony(fields: Iterable[FieldJudgement]) -> Testimony:
    """Whom the judge of the rows may hear, where no part of the log is heard otherwise."""
    return heard_in(fields, "")


def heard_in(fields: Iterable[FieldJudgement], part: str) -> Testimony:
    """Whom the judge of the rows may hear in a part of the log (named by `parts.part_names`, empty for the rest)."""
    otherwise = dict(reversed(word.partition(":")[::2]) for word in part.split(",") if word)
    heard = [one for one in fields if one.may_testify and otherwise.get(one.spec.field) != SILENT]
    return Testimony(
        frozenset(one.spec.field for one in heard),
        frozenset(
            one.spec.field for one in heard if one.state is FieldState.UNIFORM or otherwise.get(one.spec.field) == WEAK
        ),
    )
