"""What other publishers say, put beside what we found: which of our gaps and port calls each row agrees with, and which it lacks.

A pure function of tables. It is called after everything is judged and gives nothing back to it: no probability knows of a row
here. Agreement is no second proof either: others hear partly the same messages, and a gap of theirs is often a gap of the same
receivers. "Agrees" means the same ship, by MMSI or IMO number, and time in common; a name alone never links.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from ghostships import tables

if TYPE_CHECKING:
    from ghostships.pipeline import Result

HOUR_S = 3600.0


@dataclass(frozen=True)
class Beside:
    """`rows` is `tables.CONTEXT`, complete; `facts` has one entry per publisher and kind, for the manifest."""

    rows: pd.DataFrame
    facts: list[dict[str, Any]]


@dataclass(frozen=True)
class _Span:
    """Something of ours with a ship and a time, at its longest."""

    id: str
    start: pd.Timestamp
    end: pd.Timestamp
    port: str | None


def put_beside(result: Result, rows: pd.DataFrame) -> tuple[Result, list[dict[str, Any]]]:
    """A finished result with the table `context` beside the others and archives named where to look next, and the facts."""
    own = result.tables
    found = beside(rows, own["gaps"], own["port_calls"], own["vessels"], as_of_utc=result.as_of_utc)
    whole = {**own, tables.CONTEXT.name: found.rows}
    return replace(result, tables=whole, look_next=archive(result.look_next, found.rows)), found.facts


def beside(
    rows: pd.DataFrame,
    gaps: pd.DataFrame,
    port_calls: pd.DataFrame,
    vessels: pd.DataFrame,
    *,
    as_of_utc: datetime | None,
) -> Beside:
    """Say of every row which ship of ours it names, and with which gap or port call of ours it has time in common.

    One row of the result per row given; of several gaps that fit, `agrees_with` has the one with most time in common and the
    smaller id among equals. A row without an end counts as the instant of its start; a gap without an end lasts until
    `as_of_utc`. Port calls agree only at the same port, where both name a port of the route.

    Limits: a publisher can only agree about ships that it names; `facts` compares within those, with what begins in the time
    its rows span, and leaves out silences shorter than the shortest it lists and those that are void here.
    """
    ships = _Ships(vessels)
    silences = _by_ship(_gap_spans(gaps, as_of_utc))
    stays = _by_ship(_call_spans(port_calls))
    found: list[dict[str, Any]] = []
    for row in _records(rows):
        keys, by = ships.named(row["mmsi"], row["imo"]) if row["kind"] != "picture" else ([], None)
        start, end = _times(row, as_of_utc)
        own = {"gap": silences, "port_call": stays}.get(row["kind"], {})
        fitting = _overlaps(own, keys, start, end, row["port"])
        inside = _overlaps(silences, keys, start, end, None) if row["kind"] == "port_call" else []
        found.append(
            {
                **row,
                "vessel_key": keys[0] if keys else None,
                "matched_by": by,
                "agrees_with": fitting[0][1] if fitting else None,
                "overlap_h": round(fitting[0][0] / HOUR_S, 3) if fitting else None,
                "agrees_also_with": [one for _, one in fitting[1:]],
                "in_gap_id": inside[0][1] if inside else None,
            }
        )
    if not found:
        return Beside(tables.empty_pandas(tables.CONTEXT), [])
    said = tables.to_pandas(pd.DataFrame(found, columns=tables.CONTEXT.names), tables.CONTEXT)
    return Beside(said, _facts(said, gaps, silences, stays, ships, as_of_utc))


def archive(look_next: Sequence[Mapping[str, Any]], rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Where to look next, with the pictures that a catalogue offers there and then (`archive`: scene ids, in order of time).

    Without offered pictures the list is returned as it is: nothing is said about archives that nobody searched.
    """
    offered = rows[rows["kind"] == "picture"].sort_values(["start_utc", "context_id"], kind="stable")
    if offered.empty:
        return [dict(one) for one in look_next]
    told = []
    for one in look_next:
        first, last = pd.Timestamp(one["start_utc"]), pd.Timestamp(one["end_utc"])
        found = [
            str(scene)
            for scene, ports, at in zip(offered["publisher_id"], offered["port"], offered["start_utc"], strict=True)
            if first <= at <= last and one["port"] in str(ports).split(";")
        ]
        told.append({**one, "archive": found})
    return told


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def sentence(row: Mapping[str, Any]) -> str:
    """One row of `tables.CONTEXT` in words, for whoever reads about the gap or call it stands beside; its texts are untrusted."""
    ship = row["vessel_name"] or (f"MMSI {row['mmsi']}" if row["mmsi"] else f"IMO {row['imo']}")
    start, end = row["start_utc"] or "not said", row["end_utc"] or "not said"
    if row["kind"] == "picture":
        return f"{row['publisher']} offers {row['publisher_id']} of {start}; nobody is known to have looked at it"
    what = "a gap" if row["kind"] == "gap" else f"a port call at {row['place'] or row['port'] or 'a place not named'}"
    told = f"{row['publisher']} says: {what} of {ship}, {start} to {end}"
    if row["overlap_h"] is not None:
        told += f", {row['overlap_h']:g} h in common with {row['agrees_with']}"
    elif row["in_gap_id"]:
        told += f", within {row['in_gap_id']}, and no port call of ours agrees"
    told += f", matched by {row['matched_by']}" if row["matched_by"] else ""
    return told + (f"; {row['note']}" if row["note"] else "")


