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

// ---- colours

const stops = given.style.diverging.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));

// Red, green and blue from 0 to 255: blue lowers the output, orange raises it, white is zero and unknown.
function diverging(value, limit) {
  const share = Number.isFinite(value) && limit > 0 ? Math.min(Math.max(0.5 + (0.5 * value) / limit, 0), 1) : 0.5;
  const place = share * (stops.length - 1);
  const i = Math.min(Math.floor(place), stops.length - 2);
  return stops[i].map((low, c) => low + (place - i) * (stops[i + 1][c] - low));
}

function barColour(value, half) {
  const sign = value >= 0 ? "plus" : "minus";
  return `var(--${sign}${isSure(value, half) ? "" : "-unsure"})`;
}

const ratio = () => Math.min(window.devicePixelRatio || 1, 3);

// ---- a picture: an svg as wide as its place

function paper(place, height, label) {
  const width = Math.max(Math.floor(place.clientWidth), 200);
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  place.replaceChildren(root);
  return { root, width, height };
}

// About so many round numbers from low to high.
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((one) => one * power >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

// Zero, and a round number to both sides.
function sides(reach) {
  const power = 10 ** Math.floor(Math.log10(0.9 * reach));
  const step = Number((power * [5, 2, 1].find((one) => one * power <= 0.9 * reach)).toPrecision(6));
  return [-step, 0, step];
}

// From numbers to pixels.
const linear = (low, high, from, to) => {
  const map = (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  map.range = [from, to];
  map.back = (pixel) => low + ((pixel - from) / (to - from || 1)) * (high - low);
  return map;
};

function leftAxis(root, y, low, high, left, right, count = 4) {
  for (const tick of ticks(low, high, count)) {
    root.append(svg("line", { x1: left, x2: right, y1: y(tick), y2: y(tick), class: "rule" }),
      text(left - 6, y(tick) + 4, number(tick), { "text-anchor": "end", class: "muted" }));
  }
}

function bottomAxis(root, x, marks, y, title, right) {
  for (const [at, label] of marks) root.append(text(x(at), y + 16, label, { "text-anchor": "middle", class: "muted" }));
  if (title) root.append(text(right, y + 33, title, { "text-anchor": "end", class: "muted" }));
}

// The wavelength axis of a view: gaps behind everything, the visible range along the bottom.
function spectralBackground(root, axis, x, top, bottom) {
  for (const [from, to] of axis.gaps) {
    root.append(svg("rect", { x: x(from), y: top, width: Math.max(x(to) - x(from), 1), height: bottom - top, class: "gap" }));
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
