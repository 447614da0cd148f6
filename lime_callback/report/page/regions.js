"use strict";
// Where the features of a view lie in the probes' pictures, and maps in the colours of the colour bar and no others.

const { narrowest, line: lineColour, hidden } = given.style.overlay;
const NAMED = 3; // features of a map that carry their names

// The number of a slot's mask among those of its moment: one for each probe, or one for all.
function orderOf(view, m, s) {
  if (view.shared) return 0;
  const probes = [...new Set(view.who(m).map(([probe]) => probe))];
  return probes.indexOf(view.who(m)[s][0]);
}

// Which region each pixel belongs to.
function regionsOf(maps, order) {
  maps.regions = maps.regions || [];
  if (!maps.regions[order]) {
    const regions = new Uint16Array(maps.width * maps.height);
    const runLengths = maps.runs[order];
    for (let i = 0, at = 0; i < runLengths.length; at += runLengths[i], i += 2) regions.fill(runLengths[i + 1], at, at + runLengths[i]);
    maps.regions[order] = regions;
  }
  return maps.regions[order];
}

// For each feature its middle, and the pixel in it that is nearest to the middle; null where it is absent. From 0 to 1.
function middlesOf(view, order) {
  const { maps } = view;
  maps.middles = maps.middles || [];
  if (maps.middles[order]) return maps.middles[order];
  const regions = regionsOf(maps, order);
  const sums = view.features.map(() => [0, 0, 0]);
  const everyPixel = (visit) => regions.forEach((region, i) => {
    for (const [f] of maps.shares[region]) visit(f, i % maps.width, Math.floor(i / maps.width));
  });
  everyPixel((f, x, y) => { sums[f][0] += x; sums[f][1] += y; sums[f][2] += 1; });
  const middles = sums.map(([x, y, n]) => (n ? { x: x / n, y: y / n, away: Infinity } : null));
  everyPixel((f, x, y) => {
    const away = (x - middles[f].x) ** 2 + (y - middles[f].y) ** 2;
    if (away < middles[f].away) Object.assign(middles[f], { away, inX: (x + 0.5) / maps.width, inY: (y + 0.5) / maps.height });
  });
  for (const middle of middles) {
    if (middle) Object.assign(middle, { x: (middle.x + 0.5) / maps.width, y: (middle.y + 0.5) / maps.height });
  }
  maps.middles[order] = middles;
  return middles;
}

// Where a feature lies in the picture, in words such as "upper left".
function whereabouts(view, order, f) {
  const middle = middlesOf(view, order)[f];
  if (!middle) return "";
  const third = (share) => Math.min(Math.floor(3 * share), 2);
  const [down, across] = [["upper", "", "lower"][third(middle.y)], ["left", "", "right"][third(middle.x)]];
  return [down, across].filter(Boolean).length === 1 ? `${down || "middle"} ${across || "middle"}` : down ? `${down} ${across}` : "centre";
}

// ---- maps

function paintMap(canvas, view, order, effects, names, at = null) {
  const { width, height, shares } = view.maps;
  const regions = regionsOf(view.maps, order);
  const never = [1, 3, 5].map((i) => parseInt(hidden.slice(i, i + 2), 16));
  const colours = shares.map((parts) => (parts.length
    ? diverging(parts.reduce((sum, [f, share]) => sum + share * (effects[f] || 0), 0), view.limit) : never));
  const small = html("canvas", { width, height });
  const pixels = new ImageData(width, height);
  regions.forEach((region, i) => {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = colours[region][c];
    pixels.data[4 * i + 3] = 255;
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  // As many pixels as the screen has there, so that lines stay sharp.
  canvas.width = Math.round(Math.max(canvas.clientWidth, 40) * ratio());
  canvas.height = Math.round((canvas.width * height) / width);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = width > canvas.width;
  pen.drawImage(small, 0, 0, canvas.width, canvas.height);
  if (view.size * narrowest ** 2 < canvas.width * canvas.height) outline(pen, view.maps, canvas, regions);
  if (at !== null) {
    const inside = Uint16Array.from(regions, (region) => Number(shares[region].some(([f]) => f === at)));
    outline(pen, view.maps, canvas, inside, "#ffffff", 5);
    outline(pen, view.maps, canvas, inside, "#000000", 3);
  }
  writeNames(pen, canvas, middlesOf(view, order), names);
}

// A line between pixels of different regions.
function outline(pen, { width, height }, canvas, regions, colour = lineColour, thick = 1) {
  const line = Math.round(thick * ratio());
  const back = Math.floor(line / 2);
  const across = (x) => Math.round((x * canvas.width) / width);
  const down = (y) => Math.round((y * canvas.height) / height);
  pen.fillStyle = colour;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (x + 1 < width && regions[i] !== regions[i + 1]) pen.fillRect(across(x + 1) - back, down(y), line, Math.max(down(y + 1) - down(y), line));
      if (y + 1 < height && regions[i] !== regions[i + width]) pen.fillRect(across(x), down(y + 1) - back, Math.max(across(x + 1) - across(x), line), line);
    }
  }
}

