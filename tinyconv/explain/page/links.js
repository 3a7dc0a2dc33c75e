"use strict";

/* What belongs together: from one chosen cell to its partners in all other grids, and to its arithmetic.

   A selection is {kind, cell}: kind says of which array ("y", "p", "dK", "dX", "db"), cell is its index.
   Links are {name: {mark: Set of "row,column,channel"}} for the grids, and notes {name: Map of the same keys}. */

/** All cells of one kind, in the order in which they are stepped through. */
function cellsOf(kind, net, run) {
  const cells = [];
  if (kind === "dK") forEachWeight(net.k, (u, v, c) => cells.push([u, v, c]));
  else if (kind === "dX") forEachWeight(net.x, (i, j, c) => cells.push([i, j, c]));
  else if (kind === "db") cells.push([]);
  else forEachCell(run[kind], (i, j) => cells.push([i, j]));
  return cells;
}

/** The products of which the chosen cell is the sum. A cell of p has none, it has candidates. */
function termsOf({ kind, cell }, net, run, grads) {
  const lengths = [net.x.length, net.x[0].length];
  if (kind === "y") return convTerms(net.x, run.k, run.window, ...cell);
  if (kind === "dK") return dKTerms(net.x, grads.dY, run.window, ...usedWeight(cell, net));
  if (kind === "dX") return dXTerms(lengths, run.k, grads.dY, run.window, ...cell);
  return [];
}

/** Where a weight of the kernel as typed stands in the kernel as used, and the other way round. */
function usedWeight([u, v, c], net) {
  return net.turn ? [net.k.length - 1 - u, net.k[0].length - 1 - v, c] : [u, v, c];
}

function key(...indices) {
  return indices.join(",");
}

class Links {
  constructor() {
    this.marks = {};
    this.notes = {};
  }

  add(name, mark, cellKey) {
    ((this.marks[name] ??= {})[mark] ??= new Set()).add(cellKey);
  }

  note(name, cellKey, text) {
    (this.notes[name] ??= new Map()).set(cellKey, text);
  }

  marksOf(name, cellKey) {
    return Object.entries(this.marks[name] ?? {})
      .filter(([, cells]) => cells.has(cellKey))
      .map(([mark]) => mark);
  }

  noteOf(name, cellKey) {
    return this.notes[name]?.get(cellKey);
  }
}

/** The partners of the chosen cell. */
function linksOf(selection, net, run, grads) {
  const links = new Links();
  const { kind, cell } = selection;
  links.add(kind, "current", key(...cell));
  if (kind === "p") linkPool(links, cell, net, run);
  if (kind === "db") forEachCell(grads.dY, (i, j) => links.add("dY", "window", key(i, j)));
  for (const term of termsOf(selection, net, run, grads)) {
    const pixel = key(term.row, term.column, term.c);
    const weight = key(...usedWeight([term.u, term.v, term.c], net));
    const output = key(term.i, term.j);
    if (kind === "y") linkPair(links, "x", pixel, term.b);
    if (kind === "dK") {
      linkPair(links, "x", pixel, term.b);
      links.add("dY", "window", output);
      links.add("k", "current", weight);
    }
    if (kind === "dX") {
      linkPair(links, "dY", output, term.a);
      links.add("k", "window", weight);
      links.add("x", "current", pixel);
    }
  }
  return links;
}

function linkPair(links, name, cellKey, factor) {
  links.add(name, "window", cellKey);
  links.note(name, cellKey, `×${number(factor, 3)}`);
}

function linkPool(links, cell, net, run) {
  if (net.pool.kind === "none") return;
  const { winner, ties } = poolCell(run.r, net.pool.kind, poolWindow(net), ...cell);
  for (const { row, column } of windowCells(
    poolWindow(net),
    outputShape(run.window, [net.x.length, net.x[0].length]),
    ...cell,
  )) {
    links.add("r", "window", key(row, column));
    links.add("y", "window", key(row, column));
  }
  if (winner) links.add("r", "winner", key(winner.row, winner.column));
  ties.forEach((tie) => links.add("r", "tie", key(tie.row, tie.column)));
}

/** What a weight or a pixel touches, whatever is chosen: {links, words}. */
function touchedBy(name, at, net, run) {
  const links = new Links();
  const pairs = pairsOf(name, at, net, run);
  for (const { i, j, row, column, c } of pairs) {
    links.add("y", "touched", key(i, j));
    links.add("dY", "touched", key(i, j));
    if (name === "k") links.add("x", "touched", key(row, column, c));
  }
  const channels = net.x[0][0].length;
  const pixels = pairs.filter((pair) => pair.inside).length;
  if (name === "k") {
    const padded = pairs.length - pixels ? `, and padding ${count(pairs.length - pixels, "time")}` : "";
    return {
      links,
      words: `${place("k", at, channels)} touches ${count(pixels, "pixel")} of x, one for each cell of y${padded}.`,
    };
  }
  const cells = pairs.map(({ i, j }) => place("y", [i, j])).reverse(); // the last weight meets the pixel first
  const felt = cells.length > 9 ? `from ${cells[0]} to ${cells.at(-1)}` : listed(cells);
  return {
    links,
    words: `${place("x", at, channels)} is felt by ${count(pairs.length, "cell")} of y${felt && `: ${felt}`}.`,
  };
}

