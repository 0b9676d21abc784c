// The list of trips: what is in it, in which order, and how the keyboard moves in it.

const byId = (id) => document.getElementById(id);

const ranked = [...trips].sort((a, b) => Number(b.is_flagged) - Number(a.is_flagged) || (b.p_trip ?? -1) - (a.p_trip ?? -1) || (a.dark_start_utc ?? 0) - (b.dark_start_utc ?? 0) || a.i - b.i);
const rankOf = new Map(ranked.map((t, k) => [t, k]));

/** When a trip was, as far as anything says: the silence, else the call as seen; null where nothing does. */
function timeOf(t) {
  if (t.dark_start_utc !== null) return [t.dark_start_utc, t.dark_end_utc ?? Infinity];
  const own = t.c.map((c) => calls[c]), call = own.find((c) => c.port === t.dark_port) ?? own[0];
  return call ? [Math.min(call.arrival_not_after_utc, call.departure_not_before_utc), Math.max(call.arrival_not_after_utc, call.departure_not_before_utc)] : null;
}
const times = new Map(trips.map((t) => [t, timeOf(t)]));
const firstTime = (t) => (times.get(t) ? times.get(t)[0] : null);
const silenceOf = (t) => (t.dark_start_utc === null ? null : (t.dark_end_utc ?? Infinity) - t.dark_start_utc);

/** Unknown always last, whichever way the rest goes. */
const order = (key, turn) => (a, b) => {
  const x = key(a), y = key(b);
  if (x === null || y === null) return Number(x === null) - Number(y === null) || rankOf.get(a) - rankOf.get(b);
  return (x < y ? -1 : x > y ? 1 : 0) * turn || rankOf.get(a) - rankOf.get(b);
};
const ORDERS = {
  rank: (a, b) => rankOf.get(a) - rankOf.get(b),
  p: order((t) => t.p_trip, -1),
  first: order(firstTime, 1),
  last: order(firstTime, -1),
  ship: order((t) => (t.vessel_name || t.vessel_key || null), 1),
  silence: order(silenceOf, -1),
};

// Ships by number, never by name: a name from outside is no key.
const shipOf = (t) => (t.v !== null ? "v" + t.v : t.vessel_name ? "n" + t.vessel_name : "?");
const ships = new Map();
ranked.forEach((t) => { const key = shipOf(t); if (!ships.has(key)) ships.set(key, { said: t.vessel_name || t.vessel_key || "ship not known", n: 0 }); ships.get(key).n++; });
const shipKeys = [...ships.keys()].sort((a, b) => Number(a === "?") - Number(b === "?") || (ships.get(a).said < ships.get(b).said ? -1 : 1));
byId("trip-ship").append(...shipKeys.map((key, k) => el("option", { value: k }, ships.get(key).said + " (" + ships.get(key).n + ")")));

function dayOf(id, offset) {
  const at = Date.parse(byId(id).value + "T00:00:00Z");
  return Number.isNaN(at) ? null : at / 1000 + offset;
}
function listTrips() {
  const tiers = new Set([...document.querySelectorAll("input[name=tier]:checked")].map((b) => b.value));
  const wanted = byId("trip-text").value.trim().toLowerCase(), flaggedOnly = byId("only-flagged").checked;
  const ship = byId("trip-ship").value === "" ? null : shipKeys[Number(byId("trip-ship").value)];
  const from = dayOf("trip-from", 0), to = dayOf("trip-to", 24 * HOUR);
  const fits = ranked.filter((t) => tiers.has(t.tier) && (!flaggedOnly || t.is_flagged) && (ship === null || shipOf(t) === ship) &&
    ((from === null && to === null) || (times.get(t) !== null && (from === null || times.get(t)[1] >= from) && (to === null || times.get(t)[0] < to))) &&
    (!wanted || [t.vessel_name, t.mmsi, t.imo, t.trip_id, portName(t.origin_port), portName(t.dark_port), portName(t.destination_port)].some((x) => x !== null && x !== undefined && String(x).toLowerCase().includes(wanted))));
  fits.sort(ORDERS[byId("trip-sort").value]);
  const narrowed = [ship !== null, from !== null, to !== null].filter(Boolean).length;
  byId("narrowed").textContent = narrowed ? " (" + narrowed + " set)" : "";
  byId("trip-count").textContent = trips.length ? fits.length + " of " + plural(trips.length, "trip") + ", " + fits.filter((t) => t.is_flagged).length + " flagged" : "No trips in this run.";
  byId("trip-list").replaceChildren(...fits.map((t) => el("li", {}, el("button", { type: "button", class: "trip" + (t.is_flagged ? " flagged" : ""), "data-i": t.i, "aria-current": String(view !== null && view.kind === "trip" && view.row === t), on: { click: () => link("trip", t) } },
    el("span", { class: "top" }, el("strong", {}, shipTitle(t)), el("span", { class: "p" + (t.p_trip === null ? " unknown" : "") }, percent(t.p_trip))),
    el("span", { class: "sub" }, voyage(t)),
    el("span", { class: "sub last" }, el("span", {}, tripTime(t)), el("span", { class: "tags" }, words(t.tier) + (t.is_flagged ? ", flagged" : "")))))));
}
function tripTime(t) {
  if (t.dark_start_utc !== null) return dated(t.dark_start_utc) + (t.dark_end_utc !== null ? ", " + hours((t.dark_end_utc - t.dark_start_utc) / HOUR) + " silent" : ", still silent");
  if (times.get(t) === null) return "no dates";
  const at = t.c.map((c) => calls[c]), call = at.find((c) => c.port === t.dark_port) ?? at[0];
  const [first, last] = [call.arrival_not_after_utc, call.departure_not_before_utc];
  // One sighting with a date alone is one unknown instant: its window then ends after it "begins", and the day is what is known.
  return last <= first ? "seen " + dated((first + last) / 2) : day(first) === day(last) ? "seen " + dated(first) : "seen " + day(first) + " to " + dated(last);
}
document.querySelectorAll("input[name=tier]").forEach((b) => { b.parentElement.querySelector(".n").textContent = trips.filter((t) => t.tier === b.value).length; });
document.querySelectorAll(".filters input, .filters select, #trip-sort").forEach((b) => b.addEventListener("input", listTrips));
byId("trip-clear").addEventListener("click", () => {
  ["trip-text", "trip-ship", "trip-from", "trip-to"].forEach((id) => { byId(id).value = ""; });
  document.querySelectorAll("input[name=tier]").forEach((b) => { b.checked = true; });
  byId("only-flagged").checked = false;
  listTrips();
});
byId("trip-list").addEventListener("keydown", (event) => {
  const buttons = [...document.querySelectorAll(".trip")], now = buttons.indexOf(document.activeElement);
  const next = { ArrowDown: buttons[now + 1], ArrowUp: buttons[now - 1], Home: buttons[0], End: buttons[buttons.length - 1] }[event.key];
  if (next) { event.preventDefault(); next.focus(); }
});
