"""A disk in memory, driven by the journal of `disk_shim.c`: what a kill or a power loss may have left on it at any moment.

A kill leaves every change made so far; the last write may be half done. A power loss leaves less: a file has the bytes of its
last fsync and any part of what came later; a folder has the names of its last fsync and any selection of the changes since, and
what has lost its name is lost with all that is in it. That is harsher than what journalling file systems promise.
"""

from __future__ import annotations

import itertools
import os
import random
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

Names = dict[str, int]


@dataclass(frozen=True)
class Step:
    """One change of the disk as it was recorded: the letter of the journal and its fields."""

    op: str
    fields: tuple[bytes, ...]

    @property
    def is_mark(self) -> bool:
        """Words of the harness, not a change."""
        return self.op == "!"

    def text(self, n: int) -> str:
        """One field as text."""
        return os.fsdecode(self.fields[n])

    def number(self, n: int) -> int:
        """One field as a number."""
        return int(self.fields[n])


@dataclass
class File:
    """Bytes now, bytes at the last fsync (None: never), and whether it was written since."""

    data: bytearray = field(default_factory=bytearray)
    safe: bytes | None = None
    is_written: bool = False


@dataclass
class Link:
    """A symbolic link: made at once, whole."""

    target: str


@dataclass
class Folder:
    """Names now, names at the last fsync, and the changes since, in order (None: removed)."""

    names: Names = field(default_factory=dict)
    safe: Names = field(default_factory=dict)
    changes: list[tuple[str, int | None]] = field(default_factory=list)

    def change(self, name: str, node: int | None) -> None:
        """Give a name to something, or take it away."""
        if node is None:
            self.names.pop(name, None)
        else:
            self.names[name] = node
        self.changes.append((name, node))


def journal(path: Path) -> list[Step]:
    """The steps of a journal, in order."""
    data, at, out = path.read_bytes(), 0, list[Step]()
    while at < len(data):
        op, n = chr(data[at]), data[at + 1]
        at += 2
        fields = []
        for _ in range(n):
            (size,) = struct.unpack_from("<Q", data, at)
            fields.append(data[at + 8 : at + 8 + size])
            at += 8 + size
        out.append(Step(op, tuple(fields)))
    return out


