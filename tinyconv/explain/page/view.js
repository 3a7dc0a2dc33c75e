"use strict";

/* Drawing: from the net and the view (tab, chosen cell, what is pointed at) to everything on the page.

   `render` works all numbers out anew and gives each part of the page what it shows. Nothing is kept between two calls
   but the elements themselves. */

function find(id) {
  return document.getElementById(id);
}

function setText(id, text) {
  if (find(id).textContent !== text) find(id).textContent = text;
}

/** All that the parts of the page need to know. */
function sceneOf({ net, view }) {
  const run = forward(net);
  const grads = backward(net, run, net.dP);
  const cells = cellsOf(view.kind, net, run);
  const index = Math.min(view.index, cells.length - 1);
  const selection = { kind: view.kind, cell: cells[index] };
  const links = linksOf(selection, net, run, grads);
  const touched = view.pointed && touchedBy(view.pointed.name, view.pointed.at, net, run);
  const lengths = [net.x.length, net.x[0].length];
  return { net, view, run, grads, cells, index, selection, links, touched, lengths, channels: net.x[0][0].length };
}

function render(app) {
  const scene = sceneOf(app);
  showStage(scene);
  showStepper(scene);
  showArithmetic(scene);
  showTabs(scene.view.tab);
  PANELS[scene.view.tab](scene);
  return scene;
}

// Grids

/** As many grids as there are specifications, side by side in a host. */
function showGrids(host, specs) {
  while (host.children.length > specs.length) host.lastChild.remove();
  while (host.children.length < specs.length) host.append(element("div"));
  specs.forEach((spec, n) => showGrid(host.children[n], spec));
}

/** A grid of numbers a[i][j], with the marks that the chosen cell gives them; linked names another array's marks. */
function numberGrid(scene, { name, title, values, mode = "show", channel, linked = name, small = scene.channels > 1 }) {
  const level = levels(values.flat());
  const suffix = channel === undefined ? [] : [channel];
  const cell = (value, i, j) => {
    const at = [i, j, ...suffix];
    const hidden = isHidden(scene, name, at);
    return {
      ...{ mode, name, at, level: hidden ? 0 : level(value) },
      text: hidden ? "?" : number(value, mode === "edit" ? 6 : 4),
      label: spokenPlace(name, at, suffix.length ? scene.channels : 1),
      marks: [...marksAt(scene, linked, key(...at)), ...(hidden ? ["hidden"] : [])],
      note: scene.links.noteOf(linked, key(...at)),
    };
  };
  return {
    ...{ title, small, rowNames: values.map((_, i) => i), columnNames: values[0].map((_, j) => j) },
    rows: values.map((row, i) => row.map((value, j) => cell(value, i, j))),
  };
}

/** The cell that the quiz asks for. */
function isHidden({ view, selection }, name, at) {
  return view.tab === "quiz" && name === selection.kind && key(...at) === key(...selection.cell);
}

function marksAt({ links, touched }, name, cellKey) {
  return [...new Set([...links.marksOf(name, cellKey), ...(touched ? touched.links.marksOf(name, cellKey) : [])])];
}

function channelOf(a, c) {
  return a.map((row) => row.map((pixel) => pixel[c]));
}

/** One grid for each channel of a[i][j][c]. */
function channelGrids(scene, { name, title, values, mode }) {
  return Array.from({ length: scene.channels }, (_, channel) =>
    numberGrid(scene, {
      name,
      title: titled(title, channel, scene),
      values: channelOf(values, channel),
      mode,
      channel,
    }),
  );
}

function titled(title, channel, { channels }) {
  return channels > 1 ? `${title}, channel ${channel}` : title;
}

/** A grid with cells of padding around it and unused rows and columns marked. */
function padded(spec, window, lengths, paddingText, paddingMarks) {
  const [[top, bottom], [left, right]] = padsOf(window, lengths);
  const unused = [0, 1].map((axis) => new Set(unusedLines(window, lengths, axis)));
  const indices = (n, before, after) => Array.from({ length: before + n + after }, (_, i) => i - before);
  const rowsOf = indices(lengths[0], top, bottom);
  const columnsOf = indices(lengths[1], left, right);
  const cell = (i, j) => {
    const own = spec.rows[i]?.[j];
    if (!own) return { ...paddingCell(i, j, paddingText), ...paddingMarks(i, j) };
    return unused[0].has(i) || unused[1].has(j) ? { ...own, marks: [...own.marks, "unused"] } : own;
  };
  const name = (index, n) => (index >= 0 && index < n ? index : "");
  return {
    ...spec,
    rows: rowsOf.map((i) => columnsOf.map((j) => cell(i, j))),
    rowNames: rowsOf.map((i) => name(i, lengths[0])),
    columnNames: columnsOf.map((j) => name(j, lengths[1])),
  };
}

function paddingCell(i, j, text) {
  return { mode: "show", name: "padding", at: [i, j], text, label: "padding", level: 0, marks: ["padding"] };
}

// Image, kernel, map

