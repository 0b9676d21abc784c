"""Sentences: where the time comes from, how parts find each other, and that a second decoder sees the same ships."""

from __future__ import annotations

import functools
import operator
from datetime import UTC, datetime
from pathlib import Path

import pyais
import pytest
from pyais import encode_dict

from ghostships.readers import ais, nmea

SECOND = 1_714_521_600


def sealed(body: str) -> str:
    return f"!{body}*{functools.reduce(operator.xor, body.encode()):02X}"


def tag(text: str) -> str:
    return f"\\{text}*{functools.reduce(operator.xor, text.encode()):02X}\\"


def position(mmsi: int, **fields: object) -> str:
    known = {"type": 1, "mmsi": mmsi, "lat": 42.1, "lon": 130.2, "speed": 12.3, "course": 93.3, "heading": 90}
    line = encode_dict({**known, **fields}, talker_id="AI", sentence_type="VDM")[0]
    return sealed(line[1:].split("*")[0])


def static(mmsi: int, sequence: int) -> list[str]:
    known = {"type": 5, "mmsi": mmsi, "shipname": "SIM ALPHA", "imo": 9074729, "to_bow": 100, "to_stern": 20}
    return [
        sealed(p[1:].split("*")[0]) for p in encode_dict(known, talker_id="AI", sentence_type="VDM", seq_id=sequence)
    ]


def read(tmp_path: Path, *lines: str) -> ais.AisDelivery:
    path = tmp_path / "a.nmea"
    path.write_text("\n".join(lines) + "\n")
    return ais.read([path])


def at(seconds: int) -> str:
    return tag(f"s:SIM,c:{SECOND + seconds}")


def test_a_file_without_any_time_is_refused(tmp_path: Path) -> None:
    """BI-072: bare sentences are not dated by the file's age or name."""
    found = read(tmp_path, position(999000001), position(999000002))
    assert found.files[0].refused is not None and "no receive time" in found.files[0].refused
    assert found.positions.is_empty() and found.rejects.is_empty()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (tag(f"c:{SECOND}"), ""),
        (tag(f"s:1,c:{SECOND}000"), ""),
        ("", f",{SECOND}"),
        ("", f",s22222,d-100,r003669987,{SECOND}"),
        ("$PGHP,1,2024,5,1,0,0,0,0,219,,2190047,1,28*{}\n", ""),
    ],
)
def test_every_way_to_give_a_receive_time_gives_the_same_time(before: str, after: str, tmp_path: Path) -> None:
    """BI-073: seconds or milliseconds in a tag block, trailing fields, or a `$PGHP` line before the sentence."""
    if before.startswith("$"):
        body = before[1:].split("*")[0]
        before = before.format(f"{functools.reduce(operator.xor, body.encode()):02X}")
    found = read(tmp_path, before + position(999000001) + after)
    assert found.positions["time_utc"].to_list() == [datetime(2024, 5, 1, tzinfo=UTC)]
    assert found.files[0].n_read == 1


def test_a_pghp_time_is_good_for_one_sentence(tmp_path: Path) -> None:
    """The sentence after the next one has a time of its own, or none."""
    body = "PGHP,1,2024,5,1,0,0,0,0,219,,2190047,1,28"
    line = f"${body}*{functools.reduce(operator.xor, body.encode()):02X}"
    found = read(tmp_path, line, position(999000001), position(999000002))
    assert found.files[0].n_rejected == {"no_receive_time": 1}


def test_parts_meet_when_interleaved_reversed_or_on_one_line(tmp_path: Path) -> None:
    """BI-070: sequence number, channel and source say which parts belong together, not their order."""
    a, b = static(999000001, 1), static(999000002, 2)
    for lines in (
        [at(0) + a[0], at(1) + b[0], at(2) + a[1], at(3) + b[1]],
        [at(0) + a[1], at(1) + b[1], at(2) + b[0], at(3) + a[0]],
        [at(0) + a[0] + at(0) + a[1], at(1) + b[0] + b[1]],
    ):
        found = read(tmp_path, *lines)
        assert sorted(found.positions["mmsi"].to_list()) == [999000001, 999000002], lines
        assert (found.files[0].n_read, found.files[0].n_accepted) == (2, 2)


