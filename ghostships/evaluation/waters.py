"""A route for any water: what the analysis needs to know of a sea for which nobody has written a route file.

Sensors, priors and thresholds are those of the shipped route; the area is a box around the traffic. A route needs a dark port. This
one's lies outside the box, so that no silence can hold a call there: only ships at sea are judged.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from ghostships import routes
from ghostships.routes import Route

NAME = "around-the-traffic"
_SHIPPED = "najin-primorye"
_MARGIN_DEG = 0.5
_SHARE_INSIDE = 0.5


def fitting(hours: pl.DataFrame, folder: Path) -> Route:
    """The shipped route where at least half of the traffic lies in its area, else one written around the traffic.

    The route file is written into `folder` and read back as any route file is, so that it passes the same checks.
    """
    shipped = routes.load(_SHIPPED)
    area = shipped.area
    lat, lon = pl.col("last_lat_deg"), pl.col("last_lon_deg")
    inside = lat.is_between(area.lat_min_deg, area.lat_max_deg) & lon.is_between(area.lon_min_deg, area.lon_max_deg)
    share = hours.select(inside.mean()).item()
    if share is not None and share >= _SHARE_INSIDE:
        return shipped
    path = folder / f"{NAME}.toml"
    path.write_text(around(hours), encoding="utf-8")
    return routes.load(str(path))


def around(hours: pl.DataFrame) -> str:
    """The text of a route file for the box that holds 98 % of the traffic in each direction, and a margin."""
    lat, lon = pl.col("last_lat_deg"), pl.col("last_lon_deg")
    south, north, west, east = hours.select(
        lat.quantile(0.01), lat.quantile(0.99).alias("n"), lon.quantile(0.01), lon.quantile(0.99).alias("e")
    ).row(0)
    box = {
        "lat_min_deg": max(round(south - _MARGIN_DEG, 3), -89.0),
        "lat_max_deg": min(round(north + _MARGIN_DEG, 3), 90.0),
        "lon_min_deg": max(round(west - _MARGIN_DEG, 3), -180.0),
        "lon_max_deg": min(round(east + _MARGIN_DEG, 3), 180.0),
    }
    # South of everything that is heard, one degree at least; a box that begins at the pole has no such place and takes the pole.
    nowhere = max(box["lat_min_deg"] - 1.0, -90.0)
    port = {
        "id": "NOWHERE",
        "name": "no port: only ships at sea are judged",
        "role": "dark",
        "lat_deg": nowhere,
        "lon_deg": box["lon_min_deg"],
        "roadstead_lat_deg": nowhere,
        "roadstead_lon_deg": box["lon_min_deg"],
        "radius_km": 0.1,
        "utc_offset_h": 0,
        "source": "none: a place outside the traffic, because a route needs a dark port",
    }
    shipped = tomllib.loads(routes.source_text(_SHIPPED)[1])
    made: dict[str, Any] = {name: value for name, value in shipped.items() if name not in ("loads", "claims")}
    made |= {
        "name": NAME,
        "title": "Waters around the traffic, without ports",
        "dark_port_id": port["id"],
        "area": box,
        "ports": [port],
    }
    head = "# Made around the traffic of one export: ports, berths and land are not known; the priors are those of another coast."
    return "\n".join([head, *_toml(made)]) + "\n"


def _toml(values: Mapping[str, Any], path: str = "") -> list[str]:
    """A table as lines of TOML: plain values first, then tables and lists of tables under their full names."""
    # JSON writes text, numbers, true, false and plain lists as TOML has them.
    nested = {
        k: v for k, v in values.items() if isinstance(v, dict) or (isinstance(v, list) and v and isinstance(v[0], dict))
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if key not in nested]
    for key, value in nested.items():
        for one in value if isinstance(value, list) else [value]:
            name = f"{path}{key}"
            lines += ["", f"[[{name}]]" if isinstance(value, list) else f"[{name}]", *_toml(one, f"{name}.")]
    return lines
