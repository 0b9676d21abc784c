"""What is known of each silence apart from pictures of ships and from histories: its factors in order, and how long silences last.

How common a value is otherwise is learned from the silences that fit (`profile`), each factor among those that agree in all factors
before it: a cargo ship of the right size that vanishes and comes back near home is one kind of ship, not four coincidences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr

from ghostships.inference import factors
from ghostships.inference.declared import KINDS, Bound, Gazetteer, Kind, Listed, destination, kind_of, registry
from ghostships.inference.factors import Factor
from ghostships.inference.profile import Profile, where
from ghostships.routes import Route

Floats = npt.NDArray[np.float64]

RAREST_DRAUGHT_CHANGE = 0.12
"""A draught that changes across a silence is never taken for rarer than this otherwise: ships load in any port."""

DURATION_PRIOR_GAPS = 20.0
DURATION_SLOPE = 0.7
DURATION_WIDTH = 0.3
"""Durations of silences in general: a Pareto law worth 20 silences, and the run's own smoothed by this width (in log h)."""


class Case(Protocol):
    """A silence to be weighed: its row of `gaps`, how long it lasted or has lasted so far, whether the dark port was in reach."""

    @property
    def gap(self) -> Any: ...

    @property
    def duration_h(self) -> float: ...

    @property
    def is_feasible(self) -> bool: ...


@dataclass(frozen=True)
class Durations:
    """How long silences that fit last: a smooth density over the run's own, with a Pareto law as the prior."""

    logs: npt.NDArray[np.float64]
    shortest_h: float

    @staticmethod
    def of(cases: Sequence[Case]) -> Durations:
        fitting = [c for c in cases if c.is_feasible]
        closed = sorted(c.duration_h for c in fitting if not c.gap.is_open)
        return Durations(np.log(np.array(closed)), min((c.duration_h for c in fitting), default=1.0))

    def density(self, duration_h: float) -> float:
        """Density of a closed silence of this duration [per h]."""
        prior = DURATION_SLOPE * self.shortest_h**DURATION_SLOPE / duration_h ** (DURATION_SLOPE + 1)
        z = (math.log(duration_h) - self.logs) / DURATION_WIDTH
        own = math.fsum(np.exp(-0.5 * z * z)) / (math.sqrt(2 * math.pi) * DURATION_WIDTH * duration_h)
        return float((DURATION_PRIOR_GAPS * prior + own) / (DURATION_PRIOR_GAPS + len(self.logs)))

    def lasting(self, duration_h: float) -> float:
        """Chance that a silence lasts at least so long."""
        prior = min((self.shortest_h / duration_h) ** DURATION_SLOPE, 1.0)
        own = math.fsum(ndtr((self.logs - math.log(duration_h)) / DURATION_WIDTH))
        return float((DURATION_PRIOR_GAPS * prior + own) / (DURATION_PRIOR_GAPS + len(self.logs)))


def fixed_factors(
    cases: Sequence[Case],
    reach: pd.DataFrame,
    ships: pd.DataFrame,
    declared: pd.DataFrame,
    route: Route,
    reception_says: Mapping[str, str],
    stacks: pd.DataFrame | None = None,
) -> list[list[Factor]]:
    """Factors that depend on no history, per silence, in their fixed order.

    `declared` is from `steps.declared.around`, `stacks` from `steps.stacks.compare`; a silence without a row in `declared` has
    declared nothing.
    """
    told = _Told.of(cases, reach, ships, declared, route, stacks)
    usual = _Usual.among(told, route)
    return [
        _factors(n, case.gap, ships.loc[case.gap.vessel_key], told, usual, route, reception_says)
        for n, case in enumerate(cases)
    ]


