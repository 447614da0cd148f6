"use strict";
// Reading a picture cell by cell: with the mouse, or with Tab and the arrow keys. What is read is announced.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// Makes a place readable. `cells` says: start() -> a cell; move(cell, [dx, dy]) -> a cell; at(x, y) -> a cell or null,
// of pixels within the place; mark(cell or null), which shows where the reader is; read(cell) -> words; pick(cell).
// Called again at each drawing; the place keeps the focus and, where it still exists, the cell.
function readable(place, label, told, cells) {
  const now = place.reading;
  place.reading = { told, ...cells, cell: now && cells.holds?.(now.cell) ? now.cell : null };
  place.setAttribute("aria-label", label);
  if (now && document.activeElement === place && place.reading.cell !== null) cells.mark(place.reading.cell);
  if (now) return;
  place.tabIndex = 0;
  place.setAttribute("role", "application");
  place.setAttribute("aria-roledescription", "picture to read with the arrow keys");
  place.classList.add("readable");
  const go = (cell) => {
    const { reading } = place;
    reading.cell = cell;
    reading.mark(cell);
    reading.told.textContent = reading.read(cell);
  };
  place.addEventListener("focus", () => { if (place.matches(":focus-visible")) go(place.reading.cell ?? place.reading.start()); });
  // What is read beside the picture stands as long as the reader is there.
  const leave = () => { if (place.reading.told.classList.contains("fleeting")) place.reading.told.textContent = ""; };
  place.addEventListener("blur", () => { place.reading.mark(null); leave(); });
  place.addEventListener("pointerleave", leave);
  place.addEventListener("keydown", (event) => {
    const { reading } = place;
    if (event.target !== place || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) go(reading.move(reading.cell ?? reading.start(), ARROWS[event.key]));
    else if ((event.key === "Enter" || event.key === " ") && reading.pick) reading.pick(reading.cell ?? reading.start());
    else return;
    event.preventDefault();
  });
  const under = (event) => {
    const box = place.getBoundingClientRect();
    return place.reading.at(event.clientX - box.left, event.clientY - box.top);
  };
  place.addEventListener("pointermove", (event) => {
    const cell = under(event);
    if (cell !== null) place.reading.told.textContent = place.reading.read(cell);
  });
  place.addEventListener("click", (event) => {
    const cell = under(event);
    if (cell !== null && place.reading.pick) place.reading.pick(cell);
  });
}

// Cells in rows and columns: [row, column].
function inRows(rows, columns, first) {
  return {
    start: () => first,
    holds: (cell) => cell !== null && cell[0] < rows && cell[1] < columns,
    move: ([i, j], [dx, dy]) => [clamp(i + dy, 0, rows - 1), clamp(j + dx, 0, columns - 1)],
  };
}

// The nearest of some points in a direction; where there is none, the same. Points are { x, y }, or null.
function nearestTowards(points, from, [dx, dy]) {
  let [best, least] = [from, Infinity];
  points.forEach((point, i) => {
    if (!point || i === from) return;
    const [x, y] = [point.x - points[from].x, point.y - points[from].y];
    const [ahead, aside] = [x * dx + y * dy, Math.abs(x * dy) + Math.abs(y * dx)];
    if (ahead <= 1e-6 || aside > 2 * ahead) return;
    const away = ahead + 2 * aside;
    if (away < least) [best, least] = [i, away];
  });
  return best;
}

// A frame around a cell of an svg, in two colours, so that it is seen on all others.
function frame(root, box) {
  root.querySelectorAll(".cursor").forEach((old) => old.remove());
  if (!box) return;
  for (const kind of ["outer", "inner"]) root.append(svg("rect", { ...box, class: `cursor ${kind}` }));
}
