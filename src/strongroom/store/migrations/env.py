"""Run by Alembic with the connection that opening.py hands in; there is no alembic.ini."""

from __future__ import annotations

from alembic import context

from strongroom.store.schema import METADATA

connection = context.config.attributes["connection"]
# In the caller's transaction, which Alembic leaves alone: all steps or none, in SQLite as well.
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
