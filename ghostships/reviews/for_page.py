"""What the report page knows of reviews: the decisions as they are, what was judged, which ids changed, and the count.

Texts are those of the file, unchanged, because the page can export them again; its script writes out what cannot be seen before it
shows any of them. The same decisions, tables and manifest give the same page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ghostships.reviews import decision, digests, ledger, standing, tally
from ghostships.reviews.ledger import Ledger

MOST_BROKEN_SHOWN = 20


def block(
    frames: Mapping[str, pd.DataFrame],
    manifest: Mapping[str, Any],
    kept: Ledger,
    *,
    served: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything the page's script needs to show decisions and to make new ones.

    Parameters
    ----------
    served : reviewer, and key of the server, when `ghostships review` serves the page; None in a file
    """
    trips = frames["round_trips"]
    is_simulated = bool(manifest.get("is_simulated"))
    table = (manifest.get("tables") or {}).get("round_trips") or {}
    return {
        "format": decision.FORMAT,
        "fields": list(decision.FIELDS),
        "limits": {
            "note": decision.LONGEST_NOTE,
            "reviewer": decision.LONGEST_REVIEWER,
            "trip_id": decision.LONGEST_TRIP_ID,
            "vessel": decision.LONGEST_VESSEL,
            "line": decision.LONGEST_LINE_BYTES,
        },
        "ids": list(trips["trip_id"]),
        "sha256": digests.of_trips(trips, frames["evidence"]),
        "round_trips_sha256": table.get("sha256"),
        "is_simulated": is_simulated,
        "renamed": [list(pair) for pair in sorted(standing.renamed(manifest).items())],
        "decisions": [one.as_record() for one in kept.decisions],
        "broken": [str(one) for one in kept.broken[:MOST_BROKEN_SHOWN]],
        "n_broken": len(kept.broken),
        "file": ledger.NAME,
        "file_sha256": kept.sha256,
        "tally": count(frames, manifest, kept).as_dict(),
        "served": None if served is None else dict(served),
    }


def count(frames: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any], kept: Ledger) -> tally.Tally:
    """The tally of the decisions kept with a folder."""
    trips = frames["round_trips"]
    found = standing.of(kept.decisions, set(trips["trip_id"]), standing.renamed(manifest))
    flagged = set(trips.loc[trips["is_flagged"].astype(bool), "trip_id"])
    return tally.of(found, is_simulated=bool(manifest.get("is_simulated")), flagged=flagged)
