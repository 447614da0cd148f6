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
  const ends = view.features.map(() => [Infinity, -1, Infinity, -1]);
  const everyPixel = (visit) => regions.forEach((region, i) => {
    for (const [f] of maps.shares[region]) visit(f, i % maps.width, Math.floor(i / maps.width));
  });
  everyPixel((f, x, y) => {
    sums[f][0] += x;
    sums[f][1] += y;
    sums[f][2] += 1;
    const end = ends[f];
    if (x < end[0]) end[0] = x;
    if (x > end[1]) end[1] = x;
    if (y < end[2]) end[2] = y;
    if (y > end[3]) end[3] = y;
  });
  const middles = sums.map(([x, y, n]) => (n ? { x: x / n, y: y / n, away: Infinity } : null));
  everyPixel((f, x, y) => {
    const away = (x - middles[f].x) ** 2 + (y - middles[f].y) ** 2;
    if (away < middles[f].away) Object.assign(middles[f], { away, inX: (x + 0.5) / maps.width, inY: (y + 0.5) / maps.height });
  });
  middles.forEach((middle, f) => {
    if (!middle) return;
    // A ring lies nowhere: not in its middle, and on all sides of it.
    const [left, right, top, bottom] = ends[f];
    const large = Math.max((right - left + 1) / maps.width, (bottom - top + 1) / maps.height) > 1 / 3;
    Object.assign(middle, { x: (middle.x + 0.5) / maps.width, y: (middle.y + 0.5) / maps.height, around: large && middle.away >= 1 });
  });
  maps.middles[order] = middles;
  return middles;
}

// For each region the pixel that lies deepest in it, of several the one nearest to its middle, and how many pixels it is
// from there to the border. From 0 to 1.
function placesOf(view, order) {
  const { maps } = view;
  maps.places = maps.places || [];
  if (maps.places[order]) return maps.places[order];
  const { width, height } = maps;
  const regions = regionsOf(maps, order);
  const depths = depthsOf(regions, width, height);
  const sums = maps.shares.map(() => [0, 0, 0]);
  regions.forEach((region, i) => {
    sums[region][0] += i % width;
    sums[region][1] += Math.floor(i / width);
    sums[region][2] += 1;
  });
  const places = sums.map(() => ({ depth: 0, away: 0 }));
  regions.forEach((region, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    const away = (x - sums[region][0] / sums[region][2]) ** 2 + (y - sums[region][1] / sums[region][2]) ** 2;
    const place = places[region];
    if (depths[i] < place.depth || (depths[i] === place.depth && away >= place.away)) return;
    Object.assign(place, { depth: depths[i], away, x: (x + 0.5) / width, y: (y + 0.5) / height, room: (2 * depths[i] - 1) / width });
  });
  maps.places[order] = places;
  return places;
}

// Steps from each pixel to the nearest one of another region or beyond the picture.
function depthsOf(regions, width, height) {
  const depths = new Uint16Array(regions.length);
  const sweep = (i, x, y, dx, dy) => {
    for (const [ax, ay] of [[dx, 0], [0, dy], [dx, dy], [-dx, dy]]) {
      const [nx, ny] = [x + ax, y + ay];
      const inside = nx >= 0 && ny >= 0 && nx < width && ny < height && regions[ny * width + nx] === regions[i];
      depths[i] = Math.min(depths[i], inside ? depths[ny * width + nx] + 1 : 1);
    }
  };
  depths.fill(65535);
  for (let i = 0; i < depths.length; i++) sweep(i, i % width, Math.floor(i / width), -1, -1);
  for (let i = depths.length - 1; i >= 0; i--) sweep(i, i % width, Math.floor(i / width), 1, 1);
  return depths;
}

// Where a feature lies in the picture, in words such as "upper left"; empty if it lies around its middle.
function whereabouts(view, order, f) {
  const middle = middlesOf(view, order)[f];
  if (!middle || middle.around) return "";
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
  writeNames(pen, canvas, placesOf(view, order), names);
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
function writeNames(pen, canvas, places, names) {
  const scale = ratio();
  pen.font = `600 ${12 * scale}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  pen.lineWidth = 3 * scale;
  const taken = [];
  for (const [region, whole] of names) {
    const place = places[region];
    // A long name that its region cannot hold is left out, and the sign stands alone; a number is always short enough.
    const name = whole.length > 5 && pen.measureText(whole).width > place.room * canvas.width ? whole[0] : whole;
    const half = pen.measureText(name).width / 2 + scale;
    const x = Math.min(Math.max(place.x * canvas.width, half), canvas.width - half);
    const y = Math.min(Math.max(place.y * canvas.height, 7 * scale), canvas.height - 7 * scale);
    if (taken.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 13 * scale)) continue;
    taken.push({ x, y, half });
    pen.strokeStyle = "#ffffff";
    pen.strokeText(name, x, y);
    pen.fillStyle = "#1f1f1f";
    pen.fillText(name, x, y);
  }
}

// ▲ or ▼ and the name of the strongest features whose signs are known: pairs of a region and a text. Where several
// features share a region, it has the name of the strongest; what all names begin with is left out.
function namesOf(view, m, s) {
  const effects = view.effects(m, s);
  const order = orderOf(view, m, s);
  const { shares } = view.maps;
  const sizes = sizesOf(view.maps, order);
  const free = new Set(shares.keys());
  const named = [];
  const start = commonStart(view.features);
  const sure = view.features.map((_, f) => f)
    .filter((f) => effects[f] && isSure(effects[f], view.quantileOfAll * view.effectError(m, s, f)))
    .sort((a, b) => Math.abs(effects[b]) - Math.abs(effects[a]));
  for (const f of sure) {
    const own = [...free].filter((region) => sizes[region] && shares[region].some(([feature]) => feature === f));
    own.forEach((region) => free.delete(region));
    if (!own.length || named.length >= NAMED) continue;
    const largest = own.reduce((a, b) => (sizes[b] > sizes[a] ? b : a));
    named.push([largest, (effects[f] > 0 ? "▲" : "▼") + view.features[f].slice(start.length)]);
  }
  return named;
}

// The strongest feature of a region, which consists of pairs of a feature and its share.
function strongestOf(view, m, s, parts) {
  return parts.map(([f]) => f).reduce((a, b) => (Math.abs(view.effect(m, s, b)) > Math.abs(view.effect(m, s, a)) ? b : a));
}

// How many pixels each region has.
function sizesOf(maps, order) {
  maps.sizes = maps.sizes || [];
  if (!maps.sizes[order]) {
    maps.sizes[order] = new Uint32Array(maps.shares.length);
    for (const region of regionsOf(maps, order)) maps.sizes[order][region] += 1;
  }
  return maps.sizes[order];
}

// The words that all names begin with; empty if one would be left without text.
function commonStart(names) {
  const first = names[0] || "";
  let n = 0;
  while (n < first.length && names.every((name) => name[n] === first[n])) n += 1;
  const start = first.slice(0, first.slice(0, n).lastIndexOf(" ") + 1);
  return names.every((name) => name.slice(start.length).trim()) ? start : "";
}

// What a reader of a map has to know of its names and colours.
function leftOut(view) {
  const start = commonStart(view.features);
  const numbers = view.features.every((name) => /^\d+$/.test(name.slice(start.length)));
  const names = !start ? "" : numbers ? ` (number: which ${start.trim()})` : ` (names without “${start.trim()}”)`;
  const overlap = view.maps.shares.some((parts) => parts.length > 1);
  return names + (overlap ? "; where features overlap, the colour is the mean over channels and the name is the strongest feature's" : "");
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
