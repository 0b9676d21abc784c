// The map: land, ports, context, and what belongs to the selected trip or silence.

const COLOURS = { ais: "#0072b2", gap: "#c04a00", vessel: "#8b2e73", containers: "#00704f", absent: "#3b4650", aisSeen: "#0072b2" };

/** One shape per kind of sighting, so that nothing hangs on colour alone. */
function symbol(kind, { strong = true, size = 18 } = {}) {
  const shape = {
    vessel: () => svg("path", { d: "M9 1 17 9 9 17 1 9Z", fill: COLOURS.vessel }),
    absent: () => [svg("circle", { cx: 9, cy: 9, r: 6.5, fill: "#fff", stroke: COLOURS.absent, "stroke-width": 2 }), svg("path", { d: "M4.5 13.5 13.5 4.5", stroke: COLOURS.absent, "stroke-width": 2 })],
    containers: () => [svg("rect", { x: 2.5, y: 4, width: 13, height: 10, fill: "#fff", stroke: COLOURS.containers, "stroke-width": 2.4 }), svg("path", { d: "M7 4V14M11 4V14", stroke: COLOURS.containers, "stroke-width": 1.6 })],
    ais: () => svg("path", { d: "M9 2 16.5 15.5H1.5Z", fill: COLOURS.aisSeen }),
    scene_ship: () => svg("path", { d: "M9 1 17 9 9 17 1 9Z", fill: COLOURS.vessel }),
    scene_none: () => svg("path", { d: "M9 2 16 9 9 16 2 9Z", fill: "#fff", stroke: COLOURS.absent, "stroke-width": 1.8 }),
    scene_cloud: () => svg("path", { d: "M9 2 16 9 9 16 2 9Z", fill: "#e3e7eb", stroke: COLOURS.absent, "stroke-width": 1.4, "stroke-dasharray": "2.2 2" }),
  }[kind];
  return svg("svg", { viewBox: "0 0 18 18", width: size, height: size, "aria-hidden": "true", opacity: strong ? 1 : 0.55 }, shape());
}

const isStill = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const map = L.map("map", { zoomAnimation: !isStill, fadeAnimation: !isStill, markerZoomAnimation: !isStill, inertia: !isStill, zoomSnap: 0.25, wheelPxPerZoomLevel: 90, attributionControl: false, zoomControl: false, maxZoom: 15, minZoom: 2, worldCopyJump: false });
L.control.zoom({ position: "topleft" }).addTo(map);
for (const [pane, level] of [["reach", 240], ["land", 250], ["grat", 255], ["context", 300], ["labels", 640]]) map.createPane(pane).style.zIndex = level;
map.getPane("labels").style.pointerEvents = "none";
const canvas = { land: L.canvas({ pane: "land", padding: 0.3 }), context: L.canvas({ pane: "context", padding: 0.3 }) };
// On paper lines stay lines: a canvas becomes a picture there, and not every reader of PDF paints it.
const onPaper = { land: L.svg({ pane: "land", padding: 0.02 }), context: L.svg({ pane: "context", padding: 0.02 }) };
let isPaper = false;
const painter = (pane) => (isPaper ? onPaper : canvas)[pane];
const reachSvg = L.svg({ pane: "reach", padding: 0.6 });

const landLayer = L.layerGroup().addTo(map);
function drawLand() {
  landLayer.clearLayers();
  coast.forEach((rings) => L.polygon(rings, {
    renderer: painter("land"), pane: "land", interactive: false, color: "#9b8f70", weight: 0.7, fillColor: "#f4f0e4", fillOpacity: 1, smoothFactor: 0.6,
  }).addTo(landLayer));
}

