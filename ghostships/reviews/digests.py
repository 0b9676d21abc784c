"""What exactly a reviewer was shown, as a hash: a later reader can tell whether the evidence is still the one that was judged."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from typing import Any

import pandas as pd

from ghostships import tables
from ghostships.reviews.decision import written
from ghostships.tables import Table


def of_trips(round_trips: pd.DataFrame, evidence: pd.DataFrame) -> list[str]:
    """One SHA-256 per trip, in the order of its table: of its row and its rows of evidence.

    Hashed is compact JSON in ASCII with sorted keys, `{"evidence": [...], "trip": {...}}`: rows as objects, evidence by rank,
    times in ISO 8601 with microseconds and `Z`, missing values as null.
    """
    trips = _rows(round_trips, tables.ROUND_TRIPS)
    wanted = {row["trip_id"] for row in trips}
    by_trip: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(evidence[evidence["subject_id"].isin(wanted)], tables.EVIDENCE):
        by_trip[row["subject_id"]].append(row)
    found = {row["trip_id"]: _digest({"trip": row, "evidence": by_trip[row["trip_id"]]}) for row in trips}
    return [found[trip_id] for trip_id in round_trips["trip_id"]]


def _rows(frame: pd.DataFrame, table: Table) -> list[dict[str, Any]]:
    """The rows as plain values, sorted by key: the same from memory and from disk."""
    arrow = tables.to_arrow(frame, table)
    return [{key: _plain(value) for key, value in row.items()} for row in arrow.to_pylist()]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value != value:
        return None
    return written(value) if hasattr(value, "astimezone") else value


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
