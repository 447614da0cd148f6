"use strict";
// Bars of effects, from the part that lowers the output to the part that raises it: a bar is as long as the feature's
// mean absolute effect. Dots are probes, and a diamond is their mean with its interval. `ask` has what the reader has
// chosen: m (moment), whose (probe and target, null for any), same (one scale for the run), pick (called with a moment).

const LEFT = 54;

const limitOf = (view, ask) => Math.min(1, roundUp(ask.same ? view.reach(ask.whose) : view.reachAt(ask.m, ask.whose)) || 1);

// One bar with its marks; `along` maps effects to pixels, `from` and `to` are the bar's sides.
function effectBar(root, row, along, [from, to], upright, most) {
  const sure = isSure(row.value, row.half);
  const zero = along(0);
  for (const [end, sign] of [[row.lowered, "minus"], [row.raised, "plus"]]) {
    if (!(Math.abs(end) > 0)) continue;
    const [low, high] = [along(end), zero].sort((a, b) => a - b);
    const box = upright
      ? { x: from, width: Math.max(to - from, 1), y: low, height: Math.max(high - low, 0.5) }
      : { x: low, width: Math.max(high - low, 0.5), y: from, height: to - from };
    root.append(svg("rect", { ...box, fill: barColour(sign, sure), class: "bar" }));
  }
  return () => {
    const middle = (from + to) / 2;
    if (row.dots.length > 1) {
      const positions = row.dots.map(({ value }) => along(value));
      swarm(positions, most).forEach((shift, i) => {
        const [x, y] = upright ? [middle + shift, positions[i]] : [positions[i], middle + shift];
        root.append(svg("circle", { cx: x, cy: y, r: DOT, class: "dot" }));
      });
    }
    meanMark(root, along, row.value, row.half, middle, upright);
  };
}

// A feature's numbers in words.
function tellOf(view, m, mean, f) {
  const half = mean.halves[f];
  const name = placed(view, m, mean.slots[0], f);
  if (!Number.isFinite(mean.values[f])) return `${name}: not a part of this probe`;
  const interval = Number.isFinite(half) ? `${asHalf(half)} (95 %)` : ", no interval known";
  if (mean.slots.length === 1) return `${name}: effect ${asEffect(mean.values[f])}${interval}`;
  return `${name}: ${percent(mean.sizes[f])} of a probe’s attribution, mean effect ${asEffect(mean.values[f])}${interval}`;
}

// ---- over the wavelength

function spectrumBars(place, view, ask, label, told) {
  const mean = view.mean(ask.m, ask.whose);
  const { root, width, height } = paper(place, place.clientWidth < 500 ? 230 : 296, label);
  const [axis, right, top, bottom] = [view.axis, width - 8, 8, height - 40];
  const [x, limit] = [linear(axis.low, axis.high, LEFT, right), limitOf(view, ask)];
  const y = linear(-limit, limit, bottom, top);
  emptyWavelengths(root, axis, x, top, bottom);
  leftAxis(root, y, bothSides(limit), LEFT, right);
  root.append(text(12, (top + bottom) / 2, "effect", { "text-anchor": "middle", class: "muted", transform: `rotate(-90 12 ${(top + bottom) / 2})` }));
  spectrum(root, view, ask, x, y);
  const widest = widestCells(axis);
  const marks = [];
  for (const [from, to, f] of axis.cells) {
    if (!Number.isFinite(mean.values[f])) continue;
    const whole = widest.get(f)[0] === from && widest.get(f)[1] === to;
    const row = { value: mean.values[f], half: mean.halves[f], raised: mean.raised[f], lowered: mean.lowered[f], dots: whole ? mean.dots[f] : [] };
    const draw = effectBar(root, row, y, [x(from) + 0.5, x(to) - 0.5], true, Math.max((x(to) - x(from)) / 2 - DOT, 0));
    if (whole) marks.push(draw);
  }
  root.append(svg("line", { x1: LEFT, x2: right, y1: y(0), y2: y(0), class: "zero" }));
  for (const draw of marks) draw();
  spectralAxis(root, axis, x, bottom, width);
  const columns = [...widest.keys()];
  readable(place, `${view.name}: bars of effects. Arrow keys go from feature to feature.`, told, {
    ...inRows(1, columns.length, [0, 0]),
    at: (px) => {
      const cell = axis.cells.find(([from, to]) => px >= x(from) && px < x(to));
      return cell ? [0, columns.indexOf(cell[2])] : null;
    },
    mark: (cell) => {
      const [from, to] = cell ? widest.get(columns[cell[1]]) : [];
      frame(root, cell && { x: x(from) - 1, y: top, width: x(to) - x(from) + 2, height: bottom - top });
    },
    read: ([, j]) => tellOf(view, ask.m, mean, columns[j]),
  });
}

