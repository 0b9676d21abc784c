"""QGIS styles of the GeoPackage's layers: shapes and colours as in the report page (Okabe and Ito 2008, darkened for print).

Each style also says which fields are the times of a feature, so that QGIS's temporal controller plays the layer as it is, what is
written beside a feature, and what its columns are called. Read and drawn by QGIS 3.22 in `design/qgis_check.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import quoteattr

from ghostships.tables import ALL as TABLES

_SEEN, _GAP, _AIS, _INK = "139,46,115,255", "192,74,0,255", "0,114,178,255", "22,33,44,255"
_GREY, _BOXES, _WHITE = "133,147,160,255", "0,112,79,255", "255,255,255,255"

_FROM_FIELDS = "2"
"""QgsVectorLayerTemporalProperties.ModeFeatureDateTimeStartAndEndFromFields; an empty end means until now."""


def _options(values: Mapping[str, str]) -> str:
    pairs = "".join(f"<Option type='QString' name={quoteattr(k)} value={quoteattr(v)}/>" for k, v in values.items())
    return f"<Option type='Map'>{pairs}</Option>"


def _symbol(kind: str, number: int, layer: str, values: Mapping[str, str]) -> str:
    return (
        f"<symbol type='{kind}' name='{number}' alpha='1' clip_to_extent='1' force_rhr='0'>"
        f"<layer class='{layer}' enabled='1' pass='0' locked='0'>{_options(values)}</layer></symbol>"
    )


def _marker(number: int, shape: str, fill: str, outline: str, size_mm: float) -> str:
    values = {
        "name": shape,
        "color": fill,
        "outline_color": outline,
        "outline_width": "0.3",
        "outline_width_unit": "MM",
        "size": f"{size_mm}",
        "size_unit": "MM",
    }
    return _symbol("marker", number, "SimpleMarker", values)


def _line(number: int, colour: str, width_mm: float, style: str) -> str:
    values = {"line_color": colour, "line_width": f"{width_mm}", "line_width_unit": "MM", "line_style": style}
    return _symbol("line", number, "SimpleLine", values)


def _single(symbol: str) -> str:
    return (
        "<renderer-v2 type='singleSymbol' symbollevels='0'>"
        f"<symbols>{symbol}</symbols><rotation/><sizescale/></renderer-v2>"
    )


def _categories(column: str, symbols: Sequence[tuple[str, str, str]]) -> str:
    """One symbol per value: (value, what the legend says, symbol)."""
    rows = "".join(
        f"<category value={quoteattr(value)} symbol='{i}' label={quoteattr(label)} render='true'/>"
        for i, (value, label, _) in enumerate(symbols)
    )
    return (
        f"<renderer-v2 type='categorizedSymbol' attr={quoteattr(column)} symbollevels='0'><categories>{rows}</categories>"
        f"<symbols>{''.join(s for _, _, s in symbols)}</symbols><rotation/><sizescale/></renderer-v2>"
    )


def _label(expression: str, colour: str, *, on_line: bool = False) -> str:
    """Words beside a feature: an expression over its fields, whose values stay data."""
    # QGIS 3.22 draws no label at all when priority or the limits of size are not said.
    return (
        "<labeling type='simple'><settings>"
        f"<text-style fieldName={quoteattr(expression)} isExpression='1' fontSize='8' fontSizeUnit='Point' "
        f"fontFamily='Sans Serif' fontWeight='50' textColor='{colour}' textOpacity='1'>"
        f"<text-buffer bufferDraw='1' bufferSize='0.8' bufferSizeUnits='MM' bufferColor='{_WHITE}' bufferOpacity='1'/></text-style>"
        f"<placement placement='{2 if on_line else 0}' placementFlags='10' dist='1.5' distUnits='MM' priority='5' "
        "quadOffset='4' offsetUnits='MM' rotationUnit='AngleDegrees'/>"
        "<rendering drawLabels='1' obstacle='1' obstacleFactor='1' obstacleType='1' fontMinPixelSize='3' fontMaxPixelSize='10000' "
        "fontLimitPixelSize='0' scaleVisibility='0' scaleMin='0' scaleMax='0' limitNumLabels='0' maxNumLabels='2000' "
        "minFeatureSize='0' mergeLines='0' upsidedownLabels='0' labelPerPart='0' displayAll='0' zIndex='0'/></settings></labeling>"
    )


def _qml(
    layer: str,
    renderer: str,
    *,
    kind: int,
    times: tuple[str, str],
    title: str,
    label: str = "",
    more: Mapping[str, str] | None = None,
) -> str:
    start, end = times
    # A line of tracks is many rows of the table: its columns are its own.
    table = None if layer == "tracks" else TABLES["gaps" if layer == "gaps_lines" else layer]
    names = {c.name: _heading(c.name, c.unit) for c in (table.columns if table else ())} | dict(more or {})
    aliases = "".join(
        f"<alias field={quoteattr(name)} index='{n}' name={quoteattr(said)}/>"
        for n, (name, said) in enumerate(names.items())
    )
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"
        f"<qgis version='3.22.16' styleCategories='AllStyleCategories' labelsEnabled='{1 if label else 0}' "
        "hasScaleBasedVisibilityFlag='0'>"
        f"<temporal enabled='1' mode='{_FROM_FIELDS}' startField='{start}' endField='{end}' startExpression='' endExpression='' "
        "fixedDuration='0' durationUnit='h' durationField='' accumulate='0' limitMode='1'>"
        "<fixedRange><start></start><end></end></fixedRange></temporal>"
        f"{renderer}{label}<aliases>{aliases}</aliases>"
        f"<mapTip>{title}</mapTip><layerGeometryType>{kind}</layerGeometryType></qgis>"
    )


def _heading(name: str, unit: str) -> str:
    """A column's name as a person writes it: `duration_h` is `duration [h]`, `start_utc` is `start (UTC)`."""
    if name.endswith("_utc"):
        return name.removesuffix("_utc").replace("_", " ") + " (UTC)"
    bare = name.removesuffix(f"_{unit}") if unit else name
    return bare.replace("_", " ") + (f" [{unit}]" if unit else "")


