"""What the only writer does: put finished files in their places, then commit them all at once.

Nothing put is visible until `commit` returns or is interrupted after its decisive step; everything left by a draft that never
commits is garbage, and collected as such.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghostships.errors import GhostshipsError
from ghostships.store import disk, hint, manifests, raw
from ghostships.store.holding import StoreHeld
from ghostships.store.manifests import Generation, Ref
from ghostships.store.raw import Sums
from ghostships.store.shelf import Shelf, Writing, blocks, explained

if TYPE_CHECKING:
    from ghostships.store.generations import Store


class Draft:
    """The next generation in the making. Made by `Store.writing`, of use inside its `with` block and its process only."""

    def __init__(self, store: Store, shelf: Shelf, writing: Writing) -> None:
        self.base: Generation | None = store.current()
        """The generation that was current when the writing began, or this draft's last commit."""
        self._shelf, self._writing = shelf, writing
        self._pid: int | None = os.getpid()
        self._numbers = itertools.count(1)
        self._put: set[Ref] = set()
        newest_name = max(store.seqs(), default=0)
        hint.heal(shelf, writing, self.base, newest_name)
        # The number of a manifest that was lost is not given again.
        self._next = max(newest_name, hint.newest_known(shelf)) + 1

    @property
    def seq(self) -> int:
        """The number that `commit` will give: one more than any manifest that has, or is known to have had, a name."""
        return self._next

    @property
    def workspace(self) -> Path:
        """A local folder for unfinished files: on a local store, `put` of a file in it is a rename. Gone when the writing ends."""
        self._alive()
        with explained(self._shelf.shown, "make a folder for unfinished files"):
            return self._writing.workspace

    def put(
        self, source: Path | bytes, *, table: str, partition: str, suffix: str = ".parquet", n_rows: int | None = None
    ) -> Ref:
        """Put one finished file in its place and say what was put. A file of `workspace` is moved, any other copied.

        Raises
        ------
        GhostshipsError
            when it cannot be read or written (disk full, say); nothing of it is visible then.
        """
        with self._moving(f"put a file of {table}") as aside:
            if isinstance(source, Path) and source.parent == aside.parent:
                aside, sums = source, Sums()
                for block in blocks(source):
                    sums.add(block)
            else:
                sums = Sums()
                disk.write_new(aside, _counted([source] if isinstance(source, bytes) else blocks(source), sums))
            path = manifests.object_name(table, partition, sums.sha256, suffix)
            self._writing.seat(aside, path, sha256=sums.sha256, n_bytes=sums.n_bytes)
        return self._remember(Ref(path, sums.sha256, sums.n_bytes, n_rows))

    def keep_raw(self, source: Path, *, expected_sha256: str | None = None) -> Ref:
        """Keep a delivery as it came, compressed, named after its own bytes.

        Parameters
        ----------
        expected_sha256 : what it was when its rows were read; a file that has changed since is refused

        A delivery kept before is used again when it still unpacks to the same bytes, else replaced.

        Raises
        ------
        GhostshipsError
            as `put`; also when the delivery is not what was expected.
        """
        original, stored = Sums(), Sums()
        with self._moving(f"keep the delivery {source.name!a}") as aside:
            disk.write_new(aside, raw.packed(source, original, stored))
            if expected_sha256 not in (None, original.sha256):
                raise GhostshipsError(
                    f"{source}: changed while it was read: SHA-256 was {expected_sha256}, is {original.sha256}; "
                    "deliver it again under a temporary name and rename it when complete"
                )
            path = f"{raw.FOLDER}/{original.sha256}{raw.SUFFIX}"
            ref = Ref(path, stored.sha256, stored.n_bytes, None, original.sha256, original.n_bytes)
            if known := self._packed_otherwise(ref):
                disk.write_new(
                    other := aside.with_name(f"{aside.name}-known"), blocks(self._shelf.fetch(path, known.sha256))
                )
                disk.unlink(aside)
                aside, ref = other, known
            self._writing.seat(aside, path, sha256=ref.sha256, n_bytes=ref.n_bytes)
        return self._remember(ref)

    def commit(self, payload: dict[str, Any], refs: Iterable[Ref], *, made_utc: datetime, note: str = "") -> Generation:
        """Publish a generation of exactly these objects: those put here, and any of `base` that stay.

        When it returns, the generation survives a power loss. When it raises, the generation is either not there at all or whole
        (the last fsync failed, say): look at `Store.current` before doing the work again.

        Raises
        ------
        StoreHeld
            when somebody else has committed this number meanwhile (exit status 75).
        GhostshipsError
            when a ref names no object of the right size, or writing fails.
        ValueError
            when the arguments cannot be a manifest: see `manifests.encode`.
        """
        self._alive()
        data = manifests.encode(self._next, self.base, payload, refs, made_utc=made_utc, note=note)
        generation = manifests.decode(data, seq=self._next)
        path = manifests.file_name(generation.seq)
        with explained(self._shelf.shown, f"commit generation {generation.seq}"):
            self._refuse_absent(generation)
            try:
                self._writing.create(path, data)
            except FileExistsError as error:
                raise StoreHeld(
                    f"{self._shelf.shown}: another run has committed generation {generation.seq} meanwhile; "
                    "nothing of this run was published; run again"
                ) from error
        self.base, self._next = generation, generation.seq + 1
        hint.write(self._writing, generation)
        return generation

    def close(self) -> None:
        """End the draft: nothing more can be put."""
        self._pid = None

    @contextmanager
    def _moving(self, doing: str) -> Iterator[Path]:
        """A free name in the workspace; what is left there after a failure is removed."""
        self._alive()
        with explained(self._shelf.shown, doing):
            aside = self._writing.workspace / f"put-{next(self._numbers)}"
            try:
                yield aside
            except Exception:
                with contextlib.suppress(OSError):
                    disk.unlink(aside)
                raise

    def _remember(self, ref: Ref) -> Ref:
        self._put.add(ref)
        return ref

    def _packed_otherwise(self, ref: Ref) -> Ref | None:
        """The same delivery as another version of zstd packed it: older generations know it by that SHA-256, so it must stay."""
        try:
            n_bytes, sha256 = self._shelf.digest(ref.path)
            if (
                sha256 == ref.sha256
                or raw.unpacked_sums(self._shelf.fetch(ref.path, sha256)).sha256 != ref.original_sha256
            ):
                return None
        except (FileNotFoundError, GhostshipsError):
            return None
        return replace(ref, sha256=sha256, n_bytes=n_bytes)

    def _refuse_absent(self, generation: Generation) -> None:
        """Every object must be there: put by this draft, or of the base, or at least of the right size."""
        known = self._put | set(self.base.refs if self.base else ())
        for ref in generation.refs:
            if ref not in known and (found := self._shelf.size(ref.path)) != ref.n_bytes:
                raise GhostshipsError(
                    f"{self._shelf.shown}/{ref.path}: cannot be part of a generation: "
                    f"{'there is no such object' if found is None else f'has {found} bytes'}, expected {ref.n_bytes} bytes"
                )

    def _alive(self) -> None:
        if self._pid != os.getpid():
            raise RuntimeError("a draft is of use inside its `with store.writing(...)` block and its own process only")


def _counted(data: Iterable[bytes], sums: Sums) -> Iterator[bytes]:
    for block in data:
        sums.add(block)
        yield block
