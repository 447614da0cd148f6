"use strict";
// The page: what the reader has chosen, and everything drawn anew when that changes.

const $ = (id) => document.getElementById(id);
const chosen = { run: runs[0], m: 0, whose: ALL, same: true };
let timer = null;

// ---- at a glance

function glance(view, ask) {
  const whose = fitting(view, ask);
  const element = html("section", { className: "answers", "aria-label": `${view.name} at a glance` }, html("h2", {}, view.name));
  if (!view.explained(ask.m)) {
    element.append(html("div", {}, html("p", { className: "big" }, `Not explained ${after(view.run, ask.m)}`)));
    return element;
  }
  for (const answer of [answers.uses, answers.sure, answers.changed, answers.wrong]) {
    const { title, big, small, level = "", rows = [], checks = [] } = answer(view, ask.m, whose);
    const words = small.filter(Boolean).join(" ");
    element.append(html("div", { className: level }, html("h3", {}, title), ...(big ? [html("p", { className: "big" }, big)] : []),
      ...(rows.length ? [html("ul", { className: "uses" }, ...rows.map((row) => usedFeature(view, ask.m, row)))] : []),
      ...(words ? [html("p", { className: "small" }, words)] : []),
      ...(checks.length ? [html("ul", { className: "checks" }, ...checks.map(checkLine))] : [])));
  }
  return element;
}

// A feature: where it is, its name, its share of the attribution, and which way it goes.
function usedFeature(view, m, row) {
  return html("li", { title: row.name }, ...(view.maps ? [thumbnail(view, m, row, 34)] : []),
    html("span", { className: "feature" }, html("b", {}, short(row.name, 60)), html("small", {}, row.detail)),
    html("b", { className: "value" }, row.share));
}

const MARKS = { look: ["▲", "look: "], ok: ["✓", "checked: "], open: ["○", "open: "] };

function checkLine({ state, title, text: words }) {
  const [mark, spoken] = MARKS[state];
  return html("li", { className: state }, html("span", { className: "mark", "aria-hidden": "true" }, mark),
    html("span", {}, html("span", { className: "spoken" }, spoken), html("b", {}, title), ` ${words}`));
}

// ---- controls

function draw() {
  const { run, m } = chosen;
  const ask = { ...chosen, pick: (moment) => show({ m: moment }), choose: toggleProbe };
  $("epoch").value = m;
  $("whose").value = JSON.stringify(chosen.whose);
  $("when").textContent = `${after(run, m)} of ${epochs(run, run.moments.length - 1)}, step ${run.moments[m][1]}`;
  $("epoch").setAttribute("aria-valuetext", `${after(run, m)}, step ${run.moments[m][1]}`);
  $("printed").textContent = `${$("when").textContent} · ${$("whose").selectedOptions[0]?.textContent ?? ""}`;
  $("before").disabled = m === 0;
  $("after").disabled = m === run.moments.length - 1;
  $("glance").replaceChildren(...run.views.map((view) => glance(view, ask)));
  for (const section of chosen.sections) section.draw(ask);
}

function show(change) {
  Object.assign(chosen, change);
  draw();
}

function toggleProbe(whose) {
  const again = chosen.whose.probe === whose.probe;
  const several = chosen.run.views.some((view) => view.several);
  show({ whose: again ? { probe: null, target: several ? whose.target : null } : whose });
}

function fillWhose(run) {
  const slots = new Map();
  const several = run.views.some((view) => view.several);
  for (const view of run.anew ? [] : run.views) {
    for (const [probe, target] of view.lists.flat()) slots.set(JSON.stringify({ probe, target }), `${probeName(run, probe)} · ${short(target)}`);
  }
  const known = [...slots.keys()].map((slot) => JSON.parse(slot));
  const count = new Set(known.map(({ probe }) => probe)).size;
  const means = several ? [...new Set(known.map(({ target }) => target))] : [null];
  const options = means.map((target) => [JSON.stringify({ probe: null, target }),
    `${run.anew ? "All probes" : `All ${plural(count, "probe")}`}${target === null ? "" : ` · ${short(target)}`}`]);
  $("whose").replaceChildren(...[...options, ...slots].map(([value, name]) => html("option", { value }, name)));
  return JSON.parse(options[0][0]);
}

