"""Alembic's folder: `versions` holds one file a change of the SQL tables, in one line without branches."""
