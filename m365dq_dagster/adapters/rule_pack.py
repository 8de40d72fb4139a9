"""Loads the rule pack (`reference_data/` and `expectations/`) from a checkout or from the installed package, checks
it and hashes it. What its rows mean is judged in `core`; changes approved in the registry are merged by the stage
that loads it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # pragma: no cover - PyYAML was built without libyaml; its own loader reads the same, slower
    from yaml import SafeLoader  # type: ignore[assignment]

from m365dq_dagster.adapters.settings import checkout_root
from m365dq_dagster.core.adjudication import CodeRow, Vocabulary
from m365dq_dagster.core.alerts import OperationsPolicy
from m365dq_dagster.core.code_changes import CODE_FIELDS, CodeKey, Kind, ReferenceRow
from m365dq_dagster.core.code_changes import OPERATIONS as OPERATION_FIELD
from m365dq_dagster.core.completeness import Retention, VendorChange
from m365dq_dagster.core.context_rules import FILE as CONTEXT_RULES
from m365dq_dagster.core.context_rules import ContextRule, parse_rules
from m365dq_dagster.core.errors import BadInput, InternalFault
from m365dq_dagster.core.outcome import Role
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.core.profile import FieldSpec, Witness
from m365dq_dagster.core.reference import FILES, TOLD, TRUE, At, Conflict, Layer, Seen
from m365dq_dagster.core.sightings import Reference

if TYPE_CHECKING:
    from m365dq_dagster.adapters.evidence.formats import FormatDefinition

OPERATIONS_FILE = "operations.toml"
"""Recipients and windows: operations, not judgement, so not part of the hash."""

LABELS_FILE = "real_cases.toml"
"""What is known of real evidence: for measuring the judge, who never reads it, so not part of the hash either."""

LABELLED_CASES = "misreadings"
"""The folder of labelled cases, which measure the judge as well."""

REFERENCE, EXPECTATIONS = "reference_data", "expectations"
SUFFIXES = frozenset({".csv", ".toml", ".yaml", ".json"})
CODES, VALUES, OPERATIONS = (FILES[kind] for kind in (Kind.CODE, Kind.VALUE, Kind.OPERATION))
POLICY = "policy.toml"
INTAKE_FILES = ("retention.csv", "vendor_changes.csv")
"""What intake reads of a pack, besides the formats."""

DEPRECATED = "deprecated"
PLAIN = ("meaning", "severity", "deprecated", "state")
"""What every row of the reference says; anything else may be left open."""

SPELT: Mapping[Kind, Mapping[str, str]] = {
    Kind.CODE: {},
    Kind.VALUE: {"category": "normalised"},
    Kind.OPERATION: {"category": "indicator", "meaning": "investigation_note"},
}
"""What the files of the pack call the attributes of a row, where it is something else."""

KEYS: Mapping[Kind, tuple[str, ...]] = {
    Kind.CODE: ("code",),
    Kind.VALUE: ("log_type", "field", "value"),
    Kind.OPERATION: ("operation",),
}
"""The columns that a row of each file is found by."""


@dataclass(frozen=True)
class ValueRow:
    """One known value of a field and what it stands for."""

    log_type: str
    field: str
    value: str
    normalised: str
    severity: str
    meaning: str
    deprecated: bool = False


@dataclass(frozen=True)
class OperationRow:
    """One operation of the audit logs and what it may indicate. `ordinary` is its severity where nothing in its
    parameters or its origin speaks against whoever did it; empty where that is no other.
    """

    operation: str
    record_types: str
    workload: str
    indicator: str
    severity: str
    ordinary: str
    mitre: str
    investigation_note: str
    deprecated: bool = False


def resource_dir(name: str) -> Path:
    """`reference_data` or `expectations`, from the checkout's root or from inside the installed package."""
    root = checkout_root()
    packaged = Path(__file__).resolve().parents[1] / "_data" / name
    for candidate in ([root / name] if root else []) + [packaged]:
        if candidate.is_dir():
            return candidate
    raise InternalFault(f"The installation lacks its folder {name!r}; install the package again.")


