"use strict";
// Numbers and names as people read them.

const minus = (text) => text.replaceAll("-", "−");

function number(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return minus(size >= 1e6 || size < 1e-4 ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits))));
}

// A distance: three decimals, and no powers of ten.
const distance = (value) => (value < 0.0005 ? "below 0.001" : number(Number(value.toFixed(3))));

// With its sign, and with all of its three digits.
function signed(value) {
  const size = Math.abs(value);
  const whole = size >= 1e-3 && size < 1000 ? minus(value.toPrecision(3)) : number(value);
  return (value > 0 ? "+" : "") + whole;
}

// An effect, which is at most 1: two decimals, and a third where it is small.
const asEffect = (value) => {
  if (!Number.isFinite(value)) return "–";
  const text = minus(value.toFixed(Math.abs(value) < 0.0995 ? 3 : 2));
  return Number(minus(text).replace("−", "-")) === 0 ? "0" : (value > 0 ? "+" : "") + text;
};
const asHalf = (half) => (Number.isFinite(half)
  ? `\u00a0±\u00a0${half === 0 ? "0" : half < 0.0005 ? "<0.001" : half.toFixed(half < 0.0995 ? 3 : 2)}` : "");

const squared = (value) => (Number.isFinite(value) ? minus(value.toFixed(2)) : "–");

// In whole percent; what is not all is not said to be, and what is something not nothing.
function percent(value) {
  if (!Number.isFinite(value)) return "–";
  if (value > 2) return value > 10 ? "more than 10 times" : `${minus(value.toPrecision(2))} times`;
  const whole = Math.round(100 * value);
  if (whole === 100 && value < 1) return ">99\u00a0%";
  return minus(whole === 0 && value > 0 ? "<1\u00a0%" : `${whole}\u00a0%`);
}
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

const ofANumber = /[\d.,−-]/;

// A long name without its middle; no number is cut in its own.
function short(text, most = 26) {
  const clean = text.replace(/\s+/g, " ").trim();
  const letters = Array.from(clean);
  if (letters.length <= most) return clean;
  let end = Math.ceil((most - 1) / 2);
  let begin = letters.length - (most - 1 - end);
  const cuts = (i) => i > 0 && i < letters.length && ofANumber.test(letters[i - 1]) && ofANumber.test(letters[i]);
  while (cuts(end)) end -= 1;
  while (cuts(begin)) begin += 1;
  return `${letters.slice(0, end).join("").trimEnd()}…${letters.slice(begin).join("").trimStart()}`;
}

const epochs = (run, m) => number(run.moments[m][2], 4);
const after = (run, m) => `after ${epochs(run, m)} ${run.moments[m][2] === 1 ? "epoch" : "epochs"}`;

// The same with the step beside it.
const when = (run, m) => `${after(run, m)} (step ${run.moments[m][1]})`;

function probeName(run, probe) {
  const known = run.probes.find((entry) => entry.number === probe);
  const isChosen = known ? known.chosen : run.probes.some((entry) => entry.chosen);
  return `${isChosen ? "sample" : "probe"} ${probe}`;
}

function probeNames(run, probes, most = 6) {
  const unique = [...new Set(probes)];
  return `${unique.slice(0, most).map((probe) => probeName(run, probe)).join(", ")}${unique.length > most ? ", …" : ""}`;
}

// ---- what is explained, predicted and true

// Whether the explained class is another than the predicted one and the true one; undefined where that is unknown.
function differs(view, m, s) {
  const [, target] = view.who(m)[s];
  const { predicted, truth } = view.prediction(m, s);
  // A single logit is explained, whatever its sign is; values have no class.
  if (!predicted || ["values", "binary", "pixels"].includes(view.predictions.kind)) return {};
  return { predicted: predicted !== target, truth: truth ? truth !== target : undefined };
}

// A class without a name has a number, which is not to be taken for another number.
const className = (view, name) => (/^\d+$/.test(name) && view.predictions.kind !== "values" ? `class ${name}` : name);

// What is predicted now, and the truth, beside the name of the explained class: `≠` marks what is other than it.
function says(view, m, s) {
  const { kind } = view.predictions;
  const { chance, ...names } = view.prediction(m, s);
  if (view.regions) return view.region(m, s);
  if (!names.predicted) return "";
  const [predicted, truth] = [names.predicted, names.truth].map((name) => className(view, name));
  const sure = Number.isFinite(chance) ? ` ${percent(chance)}` : "";
  if (kind === "values" || kind === "pixels") return `predicted ${minus(predicted)}${truth ? `, truth ${minus(truth)}` : ""}`;
  if (kind === "binary") return `predicted ${predicted}${sure}${truth ? `, ${truth === predicted ? "" : "≠ "}truth ${truth}` : ""}`;
  const other = differs(view, m, s);
  if (other.predicted && truth === predicted) return `≠ predicted and true ${predicted}${sure}`;
  return (other.predicted ? `≠ predicted ${predicted}${sure}` : `predicted${sure}`) +
    (truth ? (other.truth ? `, ≠ truth ${truth}` : ", true") : "");
}

const isMarked = (words) => words.includes("≠");

// ---- the strongest features

// Of means the features with the most attribution; of a single probe those with the largest effects, whose intervals
// are those of all features at once: they are picked because they are large.
function strongest(view, m, whose, most) {
  let all;
  if (view.shared || whose.probe !== null) {
    const mean = view.mean(m, whose);
    const alone = mean.slots.length === 1;
    all = view.features.map((feature, f) => ({
      f, s: mean.slots[0], name: placed(view, m, mean.slots[0], f), value: mean.values[f], size: mean.sizes[f], dots: mean.dots[f],
      raised: mean.raised[f], lowered: mean.lowered[f], half: alone ? view.quantileOfAll * mean.errors[f] : mean.halves[f],
    }));
  } else {
    all = view.counting(m, whose).flatMap((s) => view.features.map((_, f) => {
      const value = view.has(m, s, f) ? view.effect(m, s, f) : NaN;
      return { f, s, value, size: Math.abs(value), dots: [], raised: Math.max(value, 0), lowered: Math.min(value, 0),
        half: view.quantileOfAll * view.effectError(m, s, f) };
    }));
  }
  const top = all.filter((row) => Number.isFinite(row.value)).sort((a, b) => b.size - a.size).slice(0, most);
  for (const row of top) {
    row.name ??= `${probeName(view.run, view.who(m)[row.s][0])}, ${placed(view, m, row.s, row.f)}`;
  }
  return top;
}

// A feature's name, with where it lies in the picture.
function placed(view, m, s, f) {
  const where = view.maps ? whereabouts(view, orderOf(view, m, s), f) : "";
  return where ? `${view.features[f]}, ${where}` : view.features[f];
}

const isSure = (value, half) => Number.isFinite(half) && Math.abs(value) > half;

function inWords(view, m, whose, most = 3) {
  const top = strongest(view, m, whose, most).filter((row) => row.size > 0);
  if (!top.length) return "nothing: all effects are zero";
  return top.map((row) => `${row.name} ${asEffect(row.value)}${asHalf(row.half)}`).join("; ");
}
