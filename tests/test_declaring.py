"""What simulated ships type as their destination: as crews do, and without moving anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ghostships import routes
from ghostships.inference.declared import Gazetteer
from ghostships.simulate import PRESETS, simulate
from ghostships.simulation import declaring, hearing, hulls

ROUTE = routes.load()
TINY = PRESETS["default"].changed(
    name="tiny", days=4, n_ships=14, n_traders=3, n_lookalikes=3, n_coal_ships=1, trips_per_month=15.0
)
HULLS = hulls.launch(PRESETS["default"], ROUTE, np.random.default_rng(3))


def typed(hull: hulls.Hull, *legs: str, dark: tuple[bool, ...] = (), seed: int = 0) -> list[str]:
    """What a hull types on these passages, two knots each."""
    bound = np.repeat(np.array(legs), 2)
    is_dark = np.repeat(np.array(dark or (False,) * len(legs)), 2)
    texts = declaring.declared(hull, bound, is_dark, ROUTE, np.random.default_rng(seed))
    return [str(t) for t in texts[::2]]


def test_no_ship_on_a_dark_trip_names_the_dark_port() -> None:
    """Neither as where it goes nor as where it came from, in a thousand voyages."""
    read = Gazetteer(ROUTE).read
    traders = [h for h in HULLS if h.role in ("trader", "lookalike")]
    for seed in range(100):
        for hull in traders[:10]:
            for text in typed(hull, hull.home, "NAJIN", hull.home, "BUSAN", dark=(False, True, True, False), seed=seed):
                found = read(text)
                assert found is not None
                assert "NAJIN" not in found.named


def test_some_tell_the_truth_some_never_change_and_some_write_what_means_nothing() -> None:
    """Over many ships: 62 % honest, 12 % fixed. An honest ship's text names where it goes, in a form that can be read."""
    read = Gazetteer(ROUTE).read
    cargo = next(h for h in HULLS if h.role == "cargo" and h.home == "BUSAN")
    n_honest = n_fixed = 0
    for seed in range(400):
        legs = ("BUSAN", "VLADIVOSTOK", "NIIGATA", "NAKHODKA", "KHOLMSK", "VOSTOCHNY")
        texts = typed(cargo, *legs, seed=seed)
        bound = [read(text) for text in texts]
        n_honest += all(b is not None and b.ports == (port,) for b, port in zip(bound, legs, strict=True))
        n_fixed += len(set(texts)) == 1 and not any(b.ports for b in bound if b is not None)
        assert all(0 < len(text) <= 20 for text in texts)
    assert n_honest / 400 == pytest.approx(0.62, abs=0.08)
    assert n_fixed / 400 == pytest.approx(0.12, abs=0.06)


def test_what_is_typed_moves_no_ship_and_hears_no_message_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Destinations have a random stream of their own: with any other way of typing every other byte is the same."""
    mine = simulate(tmp_path / "mine", seed=5, scenario=TINY)
    monkeypatch.setattr(hearing, "declared", lambda hull, bound_for, *_: np.full(len(bound_for), "HOME"))
    other = simulate(tmp_path / "other", seed=5, scenario=TINY)
    ais = [pl.read_csv(world.folder / "ais.csv.gz", infer_schema_length=None) for world in (mine, other)]
    assert ais[0].drop("destination").equals(ais[1].drop("destination"))
    assert ais[0]["destination"].n_unique() > 5
    files = sorted(p.relative_to(mine.folder) for p in mine.folder.rglob("*") if p.is_file() and p.name != "ais.csv.gz")
    assert len(files) > 5
    for name in files:
        assert (mine.folder / name).read_bytes() == (other.folder / name).read_bytes(), name
