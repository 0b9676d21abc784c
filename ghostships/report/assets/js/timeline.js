// Under the map: heard, silent, feed down, pictures with and without a ship, cloud, sightings, and the slider's moment.

const GUTTER = 120, ROW = 21;
/** Below this clear share a picture without a ship says little; it is drawn so. */
const CLOUDED = 0.5;
let timeScale = null;

/** When the feed was down (or places were not believed), as stretches with the number of ships whose silence is void then. */
function voidIn(t0, t1) {
  const steps = data.void.map(([t, n], k) => [t, k + 1 < data.void.length ? data.void[k + 1][0] : Math.max(t, t1), n]);
  return steps.filter(([a, b, n]) => n > 0 && b > t0 && a < t1);
}

function drawTimeline(view) {
  const box = document.getElementById("timeline"), width = Math.max(320, box.clientWidth), right = width - 8;
  const x = (t) => GUTTER + ((t - view.t0) / (view.t1 - view.t0)) * (right - GUTTER);
  const clip = (t) => Math.min(Math.max(t, view.t0), view.t1);
  const root = svg("svg", { role: "img" });
  let bottom = 4;
  const row = (label, high = ROW) => { const y = bottom; bottom += high; root.append(svg("text", { class: "row", x: 0, y: y + 13 }, label)); return y; };
  const bar = (y, a, b, attributes, said) => b >= view.t0 && a <= view.t1 && root.append(svg("rect", { x: x(clip(a)), y: y + 3, width: Math.max(2, x(clip(b)) - x(clip(a))), height: 13, ...attributes }, svg("title", {}, said)));
  const mark = (y, t, kind, said, size = 15) => { const s = symbol(kind, { size }); s.setAttribute("x", x(t) - size / 2); s.setAttribute("y", y + 2); s.removeAttribute("aria-hidden"); s.append(svg("title", {}, said)); root.append(s); };

  // Ticks first, so that everything else lies over them.
  const step = [1, 2, 3, 6, 12, 24, 48, 120, 240, 480, 960].map((h) => h * HOUR).find((s) => (right - GUTTER) / ((view.t1 - view.t0) / s) > 88) || 1920 * HOUR;
  const ticks = svg("g", {});
  root.append(ticks);

  const ship = view.v === null ? null : vessels[view.v];
  if (ship && ship.first_heard_utc !== null) {
    const silent = gaps.filter((g) => g.v === view.v).sort((a, b) => a.start_utc - b.start_utc);
    let y = row("AIS heard"), from = ship.first_heard_utc;
    [...silent, null].forEach((g) => {
      const to = g ? g.start_utc : ship.last_heard_utc;
      if (to >= from) bar(y, from, to, { fill: COLOURS.ais }, "heard " + when(from) + " to " + when(to) + " UTC; silences under " + data.policy.min_gap_h + " h not shown");
      from = g ? (g.end_utc === null ? Infinity : g.end_utc) : Infinity;
    });
    y = row("Not heard");
    silent.forEach((g) => {
      const mine = view.gaps.includes(g), end = g.end_utc === null ? view.t1 : g.end_utc;
      const isVoid = g.state === "void";
      bar(y, g.start_utc, end, { fill: isVoid ? "#fff" : mine ? "#fbe3d6" : "#eceff2", stroke: mine ? COLOURS.gap : "#8a97a3", "stroke-dasharray": isVoid ? "1 3" : "4 3" }, (isVoid ? "void, says nothing of the ship: " : "") + "not heard " + when(g.start_utc) + " to " + (g.end_utc === null ? "the end of the data" : when(g.end_utc) + " UTC"));
      const a = x(clip(g.start_utc)), b = x(clip(end));
      const said = isVoid ? "void: feed down or places not believed" : g.end_utc === null ? "not heard since" : hours(g.duration_h) + (g.p_off === null ? ", off: cannot say" : "");
      if (mine && b - a > said.length * 6.4) root.append(svg("text", { x: (a + b) / 2, y: y + 13.5, "text-anchor": "middle" }, said));
    });
  }
  const down = voidIn(view.t0, view.t1);
  if (data.void.length && ship) {
    const y = row("Feed down"), most = Math.max(...data.void.map(([, n]) => n));
    // As high as ships are silent for this reason: an outage of everything stands out from one station.
    down.forEach(([a, b, n]) => {
      const high = Math.max(2, (14 * n) / most);
      root.append(svg("rect", { x: x(clip(a)), y: y + 17 - high, width: Math.max(0.5, x(clip(b)) - x(clip(a))), height: high, fill: "#6b7783" }, svg("title", {}, when(a) + " to " + when(b) + " UTC: feed down or places not believed; the silences of " + plural(n, "ship") + " then are void")));
    });
    if (!down.length) root.append(svg("text", { class: "row", x: GUTTER + 4, y: y + 13 }, "never in this time"));
  }
  if (view.calls.length) {
    const y = row("Call, bounds");
    view.calls.forEach((c) => {
      const early = c.arrival_not_before_utc ?? c.arrival_not_after_utc, late = c.departure_not_after_utc ?? c.departure_not_before_utc;
      bar(y, early, late, { fill: "#f0dfec", stroke: COLOURS.vessel, "stroke-width": 0.8 }, "there at the longest " + (c.arrival_not_before_utc === null ? "(arrival not bounded) " : "from " + when(early) + " ") + (c.departure_not_after_utc === null ? "(departure not bounded)" : "to " + when(late)));
      bar(y, c.arrival_not_after_utc, c.departure_not_before_utc, { fill: COLOURS.vessel }, "there at the shortest: " + when(c.arrival_not_after_utc) + " to " + when(c.departure_not_before_utc));
    });
  }
  const scenes = data.scenes.filter((s) => s[5].includes(data.route.dark) && s[2] >= view.t0 && s[1] <= view.t1);
  if (data.scenes.length) {
    const y = row("Looked at " + darkPort.name.slice(0, 8));
    scenes.forEach((s) => {
      const ship_ = s[6].includes(data.route.dark), isClouded = s[4] !== null && s[4] < CLOUDED;
      mark(y, (s[1] + s[2]) / 2, ship_ ? "scene_ship" : isClouded ? "scene_cloud" : "scene_none", sceneSaid(s) + (ship_ ? ": a ship was seen" : ": no ship reported"), 13);
    });
    if (!scenes.length) root.append(svg("text", { class: "row", x: GUTTER + 4, y: y + 13 }, "no picture in this time"));
    if (data.scenes.some((s) => s[4] !== null && s[4] < 0.995)) {
      const low = row("Cloud then", 19);
      scenes.forEach((s) => {
        const at = x((s[1] + s[2]) / 2), cloud = s[4] === null ? 0 : 1 - s[4];
        root.append(svg("g", {}, svg("title", {}, sceneSaid(s)), svg("rect", { x: at - 3, y: low + 2, width: 6, height: 14, fill: "#fff", stroke: "#b4bec8", "stroke-width": 0.8 }), svg("rect", { x: at - 3, y: low + 16 - 14 * cloud, width: 6, height: 14 * cloud, fill: "#8593a0" })));
      });
    }
  }
  if (sightings.length) {
    const y = row("Sightings");
    view.sightings.forEach((s) => {
      const mine = view.own.has(s.i), colour = { vessel: COLOURS.vessel, absent: COLOURS.absent, containers: COLOURS.containers, ais: COLOURS.ais }[s.observation_type];
      if (s.end_utc > s.start_utc) bar(y + 5, s.start_utc, s.end_utc, { fill: colour, opacity: mine ? 0.45 : 0.22, height: 3 }, "window " + when(s.start_utc) + " to " + when(s.end_utc));
    });
    view.sightings.forEach((s) => mark(y, clip((s.start_utc + s.end_utc) / 2), s.observation_type, KINDS[s.observation_type] + ", " + window_(s.start_utc, s.end_utc) + ", " + (s.source || ""), view.own.has(s.i) ? 15 : 11));
    if (!view.sightings.length) root.append(svg("text", { class: "row", x: GUTTER + 4, y: y + 13 }, "none in this time"));
  }
  for (let t = Math.ceil(view.t0 / step) * step; t <= view.t1; t += step) {
    ticks.append(svg("path", { d: `M${x(t)} 2V${bottom + 2}`, stroke: "#e1e5e9" }));
    if (x(t) < right - (step < 24 * HOUR ? 34 : 18)) ticks.append(svg("text", { class: "tick", x: x(t), y: bottom + 13, "text-anchor": "middle" }, day(t) + (step < 24 * HOUR ? when(t).slice(10) : "")));
  }
  root.append(svg("path", { id: "cursor", stroke: "#16212c", "stroke-width": 1.6, d: "" }));
  root.setAttribute("viewBox", `0 0 ${width} ${bottom + 18}`);
  root.setAttribute("height", bottom + 18);
  root.setAttribute("aria-label", "Timeline from " + when(view.t0) + " to " + when(view.t1) + " UTC: " + plural(view.gaps.length, "silence") + ", " + plural(scenes.length, "picture") + " of " + darkPort.name + ", " + scenes.filter((s) => s[6].includes(data.route.dark)).length + " with a ship, " + scenes.filter((s) => s[4] !== null && s[4] < CLOUDED).length + " mostly cloud, " + plural(view.sightings.length, "sighting") + (down.length ? "; the feed was down for part of it" : "") + ".");
  box.replaceChildren(root);
  timeScale = { x, bottom };
}
function sceneSaid(s) {
  return "scene " + s[0] + ", " + when(s[1]) + " UTC" + (s[3] ? ", " + s[3] : "") + (s[4] === null ? "" : ", " + Math.round((1 - s[4]) * 100) + " % cloud");
}
function drawCursor(moment) {
  const x = timeScale.x(moment);
  document.getElementById("cursor").setAttribute("d", `M${x} 0V${timeScale.bottom + 3}`);
}
