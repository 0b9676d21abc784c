"""`CURRENT`: one line that names the newest generation, for people, and to notice that the newest manifest was lost.

    00000007 <SHA-256 of generation 7> <first 16 digits of the SHA-256 of what stands before>

It is written after the commit, so it may be stale or missing; it is ahead of all manifests only when one was lost. Its own
checksum tells that case from a flipped bit. No reader depends on it.
"""

from __future__ import annotations

import contextlib
import hashlib

from ghostships.errors import GhostshipsError
from ghostships.store.manifests import Damaged, Generation
from ghostships.store.shelf import Shelf, Writing

NAME = "CURRENT"


def encode(generation: Generation) -> bytes:
    """The line for a generation."""
    return _line(f"{generation.seq:08d}", generation.sha256)


def decode(data: bytes) -> tuple[int, str]:
    """Number and SHA-256 of the generation that the line names; Damaged when it is not as it was written."""
    words = data.decode("ascii", errors="replace").split()
    if len(words) == 3 and words[0].isdigit() and _line(words[0], words[1]) == data:
        return int(words[0]), words[1]
    raise Damaged("is not a line as it was written")


def read(shelf: Shelf) -> bytes | None:
    """The bytes of the hint, None when there is none."""
    try:
        return shelf.read(NAME)
    except FileNotFoundError:
        return None


def newest_known(shelf: Shelf) -> int:
    """The number of the newest generation that was ever committed, as far as the hint tells; 0 when it tells nothing."""
    try:
        return decode(read(shelf) or b"")[0]
    except Damaged:
        return 0


def write(writing: Writing, generation: Generation) -> None:
    """Write the line, or not: a commit stands, whatever becomes of the hint."""
    with contextlib.suppress(OSError, GhostshipsError):
        writing.replace(NAME, encode(generation))


def heal(shelf: Shelf, writing: Writing, current: Generation | None, newest_name: int) -> None:
    """Write it again where a killed run left it stale or the disk spoilt it; never when it is ahead: that is a trace of a loss.

    `newest_name` is the highest number that a manifest has, damaged ones included.
    """
    is_ahead = newest_known(shelf) > newest_name
    if current and current.seq == newest_name and not is_ahead and read(shelf) != encode(current):
        write(writing, current)


def _line(number: str, sha256: str) -> bytes:
    words = f"{number} {sha256}"
    return f"{words} {hashlib.sha256(words.encode()).hexdigest()[:16]}\n".encode()
