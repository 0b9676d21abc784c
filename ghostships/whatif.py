"""What if a sighting is wrong? Changes to the sightings of a folder, and what they do to every trip, match and count.

    --drop, --set, --not-same --understand--> Changes --apply--> other sightings --(judge)--> other tables --compare--> answer

Nothing here reads or writes; `rerun` makes the tables, `scenarios` keeps the answers.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ghostships import tables
from ghostships.errors import UsageError
from ghostships.inference.looks import Apart
from ghostships.readers import records
from ghostships.readers.sightings import ALIASES
from ghostships.terminal import plain, visible

Frames = Mapping[str, pd.DataFrame]
Row = dict[str, Any]

MOVED_P = 0.01
"""A probability that moves by less is not shown: it is no other answer."""
MOVED_BITS = 0.1
"""Factors that move by less are no reason, unless none moves by more; a tenth of a bit is 7 % of the odds."""

_FIELDS = {alias: ours for ours, others in ALIASES.items() for alias in (ours, *others) if ours != "sighting_id"}
FIELDS = tuple(name for name in ALIASES if name != "sighting_id")
"""What can be set, by the names of the sighting lists; their aliases are understood too."""


@dataclass(frozen=True, order=True)
class Setting:
    """One field of one sighting, as a line of a list would have it."""

    sighting_id: str
    field: str
    value: str


@dataclass(frozen=True)
class Changes:
    """What is asked, in one order whatever the order it was given in.

    Attributes
    ----------
    drop : ids as given (sightings, port calls, scenes), with the sightings that each stands for
    scenes : the scenes among them
    """

    drop: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scenes: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    not_same: tuple[tuple[str, str], ...] = ()

    @property
    def dropped(self) -> frozenset[str]:
        """Ids of the sightings that are left out."""
        return frozenset(one for ids in self.drop.values() for one in ids)

    @property
    def named(self) -> frozenset[str]:
        """Ids of all sightings of which something is asked."""
        return (
            self.dropped | {one.sighting_id for one in self.settings} | {one for pair in self.not_same for one in pair}
        )

    @property
    def apart(self) -> Apart:
        """Pairs that are not the same hull, as the port calls take them."""
        return frozenset(frozenset(pair) for pair in self.not_same)

    def as_dict(self) -> Row:
        """The changes as the kept scenario has them."""
        return {
            "drop": {one: list(ids) for one, ids in self.drop.items()},
            "scenes": list(self.scenes),
            "set": [vars(one) for one in self.settings],
            "not_same": [list(pair) for pair in self.not_same],
        }

    def sentences(self) -> list[str]:
        """Each change in words."""
        said = []
        for one, ids in self.drop.items():
            what = f"scene {one}, with" if one in self.scenes else f"{one}:" if ids != (one,) else ""
            said.append(f"without {f'{what} ' if what else ''}{_listed('sighting', ids)}")
        said += [
            f"{one.sighting_id} with {one.field} {one.value}" if one.value else f"{one.sighting_id} without {one.field}"
            for one in self.settings
        ]
        return said + [f"{one} and {other} are two hulls" for one, other in self.not_same]


def _listed(noun: str, ids: Sequence[str]) -> str:
    return f"{noun} {ids[0]}" if len(ids) == 1 else f"{len(ids)} {noun}s" + (f" ({', '.join(ids)})" if ids else "")


# --- what was asked -------------------------------------------------------------------------------------------------------


def understand(
    frames: Frames, *, drop: Sequence[str] = (), settings: Sequence[str] = (), not_same: Sequence[tuple[str, str]] = ()
) -> Changes:
    """The changes asked for, once they make sense in this folder.

    Parameters
    ----------
    drop : ids of sightings, port calls or scenes
    settings : `ID.FIELD=V`; an empty V empties the field
    not_same : pairs of sighting ids

    Raises
    ------
    UsageError
        for an id or a field that is not there (naming what is), and for changes that contradict each other.
    """
    if not (drop or settings or not_same):
        raise UsageError(
            "nothing was changed; right would be --drop ID, --set ID.FIELD=V or --not-same ID ID (or --list for what was kept)"
        )
    ids = set(frames["sightings"]["sighting_id"])
    stands_for = {one: _stands_for(frames, one) for one in sorted(set(drop))}
    scenes = tuple(one for one in stands_for if one in set(frames["scenes"]["scene_id"]) and one not in ids)
    asked = Changes(stands_for, scenes)
    for text in settings:
        new = _setting(text, ids)
        if any((new.sighting_id, new.field) == (old.sighting_id, old.field) for old in asked.settings):
            raise UsageError(f"--set {visible(text)}: {new.field} of {visible(new.sighting_id)} was given twice")
        _refuse_dropped(asked, new.sighting_id, f"--set {visible(text)}")
        asked = Changes(stands_for, scenes, tuple(sorted((*asked.settings, new))))
    pairs = set()
    for pair in not_same:
        what = f"--not-same {' '.join(map(visible, pair))}"
        for one in pair:
            _known(one, ids, what)
            _refuse_dropped(asked, one, what)
        if pair[0] == pair[1]:
            raise UsageError(f"{what}: a sighting is the same hull as itself; right would be two sightings")
        pairs.add((min(pair), max(pair)))
    return Changes(stands_for, scenes, asked.settings, tuple(sorted(pairs)))


def _stands_for(frames: Frames, one: str) -> tuple[str, ...]:
    """The sightings that an id to be dropped stands for: its own, those of a port call, those of a scene."""
    seen, calls, scenes = frames["sightings"], frames["port_calls"], frames["scenes"]
    if one in set(seen["sighting_id"]):
        return (one,)
    if one in set(calls["call_id"]):
        (ids,) = calls.loc[calls["call_id"] == one, "sighting_ids"]
        return tuple(sorted(ids))
    in_scene = seen.loc[seen["scene_id"] == one, "sighting_id"]
    if one in set(scenes["scene_id"]) or len(in_scene):
        return tuple(sorted(in_scene))
    known = [*seen["sighting_id"], *calls["call_id"], *scenes["scene_id"]]
    raise UsageError(f"--drop {visible(one)}: no sighting, port call or scene has this id; {_nearest(one, known)}")


def _nearest(one: str, known: Iterable[str]) -> str:
    known = sorted(set(known))
    near = [k for k in known if one and k.startswith(one)][:3] or difflib.get_close_matches(one, known, n=3, cutoff=0.5)
    if near:
        return f"nearest: {', '.join(map(visible, near))}"
    more = f" and {len(known) - 5} more" if len(known) > 5 else ""
    return f"there are: {', '.join(map(visible, known[:5]))}{more}" if known else "there are none"


def _known(one: str, ids: set[str], what: str) -> None:
    if one not in ids:
        raise UsageError(f"{what}: no sighting has the id {visible(one)!r}; {_nearest(one, ids)}")


def _refuse_dropped(asked: Changes, one: str, what: str) -> None:
    if one in asked.dropped:
        raise UsageError(f"{what}: {visible(one)} is dropped by the same command; right would be one of the two")


def _setting(text: str, ids: set[str]) -> Setting:
    """`ID.FIELD=V`: ids may hold points and equals signs, so the first reading that names a sighting wins."""
    readings = []
    for at, mark in enumerate(text):
        left, dot, name = text[:at].rpartition(".")
        if mark == "=" and dot and left:
            readings.append((left, name, text[at + 1 :]))
    if not readings:
        raise UsageError(
            f"--set {visible(text)}: is not ID.FIELD=V; right would be S1.length_m=95, or S1.vessel_name= to empty it"
        )
    one, name, value = next((reading for reading in readings if reading[0] in ids), readings[0])
    what = f"--set {visible(text)}"
    _known(one, ids, what)
    ours = _FIELDS.get(records.key(name))
    if ours is None:
        raise UsageError(f"{what}: a sighting has no field {visible(name)!r}; known fields: {', '.join(FIELDS)}")
    return Setting(one, ours, value.strip())


# --- other sightings ------------------------------------------------------------------------------------------------------


def apply(
    changes: Changes,
    sightings: pd.DataFrame,
    scenes: pd.DataFrame,
    *,
    with_fields: Callable[[str, Mapping[str, str]], pd.DataFrame],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The sightings and scenes as they would have been read: new tables, the given ones stay.

    A group of which the list says that it is one hull is dissolved when two of its sightings are said to be two: the tool
    then groups its sightings itself, all but those two.

    Parameters
    ----------
    sightings, scenes : as they were read
    with_fields : one row of `tables.SIGHTINGS`, read again with other fields
    """
    seen = sightings[~sightings["sighting_id"].isin(changes.dropped)]
    fields: dict[str, dict[str, str]] = {}
    for one in changes.settings:
        fields.setdefault(one.sighting_id, {})[one.field] = one.value
    if fields:
        rows = [with_fields(sighting_id, own) for sighting_id, own in sorted(fields.items())]
        seen = pd.concat([seen[~seen["sighting_id"].isin(set(fields))], *rows], ignore_index=True)
    group_of = dict(zip(seen["sighting_id"], seen["observation_group"].astype(object), strict=True))
    broken = {group_of[one] for one, other in changes.not_same if group_of[one] == group_of[other]}
    if broken:
        seen = seen.assign(observation_group=seen["observation_group"].where(~seen["observation_group"].isin(broken)))
    looked = scenes[~scenes["scene_id"].isin(changes.scenes)]
    return tables.to_pandas(seen, tables.SIGHTINGS), tables.to_pandas(looked, tables.SCENES)


