"""`decisions.jsonl` of an output folder: lines are added at its end and never changed, whatever else is written around it.

A line is on the disk before anybody is told that it is kept. A line torn by a crash is passed over and named; the next one begins
on a line of its own. The folder may be replaced at any moment by a run or a night: whoever adds a line and whoever replaces the
folder hold the same lock, on the folder itself, so that no line is written to a folder that has just gone.

    add:      open DIR - lock it - is it still what DIR names? - append, fsync
    replace:  lock the old folder - copy its decisions into the new one - swap - unlock
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ghostships.errors import GhostshipsError, UsageError
from ghostships.reviews import decision
from ghostships.reviews.decision import Decision, NotADecision

NAME = "decisions.jsonl"
MOST_BYTES = 64 << 20
"""A file beyond this (a hundred thousand decisions with long notes) is not read: it is something else."""
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Broken:
    """A line that cannot be used: its number, counted from 1, and what is wrong with it. Number 0 is the whole file."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line} {self.what}" if self.line else self.what


@dataclass(frozen=True)
class Ledger:
    """What a file holds: every good decision once, by time, and the lines that are none. `sha256` is None without a file."""

    decisions: tuple[Decision, ...] = ()
    broken: tuple[Broken, ...] = ()
    sha256: str | None = None


def read(folder: Path) -> Ledger:
    """The decisions kept with a folder; none where there is no file."""
    path = folder / NAME
    return read_file(path) if os.path.lexists(path) else Ledger()


def as_far_as_read(folder: Path) -> Ledger:
    """As `read`, for drawing a report: a file that cannot be read is named on the page, and stops nothing."""
    try:
        return read(folder)
    except UsageError:
        # Without the reason: it names the folder, and a page says nothing of where it was drawn.
        return Ledger(broken=(Broken(0, f"{NAME} cannot be read; `ghostships review DIR --list` says why"),))


def read_file(path: Path) -> Ledger:
    """The decisions in a file.

    Raises
    ------
    UsageError
        when it is no plain file, or too large to be one of decisions.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise UsageError(f"{path}: is not a file; right would be a file of decisions, one JSON line each")
        if about.st_size > MOST_BYTES:
            raise UsageError(f"{path}: has {about.st_size} bytes, more than {MOST_BYTES} of decisions is not believed")
        return of_bytes(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error


def of_bytes(data: bytes) -> Ledger:
    """The decisions in the bytes of a file; the same decision twice counts once."""
    found: dict[str, Decision] = {}
    broken: list[Broken] = []
    for number, line in enumerate(data.removeprefix(_BOM).split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            one = decision.parse(line)
            found.setdefault(one.id, one)
        except NotADecision as wrong:
            broken.append(Broken(number, str(wrong)))
    ordered = sorted(found.values(), key=lambda one: one.order)
    return Ledger(tuple(ordered), tuple(broken), hashlib.sha256(data).hexdigest())


def append(folder: Path, decisions: Iterable[Decision]) -> list[Decision]:
    """Add those decisions that are not there yet, and return them; they are on the disk then.

    Raises
    ------
    GhostshipsError
        when the folder is gone, cannot be locked, or the disk fails. What was there before stays.
    """
    path = folder / NAME
    try:
        with _locked(folder) as handle:
            known = {one.id for one in read(folder).decisions}
            new = {one.id: one for one in decisions if one.id not in known}
            if new:
                ordered = sorted(new.values(), key=lambda one: one.order)
                _write(handle, b"".join(one.as_line() for one in ordered))
            return sorted(new.values(), key=lambda one: one.order)
    except OSError as error:
        what = "is a link; right would be a plain file" if error.errno == errno.ELOOP else error.strerror or str(error)
        raise GhostshipsError(f"{path}: the decision was not kept: {what}") from error


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Nobody adds a decision to the folder inside the block: it is about to be replaced.

    Where the file system cannot lock a folder nobody can add one either: `append` refuses there.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def carry(old: Path, new: Path) -> None:
    """Give the new folder the decisions of the old one, as they are now; only inside `held(old)`."""
    source = old / NAME
    if source.is_file() and not source.is_symlink():
        shutil.copy2(source, new / NAME)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """A handle of the folder that `folder` names, locked; a folder that was replaced while we waited is let go."""
    while True:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(handle), os.stat(folder)):  # noqa: PTH116 - beside fstat, the same call
                yield handle
                return
        finally:
            os.close(handle)


def _write(folder: int, data: bytes) -> None:
    """Append to the file in the open folder; a line that a crash tore stays as it is, and ours begins after it."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(NAME, flags, 0o666, dir_fd=folder)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            data = b"\n" + data
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    if not size:
        os.fsync(folder)
