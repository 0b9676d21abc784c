"""One finding about who a ship is or where it says it is: a row of `tables.IDENTITIES`, whoever found it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import pandas as pd

from ghostships import tables
from ghostships.inference import factors

Kind = Literal["shared_mmsi", "same_ship_other_mmsi", "contradiction", "jamming_cluster", "spoofed_track"]

NOT_BELIEVED: tuple[Kind, ...] = ("jamming_cluster", "spoofed_track")
"""Findings whose positions say nothing of where the ship was."""


@dataclass(frozen=True)
class Finding:
    """A row of `tables.IDENTITIES` while it is made; `bits` is NaN where the data cannot say how surprising it is."""

    kind: Kind
    vessel_keys: Sequence[str]
    start_utc: datetime
    end_utc: datetime
    lat_deg: float
    lon_deg: float
    n_ships: int
    because: str
    sources: Sequence[str]
    bits: float = math.nan
    p: float = math.nan
    around: tuple[float, float, float] = field(default=(math.nan, math.nan, math.nan))
    """Where the ships were when it began: latitude, longitude, radius [km]."""

    @property
    def finding_id(self) -> str:
        """`F-` and a hash of kind, ships, start and sources: the same as long as the finding begins with the same rows."""
        keys, sources = sorted(self.vessel_keys), sorted(self.sources)
        text = "|".join([self.kind, *keys, str(pd.Timestamp(self.start_utc).value // 1000), *sources])
        return "F-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def table(found: Iterable[Finding]) -> pd.DataFrame:
    """Findings as `tables.IDENTITIES`; bits in steps of 0.001, clipped as all evidence is."""
    clip = factors.CLIP_BITS
    rows = [
        {
            "finding_id": f.finding_id,
            "kind": f.kind,
            "vessel_keys": sorted(f.vessel_keys),
            "start_utc": f.start_utc,
            "end_utc": f.end_utc,
            "lat_deg": _rounded(f.lat_deg, 5),
            "lon_deg": _rounded(f.lon_deg, 5),
            "n_ships": f.n_ships,
            "bits": _rounded(min(max(f.bits, -clip), clip) if f.bits == f.bits else f.bits, 3),
            "p": _rounded(f.p, 6),
            "from_lat_deg": _rounded(f.around[0], 5),
            "from_lon_deg": _rounded(f.around[1], 5),
            "from_radius_km": _rounded(f.around[2], 1),
            "because": f.because,
            "sources": list(f.sources),
        }
        for f in found
    ]
    if not rows:
        return tables.empty_pandas(tables.IDENTITIES)
    return tables.to_pandas(pd.DataFrame(rows).drop_duplicates("finding_id"), tables.IDENTITIES)


def _rounded(value: float, digits: int) -> float:
    return round(float(value), digits) + 0.0 if value == value else math.nan


def moment(time: datetime) -> str:
    """A time as sentences say it."""
    return f"{pd.Timestamp(time):%Y-%m-%d %H:%M} UTC"
