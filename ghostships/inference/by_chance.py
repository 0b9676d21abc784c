"""What chance alone would carry: silences against the same pictures on other days.

All pictures, with the ships in them and the scenes that were empty, are moved together by a number of whole days, the end of the
calendar wrapped to its start. Coverage, time of day, busy weeks and stays of several days stay what they were; only the tie between
pictures and silences is cut. (Days drawn one by one would tear every stay of several days into calls of one day, a port that never
was.) A silence holds one call here and the dark port is the only one (`alongside`), so that many calendars cost what one run would.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ghostships import units
from ghostships.inference import factors, silences
from ghostships.inference.alongside import Alongside, Pictured, Reached
from ghostships.inference.histories import Array
from ghostships.routes import Route

Ints = npt.NDArray[np.int64]
Chance = Literal["kept", "unexplained", "taken_out"]
"""What of the calls that chance carries teaches no level: nothing of it; what nobody explains; all that other dates carry too."""

US = units.US_PER_HOUR
N_DATES = 20
DATES_SEED = 20231013
"""Any number; it is written here so that the same input gives the same answer."""

LEAST_SHIFT_DAYS = 5
"""Pictures are moved by at least so many days (a quarter of short calendars): further than most stays and most silences last."""

ROUNDS, CHANCE_ROUNDS = 40, 6
DAMPING = 0.5
SAME_HULL_SD_M = 4.0
"""As `inference.joint` has them: rounds, damping, and how well lengths of one unknown hull agree from call to call."""


@dataclass(frozen=True)
class Asked:
    """Silences that fit the dark port, as the run knows them: `bits` of everything that depends on no history, those of a watch
    list apart, `density` of silences as long, the number and the key of their ship."""

    bits: Array
    listed: Array
    density: Array
    ship: Ints
    keys: list[str]
    reached: Reached

    def __len__(self) -> int:
        return len(self.bits)


@dataclass(frozen=True)
class _Calls:
    """Dark calls at the dark port on a calendar; per call and silence how well the ship fits length and name [per m], per call
    how well any hull of the trade does, and per two calls how well one is the hull of the other come back."""

    pictured: list[Pictured]
    fits: Array
    background: Array
    alike: Array


@dataclass(frozen=True)
class _Moved:
    """What silences and pictures have in common once the pictures are moved: the weight of a call that nobody saw, how far a call
    would have been seen, and pairs of a silence and a call with the weight of the call in the silence."""

    unseen: Array
    watched: Array
    silence: Ints
    call: Ints
    weight: Array


@dataclass(frozen=True)
class _Levels:
    """Levels that a run has learned: of the trade, of the ship of each silence, and arrivals of hulls that look like each call
    [per h and m]."""

    p_trip: float
    p_ship: Array
    unknown: Array


@dataclass(frozen=True)
class _Solved:
    """Shares of each pair, how far each call is nobody's, the probability of a trip in each silence, and the levels."""

    share: Array
    none: Array
    p: Array
    levels: _Levels


