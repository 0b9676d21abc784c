// Puts the parts together: list, selection, slider, tables, deep links, print.

const byId = (id) => document.getElementById(id);
let view = null;

// --- what is selected ---------------------------------------------------------------------------------------------
function subjectOf(kind, row) {
  if (kind === "trip") return { kind, row, v: row.v, gaps: row.g.map((g) => gaps[g]), calls: row.c.map((c) => calls[c]), times: [row.dark_start_utc, row.dark_end_utc] };
  if (kind === "gap") return { kind, row, v: row.v, gaps: [row], calls: [], times: [] };
  if (kind === "call") return { kind, row, v: row.v, gaps: [], calls: [row], times: [] };
  return { kind: "none", row: null, v: null, gaps: [], calls: [], times: [] };
}
function wholeSpan() {
  let low = Infinity, high = -Infinity;
  const see = (t) => { if (t !== null && t !== undefined) { low = Math.min(low, t); high = Math.max(high, t); } };
  vessels.forEach((v) => { see(v.first_heard_utc); see(v.last_heard_utc); });
  sightings.forEach((s) => { see(s.start_utc); see(s.end_utc); });
  gaps.forEach((g) => { see(g.start_utc); see(g.end_utc); });
  return low < high ? [low, high] : low === high ? [low - 12 * HOUR, high + 12 * HOUR] : null;
}
const span = wholeSpan();

function makeView(kind, row) {
  const made = subjectOf(kind, row), times = [...made.times];
  made.gaps.forEach((g) => times.push(g.start_utc, g.end_utc ?? span[1]));
  made.calls.forEach((c) => times.push(c.arrival_not_after_utc, c.departure_not_before_utc));
  const known = times.filter((t) => t !== null && t !== undefined);
  if (known.length) {
    const low = Math.min(...known), high = Math.max(...known), pad = Math.max(10 * HOUR, (high - low) * 0.14);
    [made.t0, made.t1] = [low - pad, high + pad];
  } else [made.t0, made.t1] = span || [0, HOUR];
  made.own = new Set(made.calls.flatMap((c) => c.s));
  made.sightings = sightings.filter((s) => made.own.has(s.i) || (s.end_utc >= made.t0 && s.start_utc <= made.t1));
  return made;
}

function frame(made) {
  const points = [];
  made.gaps.forEach((g) => { points.push([g.start_lat_deg, g.start_lon_deg]); if (g.end_lat_deg !== null) points.push([g.end_lat_deg, g.end_lon_deg]); });
  made.sightings.filter((s) => made.own.has(s.i)).forEach((s) => { const at = placeOf(s); if (at) points.push(at); });
  if (made.kind === "trip") points.push(darkPort.at);
  if (made.kind === "call" && portById.has(made.row.port)) points.push(portById.get(made.row.port).at);
  (fullTracks.get(made.v) || []).forEach((piece) => piece.forEach((p) => { if (p[2] >= made.t0 && p[2] <= made.t1) points.push([p[0], p[1]]); }));
  if (!points.length) {
    const seen = [...fullTracks.values(), ...contextTracks.values()].flat(2).map((p) => [p[0], p[1]]);
    points.push(...(seen.length ? seen : ports.filter((p) => p.role !== "alternative").map((p) => p.at)));
    sightings.forEach((s) => { const at = placeOf(s); if (at) points.push(at); });
  }
  const box = L.latLngBounds(points);
  const fit = (right) => map.fitBounds(box.isValid() ? box : [[darkPort.at[0] - 1, darkPort.at[1] - 1], [darkPort.at[0] + 1, darkPort.at[1] + 1]], { paddingTopLeft: [70, 100], paddingBottomRight: [right, 70], maxZoom: 10, animate: false });
  fit(50);
  const key = boxOnMap("legend"), size = map.getSize();
  const covered = key !== null && made.kind !== "none" && points.some((p) => { const q = map.latLngToContainerPoint(p); return q.x > key[0] - 10 && q.y > key[1] - 10; });
  if (covered && size.x - (key[2] - key[0]) > 380) fit(key[2] - key[0] + 30);
}

