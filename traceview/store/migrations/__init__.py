"""The revisions of the store's tables, for Alembic."""
