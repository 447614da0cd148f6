"use strict";
// The page: what the reader has chosen, and everything drawn anew when that changes.

const $ = (id) => document.getElementById(id);
const chosen = { run: runs[0], m: 0, whose: { probe: null, target: null }, same: true };
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
    const { title, big, small, level = "", top } = answer(view, ask.m, whose);
    const said = top
      ? html("ul", {}, ...top.map((one) => html("li", { title: one.name }, html("span", {}, short(one.name, 44)),
        html("span", { className: `value ${one.value >= 0 ? "plus" : "minus"}` }, signed(one.value)))))
      : html("p", { className: "big" }, big);
    element.append(html("div", { className: level }, html("h3", {}, title), said, html("p", { className: "small" }, small)));
  }
  return element;
}

// ---- controls

function draw() {
  const { run, m } = chosen;
  const ask = { ...chosen, pick: (moment) => show({ m: moment }), choose: toggleProbe };
  $("epoch").value = m;
  $("when").textContent = `${after(run, m)} of ${epochs(run, run.moments.length - 1)}, step ${run.moments[m][1]}`;
  $("epoch").setAttribute("aria-valuetext", `${after(run, m)}, step ${run.moments[m][1]}`);
  $("before").disabled = m === 0;
  $("after").disabled = m === run.moments.length - 1;
  $("whose").value = JSON.stringify(chosen.whose);
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
  const count = new Set([...slots.keys()].map((one) => JSON.parse(one).probe)).size;
  const means = several ? [...new Set([...slots.keys()].map((one) => JSON.parse(one).target))] : [null];
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
  const settings = Object.entries({ history: run.path, ...run.settings, ...(run.gate === null ? {} : { gate: run.gate }) });
  $("settings").replaceChildren(...settings.flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, String(value))]));
  const sections = run.views.map((view) => new Section(view));
  $("views").replaceChildren(...sections.map((section) => section.root));
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
new ResizeObserver(() => {
  const now = $("main").clientWidth;
  if (width && now !== width) draw();
  width = now;
}).observe($("main"));

open(runs[0]);