function select(kind, row, { focus = false } = {}) {
  stop();
  view = makeView(kind, row);
  const card = byId("card");
  card.replaceChildren(...flat(kind === "trip" ? tripCard(row) : kind === "gap" ? gapCard(row) : kind === "call" ? callCard(row) : emptyCard()));
  card.scrollTop = 0;
  document.querySelectorAll(".trip").forEach((b) => b.setAttribute("aria-current", kind === "trip" && Number(b.dataset.i) === row.i));
  drawTimeline(view);
  map.invalidateSize({ animate: false, pan: false });
  frame(view);
  drawSubject(view);
  const longest = view.gaps.length ? view.gaps.reduce((a, b) => ((b.duration_h ?? 1e9) > (a.duration_h ?? 1e9) ? b : a)) : null;
  setMoment(longest ? firstTelling(longest) : view.t0);
  if (focus) card.focus({ preventScroll: true });
}
/** A moment early in the silence at which the edge of reach runs through the map, so that it shows what the hatching means. */
function firstTelling(gap) {
  const bounds = map.getBounds(), speed = speedOf(gap), longest = (gap.end_utc ?? view.t1) - gap.start_utc;
  if (!speed) return gap.start_utc + longest * 0.3;
  const half = distanceNm([bounds.getSouth(), bounds.getWest()], [bounds.getNorth(), bounds.getEast()]) / 2;
  return gap.start_utc + Math.min(longest * 0.3, (half * 0.55 * HOUR) / speed);
}
const flat = (nodes) => nodes.flat(4).filter((n) => n !== null && n !== undefined && n !== false);
function link(kind, id) {
  const hash = "#" + kind + "=" + encodeURIComponent(id);
  if (location.hash === hash) follow(); else location.hash = hash;
}
function follow({ focus = true } = {}) {
  const [, kind, raw] = /^#(trip|gap|call)=(.*)$/.exec(location.hash) || [];
  if (!kind) return false;
  let id;
  try { id = decodeURIComponent(raw); } catch { return false; }
  const [table, key] = { trip: [trips, "trip_id"], gap: [gaps, "gap_id"], call: [calls, "call_id"] }[kind];
  const row = table.find((r) => r[key] === id);
  if (!row) { byId("trip-count").textContent = "The link names a " + kind + " that is not in this report."; return false; }
  select(kind, row, { focus });
  return true;
}

// --- the slider -----------------------------------------------------------------------------------------------------
const slider = byId("moment"), playButton = byId("play");
let timer = null;
function setMoment(moment) {
  const share = (moment - view.t0) / (view.t1 - view.t0);
  slider.value = Math.round(share * 1000);
  showMoment(moment);
}
function showMoment(moment) {
  byId("moment-text").textContent = when(moment) + " UTC";
  slider.setAttribute("aria-valuetext", when(moment) + " UTC");
  byId("readout").textContent = drawMoment(view, moment);
  drawCursor(moment);
}
slider.addEventListener("input", () => { stop(); showMoment(view.t0 + (slider.value / 1000) * (view.t1 - view.t0)); });
function stop() {
  if (timer !== null) clearInterval(timer);
  timer = null;
  playButton.textContent = "Play";
  playButton.setAttribute("aria-pressed", "false");
}
playButton.addEventListener("click", () => {
  if (timer !== null) { stop(); return; }
  if (Number(slider.value) >= 1000) slider.value = 0;
  playButton.textContent = "Pause";
  playButton.setAttribute("aria-pressed", "true");
  timer = setInterval(() => {
    slider.value = Number(slider.value) + 4;
    showMoment(view.t0 + (slider.value / 1000) * (view.t1 - view.t0));
    if (Number(slider.value) >= 1000) stop();
  }, 80);
});

// --- the list of trips -------------------------------------------------------------------------------------------
const ranked = [...trips].sort((a, b) => Number(b.is_flagged) - Number(a.is_flagged) || (b.p_trip ?? -1) - (a.p_trip ?? -1) || (a.dark_start_utc ?? 0) - (b.dark_start_utc ?? 0) || a.i - b.i);
function listTrips() {
  const tiers = new Set([...document.querySelectorAll("input[name=tier]:checked")].map((b) => b.value));
  const wanted = byId("trip-text").value.trim().toLowerCase(), flaggedOnly = byId("only-flagged").checked;
  const fits = ranked.filter((t) => tiers.has(t.tier) && (!flaggedOnly || t.is_flagged) &&
    (!wanted || [t.vessel_name, t.mmsi, t.imo, t.trip_id, portName(t.origin_port), portName(t.dark_port), portName(t.destination_port)].some((x) => x !== null && x !== undefined && String(x).toLowerCase().includes(wanted))));
  byId("trip-count").textContent = trips.length ? fits.length + " of " + plural(trips.length, "trip") + ", " + fits.filter((t) => t.is_flagged).length + " flagged" : "No trips in this run.";
  byId("trip-list").replaceChildren(...fits.map((t) => el("li", {}, el("button", { type: "button", class: "trip" + (t.is_flagged ? " flagged" : ""), "data-i": t.i, "aria-current": String(view !== null && view.row === t), on: { click: () => link("trip", t.trip_id) } },
    el("span", { class: "top" }, el("strong", {}, shipTitle(t)), el("span", { class: "p" + (t.p_trip === null ? " unknown" : "") }, percent(t.p_trip))),
    el("span", { class: "sub" }, voyage(t)),
    el("span", { class: "sub" }, tripTime(t) + " · " + words(t.tier) + (t.is_flagged ? " · flagged" : ""))))));
}
function tripTime(t) {
  if (t.dark_start_utc !== null) return day(t.dark_start_utc) + (t.dark_end_utc !== null ? ", " + hours((t.dark_end_utc - t.dark_start_utc) / HOUR) + " not heard" : ", still not heard");
  const at = t.c.map((c) => calls[c]), call = at.find((c) => c.port === t.dark_port) ?? at[0];
  if (!call) return "no dates";
  const [first, last] = [call.arrival_not_after_utc, call.departure_not_before_utc];
  // One sighting with a date alone is one unknown instant: its window then ends after it "begins", and the day is what is known.
  return last <= first ? "seen " + day((first + last) / 2) : "seen " + day(first) + " to " + day(last);
}
document.querySelectorAll("input[name=tier]").forEach((b) => { b.nextElementSibling.textContent = trips.filter((t) => t.tier === b.value).length; });
document.querySelectorAll(".filters input").forEach((b) => b.addEventListener("input", listTrips));
byId("trip-list").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const buttons = [...document.querySelectorAll(".trip")], next = buttons[buttons.indexOf(document.activeElement) + step];
  if (next) { event.preventDefault(); next.focus(); }
});

