"""Files as bytes: plain, gzip, zstd or zip, recognised by their first bytes and verified to the very end.

A damaged container gives no rows at all: the end of every gzip member and zstd frame, and every zip checksum, is reached before
the first byte is handed on. (A truncated `.csv.zst` read as a stream otherwise ends early without an error.) Nothing is ever
written to disk under a name taken from an archive.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
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


@dataclass
class _Budget:
    """Bytes in and out of one container, against the limits."""

    path: str
    max_total_bytes: int
    max_ratio: float
    n_in: int = 0
    n_out: int = 0

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
    shown = "".join(_ESCAPES[byte] for byte in raw[:max_bytes])
    if len(raw) <= max_bytes:
        return shown
    return f"{shown}... {len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()}"


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
        nested, overlapping, container.
    """
    raw = _raw(path)
    shown, found = str(path), kind(raw[:512])
    notes: list[str] = []
    expected = _SUFFIX.get(path.suffix.lower(), "plain")
    if found != expected and not (found == "zip" and expected == "plain" and path.suffix.lower() in (".kmz", ".xlsx")):
        notes.append(f"named {path.suffix or 'without extension'} but the content is {found}; read by its content")
    budget = _Budget(shown, max_total_bytes, max_ratio)
    if found == "plain":
        members = [Member(path.name, raw)]
    elif found == "gzip":
        members = [Member(path.stem, _gunzip(raw, budget))]
    elif found == "zstd":
        members = [Member(path.stem, _unzstd(raw, budget))]
    elif found == "zip":
        members = _unzip(raw, budget, max_members, notes)
    else:
        raise FileRefused(shown, "container", f"is {found}, which is not read; re-pack as .gz, .zst or .zip")
    if found != "plain":
        for member in members:
            inner = kind(member.data[:512])
            if inner != "plain":
                raise FileRefused(
                    f"{shown}!{member.name}", "nested", f"is {inner} inside {found}; unpack the outer archive"
                )
    return Contents(shown, hashlib.sha256(raw).hexdigest(), len(raw), found, tuple(members), tuple(notes))


