"""What keeps a host from joining; the message says what to do."""


class JoinError(Exception):
    """The host cannot join as things are."""
