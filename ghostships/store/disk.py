"""Every change that the store makes to the local file system: thin functions over `os`, each with what it promises.

All other modules of the store change files through these names (`disk.rename(...)`, never `from disk import rename`), so that a
fault harness that patches this one module sees, fails, tears or records every step. Nothing here decides anything, catches
anything or is clever. "After a crash" below means power loss on a file system that keeps its promises about fsync.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

MUTATIONS = (
    "mkdir",
    "write_new",
    "write_over",
    "fsync_file",
    "fsync_folder",
    "rename",
    "link_new",
    "symlink_new",
    "unlink",
    "rmdir",
    "touch",
)
"""The names of all functions here that change the disk or wait for it."""


def mkdir(path: Path) -> None:
    """Make a folder; one that stands already is left as it is.

    After a crash it may be absent until `fsync_folder` of its parent has returned.
    """
    path.mkdir(exist_ok=True)


def write_new(path: Path, blocks: Iterable[bytes]) -> None:
    """Write a new file from blocks; FileExistsError when the name is taken.

    After a crash the file may be absent, empty, torn or whole, until `fsync_file` has returned. Never used for a name that a
    reader looks for.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        for block in blocks:
            view = memoryview(block)
            while view:
                view = view[os.write(handle, view) :]
    finally:
        os.close(handle)


def write_over(handle: int, data: bytes) -> None:
    """Replace the content of an open file in place: only for the words in the lock file, which nobody relies on.

    After a crash the content may be anything.
    """
    os.ftruncate(handle, 0)
    os.pwrite(handle, data, 0)


def fsync_file(path: Path) -> None:
    """Have the content of a file on the disk. After a crash the content is whole, wherever its name has gone."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_folder(path: Path) -> None:
    """Have the names in a folder on the disk: what was made, renamed, linked or removed in it before stays so after a crash."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename(old: Path, new: Path) -> None:
    """Give a file or link its final name at once, over whatever file had it.

    Other processes see the old or the new file, never none and never half. After a crash either stands, until `fsync_folder` of
    the new name's folder has returned; then it is the new one.
    """
    old.replace(new)


def link_new(old: Path, new: Path) -> None:
    """Give a file a second name, at once; FileExistsError when the name is taken.

    Of two that try, one wins. After a crash the new name may be absent, until `fsync_folder` of its folder has returned; when
    present it is whole, if `fsync_file` came before.
    """
    new.hardlink_to(old)


def symlink_new(target: str, path: Path) -> None:
    """Make a symbolic link; FileExistsError when the name is taken. After a crash it may be absent, as with `link_new`."""
    path.symlink_to(target)


def unlink(path: Path) -> None:
    """Remove a name. After a crash it may be back, until `fsync_folder` of its folder has returned."""
    path.unlink()


def rmdir(path: Path) -> None:
    """Remove an empty folder. After a crash it may be back, until `fsync_folder` of its parent has returned."""
    path.rmdir()


def touch(path: Path) -> None:
    """Set the time of last change to now. After a crash it may be the old one."""
    os.utime(path)
