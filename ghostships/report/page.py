"""The report: one HTML file that needs no network, whose every text from outside stays text.

The template is the frame (autoescaped), `assets/js` draws from one JSON block with `textContent` only, and a policy of hashes
lets nothing else run: an injected script has no hash, an injected style neither, and nothing may be fetched at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from ghostships import sea
from ghostships.report import chart, packed, payload, text
from ghostships.reviews import for_page
from ghostships.reviews.ledger import Ledger
from ghostships.routes import Route

FOCUS_TOLERANCE_DEG = 0.0015
AWAY_TOLERANCE_DEG = 0.004
"""How far the drawn coast may lie from the shipped one, near the route's ports and elsewhere: 170 m and 450 m."""

AWAY_SMALLEST_DEG = 0.02
"""Islets narrower than this (about a nautical mile) are left out away from the ports."""

FOCUS_MARGIN_DEG = 1.0
_LAND_SCALE = 10_000
_PARTS = ("dom", "sphere", "unpack", "map", "timeline", "card", "review", "list", "page", "tables")
"""Our script, in the order in which one part needs another; put together as one, because one hash is easier to check than six."""

_HASHES = re.compile(r'<script type="application/json" id="hashes">(.*?)</script>', re.DOTALL)


def render(
    frames: Mapping[str, pd.DataFrame],
    manifest: Mapping[str, Any],
    route: Route,
    *,
    scenarios: Sequence[Mapping[str, Any]] = (),
    decided: Ledger | None = None,
    served: Mapping[str, str] | None = None,
) -> str:
    """The page as text; the same tables, manifest and scenarios give the same page.

    Parameters
    ----------
    scenarios : "what if" answers kept with the folder, as plain data (`scenarios.Scenario.as_dict`)
    decided : what reviewers decided, as kept with the folder
    served : only when `ghostships review` serves the page, which may then ask its own server; see `for_page.block`
    """
    told = [one for one in scenarios if _is_readable(one)]
    made = payload.build(frames, manifest, route, told)
    land = _land(route, payload.bounds(frames, route))
    made.notes.extend(f"Scenario {text.shown(one.get('name'))} cannot be read." for one in scenarios if one not in told)
    own = "\n".join(_asset(f"js/{part}.js") for part in _PARTS)
    script = f'{_leaflet_script()}\n(function () {{\n"use strict";\n{own}\n}})();\n'
    style = "\n".join((_asset("leaflet/leaflet.css"), _asset("page.css")))
    return _template().render(
        **_words(frames, manifest, route, made),
        has_land=bool(land),
        scenarios=told,
        script=script,
        style=style,
        policy=f"default-src 'none'; script-src '{_csp_hash(script)}'; style-src '{_csp_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'" + ("; connect-src 'self'" if served else ""),
        review_json=text.json_block(for_page.block(frames, manifest, decided or Ledger(), served=served)),
        data_json=text.json_block(made.data),
        packed=packed.text([*_numbers(land), *made.packed]),
        hashes_json=text.json_block({name: t["sha256"] for name, t in sorted((manifest.get("tables") or {}).items())}),
        leaflet_licence=_asset("leaflet/LICENSE"),
    )


@cache
def _template() -> jinja2.Template:
    """Compiled once: a night draws one page, but a reviewer's window and the tests draw many."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ghostships.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = text.shown
    environment.filters["sentence"] = text.sentence
    environment.filters["web_address"] = text.web_address
    environment.filters["when"] = _day
    return environment.get_template("page.html.j2")


def embedded_hashes(html: str) -> dict[str, str] | None:
    """The table hashes a report carries, by table; None when there are none."""
    found = _HASHES.search(html)
    if found is None:
        return None
    try:
        hashes = json.loads(found.group(1))
    except ValueError:
        return None
    return {str(k): str(v) for k, v in hashes.items()} if isinstance(hashes, dict) and hashes else None


def _words(
    frames: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any], route: Route, made: payload.Payload
) -> dict[str, Any]:
    """What the template says in words and the small tables that need no script."""
    trips = frames["round_trips"]
    span = manifest.get("time_span") or manifest.get("span") or []
    if isinstance(span, Mapping):
        span = list(span.values())
    days = [_day(s)[:10] for s in span if s]
    counts = sorted(_plain_rows(frames["throughput"]), key=_own_first)
    tables_found = [
        (name, t.get("rows"), t.get("sha256")) for name, t in sorted((manifest.get("tables") or {}).items())
    ]
    return {
        "route": route,
        "is_simulated": bool(manifest.get("is_simulated")),
        "version": manifest.get("ghostships") or "",
        "scope": manifest.get("scope") or "area",
        "as_of": _day(manifest.get("as_of_utc") or manifest.get("as_of")),
        "span": " to ".join(days),
        "n_flagged": int(trips["is_flagged"].sum()),
        "n_trips": len(trips),
        "n_gaps": len(frames["gaps"]),
        "n_vessels": len(frames["vessels"]),
        "n_sightings": len(frames["sightings"]),
        "has_ais": len(frames["gaps"]) > 0 or len(frames["tracks"]) > 0,
        "min_gap_h": made.data["policy"]["min_gap_h"],
        "flag_threshold": made.data["policy"]["flag"],
        "warnings": [str(w) for w in manifest.get("warnings") or []],
        "changes": manifest.get("changes"),
        "notes": made.notes,
        "has_context": made.data["context"] is not None,
        "throughput": [r for r in counts if _meets(r, days)],
        "by_month": chart.months([r for r in counts if _meets(r, days)]),
        "by_claim": chart.claims([r for r in counts if _meets(r, days)]),
        "claims_elsewhere": [r for r in counts if not _meets(r, days)],
        "placebo": manifest.get("placebo"),
        "look_next": manifest.get("look_next") or [],
        "thresholds": sorted((str(k), v) for k, v in (manifest.get("thresholds") or {}).items()),
        "inputs": [i for i in manifest.get("inputs") or [] if isinstance(i, Mapping)],
        "tables": tables_found,
    }


def _plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None where a value is missing; pandas' own marks of absence are not for readers."""
    rows = frame.astype(object).where(frame.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]


