"""Whole numbers made small for the page: coast and tracks as variable-length integers, compressed, as text.

    numbers --zigzag, 7 bits a byte (LEB128)--> bytes --gzip--> base64      `assets/js/unpack.js` is the way back

What a reader must have at once (trips, evidence, silences) stays plain JSON: a browser unpacks in the background only.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_BITS = 7
_LONGEST = 10
"""Bytes of the largest 64-bit number."""


def text(parts: Sequence[npt.NDArray[np.int64]]) -> str:
    """The numbers of all parts, one after the other, as text for the page."""
    numbers = np.concatenate([np.asarray(part, dtype=np.int64) for part in parts]) if parts else np.empty(0, np.int64)
    # pyarrow brings its own zlib, of the locked version: the system's may give other bytes on another machine.
    squeezed = pa.Codec("gzip", compression_level=9).compress(_varints(numbers), asbytes=True)
    return base64.b64encode(squeezed).decode()


def _varints(numbers: npt.NDArray[np.int64]) -> bytes:
    """Small numbers of either sign are one byte, larger ones as many as they need; the last byte of each has no high bit."""
    left = ((numbers << 1) ^ (numbers >> 63)).astype(np.uint64)
    columns, present = [], []
    is_there = np.ones(len(left), dtype=bool)
    for _ in range(_LONGEST):
        rest = left >> np.uint64(_BITS)
        more = rest > 0
        columns.append((left & np.uint64(127)).astype(np.uint8) | (more.astype(np.uint8) << _BITS))
        present.append(is_there)
        if not more.any():
            break
        left, is_there = rest, more
    return np.column_stack(columns)[np.column_stack(present)].tobytes() if len(numbers) else b""
