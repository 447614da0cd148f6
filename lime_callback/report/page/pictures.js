"use strict";
// The probes' pictures, and beside them maps of the effects, in the colours of the colour bar and no others.

const { narrowest, line: lineColour, hidden } = given.style.overlay;

// Which region each pixel belongs to.
function regionsOf(maps, which) {
  maps.regions = maps.regions || [];
  if (!maps.regions[which]) {
    const found = new Uint16Array(maps.width * maps.height);
    const runs = maps.runs[which];
    for (let i = 0, at = 0; i < runs.length; at += runs[i], i += 2) found.fill(runs[i + 1], at, at + runs[i]);
    maps.regions[which] = found;
  }
  return maps.regions[which];
}

function paintMap(canvas, view, which, effects) {
  const { width, height, shares } = view.maps;
  const regions = regionsOf(view.maps, which);
  const never = [1, 3, 5].map((at) => parseInt(hidden.slice(at, at + 2), 16));
  const colours = shares.map((parts) => (parts.length
    ? diverging(parts.reduce((sum, [f, share]) => sum + share * (effects[f] || 0), 0), view.limit) : never));
  const small = html("canvas", { width, height });
  const pixels = new ImageData(width, height);
  regions.forEach((region, i) => {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = colours[region][c];
    pixels.data[4 * i + 3] = 255;
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  // As many pixels as the screen has there, so that lines stay sharp.
  canvas.width = Math.round(Math.max(canvas.clientWidth, 40) * ratio());
  canvas.height = Math.round((canvas.width * height) / width);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = width > canvas.width;
  pen.drawImage(small, 0, 0, canvas.width, canvas.height);
  if (view.size * narrowest ** 2 < canvas.width * canvas.height) outline(pen, regions, width, height, canvas);
}

// A line between pixels of different regions.
function outline(pen, regions, width, height, canvas) {
  const line = Math.round(ratio());
  const across = (x) => Math.round((x * canvas.width) / width);
  const down = (y) => Math.round((y * canvas.height) / height);
  pen.fillStyle = lineColour;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (x + 1 < width && regions[i] !== regions[i + 1]) pen.fillRect(across(x + 1), down(y), line, Math.max(down(y + 1) - down(y), line));
      if (y + 1 < height && regions[i] !== regions[i + width]) pen.fillRect(across(x), down(y + 1), Math.max(across(x + 1) - across(x), line), line);
    }
  }
}

// A card a probe: its picture, and its effects at the first moment and at this one. Built once, then painted again.
class Cards {
  constructor(place, view, ask) {
    const wanted = view.several ? ask.whose.target : null;
    const slots = view.who(ask.m).flatMap(([, target], s) => (wanted === null || wanted === target ? [s] : []));
    this.shown = slots.slice(0, 16);
    this.more = slots.length - this.shown.length;
    this.cards = this.shown.map((s) => this.card(view, ask, s));
    place.replaceChildren(...this.cards.map(({ root }) => root));
  }

  card(view, ask, s) {
    const [probe, target] = view.who(ask.m)[s];
    const known = view.run.probes.find((one) => one.number === probe);
    const name = `${probeName(view.run, probe)} · ${target}`;
    const score = html("span", { className: "score" });
    const button = html("button", { type: "button", title: name }, html("span", {}, short(name, 28)), score);
    button.addEventListener("click", () => ask.choose({ probe, target }));
    const [then, now] = [html("canvas", {}), html("canvas", {})];
    then.setAttribute("role", "img");
    now.setAttribute("role", "img");
    const picture = known && known.picture
      ? html("img", { src: known.picture, alt: `${name}: picture of the input${known.label ? `, labelled ${known.label}` : ""}` })
      : null;
    const truth = known && known.label && known.label !== target ? `truth: ${known.label}` : "input";
    const notes = [truth, "", ""].map((note) => html("p", {}, note));
    if (picture) picture.addEventListener("load", () => picture.classList.toggle("coarse", picture.naturalWidth < 100));
    const shots = html("div", { className: "shots" }, ...[picture, view.run.anew ? null : then, now].flatMap((one, i) =>
      (one ? [html("div", {}, one, notes[i])] : [])));
    return { root: html("div", { className: "probe" }, button, shots), s, probe, name, score, button, then, now, notes };
  }

  paint(view, ask) {
    const alike = (m) => view.which[m] === view.which[ask.m];
    for (const card of this.cards) {
      const score = view.score(ask.m, card.s);
      card.score.textContent = `R² ${squared(score)}`;
      card.score.classList.toggle("low", score < Math.max(view.run.gate ?? 0, 0.5));
      card.button.setAttribute("aria-pressed", String(ask.whose.probe === card.probe));
      const which = view.shared ? 0 : probeOrder(view, ask.m, card.s);
      const first = alike(view.first) ? view.first : ask.m;
      for (const [canvas, m, note] of [[card.then, first, card.notes[1]], [card.now, ask.m, card.notes[2]]]) {
        const effects = view.features.map((_, f) => view.effect(m, card.s, f));
        const painted = `${m} ${canvas.clientWidth}`;
        if (canvas.painted !== painted) paintMap(canvas, view, which, effects);
        canvas.painted = painted;
        const [probe, target] = view.who(ask.m)[card.s];
        canvas.setAttribute("aria-label", `${card.name}: map of the effects ${after(view.run, m)}${
          canvas === card.then ? ", the first explanation" : ""}. Strongest: ${inWords(view, m, { probe, target })}`);
        note.textContent = `${canvas === card.then ? "first, " : ""}epoch ${epochs(view.run, m)}`;
      }
    }
  }
}

// The number of a slot's probe among those of its moment: maps lie in that order.
function probeOrder(view, m, s) {
  const probes = [...new Set(view.who(m).map(([probe]) => probe))];
  return probes.indexOf(view.who(m)[s][0]);
}
