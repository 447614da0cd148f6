"use strict";
// What was found wrong with the run: the page's first answer, with the evidence of each finding and the way to its picture.

// Which of a section's pictures shows the same as a picture of the run's loggers; the first that the section has.
const PICTURED = {
  superbands: ["bars", "rank"], attributions: ["pictures", "bars", "rank"], superpixels: ["pictures", "rank"],
  waterfall: ["fall", "rank"], effects: ["fall", "rank"], drift: ["drift", "rank"], reliance: ["reliance"], score: ["score"],
};
const FIGURES = {
  changed: "hiding it changes", expected: "random sets as large change", everything: "hiding everything changes",
  share: "its share of the input", deviations: "hiding what other bands do not show changes",
  "deviations elsewhere": "the same in random sets as large changes",
};
const OTHERS = { shortcut_bands: "hiding all other bands changes", place: "hiding other places changes" };
const OF_OUTPUTS = ["changed", "deviations", "deviations elsewhere", "expected", "everything", "others"]; // shares, or standard deviations
const SHARES = [...OF_OUTPUTS, "share", "fixed", "predicted", "true", "weak"];

const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1);

// The view that a finding is about: the one that it names, or one that has such a picture; undefined if there is none.
function viewOf(run, finding) {
  const [name, picture] = finding.picture.split("/").slice(-2);
  if (!picture) return undefined;
  const suits = { superbands: "axis", waterfall: "axis", attributions: "maps", superpixels: "maps" }[picture];
  return run.views.find((view) => view.name === name) ?? run.views.find((view) => suits && view[suits]);
}

// Where the page draws the evidence of a finding: a section and one of its pictures; null where it does not.
function evidencePlace(run, sections, finding) {
  const view = viewOf(run, finding);
  if (!view) return null;
  const section = sections[run.views.indexOf(view)];
  const picture = finding.picture.split("/").at(-1).replace(/_chart$/, "");
  const wanted = finding.name === "unreadable" ? ["score"] : PICTURED[picture] ?? ["bars", "pictures", "rank"];
  const [part] = wanted.map((name) => section[name]).filter(Boolean);
  return part ? { view, part } : null;
}

// A number of the evidence, its interval in words, and a bar with the interval where it is a share.
function figureLine(run, finding, [name, value, low, high]) {
  const values = run.views.some(inDeviations) && OF_OUTPUTS.includes(name);
  const isShare = SHARES.includes(name) && !values && value >= 0 && value <= 1;
  const say = (x) => (isShare ? percent(clamp(x, 0, 1)) : `${number(x)}${values ? " SD" : ""}`);
  const known = Number.isFinite(low) && Number.isFinite(high) && low !== null && high !== null;
  return html("li", {}, ...(isShare ? [shareBar(value, known ? [low, high] : null)] : []),
    html("span", {}, `${name === "others" ? OTHERS[finding.name] ?? "elsewhere it changes" : FIGURES[name] ?? name} `, html("b", {}, value === null ? "not known" : say(value)),
      ...(known ? [html("small", {}, ` 95\u00a0% interval ${say(low)} to ${say(high)}`)] : [])));
}

function shareBar(value, interval) {
  const x = linear(0, 1, 1, 79);
  const root = svg("svg", { width: 80, height: 14, viewBox: "0 0 80 14", "aria-hidden": "true" },
    svg("rect", { x: 1, y: 3, width: 78, height: 8, class: "blank" }), svg("rect", { x: 1, y: 3, width: Math.max(x(value) - 1, 1), height: 8, class: "changed" }));
  if (interval) {
    const [from, to] = interval.map((end) => x(clamp(end, 0, 1)));
    root.append(svg("line", { x1: from, x2: to, y1: 7, y2: 7, class: "whisker" }));
  }
  return root;
}

function since(run, finding) {
  const last = run.moments.at(-1)[0];
  if (run.moments.length < 2) return "";
  if (finding.closed !== null) return `told at epoch ${finding.epoch}, over at epoch ${finding.closed}`;
  return `since epoch ${finding.epoch}${finding.last < last ? `, last seen at epoch ${finding.last}` : ""}`;
}

