"""How alembic runs the steps: on the connection that ``apiserver.storage.migrate`` hands it."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