class _Ships:
    """Our ships by every MMSI and IMO number that they sent."""

    def __init__(self, vessels: pd.DataFrame) -> None:
        self._by_mmsi: dict[int, list[str]] = defaultdict(list)
        self._by_imo: dict[int, list[str]] = defaultdict(list)
        for key, mmsi, imo in zip(vessels["vessel_key"], vessels["all_mmsi"], vessels["all_imo"], strict=True):
            for number in mmsi:
                self._by_mmsi[int(number)].append(str(key))
            for number in imo:
                self._by_imo[int(number)].append(str(key))

    def named(self, mmsi: Any, imo: Any) -> tuple[list[str], str | None]:
        """Vessel keys that a row names, those of its MMSI first, and by which number."""
        by_mmsi = [] if pd.isna(mmsi) else sorted(self._by_mmsi.get(int(mmsi), []))
        by_imo = [] if pd.isna(imo) else sorted(self._by_imo.get(int(imo), []))
        keys = list(dict.fromkeys([*by_mmsi, *by_imo]))
        if not keys:
            return [], None
        if by_mmsi and by_imo:
            both = "MMSI and IMO" if set(by_mmsi) & set(by_imo) else "MMSI; its IMO is that of another ship here"
            return keys if set(by_mmsi) & set(by_imo) else by_mmsi, both
        return keys, "MMSI" if by_mmsi else "IMO"


def _gap_spans(gaps: pd.DataFrame, as_of_utc: datetime | None) -> Iterable[tuple[str, _Span]]:
    for key, gap, start, end in zip(
        gaps["vessel_key"], gaps["gap_id"], gaps["start_utc"], gaps["end_utc"], strict=True
    ):
        yield str(key), _Span(str(gap), start, _last(start, end, as_of_utc), None)


def _call_spans(port_calls: pd.DataFrame) -> Iterable[tuple[str, _Span]]:
    """Port calls that are put down to a ship, from the earliest arrival to the latest departure that their pictures allow."""
    for call in port_calls[port_calls["vessel_key"].notna()].to_dict("records"):
        start, end = call["arrival_not_before_utc"], call["departure_not_after_utc"]
        start = call["arrival_not_after_utc"] if pd.isna(start) else start
        end = call["departure_not_before_utc"] if pd.isna(end) else end
        yield str(call["vessel_key"]), _Span(str(call["call_id"]), start, end, str(call["port"]))


def _by_ship(spans: Iterable[tuple[str, _Span]]) -> dict[str, list[_Span]]:
    out: dict[str, list[_Span]] = defaultdict(list)
    for key, span in spans:
        out[key].append(span)
    return dict(out)


