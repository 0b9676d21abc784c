"""NMEA 0183 sentences with AIS in them become rows: time from outside the sentence, content from inside it.

    \\g:1-2-1604,s:rORBCOMM008,c:1418169601*4E\\!AIVDM,2,1,6,A,53@o0E00...,0*63,r003669987,1152921693
    |-------- tag block: source, time --------|       | | | |  payload  | |  | trailing receive time
                                          part 1 of 2 --+ | channel     | fill bits, checksum
                                                sequence -+

An AIS sentence has no time of its own. It comes from the tag block (`c:`), from trailing fields, or from a `$PGHP` line just
before; a file without any is refused, never dated by its name or age. A message is one row, counted at the line of its first
part; its other parts belong to that row. The decoder was chosen in docs/decisions/001-nmea-decoder.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
from marlin import MarlinError
from marlin.ais import AisParser

from ghostships import units
from ghostships.readers import dialects, messages, times
from ghostships.readers.containers import escape
from ghostships.readers.text import MAX_LINE_BYTES, Refused

REASSEMBLY_S = 60
"""Parts of one message come within seconds; sequence numbers (0 to 9) are used again soon after."""
MAX_PENDING = 10_000

_SENTENCE = re.compile(
    rb"((?:\\[^\\\n]*\\)*)!([A-Z-]{2})(VDM|VDO),([1-9]),([1-9]),([0-9]?),([AB12]?),([^,*!\\]*),([0-5])\*([0-9A-Fa-f]{2})([^!\\]*)"
)
_LOOKS_LIKE = re.compile(rb"^(?:\\[^\\\n]*\\)*![A-Z-]{2}VD[MO],", re.MULTILINE)
_TRAILING = re.compile(rb",(\d{9,13})(?:\.\d+)?\s*$")
_ARMOUR = re.compile(rb"^[0-W`-w]+$")
# Bits that a message type has at least and at most (ITU-R M.1371-5, annex 8); the decoder checks the types it knows for the
# least, not for the most. Six bits of padding are allowed on top.
_LEAST_BITS = {
    4: 168, 6: 88, 7: 72, 8: 56, 10: 72, 11: 168, 12: 72, 13: 72, 14: 40, 15: 88, 16: 92, 17: 80, 20: 70, 22: 168, 23: 160,
    25: 40, 26: 60, 27: 96,
}  # fmt: skip
_MOST_BITS = {1: 168, 2: 168, 3: 168, 4: 168, 5: 424, 9: 168, 11: 168, 18: 168, 19: 312, 24: 168, 27: 168}
_FIELDS = tuple(name for name in dialects.FIELDS if name not in ("id", "ais_class"))
# A coordinate outside what AIS can say becomes a reject by its range, like one in a table.
_IMPOSSIBLE = 999.0


@dataclass(frozen=True)
class Sentences:
    """What was decoded: rows of `positions`, rejects, how many messages and fragments there were, and notes."""

    positions: pl.DataFrame
    rejects: tuple[tuple[int, str, str], ...]
    n_read: int
    notes: tuple[str, ...]
    why: str


@dataclass
class _Part:
    row: int
    number: int
    total: int
    payload: bytes
    fill: int
    time: tuple[str, int] | None
    source: bytes | None
    line: bytes


@dataclass
class _Group:
    parts: dict[int, _Part] = field(default_factory=dict)

    @property
    def source(self) -> bytes | None:
        return next((part.source for part in self.parts.values() if part.source is not None), None)

    @property
    def time(self) -> tuple[str, int] | None:
        ordered = [self.parts[n].time for n in sorted(self.parts)]
        return next((time for time in ordered if time is not None), None)


def is_nmea(data: bytes) -> bool:
    """Do the first lines hold an AIS sentence?"""
    head = data[:65_536]
    return _LOOKS_LIKE.search(head) is not None


class _Log:
    """Everything found in one file, in the order of its lines."""

    def __init__(self) -> None:
        self.columns: dict[str, list[str | None]] = {name: [] for name in _FIELDS}
        self.rows: list[int] = []
        self.lines: dict[int, bytes] = {}
        self.stamps: list[tuple[str, int] | None] = []
        self.rejects: list[tuple[int, str, str]] = []
        self.counts: Counter[str] = Counter()
        self.pending: dict[tuple[bytes, ...], list[_Group]] = {}
        self.n_read = 0

    def reject(self, row: int, rule: str, line: bytes) -> None:
        self.n_read += 1
        self.rejects.append((row, rule, escape(line)))

    def message(
        self,
        row: int,
        line: bytes,
        payload: bytes,
        fill: int,
        time: tuple[str, int] | None,
        sentence: bytes | None = None,
    ) -> None:
        values = decode(payload, fill, sentence=sentence)
        if values is None:
            self.reject(row, "nmea_payload", line)
            return
        if time is None:
            self.reject(row, "no_receive_time", line)
            return
        self.n_read += 1
        self.rows.append(row)
        self.lines[row] = line
        self.stamps.append(time)
        for name, cells in self.columns.items():
            value = values.get(name)
            cells.append(None if value is None else value if isinstance(value, str) else repr(value))

    def part(self, key: tuple[bytes, ...], part: _Part) -> None:
        """Put a part of a message with its fellows; a complete one is decoded at the row of its first line."""
        groups = self.pending.setdefault(key, [])
        group = next((g for g in reversed(groups) if _belongs(part, g)), None)
        if group is None:
            group = _Group()
            groups.append(group)
        group.parts[part.number] = part
        if len(group.parts) == part.total:
            groups.remove(group)
            if not groups:
                del self.pending[key]
            parts = [group.parts[n] for n in sorted(group.parts)]
            self.counts["joined"] += len(parts) - 1
            first = min(parts, key=lambda p: p.row)
            self.message(first.row, first.line, b"".join(p.payload for p in parts), parts[-1].fill, group.time)
        elif len(self.pending) > MAX_PENDING:
            self.orphans(next(iter(self.pending)))

    def orphans(self, key: tuple[bytes, ...]) -> None:
        for group in self.pending.pop(key):
            for number in sorted(group.parts):
                self.reject(group.parts[number].row, "nmea_fragment", group.parts[number].line)


def _belongs(part: _Part, group: _Group) -> bool:
    if part.number in group.parts:
        return False
    if None not in (part.source, group.source) and part.source != group.source:
        return False
    if part.time and group.time and part.time[0] == group.time[0]:
        apart_s = abs(part.time[1] - group.time[1]) / {"us": 1e6, "ms": 1e3, "s": 1.0}[part.time[0]]
        return apart_s <= REASSEMBLY_S
    return True


def read(data: bytes, *, source_file: str) -> Sentences:
    """All messages of a file of sentences.

    Raises
    ------
    Refused
        when no sentence has a receive time.
    """
    log = _Log()
    pending_time: tuple[str, int] | None = None
    for row, line in enumerate(_lines(data), start=1):
        if line[:1] == b"!" or line[:1] == b"\\":
            at = 0
            for match in _SENTENCE.finditer(line):
                if line[at : match.start()].strip():
                    log.reject(row, "nmea_format", line[at : match.start()])
                _sentence(log, row, line, match, pending_time)
                pending_time, at = None, match.end()
            if line[at:].strip():
                log.reject(row, "nmea_format", line[at:])
        elif not line.strip():
            log.counts["blank"] += 1
        elif line[:1] == b"#":
            log.counts["comment"] += 1
        elif line.startswith(b"$PGHP,"):
            log.counts["time"] += 1
            pending_time = _pghp(line)
            log.counts["bad time"] += pending_time is None
        else:
            pending_time = None
            log.reject(row, "line_too_long" if len(line) > MAX_LINE_BYTES else "not_an_ais_sentence", line)
    for key in [*log.pending]:
        log.orphans(key)
    if not log.rows:
        if any(rule == "no_receive_time" for _, rule, _ in log.rejects):
            raise Refused(
                "no_receive_time", "no receive time: no tag block, trailing time or $PGHP line dates a sentence"
            )
        if not log.n_read:
            raise Refused("header_only", "comments but no sentences")
    return _finish(log, source_file)


def _lines(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        yield data[start:end]
        start = end + 1


def _sentence(log: _Log, row: int, line: bytes, match: re.Match[bytes], pending_time: tuple[str, int] | None) -> None:
    tag, talker, kind, total, number, sequence, channel, payload, fill, checksum, rest = match.groups()
    whole = match.group(0)
    body = whole[len(tag) + 1 : whole.index(b"*", len(tag))]
    if _xor(body) != int(checksum, 16):
        log.reject(row, "nmea_checksum", whole)
        return
    tags = _tag_block(tag)
    if tags is None:
        log.reject(row, "tag_block_checksum", whole)
        return
    if kind == b"VDO":
        log.reject(row, "own_ship", whole)
        return
    n_parts, n_part = int(total), int(number)
    trailing = _TRAILING.search(rest)
    time = pending_time
    if b"c" in tags:
        time = _stamp(tags[b"c"])
    elif trailing:
        time = _stamp(trailing[1])
    if n_parts == 1:
        log.message(row, whole, payload, int(fill), time, b"!%s*%s\r\n" % (body, checksum))
        return
    if n_part > n_parts:
        log.reject(row, "nmea_format", whole)
        return
    source = tags.get(b"s") or (rest.split(b",")[1] if rest.startswith(b",r") else None)
    key: tuple[bytes, ...] = (talker, channel, sequence, total)
    group = tags.get(b"g", b"").split(b"-")
    if len(group) == 3 and group[0] == number and group[1] == total:
        key, source = (b"g", group[2], total), None
    log.part(key, _Part(row, n_part, n_parts, payload, int(fill), time, source, whole))


def _tag_block(tag: bytes) -> dict[bytes, bytes] | None:
    """Fields of the tag blocks before a sentence; null when a checksum is wrong."""
    found: dict[bytes, bytes] = {}
    for block in tag.split(b"\\"):
        if not block:
            continue
        text, star, checksum = block.partition(b"*")
        try:
            if star and _xor(text) != int(checksum, 16):
                return None
        except ValueError:
            return None
        for part in text.split(b","):
            name, _, value = part.partition(b":")
            found.setdefault(name, value)
    return found


def _stamp(digits: bytes) -> tuple[str, int] | None:
    """Seconds or milliseconds since 1970, by the number of digits; the file's majority decides which is right."""
    text = digits.strip()
    if not text.isdigit():
        return None
    value = int(text)
    return ("ms", value) if value >= 10**11 else ("s", value)


