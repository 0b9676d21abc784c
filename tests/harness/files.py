"""F8: mutated files. No crash, no hang over 5 s, no more than 512 MB, and every row of what is left accounted for."""

from __future__ import annotations

import gzip
import random
import resource
import time
import zipfile
from pathlib import Path

import zstandard
from faults import Tally

from ghostships.errors import GhostshipsError
from ghostships.readers import ais

SLOWEST_S = 5.0
MOST_BYTES = 512 * 2**20
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "dialects"


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to three changes: bits, cuts, repeats, holes, foreign bytes, two files in one."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        n = rng.randint(1, max(1, len(data) // 4))
        match rng.randrange(8):
            case 0 if data:
                flipped = bytearray(data)
                flipped[at % len(data)] ^= 1 << rng.randrange(8)
                data = bytes(flipped)
            case 1:
                data = data[:at]
            case 2:
                data = data[:at] + data[max(0, at - n) : at] * rng.randint(1, 4) + data[at:]
            case 3:
                data = data[:at] + data[at + n :]
            case 4:
                data = (
                    data[:at]
                    + rng.choice([b'"', b"\0", b"\r", b"\xff\xfe", b"\xe2\x80\xae", b",,,,", b"\n\n", b"1e309", b"nan"])
                    + data[at:]
                )
            case 5:
                data = data[:at] + rng.randbytes(min(n, 400)) + data[at:]
            case 6:
                data = data[at:] + data[:at]
            case _:
                data = data.replace(b"\n", rng.choice([b"\r\n", b"\r", b" \n"]))
    return data


def packed(data: bytes, rng: random.Random, path: Path) -> bytes:
    """Sometimes in a container, which is then mutated too."""
    match rng.randrange(6):
        case 0:
            data = gzip.compress(data, mtime=0)
        case 1:
            data = zstandard.ZstdCompressor(write_checksum=True).compress(data)
        case 2:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(zipfile.ZipInfo("rows.csv"), data)
            data = path.read_bytes()
        case _:
            return data
    return mutate(data, rng) if rng.random() < 0.7 and data else data


def mutated(folder: Path, *, n: int, seed: int, tally: Tally) -> None:
    """So many files, each one of the shipped examples after some accidents."""
    sources = sorted(FIXTURES.iterdir())
    rng, path = random.Random(seed), folder / "mutated"
    ais.read(sources)  # what reading needs at all is no fault of a file
    before = _memory()
    slowest = 0.0
    for number in range(n):
        source = sources[number % len(sources)]
        data = packed(mutate(source.read_bytes(), rng), rng, path)
        path.write_bytes(data)
        began = time.monotonic()
        try:
            for account in ais.read([path]).files:
                rows = account.n_accepted + account.n_duplicate + sum(account.n_rejected.values())
                if account.n_read != rows:
                    tally.bad.append(f"{source.name}, file {number}: {account.n_read} rows read, {rows} in the books")
                tally.n["refused" if account.refused else "read"] += 1
        except GhostshipsError as error:
            tally.n["refused"] += 1
            if "\n" in str(error):
                tally.bad.append(f"{source.name}, file {number}: says {error}")
        except BaseException as error:  # noqa: BLE001 - a panic of a library is no Exception
            tally.bad.append(f"{source.name}, file {number}: {type(error).__name__}: {str(error)[:200]}")
        took = time.monotonic() - began
        slowest = max(slowest, took)
        if took > SLOWEST_S:
            tally.bad.append(f"{source.name}, file {number}: took {took:.1f} s")
        tally.n["mutated files"] += 1
    grown = _memory() - before
    if grown > MOST_BYTES:
        tally.bad.append(f"memory grew by {grown // 2**20} MB")
    tally.n["slowest file [ms]"] = round(slowest * 1000)
    tally.n["memory grew by [MB]"] = grown // 2**20


def _memory() -> int:
    """Most bytes this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
