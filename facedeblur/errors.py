"""The one exception that every command reports as a single line."""


class UsageError(Exception):
    """Something the user can fix: the message is one line that names the key, file or frame, and the remedy."""
