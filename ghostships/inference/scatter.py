"""How well each sensor measures length here: learned from sightings of ships that were transmitting, whose length is known."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pandas as pd

from ghostships.inference import silences
from ghostships.routes import Route

SURE_P = 0.9
"""Sightings put down to a transmitting ship with at least this probability teach; place and time decide there, hardly length."""
PRIOR_PAIRS = 10.0
"""How many such sightings the route file's figures are worth."""
LIKE_THE_TRADE = (0.7, 1.5)
"""Ships from 0.7 times the shortest to 1.5 times the longest of the trade: errors grow with length."""
BLUNDER_SIGMAS = 3.0
"""Errors beyond this many robust standard errors are blunders, and are counted as being just there."""


def learned(route: Route, sightings: pd.DataFrame, explained: pd.DataFrame, vessels: pd.DataFrame) -> Route:
    """The route with the length ratio and error of its sensors as this run's own pairs of picture and ship show them.

    `explained` as `steps.transmitting.explain` gives it. Each sensor shrinks to its route file where pairs are few.
    """
    if not len(explained):
        return route
    sure = explained[explained["p"] >= SURE_P]
    length = vessels.set_index("vessel_key")["length_m"]
    rows = sightings.set_index("sighting_id")
    priors = route.priors
    low, high = LIKE_THE_TRADE[0] * priors.trade_length_min_m, LIKE_THE_TRADE[1] * priors.trade_length_max_m
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for sighting_id, key in sorted(zip(sure["sighting_id"], sure["vessel_key"], strict=True)):
        measured, true = float(rows.at[sighting_id, "length_m"]), float(length.get(key, math.nan))
        if measured == measured and low <= true <= high:
            pairs[route.sensor(silences.text(rows.at[sighting_id, "sensor"])).id].append((measured, true))
    sensors = []
    for sensor in route.sensors:
        seen = pairs.get(sensor.id, [])
        if seen:
            measured, true = (np.array(column) for column in zip(*seen, strict=True))
            n = len(seen)
            # The ratio in logarithms, by its median: a blunder in twenty must not move it.
            log_ratio = n * float(np.median(np.log(measured / true))) + PRIOR_PAIRS * math.log(sensor.length_ratio)
            ratio = math.exp(log_ratio / (n + PRIOR_PAIRS))
            errors = measured / ratio - true
            robust = 1.4826 * float(np.median(np.abs(errors)))
            errors = np.clip(errors, -BLUNDER_SIGMAS * robust, BLUNDER_SIGMAS * robust)
            variance = (PRIOR_PAIRS * sensor.length_sigma_m**2 + float((errors**2).sum())) / (PRIOR_PAIRS + n)
            sensor = sensor.model_copy(
                update={"length_ratio": round(ratio, 4), "length_sigma_m": round(math.sqrt(variance), 2)}
            )
        sensors.append(sensor)
    return route.model_copy(update={"sensors": tuple(sensors)})