/** Every meeting of a weight with a pixel, seen from either. */
function pairsOf(name, at, net, run) {
  const lengths = [net.x.length, net.x[0].length];
  if (name === "k") return dKTerms(net.x, run.y, run.window, ...usedWeight(at, net));
  return dXTerms(lengths, run.k, run.y, run.window, ...at);
}

// The arithmetic of the chosen cell

/** {name, value, lines, bias, closing, note, spoken}: lines of products as [heading, terms]. */
function arithmeticOf(selection, net, run, grads) {
  const { kind, cell } = selection;
  const channels = net.x[0][0].length;
  const name = place(kind, cell, cell.length === 3 ? channels : 1);
  const spokenName = spokenPlace(kind, cell, cell.length === 3 ? channels : 1);
  if (kind === "p") return poolArithmetic(name, spokenName, cell, net, run);
  if (kind === "db") {
    const rows = grads.dY.map((row, i) => [`row ${i} of dY`, row.map((value) => ({ a: value, product: value }))]);
    return sumArithmetic(name, "db", grads.db, rows);
  }
  const lines = groupedTerms(kind, termsOf(selection, net, run, grads), net.k.length, channels);
  if (kind === "y") return sumArithmetic(name, spokenName, run.y[cell[0]][cell[1]], lines, net.b);
  return sumArithmetic(name, spokenName, grads[kind][cell[0]][cell[1]][cell[2]], lines);
}

/** Products in lines as they stand in their window: a line for each row of the kernel, or of dY. */
function groupedTerms(kind, terms, rows, channels) {
  const headings = {
    y: (term) => `${channels > 1 ? `channel ${term.c}, ` : ""}row ${term.u} of k`,
    dK: (term) => `row ${term.i} of dY`,
    dX: (term) => `row ${term.u} of k`,
  };
  // dX: also the rows that never meet the pixel, so that the page keeps its shape from step to step.
  const lines = new Map(kind === "dX" ? Array.from({ length: rows }, (_, u) => [headings.dX({ u }), []]) : []);
  for (const term of terms) {
    const heading = headings[kind](term);
    lines.set(heading, [...(lines.get(heading) ?? []), term]);
  }
  return [...lines];
}

function sumArithmetic(name, spokenName, value, lines, bias) {
  const terms = lines.flatMap(([, line]) => line);
  const short = shortSum(terms, bias);
  const closing = `= ${short}${short === bracketed(value) ? "" : ` = ${number(value)}`}`;
  const few = terms.filter((term) => term.product).length <= 12;
  const products = few ? ` = ${short}` : `, the sum of ${count(terms.length, "product")}`;
  const words = short === bracketed(value) ? "" : products;
  return { name, value, lines, bias, closing, spoken: aloud(`${spokenName}: ${number(value)}${words}`) };
}

const POOL_WORDS = { max: "largest", min: "smallest" };

function poolArithmetic(name, spokenName, cell, net, run) {
  const value = run.p[cell[0]][cell[1]];
  const { kind } = net.pool;
  const says = (closing, words, note) => ({
    ...{ name, value, lines: [], closing, note },
    spoken: aloud(`${spokenName}: ${number(value)}${words}`),
  });
  if (kind === "none") {
    const y = number(run.y[cell[0]][cell[1]]);
    if (!net.relu) return says(`= ${place("y", cell)} = ${number(value)}`, ", as in y");
    return says(`= relu(${y}) = max(${y}, 0) = ${number(value)}`, `, the larger of ${y} and 0`);
  }
  const { candidates, winner, ties } = poolCell(run.r, kind, poolWindow(net), ...cell);
  const values = candidates.map((candidate) => candidate.value);
  const list = values.map((one) => number(one)).join(", ");
  if (kind === "average") {
    return says(`= (${total(values)}) / ${values.length} = ${number(value)}`, `, the mean of ${list}`);
  }
  const from = (one) => place(net.relu ? "r" : "y", [one.row, one.column]);
  const first = `${from(winner)}, the first in row-major order, wins and gets the whole gradient.`;
  const note = ties.length
    ? `A tie: ${listed([winner, ...ties].map(from))} are all ${number(value)}. ${first}`
    : `It comes from ${from(winner)}, which gets the whole gradient.`;
  return says(`= ${kind}(${list}) = ${number(value)}`, `, the ${POOL_WORDS[kind]} of ${list}. ${note}`, note);
}