@dataclass(frozen=True)
class Memory:
    """What shipped below local entries when they were written, and where that is to be kept; only where it is new."""

    path: Path
    entries: Mapping[At, Seen]


@dataclass(frozen=True)
class Overlay:
    """What stands upon the files that ship: whole files by name, such as `reference_data/values.csv`; which rows of the
    reference are not what ships, and by which layer; and what has to be looked at.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    changed: Mapping[CodeKey, Layer] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    memory: Memory | None = None


@dataclass(frozen=True)
class RulePack:
    """Everything a judgement depends on besides the evidence and the case's context.

    `in_force` says that runs judge by it; a pack that was opened to judge by something else is not.
    """

    root: Path
    expectations_dir: Path
    overlay: Overlay = field(default_factory=Overlay, hash=False)
    in_force: bool = True

    @cached_property
    def content_hash(self) -> str:
        """One hash over every file of the pack but operations: same knowledge, same hash, on every machine."""
        digest = hashlib.sha256()
        for name, content in self.files.items():
            digest.update(name.encode() + b"\0" + content + b"\0")
        return "sha256:" + digest.hexdigest()

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """Every file that a judgement depends on by name, with plain line ends, in the order in which it is hashed."""
        found = {f"{base}/{name}": path for base, name, path in self._shipped()}
        names = sorted({*found, *self.overlay.files}, key=lambda name: (not name.startswith(REFERENCE), Path(name)))
        return {name: self._content(name, found).replace(b"\r\n", b"\n") for name in names}

    def _shipped(self) -> Iterator[tuple[str, str, Path]]:
        for base, folder in ((REFERENCE, self.root), (EXPECTATIONS, self.expectations_dir)):
            for path in folder.rglob("*"):
                if path.suffix not in SUFFIXES or path.parent.name == LABELLED_CASES or not path.is_file():
                    continue
                if path.name not in (OPERATIONS_FILE, LABELS_FILE):
                    yield base, path.relative_to(folder).as_posix(), path

    def _content(self, name: str, shipped: Mapping[str, Path]) -> bytes:
        laid = self.overlay.files.get(name)
        return shipped[name].read_bytes() if laid is None else laid

    @cached_property
    def intake_hash(self) -> str:
        """One hash over the files that say how evidence is read and what is missing from it: rows that were taken in by
        a pack with the same one would be taken in alike by this one.
        """
        digest = hashlib.sha256()
        for name in (*self._names(f"{REFERENCE}/formats/", ".yaml"), *INTAKE_FILES):
            digest.update(name.encode() + b"\0" + self._read(name).replace(b"\r\n", b"\n") + b"\0")
        return "sha256:" + digest.hexdigest()

    @cached_property
    def codes(self) -> tuple[CodeRow, ...]:
        """Every Entra code of the pack, pending ones included."""
        return tuple(CodeRow(**row) for row in self._rows(CODES, CodeRow))

    @cached_property
    def values(self) -> tuple[ValueRow, ...]:
        """Every known value of the enumerated fields."""
        return tuple(ValueRow(**row) for row in self._rows(VALUES, ValueRow))

    @cached_property
    def operations(self) -> tuple[OperationRow, ...]:
        """Every known operation of the unified audit log."""
        return tuple(OperationRow(**row) for row in self._rows(OPERATIONS, OperationRow))

    @cached_property
    def reference(self) -> tuple[ReferenceRow, ...]:
        """Codes, values and operations as rows of the reference; a code once, though several fields may hold it."""
        return tuple(row_of(kind, raw) for kind, name in FILES.items() for raw in self.table(name))

    @cached_property
    def fields(self) -> tuple[FieldSpec, ...]:
        """The canonical fields that are profiled, with their roles."""
        try:
            return tuple(
                FieldSpec(
                    r["log_type"],
                    r["field"],
                    Role(r["role"]),
                    Witness(r["witness"] or "none"),
                    int(r["precedence"] or 9),
                )
                for r in self.table("fields.csv")
            )
        except (KeyError, ValueError) as error:
            raise BadInput(f"fields.csv: {error}; correct the file or restore the shipped one.") from None

    @cached_property
    def context_rules(self) -> tuple[ContextRule, ...]:
        """What the circumstances of a row say about its fields."""
        rules = parse_rules(read_yaml(CONTEXT_RULES, self._read(CONTEXT_RULES)))
        known = {(row["log_type"], row["field"]) for row in self.table("fields.csv")}
        for rule in rules:
            for log_type, name in rule.targets:
                if (log_type, name) not in known:
                    raise BadInput(
                        f"{CONTEXT_RULES}: rule {rule.id!r}: fields: {log_type}.{name} is not in fields.csv; add it "
                        "there or correct the rule."
                    )
        return rules

    @cached_property
    def vendor_changes(self) -> tuple[VendorChange, ...]:
        """What Microsoft is known to have changed, retired, lost or spoilt in the logs."""
        return tuple(_change(row) for row in self._rows("vendor_changes.csv", VendorChange))

    @cached_property
    def retention(self) -> tuple[Retention, ...]:
        """How long each log is kept, by licence and by the day of the event."""
        return tuple(_kept(row) for row in self._rows("retention.csv", Retention))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Codes and words as the judge reads them; pending codes are not known to it."""
        return Vocabulary.of(self.codes, [(v.log_type, v.field, v.value, v.normalised) for v in self.values])

    @cached_property
    def watched_values(self) -> Reference:
        """Codes, words and operations as they are looked up in the fields that are watched."""
        values = [(one.log_type, one.field, one.value, one.normalised) for one in self.values]
        return Reference.of(self.codes, values, [one.operation for one in self.operations])

    @cached_property
    def policy(self) -> Policy:
        """The judgement policy."""
        return Policy.from_mapping(self.policy_table)

    @property
    def policy_table(self) -> dict[str, Any]:
        """The judgement policy as it stands in its file."""
        return read_toml(POLICY, self._read(POLICY))

    @cached_property
    def formats(self) -> tuple[dict[str, Any], ...]:
        """The export formats, in the order of their file names."""
        found = []
        for name in self._names(f"{REFERENCE}/formats/", ".yaml"):
            try:
                found.append(yaml.load(self._read(name), Loader=SafeLoader))
            except (UnicodeDecodeError, yaml.YAMLError) as error:
                raise BadInput(f"{name} is no readable YAML: {str(error).splitlines()[0]}; correct it.") from None
        return tuple(found)

    @cached_property
    def format_definitions(self) -> tuple[FormatDefinition, ...]:
        """What the export formats say, by their ids. Raises `BadInput` where one of them is wrong."""
        from m365dq_dagster.adapters.evidence.formats import parse_formats

        return parse_formats(self.formats)

    def suite(self, log_type: str) -> bytes | None:
        """What the evidence of a log type should look like, as its file holds it; None where there is none."""
        name = f"{log_type}.json"
        laid, path = self.overlay.files.get(f"{EXPECTATIONS}/{name}"), self.expectations_dir / name
        if laid is None and path.is_file():
            return path.read_bytes()
        return laid

    def table(self, name: str) -> list[dict[str, str]]:
        """The rows of a CSV file of the pack as it stands. Raises `BadInput` where it cannot be read."""
        return read_csv(name, self._read(name))

    def _names(self, start: str, end: str) -> list[str]:
        """Files of one folder of `reference_data`, in order."""
        folder = start.removeprefix(f"{REFERENCE}/")
        shipped = {f"{start}{path.name}" for path in (self.root / folder).glob(f"*{end}")}
        laid = {name for name in self.overlay.files if name.startswith(start) and name.endswith(end)}
        return [name.removeprefix(f"{REFERENCE}/") for name in sorted(shipped | laid)]

    def _read(self, name: str) -> bytes:
        laid = self.overlay.files.get(f"{REFERENCE}/{name}")
        if laid is not None:
            return laid
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise _unreadable(name, error.strerror) from None

    def _rows(self, name: str, kind: type) -> list[dict[str, Any]]:
        rows = self.table(name)
        expected = set(kind.__dataclass_fields__)  # type: ignore[attr-defined]
        missing = sorted(expected - {DEPRECATED} - set(rows[0])) if rows else []
        if missing:
            raise BadInput(f"{name}: column {missing[0]!r} is missing; correct the file or restore the shipped one.")
        return [{key: _cell(key, row.get(key)) for key in expected} for row in rows]


