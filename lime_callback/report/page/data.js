"use strict";
// What the page is about: the runs' numbers, as they were packed. Nothing here touches what is shown.
// Letters: m moments (explained epochs), s slots (a probe and a target), f features.

const given = JSON.parse(document.getElementById("data").textContent);

function unpacked(text, Kind) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Kind(bytes.buffer);
}

class View {
  constructor(packed, run) {
    Object.assign(this, packed);
    this.run = run;
    this.coefficients = unpacked(packed.coefficients, Float32Array);
    this.errors = unpacked(packed.errors, Float32Array);
    this.scores = unpacked(packed.scores, Float32Array);
    this.chances = unpacked(packed.predictions.chances, Float32Array);
    this.named = unpacked(packed.predictions.indices, Uint16Array);
    if (this.regions) this.regionOf = unpacked(packed.regions.indices, Uint16Array);
    this.attributions = new Map();
    this.means = new Map();
    this.reaches = new Map();
    if (this.maps) this.maps.runs = this.maps.runs.map((text) => unpacked(text, Uint16Array));
    // Standard errors to either side of an effect: its own 95 % interval, and of all features at once.
    [this.quantile, this.quantileOfAll] = packed.quantiles;
    // Superpixel 3 of one probe is not that of another, unless all probes are cut alike.
    this.shared = !this.maps || this.maps.runs.length === 1;
    this.several = packed.lists.some((list) => new Set(list.map(([probe]) => probe)).size < list.length);
  }

  // What a slot's region is, where means over regions are explained; "" where that is unknown.
  region(m, s) { return this.regions.names[this.regionOf[m * this.slots + s]]; }
  isEmpty(m, s) { return Boolean(this.regions) && this.regions.empty.includes(this.regionOf[m * this.slots + s]); }

  explained(m) { return this.which[m] >= 0; }
  who(m) { return this.explained(m) ? this.lists[this.which[m]] : []; }
  get size() { return this.features.length; }
  score(m, s) { return this.scores[m * this.slots + s]; }

  // Number of each slot of a moment that is asked for; whose: { probe, target }, null for any.
  chosen(m, whose) {
    const wanted = ([probe, target]) =>
      (whose.probe === null || whose.probe === probe) && (whose.target === null || whose.target === target);
    return this.who(m).flatMap((slot, s) => (wanted(slot) ? [s] : []));
  }

  coefficient(m, s, f) { return this.coefficients[(m * this.slots + s) * this.size + f]; }
  error(m, s, f) { return this.errors[(m * this.slots + s) * this.size + f]; }

  // What the model predicts for a slot's probe, its probability, and the truth; "" and NaN where unknown.
  prediction(m, s) {
    const at = m * this.slots + s;
    const name = (i) => this.predictions.names[this.named[2 * at + i]];
    return { predicted: name(0), chance: this.chances[at], truth: name(1) };
  }

  // A coefficient's size without what its noise adds, as `lime_callback.explaining.effects.magnitudes` has it.
  magnitude(m, s, f) {
    const [size, error] = [Math.abs(this.coefficient(m, s, f)), this.error(m, s, f)];
    if (!Number.isFinite(size) || size === 0) return 0;
    return Math.max(0, size - (Number.isFinite(error) ? error * error / size : 0));
  }

  // Sum of the sizes of a slot.
  attribution(m, s) {
    const key = m * this.slots + s;
    if (!this.attributions.has(key)) {
      this.attributions.set(key, this.features.reduce((sum, _, f) => sum + this.magnitude(m, s, f), 0));
    }
    return this.attributions.get(key);
  }

  has(m, s, f) { return Number.isFinite(this.coefficient(m, s, f)); }

  // A feature's signed share of its slot's attribution, and its standard error.
  effect(m, s, f) {
    const all = this.attribution(m, s);
    return all > 0 ? Math.sign(this.coefficient(m, s, f)) * this.magnitude(m, s, f) / all : 0;
  }
  effectError(m, s, f) {
    const all = this.attribution(m, s);
    return all > 0 ? this.error(m, s, f) / all : Infinity;
  }
  effects(m, s) { return this.features.map((_, f) => this.effect(m, s, f)); }

  // Summaries of the effects over the chosen slots: for each feature the mean, its standard error, half of its 95 %
  // interval, the mean size, the parts of that size which raise and lower the output, and the slots' own effects.
  // What is not known is not finite.
  mean(m, whose) {
    const key = `${m} ${whose.probe} ${whose.target}`;
    if (!this.means.has(key)) this.means.set(key, this.meanOf(m, this.counting(m, whose)));
    return this.means.get(key);
  }

  // The chosen slots that pass the gate; all of them if none does.
  counting(m, whose) {
    const every = this.chosen(m, whose);
    const full = every.filter((s) => !this.isEmpty(m, s));
    const asked = full.length ? full : every;
    const passed = asked.filter((s) => !Number.isFinite(this.run.gate) || this.score(m, s) >= this.run.gate);
    return passed.length ? passed : asked;
  }

