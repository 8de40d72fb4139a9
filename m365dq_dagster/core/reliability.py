"""May a field testify? Consensus of the other witnesses, discriminatory power, decisiveness, consistency, the state with its cause, the score and
the recommendation. Works on combos and column counts; deciding single rows is the business of `adjudication`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from m365dq_dagster.core.adjudication import (
    CA_BLOCK_CODES,
    KEEP_ME_SIGNED_IN,
    WITNESSES,
    Access,
    Client,
    Combo,
    Mark,
    Side,
    Testimony,
    Vocabulary,
    Word,
    side,
)
from m365dq_dagster.core.outcome import Confidence, FieldCause, FieldState, LogType, Role
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.core.profile import ColumnCounts, FieldSpec, Witness, share

JUDGED = (Side.SUCCESS, Side.FAILURE)
SIDES = (Side.SUCCESS, Side.INTERRUPTED, Side.FAILURE)


@dataclass(frozen=True)
class FieldJudgement:
    """What a field is worth in this evidence.

    Shares, scores and ratios are 0..1; `score` is None where the field does not apply. `firm` says that a verdict may rest on it.
    `reasons` are sentences for a person.
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
        self, log_type: LogType, combos: Sequence[Combo], specs: Sequence[FieldSpec], vocabulary: Vocabulary, policy: Policy
    ) -> None:
        self.log_type = log_type
        self.combos = combos
        self.policy = policy
        self.rows = sum(combo.rows for combo in combos)
        self.names = WITNESSES[log_type]
        self.witnesses = {
            spec.field: spec for spec in specs if spec.log is log_type and spec.witness in (Witness.PRIMARY, Witness.SECONDARY)
        }
        self._sides = {
            name: [side(combo, name, vocabulary) for combo in combos] for name in self.witnesses
        }
        self._voters = frozenset(name for name, spec in self.witnesses.items() if spec.witness is Witness.PRIMARY and self._may_vote(name))
        self._vocabulary = vocabulary

    def tally(self, name: str) -> Counter[Side]:
        """Rows by what the witness says."""
        found: Counter[Side] = Counter()
        for combo, said in zip(self.combos, self._sides[name], strict=True):
            found[said] += combo.rows
        return found

    def in_domain(self, name: str) -> int:
        """Rows whose value belongs to the witness's domain: a well-formed code, a known word, a known Conditional Access value."""
        return sum(combo.rows for combo in self.combos if not isinstance(self._value(combo, name), Mark) or self._is_code(combo, name))

    def _is_code(self, combo: Combo, name: str) -> bool:
        return name == self.names.code and combo.code == Mark.UNKNOWN_CODE

    def _value(self, combo: Combo, name: str) -> object:
        if name == self.names.code:
            return Mark(combo.code) if combo.code in set(Mark) else combo.code
        return combo.word if name == self.names.word else combo.access

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
        """J = (macro recall - 1/2) x 2 over success and failure by consensus; without a consensus, by the rows of the rarer class."""
        right: Counter[Side] = Counter()
        total: Counter[Side] = Counter()
        for combo, said, agreed in zip(self.combos, self._sides[name], self.consensus(name), strict=True):
            if agreed in JUDGED and said not in (Side.INTERRUPTED, Side.LEFT_OPEN):
                total[agreed] += combo.rows
                right[agreed] += combo.rows if said is agreed else 0
        if all(total[one] for one in JUDGED):
            recall = sum(right[one] / total[one] for one in JUDGED) / 2
            return Power(max(0.0, (recall - 0.5) * 2), True)
        return Power(self._lone_power(name), False)

    def _lone_power(self, name: str) -> float:
        scoring = self.policy.scoring
        counts = sorted(count for one, count in self.tally(name).items() if one in SIDES and count)
        if len(counts) < 2:
            return scoring.one_class if counts else 0.0
        return max(scoring.floor_two_classes, min(1.0, counts[0] / scoring.rare_class_rows))

    def contradicted(self, name: str, uniform: bool) -> bool:
        """Against the consensus on most rows of a class; or uniform while another witness shows the opposite."""
        return self._against_consensus(name) or (uniform and self._against_another(name))

    def _against_consensus(self, name: str) -> bool:
        limits = self.policy.field_states
        right: Counter[Side] = Counter()
        total: Counter[Side] = Counter()
        for combo, said, agreed in zip(self.combos, self._sides[name], self.consensus(name), strict=True):
            if agreed in JUDGED and said in JUDGED:
                total[agreed] += combo.rows
                right[agreed] += combo.rows if said is agreed else 0
        return any(
            total[one] >= limits.contradicted_rows and right[one] / total[one] < limits.contradicted_recall for one in JUDGED
        )

    def _against_another(self, name: str) -> bool:
        limits = self.policy.field_states
        threshold = max(limits.contradicted_rows, limits.contradicted_uniform_share * self.rows)
        return any(self._opposing_rows(name, other) >= threshold for other in self.witnesses if other != name)

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
        code = None if self.names.code in struck or combo.code in set(Mark) else combo.code
        if name == self.names.word and isinstance(combo.word, Word):
            return self._word_implied(combo.word, code)
        if name == self.names.access and isinstance(combo.access, Access):
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
        """May a verdict rest on the field: it testifies and is not uniform, or uniform with a failure code, or uniform and confirmed."""
        if not state.may_testify:
            return False
        if state is not FieldState.UNIFORM:
            return True
        if name == self.names.code and self._one_failure_code():
            return True
        return any(self._confirms(name, other) for other in testifying if other != name and other in self.witnesses)

    def _one_failure_code(self) -> bool:
        codes = {combo.code for combo in self.combos}
        return len(codes) == 1 and not codes & set(Mark) and "0" not in codes

    def _confirms(self, name: str, other: str) -> bool:
        limits = self.policy.field_states
        given = agreed = 0
        for index, combo in enumerate(self.combos):
            theirs = self._sides[other][index]
            if theirs.gives_outcome:
                given += combo.rows
                agreed += combo.rows if theirs is self._sides[name][index] else 0
        return given >= limits.firm_coverage * self.rows and share(agreed, given) >= limits.firm_agreement


