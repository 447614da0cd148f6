"use strict";
// The sections of the page: one for each view, with a place for each of its pictures, filled by `draw`.

// A picture's frame: title, whom it shows, its keys on a line of their own, the drawing, and what is read in it.
function figure(title, keys = [], reads = "") {
  const side = html("span", { className: "side" });
  const caption = html("figcaption", {}, html("h3", {}, title), side);
  const drawing = html("div", { className: "drawing" });
  const told = html("p", { className: "told", "aria-live": "polite" }, reads);
  const element = html("figure", {}, caption, ...(keys.length ? [html("div", { className: "keys" }, ...keys)] : []), drawing, ...(reads ? [told] : []));
  return { element, drawing, side, caption, told };
}

function scaleKey(limit) {
  const canvas = html("canvas", { width: 120, height: 1, "aria-hidden": "true" });
  const pen = canvas.getContext("2d");
  for (let i = 0; i < 120; i++) {
    pen.fillStyle = `rgb(${diverging((i - 59.5) / 59.5, 1).map(Math.round).join()})`;
    pen.fillRect(i, 0, 1, 1);
  }
  return html("span", { className: "key" }, `−${number(limit, 2)} lowers`, canvas, `+${number(limit, 2)} raises`);
}

function key(content, ...kinds) {
  return html("span", { className: "key" }, ...kinds.map((kind) => html("span", { className: `swatch ${kind}`, "aria-hidden": "true" })), content);
}

const barKeys = () => [key("lowers / raises", "minus", "plus"), key("mean’s sign not known", "minus-unsure", "plus-unsure"),
  key("probe", "spot"), key("mean, 95 %", "diamond")];
const hatchKeys = ({ axis }) => (axis ? [...(axis.gaps.length ? [key("no channel", "hatched")] : []), ...(axis.water?.length ? [key("water band", "watery")] : [])] : []);

class Section {
  constructor(view) {
    this.view = view;
    const { run } = view;
    const kind = view.axis ? (view.axis.nanometres ? "by wavelength" : "by channel") : view.maps ? "by region" : "by feature";
    const id = `view-${run.views.indexOf(view)}`;
    const cells = "Point at a cell to read it, or use Tab and the arrow keys.";
    const spectra = view.axis?.middles && run.probes.some((probe) => probe.spectrum);
    this.bars = view.axis && figure("Effects", [...barKeys(), ...(spectra ? [key("input’s spectrum", "line")] : []), ...hatchKeys(view)], cells);
    this.pictures = view.maps && figure("Effects on the probes’ pictures", [scaleKey(view.limit)]);
    this.grid = view.shared && view.lists.some((list) => list.length > 1) ? figure("Effects of each probe", [scaleKey(view.limit), ...hatchKeys(view)], cells) : null;
    // Probes that are chosen anew at each epoch cannot be compared over the epochs.
    this.fall = run.anew ? null : figure("Effects at every epoch", [scaleKey(view.limit), ...hatchKeys(view)], cells);
    this.rank = figure("Strongest features", view.axis ? [] : barKeys());
    this.score = figure("How well the fit describes the model");
    this.drift = run.anew ? null : figure("Drift");
    this.watched = Object.keys(view.measures).filter((name) => name.startsWith("watch/")).map((name) => name.slice(6));
    this.watch = figure("Watched shares of the attribution");
    this.reliance = figure("Reliance: what hiding a set changes");
    this.pictures?.drawing.classList.add("probes");
    this.table = html("details", {}, html("summary", {}, "All numbers of this epoch"));
    this.table.addEventListener("toggle", () => this.fillTable());
    this.root = html("section", { className: "view" },
      html("h2", { id }, `${view.name} `, html("small", {}, `${plural(view.size, "feature")}, ${kind}`)),
      html("div", { className: "grid" }, ...this.placed()), this.table);
    this.root.setAttribute("aria-labelledby", id);
  }

  // What stands beside what on a wide screen.
  placed() {
    const { bars, pictures, grid, fall, rank, score, drift, watch, reliance } = this;
    const as = (kind, part) => { part.element.classList.add(kind); return part.element; };
    const stack = (kind, ...parts) => html("div", { className: `stack ${kind}` }, ...parts.filter(Boolean).map((part) => part.element));
    const top = bars ? [as("wide", bars), as("narrow", rank)] : pictures ? [as("all", pictures)] : [];
    const main = [bars ? null : rank, grid, fall].filter(Boolean);
    const beside = [score, drift, watch, reliance];
    return main.length ? [...top, stack("wide", ...main), stack("narrow", ...beside)] : [...top, stack("all", ...beside)];
  }