const contextLayer = L.layerGroup().addTo(map), trafficLayer = L.layerGroup().addTo(map);
const CONTEXT_DRAWN = 40000;
const tracksOf = (v) => fullTracks.get(v) || contextTracks.get(v) || [];
function eachOther(except, run) {
  fullTracks.forEach((pieces, v) => { if (v !== except) run(pieces); });
  contextTracks.forEach((pieces, v) => { if (v !== except && !fullTracks.has(v)) run(pieces); });
}
/** Who else was heard in the time shown. Over a long time every so many points do: it is context, and it must stay smooth. */
function drawContext(view) {
  contextLayer.clearLayers();
  const lines = [];
  let n = 0;
  eachOther(view.v, (pieces) => pieces.forEach((piece) => {
    if (piece.length < 2 || piece[piece.length - 1][2] < view.t0 || piece[0][2] > view.t1) return;
    const near = piece.filter((p) => p[2] >= view.t0 && p[2] <= view.t1);
    if (near.length > 1) { lines.push(near); n += near.length; }
  }));
  const every = Math.ceil(n / CONTEXT_DRAWN), drawn = lines.map((line) => line.filter((_, k) => k % every === 0 || k === line.length - 1).map((p) => [p[0], p[1]]));
  const crowd = Math.max(0.16, 0.42 - n / 60000);
  if (drawn.length) L.polyline(drawn, { renderer: painter("context"), pane: "context", interactive: false, color: "#4b6072", weight: 0.7, opacity: crowd, smoothFactor: 1.5 }).addTo(contextLayer);
}
/** The other ships at one moment, where they were heard before and after it. */
function drawTraffic(view, moment) {
  trafficLayer.clearLayers();
  if (!data.timed) return;
  const bounds = map.getBounds().pad(0.1);
  eachOther(view.v, (pieces) => {
    const at = placeAt(pieces, moment);
    if (at && bounds.contains(at)) L.circleMarker(at, { renderer: painter("context"), pane: "context", interactive: false, radius: 2.3, stroke: false, fillColor: "#3d5163", fillOpacity: 0.75 }).addTo(trafficLayer);
  });
}

// Labels: the first of four places that is free, or none; a label over a label helps nobody.
let labels = [], obstacles = [];
const pen = document.createElement("canvas").getContext("2d"), family = getComputedStyle(document.body).fontFamily;
function widthOf(label) {
  pen.font = (label.cls === "" || label.cls === "minor" ? "400 " : "700 ") + (label.cls === "minor" ? 11 : 12) + "px " + family;
  return pen.measureText(label.text).width + 4;
}
const labelLayer = L.layerGroup().addTo(map);
const portLabels = ports.map((p) => ({ id: p.id, at: p.at, text: p.name + (p.country ? " (" + p.country + ")" : ""), cls: p.role === "dark" ? "dark" : p.role === "alternative" ? "minor" : "", rank: p.role === "dark" ? 0 : p.role === "counterpart" ? 3 : 4, gap: 8 }));
/** Where the key or the read-out covers the map: left, top, right, bottom [pixels of the map]. */
function boxOnMap(id) {
  const box = document.getElementById(id).getBoundingClientRect(), at = map.getContainer().getBoundingClientRect();
  return box.width ? [box.left - at.left, box.top - at.top, box.right - at.left, box.bottom - at.top] : null;
}
function placeLabels() {
  labelLayer.clearLayers();
  const size = map.getSize(), taken = [boxOnMap("legend"), boxOnMap("readout")].filter(Boolean);
  obstacles.forEach(([at, r]) => { const p = map.latLngToContainerPoint(at); taken.push([p.x - r, p.y - r, p.x + r, p.y + r]); });
  const hits = (r) => taken.some((t) => r[0] < t[2] && r[2] > t[0] && r[1] < t[3] && r[3] > t[1]);
  [...labels].sort((a, b) => a.rank - b.rank).forEach((label) => {
    const at = map.latLngToContainerPoint(label.at), wide = widthOf(label), gap = label.gap;
    if (at.x < -20 || at.y < -20 || at.x > size.x + 20 || at.y > size.y + 20) return;
    const spots = [[gap, -7], [-gap - wide, -7], [-wide / 2, -gap - 15], [-wide / 2, gap], [gap, -gap - 14], [gap, gap], [-gap - wide, -gap - 14], [-gap - wide, gap]];
    if (label.rank <= 2) spots.push([-wide / 2, -gap - 32], [-wide / 2, gap + 18], [gap, -gap - 31], [gap, gap + 17], [-gap - wide, gap + 17], [-gap - wide, -gap - 31]);
    for (const [dx, dy] of spots) {
      const box = [at.x + dx, at.y + dy, at.x + dx + wide, at.y + dy + 14];
      if (box[0] < 2 || box[2] > size.x - 2 || box[1] < 2 || box[3] > size.y - 2 || hits(box)) continue;
      taken.push(box);
      const text = el("span", { class: "lab " + label.cls }, label.text);
      text.style.left = dx + "px";
      text.style.top = dy + "px";
      L.marker(label.at, { pane: "labels", interactive: false, keyboard: false, icon: L.divIcon({ className: "", html: el("div", { "aria-hidden": "true" }, text), iconSize: [0, 0] }) }).addTo(labelLayer);
      break;
    }
  });
}

