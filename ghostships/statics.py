"""Static data kept apart: a ship repeats its name and length in every message, so a day keeps each set of them once.

    positions  <=>  messages (place and movement, `said` = number of a set)  +  contents (the sets)

`part` and `join` are inverse to each other, but for the order of rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from ghostships import tables

CONTENT = tuple(column.name for column in tables.STATIC_COLUMNS)
SET = ("vessel_key", "mmsi", *CONTENT)
"""What makes a set of static data: the ship and all it says of itself."""

MOVEMENT = ("time_utc", "lat_deg", "lon_deg", "sog_kn", "cog_deg", "heading_deg", "nav_status")
SAID = pl.UInt32()

CONTENTS_SCHEMA: dict[str, pl.DataType] = {
    "said": SAID,
    **{name: tables.POSITIONS.polars_schema[name] for name in SET},
}
MESSAGES_SCHEMA: dict[str, pl.DataType] = {**tables.MESSAGES.polars_schema, "said": SAID}


def part(positions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Messages (`tables.MESSAGES`) and contents (`said` and the columns of `SET`), numbered in order of the content."""
    contents = unique(positions.select(SET))
    numbered = positions.join(contents, on=SET, how="left", nulls_equal=True, maintain_order="left")
    has_mmsi = pl.col("mmsi").is_not_null()
    messages = numbered.with_columns(own_id=pl.when(~has_mmsi).then(pl.col("vessel_key")))
    return messages.select(pl.col(n).cast(t) for n, t in MESSAGES_SCHEMA.items()), contents


def join(messages: pl.DataFrame, contents: pl.DataFrame) -> pl.DataFrame:
    """The rows of `tables.POSITIONS` again, in the order of the messages."""
    told = contents.select("said", "vessel_key", *CONTENT)
    joined = messages.join(told, on="said", how="left", maintain_order="left")
    return joined.select(pl.col(n).cast(t) for n, t in tables.POSITIONS.polars_schema.items())


def unique(sets: pl.DataFrame) -> pl.DataFrame:
    """Each set once, numbered from 0 in order of the content."""
    once = sets.select(SET).unique().sort(SET, nulls_last=False)
    return once.with_row_index("said").with_columns(pl.col("said").cast(SAID))


def renumber(contents: list[pl.DataFrame]) -> tuple[pl.DataFrame, list[npt.NDArray[np.uint32]]]:
    """Sets of several sources as one numbering, and for each source the new number of each of its old ones."""
    if not contents:
        return pl.DataFrame(schema=CONTENTS_SCHEMA), []
    together = unique(pl.concat([one.select(SET) for one in contents]))
    maps = []
    for one in contents:
        new = one.join(together.rename({"said": "new"}), on=SET, how="left", nulls_equal=True)
        size = int(one["said"].max()) + 1 if one.height else 0  # type: ignore[arg-type]
        found = np.zeros(size, np.uint32)
        found[new["said"].to_numpy()] = new["new"].to_numpy()
        maps.append(found)
    return together, maps


def said_again(messages: pl.DataFrame, numbers: npt.NDArray[np.uint32]) -> pl.DataFrame:
    """The messages with the numbers of another numbering."""
    return messages.with_columns(pl.Series("said", numbers[messages["said"].to_numpy()], dtype=SAID))
