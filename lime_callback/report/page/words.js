"use strict";
// What there is to say: numbers, names, and the four answers about a view at a moment.

function number(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e6 || size < 1e-4 ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)));
  return text.replace("-", "−");
}

// A distance: three decimals, and no powers of ten.
const distance = (value) => (value < 0.0005 ? "below 0.001" : number(Number(value.toFixed(3))));

// With its sign, and with all of its three digits.
function signed(value) {
  const size = Math.abs(value);
  const whole = size >= 1e-3 && size < 1000 ? value.toPrecision(3).replace("-", "−") : number(value);
  return (value > 0 ? "+" : "") + whole;
}

const squared = (value) => (Number.isFinite(value) ? value.toFixed(2).replace("-", "−") : "–");

const percent = (value) => (Number.isFinite(value) ? `${Math.round(100 * value)} %` : "–");
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// A long name without its middle.
function short(text, most = 26) {
  const clean = text.replace(/\s+/g, " ").trim();
  const letters = Array.from(clean);
  if (letters.length <= most) return clean;
  const tail = Math.floor((most - 1) / 2);
  return `${letters.slice(0, most - 1 - tail).join("")}…${letters.slice(-tail).join("")}`;
}

const epochs = (run, m) => number(run.moments[m][2], 4);
const after = (run, m) => `after ${epochs(run, m)} ${run.moments[m][2] === 1 ? "epoch" : "epochs"}`;

function probeName(run, probe) {
  const known = run.probes.find((one) => one.number === probe);
  return `${known && known.chosen ? "sample" : "probe"} ${probe}`;
}

// The features that have most of the attribution on average; of a single probe those of largest coefficient, whose
// intervals are those of all features at once: they are picked because they are large.
function strongest(view, m, whose, most) {
  let all;
  if (view.shared || whose.probe !== null) {
    const mean = view.mean(m, whose);
    const alone = mean.slots.length === 1;
    all = mean.values.map((value, f) => ({
      f, value, name: view.features[f], error: mean.errors[f], effect: mean.effects[f], dots: mean.dots[f],
      half: alone ? view.quantileOfAll * mean.errors[f] : mean.halves[f], size: alone ? 0 : mean.sizes[f],
    }));
  } else {
    all = view.chosen(m, whose).flatMap((s) => {
      const [probe] = view.who(m)[s];
      return view.features.map((feature, f) => ({
        f, value: view.coefficient(m, s, f), name: `${probeName(view.run, probe)} · ${feature}`,
        error: view.error(m, s, f), effect: view.effect(m, s, f), dots: [],
        half: view.quantileOfAll * view.error(m, s, f), size: 0,
      }));
    });
  }
  return all.filter((one) => Number.isFinite(one.value))
    .sort((a, b) => b.size - a.size || Math.abs(b.value) - Math.abs(a.value)).slice(0, most);
}

const isSure = (value, half) => Number.isFinite(half) && Math.abs(value) > half;

function inWords(view, m, whose, most = 3) {
  const top = strongest(view, m, whose, most).filter((one) => one.value !== 0);
  if (!top.length) return "nothing: all coefficients are zero";
  return top.map((one) => `${one.name} ${signed(one.value)}${
    Number.isFinite(one.half) ? ` ± ${number(one.half, 2)}` : ""}`).join(", ");
}

// The share of an explanation's attribution that its strongest feature has, mean over the chosen slots.
function concentration(view, m, whose) {
  return average(view.chosen(m, whose).map((s) => most(view.features.map((_, f) => view.effect(m, s, f))) || NaN));
}

// The share of the coefficients whose own interval leaves out 0; NaN where no interval is known.
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

