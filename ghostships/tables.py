"""Every table that crosses a module border: what one row is, its key, and each column's type, unit, range and meaning.

`docs/tables.md`, the Parquet column metadata and `ghostships tables` are made from these declarations and nothing else; how frames
are made to obey them is `schema`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from ghostships.columns import GAP_ID, IMO, MMSI, NAME, VESSEL_KEY
from ghostships.columns import STATIC_COLUMNS as STATIC_COLUMNS
from ghostships.columns import before as _before
from ghostships.columns import lat as _lat
from ghostships.columns import lon as _lon
from ghostships.columns import p as _p
from ghostships.schema import Column as Column
from ghostships.schema import Dtype as Dtype
from ghostships.schema import Rule as Rule
from ghostships.schema import Table as Table
from ghostships.schema import broken_rule as broken_rule
from ghostships.schema import check as check
from ghostships.schema import empty_pandas as empty_pandas
from ghostships.schema import empty_polars as empty_polars
from ghostships.schema import page
from ghostships.schema import to_arrow as to_arrow
from ghostships.schema import to_pandas as to_pandas
from ghostships.tables_context import CONTEXT as CONTEXT

POSITIONS = Table(
    "positions",
    "one message of one ship, with or without a position (91/181 and static data are heard, but say nothing of the place)",
    ("vessel_key", "time_utc", "source_file", "source_row"),
    (
        VESSEL_KEY,
        MMSI,
        Column("time_utc", "time", "when it was sent or received"),
        _lat("lat_deg", "latitude, WGS84, rounded to 1e-7; null: heard without a position", nullable=True),
        _lon("lon_deg", "longitude, WGS84, rounded to 1e-7; null: heard without a position", nullable=True),
        Column("sog_kn", "float64", "speed over ground; 102.3 is null", "kn", True, 0.0, 102.2),
        Column("cog_deg", "float64", "course over ground; 360 is null", "deg", True, 0.0, 359.999),
        Column("heading_deg", "float64", "true heading; 511 is null", "deg", True, 0.0, 360.0),
        Column("nav_status", "int64", "navigational status code of ITU-R M.1371", "", True, 0, 15),
        *STATIC_COLUMNS,
        Column("source_file", "str", "first 12 hexadecimal digits of the file's SHA-256"),
        Column("source_row", "int64", "physical line (text) or record (binary), counted from 1", "", low=1),
    ),
    rules=(Rule("lat_and_lon_together", lambda: pl.col("lat_deg").is_null() == pl.col("lon_deg").is_null()),),
)

MESSAGES = Table(
    "messages",
    "one row of positions as a day keeps it: what the ship says of itself is a number (`said`) in the statics of the same day",
    ("mmsi", "own_id", "time_utc", "source_file", "source_row"),
    (
        MMSI,
        Column("own_id", "str", "`id:<file SHA-256 prefix>:<id>` of a ship without MMSI", nullable=True),
        Column("time_utc", "time", "when it was sent or received"),
        _lat("lat_deg", "latitude, WGS84, rounded to 1e-7; null: heard without a position", nullable=True),
        _lon("lon_deg", "longitude, WGS84, rounded to 1e-7; null: heard without a position", nullable=True),
        Column("sog_kn", "float64", "speed over ground; 102.3 is null", "kn", True, 0.0, 102.2),
        Column("cog_deg", "float64", "course over ground; 360 is null", "deg", True, 0.0, 359.999),
        Column("heading_deg", "float64", "true heading; 511 is null", "deg", True, 0.0, 360.0),
        Column("nav_status", "int64", "navigational status code of ITU-R M.1371", "", True, 0, 15),
        Column("said", "int64", "number of its static data", low=0),
        Column("source_file", "str", "first 12 hexadecimal digits of the file's SHA-256"),
        Column("source_row", "int64", "physical line (text) or record (binary), counted from 1", "", low=1),
    ),
)

STATICS = Table(
    "statics",
    "what one ship said of itself on one UTC day: one row per distinct set of static data",
    ("day_utc", "said"),
    (
        Column("day_utc", "time", "start of the UTC day"),
        Column("said", "int64", "number of this set, as `messages` has it", low=0),
        VESSEL_KEY,
        MMSI,
        *STATIC_COLUMNS,
        Column("n_messages", "int64", "messages with it", low=1),
        Column("first_utc", "time", "first message with it"),
        Column("last_utc", "time", "last message with it"),
    ),
    rules=(Rule("said_last_after_first", _before("first_utc", "last_utc")),),
)

LOST = Table(
    "lost",
    "one message of a day that nobody believes, because of its neighbours",
    ("source_file", "source_row"),
    (
        Column("source_file", "str", "first 12 hexadecimal digits of the file's SHA-256"),
        Column("source_row", "int64", "physical line (text) or record (binary), counted from 1", "", low=1),
        Column("rule", "str", "the rule it broke"),
    ),
)

VESSEL_HOURS = Table(
    "vessel_hours",
    "one ship in one UTC hour in which it was heard: the only summary of the bulk data, mergeable in any order",
    ("vessel_key", "hour_utc"),
    (
        VESSEL_KEY,
        MMSI,
        Column("hour_utc", "time", "start of the hour"),
        Column("n_messages", "int64", "messages heard, with or without a position", low=1),
        Column("n_positions", "int64", "messages with a position", low=0),
        Column("n_moving", "int64", "positions with a speed of at least 0.5 kn", low=0),
        Column("first_heard_utc", "time", "first message of the hour"),
        Column("last_heard_utc", "time", "last message of the hour"),
        Column("first_utc", "time", "first position of the hour", nullable=True),
        _lat("first_lat_deg", "latitude of the first position", nullable=True),
        _lon("first_lon_deg", "longitude of the first position", nullable=True),
        Column("first_source", "str", "`<file SHA-256 prefix>:<row>` of the first message"),
        Column("last_utc", "time", "last position of the hour", nullable=True),
        _lat("last_lat_deg", "latitude of the last position", nullable=True),
        _lon("last_lon_deg", "longitude of the last position", nullable=True),
        Column("last_source", "str", "`<file SHA-256 prefix>:<row>` of the last message"),
        Column("cell", "int64", "equal-area cell of the last position (`sea.cell`)", nullable=True),
        Column("max_step_kn", "float64", "largest speed implied by two consecutive positions", "kn", True, 0.0),
        Column("ais_class", "str", "transponder class, A if ever A", nullable=True, values=("A", "B")),
        Column(
            "fastest_kn", "float64", "highest believable speed it reported under way, 3 to 60 kn", "kn", True, 3.0, 60.0
        ),
    ),
    rules=(Rule("hour_ends_after_it_starts", _before("first_heard_utc", "last_heard_utc")),),
)

SEGMENTS = Table(
    "segments",
    "one believable track of one hull",
    ("segment_id",),
    (
        Column("segment_id", "str", "`S-` and a hash of the vessel key and the segment's first position"),
        VESSEL_KEY,
        Column("hull", "int64", "number of the hull under this vessel key, 0 for the first heard", low=0),
        Column("start_utc", "time", "first position"),
        Column("end_utc", "time", "last position"),
        Column("n_positions", "int64", "positions in the segment", low=0),
        Column(
            "reason",
            "str",
            "why the track was split here, or `whole`",
            values=("whole", "shared", "silence", "ambiguous", "lost", "jump"),
        ),
    ),
    rules=(Rule("segment_ends_after_it_starts", _before("start_utc", "end_utc")),),
)

GAPS = Table(
    "gaps",
    "one silence of one ship, at least the policy's `min_gap_h` long",
    ("gap_id",),
    (
        GAP_ID,
        VESSEL_KEY,
        MMSI,
        IMO,
        NAME,
        Column("segment_id", "str", "the hull's segment; hash of vessel key and the segment's first position"),
        Column("start_utc", "time", "last time heard before the silence"),
        Column("end_utc", "time", "first time heard after it; null while open", nullable=True),
        Column("duration_h", "float64", "length of the silence", "h", True, 0.0),
        _lat("start_lat_deg", "last known place before the silence"),
        _lon("start_lon_deg", "last known place before the silence"),
        _lat("end_lat_deg", "first known place after it", nullable=True),
        _lon("end_lon_deg", "first known place after it", nullable=True),
        Column("distance_gc_nm", "float64", "great circle between the two places", "nm", True, 0.0),
        Column("distance_nm", "float64", "by sea between the two places; null outside the sea grid", "nm", True, 0.0),
        Column("implied_speed_kn", "float64", "sea distance (else great circle) over duration", "kn", True, 0.0),
        Column("start_port", "str", "port whose radius holds the start", nullable=True),
        Column("end_port", "str", "port whose radius holds the end", nullable=True),
        Column("is_open", "bool", "silent at the end of the data"),
        Column("state", "str", "void: feed down, or places not believed", values=("open", "closed", "void")),
        Column(
            "expected_heard", "float64", "hours in which it should have been heard on the quietest course", "h", True, 0
        ),
        _p("p_off", "lower bound of the probability that the transponder was off; null: cannot say", nullable=True),
        Column("n_other_ships_heard", "int64", "other ships heard near its course during the silence", low=0),
        Column("start_source", "str", "`<file SHA-256 prefix>:<row>` of the message that opens the gap"),
        Column("end_source", "str", "`<file SHA-256 prefix>:<row>` of the message that closes it", nullable=True),
    ),
    rules=(
        Rule("gap_ends_after_it_starts", _before("start_utc", "end_utc")),
        Rule("open_has_no_end", lambda: pl.col("is_open") == pl.col("end_utc").is_null()),
    ),
    place=("start_lat_deg", "start_lon_deg"),
    public=True,
)

REACH = Table(
    "reach",
    "one gap and one port: could the ship have called there and come back in time?",
    ("gap_id", "port"),
    (
        GAP_ID,
        Column("port", "str", "port of the route file"),
        Column("distance_from_nm", "float64", "by sea from the start of the gap to the port", "nm", True, 0.0),
        Column("distance_to_nm", "float64", "by sea from the port to the end of the gap", "nm", True, 0.0),
        Column("fastest_kn", "float64", "practical top speed of the ship", "kn", False, 0.1),
        Column("earliest_arrival_utc", "time", "gap start + distance / fastest_kn", nullable=True),
        Column("latest_departure_utc", "time", "gap end - distance / fastest_kn; null while open", nullable=True),
        Column("slack_h", "float64", "latest departure - earliest arrival; null: unknown or open", "h", True),
        Column("needs_kn", "float64", "speed needed to call, stay the minimum and come back", "kn", True, 0.0),
        Column(
            "verdict",
            "str",
            "feasible; marginal: only with the most optimistic distances; impossible; unknown: no distance",
            values=("feasible", "marginal", "impossible", "unknown"),
        ),
    ),
    public=True,
)

SIGHTINGS = Table(
    "sightings",
    "one statement of one source about one ship (or an empty berth, or containers) in a picture",
    ("sighting_id",),
    (
        Column("sighting_id", "str", "as given, else `O-` and a hash of the row"),
        Column("observation_type", "str", "what was seen", values=("vessel", "absent", "containers", "ais")),
        Column("observation_group", "str", "same picture or ship-day: one likelihood", nullable=True),
        Column("start_utc", "time", "first instant the observation may belong to"),
        Column("end_utc", "time", "last instant; equal to the start for a picture with a time"),
        _lat("lat_deg", "latitude", nullable=True),
        _lon("lon_deg", "longitude", nullable=True),
        Column("position_sigma_m", "float64", "standard error of the place", "m", True, 0.0),
        Column("length_m", "float64", "length as measured", "m", True, 1.0, 500.0),
        Column("length_sigma_m", "float64", "standard error as claimed", "m", True, 0.0),
        Column("sensor", "str", "sensor as given", nullable=True),
        Column("scene_id", "str", "the picture it was seen in", nullable=True),
        Column("port", "str", "port of the route file; `A|B` when the source leaves it open", nullable=True),
        Column("berth", "str", "berth of the route file, else as given", nullable=True),
        NAME,
        IMO,
        Column("identification_basis", "str", "how the name was found, as given", nullable=True),
        _p("p_name_correct", "probability that the name is right", nullable=True),
        Column("source", "str", "publisher or provider; `<file SHA-256 prefix>:<row>` when none is given"),
        Column("source_url", "str", "where it was published", nullable=True),
        Column("retrieved_utc", "time", "when the statement was retrieved", nullable=True),
        Column("source_row", "str", "`<file SHA-256 prefix>:<row>` of the line it comes from"),
        Column("note", "str", "the source's remark; untrusted text", nullable=True),
        Column("heading_deg", "float64", "direction of the hull, bow or stern", "deg", True, 0.0, 360.0),
    ),
    rules=(
        Rule("window_ends_after_it_starts", _before("start_utc", "end_utc")),
        Rule("lat_and_lon_together", lambda: pl.col("lat_deg").is_null() == pl.col("lon_deg").is_null()),
        Rule("sighting_has_a_place", lambda: pl.col("lat_deg").is_not_null() | pl.col("port").is_not_null()),
    ),
    place=("lat_deg", "lon_deg"),
    public=True,
)

SCENES = Table(
    "scenes",
    "one picture that was looked at, with or without ships",
    ("scene_id",),
    (
        Column("scene_id", "str", "as given"),
        Column("start_utc", "time", "when it was taken"),
        Column("end_utc", "time", "end of taking; equal to the start for a snapshot"),
        Column("wkt", "str", "footprint, lon lat in degrees"),
        Column("sensor", "str", "sensor as given", nullable=True),
        _p("clear_fraction", "share of the footprint without cloud; 1 for radar"),
        Column("source_row", "str", "`<file SHA-256 prefix>:<row>` of the line it comes from"),
    ),
    rules=(Rule("scene_ends_after_it_starts", _before("start_utc", "end_utc")),),
    public=True,
)

REGISTRY = Table(
    "registry",
    "one ship of a registry or watch list, as listed",
    ("source_row",),
    (
        MMSI,
        IMO,
        NAME,
        Column("length_m", "float64", "length overall", "m", True, 1.0, 500.0),
        Column("teu", "float64", "capacity in 20-foot containers", "", True, 0.0),
        Column("list", "str", "name of the list; null: a registry row, not a listing", nullable=True),
        Column("since", "str", "date of listing, ISO", nullable=True),
        Column("source_row", "str", "`<file SHA-256 prefix>:<row>` of the line it comes from"),
    ),
)

PORT_CALLS = Table(
    "port_calls",
    "one stay of one hull at one port: bounds, not times",
    ("call_id",),
    (
        Column("call_id", "str", "`C-` and a hash of the port and its sightings"),
        Column("port", "str", "port of the route file; `A|B` when the sources leave it open"),
        Column("arrival_not_before_utc", "time", "last clear picture without it; null: unknown", nullable=True),
        Column("arrival_not_after_utc", "time", "first sighting"),
        Column("departure_not_before_utc", "time", "last sighting"),
        Column("departure_not_after_utc", "time", "first clear picture without it; null: unknown", nullable=True),
        Column("n_sightings", "int64", "independent sightings (rows of one ship-day count once)", low=1),
        Column("length_m", "float64", "combined length", "m", True, 1.0, 500.0),
        Column("berths", "list[str]", "berths in order of time"),
        Column("kind", "str", "who it was", values=("dark", "transmitting", "unattributed")),
        Column("vessel_key", "str", "the ship it is put down to, if any", nullable=True),
        MMSI,
        _p("p_vessel", "probability that it was this ship", nullable=True),
        NAME,
        IMO,
        Column("length_sigma_m", "float64", "standard error of the combined length", "m", True, 0.0),
        Column("in_trade", "bool", "false: a berth or size outside the trade of the route (a coal pier, say)"),
        Column("sighting_ids", "list[str]", "its sightings"),
        Column("continues_call_id", "str", "the call of which this may be the continuation", nullable=True),
        _p("p_continues", "probability that it is that call's continuation", nullable=True),
        _lat("lat_deg", "port point"),
        _lon("lon_deg", "port point"),
        Column("because", "str", "why these sightings are one call"),
    ),
    place=("lat_deg", "lon_deg"),
    public=True,
)

MATCHES = Table(
    "matches",
    "one sighting and one hypothesis about who it was; the rows of one sighting sum to 1",
    ("match_id",),
    (
        Column("match_id", "str", "`M-` and a hash of sighting, hypothesis and ship"),
        Column("sighting_id", "str", "the sighting"),
        Column("call_id", "str", "the port call it belongs to", nullable=True),
        Column("hypothesis", "str", "who it was", values=("transmitting", "dark", "none")),
        Column("vessel_key", "str", "the ship; null for none", nullable=True),
        MMSI,
        Column("gap_id", "str", "the gap, for dark", nullable=True),
        _p("p_match", "probability of the hypothesis"),
        Column("weakest_link", "str", "the fact that moves p most when left out; null below 0.01", nullable=True),
    ),
    public=True,
)

EVIDENCE = Table(
    "evidence",
    "one factor of one subject; the bits of a subject add up to its log-odds",
    ("subject_id", "rank"),
    (
        Column("subject_id", "str", "gap, match or trip"),
        Column("rank", "int64", "order in which the factors are added", low=0),
        Column("factor", "str", "name of the factor"),
        Column("bits", "float64", "the change it makes, in steps of 0.001", "bit"),
        Column("because", "str", "a sentence with the values seen"),
    ),
    public=True,
)

ROUND_TRIPS = Table(
    "round_trips",
    "one cycle: last port heard, silence, the dark port, silence, next port",
    ("trip_id",),
    (
        Column("trip_id", "str", "`T-` and a hash of its gap or call and the cycle's number"),
        Column("vessel_key", "str", "the ship; null: unattributed", nullable=True),
        MMSI,
        NAME,
        IMO,
        Column("origin_port", "str", "last port before", nullable=True),
        Column("dark_port", "str", "the port of the call nobody reported"),
        Column("destination_port", "str", "next port after", nullable=True),
        Column("dark_start_utc", "time", "start of the silence", nullable=True),
        Column("dark_end_utc", "time", "end of the silence", nullable=True),
        Column("gap_ids", "list[str]", "the silences it spans"),
        Column("call_ids", "list[str]", "the calls that carry it"),
        Column("n_sightings", "int64", "sightings that carry it", low=0),
        _p("p_trip", "probability of the trip; null when unattributed", nullable=True),
        _p("p_trip_without_habit", "the same without the ship's other calls", nullable=True),
        _p("p_trip_without_watchlist", "the same without watch lists and registry", nullable=True),
        Column("tier", "str", "what carries it", values=("seen", "inferred", "pictures_only", "unattributed")),
        Column("is_flagged", "bool", "p_trip reaches the route's threshold; tier seen or inferred"),
        Column("needs_kn", "float64", "speed needed to call and come back", "kn", True, 0.0),
        Column("slack_h", "float64", "time to spare at top speed", "h", True),
        Column("alternatives", "str", "what else it may have been, with p; they sum to 1 with p_trip"),
        Column("weakest_link", "str", "what moves p most when taken away"),
        Column("containers_low", "int64", "lowest load scenario", "containers", True, 0),
        Column("containers_high", "int64", "highest load scenario", "containers", True, 0),
        Column("because", "str", "one sentence for the reader"),
        Column("cycle", "int64", "number of the cycle within the silence, from 1", low=1),
        Column("n_calls_p05", "int64", "calls in the silence: 5th percentile", nullable=True, low=0),
        Column("n_calls_p50", "int64", "calls in the silence: median", nullable=True, low=0),
        Column("n_calls_p95", "int64", "calls in the silence: 95th percentile", nullable=True, low=0),
        _lat("lat_deg", "dark port"),
        _lon("lon_deg", "dark port"),
    ),
    rules=(Rule("silence_ends_after_it_starts", _before("dark_start_utc", "dark_end_utc")),),
    place=("lat_deg", "lon_deg"),
    public=True,
)

TRACKS = Table(
    "tracks",
    "one kept point of a ship's believable track, simplified for the map",
    ("vessel_key", "segment_id", "time_utc"),
    (
        VESSEL_KEY,
        Column("segment_id", "str", "the hull's segment"),
        Column("time_utc", "time", "time of the position"),
        _lat("lat_deg", "latitude"),
        _lon("lon_deg", "longitude"),
    ),
    public=True,
)

STOPS = Table(
    "stops",
    "one stay of a transmitting ship within a port's radius",
    ("vessel_key", "start_utc", "port"),
    (
        VESSEL_KEY,
        Column("segment_id", "str", "the hull's segment"),
        Column("port", "str", "port of the route file"),
        Column("start_utc", "time", "first position of the stay"),
        Column("end_utc", "time", "last position of the stay"),
    ),
    rules=(Rule("stop_ends_after_it_starts", _before("start_utc", "end_utc")),),
)

VESSELS = Table(
    "vessels",
    "one hull heard in the data or named in pictures",
    ("vessel_key",),
    (
        VESSEL_KEY,
        MMSI,
        IMO,
        NAME,
        Column("all_mmsi", "list[str]", "every MMSI it used"),
        Column("all_imo", "list[str]", "every IMO number it sent"),
        Column("all_names", "list[str]", "every name it sent; untrusted text"),
        Column("call_signs", "list[str]", "every call sign it sent; untrusted text"),
        Column("ais_class", "str", "transponder class", nullable=True, values=("A", "B")),
        Column("ship_type", "int64", "type code sent most often", "", True, 0, 255),
        Column("length_m", "float64", "length: registry, else sent most often", "m", True, 1.0, 500.0),
        Column("fastest_kn", "float64", "practical top speed", "kn", True, 0.1),
        Column("draughts_m", "list[str]", "draughts sent, with the day each was first sent"),
        Column("destinations", "list[str]", "destinations sent; untrusted text"),
        Column("first_heard_utc", "time", "first message", nullable=True),
        Column("last_heard_utc", "time", "last message", nullable=True),
        Column("watch_list_hits", "list[str]", "`list (since date, matched by key)`"),
        Column("identity_note", "str", "shared MMSI, reserved number, same IMO elsewhere", nullable=True),
        Column("n_gaps", "int64", "gaps", low=0),
        Column("n_trips", "int64", "flagged trips", low=0),
    ),
    public=True,
)

IDENTITIES = Table(
    "identities",
    "one finding about who a ship is or where it says it is: named and shown, never merged",
    ("finding_id",),
    (
        Column("finding_id", "str", "`F-` and a hash of kind, ships, start and sources"),
        Column(
            "kind",
            "str",
            "same_ship_other_mmsi: it may go on under another number; contradiction: one of two sources is wrong; "
            "jamming_cluster, spoofed_track: positions that are not believed",
            values=("shared_mmsi", "same_ship_other_mmsi", "contradiction", "jamming_cluster", "spoofed_track"),
        ),
        Column("vessel_keys", "list[str]", "the ships concerned"),
        Column("start_utc", "time", "first message concerned"),
        Column("end_utc", "time", "last message concerned"),
        _lat("lat_deg", "where: middle of the false places, first place under the other number, place of the picture"),
        _lon("lon_deg", "where"),
        Column("n_ships", "int64", "ships or hulls concerned", low=1),
        Column("bits", "float64", "jamming_cluster: beyond chance; same_ship_other_mmsi: log-odds", "bit", True),
        _p("p", "same_ship_other_mmsi: probability that it is one ship; null: cannot say", nullable=True),
        _lat("from_lat_deg", "jamming_cluster: middle of where the ships were just before", nullable=True),
        _lon("from_lon_deg", "jamming_cluster: middle of where the ships were just before", nullable=True),
        Column("from_radius_km", "float64", "jamming_cluster: nine tenths of them within this", "km", True, 0.0),
        Column("because", "str", "a sentence with the values seen"),
        Column("sources", "list[str]", "`<file SHA-256 prefix>:<row>` of the rows it rests on"),
    ),
    rules=(Rule("finding_ends_after_it_starts", _before("start_utc", "end_utc")),),
    place=("lat_deg", "lon_deg"),
    public=True,
)

REJECTS = Table(
    "rejects",
    "one refused row, with its bytes",
    ("file_sha256", "row", "rule"),
    (
        Column("file_sha256", "str", "SHA-256 of the file"),
        Column("row", "int64", "physical line (text) or record (binary), counted from 1", low=1),
        Column("rule", "str", "the rule it broke"),
        Column("raw", "str", "the original bytes, what is not printable ASCII escaped as \\xNN"),
    ),
    public=True,
)

THROUGHPUT = Table(
    "throughput",
    "one period and one definition of a call count or container count",
    ("period_start", "period_end", "definition", "source"),
    (
        Column("period_start", "str", "first day, month or year-month, ISO"),
        Column("period_end", "str", "last day, month or year-month, ISO"),
        Column("definition", "str", "seen, estimated or claimed, and of what"),
        Column("source", "str", "ghostships, or the publisher of a claim"),
        Column("n_calls_low", "float64", "calls, low", "calls", True, 0.0),
        Column("n_calls", "float64", "calls, best", "calls", True, 0.0),
        Column("n_calls_high", "float64", "calls, high", "calls", True, 0.0),
        Column("containers_low", "float64", "containers, lowest load scenario", "containers", True, 0.0),
        Column("containers_high", "float64", "containers, highest load scenario", "containers", True, 0.0),
        Column("assumptions", "str", "what the number rests on, arithmetic included"),
        Column("source_url", "str", "where a claim was published", nullable=True),
    ),
    public=True,
)

REVISIONS = Table(
    "revisions",
    "one change of a flag from one night to the next; every flag ever published is current or has a row here",
    ("night", "trip_id"),
    (
        Column("night", "int64", "number of the generation that made the change", low=1),
        Column("trip_id", "str", "the trip as it was published before; as it is now when it is new"),
        Column(
            "now_trip_id", "str", "the trip under which the same silence is listed now; null: nowhere", nullable=True
        ),
        Column("as_of_utc", "time", "as-of of that night"),
        Column(
            "change",
            "str",
            "withdrawn: no longer flagged; aged: left the look-back window, neither confirmed nor withdrawn",
            values=("flagged", "changed", "withdrawn", "returned", "aged"),
        ),
        Column(
            "reason",
            "str",
            "new: it happened since the last night; new_data: rows of that time move what is estimated for the fleet; "
            "late_data: rows of an earlier time came; correction: a delivery or list was replaced; "
            "config, upgrade: settings, program or libraries changed; closed: the silence ended, or left the window; "
            "as_of: nothing came, only time went on",
            values=("new", "new_data", "late_data", "correction", "config", "upgrade", "closed", "as_of"),
        ),
        Column("delivery", "list[str]", "SHA-256 prefixes of the deliveries that caused it; empty where none did"),
        _p("p_before", "probability of the trip before", nullable=True),
        _p("p_after", "probability of the trip now; null: no such trip any more", nullable=True),
        Column("tier_before", "str", "what carried it before", nullable=True),
        Column("tier_after", "str", "what carries it now", nullable=True),
        Column("vessel_key", "str", "the ship", nullable=True),
        MMSI,
        NAME,
        Column("dark_start_utc", "time", "start of the silence, as last published", nullable=True),
        Column("dark_end_utc", "time", "end of the silence, as last published; null while open", nullable=True),
        Column("gap_ids", "list[str]", "the silences it spans, as last published"),
        Column("cycle", "int64", "number of the cycle within the silence, from 1", low=1),
        Column("because", "str", "one sentence for the reader"),
    ),
)

ALL: dict[str, Table] = {
    table.name: table
    for table in (
        POSITIONS,
        MESSAGES,
        STATICS,
        LOST,
        VESSEL_HOURS,
        SEGMENTS,
        GAPS,
        REACH,
        SIGHTINGS,
        SCENES,
        REGISTRY,
        PORT_CALLS,
        MATCHES,
        EVIDENCE,
        ROUND_TRIPS,
        TRACKS,
        STOPS,
        VESSELS,
        IDENTITIES,
        REJECTS,
        THROUGHPUT,
        REVISIONS,
        CONTEXT,
    )
}
PUBLIC: tuple[Table, ...] = tuple(table for table in ALL.values() if table.public)


def describe() -> str:
    """`docs/tables.md`: every table and column, with unit and meaning."""
    return page(ALL.values())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(describe(), encoding="utf-8")
