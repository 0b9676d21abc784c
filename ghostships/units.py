"""Conversions and physical constants, each with its source."""

from __future__ import annotations

KM_PER_NM = 1.852
"""Kilometres in an international nautical mile (exact; BIPM SI brochure, table 8 of the 8th edition)."""

EARTH_RADIUS_KM = 6371.0088
"""Mean Earth radius R1 [km] (IUGG; Moritz 2000, doi 10.1007/s001900050278)."""

WGS84_A_KM = 6378.137
"""WGS84 equatorial radius [km] (NIMA TR8350.2)."""

SOG_NOT_AVAILABLE_KN = 102.3
COG_NOT_AVAILABLE_DEG = 360.0
HEADING_NOT_AVAILABLE_DEG = 511.0
LAT_NOT_AVAILABLE_DEG = 91.0
LON_NOT_AVAILABLE_DEG = 181.0
"""Values that mean "not available" in AIS messages (ITU-R M.1371-5, annex 8, tables 48 and 53)."""

US_PER_HOUR = 3_600_000_000
"""Microseconds in an hour: times are kept as integers of this resolution."""


def nm(km: float) -> float:
    """Nautical miles from kilometres."""
    return km / KM_PER_NM


def km(nautical_miles: float) -> float:
    """Kilometres from nautical miles."""
    return nautical_miles * KM_PER_NM