// The strongest features' names, where they do not hide each other.
function writeNames(pen, canvas, middles, names) {
  const scale = ratio();
  pen.font = `600 ${12 * scale}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  pen.lineWidth = 3 * scale;
  const taken = [];
  for (const [f, name] of names) {
    if (!middles[f]) continue;
    const half = pen.measureText(name).width / 2 + scale;
    const x = Math.min(Math.max(middles[f].inX * canvas.width, half), canvas.width - half);
    const y = Math.min(Math.max(middles[f].inY * canvas.height, 7 * scale), canvas.height - 7 * scale);
    if (taken.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 13 * scale)) continue;
    taken.push({ x, y, half });
    pen.strokeStyle = "#ffffff";
    pen.strokeText(name, x, y);
    pen.fillStyle = "#1f1f1f";
    pen.fillText(name, x, y);
  }
}

// ▲ or ▼ and the number of the strongest features whose signs are known: pairs of a feature and a text.
function namesOf(view, m, s) {
  const effects = view.effects(m, s);
  return view.features.map((_, f) => f)
    .filter((f) => effects[f] && isSure(effects[f], view.quantileOfAll * view.effectError(m, s, f)))
    .sort((a, b) => Math.abs(effects[b]) - Math.abs(effects[a])).slice(0, NAMED)
    .map((f) => {
      const name = view.features[f].replace(/^superpixel /, "");
      return [f, `${effects[f] > 0 ? "▲" : "▼"}${name.length > 4 ? "" : name}`];
    });
}

// ---- thumbnails: a picture with one region's outline

const FINE = 40; // cells along the longer side of an outline

// The outline as a path, in cells, and the size of the thumbnail in these.
function outlinePath(view, order, f) {
  const { maps } = view;
  maps.paths = maps.paths || new Map();
  const key = `${order} ${f}`;
  if (maps.paths.has(key)) return maps.paths.get(key);
  const part = Math.min(1, FINE / Math.max(maps.width, maps.height));
  const [columns, rows] = [maps.width, maps.height].map((size) => Math.max(1, Math.round(size * part)));
  const regions = regionsOf(maps, order);
  const inside = (x, y) => {
    if (x < 0 || y < 0 || x >= columns || y >= rows) return false;
    const at = Math.floor(((y + 0.5) * maps.height) / rows) * maps.width + Math.floor(((x + 0.5) * maps.width) / columns);
    return maps.shares[regions[at]].some(([feature]) => feature === f);
  };
  let [d, fill] = ["", ""];
  for (let y = 0; y <= rows; y++) {
    for (let x = 0; x <= columns; x++) {
      if (inside(x, y)) fill += `M${x} ${y}h1v1h-1z`;
      if (inside(x, y) !== inside(x - 1, y)) d += `M${x} ${y}v1`;
      if (inside(x, y) !== inside(x, y - 1)) d += `M${x} ${y}h1`;
    }
  }
  const result = { d, fill, columns, rows };
  maps.paths.set(key, result);
  return result;
}

// Fits a square; on the picture of the slot's probe, or on nothing where the region is that of several.
function thumbnail(view, m, { s, f, dots }, size, attributes = {}) {
  const order = orderOf(view, m, s);
  const { d, fill, columns, rows } = outlinePath(view, order, f);
  const probe = view.run.probes.find((entry) => entry.number === view.who(m)[s][0]);
  const across = Math.max(columns, rows);
  const [width, height] = [(size * columns) / across, (size * rows) / across];
  const root = svg("svg", { width, height, viewBox: `0 0 ${columns} ${rows}`, class: "thumbnail", "aria-hidden": "true", ...attributes });
  root.append(svg("rect", { width: columns, height: rows, class: "blank" }));
  if (dots.length > 1 || !probe?.picture) root.append(svg("path", { d: fill, class: "fill" }));
  else root.append(svg("use", { href: `#${pictureId(view.run, probe)}`, width: columns, height: rows }));
  for (const kind of ["halo", "edge"]) root.append(svg("path", { d, class: kind, "vector-effect": "non-scaling-stroke" }));
  return root;
}

const pictureId = (run, probe) => `picture-${runs.indexOf(run)}-${run.probes.indexOf(probe)}`;

// Each picture once in the page; thumbnails refer to it.
function pictureSymbols(run) {
  return run.probes.filter((probe) => probe.picture).map((probe) =>
    svg("symbol", { id: pictureId(run, probe), viewBox: "0 0 1 1", preserveAspectRatio: "none" },
      svg("image", { href: probe.picture, width: 1, height: 1, preserveAspectRatio: "none" })));
}