class Disk:
    """Everything below one folder. What stood there when recording began is safe."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.nodes: dict[int, File | Link | Folder] = {}
        self._fresh = itertools.count(1)
        self._of_ino: dict[int, int] = {}
        self.top = self._scan(self.root)

    def apply(self, step: Step, *, share: float = 1.0) -> None:
        """Make one recorded change; of a write only so much."""
        match step.op:
            case "o":
                self._opened(step)
            case "w":
                self._write(step, share)
            case "t":
                file = self._file(step.number(0))
                length = step.number(1)
                file.data = bytearray(file.data[:length].ljust(length, b"\0"))
                file.is_written = True
            case "f":
                self._fsync(step.number(0))
            case "r" | "x":
                self._rename(step)
            case "l":
                folder, name = self._place(step.text(1))
                folder.change(name, self._node(step.text(0)))
            case "s":
                folder, name = self._place(step.text(1))
                folder.change(name, self._new(Link(step.text(0))))
            case "u" | "d":
                folder, name = self._place(step.text(0))
                folder.change(name, None)
            case "m":
                folder, name = self._place(step.text(0))
                node = self._new(Folder())
                self._of_ino[step.number(1)] = node
                folder.change(name, node)
            case "!" | "?":  # a mark; a stream opened behind our back (whether it wrote is seen in the end)
                pass
            case _:
                raise ValueError(f"the disk was changed in a way that is not followed: {step.op} {step.fields}")

    def lay_out(self, to: Path) -> None:
        """Write what is there now into an empty folder: the state that a kill leaves."""
        self._write_out(self.top, to, lambda folder: folder.names, lambda file: bytes(file.data))

    def lay_out_after_power_loss(self, to: Path, rng: random.Random) -> None:
        """Write one of the states that a power loss may leave, as `rng` chooses."""

        def names(folder: Folder) -> Names:
            found = dict(folder.safe)
            # A share for each folder: nearly nothing reached the disk, nearly all, or anything between, in any order.
            share = rng.choice([0.0, 0.2, 0.5, 0.8, 1.0])
            for name, node in folder.changes:
                if rng.random() < share:
                    if node is None:
                        found.pop(name, None)
                    else:
                        found[name] = node
            return found

        def data(file: File) -> bytes:
            now, safe = bytes(file.data), file.safe or b""
            if not file.is_written:
                return now
            cut = rng.randrange(len(now) + 1)
            return rng.choice([safe, b"", now[:cut], now[: len(now) // 2], bytes(len(now)), now])

        self._write_out(self.top, to, names, data)

    def tree(self) -> dict[str, bytes | str | None]:
        """What is there now: bytes of files, targets of links, None for folders."""
        return dict(self._walk(self.top, ""))

    def _walk(self, node: int, path: str) -> Iterator[tuple[str, bytes | str | None]]:
        found = self.nodes[node]
        if isinstance(found, Folder):
            if path:
                yield path, None
            for name, inner in sorted(found.names.items()):
                yield from self._walk(inner, f"{path}/{name}" if path else name)
        else:
            yield path, found.target if isinstance(found, Link) else bytes(found.data)

    def _write_out(self, node: int, to: Path, names: Callable[[Folder], Names], data: Callable[[File], bytes]) -> None:
        folder = self.nodes[node]
        assert isinstance(folder, Folder)
        for name, inner in sorted(names(folder).items()):
            found = self.nodes[inner]
            if isinstance(found, Folder):
                (to / name).mkdir()
                self._write_out(inner, to / name, names, data)
            elif isinstance(found, Link):
                (to / name).symlink_to(found.target)
            else:
                (to / name).write_bytes(data(found))

    # --- the parts of a step ----------------------------------------------------------------------------------------

    def _scan(self, path: Path) -> int:
        about = path.lstat()
        if stat.S_ISLNK(about.st_mode):
            return self._new(Link(os.readlink(path)))  # noqa: PTH115 - the text of the link
        known = self._of_ino.get(about.st_ino)
        if known is not None:  # a second name of a file
            return known
        if stat.S_ISDIR(about.st_mode):
            names = {entry.name: self._scan(entry) for entry in sorted(path.iterdir())}
            node = self._new(Folder(dict(names), dict(names)))
        else:
            data = path.read_bytes()
            node = self._new(File(bytearray(data), data))
        self._of_ino[about.st_ino] = node
        return node

    def _new(self, what: File | Link | Folder) -> int:
        node = next(self._fresh)
        self.nodes[node] = what
        return node

    def _file(self, ino: int) -> File:
        found = self.nodes[self._of_ino[ino]]
        assert isinstance(found, File)
        return found

    def _place(self, path: str) -> tuple[Folder, str]:
        parts = Path(path).relative_to(self.root).parts
        folder = self.nodes[self.top]
        for part in parts[:-1]:
            assert isinstance(folder, Folder)
            folder = self.nodes[folder.names[part]]
        assert isinstance(folder, Folder)
        return folder, parts[-1]

    def _node(self, path: str) -> int:
        folder, name = self._place(path)
        return folder.names[name]

    def _opened(self, step: Step) -> None:
        if step.text(2) == "1":
            folder, name = self._place(step.text(0))
            node = self._new(File())
            self._of_ino[step.number(1)] = node
            folder.change(name, node)
        elif step.text(3) == "1":
            file = self._file(step.number(1))
            file.data, file.is_written = bytearray(), True

    def _write(self, step: Step, share: float) -> None:
        file, offset, data = self._file(step.number(0)), step.number(1), step.fields[2]
        data = data[: int(len(data) * share)]
        if len(file.data) < offset:
            file.data.extend(bytes(offset - len(file.data)))
        file.data[offset : offset + len(data)] = data
        file.is_written = True

    def _fsync(self, ino: int) -> None:
        found = self.nodes[self._of_ino[ino]]
        if isinstance(found, Folder):
            found.safe, found.changes = dict(found.names), []
        elif isinstance(found, File):
            found.safe, found.is_written = bytes(found.data), False

    def _rename(self, step: Step) -> None:
        old, old_name = self._place(step.text(0))
        new, new_name = self._place(step.text(1))
        node, other = old.names[old_name], new.names.get(new_name)
        # The file may stand under both names or, not synced, under neither.
        new.change(new_name, node)
        old.change(old_name, other if step.op == "x" else None)


def tree_of(root: Path) -> dict[str, bytes | str | None]:
    """What a real folder holds, as `Disk.tree` says it."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)  # noqa: PTH115 - the text of the link
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found
