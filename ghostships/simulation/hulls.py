"""Who sails: invented hulls with invented identities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ghostships.routes import Route
from ghostships.simulation.scenario import Scenario
from ghostships.simulation.waters import EXTRA_PORTS

Role = Literal["trader", "lookalike", "coal", "cargo", "away", "fishing", "local", "unknown"]

FIRST_MMSI = 799_000_101
"""Looks like a ship (first digit 2 to 7), but no country has the digits 799: the ITU's table of MIDs ends at 775."""

FIRST_IMO = 300_010
"""First six digits of the invented IMO numbers: numbers that begin with 3 were never issued. Check digits are valid."""

PRIMORYE = ("VOSTOCHNY", "DUNAY", "VLADIVOSTOK", "NAKHODKA", "SLAVYANKA", "ZARUBINO", "POSYET")
"""Where traders and look-alikes are at home."""

ELSEWHERE = ("CHONGJIN", "WONSAN", "BUSAN", "NIIGATA", "KHOLMSK")
"""Other ports of the route that simulated ships call at."""

_TRADER_HOMES = ("VOSTOCHNY", "DUNAY", "VOSTOCHNY", "DUNAY", "VLADIVOSTOK")
# fmt: off
_NAMES = (
    "AMBER", "BIRCH", "CEDAR", "DELTA", "EMBER", "FJORD", "GROVE", "HAVEN", "INLET", "JUNIPER", "KESTREL", "LARCH", "MEADOW",
    "NIMBUS", "OSPREY", "PEBBLE", "QUARRY", "ROWAN", "SORREL", "THISTLE", "UMBRA", "VESPER", "WILLOW", "XENIA", "YARROW",
)
# fmt: on


@dataclass(frozen=True)
class Hull:
    """One invented hull. `mmsi` is None where it has no transponder."""

    hull_id: str
    role: Role
    mmsi: int | None
    imo: int | None
    name: str
    call_sign: str
    ship_type: int
    ais_class: str
    length_m: float
    light_draught_m: float
    laden_draught_m: float
    cruise_kn: float
    audibility: float
    """Factor on the chance and the range of being heard; 1 is a good installation."""
    home: str
    is_listed: bool
    tells_length: bool = True

    @property
    def vessel_key(self) -> str | None:
        """The key that the analysis gives this ship."""
        return None if self.mmsi is None else f"mmsi:{self.mmsi}"


def imo_number(six_digits: int) -> int:
    """Seven digits with the check digit: the last digit of the sum of the six, weighted 7 down to 2."""
    digits = [int(d) for d in f"{six_digits:06d}"]
    return six_digits * 10 + sum(d * w for d, w in zip(digits, range(7, 1, -1), strict=True)) % 10


def launch(scenario: Scenario, route: Route, rng: np.random.Generator) -> list[Hull]:
    """Every hull of the world: traders first, hulls without a transponder last."""
    ordinary = scenario.n_ships - scenario.n_traders - scenario.n_lookalikes - scenario.n_coal_ships
    n_fishing, n_local, n_away = (
        round(ordinary * share) for share in (scenario.fishing_share, scenario.local_share, scenario.away_share)
    )
    wanted: dict[Role, int] = {
        "trader": scenario.n_traders,
        "lookalike": scenario.n_lookalikes,
        "coal": scenario.n_coal_ships,
        "fishing": n_fishing,
        "local": n_local,
        "away": n_away,
        "cargo": ordinary - n_fishing - n_local - n_away,
        "unknown": scenario.n_hulls_without_ais,
    }
    roles = [role for role, n in wanted.items() for _ in range(n)]
    shares = rng.random(len(roles))
    trade = route.priors
    lengths: list[float] = []
    hulls = []
    for number, role in enumerate(roles):
        low, high = {
            "trader": (trade.trade_length_min_m + 15, trade.trade_length_max_m - 25),
            "lookalike": (trade.trade_length_min_m, trade.trade_length_max_m - 10),
            "unknown": (trade.trade_length_min_m, trade.trade_length_max_m - 10),
            "coal": (150.0, 200.0),
            "cargo": (70.0, 230.0),
            "away": (125.0, 300.0),
            "fishing": (24.0, 75.0),
            "local": (18.0, 60.0),
        }[role]
        length = rng.uniform(low, high)
        if role == "trader":
            # Spread over the trade's range: a fleet of five has no two sisters by chance in one seed and none in the next.
            length = low + (number + rng.uniform(0.2, 0.8)) / scenario.n_traders * (high - low)
        if role == "lookalike":
            # Every other one is like a trader, to within what no picture can tell apart.
            twin = lengths[int(rng.integers(scenario.n_traders))] if scenario.n_traders else 115.0
            length = twin + rng.normal(0, 6) if number % 2 else rng.uniform(low, high)
        if role == "unknown" and number == len(roles) - 1 and scenario.n_hulls_without_ais > 1:
            length = rng.uniform(175, 195)  # a coal ship without a transponder
        lengths.append(length)
        hulls.append(_hull(number, role, round(length), float(shares[number]), scenario, rng))
    return hulls


