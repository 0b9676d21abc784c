"""What lies in the inbox and in the folders of lists, into the store: the books of a new generation, before anything is thought."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args

import pandas as pd

from ghostships import intake, program
from ghostships.errors import FileRefused, GhostshipsError
from ghostships.intake import Intake
from ghostships.nights import books, claims, inbox, taking
from ghostships.nights.books import Books, Delivery
from ghostships.nights.claims import Claim
from ghostships.nights.config import Config
from ghostships.nights.taking import Shelf
from ghostships.routes import Route
from ghostships.terminal import log, visible

Role = Literal["sightings", "scenes", "vessels", "context"]
Stage = Callable[[str], AbstractContextManager[None]]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass
class Said:
    """What the user is told of tonight, as it comes up."""

    warnings: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def look(config: Config, before: Books, said: Said, *, now_utc: datetime, stage: Stage) -> inbox.Looked:
    """The inbox as it lies there; what cannot be read counts as refused."""
    with stage(f"looking into {visible(config.inbox)}"):
        found = inbox.look(config.inbox, now_utc=now_utc, settle_s=config.policy.settle_s, seen=before.seen)
    said.refused += [f"{visible(name)}: {why}" for name, why in found.unreadable]
    for name, why in found.left:
        log.info("left for the next night: %s: %s", visible(name), why)
    return found


def deliveries(
    shelf: Shelf,
    config: Config,
    before: Books,
    looked: inbox.Looked,
    said: Said,
    *,
    as_of: date,
    stage: Stage,
) -> Books:
    """The books with everything new in the inbox read, and everything read again that other code or another dialect had read.

    A refused delivery is tried again when its bytes change: then they are another delivery.

    Raises
    ------
    UsageError
        when a name fits two sources; nothing was read then.
    """
    code = program.reading()
    arrivals = set(before.arrivals) | {(file.name, file.sha256) for file in looked.files}
    made = made_claims(arrivals, config)
    found = dict(before.deliveries)
    files = {file.sha256: file for file in reversed(looked.files)}
    names = {one.sha256: one.name for one in reversed(made)}
    for sha256 in dict.fromkeys([*(file.sha256 for file in looked.files), *sorted(found)]):
        dialect, known, file = claims.dialect_of(sha256, made, config), found.get(sha256), files.get(sha256)
        if known is not None and (known.read_by, known.dialect) == (code, dialect):
            continue
        if known is not None and known.refused is not None and file is None:
            # Nothing of it was kept, and it lies in the inbox no more.
            continue
        arrived = known.arrived if known else as_of
        with stage(f"reading {visible(names[sha256])}" + (" again" if known else "")):
            if file is not None:
                taken = _from_inbox(shelf, file, looked, said, dialect=dialect, read_by=code, arrived=arrived)
            else:
                assert known is not None
                taken = _again(shelf, known, names[sha256], said, dialect=dialect, read_by=code)
        if taken is not None:
            found[sha256] = taken
        elif known is None:
            arrivals -= {(one.name, one.sha256) for one in looked.files if one.sha256 == sha256}
    for file in looked.files:
        known = found.get(file.sha256)
        whys = [] if known is None else [known.refused, *(stream.refused for stream in known.streams)]
        said.refused += [f"{visible(file.name)}: {why}" for why in dict.fromkeys(whys) if why]
    keep = config.retention.raw_days
    kept = {sha256: taking.retired(one, as_of=as_of, raw_days=keep) for sha256, one in found.items()}
    taken_names = {name for name, _ in arrivals}
    seen = {name: mark for name, mark in looked.seen.items() if name in taken_names}
    return before.with_(arrivals=frozenset(arrivals), deliveries=kept, seen=seen)


def made_claims(arrivals: Iterable[tuple[str, str]], config: Config) -> list[Claim]:
    """What every name that ever arrived claims under the configuration of tonight."""
    return [claims.claim(name, sha256, config) for name, sha256 in sorted(arrivals)]


def forced(now: Books, made: Sequence[Claim]) -> claims.InForce:
    """Which deliveries are in force; those without a usable row compete with none."""
    return claims.in_force(made, (sha256 for sha256, one in now.deliveries.items() if not one.parts))


def days(shelf: Shelf, now: Books, *, stage: Stage) -> dict[date, books.Day]:
    """Every day with a part in force; those touched since are made again."""
    code = program.reading()
    recipe = taking.made_of(now, now.in_force)
    found = {day: now.days[day] for day in recipe if day in now.days}
    for day in taking.touched(now, recipe, code):
        with stage(f"making the day {day}"):
            found[day] = taking.make_day(shelf, now, day, recipe[day], made_by=code)
    return found


def _from_inbox(
    shelf: Shelf,
    file: inbox.File,
    looked: inbox.Looked,
    said: Said,
    *,
    dialect: str | None,
    read_by: str,
    arrived: date,
) -> Delivery | None:
    """One delivery from the inbox; None when it changed meanwhile or the disk could not read it: it waits for the next night."""
    try:
        found = taking.take(shelf, file.path, file.sha256, dialect=dialect, read_by=read_by, arrived=arrived)
    except FileRefused as refusal:
        if inbox.is_unchanged(file.path, looked.seen[file.name]):
            said.refused.append(f"{visible(file.name)}: {refusal.message}")
            return None
    except GhostshipsError:
        if inbox.is_unchanged(file.path, looked.seen[file.name]):
            raise
    else:
        if inbox.is_unchanged(file.path, looked.seen[file.name]):
            return found
    why = "changed while it was read: it is still being written"
    looked.left.append((file.name, why))
    log.info("left for the next night: %s: %s", visible(file.name), why)
    return None


def _again(
    shelf: Shelf, known: Delivery, name: str, said: Said, *, dialect: str | None, read_by: str
) -> Delivery | None:
    """A delivery read again from the bytes kept; None when they are kept no longer."""
    if known.raw is None:
        said.warnings.append(
            f"{visible(name)}: was read by another version or as another dialect, and its original bytes are kept no "
            "longer ([retention] raw_days): its rows stay as they were read"
        )
        return None
    work = shelf.folder("again")
    path = taking.original(shelf, known, work / "delivery")
    try:
        return taking.take(shelf, path, known.sha256, dialect=dialect, read_by=read_by, arrived=known.arrived)
    except FileRefused as refusal:
        # The bytes were read before, so it is the disk: the night fails, the delivery does not.
        raise GhostshipsError(f"{visible(name)}: the original kept {refusal.message}") from refusal


# --- lists ----------------------------------------------------------------------------------------------------------------


@dataclass
class Lists:
    """Sighting, scene and vessel lists as they lie in their folders now."""

    read: Intake
    files: dict[str, dict[str, books.ListFile]]
    entries: list[dict[str, Any]]


def lists(
    shelf: Shelf, config: Config, before: Books, said: Said, *, route: Route, now_utc: datetime, stage: Stage
) -> Lists:
    """All lists, read anew each night and kept as they are; what was changed or removed in a folder counts no more."""
    found: dict[Role, list[inbox.File]] = {}
    for role in ROLES:
        folder, looked = config.lists(role), inbox.Looked()
        if folder is not None:
            looked = inbox.look(folder, now_utc=now_utc, settle_s=config.policy.settle_s, seen={})
        said.refused += [f"{role}/{visible(name)}: {why}" for name, why in looked.unreadable]
        said.warnings += [f"{role}/{visible(name)}: {why}; it does not count tonight" for name, why in looked.left]
        found[role] = looked.files
    with stage(f"reading {sum(map(len, found.values()))} lists"):
        read = intake.read(
            [],
            sighting_files=[file.path for file in found["sightings"]],
            scene_files=[file.path for file in found["scenes"]],
            vessel_files=[file.path for file in found["vessels"]],
            context_files=[file.path for file in found["context"]],
            dialect=None,
            route=route,
        )
    # What other publishers say weighs nothing, so it speaks of no day.
    spoken: dict[str, Mapping[str, set[date]]] = {
        "sightings": _days_of(read.sightings),
        "scenes": _days_of(read.scenes),
        "context": {},
    }
    files: dict[str, dict[str, books.ListFile]] = {}
    shown: dict[str, str] = {}
    raw: dict[str, str] = {}
    for role, ones in found.items():
        given = getattr(config.paths, role)
        for file in ones:
            shown[str(file.path)] = f"{given.rstrip('/')}/{file.name}"
            kept = before.lists.get(role, {}).get(file.name)
            if kept is None or kept.sha256 != file.sha256:
                own = spoken[role].get(file.sha256[: books.PREFIX_DIGITS], set()) if role in spoken else None
                kept = taking.keep_list(shelf, file.path, file.sha256, own)
            files.setdefault(role, {})[file.name] = kept
            raw[str(file.path)] = kept.raw
    entries = [
        {**entry.as_dict(), "path": shown.get(entry.path, entry.path), "raw": raw.get(entry.path)}
        for entry in read.entries
    ]
    said.refused += [f"{visible(one['path'])}: {one['refused']}" for one in entries if one["refused"]]
    return Lists(read, files, entries)


def _days_of(frame: pd.DataFrame) -> Mapping[str, set[date]]:
    """The days each list file speaks of, by hash prefix."""
    out: dict[str, set[date]] = {}
    for source, start, end in zip(frame["source_row"], frame["start_utc"], frame["end_utc"], strict=True):
        day, last = start.date(), end.date()
        mine = out.setdefault(str(source).rpartition(":")[0], set())
        while day <= last:
            mine.add(day)
            day += timedelta(days=1)
    return out
