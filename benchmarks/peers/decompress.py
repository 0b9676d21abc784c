"""The price of a container alone: unpack a file piece by piece and throw it away, with the libraries the package itself uses."""

from __future__ import annotations

import gzip
import json
import sys
import zipfile
from pathlib import Path

import zstandard

PIECE = 1 << 20


def main(path: Path) -> None:
    total = 0
    if path.suffix == ".gz":
        with gzip.open(path) as stream:
            while piece := stream.read(PIECE):
                total += len(piece)
    elif path.suffix == ".zst":
        with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as reader:
            while piece := reader.read(PIECE):
                total += len(piece)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as entry:
                    while piece := entry.read(PIECE):
                        total += len(piece)
    else:
        raise SystemExit(f"{path.name}: ends with none of .gz, .zst, .zip")
    print(json.dumps({"bytes": total}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
