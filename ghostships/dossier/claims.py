"""What is claimed, first of all and in the words that the data carry: "consistent with", "cannot say", never "did"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ghostships.dossier.case import Case
from ghostships.dossier.citations import Citations
from ghostships.dossier.document import Block, Paragraph, Table, name, words
from ghostships.dossier.wording import (
    CANNOT_SAY,
    NOBODY,
    named,
    number,
    pair_rows,
    plain_row,
    probability,
    ship,
    when,
    window,
)

Row = dict[str, Any]

_TIERS = {
    "seen": "pictures carry it",
    "inferred": "a silence that fits carries it; no picture does",
    "pictures_only": "pictures alone carry it; no AIS of the ship was given",
    "unattributed": "a ship was seen that nobody could name",
}


def of_trip(case: Case, cite: Citations) -> list[Block]:
    """A round trip: the claim, the number, and the number without what is only reputation."""
    own = case.own
    port, p = case.route.port(own["dark_port"]), own["p_trip"]
    span = f"between {when(own['dark_start_utc'])} and {when(own['dark_end_utc']) if own['dark_end_utc'] else 'now (still silent)'}"
    span = span if own["dark_start_utc"] else _when_seen(case)
    who = ship(own)
    what = f"a call of {who} at {port} {span}"
    if p is None:
        unsaid = "Which ship it was" if who == NOBODY else "How probable it is that it was this ship"
        said = f"The data are consistent with {what}. {unsaid}, the data cannot say."
    elif p >= 0.5:
        said = f"The data are consistent with {what}. Probability {probability(p)}, under the assumptions named below."
    else:
        said = f"The data do not carry {what}: probability {probability(p)}, under the assumptions named below."
    threshold = case.manifest["thresholds"]["flag_threshold"]
    flag = f"It is flagged (the threshold is {threshold:g})." if own["is_flagged"] else "It is not flagged."
    rows = [
        ("Probability", probability(p)),
        ("without habit (the ship's other calls)", probability(own["p_trip_without_habit"])),
        ("without watch lists and registry", probability(own["p_trip_without_watchlist"])),
        ("What carries it", f"{own['tier']}: {_TIERS[own['tier']]}"),
        ("Last port before", case.route.port(own["origin_port"]) if own["origin_port"] else "not known"),
        ("Next port after", case.route.port(own["destination_port"]) if own["destination_port"] else "not known"),
        ("Speed that a call would have needed", number(own["needs_kn"], "kn")),
        ("Time to spare at top speed", number(own["slack_h"], "h")),
        ("Calls in the silence (5 %, median, 95 %)", _three(own)),
        ("Containers, lowest to highest load scenario", _range(own["containers_low"], own["containers_high"])),
        ("Weakest link", own["weakest_link"]),
        ("What else it could be", own["alternatives"] or "no other port is listed"),
    ]
    return [
        Paragraph(words(said), "lead"),
        _meaning(f"{flag} A flag is a reason to look, not a finding.", was_silent=bool(own["gap_ids"])),
        Table("The claim in numbers", ("what", "value"), pair_rows(rows)),
        Paragraph(words("In the words of the table: ", own["because"])),
    ]


def _when_seen(case: Case) -> str:
    """When the ship of a trip without a silence lay in the dark port, by the pictures that show it there."""
    own = case.own
    ids = {
        sighting
        for call in case.rows("port_calls")
        if call["call_id"] in own["call_ids"] and own["dark_port"] in call["port"].split("|")
        for sighting in call["sighting_ids"]
    }
    seen = [one for one in case.rows("sightings") if one["sighting_id"] in ids]
    if not seen:
        return "at a time that no sighting tells"
    first, last = min(one["start_utc"] for one in seen), max(one["end_utc"] for one in seen)
    return f"at some time between {when(first)} and {when(last)}"


def _meaning(first: str, *, was_silent: bool = False) -> Paragraph:
    why = "the ship was not heard, and what it did then" if was_silent else "what the ship did"
    return Paragraph(
        words(
            f'{first} "Consistent with" does not mean that it happened: {why} was not '
            "observed unless a sighting below says so. A straight line between two places on a map is not a path."
        )
    )


def _three(row: Row) -> str:
    values = [row[key] for key in ("n_calls_p05", "n_calls_p50", "n_calls_p95")]
    return CANNOT_SAY if None in values else ", ".join(map(str, values))


def _range(low: object, high: object) -> str:
    return "-" if low is None or high is None else f"{low} to {high}"


def of_gap(case: Case, cite: Citations) -> list[Block]:
    """A silence: that the ship was not heard, and what is said of its transponder."""
    own = case.own
    end = when(own["end_utc"]) if own["end_utc"] else "the end of the data (still silent)"
    off = (
        "Whether the transponder was off, the data cannot say."
        if own["p_off"] is None
        else f"This is consistent with a transponder that was off: probability at least {probability(own['p_off'])}."
    )
    said = f"{ship(own)} was not heard between {when(own['start_utc'])} and {end}. {off}"
    return [
        Paragraph(words(said), "lead"),
        _meaning(
            "The probability is a lower bound: no course open to the ship was quieter than the one assumed.",
            was_silent=True,
        ),
        *_affected(case),
    ]


def _affected(case: Case) -> list[Block]:
    trips = case.rows("round_trips")
    if not trips:
        return [Paragraph(words("No round trip of the run rests on it."))]
    rows = [
        plain_row(one["trip_id"], ship(one), probability(one["p_trip"]), "yes" if one["is_flagged"] else "no")
        for one in trips
    ]
    return [Table("Round trips that rest on it", ("trip", "ship", "p", "flagged"), tuple(rows))]


def of_call(case: Case, cite: Citations) -> list[Block]:
    """A stay in port: what the pictures are consistent with, and who it may have been."""
    own = case.own
    who = {
        "dark": "a ship that was not heard there at that time; "
        f"{named(case, own['vessel_key'])} with probability {probability(own['p_vessel'])}",
        "transmitting": f"a ship that was on the air: {named(case, own['vessel_key'])}",
        "unattributed": "a ship that nobody could name"
        + (f"; the sources name {name(own['vessel_name'])}" if own["vessel_name"] else ""),
    }[own["kind"]]
    said = f"The sightings are consistent with one stay at {case.route.port(own['port'])} of {who}."
    return [Paragraph(words(said), "lead"), _meaning("The times are bounds, not times."), *_affected(case)]


def of_sighting(case: Case, cite: Citations) -> list[Block]:
    """A sighting: what its source states."""
    own = case.own
    what = {
        "vessel": "a ship",
        "absent": "that no ship was there",
        "containers": "containers",
        "ais": "an AIS position",
    }[own["observation_type"]]
    at = case.route.port(own["port"]) if own["port"] else f"{own['lat_deg']:.5f}, {own['lon_deg']:.5f}"
    said = f"The source states {what} at {at}, {window(own)}"
    return [
        Paragraph(words(said, " ", cite.sighting(own)), "lead"),
        _meaning(
            'Who the ship was is a matter of probabilities; the rows of one sighting sum to 1, "none of these" included.'
        ),
    ]


def of_match(case: Case, cite: Citations) -> list[Block]:
    """A hypothesis about a sighting: its probability beside the others."""
    own = case.own
    (sighting,) = [one for one in case.rows("sightings") if one["sighting_id"] == own["sighting_id"]]
    who = {"none": "none of the ships that are known"}.get(own["hypothesis"], named(case, own["vessel_key"]))
    said = f"That the ship of sighting {name(own['sighting_id'])} was {who} has the probability {probability(own['p_match'])}"
    return [
        Paragraph(words(said, " ", cite.sighting(sighting)), "lead"),
        _meaning("It is one hypothesis beside the others below; all of them sum to 1."),
    ]


OF: dict[str, Callable[[Case, Citations], list[Block]]] = {
    "trip": of_trip,
    "gap": of_gap,
    "call": of_call,
    "sighting": of_sighting,
    "match": of_match,
}
"""The claim about each kind of subject."""