// For each feature, in the order of the axis, its widest cell.
function widestCells(axis) {
  const widest = new Map();
  for (const [from, to, f] of axis.cells) {
    const known = widest.get(f);
    if (!known || to - from > known[1] - known[0] + 1e-6) widest.set(f, [from, to]);
  }
  return widest;
}

// The probe's spectrum, or the probes' mean one, on a scale of its own.
function spectrum(root, view, ask, x, y) {
  const { middles, order } = view.axis;
  const probes = new Set(view.chosen(ask.m, ask.whose).map((s) => view.who(ask.m)[s][0]));
  const spectra = view.run.probes.filter((probe) => probes.has(probe.number) && probe.spectrum).map((probe) => probe.spectrum);
  if (!middles || !spectra.length || spectra[0].length !== order.length) return;
  const line = order.map((channel) => average(spectra.map((values) => (values[channel] === null ? NaN : values[channel]))));
  const finite = line.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const [bottom, top] = y.range;
  const up = linear(low, high, bottom - 0.05 * (bottom - top), top + 0.05 * (bottom - top));
  const parted = (a, b) => view.axis.gaps.some(([from, to]) => from < b && to > a);
  let path = "";
  line.forEach((value, i) => {
    if (!Number.isFinite(value)) return;
    const go = path && i && !parted(middles[i - 1], middles[i]) ? "L" : "M";
    path += `${go}${x(middles[i]).toFixed(1)} ${up(value).toFixed(1)}`;
  });
  root.append(svg("path", { d: path, class: "spectrum" }));
}

// ---- the strongest features, as rows: where it is, name, bar, share

function ranking(place, view, ask, label) {
  const rows = strongest(view, ask.m, ask.whose, 10).filter((row) => row.size > 0);
  const alone = rows.every((row) => row.dots.length < 2);
  const [step, top, picture] = [32, 4, view.maps ? 30 : 0];
  const { root, width, height } = paper(place, top + rows.length * step + 22, label);
  const limit = limitOf(view, ask);
  // The name stands above its bar, so that neither takes room from the other.
  const [left, right, bottom] = [picture + 8, width - 52, height - 20];
  const x = linear(-limit, limit, left + 4, right - 4);
  for (const tick of width < 420 ? [-limit, 0, limit] : bothSides(limit)) {
    root.append(svg("line", { x1: x(tick), x2: x(tick), y1: top, y2: bottom, class: "rule" }));
  }
  bottomAxis(root, x, [-limit, 0, limit].map((tick) => [tick, number(tick)]), bottom - 1, "", right);
  rows.forEach((row, i) => {
    const upper = top + i * step;
    const middle = upper + 22;
    if (picture) root.append(thumbnail(view, ask.m, row, 28, { x: 0, y: upper + 1 }));
    const draw = effectBar(root, row, x, [middle - 6, middle + 6], false, 6);
    root.append(svg("line", { x1: x(0), x2: x(0), y1: middle - 7, y2: middle + 7, class: "zero" }));
    draw();
    const name = text(left, upper + 12, short(row.name, Math.floor((width - left - 4) / 6.6)), { class: "name" });
    name.append(svg("title", {}, row.name));
    root.append(name, text(width, middle + 4, alone ? asEffect(row.value) : percent(row.size), { "text-anchor": "end", class: "value" }));
  });
}