@dataclass(frozen=True)
class _Told:
    """What is known of each silence, one value per silence; NaN or None where it is not."""

    is_feasible: npt.NDArray[np.bool_]
    from_nm: Floats
    to_nm: Floats
    moved_nm: Floats
    ship_type: Floats
    length_m: Floats
    before_m: Floats
    after_m: Floats
    p_off: Floats
    bound: list[tuple[Bound | None, Bound | None]]
    ports: list[tuple[str | None, str | None]]
    destination: list[Kind | None]
    registry: list[Listed | None]
    stacks: list[tuple[bool | None, str]]

    @staticmethod
    def of(
        cases: Sequence[Case],
        reach: pd.DataFrame,
        ships: pd.DataFrame,
        declared: pd.DataFrame,
        route: Route,
        stacks: pd.DataFrame | None,
    ) -> _Told:
        gap_ids, keys = [c.gap.gap_id for c in cases], [c.gap.vessel_key for c in cases]
        is_open = np.array([bool(c.gap.is_open) for c in cases], dtype=bool)
        feasible = np.array([c.is_feasible for c in cases], dtype=bool)
        home = [p.id for p in route.ports if p.role == "counterpart"]
        near = reach[reach["port"].isin(home)].groupby("gap_id")[["distance_from_nm", "distance_to_nm"]].min()
        near = near.reindex(gap_ids)
        said = declared.set_index("gap_id").reindex(gap_ids)
        gazetteer = Gazetteer(route)
        bound = [
            (gazetteer.read(before), gazetteer.read(after))
            for before, after in zip(_texts(said, "destination_before"), _texts(said, "destination_after"), strict=True)
        ]
        ports = list(zip(_texts(said, "last_port"), _texts(said, "next_port"), strict=True))
        return _Told(
            is_feasible=feasible,
            from_nm=near["distance_from_nm"].to_numpy(dtype=float),
            to_nm=np.where(is_open, np.nan, near["distance_to_nm"].to_numpy(dtype=float)),
            moved_nm=np.array([c.gap.distance_gc_nm for c in cases], dtype=float),
            ship_type=ships["ship_type"].reindex(keys).to_numpy(dtype=float, na_value=np.nan),
            length_m=ships["length_m"].reindex(keys).to_numpy(dtype=float, na_value=np.nan),
            before_m=said["before_m"].to_numpy(dtype=float),
            after_m=said["after_m"].to_numpy(dtype=float),
            p_off=np.array([c.gap.p_off for c in cases], dtype=float),
            bound=bound,
            ports=ports,
            destination=[
                kind_of(before, after, left=left, came=came, dark_port=route.dark_port_id)
                for (before, after), (left, came) in zip(bound, ports, strict=True)
            ],
            registry=_listed(said),
            stacks=_stacks(cases, reach, stacks, route),
        )

    @property
    def draught(self) -> Floats:
        """The change across each silence [m]; less than trim and rounding is none."""
        change = self.after_m - self.before_m
        return np.asarray(np.sign(change) * (np.abs(change) >= factors.DRAUGHT_CHANGE_M))


