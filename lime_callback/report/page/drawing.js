"use strict";
// How it is drawn: elements, the diverging scale, axes. The style sheet has all other colours.

const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in element && key !== "list") element[key] = value; else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const text = (x, y, content, attributes = {}) => svg("text", { x, y, ...attributes }, content);

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// ---- colours

const stops = given.style.diverging.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));

// Red, green and blue from 0 to 255: blue lowers the output, orange raises it, white is zero and unknown.
function diverging(value, limit) {
  const share = Number.isFinite(value) && limit > 0 ? clamp(0.5 + (0.5 * value) / limit, 0, 1) : 0.5;
  const place = share * (stops.length - 1);
  const i = Math.min(Math.floor(place), stops.length - 2);
  return stops[i].map((low, c) => low + (place - i) * (stops[i + 1][c] - low));
}

const barColour = (sign, sure) => `var(--${sign}${sure ? "" : "-unsure"})`;

const ratio = () => Math.min(window.devicePixelRatio || 1, 3);

// ---- a picture: an svg as wide as its place

function paper(place, height, label) {
  const width = Math.max(Math.floor(place.clientWidth), 200);
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  place.replaceChildren(root);
  return { root, width, height };
}

// ---- scales end at round numbers

const ROUND = [1, 2, 3, 4, 5, 6, 8, 10];

// The round number from `value` on, away from 0.
function roundUp(value) {
  if (!(Math.abs(value) > 0)) return 0;
  const power = 10 ** Math.floor(Math.log10(Math.abs(value)) + 1e-9);
  const step = ROUND.find((round) => round * power >= Math.abs(value) * (1 - 1e-9));
  return Number((Math.sign(value) * step * power).toPrecision(6));
}

// About so many round numbers from low to high.
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((round) => round * power >= rough * 0.999);
  const marks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) marks.push(Number((i * step).toPrecision(12)));
  return marks;
}

// Ticks of a scale that is the same to both sides: its ends, their halves, and zero.
const bothSides = (limit) => [-limit, -limit / 2, 0, limit / 2, limit].map((tick) => Number(tick.toPrecision(6)));

// From numbers to pixels.
const linear = (low, high, from, to) => {
  const map = (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  map.range = [from, to];
  map.back = (pixel) => low + ((pixel - from) / (to - from || 1)) * (high - low);
  return map;
};

function leftAxis(root, y, marks, left, right) {
  for (const tick of marks) {
    root.append(svg("line", { x1: left, x2: right, y1: y(tick), y2: y(tick), class: "rule" }),
      text(left - 6, y(tick) + 4, number(tick), { "text-anchor": "end", class: "muted" }));
  }
}

// Labels at the ends stay within the picture.
function bottomAxis(root, x, marks, y, title, right) {
  for (const [at, label] of marks) {
    const half = label.length * 3.6;
    root.append(text(clamp(x(at), half, right + 8 - half), y + 16, label, { "text-anchor": "middle", class: "muted" }));
  }
  if (title) root.append(text(right, y + 33, title, { "text-anchor": "end", class: "muted" }));
}

// ---- the wavelength axis of a view: hatched where there is no channel, and over water bands

function emptyWavelengths(root, axis, x, top, bottom, kinds = ["gaps", "water"]) {
  for (const kind of kinds) {
    for (const [from, to] of axis[kind] || []) {
      root.append(svg("rect", { x: x(from), y: top, width: Math.max(x(to) - x(from), 1), height: bottom - top, class: kind }));
    }
  }
}

function visibleStrip(root, axis, x, y) {
  if (!axis.nanometres) return;
  const strip = given.style.visible;
  for (let i = 0; i + 1 < strip.length; i++) {
    const [from, to] = [Math.max(strip[i][0], axis.low), Math.min(strip[i + 1][0], axis.high)];
    if (to > from) root.append(svg("rect", { x: x(from), y, width: x(to) - x(from) + 0.4, height: 5, fill: strip[i][1] }));
  }
}

function spectralAxis(root, axis, x, bottom, width, titled = true) {
  visibleStrip(root, axis, x, bottom + 2);
  const marks = ticks(axis.low, axis.high, width < 500 ? 4 : 8).map((tick) => [tick, number(tick, 5)]);
  bottomAxis(root, x, marks, bottom + 5, titled ? (axis.nanometres ? "wavelength (nm)" : "channel") : "", width - 8);
}

// ---- marks of single probes, and of their mean

const DOT = 2.4; // radius

// How far each of these dots is moved aside, so that none lies on another: no further than needed.
function swarm(positions, most) {
  const order = positions.map((_, i) => i).sort((a, b) => positions[a] - positions[b]);
  const placedDots = [];
  const aside = new Array(positions.length).fill(0);
  const steps = [0, ...Array.from({ length: 40 }, (_, i) => (i % 2 ? -1 : 1) * Math.ceil((i + 1) / 2) * DOT)];
  for (const i of order) {
    const free = (shift) => placedDots.every((other) =>
      (positions[other] - positions[i]) ** 2 + (aside[other] - shift) ** 2 >= (2 * DOT) ** 2 * 0.98);
    aside[i] = steps.filter((shift) => Math.abs(shift) <= most).find(free) ?? 0;
    placedDots.push(i);
  }
  return aside;
}

// The mean of the probes with its interval: a diamond on a line.
function meanMark(root, along, value, half, across, upright) {
  if (!Number.isFinite(value)) return;
  const at = along(value);
  if (Number.isFinite(half)) {
    const [low, high] = [...along.range].sort((a, b) => a - b);
    const [a, b] = [along(value - half), along(value + half)].map((end) => clamp(end, low, high));
    const ends = upright ? { x1: across, x2: across, y1: a, y2: b } : { y1: across, y2: across, x1: a, x2: b };
    root.append(svg("line", { ...ends, class: "whisker around" }), svg("line", { ...ends, class: "whisker" }));
  }
  const [x, y] = upright ? [across, at] : [at, across];
  root.append(svg("path", { d: `M${x - 4.5} ${y}L${x} ${y - 4.5}L${x + 4.5} ${y}L${x} ${y + 4.5}Z`, class: "mean" }));
}
