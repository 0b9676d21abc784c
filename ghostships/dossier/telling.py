"""A case in words: what is claimed, what adds up to it, what speaks against it, and the source of every statement.

"Consistent with", never "did": the tool has seen tables, not a voyage. What the data cannot say is said to be so, and no
probability is rounded into a certainty.
"""

from __future__ import annotations

from typing import Any

from ghostships.dossier import claims, limits
from ghostships.dossier.case import Case
from ghostships.dossier.citations import Citations
from ghostships.dossier.document import (
    Block,
    Bullets,
    Document,
    Heading,
    Paragraph,
    Picture,
    Sources,
    Table,
    Words,
    name,
    words,
)
from ghostships.dossier.wording import named, number, pair_rows, plain_row, probability, ship, spread, when, window
from ghostships.explain import Sum

Row = dict[str, Any]


def tell(case: Case, contents: tuple[tuple[str, str], ...]) -> Document:
    """The whole summary of a case. `contents` are the other files of the zip with what each holds."""
    cite = Citations(case)
    told = case.told
    blocks: list[Block] = []
    if not case.has_originals:
        blocks.append(
            Paragraph(
                words(
                    "THE ORIGINAL LINES ARE NOT ENCLOSED. This dossier was made without the original files: nobody compared them "
                    "with the run again. Files, SHA-256 and rows are named, so that whoever has the files can look."
                ),
                "warning",
            )
        )
    blocks += [Heading("What is claimed"), *claims.OF[told.kind](case, cite)]
    blocks += [*_figure(case), *_own_sum(case), *_silences(case, cite), *_calls(case, cite), *_sightings(case, cite)]
    blocks += [*_pictures(case, cite), *_who(case), *_reach(case), *_ships(case, cite), *_others(case, cite)]
    blocks += [*limits.of_run(case), *limits.how_to_check(case), *limits.made_from(case), *limits.contents(contents)]
    blocks += [
        Heading("Sources"),
        Paragraph(
            words(
                "Each number stands for one line of one original file. What is not printable ASCII is written \\xNN, so that the "
                "bytes can be had back. Names and remarks are those of the source; nobody here vouches for them."
            )
        ),
        Sources(cite.entries()),
    ]
    kind = {"trip": "round trip", "gap": "silence", "call": "port call", "sighting": "sighting", "match": "match"}[
        told.kind
    ]
    return Document(
        f"Dossier: {kind} {name(told.subject_id)}",
        f"{name(case.manifest['route']['title'])}; ghostships {name(case.manifest['ghostships'])}",
        when(case.manifest["as_of_utc"]),
        bool(case.manifest.get("is_simulated")),
        tuple(blocks),
    )


def _figure(case: Case) -> list[Block]:
    found = [
        Picture(member, content, "map, timeline and evidence of this trip; times in UTC")
        for member, content in case.figures.items()
        if member.endswith(".png")
    ]
    if not found:
        return [Heading("Figure"), Paragraph(words(case.why_no_figure))]
    return [Heading("Figure"), *found]


def _own_sum(case: Case) -> list[Block]:
    one = case.sum_of(case.told.subject_id)
    if one is None:
        return []
    return [Heading("Why: the evidence, added up"), *sum_blocks(one)]