  meanOf(m, slots) {
    const result = { slots, values: [], errors: [], halves: [], sizes: [], raised: [], lowered: [], dots: [] };
    for (let f = 0; f < this.size; f++) {
      const dots = slots.filter((s) => this.has(m, s, f)).map((s) => ({ s, value: this.effect(m, s, f) }));
      // Targets of one probe depend on each other: they are averaged first.
      const of = new Map();
      for (const { s, value } of dots) {
        const [probe] = this.who(m)[s];
        of.set(probe, [...(of.get(probe) || []), value]);
      }
      const each = [...of.values()];
      const means = each.map(average);
      const alone = dots.length === 1 ? this.effectError(m, dots[0].s, f) : NaN;
      const error = means.length > 1 ? errorOf(means) : alone;
      result.values.push(average(means));
      result.errors.push(error);
      result.halves.push(error * (means.length > 1 ? student(means.length) : this.quantile));
      result.raised.push(average(each.map((all) => average(all.map((value) => Math.max(value, 0))))));
      result.lowered.push(average(each.map((all) => average(all.map((value) => Math.min(value, 0))))));
      result.sizes.push(average(each.map((all) => average(all.map(Math.abs)))));
      result.dots.push(dots);
    }
    return result;
  }

  // The largest effect of a probe at any moment: axes reach so far, and stay so over the run.
  reach(whose) {
    const key = `${whose.probe} ${whose.target}`;
    if (!this.reaches.has(key)) {
      this.reaches.set(key, Math.max(0, ...this.which.map((_, m) => this.reachAt(m, whose))));
    }
    return this.reaches.get(key);
  }

  reachAt(m, whose) {
    let largest = 0;
    for (const s of this.counting(m, whose)) {
      for (let f = 0; f < this.size; f++) largest = Math.max(largest, Math.abs(this.effect(m, s, f)));
    }
    return largest;
  }

  before(m) {
    for (let i = m - 1; i >= 0; i--) if (this.explained(i)) return i;
    return -1;
  }

  get first() { return this.which.findIndex((list) => list >= 0); }
  get last() { return this.which.findLastIndex((list) => list >= 0); }

  measure(name, m) {
    const line = this.measures[name];
    const value = line ? line[m] : null;
    return value === null || value === undefined ? NaN : value;
  }

  // Mean over the chosen slots that two moments share of `of(slot)`.
  between(a, b, whose, of) {
    if (a < 0 || b < 0 || this.which[a] !== this.which[b]) return NaN;
    return average(this.chosen(b, whose).map(of));
  }

  // Mean cosine distance: what is left to tell where drift was not written.
  distance(a, b, whose) {
    return this.between(a, b, whose, (s) => {
      let [ab, aa, bb] = [0, 0, 0];
      for (let f = 0; f < this.size; f++) {
        const [x, y] = [this.coefficient(a, s, f), this.coefficient(b, s, f)];
        if (Number.isFinite(x) && Number.isFinite(y)) { ab += x * y; aa += x * x; bb += y * y; }
      }
      return aa > 0 && bb > 0 ? 1 - ab / Math.sqrt(aa * bb) : NaN;
    });
  }

  // Share of the attribution that went to other features, its noise included.
  movedApart(a, b, whose) {
    return this.between(a, b, whose, (s) =>
      this.features.reduce((sum, _, f) => sum + Math.abs(this.effect(b, s, f) - this.effect(a, s, f)), 0) / 2);
  }

  drift(m) { return "drift" in this.measures ? this.measure("drift", m) : this.distance(this.before(m), m, ALL); }
  driftFromStart(m) {
    if ("drift_from_start" in this.measures) return this.measure("drift_from_start", m);
    return m > this.first ? this.distance(this.first, m, ALL) : NaN;
  }
  scoresOf(m) { return this.who(m).flatMap((_, s) => (this.isEmpty(m, s) ? [] : [this.score(m, s)])); }
  meanScore(m) { return average(this.scoresOf(m)); }
  worstScore(m) { return Math.min(...this.scoresOf(m).filter(Number.isFinite)); }
}

const ALL = { probe: null, target: null };

function average(values) {
  const finite = values.filter(Number.isFinite);
  return finite.length ? finite.reduce((a, b) => a + b, 0) / finite.length : NaN;
}

// Standard errors to either side of a mean of n values, for its 95 % interval.
const student = (n) => (n < 2 ? NaN : given.students[n - 2]);

// Standard error of a mean over probes, from their spread.
function errorOf(values) {
  const [n, mean] = [values.length, average(values)];
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1) / n);
}

const largestOf = (values) => values.filter(Number.isFinite).reduce((a, b) => Math.max(a, Math.abs(b)), 0);

const runs = given.runs.map((packed) => {
  const run = { ...packed };
  run.views = packed.views.map((view) => new View(view, run));
  return run;
});
