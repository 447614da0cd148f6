"use strict";
// Grids of effects in the colours of the colour bar: epochs by features, and probes by features.

// An axis for features without one: a column each.
const columnsOf = (view) => view.axis || { low: 0, high: view.size, gaps: [], water: [], cells: view.features.map((_, f) => [f, f + 1, f]) };

// rows: { y, high, label, effects, marked }, of which `key` tells whether they look as they did.
function effectGrid(place, view, rows, tall, label, key) {
  const { root, width } = paper(place, tall + (view.axis ? 46 : 30), label);
  const [axis, right, bottom] = [columnsOf(view), width - 8, 6 + tall];
  const x = linear(axis.low, axis.high, LEFT, right);
  place.prepend(gridCanvas(place, view, rows, axis, x, width, tall, JSON.stringify([key, width, ratio()])));
  emptyWavelengths(root, axis, x, 6, bottom);
  root.append(svg("rect", { x: LEFT, y: 6, width: right - LEFT, height: tall, fill: "none", stroke: "var(--line)" }));
  if (view.axis) spectralAxis(root, axis, x, bottom, width);
  else featureAxis(root, view, x, bottom, right);
  return { root, x, right, columns: [...widestCells(axis).keys()], widest: widestCells(axis) };
}

// Only drawn again when it would look different: the slider does not change the waterfall.
function gridCanvas(place, view, rows, axis, x, width, tall, key) {
  if (place.drawn && place.drawn.key === key) return place.drawn.canvas;
  const scale = ratio();
  const canvas = html("canvas", { width: width * scale, height: (tall + 12) * scale, className: "under", "aria-hidden": "true" });
  canvas.style.width = `${width}px`;
  const pen = canvas.getContext("2d");
  pen.font = `600 ${13 * scale}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const { y, high, effects } of rows) {
    const [top, below] = [y, y + high].map((edge) => Math.round(edge * scale));
    for (const [from, to, f] of axis.cells) {
      const [a, b] = [Math.round(x(from) * scale), Math.round(x(to) * scale)];
      pen.fillStyle = `rgb(${diverging(effects[f], view.limit).map(Math.round).join()})`;
      pen.fillRect(a, top, Math.max(b - a, 1), below - top);
      // In grey, signs alone tell what raises and what lowers.
      const share = Math.abs(effects[f]) / view.limit;
      if (!(share >= 0.25) || b - a < 11 * scale || below - top < 13 * scale) continue;
      pen.fillStyle = share > 0.6 ? "#ffffff" : "#1f1f1f";
      pen.fillText(effects[f] > 0 ? "+" : "−", (a + b) / 2, (top + below) / 2);
    }
  }
  place.drawn = { key, canvas };
  return canvas;
}

function featureAxis(root, view, x, bottom, right) {
  const names = view.features.map((name) => short(name, 14));
  const widest = Math.max(...names.map((name) => name.length)) * 7 + 10;
  const every = Math.ceil(view.size / Math.max(Math.floor((right - LEFT) / widest), 1));
  let end = -Infinity;
  for (let f = 0; f < view.size; f += every) {
    const half = names[f].length * 3.5;
    const middle = clamp(x(f + 0.5), half, right + 8 - half);
    if (middle - half < end + 6) continue;
    root.append(text(middle, bottom + 17, names[f], { "text-anchor": "middle", class: "muted" }));
    end = middle + half;
  }
}

const sideways = (root, tall, word) => root.append(text(12, 6 + tall / 2, word,
  { "text-anchor": "middle", class: "muted", transform: `rotate(-90 12 ${6 + tall / 2})` }));

// What grids have in common for their readers: cells by rows and columns.
function gridCells(rows, { root, x, columns, widest }, axis, first) {
  return {
    ...inRows(rows.length, columns.length, [first, 0]),
    at: (px, py) => {
      const i = rows.findIndex(({ y, high }) => py >= y && py < y + high);
      const cell = axis.cells.find(([from, to]) => px >= x(from) && px < x(to));
      return i >= 0 && cell ? [i, columns.indexOf(cell[2])] : null;
    },
    mark: (cell) => {
      if (!cell) { frame(root, null); return; }
      const [from, to] = widest.get(columns[cell[1]]);
      frame(root, { x: x(from), y: rows[cell[0]].y, width: x(to) - x(from), height: rows[cell[0]].high });
    },
  };
}

// ---- epochs by features

function waterfall(place, view, ask, label, told) {
  const moments = view.which.flatMap((_, m) => (view.explained(m) ? [m] : []));
  const tall = view.axis ? clamp(28 * moments.length, 90, 364) : clamp(22 * moments.length, 80, 330);
  const high = tall / moments.length;
  const rows = moments.map((m, i) => ({ y: 6 + i * high, high, effects: view.mean(m, ask.whose).values }));
  const grid = effectGrid(place, view, rows, tall, label, [view.run.path, view.name, ask.whose]);
  const { root, right } = grid;
  const every = Math.ceil((18 * moments.length) / tall);
  moments.forEach((m, i) => {
    if ((moments.length - 1 - i) % every) return;
    root.append(text(LEFT - 6, rows[i].y + high / 2 + 4, epochs(view.run, m), { "text-anchor": "end", class: "muted" }));
  });
  sideways(root, tall, "epoch");
  const now = moments.indexOf(ask.m);
  for (const kind of now < 0 ? [] : ["around", "now"]) {
    root.append(svg("rect", { x: LEFT - 1, y: rows[now].y, width: right - LEFT + 2, height: high, class: kind }));
  }
  readable(place, `${view.name}: effects at every epoch. Arrow keys go from cell to cell, Enter goes to the epoch.`, told, {
    ...gridCells(rows, grid, columnsOf(view), Math.max(now, 0)),
    read: ([i, j]) => `${when(view.run, moments[i])}, ${tellOf(view, moments[i], view.mean(moments[i], ask.whose), grid.columns[j])}`,
    pick: ([i]) => ask.pick(moments[i]),
  });
}

// ---- probes by features, in groups of what is explained

function probeGrid(place, view, ask, label, told) {
  const { m } = ask;
  const wanted = view.several ? ask.whose.target : null;
  const slots = view.who(m).flatMap(([, target], s) => (wanted === null || wanted === target ? [s] : []));
  const groups = new Map();
  for (const s of slots) {
    const [, target] = view.who(m)[s];
    groups.set(target, [...(groups.get(target) || []), s]);
  }
  const high = clamp(Math.floor(480 / slots.length), 6, 20);
  const [rows, titles] = [[], []];
  let y = 6;
  for (const [target, members] of groups) {
    titles.push({ y: y + 13, target });
    y += 18;
    for (const s of members) { rows.push({ y, high, s, effects: view.effects(m, s) }); y += high; }
    y += 4;
  }
  const tall = y - 6;
  const grid = effectGrid(place, view, rows, tall, label, [view.run.path, view.name, m, wanted]);
  const { root, right } = grid;
  for (const { y: at, target } of titles) {
    root.append(svg("rect", { x: LEFT + 0.5, y: at - 12.5, width: right - LEFT - 1, height: 17, class: "title-row" }),
      text(LEFT + 5, at, short(target, Math.floor((right - LEFT - 10) / 7)), { class: "group" }));
  }
  const every = Math.ceil(14 / high);
  rows.forEach(({ y: at, s }, i) => {
    const [probe] = view.who(m)[s];
    const marked = isMarked(says(view, m, s));
    if (marked || i % every === 0) {
      root.append(text(LEFT - 6, at + high / 2 + 4, `${marked ? "≠ " : ""}${probe}`, { "text-anchor": "end", class: marked ? "bound" : "muted" }));
    }
    const below = view.run.gate !== null && view.score(m, s) < view.run.gate;
    if (below) root.append(svg("rect", { x: LEFT, y: at, width: right - LEFT, height: high, class: "veil" }));
    if (ask.whose.probe === probe) {
      for (const kind of ["around", "now"]) root.append(svg("rect", { x: LEFT - 1, y: at, width: right - LEFT + 2, height: high, class: kind }));
    }
  });
  sideways(root, tall, rows.length ? probeName(view.run, view.who(m)[rows[0].s][0]).split(" ")[0] : "probe");
  readable(place, `${view.name}: effects of each probe. Arrow keys go from cell to cell, Enter chooses the probe.`, told, {
    ...gridCells(rows, grid, columnsOf(view), 0),
    read: ([i, j]) => {
      const { s } = rows[i];
      const [probe, target] = view.who(m)[s];
      const own = view.meanOf(m, [s]);
      return `${probeName(view.run, probe)}, explained ${target}${says(view, m, s) ? ` (${says(view, m, s)})` : ""}: ${tellOf(view, m, own, grid.columns[j])}`;
    },
    pick: ([i]) => { const [probe, target] = view.who(m)[rows[i].s]; ask.choose({ probe, target }); },
  });
}