class Dates:
    """Silences that fit the dark port against its pictures, on the true dates (the first calendar) and on others.

    Parameters
    ----------
    port_calls : calls that no transmitting ship explains

    Limits: one call a silence; stays at other ports are left out. `n_runs` is 0 where nothing can be moved: no picture in the time
    of the silences, or a time too short.
    """

    def __init__(
        self,
        asked: Asked,
        port_calls: pd.DataFrame,
        sightings: pd.DataFrame,
        scenes: pd.DataFrame,
        vessels: pd.DataFrame,
        route: Route,
    ) -> None:
        self._runs: list[_Moved] = []
        self.shifts: list[int] = []
        self.n_days = 0
        if not len(asked):
            return
        watch = silences.looks(scenes, sightings, route.dark_port, route)
        at_dark = [route.dark_port_id in str(port).split("|") for port in port_calls["port"]]
        here = port_calls[np.array(at_dark, dtype=bool)].sort_values("call_id")
        by_id = _by_id(sightings, here)
        seen = [_seen(ids, by_id, watch, route) for ids in here["sighting_ids"]]
        r = asked.reached
        first_day = math.floor(float(r.start_h.min()) / 24)
        self.n_days = math.floor(float(r.end_h.max()) / 24) - first_day + 1
        # Pictures from before the first and after the last silence meet none, on the true dates as little as on others.
        first_h, last_h = 24.0 * first_day, 24.0 * (first_day + self.n_days)
        inside = [n for n, (windows, _, _) in enumerate(seen) if first_h <= windows[0][0] < last_h]
        looks = [(t / US, p, scene) for t, p, scene in watch.looks if first_h <= t / US < last_h]
        self.shifts = _shifts(self.n_days) if looks or inside else []
        if not self.shifts:
            return
        stays = silences.stays_of(route.dark_port, route)
        calendar = Alongside(r, stays, route.priors.before_mean_h, from_h=first_h, until_h=last_h)
        calls = _calls(calendar, here.iloc[inside], [seen[n] for n in inside], looks, vessels, asked, route)
        blind = calendar.weights(calendar.unseen([]))
        self._runs = [_moved(calendar, calls, looks, blind, days, first_day, self.n_days) for days in (0, *self.shifts)]
        # Published sightings are positive only: rates of unknown hulls are learned where scenes are listed, and only there.
        watched_h = silences.watched_hours(watch.looks, stays, 24.0 * self.n_days) if len(scenes) else 0.0
        self._solver = _Solver(asked, calls, watched_h, route)

    @property
    def n_runs(self) -> int:
        """How many other dates there are."""
        return len(self.shifts)

    @cached_property
    def _alone(self) -> list[_Solved]:
        """Each calendar as if nothing were chance."""
        return [self._solver.solve(run, None, chance_share=0.0) for run in self._runs]

    @cached_property
    def _made(self) -> list[float]:
        """Calls that silences carry in each."""
        return [self._solver.carried(run, s.share, None) for run, s in zip(self._runs, self._alone, strict=True)]

    def share(self, number: int = 0, *, chance: Chance = "taken_out") -> float:
        """Share of the calls that silences carry on these dates (0: the true ones) which chance carries just as well.

        `taken_out`: against what all other dates carry, each by its own levels. `unexplained`, the rule of `inference.joint`: only
        as far as calls are nobody's on these dates, at the levels of these.
        """
        others = [n for n in range(1, len(self._runs)) if n != number]
        if chance == "kept" or not others or self._made[number] <= 0:
            return 0.0
        if chance == "taken_out":
            carried = [self._made[n] for n in others]
        else:
            own = self._alone[number]
            carried = [
                self._solver.carried(
                    self._runs[n], self._solver.solve(self._runs[n], own.levels, chance_share=0.0).share, own.none
                )
                for n in others
            ]
        return min(float(np.mean(carried)) / self._made[number], 1.0)

    def flags(self, *, chance: Chance) -> list[int]:
        """Silences flagged on the true dates, then on each of the others; every calendar learns its levels anew."""
        shares = [self.share(n, chance=chance) for n in range(len(self._runs))]
        return [
            self._solver.flagged(self._solver.solve(run, None, chance_share=share))
            for run, share in zip(self._runs, shares, strict=True)
        ]


