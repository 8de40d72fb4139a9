"""In which part of a log may a witness testify? Files, types of sign-in and stretches of days in which it is corrupted,
stuck or dark are found and struck, so that a bad export does not spoil a good one beside it, nor a good one hide a bad
one. What a state means and how it is scored is decided in `reliability`; the statistics of days stand in `stretches`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from itertools import pairwise

from m365dq_dagster.core.adjudication import WITNESSES, Combo, Mark, Side, Vocabulary, said_by
from m365dq_dagster.core.narrative import percent
from m365dq_dagster.core.outcome import FieldCause, FieldState, LogType
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.core.profile import ColumnCounts, FieldSpec, Witness
from m365dq_dagster.core.reliability import (
    AT_FAULT,
    SILENT,
    WEAK,
    FieldJudgement,
    LogBench,
    cause_of,
    judge_fields,
    judge_states,
)
from m365dq_dagster.core.stretches import (
    ChangeKind,
    ChangePoint,
    ConstantRun,
    DayCount,
    PartFault,
    Spot,
    Stretch,
    TypeProfile,
    buckets,
    constant_runs,
    filled_runs,
)

Struck = Mapping[str, frozenset[Spot]]
"""Witness -> the spots on which it is not heard."""

TYPE_WORDS: Mapping[str | None, str] = {
    "interactiveuser": "interactive ",
    "noninteractiveuser": "non-interactive ",
    "serviceprincipal": "service principal ",
    "managedidentity": "managed identity ",
    None: "",
}


@dataclass(frozen=True)
class Sighting:
    """So many rows of one spot whose witnesses say the same; the row count of `combo` itself is 1."""

    spot: Spot
    combo: Combo
    rows: int


@dataclass(frozen=True)
class Rows:
    """The logons of one log type, and what they are judged with.

    `absent` are the (file, witness) pairs whose file has no such column: there the witness is not applicable, and its
    absence is no change. `files` gives the paths to name in sentences.
    """

    log_type: LogType
    sightings: Sequence[Sighting]
    specs: Sequence[FieldSpec]
    vocabulary: Vocabulary
    policy: Policy
    absent: Collection[tuple[int, str]] = ()
    files: Mapping[int, str] = field(default_factory=dict)

    def bench(self, sightings: Iterable[Sighting], struck: Struck | None = None) -> LogBench:
        """The witnesses of some of the rows; a witness is struck where `struck` says so."""
        rows: Counter[Combo] = Counter()
        for one in sightings:
            rows[_struck(one, struck) if struck else one.combo] += one.rows
        combos = [replace(combo, rows=count) for combo, count in sorted(rows.items(), key=lambda item: repr(item[0]))]
        return LogBench(self.log_type, combos, self.specs, self.vocabulary, self.policy)

    def of(self, name: str) -> list[Sighting]:
        """The rows of files that have the witness's column."""
        return [one for one in self.sightings if (one.spot.file_id, name) not in self.absent]


def _struck(one: Sighting, struck: Struck) -> Combo:
    names, combo = WITNESSES[one.combo.log_type], one.combo
    for name, spots in struck.items():
        if one.spot in spots:
            if name == names.code:
                combo = replace(combo, code=Mark.STRUCK, codes_differ=False)
            elif name == names.word:
                combo = replace(combo, word=Mark.STRUCK)
            else:
                combo = replace(combo, access=Mark.STRUCK)
    return combo


