"use strict";
// The sections of the page: one for each view, with a place for each of its pictures, filled by `draw`.

function figure(title, ...parts) {
  const side = html("span", { className: "side" });
  const caption = html("figcaption", {}, html("h3", {}, title), side);
  const drawing = html("div", { className: "drawing" });
  const element = html("figure", {}, caption, drawing, ...parts);
  return { element, drawing, side, caption };
}

function scaleKey(limit) {
  const canvas = html("canvas", { width: 120, height: 1, "aria-hidden": "true" });
  const pen = canvas.getContext("2d");
  for (let i = 0; i < 120; i++) {
    pen.fillStyle = `rgb(${diverging((i - 59.5) / 59.5, 1).map(Math.round).join()})`;
    pen.fillRect(i, 0, 1, 1);
  }
  return html("span", { className: "scale" }, `−${number(limit, 2)}`, canvas, `+${number(limit, 2)} effect`);
}

function key(content, ...names) {
  const swatches = names.map((name) => {
    const swatch = html("span", { className: `swatch ${name}` });
    swatch.style.background = `var(--${name})`;
    return swatch;
  });
  return html("span", { className: "key side" }, ...swatches, content);
}

class Section {
  constructor(view) {
    this.view = view;
    const kind = view.axis ? (view.axis.nanometres ? "by wavelength" : "by channel") : view.maps ? "by region" : "by feature";
    const id = `view-${view.run.views.indexOf(view)}`;
    this.tell = html("p", { className: "told" }, "Point at a cell to read it; choose a row to go to its epoch.");
    this.bars = view.axis && figure("Coefficients");
    this.pictures = view.maps && figure("Effects on the probes’ pictures");
    // Probes that are chosen anew at each epoch cannot be compared over the epochs.
    this.fall = view.run.anew ? null : figure("Effects at every epoch", this.tell);
    this.rank = figure("Strongest features");
    this.score = figure("How well the fit describes the model");
    this.drift = view.run.anew ? null : figure("Drift");
    const watched = Object.keys(view.measures).filter((name) => name.startsWith("watch/"));
    this.watch = watched.length ? figure("Watched shares of the attribution") : null;
    this.watched = watched.map((name) => name.slice(6));
    this.bars?.caption.append(key("lowers / raises", "minus", "plus"), key("not told from 0, or no interval known", "minus-unsure", "plus-unsure"));
    if (view.axis?.middles && view.run.probes.length) this.bars.caption.append(key("spectrum", "line"));
    this.fall?.caption.append(scaleKey(view.limit));
    this.pictures?.caption.append(scaleKey(view.limit));
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
    const as = (kind, one) => { one?.element.classList.add(kind); return one ? [one.element] : []; };
    const { bars, pictures, fall, rank, score, drift, watch } = this;
    const top = bars ? [...as("wide", bars), ...as("narrow", rank)] : as("all", pictures);
    if (bars && fall && !watch) {
      return [...top, ...as("wide", fall), html("div", { className: "stack narrow" }, score.element, drift.element)];
    }
    const beside = bars ? watch : rank;
    const rest = [score, drift, bars ? null : watch].filter(Boolean);
    return [...top, ...as(beside ? "wide" : "all", fall), ...as(fall ? "narrow" : "half", beside),
      ...rest.flatMap((one) => as(rest.length === 3 ? "narrow" : "half", one))];
  }

  draw(ask) {
    const { view } = this;
    if (!view.explained(ask.m)) return this.absent(ask);
    const mine = { ...ask, whose: fitting(view, ask), tell: (words) => { this.tell.textContent = words; } };
    const who = whoseWords(view, mine);
    const say = (what, whom = who) => `${view.name}: ${what}, ${after(view.run, ask.m)}, ${whom}`;
    const top = inWords(view, ask.m, mine.whose);
    if (this.bars) {
      this.bars.side.textContent = who;
      spectrumBars(this.bars.drawing, view, mine, `${say("coefficients over the spectrum")}. Strongest: ${top}.`);
    }
    this.rank.side.textContent = `${after(view.run, ask.m)} · ${who}`;
    ranking(this.rank.drawing, view, mine, `${say("strongest features")}: ${inWords(view, ask.m, mine.whose, 10)}.`);
    this.drawFall(mine, say);
    this.drawLines(mine);
    this.drawPictures(mine);
    this.fillTable();
    return undefined;
  }