_WHO = 'coalesce("vessel_name", "vessel_key", \'ship not known\')'
_P = (
    "CASE WHEN \"p_trip\" IS NULL THEN 'cannot say' WHEN \"p_trip\" > 0.99 THEN 'p over 0.99' "
    "ELSE 'p ' || format_number(\"p_trip\", 2) END"
)

ALL: dict[str, str] = {
    "tracks": _qml(
        "tracks",
        _single(_line(0, "0,114,178,120", 0.16, "solid")),
        kind=1,
        times=("start_utc", "end_utc"),
        title="AIS heard",
        more={
            "start_utc": "first position of the line",
            "end_utc": "last position of the line",
            "n_points": "points kept",
        },
    ),
    "gaps_lines": _qml(
        "gaps_lines",
        _categories(
            "carries",
            (
                ("no trip", "not heard, straight line, not a path", _line(0, _GREY, 0.2, "dash")),
                ("trip", "not heard, in a trip below the flag", _line(1, _GAP, 0.3, "dot")),
                ("flagged trip", "not heard, in a flagged trip", _line(2, _GAP, 0.6, "dash")),
            ),
        ),
        kind=1,
        times=("start_utc", "end_utc"),
        title="straight line between the places last and next heard, not a path",
        label=_label(f"CASE WHEN \"carries\" = 'flagged trip' THEN {_WHO} END", _GAP, on_line=True),
        more={"carries": "whether a trip of the list spans this silence", "line": "what the line is"},
    ),
    "gaps": _qml(
        "gaps",
        _single(_marker(0, "circle", _WHITE, _GAP, 1.8)),
        kind=0,
        times=("start_utc", "end_utc"),
        title="last place heard before a silence",
    ),
    "sightings": _qml(
        "sightings",
        _categories(
            "observation_type",
            (
                ("vessel", "ship seen", _marker(0, "diamond", _SEEN, _WHITE, 3.2)),
                ("absent", "no ship seen", _marker(1, "circle", _WHITE, _INK, 2.6)),
                ("containers", "containers seen", _marker(2, "square", _WHITE, _BOXES, 2.6)),
                ("ais", "AIS position, as published", _marker(3, "triangle", _AIS, _AIS, 2.8)),
            ),
        ),
        kind=0,
        times=("start_utc", "end_utc"),
        title="sighting",
        label=_label('"vessel_name"', _SEEN),
    ),
    "port_calls": _qml(
        "port_calls",
        _categories(
            "kind",
            (
                ("dark", "call of a silent ship", _marker(0, "star", _SEEN, _INK, 3.6)),
                ("transmitting", "call of a ship on the air", _marker(1, "star", _AIS, _INK, 3.2)),
                ("unattributed", "call, ship not known", _marker(2, "star", _WHITE, _INK, 3.2)),
            ),
        ),
        kind=0,
        times=("arrival_not_after_utc", "departure_not_before_utc"),
        title="there at the shortest",
    ),
    "round_trips": _qml(
        "round_trips",
        _categories(
            "tier",
            (
                ("seen", "trip seen in pictures", _marker(0, "pentagon", _GAP, _INK, 3.6)),
                ("inferred", "trip inferred, no picture", _marker(1, "pentagon", _WHITE, _GAP, 3.2)),
                ("pictures_only", "trip from pictures only", _marker(2, "pentagon", _SEEN, _INK, 3.2)),
                ("unattributed", "trip, ship not known", _marker(3, "pentagon", _WHITE, _INK, 3.2)),
            ),
        ),
        kind=0,
        times=("dark_start_utc", "dark_end_utc"),
        title="consistent with a round trip; a reason to look, not a finding",
        label=_label(f"CASE WHEN \"is_flagged\" THEN {_WHO} || ', ' || {_P} END", _INK),
    ),
}
"""Style (QML) by layer name."""
