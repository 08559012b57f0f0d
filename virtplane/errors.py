"""What goes wrong for a reason that the user can do something about."""


class VirtplaneError(Exception):
    """The command cannot do its work as things are; the message says what to do."""
