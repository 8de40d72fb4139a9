"""What keeps the reference true: proposed and decided changes with their history, the rule packs that were in force,
field lists with their differences, documents of the vendor, fields that misled, cycles of maintenance.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    "status_code_changes",
    "status_code_history",
    "rule_packs",
    "schema_fields",
    "schema_changes",
    "log_shapes",
    "vendor_documents",
    "correction_fields",
    "maintenance_cycles",
)
COLUMNS = {
    "status_code_details": ("symbolic_name", "sources", "origin"),
    "cases": ("judged_under",),
    "overrides": ("recorded_by", "ended_at", "ended_by"),
    "corrections": ("acting_as", "subject", "concluded", "generation"),
}
MOMENTS = ("ended_at",)
DOCUMENTS = ("judged_under",)
APPEND_ONLY = ("status_code_history", "corrections", "correction_fields")


def upgrade() -> None:
    _status_code_changes()
    _status_code_history()
    _rule_packs()
    _schema_fields()
    _schema_changes()
    _log_shapes()
    _vendor_documents()
    _correction_fields()
    _maintenance_cycles()
    for table, names in COLUMNS.items():
        for name in names:
            op.add_column(table, sa.Column(name, _kind(name), nullable=True))
    for table in APPEND_ONLY:
        _guard(table)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    for table in APPEND_ONLY:
        if table not in TABLES:
            _unguard(table)
    for table, names in COLUMNS.items():
        if table == "cases":  # made anew, it would take with it what hangs on it
            for name in names:
                op.drop_column(table, name)
            continue
        with op.batch_alter_table(table) as batch:
            for name in names:
                batch.drop_column(name)


def _kind(name: str) -> sa.JSON | sa.DateTime | sa.Text:
    """The type of a column that is added."""
    if name in DOCUMENTS:
        return sa.JSON()
    return sa.DateTime() if name in MOMENTS else sa.Text()


def _guard(table: str) -> None:
    """Refuse changes to a table that only grows, whoever asks."""
    if op.get_bind().dialect.name == "postgresql":
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


def _unguard(table: str) -> None:
    """Let a table change again."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        return
    for act in ("update", "delete"):
        op.execute(f"DROP TRIGGER {table}_no_{act}")


