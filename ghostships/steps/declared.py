"""What each ship declared before and after its silences: draught and destination; its ports before and after; its registry.

Loading at the dark port makes a ship deeper, if the crew updates the value; a destination that names another port than the one
where the ship turns up is a claim that was not kept.
"""

from __future__ import annotations

import pandas as pd
import polars as pl

from ghostships.inference import factors
from ghostships.inference.declared import Listed, compare_with_registry

OLDEST_DAYS = 10
"""What was sent longer than this before the silence, or first sent longer after it, says nothing about the silence."""

LEAST_STOP_H = 2.0
"""A ship within a port's radius for less may have passed by: 5 to 10 km at 8 kn take about an hour (own judgement)."""

NEXT_PORT_DAYS = 2
"""A port reached later than this after the silence is another voyage; the same for the one left before it is `OLDEST_DAYS`, because
ships drift and lie at anchor between voyages (own judgement)."""

_DAY_US = 86_400_000_000


def around(
    gaps: pd.DataFrame, statics: pl.DataFrame, stops: pd.DataFrame, registry: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row per gap: `gap_id`, `before_m`, `after_m` [m], `destination_before`, `destination_after`, `last_port`, `next_port`,
    `registry_differs`, `registry_says`; null where nothing was sent, no port was called at, or no registry row is known.

    `statics` (`tables.STATICS`) has the first and last time of each day at which a ship sent each set of static data. Of two values
    that a ship sent by turns on the day of the silence, the one that may have been sent nearest to it is taken; none that is older
    than ten days. `stops` (`tables.STOPS`) are its stays at ports. Where the silence itself begins or ends within a port's radius,
    that port is the one.

    Limits: two hulls under one number share what that number declared.
    """
    edges = _edges(gaps)
    draughts = _sent(edges, statics, "draught_m")
    destinations = _sent(edges, statics, "destination")
    called = _ports(edges, stops)
    listed = _listed(statics, registry)
    both = (
        edges.select("gap_id", "vessel_key")
        .join(draughts.rename({"before": "before_m", "after": "after_m"}), on="gap_id", how="left")
        .join(
            destinations.rename({"before": "destination_before", "after": "destination_after"}), on="gap_id", how="left"
        )
        .join(called, on="gap_id", how="left")
        .join(listed, on="vessel_key", how="left")
        .drop("vessel_key")
    )
    texts = ["destination_before", "destination_after", "last_port", "next_port", "registry_says"]
    frame = both.sort("gap_id").to_pandas().astype({"before_m": "float64", "after_m": "float64"})
    return frame.astype({name: object for name in [*texts, "registry_differs"]}).astype(dict.fromkeys(texts, "str"))


def _edges(gaps: pd.DataFrame) -> pl.DataFrame:
    """The two ends of each silence in microseconds, and the ports within whose radius they lie."""
    return pl.DataFrame(
        {
            "gap_id": gaps["gap_id"].tolist(),
            "vessel_key": gaps["vessel_key"].tolist(),
            "start": gaps["start_utc"].astype("int64").tolist(),
            # An open silence has no "after".
            "end": gaps["end_utc"].astype("int64").where(gaps["end_utc"].notna(), None).tolist(),
            "start_port": [port if isinstance(port, str) else None for port in gaps["start_port"]],
            "end_port": [port if isinstance(port, str) else None for port in gaps["end_port"]],
        },
        schema={
            "gap_id": pl.String,
            "vessel_key": pl.String,
            "start": pl.Int64,
            "end": pl.Int64,
            "start_port": pl.String,
            "end_port": pl.String,
        },
        strict=False,
    )


def _sent(edges: pl.DataFrame, statics: pl.DataFrame, column: str) -> pl.DataFrame:
    """`gap_id`, `before`, `after`: the value of a column of static data sent nearest to each end."""
    sent = statics.filter(pl.col(column).is_not_null()).select(
        "vessel_key", value=column, first=pl.col("first_utc").dt.epoch("us"), last=pl.col("last_utc").dt.epoch("us")
    )
    span = OLDEST_DAYS * _DAY_US
    # Ships go silent hundreds of times a year and say who they are every day of it: only days that both have in common are paired.
    sent = sent.with_columns(_days(pl.col("first"), pl.col("last"))).explode("day")
    paired = {
        end: edges.filter(pl.col(end).is_not_null())
        .with_columns(_days(pl.col(end) - past, pl.col(end) + coming))
        .explode("day")
        .join(sent, on=["vessel_key", "day"])
        for end, past, coming in (("start", span, 0), ("end", 0, span))
    }
    before = paired["start"].with_columns(late=pl.col("start") - pl.min_horizontal("last", "start"))
    before = before.filter((pl.col("first") <= pl.col("start")) & (pl.col("late") <= span))
    after = paired["end"].with_columns(early=pl.max_horizontal("first", "end") - pl.col("end"))
    after = after.filter((pl.col("last") >= pl.col("end")) & (pl.col("early") <= span))
    # Among sets that reach up to the silence itself, the one that began last, or ended first, is the nearest.
    before = before.sort("late", "first", "value", descending=[False, True, False]).unique(
        "gap_id", keep="first", maintain_order=True
    )
    after = after.sort("early", "last", "value").unique("gap_id", keep="first", maintain_order=True)
    return (
        edges.select("gap_id")
        .join(before.select("gap_id", before="value"), on="gap_id", how="left")
        .join(after.select("gap_id", after="value"), on="gap_id", how="left")
    )


def _days(first_us: pl.Expr, last_us: pl.Expr) -> pl.Expr:
    """`day`: the days since 1970 from one time to another, both included."""
    return pl.int_ranges(first_us // _DAY_US, last_us // _DAY_US + 1).alias("day")


def _ports(edges: pl.DataFrame, stops: pd.DataFrame) -> pl.DataFrame:
    """`gap_id`, `last_port`, `next_port`: where the ship lay last before each silence and first after it."""
    stays = pl.DataFrame(
        {
            "vessel_key": stops["vessel_key"].tolist(),
            "port": stops["port"].tolist(),
            "came": stops["start_utc"].astype("int64").tolist(),
            "left": stops["end_utc"].astype("int64").tolist(),
        },
        schema={"vessel_key": pl.String, "port": pl.String, "came": pl.Int64, "left": pl.Int64},
    ).filter(pl.col("left") - pl.col("came") >= LEAST_STOP_H * _DAY_US / 24)
    # Of two ports left, or reached, at the same moment the one whose id comes first.
    before = edges.sort("start").join_asof(
        stays.sort(pl.col("left"), pl.col("port"), descending=[False, True]),
        left_on="start",
        right_on="left",
        by="vessel_key",
        strategy="backward",
        tolerance=OLDEST_DAYS * _DAY_US,
        check_sortedness=False,
    )
    after = (
        edges.filter(pl.col("end").is_not_null())
        .sort("end")
        .join_asof(
            stays.sort("came", "port"),
            left_on="end",
            right_on="came",
            by="vessel_key",
            strategy="forward",
            tolerance=NEXT_PORT_DAYS * _DAY_US,
            check_sortedness=False,
        )
    )
    return (
        edges.select("gap_id", "start_port", "end_port")
        .join(before.select("gap_id", stop_before="port"), on="gap_id", how="left")
        .join(after.select("gap_id", stop_after="port"), on="gap_id", how="left")
        .select(
            "gap_id",
            last_port=pl.coalesce("start_port", "stop_before"),
            next_port=pl.coalesce("end_port", "stop_after"),
        )
    )


def _listed(statics: pl.DataFrame, registry: pd.DataFrame | None) -> pl.DataFrame:
    """`vessel_key`, `registry_differs`, `registry_says`, for the ships that a registry row names by IMO number, else by MMSI."""
    schema = {"vessel_key": pl.String, "registry_differs": pl.Boolean, "registry_says": pl.String}
    if registry is None or not len(registry):
        return pl.DataFrame(schema=schema)
    heard = {column: statics[column].drop_nulls().unique().to_list() for column in ("imo", "mmsi")}
    # Lists name tens of thousands of ships; few of them are in the data.
    names_one = registry["imo"].isin(heard["imo"]) | registry["mmsi"].isin(heard["mmsi"])
    known: dict[tuple[str, int], list[dict[str, object]]] = {}
    for row in registry[names_one].to_dict("records"):
        plain = {str(k): None if pd.api.types.is_scalar(v) and pd.isna(v) else v for k, v in row.items()}
        for column in ("imo", "mmsi"):
            if plain[column] is not None:
                known.setdefault((column, int(str(plain[column]))), []).append(plain)
    most = {column: _sent_most(statics, column) for column in ("imo", "length_m", "ship_type", "vessel_name")}
    rows = []
    for key, mmsi in statics.group_by("vessel_key").agg(pl.col("mmsi").max()).sort("vessel_key").iter_rows():
        imo = most["imo"].get(key)
        found = known.get(("imo", int(str(imo)))) if imo is not None else None
        if found is None and mmsi is not None:
            found = known.get(("mmsi", int(mmsi)))
        if found:
            says = _against(found, {column: values.get(key) for column, values in most.items()})
            rows.append((key, says.differs, says.because))
    return pl.DataFrame(rows, schema=schema, orient="row")


def _against(rows: list[dict[str, object]], sent: dict[str, object]) -> Listed:
    """A ship against all rows that name it: it differs only from what no row holds."""
    names = [str(row["vessel_name"]) for row in rows if row["vessel_name"] is not None]
    name = sent["vessel_name"] if isinstance(sent["vessel_name"], str) else None
    same = [factors.same_name(name, listed) for listed in names]
    is_same = None if not same or all(one is None for one in same) else any(same)
    lengths = [float(str(row["length_m"])) for row in rows if row["length_m"] is not None]
    own = sent["length_m"]
    nearest = min(lengths, key=lambda m: (abs(m - own), m), default=None) if isinstance(own, float) else None
    rooms = [float(str(row["teu"])) for row in rows if row["teu"] is not None]
    listed: dict[str, object] = {
        "length_m": nearest,
        "teu": max(rooms, default=None),
        "vessel_name": ", ".join(sorted(set(names))),
    }
    return compare_with_registry(sent, listed, same_name=is_same)


def _sent_most(statics: pl.DataFrame, column: str) -> dict[str, object]:
    """What each ship sent most often in a column; the smaller value where two were sent equally often."""
    most = (
        statics.filter(pl.col(column).is_not_null())
        .group_by("vessel_key", column)
        .agg(pl.col("n_messages").sum())
        .sort("vessel_key", "n_messages", column, descending=[False, True, False])
        .unique("vessel_key", keep="first", maintain_order=True)
    )
    return dict(most.select("vessel_key", column).iter_rows())
