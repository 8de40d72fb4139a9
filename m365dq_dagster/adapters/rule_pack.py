"""Loads the rule pack (`reference_data/` and `expectations/`) from a checkout or from the installed package, checks
it and hashes it. What its rows mean is judged in `core`; changes approved in the registry are merged by the stage
that loads it.
"""

from __future__ import annotations

import csv
import hashlib
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # pragma: no cover - PyYAML was built without libyaml; its own loader reads the same, slower
    from yaml import SafeLoader  # type: ignore[assignment]

from m365dq_dagster.adapters.settings import checkout_root
from m365dq_dagster.core.adjudication import CodeRow, Vocabulary
from m365dq_dagster.core.alerts import OperationsPolicy
from m365dq_dagster.core.completeness import Retention, VendorChange
from m365dq_dagster.core.context_rules import FILE as CONTEXT_RULES
from m365dq_dagster.core.context_rules import ContextRule, parse_rules
from m365dq_dagster.core.errors import BadInput, InternalFault
from m365dq_dagster.core.outcome import Role
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.core.profile import FieldSpec, Witness

OPERATIONS_FILE = "operations.toml"
"""Recipients and windows: operations, not judgement, so not part of the hash."""

LABELS_FILE = "real_cases.toml"
"""What is known of real evidence: for measuring the judge, who never reads it, so not part of the hash either."""

LABELLED_CASES = "misreadings"
"""The folder of labelled cases, which measure the judge as well."""


@dataclass(frozen=True)
class ValueRow:
    """One known value of a field and what it stands for."""

    log_type: str
    field: str
    value: str
    normalised: str
    severity: str
    meaning: str


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


def resource_dir(name: str) -> Path:
    """`reference_data` or `expectations`, from the checkout's root or from inside the installed package."""
    root = checkout_root()
    packaged = Path(__file__).resolve().parents[1] / "_data" / name
    for candidate in ([root / name] if root else []) + [packaged]:
        if candidate.is_dir():
            return candidate
    raise InternalFault(f"The installation lacks its folder {name!r}; install the package again.")


@dataclass(frozen=True)
class RulePack:
    """Everything a judgement depends on besides the evidence and the case's context."""

    root: Path
    expectations_dir: Path

    @cached_property
    def content_hash(self) -> str:
        """One hash over every file of the pack but operations: same knowledge, same hash, on every machine."""
        digest = hashlib.sha256()
        for base in (self.root, self.expectations_dir):
            for path in sorted(
                p for p in base.rglob("*") if p.is_file() and p.suffix in {".csv", ".toml", ".yaml", ".json"}
            ):
                if path.name in (OPERATIONS_FILE, LABELS_FILE) or path.parent.name == LABELLED_CASES:
                    continue
                text = path.read_bytes().replace(b"\r\n", b"\n")
                digest.update(f"{base.name}/{path.relative_to(base).as_posix()}".encode() + b"\0" + text + b"\0")
        return "sha256:" + digest.hexdigest()

    @cached_property
    def codes(self) -> tuple[CodeRow, ...]:
        """Every Entra code of the pack, pending ones included."""
        return tuple(CodeRow(**row) for row in self._rows("status_codes.csv", CodeRow))

    @cached_property
    def values(self) -> tuple[ValueRow, ...]:
        """Every known value of the enumerated fields."""
        return tuple(ValueRow(**row) for row in self._rows("values.csv", ValueRow))

    @cached_property
    def operations(self) -> tuple[OperationRow, ...]:
        """Every known operation of the unified audit log."""
        return tuple(OperationRow(**row) for row in self._rows("operations.csv", OperationRow))

    @cached_property
    def fields(self) -> tuple[FieldSpec, ...]:
        """The canonical fields that are profiled, with their roles."""
        rows = _read_csv(self.root / "fields.csv")
        try:
            return tuple(
                FieldSpec(
                    r["log_type"],
                    r["field"],
                    Role(r["role"]),
                    Witness(r["witness"] or "none"),
                    int(r["precedence"] or 9),
                )
                for r in rows
            )
        except (KeyError, ValueError) as error:
            raise BadInput(f"fields.csv: {error}; correct the file or restore the shipped one.") from None

    @cached_property
    def context_rules(self) -> tuple[ContextRule, ...]:
        """What the circumstances of a row say about its fields."""
        rules = parse_rules(_read_yaml(self.root / CONTEXT_RULES))
        known = {(row["log_type"], row["field"]) for row in _read_csv(self.root / "fields.csv")}
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
    def policy(self) -> Policy:
        """The judgement policy."""
        return Policy.from_mapping(_read_toml(self.root / "policy.toml"))

    @cached_property
    def formats(self) -> tuple[dict[str, Any], ...]:
        """The export formats, in the order of their file names."""
        found = []
        for path in sorted((self.root / "formats").glob("*.yaml")):
            try:
                found.append(yaml.load(path.read_text(encoding="utf-8"), Loader=SafeLoader))
            except (UnicodeDecodeError, yaml.YAMLError) as error:
                raise BadInput(
                    f"formats/{path.name} is no readable YAML: {str(error).splitlines()[0]}; correct it."
                ) from None
        return tuple(found)

    def _rows(self, name: str, kind: type) -> list[dict[str, str]]:
        rows = _read_csv(self.root / name)
        expected = set(kind.__dataclass_fields__)  # type: ignore[attr-defined]
        if rows and not expected <= set(rows[0]):
            missing = sorted(expected - set(rows[0]))
            raise BadInput(f"{name}: column {missing[0]!r} is missing; correct the file or restore the shipped one.")
        return [{key: row[key] or "" for key in expected} for row in rows]


def load_rule_pack(root: Path | None = None, expectations: Path | None = None) -> RulePack:
    """The shipped rule pack, or the one in the folders given."""
    return RulePack(root or resource_dir("reference_data"), expectations or resource_dir("expectations"))


def load_operations_policy(root: Path | None = None) -> OperationsPolicy:
    """Who is told what, and how often."""
    return OperationsPolicy.from_mapping(_read_toml((root or resource_dir("reference_data")) / OPERATIONS_FILE))


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


def _read_csv(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            return list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BadInput(f"{path.name} of the rule pack cannot be read ({why}); restore the shipped one.") from None


def _read_yaml(path: Path) -> object:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise BadInput(
            f"{path.name} of the rule pack cannot be read ({why}); correct it or restore the shipped one."
        ) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(
            f"{path.name} of the rule pack cannot be read ({error}); correct it or restore the shipped one."
        ) from None
