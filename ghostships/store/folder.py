"""The published folder of `nightly`: a link, swapped at once, to the newest of a few complete folders.

out -> .out.generations/00000007        what everybody opens
.out.generations/00000006               still whole, for whoever opened it before the swap
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ghostships.errors import UsageError
from ghostships.store import disk
from ghostships.store.local import make_folders, remove_tree
from ghostships.store.shelf import explained

KEEP_FOLDERS = 3
"""How many complete folders stay, the shown one included. A reader that began before the last two nights is done by now."""
_NAME = re.compile(r"(\d{8})(?:-(\d+))?")


def shown(out: Path) -> int | None:
    """The number of the generation that `out` shows; None when there is no `out` yet, or nothing behind it.

    Raises
    ------
    UsageError
        when `out` is something that was not made here.
    """
    name = _target(out)
    return int(name[:8]) if name is not None and (_home(out) / name).is_dir() else None


@contextmanager
def drawing(out: Path, seq: int) -> Iterator[Path]:
    """Where to build the folder of generation `seq`: a free name, in a folder that stands, on the same file system.

    Whatever is built there is seen by nobody until `show`. Building again after a failure begins anew; building again what is
    shown (the report drawn anew from the same generation) gets a name beside it. On an error, what was built is removed.

    Raises
    ------
    UsageError
        when `out` is something that was not made here; nothing is touched then.
    """
    shown_name = _target(out)
    home = _home(out)
    with explained(str(out), "prepare the output folder"):
        make_folders(home)
        _clear(home, keep_name=shown_name)
        target = home / _free_name(home, seq)
    try:
        yield target
    except Exception:
        with contextlib.suppress(OSError):
            remove_tree(target)
        raise


def show(out: Path, built: Path, *, keep: int = KEEP_FOLDERS) -> None:
    """Let `out` show a complete folder that `drawing` gave, at once and for good; then remove all but the `keep` newest.

    A reader of `out` sees the old folder or the new one, whole, at every moment, a power loss included.

    Raises
    ------
    UsageError
        when `out` is something that was not made here.
    GhostshipsError
        when the disk fails: then `out` shows the old folder, or the new one whole.
    """
    _target(out)
    home = _home(out)
    assert built.parent == home and built.is_dir(), f"{built} was not built in {home}"
    with explained(str(out), "publish the output folder"):
        for folder, _, files in os.walk(built, topdown=False):
            for name in files:
                if not (path := Path(folder, name)).is_symlink():
                    disk.fsync_file(path)
            disk.fsync_folder(Path(folder))
        disk.fsync_folder(home)
        aside = home / f".link-{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            disk.unlink(aside)
        disk.symlink_new(f"{home.name}/{built.name}", aside)
        disk.rename(aside, home.parent / out.name)
        disk.fsync_folder(home.parent)
    # What is published is published: a folder that cannot be removed now is removed next time.
    with contextlib.suppress(OSError):
        _remove_old(home, shown_name=built.name, keep=max(keep, 1))


def _home(out: Path) -> Path:
    return out.parent.resolve() / f".{out.name}.generations"


def _target(out: Path) -> str | None:
    """The name that `out` links to, None when there is no `out`; UsageError when it is not a link of ours."""
    link = out.parent.resolve() / out.name
    if not os.path.lexists(link):
        return None
    what = "a folder" if link.is_dir() else "a file"
    if link.is_symlink():
        home, _, name = os.readlink(link).rpartition("/")  # noqa: PTH115 - the text of the link, not a path made of it
        if home == _home(out).name and _NAME.fullmatch(name):
            return name
        what = "a link to somewhere else"
    raise UsageError(
        f"{out}: is {what}, not the link that `ghostships nightly` makes; nothing was touched; "
        "move it away or choose another [paths] out"
    )


def _free_name(home: Path, seq: int) -> str:
    name, again = f"{seq:08d}", 1
    while os.path.lexists(home / name):
        again += 1
        name = f"{seq:08d}-{again}"
    return name


def _folders(home: Path) -> list[Path]:
    """The complete folders, oldest first."""
    found = ((match, path) for path in home.iterdir() if (match := _NAME.fullmatch(path.name)))
    return [path for _, path in sorted(((int(match[1]), int(match[2] or 1)), path) for match, path in found)]


def _clear(home: Path, *, keep_name: str | None) -> None:
    """Remove what killed runs left: removals cut short, links never swapped, and folders newer than the shown one."""
    for path in sorted(home.iterdir()):
        if not _NAME.fullmatch(path.name):
            remove_tree(path)
    folders = _folders(home)
    names = [path.name for path in folders]
    # A link to a folder that somebody removed says nothing about the others: they stay.
    start = 0 if keep_name is None else names.index(keep_name) + 1 if keep_name in names else len(names)
    for path in folders[start:]:
        _remove(path)


def _remove_old(home: Path, *, shown_name: str, keep: int) -> None:
    folders = [path for path in _folders(home) if path.name != shown_name]
    for path in folders[: max(len(folders) - (keep - 1), 0)]:
        _remove(path)


def _remove(path: Path) -> None:
    """Take the name away first: a folder that is partly removed must not look complete."""
    gone = path.with_name(f".gone-{path.name}")
    disk.rename(path, gone)
    disk.fsync_folder(path.parent)
    remove_tree(gone)
