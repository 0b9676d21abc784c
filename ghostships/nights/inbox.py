"""What lies in the inbox: whole files with their SHA-256, and what is left for the next night because it may still be growing."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ghostships.readers import ais

UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".download")
"""Endings that transfer programs give a file until it is complete (curl, lftp, WinSCP, browsers)."""

Seen = tuple[int, int, int, int, str]
"""Size, times of change of content and of the file (ns), file number, SHA-256: equal first four mean equal bytes."""


@dataclass(frozen=True, order=True)
class File:
    """One whole file. `name` is its path below the inbox, parts joined by "/"."""

    name: str
    sha256: str
    n_bytes: int
    path: Path


@dataclass
class Looked:
    """One look at the inbox. `left` and `unreadable` are (name, why); `seen` is for the next look."""

    files: list[File] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)


def look(inbox: Path, *, now_utc: datetime, settle_s: float, seen: Mapping[str, Seen]) -> Looked:
    """Every file below the inbox, in order of name, each hashed once as long as it does not change.

    A file is left for the next night when its name says that it is not complete, when it is hidden, or when it changed less than
    `settle_s` [s] before or after `now_utc`, or while it was read. Licence, readme and commit notes are no deliveries, as in
    `ghostships run`.

    Raises
    ------
    OSError
        when the inbox itself cannot be listed.
    """
    found = Looked()
    # `rglob` says nothing of a folder that is not there or may not be read, and an empty inbox would pass for a quiet night.
    next(inbox.iterdir(), None)
    notes = set(ais.skipped([str(inbox)]))
    for path in sorted(inbox.rglob("*"), key=lambda p: p.parts):
        name = path.relative_to(inbox).as_posix()
        try:
            about = path.stat()
        except OSError as error:
            found.unreadable.append((name, f"cannot be read: {error.strerror}"))
            continue
        if stat.S_ISDIR(about.st_mode):
            continue
        if not stat.S_ISREG(about.st_mode):
            found.left.append((name, "is not a regular file"))
        elif any(part.startswith(".") for part in path.relative_to(inbox).parts):
            found.left.append((name, "is hidden"))
        elif path.name.lower().endswith(UNFINISHED):
            found.left.append((name, f"ends in {path.suffix}: it is not complete yet"))
        elif path in notes:
            found.left.append((name, "is a note by its name, not a delivery"))
        elif abs(now_utc.timestamp() - max(about.st_mtime, about.st_ctime)) < settle_s:
            found.left.append((name, f"changed less than {settle_s:g} s ago: it may still be written"))
        else:
            _take(found, path, name, about, seen)
    return found


def is_unchanged(path: Path, seen: Seen) -> bool:
    """Whether the file is still the one that was hashed."""
    try:
        return _mark(path.stat()) == seen[:4]
    except OSError:
        return False


def _take(found: Looked, path: Path, name: str, about: os.stat_result, seen: Mapping[str, Seen]) -> None:
    mark, known = _mark(about), seen.get(name)
    if known is not None and known[:4] == mark:
        sha256 = known[4]
    else:
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            found.unreadable.append((name, f"cannot be read: {error.strerror}"))
            return
        if not is_unchanged(path, (*mark, sha256)):
            found.left.append((name, "changed while it was read: it is still being written"))
            return
    found.seen[name] = (*mark, sha256)
    found.files.append(File(name, sha256, about.st_size, path))


def _mark(about: os.stat_result) -> tuple[int, int, int, int]:
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino
