"use strict";
// What was checked about a view at a moment. A check is { state, title, text }: "look" where something may be wrong,
// "ok" where nothing is, and "open" where the check was not made, or has no answer yet. The worst come first.

const POOR = 0.5; // R²
const ONE_ALONE = 0.6; // share of the attribution

function checksOf(view, m, whose) {
  const own = [classCheck, fitCheck, noiseCheck, concentrationCheck].map((make) => make(view, m, whose)).filter(Boolean);
  const ofAll = [settledCheck, relianceCheck, referenceCheck].map((make) => make(view, m)).filter(Boolean);
  if (whose.probe !== null) for (const one of ofAll) one.title += " (all probes)";
  const checks = [...findingChecks(view, m), ...emptyCheck(view, m, whose), ...watchChecks(view, m), ...own, ...ofAll];
  const order = ["look", "open", "ok"];
  return checks.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
}

const check = (state, title, text) => ({ state, title, text });

function fitCheck(view, m, whose) {
  const { gate } = view.run;
  const slots = view.chosen(m, whose).filter((s) => !view.isEmpty(m, s));
  if (!slots.length) return null;
  const probesOf = (some) => [...new Set(some.map((s) => view.who(m)[s][0]))];
  const below = Number.isFinite(gate) ? slots.filter((s) => !(view.score(m, s) >= gate)) : [];
  if (below.length) {
    const names = probesOf(below);
    return check("look", slots.length > 1 ? `${plural(names.length, "probe")} below the gate` : "Below the gate",
      `R² is below ${number(gate)}${slots.length > 1 ? ` for ${probeNames(view.run, names)}` : ""}: do not rely on it.`);
  }
  const poor = slots.filter((s) => !(view.score(m, s) >= POOR));
  if (poor.length) {
    const names = probesOf(poor);
    return check("look", slots.length > 1 ? `${plural(names.length, "probe")} poorly described` : "Poorly described",
      `R² is below ${POOR}${slots.length > 1 ? ` for ${probeNames(view.run, names)}` : ""}.`);
  }
  return check("ok", "Fits", `R² is at least ${squared(Math.min(...slots.map((s) => view.score(m, s))))}${
    Number.isFinite(gate) ? `, the gate is ${number(gate)}` : ", no gate is known"}.`);
}

// Probes without a pixel of the explained class: nothing is explained of them, and no mean counts them.
function emptyCheck(view, m, whose) {
  const names = [...new Set(view.chosen(m, whose).filter((s) => view.isEmpty(m, s)).map((s) => view.who(m)[s][0]))];
  return names.length ? [check("look", `${plural(names.length, "probe")} without the class`,
    `There is nothing to explain in ${probeNames(view.run, names)}.`)] : [];
}

function classCheck(view, m, whose) {
  const slots = view.chosen(m, whose);
  const { kind } = view.predictions;
  // Where several classes of a probe are explained, some are neither predicted nor true by intent.
  if (["values", "binary", "pixels"].includes(kind) || view.several) return null;
  const known = slots.filter((s) => view.prediction(m, s).predicted);
  if (!known.length) return check("open", "Classes", "What is predicted was not recorded.");
  // Where no truth is known, being another class than the predicted one says all there is.
  const wrong = known.filter((s) => { const other = differs(view, m, s); return other.predicted && other.truth !== false; });
  const what = wrong.some((s) => view.prediction(m, s).truth) ? "neither predicted now nor true" : "not predicted now";
  if (!wrong.length) return check("ok", "Classes", slots.length > 1 ? "All explained classes are predicted or true." : "The explained class is predicted or true.");
  const names = [...new Set(wrong.map((s) => view.who(m)[s][0]))];
  const count = new Set(slots.map((s) => view.who(m)[s][0])).size;
  return slots.length > 1
    ? check("look", `${names.length} of ${count} probes explained for a wrong class`, `It is ${what}: ${probeNames(view.run, names)}.`)
    : check("look", "Explained for a wrong class", `${className(view, view.who(m)[slots[0]][1])} is ${what}.`);
}

// The strongest feature's share of the attribution over the chosen slots, and its name. Where each probe was cut for
// itself, no feature is in two probes: then the mean of what the strongest of each has, and no name.
function concentration(view, m, whose) {
  const slots = view.counting(m, whose);
  if (!view.shared && slots.length > 1) return { share: average(slots.map((s) => largestOf(view.effects(m, s)) || NaN)), name: "" };
  const shares = view.mean(m, whose).sizes;
  const share = largestOf(shares) || NaN;
  return { share, name: view.features[shares.indexOf(share)] };
}

function concentrationCheck(view, m, whose) {
  const { share, name } = concentration(view, m, whose);
  if (view.size < 4 || !Number.isFinite(share)) return null;
  const may = "So much of the attribution in one place may be a shortcut.";
  if (share > ONE_ALONE) {
    return name ? check("look", `One feature has ${percent(share)}`, `It is ${name}. ${may}`)
      : check("look", `The strongest feature has ${percent(share)}`, `Each probe has its own; this is the mean over the probes. ${may}`);
  }
  return check("ok", "No feature decides alone", name ? `${name} has most: ${percent(share)}.` : `Each probe’s strongest has ${percent(share)} in the mean.`);
}