@dataclass(frozen=True)
class _Usual:
    """How common each value is among other silences that fit, one share per silence."""

    last_place: Floats
    next_place: Floats
    same_place: Floats
    ship_type: Floats
    ship_size: Floats
    deeper: Floats
    lighter: Floats
    last_port: Floats
    next_port: Floats
    far: Floats
    destination: dict[Kind, Floats]
    registry: Floats
    stacks: Floats
    p_off: float

    @staticmethod
    def among(told: _Told, route: Route) -> _Usual:
        priors = route.priors
        profile = Profile(told.is_feasible)
        near_nm, cargo = priors.near_home_nm, (told.ship_type >= 70) & (told.ship_type <= 79)
        sized = (told.length_m >= priors.trade_length_min_m) & (told.length_m <= priors.trade_length_max_m)
        last_place = profile.add(where(told.from_nm <= near_nm, told.from_nm), prior=priors.p_near_home_if_trip)
        next_place = profile.add(where(told.to_nm <= near_nm, told.to_nm), prior=priors.p_near_home_if_trip)
        same_place = profile.add(
            where(told.moved_nm <= factors.SAME_PLACE_NM, told.moved_nm), prior=priors.p_same_place_if_trip
        )
        ship_type = profile.add(
            where(cargo, np.where(told.ship_type > 0, told.ship_type, np.nan)), prior=priors.p_cargo_if_trip
        )
        ship_size = profile.add(where(sized, told.length_m), prior=priors.p_size_if_trip)
        change = told.after_m - told.before_m
        deeper = profile.shares(where(told.draught > 0, change), prior=priors.p_deeper_if_trip)
        lighter = profile.shares(where(told.draught < 0, change), prior=priors.p_lighter_if_trip)
        away = np.where(told.to_nm > near_nm, told.to_nm, np.nan)
        far = profile.shares(where(away > priors.far_from_home_nm, away), prior=priors.p_far_if_trip)
        if_trip = destination_shares(route)
        kinds = np.array([np.nan if kind is None else KINDS.index(kind) for kind in told.destination], dtype=float)
        registry = np.array([_flag(None if one is None else one.differs) for one in told.registry], dtype=float)
        stacks = np.array([_flag(changed) for changed, _ in told.stacks], dtype=float)
        destination = {
            kind: profile.shares(where(kinds == n, kinds), prior=if_trip[kind]) for n, kind in enumerate(KINDS)
        }
        registry_usual = profile.shares(registry, prior=priors.p_registry_differs_if_trip)
        stacks_usual = profile.shares(stacks, prior=priors.p_stacks_changed_if_trip)
        homes = {p.id for p in route.ports if p.role == "counterpart"}
        last, following = (
            np.array([_flag(None if pair[side] is None else pair[side] in homes) for pair in told.ports], dtype=float)
            for side in (0, 1)
        )
        known = told.p_off[told.is_feasible & ~np.isnan(told.p_off)]
        return _Usual(
            last_place=last_place,
            next_place=next_place,
            same_place=same_place,
            ship_type=ship_type,
            ship_size=ship_size,
            deeper=np.maximum(deeper, RAREST_DRAUGHT_CHANGE),
            lighter=np.maximum(lighter, RAREST_DRAUGHT_CHANGE),
            last_port=profile.add(last, prior=priors.p_home_port_if_trip),
            next_port=profile.add(following, prior=priors.p_home_port_if_trip),
            far=far,
            destination=destination,
            registry=registry_usual,
            stacks=stacks_usual,
            p_off=float(np.mean(known.tolist())) if len(known) else priors.p_off,
        )


def _factors(
    n: int,
    gap: Any,
    ship: pd.Series,
    told: _Told,
    usual: _Usual,
    route: Route,
    reception_says: Mapping[str, str],
) -> list[Factor]:
    """The factors of one silence."""
    priors = route.priors
    near: dict[str, float] = {"limit_nm": priors.near_home_nm, "p_if_trip": priors.p_near_home_if_trip}
    last_port, next_port = told.ports[n]
    before, after = told.bound[n]
    changed, why = told.stacks[n]
    p_port = priors.p_home_port_if_trip
    return [
        factors.watch_list(list(ship["watch_list_hits"]), priors.watch_list_bits),
        registry(told.registry[n], p_if_trip=priors.p_registry_differs_if_trip, p_otherwise=float(usual.registry[n])),
        factors.near_home("last_place", told.from_nm[n], p_otherwise=usual.last_place[n], when="before", **near),
        factors.near_home("next_place", told.to_nm[n], p_otherwise=usual.next_place[n], when="after", **near),
        factors.port_called(
            "last_port", _port(last_port, route), p_if_trip=p_port, p_otherwise=float(usual.last_port[n]), when="before"
        ),
        factors.port_called(
            "next_port", _port(next_port, route), p_if_trip=p_port, p_otherwise=float(usual.next_port[n]), when="after"
        ),
        factors.reappears(
            told.to_nm[n],
            near_nm=priors.near_home_nm,
            far_nm=priors.far_from_home_nm,
            p_if_trip=priors.p_far_if_trip,
            p_otherwise=float(usual.far[n]),
        ),
        factors.same_place(told.moved_nm[n], p_if_trip=priors.p_same_place_if_trip, p_otherwise=usual.same_place[n]),
        factors.ship_type(_code(ship["ship_type"]), p_if_trip=priors.p_cargo_if_trip, p_otherwise=usual.ship_type[n]),
        factors.ship_size(
            told.length_m[n],
            low_m=priors.trade_length_min_m,
            high_m=priors.trade_length_max_m,
            p_if_trip=priors.p_size_if_trip,
            p_otherwise=usual.ship_size[n],
        ),
        factors.draught(
            float(told.before_m[n]),
            float(told.after_m[n]),
            deeper=(priors.p_deeper_if_trip, usual.deeper[n]),
            lighter=(priors.p_lighter_if_trip, usual.lighter[n]),
        ),
        destination(
            before,
            after,
            left=last_port,
            came=next_port,
            dark_port=route.dark_port_id,
            if_trip=destination_shares(route),
            otherwise={kind: float(shares[n]) for kind, shares in usual.destination.items()},
        ),
        factors.stacks(changed, why, p_if_trip=priors.p_stacks_changed_if_trip, p_otherwise=float(usual.stacks[n])),
        factors.transponder(
            float(gap.p_off), usual.p_off, reception_says.get(gap.gap_id, "reception was not measured")
        ),
    ]


