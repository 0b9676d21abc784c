"""What a user may be told: one line each, with the exit status that goes with it (contract, "Exit status")."""

from __future__ import annotations


class GhostshipsError(Exception):
    """One line: what, where, what was found, what would be right. Never a traceback for the user."""

    exit_status = 1


class UsageError(GhostshipsError):
    """The command, the route file or the settings are wrong: nothing was read or written."""

    exit_status = 2


class FileRefused(GhostshipsError):
    """A whole file cannot be used. The run goes on with the others and ends with status 3."""

    exit_status = 3

    def __init__(self, path: str, rule: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path, self.rule, self.message = path, rule, message


class NothingUsable(GhostshipsError):
    """No file had a usable row."""

    exit_status = 4