def _status_code_changes() -> None:
    op.create_table(
        "status_code_changes",
        sa.Column("change_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("log_type", sa.Text(), nullable=False),
        sa.Column("field_name", sa.Text(), nullable=False),
        sa.Column("code_value", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("critical", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_as", sa.Text(), nullable=True),
        sa.Column("proposed_at", sa.DateTime(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_as", sa.Text(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.CheckConstraint("action IN ('ADD', 'CHANGE', 'DEPRECATE')", name=op.f("ck_status_code_changes_action")),
        sa.CheckConstraint("state IN ('PENDING', 'APPROVED', 'REJECTED')", name=op.f("ck_status_code_changes_state")),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_status_code_changes")),
    )
    op.create_index(
        op.f("ix_status_code_changes_log_type_field_name_code_value"),
        "status_code_changes",
        ["log_type", "field_name", "code_value"],
        unique=False,
    )
    op.create_index(op.f("ix_status_code_changes_state"), "status_code_changes", ["state"], unique=False)
    op.create_index(
        op.f("uq_status_code_changes_pending"),
        "status_code_changes",
        ["log_type", "field_name", "code_value"],
        unique=True,
        sqlite_where=sa.text("state = 'PENDING'"),
        postgresql_where=sa.text("state = 'PENDING'"),
    )


def _status_code_history() -> None:
    op.create_table(
        "status_code_history",
        sa.Column("history_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("log_type", sa.Text(), nullable=False),
        sa.Column("field_name", sa.Text(), nullable=False),
        sa.Column("code_value", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("change_id", sa.Integer(), nullable=True),
        sa.Column("pack_hash", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("origin IN ('PACK', 'CHANGE')", name=op.f("ck_status_code_history_origin")),
        sa.PrimaryKeyConstraint("history_id", name=op.f("pk_status_code_history")),
    )
    op.create_index(
        op.f("ix_status_code_history_log_type_field_name_code_value"),
        "status_code_history",
        ["log_type", "field_name", "code_value"],
        unique=False,
    )


def _rule_packs() -> None:
    op.create_table(
        "rule_packs",
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("first_used_at", sa.DateTime(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("content_hash", name=op.f("pk_rule_packs")),
    )


def _schema_fields() -> None:
    op.create_table(
        "schema_fields",
        sa.Column("version_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("format_name", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["schema_versions.version_id"], name=op.f("fk_schema_fields_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_schema_fields")),
    )
    op.create_index(op.f("ix_schema_fields_format_name"), "schema_fields", ["format_name"], unique=False)


def _schema_changes() -> None:
    op.create_table(
        "schema_changes",
        sa.Column("change_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("log_type", sa.Text(), nullable=False),
        sa.Column("api_version", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("became", sa.Text(), server_default="", nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("effective", sa.Date(), nullable=True),
        sa.Column("detected_at", sa.DateTime(), nullable=False),
        sa.Column("state", sa.Text(), server_default="OPEN", nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.Column("version_id", sa.Integer(), nullable=True),
        sa.Column("case_id", sa.Text(), nullable=True),
        sa.CheckConstraint("origin IN ('IMPORT', 'DOCUMENT')", name=op.f("ck_schema_changes_origin")),
        sa.CheckConstraint("severity IN ('INFO', 'WARNING', 'CRITICAL')", name=op.f("ck_schema_changes_severity")),
        sa.CheckConstraint("state IN ('OPEN', 'CLOSED')", name=op.f("ck_schema_changes_state")),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_schema_changes")),
        sa.UniqueConstraint(
            "log_type",
            "api_version",
            "kind",
            "name",
            "became",
            "origin",
            name=op.f("uq_schema_changes_log_type_api_version_kind_name_became_origin"),
        ),
    )
    op.create_index(op.f("ix_schema_changes_state"), "schema_changes", ["state"], unique=False)


def _log_shapes() -> None:
    op.create_table(
        "log_shapes",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("log_type", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("within", sa.Text(), server_default="", nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=True),
        sa.Column("first_event", sa.DateTime(), nullable=True),
        sa.Column("last_event", sa.DateTime(), nullable=True),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('OPERATION', 'SPAN')", name=op.f("ck_log_shapes_kind")),
        sa.PrimaryKeyConstraint("case_id", "log_type", "kind", "name", "within", name=op.f("pk_log_shapes")),
    )
    op.create_index(op.f("ix_log_shapes_log_type_kind"), "log_shapes", ["log_type", "kind"], unique=False)


def _vendor_documents() -> None:
    op.create_table(
        "vendor_documents",
        sa.Column("document_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("snapshot", sa.JSON(), nullable=False),
        sa.Column("read_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_vendor_documents")),
        sa.UniqueConstraint("name", "sha256", name=op.f("uq_vendor_documents_name_sha256")),
    )
    op.create_index(op.f("ix_vendor_documents_name"), "vendor_documents", ["name"], unique=False)


def _correction_fields() -> None:
    op.create_table(
        "correction_fields",
        sa.Column("correction_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("log_type", sa.Text(), nullable=False),
        sa.Column("field_name", sa.Text(), nullable=False),
        sa.Column("circumstances", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["correction_id"],
            ["corrections.correction_id"],
            name=op.f("fk_correction_fields_correction_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("correction_id", "log_type", "field_name", name=op.f("pk_correction_fields")),
    )


def _maintenance_cycles() -> None:
    op.create_table(
        "maintenance_cycles",
        sa.Column("cycle_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("quarter", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("cycle_id", name=op.f("pk_maintenance_cycles")),
    )
    op.create_index(op.f("ix_maintenance_cycles_quarter"), "maintenance_cycles", ["quarter"], unique=False)
