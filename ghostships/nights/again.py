"""The traffic behind a folder that `nightly` published, as the store keeps it: days, not deliveries.

Which deliveries were in force that night, and as which dialect each was read, is settled in the days already; and days stay
when the original bytes of old deliveries have gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ghostships.bulk import traffic as bulk_traffic
from ghostships.errors import GhostshipsError
from ghostships.nights import books, originals
from ghostships.store import DamagedManifest, Generation, Ref, Store
from ghostships.terminal import parse_time
from ghostships.traffic import Traffic


def traffic(folder: Path, manifest: Mapping[str, Any]) -> Traffic | None:
    """What was heard in the days that the night thought on; None when the folder is none of `nightly`.

    Parameters
    ----------
    folder : the published folder, as the user names it (the link `out`)
    manifest : its `manifest.json`

    Raises
    ------
    GhostshipsError
        when the store is not where the manifest says, or keeps the generation no longer, or an object of it was changed.
    """
    night = manifest.get("night")
    if not isinstance(night, Mapping):
        return None
    store = originals.store_behind(folder, night)
    generation = _drawn(store, int(night["generation"]))
    found = books.of_payload(generation.payload)
    refs = {ref.path: ref for ref in generation.refs}
    first = parse_time(manifest["asked"]["from_utc"]).date()
    return bulk_traffic.of_days(
        [_Day(day, store, refs, one.objects) for day, one in sorted(found.days.items()) if day >= first]
    )


def _drawn(store: Store, night: int) -> Generation:
    """The newest generation whose published folder is that of a night: what came since changed nothing it thought on."""
    for seq in reversed(store.seqs()):
        try:
            generation = store.generation(seq)
        except DamagedManifest:
            continue
        if generation.payload.get("outcome", {}).get("drawn") == night:
            return generation
    raise GhostshipsError(
        f"{store.shown}: keeps no generation of night {night} any more ([retention] generations); right would be the newest "
        "published folder"
    )


@dataclass(frozen=True)
class _Day:
    """A day of the store; each file is fetched and verified when it is asked for."""

    day: date
    store: Store
    refs: Mapping[str, Ref]
    objects: Mapping[str, str]

    def _fetched(self, name: str) -> Path:
        return self.store.fetch(self.refs[self.objects[name]])

    @property
    def positions(self) -> Path:
        """All positions of the day."""
        return self._fetched("positions")

    @property
    def hours(self) -> Path:
        """Vessel hours."""
        return self._fetched("hours")

    @property
    def statics(self) -> Path:
        """What ships said of themselves."""
        return self._fetched("statics")

    @property
    def lost(self) -> Path:
        """Rows that nobody believes."""
        return self._fetched("lost")
