"""The table of what other publishers say, declared apart because it stands apart: no step reads it, no probability knows it."""

from __future__ import annotations

import polars as pl

from ghostships.columns import IMO, MMSI, NAME, before, lat, lon
from ghostships.schema import Column, Rule, Table

CONTEXT = Table(
    "context",
    "one gap, port call or picture as another publisher states it, beside what we found; it changes no probability",
    ("context_id",),
    (
        Column("context_id", "str", "`X-` and a hash of the publisher and what it says, or of its own id"),
        Column(
            "kind",
            "str",
            "picture: a catalogue offers it, nobody is known to have looked at it",
            values=("gap", "port_call", "picture"),
        ),
        Column("publisher", "str", "who says it"),
        Column("publisher_id", "str", "the publisher's own id; of a picture its scene id", nullable=True),
        Column("vessel_key", "str", "the ship of ours that it names; null: none, or a picture", nullable=True),
        Column("matched_by", "str", "by which number: MMSI, IMO or both; a name alone never links", nullable=True),
        MMSI,
        IMO,
        NAME,
        Column("start_utc", "time", "start of the silence, arrival, or when the picture was taken", nullable=True),
        Column("end_utc", "time", "end of the silence, or departure; null: not said", nullable=True),
        Column("port", "str", "port of the route; a picture: those it covers, joined by `;`", nullable=True),
        Column("place", "str", "port or installation as the publisher calls it; untrusted text", nullable=True),
        lat("lat_deg", "latitude: last place heard, port, middle of the picture", nullable=True),
        lon("lon_deg", "longitude: last place heard, port, middle of the picture", nullable=True),
        Column("agrees_with", "str", "our gap or port call of the same ship with most time in common", nullable=True),
        Column("overlap_h", "float64", "time in common; a port call of ours at its longest", "h", True, 0.0),
        Column("agrees_also_with", "list[str]", "further gaps or port calls of ours with time in common"),
        Column("in_gap_id", "str", "port call: our silence of that ship in which it falls", nullable=True),
        Column("source_row", "str", "`<file SHA-256 prefix>:<row>` of the line it comes from"),
        Column("end_source_row", "str", "the line that tells the end, where it is another", nullable=True),
        Column("note", "str", "what else the publisher says of it; untrusted text", nullable=True),
    ),
    rules=(
        Rule("context_ends_after_it_starts", before("start_utc", "end_utc")),
        Rule("context_has_a_time", lambda: pl.col("start_utc").is_not_null() | pl.col("end_utc").is_not_null()),
        Rule("lat_and_lon_together", lambda: pl.col("lat_deg").is_null() == pl.col("lon_deg").is_null()),
    ),
    place=("lat_deg", "lon_deg"),
)
