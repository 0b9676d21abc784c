"""QGIS styles of the GeoPackage's layers: shapes and colours as in the report page (Okabe and Ito 2008, darkened for print)."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

_SEEN, _GAP, _AIS, _INK = "139,46,115,255", "192,74,0,255", "0,114,178,255", "22,33,44,255"
_WHITE = "255,255,255,255"


def _options(values: dict[str, str]) -> str:
    pairs = "".join(f"<Option type='QString' name={quoteattr(k)} value={quoteattr(v)}/>" for k, v in values.items())
    return f"<Option type='Map'>{pairs}</Option>"


def _marker(number: int, shape: str, fill: str, outline: str, size_mm: float) -> str:
    options = _options(
        {"name": shape, "color": fill, "outline_color": outline, "size": f"{size_mm}", "size_unit": "MM"}
    )
    return f"<symbol type='marker' name='{number}'><layer class='SimpleMarker' enabled='1'>{options}</layer></symbol>"


def _line(number: int, colour: str, width_mm: float, style: str) -> str:
    options = _options(
        {"line_color": colour, "line_width": f"{width_mm}", "line_width_unit": "MM", "line_style": style}
    )
    return f"<symbol type='line' name='{number}'><layer class='SimpleLine' enabled='1'>{options}</layer></symbol>"


def _single(symbol: str) -> str:
    return f"<qgis><renderer-v2 type='singleSymbol'><symbols>{symbol}</symbols></renderer-v2></qgis>"


def _categories(column: str, symbols: dict[str, str]) -> str:
    rows = "".join(
        f"<category value={quoteattr(value)} symbol='{i}' label={quoteattr(value)} render='true'/>"
        for i, value in enumerate(symbols)
    )
    return (
        f"<qgis><renderer-v2 type='categorizedSymbol' attr={quoteattr(column)}><categories>{rows}</categories>"
        f"<symbols>{''.join(symbols.values())}</symbols></renderer-v2></qgis>"
    )


ALL: dict[str, str] = {
    "tracks": _single(_line(0, _AIS, 0.3, "solid")),
    "gaps_lines": _single(_line(0, _GAP, 0.4, "dash")),
    "gaps": _single(_marker(0, "circle", _WHITE, _GAP, 2.2)),
    "sightings": _categories(
        "observation_type",
        {
            "vessel": _marker(0, "diamond", _SEEN, _SEEN, 3.2),
            "absent": _marker(1, "circle", _WHITE, _INK, 2.6),
            "containers": _marker(2, "square", _WHITE, "0,112,79,255", 2.6),
            "ais": _marker(3, "triangle", _AIS, _AIS, 2.8),
        },
    ),
    "port_calls": _categories(
        "kind",
        {
            "dark": _marker(0, "star", _SEEN, _INK, 3.6),
            "transmitting": _marker(1, "star", _AIS, _INK, 3.2),
            "unattributed": _marker(2, "star", _WHITE, _INK, 3.2),
        },
    ),
    "round_trips": _categories(
        "tier",
        {
            "seen": _marker(0, "pentagon", _GAP, _INK, 3.6),
            "inferred": _marker(1, "pentagon", _WHITE, _GAP, 3.2),
            "pictures_only": _marker(2, "pentagon", _SEEN, _INK, 3.2),
            "unattributed": _marker(3, "pentagon", _WHITE, _INK, 3.2),
        },
    ),
}
"""Style (QML) by layer name."""
