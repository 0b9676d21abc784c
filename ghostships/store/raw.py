"""Deliveries as they came: one zstd frame each, named after the original bytes, given back only when every byte is right."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import zstandard

from ghostships.errors import GhostshipsError
from ghostships.store.manifests import Ref
from ghostships.store.shelf import BLOCK_BYTES, blocks, explained

FOLDER = "raw"
SUFFIX = ".zst"
LEVEL = 1
"""zstd level. On 240 MB of MarineCadastre-like text, 2026-11: level 1 packs 3.65 to 1 at 2.1 CPU s/GB, level 3 3.82 to 1 at 3.8 CPU
s/GB, level -1 2.23 to 1 at 2.0 CPU s/GB."""
IN_MEMORY_BYTES = 64 * 2**20
"""An unpacked delivery smaller than this stays in memory, a larger one goes to a temporary file."""


@dataclass
class Sums:
    """SHA-256 and size of bytes as they pass."""

    n_bytes: int = 0
    _summed: Any = field(default_factory=hashlib.sha256)

    def add(self, block: bytes) -> None:
        """Count one block."""
        self._summed.update(block)
        self.n_bytes += len(block)

    @property
    def sha256(self) -> str:
        """In hexadecimal, of all blocks so far."""
        return cast("str", self._summed.hexdigest())


def packed(source: Path, original: Sums, stored: Sums) -> Iterator[bytes]:
    """The blocks of the compressed form, in one thread so that the same bytes give the same bytes; both sums fill as it goes.

    The frame carries the checksum and no size, so that a delivery still growing is kept as far as it was read.
    """
    squeeze = zstandard.ZstdCompressor(
        level=LEVEL, write_checksum=True, write_content_size=False, threads=0
    ).compressobj()
    for block in blocks(source):
        original.add(block)
        if out := squeeze.compress(block):
            stored.add(out)
            yield out
    out = squeeze.flush()
    stored.add(out)
    yield out


def unpacked_sums(path: Path) -> Sums:
    """Sums of the original bytes in a compressed file; GhostshipsError when it does not unpack to its end."""
    sums = Sums()
    for block in _unpacked(path, shown=str(path)):
        sums.add(block)
    return sums


def unpack(path: Path, ref: Ref, *, shown: str) -> BinaryIO:
    """The original bytes as an open temporary file at its start; GhostshipsError when they are not those of the ref."""
    name = f"{shown}/{ref.path}"
    if ref.original_sha256 is None:
        raise GhostshipsError(f"{name}: is not a kept delivery: the ref has no original_sha256")
    sums = Sums()
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - it is what is returned
    try:
        with explained(name, f"unpack into {tempfile.gettempdir()}"):
            for block in _unpacked(path, shown=name):
                sums.add(block)
                file.write(block)
            file.seek(0)
        if sums.sha256 != ref.original_sha256:
            raise GhostshipsError(
                f"{name}: unpacks to SHA-256 {sums.sha256}, expected {ref.original_sha256}; restore it"
            )
    except BaseException:
        file.close()
        raise
    return cast("BinaryIO", file)


def _unpacked(path: Path, *, shown: str) -> Iterator[bytes]:
    """Blocks of the original; the end of the frame must be the end of the file."""
    stretch, has_more = zstandard.ZstdDecompressor().decompressobj(), False
    try:
        for block in blocks(path):
            # All that a piece unpacks to comes at once: small pieces bound it.
            for start in range(0, len(block), _PIECE_BYTES):
                if stretch.eof:
                    has_more = True
                elif out := stretch.decompress(block[start : start + _PIECE_BYTES]):
                    yield out
        has_more = has_more or bool(stretch.unused_data)
    except zstandard.ZstdError as error:
        raise GhostshipsError(f"{shown}: does not unpack: {error}; it was changed") from error
    if has_more:
        raise GhostshipsError(f"{shown}: goes on after the end of its zstd frame; it was changed")
    if not stretch.eof:
        raise GhostshipsError(f"{shown}: ends before its zstd frame does; it was cut")


_PIECE_BYTES = BLOCK_BYTES // 16