def _pghp(line: bytes) -> tuple[str, int] | None:
    """`$PGHP,1,year,month,day,hour,minute,second,millisecond,...*hh`: the time of the sentence on the next line."""
    body, star, checksum = line.strip()[1:].partition(b"*")
    try:
        if not star or _xor(body) != int(checksum, 16):
            return None
        year, month, day, hour, minute, second, ms = (int(cell) for cell in body.split(b",")[2:9])
        at = datetime(year, month, day, hour, minute, second, ms * 1000, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return "us", round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000) * 1000


def _xor(data: bytes) -> int:
    """All bytes of a sentence or tag block XORed, by folding one long number: several times faster than byte by byte."""
    number, shift = int.from_bytes(data, "big"), 8
    while shift < 8 * len(data):
        shift *= 2
    while shift > 8:
        shift //= 2
        number ^= number >> shift
    return number & 0xFF


def decode(payload: bytes, fill: int, *, sentence: bytes | None = None) -> dict[str, Any] | None:
    """Fields of one message, or null where the payload is not a message: wrong armour, too short, too long, unknown type.

    `sentence` is the one it came in, where it came in one; else one is made for the decoder.
    """
    bits = len(payload) * 6 - fill
    if bits < 40 or not _ARMOUR.match(payload):
        return None
    kind = _six(payload[0])
    if not 1 <= kind <= 27 or bits < _LEAST_BITS.get(kind, 0) or bits > _MOST_BITS.get(kind, 1064) + 6:
        return None
    if sentence is None:
        body = b"AIVDM,1,1,,A,%s,%d" % (payload, fill)
        sentence = b"!%s*%02X\r\n" % (body, _xor(body))
    parser = AisParser.one_shot()
    try:
        parser.feed(sentence)
        message = parser.next_message()
    except (MarlinError, ValueError, OverflowError):
        return None
    if message is None:
        return None
    return _values(kind, message.body, payload)


