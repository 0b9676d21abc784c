// The tables below the map: found, sorted and turned page by page.

function table(holder, rows, columns, file) {
  const state = { page: 0, by: null, down: false, text: "" };
  let size = 20;
  const body = el("tbody"), said = el("span", { role: "status" });
  const find = el("input", { type: "search", "aria-label": "Find in this table", placeholder: "find", autocomplete: "off", on: { input: () => { state.text = find.value.trim().toLowerCase(); state.page = 0; draw(); } } });
  const back = el("button", { type: "button", on: { click: () => { state.page--; draw(); } } }, "Previous"), on = el("button", { type: "button", on: { click: () => { state.page++; draw(); } } }, "Next");
  const heads = columns.map((c) => el("th", { scope: "col", class: c.num ? "num" : null, "data-head": c.head }, el("button", { type: "button", on: { click: () => { state.down = state.by === c ? !state.down : false; state.by = c; state.page = 0; draw(); } } }, c.head)));
  // Made when somebody searches: most tables are only looked at.
  let searchable = null;
  function draw() {
    if (state.text && !searchable) searchable = rows.map((row) => columns.map((c) => c.key(row)).filter((v) => v !== null && v !== undefined).join(" ").toLowerCase());
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
const goes = (kind, head, said) => ({ head, key: (r) => said(r), show: (r) => el("button", { type: "button", on: { click: () => { link(kind, r); byId("map").scrollIntoView({ block: "center" }); } } }, name(said(r))) });

table(byId("calls-table"), [...calls].sort((a, b) => a.arrival_not_after_utc - b.arrival_not_after_utc || a.i - b.i), [
  goes("call", "Port", (r) => portName(r.port)),
  time("Arrived after", "arrival_not_before_utc"), time("Arrived by", "arrival_not_after_utc"), time("Left not before", "departure_not_before_utc"), time("Left before", "departure_not_after_utc"),
  number("Sightings", "n_sightings", 0), number("Length, m", "length_m", 0), { head: "Kind", key: (r) => r.kind },
  { head: "Ship", key: (r) => r.vessel_name || (r.v === null ? null : vessels[r.v].vessel_name) || r.vessel_key }, { head: "p", num: true, key: (r) => r.p_vessel, show: (r) => percent(r.p_vessel) },
], "port_calls.parquet");
table(byId("gaps-table"), [...gaps].sort((a, b) => a.start_utc - b.start_utc || a.i - b.i), [
  goes("gap", "Ship", (r) => r.vessel_name || r.vessel_key), { head: "MMSI", num: true, key: (r) => r.mmsi }, time("Last heard", "start_utc"),
  { head: "Next heard", time: true, key: (r) => r.end_utc, show: (r) => (r.end_utc === null ? "open" : when(r.end_utc)) }, number("Hours", "duration_h", 1),
  { head: "From", key: (r) => portName(r.start_port) }, { head: "To", key: (r) => portName(r.end_port) },
  { head: "Off, at least", num: true, key: (r) => r.p_off, show: (r) => (r.state === "void" ? "void" : percent(r.p_off)) }, number("Should be heard, h", "expected_heard", 1),
  { head: "In reach of " + darkPort.name, key: (r) => r.reach },
], "gaps.parquet");
table(byId("vessels-table"), [...vessels].sort((a, b) => b.n_trips - a.n_trips || b.n_gaps - a.n_gaps || a.i - b.i), [
  goes("vessel", "Ship", (r) => r.vessel_name || r.vessel_key), { head: "MMSI", num: true, key: (r) => r.mmsi }, { head: "IMO", num: true, key: (r) => r.imo },
  number("Length, m", "length_m", 0), number("Top speed, kn", "fastest_kn", 1), time("First heard", "first_heard_utc"), time("Last heard", "last_heard_utc"),
  number("Silences", "n_gaps", 0), number("Flagged trips", "n_trips", 0), { head: "Lists", key: (r) => r.watch_list_hits.join("; ") }, { head: "Destinations sent", key: (r) => r.destinations.slice(0, 3).join("; ") + (r.destinations.length > 3 ? " and " + (r.destinations.length - 3) + " more" : "") }, { head: "Note", key: (r) => r.identity_note },
], "vessels.parquet");
table(byId("identities-table"), [...findings].sort((a, b) => a.start_utc - b.start_utc || a.i - b.i), [
  { head: "What", key: (r) => FINDINGS[r.kind] },
  { head: "Ships", key: (r) => r.ships.map(([v, key]) => (v === null ? key : vessels[v].vessel_name || key)).join(", "), show: (r) => [
    r.ships.slice(0, 6).map(([v, key], i) => [i ? ", " : "", v === null ? name(key) : goTo("vessel", vessels[v], name(vessels[v].vessel_name || key))]),
    r.ships.length > 6 ? " and " + (r.ships.length - 6) + " more" : "", r.n_ships > r.ships.length ? " (" + r.n_ships + " in all)" : ""] },
  time("From", "start_utc"), time("To", "end_utc"),
  { head: "p", num: true, key: (r) => r.p, show: (r) => (r.kind === "same_ship_other_mmsi" ? percent(r.p) : "") },
  { head: "Why", key: (r) => r.because },
  { head: "Rests on", key: (r) => r.sources.join(" "), show: (r) => [r.sources.length ? citation(r.sources[0]) : "", r.sources.length > 1 ? el("div", { class: "quiet" }, "and " + plural(r.sources.length - 1, "row") + " more") : null] },
], "identities.parquet");
/** A row of ours, by its id as the table gives it. */
function ours(id) {
  if (!id) return null;
  const gap = gaps.find((g) => g.gap_id === id), call = calls.find((c) => c.call_id === id);
  return gap ? goTo("gap", gap, name(id)) : call ? goTo("call", call, name(id)) : name(id);
}
if (data.context) table(byId("context-table"), records(data.context).sort((a, b) => (a.start_utc ?? a.end_utc ?? 0) - (b.start_utc ?? b.end_utc ?? 0) || a.i - b.i), [
  { head: "What", key: (r) => words(r.kind) }, { head: "Publisher", key: (r) => r.publisher },
  { head: "Ship", key: (r) => r.vessel_name || (r.v === null ? null : vessels[r.v].vessel_name) || r.mmsi || r.imo, show: (r) => { const said = String(r.vessel_name || (r.v === null ? null : vessels[r.v].vessel_name) || r.mmsi || r.imo || ""); return r.v === null ? name(said) : goTo("vessel", vessels[r.v], name(said)); } },
  time("From", "start_utc"), time("To", "end_utc"), { head: "Place", key: (r) => r.place || (r.port ? r.port.split(";").map(portName).join(", ") : null) },
  { head: "Agrees with", key: (r) => r.agrees_with, show: (r) => r.kind === "picture" ? "" : [ours(r.agrees_with) || "nothing of ours", r.overlap_h ? ", " + hours(r.overlap_h) + " in common" : "", r.in_gap_id ? [el("div", {}, "falls into the silence ", ours(r.in_gap_id))] : null] },
  { head: "Source", key: (r) => r.source_row, show: (r) => citation(r.source_row) },
], "context.parquet");
