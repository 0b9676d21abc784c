"""What was heard, small enough to think on: summaries and single positions are those of the rows, in memory or on the disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import deliveries
import polars as pl
import pytest
from deliveries import everything, little_memory, told
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ghostships import statics, tables
from ghostships.steps import days
from ghostships.traffic import WINDOWS, Traffic

START = datetime(2024, 1, 1, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, Traffic, Traffic]:
    """The rows of two files of three days; the traffic of them in memory; and that of their days on the disk."""
    folder = tmp_path_factory.mktemp("both")
    drawn = deliveries.rows(260, ships=5)
    files = [("a.csv", deliveries.csv_of(drawn[::2])), ("b.csv", deliveries.csv_of(drawn[1::2]))]
    with little_memory(flush=60, at_once=50, block=3000):
        on_disk, made = deliveries.made_of(folder, *files)
    assert len(made) == 3
    positions = deliveries.read([folder / name for name, _ in files])
    return positions, Traffic.of_positions(positions), on_disk


def believed(positions: pl.DataFrame) -> pl.DataFrame:
    """Rows that count, by the plain rules: one of those that say the same, and none that is lost."""
    ordered = positions.sort(deliveries.SOURCE)
    same = [name for name in tables.POSITIONS.names if name not in deliveries.SOURCE]
    once = ordered.unique(same, keep="first", maintain_order=True)
    lost = Traffic.of_positions(positions).lost
    return once.join(lost, on=list(deliveries.SOURCE), how="anti").sort(tables.POSITIONS.key)


def test_days_on_the_disk_are_what_all_rows_in_memory_are(both: tuple[pl.DataFrame, Traffic, Traffic]) -> None:
    """Nobody who thinks on a traffic may be able to tell where its rows lie."""
    positions, in_memory, on_disk = both
    assert_frame_equal(on_disk.hours, in_memory.hours)
    assert_frame_equal(on_disk.lost, in_memory.lost)
    assert_frame_equal(told(on_disk), told(in_memory))
    assert in_memory.lost.height > 3
    assert_frame_equal(everything(in_memory), believed(positions))
    assert_frame_equal(everything(on_disk), believed(positions))


window = st.tuples(st.integers(0, 5), st.integers(-100, 3 * 1440 + 100), st.sampled_from([0, 0, 1, 30, 60, 600, 2000]))


def asked(drawn: list[tuple[int, int, int]]) -> pl.DataFrame:
    """Windows `(ship, minute, length)`; ship 5 was never heard."""
    spans = [(f"mmsi:{999_000_001 + ship}", at(start), at(start + length)) for ship, start, length in drawn]
    return pl.DataFrame(spans, schema=WINDOWS, orient="row")


@settings(max_examples=30)
@given(st.lists(window, max_size=8), st.integers(0, 3))
def test_positions_inside_windows_are_those_of_a_plain_filter(
    both: tuple[pl.DataFrame, Traffic, Traffic], drawn: list[tuple[int, int, int]], n_touching: int
) -> None:
    """Windows may overlap, touch, be equal, be one instant, or lie where nothing is: every row inside any of them, both ends
    included, comes once, in the order of the table."""
    positions, *traffics = both
    # Windows that touch the one before, and one that begins where a row lies.
    drawn = drawn + [(ship, start + length, 60) for ship, start, length in drawn[:n_touching]]
    windows = asked(drawn)
    if drawn:
        row = believed(positions).row(drawn[0][1] % 200, named=True)
        exact = (row["vessel_key"], row["time_utc"], row["time_utc"] + timedelta(minutes=drawn[0][2]))
        windows = pl.concat([windows, pl.DataFrame([exact], schema=WINDOWS, orient="row")])
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    for key, start, end in windows.iter_rows():
        spans.setdefault(key, []).append((start, end))
    rows = believed(positions)
    mask = [
        any(start <= time <= end for start, end in spans.get(key, []))
        for key, time in rows.select("vessel_key", "time_utc").iter_rows()
    ]
    wanted = rows.filter(pl.Series(mask, dtype=pl.Boolean))
    assert wanted.height > 0 or not drawn
    for traffic in traffics:
        assert_frame_equal(traffic.positions(windows), wanted)


bound = st.one_of(st.none(), st.integers(-50, 3 * 1440 + 50), st.integers(0, 72).map(lambda h: 60 * h))


@settings(max_examples=20)
@given(bound, bound, bound, st.lists(window, min_size=1, max_size=4))
def test_within_is_the_traffic_of_the_rows_inside(
    both: tuple[pl.DataFrame, Traffic, Traffic],
    first: int | None,
    last: int | None,
    now: int | None,
    drawn: list[tuple[int, int, int]],
) -> None:
    """Law: cutting summaries is cutting rows. Hours, static data and single positions are those of the believed rows inside, and
    every other believed row is refused, once, under its rule."""
    positions, *traffics = both
    from_utc, to_utc, as_of = (None if bound is None else at(bound) for bound in (first, last, now))
    rows, time = believed(positions), pl.col("time_utc")
    is_future = pl.lit(False) if as_of is None else time > as_of
    is_outside = (pl.lit(False) if from_utc is None else time < from_utc) | (
        pl.lit(False) if to_utc is None else time > to_utc
    )
    kept = rows.filter(~is_future & ~is_outside)
    named = rows.with_columns(
        rule=pl.when(is_future).then(pl.lit("time_future")).when(is_outside).then(pl.lit("time_out_of_span"))
    )
    lost = named.filter(pl.col("rule").is_not_null()).select(tables.LOST.names).sort(tables.LOST.key)
    messages, contents = statics.part(kept)
    for traffic in traffics:
        cut, refused = traffic.within(from_utc=from_utc, to_utc=to_utc, as_of_utc=as_of)
        assert_frame_equal(cut.hours, days.summarise(kept))
        assert_frame_equal(told(cut), deliveries.by_content(days.describe(messages, contents)))
        assert_frame_equal(refused, lost)
        assert_frame_equal(everything(cut), kept)
        windows = asked(drawn)
        inside = traffic.positions(windows).join(kept, on=list(deliveries.SOURCE), how="semi", maintain_order="left")
        assert_frame_equal(cut.positions(windows), inside)
        assert cut.is_empty == kept.is_empty()


def test_a_cut_of_a_cut_is_the_cut_of_both(both: tuple[pl.DataFrame, Traffic, Traffic]) -> None:
    """A run may be bounded twice; the second bound must not bring rows back."""
    _, in_memory, on_disk = both
    for traffic in (in_memory, on_disk):
        first, out = traffic.within(from_utc=at(500), to_utc=None, as_of_utc=None)
        second, out_too = first.within(from_utc=None, to_utc=at(3000), as_of_utc=None)
        whole, out_whole = traffic.within(from_utc=at(500), to_utc=at(3000), as_of_utc=None)
        assert_frame_equal(second.hours, whole.hours)
        assert_frame_equal(told(second), told(whole))
        assert_frame_equal(everything(second), everything(whole))
        assert_frame_equal(pl.concat([out, out_too]).sort(tables.LOST.key), out_whole)


def test_without_some_numbers_the_others_are_as_they_were(both: tuple[pl.DataFrame, Traffic, Traffic]) -> None:
    """Numbers that are nobody's are set aside from everything that is thought on."""
    for traffic in both[1:]:
        rest = traffic.without(pl.DataFrame({"mmsi": [999_000_002, 999_000_009]}, schema={"mmsi": pl.Int64}))
        gone = pl.col("mmsi") == 999_000_002
        assert_frame_equal(rest.hours, traffic.hours.filter(~gone))
        assert_frame_equal(rest.statics, traffic.statics.filter(~gone))
        assert_frame_equal(everything(rest), everything(traffic).filter(~gone))


def test_nothing_is_a_traffic_too() -> None:
    """A run of pictures alone goes the same way."""
    nothing = Traffic.nothing()
    assert nothing.is_empty
    assert nothing.positions(asked([(1, 0, 5000)])).is_empty()
    cut, refused = nothing.within(from_utc=at(0), to_utc=at(9), as_of_utc=at(5))
    assert cut.is_empty and refused.is_empty() and cut.statics.is_empty()
    assert refused.schema == tables.LOST.polars_schema
    assert cut.hours.schema == tables.VESSEL_HOURS.polars_schema


def test_a_row_that_nobody_believes_is_in_no_summary_and_never_fetched() -> None:
    """Null island is a receiver without a fix: neither heard there, nor evidence of who was."""
    schema = tables.POSITIONS.polars_schema
    rows = [
        ("mmsi:999000001", 999_000_001, at(0), 42.0, 132.0, "SIM HARE"),
        ("mmsi:999000001", 999_000_001, at(60), 0.0, 0.0005, "SIM GHOST"),
        ("mmsi:999000002", 999_000_002, at(60), 0.0, 0.0005, "SIM NOWHERE"),
    ]
    names = ("vessel_key", "mmsi", "time_utc", "lat_deg", "lon_deg", "vessel_name")
    full = [dict.fromkeys(schema) | dict(zip(names, row, strict=True)) for row in rows]
    full = [row | {"source_file": "f" * 12, "source_row": n} for n, row in enumerate(full, start=1)]
    traffic = Traffic.of_positions(pl.DataFrame(full, schema=schema))
    assert traffic.lost["source_row"].to_list() == [2, 3]
    assert traffic.hours["hour_utc"].to_list() == [at(0)]
    assert traffic.statics["vessel_name"].to_list() == ["SIM HARE"]
    assert traffic.positions(asked([(0, -10, 2000), (1, -10, 2000)]))["source_row"].to_list() == [1]


# --- static data kept apart ---

said = st.tuples(
    st.sampled_from([999_000_001, 999_000_002, None]),
    st.sampled_from(["SIM HARE", "", None]),
    st.sampled_from([118.0, None]),
    st.sampled_from([7.5, 8.0, None]),
    st.integers(0, 3),
)


