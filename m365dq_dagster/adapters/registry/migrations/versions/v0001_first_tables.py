"""The first tables: cases and their stages, imports and checks, scores, status codes, alerts, decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "cases",
    "case_status",
    "case_tasks",
    "imports",
    "status_code_reference",
    "status_code_details",
    "schema_versions",
    "code_sightings",
    "data_quality_checks",
    "quality_check_results",
    "field_reliability_scores",
    "alerts",
    "overrides",
    "approvals",
    "corrections",
    "audit_log",
)
APPEND_ONLY = ("quality_check_results", "audit_log")


def upgrade() -> None:
    _cases()
    _case_status()
    _case_tasks()
    _imports()
    _status_code_reference()
    _status_code_details()
    _schema_versions()
    _code_sightings()
    _data_quality_checks()
    _quality_check_results()
    _field_reliability_scores()
    _alerts()
    _overrides()
    _approvals()
    _corrections()
    _audit_log()
    for table in APPEND_ONLY:
        _guard(table)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION m365dq_append_only()")


def _guard(table: str) -> None:
    """Refuse changes to a table that only grows, whoever asks."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION m365dq_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'this table only grows'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION m365dq_append_only()"
        )
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'this table only grows'); END"
        )


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("identity", sa.Text(), nullable=True),
        sa.Column("registered_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("last_run_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_cases")),
    )


def _case_status() -> None:
    op.create_table(
        "case_status",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("blocked_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "stage IN ('IMPORTED', 'CHECKED', 'SCORED', 'VERIFIED', 'REPORTED')", name=op.f("ck_case_status_stage")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.case_id"], name=op.f("fk_case_status_case_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_status")),
    )


def _case_tasks() -> None:
    op.create_table(
        "case_tasks",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("status IN ('OPEN', 'COMPLETE')", name=op.f("ck_case_tasks_status")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_case_tasks_case_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("case_id", "stage", "task", name=op.f("pk_case_tasks")),
    )


def _imports() -> None:
    op.create_table(
        "imports",
        sa.Column("import_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("verifications", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("status IN ('PASS', 'FAIL', 'OVERRIDDEN')", name=op.f("ck_imports_status")),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_imports")),
        sa.UniqueConstraint("case_id", "run_id", name=op.f("uq_imports_case_id_run_id")),
    )
    op.create_index(op.f("ix_imports_recorded_at"), "imports", ["recorded_at"], unique=False)


