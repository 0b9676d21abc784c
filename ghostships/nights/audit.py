"""Do the books of the current generation add up? What `store check` looks at once every hash has been verified.

For every stream: rows read = accepted + duplicate + rejected; its parts have the accepted rows, its rejects file the rejected
ones; every day has the rows that its books say; every published flag is current according to the revisions, and the other way.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from ghostships import tables
from ghostships.errors import GhostshipsError
from ghostships.nights import books, revisions
from ghostships.nights.books import Books, Delivery
from ghostships.report import parquet
from ghostships.store import Problem, Ref, Store


def problems(store: Store) -> Iterator[Problem]:
    """Everything in the books of the current generation that does not add up; nothing in a store that has none.

    Objects that are missing or changed are the store's own finding and are passed over here.
    """
    generation = store.current()
    if generation is None:
        return
    name = f"generation {generation.seq}"
    try:
        found = books.of_payload(generation.payload)
    except (KeyError, TypeError, ValueError) as error:
        yield Problem(name, "the books cannot be read", f"books of format {books.FORMAT}", str(error))
        return
    refs = {ref.path: ref for ref in generation.refs}
    for path in sorted(found.objects - set(refs)):
        yield Problem(path, "the books name an object that the generation does not have", name, "no such object")
    for delivery in found.deliveries.values():
        yield from _delivery(store, refs, delivery)
    yield from _days(store, refs, found)
    yield from _flags(store, refs, found)


def _delivery(store: Store, refs: dict[str, Ref], delivery: Delivery) -> Iterator[Problem]:
    name = f"delivery {delivery.prefix}"
    for stream in delivery.streams:
        rows = stream.n_accepted + stream.n_duplicate + sum(stream.n_rejected.values())
        if rows != stream.n_read:
            yield Problem(name, "rows are not accounted for", f"{stream.n_read} read", f"{rows} in the books")
        prefix = stream.sha256[: books.PREFIX_DIGITS]
        in_parts = sum(part.n_rows for part in delivery.parts if part.prefix == prefix)
        if in_parts != stream.n_accepted:
            yield Problem(name, "accepted rows are in no part", str(stream.n_accepted), str(in_parts))
    for part in delivery.parts:
        yield from _rows(store, refs, part.object, part.n_rows)
    if delivery.rejects is not None:
        # A zip may hold one stream twice: its rejects are kept once.
        distinct = {stream.sha256: sum(stream.n_rejected.values()) for stream in delivery.streams}
        yield from _rows(store, refs, delivery.rejects, sum(distinct.values()))


def _days(store: Store, refs: dict[str, Ref], found: Books) -> Iterator[Problem]:
    recipe: dict[str, set[str]] = {}
    for sha256 in found.in_force:
        for part in found.deliveries[sha256].parts:
            recipe.setdefault(part.day.isoformat(), set()).add(part.object)
    for day, made in sorted(found.days.items()):
        wanted = sorted(recipe.pop(day.isoformat(), set()))
        if wanted != sorted(made.made_of):
            yield Problem(f"day {day}", "is not made of the parts in force", ", ".join(wanted), ", ".join(made.made_of))
        yield from _rows(store, refs, made.objects["positions"], sum(made.accepted.values()))
    for day_missing, parts in sorted(recipe.items()):
        yield Problem(f"day {day_missing}", "has parts in force and was not made", ", ".join(sorted(parts)), "no day")


def _flags(store: Store, refs: dict[str, Ref], found: Books) -> Iterator[Problem]:
    stored = found.outcome.get("tables", {})
    if not stored:
        return
    history = _fetched(store, refs, stored[tables.REVISIONS.name])
    trips = _fetched(store, refs, stored[tables.ROUND_TRIPS.name])
    if history is None or trips is None:
        return
    frame = parquet.read_table(trips, tables.ROUND_TRIPS)
    flagged = set(frame.loc[frame["is_flagged"].astype(bool), "trip_id"])
    current = revisions.current(parquet.read_table(history, tables.REVISIONS))
    for trip_id in sorted(flagged ^ current):
        what = "is flagged but has no revision" if trip_id in flagged else "is current in the revisions but not flagged"
        yield Problem(f"trip {trip_id}", what, "both or none", "one")


def _rows(store: Store, refs: dict[str, Ref], path: str, n_rows: int) -> Iterator[Problem]:
    file = _fetched(store, refs, path)
    if file is None:
        return
    found = int(pq.read_metadata(file).num_rows)
    if found != n_rows:
        yield Problem(path, "does not have the rows that the books say", str(n_rows), str(found))


def _fetched(store: Store, refs: dict[str, Ref], path: str) -> Path | None:
    if path not in refs:
        return None
    try:
        return store.fetch(refs[path])
    except GhostshipsError:
        return None