// --- tables: found, sorted and turned page by page ------------------------------------------------------------------
function table(holder, rows, columns, file) {
  const state = { page: 0, by: null, down: false, text: "" };
  let size = 20;
  const body = el("tbody"), said = el("span", { role: "status" });
  const find = el("input", { type: "search", "aria-label": "Find in this table", placeholder: "find", autocomplete: "off", on: { input: () => { state.text = find.value.trim().toLowerCase(); state.page = 0; draw(); } } });
  const back = el("button", { type: "button", on: { click: () => { state.page--; draw(); } } }, "Previous"), on = el("button", { type: "button", on: { click: () => { state.page++; draw(); } } }, "Next");
  const heads = columns.map((c) => el("th", { scope: "col", class: c.num ? "num" : null }, el("button", { type: "button", on: { click: () => { state.down = state.by === c ? !state.down : false; state.by = c; state.page = 0; draw(); } } }, c.head)));
  const searchable = rows.map((row) => columns.map((c) => c.key(row)).filter((v) => v !== null && v !== undefined).join(" ").toLowerCase());
  function draw() {
    let found = rows.filter((row, k) => !state.text || searchable[k].includes(state.text));
    if (state.by) {
      const key = state.by.key, turn = state.down ? -1 : 1;
      const missing = (v) => v === null || v === undefined || v === "";
      found = [...found].sort((a, b) => { const x = key(a), y = key(b); if (missing(x) || missing(y)) return Number(missing(x)) - Number(missing(y)); return (x < y ? -1 : x > y ? 1 : 0) * turn; });
    }
    const last = Math.max(0, Math.ceil(found.length / size) - 1);
    state.page = Math.min(Math.max(0, state.page), last);
    const part = found.slice(state.page * size, (state.page + 1) * size);
    body.replaceChildren(...part.map((row) => el("tr", {}, columns.map((c) => el("td", { class: c.num ? "num" : c.time ? "time-cell" : null }, c.show ? c.show(row) : name(c.key(row) ?? ""))))));
    said.textContent = found.length ? "rows " + (state.page * size + 1) + " to " + (state.page * size + part.length) + " of " + found.length + (found.length < rows.length ? " found (" + rows.length + " in all)" : "") + "; all in " + file : "nothing found";
    back.disabled = state.page === 0;
    on.disabled = state.page === last;
    heads.forEach((h, k) => h.setAttribute("aria-sort", columns[k] === state.by ? (state.down ? "descending" : "ascending") : "none"));
  }
  if (!rows.length) { holder.replaceChildren(el("p", { class: "none" }, "None in this run.")); return; }
  holder.replaceChildren(el("div", { class: "tools" }, find, back, on, said), el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, heads)), body)));
  draw();
  window.addEventListener("beforeprint", () => { size = PRINT_ROWS; draw(); });
  window.addEventListener("afterprint", () => { size = 20; draw(); });
}
const PRINT_ROWS = 200;
const time = (head, column) => ({ head, time: true, key: (r) => r[column], show: (r) => (r[column] === null ? "" : when(r[column])) });
const number = (head, column, digits) => ({ head, num: true, key: (r) => r[column], show: (r) => fixed(r[column], digits) });
const goes = (kind, id, head, said) => ({ head, key: (r) => said(r), show: (r) => el("button", { type: "button", on: { click: () => { link(kind, r[id]); byId("map").scrollIntoView({ block: "center" }); } } }, name(said(r))) });

