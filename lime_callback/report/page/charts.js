"use strict";
// The charts. Each draws one moment of one view into its place; `ask` has what the reader has chosen:
// m (moment), whose (probe and target, null for any), same (one scale for the run), pick (called with a moment).

const LEFT = 54;

function scaleOf(view, ask) {
  const reach = ask.same ? view.reach(ask.whose) : largest(view.mean(ask.m, ask.whose));
  return 1.06 * reach || 1;
}

// ---- coefficients over the wavelength, with their intervals

function spectrumBars(place, view, ask, label) {
  const mean = view.mean(ask.m, ask.whose);
  const { root, width, height } = paper(place, place.clientWidth < 500 ? 220 : 286, label);
  const [axis, right, bottom] = [view.axis, width - 8, height - 40];
  const [x, reach] = [linear(axis.low, axis.high, LEFT, right), scaleOf(view, ask)];
  const y = linear(-reach, reach, bottom, 8);
  spectralBackground(root, axis, x, 8, bottom);
  leftAxis(root, y, -reach, reach, LEFT, right);
  background(root, view, ask, x, y);
  const widest = new Map();
  for (const [from, to, f] of axis.cells) {
    const value = mean.values[f];
    if (!Number.isFinite(value)) continue;
    const bar = svg("rect", {
      x: x(from) + 0.5, width: Math.max(x(to) - x(from) - 1, 1), y: Math.min(y(value), y(0)),
      height: Math.max(Math.abs(y(value) - y(0)), 0.5), fill: barColour(value, mean.halves[f]),
    });
    bar.append(svg("title", {}, tellOf(view, mean, f)));
    root.append(bar);
    const found = widest.get(f);
    if (!found || to - from > found[1] - found[0]) widest.set(f, [from, to]);
  }
  for (const [f, [from, to]] of widest) {
    const dots = mean.dots[f];
    if (dots.length > 1) {
      dots.forEach((dot, i) =>
        mark(root, x(from + (to - from) * (0.15 + (0.7 * i) / (dots.length - 1))), y(dot), [8, bottom], true));
    }
    whisker(root, mean.values[f], mean.halves[f], (v) => clamp(y(v), 4, bottom), x((from + to) / 2), true);
  }
  root.append(svg("line", { x1: LEFT, x2: right, y1: y(0), y2: y(0), class: "zero" }));
  spectralAxis(root, axis, x, bottom, width);
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// A probe's own value: a dot, or a triangle at the end of the axis that points to where it would be.
function mark(root, x, y, [low, high], upright) {
  const value = upright ? y : x;
  if (value >= low && value <= high) { root.append(svg("circle", { cx: x, cy: y, r: 1.8, class: "dot" })); return; }
  const [at, way] = value < low ? [low, 1] : [high, -1];
  const points = [[0, 0], [5 * way, 3], [5 * way, -3]].map(([a, b]) => (upright ? [x + b, at + a] : [at + a, y + b]));
  root.append(svg("polygon", { points: points.join(" "), class: "dot" }));
}

// The probe's spectrum, or the probes' mean one, on a scale of its own.
function background(root, view, ask, x, y) {
  const { middles, order } = view.axis;
  const probes = new Set(view.chosen(ask.m, ask.whose).map((s) => view.who(ask.m)[s][0]));
  const spectra = view.run.probes.filter((one) => probes.has(one.number) && one.spectrum).map((one) => one.spectrum);
  if (!middles || !spectra.length || spectra[0].length !== order.length) return;
  const line = order.map((channel) => average(spectra.map((one) => (one[channel] === null ? NaN : one[channel]))));
  const finite = line.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const [bottom, top] = y.range;
  const up = linear(low, high, bottom - 0.05 * (bottom - top), top + 0.05 * (bottom - top));
  const inGap = (a, b) => view.axis.gaps.some(([from, to]) => from < b && to > a);
  let path = "";
  line.forEach((value, i) => {
    if (!Number.isFinite(value)) return;
    const go = path && i && !inGap(middles[i - 1], middles[i]) ? "L" : "M";
    path += `${go}${x(middles[i]).toFixed(1)} ${up(value).toFixed(1)}`;
  });
  root.append(svg("path", { d: path, fill: "none", stroke: "var(--line)", "stroke-width": 1.2, opacity: 0.75 }));
}

function whisker(root, value, half, y, at, upright) {
  if (!Number.isFinite(value) || !Number.isFinite(half)) return;
  const [a, b] = [y(value - half), y(value + half)];
  const ends = upright ? { x1: at, x2: at, y1: a, y2: b } : { y1: at, y2: at, x1: a, x2: b };
  root.append(svg("line", { ...ends, class: "whisker" }));
}

function tellOf(view, mean, f) {
  const half = mean.halves[f];
  return `${view.features[f]}: coefficient ${signed(mean.values[f])}${
    Number.isFinite(half) ? ` ± ${number(half, 2)} (95 %)` : ", no interval known"}, effect ${signed(mean.effects[f])}`;
}

// ---- the strongest features, as rows: name, bar, value

function ranking(place, view, ask, label) {
  const rows = strongest(view, ask.m, ask.whose, 10);
  const [step, top] = [25, 2];
  const { root, width, height } = paper(place, top + rows.length * step + 20, label);
  const reach = ask.same || !rows.length ? scaleOfRows(view, ask) : scaleOfRows(view, ask, rows);
  const values = rows.map((row) => signed(row.value) + (Number.isFinite(row.half) ? ` ± ${number(row.half, 2)}` : ""));
  const letters = Math.min(Math.max(0, ...rows.map((row) => row.name.length)), Math.floor(width / 16));
  const [left, right] = [letters * 6.7 + 8, width - Math.max(0, ...values.map((one) => one.length)) * 6.6 - 10];
  const x = linear(-reach, reach, left, right);
  const bottom = height - 20;
  for (const tick of sides(reach)) {
    root.append(svg("line", { x1: x(tick), x2: x(tick), y1: top, y2: bottom, class: "rule" }),
      text(x(tick), bottom + 15, number(tick), { "text-anchor": "middle", class: "muted" }));
  }
  rows.forEach((row, i) => {
    const middle = top + (i + 0.5) * step;
    const name = text(0, middle + 4, short(row.name, letters));
    name.append(svg("title", {}, row.name));
    root.append(name, text(width, middle + 4, values[i], { "text-anchor": "end", class: "muted" }), svg("rect", {
      x: Math.min(x(row.value), x(0)), width: Math.max(Math.abs(x(row.value) - x(0)), 0.5), y: middle - 6, height: 12,
      fill: barColour(row.value, row.half), rx: 1,
    }));
    if (row.dots.length > 1) row.dots.forEach((dot) => mark(root, x(dot), middle, [left, right], false));
    whisker(root, row.value, row.half, (value) => clamp(x(value), left, right), middle, false);
  });
  root.append(svg("line", { x1: x(0), x2: x(0), y1: top, y2: bottom, class: "zero" }));
}

function scaleOfRows(view, ask, rows) {
  if (rows) {
    const slots = rows.flatMap((row) => row.dots);
    return 1.06 * largest({ values: rows.map((row) => row.value), halves: rows.map((row) => row.half), slots }) || 1;
  }
  if (view.shared || ask.whose.probe !== null) return scaleOf(view, ask);
  let most = 0;
  for (const b of view.coefficients) if (Math.abs(b) > most) most = Math.abs(b);
  return 1.06 * most || 1;
}

// ---- the waterfall: epoch by wavelength, or by feature

function waterfall(place, view, ask, label) {
  const rows = view.which.flatMap((_, m) => (view.explained(m) ? [m] : []));
  const tall = view.axis ? clamp(28 * rows.length, 200, 364) : clamp(22 * rows.length, 200, 330);
  const { root, width } = paper(place, tall + (view.axis ? 46 : 30), label);
  const [right, bottom, high] = [width - 8, 6 + tall, tall / rows.length];
  const axis = view.axis || { low: 0, high: view.size, gaps: [], cells: view.features.map((_, f) => [f, f + 1, f]) };
  const x = linear(axis.low, axis.high, LEFT, right);
  place.prepend(waterfallCanvas(place, view, ask, rows, axis, x, width, tall));
  if (view.axis) spectralBackground(root, axis, x, 6, bottom);
  const every = Math.ceil((18 * rows.length) / tall);
  rows.forEach((m, i) => {
    if ((rows.length - 1 - i) % every === 0) {
      root.append(text(LEFT - 6, 6 + (i + 0.5) * high + 4, epochs(view.run, m), { "text-anchor": "end", class: "muted" }));
    }
  });
  const turned = text(12, 6 + tall / 2, "epoch", { "text-anchor": "middle", class: "muted", transform: `rotate(-90 12 ${6 + tall / 2})` });
  root.append(turned, svg("rect", { x: LEFT, y: 6, width: right - LEFT, height: tall, fill: "none", stroke: "var(--line)" }));
  const now = rows.indexOf(ask.m);
  for (const kind of now < 0 ? [] : ["around", "now"]) {
    root.append(svg("rect", { x: LEFT - 1, y: 6 + now * high, width: right - LEFT + 2, height: high, class: kind }));
  }
  if (view.axis) spectralAxis(root, axis, x, bottom, width);
  else featureAxis(root, view, x, bottom, right);
  const at = (event) => {
    const box = root.getBoundingClientRect();
    const [nm, i] = [x.back(event.clientX - box.left), Math.floor((event.clientY - box.top - 6) / high)];
    const cell = axis.cells.find(([from, to]) => nm >= from && nm < to);
    return { m: rows[i], f: cell ? cell[2] : undefined };
  };
  root.classList.add("pointed");
  root.addEventListener("click", (event) => { const { m } = at(event); if (m !== undefined) ask.pick(m); });
  root.addEventListener("pointermove", (event) => {
    const { m, f } = at(event);
    if (m !== undefined && f !== undefined) ask.tell(`${after(view.run, m)}, ${tellOf(view, view.mean(m, ask.whose), f)}`);
  });
}

// Only drawn again when it would look different: the slider does not change it.
function waterfallCanvas(place, view, ask, rows, axis, x, width, tall) {
  const key = JSON.stringify([view.run.path, view.name, ask.whose, width]);
  if (place.drawn && place.drawn.key === key) return place.drawn.canvas;
  const scale = ratio();
  const canvas = html("canvas", { width: width * scale, height: (tall + 12) * scale, className: "under", "aria-hidden": "true" });
  canvas.style.width = `${width}px`;
  const pen = canvas.getContext("2d");
  rows.forEach((m, i) => {
    const { effects } = view.mean(m, ask.whose);
    const [top, below] = [6 + (i * tall) / rows.length, 6 + ((i + 1) * tall) / rows.length].map((y) => Math.round(y * scale));
    for (const [from, to, f] of axis.cells) {
      const [a, b] = [Math.round(x(from) * scale), Math.round(x(to) * scale)];
      pen.fillStyle = `rgb(${diverging(effects[f], view.limit).map(Math.round).join()})`;
      pen.fillRect(a, top, Math.max(b - a, 1), below - top);
    }
  });
  place.drawn = { key, canvas };
  return canvas;
}

function featureAxis(root, view, x, bottom, right) {
  const room = Math.max(Math.floor((right - LEFT) / 125), 1);
  const every = Math.ceil(view.size / room);
  for (let f = 0; f < view.size; f += every) {
    const last = x(f + 0.5) + 40 > right;
    root.append(text(last ? right : f ? x(f + 0.5) : LEFT, bottom + 17, short(view.features[f], 14),
      { "text-anchor": last ? "end" : f ? "middle" : "start", class: "muted" }));
  }
}

// ---- lines over the epochs: { name, values, colour, dashed, filled, halves }

function lines(place, run, all, ask, label, { low = 0, high = 0, levels = [] } = {}) {
  const { root, width, height } = paper(place, 150, label);
  const [right, bottom] = [width - 10, height - 38];
  const when = run.moments.map((moment) => moment[2]);
  const [first, last] = [Math.min(...when), Math.max(...when)];
  const x = first < last ? linear(first, last, LEFT - 8, right) : linear(first - 0.5, first + 0.5, LEFT - 8, right);
  const found = all.flatMap((one) => one.values).filter(Number.isFinite);
  const [from, to] = [Math.min(low, ...found), Math.max(high, ...found, ...levels.map(([v]) => v)) || 1];
  const y = linear(from, to + (high ? 0 : 0.06 * (to - from)), bottom, 8);
  leftAxis(root, y, from, to, LEFT - 8, right, 3);
  const middle = x(when[ask.m]);
  root.append(svg("line", { x1: middle, x2: middle, y1: 8, y2: bottom, stroke: "var(--line)", "stroke-width": 1.5 }));
  for (const [level, name] of levels) {
    root.append(svg("line", { x1: LEFT - 8, x2: right, y1: y(level), y2: y(level), stroke: "var(--alert)", "stroke-dasharray": "5 4" }),
      text(LEFT - 4, y(level) - 4, name, { class: "bound" }));
  }
  for (const one of all) {
    let [path, run_] = ["", []];
    const fills = [];
    one.values.forEach((value, m) => {
      if (!Number.isFinite(value)) { if (run_.length) fills.push(run_); run_ = []; return; }
      path += `${run_.length ? "L" : "M"}${x(when[m]).toFixed(1)} ${y(value).toFixed(1)}`;
      run_.push(m);
    });
    if (run_.length) fills.push(run_);
    if (one.filled || one.halves) {
      const half = (m) => (Number.isFinite(one.halves[m]) ? one.halves[m] : 0);
      for (const part of fills) {
        const upper = part.map((m) => `${x(when[m])},${y(one.values[m] + (one.halves ? half(m) : 0))}`);
        const lower = part.map((m) => `${x(when[m])},${one.filled ? bottom : y(one.values[m] - half(m))}`).reverse();
        root.append(svg("polygon", { points: [...upper, ...lower].join(" "), fill: one.filled ? "var(--band)" : one.colour, opacity: one.filled ? 1 : 0.2 }));
      }
    }
    if (one.filled) continue;
    root.append(svg("path", { d: path, fill: "none", stroke: one.colour, "stroke-width": 2, "stroke-dasharray": one.dashed ? "4 4" : "none", "stroke-linejoin": "round" }));
    const here = one.values[ask.m];
    if (Number.isFinite(here)) root.append(svg("circle", { cx: middle, cy: y(here), r: 4, fill: one.colour, stroke: "var(--surface)", "stroke-width": 1.5 }));
  }
  const marks = ticks(first, last, Math.min(6, Math.ceil(width / 70))).filter((tick) => last - first < 1 || Number.isInteger(tick));
  bottomAxis(root, x, marks.map((tick) => [tick, number(tick)]), bottom, "epoch", right);
  root.classList.add("pointed");
  root.addEventListener("click", (event) => {
    const there = x.back(event.clientX - root.getBoundingClientRect().left);
    ask.pick(when.reduce((best, one, m) => (Math.abs(one - there) < Math.abs(when[best] - there) ? m : best), 0));
  });
}
