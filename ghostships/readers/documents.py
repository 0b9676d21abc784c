"""JSON lists become records: GeoJSON, lists of objects, one object a line, and the answers of the services that analysts ask.

    {"type": "FeatureCollection", "features": [...]}     GeoJSON, STAC item collection, Planet search, Copernicus (old search)
    {"value": [{"Name": ..., "ContentDate": ...}]}       Copernicus Data Space, OData
    {"entries": [{"start": ..., "vessel": {...}}]}       Global Fishing Watch, events
    [{...}, {...}]    {...}\n{...}\n                     any of these, one by one

Strict: no NaN, no repeated keys, numbers stay text, nesting is counted before anything is parsed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ghostships.errors import FileRefused
from ghostships.readers.entries import Parsed, Record, as_text, columns_of, is_text, key, put_geometry

MAX_JSON_DEPTH = 64
"""Deepest nesting taken: a GeoJSON multi-polygon in a collection is 9 deep; deeper input only exhausts the parser."""

LOOKED = "ghostships:looked"
"""Beside the features or in their properties: says that somebody looked at these pictures (`readers.scenes`)."""

Item = dict[str, Any]
Flat = tuple[dict[str, str], Any]
"""Text by column, and the geometry, if any."""


def read(text: str, shown: str, notes: list[str]) -> Parsed:
    """The records of a JSON document or of JSON lines.

    Raises
    ------
    FileRefused
        when the syntax is broken, the nesting too deep, or a reference system not known.
    """
    _refuse_deep(text, shown)
    try:
        document: Any = _parse(text)
    except _Bad as error:
        raise FileRefused(shown, "json", str(error)) from error
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise FileRefused(shown, "json", f"line {error.lineno}: not valid JSON: {error.msg.lower()}") from error
        return _lines(text, notes)
    items: Any = [document]
    inner: str | None = None
    crs: str | None = None
    name, defaults = "json", dict[str, str]()
    if isinstance(document, dict):
        inner = _inner(document)
        if inner is not None:
            items = document[inner]
            if inner == "features":
                name, crs = "geojson", _legacy_crs(document, shown)
            _say_pages(document, items, notes)
        if inner is not None and LOOKED in document:
            defaults[key(LOOKED)] = as_text(document[LOOKED])
    elif isinstance(document, list):
        items = document
    if not isinstance(items, list):
        raise FileRefused(shown, "json", "its `features` are not a list")
    rows = []
    spans = [text.strip()] if isinstance(document, dict) and inner is None else _spans(text, inner)
    for number, item in enumerate(items, start=1):
        # What stands in the file, to the letter; only a list that mixes objects with other things is written anew.
        raw = spans[number - 1] if len(spans) == len(items) else json.dumps(item, ensure_ascii=True)
        rows.append(_record(number, raw.encode("utf-8", "surrogatepass"), item, crs, notes, defaults))
    return Parsed(name, columns_of(rows), rows)


def _spans(text: str, member: str | None) -> list[str]:
    """The objects of an array as they are written: of the document itself, or of this member of it."""
    found: list[str] = []
    depth, start, said = 0, 0, ""
    inside = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text):
        mark = match.group()
        if mark in "[{":
            depth += 1
            if inside and depth == inside + 1:
                start = match.start()
            elif not inside and mark == "[" and (depth == 1 if member is None else depth == 2 and said == member):
                inside = depth
        elif mark in "]}":
            if inside and depth == inside + 1:
                found.append(text[start : match.end()])
            if depth == inside:
                break
            depth -= 1
        else:
            said = json.loads(mark, strict=False)
    return found


def _inner(document: Item) -> str | None:
    """The member of a document that holds its items; None where the document is an item itself."""
    if document.get("type") == "FeatureCollection":
        return "features"
    for member in ("entries", "value"):
        found = document.get(member)
        if isinstance(found, list) and (not found or all(isinstance(one, dict) for one in found)):
            return member
    return None


def _say_pages(document: Item, items: Any, notes: list[str]) -> None:
    """An answer in pages is a part of what the service knows."""
    for name in ("total", "numberMatched", "@odata.count"):
        told = document.get(name)
        if isinstance(items, list) and isinstance(told, str) and told.isdigit() and int(told) > len(items):
            notes.append(f"holds {len(items)} of {told} items: one page of an answer that has more")
            return


def _lines(text: str, notes: list[str]) -> Parsed:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        raw = line.rstrip("\r\n").encode("utf-8", "surrogatepass")
        try:
            item = _parse(line)
        except ValueError:
            rows.append(Record(number, raw, {}, "json"))
            continue
        rows.append(_record(number, raw, item, None, notes, {}))
    return Parsed("jsonl", columns_of(rows), rows)


def kind_of(item: Any) -> str:
    """What kind of item this is, told from the members that only such items have; empty where it is none we know."""
    if not isinstance(item, dict):
        return ""
    properties = item.get("properties") if isinstance(item.get("properties"), dict) else {}
    assert isinstance(properties, dict)
    if item.get("type") == "Feature":
        if "stac_version" in item:
            return "stac"
        if {"acquired", "item_type"} <= properties.keys():
            return "planet"
        if {"productIdentifier", "startDate", "completionDate"} <= properties.keys():
            return "resto"
        return ""
    if isinstance(item.get("ContentDate"), dict) and "Name" in item:
        return "odata"
    if (
        isinstance(item.get("vessel"), dict)
        and "start" in item
        and {"gap", "port_visit", "portVisit", "type"} & item.keys()
    ):
        return "gfw-events"
    if isinstance(item.get("properties"), dict) and "schema" in item and "caption" in item:
        return "opensanctions-entities"
    return ""


def _record(number: int, raw: bytes, item: Any, crs: str | None, notes: list[str], defaults: dict[str, str]) -> Record:
    if not isinstance(item, dict):
        return Record(number, raw, {}, "not_an_object")
    kind = kind_of(item)
    values, geometry = _FLATTEN.get(kind, _plain)(item)
    values = {**defaults, **values}
    rule = "" if all(is_text(v) for v in values.values()) else "text_not_unicode"
    if geometry is not _NONE and not rule:
        rule = put_geometry(geometry, crs, values, notes)
    return Record(number, raw, values, rule, kind)


_NONE = object()
"""No geometry is expected, which is not the same as a geometry that is null."""


def _plain(item: Item) -> Flat:
    """A GeoJSON feature, or any object: its own members and its properties."""
    values: dict[str, str] = {}
    is_feature = item.get("type") == "Feature"
    inside: Item = item["properties"] if isinstance(item.get("properties"), dict) else {}
    if isinstance(item.get("id"), str) and "id" not in inside:
        values["id"] = item["id"]
    for name, value in {**({} if is_feature else item), **inside}.items():
        if name not in ("properties", "geometry"):
            values[key(str(name))] = as_text(value)
    return values, item.get("geometry") if is_feature else _NONE


def _stac(item: Item) -> Flat:
    """A STAC item: the sensor in one text; which collection it comes from."""
    values, geometry = _plain(item)
    inside = item.get("properties") if isinstance(item.get("properties"), dict) else {}
    assert isinstance(inside, dict)
    names = [inside.get("constellation"), inside.get("platform"), *_list(inside.get("instruments"))]
    values["sensor"] = _words(names)
    # `datetime` is null where the picture has a start and an end; some items have all three.
    values["start_utc"] = as_text(inside.get("start_datetime") or inside.get("datetime"))
    values["end_utc"] = as_text(inside.get("end_datetime"))
    _without(values, "datetime", "start_datetime", "end_datetime", "constellation", "platform", "instruments")
    values["collection"] = as_text(item.get("collection"))
    return values, geometry


def _planet(item: Item) -> Flat:
    """A Planet item: its cloud cover is a share, not a percentage."""
    values, geometry = _plain(item)
    inside = item["properties"]
    values["sensor"] = _words(
        [inside.get("provider"), inside.get("item_type"), inside.get("instrument"), inside.get("satellite_id")],
        also="planet",
    )
    _without(values, "provider", "item_type", "instrument", "satellite_id")
    if values.pop("cloud_cover", ""):
        values["cloud_fraction"] = as_text(inside["cloud_cover"])
    return values, geometry


def _resto(item: Item) -> Flat:
    """A feature of the older Copernicus search; a cloud cover below zero says that there is none."""
    values, geometry = _plain(item)
    inside = item["properties"]
    cloud = as_text(inside.get("cloudCover"))
    _without(
        values,
        "id",
        "title",
        "productidentifier",
        "startdate",
        "completiondate",
        "platform",
        "instrument",
        "cloudcover",
    )
    values |= {
        "scene_id": as_text(inside.get("title") or inside.get("productIdentifier")),
        "start_utc": as_text(inside.get("startDate")),
        "end_utc": as_text(inside.get("completionDate")),
        "sensor": _words([inside.get("collection"), inside.get("platform"), inside.get("instrument")]),
        "cloud_percent": "" if cloud.startswith("-") else cloud,
    }
    return values, geometry


def _odata(item: Item) -> Flat:
    """A product of the Copernicus Data Space: its attributes are a list, its footprint is GeoJSON or EWKT."""
    attributes = {
        str(one.get("Name")): as_text(one.get("Value"))
        for one in _list(item.get("Attributes"))
        if isinstance(one, dict)
    }
    dates = item["ContentDate"]
    values = {
        **{key(name): as_text(value) for name, value in item.items() if not isinstance(value, (dict, list))},
        "scene_id": as_text(item.get("Name")),
        "start_utc": as_text(dates.get("Start")),
        "end_utc": as_text(dates.get("End")),
        "sensor": _words(
            [
                attributes.get("platformShortName"),
                attributes.get("platformSerialIdentifier"),
                attributes.get("instrumentShortName"),
            ]
        ),
        "cloud_percent": attributes.get("cloudCover", ""),
        key(LOOKED): as_text(item.get(LOOKED)),
    }
    # `Id` is the catalogue's own number of a product; its name is what everybody calls it.
    _without(values, "id", "footprint", "name")
    if not values[key(LOOKED)]:
        del values[key(LOOKED)]
    if isinstance(item.get("GeoFootprint"), dict):
        return values, item["GeoFootprint"]
    found = re.fullmatch(r"geography'SRID=4326;(.*)'", as_text(item.get("Footprint")), re.DOTALL)
    values["wkt"] = found.group(1) if found else as_text(item.get("Footprint"))
    return values, _NONE


def _event(item: Item) -> Flat:
    """An event of Global Fishing Watch: who, when, where it began and ended, what it is said to be."""
    vessel = item["vessel"]
    gap = item.get("gap") if isinstance(item.get("gap"), dict) else {}
    visit: Item = next((item[n] for n in ("port_visit", "portVisit") if isinstance(item.get(n), dict)), {})
    assert isinstance(gap, dict)
    kind = as_text(item.get("type")).casefold() or ("gap" if gap else "port_visit" if visit else "")
    at = _place(gap.get("offPosition")) or _place(item.get("position"))
    anchorages = [visit.get(f"{which}Anchorage") for which in ("intermediate", "start", "end")]
    anchorage: Item = next((one for one in anchorages if isinstance(one, dict)), {})
    at = at or _place(anchorage)
    return {
        "publisher_id": as_text(item.get("id")),
        "kind": kind,
        "start_utc": as_text(item.get("start")),
        "end_utc": as_text(item.get("end")),
        "mmsi": as_text(vessel.get("ssvid")),
        "vessel_name": as_text(vessel.get("name")),
        "flag": as_text(vessel.get("flag")),
        "lat": at[0] if at else "",
        "lon": at[1] if at else "",
        "place": as_text(anchorage.get("name") or anchorage.get("topDestination") or anchorage.get("id")),
        "is_closed": as_text(gap.get("isClosed")),
        "intentional_disabling": as_text(gap.get("intentionalDisabling")),
        "confidence": as_text(visit.get("confidence")),
    }, _NONE


def _entity(item: Item) -> Flat:
    """An entity of OpenSanctions; the days of its listings are in the sanctions nested inside it, where there are any."""
    values, geometry = _plain(item)
    dates = [
        as_text(date)
        for one in _list(item["properties"].get("sanctions"))
        if isinstance(one, dict) and isinstance(one.get("properties"), dict)
        for name in ("listingDate", "startDate")
        for date in _list(one["properties"].get(name))[:1]
    ]
    values.pop("sanctions", None)
    if dates:
        values["listing_date"] = min(dates)
    return values, geometry


_FLATTEN: dict[str, Callable[[Item], Flat]] = {
    "stac": _stac,
    "planet": _planet,
    "resto": _resto,
    "odata": _odata,
    "gfw-events": _event,
    "opensanctions-entities": _entity,
}


def _without(values: dict[str, str], *names: str) -> None:
    """Take away what was read already, under another name."""
    for name in names:
        values.pop(name, None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _place(value: Any) -> tuple[str, str] | None:
    if not isinstance(value, dict) or value.get("lat") is None or value.get("lon") is None:
        return None
    return as_text(value["lat"]), as_text(value["lon"])


def _words(values: list[Any], *, also: str = "") -> str:
    """Names of one sensor in one text, each once; `also` is put before them where none of them has it."""
    found = list(dict.fromkeys(as_text(v).strip() for v in values if v is not None and as_text(v).strip()))
    if found and also and not any(also in word.casefold() for word in found):
        found.insert(0, also)
    return " ".join(found)


class _Bad(ValueError):
    """Something that JSON forbids but lenient parsers let through."""


def _parse(text: str) -> Any:
    def constant(name: str) -> Any:
        raise _Bad(f"holds {name}, which is not JSON")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, value in items:
            if name in out:
                raise _Bad(f"key {name!r} appears twice in one object")
            out[name] = value
        return out

    return json.loads(text, parse_int=str, parse_float=str, parse_constant=constant, object_pairs_hook=pairs)


def _refuse_deep(text: str, shown: str) -> None:
    """Count brackets before parsing: the parser would recurse once for each."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text):
        mark = match.group()
        if mark in "[{":
            depth += 1
            if depth > MAX_JSON_DEPTH:
                raise FileRefused(shown, "json_depth", f"is nested deeper than {MAX_JSON_DEPTH} levels")
        elif mark in "]}":
            depth -= 1


def _legacy_crs(document: Item, shown: str) -> str | None:
    """The reference system named by the old `crs` member (GeoJSON 2008), or None for longitude and latitude."""
    crs = document.get("crs")
    if not isinstance(crs, dict):
        return None
    properties = crs.get("properties")
    named = str(properties.get("name", "")) if isinstance(properties, dict) else ""
    if named.upper().endswith(("CRS84", "EPSG::4326", "EPSG:4326")):
        return None
    found = re.search(r"EPSG:+(?:[\d.]*:)?(\d+)$", named, re.IGNORECASE)
    if not found:
        raise FileRefused(shown, "crs", f"its crs {named[:80]!r} is not known; save it in EPSG:4326")
    return f"EPSG:{found.group(1)}"