def sum_blocks(one: Sum) -> list[Block]:
    """The factors of one subject with their running sum, and the check that they give the probability shown."""
    if one.bits is None:
        shown = "it is one minus the other hypotheses" if one.p_added is not None else "no evidence was added up"
        return [Paragraph(words(f"The probability {one.what}: {probability(one.p_shown)}; {shown}."))]
    rows, bars, running = [], [], 0
    for factor in one.evidence:
        before, running = running, running + round(factor["bits"] * 1000)
        bars.append((before / 1000, running / 1000))
        rows.append(plain_row(factor["factor"], f"{factor['bits']:+.3f}", f"{running / 1000:+.3f}", factor["because"]))
    clipped = " (clipped to 30 bits either way)" if abs(one.bits) > 30 else ""
    published = (
        f"the table shows {one.p_shown:.6f}: {'equal' if one.agrees else 'NOT EQUAL'}"
        if one.p_shown is not None
        else "it is not published: the data cannot say"
    )
    total = f"1 / (1 + 2^-({one.bits:+.3f})) = {one.p_added:.6f}{clipped}, rounded to six digits; {published}"
    rows.append(plain_row("total", f"{one.bits:+.3f}", f"{one.bits:+.3f}", total))
    return [
        Paragraph(
            words(
                f"The probability {one.what} is a sum of bits and nothing else: +1 bit doubles the odds, -1 bit halves them. "
                "The first row is what was assumed beforehand; what is missing counts 0 and says so."
            )
        ),
        Table(
            f"Evidence for {name(one.subject_id)}",
            ("factor", "bits", "sum so far", "because"),
            tuple(rows),
            frozenset({1, 2}),
            has_total=True,
            bars=(*bars, (0.0, one.bits)),
        ),
        Paragraph(words("Weakest link: ", one.weakest or "no single fact moves it by as much as 0.01"), "lead"),
    ]


def _silences(case: Case, cite: Citations) -> list[Block]:
    blocks: list[Block] = []
    for gap in case.rows("gaps"):
        last = words(f"{when(gap['start_utc'])}, at {_place(gap, 'start', case)} ", cite(gap["start_source"]))
        again: Words = words("not heard again by the end of the data")
        if gap["end_utc"]:
            again = words(f"{when(gap['end_utc'])}, at {_place(gap, 'end', case)} ", cite(gap["end_source"]))
        off = "cannot say" if gap["p_off"] is None else f"at least {probability(gap['p_off'])}"
        pairs: list[tuple[str, Words]] = [
            ("Ship", words(ship(gap))),
            ("Last heard", last),
            ("Heard again", again),
            ("Length", words(number(gap["duration_h"], "h"))),
            ("Distance by sea between the two places", words(number(gap["distance_nm"], "nm"))),
            ("State", words(gap["state"])),
            ("Other ships heard near its course meanwhile", words(str(gap["n_other_ships_heard"]))),
            ("Hours in which it should have been heard", words(number(gap["expected_heard"]))),
            ("Probability that the transponder was off", words(off)),
        ]
        blocks.append(Table(f"Silence {gap['gap_id']}", ("what", "value"), tuple((words(k), v) for k, v in pairs)))
        one = case.sum_of(gap["gap_id"])
        blocks += sum_blocks(one) if one and gap["gap_id"] != case.told.subject_id and case.told.kind == "trip" else []
    return [Heading("The silence"), *blocks] if blocks else []


def _place(gap: Row, end: str, case: Case) -> str:
    at = (
        f"{gap[f'{end}_lat_deg']:.5f}, {gap[f'{end}_lon_deg']:.5f}" if gap[f"{end}_lat_deg"] is not None else "no place"
    )
    port = gap[f"{end}_port"]
    return f"{at} ({case.route.port(port)})" if port else at


def _calls(case: Case, cite: Citations) -> list[Block]:
    blocks: list[Block] = []
    carrying = set(case.own["call_ids"]) if case.told.kind == "trip" else set()
    for call in case.rows("port_calls"):
        role = ""
        if case.told.kind == "trip":
            role = ", which carries this trip" if call["call_id"] in carrying else ", which may be of this silence"
        who = f"{named(case, call['vessel_key'])}; p {probability(call['p_vessel'])}"
        who = "nobody could be named" if call["kind"] == "unattributed" else who
        rows = [
            ("Port", case.route.port(call["port"])),
            ("Not there yet", when(call["arrival_not_before_utc"])),
            ("First seen", when(call["arrival_not_after_utc"])),
            ("Last seen", when(call["departure_not_before_utc"])),
            ("Gone by", when(call["departure_not_after_utc"])),
            ("Independent sightings", str(call["n_sightings"])),
            ("Berths, in order of time", ", ".join(map(name, call["berths"])) or "-"),
            ("Length", spread(call)),
            ("Put down to", f"{call['kind']}: {who}"),
            ("Name read in its pictures", name(call["vessel_name"])),
            ("Why it is one stay", call["because"]),
        ]
        blocks.append(Table(f"Port call {call['call_id']}{role}", ("what", "value"), pair_rows(rows)))
    return [Heading("Stays in port"), *blocks] if blocks else []