def spoken(drawn: list[tuple[int | None, str | None, float | None, float | None, int]], start: int = 1) -> pl.DataFrame:
    schema = tables.POSITIONS.polars_schema
    rows = [
        dict.fromkeys(schema)
        | {
            "vessel_key": f"mmsi:{mmsi}" if mmsi else f"id:{'f' * 12}:{minute}",
            "mmsi": mmsi,
            "vessel_name": name,
            "length_m": length,
            "draught_m": draught,
            "time_utc": at(minute),
            "source_file": "f" * 12,
            "source_row": n,
        }
        for n, (mmsi, name, length, draught, minute) in enumerate(drawn, start=start)
    ]
    return pl.DataFrame(rows, schema=schema)


@settings(max_examples=40)
@given(st.lists(said, max_size=30))
def test_static_data_taken_apart_and_joined_again_is_what_it_was(drawn: list) -> None:  # type: ignore[type-arg]
    """Law: nothing is lost by keeping each set once; null and empty text stay different, and so do ships."""
    positions = spoken(drawn)
    messages, contents = statics.part(positions)
    assert_frame_equal(statics.join(messages, contents), positions)
    assert contents.select(statics.SET).is_unique().all()
    assert contents["said"].to_list() == list(range(contents.height))
    assert contents.height == positions.select(statics.SET).n_unique() if drawn else contents.is_empty()
    assert messages["own_id"].is_null().to_list() == positions["mmsi"].is_not_null().to_list()


@settings(max_examples=30)
@given(st.lists(st.lists(said, max_size=12), max_size=4), st.randoms(use_true_random=False))
def test_numbers_of_several_sources_become_one_numbering(drawn: list, random: object) -> None:  # type: ignore[type-arg]
    """Messages of several sources mean what they meant under their new numbers, which do not depend on the order of sources."""
    parts = [statics.part(spoken(one, start=1 + 100 * k)) for k, one in enumerate(drawn)]
    together, maps = statics.renumber([contents for _, contents in parts])
    assert len(maps) == len(parts)
    for (messages, contents), new in zip(parts, maps, strict=True):
        assert_frame_equal(statics.join(statics.said_again(messages, new), together), statics.join(messages, contents))
    shuffled = [contents for _, contents in parts]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert_frame_equal(statics.renumber(shuffled)[0], together)


def test_a_store_may_fetch_more_than_it_was_asked_for(both: tuple[pl.DataFrame, Traffic, Traffic]) -> None:
    """Whoever fetches may give whole row groups: what is outside the windows is taken out here."""
    _, in_memory, _ = both
    whole = everything(in_memory)
    generous = Traffic(in_memory.hours, in_memory.statics, in_memory.lost, lambda _windows, _columns: whole[::-1])
    windows = asked([(0, 100, 900), (3, 0, 10_000), (3, 5, 7)])
    assert_frame_equal(generous.positions(windows), in_memory.positions(windows))


def test_a_few_columns_of_positions_are_those_of_the_whole_rows(both: tuple[pl.DataFrame, Traffic, Traffic]) -> None:
    """Who needs places alone is spared what ships say of themselves: the same rows, from memory as from disk."""
    _, in_memory, on_disk = both
    windows = asked([(0, 100, 900), (1, -10, 90_000), (3, 0, 10_000), (3, 5, 7)])
    columns = ["vessel_key", "time_utc", "sog_kn", "source_file", "source_row"]
    for traffic in (in_memory, on_disk):
        assert_frame_equal(traffic.positions(windows, columns), in_memory.positions(windows).select(columns))
    assert in_memory.positions(windows).height > 10
    assert in_memory.positions(asked([]), columns).columns == columns


@pytest.mark.slow
@settings(max_examples=200)
@given(st.integers(0, 10**6), bound, bound, bound)
def test_within_is_the_traffic_of_the_rows_inside_of_many_worlds(
    seed: int, first: int | None, last: int | None, now: int | None
) -> None:
    """The law of the cut on worlds of another day and ship each time."""
    rows = deliveries.in_memory(deliveries.rows(40, seed=seed, ships=3, days=2))
    traffic = Traffic.of_positions(rows)
    from_utc, to_utc, as_of = (None if bound is None else at(bound) for bound in (first, last, now))
    cut, refused = traffic.within(from_utc=from_utc, to_utc=to_utc, as_of_utc=as_of)
    kept = believed(rows).join(refused, on=list(deliveries.SOURCE), how="anti").sort(tables.POSITIONS.key)
    low, high = from_utc or at(-(10**6)), min([x for x in (to_utc, as_of) if x is not None], default=at(10**6))
    assert_frame_equal(kept, believed(rows).filter(pl.col("time_utc").is_between(low, high)))
    assert_frame_equal(cut.hours, days.summarise(kept))
    assert_frame_equal(told(cut), deliveries.by_content(days.describe(*statics.part(kept))))
    assert_frame_equal(everything(cut), kept)
