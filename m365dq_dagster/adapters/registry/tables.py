"""The tables of the registry as SQLAlchemy sees them. How they come into being is in `migrations`; a test holds the two
together.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class UtcMoment(sa.types.TypeDecorator[datetime]):
    """A moment: aware in Python, UTC without offset in the database, the same on every engine."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware to UTC; a naive moment is a fault of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be kept in the registry")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC as it was kept, made aware."""
        return None if value is None else value.replace(tzinfo=UTC)


def _id(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=True)


def _owned_by(column: str) -> sa.Column[int]:
    """The key of a row that goes with the one that owns it, under the name it has there."""
    owner = sa.ForeignKey(column, ondelete="CASCADE")
    return sa.Column(column.split(".")[1], sa.Integer, owner, primary_key=True, autoincrement=False)


def _text(name: str, *more: Any, nullable: bool = False, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, *more, nullable=nullable, **options)


def _moment(name: str, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, UtcMoment, nullable=nullable)


def _severity() -> sa.CheckConstraint:
    return sa.CheckConstraint("severity IN ('INFO', 'WARNING', 'CRITICAL')", name="severity")


status_code_reference = sa.Table(
    "status_code_reference",
    metadata,
    _id("code_id"),
    _text("log_type"),
    _text("field_name"),
    _text("code_value"),
    _text("meaning"),
    _text("severity"),
    sa.Column("first_seen", sa.Date, nullable=False),
    sa.Column("last_validated", sa.Date, nullable=False),
    sa.Column("deprecated", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("log_type", "field_name", "code_value"),
    _severity(),
)

status_code_details = sa.Table(
    "status_code_details",
    metadata,
    _owned_by("status_code_reference.code_id"),
    _text("category", nullable=True),
    _text("outcome", nullable=True),
    _text("first_factor", nullable=True),
    _text("portal_status", nullable=True),
    _text("provenance", nullable=True),
    _text("method", nullable=True),
    _text("state", server_default="ACTIVE"),
    _text("symbolic_name", nullable=True),
    _text("sources", nullable=True),
    _text("origin", nullable=True),
    sa.CheckConstraint("state IN ('ACTIVE', 'PENDING', 'REJECTED')", name="state"),
)

status_code_changes = sa.Table(
    "status_code_changes",
    metadata,
    _id("change_id"),
    _text("log_type"),
    _text("field_name"),
    _text("code_value"),
    _text("action"),
    sa.Column("before", sa.JSON, nullable=True),
    sa.Column("after", sa.JSON, nullable=False),
    sa.Column("critical", sa.Boolean, nullable=False),
    _text("reason", nullable=True),
    _text("source", nullable=True),
    _text("state"),
    _text("proposed_by"),
    _text("proposed_as", nullable=True),
    _moment("proposed_at"),
    _text("decided_by", nullable=True),
    _text("decided_as", nullable=True),
    _text("decision_reason", nullable=True),
    _moment("decided_at", nullable=True),
    sa.CheckConstraint("action IN ('ADD', 'CHANGE', 'DEPRECATE')", name="action"),
    sa.CheckConstraint("state IN ('PENDING', 'APPROVED', 'REJECTED')", name="state"),
    sa.Index(None, "state"),
    sa.Index(None, "log_type", "field_name", "code_value"),
    sa.Index(
        "uq_status_code_changes_pending",
        "log_type",
        "field_name",
        "code_value",
        unique=True,
        sqlite_where=sa.text("state = 'PENDING'"),
        postgresql_where=sa.text("state = 'PENDING'"),
    ),
)

status_code_history = sa.Table(
    "status_code_history",
    metadata,
    _id("history_id"),
    _text("log_type"),
    _text("field_name"),
    _text("code_value"),
    sa.Column("before", sa.JSON, nullable=True),
    sa.Column("after", sa.JSON, nullable=True),
    _text("origin"),
    _text("actor"),
    sa.Column("change_id", sa.Integer, nullable=True),
    _text("pack_hash", nullable=True),
    _moment("changed_at"),
    sa.CheckConstraint("origin IN ('PACK', 'CHANGE')", name="origin"),
    sa.Index(None, "log_type", "field_name", "code_value"),
)

rule_packs = sa.Table(
    "rule_packs",
    metadata,
    _text("content_hash", primary_key=True),
    _moment("first_used_at"),
    _moment("loaded_at"),
)

schema_versions = sa.Table(
    "schema_versions",
    metadata,
    _id("version_id"),
    _text("log_type"),
    _text("api_version"),
    _text("schema_hash"),
    sa.Column("detected_date", sa.Date, nullable=False),
    _text("notes", nullable=True),
    sa.UniqueConstraint("log_type", "api_version", "schema_hash"),
)

schema_fields = sa.Table(
    "schema_fields",
    metadata,
    _owned_by("schema_versions.version_id"),
    _text("format_name"),
    _text("case_id"),
    sa.Column("fields", sa.JSON, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=True),
    _moment("first_seen_at"),
    _moment("last_seen_at"),
    sa.Index(None, "format_name"),
)

schema_changes = sa.Table(
    "schema_changes",
    metadata,
    _id("change_id"),
    _text("log_type"),
    _text("api_version"),
    _text("kind"),
    _text("name"),
    _text("became", server_default=""),
    _text("severity"),
    _text("detail"),
    _text("origin"),
    _text("source"),
    sa.Column("effective", sa.Date, nullable=True),
    _moment("detected_at"),
    _text("state", server_default="OPEN"),
    _text("closed_by", nullable=True),
    _text("close_reason", nullable=True),
    _moment("closed_at", nullable=True),
    sa.Column("version_id", sa.Integer, nullable=True),
    _text("case_id", nullable=True),
    sa.UniqueConstraint("log_type", "api_version", "kind", "name", "became", "origin"),
    sa.CheckConstraint("origin IN ('IMPORT', 'DOCUMENT')", name="origin"),
    sa.CheckConstraint("state IN ('OPEN', 'CLOSED')", name="state"),
    _severity(),
    sa.Index(None, "state"),
)

log_shapes = sa.Table(
    "log_shapes",
    metadata,
    _text("case_id", primary_key=True),
    _text("log_type", primary_key=True),
    _text("kind", primary_key=True),
    _text("name", primary_key=True),
    _text("within", primary_key=True, server_default=""),
    sa.Column("rows", sa.BigInteger, nullable=False),
    _text("tenant", nullable=True),
    _moment("first_event", nullable=True),
    _moment("last_event", nullable=True),
    _moment("seen_at"),
    sa.CheckConstraint("kind IN ('OPERATION', 'SPAN')", name="kind"),
    sa.Index(None, "log_type", "kind"),
)

vendor_documents = sa.Table(
    "vendor_documents",
    metadata,
    _id("document_id"),
    _text("name"),
    _text("kind"),
    _text("sha256"),
    sa.Column("snapshot", sa.JSON, nullable=False),
    _moment("read_at"),
    sa.UniqueConstraint("name", "sha256"),
    sa.Index(None, "name"),
)

field_reliability_scores = sa.Table(
    "field_reliability_scores",
    metadata,
    _id("score_id"),
    _text("case_id"),
    _text("table_name"),
    _text("field_name"),
    sa.Column("base_score", sa.Float, nullable=True),
    sa.Column("adjusted_score", sa.Float, nullable=True),
    sa.Column("rules_applied", sa.JSON, nullable=False),
    _moment("computed_at"),
    sa.Index(None, "computed_at"),
    sa.Index(None, "case_id"),
)

data_quality_checks = sa.Table(
    "data_quality_checks",
    metadata,
    _text("check_name", primary_key=True),
    _text("stage"),
    sa.Column("blocking", sa.Boolean, nullable=False),
    _text("severity"),
    _text("runbook"),
    _moment("first_run_at"),
    _severity(),
)

quality_check_results = sa.Table(
    "quality_check_results",
    metadata,
    _id("result_id"),
    _text("case_id"),
    _text("run_id"),
    _text("check_name", sa.ForeignKey("data_quality_checks.check_name")),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("blocking", sa.Boolean, nullable=False),
    _text("severity"),
    _text("reason"),
    _text("headline"),
    _moment("checked_at"),
    sa.UniqueConstraint("case_id", "run_id", "check_name"),
    _severity(),
    sa.Index(None, "checked_at"),
)

cases = sa.Table(
    "cases",
    metadata,
    _text("case_id", primary_key=True),
    _text("folder"),
    sa.Column("context", sa.JSON, nullable=False),
    _text("verdict", nullable=True),
    _text("identity", nullable=True),
    sa.Column("judged_under", sa.JSON, nullable=True),
    _moment("registered_at"),
    _moment("updated_at"),
    _moment("last_run_at", nullable=True),
)

case_status = sa.Table(
    "case_status",
    metadata,
    _text("case_id", sa.ForeignKey("cases.case_id", ondelete="CASCADE"), primary_key=True),
    _text("stage"),
    _moment("updated_at"),
    _text("blocked_by", nullable=True),
    sa.CheckConstraint("stage IN ('IMPORTED', 'CHECKED', 'SCORED', 'VERIFIED', 'REPORTED')", name="stage"),
)

case_tasks = sa.Table(
    "case_tasks",
    metadata,
    _text("case_id", sa.ForeignKey("cases.case_id", ondelete="CASCADE"), primary_key=True),
    _text("stage", primary_key=True),
    _text("task", primary_key=True),
    _text("status"),
    _moment("updated_at"),
    sa.CheckConstraint("status IN ('OPEN', 'COMPLETE')", name="status"),
)

imports = sa.Table(
    "imports",
    metadata,
    _id("import_id"),
    _text("case_id"),
    _text("run_id"),
    _moment("started_at"),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    _text("status"),
    _text("reason", nullable=True),
    sa.Column("verifications", sa.Integer, nullable=False),
    _moment("recorded_at"),
    sa.UniqueConstraint("case_id", "run_id"),
    sa.CheckConstraint("status IN ('PASS', 'FAIL', 'OVERRIDDEN')", name="status"),
    sa.Index(None, "recorded_at"),
)

code_sightings = sa.Table(
    "code_sightings",
    metadata,
    _text("case_id", primary_key=True),
    _text("log_type", primary_key=True),
    _text("field_name", primary_key=True),
    _text("code_value", primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    _moment("first_event", nullable=True),
    _moment("last_event", nullable=True),
    sa.Column("flagged", sa.Boolean, nullable=False),
    _moment("first_sighted_at"),
    _moment("last_sighted_at"),
    sa.Index(None, "last_sighted_at"),
)

alerts = sa.Table(
    "alerts",
    metadata,
    _id("alert_id"),
    _text("rule"),
    _text("case_id"),
    _text("subject"),
    sa.Column("episode", sa.Integer, nullable=False),
    _text("severity"),
    _text("message"),
    sa.Column("recipients", sa.JSON, nullable=False),
    _text("state"),
    _moment("raised_at"),
    _moment("last_raised_at"),
    sa.Column("times_raised", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    _moment("claimed_at", nullable=True),
    _moment("next_attempt_at", nullable=True),
    _text("last_error", nullable=True),
    _moment("delivered_at", nullable=True),
    _moment("acknowledged_at", nullable=True),
    _text("acknowledged_by", nullable=True),
    sa.UniqueConstraint("rule", "case_id", "subject", "episode"),
    sa.CheckConstraint("state IN ('RECORDED', 'SENDING', 'DELIVERED', 'FAILED', 'ACKNOWLEDGED')", name="state"),
    _severity(),
    sa.Index(None, "state"),
)

overrides = sa.Table(
    "overrides",
    metadata,
    _id("override_id"),
    _text("case_id"),
    _text("reason"),
    _text("actor"),
    sa.Column("expires", sa.Date, nullable=False),
    _moment("created_at"),
    _text("recorded_by", nullable=True),
    _moment("ended_at", nullable=True),
    _text("ended_by", nullable=True),
    sa.Index(None, "case_id"),
)

approvals = sa.Table(
    "approvals",
    metadata,
    _id("approval_id"),
    _text("subject"),
    _text("decision"),
    _text("actor"),
    _text("reason", nullable=True),
    _moment("decided_at"),
    sa.CheckConstraint("decision IN ('APPROVED', 'REJECTED')", name="decision"),
)

corrections = sa.Table(
    "corrections",
    metadata,
    _id("correction_id"),
    _text("case_id"),
    _text("finding"),
    _text("verdict"),
    _text("reason"),
    _text("actor"),
    _moment("corrected_at"),
    _text("acting_as", nullable=True),
    _text("subject", nullable=True),
    _text("concluded", nullable=True),
    _text("generation", nullable=True),
    sa.Index(None, "case_id"),
)

correction_fields = sa.Table(
    "correction_fields",
    metadata,
    _owned_by("corrections.correction_id"),
    _text("log_type", primary_key=True),
    _text("field_name", primary_key=True),
    sa.Column("circumstances", sa.JSON, nullable=True),
)

maintenance_cycles = sa.Table(
    "maintenance_cycles",
    metadata,
    _id("cycle_id"),
    _text("quarter"),
    _text("actor"),
    sa.Column("counts", sa.JSON, nullable=False),
    _moment("made_at"),
    sa.Index(None, "quarter"),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    _id("audit_id"),
    _text("actor"),
    _text("action"),
    sa.Column("detail", sa.JSON, nullable=False),
    _moment("logged_at"),
)

APPEND_ONLY = ("quality_check_results", "audit_log", "status_code_history", "corrections", "correction_fields")