def judge_fields(
    bench: LogBench, specs: Sequence[FieldSpec], counts: Mapping[str, ColumnCounts]
) -> tuple[FieldJudgement, ...]:
    """Judge every field of a log type; the order of `specs` is kept.

    Witnesses are compared with each other; other roles are judged by validity. A field that does not apply gets no score.
    """
    counted = {
        spec.field: replace(counts[spec.field], in_domain=bench.in_domain(spec.field)) if spec.field in bench.witnesses else counts[spec.field]
        for spec in specs
    }
    early = {name: _early_state(bench, name, counted[name]) for name in bench.witnesses if name in counted}
    struck = frozenset(name for name, state in early.items() if state is not None)
    states = {name: early[name] or _late_state(bench, name, counted[name], struck) for name in early}
    testifying = [name for name, state in states.items() if state.may_testify]
    primary_heard = any(bench.witnesses[name].witness is Witness.PRIMARY for name in testifying)
    judged = []
    for spec in specs:
        if spec.field in states:
            judged.append(
                _judge_witness(bench, spec, counted[spec.field], states[spec.field], struck, testifying, primary_heard=primary_heard)
            )
        else:
            judged.append(_judge_other(bench, spec, counted[spec.field]))
    return tuple(judged)


def _is_uniform(counts: ColumnCounts) -> bool:
    return counts.distinct == 1 and counts.applicable > 0


def _early_state(bench: LogBench, name: str, counts: ColumnCounts) -> FieldState | None:
    limits = bench.policy.field_states
    if counts.present == 0 and counts.type_names == 0:
        return FieldState.NOT_APPLICABLE
    if share(counts.type_names, counts.applicable) >= limits.corrupted_type_name_share:
        return FieldState.CORRUPTED
    if counts.present and counts.in_domain / counts.present < limits.corrupted_domain_share:
        return FieldState.CORRUPTED
    if bench.contradicted(name, _is_uniform(counts)):
        return FieldState.CONTRADICTED
    return None


def _late_state(bench: LogBench, name: str, counts: ColumnCounts, struck: frozenset[str]) -> FieldState:
    limits = bench.policy.field_states
    consistency, checkable = bench.consistency(name, struck)
    primary = bench.witnesses[name].witness is Witness.PRIMARY
    if primary and checkable >= limits.unreliable_checkable and consistency < limits.unreliable_consistency:
        return FieldState.UNRELIABLE
    return _contrast(counts, limits.low_contrast_share)


def _contrast(counts: ColumnCounts, threshold: float) -> FieldState:
    if _is_uniform(counts):
        return FieldState.UNIFORM
    return FieldState.LOW_CONTRAST if counts.top_share >= threshold else FieldState.RELIABLE