def _own_first(row: Mapping[str, Any]) -> tuple[str, bool, int]:
    """Within a period what was seen, then what is estimated, then what others claim."""
    kinds = [n for n, kind in enumerate(("seen", "estimated")) if str(row["definition"]).startswith(kind)]
    return str(row["period_start"]), row["source"] != "ghostships", kinds[0] if kinds else 2


def _meets(row: Mapping[str, Any], days: list[str]) -> bool:
    """Whether a count is our own, or a claim about a time that this run covers (ISO texts of any precision compare)."""
    if row["source"] == "ghostships" or len(days) != 2:
        return True
    end = str(row["period_end"])
    start = str(row["period_start"] or end)
    return start <= days[1] and end + "~" >= days[0]


def _day(value: object) -> str:
    """A time as the page writes it, to the minute and in UTC; anything else as text."""
    if value is None:
        return ""
    try:
        at = pd.Timestamp(str(value))
    except ValueError:
        return text.shown(value)
    at = at.tz_localize("UTC") if at.tzinfo is None else at.tz_convert("UTC")
    return at.strftime("%Y-%m-%d %H:%M UTC")


def _land(route: Route, extent: tuple[float, float, float, float]) -> list[list[list[int]]]:
    """Coast as delta-coded rings: fine near the ports of the route, coarser and without islets elsewhere."""
    area = route.area
    west, south, east, north = extent
    box = (
        max(min(west, area.lon_max_deg) - 2, area.lon_min_deg - 2, -180.0),
        max(min(south, area.lat_max_deg) - 2, area.lat_min_deg - 2, -85.0),
        min(max(east, area.lon_min_deg) + 2, area.lon_max_deg + 2, 180.0),
        min(max(north, area.lat_min_deg) + 2, area.lat_max_deg + 2, 85.0),
    )
    ports = [p for p in route.ports if p.role != "alternative"]
    focus = shapely.box(
        min(p.lon_deg for p in ports) - FOCUS_MARGIN_DEG,
        min(p.lat_deg for p in ports) - FOCUS_MARGIN_DEG,
        max(p.lon_deg for p in ports) + FOCUS_MARGIN_DEG,
        max(p.lat_deg for p in ports) + FOCUS_MARGIN_DEG,
    )
    box = (
        min(box[0], focus.bounds[0]),
        min(box[1], focus.bounds[1]),
        max(box[2], focus.bounds[2]),
        max(box[3], focus.bounds[3]),
    )
    pieces: list[list[list[int]]] = []
    for shape in sea.land_polygons(box, 0.0).geometry:
        if shape.intersects(focus):
            drawn = shape.simplify(FOCUS_TOLERANCE_DEG)
        elif max(shape.bounds[2] - shape.bounds[0], shape.bounds[3] - shape.bounds[1]) < AWAY_SMALLEST_DEG:
            continue
        else:
            drawn = shape.simplify(AWAY_TOLERANCE_DEG)
        if not drawn.is_empty:
            pieces.append([_ring(r) for r in (drawn.exterior, *drawn.interiors)])
    return pieces


def _numbers(land: list[list[list[int]]]) -> list[npt.NDArray[np.int64]]:
    """The coast as the page reads it: pieces, rings of each, points of each ring, differences."""
    parts = [np.array([len(land)], dtype=np.int64)]
    for piece in land:
        parts.append(np.array([len(piece)], dtype=np.int64))
        for ring in piece:
            parts += [np.array([len(ring) // 2], dtype=np.int64), np.array(ring, dtype=np.int64)]
    return parts


def _is_readable(scenario: Mapping[str, Any]) -> bool:
    """Whether a kept answer has what the page draws of it; the file may have been edited by hand."""
    try:
        answer = scenario["answer"]
        numbers = [answer[what][when] for what in ("flagged", "n_trips") for when in ("before", "after")]
        after = [trip["after"] or {} for trip in answer["trips"]]
        return (
            isinstance(scenario["is_current"], bool)
            and all(isinstance(n, int) for n in numbers)
            and all(isinstance(word, str) for word in (scenario["name"], *scenario["said"], *answer["notes"]))
            and all(isinstance(word, str) for t in answer["trips"] for word in (t["trip_id"], t["why"], *t["change"]))
            and all(row.get("p_trip") is None or 0 <= row["p_trip"] <= 1 for row in after)
        )
    except (KeyError, TypeError, AttributeError):
        return False


def _ring(ring: shapely.LinearRing) -> list[int]:
    flat: list[int] = []
    lat_before = lon_before = 0
    for lon, lat in ring.coords:
        lat_now, lon_now = round(lat * _LAND_SCALE), round(lon * _LAND_SCALE)
        flat += [lat_now - lat_before, lon_now - lon_before]
        lat_before, lon_before = lat_now, lon_now
    return flat


def _csp_hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


@cache
def _asset(name: str) -> str:
    file = resources.files("ghostships.report")
    for part in ("assets", *name.split("/")):
        file = file / part
    return file.read_text(encoding="utf-8")


def _leaflet_script() -> str:
    """Leaflet without the pointer to its source map: a debugger would try to fetch it, and this page fetches nothing."""
    return re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", _asset("leaflet/leaflet.js"))