ports.forEach((p) => {
  L.circle(p.at, { radius: p.radius_km * 1000, color: "#55626f", weight: 0.8, dashArray: "2 3", fill: false, interactive: false }).addTo(map);
  const box = el("div", {}, svg("svg", { viewBox: "0 0 10 10", width: 10, height: 10 }, svg("rect", { x: 1, y: 1, width: 8, height: 8, fill: p.role === "dark" ? "#16212c" : "#fff", stroke: "#16212c", "stroke-width": 2 })));
  const marker = L.marker(p.at, { icon: L.divIcon({ className: "sym", html: box, iconSize: [10, 10] }), keyboard: false });
  marker.on("add", () => { marker.getElement().dataset.port = p.id; });
  marker.bindTooltip(el("span", {}, name(p.name), p.role === "dark" ? ", the dark port" : ", " + p.role + " port")).addTo(map);
});

const gratLayer = L.layerGroup().addTo(map);
function drawGraticule() {
  gratLayer.clearLayers();
  const b = map.getBounds(), size = map.getSize();
  const step = [20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02].find((s) => (b.getEast() - b.getWest()) / s > 4.5) || 0.01;
  const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
  const put = (at, text, anchor) => L.marker(at, { pane: "labels", interactive: false, keyboard: false, icon: L.divIcon({ className: "grat", html: el("span", { "aria-hidden": "true" }, text), iconSize: [50, 12], iconAnchor: anchor }) }).addTo(gratLayer);
  const line = (points) => L.polyline(points, { renderer: painter("context"), pane: "context", interactive: false, color: "#8496a6", weight: 0.5, opacity: 0.55 }).addTo(gratLayer);
  for (let k = Math.ceil(b.getWest() / step); k * step < b.getEast(); k++) {
    line([[b.getSouth(), k * step], [b.getNorth(), k * step]]);
    const x = map.latLngToContainerPoint([b.getNorth(), k * step]).x;
    if (x > 60 && x < size.x - 50) put([b.getNorth(), k * step], Math.abs(k * step).toFixed(digits) + "°" + (k < 0 ? "W" : "E"), [-3, -3]);
  }
  for (let k = Math.ceil(b.getSouth() / step); k * step < b.getNorth(); k++) {
    line([[k * step, b.getWest()], [k * step, b.getEast()]]);
    const y = map.latLngToContainerPoint([k * step, b.getWest()]).y;
    if (y > 90 && y < size.y - 30) put([k * step, b.getWest()], Math.abs(k * step).toFixed(digits) + "°" + (k < 0 ? "S" : "N"), [-5, 13]);
  }
}
const MilesControl = L.Control.extend({
  onAdd() { this.bar = el("div", { class: "scale", role: "img", "aria-label": "Scale" }); map.on("moveend zoomend", this.draw, this); return this.bar; },
  draw() {
    const y = map.getSize().y - 30;
    const perPixel = distanceNm(...[0, 100].map((x) => { const p = map.containerPointToLatLng([x, y]); return [p.lat, p.lng]; })) / 100;
    const nm = [1000, 500, 200, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1].find((n) => n / perPixel < 120) || 0.05;
    this.bar.style.width = nm / perPixel + "px";
    this.bar.textContent = nm + " nm";
    this.bar.setAttribute("aria-label", "Scale: the bar is " + nm + " nautical miles");
  },
});
new MilesControl({ position: "bottomleft" }).addTo(map);

