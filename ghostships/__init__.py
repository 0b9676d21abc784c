"""Which ships went dark on a run, and which silences were round trips.

    import ghostships

    outcome = ghostships.run(["ais/*.csv.gz"], out="report", sightings=["sightings.csv"])
    outcome["round_trips"]  # a GeoDataFrame; all tables: list(outcome)

The command line does the same; `ghostships tables` describes every column.
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ghostships.job import Outcome, run

__all__ = ["Outcome", "__version__", "run"]
__version__ = metadata.version("ghostships")


def __getattr__(name: str) -> Any:
    """Load the analysis on first use: `ghostships --version` need not wait for it."""
    if name in ("Outcome", "run"):
        from ghostships import job

        return getattr(job, name)
    raise AttributeError(f"module 'ghostships' has no attribute {name!r}; it has {', '.join(__all__)}")
