"""What a night says: the manifest of the published folder, the facts of `status.json`, and the sentences in both."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from ghostships import program
from ghostships.intake import SIMULATED
from ghostships.nights import accounts, claims, freshness
from ghostships.nights.books import Books
from ghostships.nights.config import Config
from ghostships.nights.freshness import Freshness
from ghostships.pipeline import Result, Settings
from ghostships.terminal import iso, visible

_NAMED = 5
"""How many of a kind a sentence names; the lists in `status.json` and the manifest have them all."""


def ties(forced: claims.InForce) -> list[str]:
    """Deliveries that contradict each other without anybody having said which is right."""
    return [
        f"{len(tie)} deliveries of series {tie[0].series} are for {iso(tie[0].start_utc)} with the same precedence and different "
        f"bytes, so the rows of all of them count: {_named([visible(one.name) for one in tie])}"
        for tie in forced.ties
    ]


def stale(fresh: Iterable[Freshness]) -> list[str]:
    """One sentence per source that owes a delivery."""
    said = []
    for one in fresh:
        owed = [missing for missing in one.missing if missing.is_overdue]
        if owed:
            spans = [
                f"{iso(missing.start_utc)} to {iso(missing.end_utc)}"
                + ("" if missing.state == "missing" else f" ({missing.state})")
                for missing in owed
            ]
            said.append(
                f"source {one.source} is stale: no usable delivery for {_named(spans)}; silence there is not dark"
            )
    return said


def _named(words: Sequence[str]) -> str:
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def manifest(
    settings: Settings,
    config: Config,
    result: Result,
    kept: Sequence[accounts.Account],
    lists: Sequence[Mapping[str, Any]],
    fresh: Sequence[Freshness],
    *,
    night: int,
    from_utc: datetime,
    changes: Sequence[Mapping[str, Any]],
    sightings: pd.DataFrame,
) -> dict[str, Any]:
    """All of `manifest.json` but tables and files. It carries no clock: the same deliveries and settings give the same bytes."""
    route = settings.route
    invented = sightings["source"].astype("str").str.casefold().eq(SIMULATED).any()
    dialects = [one.stream.dialect for one in kept if one.stream]
    heard = [
        time
        for one in kept
        for part in one.delivery.parts
        if from_utc.date() <= part.day and settings.as_of_utc is not None and part.first_utc <= settings.as_of_utc
        for time in (part.first_utc, min(part.last_utc, settings.as_of_utc))
    ]
    heard += [t.to_pydatetime() for t in (sightings["start_utc"].min(), sightings["end_utc"].max()) if t is not pd.NaT]
    return {
        "ghostships": metadata.version("ghostships"),
        "code": program.thinking()["code"],
        "route": {
            "name": route.name,
            "title": route.title,
            "given": config.route,
            "sha256": route.sha256,
            "settings": route.model_dump(mode="json", exclude={"sha256"}),
        },
        "scope": settings.scope,
        "as_of_utc": iso(result.as_of_utc),
        "asked": {"from_utc": iso(from_utc), "to_utc": None, "as_of_utc": iso(settings.as_of_utc)},
        "inputs": [*(one.as_dict() for one in kept), *lists],
        "time_span": [iso(min(heard)), iso(max(heard))] if heard else [],
        "thresholds": {
            "min_gap_h": settings.min_gap_h,
            "flag_threshold": route.policy.flag_threshold,
            "max_speed_kn": route.policy.max_speed_kn,
        },
        "warnings": list(result.warnings),
        "placebo": result.placebo,
        "look_next": result.look_next,
        "is_simulated": bool(invented) or any(SIMULATED in dialect for dialect in dialects),
        "libraries": program.libraries(),
        "night": {
            "generation": night,
            "lookback_days": config.policy.lookback_days,
            "store": config.paths.store,
            "configured_at": Path(os.path.relpath(config.folder, config.out.parent)).as_posix(),
        },
        "unobserved": [[iso(start), iso(end)] for start, end in freshness.unobserved(fresh)],
        "changes": list(changes),
    }


def sources(fresh: Iterable[Freshness]) -> list[dict[str, Any]]:
    """Freshness per source, as JSON; `missing` has every one."""
    return [
        {
            "source": one.source,
            "cadence_h": one.cadence_h,
            "n_deliveries": one.n_deliveries,
            "n_expected": one.n_expected,
            "newest_heard_utc": iso(one.newest_heard_utc),
            "is_stale": one.is_stale,
            "missing": [
                {"start_utc": iso(m.start_utc), "end_utc": iso(m.end_utc), "state": m.state} for m in one.missing
            ],
        }
        for one in fresh
    ]


def deliveries(before: Books, now: Books, forced: claims.InForce, left: Sequence[tuple[str, str]]) -> dict[str, int]:
    """How many deliveries and days: tonight's, and all."""
    new = set(now.deliveries) - set(before.deliveries)
    names = now.arrivals - before.arrivals
    return {
        "new": len(new),
        "duplicate": len(names) - len({sha256 for _, sha256 in names} & new),
        "refused": sum(1 for sha256 in new if now.deliveries[sha256].refused),
        "left": len(left),
        "superseded": len(forced.superseded_by),
        "all": len(now.deliveries),
        "days_made": sum(1 for day, one in now.days.items() if before.days.get(day) != one),
        "days_all": len(now.days),
    }


def rows(kept: Sequence[accounts.Account]) -> dict[str, int]:
    """Where the rows of all deliveries in the look-back window went."""
    return {
        "read": sum(one.rows_read for one in kept),
        "accepted": sum(one.accepted for one in kept),
        "duplicate": sum(one.duplicate for one in kept),
        "superseded": sum(one.superseded for one in kept),
        "rejected": sum(sum(one.rejected.values()) for one in kept),
    }
