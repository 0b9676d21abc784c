"""What the commands say on stdout to a person: plain lines, aligned, every text from outside made visible."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghostships import context
from ghostships.terminal import aligned, iso, visible

if TYPE_CHECKING:
    from ghostships.explain import Explanation, RawLine, Sum
    from ghostships.job import Outcome
    from ghostships.readers.inspect import Inspection
    from ghostships.scenarios import Scenario


def of_run(outcome: Outcome, out: Path, *, has_report: bool) -> list[str]:
    """What a run found, what became of every file, and what to open."""
    facts = outcome.summary(out, has_report=has_report)
    gaps, flagged, inputs = facts["gaps"], facts["flagged_trips"], facts["inputs"]
    rows: list[tuple[object, ...]] = []
    if facts["is_simulated"]:
        rows.append(("SIMULATED", "the input is invented traffic: no ship in it exists"))
    threshold = outcome.manifest["thresholds"]["min_gap_h"]
    rows.append(
        (
            "gaps",
            f"{gaps['all']} of {threshold:g} h or longer: {gaps['open']} open, "
            f"{gaps['void']} void (not listened to, or not believed)",
        )
    )
    rows.append(("port calls", ", ".join(f"{n} {kind}" for kind, n in facts["port_calls"].items()) or "none"))
    rows.append(
        ("flagged trips", f"{len(flagged)} ({len(outcome.new_flags)} new); a flag is a reason to look, not a finding")
    )
    rows += [("others say", fact["because"]) for fact in facts.get("context", [])]
    lines = aligned(rows)
    lines += aligned(
        [
            (
                trip["trip_id"],
                f"p {_shown(trip['p_trip'])}",
                trip["tier"],
                trip["vessel_name"] or trip["vessel_key"],
                f"{trip['dark_start_utc']} to {trip['dark_end_utc'] or 'still silent'}",
            )
            for trip in flagged
        ],
        indent="  ",
    )
    lines += aligned([(f"{len(inputs)} files", f"{len(outcome.refused)} refused whole")])
    lines += aligned([_account(one) for one in inputs], indent="  ")
    if has_report:
        lines.append(f"open {visible(facts['open'])}")
    if flagged:
        lines.append(f"then ghostships explain {visible(out)} {flagged[0]['trip_id']} --raw")
    return lines


def _account(one: dict[str, Any]) -> tuple[str, ...]:
    """One line for one file: every row read has to be somewhere."""
    if one["refused"]:
        return (one["path"], one["role"], f"refused: {one['refused']}")
    rejected = sum(one["rejected"].values())
    why = f" ({', '.join(f'{n} {rule}' for rule, n in one['rejected'].items())})" if rejected else ""
    parts = f"{one['accepted']} accepted + {one['duplicate']} duplicate + {rejected} rejected{why}"
    return (one["path"], one["role"], f"{one['rows_read']} rows = {parts}")


def of_inspection(one: Inspection) -> list[str]:
    """One file: what it is, what is in it, and the first row that each rule would refuse."""
    rows: list[tuple[object, ...]] = [("SHA-256", f"{one.sha256} ({one.n_bytes} bytes)")]
    if one.dialect:
        rows += [
            ("dialect", f"{one.dialect}: {one.title}"),
            ("because", one.why or "the values fit"),
            ("encoding", one.encoding),
        ]
        n_rejected = sum(reject.n_rows for reject in one.rejects)
        parts = f"{one.n_usable} usable + {one.n_duplicate} duplicate + {n_rejected} would be rejected"
        rows += [("rows", f"{one.n_rows} = {parts}"), ("vessels", one.n_vessels)]
        rows += [("time span", f"{iso(one.span_start_utc)} to {iso(one.span_end_utc)}")]
        rows += [("columns", ", ".join(f"{column} -> {name}" for column, name in one.columns.items()))]
        rows += [("not used", ", ".join(one.unknown))] if one.unknown else []
    rows += [("note", note) for note in one.notes]
    rows += [("REFUSED", one.refused)] if one.refused else []
    lines = [visible(one.path), *aligned(rows, indent="  ", limit=2000)]
    lines += aligned(
        [
            (
                f"would reject {reject.n_rows} {reject.rule}",
                f"first: row {reject.example_row}: {visible(reject.example_raw)}",
            )
            for reject in one.rejects
        ],
        indent="  ",
    )
    return lines


def of_explanation(told: Explanation, lines: Sequence[RawLine]) -> list[str]:
    """The subject, its factors added up, what it rests on and the original lines."""
    out = [f"{told.kind} {visible(told.subject_id)}"]
    tables_of_kind = {
        "gap": "gaps",
        "trip": "round_trips",
        "match": "matches",
        "sighting": "sightings",
        "call": "port_calls",
    }
    own_table = tables_of_kind[told.kind]
    for row in told.rows[own_table]:
        if told.subject_id in row.values():
            out += aligned(
                [(key, _cell(value)) for key, value in row.items() if value not in (None, [], "")], indent="  "
            )
    for one in told.sums:
        out += ["", *_sum_lines(one)]
    for name, rows in told.rows.items():
        if name not in (own_table, "matches", "reach", "context"):
            out += ["", f"{name}: " + ", ".join(visible(next(iter(row.values()))) for row in rows)]
    if said := told.rows.get("context"):
        out += ["", "other publishers say (in none of the sums above)"]
        out += [f"  {visible(context.sentence(row), limit=1000)}" for row in said]
    out += ["", "rests on these lines (file SHA-256 prefix:row)"]
    out += aligned([(role, source) for role, source in told.sources.items()], indent="  ")
    for line in lines:
        out += [
            "",
            f"{visible(line.role)}: {line.path} line {line.row}",
            f"  SHA-256 {line.sha256} verified",
            f"  {line.raw}",
        ]
    return out


def _sum_lines(one: Sum) -> list[str]:
    """One subject: the factors, their sum, and whether it is the probability shown."""
    shown = "" if one.p_shown is None else f"{one.p_shown:.6f}"
    verdict = f"probability {shown}" if shown else "cannot say: the probability"
    lines = [f"{verdict} {visible(one.what)} [{visible(one.subject_id)}]"]
    lines += aligned(
        [
            (factor["factor"], f"{factor['bits']:+8.3f}", visible(factor["because"], limit=1000))
            for factor in one.evidence
        ],
        indent="  ",
    )
    if one.bits is not None:
        verdict = "exactly as shown" if one.agrees else f"NOT the {shown} shown"
        told = verdict if one.p_shown is not None else "not published: the data cannot say"
        lines.append(f"  sum {one.bits:+.3f} bits = probability {one.p_added:.6f}, {told}")
    elif one.p_shown is not None and not one.agrees:
        lines.append(f"  NOT supported: what adds up is {one.p_added}")
    if one.weakest:
        lines.append(f"  weakest link: {visible(one.weakest, limit=1000)}")
    return lines


_SHOWN = 20
"""Rows of a kind that a person is shown; how many more there are is said, and the kept file has them all."""


def of_whatif(scenario: Scenario, path: Path) -> list[str]:
    """Before and after: flags and calls, every affected trip with the reason, matches that moved, throughput."""
    answer = scenario.answer
    trips, matches, counts = answer["trips"], answer["matches"], answer["throughput"]
    lines = [f"what if: {visible('; '.join(scenario.said), limit=1000)}"]
    lines += aligned(
        [
            *([("SIMULATED", "the input is invented traffic: no ship in it exists")] if scenario.is_simulated else []),
            ("flagged trips", _change(answer["flagged"])),
            ("port calls", _change(answer["port_calls"])),
            ("trips", f"{_change(answer['n_trips'])}, {len(trips)} affected"),
            *(("note", note) for note in answer["notes"]),
        ],
        limit=1000,
    )
    for line, trip in zip(aligned([_trip_cells(trip) for trip in trips], indent="  "), trips, strict=True):
        lines += [line, f"      {visible(trip['why'], limit=1000)}"]
    if matches:
        lines += ["", "matches that moved"]
        lines += aligned(
            [
                (
                    one["sighting_id"],
                    one["hypothesis"],
                    one["vessel_name"] or one["vessel_key"] or "none of these",
                    _p_change(one["p_match_before"], one["p_match_after"]),
                )
                for one in matches[:_SHOWN]
            ],
            indent="  ",
        )
        lines += _more(matches)
    if counts:
        lines += ["", "throughput: calls (low, best, high)"]
        lines += aligned(
            [
                (
                    one["period_start"],
                    one["definition"],
                    one["source"],
                    " -> ".join(_calls(one[when]) for when in ("before", "after")),
                )
                for one in counts[:_SHOWN]
            ],
            indent="  ",
        )
        lines += _more(counts)
    return [*lines, f"kept as {visible(scenario.name)} in {visible(path)}; nothing else in the folder was changed"]


def of_scenarios(kept: Sequence[Scenario]) -> list[str]:
    """One line per scenario: what it asked, what came of it, and whether its base is still what is published."""
    return aligned(
        [
            (
                one.name,
                "; ".join(one.said),
                f"flagged {_change(one.answer['flagged'])}",
                f"{len(one.answer['trips'])} trips affected",
                "current" if one.is_current else "OLD: the tables are others now; ask again",
            )
            for one in kept
        ]
    )


def _trip_cells(trip: dict[str, Any]) -> tuple[str, ...]:
    """One trip: who, both probabilities, both tiers, what that means."""
    old, new = trip["before"], trip["after"]
    one = old or new
    tiers = list(dict.fromkeys(row["tier"] if row else "not listed" for row in (old, new)))
    return (
        trip["trip_id"],
        one["vessel_name"] or one["vessel_key"] or "nobody known",
        " -> ".join(_p_trip(row) for row in (old, new)),
        " -> ".join(tiers),
        ", ".join(trip["change"]),
    )


def _shown(p: float) -> str:
    """A probability to three digits: never a certainty."""
    return ">0.999" if p > 0.9995 else "<0.001" if p < 0.0005 else f"{p:.3f}"


def _p_trip(row: dict[str, Any] | None) -> str:
    return "-" if row is None else "cannot say" if row["p_trip"] is None else f"p {_shown(row['p_trip'])}"


def _change(numbers: dict[str, int]) -> str:
    return f"{numbers['before']} -> {numbers['after']}"


def _p_change(before: float | None, after: float | None) -> str:
    return " -> ".join("-" if p is None else _shown(p) for p in (before, after))


def _calls(row: dict[str, Any] | None) -> str:
    numbers = [row[name] for name in ("n_calls_low", "n_calls", "n_calls_high")] if row else []
    return ", ".join("?" if n is None else f"{n:g}" for n in numbers) or "not listed"


def _more(rows: Sequence[object]) -> list[str]:
    return [f"  and {len(rows) - _SHOWN} more in the kept file"] if len(rows) > _SHOWN else []


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
