"""Who each ship claims to be, and which lists name it."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest
from messages import SIM_A, SIM_B, hourly, messages, river

from ghostships import tables
from ghostships.steps import clean, vessels
from ghostships.traffic import Traffic

NOBODY = tables.empty_pandas(tables.REGISTRY)


def describe(positions: pl.DataFrame, registry: pd.DataFrame = NOBODY, **more: object) -> pd.DataFrame:
    """The step under test, told by the static data of the days of these positions."""
    return vessels.describe(Traffic.of_positions(positions).statics, registry, **more)  # type: ignore[arg-type]


def _registry(**row: object) -> pd.DataFrame:
    schema = tables.REGISTRY.polars_schema
    return tables.to_pandas(
        pl.DataFrame([{n: row.get(n) for n in schema} | {"source_row": "a:1"}], schema=schema), tables.REGISTRY
    )


def test_the_value_sent_most_often_is_shown_and_all_are_listed() -> None:
    """One garbled message must not rename a ship, nor be hidden."""
    sent = pl.concat(
        [
            hourly(
                range(5),
                vessel_name="SIM AMBER",
                imo=9_074_729,
                ship_type=70,
                length_m=140.0,
                draught_m=7.5,
                destination="DUNAY",
            ),
            hourly([6], vessel_name="SIM AMBFR", row=50, call_sign="XA1", draught_m=8.1, ais_class="A"),
        ]
    )
    row = describe(sent).iloc[0]
    assert (row.vessel_name, row.imo, row.ship_type, row.length_m, row.ais_class) == (
        "SIM AMBER",
        9_074_729,
        70,
        140.0,
        "A",
    )
    assert row.all_names == ["SIM AMBER", "SIM AMBFR"]
    assert (row.all_mmsi, row.all_imo, row.call_signs, row.destinations) == (
        [str(SIM_A)],
        ["9074729"],
        ["XA1"],
        ["DUNAY"],
    )
    assert row.draughts_m == ["7.5 (2024-01-01)", "8.1 (2024-01-01)"]
    assert (row.n_gaps, row.n_trips) == (0, 0)


def test_a_tie_is_broken_by_the_value_not_by_the_row() -> None:
    """P9: names sent equally often must not swap with the order of rows."""
    a, b = hourly([0], vessel_name="SIM B"), hourly([1], vessel_name="SIM A", row=9)
    for positions in (pl.concat([a, b]), pl.concat([b, a])):
        assert describe(positions)["vessel_name"].item() == "SIM A"


@pytest.mark.parametrize(
    ("listed", "hit"),
    [
        ({"imo": 9_074_729}, "SIM LIST (since 2023-05-01, matched by IMO 9074729)"),
        ({"mmsi": SIM_A}, f"SIM LIST (since 2023-05-01, matched by MMSI {SIM_A})"),
        ({"vessel_name": "Sim Ámber"}, "SIM LIST (since 2023-05-01, matched by name only)"),
        ({"vessel_name": "SIM AMBER II"}, None),
        ({"vessel_name": "..."}, None),
        ({"imo": 9_074_730}, None),
    ],
)
def test_a_listing_hits_by_number_or_by_the_whole_name_and_says_which(
    listed: dict[str, object], hit: str | None
) -> None:
    """An analyst must see what the hit rests on; a name alone is weak."""
    positions = hourly(range(3), vessel_name="SIM AMBER", imo=9_074_729)
    row = describe(positions, _registry(**listed, list="SIM LIST", since="2023-05-01")).iloc[0]
    assert row.watch_list_hits == ([hit] if hit else [])


def test_one_listing_is_one_hit_by_its_strongest_key() -> None:
    """Three keys of one row are not three listings."""
    positions = hourly(range(3), vessel_name="SIM AMBER", imo=9_074_729)
    registry = _registry(imo=9_074_729, mmsi=SIM_A, vessel_name="SIM AMBER", list="SIM LIST")
    assert describe(positions, registry)["watch_list_hits"].item() == ["SIM LIST (no date, matched by IMO 9074729)"]


def test_the_registry_gives_the_length_by_number_only_and_is_no_listing() -> None:
    """Crews enter lengths as they please; but two ships of one name are two ships."""
    positions = hourly(range(3), vessel_name="SIM AMBER", length_m=100.0)
    assert describe(positions, _registry(mmsi=SIM_A, length_m=140.0))["length_m"].item() == 140.0
    assert describe(positions, _registry(mmsi=SIM_A, length_m=140.0))["watch_list_hits"].item() == []
    assert describe(positions, _registry(vessel_name="SIM AMBER", length_m=140.0))["length_m"].item() == 100.0


def test_doubts_about_the_identity_are_said() -> None:
    """Shared numbers, unallotted numbers and one IMO under two numbers are shown, never merged."""
    first = hourly(range(50), imo=9_074_729)
    shared = messages(*((h + 0.1, 5.0, 60.0) for h in range(50)), row=500)
    second = hourly(range(50), mmsi=SIM_B, imo=9_074_729)
    positions = pl.concat([first, shared, second])
    found = describe(positions, segments=river(positions)[0], vessel_class=clean.vessel_class)
    assert len(found) == 2
    notes = found.set_index("vessel_key")["identity_note"]
    assert "shared number: 2 believable tracks" in notes[f"mmsi:{SIM_A}"]
    assert "country code nobody holds" in notes[f"mmsi:{SIM_A}"]
    assert f"IMO 9074729 is also sent by mmsi:{SIM_A}" in notes[f"mmsi:{SIM_B}"]
    assert pd.isna(describe(hourly(range(3)))["identity_note"].item())


def test_the_table_keeps_its_declaration_even_when_empty() -> None:
    """A run without AIS goes through the same river."""
    for positions in (hourly([]), hourly(range(3), draught_m=7.0)):
        found = describe(positions, fastest_kn={f"mmsi:{SIM_A}": 14.0})
        arrow = tables.to_arrow(found, tables.VESSELS)
        assert tables.check(pl.DataFrame(pl.from_arrow(arrow)), tables.VESSELS)[1].is_empty()
        assert len(found) == positions["vessel_key"].n_unique()
