"""The timeline and the waterfall of a figure: when who was heard and looked for, and how the number adds up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ghostships.report import lettering, sheet
from ghostships.report.figure_story import Story
from ghostships.report.sheet import PT_PER_CM, WIDTH_CM, Sheet
from ghostships.routes import Route

GUTTER_CM = 2.5
ROW_CM = 0.41
_SMALL = 6.1
_TICKS_H = (1, 2, 3, 6, 12, 24, 48, 120, 240, 480, 960, 1920)
KINDS = {
    "vessel": "ship seen",
    "absent": "no ship seen",
    "containers": "containers seen",
    "ais": "AIS position, as published",
}

_WHY_CM = 9.3
_BARS = (11.95, 14.85)
_LINE_CM = 0.25
_MOST_LINES = 2


def timeline_height_cm(story: Story) -> float:
    """How much paper `timeline` needs."""
    return ROW_CM * (4 + bool(story.calls)) + 0.75


def timeline(paper: Sheet, story: Story, route: Route, top_cm: float, *, min_gap_h: float) -> None:
    """Rows over one axis of time: AIS heard, not heard, bounds of the call, looks at the dark port, sightings."""
    left, right = GUTTER_CM, WIDTH_CM - 0.15
    whole = (story.end - story.start).total_seconds()

    def x(at: datetime) -> float:
        share = (at - story.start).total_seconds() / whole
        return left + min(1.0, max(0.0, share)) * (right - left)

    rows = [
        "AIS heard",
        "Not heard",
        *(["Call, bounds"] if story.calls else []),
        f"Looked at {route.dark_port.name}",
        "Sightings",
    ]
    bottom = top_cm + len(rows) * ROW_CM
    _ticks(paper, story, x, top_cm, bottom)
    at = {name: top_cm + n * ROW_CM for n, name in enumerate(rows)}
    for name, y in at.items():
        paper.text(0, y + 0.3, lettering.drawable(name, limit=40), 6.6, room_cm=GUTTER_CM - 0.1)
    high, y = 0.27, at["AIS heard"] + 0.08
    heard_then = [h for h in story.heard if h.end >= story.start and h.start <= story.end]
    for heard in heard_then:
        paper.box(x(heard.start), y, max(0.02, x(heard.end) - x(heard.start)), high, fill=sheet.AIS)
    if not heard_then:
        paper.text(left + 0.1, y + 0.22, "no track kept", _SMALL, colour=sheet.QUIET)
    y = at["Not heard"] + 0.08
    for gap in story.others:
        a, b = x(gap["start_utc"]), x(gap["end_utc"] or story.as_of)
        is_void = gap["state"] == "void"
        paper.box(
            a,
            y,
            max(0.02, b - a),
            high,
            fill="white" if is_void else "#eceff2",
            edge="#8a97a3",
            dash=(0, (1, 2)) if is_void else (0, (3, 2)),
        )
    for gap in story.gaps:
        a, b = x(gap["start_utc"]), x(gap["end_utc"] or story.as_of)
        paper.box(a, y, max(0.02, b - a), high, fill="#fbe3d6", edge=sheet.GAP, width_pt=0.9, dash=(0, (4, 2.5)))
        hours = ((gap["end_utc"] or story.as_of) - gap["start_utc"]) / timedelta(hours=1)
        said = f"not heard for {lasting(hours)}" + (", still open" if gap["end_utc"] is None else "")
        if lettering.width_pt(said, _SMALL) / PT_PER_CM < b - a - 0.1:
            paper.text((a + b) / 2, y + 0.2, said, _SMALL, align="center")
    if story.calls:
        y = at["Call, bounds"] + 0.08
        for call in story.calls:
            longest = (call["arrival_not_before_utc"] or story.start, call["departure_not_after_utc"] or story.end)
            paper.box(
                x(longest[0]), y, x(longest[1]) - x(longest[0]), high, fill="#f0dfec", edge=sheet.SEEN, width_pt=0.6
            )
            a, b = x(call["arrival_not_after_utc"]), x(call["departure_not_before_utc"])
            paper.box(a, y, max(0.04, b - a), high, fill=sheet.SEEN)
    y = at[f"Looked at {route.dark_port.name}"] + 0.215
    for look in story.looks:
        sheet.mark(paper.axes, x(look.at), y, look.kind, 5.2)
    if not story.looks:
        paper.text(left + 0.1, y + 0.08, "no scene of it is listed for this time", _SMALL, colour=sheet.QUIET)
    y = at["Sightings"] + 0.215
    for sighting in story.cited:
        a, b = sighting["start_utc"], sighting["end_utc"]
        if b > a:
            paper.line([x(a), x(b)], [y, y], colour=sheet.SEEN, width_pt=1.6)
        sheet.mark(paper.axes, x(a + (b - a) / 2), y, sighting["observation_type"], 6)
    others = [s for s in story.beside if s["observation_type"] != "vessel" or s["scene_id"] is None]
    for sighting in others:
        sheet.mark(
            paper.axes,
            x(sighting["start_utc"] + (sighting["end_utc"] - sighting["start_utc"]) / 2),
            y,
            sighting["observation_type"],
            3.6,
            order=5,
        )
    if not story.cited:
        paper.text(
            left + 0.1,
            y + 0.08,
            "none carries this trip" + ("; small: others at the port" if others else ""),
            _SMALL,
            colour=sheet.QUIET,
        )
    paper.text(
        left, bottom + 0.62, f"Times are UTC. Silences under {min_gap_h:g} h are not drawn.", _SMALL, colour=sheet.QUIET
    )


def _ticks(paper: Sheet, story: Story, x: Any, top_cm: float, bottom_cm: float) -> None:
    hours = (story.end - story.start) / timedelta(hours=1)
    step = next((s for s in _TICKS_H if hours / s <= 9), _TICKS_H[-1])
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    n = -(-(story.start - epoch) // timedelta(hours=step))
    last_day, free_from = "", GUTTER_CM - 0.9
    while (at := epoch + timedelta(hours=step) * n) <= story.end:
        n += 1
        paper.line([x(at)] * 2, [top_cm, bottom_cm + 0.06], colour="#dde2e6", width_pt=0.5, order=0.5)
        day = f"{at:%d %b}" + (f" {at:%Y}" if not last_day else "")
        words = (
            day if step >= 24 else f"{at:%H:%M}" if day.startswith(last_day[:6]) and last_day else f"{day} {at:%H:%M}"
        )
        last_day = day
        half = lettering.width_pt(words, _SMALL) / PT_PER_CM / 2
        if x(at) - half > free_from and x(at) + half < WIDTH_CM:
            free_from = x(at) + half + 0.15
            paper.text(x(at), bottom_cm + 0.3, words, _SMALL, colour=sheet.QUIET, align="center")
    paper.line([GUTTER_CM, WIDTH_CM - 0.15], [bottom_cm + 0.02] * 2, colour=sheet.QUIET, width_pt=0.6)


def waterfall_rows(story: Story) -> tuple[list[tuple[str, float, list[str]]], list[str]]:
    """The factors that change the odds, with their sentence in lines, and the names of those that count nothing."""
    counting = []
    for factor, bits, because in story.evidence:
        if bits:
            why = lettering.wrap(lettering.drawable(because), _WHY_CM * PT_PER_CM, _SMALL, lines=_MOST_LINES)
            counting.append((lettering.drawable(factor.replace("_", " "), limit=40), bits, why))
    return counting, [lettering.drawable(f.replace("_", " "), limit=40) for f, bits, _ in story.evidence if not bits]


def waterfall_height_cm(rows: tuple[list[tuple[str, float, list[str]]], list[str]]) -> float:
    """How much paper `waterfall` needs."""
    counting, silent = rows
    return (
        0.5 + sum(0.1 + _LINE_CM * len(why) for _, _, why in counting) + 0.12 + _LINE_CM * len(_nothing(silent)) + 0.78
    )


def waterfall(
    paper: Sheet, story: Story, rows: tuple[list[tuple[str, float, list[str]]], list[str]], top_cm: float
) -> None:
    """Each bar starts where the one before ended; the last is their sum, and p follows from it."""
    counting, silent = rows
    # In thousandths, as the table has them: the sum is exact.
    steps = [round(bits * 1000) for _, bits, _ in counting]
    total = sum(steps) / 1000
    low, high, at = min(0.0, total), max(0.0, total), 0.0
    for step in steps:
        at += step / 1000
        low, high = min(low, at), max(high, at)
    x0, x1 = _BARS
    pad = 0.08

    def x(bits: float) -> float:
        return x0 + pad + (bits - low) / ((high - low) or 1) * (x1 - x0 - 2 * pad)

    paper.text(0, top_cm + 0.26, "What counts", 6.6, bold=True)
    paper.text(GUTTER_CM, top_cm + 0.26, "because", 6.6, bold=True)
    paper.text((x0 + x1) / 2, top_cm + 0.26, "less likely ◂  ▸ more likely", _SMALL, colour=sheet.QUIET, align="center")
    paper.text(WIDTH_CM, top_cm + 0.26, "bits", 6.6, bold=True, align="right")
    y = top_cm + 0.4
    first, at = y, 0.0
    paper.line([0, WIDTH_CM], [y, y], colour=sheet.INK, width_pt=0.7)
    for (factor, bits, why), step in zip(counting, steps, strict=True):
        tall = 0.1 + _LINE_CM * len(why)
        paper.text(0, y + 0.26, factor, 6.6, room_cm=GUTTER_CM - 0.1)
        for n, line in enumerate(why):
            paper.text(GUTTER_CM, y + 0.26 + n * _LINE_CM, line, _SMALL)
        a, b = x(at), x(at + step / 1000)
        paper.box(min(a, b), y + 0.09, max(abs(b - a), 0.03), 0.19, fill=sheet.GAP if step > 0 else sheet.AIS)
        at += step / 1000
        paper.line([b, b], [y + 0.09, y + tall + 0.09], colour="#8a97a3", width_pt=0.4)
        paper.text(WIDTH_CM, y + 0.26, signed(bits), 6.6, align="right")
        y += tall
        paper.line([0, WIDTH_CM], [y, y], width_pt=0.35)
    for n, line in enumerate(_nothing(silent)):
        paper.text(GUTTER_CM if n else 0, y + 0.26 + n * _LINE_CM, line, _SMALL, colour=sheet.QUIET)
        y_end = y + 0.12 + _LINE_CM * (n + 1)
    y = y_end
    paper.line([0, WIDTH_CM], [y, y], colour=sheet.INK, width_pt=0.7)
    paper.line([x(0), x(0)], [first, y + 0.42], colour=sheet.QUIET, width_pt=0.6, dash=(0, (2, 2)))
    p = story.trip["p_trip"]
    paper.text(0, y + 0.3, "Total, log-odds", 6.8, bold=True)
    if p is None:
        paper.text(WIDTH_CM, y + 0.3, "cannot say", 6.8, bold=True, align="right")
        return
    a, b = sorted((x(0), x(total)))
    paper.box(a, y + 0.1, max(b - a, 0.03), 0.23, fill="#3d4a57")
    paper.text(WIDTH_CM, y + 0.3, signed(total), 6.8, bold=True, align="right")
    held = max(-30.0, min(30.0, total))
    exact = 1 / (1 + 2**-held)
    # Six digits never say certain.
    said = "over 0.999999" if exact >= 0.9999995 else "under 0.000001" if exact < 0.0000005 else f"= {exact:.6f}"
    said = f"p = 1 / (1 + 2^({signed(-held)}))" + (f" {said}" if said[0] == "=" else f", {said}")
    said += "; bits are held within ±30" if abs(total) >= 30 else ""
    paper.text(GUTTER_CM, y + 0.3, said, 6.8, bold=True)
    if abs(exact - p) > 2e-6:
        paper.text(
            0,
            y + 0.65,
            f"These rows do not add up to the probability in the table ({p:.6f}). Do not use this figure.",
            7,
            bold=True,
            colour="#a4161a",
        )
    else:
        paper.text(
            GUTTER_CM,
            y + 0.62,
            "+1 bit doubles the odds, −1 halves them; dashed: even odds. Sentences cut with … are whole in evidence.parquet.",
            _SMALL, colour=sheet.QUIET,
        )  # fmt: skip


def _nothing(silent: list[str]) -> list[str]:
    """The line about factors that were weighed and move nothing."""
    if not silent:
        return ["Every factor weighed is above."]
    words = f"Weighed and counting nothing (0 bits): {', '.join(silent)}."
    return lettering.wrap(words, (WIDTH_CM - GUTTER_CM) * PT_PER_CM, _SMALL, lines=4)


def signed(bits: float) -> str:
    """Bits as written in a table, with a true minus."""
    return f"{bits:+.3f}".replace("-", "−")


def percent(p: float | None) -> str:
    """A probability as the page says it."""
    if p is None:
        return "cannot say"
    return "over 99 %" if p > 0.99 else "under 1 %" if p < 0.01 else f"{round(p * 100)} %"


def lasting(hours: float) -> str:
    """A length of time as the page says it."""
    return f"{hours:.1f} h" if hours < 10 else f"{hours:.0f} h" if hours < 100 else f"{hours / 24:.1f} days"


def threshold(manifest: Mapping[str, Any], name: str, default: float) -> float:
    """A threshold of the run, else the route's."""
    found = (manifest.get("thresholds") or {}).get(name)
    return float(found) if isinstance(found, int | float) else default
