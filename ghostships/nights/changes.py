"""What is different since the tables were last made: the deliveries and lists that count now, the settings, the program."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from ghostships import program
from ghostships.nights import freshness, revisions
from ghostships.nights.books import PREFIX_DIGITS, Books
from ghostships.nights.claims import Claim, InForce
from ghostships.nights.config import Config
from ghostships.pipeline import Settings
from ghostships.terminal import iso, plain

_WORDS_SHOWN = 40


def thought(
    now: Books,
    config: Config,
    settings: Settings,
    fresh: Iterable[freshness.Freshness],
    inputs: Sequence[Mapping[str, Any]],
    lasting: Sequence[str],
    *,
    from_utc: datetime,
) -> dict[str, Any]:
    """Everything that decides the tables and the page. When it is what it was last time, there is nothing to think."""
    used = {day.isoformat(): one.objects for day, one in sorted(now.days.items()) if day >= from_utc.date()}
    return {
        "as_of_utc": iso(settings.as_of_utc),
        "days": digest(used),
        "lists": {role: sorted(one.sha256 for one in files.values()) for role, files in sorted(now.lists.items())},
        "inputs": digest(inputs),
        "unobserved": [[iso(start), iso(end)] for start, end in freshness.unobserved(fresh)],
        "said": digest(lasting),
        "settings": _settings(config, settings),
        "program": program.thinking(),
    }


def _settings(config: Config, settings: Settings) -> dict[str, Any]:
    """What a user may change in the configuration and find in the tables, by its name in the file."""
    return {
        "route": settings.route.sha256,
        "scope": settings.scope,
        "min_gap_h": settings.min_gap_h,
        "lookback_days": config.policy.lookback_days,
        **{
            f"sources.{name}.{key}": value
            for name, source in sorted(config.sources.items())
            for key, value in source.model_dump().items()
            if value is not None
        },
    }


def remembered(now: Books) -> dict[str, Any]:
    """What the next night must know of this one to tell what is new."""
    return {
        "known": sorted(now.deliveries),
        "in_force": sorted(now.in_force),
        "lists": {
            role: {
                name: {
                    "sha256": one.sha256,
                    "days": None if one.days is None else [day.isoformat() for day in one.days],
                }
                for name, one in sorted(files.items())
            }
            for role, files in sorted(now.lists.items())
        },
    }


def causes(before: Books, now: Books, made: Sequence[Claim], forced: InForce) -> revisions.Causes:
    """What is different since `before` was thought, for the reasons of revisions."""
    last, here = before.thought, now.thought
    then = before.outcome.get("remembered", {})
    arrived = (*_deliveries(then, now, made, forced), *_lists(then.get("lists", {}), now))
    if not last:
        return revisions.Causes(arrived)
    arrived += tuple(_due(then, now, made, from_day=datetime.fromisoformat(last["as_of_utc"]).date()))
    old, new = last["settings"], here["settings"]
    changed = [
        f"{key} {_word(old.get(key))} to {_word(new.get(key))}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]
    return revisions.Causes(
        arrived,
        config=", ".join(changed),
        upgrade=program.difference(last["program"], here["program"]),
        as_of_before_utc=datetime.fromisoformat(last["as_of_utc"]),
    )


def _deliveries(
    then: Mapping[str, Any], now: Books, made: Sequence[Claim], forced: InForce
) -> Iterable[revisions.Arrived]:
    """Deliveries in force that were not there last time, with the days they change, those of what they replace included."""
    names = {one.sha256: one.name for one in reversed(sorted(made))}
    counted = set(then.get("in_force", ()))
    for sha256 in sorted(now.in_force - set(then.get("known", ()))):
        replaced = [old for old, by in forced.superseded_by.items() if sha256 in by and old in counted]
        changed = {part.day for one in (sha256, *replaced) for part in now.deliveries[one].parts}
        yield revisions.Arrived(sha256[:PREFIX_DIGITS], names[sha256], frozenset(changed), bool(replaced))


def _due(then: Mapping[str, Any], now: Books, made: Sequence[Claim], *, from_day: date) -> Iterable[revisions.Arrived]:
    """Deliveries that were there last time with rows of a day that had not begun, or not ended, by the last as-of."""
    names = {one.sha256: one.name for one in reversed(sorted(made))}
    to_day = datetime.fromisoformat(now.thought["as_of_utc"]).date()
    for sha256 in sorted(now.in_force & set(then.get("known", ()))):
        days = frozenset(part.day for part in now.deliveries[sha256].parts if from_day <= part.day <= to_day)
        if days:
            yield revisions.Arrived(sha256[:PREFIX_DIGITS], names[sha256], days)


def _lists(then: Mapping[str, Any], now: Books) -> Iterable[revisions.Arrived]:
    # What other publishers say weighs nothing, so it is the reason of nothing.
    for role in sorted({*then, *now.lists} - {"context"}):
        old, new = then.get(role, {}), now.lists.get(role, {})
        bytes_before = {one["sha256"] for one in old.values()}
        bytes_now = {one.sha256 for one in new.values()}
        for name, one in sorted(new.items()):
            if one.sha256 not in bytes_before:
                changed = None if one.days is None else frozenset(one.days) | _dates(old.get(name))
                yield revisions.Arrived(one.sha256[:PREFIX_DIGITS], f"{role}/{name}", changed, name in old)
        for name, gone in sorted(old.items()):
            if gone["sha256"] not in bytes_now and name not in new:
                changed = None if gone["days"] is None else _dates(gone)
                yield revisions.Arrived(gone["sha256"][:PREFIX_DIGITS], f"{role}/{name} (removed)", changed, True)


def _dates(one: Mapping[str, Any] | None) -> frozenset[date]:
    return frozenset(map(date.fromisoformat, (one or {}).get("days") or ()))


def _word(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _WORDS_SHOWN else f"{text[:12]}..."


def digest(value: object) -> str:
    """A short hash of anything JSON knows."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
