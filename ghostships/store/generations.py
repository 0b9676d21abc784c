"""A store: a row of generations, each a complete state, of which a reader pins one and sees nothing else.

    objects   positions/2024-03-01/<sha256>.parquet      named by their content, never changed
              raw/<sha256 of the original>.zst           deliveries as they came, compressed
    commit    manifests/00000007.json                    created so that an existing name fails: that moment is the commit
    hint      CURRENT                                    for people, and to notice that the newest manifest was lost

The newest manifest whose checksum holds is the current one. `CURRENT` may be torn, stale or missing: nothing depends on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from ghostships.errors import GhostshipsError, UsageError
from ghostships.store import audit, collection, manifests, places, raw
from ghostships.store.audit import Problem
from ghostships.store.draft import Draft
from ghostships.store.local import LocalShelf
from ghostships.store.manifests import DamagedManifest, Generation, Ref
from ghostships.store.shelf import BLOCK_BYTES, Mismatch, Removed, Shelf, explained


class Store:
    """Generations of tables in one folder, local or remote. Reading needs no lock and writes nothing to the store."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    @classmethod
    def open(
        cls,
        root: str | Path,
        *,
        create: bool = False,
        cache: Path | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Store:
        """The store at a local folder or an fsspec URL (`s3://bucket/prefix`).

        Parameters
        ----------
        create : make it when there is nothing yet
        cache : local folder for verified copies of remote objects; by default one in the user's cache folder
        storage_options : passed to the remote file system (`endpoint_url`, say); credentials are better left to its own settings

        Raises
        ------
        UsageError
            when there is no store, saying what is there instead; nothing is touched then.
        """
        shelf = places.place(root, cache=cache, storage_options=storage_options)
        with explained(shelf.shown, "open the store"):
            places.recognise(shelf, create=create)
        return cls(shelf)

    @property
    def shown(self) -> str:
        """The root as a user may see it."""
        return self._shelf.shown

    @property
    def local_root(self) -> Path | None:
        """The folder of a local store; None when it is remote."""
        return self._shelf.root if isinstance(self._shelf, LocalShelf) else None

    def current(self) -> Generation | None:
        """The newest generation whose manifest is whole; None in a store that has none yet. Damaged ones: see `damaged`."""
        for seq in reversed(self.seqs()):
            try:
                return self.generation(seq)
            except DamagedManifest:
                continue
        return None

    def seqs(self) -> list[int]:
        """Numbers of all manifests that have a name, whole or not, oldest first."""
        with explained(self.shown, "list the generations"):
            names = (entry.path.rpartition("/")[2] for entry in self._shelf.entries(manifests.FOLDER))
            return sorted(int(m[1]) for m in map(manifests.MANIFEST_NAME.fullmatch, names) if m)

    def generation(self, seq: int) -> Generation:
        """One generation, its manifest verified.

        Raises
        ------
        DamagedManifest
            when it is torn or changed.
        UsageError
            when there is none of this number; names those that exist.
        """
        path = manifests.file_name(seq)
        with explained(self.shown, f"read {path}"):
            try:
                data = self._shelf.read(path)
            except FileNotFoundError as error:
                have = ", ".join(str(number) for number in self.seqs()) or "none"
                raise UsageError(f"{self.shown}: there is no generation {seq}; there are: {have}") from error
        try:
            return manifests.decode(data, seq=seq)
        except manifests.Damaged as error:
            raise DamagedManifest(f"{self.shown}/{path}: {error}; restore it from a backup") from error

    def generations(self) -> list[Generation]:
        """All generations whose manifest is whole, oldest first. One that is collected meanwhile is left out."""
        return [found for found in map(self._whole, self.seqs()) if found]

    def damaged(self) -> list[Problem]:
        """Manifests that are skipped because they are torn or changed, oldest first: for the warnings of a run."""
        problems = []
        for seq in self.seqs():
            try:
                self.generation(seq)
            except DamagedManifest as error:
                problems.append(
                    Problem(manifests.file_name(seq), "manifest damaged", "as written", str(error.__cause__))
                )
        return problems

    def fetch(self, ref: Ref) -> Path:
        """A local path of an object, its SHA-256 verified now (once per process while the file is unchanged). Never write to it.

        Raises
        ------
        GhostshipsError
            when it is missing or its bytes have changed; names the object, the expected and the found hash.
        """
        with self._about(ref):
            return self._shelf.fetch(ref.path, ref.sha256)

    def read_bytes(self, ref: Ref) -> bytes:
        """The bytes of an object; what is returned is what was verified. Raises as `fetch`."""
        with self._about(ref):
            data = self._shelf.read(ref.path)
            found = hashlib.sha256(data).hexdigest()
            if found != ref.sha256:
                raise Mismatch(found)
            return data

    def raw(self, ref: Ref) -> BinaryIO:
        """The original bytes of a kept delivery, as an open temporary file at its start, verified to the last byte.

        Raises
        ------
        GhostshipsError
            as `fetch`, or when the unpacked bytes are not the original ones.
        """
        return raw.unpack(self.fetch(ref), ref, shown=self.shown)

    def restore_raw(self, ref: Ref, to: Path) -> None:
        """Write the original bytes of a kept delivery to a file that is not there yet. Raises as `raw`."""
        with self.raw(ref) as original, explained(str(to), "write the original delivery"), to.open("xb") as file:
            while block := original.read(BLOCK_BYTES):
                file.write(block)

    @contextmanager
    def writing(self, doing: str) -> Iterator[Draft]:
        """Be the only writer; `doing` names the run for whoever finds the store held.

        Raises
        ------
        StoreHeld
            when another run holds the store (exit status 75).
        """
        with ExitStack() as stack:
            with explained(self.shown, "begin to write"):
                draft = Draft(self, self._shelf, stack.enter_context(self._shelf.hold(doing)))
            stack.callback(draft.close)
            yield draft

    def gc(
        self, now_utc: datetime, *, keep_days: float = collection.KEEP_DAYS, keep_generations: int = 1
    ) -> list[Removed]:
        """Drop generations that were superseded `keep_days` ago, and what no kept one needs. See `collection.collect`."""
        with explained(self.shown, "collect garbage"), self._shelf.hold("collecting garbage") as writing:
            return collection.collect(
                self, self._shelf, writing, now_utc, keep_days=keep_days, keep_generations=keep_generations
            )

    def check(self) -> Iterator[Problem]:
        """Read everything and yield what is not as it was written; nothing means all is well. See `audit.problems`."""
        return audit.problems(self, self._shelf)

    def notes(self) -> list[Problem]:
        """What is no damage but worth knowing: orphans, leftovers of killed runs, foreign files, a stale `CURRENT`."""
        return audit.notes(self, self._shelf)

    def _whole(self, seq: int) -> Generation | None:
        try:
            return self.generation(seq)
        except (DamagedManifest, UsageError):
            return None

    @contextmanager
    def _about(self, ref: Ref) -> Iterator[None]:
        shown = f"{self.shown}/{ref.path}"
        try:
            yield
        except Mismatch as error:
            raise GhostshipsError(
                f"{shown}: SHA-256 is {error.found}, expected {ref.sha256}; the object was changed; restore it from a backup"
            ) from error
        except FileNotFoundError as error:
            raise GhostshipsError(
                f"{shown}: the object is missing, expected SHA-256 {ref.sha256}; restore it from a backup"
            ) from error
        except OSError as error:
            raise GhostshipsError(f"{shown}: cannot read the object: {error.strerror or error}") from error
