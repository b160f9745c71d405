"""What Alembic runs to migrate a store: on the connection that it is given, in the transaction that is open there."""

from __future__ import annotations

from alembic import context

from traceview.store.migrate import VERSION_TABLE
from traceview.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