def _judge_witness(
    bench: LogBench,
    spec: FieldSpec,
    counts: ColumnCounts,
    state: FieldState,
    struck: frozenset[str],
    testifying: Sequence[str],
    *,
    primary_heard: bool,
) -> FieldJudgement:
    name = spec.field
    consistency, checkable = bench.consistency(name, struck - {name})
    firm = bench.is_firm(name, state, testifying)
    cause = _cause(bench, spec, counts, state)
    if state is FieldState.NOT_APPLICABLE:
        reasons = (f"{name} holds no value in any of the {counts.applicable:,} rows it could stand in, so it is not judged.",)
        return FieldJudgement(
            spec, counts, None, None, consistency, checkable, None, None, state, cause, False, False, Confidence.LOW, reasons
        )
    power = bench.power(name)
    tally = bench.tally(name)
    decisiveness = share(sum(tally[one] for one in SIDES), counts.applicable)
    base = counts.population * decisiveness * power.value * consistency
    halved = spec.witness is Witness.SECONDARY and primary_heard
    score = base * (bench.policy.scoring.secondary_factor if halved else 1.0)
    confidence = _confidence(state, power, score)
    told = (_sentence(spec, counts, state, cause, tally), *_notes(spec, power, decisiveness, halved=halved))
    return FieldJudgement(
        spec,
        counts,
        power.value,
        decisiveness,
        consistency,
        checkable,
        base,
        score if state.may_testify else 0.0,
        state,
        cause,
        state.may_testify,
        firm,
        confidence,
        told,
    )


def _confidence(state: FieldState, power: Power, score: float) -> Confidence:
    if state is FieldState.UNIFORM or not power.by_consensus:
        return Confidence.LOW
    return Confidence.HIGH if score >= 0.8 else Confidence.MEDIUM


def _judge_other(bench: LogBench, spec: FieldSpec, counts: ColumnCounts) -> FieldJudgement:
    if counts.present == 0 and counts.type_names == 0:
        state, base, sentence = FieldState.NOT_APPLICABLE, None, f"{spec.field} holds no value in this evidence, so it is not judged."
    elif share(counts.type_names, counts.applicable) >= bench.policy.field_states.corrupted_type_name_share:
        state, base = FieldState.CORRUPTED, 0.0
        sentence = _sentence(spec, counts, state, FieldCause.SERIALISATION_LOST, Counter())
    else:
        state = _contrast(counts, bench.policy.field_states.low_contrast_share)
        base = counts.population * (counts.effective_values if spec.role is Role.EVENT else 1.0)
        if spec.role is Role.OUTCOME:
            base, sentence = 0.0, _no_vote(spec)
        else:
            sentence = f"{spec.field} is filled and valid on {counts.population:.1%} of the rows; it says {ROLE_WORDS[spec.role]}, not what came of a sign-in."
    consistency, checkable = bench.consistency(spec.field, frozenset())
    cause = FieldCause.SERIALISATION_LOST if state is FieldState.CORRUPTED else _constant_by_design(spec, state)
    if base is not None:
        base *= consistency
    return FieldJudgement(
        spec, counts, None, None, consistency, checkable, base, base, state, cause, False, False, Confidence.MEDIUM, (sentence,)
    )


ROLE_WORDS: Mapping[Role, str] = {
    Role.EVENT: "what kind of event it was",
    Role.IDENTIFIER: "which record it is",
    Role.ACTOR: "who acted",
    Role.ADDRESS: "from which address",
    Role.PLACE: "from where",
    Role.TIME: "when",
    Role.CONTEXT: "under which circumstances",
    Role.OUTCOME: "an outcome",
}


def _no_vote(spec: FieldSpec) -> str:
    if spec.witness is Witness.NOT_A_WITNESS:
        return f"{spec.field} speaks of the HTTP exchange on logon rows, not of the logon: failed logons carry Success there. It is not heard."
    return f"{spec.field} is a rendering of the code and never votes for its own source."


def _constant_by_design(spec: FieldSpec, state: FieldState) -> FieldCause | None:
    if state is FieldState.UNIFORM and spec.witness is Witness.NOT_A_WITNESS:
        return FieldCause.CONSTANT_BY_DESIGN
    return None


