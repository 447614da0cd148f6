"use strict";
// The probes' pictures: a card each, with the maps of the first explanation and of this one beside it.

const MOST_CARDS = 16;

// Built once for the slots of a moment, then painted again.
class Cards {
  constructor(place, view, ask) {
    const wanted = view.several ? ask.whose.target : null;
    const slots = view.who(ask.m).flatMap(([, target], s) => (wanted === null || wanted === target ? [s] : []));
    this.shown = slots.slice(0, MOST_CARDS);
    this.more = slots.length - this.shown.length;
    this.cards = this.shown.map((s) => this.card(view, ask, s));
    place.replaceChildren(...this.cards.map(({ root }) => root));
  }

  card(view, ask, s) {
    const [probe, target] = view.who(ask.m)[s];
    const known = view.run.probes.find((entry) => entry.number === probe);
    const name = `${probeName(view.run, probe)} · ${target}`;
    const score = html("span", { className: "score" });
    const button = html("button", { type: "button", title: name }, html("span", {}, short(name, 44)), score);
    button.addEventListener("click", () => ask.choose({ probe, target }));
    const [then, now] = [html("canvas", {}), html("canvas", {})];
    for (const map of [then, now]) map.setAttribute("role", "img");
    const picture = known && known.picture
      ? html("img", { src: known.picture, alt: `${name}: picture of the input${known.label ? `, labelled ${known.label}` : ""}` })
      : null;
    if (picture) picture.addEventListener("load", () => picture.classList.toggle("coarse", picture.naturalWidth < 100));
    const notes = ["input", "", ""].map((note) => html("p", {}, note));
    const shot = (element, i) => html("div", {}, element, notes[i]);
    const maps = html("div", { className: "maps" }, ...(view.run.anew ? [] : [shot(then, 1)]), shot(now, 2));
    const said = html("p", { className: "says" });
    const told = html("p", { className: "told fleeting", "aria-live": "polite" });
    const root = html("div", { className: "probe" }, button, said,
      html("div", { className: picture ? "shots" : "shots bare" }, ...(picture ? [shot(picture, 0)] : []), maps), told);
    return { root, s, probe, target, name, score, button, said, maps, told, then, now, notes };
  }

  paint(view, ask) {
    for (const card of this.cards) {
      const score = view.score(ask.m, card.s);
      card.score.textContent = `R² ${squared(score)}`;
      card.score.classList.toggle("low", score < Math.max(view.run.gate ?? 0, 0.5));
      card.button.setAttribute("aria-pressed", String(ask.whose.probe === card.probe));
      const words = says(view, ask.m, card.s);
      card.said.textContent = words;
      card.said.classList.toggle("differs", isMarked(words));
      const first = view.which[view.first] === view.which[ask.m] ? view.first : ask.m;
      const order = orderOf(view, ask.m, card.s);
      const all = [[card.then, first, card.notes[1]], [card.now, ask.m, card.notes[2]]];
      for (const [canvas, m, note] of all) {
        this.map(view, card, canvas, m, order, null);
        canvas.setAttribute("aria-label", `${card.name}: map of the effects ${after(view.run, m)}${
          canvas === card.then ? ", the first explanation" : ""}. Strongest: ${inWords(view, m, card)}`);
        note.textContent = `${canvas === card.then ? "first, " : ""}epoch ${epochs(view.run, m)}`;
      }
      this.read(view, card, all, order);
    }
  }

  map(view, card, canvas, m, order, at) {
    const key = `${m} ${canvas.clientWidth} ${at}`;
    if (canvas.painted !== key) paintMap(canvas, view, order, view.effects(m, card.s), namesOf(view, m, card.s), at);
    canvas.painted = key;
  }

  // Region by region, in both maps at once.
  read(view, card, all, order) {
    const middles = middlesOf(view, order);
    const { width, height, shares } = view.maps;
    const strongestFirst = () => Number(strongest(view, all[1][1], card, 1)[0]?.f ?? middles.findIndex(Boolean));
    readable(card.maps, `${card.name}: the parts of the maps. Arrow keys go from part to part.`, card.told, {
      start: strongestFirst,
      holds: (f) => Boolean(middles[f]),
      move: (f, way) => nearestTowards(middles, f, way),
      at: (px, py) => {
        for (const [canvas] of all) {
          const [x, y] = [px - canvas.offsetLeft, py - canvas.offsetTop];
          if (!canvas.isConnected || x < 0 || y < 0 || x >= canvas.clientWidth || y >= canvas.clientHeight) continue;
          const i = Math.floor((y * height) / canvas.clientHeight) * width + Math.floor((x * width) / canvas.clientWidth);
          const parts = shares[regionsOf(view.maps, order)[i]];
          return parts.length ? strongestOf(view, all[1][1], card.s, parts) : null;
        }
        return null;
      },
      mark: (f) => { for (const [canvas, m] of all) this.map(view, card, canvas, m, order, f); },
      read: (f) => {
        const own = (m) => `${asEffect(view.effect(m, card.s, f))}${asHalf(view.quantile * view.effectError(m, card.s, f))} ${when(view.run, m)}`;
        const [first, now] = [all[0][1], all[1][1]];
        return `${placed(view, now, card.s, f)}: effect ${own(now)}${first === now ? "" : `; ${own(first)}`}`;
      },
    });
  }
}