def _port(port_id: str | None, route: Route) -> tuple[str, bool] | None:
    """A port's name, and whether it is a counterpart port; None for none, or one of another route."""
    port = next((port for port in route.ports if port.id == port_id), None)
    return None if port is None else (port.name, port.role == "counterpart")


def _listed(said: pd.DataFrame) -> list[Listed | None]:
    if "registry_differs" not in said:
        return [None] * len(said)
    return [
        None if not isinstance(because, str) else Listed(None if pd.isna(differs) else bool(differs), because)
        for differs, because in zip(said["registry_differs"], said["registry_says"], strict=True)
    ]


def _stacks(
    cases: Sequence[Case], reach: pd.DataFrame, stacks: pd.DataFrame | None, route: Route
) -> list[tuple[bool | None, str]]:
    """Per silence, whether container stacks changed while it may have been at the dark port and no picture shows a ship.

    A change counts when a shortest stay fits into what the silence and the two looks have in common; no change counts only when all
    the time in which the ship may have been there lies between two looks.
    """
    if stacks is None or not len(stacks):
        return [(None, "no two looks at container stacks are given")] * len(cases)
    at_dark = reach[reach["port"] == route.dark_port_id].set_index("gap_id")
    shortest = pd.Timedelta(hours=route.dark_port.min_stay_h)
    rows = stacks.to_dict("records")
    out: list[tuple[bool | None, str]] = []
    for case in cases:
        own: tuple[bool | None, str] = (None, "no two looks at container stacks in that time")
        if case.is_feasible:
            here = at_dark.loc[case.gap.gap_id]
            first, last = here["earliest_arrival_utc"], here["latest_departure_utc"]
            for row in rows:
                start, end = row["start_utc"], row["end_utc"]
                until = end if last is pd.NaT else min(last, end)
                shown = row["explained_by"]
                if row["is_changed"] and until - max(first, start) >= shortest:
                    if not isinstance(shown, str):
                        own = (True, str(row["because"]))
                        break
                    own = (None, f"{row['because']}, which pictures put down to {shown}")
                elif not row["is_changed"] and last is not pd.NaT and start <= first and last <= end:
                    own = (False, str(row["because"]))
        out.append(own)
    return out


def destination_shares(route: Route) -> dict[Kind, float]:
    """How often trips declare each kind of destination, as shares that sum to 1."""
    told: dict[Kind, float] = {kind: float(getattr(route.priors.destination_if_trip, kind)) for kind in KINDS}
    total = math.fsum(told.values())
    return {kind: weight / total for kind, weight in told.items()}


def _texts(frame: pd.DataFrame, column: str) -> list[str | None]:
    if column not in frame:
        return [None] * len(frame)
    return [value if isinstance(value, str) else None for value in frame[column]]


def _flag(value: bool | None) -> float:
    return math.nan if value is None else float(value)


def _code(value: object) -> int | None:
    return None if pd.isna(value) else int(value)  # type: ignore[call-overload]
