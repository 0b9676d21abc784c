"""A store in a local folder: written aside, fsynced, renamed; published by a hard link that fails when the name is taken."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ghostships.store import disk, holding
from ghostships.store.shelf import Entry, Mismatch, Removed, digest

DRAFTS = ".drafts"
"""Folder of unfinished files, one folder in it per writing. Only the holder of the lock has a living one."""

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_numbers = itertools.count(1)


class LocalShelf:
    """A local folder as a place for a store."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.shown = str(root)
        self._verified: dict[str, tuple[str, tuple[int, ...]]] = {}

    def begin(self, path: str, data: bytes) -> None:
        make_folders(self.root)
        writing = LocalWriting(self.root)
        try:
            writing.replace(path, data)
        finally:
            writing.close()

    def names(self) -> list[str] | None:
        try:
            return sorted(entry.name for entry in self.root.iterdir())
        except FileNotFoundError:
            return None

    def leftovers(self) -> list[Entry]:
        return _files(self.root, self.root / DRAFTS)

    def entries(self, folder: str = "") -> list[Entry]:
        found: list[Entry] = []
        for parent, folders, files in os.walk(self.root / folder):
            if Path(parent) == self.root:
                folders[:] = [name for name in folders if name != DRAFTS]
            for name in files:
                path = Path(parent, name)
                with contextlib.suppress(FileNotFoundError):
                    about = path.lstat()
                    modified = datetime.fromtimestamp(about.st_mtime, UTC)
                    found.append(Entry(path.relative_to(self.root).as_posix(), about.st_size, modified))
        return sorted(found)

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def size(self, path: str) -> int | None:
        try:
            return (self.root / path).stat().st_size
        except FileNotFoundError:
            return None

    def digest(self, path: str) -> tuple[int, str]:
        return digest(self.root / path)

    def fetch(self, path: str, sha256: str) -> Path:
        """The file in place. Its bytes are read again only when size, times or file number have changed since."""
        file = self.root / path
        about = file.stat()
        seen = (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)
        if self._verified.get(path) != (sha256, seen):
            _, found = digest(file)
            if found != sha256:
                raise Mismatch(found)
            self._verified[path] = (sha256, seen)
        return file

    @contextmanager
    def hold(self, doing: str) -> Iterator[LocalWriting]:
        with holding.lock(self.root, doing):
            writing = LocalWriting(self.root)
            try:
                yield writing
            finally:
                writing.close()


class LocalWriting:
    """The only writer of a local folder; lives as long as the lock is held."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._own = root / DRAFTS / f"{os.getpid()}-{next(_numbers)}"
        self._has_own = False
        self._making = threading.Lock()
        self._unsynced: set[Path] = set()

    @property
    def workspace(self) -> Path:
        """Made when first asked for: a collection that has only to remove must work on a full disk."""
        with self._making:
            if not self._has_own:
                remove_tree(self._own)  # of an earlier process with this number
                for folder in (self.root / DRAFTS, self._own):
                    disk.mkdir(folder)
                self._has_own = True
        return self._own

    def close(self) -> None:
        """Remove the unfinished files; what cannot be removed now is left for the next collection."""
        if self._has_own:
            with contextlib.suppress(OSError):
                remove_tree(self._own)

    def seat(self, source: Path, path: str, *, sha256: str, n_bytes: int) -> None:
        """Fsync, rename; the folders are fsynced once each, before the next `create`.

        An object that stands already is read again: one bit off, and it is replaced. It is made young, so that no collection takes
        it for garbage, and its name is fsynced like a new one: whoever gave it that name may have been killed before doing so.
        """
        target = self.root / path
        self._make_folders(target.parent)
        if _has_content(target, sha256, n_bytes):
            disk.touch(target)
            disk.unlink(source)
        else:
            disk.fsync_file(source)
            disk.rename(source, target)

    def create(self, path: str, data: bytes) -> None:
        target = self.root / path
        self._make_folders(target.parent)
        for folder in sorted(self._unsynced, reverse=True):
            disk.fsync_folder(folder)
        self._unsynced.clear()
        aside = self._write_aside(data)
        try:
            disk.link_new(aside, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # No hard links here (exFAT, some network shares): the lock keeps other writers away between look and rename.
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
            disk.rename(aside, target)
        disk.fsync_folder(target.parent)
        with contextlib.suppress(OSError):
            disk.unlink(aside)

    def replace(self, path: str, data: bytes) -> None:
        target = self.root / path
        disk.rename(self._write_aside(data), target)
        disk.fsync_folder(target.parent)

    def drop(self, paths: list[str]) -> None:
        folders = set()
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                disk.unlink(self.root / path)
            folders.add((self.root / path).parent)
        for folder in sorted(folders):
            if folder.is_dir():
                disk.fsync_folder(folder)
        for folder in sorted(folders, reverse=True):
            if len(folder.relative_to(self.root).parts) == 2:
                # An empty partition; one that is not empty, or gone, is none of our business.
                with contextlib.suppress(OSError):
                    disk.rmdir(folder)

    def sweep(self, wanted: set[str]) -> list[Removed]:
        """Remove the folders of killed writers: the lock is ours, so no other folder of drafts belongs to anyone alive."""
        del wanted
        removed: list[Removed] = []
        drafts = self.root / DRAFTS
        for left in sorted(drafts.iterdir()) if drafts.is_dir() else ():
            if left != self._own:
                removed += [
                    Removed(e.path, e.n_bytes, "left by a run that was killed") for e in _files(self.root, left)
                ]
                remove_tree(left)
        return removed

    def _make_folders(self, folder: Path) -> None:
        """Make a folder and those above it, and remember to fsync every name on the way down."""
        above = [folder, *folder.parents]
        for part in reversed(above[: above.index(self.root)]):
            if not part.is_dir():
                disk.mkdir(part)
        self._unsynced.update(above[: above.index(self.root) + 1])

    def _write_aside(self, data: bytes) -> Path:
        aside = self.workspace / f"aside-{next(_numbers)}"
        disk.write_new(aside, [data])
        disk.fsync_file(aside)
        return aside


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, each on the disk before the next one.

    The deepest that stands already may have been made by a run that was killed before its fsync: that is made up for, where the
    user may read the folder above it.
    """
    missing = [part for part in (folder, *folder.parents) if not part.is_dir()]
    deepest = missing[-1].parent if missing else folder
    with contextlib.suppress(PermissionError):
        disk.fsync_folder(deepest.parent)
    for part in reversed(missing):
        disk.mkdir(part)
        disk.fsync_folder(part.parent)


def _files(root: Path, folder: Path) -> list[Entry]:
    """The files below a folder as entries relative to the root; what vanishes meanwhile is left out."""
    found = []
    for path in sorted(folder.rglob("*") if folder.is_dir() else [folder]):
        with contextlib.suppress(FileNotFoundError):
            about = path.lstat()
            if not stat.S_ISDIR(about.st_mode):
                modified = datetime.fromtimestamp(about.st_mtime, UTC)
                found.append(Entry(path.relative_to(root).as_posix(), about.st_size, modified))
    return found


def remove_tree(folder: Path) -> None:
    """Remove a folder and what is in it, never what a link in it points to; nothing when there is none."""
    if folder.is_symlink() or folder.is_file():
        disk.unlink(folder)
        return
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        remove_tree(entry)
    disk.rmdir(folder)


def _has_content(path: Path, sha256: str, n_bytes: int) -> bool:
    try:
        return path.stat().st_size == n_bytes and digest(path)[1] == sha256
    except OSError:
        return False
