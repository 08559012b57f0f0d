"""The command `virtplane`: settings, and the processes started with them."""