def _last(start: pd.Timestamp, end: Any, as_of_utc: datetime | None) -> pd.Timestamp:
    if not pd.isna(end):
        return pd.Timestamp(end)
    return start if as_of_utc is None else max(start, pd.Timestamp(as_of_utc))


def _times(row: Mapping[str, Any], as_of_utc: datetime | None) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last instant of a row; one that tells only one of them is that instant, but an open gap."""
    start, end = row["start_utc"], row["end_utc"]
    start = end if pd.isna(start) else start
    return start, _last(start, end, as_of_utc if row["kind"] == "gap" else None)


def _overlaps(
    own: Mapping[str, list[_Span]],
    keys: Sequence[str],
    start: pd.Timestamp,
    end: pd.Timestamp,
    port: Any,
) -> list[tuple[float, str]]:
    """Time in common [s] with everything of these ships that has some, most first; an instant may lie on the edge."""
    found = []
    for key in keys:
        for one in own.get(key, []):
            if one.port is not None and isinstance(port, str) and port not in one.port.split("|"):
                continue
            common = (min(end, one.end) - max(start, one.start)).total_seconds()
            if common > 0 or (common == 0 and (start == end or one.start == one.end)):
                found.append((common, one.id))
    return sorted(found, key=lambda item: (-item[0], item[1]))


def _facts(
    rows: pd.DataFrame,
    gaps: pd.DataFrame,
    silences: Mapping[str, list[_Span]],
    stays: Mapping[str, list[_Span]],
    ships: _Ships,
    as_of_utc: datetime | None,
) -> list[dict[str, Any]]:
    """Per publisher and kind: how many rows, how many of our ships, how many agree, and what of ours the publisher lacks."""
    void = set(gaps.loc[gaps["state"] == "void", "gap_id"])
    out = []
    for (publisher, kind), group in rows.groupby(["publisher", "kind"], sort=True):
        fact: dict[str, Any] = {"publisher": str(publisher), "kind": str(kind), "n_rows": len(group)}
        if kind != "picture":
            agreed = {*group["agrees_with"].dropna(), *(one for also in group["agrees_also_with"] for one in also)}
            named = {
                key for mmsi, imo in zip(group["mmsi"], group["imo"], strict=True) for key in ships.named(mmsi, imo)[0]
            }
            times = [_times(row, as_of_utc) for row in _records(group)]
            first, last = min(a for a, _ in times), max(b for _, b in times)
            shortest_h = _shortest_h(group) if kind == "gap" else 0.0
            ours = [
                one.id
                for key in sorted(named)
                for one in (silences if kind == "gap" else stays).get(key, [])
                if first <= one.start <= last and one.id not in void
                if (one.end - one.start).total_seconds() / HOUR_S >= shortest_h
            ]
            fact |= {
                "n_rows_of_our_ships": int(group["vessel_key"].notna().sum()),
                "n_agree": int(group["agrees_with"].notna().sum()),
                "n_ours_compared": len(ours),
                "lacks": sorted(one for one in ours if one not in agreed),
            }
        out.append({**fact, "because": _sentence(fact)})
    return out


def _shortest_h(group: pd.DataFrame) -> float:
    """Length of the shortest silence that a publisher lists: what is shorter it may not list on purpose."""
    hours = (group["end_utc"] - group["start_utc"]).dt.total_seconds() / HOUR_S
    return float(hours.min()) if hours.notna().any() else 0.0


def _sentence(fact: Mapping[str, Any]) -> str:
    if fact["kind"] == "picture":
        return f"{fact['publisher']}: pictures offered that nobody is known to have looked at: {fact['n_rows']}"
    what = "gaps" if fact["kind"] == "gap" else "port calls"
    told = f"{fact['publisher']}: {what}: {fact['n_rows']}, of ships heard here: {fact['n_rows_of_our_ships']}"
    if not fact["n_rows_of_our_ships"]:
        return told
    told += f", with time in common with one of ours: {fact['n_agree']}"
    if not fact["n_ours_compared"]:
        return told
    return (
        f"{told}; our {what} of those ships that begin in the time its rows span: {fact['n_ours_compared']}, of which it "
        f"lacks: {len(fact['lacks'])}"
    )