def load_rule_pack(root: Path | None = None, expectations: Path | None = None) -> RulePack:
    """The shipped rule pack, or the one in the folders given."""
    return RulePack(root or resource_dir(REFERENCE), expectations or resource_dir(EXPECTATIONS))


def load_operations_policy(root: Path | None = None) -> OperationsPolicy:
    """Who is told what, and how often."""
    path = (root or resource_dir(REFERENCE)) / OPERATIONS_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path.name, error.strerror) from None
    return OperationsPolicy.from_mapping(read_toml(path.name, content))


def row_of(kind: Kind, raw: Mapping[str, str | None]) -> ReferenceRow:
    """A row of the reference from a row of the file of its kind. Columns that the file lacks say nothing."""
    said = {name: _cell(name, raw.get(SPELT[kind].get(name, name))) for name in TOLD}
    said = {name: value if name in PLAIN else value or None for name, value in said.items()}
    said["state"] = str(said["state"] or "active").upper()
    place = {Kind.CODE: CODE_FIELDS[0], Kind.OPERATION: OPERATION_FIELD}.get(kind)
    log_type, name = place or (raw.get("log_type") or "", raw.get("field") or "")
    value = raw.get(KEYS[kind][-1]) or ""
    return replace(ReferenceRow(log_type, name, value, "", ""), **said)


