"""What else a silence may have been: every other explanation with its probability, so that with the trip they sum to 1.

    silence --+-- a round trip                                              p_trip (the joint solution; not touched here)
              +-- on the air, and nobody heard it                           by 1 - p_off
              +-- off: a call at another port, a stay where it lay,         by prior share x fit
              |        at sea, a meeting with another ship
              +-- something else                                            said aloud

The fit is what each explanation makes likely of what is known: the length of the silence (the same passages, waiting and stays as
in `histories`, with the pictures of that port that show no such ship), whether the ship is heard again on the spot where it
vanished, draught and destination before and after. A value that is missing fits all alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ghostships.inference import histories
from ghostships.inference.histories import Look, Stays

LYING_SHARE, SEA_SHARE, MEETING_SHARE, OTHER_SHARE = 0.5, 0.25, 0.002, 0.1
"""Of silences with the transponder off and no trip: stays where the ship lay, time at sea, meetings with another ship, and all else
(own judgement; the fit moves them). Calls at other ports have a share each (`Visit.share`)."""

PASSAGE_SHARE = 0.5
"""Of silences at sea, those of a ship that only sails from where it vanished to where it came back; the others drift or wait."""

SAME_SPOT_IF_LYING, SAME_SPOT_IF_CALL, SAME_SPOT_IF_SEA = 0.9, 0.1, 0.02
"""Shares heard again on the very spot where they vanished: ships that never moved, that were at a port in between, or at sea."""

CHANGES_IF_CALL, CHANGES_IF_LYING, CHANGES_IF_SEA, CHANGES_IF_MEETING = 0.4, 0.2, 0.03, 0.6
"""Shares that send another draught after it: cargo is worked in port or from ship to ship, not under way (own judgement)."""

NAMED_IF_CALL = 0.3
"""Share of crews that declare the port at which they then call unheard (own judgement: half of what is typed is old)."""

MOST_LOGS = 500.0
"""Pictures that miss a ship by more than exp(-500) in all do not factor in double precision."""

LEAST_SEEN = 0.01
CAN_TELL = 2.0
"""Explanations whose fit differs by less than this factor are not told apart by evidence."""


@dataclass(frozen=True)
class Visit:
    """Another port as a silence meets it.

    Its share of such silences before anything else is known, the fastest passages there and on [h], how long ships stay, the
    pictures that were taken [h since the silence began], the probability that it made a call there which pictures show (`seen`),
    whether the ship declared this port (`is_named`), and how many silences do (`named_usually`).
    """

    port: str
    share: float
    from_h: float
    to_h: float
    stays: Stays
    looks: tuple[Look, ...] = ()
    seen: float = 0.0
    is_named: bool | None = None
    named_usually: float = 0.5


@dataclass(frozen=True)
class Quiet:
    """What is known of a silence. NaN and None are "not known".

    `density` is how likely silences in general last so long [per h; a chance if open]; `lay_at` the port (or "") where it both
    vanished and came back, None where it did not; `is_same_spot` whether on the very same spot; `changes` whether draught changed;
    `passage_h` the fastest way from where it vanished to where it came back.
    """

    duration_h: float
    is_open: bool
    density: float
    p_off: float
    lay_at: str | None
    is_same_spot: bool | None
    changes: bool | None
    passage_h: float
    same_spot_usually: float
    changes_usually: float
    visits: tuple[Visit, ...] = ()
    meeting: float = 0.0
    meeting_says: str = ""


@dataclass(frozen=True)
class Shares:
    """Probabilities of all that is no trip; they sum to 1.

    `lay_at` is the port where it may have lain all the time, "" a place that is none. `is_reach_alone`: no evidence tells the ports
    apart, only prior share and reach.
    """

    ports: dict[str, float]
    lying: float
    sea: float
    meeting: float
    on_air: float
    other: float
    lay_at: str | None
    is_reach_alone: bool
    meeting_says: str = ""


def weigh(quiet: Quiet, *, before_mean_h: float, p_off_prior: float) -> Shares:
    """How the probability is shared if the silence was no trip.

    Parameters
    ----------
    before_mean_h : mean time lost on a passage beyond the fastest (`Priors.before_mean_h`)
    p_off_prior : stands in where nobody can say whether the transponder was off
    """
    p_off = quiet.p_off if quiet.p_off == quiet.p_off else p_off_prior
    called = _spot(quiet, SAME_SPOT_IF_CALL) * _changed(quiet, CHANGES_IF_CALL)
    ports: dict[str, float] = {}
    tells = False
    for visit in quiet.visits:
        unseen, blind = visit_weights(quiet, visit, before_mean_h)
        fit = unseen * _named(visit)
        ports[visit.port] = p_off * visit.share * called * fit / quiet.density
        tells = tells or visit.seen >= LEAST_SEEN or (blind > 0 and not blind / CAN_TELL < fit < blind * CAN_TELL)
    at_sea = _spot(quiet, SAME_SPOT_IF_SEA)
    passage = passage_weight(quiet, before_mean_h) / quiet.density
    drifts = (1 - PASSAGE_SHARE) + PASSAGE_SHARE * passage
    usual = _spot(quiet, quiet.same_spot_usually) * _changed(quiet, quiet.changes_usually)
    stays = _spot(quiet, SAME_SPOT_IF_LYING) * _changed(quiet, CHANGES_IF_LYING)
    rest = {
        "lying": p_off * LYING_SHARE * stays * (quiet.lay_at is not None),
        "sea": p_off * SEA_SHARE * drifts * at_sea * _changed(quiet, CHANGES_IF_SEA),
        "meeting": p_off * MEETING_SHARE * at_sea * _changed(quiet, CHANGES_IF_MEETING) * quiet.meeting,
        "on_air": (1 - p_off) * usual,
        "other": p_off * OTHER_SHARE * usual,
    }
    # What pictures show is known already; the rest is shared by what each explanation makes of the silence.
    seen = math.fsum(visit.seen for visit in quiet.visits)
    scale = max(1.0 - seen, 0.0) / math.fsum([*ports.values(), *rest.values()])
    total_seen = max(seen, 1.0)
    return Shares(
        ports={v.port: v.seen / total_seen + ports[v.port] * scale for v in quiet.visits},
        **{name: weight * scale for name, weight in rest.items()},
        lay_at=quiet.lay_at,
        is_reach_alone=not tells,
        meeting_says=quiet.meeting_says,
    )


def visit_weights(quiet: Quiet, visit: Visit, before_mean_h: float) -> tuple[float, float]:
    """Weight of one stay at a port within the silence [per h; a chance if open]: missed by the pictures, and without pictures."""
    step = _step_h(quiet.duration_h)
    n = math.ceil(quiet.duration_h / step) + 1
    grid: histories.Array = np.arange(n, dtype=np.float64) * step
    come = _delayed(visit.from_h, n, step, before_mean_h)
    masses = visit.stays.masses(step)[:n]
    if quiet.is_open:
        # Not heard again yet: whatever came is still there, or on its way.
        came = float(come.sum())
        if not visit.looks:
            return came, came
        before, upto = histories.missed(visit.looks, grid)
        if -upto[-1] > MOST_LOGS:
            return 0.0, came
        came_unseen = come * np.exp(-before)
        left = np.convolve(came_unseen, masses)[:n] * np.exp(upto)
        still_there = 1.0 - np.cumsum(visit.stays.masses(step))[:n]
        lasting = np.convolve(came_unseen, still_there)[n - 1] * np.exp(upto[-1])
        return min(float(left.sum() + lasting), came), came
    go: histories.Array = _delayed(visit.to_h, n, step, before_mean_h)[::-1] / step
    blind = float(np.convolve(come, masses)[:n] @ go)
    if not visit.looks or not blind:
        return blind, blind
    before, upto = histories.missed(visit.looks, grid)
    if -upto[-1] > MOST_LOGS:
        place = histories.Place(visit.port, False, 0, 0, visit.stays, visit.looks, ())
        return float(come @ histories.stay_weights(place, grid, step, None) @ go), blind
    missed = np.convolve(come * np.exp(-before), masses)[:n] * np.exp(upto)
    return min(float(missed @ go), blind), blind


def passage_weight(quiet: Quiet, before_mean_h: float) -> float:
    """Weight of having done nothing but sail from the one place to the other [per h]; 1 of a silence that goes on."""
    if quiet.is_open or quiet.passage_h != quiet.passage_h:
        return quiet.density
    step = _step_h(quiet.duration_h)
    n = math.ceil(quiet.duration_h / step) + 1
    return float(_delayed(quiet.passage_h, n, step, before_mean_h)[-1] / step)


def _step_h(duration_h: float) -> float:
    fits = (s for s in histories.GRID_STEPS_H if duration_h / s <= histories.GRID_POINTS)
    return next(fits, histories.GRID_STEPS_H[-1])


def _delayed(fastest_h: float, n: int, step_h: float, mean_h: float) -> histories.Array:
    """Chance of arriving 0, 1, 2... steps after leaving, over a passage of this length at best."""
    delay = math.floor(min(fastest_h, 1e6) / step_h + 1e-9)
    out = np.zeros(n)
    if delay < n:
        out[delay:] = histories.kernel(n - delay, mean_h, step_h)
    return out


def _spot(quiet: Quiet, share: float) -> float:
    return 1.0 if quiet.is_same_spot is None else share if quiet.is_same_spot else 1 - share


def _changed(quiet: Quiet, share: float) -> float:
    return 1.0 if quiet.changes is None else share if quiet.changes else 1 - share


def _named(visit: Visit) -> float:
    """How much likelier what the ship declared is if it called there. Naming another port is hardly evidence against this one."""
    if visit.is_named is None:
        return 1.0
    if visit.is_named:
        return max(NAMED_IF_CALL / visit.named_usually, 1.0)
    return min((1 - NAMED_IF_CALL) / (1 - visit.named_usually), 1.0)


def sentence(p: float, shares: Shares, *, fewer: tuple[str, float] | None = None, is_off_known: bool = True) -> str:
    """The alternatives of a trip of probability `p` in one line. Its numbers and `p`, all in hundredths, sum to 1.

    `fewer` is a shorter trip that is no alternative to the silence being one (fewer calls), with its probability.
    """
    extra = [fewer] if fewer is not None else []
    rest = max(1.0 - p - math.fsum(share for _, share in extra), 0.0)
    ports = sorted(shares.ports.items(), key=lambda item: (-item[1], item[0]))
    where = "lay where it vanished" if not shares.lay_at else f"lay at {shares.lay_at} all the time"
    kinds = [
        (where, shares.lying),
        ("at sea", shares.sea),
        ("met another ship at sea", shares.meeting),
        ("on the air but not heard", shares.on_air),
    ]
    told = [*ports, *sorted(kinds, key=lambda item: (-item[1], item[0]))]
    values = [share for _, share in extra] + [rest * share for _, share in told]
    hundredths = _hundredths([*values, rest * shares.other], 100 - round(100 * p))
    names = [name for name, _ in [*extra, *told]]
    shown = [(name, n) for name, n in zip(names, hundredths, strict=False) if n > 0]
    n_other = hundredths[-1]
    if not shown and not n_other:
        return "all else together under 0.01"
    of_ports = [(name, n) for name, n in shown if name in shares.ports]
    others = [(name, n) for name, n in shown if name not in shares.ports] + [("other", n_other)] * (n_other > 0)
    text = "; ".join(", ".join(f"{name} {n / 100:.2f}" for name, n in part) for part in (of_ports, others) if part)
    notes = []
    if len(of_ports) > 1 and shares.is_reach_alone:
        notes.append("no evidence tells the ports apart, only reach and time")
    if not is_off_known:
        notes.append("whether it was on the air nobody can say")
    if shares.meeting_says and any(name == kinds[2][0] for name, _ in shown):
        notes.append(shares.meeting_says)
    return f"{text} ({'; '.join(notes)})" if notes else text


def _hundredths(values: Sequence[float], total: int) -> list[int]:
    """Values as whole hundredths that sum to `total`; what is under half a hundredth goes to the last."""
    whole = [round(100 * v) for v in values[:-1]]
    while sum(whole) > total:
        whole[max(range(len(whole)), key=lambda i: (whole[i] - 100 * values[i], i))] -= 1
    return [*whole, total - sum(whole)]
