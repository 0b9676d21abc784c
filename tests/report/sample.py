# ruff: noqa: E501, PD011
"""A small made-up result: invented ships, three trips of each tier, and a way to put any text into every text field.

The numbers are hand-made, but they obey the declarations: evidence adds up to p, matches of one sighting sum to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from ghostships import routes, tables
from ghostships.tables import Table

T0 = datetime(2031, 9, 8, tzinfo=UTC)
FILE = "aa11bb22cc33"
SIGHTINGS_FILE = "dd44ee55ff66"
NAJIN = (42.2271, 130.2826)


@dataclass
class Result:
    """What `pipeline.Result` looks like from the report's side."""

    tables: dict[str, pd.DataFrame]
    rejects: pl.DataFrame
    manifest: dict[str, Any] = field(default_factory=dict)


def frame(table: Table, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The declared table from rows that name only what matters; the rest is null or empty."""
    full = [{c.name: row.get(c.name, [] if c.dtype == "list[str]" else None) for c in table.columns} for row in rows]
    for row in rows:
        assert set(row) <= set(table.names), set(row) - set(table.names)
    return tables.to_pandas(pl.DataFrame(full, schema=table.polars_schema), table)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def p_of(bits: list[float]) -> float:
    return round(1 / (1 + 2 ** -sum(bits)), 6)


SHIPS = [
    ("mmsi:999000101", 999000101, "SIM SEVER", 118.0, 13.2),
    ("mmsi:999000102", 999000102, "SIM OLAF", 96.0, 12.1),
    ("mmsi:999000103", 999000103, "SIM VOSTOK 7", 124.0, 14.0),
    ("mmsi:999000104", 999000104, "SIM LASTOCHKA", 88.0, 11.5),
    ("mmsi:999000105", 999000105, "SIM MORYAK", 132.0, 15.0),
    ("mmsi:999000106", 999000106, "SIM TUMAN", 79.0, 11.0),
]
# Ship, start hour, length, start place, end place, p_off, state
SILENCES = [
    (0, 58.0, 74.0, (42.42, 132.25), (42.31, 132.02), 0.94, "closed"),
    (0, 220.0, 61.0, (42.40, 132.20), (42.36, 132.10), 0.91, "closed"),
    (1, 90.0, 88.0, (42.35, 132.70), (42.30, 132.60), 0.88, "closed"),
    (2, 130.0, 66.0, (42.30, 131.90), (42.33, 132.00), 0.71, "closed"),
    (2, 310.0, 52.0, (42.42, 132.10), (42.40, 132.20), None, "closed"),
    (3, 40.0, 97.0, (42.10, 131.60), (42.25, 131.90), 0.55, "closed"),
    (4, 350.0, None, (42.20, 132.40), None, None, "open"),
    (5, 150.0, 12.0, (42.50, 132.60), (42.48, 132.72), None, "void"),
]
# Tier, ship, silence, call, evidence bits, flagged
TRIPS = [
    (
        "seen",
        0,
        0,
        0,
        [
            ("prior", -5.044, "about 1 silence in 34 that fits holds a call at Najin, learned from this run"),
            (
                "reception",
                2.6,
                "other ships within 25 km were heard in 57 of these 74 hours; even on the quietest course this ship should have been heard in at least 9; it was heard in 0",
            ),
            ("reach", 0.9, "needs 8.1 kn, does 13.2 kn; 31 h to spare"),
            (
                "sighting",
                5.2,
                "a ship of 121 ± 10 m at Pier 2; the register says 118 m; 2 other silent ships could have been it",
            ),
            ("draught", 1.1, "5.2 m before, 6.9 m after: deeper, as after loading"),
            ("habit", 1.35, "1 pictured call in 1 other silence of this ship"),
            ("watch_list", 0.0, "on no list given"),
            ("competition", -0.72, "another silent ship explains part of the same picture"),
        ],
        True,
    ),
    (
        "seen",
        0,
        1,
        1,
        [
            ("prior", -5.044, "about 1 silence in 34"),
            ("reception", 2.2, "should have been heard in at least 7 hours"),
            ("sighting", 4.4, "a ship of 117 ± 10 m at Pier 1"),
            ("habit", 1.2, "1 pictured call in 1 other silence"),
            ("competition", -0.4, "shared with one other ship"),
        ],
        True,
    ),
    (
        "seen",
        1,
        2,
        2,
        [
            ("prior", -5.044, "about 1 silence in 34"),
            ("reception", 1.9, "should have been heard in at least 6 hours"),
            ("sighting", 2.6, "a ship of 104 ± 10 m; the register says 96 m"),
            ("competition", -0.9, "two silent ships fit this picture"),
        ],
        False,
    ),
    (
        "inferred",
        2,
        3,
        None,
        [
            ("prior", -5.044, "about 1 silence in 34"),
            ("reception", 2.1, "should have been heard in at least 6 hours"),
            ("reach", 0.8, "needs 9.4 kn, does 14.0 kn"),
            ("draught", 1.3, "5.0 m before, 6.6 m after"),
            ("next_port", 1.6, "next heard at Dunay"),
            ("no_picture", 0.0, "nobody looked"),
        ],
        True,
    ),
    (
        "inferred",
        2,
        4,
        None,
        [
            ("prior", -5.044, "about 1 silence in 34"),
            ("reception", 0.0, "too few other ships to say"),
            ("reach", 0.5, "needs 10.2 kn"),
        ],
        False,
    ),
    (
        "inferred",
        3,
        5,
        None,
        [("prior", -5.044, "about 1 silence in 34"), ("absent", -1.8, "a clear picture shows no ship at any berth")],
        False,
    ),
    ("pictures_only", None, None, 3, [], False),
    (
        "pictures_only",
        None,
        None,
        4,
        [("prior", -1.0, "named by one publisher"), ("name_read", 3.2, "read by an analyst: SIM BARGE 3")],
        False,
    ),
    ("pictures_only", None, None, 5, [], False),
    ("unattributed", None, None, 6, [], False),
    ("unattributed", None, None, 7, [], False),
    ("unattributed", None, None, 8, [], False),
]
CALL_HOURS = [86.0, 246.0, 128.0, 20.0, 170.0, 290.0, 60.0, 200.0, 330.0]


def _wander(
    rng: np.random.Generator, a: tuple[float, float], b: tuple[float, float], n: int
) -> list[tuple[float, float]]:
    share = np.linspace(0, 1, n)
    bend = np.sin(share * np.pi) * rng.uniform(-0.12, 0.12)
    return [
        (a[0] + s * (b[0] - a[0]) - 0.2 * w, a[1] + s * (b[1] - a[1]) + w) for s, w in zip(share, bend, strict=True)
    ]


def _tracks(n_context: int) -> tuple[list[dict[str, Any]], dict[int, tuple[float, float]]]:
    """Each ship from a roadstead to its silences and on; the context ships along the coast."""
    rng = np.random.default_rng(7)
    homes = [(42.76, 133.02), (42.80, 132.92), (42.60, 131.20), (42.80, 131.42), (42.84, 132.37), (42.95, 131.80)]
    rows: list[dict[str, Any]] = []
    for i, ship in enumerate(SHIPS):
        stops: list[tuple[float, tuple[float, float]]] = [(2.0 + i, homes[i])]
        for s in (s for s in SILENCES if s[0] == i):
            stops.append((s[1], s[3]))
            if s[2] is not None and s[4] is not None:
                stops.append((s[1] + s[2], s[4]))
                stops.append((s[1] + s[2] + 9, homes[(i + 1) % 6]))
        if SILENCES[6][0] != i:
            stops.append((400.0, homes[i]))
        for (h0, a), (h1, b) in zip(stops, stops[1:], strict=False):
            if any(s[0] == i and s[1] == h0 for s in SILENCES):
                continue
            for k, place in enumerate(_wander(rng, a, b, 14)):
                rows.append(_track(ship[0], f"S-{i}", h0 + (h1 - h0) * k / 14, place))
    for c in range(n_context):
        a = (rng.uniform(41.0, 42.4), rng.uniform(131.0, 134.2))
        b = (rng.uniform(41.0, 42.5), rng.uniform(131.0, 134.2))
        rows += [_track(f"mmsi:9990003{c:02d}", f"S-c{c}", 10 * k, p) for k, p in enumerate(_wander(rng, a, b, 30))]
    return rows, {}


def _track(key: str, segment: str, hours: float, place: tuple[float, float]) -> dict[str, Any]:
    return {
        "vessel_key": key,
        "segment_id": segment,
        "time_utc": at(hours),
        "lat_deg": round(place[0], 7),
        "lon_deg": round(place[1], 7),
    }


def _gaps() -> list[dict[str, Any]]:
    rows = []
    for n, (i, start, length, a, b, p_off, state) in enumerate(SILENCES):
        key, mmsi, name, _, _ = SHIPS[i]
        rows.append(
            {
                "gap_id": f"G-{n:04d}", "vessel_key": key, "mmsi": mmsi, "vessel_name": name, "segment_id": f"S-{i}",
                "start_utc": at(start), "end_utc": None if length is None else at(start + length), "duration_h": length,
                "start_lat_deg": a[0], "start_lon_deg": a[1], "end_lat_deg": b and b[0], "end_lon_deg": b and b[1],
                "distance_gc_nm": 14.0, "distance_nm": None if n == 4 else 15.2, "implied_speed_kn": 0.2, "start_port": None,
                "end_port": "DUNAY" if n == 3 else None, "is_open": length is None, "state": state,
                "expected_heard": 9.0 if p_off else 0.3, "p_off": p_off, "n_other_ships_heard": 14 if p_off else 1,
                "start_source": f"{FILE}:{100 + n}", "end_source": None if length is None else f"{FILE}:{200 + n}",
            }
        )  # fmt: skip
    return rows


def _sightings() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for c, hours in enumerate(CALL_HOURS):
        for k in range(2 if c in (0, 3) else 1):
            rows.append(
                {
                    "sighting_id": f"O-{c}{k}", "observation_type": "vessel", "start_utc": at(hours + 26 * k),
                    "end_utc": at(hours + 26 * k) if c % 2 == 0 else at(hours + 24), "lat_deg": NAJIN[0] + 0.002 * k,
                    "lon_deg": NAJIN[1], "position_sigma_m": 50.0, "length_m": 121.0 if c < 2 else 104.0 + c,
                    "length_sigma_m": 9.0, "sensor": "SIM-OPTIC", "scene_id": f"SCENE-{c}{k}", "port": "NAJIN",
                    "berth": "NAJIN_PIER2", "vessel_name": f"SIM BARGE {c}" if c in (3, 4, 5) else None,
                    "identification_basis": "read by an analyst" if c in (3, 4, 5) else None,
                    "p_name_correct": 0.9 if c in (3, 4, 5) else None, "source": "Simulated Imagery Desk",
                    "source_url": "https://example.org/picture", "source_row": f"{SIGHTINGS_FILE}:{10 + 2 * c + k}",
                    "note": "invented",
                }
            )  # fmt: skip
    extra = [("absent", 62.0, None), ("absent", 160.0, None), ("containers", 70.0, None), ("ais", 176.0, None)]
    for n, (kind, hours, _) in enumerate(extra):
        rows.append(
            {
                "sighting_id": f"O-x{n}", "observation_type": kind, "start_utc": at(hours), "end_utc": at(hours),
                "lat_deg": NAJIN[0], "lon_deg": NAJIN[1], "port": "NAJIN", "scene_id": f"SCENE-x{n}",
                "source": "Simulated Imagery Desk", "source_row": f"{SIGHTINGS_FILE}:{80 + n}",
            }
        )  # fmt: skip
    return rows


def _calls() -> list[dict[str, Any]]:
    rows = []
    for c, hours in enumerate(CALL_HOURS):
        ship = SHIPS[TRIPS[c][1]] if c < 3 and TRIPS[c][1] is not None else None
        last = hours + 26 if c in (0, 3) else hours
        rows.append(
            {
                "call_id": f"C-{c}", "port": "NAJIN", "arrival_not_before_utc": at(hours - 20) if c % 2 == 0 else None,
                "arrival_not_after_utc": at(hours), "departure_not_before_utc": at(last),
                "departure_not_after_utc": at(last + 18) if c != 4 else None, "n_sightings": 2 if c in (0, 3) else 1,
                "length_m": 121.0 if c < 2 else 104.0 + c, "berths": ["NAJIN_PIER1", "NAJIN_PIER2"] if c == 0 else ["NAJIN_PIER2"],
                "kind": "dark" if ship else "unattributed", "vessel_key": ship and ship[0], "mmsi": ship and ship[1],
                "p_vessel": 0.92 if ship else None, "vessel_name": ship[2] if ship else (f"SIM BARGE {c}" if c in (3, 4, 5) else None),
                "length_sigma_m": 8.0, "in_trade": c != 8, "sighting_ids": [f"O-{c}0"] + ([f"O-{c}1"] if c in (0, 3) else []),
                "lat_deg": NAJIN[0], "lon_deg": NAJIN[1], "because": "same length, same pier, one day apart",
            }
        )  # fmt: skip
    return rows


def _trips() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows, evidence = [], []
    for n, (tier, ship, gap, call, factors, flagged) in enumerate(TRIPS):
        s = SHIPS[ship] if ship is not None else None
        silence = SILENCES[gap] if gap is not None else None
        bits = [b for _, b, _ in factors]
        p = p_of(bits) if factors and n != 4 else None
        rows.append(
            {
                "trip_id": f"T-{n:04d}", "vessel_key": s and s[0], "mmsi": s and s[1],
                "vessel_name": s[2] if s else (f"SIM BARGE {call}" if tier == "pictures_only" else None),
                "origin_port": "VOSTOCHNY" if s else None, "dark_port": "NAJIN", "destination_port": "DUNAY" if s else None,
                "dark_start_utc": at(silence[1]) if silence else None,
                "dark_end_utc": at(silence[1] + silence[2]) if silence and silence[2] else None,
                "gap_ids": [f"G-{gap:04d}"] if gap is not None else [], "call_ids": [f"C-{call}"] if call is not None else [],
                "n_sightings": 0 if call is None else 1, "p_trip": p, "p_trip_without_habit": p and round(p * 0.8, 6),
                "p_trip_without_watchlist": p, "tier": tier, "is_flagged": flagged, "needs_kn": 8.1 if s else None,
                "slack_h": 31.2 if s else None, "alternatives": "Chongjin 0.04; stayed at sea 0.11" if s else "",
                "weakest_link": "sighting O-00: without it p falls to 0.41" if call == 0 else "one picture, one source",
                "containers_low": 222, "containers_high": 600,
                "because": "The silence fits a call at Najin with time to spare, and a ship of fitting length was there.",
                "cycle": 1, "n_calls_p05": 1 if s else None, "n_calls_p50": 1 if s else None, "n_calls_p95": 2 if s else None,
                "lat_deg": NAJIN[0], "lon_deg": NAJIN[1],
            }
        )  # fmt: skip
        evidence += [
            {"subject_id": f"T-{n:04d}", "rank": r, "factor": f, "bits": b, "because": why}
            for r, (f, b, why) in enumerate(factors)
            if p is not None
        ]
    return rows, evidence


def _findings() -> list[dict[str, Any]]:
    """One of each kind; the last two without ships of the table `vessels`."""
    told = [
        ("shared_mmsi", [SHIPS[0][0]], 2, "two hulls 310 nm apart in the same hour under 999000101", None),
        ("same_ship_other_mmsi", [SHIPS[1][0], SHIPS[2][0]], 1, "same IMO number, heard on 3 hours later", 0.71),
        ("contradiction", [SHIPS[3][0]], 1, "AIS has it at anchor, a picture shows it at the pier", None),
        ("jamming_cluster", [f"mmsi:9990009{n:02d}" for n in range(9)], 14, "14 ships on one circle inland", None),
        ("spoofed_track", ["mmsi:999000999"], 1, "straight over land at 14 kn", None),
    ]
    return [
        {
            "finding_id": f"F-{n}", "kind": kind, "vessel_keys": keys, "start_utc": at(50 + 20 * n), "end_utc": at(58 + 20 * n),
            "lat_deg": 42.6, "lon_deg": 131.9, "n_ships": ships, "p": p, "because": why,
            "sources": [f"{FILE}:{900 + n}", f"{FILE}:{950 + n}", f"{FILE}:{970 + n}", f"{FILE}:{980 + n}"],
        }
        for n, (kind, keys, ships, why, p) in enumerate(told)
    ]  # fmt: skip


def scenarios() -> list[dict[str, Any]]:
    """Two kept answers as `scenarios.Scenario.as_dict` gives them: one of these tables, one of earlier ones."""
    trip = {
        "trip_id": "T-0000", "change": ["no longer flagged", "other probability"], "before": {"p_trip": 0.988, "is_flagged": True},
        "after": {"p_trip": 0.41, "is_flagged": False}, "why": "lost O-00 (dropped); bits: sighting -5.200",
    }  # fmt: skip
    gone = {"trip_id": "T-0001", "change": ["vanishes"], "before": {}, "after": None, "why": "lost O-10 (dropped)"}
    answer = {
        "flagged": {"before": 3, "after": 1}, "n_trips": {"before": 12, "after": 11}, "trips": [trip, gone],
        "notes": ["scene SCENE-00 still counts, as a picture without O-00"],
    }  # fmt: skip
    said = ["without sighting O-00", "without sighting O-10"]
    return [
        {"name": "no-pictures", "said": said, "is_current": True, "answer": answer},
        {"name": "of-last-week", "said": said[:1], "is_current": False, "answer": {**answer, "trips": [trip]}},
    ]


def result(*, n_context: int = 18, is_simulated: bool = True) -> Result:
    """The whole made-up run."""
    route = routes.load()
    trips, evidence = _trips()
    tracks, _ = _tracks(n_context)
    sightings = _sightings()
    matches = []
    for s in sightings:
        n = int(s["sighting_id"][2]) if s["sighting_id"][2].isdigit() else 9
        ship = TRIPS[n][1] if n < 3 else None
        shares = [("dark", 0.83, ship), ("none", 0.17, None)] if ship is not None else [("none", 1.0, None)]
        matches += [
            {
                "match_id": f"M-{s['sighting_id']}-{h}", "sighting_id": s["sighting_id"], "hypothesis": h, "p_match": p,
                "vessel_key": SHIPS[i][0] if i is not None else None, "gap_id": f"G-{n:04d}" if i is not None else None,
            }
            for h, p, i in shares
        ]  # fmt: skip
    reach = [
        {
            "gap_id": f"G-{n:04d}", "port": port.id, "distance_from_nm": 70.0 + 5 * k, "distance_to_nm": 72.0 + 5 * k,
            "fastest_kn": SHIPS[s[0]][4], "slack_h": None if s[2] is None else s[2] - 12.0 - 9 * k,
            "needs_kn": None if s[2] is None else 5.0 + k, "earliest_arrival_utc": at(s[1] + 6),
            "verdict": "feasible" if s[2] is None or s[2] - 12 - 9 * k > 6 else "impossible",
        }
        for n, s in enumerate(SILENCES)
        for k, port in enumerate(route.ports)
    ]  # fmt: skip
    scenes = [
        {
            "scene_id": s["scene_id"], "start_utc": s["start_utc"], "end_utc": s["start_utc"],
            "wkt": "POLYGON ((130 42, 131 42, 131 43, 130 43, 130 42))", "sensor": "SIM-OPTIC",
            "clear_fraction": 0.9 if n % 3 else 0.4, "source_row": f"{SIGHTINGS_FILE}:{300 + n}",
        }
        for n, s in enumerate(sightings)
    ]  # fmt: skip
    scenes.append({**scenes[0], "scene_id": "SCENE-far", "wkt": "POLYGON ((10 10, 11 10, 11 11, 10 11, 10 10))"})
    vessels = [
        {
            "vessel_key": key, "mmsi": mmsi, "vessel_name": name, "all_mmsi": [str(mmsi)], "all_names": [name, name + " EX"],
            "call_signs": ["SIM1"], "ais_class": "A", "ship_type": 70, "length_m": length, "fastest_kn": fastest,
            "draughts_m": ["5.2 (2031-09-08)"], "destinations": ["DUNAY"], "first_heard_utc": at(2 + i),
            "last_heard_utc": at(350 if i == 4 else 400), "watch_list_hits": ["SIM LIST (since 2030-01-01, matched by mmsi)"] if i == 1 else [],
            "n_gaps": sum(s[0] == i for s in SILENCES), "n_trips": sum(t[1] == i and t[5] for t in TRIPS),
        }
        for i, (key, mmsi, name, length, fastest) in enumerate(SHIPS)
    ]  # fmt: skip
    vessels += [
        {"vessel_key": f"mmsi:9990003{c:02d}", "mmsi": 999000300 + c, "vessel_name": f"SIM CONTEXT {c}", "n_gaps": 0,
         "n_trips": 0, "first_heard_utc": at(0), "last_heard_utc": at(290)}
        for c in range(n_context)
    ]  # fmt: skip
    throughput = [
        {"period_start": "2031-09", "period_end": "2031-09", "definition": "seen: calls of ships in pictures", "source": "ghostships",
         "n_calls_low": 9.0, "n_calls": 9.0, "n_calls_high": 9.0, "containers_low": 1998.0, "containers_high": 5400.0,
         "assumptions": "9 calls x 222 to 600 containers a call"},
        {"period_start": "2031-09", "period_end": "2031-09", "definition": "estimated: with the days nobody looked", "source": "ghostships",
         "n_calls_low": 9.0, "n_calls": 12.0, "n_calls_high": 16.0, "containers_low": 1998.0, "containers_high": 9600.0,
         "assumptions": "11 of 14 imaged days with a ship, stays of 2 to 3 days"},
        {"period_start": "2031-09", "period_end": "2031-10", "definition": "claimed: round trips, at least", "source": "Simulated Gazette",
         "n_calls": 5.0, "assumptions": "their own count", "source_url": "https://example.org/claim"},
    ]  # fmt: skip
    made = {name: tables.empty_pandas(t) for name, t in tables.ALL.items() if t.public and name != "rejects"}
    made |= {
        "gaps": frame(tables.GAPS, _gaps()),
        "reach": frame(tables.REACH, reach),
        "sightings": frame(tables.SIGHTINGS, sightings),
        "scenes": frame(tables.SCENES, scenes),
        "port_calls": frame(tables.PORT_CALLS, _calls()),
        "matches": frame(tables.MATCHES, matches),
        "evidence": frame(tables.EVIDENCE, evidence),
        "round_trips": frame(tables.ROUND_TRIPS, trips),
        "tracks": frame(tables.TRACKS, tracks),
        "vessels": frame(tables.VESSELS, vessels),
        "identities": frame(tables.IDENTITIES, _findings()),
        "throughput": frame(tables.THROUGHPUT, throughput),
    }
    rejects = pl.DataFrame(
        [{"file_sha256": FILE, "row": 12, "rule": "lat_deg_range", "raw": "999000101,91.5"}],
        schema=tables.REJECTS.polars_schema,
    )
    manifest = {
        "ghostships": "0.1.0", "route": {"name": route.name, "sha256": route.sha256}, "scope": "area",
        "as_of_utc": at(420).isoformat(), "is_simulated": is_simulated, "time_span": [at(0).isoformat(), at(420).isoformat()],
        "inputs": [
            {"path": "in/sim_ais.csv", "sha256": FILE.ljust(64, "0"), "dialect": "plain", "rows_read": 12345},
            {"path": "in/sim_sightings.csv", "sha256": SIGHTINGS_FILE.ljust(64, "0"), "dialect": "sightings", "rows_read": 15},
        ],
        "thresholds": {"min_gap_h": 6.0, "flag_threshold": 0.5},
        "warnings": ["sim_ais.csv: 1 of 12 345 rows refused (lat_deg_range); see rejects.parquet"],
    }  # fmt: skip
    return Result(made, rejects, manifest)


def empty() -> Result:
    """A run in which nothing at all was found."""
    made = {name: tables.empty_pandas(t) for name, t in tables.ALL.items() if t.public and name != "rejects"}
    return Result(made, tables.empty_polars(tables.REJECTS), {"ghostships": "0.1.0", "is_simulated": False})


def poisoned(payload: str) -> Result:
    """The made-up run with `payload` in every text field, kept apart by a number where the field is a key."""
    made = result()
    for name, table in made.tables.items():
        declared = tables.ALL[name]
        for column in declared.columns:
            if column.values or column.name in ("port", "dark_port"):
                continue
            if column.dtype == "str":
                made.tables[name][column.name] = pd.Series(
                    [f"{payload}{v}" for v in table[column.name].fillna("")], dtype="str"
                )
            elif column.dtype == "list[str]":
                made.tables[name][column.name] = pd.Series(
                    [[f"{payload}{i}" for i in (v or [""])] for v in table[column.name]], dtype=object
                )
    made.tables["scenes"]["wkt"] = result().tables["scenes"]["wkt"]
    made.manifest["warnings"] = [payload]
    made.manifest["inputs"] = [{"path": payload, "sha256": payload, "dialect": payload, "rows_read": payload}]
    made.manifest["thresholds"] = {payload: payload, "min_gap_h": 6.0}
    made.manifest["scope"] = made.manifest["ghostships"] = made.manifest["as_of_utc"] = payload
    return made


def large(*, n_ships: int, n_points: int, n_gaps: int) -> Result:
    """The made-up run with the traffic of a busy coast added: what the page must still be able to hold."""
    made = result(n_context=0)
    rng = np.random.default_rng(11)
    each, gaps_each = n_points // n_ships, -(-n_gaps // n_ships)
    parts, gaps, ships = [], [], []
    for i in range(n_ships):
        key = f"mmsi:9990004{i:03d}" if i else SHIPS[0][0]
        hours = np.sort(rng.uniform(0, 1440, each))
        lats = np.clip(42 + np.cumsum(rng.normal(0, 0.004, each)), 35, 47)
        lons = np.clip(132 + np.cumsum(rng.normal(0, 0.006, each)), 127, 141)
        times = pd.Series(pd.Timestamp(T0) + pd.to_timedelta(np.round(hours * 3600), unit="s"))
        parts.append(
            pd.DataFrame(
                {"vessel_key": key, "segment_id": f"S-L{i}", "time_utc": times, "lat_deg": lats, "lon_deg": lons}
            )
        )
        for k in range(gaps_each if len(gaps) + gaps_each <= n_gaps else n_gaps - len(gaps)):
            at_ = 50 * k + rng.uniform(0, 10)
            gaps.append(
                {**_gaps()[0], "gap_id": f"G-L{i}-{k}", "vessel_key": key, "segment_id": f"S-L{i}", "start_utc": at(at_),
                 "end_utc": at(at_ + 8), "duration_h": 8.0}
            )  # fmt: skip
        if i:
            ships.append({"vessel_key": key, "vessel_name": f"SIM L{i}", "n_gaps": gaps_each, "n_trips": 0})
    made.tables["tracks"] = pd.concat([made.tables["tracks"], *parts]).astype({"time_utc": "datetime64[us, UTC]"})
    made.tables["gaps"] = pd.concat([made.tables["gaps"], frame(tables.GAPS, gaps)], ignore_index=True)
    made.tables["vessels"] = pd.concat([made.tables["vessels"], frame(tables.VESSELS, ships)], ignore_index=True)
    # A quarter of the ships with a trip: their tracks are kept point by point.
    more = [
        {**made.tables["round_trips"].iloc[5].to_dict(), "trip_id": f"T-L{i}", "vessel_key": f"mmsi:9990004{i:03d}"}
        for i in range(1, n_ships // 4)
    ]
    made.tables["round_trips"] = pd.concat([made.tables["round_trips"], pd.DataFrame(more)], ignore_index=True).astype(
        made.tables["round_trips"].dtypes.to_dict()
    )
    return made
