"""What kind of list a file is: which publisher's shape, told from its columns or its items, and with which option it is given.

A shape is data, not code: its columns, where their meaning was read, and the names that its columns have beyond the usual ones.
A list that has none of these shapes is read by the names of its columns alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from ghostships.readers import records
from ghostships.readers.records import Records

Role = Literal["context", "scenes", "sightings", "vessels"]
Aliases = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Shape:
    """One publisher's kind of list.

    `kind` is that of its items (`entries.Record.kind`); where it is empty, the file must have all columns of one of `needs`.
    `is_search` : its pictures are what a catalogue offers, not what anybody looked at. `source` : where the shape was read.
    """

    name: str
    title: str
    role: Role
    publisher: str
    source: str
    kind: str = ""
    needs: tuple[frozenset[str], ...] = ()
    aliases: Aliases = field(default_factory=dict)
    is_search: bool = False


def _needs(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(one.split()) for one in sets)


_OFAC_SPEC = "https://ofac.treasury.gov/media/29976 (dat_spec.txt)"

SHAPES: tuple[Shape, ...] = (
    Shape(
        "gfw-events",
        "Global Fishing Watch events (API v3): gap events and port visits",
        "context",
        "Global Fishing Watch",
        "https://globalfishingwatch.org/our-apis/documentation; models of GlobalFishingWatch/gfw-api-python-client",
        kind="gfw-events",
    ),
    Shape(
        "gfw-disabling",
        "Global Fishing Watch gap events as a table: AIS disabling events of Welch et al. 2022, or the gaps of its pipeline",
        "context",
        "Global Fishing Watch",
        "https://doi.org/10.1126/sciadv.abq2109; GlobalFishingWatch/paper-ais-disabling, GlobalFishingWatch/pipe-gaps",
        needs=_needs(
            "gap_id mmsi gap_start_timestamp gap_start_lat gap_start_lon",
            "gap_id ssvid gap_start",
            "gap_id gap_ssvid gap_start",
        ),
        aliases={
            "publisher_id": ("gap_id",),
            "mmsi": ("ssvid", "gap_ssvid"),
            "start_utc": ("gap_start_timestamp", "gap_start"),
            "end_utc": ("gap_end_timestamp", "gap_end"),
            "lat_deg": ("gap_start_lat", "off_lat"),
            "lon_deg": ("gap_start_lon", "off_lon"),
        },
    ),
    Shape(
        "marinetraffic-moves",
        "MarineTraffic port calls: one row per arrival or departure",
        "context",
        "MarineTraffic",
        "https://servicedocs.marinetraffic.com (EV01, port calls)",
        needs=_needs("move_type timestamp_utc port_name", "move_type timestamp_lt port_name"),
        aliases={"move": ("move_type",), "move_utc": ("timestamp_utc",), "place": ("port_name",)},
    ),
    Shape(
        "marinetraffic-calls",
        "MarineTraffic port calls: one row per call",
        "context",
        "MarineTraffic",
        "https://servicedocs.marinetraffic.com (port calls)",
        needs=_needs("port_name arrival departure"),
        aliases={
            "publisher_id": ("portcall_id",),
            "place": ("port_name",),
            "start_utc": ("arrival",),
            "end_utc": ("departure",),
        },
    ),
    Shape(
        "vesselfinder-moves",
        "VesselFinder port calls: one row per arrival or departure",
        "context",
        "VesselFinder",
        "https://api.vesselfinder.com/docs/response-portcall.html",
        needs=_needs("mmsi event timestamp locode", "mmsi event timestamp port"),
        aliases={"move": ("event",), "move_utc": ("timestamp",), "place": ("port",)},
    ),
    Shape(
        "kpler-calls",
        "Kpler port calls: one row per stay at an installation",
        "context",
        "Kpler",
        "kpler.sdk, resource port-calls: its columns by id or by name",
        needs=_needs(
            "vessel_name installation_name start end",
            "vessel installation start end",
            "vessel_name location_name start end",
            "vessel zone start end",
            "vessel_name zone start end",
        ),
        aliases={
            "vessel_name": ("vessel",),
            "imo": ("vessel_imo", "imo_number"),
            "mmsi": ("vessel_mmsi",),
            "place": ("installation_name", "installation", "location_name", "port_name", "zone_name", "zone"),
            "start_utc": ("start",),
            "end_utc": ("end",),
            "expected_utc": ("eta",),
        },
    ),
    Shape(
        "stac",
        "STAC items: pictures that a catalogue offers",
        "scenes",
        "STAC catalogue",
        "https://github.com/radiantearth/stac-spec (item, common metadata), stac-extensions/eo",
        kind="stac",
        aliases={"scene_id": ("id",)},
        is_search=True,
    ),
    Shape(
        "copernicus-odata",
        "Copernicus Data Space search result (OData): pictures that the catalogue offers",
        "scenes",
        "Copernicus Data Space",
        "https://documentation.dataspace.copernicus.eu/APIs/OData.html",
        kind="odata",
        is_search=True,
    ),
    Shape(
        "copernicus-resto",
        "Copernicus search result (OpenSearch, GeoJSON): pictures that the catalogue offers",
        "scenes",
        "Copernicus Data Space",
        "https://documentation.dataspace.copernicus.eu/APIs/OpenSearch.html",
        kind="resto",
        is_search=True,
    ),
    Shape(
        "planet",
        "Planet search result: pictures that the catalogue offers",
        "scenes",
        "Planet",
        "https://developers.planet.com/docs/apis/data/items/ (item properties; cloud_cover is a share)",
        kind="planet",
        aliases={"scene_id": ("id",), "start_utc": ("acquired",), "cloud_fraction": ("cloud_cover",)},
        is_search=True,
    ),
    Shape(
        "ofac-sdn",
        "OFAC list as CSV (sdn.csv, cons_prim.csv)",
        "vessels",
        "OFAC",
        _OFAC_SPEC,
        kind="ofac-sdn",
    ),
    Shape(
        "ofac-sdn-xml",
        "OFAC list as XML (sdn.xml, consolidated.xml)",
        "vessels",
        "OFAC",
        _OFAC_SPEC,
        kind="ofac-sdn-xml",
        aliases={"list": ("programs",)},
    ),
    Shape(
        "ofac-advanced-xml",
        "OFAC list as advanced XML (sdn_advanced.xml, cons_advanced.xml): with the day of each listing",
        "vessels",
        "OFAC",
        "https://ofac.treasury.gov/sanctions-list-service (advanced data format)",
        kind="ofac-advanced-xml",
        aliases={"list": ("programs",), "since": ("listing_date",)},
    ),
    Shape(
        "ofac-csl",
        "Consolidated Screening List of the US trade administration",
        "vessels",
        "US CSL",
        "https://www.trade.gov/consolidated-screening-list",
        needs=_needs("source_list entity_number sdn_type programs", "source entity_number type programs name"),
        aliases={
            "kind": ("sdn_type", "type"),
            "list": ("programs",),
            "list_name": ("source_list", "source"),
            "identifiers": ("remarks_notes", "remarks", "ids"),
            "since": ("start_date", "effective_date"),
        },
    ),
    Shape(
        "eu-fsf",
        "EU consolidated list of financial sanctions as CSV",
        "vessels",
        "EU FSF",
        "https://webgate.ec.europa.eu/fsd/fsf (csvFullSanctionsList_1_1): `;`, one row per name or number of an entity",
        needs=_needs("entity_logicalid namealias_wholename"),
        aliases={
            "group": ("entity_logicalid",),
            "name": ("namealias_wholename",),
            "kind": ("entity_subjecttype_classificationcode", "entity_subjecttype"),
            "list": ("entity_regulation_programme", "programme"),
            "since": ("entity_designationdate",),
            "also_since": ("entity_regulation_publicationdate", "entity_regulation_entryintoforcedate"),
            "edition": ("filegenerationdate",),
            "number": ("identification_number",),
            "number_kind": ("identification_typecode",),
            "remark": ("entity_remark",),
        },
    ),
    Shape(
        "eu-fsf-xml",
        "EU consolidated list of financial sanctions as XML",
        "vessels",
        "EU FSF",
        "https://webgate.ec.europa.eu/fsd/fsf (xmlFullSanctionsList_1_1)",
        kind="eu-fsf-xml",
        aliases={"list": ("programs",), "since": ("listing_date",)},
    ),
    Shape(
        "eu-annex",
        "EU list of vessels under the port-access ban (Regulation 833/2014, Annex XLII) as a table",
        "vessels",
        "EU",
        "https://dma.dk (EU vessel designations); the annex itself: name, IMO number, reason, date of application",
        needs=_needs(
            "vessel_name imo_number date_of_application",
            "vessel_name imo date_of_application",
            "name imo_number date_of_application",
            "name imo date_of_application",
            "name_of_vessel imo_number date_of_application",
            "ship_name imo_number date_of_application",
        ),
        aliases={"name": ("name_of_vessel",), "since": ("date_of_application",)},
    ),
    Shape(
        "opensanctions-maritime",
        "OpenSanctions maritime.csv",
        "vessels",
        "OpenSanctions",
        "https://www.opensanctions.org/datasets/maritime/",
        needs=_needs("type caption imo risk datasets"),
        aliases={"kind": ("type",), "risk": ()},
    ),
    Shape(
        "opensanctions-simple",
        "OpenSanctions targets.simple.csv",
        "vessels",
        "OpenSanctions",
        "https://www.opensanctions.org/docs/bulk/csv/",
        needs=_needs("id schema name aliases identifiers dataset first_seen"),
        aliases={"list": ("dataset",), "first_seen": ()},
    ),
    Shape(
        "opensanctions-entities",
        "OpenSanctions entities, one a line (entities.ftm.json, targets.nested.json)",
        "vessels",
        "OpenSanctions",
        "https://www.opensanctions.org/docs/bulk/json/, https://www.opensanctions.org/reference/",
        kind="opensanctions-entities",
        aliases={"list": ("datasets",), "since": ("listing_date",), "first_seen": ()},
    ),
)
BY_NAME: dict[str, Shape] = {shape.name: shape for shape in SHAPES}
BY_KIND: dict[str, Shape] = {shape.kind: shape for shape in SHAPES if shape.kind}


def recognise(found: Records) -> Shape | None:
    """The shape of a list; of several kinds of items that of most, of several sets of columns the one with the most columns."""
    kinds = Counter(record.kind for record in found.rows if record.kind in BY_KIND)
    if kinds:
        return BY_KIND[min(kinds, key=lambda kind: (-kinds[kind], kind))]
    given = {records.key(column) for column in found.columns}
    fitting = [
        (-max(len(needed) for needed in shape.needs if needed <= given), shape.name)
        for shape in SHAPES
        if any(needed <= given for needed in shape.needs)
    ]
    return BY_NAME[min(fitting)[1]] if fitting else None


def why(found: Records, shape: Shape) -> str:
    """One sentence: by what the shape was told."""
    if shape.kind:
        n = sum(record.kind == shape.kind for record in found.rows)
        return f"{n} of {len(found.rows)} items are of this kind"
    given = {records.key(column) for column in found.columns}
    needed = max((n for n in shape.needs if n <= given), key=len)
    return f"has the columns {', '.join(sorted(needed))}"