def _status_code_reference() -> None:
    op.create_table(
        "status_code_reference",
        sa.Column("code_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("log_type", sa.Text(), nullable=False),
        sa.Column("field_name", sa.Text(), nullable=False),
        sa.Column("code_value", sa.Text(), nullable=False),
        sa.Column("meaning", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.Date(), nullable=False),
        sa.Column("last_validated", sa.Date(), nullable=False),
        sa.Column("deprecated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint(
            "severity IN ('INFO', 'WARNING', 'CRITICAL')", name=op.f("ck_status_code_reference_severity")
        ),
        sa.PrimaryKeyConstraint("code_id", name=op.f("pk_status_code_reference")),
        sa.UniqueConstraint(
            "log_type", "field_name", "code_value", name=op.f("uq_status_code_reference_log_type_field_name_code_value")
        ),
    )


def _status_code_details() -> None:
    op.create_table(
        "status_code_details",
        sa.Column("code_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("first_factor", sa.Text(), nullable=True),
        sa.Column("portal_status", sa.Text(), nullable=True),
        sa.Column("provenance", sa.Text(), nullable=True),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="ACTIVE", nullable=False),
        sa.CheckConstraint("state IN ('ACTIVE', 'PENDING', 'REJECTED')", name=op.f("ck_status_code_details_state")),
        sa.ForeignKeyConstraint(
            ["code_id"],
            ["status_code_reference.code_id"],
            name=op.f("fk_status_code_details_code_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("code_id", name=op.f("pk_status_code_details")),
    )


def _schema_versions() -> None:
    op.create_table(
        "schema_versions",
        sa.Column("version_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("log_type", sa.Text(), nullable=False),
        sa.Column("api_version", sa.Text(), nullable=False),
        sa.Column("schema_hash", sa.Text(), nullable=False),
        sa.Column("detected_date", sa.Date(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_schema_versions")),
        sa.UniqueConstraint(
            "log_type", "api_version", "schema_hash", name=op.f("uq_schema_versions_log_type_api_version_schema_hash")
        ),
    )


def _code_sightings() -> None:
    op.create_table(
        "code_sightings",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("log_type", sa.Text(), nullable=False),
        sa.Column("field_name", sa.Text(), nullable=False),
        sa.Column("code_value", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("first_event", sa.DateTime(), nullable=True),
        sa.Column("last_event", sa.DateTime(), nullable=True),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("first_sighted_at", sa.DateTime(), nullable=False),
        sa.Column("last_sighted_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "log_type", "field_name", "code_value", name=op.f("pk_code_sightings")),
    )
    op.create_index(op.f("ix_code_sightings_last_sighted_at"), "code_sightings", ["last_sighted_at"], unique=False)


def _data_quality_checks() -> None:
    op.create_table(
        "data_quality_checks",
        sa.Column("check_name", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("blocking", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("runbook", sa.Text(), nullable=False),
        sa.Column("first_run_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("severity IN ('INFO', 'WARNING', 'CRITICAL')", name=op.f("ck_data_quality_checks_severity")),
        sa.PrimaryKeyConstraint("check_name", name=op.f("pk_data_quality_checks")),
    )


def _quality_check_results() -> None:
    op.create_table(
        "quality_check_results",
        sa.Column("result_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("check_name", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("blocking", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint(
            "severity IN ('INFO', 'WARNING', 'CRITICAL')", name=op.f("ck_quality_check_results_severity")
        ),
        sa.ForeignKeyConstraint(
            ["check_name"], ["data_quality_checks.check_name"], name=op.f("fk_quality_check_results_check_name")
        ),
        sa.PrimaryKeyConstraint("result_id", name=op.f("pk_quality_check_results")),
        sa.UniqueConstraint(
            "case_id", "run_id", "check_name", name=op.f("uq_quality_check_results_case_id_run_id_check_name")
        ),
    )
    op.create_index(op.f("ix_quality_check_results_checked_at"), "quality_check_results", ["checked_at"], unique=False)


def _field_reliability_scores() -> None:
    op.create_table(
        "field_reliability_scores",
        sa.Column("score_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("field_name", sa.Text(), nullable=False),
        sa.Column("base_score", sa.Float(), nullable=True),
        sa.Column("adjusted_score", sa.Float(), nullable=True),
        sa.Column("rules_applied", sa.JSON(), nullable=False),
        sa.Column("computed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("score_id", name=op.f("pk_field_reliability_scores")),
    )
    op.create_index(op.f("ix_field_reliability_scores_case_id"), "field_reliability_scores", ["case_id"], unique=False)
    op.create_index(
        op.f("ix_field_reliability_scores_computed_at"), "field_reliability_scores", ["computed_at"], unique=False
    )


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(), nullable=False),
        sa.Column("last_raised_at", sa.DateTime(), nullable=False),
        sa.Column("times_raised", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.CheckConstraint("severity IN ('INFO', 'WARNING', 'CRITICAL')", name=op.f("ck_alerts_severity")),
        sa.CheckConstraint(
            "state IN ('RECORDED', 'SENDING', 'DELIVERED', 'FAILED', 'ACKNOWLEDGED')", name=op.f("ck_alerts_state")
        ),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
        sa.UniqueConstraint(
            "rule", "case_id", "subject", "episode", name=op.f("uq_alerts_rule_case_id_subject_episode")
        ),
    )
    op.create_index(op.f("ix_alerts_state"), "alerts", ["state"], unique=False)


def _overrides() -> None:
    op.create_table(
        "overrides",
        sa.Column("override_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("expires", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("override_id", name=op.f("pk_overrides")),
    )
    op.create_index(op.f("ix_overrides_case_id"), "overrides", ["case_id"], unique=False)


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("approval_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("decision IN ('APPROVED', 'REJECTED')", name=op.f("ck_approvals_decision")),
        sa.PrimaryKeyConstraint("approval_id", name=op.f("pk_approvals")),
    )


def _corrections() -> None:
    op.create_table(
        "corrections",
        sa.Column("correction_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("corrected_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("correction_id", name=op.f("pk_corrections")),
    )
    op.create_index(op.f("ix_corrections_case_id"), "corrections", ["case_id"], unique=False)


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("audit_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("logged_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_log")),
    )
