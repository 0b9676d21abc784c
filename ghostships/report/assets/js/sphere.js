// Great circles on a sphere. Land, ice and currents are ignored, so what is "in reach" is too generous, never too strict.

const RADIUS_NM = 6371.0088 / 1.852;
const rad = (deg) => (deg * Math.PI) / 180;
const deg = (r) => (r * 180) / Math.PI;

function distanceNm(a, b) {
  const dLat = rad(b[0] - a[0]) / 2, dLon = rad(b[1] - a[1]) / 2;
  const h = Math.sin(dLat) ** 2 + Math.cos(rad(a[0])) * Math.cos(rad(b[0])) * Math.sin(dLon) ** 2;
  return 2 * RADIUS_NM * Math.asin(Math.min(1, Math.sqrt(h)));
}
function destination(from, bearing, nm) {
  const d = nm / RADIUS_NM, lat = rad(from[0]);
  const lat2 = Math.asin(Math.sin(lat) * Math.cos(d) + Math.cos(lat) * Math.sin(d) * Math.cos(bearing));
  const dLon = Math.atan2(Math.sin(bearing) * Math.sin(d) * Math.cos(lat), Math.cos(d) - Math.sin(lat) * Math.sin(lat2));
  return [deg(lat2), from[1] + deg(dLon)];
}
/** Whether a circle stays clear of the poles and small enough to be drawn as a ring on this map. */
const drawable = (centre, nm) => nm / 60 < Math.min(55, 84 - Math.abs(centre[0]));

function circle(centre, nm) {
  return Array.from({ length: 144 }, (_, i) => destination(centre, (i / 144) * 2 * Math.PI, nm));
}
/** Points from which the way to `a` and to `b` adds up to `totalNm`: the limit of reach over a whole silence. */
function ellipse(a, b, totalNm) {
  const middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  if (distanceNm(a, b) > totalNm || !drawable(middle, totalNm / 2)) return null;
  return Array.from({ length: 144 }, (_, i) => {
    const bearing = (i / 144) * 2 * Math.PI;
    let low = 0, high = totalNm / 2 + distanceNm(a, b);
    for (let step = 0; step < 40; step++) {
      const mid = (low + high) / 2, p = destination(middle, bearing, mid);
      if (distanceNm(p, a) + distanceNm(p, b) < totalNm) low = mid; else high = mid;
    }
    return destination(middle, bearing, low);
  });
}
/** Overlap of two convex rings (Sutherland and Hodgman 1974), in Mercator so that it agrees with what is drawn. */
function overlap(subject, clip) {
  const y = (lat) => Math.log(Math.tan(Math.PI / 4 + rad(lat) / 2)), lat = (v) => deg(2 * Math.atan(Math.exp(v)) - Math.PI / 2);
  let ring = subject.map((p) => [p[1], y(p[0])]);
  const edges = clip.map((p) => [p[1], y(p[0])]);
  const area = edges.reduce((sum, p, i) => { const q = edges[(i + 1) % edges.length]; return sum + p[0] * q[1] - q[0] * p[1]; }, 0);
  if (area < 0) edges.reverse();
  for (let i = 0; i < edges.length && ring.length; i++) {
    const p = edges[i], q = edges[(i + 1) % edges.length];
    const side = (r) => (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    const kept = [];
    ring.forEach((now, k) => {
      const before = ring[(k + ring.length - 1) % ring.length], a = side(before), b = side(now);
      if ((a < 0) !== (b < 0)) {
        const t = a / (a - b);
        kept.push([before[0] + t * (now[0] - before[0]), before[1] + t * (now[1] - before[1])]);
      }
      if (b >= 0) kept.push(now);
    });
    ring = kept;
  }
  return ring.map((p) => [lat(p[1]), p[0]]);
}

/** What the ship could reach at one moment of a silence: rings to draw, or why nothing can be drawn. */
function reachAt(gap, speedKn, moment) {
  const out = { radii: [], ring: null, outside: false, unlimited: false };
  const ends = [[[gap.start_lat_deg, gap.start_lon_deg], (moment - gap.start_utc) / HOUR]];
  if (gap.end_utc !== null && gap.end_lat_deg !== null) ends.push([[gap.end_lat_deg, gap.end_lon_deg], (gap.end_utc - moment) / HOUR]);
  const circles = ends.map(([at, h]) => ({ at, nm: Math.max(0, h * speedKn) }));
  out.radii = circles.map((c) => c.nm);
  if (circles.length === 2 && distanceNm(circles[0].at, circles[1].at) > circles[0].nm + circles[1].nm + 0.5) {
    out.outside = true;
    return out;
  }
  const shown = circles.filter((c) => drawable(c.at, c.nm));
  if (!shown.length) { out.unlimited = true; return out; }
  const rings = shown.map((c) => circle(c.at, Math.max(c.nm, 0.2)));
  out.ring = rings.length === 2 ? overlap(rings[0], rings[1]) : rings[0];
  if (out.ring.length < 3) out.ring = circles[0].nm < circles[circles.length - 1].nm ? rings[0] : rings[rings.length - 1];
  return out;
}