table(byId("calls-table"), [...calls].sort((a, b) => a.arrival_not_after_utc - b.arrival_not_after_utc || a.i - b.i), [
  goes("call", "call_id", "Port", (r) => portName(r.port)),
  time("Arrived after", "arrival_not_before_utc"), time("Seen first", "arrival_not_after_utc"), time("Seen last", "departure_not_before_utc"), time("Left before", "departure_not_after_utc"),
  number("Sightings", "n_sightings", 0), number("Length m", "length_m", 0), { head: "Kind", key: (r) => r.kind },
  { head: "Ship", key: (r) => r.vessel_name || r.vessel_key }, { head: "p", num: true, key: (r) => r.p_vessel, show: (r) => percent(r.p_vessel) },
], "port_calls.parquet");
table(byId("gaps-table"), [...gaps].sort((a, b) => a.start_utc - b.start_utc || a.i - b.i), [
  goes("gap", "gap_id", "Ship", (r) => r.vessel_name || r.vessel_key), { head: "MMSI", num: true, key: (r) => r.mmsi }, time("Last heard", "start_utc"),
  { head: "Next heard", time: true, key: (r) => r.end_utc, show: (r) => (r.end_utc === null ? "open" : when(r.end_utc)) }, number("Hours", "duration_h", 1),
  { head: "From", key: (r) => portName(r.start_port) }, { head: "To", key: (r) => portName(r.end_port) },
  { head: "Off, at least", num: true, key: (r) => r.p_off, show: (r) => (r.state === "void" ? "void" : percent(r.p_off)) }, number("Should be heard h", "expected_heard", 1),
  { head: "In reach of " + darkPort.name, key: (r) => (data.gaps.reach[r.i] ? data.gaps.reach[r.i][0] : "") },
], "gaps.parquet");
table(byId("vessels-table"), [...vessels].sort((a, b) => b.n_trips - a.n_trips || b.n_gaps - a.n_gaps || a.i - b.i), [
  { head: "Ship", key: (r) => r.vessel_name || r.vessel_key }, { head: "MMSI", num: true, key: (r) => r.mmsi }, { head: "IMO", num: true, key: (r) => r.imo },
  number("Length m", "length_m", 0), number("Top speed kn", "fastest_kn", 1), time("First heard", "first_heard_utc"), time("Last heard", "last_heard_utc"),
  number("Silences", "n_gaps", 0), number("Flagged trips", "n_trips", 0), { head: "Lists", key: (r) => r.watch_list_hits.join("; ") }, { head: "Destinations sent", key: (r) => r.destinations.slice(0, 3).join("; ") + (r.destinations.length > 3 ? " and " + (r.destinations.length - 3) + " more" : "") }, { head: "Note", key: (r) => r.identity_note },
], "vessels.parquet");

// --- print: every flagged trip gets its card on paper ----------------------------------------------------------------
window.addEventListener("beforeprint", () => {
  stop();
  byId("print-cards").replaceChildren(...ranked.filter((t) => t.is_flagged && !(view && view.row === t)).map((t) => el("article", { class: "print-card" }, tripCard(t))));
  document.querySelectorAll("details").forEach((d) => { if (!d.closest("#provenance-section")) d.open = true; });
  redrawAs(true);
});
window.addEventListener("afterprint", () => { byId("print-cards").replaceChildren(); redrawAs(false); });
function redrawAs(printing) {
  document.body.classList.toggle("printing", printing);
  map.invalidateSize({ animate: false, pan: false });
  frame(view);
  showMoment(view.t0 + (slider.value / 1000) * (view.t1 - view.t0));
  // The canvases wait for the next frame, which on paper never comes.
  Object.values(canvas).forEach((c) => { if (c._ctx) c._redraw(); });
}

// --- begin -----------------------------------------------------------------------------------------------------------
map.setView(darkPort.at, 7, { animate: false });
drawLegend();
listTrips();
window.addEventListener("hashchange", () => follow());
if (!follow({ focus: false })) ranked.length ? select("trip", ranked[0]) : select("none", null);
map.on("moveend zoomend", () => { drawGraticule(); placeLabels(); });
map.fire("moveend");
document.querySelector(".time").hidden = !span;
let resized = null;
new ResizeObserver(() => { clearTimeout(resized); resized = setTimeout(() => { map.invalidateSize({ animate: false }); drawTimeline(view); drawCursor(view.t0 + (slider.value / 1000) * (view.t1 - view.t0)); }, 60); }).observe(byId("timeline"));
