"use strict";

/* Grids of numbers as tables that a keyboard and a screen reader can use.

   A grid is one stop for the Tab key; arrow keys, Home and End move inside it. A grid is drawn once and then only
   brought up to date, so that the focus stays where it is while the numbers change.

   A cell is {text, mode, name, at, label, marks, note, level}:
     mode    "edit" (a text field), "pick" (a button) or "show"
     name, at  which number it is: "x" and [row, column, channel]
     marks   what it is at the moment: "window", "current", "touched", "padding", "unused", "winner", "tie", "hidden"
     note    small text in its corner, such as "×2": what it is multiplied by
     level   how strong its colour is: -4 to -1 orange, 1 to 4 blue */

/** A new element: its attributes, then its children or text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

const SPOKEN_MARKS = {
  padding: "padding",
  unused: "not used by any window",
  window: "part of the sum",
  winner: "wins",
  tie: "ties, but comes later",
  current: "chosen",
  touched: "touched",
};

/** Brings a grid into its place: title, rows of cells, names of rows and columns. */
function showGrid(host, { title, rows, rowNames, columnNames, small }) {
  const shape = [title, rowNames, columnNames, small, rows.map((row) => row.map((c) => [c.mode, c.name, c.at]))];
  const signature = JSON.stringify(shape);
  if (host.dataset.signature !== signature) {
    host.dataset.signature = signature;
    host.replaceChildren(newTable(title, rows, rowNames, columnNames, small));
  }
  const cells = host.querySelectorAll("[data-name]");
  rows.flat().forEach((cell, n) => updateCell(cells[n], cell));
  keepOneTabStop(host.querySelector("table"));
}

function newTable(title, rows, rowNames, columnNames, small) {
  const table = element("table", { role: "grid", "aria-label": title, class: small ? "grid small" : "grid" });
  table.append(element("caption", {}, title));
  const head = element("tr", {}, element("td"), ...columnNames.map((name) => heading(name, "col")));
  table.append(element("thead", {}, head));
  const body = element("tbody");
  rows.forEach((row, i) => {
    body.append(element("tr", {}, heading(rowNames[i], "row"), ...row.map(newCell)));
  });
  table.append(body);
  return table;
}

function heading(name, scope) {
  return name === "" ? element("td") : element("th", { scope }, String(name));
}

function newCell(cell) {
  const made = element("td", { "data-name": cell.name, "data-at": cell.at.join(" ") });
  if (cell.mode === "edit") {
    made.append(element("input", { type: "text", autocomplete: "off", spellcheck: "false", tabindex: "-1" }));
    if (["x", "k"].includes(cell.name)) made.firstChild.setAttribute("aria-describedby", "hint");
  }
  if (cell.mode === "pick") made.append(element("button", { type: "button", tabindex: "-1" }));
  return made;
}

function updateCell(made, { text, mode, label, marks, note, level }) {
  const control = made.firstElementChild;
  const spoken = [label, ...marks.map((mark) => SPOKEN_MARKS[mark]).filter(Boolean)].join(", ");
  made.className = [`level${level}`, ...marks].join(" ");
  if (note) made.dataset.note = note;
  else delete made.dataset.note;
  if (mode === "edit") updateField(control, text);
  else if ((control ?? made).textContent !== text) (control ?? made).textContent = text;
  (control ?? made).setAttribute("aria-label", mode === "edit" ? spoken : `${spoken}: ${text}`);
  if (mode === "pick") control.setAttribute("aria-current", String(marks.includes("current")));
}

/** Puts a number into a text field, unless it already says so, or something is being typed that is no number yet. */
function updateField(field, text) {
  const says = readNumber(field.value).value;
  const typing = field.getAttribute("aria-invalid") === "true" && document.activeElement === field;
  if (typing || (says !== undefined && number(says) === text)) return;
  field.value = text;
  field.removeAttribute("aria-invalid");
}

// One stop for the Tab key

function controlsOf(table) {
  return [...table.querySelectorAll("td > input, td > button")];
}

/** The stop is the cell that had the focus last, else the chosen one, else the first. */
function keepOneTabStop(table) {
  const controls = controlsOf(table);
  const chosen = table.querySelector("td.current > button");
  const stop = table.contains(document.activeElement) ? document.activeElement : chosen;
  setTabStop(controls, controls.includes(stop) ? stop : (controls.find((c) => c.tabIndex === 0) ?? controls[0]));
}

function setTabStop(controls, stop) {
  controls.forEach((control) => {
    control.tabIndex = control === stop ? 0 : -1;
  });
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Moves the focus inside a grid. In a text field, left and right first move through the text. */
function moveInGrid(event) {
  const cell = event.target.closest("table.grid td");
  if (!cell || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const to = destination(event, cell);
  const control = to?.querySelector("input, button");
  if (!control) return;
  event.preventDefault();
  control.focus();
  if (control.select) control.select();
}

function destination(event, cell) {
  const rowCells = [...cell.parentElement.cells].filter((other) => other.querySelector("input, button"));
  if (event.key in ARROWS) {
    const [down, right] = ARROWS[event.key];
    if (right && !isAtEdge(event.target, right)) return null;
    const row = cell.parentElement.parentElement.rows[cell.parentElement.sectionRowIndex + down];
    return row?.cells[cell.cellIndex + right];
  }
  if (event.target.matches("input")) return null; // Home and End belong to the text
  return { Home: rowCells[0], End: rowCells.at(-1) }[event.key];
}

function isAtEdge(field, right) {
  if (!field.matches("input")) return true;
  const { selectionStart, selectionEnd, value } = field;
  const all = selectionStart === 0 && selectionEnd === value.length;
  return all || (selectionStart === selectionEnd && selectionStart === (right > 0 ? value.length : 0));
}

/** How strong the colour of each number is: -4 to 4, by its size beside the largest one. */
function levels(values) {
  const largest = Math.max(...values.map(Math.abs), 1e-300);
  return (value) => Math.sign(value) * Math.ceil((Math.abs(value) / largest) * 4);
}
