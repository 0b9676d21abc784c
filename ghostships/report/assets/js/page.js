// Puts the parts together: list, selection, slider, tables, deep links, print.

let view = null, isMapReady = false;

// --- what is selected ---------------------------------------------------------------------------------------------
function subjectOf(kind, row) {
  if (kind === "trip") return { kind, row, v: row.v, gaps: row.g.map((g) => gaps[g]), calls: row.c.map((c) => calls[c]), times: [row.dark_start_utc, row.dark_end_utc] };
  if (kind === "gap") return { kind, row, v: row.v, gaps: [row], calls: [], times: [] };
  if (kind === "call") return { kind, row, v: row.v, gaps: [], calls: [row], times: [] };
  if (kind === "sighting") return { kind, row, v: null, gaps: [], calls: callOf.has(row.i) ? [callOf.get(row.i)] : [], times: [row.start_utc, row.end_utc], own: [row.i] };
  if (kind === "vessel") return { kind, row, v: row.i, gaps: [], calls: [], times: [row.first_heard_utc, row.last_heard_utc] };
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
  const made = subjectOf(kind, row), at = [...made.times];
  made.gaps.forEach((g) => at.push(g.start_utc, g.end_utc ?? span[1]));
  made.calls.forEach((c) => at.push(c.arrival_not_after_utc, c.departure_not_before_utc));
  const known = at.filter((t) => t !== null && t !== undefined);
  if (known.length) {
    const low = Math.min(...known), high = Math.max(...known), pad = Math.max(10 * HOUR, (high - low) * 0.14);
    [made.t0, made.t1] = [low - pad, high + pad];
  } else [made.t0, made.t1] = span || [0, HOUR];
  made.own = new Set(made.own || made.calls.flatMap((c) => c.s));
  made.sightings = sightings.filter((s) => made.own.has(s.i) || (s.end_utc >= made.t0 && s.start_utc <= made.t1));
  return made;
}

function frame(made) {
  const points = [];
  made.gaps.forEach((g) => { points.push([g.start_lat_deg, g.start_lon_deg]); if (g.end_lat_deg !== null) points.push([g.end_lat_deg, g.end_lon_deg]); });
  made.sightings.filter((s) => made.own.has(s.i)).forEach((s) => { const at = placeOf(s); if (at) points.push(at); });
  if (made.kind === "trip") points.push(darkPort.at);
  if (made.kind === "call" && portById.has(made.row.port)) points.push(portById.get(made.row.port).at);
  tracksOf(made.v).forEach((piece) => piece.forEach((p) => { if (p[2] >= made.t0 && p[2] <= made.t1) points.push([p[0], p[1]]); }));
  if (!points.length) {
    points.push(...ports.filter((p) => p.role !== "alternative").map((p) => p.at));
    sightings.forEach((s) => { const at = placeOf(s); if (at) points.push(at); });
  }
  const box = L.latLngBounds(points);
  const fit = (right) => map.fitBounds(box.isValid() ? box : [[darkPort.at[0] - 1, darkPort.at[1] - 1], [darkPort.at[0] + 1, darkPort.at[1] + 1]], { paddingTopLeft: [70, 100], paddingBottomRight: [right, 70], maxZoom: 10, animate: false });
  fit(50);
  const key = boxOnMap("legend"), size = map.getSize();
  const covered = key !== null && made.kind !== "none" && points.some((p) => { const q = map.latLngToContainerPoint(p); return q.x > key[0] - 10 && q.y > key[1] - 10; });
  if (covered && size.x - (key[2] - key[0]) > 380) fit(key[2] - key[0] + 30);
}

