"""Alembic's environment: one history for the tables of all rooms."""

from alembic import context

import alerts.tables
import dashboards.tables
import devices.tables

METADATA = [devices.tables.metadata, alerts.tables.metadata, dashboards.tables.metadata]

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