const subjectLayer = L.layerGroup().addTo(map), reachLayer = L.layerGroup().addTo(map), shipLayer = L.layerGroup().addTo(map);

function placeOf(sighting) {
  if (sighting.lat_deg !== null) return [sighting.lat_deg, sighting.lon_deg];
  const known = (sighting.port || "").split("|").map((p) => portById.get(p)).filter(Boolean);
  return known.length ? known[0].at : null;
}
/** Symbols side by side where kinds share a place; same kind and place is one symbol with a count. */
function drawSightings(shown, own) {
  const groups = new Map();
  shown.forEach((s) => {
    const at = placeOf(s);
    if (!at) return;
    const key = at.map((v) => Math.round(v * 70)).join() + s.observation_type;
    if (!groups.has(key)) groups.set(key, { at, kind: s.observation_type, all: [] });
    groups.get(key).all.push(s);
  });
  const shift = { vessel: [9, 9], containers: [-4, 9], absent: [22, 9], ais: [9, 24] };
  groups.forEach(({ at, kind, all }) => {
    const mine = all.some((s) => own.has(s.i)), box = el("div", {}, symbol(kind, { strong: mine || !own.size }));
    const list = all.slice(0, 8).map((s) => el("div", {}, when(s.start_utc).slice(0, s.start_utc === s.end_utc ? 16 : 10), s.length_m ? ", " + s.length_m + " m" : "", ", ", name(s.source)));
    const marker = L.marker(at, { icon: L.divIcon({ className: "sym", html: box, iconSize: [18, 18], iconAnchor: shift[kind] }), keyboard: true });
    // Leaflet makes it a button of the keyboard; only an image would get a name from it.
    marker.on("add", () => marker.getElement().setAttribute("aria-label", KINDS[kind] + (all.length > 1 ? ", " + all.length : "") + ", " + when(all[0].start_utc).slice(0, 10)));
    const open = () => link("sighting", all.find((s) => own.has(s.i)) || all[0]);
    marker.on("click", open).on("keypress", (event) => { if (event.originalEvent.key === "Enter") open(); });
    marker.bindTooltip(el("div", {}, el("strong", {}, KINDS[kind] + (all.length > 1 ? " ×" + all.length : "")), list, all.length > 8 ? el("div", {}, "and " + (all.length - 8) + " more") : null))
      .addTo(subjectLayer);
    if (mine) obstacles.push([at, 9]);
    if (mine && kind === "vessel") {
      const ours = all.filter((s) => own.has(s.i)), lengths = ours.filter((s) => s.length_m).map((s) => Math.round(s.length_m));
      labels.push({ at, text: "Ship seen" + (ours.length > 1 ? " ×" + ours.length : "") + (lengths.length ? ", " + [...new Set(lengths)].slice(0, 2).join(" and ") + " m" : ""), cls: "saw", rank: 1, gap: 24 });
    }
  });
}