def judge_log(rows: Rows, counts: Mapping[str, ColumnCounts]) -> tuple[FieldJudgement, ...]:
    """Judge every field of a log type over the rows on which it is not struck, and say where it is.

    A witness that is at fault over the whole log stays so, unless enough rows of it stand outside the faulty parts. One
    that holds a single value everywhere is stuck everywhere, though only some parts can show it.
    """
    whole = rows.bench(rows.sightings)
    names = [spec.field for spec in rows.specs if spec.field in whole.witnesses]
    changes: dict[str, list[ChangePoint]] = {}
    faults: dict[str, list[PartFault]] = {name: [] for name in names}
    for name in names:
        changes[name], faults[name] = _by_days(rows, name)
    for name, found in _by_source(rows, _silent(faults)).items():
        faults[name] += found
    measured = {name: whole.counts(name) for name in names}
    states, _ = judge_states(whole, measured)
    stuck = {name for name in names if states[name] in AT_FAULT and whole.uniform(name, measured[name])}
    kept = {
        name: found if name not in stuck and _spares_enough(rows, name, found, states[name]) else []
        for name, found in faults.items()
    }
    overruled = {name: found for name, found in kept.items() if _silent(kept)[name] and not _left(rows, name, found)}
    ruled = {name: max(found, key=lambda one: one.rows).state for name, found in overruled.items()}
    struck = {name: spots for name, spots in _silent(kept).items() if name not in ruled}
    judged = judge_fields(rows.bench(rows.sightings, struck), rows.specs, counts, ruled)
    return tuple(
        _told(rows, one, changes[one.spec.field], kept.get(one.spec.field, []))
        if one.spec.field in names and one.state is not FieldState.NOT_APPLICABLE
        else one
        for one in judged
    )


def _silent(faults: Mapping[str, Iterable[PartFault]]) -> dict[str, frozenset[Spot]]:
    return {
        name: frozenset(spot for one in found if one.silent for spot in one.spots) for name, found in faults.items()
    }


def _spares_enough(rows: Rows, name: str, faults: Sequence[PartFault], state: FieldState) -> bool:
    """Enough rows of the witness's domain stand outside its faults, or the whole log does not show the fault."""
    if not faults or state not in AT_FAULT:
        return True
    return _left(rows, name, faults) >= rows.policy.stretches.rows


def _left(rows: Rows, name: str, faults: Sequence[PartFault]) -> int:
    """Rows of the witness's domain outside its faults."""
    return rows.bench(rows.sightings, _silent({name: faults})).in_domain(name)


def _by_days(rows: Rows, name: str) -> tuple[list[ChangePoint], list[PartFault]]:
    """Change points of a witness within each type of sign-in, and the stretches in which it is not heard as before."""
    changes: list[ChangePoint] = []
    faults: list[PartFault] = []
    timed = [one for one in rows.of(name) if one.spot.day is not None]
    for kind in _kinds(timed):
        series = [one for one in timed if one.spot.sign_in_type == kind]
        watch = Watch(rows, name, kind, series)
        changes += watch.filled_changes()
        for fault, found in watch.stretches():
            faults.append(fault)
            changes += found
    return sorted(changes, key=lambda one: (one.day, str(one.sign_in_type), one.kind)), faults


def _kinds(sightings: Iterable[Sighting]) -> list[str | None]:
    return sorted({one.spot.sign_in_type for one in sightings}, key=lambda kind: (kind is None, str(kind)))


def day_counts(sightings: Sequence[Sighting], name: str) -> list[DayCount]:
    """What a witness holds on each day, in order; rows without a time belong to no day."""
    found: dict[date, Counter[str]] = {}
    for one in sightings:
        if one.spot.day is not None:
            found.setdefault(one.spot.day, Counter())[said_by(one.combo, name)] += one.rows
    is_code = any(name == WITNESSES[one.combo.log_type].code for one in sightings[:1])
    return [
        DayCount(day, values.total(), sum(n for said, n in values.items() if _in_domain(said, is_code=is_code)), values)
        for day, values in sorted(found.items())
    ]


MARKS = frozenset(Mark)


def _in_domain(said: str, *, is_code: bool) -> bool:
    return said not in MARKS or (is_code and said == Mark.UNKNOWN_CODE)


def _usable(said: str) -> bool:
    return said not in MARKS


