"""Files as bytes: plain, gzip, zstd or zip, recognised by their first bytes and verified to the very end.

A damaged container gives no rows at all: the end of every gzip member and zstd frame, and every zip checksum, is reached before
the first byte is handed on. (A truncated `.csv.zst` read as a stream otherwise ends early without an error.) Nothing is ever
written to disk under a name taken from an archive.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import zstandard

from ghostships.errors import FileRefused

MAX_TOTAL_BYTES = 16 * 2**30
"""Most bytes one file may unpack to; a 10 M-row day is 1.1 GB."""
MAX_RATIO = 200
"""Most bytes out per byte in. AIS text packs 4 to 20 times; only padding packs 200 times."""
RATIO_AFTER_BYTES = 10_000_000
"""The ratio is not judged on less than this: a small file may be all one ship at anchor."""
MAX_MEMBERS = 10_000
MAX_WINDOW_BYTES = 128 * 2**20
"""Largest zstd window, the most that the command `zstd` itself accepts without being told."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_UNSUPPORTED = {
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"\x04\x22\x4d\x18": "lz4",
}
_SUFFIX = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}
# A block of four zstd bytes can unpack to 128 KiB: small pieces keep the overshoot past a limit near 128 MB.
_ZSTD_PIECE_BYTES = 4096
_PIECE_BYTES = 2**20
_GZIP_PIECE_BYTES = 2**16
_READ_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Member:
    """One stream of bytes inside a file. `name` is only for messages: escaped, never a path to write to."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Contents:
    """What a file holds. `sha256` and `n_bytes` are those of the file on disk; `notes` are sentences for the log."""

    path: str
    sha256: str
    n_bytes: int
    container: str
    members: tuple[Member, ...]
    notes: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        """The bytes of a file that holds exactly one stream.

        Raises
        ------
        FileRefused
            when it is a zip with none or several members.
        """
        if len(self.members) != 1:
            names = ", ".join(member.name for member in self.members[:5])
            raise FileRefused(self.path, "members", f"holds {len(self.members)} files ({names}), expected exactly one")
        return self.members[0].data


@dataclass(frozen=True)
class MemberStream:
    """One stream of bytes inside a file that is open; `pieces` may be called again, and starts anew."""

    name: str
    pieces: Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Opened:
    """As `Contents`, with the bytes still in the file."""

    path: str
    sha256: str
    n_bytes: int
    container: str
    members: tuple[MemberStream, ...]
    notes: tuple[str, ...]
    position: Callable[[], int]
    """Bytes of the file on disk read so far."""


@dataclass
class _Budget:
    """Bytes in and out of one container, against the limits."""

    path: str
    max_total_bytes: int
    max_ratio: float
    n_in: int = 0
    n_out: int = 0

    def again(self) -> _Budget:
        """The same limits, nothing spent: for reading once more."""
        return _Budget(self.path, self.max_total_bytes, self.max_ratio)

    def spend(self, n_in: int, n_out: int) -> None:
        self.n_in += n_in
        self.n_out += n_out
        if self.n_out > self.max_total_bytes:
            raise FileRefused(
                self.path,
                "decompression_limit",
                f"decompression limit: more than {self.max_total_bytes} bytes unpacked (max_total_bytes)",
            )
        if self.n_out > RATIO_AFTER_BYTES and self.n_out > self.max_ratio * max(self.n_in, 1):
            raise FileRefused(
                self.path,
                "decompression_limit",
                f"decompression limit: {self.n_out} bytes out of {self.n_in}, more than {self.max_ratio:g} to 1 (max_ratio)",
            )


def escape(raw: bytes, *, max_bytes: int = 2**20) -> str:
    """Printable ASCII as it is, every other byte as `\\xNN`, a backslash as `\\x5c`, so that the bytes can be had back."""
    head = raw[:max_bytes]
    shown = head.decode("ascii") if _PLAIN.fullmatch(head) else "".join(_ESCAPES[byte] for byte in head)
    if len(raw) <= max_bytes:
        return shown
    return f"{shown}... {len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()}"


_PLAIN = re.compile(rb"[\x20-\x5b\x5d-\x7e]*")
_ESCAPES = [chr(b) if 0x20 <= b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in range(256)]


def kind(head: bytes) -> str:
    """`gzip`, `zstd`, `zip`, the name of an archive that is not supported, or `plain`; from the first bytes alone."""
    if head.startswith(_GZIP):
        return "gzip"
    if head.startswith(_ZSTD) or _is_skippable(head):
        return "zstd"
    if head.startswith(_ZIP):
        return "zip"
    for magic, name in _UNSUPPORTED.items():
        if head.startswith(magic):
            return name
    return "tar" if head[257:262] == b"ustar" else "plain"


def _is_skippable(head: bytes) -> bool:
    """Zstd skippable frames: RFC 8878, section 3.1.2."""
    return len(head) >= 8 and 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18"


def read_bytes(
    path: Path, *, max_total_bytes: int = MAX_TOTAL_BYTES, max_ratio: float = MAX_RATIO, max_members: int = MAX_MEMBERS
) -> Contents:
    """Read a file and take it out of its container, whole or not at all.

    A plain, gzip or zstd file has one member; a zip has as many as it has files, in the order of its directory, two of the
    same name included. Hidden members, folders and links inside a zip are skipped with a note.

    Raises
    ------
    FileRefused
        with a `rule`: unreadable, not_a_file, truncated, damaged, trailing_garbage, decompression_limit, members, encrypted,
        nested, overlapping, container, changed.
    """
    with opened(path, max_total_bytes=max_total_bytes, max_ratio=max_ratio, max_members=max_members) as found:
        members = tuple(Member(member.name, b"".join(member.pieces())) for member in found.members)
        return Contents(found.path, found.sha256, found.n_bytes, found.container, members, found.notes)


@contextmanager
def opened(
    path: Path, *, max_total_bytes: int = MAX_TOTAL_BYTES, max_ratio: float = MAX_RATIO, max_members: int = MAX_MEMBERS
) -> Iterator[Opened]:
    """A file and its members, to be read piece by piece; the file is hashed first.

    What a member's `pieces` have given may be used only when they have come to their end without an error: damage shows at the
    end of a container. A file that changes between hashing and the end of reading is refused (`changed`).

    Raises
    ------
    FileRefused
        as `read_bytes`, here or while the pieces are read.
    """
    shown = str(path)
    with _file(path) as file:
        before = _identity(file)
        head = file.read(512)
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        found, notes = kind(head), list[str]()
        expected = _SUFFIX.get(path.suffix.lower(), "plain")
        if found != expected and not (
            found == "zip" and expected == "plain" and path.suffix.lower() in (".kmz", ".xlsx")
        ):
            notes.append(f"named {path.suffix or 'without extension'} but the content is {found}; read by its content")
        budget = _Budget(shown, max_total_bytes, max_ratio)
        if found == "plain":
            members = [MemberStream(path.name, lambda: _plain(file))]
        elif found == "gzip":
            members = [
                MemberStream(
                    path.stem, lambda: _no_container_inside(_gunzip(file, budget.again()), shown, path.stem, found)
                )
            ]
        elif found == "zstd":
            members = [
                MemberStream(
                    path.stem, lambda: _no_container_inside(_unzstd(file, budget.again()), shown, path.stem, found)
                )
            ]
        elif found == "zip":
            members = _unzip(file, budget, max_members, notes)
        else:
            raise FileRefused(shown, "container", f"is {found}, which is not read; re-pack as .gz, .zst or .zip")
        members = [MemberStream(one.name, _readable(one.pieces, shown)) for one in members]
        yield Opened(shown, sha256, before[1], found, tuple(members), tuple(notes), file.tell)
        if _identity(file) != before:
            raise FileRefused(shown, "changed", "changed while it was read; deliver it whole, then run again")


def _readable(pieces: Callable[[], Iterator[bytes]], shown: str) -> Callable[[], Iterator[bytes]]:
    """The pieces; an error of the disk they come from refuses the file. Errors of whoever uses them are his own."""

    def read() -> Iterator[bytes]:
        try:
            yield from pieces()
        except OSError as error:
            raise FileRefused(
                shown, "unreadable", f"cannot be read: {(error.strerror or str(error)).lower()}"
            ) from error

    return read


def _file(path: Path) -> BufferedReader:
    """The file, opened without blocking, so that a named pipe is refused and not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
        file = os.fdopen(descriptor, "rb")
    except IsADirectoryError as error:
        raise FileRefused(str(path), "not_a_file", "is a folder, not a file") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else str(error)) or "cannot be read"
        raise FileRefused(str(path), "unreadable", f"cannot be read: {reason.lower()}") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileRefused(str(path), "not_a_file", "is not a regular file")
    return file