def _cause(bench: LogBench, spec: FieldSpec, counts: ColumnCounts, state: FieldState) -> FieldCause | None:
    if state is FieldState.CORRUPTED:
        if share(counts.type_names, counts.applicable) >= bench.policy.field_states.corrupted_type_name_share:
            return FieldCause.SERIALISATION_LOST
        return FieldCause.IMPORTER_DEFAULT if _is_uniform(counts) else FieldCause.UNKNOWN_VALUES
    if state is FieldState.CONTRADICTED and _is_uniform(counts):
        return FieldCause.IMPORTER_DEFAULT
    if state is FieldState.UNIFORM:
        return FieldCause.LICENCE if _never_applied(bench, spec) else FieldCause.ALL_ONE_WAY
    return None


def _never_applied(bench: LogBench, spec: FieldSpec) -> bool:
    return spec.witness is Witness.SECONDARY and not any(bench.tally(spec.field)[one] for one in SIDES)


def _sentence(
    spec: FieldSpec, counts: ColumnCounts, state: FieldState, cause: FieldCause | None, tally: Counter[Side]
) -> str:
    name, rows = spec.field, f"{counts.applicable:,}"
    value = f"'{counts.top_value if counts.top_value is not None else 'blank'}'"
    if cause is FieldCause.SERIALISATION_LOST:
        return f"{name} holds a type name in {counts.type_names:,} of {rows} rows: the object was not expanded at export and its value is lost. Export again with the object expanded."
    if state is FieldState.CORRUPTED and cause is FieldCause.IMPORTER_DEFAULT:
        return f"{name} holds {value} in all {rows} rows, which is no value of this field: an importer or exporter wrote a default where it had nothing."
    if state is FieldState.CORRUPTED:
        return f"{name} holds a known value in {counts.in_domain:,} of {counts.present:,} filled rows only; the rest is unknown and is not guessed."
    if state is FieldState.CONTRADICTED and cause is FieldCause.IMPORTER_DEFAULT:
        return f"{name} holds {value} in all {rows} rows while another witness shows the opposite: the column is stuck at one value."
    if state is FieldState.CONTRADICTED:
        return f"{name} says the opposite of the other witnesses on most rows of a class; it may not testify."
    if state is FieldState.UNRELIABLE:
        return f"{name} breaks what the code implies too often; it may not testify."
    if cause is FieldCause.LICENCE:
        return f"{name} holds {value} in all {rows} rows: no policy was evaluated (or the licence is missing), so it says nothing of the outcome."
    if state is FieldState.UNIFORM:
        return f"{name} holds {value} in all {rows} rows; an honest one-way case cannot be told apart from a stuck field by this column alone."
    if state is FieldState.LOW_CONTRAST:
        return f"{name} holds {value} in {counts.top_share:.1%} of the rows, which is normal for a healthy tenant; the other rows differ, and it may testify."
    return f"{name} gives an outcome on {sum(tally[one] for one in SIDES):,} of {rows} rows and nothing speaks against it."


def _notes(spec: FieldSpec, power: Power, decisiveness: float, *, halved: bool) -> tuple[str, ...]:
    notes = []
    if spec.witness is Witness.SECONDARY:
        notes.append("Conditional Access is evaluated after the first factor: success and failure both mean that the credential was accepted.")
    if halved:
        notes.append("Its score is halved because a primary witness may testify.")
    if not power.by_consensus:
        notes.append("No second primary witness stands beside it, so its power to tell success from failure is an estimate.")
    if 0 < decisiveness < 0.8:
        notes.append(f"It decides {decisiveness:.0%} of the rows.")
    return tuple(notes)


def recommend(log_type: LogType, fields: Sequence[FieldJudgement]) -> Recommendation | None:
    """The outcome field with the highest score that may testify, or None; ties go to the code, then text, then Conditional Access."""
    able = [one for one in fields if one.may_testify and one.score]
    if not able:
        return None
    best = min(able, key=lambda one: (-round(one.score or 0.0, 6), one.spec.precedence))
    rejected = tuple(
        one.spec.field
        for one in fields
        if one.spec.witness in (Witness.PRIMARY, Witness.SECONDARY)
        and not one.may_testify
        and one.state is not FieldState.NOT_APPLICABLE
    )
    reasons = (*best.reasons, *(one.reasons[0] for one in fields if one.spec.field in rejected))
    return Recommendation(log_type, best.spec.field, best.score or 0.0, best.confidence, rejected, reasons)


def testimony(fields: Iterable[FieldJudgement]) -> Testimony:
    """Whom the judge of the rows may hear."""
    heard = [one for one in fields if one.may_testify]
    return Testimony(
        frozenset(one.spec.field for one in heard),
        frozenset(one.spec.field for one in heard if one.state is FieldState.UNIFORM),
    )