const answers = {
  uses(view, m, whose) {
    const count = view.chosen(m, whose).length;
    return {
      title: "What does it use?",
      top: strongest(view, m, whose, 3),
      small: `The strongest ${view.maps ? "region" : "feature"} has ${percent(concentration(view, m, whose))} of ` +
        `${count > 1 ? "a probe’s" : "the"} attribution${count > 1 && view.shared ? "; means of all probes" : ""}.`,
    };
  },

  sure(view, m, whose) {
    const scores = view.chosen(m, whose).map((s) => view.score(m, s));
    const [mean, worst] = [average(scores), Math.min(...scores.filter(Number.isFinite))];
    const [word, beyond] = [mean >= 0.8 ? "Well described" : mean >= 0.5 ? "Partly described" : "Hardly described", told(view, m, whose)];
    return {
      title: "How sure is that?",
      level: mean >= 0.5 ? "" : "look",
      big: `${word}: R²\u00a0${squared(mean)} of rows left out`,
      small: `${scores.length > 1 ? `The worst probe has ${squared(worst)}. ` : ""}` +
        (Number.isNaN(beyond) ? "No intervals are known." : `${percent(beyond)} of the coefficients differ from zero beyond their noise.`),
    };
  },

  changed(view, m) {
    const [drift, floor, start] = [view.drift(m), view.measure("noise_floor", m), view.driftFromStart(m)];
    const title = "What changed?";
    if (view.run.anew) return { title, big: "Not comparable", small: "Probes are chosen anew at each epoch." };
    if (!Number.isFinite(drift)) {
      return { title, big: m > view.first ? "Not known" : "The first explanation", small: "There is nothing to compare with." };
    }
    const size = drift < 0.02 ? "Little" : drift < 0.15 ? "Somewhat" : drift < 0.5 ? "Much" : "Nearly everything";
    const noise = Number.isFinite(floor) ? `noise ${distance(floor)}` : "its noise is not known";
    const [share, moved] = [view.measure("changed", m), view.measure("moved", m)];
    const settled = view.measure("settled", m);
    return {
      title,
      big: drift <= floor ? "Nothing beyond noise" : `${size}: drift ${distance(drift)}`,
      small: [
        `To the epoch before, ${noise}.`,
        Number.isFinite(moved) ? `${percent(moved)} of the attribution went elsewhere${
          Number.isFinite(share) ? `; ${percent(share)} of the features changed by more than matters` : ""}.` : "",
        Number.isFinite(start) ? `From the first explanation: ${distance(start)}.` : "",
        settled >= 0 ? `Settled after epoch ${number(settled)}.` : "",
      ].filter(Boolean).join(" "),
    };
  },

  wrong(view, m, whose) {
    const found = troubles(view, m, whose);
    return {
      title: "Is something wrong?",
      level: found.length ? "look" : "ok",
      big: found.length ? found[0].big : "Nothing stands out",
      small: found.length
        ? [found[0].small, ...found.slice(1).map((one) => `${one.big}: ${one.small}`)].join(" ")
        : "No fit is poor, no single feature decides alone, and no watch is beyond its bound.",
    };
  },
};

function troubles(view, m, whose) {
  const run = view.run;
  const found = view.alarms[m].map(({ watch, said, text }) => ({ big: `Watch “${short(watch)}”${said}`, small: text }));
  const bound = Math.max(run.gate ?? 0, 0.5);
  const poor = view.chosen(m, whose).filter((s) => view.score(m, s) < bound);
  if (poor.length) {
    const names = [...new Set(poor.map((s) => view.who(m)[s][0]))];
    found.push({
      big: `${plural(names.length, "probe")} poorly described`,
      small: `R² below ${number(bound)} for ${names.slice(0, 6).map((n) => probeName(run, n)).join(", ")}` +
        `${names.length > 6 ? ", …" : ""}: do not rely on them.`,
    });
  }
  const one = concentration(view, m, whose);
  if (view.size >= 4 && one > 0.6) {
    found.push({ big: `One feature has ${percent(one)}`, small: "So much in one place may be a shortcut." });
  }
  const sure = told(view, m, whose);
  if (Number.isNaN(sure)) {
    found.push({ big: "No intervals", small: "There are too few perturbations to know the coefficients' errors: raise n_perturbations." });
  } else if (sure < 0.3) {
    found.push({ big: "Mostly noise", small: `Only ${percent(sure)} of the coefficients differ from zero: raise n_perturbations.` });
  }
  return found;
}