def _identity(file: BufferedReader) -> tuple[int, int, int]:
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns


def _plain(file: BufferedReader) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_READ_BYTES):
        yield piece


def _no_container_inside(pieces: Iterator[bytes], path: str, name: str, outer: str) -> Iterator[bytes]:
    """The pieces, unless the first bytes are those of another container."""
    head = b""
    for piece in pieces:
        if len(head) < 512:
            head += piece[: 512 - len(head)]
            inner = kind(head)
            if inner != "plain":
                raise FileRefused(f"{path}!{name}", "nested", f"is {inner} inside {outer}; unpack the outer archive")
        yield piece


@dataclass
class _Feed:
    """A file handed out in pieces of which the end can be given back: where a frame ends is known only after feeding it."""

    file: BufferedReader
    buffer: bytes = b""
    pos: int = 0

    def peek(self, n: int) -> bytes:
        """The next bytes, at most `n`, without taking them."""
        if len(self.buffer) - self.pos < n:
            self.buffer, self.pos = self.buffer[self.pos :] + self.file.read(_PIECE_BYTES), 0
        return self.buffer[self.pos : self.pos + n]

    def take(self, n: int) -> bytes:
        """The next bytes, at most `n`; empty at the end."""
        piece = self.peek(n)
        self.pos += len(piece)
        return piece

    def give_back(self, n: int) -> None:
        """Of the bytes taken last, `n` were too many."""
        self.pos -= n