function drawSubject(view) {
  subjectLayer.clearLayers();
  const ends = view.kind === "trip" ? [view.row.origin_port, view.row.destination_port] : [];
  labels = portLabels.map((label) => (ends.includes(label.id) ? { ...label, rank: 1.5 } : label));
  obstacles = ports.map((p) => [p.at, 5]);
  drawContext(view);
  const inside = [], outside = [];
  tracksOf(view.v).forEach((piece) => {
    const near = piece.filter((p) => p[2] >= view.t0 && p[2] <= view.t1);
    if (near.length > 1) inside.push(near);
    if (piece.length > 1) outside.push(piece);
  });
  if (outside.length) L.polyline(outside, { color: COLOURS.ais, weight: 1, opacity: 0.45, interactive: false, smoothFactor: 1 }).addTo(subjectLayer);
  if (inside.length) L.polyline(inside, { color: COLOURS.ais, weight: 3, opacity: 0.95, interactive: false, smoothFactor: 0.8 }).addTo(subjectLayer);
  view.gaps.forEach((gap) => {
    const a = [gap.start_lat_deg, gap.start_lon_deg], b = gap.end_lat_deg === null ? null : [gap.end_lat_deg, gap.end_lon_deg];
    const dot = (at, said) => L.circleMarker(at, { radius: 5.5, color: COLOURS.gap, weight: 2.5, fillColor: "#fff", fillOpacity: 1 }).bindTooltip(said).addTo(subjectLayer);
    if (b) L.polyline([a, b], { color: COLOURS.gap, weight: 2.4, dashArray: "7 5", interactive: false }).addTo(subjectLayer);
    dot(a, "last heard " + when(gap.start_utc) + " UTC");
    obstacles.push([a, 7]);
    if (b) obstacles.push([b, 7], ...Array.from({ length: 19 }, (_, k) => [[a[0] + ((b[0] - a[0]) * (k + 1)) / 20, a[1] + ((b[1] - a[1]) * (k + 1)) / 20], 2]));
    labels.push({ at: a, text: "last heard " + day(gap.start_utc) + when(gap.start_utc).slice(10), cls: "off", rank: 2, gap: 9 });
    if (b) {
      dot(b, "next heard " + when(gap.end_utc) + " UTC");
      labels.push({ at: b, text: "next heard " + day(gap.end_utc) + when(gap.end_utc).slice(10), cls: "off", rank: 2, gap: 9 });
      labels.push({ at: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], text: "straight line, not a path", cls: "off", rank: 5, gap: 4 });
      const speed = speedOf(gap), limit = speed ? ellipse(a, b, ((gap.end_utc - gap.start_utc) / HOUR) * speed) : null;
      if (limit) L.polygon(limit, { color: "#a57c00", weight: 1.6, dashArray: "1 5", lineCap: "round", fill: false, interactive: false }).addTo(subjectLayer);
    }
  });
  drawSightings(view.sightings, view.own);
  placeLabels();
}
function speedOf(gap) {
  if (gap.reach_fastest_kn) return gap.reach_fastest_kn;
  const ship = gap.v === null ? null : vessels[gap.v];
  return ship && ship.fastest_kn ? ship.fastest_kn : null;
}
function hatch() {
  const root = reachSvg._container;
  if (!root || root.querySelector("pattern")) return;
  root.insertBefore(svg("defs", {}, svg("pattern", { id: "hatch", width: 9, height: 9, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { width: 9, height: 9, fill: "#b9c4cf", "fill-opacity": 0.55 }), svg("path", { d: "M0 0V9", stroke: "#6d7f90", "stroke-width": 1.3, "stroke-opacity": 0.75 }))), root.firstChild);
}
const WORLD = [[-85, -720], [-85, 720], [85, 720], [85, -720]];