def _six(code: int) -> int:
    value = code - 48
    return value - 8 if value > 40 else value


def _bits(payload: bytes, start: int, length: int, *, signed: bool = False) -> int:
    """Bits of an armoured payload as a number (ITU-R M.1371-5; six bits to a character, high bit first)."""
    first, last = start // 6, (start + length - 1) // 6
    number = 0
    for code in payload[first : last + 1]:
        number = number << 6 | _six(code)
    number = number >> ((last + 1) * 6 - start - length) & ((1 << length) - 1)
    return number - (1 << length) if signed and number >> (length - 1) else number


def _values(kind: int, body: Any, payload: bytes) -> dict[str, Any]:
    values: dict[str, Any] = {"message_type": str(kind), "mmsi": f"{_bits(payload, 8, 30):09d}"}
    if kind in (4, 11):
        values["lon_deg"] = _bits(payload, 79, 28, signed=True) / 600_000
        values["lat_deg"] = _bits(payload, 107, 27, signed=True) / 600_000
    elif kind == 27:
        values["lon_deg"] = _bits(payload, 44, 18, signed=True) / 600
        values["lat_deg"] = _bits(payload, 62, 17, signed=True) / 600
        speed, course = _bits(payload, 79, 6), _bits(payload, 85, 9)
        values["sog_kn"] = None if speed == 63 else float(speed)
        values["cog_deg"] = None if course == 511 else float(course)
        values["nav_status"] = _bits(payload, 40, 4)
    elif hasattr(body, "latitude_deg"):
        values["lat_deg"] = _coordinate(body.latitude_deg, units.LAT_NOT_AVAILABLE_DEG)
        values["lon_deg"] = _coordinate(body.longitude_deg, units.LON_NOT_AVAILABLE_DEG)
        for name, attribute in (
            ("sog_kn", "speed_over_ground"),
            ("cog_deg", "course_over_ground"),
            ("heading_deg", "true_heading"),
        ):
            if hasattr(body, attribute):
                value = getattr(body, attribute).value_or_bound
                # The decoder gives single precision: 12.3 comes as 12.300000190734863. AIS says tenths.
                values[name] = None if value is None else round(float(value), 1)
        if kind <= 3:
            values["nav_status"] = _bits(payload, 38, 4)
    if kind in (5, 19, 21, 24):
        values |= _static(body)
    return values