def _cell(name: str, text: str | None) -> Any:
    return (text or "").strip().lower() in TRUE if name == DEPRECATED else text or ""


def _change(row: dict[str, str]) -> VendorChange:
    return VendorChange(
        id=row["id"],
        begins=_day(row["begins"], "vendor_changes.csv"),
        ends=_day(row["ends"], "vendor_changes.csv"),
        kind=row["kind"],
        surface=row["surface"],
        before=row["before"],
        after=row["after"],
        effect=row["effect"],
        detectable_by=row["detectable_by"],
        log_types=_words(row["log_types"]),
        operations=_words(row["operations"]),
        source=row["source"],
    )


def _kept(row: dict[str, str]) -> Retention:
    return Retention(
        log_type=row["log_type"],
        tier=row["tier"],
        days=_whole(row["days"], "retention.csv"),
        begins=_day(row["begins"], "retention.csv"),
        ends=_day(row["ends"], "retention.csv"),
        licences=_words(row["licences"]),
        source=row["source"],
    )


def _words(cell: str) -> tuple[str, ...]:
    """The parts of a cell that holds a list, between upright bars."""
    return tuple(part.strip() for part in cell.split("|") if part.strip())


def _day(cell: str, name: str) -> date | None:
    """A day; blank where it is not known or the end is open."""
    try:
        return date.fromisoformat(cell) if cell else None
    except ValueError:
        raise BadInput(f"{name}: {cell[:40]!r} is no day; write it as 2026-03-31, or leave the cell blank.") from None


def _whole(cell: str, name: str) -> int:
    try:
        return int(cell)
    except ValueError:
        raise BadInput(f"{name}: {cell[:40]!r} is no number of days; write it in digits.") from None


def read_csv(name: str, content: bytes) -> list[dict[str, str]]:
    """The rows of a CSV file. Raises `BadInput` naming it."""
    try:
        return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(name, error, "") from None


def read_yaml(name: str, content: bytes) -> object:
    """What a YAML file holds. Raises `BadInput` naming it."""
    try:
        return yaml.load(content.decode("utf-8"), Loader=SafeLoader)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unreadable(name, str(error).splitlines()[0]) from None


def read_toml(name: str, content: bytes) -> dict[str, Any]:
    """What a TOML file holds. Raises `BadInput` naming it."""
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, why: object, correct: str = "correct it or ") -> BadInput:
    return BadInput(f"{name} of the rule pack cannot be read ({why}); {correct}restore the shipped one.")