def _sightings(case: Case, cite: Citations) -> list[Block]:
    rows = []
    found = sorted(case.rows("sightings"), key=lambda one: (one["start_utc"], one["sighting_id"]))
    for one in found:
        where = case.route.port(one["port"]) if one["port"] else f"{one['lat_deg']:.5f}, {one['lon_deg']:.5f}"
        where += f", berth {name(one['berth'])}" if one["berth"] else ""
        read = "-"
        if one["vessel_name"] or one["imo"]:
            read = name(one["vessel_name"]) + (f", IMO {one['imo']}" if one["imo"] else "")
            read += f"; basis: {name(one['identification_basis'] or 'not told')}; p right {probability(one['p_name_correct'])}"
        rows.append(
            (
                words(one["sighting_id"], " ", cite.sighting(one)),
                words(window(one)),
                words(f"{one['observation_type']}; {where}"),
                words(f"{name(one['sensor'])}; {spread(one)}"),
                words(read),
                words(f"{name(_publisher(one))}; {one['source_url'] or 'no address given'}"),
            )
        )
    if not rows:
        return [Heading("Sightings"), Paragraph(words("No sighting is part of this case."))]
    return [
        Heading("Sightings"),
        Table(
            "Every sighting used",
            ("sighting", "time", "seen", "sensor; length", "name read", "source; address"),
            tuple(rows),
        ),
    ]


def _publisher(row: Row) -> str:
    return "no publisher given" if row["source"] == row["source_row"] else row["source"]


def _pictures(case: Case, cite: Citations) -> list[Block]:
    if case.told.kind in ("sighting", "match"):
        return []
    blocks: list[Block] = [Heading("Pictures of the port in that time, with a ship or without")]
    if case.no_scene_list:
        said = (
            "The run was given no list of pictures that were looked at. Published sightings say where somebody was seen, never "
            "where nobody was: that is a weakness of this case."
        )
        return [*blocks, Paragraph(words(said))]
    scenes = {one["scene_id"]: one for one in case.rows("scenes")}
    seen: dict[str, list[str]] = {}
    for one in case.rows("sightings"):
        if one["observation_type"] == "vessel" and one["scene_id"]:
            seen.setdefault(one["scene_id"], []).append(one["sighting_id"])
    for port, ids in case.pictures.items():
        rows = tuple(
            (
                words(scene, " ", cite(scenes[scene]["source_row"], scene=scene)),
                words(when(scenes[scene]["start_utc"])),
                words(name(scenes[scene]["sensor"])),
                words(f"{scenes[scene]['clear_fraction']:.2f}"),
                words(", ".join(map(name, seen.get(scene, []))) or "none of the sightings above"),
            )
            for scene in ids
        )
        if rows:
            head = ("picture", "time", "sensor", "clear share", "sightings of this case in it")
            blocks.append(Table(f"Pictures that cover {case.route.port(port)}", head, rows, frozenset({3})))
        else:
            blocks.append(Paragraph(words(f"No listed picture covers {case.route.port(port)} in that time.")))
    return blocks if len(blocks) > 1 else []