def _gunzip(file: BufferedReader, budget: _Budget) -> Iterator[bytes]:
    file.seek(0)
    feed, at, n_members = _Feed(file), 0, 0
    while head := feed.peek(2):
        if n_members and head != _GZIP[: len(head)]:
            _only_zeros(feed, budget.path, "gzip")
            return
        stream = zlib.decompressobj(wbits=31)
        while not stream.eof:
            fed = b"" if stream.unconsumed_tail else feed.take(_GZIP_PIECE_BYTES)
            if not fed and not stream.unconsumed_tail:
                raise FileRefused(
                    budget.path, "truncated", f"truncated gzip: ends after {at} bytes without its trailer"
                )
            try:
                unpacked = stream.decompress(stream.unconsumed_tail or fed, _PIECE_BYTES)
            except zlib.error as error:
                raise FileRefused(budget.path, "damaged", f"damaged gzip near byte {at}: {error}") from error
            at += len(fed)
            budget.spend(len(fed), len(unpacked))
            if unpacked:
                yield unpacked
        feed.give_back(len(stream.unused_data))
        at -= len(stream.unused_data)
        n_members += 1


def _unzstd(file: BufferedReader, budget: _Budget) -> Iterator[bytes]:
    file.seek(0)
    unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    feed, at, n_frames = _Feed(file), 0, 0
    while head := feed.peek(8):
        if _is_skippable(head):
            left = 8 + int(struct.unpack("<I", head[4:8])[0])
            at += left
            while left:
                skipped = len(feed.take(min(left, _PIECE_BYTES)))
                if not skipped:
                    raise FileRefused(budget.path, "truncated", "truncated zstd: ends inside a skippable frame")
                left -= skipped
            continue
        if n_frames and head[:4] != _ZSTD[: len(head)]:
            _only_zeros(feed, budget.path, "zstd")
            return
        frame = unpacker.decompressobj()
        while not frame.eof:
            piece = feed.take(_ZSTD_PIECE_BYTES)
            if not piece:
                raise FileRefused(budget.path, "truncated", f"truncated zstd: ends after {at} bytes inside a frame")
            try:
                unpacked = frame.decompress(piece)
            except zstandard.ZstdError as error:
                hint = f"; windows over {MAX_WINDOW_BYTES} bytes are refused" if "memory" in str(error) else ""
                raise FileRefused(budget.path, "damaged", f"damaged zstd near byte {at}: {error}{hint}") from error
            at += len(piece)
            budget.spend(len(piece), len(unpacked))
            if unpacked:
                yield unpacked
        feed.give_back(len(frame.unused_data))
        at -= len(frame.unused_data)
        n_frames += 1


