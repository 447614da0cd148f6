"use strict";
// Lines over the epochs, and what hiding sets changes.

// Lines are { values, colour, dashed, filled, halves }; `levels` are bounds and their names. Axes end at round numbers.
function lines(place, run, all, ask, label, { low = 0, high = 0, levels = [] } = {}) {
  const { root, width, height } = paper(place, 156, label);
  const [left, right, bottom] = [LEFT - 8, width - 10, height - 38];
  const when = run.moments.map((moment) => moment[2]);
  const [first, last] = [Math.min(...when), Math.max(...when)];
  const x = first < last ? linear(first, last, left, right) : linear(first - 0.5, first + 0.5, left, right);
  const known = all.flatMap((line) => line.values).filter(Number.isFinite);
  const [from, to] = [roundUp(Math.min(low, ...known)), roundUp(Math.max(high, ...known, ...levels.map(([level]) => level))) || 1];
  const y = linear(from, to, bottom, 8);
  leftAxis(root, y, from < 0 ? [from, 0, to] : [0, to / 2, to].map((tick) => Number(tick.toPrecision(6))), left, right);
  const middle = x(when[ask.m]);
  root.append(svg("line", { x1: middle, x2: middle, y1: 8, y2: bottom, stroke: "var(--line)", "stroke-width": 1.5 }));
  for (const [level, name] of levels) {
    root.append(svg("line", { x1: left, x2: right, y1: y(level), y2: y(level), stroke: "var(--alert)", "stroke-dasharray": "5 4" }),
      text(left + 4, y(level) < 24 ? y(level) + 14 : y(level) - 4, name, { class: "bound" }));
  }
  for (const line of all) drawLine(root, line, when, x, y, bottom, ask.m);
  const marks = ticks(first, last, Math.min(6, Math.ceil(width / 70))).filter((tick) => last - first < 1 || Number.isInteger(tick));
  bottomAxis(root, x, marks.map((tick) => [tick, number(tick)]), bottom, "epoch", right);
  root.classList.add("pointed");
  root.addEventListener("click", (event) => {
    const there = x.back(event.clientX - root.getBoundingClientRect().left);
    ask.pick(when.reduce((best, epoch, m) => (Math.abs(epoch - there) < Math.abs(when[best] - there) ? m : best), 0));
  });
}

function drawLine(root, line, when, x, y, bottom, now) {
  let [path, stretch] = ["", []];
  const stretches = [];
  line.values.forEach((value, m) => {
    if (!Number.isFinite(value)) { if (stretch.length) stretches.push(stretch); stretch = []; return; }
    path += `${stretch.length ? "L" : "M"}${x(when[m]).toFixed(1)} ${y(value).toFixed(1)}`;
    stretch.push(m);
  });
  if (stretch.length) stretches.push(stretch);
  if (line.filled || line.halves) {
    const half = (m) => (line.halves && Number.isFinite(line.halves[m]) ? line.halves[m] : 0);
    const within = (value) => clamp(y(value), 8, bottom);
    for (const part of stretches) {
      const upper = part.map((m) => `${x(when[m])},${within(line.values[m] + half(m))}`);
      const lower = part.map((m) => `${x(when[m])},${line.filled ? bottom : within(line.values[m] - half(m))}`).reverse();
      root.append(svg("polygon", { points: [...upper, ...lower].join(" "), fill: line.filled ? "var(--band)" : line.colour, opacity: line.filled ? 1 : 0.2 }));
    }
  }
  if (line.filled) return;
  root.append(svg("path", { d: path, fill: "none", stroke: line.colour, "stroke-width": 2, "stroke-dasharray": line.dashed ? "4 4" : "none", "stroke-linejoin": "round" }));
  const here = line.values[now];
  if (Number.isFinite(here)) root.append(svg("circle", { cx: x(when[now]), cy: y(here), r: 4, fill: line.colour, stroke: "var(--surface)", "stroke-width": 1.5 }));
}

// ---- reliance: what hiding a set changes, beside what is expected of random sets as large

// The sets whose reliance was measured at a moment, watches first and then those that change most beyond random sets.
function reliances(view, m) {
  const watches = Object.keys(view.run.watch);
  return Object.keys(view.measures).filter((name) => name.startsWith("reliance/") && !name.endsWith("_expected")).map((name) => ({
    name: name.slice(9), changed: view.measure(name, m), expected: view.measure(`${name}_expected`, m),
    watched: watches.includes(name.slice(9)),
  })).filter(({ changed }) => Number.isFinite(changed))
    .sort((a, b) => b.watched - a.watched || b.changed - b.expected - (a.changed - a.expected));
}

// Shares of the predictions for classes, standard deviations of the outputs for values; earlier runs do not say which.
function inDeviations(view) {
  const known = (view.measures.reliance_of_classes || []).find((value) => value !== null);
  return known === undefined ? ["values", "pixels"].includes(view.predictions.kind) : known === 0;
}
const deviations = (value) => (value > 10 ? "more than 10 SD" : `${number(value, 2)} SD`);
const amount = (view, value) => (inDeviations(view) ? deviations(value) : percent(value));

function relianceBars(place, view, m, label) {
  const sets = reliances(view, m).slice(0, 6);
  const [step, top] = [30, 4];
  const { root, width, height } = paper(place, top + sets.length * step + 22, label);
  const most = roundUp(Math.max(...sets.map(({ changed, expected }) => Math.max(changed, expected || 0)))) || 1;
  const [left, right, bottom] = [4, width - 60, height - 20];
  const end = inDeviations(view) ? most : Math.min(most, 1);
  const x = linear(0, end, left, right);
  for (const tick of [0, end / 2, end]) root.append(svg("line", { x1: x(tick), x2: x(tick), y1: top, y2: bottom, class: "rule" }));
  bottomAxis(root, x, [[0, "0"], [end, amount(view, end)]], bottom - 1, "", right);
  sets.forEach(({ name, changed, expected, watched }, i) => {
    const middle = top + i * step + 21;
    const title = `${watched ? `watch ${name}` : name}`;
    root.append(text(left, middle - 9, short(title, Math.floor((width - 8) / 6.6)), { class: watched ? "group" : "name" }),
      svg("rect", { x: x(0), width: Math.max(x(changed) - x(0), 1), y: middle - 5, height: 10, class: "changed" }),
      text(width, middle + 4, amount(view, changed), { "text-anchor": "end", class: "value" }));
    if (Number.isFinite(expected)) root.append(svg("line", { x1: x(expected), x2: x(expected), y1: middle - 7, y2: middle + 7, class: "expected" }));
  });
}
