"""`flags.xlsx`: flagged trips and silences as a workbook, every statement with numbered citations down to file and row.

Names come from outside and a spreadsheet runs what begins with `=`. Every text is written as a text, never as a formula or a link;
and because a workbook gets saved as CSV, where only the first character decides, a text that begins like a formula carries an
apostrophe in front (the sheet `Read me` says so). Numbers are numbers and times are dates, in UTC.

The bytes depend on tables and manifest alone: XlsxWriter in memory gives every part of the zip the same time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

import pandas as pd
import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.exceptions import XlsxWriterException  # type: ignore[import-untyped]

from ghostships.report import text

ROWS_LIMIT = 1_048_576
LETTERS_LIMIT = 32_767
"""What a sheet and a cell may hold in Excel (Microsoft, "Excel specifications and limits"); letters are UTF-16 units."""

CREATED = datetime(2000, 1, 1)  # noqa: DTZ001  a workbook knows no zone; a real time would make equal runs differ

FORMULA_STARTS = "=+-@\t\r\n＝＋－＠"
"""A text that begins with one of these, spaces aside, can become a formula when a CSV is opened; some fold the wide forms."""

_FIRST_EXCEL_YEAR = 1900
_WIDEST = 60


@dataclass(frozen=True)
class _Column:
    """One column: heading, how wide, and what its cells are."""

    heading: str
    wide: int
    kind: str = "text"  # text, sentence, number, whole, p, bits, time


@dataclass
class _Citations:
    """Lines of the citation sheet, numbered in the order in which they are first cited."""

    names: Mapping[str, tuple[str, str]]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    _at: dict[tuple[str, str], int] = field(default_factory=dict)

    def cite(self, what: str, source_row: Any, *, scene: Any = None, source: Any = None, url: Any = None) -> str:
        """`[n]` of this line; the same line cited again keeps its number."""
        if _is_null(source_row):
            return ""
        prefix, _, row = str(source_row).rpartition(":")
        key = (what, str(source_row))
        if key not in self._at:
            name, sha256 = self.names.get(prefix, ("not in the manifest", prefix))
            self._at[key] = len(self.rows) + 1
            line: Any = int(row) if row.isascii() and row.isdigit() and len(row) < 16 else row
            self.rows.append((len(self.rows) + 1, what, name, line, sha256, scene, source, url))
        return f"[{self._at[key]}]"


def write(
    frames: Mapping[str, pd.DataFrame],
    manifest: Mapping[str, Any],
    path: Path,
    *,
    rows_limit: int = ROWS_LIMIT,
    letters_limit: int = LETTERS_LIMIT,
) -> list[str]:
    """Write the workbook and return what had to be left out, in sentences that also stand in its `Read me`.

    Raises
    ------
    OSError
        when the file cannot be written.
    """
    citations = _Citations(_inputs(manifest))
    trips, evidence, gaps, sightings = _gathered(frames, citations)
    sheets: list[tuple[str, str, Sequence[_Column], list[tuple[Any, ...]]]] = [
        (
            "Flagged trips",
            "Consistent with a call that AIS did not show; a reason to look, not a finding.",
            _TRIPS,
            trips,
        ),
        ("Evidence", "The bits of a trip add up to its log-odds: p = 1 / (1 + 2^-sum).", _EVIDENCE, evidence),
        (
            "Gaps",
            "Silences at least as long as the policy asks; not heard is not the same as switched off.",
            _GAPS,
            gaps,
        ),
        ("Sightings", "Sightings that the flagged trips cite.", _SIGHTINGS, sightings),
        ("Citations", "The lines of the inputs behind the other sheets.", _CITATIONS, citations.rows),
    ]
    book = _Book(path, letters_limit)
    left_out: list[str] = []
    readme = book.sheet("Read me")
    for name, note, columns, rows in sheets:
        kept = rows[: rows_limit - 2]
        if len(kept) < len(rows):
            left_out.append(
                f"{path.name}: sheet {name} holds {len(kept)} of {len(rows)} rows, because a sheet ends at row {rows_limit}; "
                "all rows are in the tables"
            )
            note += f" INCOMPLETE: {len(rows) - len(kept)} rows do not fit and are in the tables only."
        book.table(name, note, columns, kept, is_simulated=bool(manifest.get("is_simulated")))
    if book.n_cut:
        left_out.append(
            f"{path.name}: {book.n_cut} texts longer than {letters_limit} letters are cut and say so; the tables have them whole"
        )
    book.readme(readme, _readme(frames, manifest, sheets, left_out))
    book.close()
    return left_out


def safe(value: object, *, letters_limit: int = LETTERS_LIMIT) -> tuple[str, bool]:
    """The text as a cell may hold it, and whether it was cut: nothing invisible, no start of a formula, not too long."""
    whole = str(value)
    said = text.shown(whole[:letters_limit], limit=letters_limit)
    if said.lstrip(" \u00a0\u3000")[:1] in tuple(FORMULA_STARTS):
        said = "'" + said
    units = said.encode("utf-16-le", "surrogatepass")
    if len(whole) <= letters_limit and len(units) // 2 <= letters_limit:
        return said, False
    tail = f" … [cut: {len(whole)} letters, whole in the tables]"
    return units[: 2 * (letters_limit - len(tail))].decode("utf-16-le", "ignore") + tail, True


class _Book:
    """The workbook while it is written; texts go through `safe`, and nothing is written that is not said to be written."""

    def __init__(self, path: Path, letters_limit: int) -> None:
        self._path, self._letters_limit, self.n_cut = path, letters_limit, 0
        self._book = xlsxwriter.Workbook(
            str(path),
            {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False},
        )
        self._book.set_properties(
            {"title": "ghostships: flagged trips", "created": CREATED, "author": "", "comments": ""}
        )
        plain: dict[str, Any] = {"font_name": "Calibri", "font_size": 10, "valign": "top"}
        forms = {
            "number": "0.0##",
            "whole": "0",
            "p": "0.000000",
            "bits": "+0.000;-0.000;0.000",
            "time": "yyyy-mm-dd hh:mm:ss",
        }
        self._formats = {kind: self._book.add_format({**plain, "num_format": form}) for kind, form in forms.items()}
        # "@" keeps a cell text when somebody edits it.
        self._formats["text"] = self._book.add_format({**plain, "num_format": "@"})
        self._formats["sentence"] = self._book.add_format({**plain, "num_format": "@", "text_wrap": True})
        self._heading = self._book.add_format(
            {**plain, "bold": True, "bottom": 1, "text_wrap": True, "bg_color": "#E9EDF1"}
        )
        self._note = self._book.add_format({**plain, "italic": True})
        self._loud = self._book.add_format({**plain, "bold": True, "bg_color": "#FFD24A"})
        self._bold = self._book.add_format({**plain, "bold": True})

    def sheet(self, name: str) -> Any:
        return self._book.add_worksheet(name)

    def table(
        self, name: str, note: str, columns: Sequence[_Column], rows: list[tuple[Any, ...]], *, is_simulated: bool
    ) -> None:
        """Row 1 says what the sheet is, row 2 holds the headings, then the rows."""
        page = self.sheet(name)
        page.set_landscape()
        page.set_paper(9)
        page.fit_to_pages(1, 0)
        page.repeat_rows(1)
        page.set_footer(("&CSIMULATED data" if is_simulated else "") + "&R&P / &N")
        self._text(
            page, 0, 0, ("SIMULATED data. " if is_simulated else "") + note, self._loud if is_simulated else self._note
        )
        for at, column in enumerate(columns):
            page.set_column(at, at, min(column.wide, _WIDEST))
            self._text(page, 1, at, column.heading, self._heading)
        for n, row in enumerate(rows, start=2):
            for at, (column, value) in enumerate(zip(columns, row, strict=True)):
                self._cell(page, n, at, column.kind, value)
        page.freeze_panes(2, 1)
        page.autofilter(1, 0, max(1, len(rows) + 1), len(columns) - 1)

    def readme(self, page: Any, lines: Iterable[tuple[str, str]]) -> None:
        """Two columns: what, and the words."""
        page.set_column(0, 0, 18)
        page.set_column(1, 1, 110)
        page.set_paper(9)
        page.fit_to_pages(1, 0)
        for n, (what, words) in enumerate(lines):
            is_loud = what == "SIMULATED"
            self._text(page, n, 0, what, self._loud if is_loud else self._bold)
            self._text(page, n, 1, words, self._loud if is_loud else self._formats["sentence"])

    def close(self) -> None:
        try:
            self._book.close()
        except XlsxWriterException as error:
            cause = error.__cause__ or error.__context__
            raise OSError(getattr(cause, "errno", None) or 5, f"{self._path.name}: {error}") from error

    def _cell(self, page: Any, row: int, at: int, kind: str, value: Any) -> None:
        if _is_null(value):
            return
        form = self._formats[kind]
        if kind == "time" and isinstance(value, datetime):
            if value.year < _FIRST_EXCEL_YEAR:
                # Excel's calendar begins in 1900.
                self._text(page, row, at, value.isoformat(), self._formats["text"])
                return
            wrote = page.write_datetime(row, at, value.replace(tzinfo=None), form)
        elif kind in ("number", "whole", "p", "bits") and isinstance(value, int | float) and math.isfinite(value):
            wrote = page.write_number(row, at, value, form)
        else:
            self._text(page, row, at, value, form)
            return
        assert wrote == 0, f"XlsxWriter refused {kind} at row {row}: {wrote}"

    def _text(self, page: Any, row: int, at: int, value: object, form: Any) -> None:
        said, was_cut = safe(value, letters_limit=self._letters_limit)
        self.n_cut += was_cut
        wrote = page.write_string(row, at, said, form)
        assert wrote == 0, f"XlsxWriter refused a text at row {row}: {wrote}"


_TRIPS = (
    _Column("trip", 19), _Column("ship", 22), _Column("MMSI", 11, "whole"), _Column("IMO", 9, "whole"),
    _Column("p of the trip", 10, "p"), _Column("p without its other calls", 10, "p"), _Column("p without watch lists", 10, "p"),
    _Column("carried by", 10), _Column("origin", 14), _Column("dark port", 12), _Column("destination", 14),
    _Column("not heard from (UTC)", 19, "time"), _Column("not heard to (UTC)", 19, "time"), _Column("not heard [h]", 9, "number"),
    _Column("sightings", 9, "whole"), _Column("needs [kn]", 8, "number"), _Column("to spare [h]", 8, "number"),
    _Column("weakest link", 40, "sentence"), _Column("what else it could be", 40, "sentence"),
    _Column("containers, lowest scenario", 11, "whole"), _Column("containers, highest scenario", 11, "whole"),
    _Column("because", 60, "sentence"), _Column("gaps", 20), _Column("calls", 16), _Column("citations", 16, "sentence"),
)  # fmt: skip
_EVIDENCE = (
    _Column("trip", 19), _Column("order", 6, "whole"), _Column("factor", 18), _Column("bits", 9, "bits"),
    _Column("because", 60, "sentence"),
)  # fmt: skip
_GAPS = (
    _Column("gap", 20), _Column("ship", 22), _Column("MMSI", 11, "whole"), _Column("IMO", 9, "whole"), _Column("state", 8),
    _Column("last heard (UTC)", 19, "time"), _Column("next heard (UTC)", 19, "time"), _Column("not heard [h]", 9, "number"),
    _Column("from lat [deg]", 10, "number"), _Column("from lon [deg]", 10, "number"), _Column("to lat [deg]", 10, "number"),
    _Column("to lon [deg]", 10, "number"), _Column("from port", 12), _Column("to port", 12),
    _Column("by sea [nm]", 8, "number"), _Column("implied [kn]", 8, "number"),
    _Column("should have been heard [h]", 10, "number"), _Column("p switched off, at least", 10, "p"),
    _Column("others heard nearby", 9, "whole"), _Column("flagged trip", 19), _Column("citations", 12),
)  # fmt: skip
_SIGHTINGS = (
    _Column("sighting", 16), _Column("what", 11), _Column("from (UTC)", 19, "time"), _Column("to (UTC)", 19, "time"),
    _Column("port", 12), _Column("berth", 18), _Column("lat [deg]", 10, "number"), _Column("lon [deg]", 10, "number"),
    _Column("length [m]", 8, "number"), _Column("± [m]", 7, "number"), _Column("sensor", 18), _Column("scene", 24),
    _Column("name read", 20), _Column("p name right", 9, "p"), _Column("remark of the source", 40, "sentence"),
    _Column("cited by trip", 19), _Column("citations", 10),
)  # fmt: skip
_CITATIONS = (
    _Column("number", 8, "whole"), _Column("what", 44), _Column("file", 26), _Column("row", 9, "whole"),
    _Column("SHA-256 of the file", 60), _Column("scene", 24), _Column("source", 28), _Column("URL (text, not a link)", 44),
)  # fmt: skip


def _gathered(
    frames: Mapping[str, pd.DataFrame], citations: _Citations
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Rows of the sheets, and the citations numbered on the way: those of flagged trips first."""
    trips = frames["round_trips"]
    flagged = trips[trips["is_flagged"].astype(bool)]
    flagged = flagged.sort_values(["p_trip", "trip_id"], ascending=[False, True], kind="stable")
    gaps = {row["gap_id"]: row for row in _rows(frames["gaps"].sort_values(["start_utc", "gap_id"]))}
    calls = {row["call_id"]: row for row in _rows(frames["port_calls"])}
    sightings = {row["sighting_id"]: row for row in _rows(frames["sightings"])}
    trip_rows, sighting_rows = [], []
    trip_of: dict[str, list[str]] = {}
    for trip in _rows(flagged):
        cited: list[str] = []
        for gap_id in trip["gap_ids"]:
            trip_of.setdefault(gap_id, []).append(trip["trip_id"])
            cited += _gap_cited(gaps[gap_id], citations) if gap_id in gaps else []
        for sighting_id in dict.fromkeys(s for c in trip["call_ids"] if c in calls for s in calls[c]["sighting_ids"]):
            if (s := sightings.get(sighting_id)) is None:
                continue
            url = text.web_address(s["source_url"]) if s["source_url"] is not None else None
            number = citations.cite(
                f"sighting {sighting_id}",
                s["source_row"],
                scene=s["scene_id"],
                source=s["source"],
                url=url or s["source_url"],
            )
            cited.append(number)
            sighting_rows.append(
                (
                    sighting_id, s["observation_type"], s["start_utc"], s["end_utc"], s["port"], s["berth"], s["lat_deg"],
                    s["lon_deg"], s["length_m"], s["length_sigma_m"], s["sensor"], s["scene_id"], s["vessel_name"],
                    s["p_name_correct"], s["note"], trip["trip_id"], number,
                )
            )  # fmt: skip
        start, end = trip["dark_start_utc"], trip["dark_end_utc"]
        hours = None if start is None or end is None else (end - start).total_seconds() / 3600
        trip_rows.append(
            (
                trip["trip_id"], trip["vessel_name"] or trip["vessel_key"], trip["mmsi"], trip["imo"], trip["p_trip"],
                trip["p_trip_without_habit"], trip["p_trip_without_watchlist"], trip["tier"], trip["origin_port"],
                trip["dark_port"], trip["destination_port"], start, end, hours, trip["n_sightings"], trip["needs_kn"],
                trip["slack_h"], trip["weakest_link"], trip["alternatives"], trip["containers_low"], trip["containers_high"],
                trip["because"], "; ".join(trip["gap_ids"]), "; ".join(trip["call_ids"]),
                " ".join(dict.fromkeys(filter(None, cited))),
            )
        )  # fmt: skip
    order = {trip_id: n for n, trip_id in enumerate(flagged["trip_id"])}
    weighed = frames["evidence"][frames["evidence"]["subject_id"].isin(order)]
    evidence_rows = [
        (row["subject_id"], row["rank"], row["factor"], row["bits"], row["because"])
        for row in sorted(_rows(weighed), key=lambda r: (order[r["subject_id"]], r["rank"]))
    ]
    gap_rows = [
        (
            g["gap_id"], g["vessel_name"] or g["vessel_key"], g["mmsi"], g["imo"], g["state"], g["start_utc"], g["end_utc"],
            g["duration_h"], g["start_lat_deg"], g["start_lon_deg"], g["end_lat_deg"], g["end_lon_deg"], g["start_port"],
            g["end_port"], g["distance_nm"], g["implied_speed_kn"], g["expected_heard"], g["p_off"], g["n_other_ships_heard"],
            "; ".join(trip_of.get(g["gap_id"], [])), " ".join(_gap_cited(g, citations)),
        )
        for g in gaps.values()
    ]  # fmt: skip
    return trip_rows, evidence_rows, gap_rows, sighting_rows


