"""One writer at a time: a lock that dies with its process, and a message that names who holds it.

Local folders use flock(2) on the file `LOCK`: the kernel lets go when the process ends, however it ends. What the file says is
only for the message.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ghostships.errors import GhostshipsError
from ghostships.store import disk

LOCK = "LOCK"
_held: set[int] = set()

NAMING_TRIES, NAMING_PAUSE_S = 10, 0.02
"""A second run finds the lock taken within microseconds of its taking; the name follows after a write."""


class StoreHeld(GhostshipsError):
    """Another run holds the store, or has committed meanwhile: nothing of this run's work was published."""

    exit_status = 75


@dataclass(frozen=True)
class Holder:
    """Who holds a store: what it is doing, its process and machine. `machine` is empty where it cannot be told for sure."""

    doing: str
    pid: int
    host: str
    machine: str = ""

    def encode(self) -> bytes:
        """As one line of JSON."""
        return (json.dumps(asdict(self), sort_keys=True) + "\n").encode()

    @property
    def is_surely_dead(self) -> bool:
        """Whether the process ran on this very machine and is gone; False whenever that cannot be told."""
        if not self.machine or self.machine != this_machine():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


def myself(doing: str) -> Holder:
    """This process as a holder."""
    return Holder(doing, os.getpid(), socket.gethostname(), this_machine())


def this_machine() -> str:
    """Words that are the same only where process numbers mean the same: one boot of one machine, one PID namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def read_holder(data: bytes) -> Holder | None:
    """The holder in a lock's words, or None where they say nothing (a run that has only just begun, or a torn write)."""
    try:
        found = json.loads(data)
        return Holder(str(found["doing"]), int(found["pid"]), str(found["host"]), str(found["machine"]))
    except (ValueError, KeyError, TypeError):
        return None


def _named(handle: int) -> Holder | None:
    """The holder by the lock's words; a run that has only just begun is given a moment to write them."""
    for _ in range(NAMING_TRIES):
        found = read_holder(os.pread(handle, 4096, 0))
        if found is not None:
            return found
        time.sleep(NAMING_PAUSE_S)
    return None


def held_message(root: str, holder: Holder | None, since_utc: datetime | None) -> str:
    """One line: who holds the store, and what to do."""
    since = f" since {since_utc:%Y-%m-%dT%H:%M:%SZ}" if since_utc else ""
    who = f"{holder.doing} (pid {holder.pid} on {holder.host}{since})" if holder else f"a run{since}"
    return f"{root}: another run holds the store: {who}; nothing was done; try again when it has ended"


@contextmanager
def lock(root: Path, doing: str) -> Iterator[None]:
    """Hold the flock of a local store.

    A child made by fork does not inherit the hold; it ends with this process even while children live on.

    Raises
    ------
    StoreHeld
        when another process, or another draft of this one, holds it.
    GhostshipsError
        when the lock file cannot be opened or the file system has no locks.
    """
    path = root / LOCK
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise GhostshipsError(f"{path}: cannot open the lock of the store: {error.strerror}") from error
    try:
        _held.add(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise GhostshipsError(f"{path}: the file system gives no lock: {error.strerror}") from error
            found = os.fstat(handle)
            since = datetime.fromtimestamp(found.st_mtime, UTC) if found.st_size else None
            raise StoreHeld(held_message(str(root), _named(handle), since)) from error
        # Only words for a message: a full disk must not stop the collection that would make room.
        with contextlib.suppress(OSError):
            disk.write_over(handle, myself(doing).encode())
        try:
            yield
        finally:
            if handle in _held:
                with contextlib.suppress(OSError):
                    disk.write_over(handle, b"")
    finally:
        # Not so in a child made by fork, where the number may be another file by now.
        if handle in _held:
            _held.discard(handle)
            os.close(handle)


def _let_go_in_child() -> None:
    """Close inherited handles after a fork: a lock belongs to the open file, and a child would hold it on and on."""
    for handle in _held:
        with contextlib.suppress(OSError):
            os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_let_go_in_child)