def _hull(
    number: int,
    role: Role,
    length_m: float,
    share: float,
    scenario: Scenario,
    rng: np.random.Generator,
) -> Hull:
    has_ais = role != "unknown"
    is_small = role in ("fishing", "local")
    name = f"SIM {_NAMES[number % len(_NAMES)]}" + (f" {number // len(_NAMES) + 1}" if number >= len(_NAMES) else "")
    light = max(1.5, length_m * rng.uniform(0.026, 0.034))
    # Most installations are good; a tail is old, badly placed or of low power (method.md 2: heavy tail).
    audibility = float(np.clip(1.05 - rng.exponential(0.10), 0.3, 1.0)) if share < 0.9 else float(rng.uniform(0.2, 0.6))
    if role == "trader":
        home = _TRADER_HOMES[number % len(_TRADER_HOMES)]
        listed = number < round(scenario.listed_share * scenario.n_traders)
    else:
        listed = role == "lookalike" and number == scenario.n_traders
        home = {
            "lookalike": str(rng.choice(PRIMORYE[:5])),
            "coal": str(rng.choice(["VOSTOCHNY", "BUSAN"])),
            "cargo": str(rng.choice([*PRIMORYE[:4], "BUSAN", "NIIGATA", "KHOLMSK", *EXTRA_PORTS])),
            "away": str(rng.choice(["VLADIVOSTOK", "VOSTOCHNY", "BUSAN", "NIIGATA", "OTARU"])),
            "fishing": str(rng.choice(["VLADIVOSTOK", "NAKHODKA", "OLGA", "SAKAIMINATO", "HAKODATE", "POHANG"])),
            "local": str(rng.choice(["VLADIVOSTOK", "NAKHODKA", "SLAVYANKA", "POSYET", "BUSAN"])),
        }.get(role, "")
    return Hull(
        hull_id=f"H{number:03d}",
        role=role,
        mmsi=FIRST_MMSI + 7 * number if has_ais else None,
        imo=imo_number(FIRST_IMO + 13 * number) if has_ais and not is_small else None,
        name=name if has_ais else f"no transponder {number}",
        call_sign=f"SIM{number:03d}" if has_ais else "",
        ship_type={"fishing": 30, "local": int(rng.choice([52, 31, 50]))}.get(role, int(rng.choice([70, 70, 79]))),
        ais_class="B" if is_small and share < 0.7 else "A",
        length_m=float(length_m),
        light_draught_m=round(light, 1),
        laden_draught_m=round(light * rng.uniform(1.35, 1.6), 1),
        cruise_kn=round(
            float({"fishing": 9.0, "local": 8.0, "away": 13.0}.get(role, 11.5) * rng.uniform(0.88, 1.15)), 2
        ),
        audibility=round(audibility * (0.8 if is_small and share < 0.7 else 1.0), 3),
        home=home,
        is_listed=bool(listed),
        # By the golden ratio, so that every role has its share and no draw of the other properties moves.
        tells_length=number * 0.6180339887 % 1 >= scenario.no_length_share,
    )
