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
    this.attributions = new Map();
    if (this.maps) this.maps.runs = this.maps.runs.map((text) => unpacked(text, Uint16Array));
    this.reaches = new Map();
    // Standard errors to either side of a coefficient: its own 95 % interval, and of all features at once.
    [this.quantile, this.quantileOfAll] = packed.quantiles;
    // Superpixel 3 of one probe is not that of another, unless all probes are cut alike.
    this.shared = !this.maps || this.maps.runs.length === 1;
    this.several = packed.lists.some((list) => new Set(list.map(([probe]) => probe)).size < list.length);
  }

  explained(m) { return this.which[m] >= 0; }
  who(m) { return this.explained(m) ? this.lists[this.which[m]] : []; }
  get size() { return this.features.length; }
  score(m, s) { return this.scores[m * this.slots + s]; }

  // Number of each slot of a moment that is asked for; whose: { probe, target }, null for any.
  chosen(m, whose) {
    const wanted = ([probe, target]) =>
      (whose.probe === null || whose.probe === probe) && (whose.target === null || whose.target === target);
    return this.who(m).flatMap((one, s) => (wanted(one) ? [s] : []));
  }

  coefficient(m, s, f) { return this.coefficients[(m * this.slots + s) * this.size + f]; }
  error(m, s, f) { return this.errors[(m * this.slots + s) * this.size + f]; }

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

  // A feature's signed share of its slot's attribution.
  effect(m, s, f) {
    const all = this.attribution(m, s);
    return all > 0 ? Math.sign(this.coefficient(m, s, f)) * this.magnitude(m, s, f) / all : 0;
  }

  // Means over the chosen slots: of each feature the value, its standard error, half of its 95 % interval, the effect,
  // the mean size of the effects, and the slots' own values. What is not known is not finite.
  mean(m, whose) {
    const gate = this.run.gate;
    const asked = this.chosen(m, whose);
    const passed = asked.filter((s) => !Number.isFinite(gate) || this.score(m, s) >= gate);
    const slots = passed.length ? passed : asked;
    const probes = slots.map((s) => this.who(m)[s][0]);
    const found = { slots, values: [], errors: [], halves: [], effects: [], sizes: [], dots: [] };
    for (let f = 0; f < this.size; f++) {
      const [dots, own, effect] = [[], new Map(), []];
      let error = NaN;
      slots.forEach((s, i) => {
        const b = this.coefficient(m, s, f);
        if (!Number.isFinite(b)) return;
        error = this.error(m, s, f);
        effect.push(this.effect(m, s, f));
        own.set(probes[i], [...(own.get(probes[i]) || []), b]);
        dots.push(b);
      });
      // Targets of one probe depend on each other: they are averaged first.
      const each = [...own.values()].map(average);
      found.values.push(average(each));
      const of = each.length > 1 ? errorOf(each) : dots.length === 1 ? error : NaN;
      found.errors.push(of);
      found.halves.push(of * (each.length > 1 ? student(each.length) : this.quantile));
      found.effects.push(average(effect));
      found.sizes.push(average(effect.map(Math.abs)));
      found.dots.push(dots);
    }
    return found;
  }

  // The largest mean, with its interval, at any moment: axes reach so far, and stay so over the run.
  reach(whose) {
    const key = JSON.stringify(whose);
    if (!this.reaches.has(key)) {
      const most = this.which.map((_, m) => largest(this.mean(m, whose)));
      this.reaches.set(key, Math.max(0, ...most));
    }
    return this.reaches.get(key);
  }

  before(m) {
    for (let i = m - 1; i >= 0; i--) if (this.explained(i)) return i;
    return -1;
  }

  get first() { return this.which.findIndex((list) => list >= 0); }

  measure(name, m) {
    const line = this.measures[name];
    const value = line ? line[m] : null;
    return value === null || value === undefined ? NaN : value;
  }

  // Mean cosine distance of the slots that two moments share: what is left to tell where drift was not written.
  distance(a, b) {
    if (a < 0 || b < 0 || this.which[a] !== this.which[b]) return NaN;
    const all = this.who(b).map((_, s) => {
      let [ab, aa, bb] = [0, 0, 0];
      for (let f = 0; f < this.size; f++) {
        const [x, y] = [this.coefficient(a, s, f), this.coefficient(b, s, f)];
        if (Number.isFinite(x) && Number.isFinite(y)) { ab += x * y; aa += x * x; bb += y * y; }
      }
      return aa > 0 && bb > 0 ? 1 - ab / Math.sqrt(aa * bb) : NaN;
    });
    return average(all);
  }

  drift(m) { return "drift" in this.measures ? this.measure("drift", m) : this.distance(this.before(m), m); }
  driftFromStart(m) {
    if ("drift_from_start" in this.measures) return this.measure("drift_from_start", m);
    return m > this.first ? this.distance(this.first, m) : NaN;
  }
  meanScore(m) { return average(this.who(m).map((_, s) => this.score(m, s))); }
  worstScore(m) { return Math.min(...this.who(m).map((_, s) => this.score(m, s)).filter(Number.isFinite)); }
}

function average(values) {
  const finite = values.filter(Number.isFinite);
  return finite.length ? finite.reduce((a, b) => a + b, 0) / finite.length : NaN;
}

// Standard errors to either side of a mean of n values, for its 95 % interval.
const student = (n) => (n < 2 ? NaN : given.students[n - 2]);

// Standard error of a mean over probes, from their spread.
function errorOf(values) {
  const [n, mean] = [values.length, average(values)];
  return Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (n - 1) / n);
}

const most = (values) => values.filter(Number.isFinite).reduce((a, b) => Math.max(a, Math.abs(b)), 0);

// How far bars and whiskers reach; whiskers over few probes can be many times as long, and go on beyond the axis.
function largest({ values, halves, slots }) {
  const longest = slots.length > 1 ? most(values) : Infinity;
  return most(values.map((value, f) => Math.abs(value) + (Number.isFinite(halves[f]) ? Math.min(halves[f], longest) : 0)));
}

const runs = given.runs.map((packed) => {
  const run = { ...packed };
  run.views = packed.views.map((one) => new View(one, run));
  return run;
});
