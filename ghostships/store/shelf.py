"""Where the bytes of a store stand: what the store asks of a place, and the words for what goes wrong there."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ghostships.errors import GhostshipsError

BLOCK_BYTES = 2**20
"""Bytes read at a time when hashing or copying."""

_TEACH = {
    errno.ENOSPC: "the disk is full; make room and run again",
    errno.EDQUOT: "the disk quota is used up; make room and run again",
    errno.EFBIG: "a file would grow past the limit on file sizes (ulimit -f); raise it and run again",
    errno.EROFS: "the file system is read-only",
    errno.EIO: "the disk reports an error; look at the system log",
}


@dataclass(frozen=True, order=True)
class Entry:
    """One file of a store: path relative to the root, size, and when it was written, by the clock of the place."""

    path: str
    n_bytes: int
    modified_utc: datetime


@dataclass(frozen=True, order=True)
class Removed:
    """One file that was removed, its size, and why."""

    path: str
    n_bytes: int
    why: str


class Shelf(Protocol):
    """A place that holds files by relative path. What stands under a name is whole, and stays."""

    shown: str
    """The root as a user may see it, without credentials."""

    def begin(self, path: str, data: bytes) -> None:
        """Make the root and the first file in it; one that stands already is replaced."""
        ...

    def names(self) -> list[str] | None:
        """What the root holds, files and folders; None when there is no root. NotADirectoryError when it is a file."""
        ...

    def leftovers(self) -> list[Entry]:
        """Unfinished files of runs that were killed, or of one that is writing now."""
        ...

    def entries(self, folder: str = "") -> list[Entry]:
        """All files below a folder, sorted by path; empty when there is none."""
        ...

    def read(self, path: str) -> bytes:
        """The bytes of a small file. FileNotFoundError when there is none."""
        ...

    def size(self, path: str) -> int | None:
        """Bytes of a file, None when there is none."""
        ...

    def digest(self, path: str) -> tuple[int, str]:
        """Size and SHA-256 of a file, read now. FileNotFoundError when there is none."""
        ...

    def fetch(self, path: str, sha256: str) -> Path:
        """A local copy whose bytes had this SHA-256 when looked at; raises `Mismatch`, FileNotFoundError."""
        ...

    def hold(self, doing: str) -> AbstractContextManager[Writing]:
        """Be the only writer; StoreHeld when another is."""
        ...


class Writing(Protocol):
    """What the only writer may do to a place."""

    @property
    def workspace(self) -> Path:
        """A local folder for unfinished files. Removed when the writing ends; what a killed writer left in it is collected."""
        ...

    def seat(self, source: Path, path: str, *, sha256: str, n_bytes: int) -> None:
        """Put a finished file of the workspace in its place (it is gone from the workspace then), complete at once.

        A file that stands there with the same bytes is used again and counts as new.
        """
        ...

    def create(self, path: str, data: bytes) -> None:
        """Publish a small file after all that was seated before it is safe; FileExistsError when the name is taken."""
        ...

    def replace(self, path: str, data: bytes) -> None:
        """Replace a small file at once."""
        ...

    def drop(self, paths: list[str]) -> None:
        """Remove files in any order; when this returns, they stay removed after a crash."""
        ...

    def sweep(self, wanted: set[str]) -> list[Removed]:
        """Remove what killed writers left behind, and local copies of objects that are not wanted."""
        ...


class Mismatch(Exception):
    """A file does not have the SHA-256 it should have. Internal to the store."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


@contextmanager
def explained(shown: str, doing: str) -> Iterator[None]:
    """Turn an error of the operating system into one line for the user; everything else passes."""
    try:
        yield
    except OSError as error:
        reason = _TEACH.get(error.errno or 0) or error.strerror or type(error).__name__
        if isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError) and error.filename is not None:
            reason += f": {os.fsdecode(error.filename)}"
        raise GhostshipsError(f"{shown}: cannot {doing}: {reason}") from error


def digest(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a local file, of the same bytes."""
    summed, n_bytes = hashlib.sha256(), 0
    for block in blocks(path):
        summed.update(block)
        n_bytes += len(block)
    return n_bytes, summed.hexdigest()


def blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a local file, block by block."""
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK_BYTES):
            yield block
