"""Which numbers are ships, and what counts as "now".

What one row can say about itself (ranges, sentinels) was settled by the readers and `tables.check`; what its neighbours say of it,
by `days`. Here are the identities that are not ships.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import polars as pl

VesselClass = Literal["ship", "default_mmsi", "non_ship", "unknown_mid"]

DEFAULT_MMSIS = (1_193_046, 123_456_789, 987_654_321, *(digit * 111_111_111 for digit in range(10)))
"""What a transponder sends that nobody programmed: factory settings (1193046 is 0x123456) and one digit nine times."""

FIRST_MID, LAST_MID = 201, 775
"""Maritime identification digits are allotted within these bounds (ITU table of MIDs, ITU-R M.585-9, annex 1)."""


def vessel_class(mmsi: int | None) -> VesselClass:
    """What an MMSI stands for: a ship, a number nobody programmed, a station that is no ship, or an unallotted number.

    Forms of ITU-R M.585-9: 00 coast station, 0 group of ships, 111 search-and-rescue aircraft, 970/972/974 distress beacons,
    98 tender of a ship, 99 aid to navigation. The last three kinds go on with a MID; where what follows is no possible MID
    the number is of unknown allotment rather than a buoy. An id that is not an MMSI at all (None) is a ship.
    """
    if mmsi is None:
        return "ship"
    if mmsi in DEFAULT_MMSIS:
        return "default_mmsi"
    digits = f"{mmsi:09d}"
    if digits.startswith(("0", "970", "972", "974")):
        return "non_ship"
    after = digits[3:6] if digits.startswith("111") else digits[2:5] if digits.startswith(("98", "99")) else None
    if after is not None and int(after) <= LAST_MID:
        return "non_ship"
    return "ship" if FIRST_MID <= int(digits[:3]) <= LAST_MID else "unknown_mid"


def set_aside(hours: pl.DataFrame) -> pl.DataFrame:
    """The numbers of `tables.VESSEL_HOURS` that are nobody's (defaults) or no ship's (stations, buoys, beacons).

    Their rows are accepted and counted, but a silence of theirs means nothing. Unallotted numbers are kept, with low confidence
    in the identity.

    Returns
    -------
    others : one row per number, `mmsi` and `vessel_class`, sorted
    """
    numbers = hours.select(pl.col("mmsi").unique()).to_series().sort()
    classes = pl.DataFrame(
        {"mmsi": numbers, "vessel_class": [vessel_class(n) for n in numbers.to_list()]},
        schema={"mmsi": pl.Int64, "vessel_class": pl.String},
    )
    return classes.filter(pl.col("vessel_class").is_in(["default_mmsi", "non_ship"]))


def as_of(hours: pl.DataFrame) -> datetime | None:
    """Say what "now" is: the latest time at or after which two ships are heard, or the last time of the only ship.

    This is the last message of the ship that was heard second to last. One ship whose clock runs ahead, by a minute or by ten
    years, is always the very last and so never decides. Limits: two wrong clocks do move it, and in an export of two ships of
    which one vanished "now" is that vanishing; then `--as-of` must say it. None without a ship.
    """
    last = hours.group_by("vessel_key").agg(pl.col("last_heard_utc").max())["last_heard_utc"].top_k(2)
    found: datetime | None = last.min() if len(last) else None  # type: ignore[assignment]
    return found