  draw(ask) {
    const { view } = this;
    if (!view.explained(ask.m)) return this.absent(ask);
    const mine = { ...ask, whose: fitting(view, ask) };
    const who = whoseWords(view, mine);
    const say = (what, whom = who) => `${view.name}: ${what}, ${after(view.run, ask.m)}, ${whom}`;
    const top = inWords(view, ask.m, mine.whose);
    if (this.bars) {
      this.bars.side.textContent = who;
      spectrumBars(this.bars.drawing, view, mine, `${say("effects over the spectrum")}. Strongest: ${top}.`, this.bars.told);
    }
    const alone = mine.whose.probe !== null || !view.shared;
    this.rank.side.textContent = `${who}${alone ? "" : ", by share of the attribution"}`;
    ranking(this.rank.drawing, view, mine, `${say("strongest features")}: ${inWords(view, ask.m, mine.whose, 10)}.`);
    this.drawGrid(mine, say);
    this.drawFall(mine, say);
    this.drawLines(mine);
    this.drawPictures(mine);
    this.fillTable();
    return undefined;
  }

  absent(ask) {
    for (const part of [this.bars, this.pictures, this.grid, this.fall, this.rank].filter(Boolean)) {
      part.drawing.replaceChildren(html("p", {}, `This view was not explained ${after(this.view.run, ask.m)}.`));
    }
    this.cards = null;
    this.drawLines(ask);
  }

  drawGrid(ask, say) {
    if (!this.grid) return;
    this.grid.side.textContent = "in groups of what is explained; ≠: predicted or true is another class";
    probeGrid(this.grid.drawing, this.view, ask, `${say("effects of each probe", "all probes")}.`, this.grid.told);
  }

  drawFall(ask, say) {
    if (!this.fall) return;
    const { view } = this;
    const alone = view.shared || ask.whose.probe !== null ? ask : { ...ask, whose: slotWhose(view, ask) };
    const who = whoseWords(view, alone);
    this.fall.side.textContent = alone === ask ? who : `${who}; choose another above`;
    const count = view.which.filter((list) => list >= 0).length;
    waterfall(this.fall.drawing, view, alone,
      `${say("waterfall of effects", who)}. ${plural(count, "explained epoch")} from top to bottom; the frame marks the one shown. ` +
      `Effects go from −${number(view.limit, 2)}, blue, to +${number(view.limit, 2)}, orange.`, this.fall.told);
  }

  drawLines(ask) {
    const { view } = this;
    const { run } = view;
    const over = (f) => run.moments.map((_, m) => (view.explained(m) ? f(m) : NaN));
    const [mean, worst] = [over((m) => view.meanScore(m)), over((m) => view.worstScore(m))];
    this.score.side.textContent = "R² of rows left out: mean, and dashed the worst probe";
    lines(this.score.drawing, run, [{ values: worst, colour: "var(--good)", dashed: true }, { values: mean, colour: "var(--good)" }], ask,
      `${view.name}: score over the epochs. R² is ${squared(mean[ask.m])} ${after(run, ask.m)}, and ${squared(worst[ask.m])} for the worst probe.`,
      { low: 0, high: 1, levels: run.gate === null ? [] : [[run.gate, "gate"]] });
    if (this.drift) this.drawDrift(ask, over);
    this.drawWatch(ask, over);
    const [words, sets] = [`${view.name}: reliance ${after(run, ask.m)}`, view.explained(ask.m) ? reliances(view, ask.m) : []];
    this.reliance.side.textContent = sets.length ? `by other samples’ values, ${sets.length > 6 ? "largest first; " : ""}▏random sets as large` : "";
    if (sets.length) {
      relianceBars(this.reliance.drawing, view, ask.m, `${words}. ${sets.slice(0, 6).map((set) =>
        `${set.name}: ${amount(view, set.changed)}, random sets ${amount(view, set.expected)}`).join("; ")}.`);
    } else this.reliance.drawing.replaceChildren(html("p", { className: "none" }, "Reliance was not measured of this view at this epoch."));
  }

  drawDrift(ask, over) {
    const { view } = this;
    const { run } = view;
    const [step, way, floor] = [over((m) => view.drift(m)), over((m) => view.driftFromStart(m)), over((m) => view.measure("noise_floor", m))];
    const noise = floor.some(Number.isFinite);
    this.drift.side.textContent = `cosine distance to the epoch before; dashed: from the first${noise ? "; grey: noise" : "; noise not known"}`;
    if (![...step, ...way].some(Number.isFinite)) {
      this.drift.drawing.replaceChildren(html("p", { className: "none" }, "There is nothing to compare with yet."));
      return;
    }
    lines(this.drift.drawing, run, [
      { values: floor, filled: true }, { values: way, colour: "var(--second)", dashed: true }, { values: step, colour: "var(--ink)" },
    ], ask, `${view.name}: drift over the epochs. It is ${distance(step[ask.m])} ${after(run, ask.m)}.`);
  }