def _raw(path: Path) -> bytes:
    """The bytes on disk. Opened without blocking, so that a named pipe is refused and not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileRefused(str(path), "not_a_file", "is not a regular file")
            return file.read()
    except IsADirectoryError as error:
        raise FileRefused(str(path), "not_a_file", "is a folder, not a file") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else str(error)) or "cannot be read"
        raise FileRefused(str(path), "unreadable", f"cannot be read: {reason.lower()}") from error


def _gunzip(raw: bytes, budget: _Budget) -> bytes:
    out, view, at, n_members = io.BytesIO(), memoryview(raw), 0, 0
    while at < len(raw):
        if n_members and raw[at : at + 2] != _GZIP:
            _only_zeros(raw[at:], budget.path, "gzip")
            break
        stream = zlib.decompressobj(wbits=31)
        while not stream.eof:
            piece = stream.unconsumed_tail or view[at : at + _PIECE_BYTES]
            fed = 0 if stream.unconsumed_tail else len(piece)
            if not len(piece):
                raise FileRefused(
                    budget.path, "truncated", f"truncated gzip: ends after {len(raw)} bytes without its trailer"
                )
            try:
                unpacked = stream.decompress(piece, _PIECE_BYTES)
            except zlib.error as error:
                raise FileRefused(budget.path, "damaged", f"damaged gzip near byte {at}: {error}") from error
            at += fed
            out.write(unpacked)
            budget.spend(fed, len(unpacked))
        at -= len(stream.unused_data)
        n_members += 1
    return out.getvalue()


def _unzstd(raw: bytes, budget: _Budget) -> bytes:
    out, at, n_frames = io.BytesIO(), 0, 0
    unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    while at < len(raw):
        head = raw[at : at + 8]
        if _is_skippable(head):
            at += 8 + int(struct.unpack("<I", head[4:8])[0])
            if at > len(raw):
                raise FileRefused(budget.path, "truncated", "truncated zstd: ends inside a skippable frame")
            continue
        if not head.startswith(_ZSTD) and n_frames and head[:4] != _ZSTD[: len(head)]:
            _only_zeros(raw[at:], budget.path, "zstd")
            break
        frame = unpacker.decompressobj()
        while not frame.eof:
            piece = raw[at : at + _ZSTD_PIECE_BYTES]
            if not piece:
                raise FileRefused(
                    budget.path, "truncated", f"truncated zstd: ends after {len(raw)} bytes inside a frame"
                )
            try:
                unpacked = frame.decompress(piece)
            except zstandard.ZstdError as error:
                hint = f"; windows over {MAX_WINDOW_BYTES} bytes are refused" if "memory" in str(error) else ""
                raise FileRefused(budget.path, "damaged", f"damaged zstd near byte {at}: {error}{hint}") from error
            at += len(piece)
            out.write(unpacked)
            budget.spend(len(piece), len(unpacked))
        at -= len(frame.unused_data)
        n_frames += 1
    return out.getvalue()


def _only_zeros(rest: bytes, path: str, container: str) -> None:
    """Zero padding after the last frame is what tapes and block devices leave; anything else is damage."""
    if rest.strip(b"\x00"):
        raise FileRefused(
            path, "trailing_garbage", f"{len(rest)} bytes after the end of the {container} data are not zeros"
        )


def _unzip(raw: bytes, budget: _Budget, max_members: int, notes: list[str]) -> list[Member]:
    _count_members(raw, budget.path, max_members)
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OSError) as error:
        raise FileRefused(budget.path, "truncated", f"truncated or damaged zip: {error}") from error
    with archive:
        infos = archive.infolist()
        if len(infos) > max_members:
            raise FileRefused(
                budget.path, "members", f"holds {len(infos)} members, more than {max_members} (max_members)"
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
            members.append(Member(name, _unzip_member(archive, info, budget, name)))
    if not members:
        raise FileRefused(budget.path, "members", "is a zip without any file in it")
    return members


def _unzip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: _Budget, name: str) -> bytes:
    """Stream one member by its directory entry; sizes are counted, never taken from the header. The CRC is checked at the end."""
    out = io.BytesIO()
    budget.spend(info.compress_size, 0)
    try:
        with archive.open(info) as stream:
            while piece := stream.read(_PIECE_BYTES):
                out.write(piece)
                budget.spend(0, len(piece))
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
    return out.getvalue()


def _count_members(raw: bytes, path: str, max_members: int) -> None:
    """Refuse by the end record before the directory is read: a million entries are a memory bomb of their own."""
    end = raw.rfind(b"PK\x05\x06", max(0, len(raw) - 65_557))
    if end < 0 or len(raw) < end + 22:
        raise FileRefused(path, "truncated", "truncated zip: its directory is missing")
    n_members = int(struct.unpack("<H", raw[end + 10 : end + 12])[0])
    locator = raw[end - 20 : end] if end >= 20 else b""
    if locator.startswith(b"PK\x06\x07"):
        at = int(struct.unpack("<Q", locator[8:16])[0])
        if raw[at : at + 4] == b"PK\x06\x06" and len(raw) >= at + 40:
            n_members = max(n_members, int(struct.unpack("<Q", raw[at + 32 : at + 40])[0]))
    directory_bytes = int(struct.unpack("<I", raw[end + 12 : end + 16])[0])
    if n_members > max_members or (directory_bytes != 0xFFFFFFFF and directory_bytes > 1024 * max_members):
        raise FileRefused(path, "members", f"holds {n_members} members, more than {max_members} (max_members)")


def _refuse_overlap(infos: list[zipfile.ZipInfo], path: str) -> None:
    """Entries that share bytes are how a few kilobytes become petabytes (Fifield 2019, "A better zip bomb")."""
    end = 0
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset < end:
            raise FileRefused(path, "overlapping", "zip members overlap, as only a zip bomb's do")
        # 30 bytes of local header and the name are there at least; the extra field may differ from the directory's.
        end = info.header_offset + 30 + len(info.filename.encode("utf-8", "surrogateescape")) + info.compress_size