def test_parts_of_two_stations_or_of_two_minutes_do_not_meet(tmp_path: Path) -> None:
    """A sequence number used again is another message: joining them would invent a ship."""
    a, b = static(999000001, 1), static(999000002, 1)
    other = tag(f"s:OTHER,c:{SECOND}")
    assert read(tmp_path, at(0) + a[0], other + b[1]).files[0].n_rejected == {"nmea_fragment": 2}
    assert read(tmp_path, at(0) + a[0], at(61) + b[1]).files[0].n_rejected == {"nmea_fragment": 2}
    assert read(tmp_path, at(0) + a[0], at(59) + a[1]).files[0].n_accepted == 1


def test_payloads_that_are_no_messages_are_rejects(tmp_path: Path) -> None:
    """BI-074: too short, too long, wrong characters, an unknown type: kept with their bytes, and no exception."""
    good = position(999000001).split(",")[5]
    payloads = [good[:10], good + "0" * 20, "~" * 28, "l" + good[1:], "0" + good[1:], "", "1"]
    found = read(
        tmp_path, at(0) + position(999000001), *(at(i) + sealed(f"AIVDM,1,1,,A,{p},0") for i, p in enumerate(payloads))
    )
    assert found.files[0].n_accepted == 1
    assert sum(found.files[0].n_rejected.values()) == len(payloads)
    assert set(found.files[0].n_rejected) == {"nmea_payload"}


def test_talkers_other_than_own_ship_are_read(tmp_path: Path) -> None:
    """BI-075: base stations (BS, AB) hear ships; VDO is the receiver's own ship or a simulator's."""
    body = position(999000001)[1:].split("*")[0]
    lines = [at(i) + sealed(body.replace("AIVDM", kind)) for i, kind in enumerate(("BSVDM", "ABVDM", "AIVDO", "BSVDO"))]
    assert read(tmp_path, *lines).files[0].n_rejected == {"own_ship": 2}


def test_a_second_past_59_in_the_message_does_not_move_its_time(tmp_path: Path) -> None:
    """BI-043: the message's own second is a status there; the receiver's clock dates it."""
    for second in (60, 61, 62, 63):
        found = read(tmp_path, at(5) + position(999000001, second=second))
        assert found.positions["time_utc"].to_list() == [datetime(2024, 5, 1, 0, 0, 5, tzinfo=UTC)]


def test_long_range_reports_have_a_coarse_place(tmp_path: Path) -> None:
    """Type 27 comes from satellites far from any coast: a tenth of a minute, whole knots."""
    found = read(tmp_path, at(0) + position(999000001, type=27, lat=42.1, lon=-130.2, speed=12, course=93))
    row = found.positions.row(0, named=True)
    assert (row["lat_deg"], row["lon_deg"]) == (pytest.approx(42.1, abs=1 / 600), pytest.approx(-130.2, abs=1 / 600))
    assert (row["sog_kn"], row["cog_deg"], row["ais_class"]) == (12.0, 93.0, "A")


@pytest.mark.real
def test_a_second_decoder_sees_the_same_ships_at_the_same_places(shared: Path) -> None:
    """pyais, an independent decoder, agrees on every position of 5 485 real sentences (docs/decisions/001)."""
    n_compared = 0
    for name in ("stream_example.txt", "test.ais"):
        for line in (shared / "data" / "nmea" / name).read_bytes().splitlines():
            cells = line.split(b",")
            if not line.startswith(b"!") or b"VDM" not in cells[0] or cells[1] != b"1":
                continue
            ours = nmea.decode(cells[5], int(cells[6][:1]))
            theirs = pyais.decode(line.split(b",r")[0])
            if ours is None or "lat_deg" not in ours:
                continue
            n_compared += 1
            assert int(ours["mmsi"]) == theirs.mmsi
            # pyais rounds to six decimals
            assert ours["lat_deg"] == pytest.approx(theirs.lat, abs=6e-7)
            assert ours["lon_deg"] == pytest.approx(theirs.lon, abs=6e-7)
            if int(ours["message_type"]) in (1, 2, 3, 18):
                assert (ours["sog_kn"] or 102.3) == pytest.approx(theirs.speed, abs=1e-9) or theirs.speed == 0
                assert (360.0 if ours["cog_deg"] is None else ours["cog_deg"]) == pytest.approx(theirs.course, abs=1e-9)
    assert n_compared > 3_500