# --- before and after -----------------------------------------------------------------------------------------------------


def compare(before: Frames, after: Frames, changes: Changes) -> Row:
    """Everything that is another answer after the changes, as plain data.

    `trips`: those whose probability moves by `MOVED_P` or more, that appear or vanish, whose flag or tier changes, or that
    lose or gain one of the sightings asked about; with both rows, what was lost and which factors moved. `matches`:
    hypotheses that moved. `throughput`: rows with other numbers. A trip of a port call that lost a sighting has another id
    and is still one trip.
    """
    trips = _trips(before, after, changes)
    return {
        "flagged": {"before": _flagged(before), "after": _flagged(after)},
        "port_calls": {"before": len(before["port_calls"]), "after": len(after["port_calls"])},
        "trips": trips,
        "n_trips": {"before": len(before["round_trips"]), "after": len(after["round_trips"])},
        "matches": _matches(before, after),
        "throughput": _throughput(before, after),
        "notes": _notes(before, after, changes),
    }


def _flagged(frames: Frames) -> int:
    return int(frames["round_trips"]["is_flagged"].astype(bool).sum())


_TRIP = (
    "trip_id",
    "vessel_key",
    "vessel_name",
    "dark_port",
    "dark_start_utc",
    "dark_end_utc",
    "p_trip",
    "tier",
    "is_flagged",
    "call_ids",
    "n_sightings",
    "weakest_link",
)