@dataclass(frozen=True)
class Watch:
    """One witness on the rows of one type of sign-in, day by day."""

    rows: Rows
    name: str
    kind: str | None
    sightings: Sequence[Sighting]

    @cached_property
    def series(self) -> list[Stretch]:
        """Its days, small ones joined."""
        return buckets(day_counts(self.sightings, self.name), self.rows.policy.stretches.day_rows)

    @property
    def where(self) -> str:
        """The rows it is watched on, in words."""
        return f"{TYPE_WORDS.get(self.kind, '')}rows"

    def filled_changes(self) -> list[ChangePoint]:
        """The days on which it goes dark or comes back."""
        runs = filled_runs(self.series, self.rows.policy.stretches)
        found = []
        for (_, before), (filled, after) in pairwise(runs):
            kind = ChangeKind.CAME_BACK if filled else ChangeKind.WENT_DARK
            sentence = (
                f"From {after.begins} on {self.name} holds a usable value on {percent(after.population)} of the "
                f"{self.where}, after {percent(before.population)} before."
            )
            change = ChangePoint(after.begins, kind, self.kind, before.population, after.population, sentence)
            found.append(change)
        return found

    def stretches(self) -> list[tuple[PartFault, list[ChangePoint]]]:
        """The stretches in which it is corrupted, stuck or abruptly constant, each with the changes to be told."""
        policy = self.rows.policy.stretches
        found: list[tuple[PartFault, list[ChangePoint]]] = []
        for filled, dark in filled_runs(self.series, policy):
            fault = None if filled else self._dark(dark)
            if fault:
                found.append((fault, []))
        for run in constant_runs(self.series, _usable, policy):
            fault = self._stuck(run) or self._abrupt(run)
            if fault:
                found.append((fault, self._constant_changes(run)))
        return found

    def _within(self, stretch: Stretch) -> list[Sighting]:
        return [one for one in self.sightings if stretch.covers(one.spot.day)]

    def _dark(self, run: Stretch) -> PartFault | None:
        """Dark days whose rows hold something, but nothing of the domain."""
        inside = self._within(run)
        bench = self.rows.bench(inside)
        counts = bench.counts(self.name)
        state = judge_states(bench, {self.name: counts})[0][self.name]
        if state is not FieldState.CORRUPTED:
            return None
        cause = cause_of(bench, bench.witnesses[self.name], counts, state)
        said = "a type name" if counts.type_names else "a value of no table"
        return self._fault(run, inside, state, cause, f"holds {said} instead of a value")

    def _stuck(self, run: ConstantRun) -> PartFault | None:
        """One value throughout, while another witness shows the opposite."""
        inside = self._within(run.stretch)
        bench = self.rows.bench(inside)
        if bench.witnesses[self.name].witness is not Witness.PRIMARY:
            return None
        state = judge_states(bench, {name: bench.counts(name) for name in bench.witnesses})[0][self.name]
        failing = self.name in (bench.names.code, bench.names.word) and bench.tally(self.name)[Side.FAILURE] > 0
        if state not in AT_FAULT and not (failing and bench.is_ruled_out()):
            return None
        told = f"is stuck at '{one_line(run.value, 60)}' while another witness shows otherwise"
        return self._fault(run.stretch, inside, FieldState.CONTRADICTED, FieldCause.IMPORTER_DEFAULT, told)

    def _abrupt(self, run: ConstantRun) -> PartFault | None:
        """One value throughout, abruptly: nobody contradicts it, and it is believed less. A failure that nobody
        confirms is not believed at all, or attempts would be called blocked on a field that cannot tell.
        """
        if not run.is_abrupt(self.rows.policy.stretches):
            return None
        inside = self._within(run.stretch)
        bench = self.rows.bench(inside)
        others = [name for name in bench.witnesses if name != self.name]
        failure = bench.tally(self.name)[Side.FAILURE] > 0
        silent = failure and not any(bench.confirms(self.name, other) for other in others)
        told = f"holds nothing but '{one_line(run.value, 60)}' after it varied nearly every day"
        return self._fault(run.stretch, inside, FieldState.UNIFORM, FieldCause.ALL_ONE_WAY, told, silent=silent)

    def _fault(
        self,
        run: Stretch,
        inside: Sequence[Sighting],
        state: FieldState,
        cause: FieldCause | None,
        told: str,
        *,
        silent: bool = True,
    ) -> PartFault:
        heard = "it is not heard there" if silent else "it carries at most LOW there"
        days = f"From {run.begins} to {run.ends}"
        files = {one.spot.file_id for one in inside}
        source = files.pop() if len(files) == 1 else None
        path = self.rows.files.get(source or 0)
        where = self.where + (f" of {one_line(path, 80)}" if path else "")
        return PartFault(
            state,
            cause,
            silent,
            source,
            self.kind,
            run.begins,
            run.ends,
            run.rows,
            frozenset(one.spot for one in inside),
            f"{days} {self.name} {told} ({run.rows:,} {where}); {heard}.",
        )

    def _constant_changes(self, run: ConstantRun) -> list[ChangePoint]:
        value, found = one_line(run.value, 60), []
        beside = [one for one in self.series if not run.stretch.covers(one.begins)]
        held = sum(one.values.get(run.value, 0) for one in beside) / sum(one.rows for one in beside)
        if run.before:
            sentence = (
                f"From {run.stretch.begins} on {self.name} holds '{value}' in all {run.stretch.rows:,} {self.where}, "
                f"after {percent(held)} on other days."
            )
            kind = ChangeKind.BECAME_CONSTANT
            found.append(ChangePoint(run.stretch.begins, kind, self.kind, held, 1.0, sentence))
        if not run.to_the_end:
            first = min(one.begins for one in beside if one.begins > run.stretch.ends)
            sentence = f"From {first} on {self.name} varies again on the {self.where}, after '{value}' throughout."
            found.append(ChangePoint(first, ChangeKind.VARIES_AGAIN, self.kind, 1.0, held, sentence))
        return found