function findingItem(run, sections, finding) {
  const place = evidencePlace(run, sections, finding);
  const jump = place && html("button", { type: "button", className: "jump" }, `See “${place.part.element.querySelector("h3").textContent}” of ${short(place.view.name)} ↓`);
  jump?.addEventListener("click", () => {
    place.part.element.tabIndex = -1;
    place.part.element.scrollIntoView({ block: "center" });
    place.part.element.focus({ preventScroll: true });
  });
  const about = [finding.name.replaceAll("_", " "), since(run, finding), `severity ${percent(finding.severity)}`].filter(Boolean).join(" · ");
  return html("li", {},
    html("div", {}, html("p", { className: "big" }, sentence(finding.sentence)), html("p", { className: "advice" }, html("b", {}, "What to do: "), finding.advice),
      html("p", { className: "small" }, about)),
    html("div", { className: "evidence" }, ...(finding.figures.length ? [html("ul", {}, ...finding.figures.map((figure) => figureLine(run, finding, figure)))] : []),
      ...(jump ? [jump] : [])));
}

// What the watches came to at the last moment, once each: those to look at first, with an alarm or used in part, then all others.
function watchAnswers(run) {
  const m = run.moments.length - 1;
  const all = run.views.filter((view) => view.explained(m)).flatMap((view) => watchChecks(view, m)).filter(({ state }) => state !== "open");
  const [looks, others] = [all.filter(({ state }) => state === "look"), all.filter(({ state }) => state !== "look")];
  return [...looks, ...others].filter(({ title }, i, sorted) => sorted.findIndex((other) => other.title === title) === i);
}

// Nothing where nobody looked, as in runs of earlier versions or with `findings="off"`, and there is no watch.
function findingsSection(run, sections) {
  const answers = watchAnswers(run);
  const watched = answers.filter(({ state }) => state === "look");
  if (!run.findings && !answers.length) return [];
  const found = run.findings ?? [];
  const [open, over] = [found.filter(({ closed }) => closed === null), found.filter(({ closed }) => closed !== null)];
  const counts = [open.length && plural(open.length, "finding"), watched.length && `${watched.length} watch${watched.length > 1 ? "es" : ""} to look at`].filter(Boolean);
  const section = html("section", { className: `findings ${counts.length ? "look" : "ok"}` },
    html("h2", { id: "found" }, "Was something found wrong?"),
    html("p", { className: "big" }, counts.length ? `${counts.join(" and ")}${open.length > 1 ? ", the worst first" : ""}` : run.findings ? "Nothing was found wrong" : "No watch has an alarm"),
    ...(answers.length ? [html("ul", { className: "watches" }, ...answers.map(({ title, text }) => html("li", {}, html("p", { className: "big" }, title), html("p", { className: "small" }, text))))] : []),
    ...(open.length ? [html("ol", {}, ...open.map((finding) => findingItem(run, sections, finding)))]
      : watched.length || !run.findings ? [] : [html("p", { className: "small" }, `The callback looked by itself${run.moments.length > 1 ? ` at ${run.moments.length} epochs` : ""}${over.length ? ", and what it found before is over." : "."}`)]));
  section.setAttribute("aria-labelledby", "found");
  if (over.length) {
    section.append(html("details", {}, html("summary", {}, `${plural(over.length, "finding")} that ${over.length > 1 ? "are" : "is"} over`),
      html("ol", {}, ...over.map((finding) => findingItem(run, sections, finding)))));
  }
  return [section];
}

// What was open at a moment, of a view.
function findingChecks(view, m) {
  const { run } = view;
  if (!run.findings) return [];
  const epoch = Math.max(run.moments[m][0], 1); // 0 where nothing was trained
  const there = run.findings.filter((finding) => finding.epoch <= epoch && (finding.closed === null || finding.closed > epoch) && viewOf(run, finding) === view);
  return there.map((finding) => check("look", `${sentence(finding.name.replaceAll("_", " "))}: ${short(finding.subject, 40)}`, sentence(finding.sentence)));
}
