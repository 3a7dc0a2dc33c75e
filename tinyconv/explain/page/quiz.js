"use strict";

/* What is wrong with an answer: the usual slips, tried one after the other. */

function isSame(a, b) {
  return Math.abs(a - b) <= 1e-3 * Math.max(1, Math.abs(b));
}

/** A sentence on a wrong answer for y[i][j], where it is a slip that can be recognised. */
function slipInMap(answer, [i, j], net, run) {
  const value = run.y[i][j];
  const { k } = run;
  const others = {
    "That is the number without the bias b.": value - net.b,
    "That is the number with the kernel turned by half a turn.": conv(net.x, turned(k), net.b, run.window)[i][j],
    "That is the window one column to the right.": run.y[i][j + 1],
    "That is the window one column to the left.": run.y[i][j - 1],
    "That is the window one row further down.": run.y[i + 1]?.[j],
    "That is the window one row further up.": run.y[i - 1]?.[j],
  };
  const known = Object.entries(others).find(([, other]) => other !== undefined && isSame(answer, other));
  return known ? known[0] : slipInProducts(answer, value, convTerms(net.x, k, run.window, i, j), net);
}

/** One product that was left out, counted twice, or taken with the wrong sign. */
function slipInProducts(answer, value, terms, net) {
  const off = answer - value;
  const slips = [
    ["left out", -1],
    ["counted twice", 1],
    ["taken with the wrong sign", -2],
  ];
  for (const [words, times] of slips) {
    const term = terms.find(({ product }) => product !== 0 && isSame(off, times * product));
    if (term) {
      const channels = net.x[0][0].length;
      const pixel = place("x", [term.row, term.column, term.c], channels);
      const product = `${bracketed(term.a)} × ${bracketed(term.b)} at ${pixel}`;
      return `It is off by ${number(off)}, as if ${product} had been ${words}.`;
    }
  }
  return `It is off by ${number(off)}.`;
}

function slipInPool(answer, cell, net, run) {
  if (net.pool.kind === "none") return net.relu ? "Remember relu: negative numbers become 0." : "";
  const others = { max: "largest", min: "smallest", average: "mean" };
  const meant = Object.keys(others).find(
    (kind) => kind !== net.pool.kind && isSame(answer, poolCell(run.r, kind, poolWindow(net), ...cell).value),
  );
  return meant ? `That is the ${others[meant]} of the window; here it is ${net.pool.kind} pooling.` : "";
}

/** What to say to an answer: {right, words}. */
function judged(answer, { kind, cell }, net, run, grads) {
  const value = kind === "dK" ? grads.dK[cell[0]][cell[1]][cell[2]] : run[kind][cell[0]][cell[1]];
  if (isSame(answer, value)) return { right: true, words: `Right: ${number(value)}.` };
  const slip = { y: slipInMap, p: slipInPool }[kind]?.(answer, cell, net, run);
  return { right: false, words: `Not ${number(answer)}. ${slip ?? `It is off by ${number(answer - value)}.`}` };
}