def _by_source(rows: Rows, struck: Struck) -> dict[str, list[PartFault]]:
    """Faults of files and types of sign-in, where the log has more than one of them. Small ones are judged together."""
    groups: dict[tuple[int | None, str | None], list[Sighting]] = {}
    for one in rows.sightings:
        groups.setdefault((one.spot.file_id, one.spot.sign_in_type), []).append(one)
    pooled: dict[tuple[int | None, str | None], list[Sighting]] = {}
    for (file_id, kind), found in groups.items():
        own = sum(one.rows for one in found) >= rows.policy.stretches.rows
        pooled.setdefault((file_id if own else None, kind), []).extend(found)
    faults: dict[str, list[PartFault]] = {}
    if len(pooled) < 2:
        return faults
    for (source, kind), found in sorted(pooled.items(), key=lambda item: (item[0][0] or 0, str(item[0][1]))):
        if sum(one.rows for one in found) >= rows.policy.stretches.rows:
            for name, fault in _part_faults(rows, found, struck, source, kind):
                faults.setdefault(name, []).append(fault)
    return faults


def _part_faults(
    rows: Rows, found: Sequence[Sighting], struck: Struck, source: int | None, kind: str | None
) -> list[tuple[str, PartFault]]:
    bench = rows.bench(found, struck)
    counts = {name: bench.counts(name) for name in bench.witnesses}
    states, _ = judge_states(bench, counts)
    made = []
    for name, state in states.items():
        if _stuck_at_failure(rows, bench, name, state):
            state = FieldState.CONTRADICTED
        # What Conditional Access says of single policies is no fault of a part: only what cannot be read is.
        secondary = bench.witnesses[name].witness is Witness.SECONDARY and state is not FieldState.CORRUPTED
        if state in AT_FAULT and not secondary:
            cause = cause_of(bench, bench.witnesses[name], counts[name], state)
            told = _part_sentence(rows, name, state, counts[name], source, kind)
            spots = frozenset(one.spot for one in found if (one.spot.file_id, name) not in rows.absent)
            fault = PartFault(state, cause, True, source, kind, None, None, counts[name].applicable, spots, told)
            made.append((name, fault))
    return made


