"""F6: one bit flipped, or a file cut short, anywhere in a store that nights have made, and in what they published."""

from __future__ import annotations

import random
from pathlib import Path

import night_world
from faults import SCENARIOS, Bench, Tally

from ghostships.errors import GhostshipsError
from ghostships.report import folder as report_folder

HARMLESS = {"LOCK": "words for a message, overwritten by every run"}


def hurt(path: Path, rng: random.Random) -> str:
    """Flip one bit of a file, or cut it short; says which."""
    data = bytearray(path.read_bytes())
    if rng.random() < 0.25:
        keep = rng.randrange(len(data))
        path.write_bytes(data[:keep])
        return f"cut to {keep} of {len(data)} bytes"
    bit = rng.randrange(len(data) * 8)
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    return f"bit {bit} flipped"


def all_damage_is_found(folder: Path, *, n: int, seed: int, tally: Tally) -> None:
    """Damage one file at a time; `store check`, or the check of the report, must say so, and be quiet when it is undone."""
    rng = random.Random(seed)
    bench = Bench(folder / "damage", SCENARIOS[1], None)
    place = bench.place
    stored = [
        path
        for path in sorted(place.store_root.rglob("*"))
        if path.is_file() and path.name not in HARMLESS and path.stat().st_size
    ]
    shown = [path for path in sorted(place.out.resolve().rglob("*")) if path.is_file()]
    if night_world.wrong_with_store(place.store_root) or night_world.wrong_with_folder(place.out):
        tally.bad.append("damage is reported before there is any")
    kinds = sorted({path.relative_to(place.store_root).parts[0] for path in stored})
    tally.n["files of the store"] = len(stored)
    tally.n["kinds of files"] = len(kinds)
    for number in range(n):
        # Every file comes up, the large ones no more often than the small.
        path = stored[number % len(stored)]
        before = path.read_bytes()
        what = f"{path.relative_to(place.store_root)}: {hurt(path, rng)}"
        try:
            found = night_world.wrong_with_store(place.store_root)
        except GhostshipsError as error:  # a mark that names another format is not even opened
            found = [str(error)]
        tally.n["damages to the store"] += 1
        if not found:
            tally.bad.append(f"not found: {what}")
        path.write_bytes(before)
    for number in range(n // 5):
        path = shown[number % len(shown)]
        before = path.read_bytes()
        what = f"{path.name}: {hurt(path, rng)}"
        tally.n["damages to the published folder"] += 1
        if path.read_bytes() != before and not _found_in_folder(place.out, path.name):
            # Everything in the folder is named with its hash in the manifest, which itself carries none.
            if path.name == report_folder.MANIFEST:
                tally.n["damages to manifest.json that nobody can notice"] += 1
            else:
                tally.bad.append(f"not found: out/{what}")
        path.write_bytes(before)
    # A damaged hint is written again by the next night, and nobody depends on it meanwhile.
    hint = place.store_root / "CURRENT"
    for _ in range(max(1, n // 50)):
        bench.reset(bench.expected.after)
        hurt(hint, rng)
        tally.n["damaged hints healed"] += 1
        words = [one for one in bench.as_read({"committed", "shown", "told"}) if not one.startswith("CURRENT: ")]
        tally.say("CURRENT", words + bench.heals())


def _found_in_folder(out: Path, name: str) -> bool:
    if night_world.wrong_with_folder(out):
        return True
    # The manifest holds the hashes of all else; the page holds those of the tables.
    try:
        return name == report_folder.MANIFEST and any(one.status != "verified" for one in report_folder.verify(out))
    except GhostshipsError:
        return True
