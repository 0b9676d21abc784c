"""What a simulated world holds: one frozen set of numbers, with named presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace

from ghostships.errors import UsageError


@dataclass(frozen=True)
class Scenario:
    """Every tunable number of a simulated world; a seed and these numbers give the same bytes again.

    `n_ships` counts all hulls with a transponder, traders and look-alikes included. `n_hulls_without_ais` come on top.
    """

    name: str = "default"
    start_utc: str = "2019-03-01T00:00:00Z"
    """Years before the trade began, so that nobody takes a simulated day for a real one."""
    days: int = 60
    n_ships: int = 134
    n_traders: int = 5
    n_lookalikes: int = 15
    n_coal_ships: int = 3
    fishing_share: float = 0.18
    local_share: float = 0.12
    away_share: float = 0.16
    """Shares of the ordinary ships that fish, work around their own port, or leave the area for days."""
    trips_per_month: float = 19.5
    p_silence_continues: float = 0.18
    """Chance that a trader stays dark at the counterpart port and makes the next trip in the same silence."""
    p_short_reappearance: float = 0.08
    n_hulls_without_ais: int = 6
    unknown_call_every_days: float = 12.0
    """Mean time between the calls of one hull without a transponder at the dark port."""
    n_outages: int = 4
    """Feed outages: every other one takes the satellites too."""
    report_interval_min: float = 7.7
    """Median time between the positions that a ship's messages are thinned to, as commercial exports are."""
    satellite_pass_every_h: float = 1.5
    satellite_quality: float = 1.0
    """Factor on the chance that a pass hears a ship: below 1 for a poor feed."""
    dirty_share: float = 0.002
    """Share of positions that are repeated, have a sentinel for a place, or a wrong place or time."""
    optical_per_day: float = 1.0
    """Optical pictures of the dark port a day; other places are looked at less, in proportion."""
    radar_per_day: float = 0.35
    is_all_radar: bool = False
    clear_share: float = 0.68
    false_alarms_per_radar_scene: float = 0.25
    false_alarms_per_optical_scene: float = 0.03
    small_craft_per_scene: float = 0.2
    named_share: float = 0.10
    wrong_name_share: float = 0.10
    listed_share: float = 0.6
    """Share of the traders that a watch list knows; one look-alike is always listed too."""
    off_at_berth_share: float = 0.6
    """Share of trips that switch off before they leave the quay, and share that come back on only after they lie there again."""
    no_length_share: float = 0.0
    """Share of ships whose length nobody knows: they send none, and no registry has one."""
    n_silent_throughout: int = 0
    """Traders never heard from the end of the first day to the start of the last: one silence with all their trips in it."""
    n_jamming_clusters: int = 0
    """Times in which ships near a port are heard at one place inland (every other time: on circles around one)."""
    n_shared_numbers: int = 0
    """Pairs of hulls that send one number."""
    n_renumbered_ships: int = 0
    """Ships that go on under another number after some hours of silence."""
    n_drawn_tracks: int = 0
    """Ships that send a circle (every other one: a straight run) for some hours, far from where they are."""

    def __post_init__(self) -> None:
        taken = self.n_traders + self.n_lookalikes + self.n_coal_ships
        if self.days < 3:
            raise UsageError(f"scenario {self.name}: days must be at least 3; found {self.days}")
        if self.n_ships < taken:
            raise UsageError(
                f"scenario {self.name}: n_ships must be at least {taken}, the traders, look-alikes and coal ships; "
                f"found {self.n_ships}"
            )
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name.endswith("_share") or item.name.startswith("p_"):
                if not 0 <= value <= 1:
                    raise UsageError(f"scenario {self.name}: {item.name} must be within 0 and 1; found {value}")
            elif isinstance(value, int | float) and value < 0:
                raise UsageError(f"scenario {self.name}: {item.name} must not be negative; found {value}")
        if self.n_silent_throughout > self.n_traders:
            raise UsageError(
                f"scenario {self.name}: n_silent_throughout must be at most {self.n_traders}, the traders; "
                f"found {self.n_silent_throughout}"
            )
        if self.fishing_share + self.local_share + self.away_share > 1:
            raise UsageError(f"scenario {self.name}: fishing_share, local_share and away_share add up to more than 1")

    def changed(self, **changes: object) -> Scenario:
        """The same world with some numbers changed.

        Raises
        ------
        UsageError
            naming the numbers that exist.
        """
        known = [item.name for item in fields(self)]
        for name in changes:
            if name not in known:
                raise UsageError(f"scenario {self.name}: no setting {name!r}; known settings: {', '.join(known)}")
        return replace(self, **changes)  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, object]:
        # A number that came later and is not used is left out, so that worlds made before it have the same bytes.
        told = {name: value for name, value in asdict(self).items() if value or name not in _FALSEHOODS}
        return {name: value for name, value in told.items() if name not in _LATER or value != _LATER[name]}

    @property
    def has_falsehoods(self) -> bool:
        """Whether messages of this world say what is not true, dirt aside."""
        return any(getattr(self, name) for name in _FALSEHOODS)


_LATER = {"off_at_berth_share": 0.6, "no_length_share": 0.0, "n_silent_throughout": 0}
_FALSEHOODS = ("n_jamming_clusters", "n_shared_numbers", "n_renumbered_ships", "n_drawn_tracks")

_DEFAULT = Scenario()
PRESETS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        _DEFAULT,
        _DEFAULT.changed(name="none", trips_per_month=0.0),
        _DEFAULT.changed(name="rare", trips_per_month=3.0),
        _DEFAULT.changed(name="poor-sea", satellite_quality=0.45, satellite_pass_every_h=2.5),
        _DEFAULT.changed(name="all-radar", is_all_radar=True),
        _DEFAULT.changed(name="off-at-berth", off_at_berth_share=1.0),
        _DEFAULT.changed(name="no-lengths", no_length_share=0.3),
        _DEFAULT.changed(name="wrong-names", named_share=0.4, wrong_name_share=0.1),
        _DEFAULT.changed(name="few-pictures", optical_per_day=0.3, radar_per_day=0.1),
        _DEFAULT.changed(name="crowded-pier", n_hulls_without_ais=14, unknown_call_every_days=8.0),
        _DEFAULT.changed(name="silent-throughout", n_silent_throughout=2),
        _DEFAULT.changed(
            name="spoofed", n_jamming_clusters=3, n_shared_numbers=2, n_renumbered_ships=3, n_drawn_tracks=4
        ),
        _DEFAULT.changed(
            name="demo",
            days=24,
            n_ships=36,
            n_traders=3,
            n_lookalikes=5,
            n_coal_ships=1,
            trips_per_month=7.0,
            n_hulls_without_ais=2,
            n_outages=2,
            report_interval_min=11.0,
            optical_per_day=1.0,
            named_share=0.25,
        ),
    )
}


def preset(name: str) -> Scenario:
    """The preset of this name.

    Raises
    ------
    UsageError
        naming the presets that exist.
    """
    if name not in PRESETS:
        raise UsageError(f"no scenario {name!r}; known scenarios: {', '.join(PRESETS)}")
    return PRESETS[name]