  absent(ask) {
    for (const one of [this.bars, this.pictures, this.fall, this.rank].filter(Boolean)) {
      one.drawing.replaceChildren(html("p", {}, `This view was not explained ${after(this.view.run, ask.m)}.`));
    }
    this.cards = null;
    this.drawLines(ask);
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
      `Effects go from −${number(view.limit, 2)}, blue, to +${number(view.limit, 2)}, orange.`);
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
    if (this.watch) this.drawWatch(ask, over);
  }

  drawDrift(ask, over) {
    const { view } = this;
    const { run } = view;
    const [step, way, floor] = [over((m) => view.drift(m)), over((m) => view.driftFromStart(m)), over((m) => view.measure("noise_floor", m))];
    const noise = floor.some(Number.isFinite);
    this.drift.side.textContent = `to the epoch before; dashed: from the first${noise ? "; grey: noise" : "; noise not known"}`;
    lines(this.drift.drawing, run, [
      { values: floor, filled: true }, { values: way, colour: "var(--second)", dashed: true }, { values: step, colour: "var(--ink)" },
    ], ask, `${view.name}: drift over the epochs. ${answers.changed(view, ask.m).big} ${after(run, ask.m)}. ${answers.changed(view, ask.m).small}`);
  }

  drawWatch(ask, over) {
    const { view } = this;
    const { run } = view;
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
    const last = view.which.findLastIndex((list) => list >= 0);
    if (view.run.anew && ask.m !== last) {
      this.cards = null;
      this.pictures.drawing.replaceChildren(html("p", {}, "Probes are chosen anew at each epoch; pictures are kept of the last one."));
      return;
    }
    const now = JSON.stringify([view.which[ask.m], view.several && ask.whose.target]);
    if (!this.cards || this.made !== now) {
      this.cards = new Cards(this.pictures.drawing, view, ask);
      this.made = now;
    }
    const more = this.cards.more ? `first 16 of ${16 + this.cards.more}; ` : "";
    this.pictures.side.textContent = `${more}${view.run.probes.length ? "" : "the pictures were not kept; "}choose one by its name`;
    this.cards.paint(view, ask);
  }

  fillTable() {
    while (this.table.children.length > 1) this.table.lastChild.remove();
    if (!this.table.open || !this.view.explained(chosen.m)) return;
    const ask = { ...chosen, whose: fitting(this.view, chosen) };
    const rows = strongest(this.view, ask.m, ask.whose, 400);
    const line = (cells, kind) => html("tr", {}, ...cells.map((cell) => html(kind, kind === "th" ? { scope: "col" } : {}, cell)));
    this.table.append(html("div", { className: "scroll" }, html("table", {},
      html("thead", {}, line(["Feature", "Coefficient", "Standard error", "95 % interval", "Effect"], "th")),
      html("tbody", {}, ...rows.map((row) => line([
        row.name, signed(row.value), number(row.error),
        Number.isFinite(row.half) ? `${number(row.value - row.half)} to ${number(row.value + row.half)}` : "not known", signed(row.effect),
      ], "td"))))));
  }
}

// Standard errors to either side of a share's mean over the probes; of a single probe its own error counts.
const shareQuantile = (view, m) => student(new Set(view.who(m).map(([probe]) => probe)).size) || view.quantile;

// What is shown of a view that does not have what was chosen: its mean.
function fitting(view, ask) {
  if (!view.explained(ask.m) || view.chosen(ask.m, ask.whose).length) return ask.whose;
  const target = { probe: null, target: ask.whose.target };
  return view.chosen(ask.m, target).length ? target : { probe: null, target: null };
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
  const own = targets > 1 ? " (own targets)" : "";
  return `${view.shared ? "mean of" : "all"} ${plural(probes, "probe")}${own}`;
}
