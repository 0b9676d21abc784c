"""Pieces of bytes become blocks of whole lines: UTF-8, `\\n` at every line's end, one block in memory at a time.

    pieces --utf-16?--> UTF-8 --\\r\\n, \\r--> \\n --> window: block of whole lines | a little of what follows

What only the whole file can tell (does it mix encodings?) is a pass of its own (`survey`), made when a block first asks for it.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ghostships.readers.containers import escape
from ghostships.readers.text import BLOCK_BYTES, MAX_LINE_BYTES, MAX_NUL_SHARE, MAX_QUOTED_BYTES, Refused, is_utf8

AHEAD_BYTES = 2 * MAX_LINE_BYTES + MAX_QUOTED_BYTES
"""A quoted record may go on behind its block: so much of what follows is kept in view."""

Pieces = Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Encoding:
    """How the bytes of a stream are read, by its first bytes."""

    name: str
    codec: str | None = None
    n_mark: int = 0
    notes: tuple[str, ...] = ()


class Window:
    """The text of a stream, a block of whole lines at a time; `ahead` shows some of what follows."""

    def __init__(self, pieces: Iterator[bytes], encoding: Encoding) -> None:
        self.block = b""
        self.offset = 0
        """Bytes of text before the block."""
        self.n_bytes = 0
        self.n_nul = 0
        self.has_last_line_end = True
        self._pieces = _lines(_text(pieces, encoding))
        self._waiting: list[bytes] = []
        self._last = b"\n"
        self._is_over = False
        self._fill()

    def advance(self, n: int | None = None) -> None:
        """Go on behind the first `n` bytes of what `ahead` shows; behind the block where `n` is not given."""
        n = len(self.block) if n is None else n
        self.offset += n
        if n != len(self.block):
            self._waiting = [self.ahead()[n:]]
        self._fill()

    def ahead(self) -> bytes:
        """The block and some of what follows."""
        n = sum(map(len, self._waiting))
        while n < AHEAD_BYTES and (piece := self._next()):
            self._waiting.append(piece)
            n += len(piece)
        return self.block + b"".join(self._waiting)

    def _fill(self) -> None:
        """Take whole lines of about `BLOCK_BYTES`; a longer line is a block of its own."""
        parts, n = self._waiting, sum(map(len, self._waiting))
        end = parts[-1].rfind(b"\n") if parts else -1
        while not (n >= BLOCK_BYTES and end >= 0) and (piece := self._next()):
            parts.append(piece)
            n += len(piece)
            end = piece.rfind(b"\n")
        if not n:
            self.block, self._waiting = b"", []
            return
        if end < 0:
            # What is left over from before has no line end in its last piece, but some other has.
            whole = b"".join(parts)
            parts, end = [whole], whole.rfind(b"\n")
        rest = parts[-1][end + 1 :]
        self.block = b"".join([*parts[:-1], parts[-1][: end + 1]])
        self._waiting = [rest] if rest else []

    def _next(self) -> bytes:
        """The next piece, empty at the end; the last line gets its line end."""
        if self._is_over:
            return b""
        piece = next(self._pieces, None)
        if piece is None:
            self._is_over = True
            if self._last.endswith(b"\n"):
                return b""
            self.has_last_line_end = False
            return b"\n"
        self.n_bytes += len(piece)
        if b"\x00" in piece:
            self.n_nul += piece.count(b"\x00")
        self._last = piece[-1:]
        return piece

    def refuse_nul(self) -> None:
        """Once all is read.

        Raises
        ------
        Refused
            when the share of NUL bytes says that this is no text.
        """
        if self.n_nul > MAX_NUL_SHARE * self.n_bytes:
            raise Refused("nul_bytes", f"{self.n_nul} of {self.n_bytes} bytes are NUL: damaged or binary")


def recognise(head: bytes) -> Encoding:
    """The encoding, from the first bytes of a stream.

    Raises
    ------
    Refused
        when it is binary, UTF-32, UTF-16 without its mark, HTML or XML, or has nothing in it.
    """
    encoding = Encoding("utf-8")
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        raise Refused("encoding", "is UTF-32; re-export as UTF-8")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        name = "utf-16-le" if head.startswith(b"\xff\xfe") else "utf-16-be"
        encoding = Encoding(name, name, 2, (f"encoding {name}, by its byte order mark",))
        head = head[2 : len(head) - len(head) % 2].decode(name, "ignore").encode()
    elif head.startswith(b"\xef\xbb\xbf"):
        encoding, head = Encoding("utf-8 with a byte order mark", None, 3), head[3:]
    if not head.strip():
        raise Refused("empty_file", "empty file")
    n_nul = head.count(b"\x00")
    if n_nul > 0.3 * len(head) and (not any(head[0:400:2]) or not any(head[1:400:2])):
        raise Refused("encoding", "looks like UTF-16 without its mark; re-export as UTF-8")
    if n_nul > MAX_NUL_SHARE * len(head):
        raise Refused("nul_bytes", f"{n_nul} of the first {len(head)} bytes are NUL: damaged or binary")
    start = head[:2048].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml", b"<!--")):
        raise Refused("html", f"content is HTML or XML, not a table; starts with {escape(head[:200])}")
    return encoding


def head_of(pieces: Pieces) -> bytes:
    """The first bytes of a stream, at least a block where it has as many."""
    parts, n = [], 0
    for piece in pieces():
        parts.append(piece)
        n += len(piece)
        if n >= BLOCK_BYTES:
            break
    return b"".join(parts)


@dataclass(frozen=True)
class Facts:
    """What a whole stream says of its encoding: `n_bad` is the first byte that is not UTF-8, None where all are."""

    first_bad: int | None
    is_mixed: bool
    is_ascii: bool


def survey(pieces: Pieces, encoding: Encoding) -> Facts:
    """Read a stream once for its encoding. Two encodings in one file are two exports glued together."""
    first_bad, is_mixed, is_ascii = None, False, True
    window = Window(pieces(), encoding)
    while block := window.block:
        if not block.isascii():
            is_ascii = False
            try:
                block.decode("utf-8")
                is_mixed = True
            except UnicodeDecodeError as error:
                first_bad = window.offset + error.start if first_bad is None else first_bad
                is_mixed = is_mixed or any(not line.isascii() and is_utf8(line) for line in block.split(b"\n"))
        window.advance()
    return Facts(first_bad, is_mixed and first_bad is not None, is_ascii)


def _text(pieces: Iterator[bytes], encoding: Encoding) -> Iterator[bytes]:
    """The pieces as UTF-8 without a mark."""
    left = encoding.n_mark
    decoder = codecs.getincrementaldecoder(encoding.codec)() if encoding.codec else None
    try:
        for piece in pieces:
            if left:
                left, piece = left - min(left, len(piece)), piece[left:]
            yield decoder.decode(piece).encode() if decoder else piece
        if decoder:
            decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise Refused("encoding", f"starts as {encoding.name} but does not decode: {error}") from error


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Every line end as `\\n`; a carriage return at the end of a piece waits for what follows."""
    waits = False
    for piece in pieces:
        if waits:
            piece = b"\r" + piece
        waits = piece.endswith(b"\r")
        if waits:
            piece = piece[:-1]
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if piece:
            yield piece
    if waits:
        yield b"\n"
