"""Runs the steps on the connection that `registry.migrate` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from m365dq_dagster.adapters.registry.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