def _only_zeros(feed: _Feed, path: str, container: str) -> None:
    """Zero padding after the last frame is what tapes and block devices leave; anything else is damage."""
    n_rest, is_zeros = 0, True
    while rest := feed.take(_PIECE_BYTES):
        n_rest, is_zeros = n_rest + len(rest), is_zeros and not rest.strip(b"\x00")
    if not is_zeros:
        raise FileRefused(
            path, "trailing_garbage", f"{n_rest} bytes after the end of the {container} data are not zeros"
        )


def _unzip(file: BufferedReader, budget: _Budget, max_members: int, notes: list[str]) -> list[MemberStream]:
    n_members = _count_members(file, budget.path, max_members)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OSError) as error:
        raise FileRefused(budget.path, "truncated", f"truncated or damaged zip: {error}") from error
    infos = archive.infolist()
    if len(infos) != n_members:
        raise FileRefused(
            budget.path, "damaged", f"damaged zip: its directory has {len(infos)} members, its end says {n_members}"
        )
    _refuse_overlap(infos, budget.path)
    members = []
    for index, info in enumerate(infos):
        name = f"{index}:{escape(info.filename.encode('utf-8', 'surrogateescape'))}"
        mode = info.external_attr >> 16
        last = info.filename.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
        if info.is_dir():
            continue
        if info.flag_bits & 0x1:
            raise FileRefused(f"{budget.path}!{name}", "encrypted", "is encrypted; deliver it without a password")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            notes.append(f"member {name} is a link or device and was not read")
            continue
        if last.startswith(".") or info.filename.startswith("__MACOSX"):
            notes.append(f"member {name} is hidden and was not read")
            continue
        members.append(_zip_member(archive, info, budget, name))
    if not members:
        raise FileRefused(budget.path, "members", "is a zip without any file in it")
    return members


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: _Budget, name: str) -> MemberStream:
    # All members together stay within the budget, but one that is read twice is counted once.
    spent: set[str] = set()

    def pieces() -> Iterator[bytes]:
        own = budget.again() if name in spent else budget
        spent.add(name)
        return _no_container_inside(_unzip_member(archive, info, own, name), budget.path, name, "zip")

    return MemberStream(name, pieces)


def _unzip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: _Budget, name: str) -> Iterator[bytes]:
    """Stream one member by its directory entry; sizes are counted, never taken from the header. The CRC is checked at the end."""
    budget.spend(info.compress_size, 0)
    try:
        with archive.open(info) as stream:
            while piece := stream.read(_PIECE_BYTES):
                budget.spend(0, len(piece))
                yield piece
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
        struct.error,
    ) as error:
        if isinstance(error, FileRefused):
            raise
        raise FileRefused(f"{budget.path}!{name}", "damaged", f"truncated or damaged zip member: {error}") from error


def _count_members(file: BufferedReader, path: str, max_members: int) -> int:
    """The number of members by the end record.

    A file is refused by it before the directory is read: a million entries are a memory bomb of their own.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 65_557 - 20))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise FileRefused(path, "truncated", "truncated zip: its directory is missing")
    n_members = int(struct.unpack("<H", tail[end + 10 : end + 12])[0])
    locator = tail[end - 20 : end] if end >= 20 else b""
    if locator.startswith(b"PK\x06\x07"):
        file.seek(min(int(struct.unpack("<Q", locator[8:16])[0]), size))
        record = file.read(40)
        if record[:4] == b"PK\x06\x06" and len(record) == 40:
            n_members = max(n_members, int(struct.unpack("<Q", record[32:40])[0]))
    directory_bytes = int(struct.unpack("<I", tail[end + 12 : end + 16])[0])
    if n_members > max_members or (directory_bytes != 0xFFFFFFFF and directory_bytes > 1024 * max_members):
        raise FileRefused(path, "members", f"holds {n_members} members, more than {max_members} (max_members)")
    return n_members


def _refuse_overlap(infos: list[zipfile.ZipInfo], path: str) -> None:
    """Entries that share bytes are how a few kilobytes become petabytes (Fifield 2019, "A better zip bomb")."""
    end = 0
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset < end:
            raise FileRefused(path, "overlapping", "zip members overlap, as only a zip bomb's do")
        # 30 bytes of local header and the name are there at least; the extra field may differ from the directory's.
        end = info.header_offset + 30 + len(info.filename.encode("utf-8", "surrogateescape")) + info.compress_size
