"use strict";

/* Numbers, sums and places in words that can be read aloud. */

/** Whole numbers as they are, others with so many digits. */
function number(value, digits = 6) {
  return String(Number.isInteger(value) ? value + 0 : Number(value.toPrecision(digits)));
}

/** A number as it stands inside a sum or product: in brackets where it begins with a minus. */
function bracketed(value) {
  return value < 0 ? `(${number(value)})` : number(value);
}

function total(values) {
  return values.map(bracketed).join(" + ") || "0";
}

function count(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** "4", "4 and 5", "4, 5 and 6" */
function listed(things) {
  return things.length < 2 ? things.join("") : `${things.slice(0, -1).join(", ")} and ${things.at(-1)}`;
}

/** A cell in Python's spelling: x[2, 3], or x[2, 3, 0] where there are several channels. */
function place(name, cell, channels) {
  const indices = cell.slice(0, channels > 1 ? 3 : 2);
  return indices.length ? `${name}[${indices.join(", ")}]` : name;
}

/** The same for a voice. */
function spokenPlace(name, cell, channels) {
  if (!cell.length) return name;
  return `${name} row ${cell[0]}, column ${cell[1]}${channels > 1 ? `, channel ${cell[2]}` : ""}`;
}

/** Says "-2 + 3 × 4" with words for the signs that a voice leaves out. */
function aloud(text) {
  return text
    .replaceAll("×", "times")
    .replaceAll("+", "plus")
    .replace(/\(?-([\d.]+)\)?/g, "minus $1");
}

/** "= 1 + 2 + 0.5 = 3.5": what remains of a sum of products when the zeros are left out. */
function shortSum(terms, bias) {
  const parts = terms.map((term) => term.product).filter((product) => product !== 0);
  return total(bias ? [...parts, bias] : parts);
}
