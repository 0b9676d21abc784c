"""XML lists become records: KML placemarks, and the watch lists that OFAC and the EU publish.

    <kml> ... <Placemark>                                     sightings and scenes drawn in a globe
    <sdnList> <publshInformation> <sdnEntry>                  OFAC, the SDN and the consolidated list
    <Sanctions> <ReferenceValueSets> ... <DistinctParty>      OFAC, advanced: the only one with the day of each listing
    <export generationDate=...> <sanctionEntity>              EU, consolidated list of financial sanctions

Read element by element, each forgotten once it is a record: the advanced list is 100 MB. A DTD, an entity or an external
reference refuses the file; network links are never followed.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from ghostships.errors import FileRefused
from ghostships.readers.entries import Parsed, Record, columns_of, key, put_geometry

MAX_RAW_OF_OTHERS = 200
"""Bytes kept of a listed party that is no ship: enough to find it again; all of them would be the whole list twice [bytes]."""


def read(data: bytes, shown: str, notes: list[str]) -> Parsed:
    """The records of an XML document, told apart by its root.

    Raises
    ------
    FileRefused
        when it is not valid, declares a DTD or entities, or has a root that is not known.
    """
    try:
        events = ElementTree.iterparse(
            io.BytesIO(data),
            events=("start", "end"),
            forbid_dtd=True,
            forbid_entities=True,
            forbid_external=True,
        )
        _, root = next(events)
        name = _local(root.tag)
        reader = _ROOTS.get(name.casefold())
        if reader is None:
            known = "a kml, an OFAC sdnList or Sanctions document, or an EU export"
            raise FileRefused(shown, "not_kml", f"is XML whose root is <{name[:40]}>, expected {known}")
        rows = reader(events, root, notes)
        return Parsed(_FORMATS[name.casefold()], columns_of(rows), rows)
    except StopIteration as error:
        raise FileRefused(shown, "xml", "not valid XML: no element in it") from error
    except DefusedXmlException as error:
        raise FileRefused(shown, "xml_entities", "declares a DTD or entities, which are refused in XML") from error
    except (ParseError, ValueError, RecursionError) as error:
        raise FileRefused(shown, "xml", f"not valid XML: {error}") from error


Events = Iterator[tuple[str, Any]]


def _ended(events: Events, *names: str) -> Iterator[tuple[str, Any]]:
    """Every element of these names that has ended, cleared once it was used; the rest of the document is only passed."""
    for event, element in events:
        if event == "end" and (name := _local(element.tag)) in names:
            yield name, element
            element.clear()


def _local(tag: Any) -> str:
    return str(tag).rsplit("}", 1)[-1]


def _text(element: Any, *path: str) -> str:
    """The text of the first element down this path of local names; empty where there is none."""
    for name in path:
        element = next((child for child in element if _local(child.tag) == name), None)
        if element is None:
            return ""
    return (element.text or "").strip()


def _all(element: Any, name: str) -> list[Any]:
    return [one for one in element.iter() if _local(one.tag) == name]


# --- KML ------------------------------------------------------------------------------------------------------------------


def _kml(events: Events, _root: Any, notes: list[str]) -> list[Record]:
    rows: list[Record] = []
    for name, element in _ended(events, "Placemark", "NetworkLink"):
        if name == "NetworkLink":
            notes.append("network links were not followed")
            continue
        rows.append(_placemark(len(rows) + 1, element, notes))
    return rows


def _placemark(number: int, mark: Any, notes: list[str]) -> Record:
    raw = ElementTree.tostring(mark)
    values: dict[str, str] = {}
    rule = "geometry_type"
    for element in mark.iter():
        name, text = _local(element.tag), (element.text or "").strip()
        if name in ("Data", "SimpleData") and element.get("name"):
            inner = next((c.text or "" for c in element if _local(c.tag) == "value"), text)
            values[key(str(element.get("name")))] = inner.strip()
        elif name == "when":
            values.setdefault("time", text)
        elif name in ("begin", "end"):
            values.setdefault("start_utc" if name == "begin" else "end_utc", text)
        elif name in ("name", "description") and text:
            values.setdefault({"name": "id", "description": "note"}[name], text)
        elif name in ("Point", "Polygon") and rule:
            rule = _kml_geometry(name, element, values, notes)
    return Record(number, raw, values, rule)


def _kml_geometry(kind: str, element: Any, values: dict[str, str], notes: list[str]) -> str:
    found = next((e.text or "" for e in element.iter() if _local(e.tag) == "coordinates"), "")
    points: list[list[str]] = [part.split(",") for part in found.split()]
    coordinates: Any = points[0] if kind == "Point" and points else [points]
    return put_geometry({"type": kind, "coordinates": coordinates}, None, values, notes)


# --- OFAC -----------------------------------------------------------------------------------------------------------------


def _sdn(events: Events, _root: Any, _notes: list[str]) -> list[Record]:
    """Entries of `sdn.xml` and `consolidated.xml`. The list has a day, its entries have none."""
    rows: list[Record] = []
    edition = ""
    for name, element in _ended(events, "publshInformation", "sdnEntry"):
        if name == "publshInformation":
            month, _, rest = _text(element, "Publish_Date").partition("/")
            day, _, year = rest.partition("/")
            edition = f"{year}-{month:0>2}-{day:0>2}" if year else ""
            continue
        numbers = [(_text(one, "idType"), _text(one, "idNumber")) for one in _all(element, "id")]
        values = {
            "publisher_id": _text(element, "uid"),
            "kind": _text(element, "sdnType"),
            "name": _text(element, "lastName"),
            "programs": ";".join(one.text.strip() for one in _all(element, "program") if one.text),
            "edition": edition,
            **_identities(numbers),
        }
        rows.append(_listed(len(rows) + 1, element, values, "ofac-sdn-xml"))
    return rows


def _advanced(events: Events, _root: Any, _notes: list[str]) -> list[Record]:
    """Parties of `sdn_advanced.xml`: identity documents come before them, listings with their days after."""
    named: dict[str, dict[str, str]] = defaultdict(dict)
    documents: dict[str, list[tuple[str, str]]] = defaultdict(list)
    rows: list[Record] = []
    parties: dict[str, Record] = {}
    edition = ""
    references = ("PartySubType", "IDRegDocType", "SanctionsType", "List")
    for name, element in _ended(events, "DateOfIssue", *references, "IDRegDocument", "DistinctParty", "SanctionsEntry"):
        if name == "DateOfIssue":
            edition = edition or _day(element)
        elif name in references:
            named[name][element.get("ID", "")] = (element.text or "").strip()
        elif name == "IDRegDocument":
            kind = named["IDRegDocType"].get(element.get("IDRegDocTypeID", ""), "")
            documents[element.get("IdentityID", "")].append((kind, _text(element, "IDRegistrationNo")))
        elif name == "DistinctParty":
            for profile in _all(element, "Profile"):
                numbers = [one for i in _all(profile, "Identity") for one in documents.pop(i.get("ID", ""), [])]
                values = {
                    "publisher_id": profile.get("ID", ""),
                    "kind": named["PartySubType"].get(profile.get("PartySubTypeID", ""), "") or "not said",
                    "name": _primary_name(profile),
                    "edition": edition,
                    **_identities(numbers),
                }
                rows.append(_listed(len(rows) + 1, element, values, "ofac-advanced-xml"))
                parties[values["publisher_id"]] = rows[-1]
        elif element.get("ProfileID", "") in parties:
            _put_listing(element, named, parties[element.get("ProfileID", "")])
    return rows


def _put_listing(entry: Any, named: dict[str, dict[str, str]], party: Record) -> None:
    """The list, its programmes and the day of entry, put to the party they are about."""
    programs = [
        _text(one, "Comment")
        for one in _all(entry, "SanctionsMeasure")
        if named["SanctionsType"].get(one.get("SanctionsTypeID", ""), "").casefold() == "program"
    ]
    days = [day for one in _all(entry, "EntryEvent") for date in _all(one, "Date") if (day := _day(date))]
    before = party.fields.get("programs", "")
    party.fields["programs"] = ";".join(p for p in (before, *programs) if p)
    party.fields["list_name"] = named["List"].get(entry.get("ListID", ""), "")
    if days:
        # Listed under several programmes: since the first of them.
        party.fields["listing_date"] = min(days + [d for d in (party.fields.get("listing_date", ""),) if d])


def _day(element: Any) -> str:
    year, month, day = (_text(element, part) for part in ("Year", "Month", "Day"))
    return "-".join([year, *(f"{part:0>2}" for part in (month, day) if part)]) if year else ""


def _primary_name(profile: Any) -> str:
    """The primary name, its parts in the order given; the first way of writing it is the Latin one."""
    aliases = _all(profile, "Alias")
    primary = [one for one in aliases if one.get("Primary") == "true"] or aliases
    for alias in primary:
        for written in _all(alias, "DocumentedName"):
            return " ".join(part.text.strip() for part in _all(written, "NamePartValue") if part.text)
    return ""


def _identities(numbers: list[tuple[str, str]]) -> dict[str, str]:
    """IMO number and MMSI among identity documents, as written."""
    found: dict[str, str] = {}
    for kind, number in numbers:
        what = kind.casefold()
        if (
            what == "vessel registration identification"
            and number.upper().startswith("IMO")
            or what in ("imo number", "imo")
        ):
            found.setdefault("imo", number)
        elif what == "mmsi":
            found.setdefault("mmsi", number)
    return found


def _listed(number: int, element: Any, values: dict[str, str], kind: str) -> Record:
    raw = ElementTree.tostring(element)
    is_ship = values["kind"].casefold() in ("vessel", "ship")
    return Record(number, raw if is_ship else raw[:MAX_RAW_OF_OTHERS], values, "", kind)


# --- EU -------------------------------------------------------------------------------------------------------------------


def _eu(events: Events, root: Any, _notes: list[str]) -> list[Record]:
    """Entities of the EU's consolidated list. Ships have no subject type of their own: what has an IMO number is one."""
    edition = root.get("generationDate", "")[:10]
    rows: list[Record] = []
    for _, element in _ended(events, "sanctionEntity"):
        subject = next((one.get("code", "") for one in element if _local(one.tag) == "subjectType"), "")
        regulations = [one for one in element if _local(one.tag) == "regulation"]
        numbers = [
            (one.get("identificationTypeCode", ""), one.get("number", "") or one.get("latinNumber", ""))
            for one in element
            if _local(one.tag) == "identification"
        ]
        found = _identities(numbers)
        days = sorted(day for one in regulations if (day := one.get("publicationDate", "")))
        values = {
            "publisher_id": element.get("euReferenceNumber", "") or element.get("logicalId", ""),
            "kind": "vessel" if found.get("imo") else subject or "not said",
            "name": next((one.get("wholeName", "") for one in element if _local(one.tag) == "nameAlias"), ""),
            "programs": ";".join(
                dict.fromkeys(one.get("programme", "") for one in regulations if one.get("programme"))
            ),
            "edition": edition,
            "listing_date": element.get("designationDate", "") or (days[0] if days else ""),
            **found,
        }
        rows.append(_listed(len(rows) + 1, element, values, "eu-fsf-xml"))
    return rows


_ROOTS: dict[str, Callable[[Events, Any, list[str]], list[Record]]] = {
    "kml": _kml,
    "sdnlist": _sdn,
    "sanctions": _advanced,
    "export": _eu,
}
_FORMATS = {"kml": "kml", "sdnlist": "xml", "sanctions": "xml", "export": "xml"}