const CARDS = { trip: tripCard, gap: gapCard, call: callCard, sighting: sightingCard, vessel: vesselCard, none: emptyCard };
function select(kind, row, { focus = false } = {}) {
  stop();
  view = makeView(kind, row);
  const card = byId("card");
  card.replaceChildren(...flat(CARDS[kind](row)));
  card.scrollTop = 0;
  document.querySelectorAll(".trip").forEach((b) => b.setAttribute("aria-current", kind === "trip" && Number(b.dataset.i) === row.i));
  keepInView(document.querySelector(".trip[aria-current=true]"));
  drawTimeline(view);
  if (isMapReady) showOnMap(); else setMoment(view.t0);
  if (focus) card.focus({ preventScroll: true });
}
/** Scrolls the list, never the page. */
function keepInView(item) {
  if (!item) return;
  const list = byId("trip-list"), box = item.getBoundingClientRect(), at = list.getBoundingClientRect();
  if (box.top < at.top) list.scrollTop += box.top - at.top - 4;
  else if (box.bottom > at.bottom) list.scrollTop += box.bottom - at.bottom + 4;
}
/** The selection on the map, once coast and tracks are unpacked. */
function showOnMap() {
  map.invalidateSize({ animate: false, pan: false });
  frame(view);
  drawSubject(view);
  const longest = view.gaps.length ? view.gaps.reduce((a, b) => ((b.duration_h ?? 1e9) > (a.duration_h ?? 1e9) ? b : a)) : null;
  setMoment(longest ? firstTelling(longest) : view.t0);
}
/** A moment early in the silence at which the edge of reach runs through the map, so that it shows what the hatching means. */
function firstTelling(gap) {
  const bounds = map.getBounds(), speed = speedOf(gap), longest = (gap.end_utc ?? view.t1) - gap.start_utc;
  if (!speed) return gap.start_utc + longest * 0.3;
  const half = distanceNm([bounds.getSouth(), bounds.getWest()], [bounds.getNorth(), bounds.getEast()]) / 2;
  return gap.start_utc + Math.min(longest * 0.3, (half * 0.55 * HOUR) / speed);
}
const flat = (nodes) => nodes.flat(4).filter((n) => n !== null && n !== undefined && n !== false);
function link(kind, row) {
  select(kind, row, { focus: true });
  // The address follows; it changes nothing by itself, so that a click opens the row that was clicked. A viewer may forbid it.
  try { history.pushState(null, "", hashOf(kind, row)); } catch { /* the page works without an address */ }
}
function follow({ focus = true } = {}) {
  const [, kind, raw] = /^#(trip|gap|call|sighting|vessel)=(.*)$/.exec(location.hash) || [];
  if (!kind) return false;
  let id;
  try { id = decodeURIComponent(raw); } catch { return false; }
  const table = { trip: trips, gap: gaps, call: calls, sighting: sightings, vessel: vessels }[kind], key = IDS[kind];
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
  if (isMapReady) byId("readout").textContent = drawMoment(view, moment);
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
  isPaper = printing;
  map.invalidateSize({ animate: false, pan: false });
  drawTimeline(view);
  if (!isMapReady) return;
  frame(view);
  drawLand();
  drawSubject(view);
  drawGraticule();
  showMoment(view.t0 + (slider.value / 1000) * (view.t1 - view.t0));
}

// --- begin -----------------------------------------------------------------------------------------------------------
/** The first screen fills the window below the banner and the head, whatever their height. */
function fit() { document.documentElement.style.setProperty("--top", Math.round(document.querySelector(".stage").getBoundingClientRect().top + window.scrollY) + "px"); }
/** What can be scrolled sideways can be scrolled with the keyboard, and says what it is; what fits is no stop on the way. */
function reachScrolled() {
  document.querySelectorAll(".scroll").forEach((box) => {
    const heading = box.closest("section") && box.closest("section").querySelector("h2"), is = box.scrollWidth > box.clientWidth;
    for (const [name_, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", (heading ? heading.textContent : "Table") + ", scrolls sideways"]]) is ? box.setAttribute(name_, value) : box.removeAttribute(name_);
  });
}
fit();
window.addEventListener("resize", () => { fit(); reachScrolled(); });
document.querySelectorAll("#below details").forEach((d) => d.addEventListener("toggle", reachScrolled));
map.setView(darkPort.at, 7, { animate: false });
listTrips();
window.addEventListener("hashchange", () => follow());
document.querySelector(".time").hidden = !span;
if (!follow({ focus: false })) ranked.length ? select("trip", ranked[0]) : select("none", null);
unpacking.then((trouble) => {
  isMapReady = true;
  drawLand();
  drawLegend();
  showOnMap();
  map.on("moveend zoomend", () => { drawGraticule(); placeLabels(); });
  map.fire("moveend");
  if (trouble) byId("readout").textContent = trouble;
  reachScrolled();
  document.body.dataset.ready = "";
  performance.mark("ghostships-ready");
});
let resized = null;
new ResizeObserver(() => { clearTimeout(resized); resized = setTimeout(() => { map.invalidateSize({ animate: false }); drawTimeline(view); drawCursor(view.t0 + (slider.value / 1000) * (view.t1 - view.t0)); }, 60); }).observe(byId("timeline"));
