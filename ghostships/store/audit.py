"""Is everything as it was written? Every byte of every object, manifest and hint is read again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ghostships.errors import GhostshipsError, UsageError
from ghostships.store import hint, holding, manifests, places
from ghostships.store.manifests import Generation
from ghostships.store.shelf import Shelf, explained

if TYPE_CHECKING:
    from ghostships.store.generations import Store


@dataclass(frozen=True, order=True)
class Problem:
    """One file that is not as it should be: `what` in words, and what was expected and found there."""

    path: str
    what: str
    expected: str
    found: str


def problems(store: Store, shelf: Shelf) -> Iterator[Problem]:
    """Yield all damage: the mark, `CURRENT`, manifests and their chain, then objects by path, each read once.

    A flipped bit, a lost or a shortened file anywhere in the store is found, except in objects that no generation needs.
    """
    with explained(shelf.shown, "check the store"):
        yield from _mark(shelf)
        line = hint.read(shelf)  # before the list: a run that commits meanwhile must not seem to have lost a manifest
        whole: dict[int, Generation] = {}
        seqs = store.seqs()
        for seq in seqs:
            try:
                whole[seq] = store.generation(seq)
            except UsageError:  # collected since it was listed
                continue
            except manifests.DamagedManifest as error:
                yield Problem(manifests.file_name(seq), "the manifest is damaged", "as written", str(error.__cause__))
        yield from _hint(line, seqs, whole)
        yield from _chain(seqs, whole)
        yield from _objects(store, shelf, whole)


def notes(store: Store, shelf: Shelf) -> list[Problem]:
    """What is no damage: objects that no whole generation needs, leftovers, foreign files, a missing or stale hint."""
    found: list[Problem] = []
    with explained(shelf.shown, "look through the store"):
        generations = store.generations()
        needed = {ref.path for generation in generations for ref in generation.refs}
        for entry in shelf.entries():
            if entry.path in needed or entry.path in {places.MARK_NAME, hint.NAME, holding.LOCK}:
                continue
            if manifests.MANIFEST_NAME.fullmatch(entry.path.removeprefix(f"{manifests.FOLDER}/")):
                continue
            kind = "orphan" if manifests.OBJECT_PATH.fullmatch(entry.path) else "not of the store"
            found.append(Problem(entry.path, kind, "", f"{entry.n_bytes} bytes"))
        for entry in shelf.leftovers():
            found.append(
                Problem(entry.path, "left by a run that has ended or still writes", "", f"{entry.n_bytes} bytes")
            )
        if generations:
            newest = generations[-1]
            line = hint.read(shelf)
            if line is None:
                found.append(Problem(hint.NAME, "hint missing, the next run writes it", str(newest.seq), "nothing"))
            elif line != hint.encode(newest):
                found.append(Problem(hint.NAME, "hint stale, the next run writes it", str(newest.seq), repr(line[:8])))
    return sorted(found)


def _mark(shelf: Shelf) -> Iterator[Problem]:
    try:
        found = shelf.read(places.MARK_NAME)
    except FileNotFoundError:
        found = b""
    if found != places.MARK:
        yield Problem(places.MARK_NAME, "the mark of the store is damaged", repr(places.MARK), repr(found[:80]))


def _hint(data: bytes | None, seqs: list[int], whole: dict[int, Generation]) -> Iterator[Problem]:
    """A stale hint is harmless, a changed one is reported, and one ahead of all manifests means that one was lost."""
    if data is None:
        return
    try:
        seq, sha256 = hint.decode(data)
    except manifests.Damaged as error:
        yield Problem(hint.NAME, "the hint is damaged, the next run writes it", "as written", f"{error}: {data[:80]!r}")
        return
    if seq > max(seqs, default=0):
        yield Problem(manifests.file_name(seq), "the newest manifest is missing", sha256, "nothing")
    elif seq in whole and whole[seq].sha256 != sha256:
        yield Problem(hint.NAME, "the hint names another generation of this number", whole[seq].sha256, sha256)


def _chain(seqs: list[int], whole: dict[int, Generation]) -> Iterator[Problem]:
    """From the oldest manifest on no number is missing, and each names its parent's checksum."""
    for seq in range(seqs[0], seqs[-1]) if seqs else ():
        if seq not in seqs:
            yield Problem(manifests.file_name(seq), "the manifest is missing", "a manifest", "nothing")
    for seq, generation in sorted(whole.items()):
        parent = whole.get(generation.parent) if generation.parent else None
        if parent and parent.sha256 != generation.parent_sha256:
            expected = str(generation.parent_sha256)
            yield Problem(
                manifests.file_name(seq), "the parent is not the one it was made from", expected, parent.sha256
            )


def _objects(store: Store, shelf: Shelf, whole: dict[int, Generation]) -> Iterator[Problem]:
    wanted: dict[str, set[tuple[int, str]]] = defaultdict(set)
    newest_use: dict[str, int] = {}
    for generation in (whole[seq] for seq in sorted(whole)):
        for ref in generation.refs:
            wanted[ref.path].add((ref.n_bytes, ref.sha256))
            newest_use[ref.path] = generation.seq
    for path, expected in sorted(wanted.items()):
        try:
            found = shelf.digest(path)
        except FileNotFoundError:
            if newest_use[path] not in store.seqs():  # collected, with its generation, while this went on
                continue
            yield from (Problem(path, "the object is missing", sha, "nothing") for _, sha in sorted(expected))
            continue
        except (OSError, GhostshipsError) as error:
            yield Problem(
                path, "the object cannot be read", min(expected)[1], getattr(error, "strerror", "") or str(error)
            )
            continue
        for n_bytes, sha256 in sorted(expected - {found}):
            what = "the object has changed" if n_bytes == found[0] else "the object has another size"
            yield Problem(path, what, f"{n_bytes} bytes, SHA-256 {sha256}", f"{found[0]} bytes, SHA-256 {found[1]}")
