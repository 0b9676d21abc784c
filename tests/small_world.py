"""A small sea for tests of the whole job: three ports, a dozen invented ships, one of them silent for two and a half days.

Nothing here exists: the MMSIs lie outside every country's numbers and the names say what they are.
"""

from __future__ import annotations

import math
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ghostships import routes

START = datetime(2019, 3, 1, tzinfo=UTC)
DAYS = 7
SILENT_FROM, SILENT_TO = START + timedelta(days=2), START + timedelta(days=4, hours=12)
SILENT_MMSI, SILENT_NAME = 999_000_001, "SIM HARE"
FOOTPRINT = "POLYGON ((130.2 42.1,130.5 42.1,130.5 42.4,130.2 42.4,130.2 42.1))"
HEADER = "mmsi,timestamp,lat,lon,sog,name,length"


def write(folder: Path) -> Path:
    """Write `ais.csv`, `sightings.csv`, `scenes.csv`, `vessels.csv` and `route.toml` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ais.csv").write_text("\n".join([HEADER, *rows()]) + "\n", encoding="utf-8")
    (folder / "sightings.csv").write_text(
        "sighting_id,kind,time,port,lat,lon,length_m,length_sigma_m,sensor,scene_id,vessel_name,source\n"
        f"SIM-1,vessel,2019-03-04T02:00:00Z,NAJIN,,,118,8,WorldView-2,SIM-SCENE-2,{SILENT_NAME},simulated\n",
        encoding="utf-8",
    )
    scenes = [
        f'SIM-SCENE-{n},2019-03-{day:02d}T02:00:00Z,"{FOOTPRINT}",WorldView-2,1.0'
        for n, day in enumerate((2, 3, 4, 5, 6), start=0)
    ]
    (folder / "scenes.csv").write_text(
        "\n".join(["scene_id,time,wkt,sensor,clear_fraction", *scenes]) + "\n", encoding="utf-8"
    )
    (folder / "vessels.csv").write_text(
        f"mmsi,imo,name,length_m,teu,list,since\n{SILENT_MMSI},,{SILENT_NAME},119,,,\n", encoding="utf-8"
    )
    (folder / "route.toml").write_text(route_text(), encoding="utf-8")
    return folder


def rows() -> list[str]:
    """Positions every half hour: eleven ships near Vostochny all the time, and one that vanishes there and comes back."""
    out = []
    for number in range(12):
        mmsi = 999_000_001 + number
        name = SILENT_NAME if mmsi == SILENT_MMSI else f"SIM SHIP {number}"
        for step in range(DAYS * 48):
            time = START + timedelta(minutes=30 * step + number)
            if mmsi == SILENT_MMSI and SILENT_FROM < time < SILENT_TO:
                continue
            turn = step / 48 * 2 * math.pi
            lat = 42.62 + 0.01 * number * 0.4 + 0.01 * math.sin(turn)
            lon = 132.95 + 0.01 * (number % 4) + 0.01 * math.cos(turn)
            out.append(
                f"{mmsi},{time:%Y-%m-%dT%H:%M:%SZ},{lat:.5f},{lon:.5f},0.7,{name},{118 if number == 0 else 80 + 9 * number}"
            )
    return out


def route_text() -> str:
    """The shipped route cut down to three ports and a small area, so that its sea is computed in a blink."""
    _, text = routes.source_text("najin-primorye")
    data = tomllib.loads(text)
    wanted = {data["dark_port_id"], "VOSTOCHNY", "NAKHODKA"}
    data["name"], data["title"] = "small-world", "A small sea for tests"
    data["area"] = {"lat_min_deg": 42.0, "lat_max_deg": 43.0, "lon_min_deg": 130.0, "lon_max_deg": 133.3}
    data["ports"] = [port for port in data["ports"] if port["id"] in wanted]
    assert len(data["ports"]) == 3, [port["id"] for port in tomllib.loads(text)["ports"]]
    data["claims"] = []
    return _toml(data)


def _toml(table: dict[str, object], path: str = "") -> str:
    """A table as TOML: plain values first, then tables and lists of tables under their full names."""
    plain = {
        k: v
        for k, v in table.items()
        if not isinstance(v, dict) and not (isinstance(v, list) and v and isinstance(v[0], dict))
    }
    lines = [f"{key} = {_value(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if key in plain:
            continue
        name = f"{path}{key}"
        parts = [f"[{name}]"] if isinstance(value, dict) else [f"[[{name}]]"] * len(value)  # type: ignore[arg-type]
        for head, inner in zip(parts, [value] if isinstance(value, dict) else value, strict=True):  # type: ignore[arg-type]
            lines += ["", head, _toml(inner, f"{name}.")]
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)