def _shifts(n_days: int) -> list[int]:
    """Different numbers of days to move by, drawn from a fixed seed; none when the calendar is too short to be turned."""
    least = max(min(LEAST_SHIFT_DAYS, n_days // 4), 1)
    possible = np.arange(least, n_days - least + 1)
    drawn = np.random.default_rng(DATES_SEED).permutation(possible)[:N_DATES]
    return sorted(int(d) for d in drawn)


_READ = ["sighting_id", "start_utc", "end_utc", "observation_group", "scene_id", "sensor"]


def _by_id(sightings: pd.DataFrame, calls: pd.DataFrame) -> dict[str, dict[Any, Any]]:
    wanted = {str(i) for ids in calls["sighting_ids"] for i in ids}
    rows = sightings.loc[sightings["sighting_id"].isin(wanted), _READ]
    return {str(row["sighting_id"]): row for row in rows.to_dict("records")}


Seen = tuple[list[tuple[float, float]], frozenset[str], tuple[float, ...]]
"""Windows [h since 1970], looks and their chances to see of a call; rows of one picture or ship-day count once."""


def _seen(ids: Sequence[str], by_id: Mapping[str, Mapping[Any, Any]], watch: silences.Watch, route: Route) -> Seen:
    rows = sorted((by_id[str(i)] for i in ids), key=lambda s: (s["start_utc"], s["end_utc"], s["sighting_id"]))
    windows: dict[str, tuple[float, float]] = {}
    seen_in: dict[str, float] = {}
    for row in rows:
        group = _text(row["observation_group"]) or str(row["sighting_id"])
        if group in windows:
            continue
        windows[group] = (row["start_utc"].value / 1000 / US, row["end_utc"].value / 1000 / US)
        look = watch.of_scene.get(_text(row["scene_id"]) or "")
        if look is not None:
            seen_in[look] = route.sensor(_text(row["sensor"])).p_detect_berth
    return list(windows.values()), frozenset(seen_in), tuple(seen_in.values())


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _calls(
    calendar: Alongside,
    here: pd.DataFrame,
    seen: list[Seen],
    looks: list[tuple[float, float, str]],
    vessels: pd.DataFrame,
    asked: Asked,
    route: Route,
) -> _Calls:
    """Calls that some stay explains, with how every silence's ship fits them."""
    priors = route.priors
    middle = (priors.trade_length_min_m + priors.trade_length_max_m) / 2
    keys, of_ship = np.unique(asked.keys, return_inverse=True)
    ships = vessels.set_index("vessel_key").loc[keys]
    own_m = ships["length_m"].to_numpy(dtype=np.float64, na_value=np.nan)
    pictured, fits, lengths, sigmas, backgrounds = [], [], [], [], []
    for call, (windows, scenes, chances) in zip(here.to_dict("records"), seen, strict=True):
        one = calendar.pictured(windows, scenes, chances, looks)
        if one is None or one.mass <= 0:
            continue
        length, sigma = (_number(call[name]) for name in ("length_m", "length_sigma_m"))
        sigma = sigma if sigma == sigma else 0.0
        background = 1.0
        if length == length:
            background = max(factors.normal(length, middle, math.hypot(priors.hull_length_sd_m, sigma)), 1e-6)
        fit = _length_fits(length, sigma, own_m, background)
        name, imo = _text(call["vessel_name"]), _whole(call["imo"])
        if name is not None or imo is not None:
            own = zip(ships["vessel_name"], ships["imo"], strict=True)
            read = np.array(
                [factors.name_read(name, imo, _text(n), _whole(i), p_correct=priors.p_name_correct)[0] for n, i in own]
            )
            # With a name read, length adds nothing more: the name usually rests on it.
            fit = np.where(read == 1, fit, background * read)
        pictured.append(one)
        fits.append(fit[of_ship])
        lengths.append(length)
        sigmas.append(sigma)
        backgrounds.append(background)
    background_of = np.array(backgrounds)
    alike = _alike(np.array(lengths), np.array(sigmas), background_of)
    return _Calls(pictured, np.array(fits).reshape(len(fits), len(asked)), background_of, alike)


def _length_fits(length_m: float, sigma_m: float, own_m: Array, background: float) -> Array:
    """`factors.length` for many ships."""
    sigma = math.hypot(sigma_m, factors.OWN_LENGTH_SIGMA_M)
    z = (length_m - own_m) / sigma
    density = np.exp(-0.5 * z * z) / (sigma * math.sqrt(2 * math.pi))
    fit = (1 - factors.WRONG_LENGTH_SHARE) * density + factors.WRONG_LENGTH_SHARE * background
    return np.where(np.isnan(fit), background, fit)


def _alike(length_m: Array, sigma_m: Array, background: Array) -> Array:
    """How well the length of each call (row) is that of each other one (column) [per m]: an unknown hull that comes back."""
    spread = np.sqrt(sigma_m[:, None] ** 2 + sigma_m[None, :] ** 2 + SAME_HULL_SD_M**2)
    away = (length_m[:, None] - length_m[None, :]) / spread
    density = np.exp(-0.5 * away**2) / (spread * math.sqrt(2 * math.pi))
    density = np.where(np.isnan(density), np.where(np.isnan(length_m)[:, None], 1.0, background[:, None]), density)
    np.fill_diagonal(density, 0.0)
    return np.asarray(density)


def _number(value: Any) -> float:
    return math.nan if pd.isna(value) else float(value)


def _whole(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def _moved(
    calendar: Alongside,
    calls: _Calls,
    looks: list[tuple[float, float, str]],
    blind: Array,
    days: int,
    first_day: int,
    n_days: int,
) -> _Moved:
    """Silences against the pictures of so many days before; what leaves the last day comes back on the first."""
    first_h, span_h = 24.0 * first_day, 24.0 * n_days

    def moved(time_h: float) -> float:
        return first_h + (time_h - first_h + 24.0 * days) % span_h

    unseen = calendar.weights(calendar.unseen([(moved(t), p) for t, p, _ in looks]))
    silence, call, weight = [], [], []
    for c, one in enumerate(calls.pictured):
        # The middle of the latest arrival and the earliest departure decides on which side of the wrap a call lies.
        at_h = calendar.zero_h + (one.first + one.stays.shape[0] - 1 + one.last) / 2 * calendar.step_h
        steps = round((moved(at_h) - at_h) / calendar.step_h)
        weights = calendar.weights_of(one.moved(steps))
        own = np.flatnonzero(weights > 0)
        silence.append(own)
        call.append(np.full(len(own), c, dtype=np.int64))
        weight.append(weights[own])
    watched = np.divide(unseen, blind, out=np.ones(len(blind)), where=blind > 0)
    return _Moved(
        unseen,
        np.clip(1.0 - watched, 0.0, 1.0),
        np.concatenate(silence) if silence else np.zeros(0, dtype=np.int64),
        np.concatenate(call) if call else np.zeros(0, dtype=np.int64),
        np.concatenate(weight) if weight else np.zeros(0),
    )


class _Solver:
    """The joint inference in short: who made which call, and how common such calls are, for one moved calendar after another."""

    def __init__(self, asked: Asked, calls: _Calls, watched_h: float, route: Route) -> None:
        self._asked, self._calls, self._priors = asked, calls, route.priors
        self._threshold = route.policy.flag_threshold
        self._n_calls = len(calls.pictured)
        self._mass = np.array([one.mass for one in calls.pictured])
        self._watched_h = watched_h

    def solve(self, run: _Moved, fixed: _Levels | None, *, chance_share: float) -> _Solved:
        """Shares and levels of one run; with `fixed` levels nothing is learned, and a few rounds are enough."""
        asked, calls = self._asked, self._calls
        quality = run.weight * calls.fits[run.call, run.silence] / self._mass[run.call]
        none, room, share = np.ones(self._n_calls), np.ones(len(quality)), np.zeros(len(quality))
        levels = fixed or self._learned(run, share, none, chance_share)
        for _ in range(CHANCE_ROUNDS if fixed else ROUNDS):
            odds = self._odds(levels)
            value = quality * room / levels.unknown[run.call]
            total = asked.density + odds * (run.unseen + np.bincount(run.silence, value, len(asked)))
            by = np.clip(odds[run.silence] * value / total[run.silence], 0.0, 1 - 1e-12)
            pull = by / ((1 - by) * room)
            whole = np.bincount(run.call, pull, self._n_calls)
            left = 1.0 / (1.0 + np.maximum(whole[run.call] - pull, 0.0))
            room = np.exp((1 - DAMPING) * np.log(room) + DAMPING * np.log(left))
            share = np.asarray(pull / (1.0 + whole[run.call]), dtype=np.float64)
            none = np.asarray(1.0 / (1.0 + whole), dtype=np.float64)
            if fixed is None:
                levels = self._learned(run, share, none, chance_share)
        odds = self._odds(levels)
        trip = odds * (run.unseen + np.bincount(run.silence, quality * room / levels.unknown[run.call], len(asked)))
        return _Solved(share, none, trip / (asked.density + trip), levels)

    def _odds(self, levels: _Levels) -> Array:
        p = np.clip(levels.p_ship, 1e-9, 1 - 1e-9)
        return np.asarray(p / (1 - p) * 2.0**self._asked.bits)

    def _made(self, run: _Moved, share: Array, none: Array | None) -> Array:
        return np.minimum(
            np.bincount(run.silence, share * (1.0 if none is None else none[run.call]), len(self._asked)), 1.0
        )

    def carried(self, run: _Moved, share: Array, none: Array | None) -> float:
        """Calls that silences carry; with `none`, each as far as it is nobody's."""
        return float(self._made(run, share, none).sum())

    def _learned(self, run: _Moved, share: Array, none: Array, chance_share: float) -> _Levels:
        """As `inference.joint` learns them."""
        priors, ship = self._priors, self._asked.ship
        made = self._made(run, share, None)
        looked, earned = np.maximum(run.watched, made), 1.0 - chance_share
        p_trip = (priors.p_trip_strength * priors.p_trip + earned * made.sum()) / (
            priors.p_trip_strength + looked.sum()
        )
        others_made = np.bincount(ship, made)[ship] - made
        others_looked = np.bincount(ship, looked)[ship] - looked
        strength = priors.habit_strength
        p_ship = (strength * p_trip + earned * others_made) / (strength + others_looked)
        fresh = priors.unknown_hulls_per_day / 24 * self._calls.background
        if self._watched_h > 0:
            strength_h = priors.unknown_hull_strength_days * 24
            fresh = (fresh * strength_h + self._calls.alike @ none) / (strength_h + self._watched_h)
        return _Levels(float(p_trip), p_ship, fresh)

    def flagged(self, solved: _Solved) -> int:
        """Silences at the threshold whose own evidence, without level, habit and watch list, speaks for a trip."""
        p = np.clip(solved.p, 1e-12, 1 - 1e-12)
        own = np.clip(solved.levels.p_ship, 1e-9, 1 - 1e-9)
        speaks = np.log2(p / (1 - p)) - np.log2(own / (1 - own)) - self._asked.listed
        return int(((solved.p >= self._threshold) & (speaks > 0)).sum())
