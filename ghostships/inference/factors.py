"""The weights of evidence: each is one small function that returns bits and a sentence with the values it saw.

Bits are log2 of how much likelier the value is if the hypothesis is true than if it is not. A value that is missing weighs 0
bits and says so: it never counts against a ship. Numbers that are choices come from the route's priors.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass

CLIP_BITS = 30.0
"""No evidence is stronger than this: about one in a thousand million (contract, table evidence)."""

WRONG_LENGTH_SHARE = 0.05
"""Share of lengths in AIS or a picture that are simply wrong; keeps one number from naming or clearing a ship alone."""

OWN_LENGTH_SIGMA_M = 3.0
"""Error of a length sent over AIS: whole metres, antenna offsets that are often rounded."""

NAMES_IN_TRADE = 20
"""Ships among which a wrongly read name is thought to fall; order of the fleet suspected at one time."""

DRAUGHT_CHANGE_M = 0.5
"""Smaller changes of draught are trim, fuel or rounding."""


@dataclass(frozen=True)
class Factor:
    """One line of a waterfall."""

    name: str
    bits: float
    because: str


def bits_of(p: float) -> float:
    """Log-odds of a probability in bits, clipped."""
    if p <= 0:
        return -CLIP_BITS
    if p >= 1:
        return CLIP_BITS
    return max(-CLIP_BITS, min(CLIP_BITS, math.log2(p) - math.log2(1 - p)))


def probability(bits: float) -> float:
    """Probability of log-odds in bits, clipped and rounded as every table shows it (1e-6)."""
    clipped = max(-CLIP_BITS, min(CLIP_BITS, bits))
    return round(float(1.0 / (1.0 + 2.0**-clipped)), 6)


def waterfall(steps: list[Factor]) -> tuple[list[Factor], float]:
    """Round every step to 0.001 bit and bring the sum into +-30; the log-odds are the sum of what is shown, exactly."""
    rounded = [Factor(f.name, round(f.bits, 3) + 0.0, f.because) for f in steps]
    thousandths = sum(round(f.bits * 1000) for f in rounded)
    limit = round(CLIP_BITS * 1000)
    if abs(thousandths) > limit and rounded:
        over = thousandths - math.copysign(limit, thousandths)
        last = rounded[-1]
        rounded[-1] = Factor(last.name, round(last.bits - over / 1000, 3), f"{last.because}; clipped at 30 bits in all")
        thousandths = int(math.copysign(limit, thousandths))
    return rounded, thousandths / 1000


def ratio_bits(if_true: float, if_not: float) -> float:
    """Bits of a likelihood ratio, clipped."""
    if if_true <= 0 and if_not <= 0:
        return 0.0
    if if_true <= 0:
        return -CLIP_BITS
    if if_not <= 0:
        return CLIP_BITS
    return max(-CLIP_BITS, min(CLIP_BITS, math.log2(if_true) - math.log2(if_not)))


def capped(bits: float, limit: float) -> float:
    """Bits of evidence of which no amount proves much."""
    return max(-limit, min(limit, bits))


def normal(x: float, mean: float, sigma: float) -> float:
    """Density of the normal distribution."""
    z = (x - mean) / sigma
    return math.exp(-0.5 * z * z) / (sigma * math.sqrt(2 * math.pi))


def same_name(first: str | None, second: str | None) -> bool | None:
    """Whether two names are the same after folding case, width and punctuation; None when either is missing."""
    folded = [_fold(n) for n in (first, second)]
    if not all(folded):
        return None
    return folded[0] == folded[1]


def _fold(name: str | None) -> str:
    text = unicodedata.normalize("NFKC", name or "").casefold()
    return "".join(c for c in text if c.isalnum())


def level(p_trip: float, *, n_feasible: int, n_pictured: float) -> Factor:
    """How common such trips are among silences that fit, learned from this run."""
    return Factor(
        "prior",
        bits_of(p_trip),
        f"of silences that fit, about {p_trip:.1%} are such trips: {n_feasible} fit here, pictures carry {n_pictured:.1f}",
    )


def habit(p_ship: float, p_level: float, *, others: int, pictured: float) -> Factor:
    """What pictures of the same ship in its other silences make likely; inferred trips never feed it."""
    if others == 0:
        return Factor("habit", 0.0, "no other silence of this ship fits")
    return Factor(
        "habit",
        bits_of(p_ship) - bits_of(p_level),
        f"pictures carry {pictured:.1f} calls in its {others} other silences that fit",
    )


def watch_list(hits: list[str], bits: float) -> Factor:
    """A listing raises attention; the number without it stands beside. A name alone is no listing of this hull: names repeat."""
    if not hits:
        return Factor("watch_list", 0.0, "on no watch list given")
    if all(hit.endswith("matched by name only)") for hit in hits):
        return Factor(
            "watch_list", 0.0, "listed under that name, but no number agrees, counts nothing: " + "; ".join(hits)
        )
    return Factor("watch_list", bits, "listed: " + "; ".join(hits))


def near_home(
    name: str, distance_nm: float, *, limit_nm: float, p_if_trip: float, p_otherwise: float, when: str
) -> Factor:
    """Traders vanish and come back near the counterpart ports; how common that is otherwise is learned from the run."""
    if distance_nm != distance_nm:
        return Factor(name, 0.0, f"place {when} the silence: no sea distance to a counterpart port, counts nothing")
    near = distance_nm <= limit_nm
    bits = ratio_bits(p_if_trip, p_otherwise) if near else ratio_bits(1 - p_if_trip, 1 - p_otherwise)
    side = "within" if near else "not within"
    return Factor(
        name,
        bits,
        f"{when} the silence {distance_nm:.0f} nm by sea from the nearest counterpart port, {side} {limit_nm:.0f} nm "
        f"({p_otherwise:.0%} of the silences that fit are)",
    )


def port_called(name: str, port: tuple[str, bool] | None, *, p_if_trip: float, p_otherwise: float, when: str) -> Factor:
    """The last port before, or the next one after: traders come from counterpart ports and go back to them.

    `port` is its name and whether it is a counterpart port. Coming from one never speaks against a trip.
    """
    if port is None:
        return Factor(name, 0.0, f"no port heard {when} the silence, counts nothing")
    p_if_trip = max(p_if_trip, p_otherwise)
    bits = ratio_bits(p_if_trip, p_otherwise) if port[1] else ratio_bits(1 - p_if_trip, 1 - p_otherwise)
    return Factor(
        name,
        capped(bits, PORT_CAP_BITS),
        f"{when} the silence heard in port at {port[0]}, {'' if port[1] else 'not '}a counterpart port "
        f"({p_otherwise:.0%} of the silences that fit have one)",
    )


PORT_CAP_BITS = 2.0
"""A port heard before or after says little beyond how near the silence began or ended (own judgement)."""


def reappears(distance_nm: float, *, near_nm: float, far_nm: float, p_if_trip: float, p_otherwise: float) -> Factor:
    """A ship back from the dark port comes home; one that turns up far from home has sailed no homeward leg.

    Near home nothing is added: `next_place` counts that. Between home and far away nothing is added either: ships pass there on
    all voyages (in simulation, counting it for a trip made the ranking worse). The shares are those of silences that end away.
    """
    if distance_nm != distance_nm:
        return Factor("reappears", 0.0, "not heard again, or no sea distance to a counterpart port: counts nothing")
    if distance_nm <= near_nm:
        return Factor("reappears", 0.0, "heard again near a counterpart port, which next_place counts")
    told = f"heard again {distance_nm:.0f} nm by sea from the nearest counterpart port"
    if distance_nm <= far_nm:
        return Factor("reappears", 0.0, f"{told}, perhaps on the way home: counts nothing more than next_place")
    return Factor(
        "reappears",
        capped(ratio_bits(min(p_if_trip, p_otherwise), p_otherwise), REAPPEARS_CAP_BITS),
        f"{told}, so no homeward leg ({p_otherwise:.0%} of those that end away from home end beyond {far_nm:.0f} nm)",
    )


REAPPEARS_CAP_BITS = 2.0
"""A voyage on to another coast after the dark call is unusual, not impossible (own judgement)."""

SAME_PLACE_NM = 0.15
"""A ship heard again this close to where it vanished may never have left its berth or anchor (about 280 m)."""


def same_place(distance_nm: float, *, p_if_trip: float, p_otherwise: float) -> Factor:
    """Ships that only switched off at a berth or anchor come back on the same spot; after a voyage that is rare."""
    if distance_nm != distance_nm:
        return Factor("same_place", 0.0, "not heard again yet, counts nothing")
    same = distance_nm <= SAME_PLACE_NM
    bits = ratio_bits(p_if_trip, p_otherwise) if same else ratio_bits(1 - p_if_trip, 1 - p_otherwise)
    return Factor(
        "same_place",
        bits,
        f"heard again {distance_nm:.2f} nm from where it vanished, {'' if same else 'not '}the same spot "
        f"({p_otherwise:.0%} of the silences that fit end on theirs)",
    )


def ship_type(code: int | None, *, p_if_trip: float, p_otherwise: float) -> Factor:
    """Cargo ships carry containers; codes 70 to 79 of ITU-R M.1371 are cargo."""
    if code is None or code == 0:
        return Factor("ship_type", 0.0, "ship type not sent, counts nothing")
    cargo = 70 <= code <= 79
    bits = ratio_bits(p_if_trip, p_otherwise) if cargo else ratio_bits(1 - p_if_trip, 1 - p_otherwise)
    return Factor(
        "ship_type",
        bits,
        f"type code {code} is {'a' if cargo else 'not a'} cargo ship ({p_otherwise:.0%} of others are)",
    )


def ship_size(length_m: float, *, low_m: float, high_m: float, p_if_trip: float, p_otherwise: float) -> Factor:
    """Ships of this trade are of a known range of lengths."""
    if length_m != length_m:
        return Factor("ship_size", 0.0, "length not known, counts nothing")
    fits = low_m <= length_m <= high_m
    bits = ratio_bits(p_if_trip, p_otherwise) if fits else ratio_bits(1 - p_if_trip, 1 - p_otherwise)
    return Factor(
        "ship_size",
        bits,
        f"{length_m:.0f} m is {'within' if fits else 'outside'} the trade's {low_m:.0f} to {high_m:.0f} m "
        f"({p_otherwise:.0%} of others are within)",
    )


def transponder(p_off: float, usual: float, sentence: str) -> Factor:
    """A trip means that the transponder was off. How far this silence shows that, against the silences that fit (`usual`: their
    mean): the level of the trade already counts how often such silences are switched off."""
    if p_off != p_off:
        return Factor("transponder", 0.0, f"cannot say whether the transponder was off: {sentence}")
    return Factor(
        "transponder",
        ratio_bits(p_off, usual),
        f"off with at least {p_off:.2f}, others that fit {usual:.2f} on average: {sentence}",
    )


def draught(before_m: float, after_m: float, *, deeper: tuple[float, float], lighter: tuple[float, float]) -> Factor:
    """Draught sent before and after: deeper after loading at the dark port. `deeper` and `lighter` are (if trip, otherwise)."""
    if before_m != before_m or after_m != after_m:
        return Factor("draught", 0.0, "draught not sent on both sides, counts nothing")
    change = after_m - before_m
    sentence = f"draught {before_m:.1f} m before and {after_m:.1f} m after"
    if change >= DRAUGHT_CHANGE_M:
        return Factor("draught", ratio_bits(*deeper), f"{sentence}: deeper")
    if change <= -DRAUGHT_CHANGE_M:
        return Factor("draught", ratio_bits(*lighter), f"{sentence}: lighter")
    same = (1 - deeper[0] - lighter[0], 1 - deeper[1] - lighter[1])
    return Factor("draught", ratio_bits(*same), f"{sentence}: unchanged (often not updated)")


BERTH_TOLD_WRONG = 0.1
"""Share of berths told of a picture that are another one: piers lie 250 m apart, and outlets count them differently (own
judgement)."""

OVER_QUAY_SHARE = 1.1
"""A ship may stick out over the end of a quay by so much."""


def berth(told: str | None, *, length_m: float, quay_m: float | None, share: float) -> Factor:
    """The berth told of the call that a trip leans on with probability `share`, against the ship's length.

    Berths of another trade (a coal pier) never get here: their calls are not of this trade. The ship's kind is `ship_type`.
    """
    if told is None:
        return Factor("berth", 0.0, "no berth is told, counts nothing")
    if quay_m is None or length_m != length_m:
        missing = "the length of its quay" if quay_m is None else "the ship's own length"
        return Factor("berth", 0.0, f"{told}, a berth of this trade; {missing} is not known, counts nothing")
    fits = length_m <= OVER_QUAY_SHARE * quay_m
    bits = 0.0 if fits else ratio_bits(1 - share + share * BERTH_TOLD_WRONG, 1.0)
    return Factor(
        "berth", bits, f"{told}: {length_m:.0f} m {'fit' if fits else 'do not fit'} its {quay_m:.0f} m of quay"
    )


ALONGSIDE_DEG = 20.0
"""A hull further off the direction of its quay than this does not lie along it: headings are read to some 10 degrees."""

NOT_ALONGSIDE = 0.25
"""How much less likely a call is whose hull does not lie along the quay: passing, at anchor or told wrong (own judgement)."""


def heading(told_deg: float, *, quay_deg: float | None, share: float) -> Factor:
    """The heading told of the call that a trip leans on with probability `share`, against its quay; bow and stern are alike."""
    if told_deg != told_deg:
        return Factor("heading", 0.0, "no heading is told of any picture, counts nothing")
    if quay_deg is None:
        return Factor("heading", 0.0, f"heading {told_deg:.0f}; the direction of the quay is not known, counts nothing")
    off_deg = abs((told_deg - quay_deg + 90) % 180 - 90)
    along = off_deg <= ALONGSIDE_DEG
    bits = 0.0 if along else ratio_bits(1 - share + share * NOT_ALONGSIDE, 1.0)
    return Factor(
        "heading",
        bits,
        f"heading {told_deg:.0f}, {off_deg:.0f} degrees off the quay: {'' if along else 'not '}along it",
    )


STACKS_CAP_BITS = 1.0
"""Boxes come and go by road and rail too, and any ship may have moved them (own judgement)."""


def stacks(is_changed: bool | None, because: str, *, p_if_trip: float, p_otherwise: float) -> Factor:
    """Container stacks at the dark port that changed, or did not, while the ship may have been there and no picture shows one.

    A change never speaks against a trip.
    """
    if is_changed is None:
        return Factor("stacks", 0.0, f"{because}, counts nothing")
    p_if_trip = max(p_if_trip, p_otherwise)
    bits = ratio_bits(p_if_trip, p_otherwise) if is_changed else ratio_bits(1 - p_if_trip, 1 - p_otherwise)
    changed = "changed" if is_changed else "did not change"
    return Factor(
        "stacks",
        capped(bits, STACKS_CAP_BITS),
        f"container stacks {changed} while it may have been there: {because} "
        f"(so for {p_otherwise:.0%} of the silences with two looks at them)",
    )


def length(seen_m: float, seen_sigma_m: float, own_m: float, *, background: float) -> tuple[float, str]:
    """Likelihood of the length seen if it is this ship [per m], and a sentence; `background` is that of any hull [per m]."""
    if seen_m != seen_m:
        return background, "no length measured, counts nothing"
    if own_m != own_m:
        return background, f"{seen_m:.0f} m seen; the ship's own length is not known, counts nothing"
    sigma = math.hypot(seen_sigma_m, OWN_LENGTH_SIGMA_M)
    fit = (1 - WRONG_LENGTH_SHARE) * normal(seen_m, own_m, sigma) + WRONG_LENGTH_SHARE * background
    return fit, f"{seen_m:.0f} m seen (standard error {seen_sigma_m:.0f} m), the ship is {own_m:.0f} m"


def name_read(
    read_name: str | None, read_imo: int | None, own_name: str | None, own_imo: int | None, *, p_correct: float
) -> tuple[float, str]:
    """Likelihood ratio of the name read in the picture: this ship against a hull nobody knows."""
    if read_name is None and read_imo is None:
        return 1.0, "no name read, counts nothing"
    shown = read_name or f"IMO {read_imo}"
    same = read_imo == own_imo if read_imo is not None and own_imo is not None else same_name(read_name, own_name)
    if same is None:
        return 1.0, f"{shown} read; the ship's own name is not known, counts nothing"
    chance = (1 - p_correct) / NAMES_IN_TRADE
    if same:
        return p_correct / max(chance, 1e-9), f"read as {shown} in the picture, right in about {p_correct:.0%}"
    return max(1 - p_correct, 1e-9), f"read as {shown} in the picture, which is another ship"
