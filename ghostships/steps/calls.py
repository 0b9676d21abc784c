"""Port calls: which sightings are one stay of one hull, and between which pictures it came and went.

    picture       20 Feb        21 Feb                 28 Feb
    seen          110 m, inner  110 m, outer           115 m
                  |---- one call, berth shift ----|    |-- another: no stay of this trade lasts eight days --|

Two sightings are one call when "the same stay went on" is more probable than "it left, and this one came". Only
sightings carry calls: transponder positions and container stacks told in print never make one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ghostships import tables
from ghostships.inference.looks import Apart, Look, digest, group, in_time, independent, number_of, text_of
from ghostships.inference.one_stay import Berthing, Distance, Stay, empty_looks, fewest_hours, named_elsewhere
from ghostships.routes import Route

__all__ = ["find", "group", "unplaced"]


def find(
    sightings: pd.DataFrame,
    scenes: pd.DataFrame,
    *,
    route: Route,
    transmitting: Mapping[str, str] | None = None,
    distance_nm: Distance | None = None,
    apart: Apart = frozenset(),
    visits: Sequence[Sequence[str]] = (),
) -> pd.DataFrame:
    """Port calls: one row per stay of one hull at one port, with bounds instead of times.

    A window means one unknown instant in it: a call has begun by the earliest *end* of a window and lasted at least to
    the latest *start*. `transmitting` names the ships of sightings that a transmitting ship explains; these never join
    dark ones. `distance_nm` gives sea distances between ports of the route [nm]; without it great circles serve, which
    are shorter. Pairs of sightings in `apart` never share a call. Sightings listed
    in `visits` are not joined anew: each entry is one call.

    Limits: a sighting at a place that neither the route nor coordinates fix makes no call (`unplaced` lists them). A
    name read in a picture splits and bounds calls as if it were right.
    """
    if sightings["observation_group"].isna().all():
        sightings = group(sightings, route, apart=apart)
    without = set(unplaced(sightings, route))
    drawn = {i: n for n, visit in enumerate(visits) for i in visit}
    sightings = regroup(sightings, visits)
    looks = independent(sightings[~sightings["sighting_id"].isin(without)], route, dict(transmitting or {}))
    elsewhere = named_elsewhere(sightings)
    leg = fewest_hours(route, distance_nm)
    rows: list[dict[str, Any]] = []
    certain = [s for s in looks if "|" not in s.port]
    by_port: dict[str, list[Stay]] = {}
    empties = empty_looks(sightings, scenes, sorted({s.port for s in certain}), route)
    models = {
        port: Berthing(route, port, leg, elsewhere, empties.get(port, []), apart)
        for port in sorted({s.port for s in looks})
    }
    of_visit: dict[int, Stay] = {}
    for port in sorted({s.port for s in certain}):
        here = sorted((s for s in certain if s.port == port), key=in_time)
        settled: dict[int, list[Look]] = {}
        for seen in here:
            if seen.ids[0] in drawn:
                settled.setdefault(drawn[seen.ids[0]], []).append(seen)
        rest = [seen for seen in here if seen.ids[0] not in drawn]
        by_port[port] = models[port].join(rest, [Stay(seen) for _, seen in sorted(settled.items())])
        of_visit |= dict(zip(sorted(settled), by_port[port], strict=False))
    for port in sorted({s.port for s in looks if "|" in s.port}):
        settled = {}
        rest = []
        for seen in sorted((s for s in looks if s.port == port), key=in_time):
            visit = drawn.get(seen.ids[0])
            if visit in of_visit:
                of_visit[visit].seen.append(seen)
            elif visit is not None:
                settled.setdefault(visit, []).append(seen)
            elif not _add_to_certain(seen, by_port, models):
                rest.append(seen)
        by_port[port] = models[port].join(rest, [Stay(seen) for _, seen in sorted(settled.items())])
    for port in sorted(by_port):
        ids = [f"C-{digest(port, *sorted(i for s in call.seen for i in s.ids))}" for call in by_port[port]]
        rows += [models[port].row(n, call, ids) for n, call in enumerate(by_port[port])]
    frame = pd.DataFrame(rows, columns=tables.PORT_CALLS.names)
    return tables.to_pandas(frame, tables.PORT_CALLS) if rows else tables.empty_pandas(tables.PORT_CALLS)


def regroup(sightings: pd.DataFrame, visits: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Sightings whose `observation_group` never holds two of the `visits`: what was drawn apart is not one look at one hull."""
    drawn = {i: n for n, visit in enumerate(visits) for i in visit}
    if not drawn:
        return sightings
    parts: dict[tuple[str, int], list[str]] = {}
    for i, label in zip(sightings["sighting_id"], sightings["observation_group"], strict=True):
        if isinstance(label, str):
            parts.setdefault((label, drawn.get(i, -1)), []).append(str(i))
    n_parts = Counter(label for label, _ in parts)
    named = {}
    for (label, _), ids in parts.items():
        if n_parts[label] == 1:
            named.update(dict.fromkeys(ids, label))
        elif len(ids) > 1:
            named.update(dict.fromkeys(ids, f"OG-{digest(*sorted(ids))}"))
    groups = [named.get(str(i)) for i in sightings["sighting_id"]]
    return sightings.assign(observation_group=pd.Series(groups, index=sightings.index, dtype="str"))


def unplaced(sightings: pd.DataFrame, route: Route) -> list[str]:
    """Ids of ship sightings that can make no call: no port, or one that the route does not know and no coordinates."""
    out = []
    for row in sightings[sightings["observation_type"] == "vessel"].to_dict("records"):
        port = text_of(row["port"])
        known = port is not None and any(route.find_port(part) for part in port.split("|"))
        if port is None or (not known and number_of(row["lat_deg"]) is None):
            out.append(str(row["sighting_id"]))
    return sorted(out)


def _add_to_certain(seen: Look, by_port: dict[str, list[Stay]], models: dict[str, Berthing]) -> bool:
    """Give a look at an open port to the call it most probably belongs to, if that is likelier than one of its own."""
    best: tuple[float, Stay] | None = None
    for name in seen.port.split("|"):
        for index, call in enumerate(by_port.get(name, [])):
            p = models[name].p_same(call, seen, index)
            if p >= 0.5 and (best is None or p > best[0]):
                best = (p, call)
    if best is None:
        return False
    best[1].seen.append(seen)
    best[1].p_steps.append(best[0])
    return True
