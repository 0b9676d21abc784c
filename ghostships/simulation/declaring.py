"""What ships type as their destination: some tell where they go, some never change it, some write what means nothing.

A ship on a dark trip never names the dark port, as published reports of this trade have none that did. The texts have the shapes
that real ships use (IMO SN.1/Circ.244/Rev.1, and what stands in public AIS samples): names, UN/LOCODEs, `FROM>TO`, a country or
an anchorage behind, a letter wrong, orders to come.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from ghostships.routes import Route
from ghostships.simulation.hulls import PRIMORYE, Hull

Habit = Literal["honest", "careless", "fixed"]

_FIXED = ("FOR ORDERS", "FOR ORDER", "ORDERS", "?", "CLASS A AIS", "0", "AS PER ORDERS", "SEA OF JAPAN", "HOME")
_AWAY = {"EXIT_SW": ("CN SHA", "QINGDAO", "SHANGHAI"), "EXIT_E": ("US LGB", "PETROPAVLOVSK"), "EXIT_NE": ("MAGADAN",)}
_ENDINGS = (" ANCH", " RUSSIA", " RDS", "/PILOT", " PORT")
_MISSPELT = {"NAKHODKA": "NAHODKA", "VLADIVOSTOK": "VLADIVOSTOCK", "VOSTOCHNY": "VOSTOCHNIY", "POSYET": "POSIET"}
_KEEPS_SECRET = ("trader", "lookalike")


def declared(
    hull: Hull, bound_for: npt.NDArray[np.str_], is_dark: npt.NDArray[np.bool_], route: Route, rng: np.random.Generator
) -> npt.NDArray[np.str_]:
    """The text that a ship sends from each knot of its journey on; empty where it has typed nothing yet.

    `bound_for` is where it is really going (a port, or an exit of the area), `is_dark` whether it makes that passage with its
    transponder off. Each habit and each text is drawn once per passage, never per message.
    """
    habit: Habit = str(rng.choice(["honest", "careless", "fixed"], p=[0.62, 0.26, 0.12]))  # type: ignore[assignment]
    fixed = str(rng.choice(_FIXED))
    codes = {port.id: port.locodes for port in route.ports}
    legs = np.concatenate([[0], np.flatnonzero(bound_for[1:] != bound_for[:-1]) + 1])
    out = np.empty(len(bound_for), dtype=object)
    text, port_before = fixed if habit == "fixed" else _written(hull.home, hull.home, codes, rng), hull.home
    for start, end in zip(legs, [*legs[1:], len(bound_for)], strict=True):
        port = str(bound_for[start])
        secret = hull.role in _KEEPS_SECRET and (port == route.dark_port_id or bool(is_dark[start:end].any()))
        draw, other = rng.random(), str(rng.choice(PRIMORYE))
        if habit != "fixed" and secret:
            # Most leave it as it was, some say home, some name a port where they will not be.
            if draw > 0.65:
                text = _written(hull.home if draw < 0.82 else other, port_before, codes, rng)
        elif habit == "honest" or (habit == "careless" and draw < 0.25):
            text = _written(port or port_before, port_before, codes, rng)
        out[start:end] = text
        if hull.role not in _KEEPS_SECRET or port != route.dark_port_id:
            port_before = port or port_before
    return out.astype(str)


def _written(port: str, port_before: str, codes: dict[str, tuple[str, ...]], rng: np.random.Generator) -> str:
    """One of the ways in which crews write a port."""
    style, ending = rng.random(), str(rng.choice(_ENDINGS))
    if port in _AWAY:
        return str(rng.choice(_AWAY[port]))
    code, code_before = codes.get(port, ()), codes.get(port_before, ())
    if style < 0.25 and code:
        return code[0]
    if style < 0.40 and code and code_before and port != port_before:
        return f"{code_before[0]}>{code[0]}"
    if style < 0.48:
        return _MISSPELT.get(port, port)
    return f"{port}{ending}"[:20] if style < 0.62 else port