// The share of the effects whose own interval leaves out 0; NaN where no interval is known.
function told(view, m, whose) {
  let [sure, all] = [0, 0];
  for (const s of view.chosen(m, whose)) {
    for (let f = 0; f < view.size; f++) {
      const b = view.coefficient(m, s, f);
      const half = view.quantile * view.error(m, s, f);
      if (!Number.isFinite(b) || !Number.isFinite(half)) continue;
      all += 1;
      if (isSure(b, half) && b !== 0) sure += 1;
    }
  }
  return all ? sure / all : NaN;
}

function noiseCheck(view, m, whose) {
  const share = told(view, m, whose);
  if (Number.isNaN(share)) return check("look", "No intervals", "There are too few perturbations to know the effects’ errors: raise n_perturbations.");
  if (share < 0.3) return check("look", "Mostly noise", `Only ${percent(share)} of the effects differ from zero: raise n_perturbations.`);
  return check("ok", "Noise", `${percent(share)} of the effects differ from zero beyond it.`);
}

function settledCheck(view, m) {
  if (view.run.anew) return check("open", "Settled", "Probes are chosen anew at each epoch, and cannot be compared.");
  if (m === view.first) return check("open", "Settled", "This is the first explanation.");
  if (!("drift" in view.measures)) return check("open", "Settled", "Whether explanations settled was not recorded.");
  const since = view.measure("settled", m);
  const least = view.run.settings.relevant_change;
  return since >= 0
    ? check("ok", "Settled", `Since epoch ${number(since)} no more moved than what matters.`)
    : check("open", "Not settled", `${Number.isFinite(least) ? `More than ${percent(least)}` : "More than what matters"} of the attribution may still move.`);
}

function watchChecks(view, m) {
  const names = Object.keys(view.run.watch);
  if (!names.length) return [check("open", "Watches", "No watch was set.")];
  const followed = names.filter((name) => `watch/${name}` in view.measures || `reliance/${name}` in view.measures);
  if (!followed.length) return [check("open", "Watches", "None is of this view.")];
  return followed.map((name) => {
    const alarms = view.alarms[m].filter((alarm) => alarm.watch === name);
    const words = [watchWords(view, m, name), ...alarms.map(({ text }) => text)].filter(Boolean).join(" ");
    if (alarms.length) return check("look", `Watch “${short(name)}”${alarms[0].said}`, words);
    // What should not be used and is used in part raises no alarm, and is not all right either.
    const use = view.uses[m][name]?.use;
    const wanted = Number.isFinite(view.run.watch[name].below);
    const said = { "uses in part": ": the model uses it in part", "not seen to use": ": the model is not seen to use it", "rests on": ": the model rests on it" }[use] ?? "";
    return check(use === "uses in part" && !wanted ? "look" : "ok", `Watch “${short(name)}”${said}`, words);
  });
}

// A watch's share and its reliance; both are of all probes, whatever the reader has chosen.
function watchWords(view, m, name) {
  const [share, part] = [view.measure(`watch/${name}`, m), view.measure(`watch_reference/${name}`, m)];
  const [changed, expected] = [view.measure(`reliance/${name}`, m), view.measure(`reliance/${name}_expected`, m)];
  const where = view.run.watch[name].extent || (Number.isFinite(part) ? `${percent(part)} of the ${view.maps ? "picture" : "channels"}` : "");
  return [
    `${Number.isFinite(share) ? `${percent(share)} of all probes’ attribution` : "its share is not known"}${where ? `, in ${where}` : ""};`,
    view.uses[m][name] ? view.uses[m][name].text : Number.isFinite(changed) ? `hiding it changes ${amount(view, changed)}, as much at random: ${amount(view, expected)}.` : "its reliance was not measured.",
  ].join(" ");
}

function relianceCheck(view, m) {
  const sets = reliances(view, m);
  if (!sets.length) return check("open", "Reliance", view.maps ? "Was not measured of regions." : "Was not measured.");
  const [top] = sets.filter(({ watched }) => !watched);
  if (!top) return null;
  const [hint] = view.alarms[m].filter(({ band }) => band === top.name);
  if (hint) {
    return check("look", `The model may rest on ${top.name}`, `Hiding it alone changes ${amount(view, top.changed)}, as many bands at random: ${amount(view, top.expected)}.`);
  }
  return check("ok", "Reliance", `Most beyond as many bands at random: ${top.name}, hiding it changes ${amount(view, top.changed)}, those ${amount(view, top.expected)}.`);
}

function referenceCheck(view, m) {
  const [moved, changed] = ["moved_from_reference", "changed_from_reference"].map((name) => view.measure(name, m));
  if (Number.isFinite(moved)) {
    return check("ok", "Reference", `${percent(moved)} of the attribution lies elsewhere than in it${
      Number.isFinite(changed) ? `, ${percent(changed)} of the features differ by what matters` : ""}.`);
  }
  return check("open", "Reference", view.run.reference ? "Could not be compared with at this epoch." : "None was given.");
}