def _told(frames: Frames) -> dict[str, Row]:
    """Trips by id: what is shown of each, with the sightings of its calls."""
    members = dict(zip(frames["port_calls"]["call_id"], frames["port_calls"]["sighting_ids"], strict=True))
    found = {}
    for row in frames["round_trips"][list(_TRIP)].to_dict("records"):
        told = plain(row)
        found[told["trip_id"]] = {
            **told,
            "sightings": sorted({s for c in told["call_ids"] for s in members.get(c, ())}),
        }
    return found


def _trips(before: Frames, after: Frames, changes: Changes) -> list[Row]:
    was, now = _told(before), _told(after)
    ends = {
        str(e): c
        for c, ids in zip(after["port_calls"]["call_id"], after["port_calls"]["sighting_ids"], strict=True)
        for e in ids
    }
    bits_before, bits_after = _bits(before), _bits(after)
    out = []
    for old_id, new_id in _pairs(was, now):
        old, new = was.get(old_id or ""), now.get(new_id or "")
        what = _what(old, new, changes.named)
        if not what:
            continue
        seen_before, seen_after = (set(one["sightings"]) if one else set() for one in (old, new))
        lost = [{"sighting_id": s, "why": _lost(s, changes, ends)} for s in sorted(seen_before - seen_after)]
        gained = [{"sighting_id": s, "why": _said_of(s, changes)} for s in sorted(seen_after - seen_before)]
        kept = [
            {"sighting_id": s, "why": why} for s in sorted(seen_before & seen_after) if (why := _said_of(s, changes))
        ]
        moved = _factors(bits_before.get(old_id or "", {}), bits_after.get(new_id or "", {})) if old and new else []
        out.append(
            {
                "trip_id": old_id or new_id,
                "change": what,
                "before": old,
                "after": new,
                "lost": lost,
                "gained": gained,
                "changed": kept,
                "factors": moved,
                "why": "; ".join(filter(None, (_why(lost, gained, kept, moved), _listing(old, new)))),
            }
        )
    return sorted(out, key=lambda one: (-_size(one), one["trip_id"]))


