"""Build the shim, start a process under it, and drive it from inside: record every change of the disk, or let one fail."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("disk_shim.c")
KILL, TORN, FAIL = 1, 2, 3


def compiler() -> str | None:
    """A C compiler, None where there is none: `make install` sees to one."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def build(folder: Path) -> Path:
    """Compile the shim into a folder."""
    cc = compiler()
    assert cc is not None, "no C compiler: `make compiler` installs one"
    target = folder / f"disk_shim{sysconfig.get_config_var('SHLIB_SUFFIX') or '.so'}"
    subprocess.run([cc, "-O1", "-shared", "-fPIC", "-o", target, SOURCE, "-ldl", "-lpthread"], check=True)
    return target


def environment(library: Path) -> dict[str, str]:
    """The environment of a process under the shim."""
    return {**os.environ, "LD_PRELOAD": str(library)}


def is_loaded() -> bool:
    """Whether this process runs under the shim."""
    return hasattr(ctypes.CDLL(None), "hx_arm")


class Shim:
    """The shim of this process. One folder at a time; counting begins anew at each use."""

    def __init__(self) -> None:
        self._c = ctypes.CDLL(None)
        self._c.hx_arm.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_long] + [ctypes.c_int] * 3
        self._c.hx_disarm.restype = ctypes.c_long
        self._c.hx_last.restype = ctypes.c_char_p
        self._c.hx_mark.argtypes = [ctypes.c_char_p]
        self.n_steps = 0
        """Steps counted in the last use."""

    @contextmanager
    def armed(
        self,
        root: Path,
        *,
        also: Path | None = None,
        journal: Path | None = None,
        at: int = -1,
        action: int = 0,
        code: int = 0,
        reads: bool = False,
    ) -> Iterator[None]:
        """Count changes (or reads) below `root` while inside; record them, let the one with number `at` (from 0) go wrong."""
        names = [os.fsencode(path) if path else b"" for path in (root, also, journal)]
        if self._c.hx_arm(*names, at, action, code, int(reads)) < 0:
            raise FileNotFoundError(root)
        try:
            yield
        finally:
            self.n_steps = self._c.hx_disarm()

    @property
    def last(self) -> str:
        """What the step that went wrong was."""
        return os.fsdecode(self._c.hx_last())

    def mark(self, words: str) -> None:
        """Put words into the journal."""
        self._c.hx_mark(words.encode())


def arguments(values: Mapping[str, object]) -> list[str]:
    """Options of a command line."""
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]
