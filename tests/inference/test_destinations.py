"""What ships declare: destinations read as crews type them, compared with where they turn up; and what registries hold of them."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyais.exceptions import AISBaseException
from pyais.stream import FileReaderStream

from ghostships import routes
from ghostships.inference import declared
from ghostships.inference.declared import KINDS, Bound, Gazetteer, Kind, Listed, compare_with_registry

ROUTE = routes.load()
READ = Gazetteer(ROUTE).read
NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("VLADIVOSTOK", ("VLADIVOSTOK",)),
        ("Vladivostok", ("VLADIVOSTOK",)),
        ("RU VVO", ("VLADIVOSTOK",)),
        ("RUVVO", ("VLADIVOSTOK",)),
        ("RU-VVO", ("VLADIVOSTOK",)),
        ("VVO", ("VLADIVOSTOK",)),
        ("KR PUS>RU VVO", ("VLADIVOSTOK",)),
        ("KRPUS>RUVVO", ("VLADIVOSTOK",)),
        ("PUS > VVO", ("VLADIVOSTOK",)),
        ("BUSAN TO NAKHODKA", ("NAKHODKA",)),
        ("VLADIVOSTOK,RUSSIA", ("VLADIVOSTOK",)),
        ("VLADIVOSTOK ANCH.", ("VLADIVOSTOK",)),
        ("VLADIVOSTOCK", ("VLADIVOSTOK",)),
        ("NAHODKA", ("NAKHODKA",)),
        ("VOSTOCHNIY PORT", ("VOSTOCHNY",)),
        ("POS'YET", ("POSYET",)),
        ("POSIET RDS", ("POSYET",)),
        ("PUSAN", ("BUSAN",)),
        ("KP RJN", ("NAJIN",)),
        ("KR PUS<>RU VVO", ("BUSAN", "VLADIVOSTOK")),
        ("BUSAN/VOSTOCHNY", ("BUSAN", "VOSTOCHNY")),
        ("VOSTOCHNY FOR ORDERS", ("VOSTOCHNY",)),
        ("WAITING FOR ORDER", ()),
        ("SLAVYANSK", ()),
        ("PRIMORSK", ()),
        ("NAJINA", ()),
        ("CN SHA", ()),
        ("?", ()),
        ("VVO 12", ()),
    ],
)
def test_a_destination_names_the_ports_that_a_sailor_would_read(text: str, ports: tuple[str, ...]) -> None:
    """Names, codes and both with what crews put around them; the port of departure and other places name none."""
    found = READ(text)
    assert found is not None
    assert found.ports == ports


def test_a_code_of_a_port_elsewhere_is_a_port_and_a_wish_is_none() -> None:
    """`CN SHA` says where the ship is not going; "FOR ORDERS" says nothing."""
    shanghai, orders = READ("CN SHA"), READ("FOR ORDERS")
    assert shanghai is not None and shanghai.is_port
    assert orders is not None and not orders.is_port


@pytest.mark.parametrize("nothing", [None, "", "   "])
def test_an_empty_destination_is_none(nothing: str | None) -> None:
    """Nothing typed is nothing declared."""
    assert READ(nothing) is None


@given(st.text(max_size=20))
def test_any_text_can_be_read(text: str) -> None:
    """Free text of twenty characters, whatever is in it; reading it again says the same."""
    assert READ(text) == READ(text)
    assert all(any(port.id == name for port in ROUTE.ports) for name in (READ(text) or Bound("", (), (), False)).ports)


@pytest.mark.real
def test_real_destinations_of_another_coast_name_no_port_here(shared: Path) -> None:
    """Some 350 destinations of ships elsewhere in public AIS samples (`ROTTERDAM>EEMSHAVEN`, `SKAGEN FOR ORDER`, `CH 16 FOR DEST`,
    `PRIMORSK`): not one is taken for a port of this route, and those with a code of six characters are ports."""
    sent: set[str] = set()
    for name in ("test.ais", "stream_example.txt"):
        with FileReaderStream(str(shared / "data/nmea" / name)) as stream:
            for message in stream:
                try:
                    text = getattr(message.decode(), "destination", None)
                except AISBaseException:
                    continue
                if text:
                    sent.add(text)
    assert len(sent) > 300
    read = {text: READ(text) for text in sent}
    assert {text for text, found in read.items() if found is not None and found.ports} == set()
    assert "ROTTERDAM>EEMSHAVEN" in sent and "SKAGEN FOR ORDER" in sent


def kind(before: str | None, after: str | None, left: str | None, came: str | None) -> Kind | None:
    return declared.kind_of(READ(before), READ(after), left=left, came=came, dark_port="NAJIN")


@pytest.mark.parametrize(
    ("before", "after", "left", "came", "expected"),
    [
        ("KR PUS>RU VVO", "RU VVO", "BUSAN", "VLADIVOSTOK", "as_declared"),
        ("RU VVO", "KR PUS", "BUSAN", "NAKHODKA", "elsewhere"),
        ("CN SHA", "CN SHA", "VOSTOCHNY", "VOSTOCHNY", "elsewhere"),
        ("VOSTOCHNY", "VOSTOCHNY", "VOSTOCHNY", "VOSTOCHNY", "unchanged"),
        ("VOSTOCHNY", "RU VYP", "VOSTOCHNY", "VOSTOCHNY", "unchanged"),
        ("VOSTOCHNY", "RU VVO", "VOSTOCHNY", "DUNAY", "changed"),
        ("FOR ORDERS", "FOR  ORDERS.", "VOSTOCHNY", "VOSTOCHNY", "unchanged"),
        ("FOR ORDERS", "VOSTOCHNY", "VOSTOCHNY", "VOSTOCHNY", "changed"),
        ("BUSAN", "BUSAN", "VOSTOCHNY", None, "unchanged"),
        ("KP RJN", "KP RJN", "VOSTOCHNY", "VOSTOCHNY", "dark"),
        ("VOSTOCHNY", "RASON", "VOSTOCHNY", "VOSTOCHNY", "dark"),
        ("KP RJN", None, "VOSTOCHNY", None, "dark"),
        ("RU VYP", "KP RJN>RU VYP", "VOSTOCHNY", "VOSTOCHNY", "dark"),
        ("NAJIN", "NAJIN", "NAJIN", "NAJIN", "unchanged"),
        ("BUSAN/VOSTOCHNY", "BUSAN", "NAKHODKA", "BUSAN", "as_declared"),
        ("BUSAN", None, "VOSTOCHNY", None, None),
        (None, "BUSAN", "VOSTOCHNY", "BUSAN", None),
        (None, None, "VOSTOCHNY", "VOSTOCHNY", None),
        ("FOR ORDERS", None, "VOSTOCHNY", "NAKHODKA", None),
    ],
)
def test_a_destination_is_compared_with_where_the_ship_turned_up(
    before: str | None, after: str | None, left: str | None, came: str | None, expected: Kind | None
) -> None:
    """Kept, not kept, changed, the same, or the dark port itself; a ship that lies openly at the dark port may name it."""
    assert kind(before, after, left, came) == expected


IF_TRIP: dict[Kind, float] = {"dark": 0.02, "as_declared": 0.08, "elsewhere": 0.25, "changed": 0.2, "unchanged": 0.45}
OTHERWISE: dict[Kind, float] = {"dark": 0.01, "as_declared": 0.32, "elsewhere": 0.1, "changed": 0.3, "unchanged": 0.27}
EXAMPLES: dict[Kind, tuple[str, str, str, str]] = {
    "dark": ("KP RJN", "RU VYP", "VOSTOCHNY", "VOSTOCHNY"),
    "as_declared": ("RU VVO", "RU VVO", "BUSAN", "VLADIVOSTOK"),
    "elsewhere": ("KR PUS", "KR PUS", "VOSTOCHNY", "DUNAY"),
    "changed": ("FOR ORDERS", "RU VYP", "VOSTOCHNY", "VOSTOCHNY"),
    "unchanged": ("RU VYP", "RU VYP", "VOSTOCHNY", "VOSTOCHNY"),
}


def bits_of(kind: Kind, *, if_trip: dict[Kind, float] = IF_TRIP, otherwise: dict[Kind, float] = OTHERWISE) -> float:
    before, after, left, came = EXAMPLES[kind]
    shares = {"if_trip": if_trip, "otherwise": otherwise}
    return declared.destination(READ(before), READ(after), left=left, came=came, dark_port="NAJIN", **shares).bits


def test_bits_of_a_destination_by_hand() -> None:
    """Half of the trips type what others type: 0.5 + 0.5 * 0.25 / 0.1 = 1.75 times as often, 0.807 bits. Likewise 0.625, 1.3333,
    0.8333 and 1.5 times."""
    assert bits_of("elsewhere") == pytest.approx(0.807355, abs=1e-6)
    assert bits_of("as_declared") == pytest.approx(-0.678072, abs=1e-6)
    assert bits_of("unchanged") == pytest.approx(0.415037, abs=1e-6)
    assert bits_of("changed") == pytest.approx(-0.263034, abs=1e-6)
    assert bits_of("dark") == pytest.approx(0.584963, abs=1e-6)


def test_what_a_crew_types_never_weighs_much() -> None:
    """However rare it is otherwise, two bits for a trip and one against it at most: typing a destination costs nothing. Not turning
    up where nobody else failed to counts as one in ten: 0.5 + 0.5 * 0.25 / 0.1 is 0.807 bits."""
    never: dict[Kind, float] = dict.fromkeys(KINDS, 0.0)
    assert bits_of("dark", if_trip={**IF_TRIP, "dark": 0.9}, otherwise=never) == 2.0
    assert bits_of("as_declared", if_trip={**IF_TRIP, "as_declared": 0.0}) == pytest.approx(-1.0)
    assert bits_of("elsewhere", otherwise=never) == pytest.approx(0.807355, abs=1e-6)


def test_destinations_do_not_mislead_on_average() -> None:
    """If it is no trip, the ratios of all kinds average to 1 (Turing), where each counts the way it may."""
    usual: dict[Kind, float] = {**OTHERWISE, "dark": 0.01}
    assert math.fsum(usual[k] * 2 ** bits_of(k) for k in KINDS) == pytest.approx(1)


@given(st.lists(st.floats(0.01, 1), min_size=10, max_size=10))
def test_a_kept_word_never_speaks_for_a_trip_nor_a_broken_one_against_it(weights: list[float]) -> None:
    """Whatever the fleet and the route say: where it said it would be <= 0 <= somewhere else, and the dark port itself."""
    sides = [dict(zip(KINDS, (w / math.fsum(part) for w in part), strict=True)) for part in (weights[:5], weights[5:])]
    bits = {k: bits_of(k, if_trip=sides[0], otherwise=sides[1]) for k in KINDS}
    assert max(bits["as_declared"], bits["changed"]) <= 0 <= min(bits["elsewhere"], bits["dark"])
    assert all(-1.000001 <= b <= declared.DECLARED_CAP_BITS for b in bits.values())


@pytest.mark.parametrize(("before", "after"), [(None, None), ("BUSAN", None), (None, "BUSAN")])
def test_a_destination_that_is_missing_on_a_side_weighs_nothing_and_says_so(
    before: str | None, after: str | None
) -> None:
    """Half of all ships send none."""
    factor = declared.destination(
        READ(before), READ(after), left=None, came=None, dark_port="NAJIN", if_trip=IF_TRIP, otherwise=OTHERWISE
    )
    assert factor.bits == 0
    assert "counts nothing" in factor.because


def test_the_sentence_shows_what_was_typed_and_where_the_ship_was() -> None:
    """A reader must be able to check it against the messages."""
    factor = declared.destination(
        READ("KR PUS"),
        READ("RU VYP"),
        left="VOSTOCHNY",
        came="DUNAY",
        dark_port="NAJIN",
        if_trip=IF_TRIP,
        otherwise=OTHERWISE,
    )
    assert all(part in factor.because for part in ('"KR PUS" before', '"RU VYP" after', "DUNAY", "10%"))


def listed(
    length: tuple[float | None, float | None] = (None, None),
    same_name: bool | None = None,
    kind: tuple[int | None, float | None] = (None, None),
) -> Listed:
    return compare_with_registry(
        {"length_m": length[0], "ship_type": kind[0]},
        {"length_m": length[1], "teu": kind[1], "vessel_name": "SIM HARE"},
        same_name=same_name,
    )


@pytest.mark.parametrize(
    ("length", "differs"),
    [
        ((118.0, 118.0), False),
        ((118.0, 108.0), False),  # within a tenth: length overall and between perpendiculars
        ((118.0, 104.0), True),
        ((30.0, 25.0), False),  # more than a tenth, but within what antenna offsets are rounded to
        ((118.0, None), None),
        ((None, 118.0), None),
    ],
)
def test_a_length_differs_when_no_rounding_explains_it(
    length: tuple[float | None, float | None], differs: bool | None
) -> None:
    """More than a tenth and more than 6 m; unknown on a side is no difference."""
    assert listed(length).differs is differs


def test_one_thing_that_differs_is_enough_and_is_named() -> None:
    """Length, name and kind are compared each; the sentence says which differ, and only those."""
    says = listed((118.0, 118.0), same_name=False, kind=(30, 400.0))
    assert says.differs
    assert "another name than SIM HARE" in says.because and "400 containers" in says.because
    assert " m," not in says.because
    assert listed(same_name=True, kind=(70, 400.0)).differs is False


def test_a_type_not_sent_or_a_list_without_room_for_containers_compares_no_kind() -> None:
    """Type 0 is "not available", and most lists hold no capacity."""
    assert listed(kind=(0, 400.0)).differs is None
    assert listed(kind=(30, None)).differs is None


@pytest.mark.parametrize("missing", [None, Listed(None, "nothing to compare with a registry")])
def test_no_registry_weighs_nothing(missing: Listed | None) -> None:
    """A ship that no registry knows is not suspicious for that."""
    assert declared.registry(missing, p_if_trip=0.1, p_otherwise=0.02).bits == 0


@given(st.floats(0.01, 0.9), st.floats(0.01, 0.9))
def test_saying_other_things_than_the_registry_never_speaks_for_a_ship(if_trip: float, otherwise: float) -> None:
    """However common it is in the fleet; and it never weighs more than 1.5 bits."""
    p = {"p_if_trip": if_trip, "p_otherwise": otherwise}
    other, same = (declared.registry(Listed(d, ""), **p).bits for d in (True, False))
    assert declared.REGISTRY_CAP_BITS >= other >= 0 >= same


def test_bits_of_a_registry_by_hand() -> None:
    """A tenth of trips against one in twenty others: log2(2) is one bit; agreeing is log2(0.9 / 0.95)."""
    assert declared.registry(Listed(True, ""), p_if_trip=0.1, p_otherwise=0.05).bits == pytest.approx(1.0)
    assert declared.registry(Listed(False, ""), p_if_trip=0.1, p_otherwise=0.05).bits == pytest.approx(
        -0.078003, abs=1e-6
    )


def test_every_kind_has_its_share_in_the_route_and_its_example_here() -> None:
    """A kind without a share could not be weighed; one without an example is not tested."""
    shares = ROUTE.priors.destination_if_trip
    assert {*KINDS} == {*type(shares).model_fields} == {*EXAMPLES}
    for found, (before, after, left, came) in EXAMPLES.items():
        assert kind(before, after, left, came) == found


def test_reading_does_not_depend_on_the_order_of_ports() -> None:
    """Two route files with the same ports say the same."""
    turned = Gazetteer(ROUTE.model_copy(update={"ports": ROUTE.ports[::-1]}))
    for text, side in product(("VOSTOCHNY-BUSAN", "RU VVO", "RASON PORT", "NAKHODKA"), (READ, turned.read)):
        assert side(text) == READ(text)