def _static(body: Any) -> dict[str, Any]:
    names = {
        "imo": "imo_number",
        "vessel_name": "vessel_name",
        "call_sign": "call_sign",
        "ship_type": "ship_type",
        "draught_m": "draught_m",
        "destination": "destination",
    }
    found: dict[str, Any] = {}
    for name, attribute in names.items():
        if hasattr(body, attribute):
            value = getattr(body, attribute).value_or_bound
            found[name] = round(value, 1) if isinstance(value, float) else None if value is None else str(value)
    extent = getattr(body, "dimensions", None) or getattr(getattr(body, "extent", None), "dimensions", None)
    if extent is not None:
        for name, attribute in (("bow_m", "to_bow_m"), ("stern_m", "to_stern_m")):
            state = getattr(extent, attribute, None)
            found[name] = None if state is None else state.value_or_bound
    return found


def _coordinate(state: Any, nothing: float) -> float:
    if state.kind == "not_available":
        return nothing
    return _IMPOSSIBLE if state.value is None else float(state.value)


def _finish(log: _Log, source_file: str) -> Sentences:
    kinds = Counter(stamp[0] for stamp in log.stamps if stamp and stamp[0] != "us")
    unit = max(sorted(kinds), key=lambda kind: kinds[kind]) if kinds else "s"
    factor = {"us": 1, "ms": 1_000, "s": 1_000_000}
    rejects = list(log.rejects)
    keep, stamps = [], []
    for stamp, row in zip(log.stamps, log.rows, strict=True):
        assert stamp is not None
        good = stamp[0] in ("us", unit)
        keep.append(good)
        stamps.append(str(stamp[1] * factor[stamp[0]]))
        if not good:
            rejects.append((row, "time_magnitude", escape(log.lines[row])))
    frame = pl.DataFrame(
        {**log.columns, "time": stamps, "row": log.rows},
        schema={**dict.fromkeys(_FIELDS, pl.String()), "row": pl.Int64()},
    ).filter(pl.Series(keep, dtype=pl.Boolean))
    tally = messages.Tally()
    dialect = dialects.all_dialects()["nmea"]
    positions, broken = messages.convert(frame, dialect, times.Plan("unix_us"), source_file=source_file, tally=tally)
    rejects += [(row, rule, escape(log.lines[row])) for row, rule in broken.iter_rows()]
    n = log.counts
    notes = [f"{n['blank'] + n['comment']} comment or blank lines are not rows", *tally.notes()]
    if n["time"]:
        notes.append(f"{n['time']} $PGHP time lines, {n['bad time']} of them unreadable, are not rows")
    if n["joined"]:
        notes.append(f"{n['joined']} sentences are later parts of a message and belong to its row")
    return Sentences(positions, tuple(rejects), log.n_read, tuple(notes), "holds AIS sentences (!..VDM)")
