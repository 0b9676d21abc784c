"""Container stacks from look to look: what bounds a call that nobody saw, and what does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from worlds import Found, Picture, World, table

from ghostships import routes, tables
from ghostships.readers.sightings import read_sightings
from ghostships.steps import calls, stacks, trips

ROUTE = routes.load()
START = datetime(2019, 5, 1, tzinfo=UTC)


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def look(
    day: float, note: str = "", *, length_m: float | None = None, berth: str | None = None, **said: object
) -> dict[str, object]:
    return {
        "sighting_id": f"SIM-{day:g}",
        "observation_type": "containers",
        "start_utc": at(day),
        "end_utc": at(day),
        "port": "NAJIN",
        "berth": berth,
        "length_m": length_m,
        "note": note or None,
        "source": "simulated",
        "source_row": f"{'e' * 12}:{day}",
        **said,
    }


def compared(*looks: dict[str, object], calls_at: tuple[tuple[float, float], ...] = ()) -> pd.DataFrame:
    frame = table(looks, tables.SIGHTINGS)
    shown = pd.DataFrame(
        [
            {
                "call_id": f"C-{n}",
                "port": "NAJIN",
                "arrival_not_after_utc": pd.Timestamp(at(first)),
                "departure_not_before_utc": pd.Timestamp(at(last)),
            }
            for n, (first, last) in enumerate(calls_at)
        ],
        columns=["call_id", "port", "arrival_not_after_utc", "departure_not_before_utc"],
    )
    return stacks.compare(frame, shown, route=ROUTE)


@pytest.mark.parametrize(
    ("before", "after", "is_changed"),
    [
        (90, 130, True),
        (130, 90, True),
        (90, 105, False),
        (90, 110, False),
        (90, 113, True),
        (150, 175, False),
        (150, 190, True),
    ],
)
def test_a_stack_changed_when_it_did_by_more_than_lengths_are_read_to(
    before: float, after: float, is_changed: bool
) -> None:
    """20 m and a fifth of the longer, grown or vanished alike: 22 m of 110 m, 22.6 m of 113 m."""
    (row,) = compared(look(0, length_m=before), look(4, length_m=after)).to_dict("records")
    assert bool(row["is_changed"]) is is_changed
    assert (row["start_utc"], row["end_utc"]) == (at(0), at(4))
    assert "SIM-0" in row["because"] and "SIM-4" in row["because"]


def test_lengths_are_read_from_the_remark_where_no_column_has_them() -> None:
    """As the press writes them; counts of boxes are no lengths."""
    rows = compared(
        look(0, "container stack about 90 m long; also stack at Pier 1"), look(3, "stack ~150 m, ~60 boxes")
    )
    assert list(rows["is_changed"]) == [True]
    assert compared(look(0, "about 300 x 20-ft containers staged"), look(3, "stack 90 m")).empty


@pytest.mark.parametrize(
    ("note", "tells"),
    [
        ("new stack about 80 m", True),
        ("pier empty 30 Aug; stack growing to ~150 m", True),
        ("changes at Pier 2 imply another call", True),
        ("no new containers on the pier", False),
        ("unchanged since Monday", False),
        ("containers staged", False),
        ("containers staged | title: changes ahead", False),
    ],
)
def test_a_source_that_tells_of_a_change_is_believed_by_itself(note: str, tells: bool) -> None:
    """Its own words count, not the title of its article; "no new" is none."""
    assert len(compared(look(5, note))) == tells


def test_a_told_change_lies_between_the_last_look_and_this_one() -> None:
    """With an earlier look at the same berth the time is bounded on both sides."""
    rows = compared(look(0, "stack 90 m", berth="NAJIN_PIER2"), look(4, "new stack about 80 m", berth="NAJIN_PIER2"))
    assert [(r.start_utc, r.end_utc, r.is_changed) for r in rows.itertuples()] == [(at(0), at(4), True)]


def test_looks_at_other_berths_other_ports_or_weeks_apart_bound_nothing() -> None:
    """A stack is compared with itself, and soon enough."""
    assert compared(look(0, length_m=90, berth="NAJIN_PIER1"), look(4, length_m=150, berth="NAJIN_PIER2")).empty
    assert compared(look(0, length_m=90), look(15, length_m=150)).empty
    assert compared(look(0, length_m=90, port="VOSTOCHNY"), look(4, length_m=150, port="VOSTOCHNY")).empty
    ship = {"observation_type": "vessel"}
    assert compared(look(0, length_m=90, **ship), look(4, length_m=150, **ship)).empty


def test_a_change_is_put_down_to_the_calls_that_pictures_show_meanwhile() -> None:
    """A ship seen between the two looks explains it; one seen a week later does not."""
    looks = (look(2, length_m=90), look(6, length_m=150))
    assert compared(*looks, calls_at=((3, 4),))["explained_by"].item() == "C-0"
    assert compared(*looks, calls_at=((1, 8),))["explained_by"].item() == "C-0"
    assert compared(*looks, calls_at=((9, 10),))["explained_by"].isna().item()


def test_only_changes_that_nothing_explains_are_told() -> None:
    """One sentence each, which does not say that a ship did it."""
    looks = (look(2, length_m=90), look(6, length_m=150), look(8, length_m=152))
    (sentence,) = stacks.untold(compared(*looks), route=ROUTE)
    assert "consistent with" in sentence and "lorries" in sentence
    assert stacks.untold(compared(*looks, calls_at=((3, 4),)), route=ROUTE) == []
    assert stacks.untold(compared(), route=ROUTE) == []


def test_rows_in_any_order_give_the_same() -> None:
    """Sightings are sorted by time, not by file."""
    looks = [look(2, length_m=90), look(6, length_m=150), look(8, length_m=90)]
    pd.testing.assert_frame_equal(compared(*looks), compared(*looks[::-1]))


def test_the_published_stacks_bound_what_was_printed_of_them(fixtures: Path) -> None:
    """CSIS on 16 October 2023: changes since 14-15 October. VOA: a stack of 90 m on 17 October and a new one of 80 m on the 21st,
    both at Pier 2. VOA in 2024: Pier 2 empty on 30 August, growing until 4 September."""
    sightings, _, _ = read_sightings(fixtures / "published" / "sightings.csv", route=ROUTE)
    grouped = calls.group(sightings, ROUTE)
    stays = calls.find(grouped, tables.empty_pandas(tables.SCENES), route=ROUTE)
    found = stacks.compare(grouped, stays, route=ROUTE).set_index("end_utc")
    assert found["is_changed"].all()
    days = [f"{t.tz_convert('Asia/Seoul'):%Y-%m-%d}" for t in found.index]
    assert days == ["2023-10-16", "2023-10-21", "2024-09-04"]
    at_pier_2 = found.iloc[1]
    assert f"{at_pier_2['start_utc'].tz_convert('Asia/Seoul'):%Y-%m-%d}" == "2023-10-17"
    assert "S018" in at_pier_2["because"] and "S013" in at_pier_2["because"]


def test_a_silence_that_covers_a_change_has_it_on_its_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three days silent, boxes grown from 90 to 150 m meanwhile, no ship in any picture: a weak factor, a warning, no call. The
    same boxes two days before the silence say nothing of it."""
    monkeypatch.setattr(trips, "SHOWN_FROM_P", 0.0)  # so that unlikely trips have a card

    def world(*hours: float) -> Found:
        grown = zip(hours, (90.0, 150.0), strict=True)
        return World(pictures=tuple(Picture(h, length_m=m, observation_type="containers") for h, m in grown)).analysed()

    for found, covers in ((world(140, 170), True), (world(60, 70), False)):
        cards = found["evidence"].query("factor == 'stacks'")
        assert len(cards) > 0
        assert cards["because"].str.contains("SIM-0").any() == covers
        assert (cards["bits"].abs() <= 1).all()
        assert found["port_calls"].empty
        assert sum("container stacks" in warning for warning in found.result.warnings) == 1
