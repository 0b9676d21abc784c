// The evidence card: what it is, how the number adds up, what would break it, and where each piece comes from.

const addUp = (rows) => rows.reduce((sum, row) => sum + Math.round(row[1] * 1000), 0) / 1000;
const fromBits = (bits) => 1 / (1 + Math.pow(2, -Math.max(-30, Math.min(30, bits))));

function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([term, value]) => [el("dt", {}, term), el("dd", {}, value)]));
}

/** Bars start where the one before ended, so that the eye can add them; the dashed line is zero, even odds. */
function waterfall(rows, p) {
  const total = addUp(rows);
  let low = Math.min(0, total), high = Math.max(0, total), at = 0;
  rows.forEach((row) => { at += row[1]; low = Math.min(low, at); high = Math.max(high, at); });
  const wide = 186, x = (bits) => ((bits - low) / (high - low || 1)) * (wide - 4) + 2;
  const zero = (high_) => svg("path", { d: `M${x(0).toFixed(1)} 0V${high_}`, stroke: "#5d6b78", "stroke-dasharray": "2 2" });
  const bar = (from, to, colour) => svg("svg", { viewBox: `0 0 ${wide} 14`, width: wide, height: 14, "aria-hidden": "true" }, zero(14),
    svg("path", { d: `M${x(from).toFixed(1)} 0V14`, stroke: "#c3ccd4", "stroke-width": 0.8 }),
    svg("rect", { x: Math.min(x(from), x(to)), y: 2, width: Math.max(1.2, Math.abs(x(to) - x(from))), height: 10, fill: colour }));
  const step = [0.5, 1, 2, 5, 10, 20].find((s) => ((high - low || 1) / s) * 34 < wide) || 50, ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(k * step);
  const axis = svg("svg", { viewBox: `0 0 ${wide} 16`, width: wide, height: 16, "aria-hidden": "true", class: "axis" }, ticks.map((t) => [svg("path", { d: `M${x(t).toFixed(1)} 12V16`, stroke: "#5d6b78" }),
    svg("text", { x: Math.min(wide - 13, Math.max(13, x(t))), y: 10, "text-anchor": "middle" }, t === 0 ? "0" : signed(t, step < 1 ? 1 : 0))]));
  at = 0;
  const body = rows.map(([factor, bits, because]) => {
    const from = at;
    at += bits;
    return [el("tr", { class: "says" }, el("td", { class: "factor" }, name(words(factor))),
      el("td", { class: "bar" }, bits === 0 ? svg("svg", { viewBox: `0 0 ${wide} 14`, width: wide, height: 14, "aria-hidden": "true" }, zero(14), svg("circle", { cx: x(at), cy: 7, r: 2.2, fill: "#5d6b78" })) : bar(from, at, bits > 0 ? COLOURS.gap : COLOURS.ais)), el("td", { class: "num bits" }, bits === 0 ? "0" : signed(bits))),
    el("tr", {}, el("td", { class: "why u", colspan: 3 }, because))];
  });
  const adds = p === null || Math.abs(fromBits(total) - p) <= 2e-6;
  return el("table", { class: "fall" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Evidence"), el("th", { scope: "col", class: "bar" }, el("span", { class: "ways" }, "less likely ◂ ▸ more likely"), axis), el("th", { scope: "col", class: "num" }, "bits"))),
    el("tbody", {}, body),
    el("tfoot", {}, el("tr", { class: "says" }, el("td", {}, "Total"),
      el("td", { class: "bar" }, p === null ? null : bar(0, total, "#3d4a57")), el("td", { class: "num total" }, p === null ? "cannot say" : signed(total))),
      p === null ? null : el("tr", {}, el("td", { class: "why", colspan: 3 }, "p = 1 / (1 + 2", el("sup", {}, signed(-total)), ") = ", el("span", { class: "p-from-bits" }, fromBits(total).toFixed(6)))),
      adds ? null : el("tr", {}, el("td", { class: "mismatch", colspan: 3 }, "These rows do not add up to the probability in the table (" + p.toFixed(6) + "). Do not use this card; report it as an error."))));
}

function verdict(trip) {
  const flag = data.policy.flag, p = trip.p_trip;
  let said;
  if (p === null) said = trip.tier === "unattributed" ? "A ship was there; the data does not say which." : "The data carries no information on this; no number is given.";
  else if (trip.is_flagged) said = "The evidence is consistent with a call at " + darkPort.name + " that AIS did not show. A reason to look, not a finding.";
  else if (p >= flag) said = "Consistent with a call at " + darkPort.name + "; not flagged, because only trips seen or inferred from AIS are.";
  else said = "Below the flag threshold of " + flag + ". Other explanations are together more probable.";
  const beside = p === null ? null : el("dl", {}, el("dt", {}, "without this ship's other calls"), el("dd", {}, percent(trip.p_trip_without_habit)), el("dt", {}, "without watch lists"), el("dd", {}, percent(trip.p_trip_without_watchlist)));
  return el("div", { class: "verdict" + (trip.is_flagged ? " flagged" : "") }, el("span", { class: "big" + (p === null ? " unknown" : "") }, percent(p)), el("span", {}, said), beside);
}

/** What kept scenarios make of this trip, beside what the tables say. */
function whatIf(trip) {
  if (!trip.scenarios.length) return null;
  const flag = (is) => (is ? "flagged" : "not flagged");
  return [el("h3", {}, "What if? ", plural(trip.scenarios.length, "kept scenario")), el("table", { class: "whatif" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Scenario"), el("th", { scope: "col", class: "num" }, "p"), el("th", { scope: "col" }, "Then"))),
    el("tbody", {}, el("tr", { class: "base" }, el("td", {}, "as published"), el("td", { class: "num" }, percent(trip.p_trip)), el("td", {}, flag(trip.is_flagged))),
      trip.scenarios.map(([n, ways, p, isFlagged, why]) => [
        el("tr", { class: "says" }, el("td", {}, el("a", { href: "#scenarios-section" }, name(data.scenarios[n]))), el("td", { class: "num" }, ways.includes("vanishes") ? "no such trip" : percent(p)), el("td", {}, flag(isFlagged))),
        el("tr", {}, el("td", { class: "why u", colspan: 3 }, ways.join(", ") + (why ? ": " + why : "")))])))];
}

function reachTable(rows) {
  if (!rows.length) return null;
  const order = { feasible: 0, marginal: 1, unknown: 2, impossible: 3 };
  const sorted = [...rows].sort((a, b) => order[a[1]] - order[b[1]] || (b[2] ?? -1e9) - (a[2] ?? -1e9));
  return el("details", {}, el("summary", {}, "Ports that fit the silence: " + sorted.filter((r) => r[1] === "feasible" || r[1] === "marginal").length + " of " + sorted.length),
    el("table", {}, el("thead", {}, el("tr", {}, ["Port", "Verdict", "needs kn", "to spare"].map((h, i) => el("th", { scope: "col", class: i > 1 ? "num" : null }, h)))),
      el("tbody", {}, sorted.map((r) => el("tr", {}, el("td", {}, name(portName(r[0]))), el("td", {}, r[1]), el("td", { class: "num" }, fixed(r[3], 1)), el("td", { class: "num" }, r[2] === null ? "" : hours(r[2])))))));
}

function silence(gap) {
  return [facts([
    ["Last heard", [when(gap.start_utc) + " UTC", gap.start_port ? [", ", name(portName(gap.start_port))] : null]],
    ["Next heard", gap.end_utc === null ? "not by the end of the data" : [when(gap.end_utc) + " UTC", gap.end_port ? [", ", name(portName(gap.end_port))] : null]],
    ["Length", gap.duration_h === null ? "open" : hours(gap.duration_h)],
    ["Between the places", gap.distance_nm !== null ? fixed(gap.distance_nm, 0) + " nm by sea" : gap.distance_gc_nm !== null ? fixed(gap.distance_gc_nm, 0) + " nm great circle; by sea unknown" : null],
    ["Transponder off", gap.state === "void" ? "cannot say: the feed was down, or places are not believed" : gap.p_off === null ? "cannot say" : "at least " + percent(gap.p_off)],
    ["Should have been heard", gap.expected_heard === null ? "cannot say" : "in at least " + fixed(gap.expected_heard, 1) + " hours, even on the quietest course; heard in 0"],
    ["Others heard nearby", plural(gap.n_other_ships_heard, "ship")],
    ["To call at " + darkPort.name, gap.reach ? gap.reach + (gap.reach_needs_kn !== null ? ": needs " + fixed(gap.reach_needs_kn, 1) + " kn" : "") + (gap.reach_fastest_kn !== null ? ", top speed " + fixed(gap.reach_fastest_kn, 1) + " kn" : "") + (gap.reach_slack_h !== null ? ", " + hours(gap.reach_slack_h) + " to spare" : "") : "not measured"],
    ["Opened by", citation(gap.start_source)],
    ["Closed by", citation(gap.end_source)],
    ["Id", name(gap.gap_id)],
  ])];
}

function cite(sighting) {
  const who = data.sightings.matches[sighting.i];
  const guess = who.map(([hypothesis, v, , p]) => (hypothesis === "none" ? "none of the ships known " + percent(p) : null) || el("span", {}, v === null ? "?" : shipTitle(vessels[v]), " (" + hypothesis + ") " + percent(p)));
  return el("li", { class: "cite" },
    el("p", {}, symbol(sighting.observation_type, { size: 13 }), " ", el("strong", {}, KINDS[sighting.observation_type]), ", ", window_(sighting.start_utc, sighting.end_utc)),
    el("p", {}, sighting.port ? [name(portName(sighting.port)), sighting.berth ? [", ", name(words(sighting.berth))] : null] : fixed(sighting.lat_deg, 4) + ", " + fixed(sighting.lon_deg, 4),
      sighting.length_m ? "; length " + sighting.length_m + " m" + (sighting.length_sigma_m ? " ± " + sighting.length_sigma_m + " m claimed" : "") : null),
    sighting.vessel_name ? el("p", {}, "Read as ", name(sighting.vessel_name), sighting.identification_basis ? [" (", name(sighting.identification_basis), ")"] : null, sighting.p_name_correct !== null ? ", right with p " + sighting.p_name_correct : "") : null,
    guess.length ? el("p", {}, "Who: ", guess.slice(0, 4).map((g, i) => [i ? "; " : "", g])) : null,
    who.length && who[0][4] ? el("p", { class: "quiet" }, "Weakest link of the first: ", who[0][4]) : null,
    sighting.note ? el("p", { class: "quiet u" }, "The source's remark: ", sighting.note) : null,
    el("p", { class: "quiet" }, name(sighting.source), sighting.url ? [" (", el("a", { href: sighting.url, rel: "noopener noreferrer nofollow", target: "_blank" }, "published here"), ")"] : null,
      sighting.scene_id ? ["; scene ", name(sighting.scene_id)] : null, sighting.sensor ? ["; ", name(sighting.sensor)] : null),
    el("p", { class: "quiet" }, citation(sighting.source_row), "; ", name(sighting.sighting_id)));
}

function identity(subject) {
  const ship = subject.v === null || subject.v === undefined ? null : vessels[subject.v];
  const parts = [subject.mmsi !== null ? "MMSI " + subject.mmsi : null, subject.imo ? "IMO " + subject.imo : null, ship && ship.length_m ? ship.length_m + " m" : null, ship && ship.ais_class ? "class " + ship.ais_class : null].filter(Boolean);
  const extra = ship ? [
    ship.all_names.length > 1 ? el("p", { class: "quiet" }, "Also called: ", ship.all_names.filter((n) => n !== subject.vessel_name).map((n, i) => [i ? ", " : "", name(n)])) : null,
    ship.watch_list_hits.length ? el("p", {}, "Listed: ", ship.watch_list_hits.map((n, i) => [i ? "; " : "", name(n)])) : null,
    ship.identity_note ? el("p", { class: "u" }, "Identity: " + ship.identity_note) : null] : null;
  return [parts.length ? el("p", { class: "quiet" }, parts.join(" · ")) : null, extra];
}

function tripCard(trip) {
  const own = trip.c.flatMap((c) => calls[c].s);
  const counts = [trip.n_calls_p05, trip.n_calls_p50, trip.n_calls_p95];
  return [
    el("h2", {}, "Evidence card · ", TIERS[trip.tier]),
    el("h3", { class: "name" }, shipTitle(trip)),
    identity(trip),
    el("p", {}, voyage(trip), trip.dark_start_utc !== null && trip.dark_end_utc !== null ? el("span", { class: "quiet" }, " · " + hours((trip.dark_end_utc - trip.dark_start_utc) / HOUR) + " not heard") : null),
    verdict(trip),
    el("p", { class: "u" }, trip.because),
    trip.weakest_link ? el("p", { class: "link u" }, el("strong", {}, "Weakest link: "), trip.weakest_link) : null,
    whatIf(trip),
    trip.evidence.length ? [el("h3", {}, "How it adds up"), waterfall(trip.evidence, trip.p_trip)] : el("p", { class: "none" }, "No evidence rows: nothing was weighed."),
    el("h3", {}, "What else it could be"),
    el("p", { class: "u" }, trip.alternatives || "No other port fits, or none was measured."),
    reachTable(trip.reach),
    el("h3", {}, "The voyage"),
    facts([
      ["Needs", trip.needs_kn === null ? "cannot say" : fixed(trip.needs_kn, 1) + " kn to call and come back"],
      ["To spare", trip.slack_h === null ? "cannot say" : hours(trip.slack_h) + " at top speed (land, ice, queues ignored beyond the coast)"],
      ["Calls in the silence", counts[1] === null ? null : counts[1] + " (5 to 95 %: " + counts[0] + " to " + counts[2] + "); this is cycle " + trip.cycle],
      ["Containers", trip.containers_low === null ? null : trip.containers_low + " to " + trip.containers_high + " in the load scenarios: assumptions, not a count"],
      ["Id", name(trip.trip_id)],
    ]),
    trip.g.map((g, i) => [el("h3", {}, trip.g.length > 1 ? "Silence " + (i + 1) + " of " + trip.g.length : "The silence"), silence(gaps[g])]),
    trip.c.map((c) => callBlock(calls[c])),
    el("h3", {}, "Sightings cited: " + own.length),
    own.length ? el("ul", { class: "cites" }, own.map((s) => cite(sightings[s]))) : el("p", { class: "none" }, "None. No picture carries this trip."),
  ];
}

function callBlock(call) {
  return [el("h3", {}, "The call at ", name(portName(call.port))), facts([
    ["Arrived", "after " + (call.arrival_not_before_utc === null ? "an unknown time" : when(call.arrival_not_before_utc)) + ", by " + when(call.arrival_not_after_utc) + " UTC"],
    ["Left", "not before " + when(call.departure_not_before_utc) + (call.departure_not_after_utc === null ? ", until when is unknown" : ", by " + when(call.departure_not_after_utc)) + " UTC"],
    ["Length", call.length_m === null ? "not measured" : fixed(call.length_m, 0) + " m" + (call.length_sigma_m ? " ± " + fixed(call.length_sigma_m, 0) + " m" : "")],
    ["Berths", call.berths.length ? call.berths.map((b, i) => [i ? " → " : "", name(words(b))]) : null],
    ["This ship", call.p_vessel === null ? "cannot say" : percent(call.p_vessel)],
    ["In the trade", call.in_trade ? null : "no: a berth or size outside it"],
  ]), call.because ? el("p", { class: "quiet u" }, call.because) : null];
}

const tripLinks = (own) => own.map((t) => el("p", {}, "Part of trip ", goTo("trip", t, name(t.trip_id)), " (" + percent(t.p_trip) + ")"));
function gapCard(gap) {
  return [el("h2", {}, "Silence"), el("h3", { class: "name" }, shipTitle(gap)), identity(gap),
    el("p", {}, "A silence of " + (gap.duration_h === null ? "unknown length, still open" : hours(gap.duration_h)) + ". No trip is claimed here."), silence(gap), tripLinks(trips.filter((t) => t.g.includes(gap.i))), shipLink(gap)];
}
function callCard(call) {
  return [el("h2", {}, "Port call · " + call.kind), el("h3", { class: "name" }, call.vessel_key || call.vessel_name ? shipTitle(call) : "Ship not known"), identity(call), callBlock(call),
    tripLinks(trips.filter((t) => t.c.includes(call.i))), shipLink(call),
    el("h3", {}, "Sightings: " + call.s.length), el("ul", { class: "cites" }, call.s.map((s) => cite(sightings[s])))];
}
function sightingCard(sighting) {
  const call = callOf.get(sighting.i);
  return [el("h2", {}, "Sighting"), el("h3", { class: "name" }, KINDS[sighting.observation_type]),
    el("ul", { class: "cites" }, cite(sighting)),
    el("p", {}, call ? ["Part of the call ", goTo("call", call, name(call.call_id)), " at ", name(portName(call.port)), "."] : "Part of no port call."),
    call ? tripLinks(trips.filter((t) => t.c.includes(call.i))) : null];
}
const shipLink = (subject) => (subject.v === null ? null : el("p", {}, "All of ", goTo("vessel", vessels[subject.v], shipTitle(subject))));
const SHOWN_OF_SHIP = 60;
function vesselCard(ship) {
  const own = gaps.filter((g) => g.v === ship.i).sort((a, b) => a.start_utc - b.start_utc), named = findings.filter((f) => f.ships.some(([v]) => v === ship.i));
  return [el("h2", {}, "Ship"), el("h3", { class: "name" }, shipTitle(ship)), identity({ ...ship, v: ship.i }),
    facts([
      ["Key", name(ship.vessel_key)], ["MMSIs", ship.all_mmsi.join(", ")], ["IMO numbers", ship.all_imo.join(", ")],
      ["Call signs", ship.call_signs.map((c, i) => [i ? ", " : "", name(c)])],
      ["First heard", ship.first_heard_utc === null ? "never" : when(ship.first_heard_utc) + " UTC"], ["Last heard", ship.last_heard_utc === null ? null : when(ship.last_heard_utc) + " UTC"],
      ["Top speed", ship.fastest_kn === null ? "cannot say" : fixed(ship.fastest_kn, 1) + " kn"], ["Draughts sent", ship.draughts_m.join("; ")],
      ["Destinations sent", ship.destinations.map((d, i) => [i ? "; " : "", name(d)])],
    ].map(([term, value]) => [term, Array.isArray(value) && !value.length ? null : value])),
    named.length ? [el("h3", {}, "Who it is"), named.map((f) => el("p", { class: "u" }, FINDINGS[f.kind] + ": " + f.because))] : null,
    el("h3", {}, "Trips: " + trips.filter((t) => t.v === ship.i).length),
    el("ul", {}, trips.filter((t) => t.v === ship.i).sort((a, b) => (firstTime(a) ?? 0) - (firstTime(b) ?? 0) || a.i - b.i).map((t) => el("li", {}, goTo("trip", t, tripTime(t)), ", " + percent(t.p_trip) + (t.is_flagged ? ", flagged" : "")))),
    el("h3", {}, "Silences: " + own.length),
    el("ul", {}, own.slice(0, SHOWN_OF_SHIP).map((g) => el("li", {}, goTo("gap", g, when(g.start_utc)), ", " + (g.duration_h === null ? "open" : hours(g.duration_h)) + (g.state === "void" ? ", void" : "")))),
    own.length > SHOWN_OF_SHIP ? el("p", { class: "quiet" }, "and " + (own.length - SHOWN_OF_SHIP) + " more in the table of silences") : null];
}
const FINDINGS = { shared_mmsi: "Two hulls under one number", same_ship_other_mmsi: "May go on under another number", contradiction: "Two sources contradict each other", jamming_cluster: "False positions, many ships at once", spoofed_track: "False positions of one ship" };
function emptyCard() {
  const said = trips.length ? "Choose a trip on the left, or a row of the tables below, to see what speaks for and against it."
    : "No trips in this run: nothing that was read is consistent with a call at " + darkPort.name + " beyond chance, or there was too little to judge by. The tables below hold what was found.";
  return [el("h2", {}, "Evidence card"), el("p", {}, said)];
}
