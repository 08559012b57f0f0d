"""The history of the database schema (alembic); ``versions/`` holds one file a step."""
