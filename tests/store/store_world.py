"""Small stores for tests, the nights that fill them, and a disk that can fail, be killed or lose power at any step."""

from __future__ import annotations

import errno
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ghostships.errors import GhostshipsError
from ghostships.store import Generation, Ref, Store, disk

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def night(store: Store, number: int, delivery: Path | None = None) -> Generation:
    """One run: a day of positions that is its own, a table that is always the same, and one that replaces the last night's."""
    with store.writing(f"night {number}") as draft:
        kept = [ref for ref in (draft.base.refs if draft.base else ()) if ref.table in {"positions", "raw"}]
        new = [
            draft.put(b"day %d" % number * 50, table="positions", partition=f"2024-03-{number:02d}", n_rows=number),
            draft.put(b"ports" * 9, table="ports", partition="all"),
        ]
        unfinished = draft.workspace / "gaps.parquet"
        unfinished.write_bytes(b"gaps after night %d" % number * 70)
        new.append(draft.put(unfinished, table="gaps", partition="all"))
        if delivery is not None:
            new.append(draft.keep_raw(delivery))
        return draft.commit({"night": number}, [*kept, *new], made_utc=NOON + timedelta(days=number), note=f"{number}")


def age(store: Store, days: float) -> None:
    """Make every file of a local store older."""
    root = store.local_root
    assert root is not None
    for path in root.rglob("*"):
        if path.is_file():
            about = path.stat()
            os.utime(path, (about.st_atime, about.st_mtime - days * 86400))


def contents(store: Store, generation: Generation) -> dict[str, bytes]:
    """All objects of a generation, verified."""
    return {ref.path: store.read_bytes(ref) for ref in generation.refs}


def one(generation: Generation, table: str) -> Ref:
    """The only object of a table."""
    (ref,) = generation.table(table)
    return ref


class Killed(BaseException):
    """The process ends here: no handler of the store may count on running."""


@contextmanager
def patched(name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Another function in the place of one of `disk`."""
    before = getattr(disk, name)
    setattr(disk, name, function)
    try:
        yield
    finally:
        setattr(disk, name, before)


@contextmanager
def every_mutation(wrap: Callable[[str, Callable[..., None]], Callable[..., None]]) -> Iterator[None]:
    """All functions of `disk.MUTATIONS` wrapped."""
    before = {name: getattr(disk, name) for name in disk.MUTATIONS}
    for name, function in before.items():
        setattr(disk, name, wrap(name, function))
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(disk, name, function)


@contextmanager
def failing_at(n: int, act: Callable[[], None], *, tear: bool = False) -> Iterator[list[str]]:
    """The n-th change of the disk (from 0) does not happen, or half: `act` raises or ends the process. Yields what was called."""
    called: list[str] = []

    def wrap(name: str, function: Callable[..., None]) -> Callable[..., None]:
        def step(*args: Any) -> None:
            called.append(name)
            if len(called) - 1 == n:
                if tear and name == "write_new":
                    written = b"".join(args[1])
                    function(args[0], [written[: len(written) // 2]])
                act()
            function(*args)

        return step

    with every_mutation(wrap):
        yield called


def raises(code: int) -> Callable[[], None]:
    """An action for `failing_at`: the error that the system would give."""

    def act() -> None:
        raise OSError(code, os.strerror(code))

    return act


def attempt(job: Callable[[], object]) -> str | None:
    """Run a job; the user's one line when it fails."""
    try:
        job()
    except GhostshipsError as error:
        assert "\n" not in str(error)
        return str(error)
    return None


class PowerLoss:
    """Records every change of the disk, and lays out what a disk may hold after the power went at any moment.

    A file's content survives from its fsync on; before, it may be empty, cut or whole. Names survive from the fsync of their
    folder on; of the changes since, any selection may have reached the disk.
    """

    def __init__(self, base: Path, *, deaf_to: tuple[str, int] | None = None) -> None:
        self.base = base
        self.log: list[tuple[str, Any, Any, Any]] = []
        self.sites: set[tuple[str, int]] = set()
        self._deaf_to = deaf_to
        self._ids: dict[Path, int] = {}
        self._is_folder: set[int] = set()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record all that happens inside."""

        def wrap(name: str, function: Callable[..., None]) -> Callable[..., None]:
            def step(*args: Any) -> None:
                frame = sys._getframe(1)
                site = (frame.f_code.co_name, frame.f_lineno)
                function(*args)
                if name.startswith("fsync"):
                    self.sites.add(site)
                    if site == self._deaf_to:
                        return
                getattr(self, f"_{name}", lambda *_: None)(*args)

            return step

        with every_mutation(wrap):
            yield

    def layout(self, n_steps: int, to: Path, rng: random.Random) -> None:
        """Write into an empty folder what the disk may hold after the first steps of the record."""
        folders: dict[Path, list[tuple[str, int | None]]] = {}
        settled: dict[Path, int] = {}
        durable: dict[int, bytes] = {}
        written: dict[int, bytes] = {}
        for kind, where, name, what in self.log[:n_steps]:
            if kind == "name":
                folders.setdefault(where, []).append((name, what))
            elif kind == "flush":
                settled[where] = len(folders.get(where, []))
            elif kind == "written":
                written[where] = what
            else:
                durable[where] = what
        names: dict[Path, dict[str, int]] = {}
        for folder, changes in folders.items():
            sure = settled.get(folder, 0)
            present = names.setdefault(folder, {})
            for number, (name, identity) in enumerate(changes):
                if number >= sure and rng.random() < 0.5:
                    continue
                if identity is None:
                    present.pop(name, None)
                else:
                    present[name] = identity

        def write(folder: Path, into: Path) -> None:
            for name, identity in names.get(folder, {}).items():
                if identity in self._is_folder:
                    (into / name).mkdir()
                    write(folder / name, into / name)
                    continue
                whole = written.get(identity, b"")
                cut = rng.choice([b"", whole[: len(whole) // 2], whole])
                (into / name).write_bytes(durable.get(identity, cut))

        write(self.base, to)

    def _know(self, path: Path) -> int:
        if path not in self._ids:
            self._ids[path] = len(self._ids) + 1_000 * len(self.log)
        return self._ids[path]

    def _name(self, path: Path, identity: int | None) -> None:
        self.log.append(("name", path.parent, path.name, identity))

    def _mkdir(self, path: Path) -> None:
        self._is_folder.add(self._know(path))
        self._name(path, self._know(path))

    def _write_new(self, path: Path, _blocks: object) -> None:
        self._ids.pop(path, None)
        self.log.append(("written", self._know(path), None, path.read_bytes()))
        self._name(path, self._know(path))

    def _fsync_file(self, path: Path) -> None:
        self.log.append(("durable", self._know(path), None, path.read_bytes()))

    def _fsync_folder(self, path: Path) -> None:
        self.log.append(("flush", path, None, None))

    def _rename(self, old: Path, new: Path) -> None:
        identity = self._know(old)
        del self._ids[old]
        self._ids[new] = identity
        # The file may stand under both names or, un-synced, under neither.
        self._name(new, identity)
        self._name(old, None)

    def _link_new(self, old: Path, new: Path) -> None:
        self._ids[new] = self._know(old)
        self._name(new, self._ids[new])

    def _unlink(self, path: Path) -> None:
        self._ids.pop(path, None)
        self._name(path, None)

    def _rmdir(self, path: Path) -> None:
        self._unlink(path)


FULL = errno.ENOSPC
