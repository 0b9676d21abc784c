"""The same bytes in a container: `pack.py FILE gz|zst|zip [TARGET]`; the same container each time."""

from __future__ import annotations

import gzip
import shutil
import sys
import zipfile
from pathlib import Path

import zstandard

KINDS = ("gz", "zst", "zip")


def twin(path: Path, kind: str, target: Path | None = None) -> Path:
    """Compress a file, beside it unless told where: gzip and zip at level 6, zstd at level 3, with a checksum each."""
    target = target or path.with_name(f"{path.name}.{kind}")
    draft = target.with_name(f".{target.name}")
    with path.open("rb") as source:
        if kind == "gz":
            with draft.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as out:
                shutil.copyfileobj(source, out, 1 << 20)
        elif kind == "zst":
            with draft.open("wb") as raw:
                zstandard.ZstdCompressor(level=3, write_checksum=True).copy_stream(
                    source, raw, size=path.stat().st_size
                )
        elif kind == "zip":
            entry = zipfile.ZipInfo(path.name, (2024, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with zipfile.ZipFile(draft, "w") as archive, archive.open(entry, "w", force_zip64=True) as out:
                shutil.copyfileobj(source, out, 1 << 20)
        else:
            raise SystemExit(f"no container {kind!r}; known: {', '.join(KINDS)}")
    return draft.replace(target)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        raise SystemExit("usage: pack.py FILE gz|zst|zip [TARGET]")
    print(twin(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]) if len(sys.argv) == 4 else None))
