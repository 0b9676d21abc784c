"""Who is who: numbers sent by two hulls at once, ships that go on under another number, transponders that a picture contradicts.

Everything here is named and shown beside its evidence; nothing is merged, and no silence is called dark because of it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from ghostships import sphere
from ghostships.inference import factors, findings
from ghostships.inference.findings import Finding
from ghostships.routes import Route
from ghostships.units import KM_PER_NM, US_PER_HOUR

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SHARED_HOURS, SHARED_TURNS = 3, 4
"""Two hulls send one number when both are heard in at least three hours, or one after the other at least four times (there, away,
there, away, there): a stray position or two does neither."""
SHARED_POSITIONS, SHARED_PART = 10, 0.02
"""A hull has at least so many positions, and such a part of all under its number. Of the real dirty tracks looked at, a transponder
that sends noise made tracks of up to 18 positions and 0.4 %, a clock that jumps one of 4; true second hulls had 5 % and more."""
SHARED_NM = 5.0
"""Nearer than this the two tracks may be one ship with a poor fix."""

FOLLOW_KN, SLACK_H = 25.0, 0.25
"""What one ship can do between two places: what published segmenters allow (`segments`)."""
AT_ONCE_STEPS = 2
"""Impossible steps between the tracks of two numbers that show two hulls; one may be a stray position."""

RENUMBERED_SHARE = 0.02
"""Prior share of ships that go on under another number within a run of weeks (flag changes are a few per cent of a fleet in a year;
own judgement, on the generous side: the hypothesis is only shown)."""
P_KEEPS_IDENTITY = 0.9
"""A ship under a new number still sends its IMO number, or its name, call sign and length."""
KNOWN_PAIRS = 10_000
"""Pairs of different ships, beside those of the run, in which half a pair is thought to send the same identity (own judgement: a
typing error that is another ship's valid number is that rare)."""
MOST_NUMBERS = 5
"""An IMO number that more ships send was set at a factory or is made up: it names nobody."""
LEAST_NAME = 4

FROM_P = 0.5
"""A silence is no longer called dark when the ship is likelier than not heard under another number meanwhile."""

LEAST_CONTRADICTION_KM = 10.0
CONTRADICTION_H = 3.0
"""As in `transmitting`: nearer a port's size and both errors explain it; later the ship may have sailed anywhere on the coast."""


# One number, several hulls --------------------------------------------------------------------------------------------


def shared(segment_hours: pl.DataFrame) -> list[Finding]:
    """Numbers under which two hulls were heard at once, from the hours of their tracks (`segments.find`).

    Limits: a false track that lasts (a circle that was not recognised, say) looks like a second hull.
    """
    hulls = segment_hours.group_by("vessel_key").agg(n=pl.col("hull").n_unique()).filter(pl.col("n") > 1)
    if hulls.is_empty():
        return []
    rows = (
        segment_hours.join(hulls, on="vessel_key", how="semi")
        .filter(pl.col("last_lat_deg").is_not_null())
        .sort("vessel_key", "hour_utc", "last_utc", "hull")
    )
    found = []
    for own in rows.partition_by("vessel_key", maintain_order=True):
        finding = _shared_by(own)
        if finding is not None:
            found.append(finding)
    return found


def _shared_by(rows: pl.DataFrame) -> Finding | None:
    hull, hour = rows["hull"].to_numpy(), rows["hour_utc"].dt.epoch("us").to_numpy() // US_PER_HOUR
    lat, lon = rows["last_lat_deg"].to_numpy(), rows["last_lon_deg"].to_numpy()
    sent = rows["n_positions"].to_numpy()
    numbers, index = np.unique(hull, return_inverse=True)
    counts = np.bincount(index, sent)
    pairs: list[tuple[int, int]] = []
    at_once: set[int] = set()
    apart: list[float] = []
    heavy = numbers[counts >= max(SHARED_POSITIONS, SHARED_PART * counts.sum())]
    for i, a in enumerate(heavy):
        for b in heavy[i + 1 :]:
            of_a, of_b = np.flatnonzero(hull == a), np.flatnonzero(hull == b)
            both, at_a, at_b = np.intersect1d(hour[of_a], hour[of_b], return_indices=True)
            nm = sphere.gc_km(lat[of_a[at_a]], lon[of_a[at_a]], lat[of_b[at_b]], lon[of_b[at_b]]) / KM_PER_NM
            far = nm >= SHARED_NM
            two = np.sort(np.concatenate([of_a, of_b]))
            turns = np.flatnonzero(hull[two][1:] != hull[two][:-1])
            before, after = two[turns], two[turns + 1]
            turn_nm = sphere.gc_km(lat[before], lon[before], lat[after], lon[after]) / KM_PER_NM
            hard = turn_nm > FOLLOW_KN * (hour[after] - hour[before] + 1)
            if far.sum() >= SHARED_HOURS or hard.sum() >= SHARED_TURNS:
                pairs.append((int(a), int(b)))
                at_once |= {int(x) for x in both[far]}
                apart += [*nm[far], *turn_nm[hard]]
    if not pairs:
        return None
    involved = sorted({x for pair in pairs for x in pair})
    theirs = rows.filter(pl.col("hull").is_in(involved))
    firsts = theirs.unique("hull", keep="first", maintain_order=True).sort("hull")
    start = firsts["first_heard_utc"].sort()[1]
    ends = theirs.group_by("hull").agg(pl.col("last_heard_utc").max())["last_heard_utc"].sort()
    end = max(start, ends[-2])
    key = str(rows["vessel_key"][0])
    # Tracks of one hull may have been parted by a doubt; hulls of one hour are certainly several.
    n_hulls = max(2, *theirs.group_by("hour_utc").agg(n=pl.col("hull").n_unique())["n"].to_list())
    because = (
        f"at least {n_hulls} hulls were heard under {key}, two of them in {len(at_once)} of the same hours, "
        f"{float(np.median(apart)):.0f} nm apart in the middle of these times: no ship is at both places"
    )
    return Finding(
        "shared_mmsi", [key], start, end, float(firsts["last_lat_deg"][-1]), float(firsts["last_lon_deg"][-1]), n_hulls,
        because, [str(s) for s in firsts["first_source"]],
    )  # fmt: skip


# One identity, several numbers ----------------------------------------------------------------------------------------


def renumbered(statics: pl.DataFrame, segment_hours: pl.DataFrame) -> list[Finding]:
    """Ships that send the identity of another: perhaps one that goes on under a new number, or two that cannot be one.

    Two numbers with one IMO number, or with one name, call sign and length, are compared where one track follows the other. Where
    one ship can have sailed both, the finding is `same_ship_other_mmsi` with the bits and the probability that it did; where it
    cannot, `contradiction`. How often different ships send one identity is counted among pairs heard at the same time.
    """
    groups = _same_identity(statics)
    if not groups:
        return []
    spans = (
        segment_hours.filter(pl.col("last_lat_deg").is_not_null())
        .group_by("vessel_key")
        .agg(pl.col("first_heard_utc").min().alias("start"), pl.col("last_heard_utc").max().alias("end"))
        .sort("vessel_key")
    )
    keys = set(spans["vessel_key"])
    groups = {identity: heard for identity, of in groups.items() if len(heard := [k for k in of if k in keys]) > 1}
    alike = {k for of in groups.values() for k in of}
    tracks = {
        str(own["vessel_key"][0]): own
        for own in segment_hours.filter(
            pl.col("vessel_key").is_in(sorted(alike)) & pl.col("last_lat_deg").is_not_null()
        )
        .sort("vessel_key", "first_utc", "hull")
        .partition_by("vessel_key", maintain_order=True)
    }
    found: dict[tuple[str, ...], Finding] = {}
    compared = []
    for identity, of in groups.items():
        if len(of) > MOST_NUMBERS:
            found.setdefault(tuple(sorted(of)), _nobodys(identity, of, tracks))
            continue
        ordered = sorted(of, key=lambda k: (tracks[k]["first_heard_utc"][0], k))
        compared += [(identity, a, b, _steps(tracks[a], tracks[b])) for a, b in zip(ordered, ordered[1:], strict=False)]
    n_at_once = len({(a, b) for _, a, b, (hard, _) in compared if hard >= AT_ONCE_STEPS})
    chance = (n_at_once + 0.5) / (_pairs_at_once(spans) + KNOWN_PAIRS)
    for identity, a, b, (hard, nearest_nm) in compared:
        if (a, b) in found:
            continue
        if hard >= AT_ONCE_STEPS:
            found[a, b] = _two_hulls(identity, tracks[a], tracks[b], hard, nearest_nm)
        else:
            found[a, b] = _one_hull(identity, tracks[a], tracks[b], chance, spans, segment_hours)
    return list(found.values())


def _same_identity(statics: pl.DataFrame) -> dict[str, list[str]]:
    """Identities sent under more than one number: in words, with the numbers; IMO numbers first."""
    imos = statics.filter(pl.col("imo").is_not_null()).group_by("imo", "vessel_key").agg(pl.col("n_messages").sum())
    share = pl.col("n_messages") / pl.col("n_messages").sum().over("vessel_key")
    # A number sent once in a hundred messages is a flipped bit.
    imos = imos.filter((pl.col("n_messages") >= 2) | (share >= 0.1))
    out: dict[str, list[str]] = {}
    own: dict[str, set[int]] = defaultdict(set)
    for imo, key in imos.select("imo", "vessel_key").sort("imo", "vessel_key").iter_rows():
        out.setdefault(f"IMO {imo}", []).append(key)
        own[key].add(imo)
    named = statics.filter(
        pl.col("vessel_name").is_not_null() & pl.col("call_sign").is_not_null() & pl.col("length_m").is_not_null()
    )
    by_name = named.select("vessel_name", "call_sign", "length_m", "vessel_key").unique().sort(pl.all())
    for name, call_sign, length, key in by_name.iter_rows():
        told = "".join(c for c in name.casefold() if c.isalnum())
        if len(told) >= LEAST_NAME and len(call_sign.strip()) >= LEAST_NAME:
            identity = f"name {name}, call sign {call_sign} and {length:.0f} m"
            if key not in out.setdefault(identity, []):
                out[identity].append(key)
    several: dict[str, list[str]] = {}
    for identity, keys in out.items():
        # Different IMO numbers speak against one name.
        known = [own[k] for k in keys if own.get(k)]
        conflict = not identity.startswith("IMO") and len(known) > 1 and not set.intersection(*known)
        if len(keys) > 1 and not conflict:
            several[identity] = keys
    return several


def _steps(a: pl.DataFrame, b: pl.DataFrame) -> tuple[int, float]:
    """Steps from one number's track to the other's that no ship makes, and the shortest of them [nm]."""
    both = pl.concat([a.with_columns(who=pl.lit(0)), b.with_columns(who=pl.lit(1))]).sort("first_utc", "who", "hull")
    who, hull = both["who"].to_numpy(), both["hull"].to_numpy()
    at_first, at_last = (both[f"{side}_utc"].dt.epoch("us").to_numpy() / US_PER_HOUR for side in ("first", "last"))
    # Hulls of one number are not compared with each other, only with the other number's.
    turn = np.flatnonzero(who[1:] != who[:-1])
    if not len(turn):
        return 0, math.nan
    before, after = turn, turn + 1
    nm = (
        sphere.gc_km(
            both["last_lat_deg"].to_numpy()[before], both["last_lon_deg"].to_numpy()[before],
            both["first_lat_deg"].to_numpy()[after], both["first_lon_deg"].to_numpy()[after],
        )
        / KM_PER_NM
    )  # fmt: skip
    passed = np.maximum(at_first[after] - at_last[before], 0.0)
    hard = (nm > FOLLOW_KN * (passed + SLACK_H)) & (hull[before] >= 0)
    return int(hard.sum()), float(nm[hard].min()) if hard.any() else math.nan


def _pairs_at_once(spans: pl.DataFrame) -> int:
    """Pairs of numbers whose times of being heard overlap: certainly different transponders."""
    start, end = (spans[c].dt.epoch("us").to_numpy() for c in ("start", "end"))
    n = len(start)
    apart = int(np.searchsorted(np.sort(end), start, side="left").sum())
    return n * (n - 1) // 2 - apart


def _one_hull(
    identity: str, a: pl.DataFrame, b: pl.DataFrame, chance: float, spans: pl.DataFrame, hours: pl.DataFrame
) -> Finding:
    """The hypothesis that the ship of the first number goes on under the second, with its bits."""
    last, first = a.row(-1, named=True), b.row(0, named=True)
    key_a, key_b = str(last["vessel_key"]), str(first["vessel_key"])
    follows = first["first_utc"] >= last["last_utc"]
    newcomers = spans.filter(pl.col("vessel_key") != key_a)
    if follows:
        newcomers = newcomers.filter(pl.col("start") >= last["last_heard_utc"])
    n_new = max(newcomers.height, 1)
    steps = [
        factors.Factor(
            "prior",
            math.log2(RENUMBERED_SHARE / n_new),
            f"one ship in {1 / RENUMBERED_SHARE:.0f}, {n_new} numbers may be its new one",
        ),
        factors.Factor(
            "identity",
            factors.ratio_bits(P_KEEPS_IDENTITY, chance),
            f"both send {identity}; different ships do so in about {chance:.1g} of pairs",
        ),
    ]  # fmt: skip
    away_text = "they were heard in turn, and one ship can have sailed both tracks"
    if follows:
        hours_between = (first["first_utc"] - last["last_utc"]).total_seconds() / 3600
        place = (last["last_lat_deg"], last["last_lon_deg"])
        nm = float(sphere.gc_km(*place, first["first_lat_deg"], first["first_lon_deg"]) / KM_PER_NM)
        reach_nm = FOLLOW_KN * (hours_between + SLACK_H)
        share = _share_within(hours, first["hour_utc"], place, reach_nm, {key_a, key_b})
        fits = nm <= reach_nm
        away_text = f"{nm:.0f} nm and {hours_between:.1f} h after {key_a} was last heard; {share:.0%} of other ships were as near"
        bits = factors.ratio_bits(0.98, share) if fits else factors.ratio_bits(0.02, 1 - share)
        steps.append(factors.Factor("place", bits, away_text))
    steps, bits = factors.waterfall(steps)
    p = factors.probability(bits)
    arithmetic = ", ".join(f"{f.name} {f.bits:+.1f}" for f in steps)
    because = (
        f"{key_b} sends {identity} as {key_a} does, first heard {away_text}: consistent with one ship under another number with "
        f"p = {p:.3f} ({arithmetic} bits); shown, not merged"
    )
    return Finding(
        "same_ship_other_mmsi", [key_a, key_b], first["first_heard_utc"], b["last_heard_utc"].max(),  # type: ignore[arg-type]
        first["first_lat_deg"], first["first_lon_deg"], 1, because, [str(last["last_source"]), str(first["first_source"])],
        bits=bits, p=p,
    )  # fmt: skip


def _share_within(
    hours: pl.DataFrame, hour: datetime, place: tuple[float, float], reach_nm: float, but: set[str]
) -> float:
    """Share of the other ships heard about then that were within reach of a place; never quite 0 or 1."""
    near = hours.filter(
        pl.col("hour_utc").is_between(hour - timedelta(hours=3), hour + timedelta(hours=3))
        & pl.col("last_lat_deg").is_not_null()
        & ~pl.col("vessel_key").is_in(sorted(but))
    ).unique("vessel_key", keep="first", maintain_order=True)
    nm = sphere.gc_km(near["last_lat_deg"].to_numpy(), near["last_lon_deg"].to_numpy(), *place) / KM_PER_NM
    return (float((nm <= reach_nm).sum()) + 1) / (len(nm) + 2)


def _two_hulls(identity: str, a: pl.DataFrame, b: pl.DataFrame, hard: int, nearest_nm: float) -> Finding:
    first, other = b.row(0, named=True), a.row(0, named=True)
    start, end = max(first["first_heard_utc"], other["first_heard_utc"]), min(
        a["last_heard_utc"].max(), b["last_heard_utc"].max()  # type: ignore[type-var]
    )  # fmt: skip
    because = (
        f"{other['vessel_key']} and {first['vessel_key']} both send {identity}, but {hard} times one was heard where the other "
        f"cannot have sailed to by then, at least {nearest_nm:.0f} nm off: two hulls, one of them under an identity not its own"
    )
    return Finding(
        "contradiction", [str(other["vessel_key"]), str(first["vessel_key"])], start, max(start, end), first["first_lat_deg"],
        first["first_lon_deg"], 2, because, [str(other["first_source"]), str(first["first_source"])],
    )  # fmt: skip


def _nobodys(identity: str, keys: Iterable[str], tracks: dict[str, pl.DataFrame]) -> Finding:
    firsts = [tracks[k].row(0, named=True) for k in sorted(keys)]
    ends = [tracks[k]["last_heard_utc"].max() for k in sorted(keys)]
    because = f"{identity} is sent under {len(firsts)} numbers: it names nobody, and no ship is told by it"
    return Finding(
        "contradiction", sorted(keys), min(f["first_heard_utc"] for f in firsts), max(ends), firsts[0]["first_lat_deg"],  # type: ignore[type-var, arg-type]
        firsts[0]["first_lon_deg"], len(firsts), because, [str(f["first_source"]) for f in firsts],
    )  # fmt: skip


# A picture against a transponder --------------------------------------------------------------------------------------


def contradicted(
    sightings: pd.DataFrame, positions: pl.DataFrame, vessels: pd.DataFrame, *, route: Route
) -> list[Finding]:
    """Ships read by name in a picture while their transponder puts them where they cannot have come from.

    A position heard within `CONTRADICTION_H` of an exactly timed sighting contradicts it when even the fastest ship of the route
    could not have sailed between the two. One of them is wrong: the name, or the transponder. Windows of time are not judged.
    """
    seen = sightings[(sightings["observation_type"] == "vessel") & (sightings["start_utc"] == sightings["end_utc"])]
    seen = seen[seen["vessel_name"].notna() | seen["imo"].notna()]
    if seen.empty or positions.is_empty():
        return []
    fastest = max(s.kn for s in route.top_speeds)
    placed = positions.filter(pl.col("lat_deg").is_not_null()).with_columns(us=pl.col("time_utc").dt.epoch("us"))
    placed = placed.sort("us", maintain_order=True)
    tracks = {str(t["vessel_key"][0]): t for t in placed.partition_by("vessel_key", maintain_order=True)}
    found = []
    s: Any
    for s in seen.sort_values("sighting_id").itertuples(index=False):
        port = next((p for p in route.ports if p.id == s.port), None)
        place = (s.lat_deg, s.lon_deg) if s.lat_deg == s.lat_deg else (port.lat_deg, port.lon_deg) if port else None
        if place is None:
            continue
        for ship in _read(s, vessels, route):
            finding = _contradicts(s, place, str(ship.vessel_key), tracks.get(str(ship.vessel_key)), fastest)
            if finding is not None:
                found.append(finding)
    return found


def _read(s: Any, vessels: pd.DataFrame, route: Route) -> list[Any]:
    """Ships whose name or IMO number is the one read in a sighting."""
    name, imo = s.vessel_name if isinstance(s.vessel_name, str) else None, None if pd.isna(s.imo) else int(s.imo)
    out = []
    ship: Any
    for ship in vessels.itertuples(index=False):
        own = (
            ship.vessel_name if isinstance(ship.vessel_name, str) else None,
            None if pd.isna(ship.imo) else int(ship.imo),
        )
        if factors.name_read(name, imo, *own, p_correct=route.priors.p_name_correct)[0] > 1:
            out.append(ship)
    return out


def _contradicts(
    s: Any, place: tuple[float, float], key: str, track: pl.DataFrame | None, fastest_kn: float
) -> Finding | None:
    if track is None:
        return None
    at, within = s.start_utc.value // 1000, round(CONTRADICTION_H * US_PER_HOUR)
    us = track["us"].to_numpy()
    low, high = np.searchsorted(us, at - within), np.searchsorted(us, at + within, side="right")
    if low == high:
        return None
    near = track[int(low) : int(high)]
    late = np.abs(us[low:high] - at) / US_PER_HOUR
    apart = sphere.gc_km(near["lat_deg"].to_numpy(), near["lon_deg"].to_numpy(), *place)
    over = apart - (fastest_kn * KM_PER_NM * late + LEAST_CONTRADICTION_KM)
    worst = int(np.argmax(over))
    if not over[worst] > 0:
        return None
    row = near.row(worst, named=True)
    because = (
        f"sighting {s.sighting_id} reads ship {key}, whose transponder was {apart[worst]:.0f} km away "
        f"{60 * late[worst]:.0f} min from then: the name or the transponder is wrong"
    )
    start, end = sorted((s.start_utc, pd.Timestamp(row["time_utc"])))
    own_row = s.source_row if isinstance(s.source_row, str) else str(s.sighting_id)
    return Finding(
        "contradiction", [key], start, end, place[0], place[1], 1, because, [own_row, f"{row['source_file']}:{row['source_row']}"]
    )  # fmt: skip


# What follows for silences --------------------------------------------------------------------------------------------


def excuse(
    judged: pd.DataFrame, gaps: pd.DataFrame, identities: pd.DataFrame, *, min_gap_h: float, as_of_utc: datetime | None
) -> pd.DataFrame:
    """`judged` (one row per gap, as `reception.judge` gives it) with the silences that a finding explains.

    A silence of which less than `min_gap_h` [h] is left without the times of a jamming cluster or false track of its ship, or of a
    cluster that began around the place where it went silent, is void, and so is one of which less is left without the times in
    which the ship is likelier than not heard under another number. A longer one of the latter kind stays, but whether its
    transponder was off cannot be said.
    """
    if identities.empty or gaps.empty:
        return judged
    out = judged.set_index("gap_id")
    told = identities[identities["kind"].isin([*findings.NOT_BELIEVED, "same_ship_other_mmsi"])]
    gap: Any
    f: Any
    open_end = pd.Timestamp(as_of_utc) if as_of_utc is not None else gaps["start_utc"].max()
    ends = gaps["end_utc"].fillna(open_end)
    lat, lon = gaps["start_lat_deg"].to_numpy(float), gaps["start_lon_deg"].to_numpy(float)
    lost: dict[str, list[tuple[pd.Timestamp, pd.Timestamp, Any]]] = defaultdict(list)
    for f in told.sort_values(["start_utc", "finding_id"]).itertuples(index=False):
        during = ((gaps["start_utc"] < f.end_utc) & (ends > f.start_utc)).to_numpy()
        if f.kind == "same_ship_other_mmsi":
            if not f.p >= FROM_P:
                continue
            concerned = (gaps["vessel_key"].isin(f.vessel_keys) & (gaps["start_utc"] < f.start_utc)).to_numpy()
        else:
            near = sphere.gc_km(lat, lon, f.from_lat_deg, f.from_lon_deg) <= f.from_radius_km
            concerned = gaps["vessel_key"].isin(f.vessel_keys).to_numpy() | near
        for at in np.flatnonzero(during & concerned):
            start, end = max(gaps["start_utc"].iloc[at], f.start_utc), min(ends.iloc[at], f.end_utc)
            lost[str(gaps["gap_id"].iloc[at])].append((start, end, f))
    for gap in gaps[gaps["gap_id"].isin(list(lost))].itertuples(index=False):
        spans = lost[gap.gap_id]
        whole_h = ((gap.end_utc if not pd.isna(gap.end_utc) else open_end) - gap.start_utc).total_seconds() / 3600
        left_h = whole_h - _covered_h([(a, b) for a, b, _ in spans])
        kinds = {f.kind for *_, f in spans}
        if left_h >= min_gap_h and kinds <= set(findings.NOT_BELIEVED):
            continue
        why = "; ".join(dict.fromkeys(_why(f) for *_, f in spans))
        out.loc[gap.gap_id, "because"] = f"cannot say: {why}"
        out.loc[gap.gap_id, "p_off"] = math.nan
        if left_h < min_gap_h:
            out.loc[gap.gap_id, "state"] = "void"
    return out.reset_index()[list(judged.columns)]


def _covered_h(spans: list[tuple[pd.Timestamp, pd.Timestamp]]) -> float:
    """Hours in any of the spans."""
    total, reached = 0.0, None
    for start, end in sorted(spans):
        begin = start if reached is None else max(start, reached)
        if end > begin:
            total += (end - begin).total_seconds() / 3600
        reached = end if reached is None else max(reached, end)
    return total


def _why(f: Any) -> str:
    span = f"from {findings.moment(f.start_utc)} to {findings.moment(f.end_utc)}"
    if f.kind == "jamming_cluster":
        return f"positions here are not believable: jamming cluster of {f.n_ships} ships {span} ({f.finding_id})"
    if f.kind == "spoofed_track":
        return f"positions of this ship are not believable {span}: a track drawn by a machine ({f.finding_id})"
    other = " and ".join(f.vessel_keys)
    return f"consistent with one ship under {other}, heard {span} (p = {f.p:.3f}, {f.finding_id})"