def _stuck_at_failure(rows: Rows, bench: LogBench, name: str, state: FieldState) -> bool:
    """Only failures in this part, and other codes in the rest, while Conditional Access shows what they rule out."""
    told = name in (bench.names.code, bench.names.word) and bench.tally(name)[Side.FAILURE] > 0
    varies = len({one.combo.code for one in rows.sightings}) > 1
    return told and varies and state is FieldState.UNIFORM and bench.is_ruled_out()


STATE_WORDS: Mapping[FieldState, str] = {
    FieldState.CORRUPTED: "is corrupted",
    FieldState.CONTRADICTED: "is contradicted by the other witnesses",
    FieldState.UNRELIABLE: "breaks what the code of the same row implies",
}


def _part_sentence(
    rows: Rows, name: str, state: FieldState, counts: ColumnCounts, source: int | None, kind: str | None
) -> str:
    path = rows.files.get(source or 0)
    where = f"{TYPE_WORDS.get(kind, '')}rows" + (f" of {one_line(path, 80)}" if path else "")
    lost = f" (a type name in {counts.type_names:,})" if counts.type_names else ""
    return f"On the {counts.applicable:,} {where} {name} {STATE_WORDS[state]}{lost}; it is not heard there."


def _told(
    rows: Rows, one: FieldJudgement, changes: Sequence[ChangePoint], faults: Sequence[PartFault]
) -> FieldJudgement:
    """The judgement with its profile by type of sign-in and day, and where it is not heard as in the rest."""
    name = one.spec.field
    found = replace(
        one, faults=tuple(faults), change_points=tuple(changes), by_day=tuple(day_counts(rows.sightings, name))
    )
    profiles = _by_type(rows, found)
    reasons = (*one.reasons, *(fault.sentence for fault in faults if one.may_testify))
    return replace(found, by_sign_in_type=profiles, reasons=reasons)


def _by_type(rows: Rows, one: FieldJudgement) -> tuple[TypeProfile, ...]:
    kinds = _kinds(rows.sightings)
    if kinds == [None]:
        return ()
    return tuple(_profile(rows, one, kind) for kind in kinds)


def _profile(rows: Rows, one: FieldJudgement, kind: str | None) -> TypeProfile:
    name, found = one.spec.field, [each for each in rows.sightings if each.spot.sign_in_type == kind]
    bench = rows.bench(found)
    counts = bench.counts(name)
    enough = counts.applicable >= rows.policy.stretches.rows
    states, _ = judge_states(bench, {each: bench.counts(each) for each in bench.witnesses})
    heard = any(each.spot not in one.silent_spots for each in found) and counts.in_domain > 0
    return TypeProfile(
        kind,
        counts.applicable,
        counts.population,
        counts.top_value,
        counts.top_share,
        states[name] if enough else None,
        one.may_testify and heard,
    )


def part_names(fields: Iterable[FieldJudgement]) -> dict[Spot, str]:
    """For every spot on which a witness is not heard as elsewhere: the name of its part, such as
    `silent:status,weak:status_error_code`. Spots of the rest are left out.
    """
    found: dict[Spot, set[str]] = {}
    for one in fields:
        for word, spots in ((WEAK, one.weak_spots - one.silent_spots), (SILENT, one.silent_spots)):
            for spot in spots:
                found.setdefault(spot, set()).add(f"{word}:{one.spec.field}")
    return {spot: ",".join(sorted(words)) for spot, words in found.items()}


def parts_told(fields: Iterable[FieldJudgement]) -> list[str]:
    """One sentence for every change point and every part in which a witness is not heard as elsewhere."""
    found: list[str] = []
    for one in fields:
        found += [fault.sentence for fault in one.faults]
        found += [change.sentence for change in one.change_points]
    return list(dict.fromkeys(found))