def _pairs(was: Mapping[str, Row], now: Mapping[str, Row]) -> list[tuple[str | None, str | None]]:
    """Trips before and after: by id, else the same ship's (or nobody's) by the sightings they share, the most first."""
    pairs: list[tuple[str | None, str | None]] = [(one, one) for one in was if one in now]
    old, new = [one for one in was if one not in now], [one for one in now if one not in was]
    rank = sorted(
        (-len(set(was[a]["sightings"]) & set(now[b]["sightings"])), a, b)
        for a in old
        for b in new
        if set(was[a]["sightings"]) & set(now[b]["sightings"]) and was[a]["vessel_key"] == now[b]["vessel_key"]
    )
    free_old, free_new = set(old), set(new)
    for _, a, b in rank:
        if a in free_old and b in free_new:
            pairs.append((a, b))
            free_old.remove(a)
            free_new.remove(b)
    return [*pairs, *((a, None) for a in sorted(free_old)), *((None, b) for b in sorted(free_new))]


def _what(old: Row | None, new: Row | None, named: frozenset[str]) -> list[str]:
    """In which ways a trip is another one; none: it is the same answer. Sightings nobody asked about may change places."""
    if old is None or new is None:
        return ["appears" if old is None else "vanishes"]
    found = []
    if old["is_flagged"] != new["is_flagged"]:
        found.append("newly flagged" if new["is_flagged"] else "no longer flagged")
    p, q = old["p_trip"], new["p_trip"]
    if (p is None) != (q is None) or (p is not None and _moved(p, q)):
        found.append("other probability")
    if old["tier"] != new["tier"]:
        found.append("other tier")
    if named & (set(old["sightings"]) ^ set(new["sightings"])):
        found.append("other sightings")
    return found


def _moved(p: float, q: float) -> bool:
    """Whether two published probabilities differ by `MOVED_P`, in millionths: 0.50 to 0.51 does, whatever floats say."""
    return abs(round(p * 1e6) - round(q * 1e6)) >= round(MOVED_P * 1e6)


def _size(one: Row) -> float:
    old, new = (float(row["p_trip"] or 0.0) if row else 0.0 for row in (one["before"], one["after"]))
    return abs(old - new)


def _lost(sighting_id: str, changes: Changes, call_of: Mapping[str, str]) -> str:
    """Where a sighting went that carries a trip no longer."""
    if sighting_id in changes.dropped:
        return "dropped"
    where = (
        f"now in call {call_of[sighting_id]}, which this trip does not hold"
        if sighting_id in call_of
        else "in no call now"
    )
    said = _said_of(sighting_id, changes)
    return f"{said}; {where}" if said else where


def _said_of(sighting_id: str, changes: Changes) -> str:
    """What the changes say of one sighting."""
    said = [
        f"{one.field} is {one.value}" if one.value else f"no {one.field}"
        for one in changes.settings
        if one.sighting_id == sighting_id
    ]
    for pair in changes.not_same:
        if sighting_id in pair:
            said.append(f"not the hull of {pair[0] if pair[1] == sighting_id else pair[1]}")
    return ", ".join(said)


def _bits(frames: Frames) -> dict[str, dict[str, Row]]:
    """Evidence of trips by subject and factor; a factor of several rows counts once, with their sum."""
    of_trips = frames["evidence"][frames["evidence"]["subject_id"].isin(set(frames["round_trips"]["trip_id"]))]
    found: dict[str, dict[str, Row]] = {}
    for row in of_trips.sort_values(["subject_id", "rank"]).to_dict("records"):
        own = found.setdefault(str(row["subject_id"]), {})
        told = own.setdefault(str(row["factor"]), {"bits": 0.0, "because": ""})
        told["bits"] = round(told["bits"] + row["bits"], 3)
        told["because"] = "; ".join(filter(None, (told["because"], row["because"])))
    return found


def _factors(old: Mapping[str, Row], new: Mapping[str, Row]) -> list[Row]:
    """Factors of a trip that weigh something else, the largest change first; a factor that is not there weighs nothing.

    Those that move by `MOVED_BITS` or more; where none does, the one that moves most.
    """
    rows: list[Row] = []
    for name in dict.fromkeys([*old, *new]):
        was, now = (float(one[name]["bits"]) if name in one else 0.0 for one in (old, new))
        if was != now:
            because = {
                when: one[name]["because"] if name in one else None for when, one in (("before", old), ("after", new))
            }
            rows.append({"factor": name, "bits_before": was, "bits_after": now, "because": because})
    rows.sort(key=lambda row: (-abs(row["bits_after"] - row["bits_before"]), row["factor"]))
    large = [row for row in rows if round(abs(row["bits_after"] - row["bits_before"]), 3) >= MOVED_BITS]
    return large or rows[:1]