function showStage(scene) {
  const { net, run, channels } = scene;
  const host = find("channels");
  while (host.children.length > channels) host.lastChild.remove();
  while (host.children.length < channels) host.append(channelRow());
  for (let c = 0; c < channels; c++) showChannel(scene, host.children[c], c);
  showGrid(find("map"), numberGrid(scene, { name: "y", title: "map y", values: run.y, mode: "pick", small: false }));
  updateField(find("bias"), number(net.b));
  find("bias").classList.toggle("current", scene.selection.kind === "db");
  find("turn").checked = net.turn;
  setText("turn-note", turnNote(net));
  setText("hint", scene.touched?.words ?? "");
}

function channelRow() {
  const sign = element("span", { class: "sign", "aria-hidden": "true" }, "∗");
  const kernels = element("div", { class: "kernels" }, element("div"), element("div"));
  return element("div", { class: "stage" }, element("div"), sign, kernels);
}

function showChannel(scene, row, channel) {
  const { net, run, lengths, links } = scene;
  const x = {
    name: "x",
    title: titled("image x", channel, scene),
    values: channelOf(net.x, channel),
    mode: "edit",
    channel,
  };
  const padding = (i, j) => {
    const cellKey = key(i, j, channel);
    return { marks: ["padding", ...links.marksOf("x", cellKey)], note: links.noteOf("x", cellKey) };
  };
  const image = padded(numberGrid(scene, x), run.window, lengths, "0", padding);
  showGrid(row.children[0], { ...image, small: scene.channels > 1 || image.columnNames.length > 8 });
  const k = {
    name: "k",
    title: titled("kernel k", channel, scene),
    values: channelOf(net.k, channel),
    mode: "edit",
    channel,
  };
  const [typed, turnedBelow] = row.children[2].children;
  showGrid(typed, numberGrid(scene, k));
  const used = { name: "used", title: "k turned, as used", values: channelOf(run.k, channel), channel };
  showGrids(turnedBelow, net.turn ? [numberGrid(scene, used)] : []);
}

function turnNote(net) {
  const same = JSON.stringify(turned(net.k)) === JSON.stringify(net.k);
  return same ? "This kernel is its own half-turn: it cannot tell the two apart." : "";
}

// Steps

function showStepper({ cells, index, selection, channels }) {
  const slider = find("slider");
  slider.max = cells.length - 1;
  slider.value = index;
  const name = place(selection.kind, selection.cell, channels);
  slider.setAttribute("aria-valuetext", name);
  setText("position", `${name}: ${index + 1} of ${cells.length}`);
}

function showArithmetic(scene) {
  const { view, selection, net, run, grads } = scene;
  const asking = view.tab === "quiz" && !view.showProducts;
  const found = arithmeticOf(selection, net, run, grads);
  const closing = view.tab === "quiz" ? "= ?" : found.closing;
  const parts = [element("p", { class: "result" }, element("b", {}, found.name), ` ${closing}`)];
  if (!asking) parts.push(...productLines(found));
  if (found.note && view.tab !== "quiz") parts.push(element("p", { class: "note" }, found.note));
  find("arithmetic").replaceChildren(...parts);
  scene.spoken = view.tab === "quiz" ? `Which number is ${found.name}?` : found.spoken;
}

/** The products as they stand in the window, zeros grey, the bias last. */
function productLines({ lines, bias }) {
  const made = lines.map(([heading, terms]) => productLine(heading, terms));
  if (bias !== undefined) made.push(productLine("bias b", [{ a: bias, product: bias }]));
  return made.length
    ? [element("div", { class: "products scroll", tabindex: "0", role: "region", "aria-label": "Products" }, ...made)]
    : [];
}

function productLine(heading, terms) {
  const line = element("div", { class: "product-line" }, element("span", { class: "quiet" }, heading));
  if (!terms.length)
    line.append(element("span", { class: "sign" }), element("span", { class: "product zero" }, "no window"));
  for (const { a, b, product, inside } of terms) {
    const text = b === undefined ? bracketed(a) : `${bracketed(a)} × ${bracketed(b)}`;
    const kind = [product === 0 ? "zero" : "counts", inside === false ? "padding" : ""].join(" ");
    line.append(element("span", { class: "sign" }, "+"), element("span", { class: `product ${kind}` }, text));
  }
  return line;
}

// Tabs

const TAB_NAMES = {
  sizes: "Sizes",
  pooling: "ReLU, pooling, flatten",
  im2col: "im2col",
  backward: "Backward",
  quiz: "Quiz",
  python: "Python",
};

function makeTabs() {
  const tabs = TABS.map((tab) =>
    element(
      "button",
      { type: "button", role: "tab", id: `tab-${tab}`, "aria-controls": `panel-${tab}` },
      TAB_NAMES[tab],
    ),
  );
  find("tabs").append(...tabs);
}

function showTabs(open) {
  for (const tab of TABS) {
    find(`tab-${tab}`).setAttribute("aria-selected", String(tab === open));
    find(`tab-${tab}`).tabIndex = tab === open ? 0 : -1;
    find(`panel-${tab}`).hidden = tab !== open;
  }
}
