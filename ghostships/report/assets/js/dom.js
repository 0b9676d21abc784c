// Elements, records and wording. Text from the tables only ever becomes a text node.

const data = JSON.parse(document.getElementById("data").textContent);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
/** Untrusted text, kept from turning the words around it. */
const name = (text) => el("bdi", {}, text);

/** Column-wise JSON to one object per row; `i` is the row number that other rows point to. */
function records(table) {
  const names = Object.keys(table.columns);
  // A column whose texts come again and again holds each once, and a number per row.
  for (const column of names) { const c = table.columns[column]; if (!Array.isArray(c)) table.columns[column] = c.at.map((k) => c.of[k]); }
  return Array.from({ length: table.n }, (_, i) => {
    const row = { i };
    for (const column of names) row[column] = table.columns[column][i];
    return row;
  });
}
const vessels = records(data.vessels);
const gaps = records(data.gaps);
const calls = records(data.calls);
const sightings = records(data.sightings);
const trips = records(data.trips);
const findings = records(data.identities);
const ports = data.route.ports;
const darkPort = ports[data.route.dark];
const portById = new Map(ports.map((p) => [p.id, p]));
const callOf = new Map(calls.flatMap((call) => call.s.map((s) => [s, call])));

const HOUR = 3600;
const TIERS = { seen: "seen in pictures", inferred: "inferred, no picture", pictures_only: "pictures only", unattributed: "unattributed" };
const KINDS = { vessel: "Ship seen", absent: "No ship seen", containers: "Containers seen", ais: "AIS position, as published" };

function when(seconds, { seconds: withSeconds = false } = {}) {
  if (seconds === null || seconds === undefined) return "unknown";
  return new Date(seconds * 1000).toISOString().slice(0, withSeconds ? 19 : 16).replace("T", " ");
}
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
function day(seconds) {
  const at = new Date(seconds * 1000);
  return at.getUTCDate() + " " + MONTHS[at.getUTCMonth()];
}
const years = new Set([...sightings, ...gaps].map((r) => new Date(r.start_utc * 1000).getUTCFullYear()));
/** With the year where the run has more than one. */
const dated = (seconds) => day(seconds) + (years.size > 1 ? " " + new Date(seconds * 1000).getUTCFullYear() : "");
function window_(start, end) {
  if (start === end) return when(start) + " UTC";
  return "some time between " + when(start) + " and " + when(end) + " UTC";
}
function percent(p) {
  if (p === null || p === undefined) return "cannot say";
  if (p > 0.99) return "over 99 %";
  if (p < 0.01) return "under 1 %";
  return Math.round(p * 100) + " %";
}
function hours(h) {
  if (h === null || h === undefined) return "unknown";
  const size = Math.abs(h);
  return size < 100 ? h.toFixed(size < 10 ? 1 : 0) + " h" : (h / 24).toFixed(1) + " days";
}
const fixed = (value, digits) => (value === null || value === undefined ? "" : value.toFixed(digits));
const signed = (bits, digits = 3) => (bits < 0 ? "−" : "+") + Math.abs(bits).toFixed(digits);
const words = (identifier) => identifier.replace(/_/g, " ");
const plural = (n, one, many) => n + " " + (n === 1 ? one : many || one + "s");
function portName(id) {
  if (!id) return null;
  return id.split("|").map((part) => (portById.has(part) ? portById.get(part).name : part)).join(" or ");
}

/** "file, row, SHA-256 prefix" of a `prefix:row` reference. */
function citation(reference) {
  if (!reference) return null;
  const [, prefix, row] = /^([0-9a-f]{6,64}):(\d+)$/.exec(reference) || [];
  if (!prefix) return el("code", {}, name(reference));
  const file = data.files.find(([sha]) => sha.startsWith(prefix) || prefix.startsWith(sha));
  return el("span", {}, file ? [name(file[1]), ", "] : null, "row " + row + ", SHA-256 ", el("code", {}, prefix), "…");
}

function shipTitle(subject) {
  if (subject.vessel_name) return name(subject.vessel_name);
  if (subject.vessel_key) return name(subject.vessel_key);
  return "Ship not known";
}
/** What a link can name, by which id. An id from outside is cut like a name, and two may then look alike: a click goes by row. */
const IDS = { trip: "trip_id", gap: "gap_id", call: "call_id", sighting: "sighting_id", vessel: "vessel_key" };
const hashOf = (kind, row) => "#" + kind + "=" + encodeURIComponent(row[IDS[kind]]);
const goTo = (kind, row, ...said) => el("a", { href: hashOf(kind, row), on: { click: (event) => { if (!event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); link(kind, row); } } } }, ...said);

/** Where it came from and went to, with the silence named as one. */
function voyage(trip) {
  const parts = [trip.origin_port ? portName(trip.origin_port) : "last port unknown", portName(trip.dark_port) + "?",
    trip.destination_port ? portName(trip.destination_port) : "next port unknown"];
  return el("span", {}, name(parts[0]), " → ", name(parts[1]), " → ", name(parts[2]));
}