def _why(lost: Sequence[Row], gained: Sequence[Row], kept: Sequence[Row], moved: Sequence[Row]) -> str:
    """One sentence: sightings first, then the factors that moved."""
    parts = [f"{word} {text}" for word, rows in (("lost", lost), ("gained", gained)) for text in _by_reason(rows)]
    parts += [f"{one['sighting_id']}: {one['why']}" for one in kept]
    if moved:
        shift = [f"{one['factor']} {one['bits_after'] - one['bits_before']:+.3f}" for one in moved]
        parts.append(f"bits: {', '.join(shift)}")
    return "; ".join(parts)


def _listing(old: Row | None, new: Row | None) -> str:
    """Why a trip is listed only before or only after: trips come with the calls of a silence, and with their probability."""
    if old is None:
        return "listed now: its silence holds one call more, or is likely enough to be listed"
    if new is None:
        return "listed no longer: its silence holds one call less, or is too unlikely to be listed"
    return ""


def _by_reason(rows: Sequence[Row]) -> list[str]:
    """Sightings with one reason in one list."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["why"], []).append(row["sighting_id"])
    return [f"{', '.join(ids)} ({why})" if why else ", ".join(ids) for why, ids in found.items()]


_HYPOTHESIS = ["sighting_id", "hypothesis", "vessel_key", "gap_id"]


def _matches(before: Frames, after: Frames) -> list[Row]:
    """Hypotheses whose probability moves; null where the sighting is left out, or where the hypothesis is not listed."""
    names = {k: n for frames in (after, before) for k, n in _names(frames).items()}
    both = (
        before["matches"][[*_HYPOTHESIS, "p_match"]]
        .merge(after["matches"][[*_HYPOTHESIS, "p_match"]], on=_HYPOTHESIS, how="outer", suffixes=("_before", "_after"))
        .to_dict("records")
    )
    rows = []
    for row in map(plain, both):
        p, q = row["p_match_before"], row["p_match_after"]
        if _moved(p or 0.0, q or 0.0):
            rows.append({**row, "vessel_name": names.get(row["vessel_key"])})
    return sorted(
        rows,
        key=lambda r: (
            -abs((r["p_match_before"] or 0.0) - (r["p_match_after"] or 0.0)),
            *(str(r[name]) for name in _HYPOTHESIS),
        ),
    )


def _names(frames: Frames) -> dict[str, str | None]:
    return dict(zip(frames["vessels"]["vessel_key"], map(plain, frames["vessels"]["vessel_name"]), strict=True))


_COUNTS = ("n_calls_low", "n_calls", "n_calls_high", "containers_low", "containers_high")


def _throughput(before: Frames, after: Frames) -> list[Row]:
    """Rows of the throughput with other numbers."""
    key = tables.THROUGHPUT.key
    was, now = (
        {tuple(row[k] for k in key): row for row in map(plain, frames["throughput"].to_dict("records"))}
        for frames in (before, after)
    )
    rows = []
    for place in sorted({*was, *now}):
        old, new = ({c: row[c] for c in _COUNTS} if (row := one.get(place)) else None for one in (was, now))
        if old != new:
            rows.append({**dict(zip(key, place, strict=True)), "before": old, "after": new})
    return rows


def _notes(before: Frames, after: Frames, changes: Changes) -> list[str]:
    """What a reader of the answer must know to read it right."""
    seen = before["sightings"].set_index("sighting_id")
    said = []
    listed = set(after["scenes"]["scene_id"])
    for scene, group in seen[seen.index.isin(changes.dropped)].groupby("scene_id", sort=True):
        if scene in listed:
            said.append(
                f"scene {scene} still counts, as a picture without {', '.join(sorted(group.index))}; drop the scene too if the "
                "picture itself is in doubt"
            )
    call_of = {
        s: c
        for c, ids in zip(before["port_calls"]["call_id"], before["port_calls"]["sighting_ids"], strict=True)
        for s in ids
    }
    for one, other in changes.not_same:
        if call_of.get(one) is None or call_of.get(one) != call_of.get(other):
            said.append(f"{one} and {other} were in no call together: saying that they are two hulls changes nothing")
    return said
