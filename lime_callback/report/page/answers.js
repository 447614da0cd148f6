"use strict";
// The four answers about a view at a moment: what it uses, how sure that is, what changed, whether something is wrong.
// With one probe chosen, all are of that probe.

const answers = {
  uses(view, m, whose) {
    const slots = view.chosen(m, whose);
    const top = strongest(view, m, whose, 3).filter((row) => row.size > 0);
    const alone = slots.length === 1;
    return {
      title: "What does it use?",
      rows: top.map((row) => ({ ...row, share: percent(row.size), detail: alone || row.dots.length < 2
        ? `${row.value > 0 ? "▲ raises" : "▼ lowers"} the output: ${asEffect(row.value)}${asHalf(row.half)}${isSure(row.value, row.half) ? "" : ", sign not sure"}`
        : directions(row) })),
      big: top.length ? "" : "Nothing: all effects are zero",
      small: [alone ? explainedWords(view, m, slots[0]) : explainedClasses(view, m, slots),
        alone ? "" : view.shared ? "Shares of the attribution, mean over the probes." : "Each probe has regions of its own: shares of its attribution."],
    };
  },

  sure(view, m, whose) {
    const slots = view.chosen(m, whose);
    const scores = slots.map((s) => view.score(m, s));
    const [mean, worst] = [average(scores), Math.min(...scores.filter(Number.isFinite))];
    const [word, beyond] = [mean >= 0.8 ? "Well described" : mean >= 0.5 ? "Partly described" : "Hardly described", told(view, m, whose)];
    const of = view.mean(m, whose);
    const signs = of.values.filter((value, f) => isSure(value, of.halves[f])).length;
    return {
      title: "How sure is that?",
      level: mean >= 0.5 ? "" : "look",
      big: `${word}: R²\u00a0${squared(mean)} of rows left out`,
      small: [scores.length > 1 ? `The worst probe has ${squared(worst)}.` : "",
        Number.isNaN(beyond) ? "No intervals are known." : `${percent(beyond)} of the ${scores.length > 1 ? "probes’ " : ""}effects differ from zero beyond their noise.`,
        of.slots.length > 1 && view.shared && of.halves.some(Number.isFinite)
          ? `Over such samples, the mean effect’s sign is known of ${signs} of ${plural(view.size, "feature")}.` : ""],
    };
  },

  changed(view, m, whose) {
    const title = "What changed?";
    if (view.run.anew) return { title, big: "Not comparable", small: ["Probes are chosen anew at each epoch."] };
    const alone = whose.probe !== null || whose.target !== null;
    const before = view.before(m);
    const measured = !alone && Number.isFinite(view.measure("moved", m));
    const moved = measured ? view.measure("moved", m) : view.movedApart(before, m, whose);
    if (!Number.isFinite(moved)) {
      return { title, big: m > view.first ? "Not known" : "The first explanation", small: ["There is nothing to compare with."] };
    }
    const fromStart = measured ? view.measure("moved_from_start", m) : view.movedApart(view.first, m, whose);
    const relevant = view.run.settings.relevant_change ?? 0.05;
    const word = moved < relevant ? "Little" : moved < 0.2 ? "Some" : moved < 0.5 ? "Much" : "Most";
    const changed = view.measure("changed", m);
    return {
      title,
      big: moved < 0.005 ? `Nothing${measured ? " beyond noise" : ""}` : `${word}: ${percent(moved)} of the attribution moved`,
      small: [`Since epoch ${epochs(view.run, before)}${measured ? ", noise left out." : "; its noise is not known and is included."}`,
        Number.isFinite(fromStart) && view.first !== before ? `Since the first explanation ${percent(fromStart)}.` : "",
        measured && Number.isFinite(changed) ? `${percent(changed)} of the single features changed by more than matters.` : "",
        alone ? "" : referenceWords(view, m), alone ? "" : settledWords(view, m)],
    };
  },

  wrong(view, m, whose) {
    const checks = checksOf(view, m, whose);
    const [looks, open, fine] = ["look", "open", "ok"].map((state) => checks.filter((one) => one.state === state));
    return {
      title: "Is something wrong?",
      level: looks.length ? "look" : open.length ? "" : "ok",
      big: looks.length ? looks[0].title : `Nothing in ${plural(fine.length, "check")}${open.length ? `; ${open.length} left open` : ""}`,
      small: looks.length ? [looks[0].text] : [],
      checks: checks.filter((one) => one !== looks[0]),
    };
  },
};

// In how many probes a feature raises the output and lowers it, and the mean.
function directions({ dots, value, half }) {
  const [up, down] = [dots.filter((dot) => dot.value > 0).length, dots.filter((dot) => dot.value < 0).length];
  return `▲ in ${up}, ▼ in ${down} probes; mean ${asEffect(value)}${asHalf(half)}`;
}

const explainedWords = (view, m, s) => {
  const words = says(view, m, s);
  return `Explained: ${className(view, view.who(m)[s][1])}${words ? `; ${words}` : ""}.`;
};

function explainedClasses(view, m, slots) {
  const counts = new Map();
  for (const s of slots) { const [, target] = view.who(m)[s]; counts.set(target, (counts.get(target) || 0) + 1); }
  const listed = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([target, count]) => `${short(className(view, target), 20)} (${count})`).join(", ");
  const known = slots.filter((s) => view.prediction(m, s).predicted);
  const other = known.filter((s) => differs(view, m, s).predicted).length;
  return `Explained: ${listed}${counts.size > 3 ? ", …" : "."}${other ? ` ≠ For ${other} of ${slots.length} another class is predicted now.` : ""}`;
}

function referenceWords(view, m) {
  const moved = view.measure("moved_from_reference", m);
  return Number.isFinite(moved) ? `From the reference ${percent(moved)}.` : "";
}

function settledWords(view, m) {
  const since = view.measure("settled", m);
  return since >= 0 ? `Settled after epoch ${number(since)}.` : "moved" in view.measures ? "Not settled." : "";
}
