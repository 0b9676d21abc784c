"""Could a silent ship have called at a port and come back in time? Also how fast ships go, and how far apart the ends of gaps are.

gap start  o--- d_A / v --->| earliest arrival
                            |<------- slack ------->|
                                   latest departure |--- d_B / v ---> o  gap end
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from ghostships.routes import Port, Route
from ghostships.sea import Sea
from ghostships.sphere import gc_km
from ghostships.tables import GAPS, REACH, empty_pandas, to_pandas
from ghostships.units import KM_PER_NM, US_PER_HOUR

_FIELD_EXCESS = 1.015
_FIELD_ERROR_KM = 3.0
"""How much too long a distance around land may be (method.md 4): nothing is called impossible on less."""

_HOURS_DECIMALS = 6
"""Slack is compared to the millisecond, so that a stay that just fits does fit, whatever the last bits of a quotient say."""

Floats = npt.NDArray[np.float64]


def measure(
    gaps: pd.DataFrame,
    route: Route,
    sea: Sea,
    *,
    as_of: datetime | pd.Timestamp,
    fastest_kn: pd.Series | Mapping[str, float],
    default_fastest_kn: float,
) -> pd.DataFrame:
    """Say which ports of the route each silent ship could have visited and still be where it was heard next.

    One row per gap and port (`tables.REACH`). `slack_h` is what is left of the silence after sailing there and back at
    `fastest_kn`. *feasible*: it holds the port's minimum stay. *marginal*: only when both distances are as short as their error
    allows. *impossible*: not even then. *unknown*: a distance is not known, which is never evidence of anything. An open gap must
    leave time to arrive and stay until `as_of`; it has no latest departure, slack or needed speed.

    Parameters
    ----------
    as_of
        the time up to which the data was read.
    fastest_kn
        practical top speed by vessel key; missing or null entries take `default_fastest_kn`.

    Limits: ice, queues, pilots, currents and draught are ignored, so slack is an upper bound.
    """
    if gaps.empty:
        return empty_pandas(REACH)
    speed = _speed_of(gaps["vessel_key"], fastest_kn, default_fastest_kn)
    return to_pandas(
        pd.concat([_at_port(gaps, port, sea, speed, pd.Timestamp(as_of)) for port in route.ports], ignore_index=True),
        REACH,
    )


def _speed_of(vessel_key: pd.Series, fastest_kn: pd.Series | Mapping[str, float], default_kn: float) -> Floats:
    known = {str(key): float(value) for key, value in fastest_kn.items() if pd.notna(value) and value > 0}
    return np.array([known.get(str(key), default_kn) for key in vessel_key], dtype=np.float64)


def _hours_between(start: pd.Series, end: pd.Series) -> Floats:
    hours = (end - start).dt.total_seconds() / 3600
    return np.asarray(hours.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def _shifted(times: pd.Series, hours: Floats) -> pd.Series:
    """Times moved by hours, to the microsecond; null where either is."""
    known = np.isfinite(hours)
    steps = pd.Series(np.where(known, np.rint(np.where(known, hours, 0) * US_PER_HOUR), 0).astype("timedelta64[us]"))
    return (times.reset_index(drop=True) + steps).where(pd.Series(known))


def _at_port(gaps: pd.DataFrame, port: Port, sea: Sea, speed_kn: Floats, as_of: pd.Timestamp) -> pd.DataFrame:
    """One row per gap for one port."""
    start, end = gaps["start_utc"], gaps["end_utc"]
    is_open = np.asarray(gaps["is_open"], dtype=bool)
    end = end.where(~pd.Series(is_open, index=end.index))
    lat_a, lon_a, lat_b, lon_b = (
        gaps[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in ("start_lat_deg", "start_lon_deg", "end_lat_deg", "end_lon_deg")
    )
    d_a, d_b = sea.distance_km(port, lat_a, lon_a) / KM_PER_NM, sea.distance_km(port, lat_b, lon_b) / KM_PER_NM
    d_b[is_open] = np.nan
    there = (port.roadstead_lat_deg, port.roadstead_lon_deg)
    least_a, least_b = _least_nm(d_a, gc_km(*there, lat_a, lon_a)), _least_nm(d_b, gc_km(*there, lat_b, lon_b))

    duration_h = _hours_between(start, end)
    until_now_h = _hours_between(start, pd.Series(as_of, index=start.index))
    slack_h = np.round(duration_h - (d_a + d_b) / speed_kn, _HOURS_DECIMALS)
    # What is left once the ship is there, by the measured and by the shortest possible distances.
    left_h = np.where(is_open, np.round(until_now_h - d_a / speed_kn, _HOURS_DECIMALS), slack_h)
    most_h = np.where(is_open, until_now_h - least_a / speed_kn, duration_h - (least_a + least_b) / speed_kn)
    most_h = np.round(most_h, _HOURS_DECIMALS)
    sailing_h = duration_h - port.min_stay_h
    needs_kn = np.divide(d_a + d_b, sailing_h, out=np.full(len(gaps), np.nan), where=sailing_h > 0)
    verdict = np.select(
        [np.isnan(left_h), left_h >= port.min_stay_h, most_h >= port.min_stay_h],
        ["unknown", "feasible", "marginal"],
        "impossible",
    )
    return pd.DataFrame(
        {
            "gap_id": gaps["gap_id"].to_numpy(),
            "port": port.id,
            "distance_from_nm": d_a,
            "distance_to_nm": d_b,
            "fastest_kn": speed_kn,
            "earliest_arrival_utc": _shifted(start, d_a / speed_kn),
            "latest_departure_utc": _shifted(end, -d_b / speed_kn),
            "slack_h": slack_h,
            "needs_kn": needs_kn,
            "verdict": verdict,
        }
    )


def _least_nm(distance_nm: Floats, straight_km: Floats) -> Floats:
    """The shortest the way can be, given the error of the distances: never under the great circle."""
    return np.asarray(np.maximum(straight_km, distance_nm * KM_PER_NM / _FIELD_EXCESS - _FIELD_ERROR_KM) / KM_PER_NM)


def distances(gaps: pd.DataFrame, sea: Sea) -> pd.DataFrame:
    """The gaps with `distance_gc_nm`, `distance_nm` and `implied_speed_kn` between their two ends.

    The implied speed is the distance by sea over the duration, or the great circle's where no way by sea is known: a lower bound
    of what the ship did. All three are null for open gaps.
    """
    if gaps.empty:
        return empty_pandas(GAPS)
    ends = tuple(
        gaps[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in ("start_lat_deg", "start_lon_deg", "end_lat_deg", "end_lon_deg")
    )
    straight_nm, by_sea_nm = gc_km(*ends) / KM_PER_NM, sea.between_km(*ends) / KM_PER_NM
    duration_h = _hours_between(gaps["start_utc"], gaps["end_utc"])
    way_nm = np.where(np.isnan(by_sea_nm), straight_nm, by_sea_nm)
    implied_kn = np.divide(way_nm, duration_h, out=np.full(len(gaps), np.nan), where=duration_h > 0)
    return gaps.assign(distance_gc_nm=straight_nm, distance_nm=by_sea_nm, implied_speed_kn=implied_kn)


def speeds(hours: pl.DataFrame, *, min_hours: int = 10, quantile: float = 0.98) -> pd.Series:
    """Practical top speed [kn] of each ship: a high percentile of the fastest it reported, hour by hour.

    One entry per vessel key of `hours` (`tables.VESSEL_HOURS`), in order; null where fewer than `min_hours` hours have a believable
    speed under way, which leaves the choice of a default to the caller.

    Parameters
    ----------
    quantile
        98 % of hours ignores the odd wrong report, and speed gained in a following current (method.md 4).
    """
    fastest = pl.col("fastest_kn")
    frame = (
        hours.group_by("vessel_key")
        .agg(
            pl.when(fastest.count() >= min_hours)
            .then(fastest.drop_nulls().quantile(quantile, "linear").round(3))
            .alias("fastest_kn")
        )
        .sort("vessel_key")
    )
    return pd.Series(
        frame["fastest_kn"].cast(pl.Float64).to_numpy(),
        index=pd.Index(frame["vessel_key"].to_list(), dtype="str", name="vessel_key"),
        name="fastest_kn",
    )