def _gap_cited(gap: Mapping[str, Any], citations: _Citations) -> list[str]:
    ends = (("last heard", gap["start_source"]), ("next heard", gap["end_source"]))
    return [c for c in (citations.cite(f"AIS message, {what}, gap {gap['gap_id']}", row) for what, row in ends) if c]


def _readme(
    frames: Mapping[str, pd.DataFrame],
    manifest: Mapping[str, Any],
    sheets: Sequence[tuple[str, str, Sequence[_Column], list[tuple[Any, ...]]]],
    left_out: list[str],
) -> list[tuple[str, str]]:
    """What the reader must know before believing a cell."""
    route = manifest.get("route")
    route = route if isinstance(route, Mapping) else {}
    lines = [("ghostships", "Flagged trips and silences, with the lines of the inputs they rest on.")]
    if manifest.get("is_simulated"):
        lines.append(
            ("SIMULATED", "The data is simulated: ships, positions and pictures are invented. Nothing here happened.")
        )
    lines += [
        ("As of", f"{manifest.get('as_of_utc') or manifest.get('as_of') or 'not said'} (UTC)"),
        (
            "Made by",
            f"ghostships {manifest.get('ghostships', '')}; route {route.get('name', '')}, SHA-256 {route.get('sha256', '')}",
        ),
        ("Times", "All times are UTC. A cell of a spreadsheet knows no zone; the headings say it."),
        (
            "Limits",
            "A flag is a reason to look, not a finding: the evidence is consistent with a call that AIS did not show. Not heard is "
            "not switched off. An empty probability means that the data cannot say. The bits of a trip add up to p; the "
            "weakest link says what p leans on most. docs/report.md and docs/accuracy.md say more.",
        ),
        (
            "Texts",
            "Names and remarks come from outside. Control and bidirectional characters are written out (⟨U+202E⟩). A text that "
            "begins with = + - @ (or their wide forms, spaces aside) carries an apostrophe in front: it stays a text when a "
            "sheet is saved as CSV and opened again; the Parquet tables have it as it came. No cell holds a formula or a link.",
        ),
        (
            "Citations",
            "A number in square brackets is a row of the sheet Citations: file, row in that file, SHA-256 of the file.",
        ),
    ]
    lines += [(f"Sheet {name}", f"{len(rows)} rows. {note}") for name, note, _, rows in sheets]
    lines += [("LEFT OUT", said) for said in left_out] or [("Left out", "Nothing.")]
    tables = manifest.get("tables") or {}
    lines += [
        (f"Table {name}", f"{tables[name].get('rows')} rows, SHA-256 {tables[name].get('sha256')}")
        for name in ("round_trips", "evidence", "gaps", "sightings", "port_calls")
        if isinstance(tables.get(name), Mapping)
    ]
    return lines


def _inputs(manifest: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """File name and whole SHA-256 by the prefix that sources of rows carry."""
    out = {}
    for item in manifest.get("inputs") or []:
        sha256 = item.get("sha256") if isinstance(item, Mapping) else None
        if isinstance(sha256, str) and re.fullmatch(r"[0-9a-f]{12,64}", sha256):
            out[sha256[:12]] = (PurePath(str(item.get("path", "?"))).name, sha256)
    return out


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None where a value is missing, times as datetimes."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [
        {str(k): v.to_pydatetime(warn=False) if isinstance(v, pd.Timestamp) else v for k, v in row.items()}
        for row in rows
    ]


def _is_null(value: object) -> bool:
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or value == ""
        or (isinstance(value, float) and math.isnan(value))
    )