/** The slider's moment: hatch what is out of reach, or show the ship where it was heard. Returns the sentence beside the map. */
function drawMoment(view, moment) {
  reachLayer.clearLayers();
  shipLayer.clearLayers();
  drawTraffic(view, moment);
  const gap = view.gaps.find((g) => moment >= g.start_utc && (g.end_utc === null || moment <= g.end_utc));
  if (!gap) {
    const at = placeAt(tracksOf(view.v), moment);
    if (!at) return "";
    L.circleMarker(at, { radius: 6, color: "#fff", weight: 2, fillColor: COLOURS.ais, fillOpacity: 1, interactive: false }).addTo(shipLayer);
    return "Heard: the ship is drawn between two kept positions.";
  }
  const speed = speedOf(gap);
  if (!speed) return "Not heard. Top speed unknown, so the page cannot say what was in reach.";
  const reach = reachAt(gap, speed, moment);
  const where = reach.radii.map((r, i) => Math.round(r) + " nm from the " + (i ? "next" : "last") + " place heard");
  if (reach.outside) return "Not heard. The two places lie too far apart for " + speed.toFixed(1) + " kn: check for two hulls, false positions or a wrong top speed.";
  if (reach.unlimited) return "Not heard. At " + speed.toFixed(1) + " kn everywhere on this map was in reach.";
  L.polygon([WORLD, reach.ring], { renderer: reachSvg, pane: "reach", interactive: false, stroke: true, color: "#55677a", weight: 1.2, fillColor: "url(#hatch)", fillOpacity: 1, smoothFactor: 0.5 }).addTo(reachLayer);
  hatch();
  const bounds = map.getBounds(), corners = [bounds.getNorthWest(), bounds.getNorthEast(), bounds.getSouthEast(), bounds.getSouthWest()];
  const all = corners.every((c) => distanceNm([c.lat, c.lng], [gap.start_lat_deg, gap.start_lon_deg]) <= reach.radii[0] && (reach.radii.length < 2 || distanceNm([c.lat, c.lng], [gap.end_lat_deg, gap.end_lon_deg]) <= reach.radii[1]));
  return (all ? "Not heard. All of this part of the map was in reach at " : "Not heard. Hatched: out of reach at ") + speed.toFixed(1) + " kn, at most " + where.join(" and ") + "; great circles, land ignored.";
}

/** The key names what this page draws and nothing else. */
function drawLegend() {
  const line = (attributes) => svg("svg", { width: 30, height: 14, "aria-hidden": "true" }, svg("path", { d: "M1 7H29", fill: "none", ...attributes }));
  const items = [], small = (mark) => svg("svg", { width: 30, height: 15, "aria-hidden": "true" }, (mark.setAttribute("x", 7), mark));
  if (fullTracks.size || contextTracks.size) {
    items.push([line({ stroke: COLOURS.ais, "stroke-width": 3 }), "AIS track of the selected ship"]);
    items.push([svg("svg", { width: 30, height: 14, "aria-hidden": "true" }, svg("path", { d: "M1 7H29", stroke: "#4b6072", "stroke-width": 0.8 }), data.timed ? svg("circle", { cx: 15, cy: 7, r: 2.3, fill: "#3d5163" }) : null), data.timed ? "Other ships heard in this time, at this moment" : "Other ships heard in this time"]);
  }
  if (gaps.length) items.push(
    [line({ stroke: COLOURS.gap, "stroke-width": 2.4, "stroke-dasharray": "7 5" }), "Silence: straight line, not a path"],
    [svg("svg", { width: 30, height: 14, "aria-hidden": "true" }, svg("rect", { x: 1, y: 1, width: 28, height: 12, fill: "#b9c4cf", "fill-opacity": 0.6, stroke: "#55677a" }), svg("path", { d: "M4 13 14 1M13 13 23 1M22 13 29 4", stroke: "#6d7f90" })), "Out of reach at this moment"],
    [line({ stroke: "#a57c00", "stroke-width": 2, "stroke-dasharray": "1 5", "stroke-linecap": "round" }), "Limit of reach over the whole silence"]);
  ["vessel", "absent", "containers", "ais"].filter((k) => sightings.some((s) => s.observation_type === k)).forEach((k) => items.push([small(symbol(k, { size: 15 })), KINDS[k]]));
  if (data.scenes.length) items.push([small(symbol("scene_none", { size: 13 })), "Looked, no ship reported (timeline)"]);
  if (data.scenes.some((s) => s[4] < CLOUDED)) items.push([small(symbol("scene_cloud", { size: 13 })), "Looked, mostly cloud (timeline)"]);
  document.querySelector("#legend ul").replaceChildren(...items.map(([mark, said]) => el("li", {}, mark, said)));
  document.getElementById("legend").hidden = !items.length;
  document.getElementById("legend").open = map.getSize().x > 620;
}