function open(run) {
  stop();
  $("path").textContent = `${run.name} · ${plural(run.moments.length, "explained epoch")}`;
  $("path").title = run.path;
  $("notes").hidden = !run.notes.length;
  $("notes").replaceChildren(...run.notes.map((note) => html("li", {}, note)));
  $("epoch").max = run.moments.length - 1;
  // Of one look, as of a finished model, there is no epoch to choose.
  for (const part of document.querySelectorAll(".steps, .slide, .same")) part.hidden = run.moments.length < 2;
  $("inputs").replaceChildren(...pictureSymbols(run));
  const settings = Object.entries({ history: run.path, ...run.settings, ...(run.gate === null ? {} : { gate: run.gate }) });
  $("settings").replaceChildren(...settings.flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, String(value))]));
  const sections = run.views.map((view) => new Section(view));
  $("views").replaceChildren(...sections.map((section) => section.root));
  $("findings").replaceChildren(...findingsSection(run, sections));
  show({ run, sections, m: run.moments.length - 1, whose: fillWhose(run) });
}

function stop() {
  clearInterval(timer);
  timer = null;
  $("play").setAttribute("aria-pressed", "false");
  $("play").textContent = "▶";
}

function play() {
  if (timer) return stop();
  if (chosen.m === chosen.run.moments.length - 1) show({ m: 0 });
  $("play").setAttribute("aria-pressed", "true");
  $("play").textContent = "❚❚";
  timer = setInterval(() => {
    if (chosen.m < chosen.run.moments.length - 1) show({ m: chosen.m + 1 });
    else stop();
  }, 700);
  return undefined;
}

// ---- light and dark: the system's, until the reader says otherwise

const dark = window.matchMedia("(prefers-color-scheme: dark)");

function remembered() {
  try { return localStorage.getItem("lime-theme"); } catch { return null; }
}

function dress(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme === "dark" ? "Light" : "Dark";
  $("theme").setAttribute("aria-label", theme === "dark" ? "Change to light colours" : "Change to dark colours");
}

dress(remembered() || (dark.matches ? "dark" : "light"));
dark.addEventListener("change", () => { if (!remembered()) dress(dark.matches ? "dark" : "light"); });
$("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("lime-theme", theme); } catch { /* then it is not remembered */ }
  dress(theme);
});

$("run").replaceChildren(...runs.map((run, i) => html("option", { value: i }, run.name)));
$("runs").hidden = runs.length < 2;
$("run").addEventListener("change", () => open(runs[$("run").value]));
$("epoch").addEventListener("input", () => { stop(); show({ m: Number($("epoch").value) }); });
$("before").addEventListener("click", () => { stop(); show({ m: chosen.m - 1 }); });
$("after").addEventListener("click", () => { stop(); show({ m: chosen.m + 1 }); });
$("play").addEventListener("click", play);
$("whose").addEventListener("change", () => show({ whose: JSON.parse($("whose").value) }));
$("same").addEventListener("change", () => show({ same: $("same").checked }));

let width = 0;
function fit() {
  const now = $("main").clientWidth;
  if (width && now !== width) draw();
  width = now;
}
new ResizeObserver(fit).observe($("main"));

// On paper the page is light, and as wide as a sheet. Browsers lay out the sheet without asking again.
let screenTheme = null;
function onPaper(printing) {
  if (printing === (screenTheme !== null)) return;
  if (printing) screenTheme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = printing ? "light" : screenTheme;
  if (!printing) screenTheme = null;
  document.documentElement.classList.toggle("paper", printing);
  fit();
}
const printed = window.matchMedia("print");
printed.addEventListener("change", () => onPaper(printed.matches));
window.addEventListener("beforeprint", () => onPaper(true));
window.addEventListener("afterprint", () => onPaper(printed.matches));

open(runs[0]);
