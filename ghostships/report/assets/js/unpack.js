// Coast and tracks: unpacked in the background, so that the list and the card never wait for them.

/** Text -> bytes -> whole numbers (`ghostships/report/packed.py` is the way there). */
async function unpacked(text) {
  const letters = atob(text), squeezed = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) squeezed[i] = letters.charCodeAt(i);
  const bytes = new Uint8Array(await new Response(new Blob([squeezed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  const out = new Float64Array(bytes.length);
  let n = 0, value = 0, scale = 1;
  // Products instead of shifts: seconds since 1970 do not fit into 32 bits.
  for (let i = 0; i < bytes.length; i++) {
    value += (bytes[i] & 127) * scale;
    if (bytes[i] & 128) { scale *= 128; continue; }
    out[n++] = value % 2 ? -(value + 1) / 2 : value / 2;
    value = 0;
    scale = 1;
  }
  return out.subarray(0, n);
}

/** What was packed, in the order in which it was written. */
function reader(numbers) {
  let at = 0;
  const next = () => numbers[at++];
  const list = (read) => Array.from({ length: next() }, read);
  const ring = (scale) => { let lat = 0, lon = 0; return list(() => [(lat += next()) / scale, (lon += next()) / scale]); };
  /** A piece of a track: its points, and how many there are before which time is found by halving. */
  const piece = (scale, step) => { let t = 0, lat = 0, lon = 0; return list(() => { t += next(); lat += next(); lon += next(); return [lat / scale, lon / scale, t * step]; }); };
  return {
    land: () => list(() => list(() => ring(1e4))),
    ships: (scale, step) => new Map(list(() => { const v = next(); return [v, list(() => piece(scale, step))]; })),
  };
}

const fullTracks = new Map(), contextTracks = new Map();
let coast = [];
/** Fulfilled once the map can be drawn; a browser that cannot unpack draws it without coast and tracks, and says so. */
const unpacking = unpacked(document.getElementById("packed").textContent).then((numbers) => {
  const read = reader(numbers);
  coast = read.land();
  read.ships(1e5, 1).forEach((pieces, v) => fullTracks.set(v, pieces));
  read.ships(1e4, 60).forEach((pieces, v) => contextTracks.set(v, pieces));
  return null;
}).catch(() => "This browser cannot unpack the coast and the tracks; the rest of the page is complete.");

/** Between which two kept points a piece is at a moment: the number of the later one, or 0 where it is outside. */
function segmentAt(piece, moment) {
  let low = 0, high = piece.length - 1;
  if (high < 1 || moment < piece[0][2] || moment > piece[high][2]) return 0;
  while (high - low > 1) { const mid = (low + high) >> 1; if (piece[mid][2] <= moment) low = mid; else high = mid; }
  return high;
}
function placeAt(pieces, moment) {
  for (const piece of pieces) {
    const k = segmentAt(piece, moment);
    if (k) {
      const a = piece[k - 1], b = piece[k], t = b[2] > a[2] ? (moment - a[2]) / (b[2] - a[2]) : 0;
      return [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])];
    }
  }
  return null;
}
