"""The history of the database schema (alembic); ``versions/`` holds one file a step."""

NEWEST = "0001"
"""The last step: a database that has taken it needs no other."""
