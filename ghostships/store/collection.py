"""Garbage: what no kept generation needs, and nobody can still be reading or about to use.

A generation is kept until it has been superseded for `keep_days`: a reader that pinned it while it was current has that long,
however old it was when pinned. Objects go when no kept generation names them and they are older than `keep_days` by the clock of
the place, which also spares what a run on another machine is putting right now.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ghostships.errors import GhostshipsError
from ghostships.store import hint, manifests
from ghostships.store.manifests import Generation
from ghostships.store.shelf import Entry, Removed, Shelf, Writing

if TYPE_CHECKING:
    from ghostships.store.generations import Store

KEEP_DAYS = 7.0


def collect(
    store: Store, shelf: Shelf, writing: Writing, now_utc: datetime, *, keep_days: float, keep_generations: int
) -> list[Removed]:
    """Remove old generations, then what nothing references, then leftovers of killed runs; says what was removed.

    Manifests go first, for good, before any object: at no moment does a manifest name an object that is gone.

    Parameters
    ----------
    now_utc : the time that ages are counted to
    keep_days : how long superseded generations and unreferenced objects stay [days]
    keep_generations : at least this many of the newest stay in any case; the current one always does

    Raises
    ------
    GhostshipsError
        when a manifest that would be kept is damaged: what it needs is not known, so nothing is removed.
    """
    if now_utc.tzinfo is None:
        raise ValueError("now_utc has no time zone; give it in UTC")
    cutoff = now_utc.astimezone(UTC) - timedelta(days=keep_days)
    entries = {entry.path: entry for entry in shelf.entries()}
    seqs = store.seqs()
    dropped = _superseded(store, seqs, entries, cutoff, keep_generations=max(keep_generations, 1))
    needed: set[str] = set()
    for seq in seqs[len(dropped) :]:
        try:
            needed |= {ref.path for ref in store.generation(seq).refs}
        except manifests.DamagedManifest as error:
            raise GhostshipsError(
                f"{error}; nothing was removed, for nobody knows what this generation needs"
            ) from error
    old = [entries[manifests.file_name(seq)] for seq in dropped]
    for entry in old:
        # One by one, oldest first, each for good: a power loss must not leave a hole in the row.
        writing.drop([entry.path])
    removed = [Removed(entry.path, entry.n_bytes, "superseded generation") for entry in old]
    orphans = [
        entry
        for entry in entries.values()
        if manifests.OBJECT_PATH.fullmatch(entry.path) and entry.path not in needed and entry.modified_utc < cutoff
    ]
    writing.drop([entry.path for entry in orphans])
    removed += [Removed(entry.path, entry.n_bytes, "needed by no generation") for entry in orphans]
    hint.heal(shelf, writing, store.current(), max(seqs, default=0))
    return removed + writing.sweep(needed)


def _superseded(
    store: Store, seqs: list[int], entries: dict[str, Entry], cutoff: datetime, *, keep_generations: int
) -> list[int]:
    """The oldest generations whose successor is older than the cutoff, as an unbroken row from the first.

    Old by both clocks, the one in the manifest and the one of the place: either may be wrong or simulated.
    """
    whole: dict[int, Generation] = {generation.seq: generation for generation in store.generations()}
    if not whole:
        return []
    # Damaged ones neither count as kept nor as a successor.
    row = sorted(whole)
    keep_from = row[-keep_generations:][0]
    for seq, successor in zip(row, row[1:], strict=False):
        young = max(whole[successor].made_utc, entries[manifests.file_name(successor)].modified_utc) >= cutoff
        if young:
            keep_from = min(keep_from, seq)
            break
    return [seq for seq in seqs if seq < keep_from]