  drawWatch(ask, over) {
    const { view } = this;
    const { run } = view;
    if (!this.watched.length) {
      const set = Object.keys(run.watch).length > 0;
      this.watch.drawing.replaceChildren(html("p", { className: "none" }, set ? "The run’s watches are of other views." : "No watch was set (watch=)."));
      return;
    }
    const colours = ["var(--ink)", "var(--second)", "var(--good)", "var(--muted)"];
    const shares = this.watched.map((name, i) => ({
      values: over((m) => view.measure(`watch/${name}`, m)), halves: over((m) => shareQuantile(view, m) * view.measure(`watch_error/${name}`, m)),
      colour: colours[i % colours.length], dashed: i >= colours.length,
    }));
    const levels = this.watched.flatMap((name) => ["above", "below"].flatMap((side) => {
      const bound = run.watch[name]?.[side];
      return bound === null || bound === undefined ? [] : [[bound, `${short(name, 14)} ${side}`]];
    }));
    const now = this.watched.map((name, i) => `${name} ${percent(shares[i].values[ask.m])}`).join(", ");
    this.watch.side.textContent = now;
    lines(this.watch.drawing, run, shares, ask, `${view.name}: watched shares over the epochs. ${after(run, ask.m)}: ${now}.`, { levels });
  }

  drawPictures(ask) {
    if (!this.pictures) return;
    const { view } = this;
    if (view.run.anew && ask.m !== view.last) {
      this.cards = null;
      this.pictures.drawing.replaceChildren(html("p", {}, "Probes are chosen anew at each epoch; pictures are kept of the last one."));
      return;
    }
    const now = JSON.stringify([view.which[ask.m], view.several && ask.whose.target]);
    if (!this.cards || this.made !== now) {
      this.cards = new Cards(this.pictures.drawing, view, ask);
      this.made = now;
    }
    const more = this.cards.more ? `first ${MOST_CARDS} of ${MOST_CARDS + this.cards.more}; ` : "";
    this.pictures.side.textContent = `${more}${view.run.probes.length ? "" : "the pictures were not kept; "}choose one by its name; ` +
      `▲ ▼ name the three strongest regions${leftOut(view)}`;
    this.cards.paint(view, ask);
  }

  fillTable() {
    while (this.table.children.length > 1) this.table.lastChild.remove();
    const { view } = this;
    if (!this.table.open || !view.explained(chosen.m)) return;
    const ask = { ...chosen, whose: fitting(view, chosen) };
    const slots = view.counting(ask.m, ask.whose);
    const line = (cells, kind) => html("tr", {}, ...cells.map((cell) => html(kind, kind === "th" ? { scope: "col" } : {}, cell)));
    const body = strongest(view, ask.m, ask.whose, 400).map((row) => {
      const of = row.dots.length > 1 ? slots : [row.s];
      const alone = of.length === 1;
      return line([row.name, percent(row.size), asEffect(row.value),
        Number.isFinite(row.half) ? `${asEffect(row.value - row.half)} to ${asEffect(row.value + row.half)}` : "not known",
        signed(average(of.map((s) => view.coefficient(ask.m, s, row.f)))), alone ? number(view.error(ask.m, row.s, row.f)) : "–"], "td");
    });
    const scroll = html("div", { className: "scroll", tabIndex: 0 }, html("table", {},
      html("thead", {}, line(["Feature", "Share of the attribution", "Effect", "95 % interval", "Coefficient", "Standard error"], "th")),
      html("tbody", {}, ...body)));
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", `${view.name}: all numbers of this epoch`);
    this.table.append(scroll);
  }
}

// Standard errors to either side of a share's mean over the probes; of a single probe its own error counts.
const shareQuantile = (view, m) => student(new Set(view.who(m).map(([probe]) => probe)).size) || view.quantile;

// What is shown of a view that does not have what was chosen: its mean.
function fitting(view, ask) {
  if (!view.explained(ask.m) || view.chosen(ask.m, ask.whose).length) return ask.whose;
  const target = { probe: null, target: ask.whose.target };
  return view.chosen(ask.m, target).length ? target : ALL;
}

// The first probe of those that were chosen, where parts of several cannot be shown together.
function slotWhose(view, ask) {
  const [probe, target] = view.who(ask.m)[view.chosen(ask.m, ask.whose)[0]];
  return { probe, target };
}

function whoseWords(view, ask) {
  const slots = view.chosen(ask.m, ask.whose);
  if (slots.length === 1) return `${probeName(view.run, view.who(ask.m)[slots[0]][0])} · ${short(view.who(ask.m)[slots[0]][1])}`;
  const [probes, targets] = [0, 1].map((part) => new Set(slots.map((s) => view.who(ask.m)[s][part])).size);
  return `${view.shared ? "mean of" : "all"} ${plural(probes, "probe")}${targets > 1 ? ", each with its own class" : ""}`;
}