def _who(case: Case) -> list[Block]:
    matches = case.rows("matches")
    if not matches:
        return []
    rows = tuple(
        plain_row(
            one["sighting_id"],
            one["hypothesis"],
            "none of these ships" if one["vessel_key"] is None else named(case, one["vessel_key"]),
            name(one["gap_id"]),
            probability(one["p_match"]),
        )
        for one in sorted(matches, key=lambda one: (one["sighting_id"], -one["p_match"], one["match_id"]))
    )
    head = ("sighting", "hypothesis", "ship", "silence", "p")
    return [
        Heading("Who else it could have been"),
        Paragraph(
            words(
                'Every hypothesis about every sighting above. The rows of one sighting sum to 1; "transmitting" is a ship that was '
                'on the air near by, "dark" one that was silent then, "none" a ship nobody knows or no ship at all.'
            )
        ),
        Table("Hypotheses", head, rows, frozenset({4})),
    ]


def _reach(case: Case) -> list[Block]:
    rows = tuple(
        plain_row(
            one["gap_id"],
            case.route.port(one["port"]),
            one["verdict"],
            number(one["slack_h"], "h"),
            number(one["needs_kn"], "kn"),
            number(one["distance_from_nm"], "nm"),
            number(one["distance_to_nm"], "nm"),
        )
        for one in case.rows("reach")
    )
    if not rows or case.told.kind not in ("trip", "gap"):
        return []
    head = ("silence", "port", "verdict", "to spare", "needs", "from last place", "to next place")
    return [
        Heading("What was within reach"),
        Paragraph(
            words(
                "Distances by sea, at the ship's practical top speed. Ice, queues and draught are ignored and only cost time: "
                '"impossible" means impossible, "feasible" means no more than that.'
            )
        ),
        Table("Every port of the route", head, rows, frozenset({3, 4, 5, 6})),
    ]


def _ships(case: Case, cite: Citations) -> list[Block]:
    keys = {case.own.get("vessel_key")} | {gap["vessel_key"] for gap in case.rows("gaps")}
    own = [one for one in case.rows("vessels") if one["vessel_key"] in keys]
    blocks: list[Block] = []
    for one in own:
        rows = [
            ("Names sent", ", ".join(map(name, one["all_names"])) or "-"),
            ("MMSI used", ", ".join(map(name, one["all_mmsi"])) or "-"),
            ("IMO numbers sent", ", ".join(map(name, one["all_imo"])) or "-"),
            ("Call signs", ", ".join(map(name, one["call_signs"])) or "-"),
            ("Type code; length", f"{name(one['ship_type'])}; {number(one['length_m'], 'm', digits=0)}"),
            ("Practical top speed", number(one["fastest_kn"], "kn")),
            ("First and last heard", f"{when(one['first_heard_utc'])}; {when(one['last_heard_utc'])}"),
            ("On lists", "; ".join(one["watch_list_hits"]) or "on none that was given"),
            ("Silences; flagged trips in the run", f"{one['n_gaps']}; {one['n_trips']}"),
            ("About its identity", one["identity_note"] or "nothing was noticed"),
        ]
        blocks.append(Table(f"Ship {ship(one)}", ("what", "value"), pair_rows(rows)))
    for finding in case.rows("identities"):
        cites = [piece for source in finding["sources"] for piece in (" ", cite(source))]
        blocks.append(
            Paragraph(words(f"Finding {finding['finding_id']}, {finding['kind']}: {finding['because']}", *cites))
        )
    return [Heading("The ship, as it says of itself"), *blocks] if blocks else []


def _others(case: Case, cite: Citations) -> list[Block]:
    rows = case.told.rows.get("context", [])
    if not rows:
        return []
    items = tuple(
        words(
            case.said_by_others[one["context_id"]],
            " ",
            cite(one["source_row"], publisher=one["publisher"]),
            *((" ", cite(one["end_source_row"], publisher=one["publisher"])) if one["end_source_row"] else ()),
        )
        for one in rows
    )
    return [Heading("What other publishers say (part of no sum)"), Bullets(items)]
