// Reviews: what people decided about trips, kept apart from the evidence. Shown on cards and in the list, made here, exported and
// imported as lines of JSON (ghostships/reviews/decision.py). Names, notes and files are text from outside, whoever typed them.
{
  const book = JSON.parse(document.getElementById("review-data").textContent);
  const served = book.served;
  const SAYS = { confirm: ["✓", "Confirm", "confirmed"], reject: ["✗", "Reject", "rejected"], unsure: ["?", "Unsure", "unsure"], disagree: ["≠", "", "reviewers disagree"] };
  const MOST_ROWS = 200, MOST_LINES = 30, MOST_WRONG = 20;
  /** Who decides in this window, how many decisions are in no file yet, and how many are not in the count. */
  let reviewer = served ? served.reviewer : "", unsaved = 0, uncounted = 0, tally = book.tally;
  const all = [...book.decisions];

  // --- text from outside: what cannot be seen is written out, as `ghostships/report/text.py` does for the tables ---------------
  const HIDDEN = /^[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f\u180b-\u180f]$/u;
  const MARK = /^[\p{Mn}\p{Me}]$/u, MARKS_PER_LETTER = 4;
  function visible(text, limit = 64) {
    let out = "", letters = 0, marks = 0;
    const counted = () => (marks > MARKS_PER_LETTER ? "⟨+" + (marks - MARKS_PER_LETTER) + " marks⟩" : "");
    for (const c of String(text)) {
      const isHidden = HIDDEN.test(c);
      if (MARK.test(c) && !isHidden) { if (++marks <= MARKS_PER_LETTER) out += c; continue; }
      out += counted();
      marks = 0;
      if (letters++ === limit) return out + "…";
      out += isHidden ? "⟨U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "⟩" : c;
    }
    return out + counted();
  }
  function noteLines(note) {
    const lines = note.split(/\r\n|\r|\n/), shown = lines.slice(0, MOST_LINES).map((line) => el("p", { class: "note" }, name(visible(line, book.limits.note))));
    return lines.length > MOST_LINES ? [...shown, el("p", { class: "note quiet" }, "and " + (lines.length - MOST_LINES) + " more lines in " + book.file)] : shown;
  }

  // --- decisions: the same rules and the same id as in Python ------------------------------------------------------------------
  const isText = (v, longest, mayBeEmpty = false) => typeof v === "string" && [...v].length <= longest && (mayBeEmpty || v.trim() !== "") && !/\p{Cs}/u.test(v);
  const isTime = (v, digits) => typeof v === "string" && new RegExp("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d" + digits + "Z$").test(v) && !Number.isNaN(Date.parse(v.slice(0, 19) + "Z"));
  const isSha = (v) => typeof v === "string" && /^[0-9a-f]{64}$/.test(v);
  const RULES = {
    format: (v) => v === book.format,
    time_utc: (v) => isTime(v, "\\.\\d{6}"), reviewer: (v) => isText(v, book.limits.reviewer), trip_id: (v) => isText(v, book.limits.trip_id),
    verdict: (v) => ["confirm", "reject", "unsure"].includes(v), note: (v) => isText(v, book.limits.note, true),
    p_trip: (v) => v === null || (typeof v === "number" && v >= 0 && v <= 1 && Number(v.toFixed(6)) === v),
    tier: (v) => typeof v === "string" && Object.hasOwn(TIERS, v), is_flagged: (v) => typeof v === "boolean", vessel: (v) => v === null || isText(v, book.limits.vessel, true),
    dark_start_utc: (v) => v === null || isTime(v, ""), dark_end_utc: (v) => v === null || isTime(v, ""),
    trip_sha256: isSha, round_trips_sha256: (v) => v === null || isSha(v), is_simulated: (v) => typeof v === "boolean",
  };
  /** What is wrong with a record, or null. */
  function wrongWith(told) {
    if (typeof told !== "object" || told === null || Array.isArray(told)) return "is not a JSON object";
    if (told.format !== book.format) return "has another format; this page knows format " + book.format;
    const strange = Object.keys(told).find((key) => key !== "id" && !book.fields.includes(key));
    if (strange !== undefined) return "has the unknown key " + visible(strange, 40);
    const broken = book.fields.find((key) => !Object.hasOwn(told, key) || !RULES[key](told[key]));
    return broken === undefined ? null : broken + " is missing or cannot be";
  }
  const contentOf = (told) => JSON.stringify(book.fields.map((key) => (key === "p_trip" && told.p_trip !== null ? told.p_trip.toFixed(6) : told[key])));
  /** The id, or null in a browser that cannot hash: `ghostships review --import` makes it then. */
  async function idOf(told) {
    if (!window.isSecureContext || !crypto.subtle) return null;
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(contentOf(told))));
    return "D-" + [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 32);
  }
  const ordered = (told) => Object.fromEntries(["id", ...book.fields].filter((key) => Object.hasOwn(told, key)).map((key) => [key, told[key]]));
  const asLine = (told) => JSON.stringify(ordered(told)).replace(/[\u007f-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0")) + "\n";
  const toSecond = (seconds) => (seconds === null ? null : new Date(seconds * 1000).toISOString().slice(0, 19) + "Z");

  // --- what all of them say together -------------------------------------------------------------------------------------------
  const rowOf = new Map(book.ids.map((id, i) => [id, i])), became = new Map(book.renamed);
  function idNow(id) {
    const seen = new Set([id]);
    for (let at = id; ;) {
      if (rowOf.has(at)) return at;
      at = became.get(at);
      if (at === undefined || seen.has(at)) return id;
      seen.add(at);
    }
  }
  let standings = new Map();
  function weigh() {
    standings = new Map();
    const key = (one) => one.time_utc + (one.id || contentOf(one));
    const inOrder = [...all].sort((a, b) => (key(a) < key(b) ? -1 : 1));
    for (const one of inOrder) {
      const id = idNow(one.trip_id);
      if (!standings.has(id)) standings.set(id, { id, latest: new Map(), n: 0 });
      const here = standings.get(id);
      here.latest.set(one.reviewer, one);
      here.n++;
    }
    for (const here of standings.values()) {
      const said = new Set([...here.latest.values()].map((one) => one.verdict));
      here.verdict = said.has("confirm") && said.has("reject") ? "disagree" : said.has("confirm") ? "confirm" : said.has("reject") ? "reject" : "unsure";
    }
  }
  const standingOf = (trip) => standings.get(book.ids[trip.i]);
  const isReviewed = (trip) => { const here = standingOf(trip); return here !== undefined && (!served || here.latest.has(served.reviewer)); };
  const badge = (verdict) => el("span", { class: "badge " + verdict }, SAYS[verdict][0] + " " + SAYS[verdict][2]);

  // --- on the card ---------------------------------------------------------------------------------------------------------------
  function said(trip) {
    const here = standingOf(trip);
    if (!here) return [];
    const rows = [...here.latest.values()].sort((a, b) => (a.reviewer < b.reviewer ? -1 : 1)).map((one) => el("li", {},
      el("p", {}, badge(one.verdict), " by ", name(visible(one.reviewer)), ", " + one.time_utc.slice(0, 16).replace("T", " ") + " UTC, at " + percent(one.p_trip)),
      one.trip_sha256 !== book.sha256[trip.i] ? el("p", { class: "quiet" }, "Judged on other evidence than this page shows", one.trip_id !== here.id ? [", as ", name(visible(one.trip_id))] : null, ".") : null,
      one.note ? noteLines(one.note) : null));
    const earlier = here.n - here.latest.size;
    // Two opinions are worth more than one only when the second was formed without the first.
    if (!isReviewed(trip)) return [el("details", {}, el("summary", {}, "Reviewed by " + plural(here.latest.size, "other") + ": decide first, then look"), el("ul", { class: "said" }, rows))];
    return [el("h3", {}, "Reviewed: ", badge(here.verdict)), el("ul", { class: "said" }, rows),
      el("p", { class: "quiet" }, (earlier ? plural(earlier, "earlier decision") + " of the same reviewers not shown. " : "") + "A reviewer's opinion. It changes no number on this card.")];
  }
  function form(trip) {
    const told = el("p", { class: "told", role: "status" });
    const who = el("input", { type: "text", maxlength: book.limits.reviewer, autocomplete: "off", value: reviewer, on: { input: () => { reviewer = who.value.trim(); } } });
    const note = el("textarea", { rows: 2, maxlength: book.limits.note });
    const buttons = ["confirm", "reject", "unsure"].map((verdict) => el("button", { type: "button", class: verdict, on: { click: () => decide(verdict) } }, SAYS[verdict][0] + " " + SAYS[verdict][1]));
    let isBusy = false;
    async function decide(verdict) {
      if (isBusy) return;
      isBusy = true;
      buttons.forEach((b) => b.setAttribute("aria-disabled", "true"));
      try {
        told.textContent = await keep(trip, verdict, note.value);
        note.value = "";
      } catch (error) { told.textContent = visible(error.message, 300); }
      isBusy = false;
      buttons.forEach((b) => b.removeAttribute("aria-disabled"));
      refresh();
    }
    const parts = [el("p", { class: "quiet" }, "Read the evidence and the weakest link first. Confirm: the evidence holds and you would defend it. Reject: it does not; say why. Unsure: somebody else should look."),
      served ? el("p", {}, "You decide as ", name(visible(served.reviewer)), ".") : el("label", {}, "Your name ", who),
      el("label", {}, "Note ", note), el("div", { class: "verdicts" }, buttons), told];
    return el("section", { class: "decide", "aria-label": "Your review of this trip" },
      served ? [el("h3", {}, "Your review"), parts] : el("details", { open: reviewer !== "" }, el("summary", {}, "Review this trip"), parts));
  }
  async function keep(trip, verdict, note) {
    if (served) {
      const answer = await fetch("decisions", { method: "POST", credentials: "same-origin", cache: "no-store", headers: { "content-type": "application/json", "x-ghostships-key": served.key },
        body: JSON.stringify({ trip_id: book.ids[trip.i], trip_sha256: book.sha256[trip.i], verdict, note }) }).catch(() => null);
      if (!answer) throw new Error("Not kept: the server does not answer. Is `ghostships review` still running?");
      const found = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error("Not kept: " + (found.error || "the server refused (" + answer.status + ")"));
      all.push(found.decision);
      tally = found.tally;
      return "Kept in " + book.file + ".";
    }
    const who = visible(trip.vessel_name || trip.vessel_key || "", book.limits.vessel);
    const made = {
      format: book.format, time_utc: new Date().toISOString().slice(0, 23) + "000Z", reviewer, trip_id: book.ids[trip.i], verdict, note,
      p_trip: trip.p_trip, tier: trip.tier, is_flagged: trip.is_flagged, vessel: who || null, dark_start_utc: toSecond(trip.dark_start_utc), dark_end_utc: toSecond(trip.dark_end_utc),
      trip_sha256: book.sha256[trip.i], round_trips_sha256: book.round_trips_sha256, is_simulated: book.is_simulated,
    };
    if (!isText(reviewer, book.limits.reviewer)) throw new Error("Not kept: write your name first.");
    const wrong = wrongWith(made);
    if (wrong) throw new Error("Not kept: " + wrong + ".");
    const id = await idOf(made);
    all.push(id ? { ...made, id } : made);
    unsaved++;
    uncounted++;
    return "Kept in this window only. Export your decisions before you close it.";
  }
  // The card and the list know nothing of reviews: they are wrapped, before anything has called them.
  const plainCard = tripCard;
  tripCard = (trip) => {
    const nodes = plainCard(trip).flat(Infinity).filter((node) => node instanceof Node);
    const after = nodes.findIndex((node) => node.classList && node.classList.contains("verdict"));
    nodes.splice(after + 1 || nodes.length, 0, el("section", { class: "reviewed", "data-i": trip.i, "aria-label": "Decisions on this trip" }, said(trip)));
    return [...nodes, form(trip)];
  };

  // --- in the list ---------------------------------------------------------------------------------------------------------------
  const onlyOpen = el("input", { type: "checkbox", id: "not-reviewed", on: { input: () => listTrips() } });
  const openLabel = el("label", { class: "open-only" }, onlyOpen, served ? " not yet reviewed by you" : " not yet reviewed");
  const count = document.getElementById("trip-count");
  count.before(openLabel);
  const clear = document.getElementById("trip-clear");
  if (clear) clear.addEventListener("click", () => { onlyOpen.checked = false; listTrips(); });
  const plainList = listTrips;
  listTrips = () => {
    plainList();
    let hidden = 0;
    document.querySelectorAll("#trip-list .trip").forEach((button) => {
      const trip = trips[Number(button.dataset.i)], here = standingOf(trip);
      if (here) button.append(el("span", { class: "sub reviewed" }, isReviewed(trip) ? badge(here.verdict) : "reviewed by others"));
      if (onlyOpen.checked && isReviewed(trip)) { button.closest("li").remove(); hidden++; }
    });
    if (hidden) count.textContent += "; " + hidden + " reviewed hidden";
  };

  // --- the section below: everything decided, the count, export and import -------------------------------------------------------
  const holder = document.getElementById("review");
  const heard = el("div", { role: "status", class: "told" });
  function summary() {
    const found = [...standings.values()].sort((a, b) => Number(rowOf.has(b.id)) - Number(rowOf.has(a.id)) || (a.id < b.id ? -1 : 1));
    if (!found.length) return [el("p", { class: "none" }, "Nobody has reviewed a trip of this report yet.")];
    const names = new Set(all.map((one) => one.reviewer)), n = (verdict) => found.filter((one) => one.verdict === verdict).length, gone = found.filter((one) => !rowOf.has(one.id)).length;
    const row = (here) => {
      const last = [...here.latest.values()].sort((a, b) => (a.time_utc < b.time_utc ? 1 : -1)), trip = trips[rowOf.get(here.id)], one = last[0];
      return el("tr", {}, el("td", {}, trip ? el("a", { href: "#trip=" + encodeURIComponent(trip.trip_id) }, name(trip.trip_id)) : [name(visible(here.id)), el("span", { class: "quiet" }, " not listed any more")]),
        el("td", {}, name(visible(trip ? trip.vessel_name || trip.vessel_key || "Ship not known" : one.vessel || "Ship not known"))), el("td", {}, badge(here.verdict)),
        el("td", {}, last.map((d, i) => [i ? "; " : "", name(visible(d.reviewer)), " " + SAYS[d.verdict][2]])),
        el("td", { class: "num" }, percent(one.p_trip)), el("td", { class: "num" }, trip ? percent(trip.p_trip) : ""), el("td", { class: "time-cell" }, one.time_utc.slice(0, 16).replace("T", " ")));
    };
    return [el("p", {}, plural(all.length, "decision") + " of " + plural(names.size, "reviewer") + " on " + plural(found.length, "trip") + ": " + n("confirm") + " confirmed, " + n("reject") + " rejected, " + n("unsure") + " unsure, " +
        n("disagree") + " on which reviewers disagree." + (gone ? " " + plural(gone, "trip") + " of them " + (gone === 1 ? "is" : "are") + " not listed any more." : "")),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Trips that were reviewed" }, el("table", {}, el("thead", {}, el("tr", {}, ["Trip", "Ship", "Review", "By whom", "p then", "p now", "Last decision, UTC"].map((h, i) => el("th", { scope: "col", class: i === 4 || i === 5 ? "num" : null }, h)))),
        el("tbody", {}, found.slice(0, MOST_ROWS).map(row)))),
      found.length > MOST_ROWS ? el("p", { class: "quiet" }, "The first " + MOST_ROWS + " of " + found.length + "; the export has all.") : null];
  }
  function counted() {
    if (!tally.n_reviewed) return null;
    const two = (x) => (x === null ? "" : x.toFixed(2)), stated = (p) => (p !== null && p > 0.99 ? "over 0.99" : p !== null && p < 0.01 ? "under 0.01" : two(p));
    return [el("h3", {}, "Stated probability against what was confirmed"),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Stated probability against what was confirmed" }, el("table", { class: "tally" }, el("thead", {}, el("tr", {}, ["Trips, by stated probability", "Confirmed", "Rejected", "Stated, mean", "Share confirmed (95 %)", "So far"].map((h, i) => el("th", { scope: "col", class: i && i < 5 ? "num" : null }, h)))),
        el("tbody", {}, tally.bands.map((band) => el("tr", {}, el("td", {}, band.name), el("td", { class: "num" }, band.n_confirmed), el("td", { class: "num" }, band.n_rejected), el("td", { class: "num" }, stated(band.stated)),
          el("td", { class: "num" }, band.share === null ? "" : two(band.share) + " (" + two(band.low) + " to " + two(band.high) + ")"), el("td", {}, band.says)))))),
      el("p", { class: "quiet" }, tally.n_flags_judged + " of " + plural(tally.n_flags, "flag") + " listed now " + (tally.n_flags_judged === 1 ? "is" : "are") + " judged. Below " + tally.fewest + " trips no share is given. Not counted: " + tally.n_disagreed + " with disagreement, " + tally.n_unsure + " unsure, " + tally.n_without_number + " without a number" +
        (tally.n_other ? ", " + tally.n_other + " judged in a run of the other kind, simulated or real" : "") + "." +
        (tally.brier === null ? "" : " Brier score of the flags " + tally.brier.toFixed(3) + "; " + tally.brier_if_right.toFixed(3) + " would be expected if the stated probabilities were right.") +
        (uncounted ? " " + plural(uncounted, "decision") + " made or imported in this window " + (uncounted === 1 ? "is" : "are") + " not in the count." : "")),
      el("p", { class: "quiet" }, tally.limits)];
  }
  const exporting = el("button", { type: "button", on: { click: () => {
    const address = URL.createObjectURL(new Blob(all.map(asLine), { type: "application/jsonl" }));
    el("a", { href: address, download: "decisions.jsonl" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    unsaved = 0;
    heard.replaceChildren(el("p", {}, plural(all.length, "decision") + " written to decisions.jsonl. ", el("code", {}, "ghostships review DIR --import FILE"), " adds them to the report's own; each counts once, however often it is imported."));
    draw();
  } } }, "Export all decisions");
  const choosing = el("input", { type: "file", accept: ".jsonl,.json,.txt", multiple: true, on: { change: async () => {
    const wrong = [], before = all.length;
    for (const file of [...choosing.files]) await take(file, wrong);
    uncounted += all.length - before;
    choosing.value = "";
    heard.replaceChildren(el("p", {}, plural(all.length - before, "decision") + " added, for as long as this window is open."),
      wrong.length ? el("ul", {}, wrong.slice(0, MOST_WRONG).map((line) => el("li", {}, name(line)))) : "", wrong.length > MOST_WRONG ? el("p", {}, "and " + (wrong.length - MOST_WRONG) + " more lines that cannot be used") : "");
    refresh();
  } } });
  async function take(file, wrong) {
    const known = new Set(all.map(contentOf));
    const lines = (await file.text()).replace(/^\ufeff/, "").split("\n");
    for (const [k, line] of lines.entries()) {
      if (!line.trim()) continue;
      let told = null, why = line.length > book.limits.line ? "is too long" : null;
      try { told = why ? null : JSON.parse(line); } catch { why = "is not JSON, or was cut short"; }
      why = why || wrongWith(told);
      const id = why ? null : await idOf(told);
      if (!why && id && Object.hasOwn(told, "id") && told.id !== id) why = "has an id that its content does not give: it was damaged or edited";
      if (why) { wrong.push(visible(file.name) + ": line " + (k + 1) + " " + why); continue; }
      if (known.has(contentOf(told))) continue;
      known.add(contentOf(told));
      all.push(id ? { ...told, id } : told);
    }
  }
  function draw() {
    const state = served ? null : unsaved ? el("p", { class: "unsaved" }, plural(unsaved, "decision") + " of yours " + (unsaved === 1 ? "is" : "are") + " in this window only, and gone when it is closed. Export them.") : null;
    exporting.disabled = !all.length;
    holder.replaceChildren(...[
      el("p", {}, "What people decided, kept apart from the evidence: no probability, flag or table changes by it."), state,
      book.n_broken ? el("div", { class: "warnings" }, el("p", {}, plural(book.n_broken, "line") + " of " + book.file + " cannot be used:"), el("ul", {}, book.broken.map((line) => el("li", {}, name(visible(line, 300)))))) : null,
      summary(), counted(),
      el("div", { class: "tools exchange" }, exporting, served ? el("span", { class: "quiet" }, "Decisions of others: ", el("code", {}, "ghostships review DIR --import FILE")) : el("label", {}, "Import decisions of others ", choosing)),
      heard, book.file_sha256 ? el("p", { class: "quiet" }, "Drawn from " + book.file + ", SHA-256 ", el("code", {}, book.file_sha256)) : null].flat(4).filter(Boolean));
  }
  function refresh() {
    weigh();
    openLabel.hidden = !served && !all.length;
    document.querySelectorAll("section.reviewed[data-i]").forEach((section) => section.replaceChildren(...said(trips[Number(section.dataset.i)])));
    listTrips();
    draw();
  }
  weigh();
  openLabel.hidden = !served && !all.length;
  draw();
  window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
  // The key has done its work: it is a cookie now, and has no business on a screenshot.
  if (served && location.search) history.replaceState(null, "", location.pathname + location.hash);
}
