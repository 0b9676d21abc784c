"""Memory that is given back and asked for again at once costs a fifth of the bulk job: allocators are told to keep it a while.

Blocks of a file are taken apart into arrays of tens of megabytes, hundreds of times. The allocators of the C library and of
Polars hand such pieces back to the kernel after each use, and the kernel clears them again (measured in `design/allocation.md`).
"""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of `mallopt`, as glibc numbers them."""
_KEPT_BYTES = 300_000_000
_OWN_MAPPING_BYTES = 1_000_000_000
_POLARS = "dirty_decay_ms:10000,muzzy_decay_ms:0,narenas:2"


def settle() -> None:
    """Tell the allocators of this process; before Polars is imported, and only in a process that is ours alone.

    What the user's environment says of them stands. Elsewhere than on Linux with glibc nothing is changed but Polars' own.
    """
    if "polars" not in sys.modules:
        os.environ.setdefault("_RJEM_MALLOC_CONF", _POLARS)
    # One allocator fewer that keeps memory for itself.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        for parameter, value in (
            (_MMAP_THRESHOLD, _OWN_MAPPING_BYTES),
            (_TRIM_THRESHOLD, _KEPT_BYTES),
            (_ARENA_MAX, 2),
        ):
            library.mallopt(parameter, value)
