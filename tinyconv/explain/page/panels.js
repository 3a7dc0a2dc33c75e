"use strict";

/* What stands in each of the tabs, and their controls. */

const PANELS = {
  sizes: showSizes,
  pooling: showPooling,
  im2col: showIm2col,
  backward: showBackward,
  quiz: showQuiz,
  python: (scene) => setText("python", pythonProgram(scene.net)),
};

// Controls

/** A line of number fields with one heading: Stride [1] × [1]. */
function sizeControl(heading, names, between = "×") {
  const fields = names.flatMap((name, n) => [
    ...(n ? [` ${between} `] : []),
    element("input", { type: "number", step: "1", "data-size": name, class: "number" }),
  ]);
  return element(
    "div",
    { class: "control", role: "group", "aria-label": heading },
    element("span", {}, heading),
    ...fields,
  );
}

function choice(id, heading, options) {
  const list = element("select", { id }, ...options.map((name) => element("option", { value: name }, name)));
  return element("label", { class: "control" }, element("span", {}, heading), list);
}

function makeControls() {
  const pads = ["top", "bottom", "left", "right"].map((side) => `padding ${side}`);
  const both = (name) => [`${name} rows`, `${name} columns`];
  find("size-controls").append(
    sizeControl("Image, rows × columns", both("image")),
    sizeControl("Channels", ["channels"]),
    sizeControl("Kernel, rows × columns", both("kernel")),
    sizeControl("Stride, rows × columns", both("stride")),
    sizeControl("Dilation, rows × columns", both("dilation")),
    choice("padding", "Padding", ["valid", "same", "explicit"]),
    sizeControl("Top, bottom, left, right", pads, ""),
  );
  const relu = element("input", { type: "checkbox", id: "relu" });
  find("pool-controls").append(
    element("label", { class: "control" }, element("span", {}, "ReLU"), relu),
    choice("pool-kind", "Pooling", POOLS),
    sizeControl("Window, rows × columns", both("pool")),
    sizeControl("Stride, rows × columns", both("pool stride")),
    choice("pool-padding", "Padding", ["valid", "same"]),
  );
}

function showControls(panel, net) {
  for (const field of find(panel).querySelectorAll("[data-size]")) {
    const name = field.dataset.size;
    const [least, most] = allowed(net, name);
    Object.assign(field, { min: least, max: most });
    field.setAttribute("aria-label", `${name}, ${least} to ${most}`);
    const value = String(SIZES[name].get(net));
    const typing = document.activeElement === field && field.getAttribute("aria-invalid") === "true";
    if (field.value !== value && !typing) {
      field.value = value;
      field.removeAttribute("aria-invalid");
    }
  }
}

function hideControl(name, hidden) {
  document.querySelector(`[data-size="${name}"]`).closest(".control").hidden = hidden;
}

// Sizes

function showSizes({ net, run, selection, lengths }) {
  const explicit = Array.isArray(net.padding);
  showControls("size-controls", net);
  find("padding").value = explicit ? "explicit" : net.padding;
  for (const option of find("padding").options) option.disabled = !fits(withPadding(net, option.value));
  hideControl("padding top", !explicit);
  const both = Math.max(...net.stride, ...net.dilation) > 1;
  const formulas = [0, 1].map((axis) => element("p", { class: "result" }, formula(run.window, lengths, axis)));
  const note = "Either stride or dilation may be above 1, not both: Keras and tinyconv refuse that.";
  find("formula").replaceChildren(...formulas, ...(both ? [element("p", { class: "note" }, note)] : []));
  const chosen = selection.kind === "y" ? selection.cell : [];
  find("row-ruler").replaceChildren(drawRuler(net, 0, chosen[0]));
  find("column-ruler").replaceChildren(drawRuler(net, 1, chosen[1]));
}

/** "explicit" begins with the pads that are there, so that nothing changes until a number does. */
function withPadding(net, word) {
  return { ...net, padding: word === "explicit" ? explicitPads(net) : word };
}

function formula(window, lengths, axis) {
  const [before, after] = padsOf(window, lengths)[axis];
  const [k, s, d] = [window.size[axis], window.stride[axis], window.dilation[axis]];
  const inside = `${lengths[axis]} + ${before} + ${after} - ${d} × (${k} - 1) - 1`;
  return `${axis ? "OW" : "OH"} = floor((${inside}) / ${s}) + 1 = ${outputShape(window, lengths)[axis]}`;
}

// ReLU, pooling, flatten

const POOL_PADDING = { max: "-∞", min: "+∞", average: "none" };

function showPooling(scene) {
  const { net, run, selection, index } = scene;
  const { kind } = net.pool;
  showControls("pool-controls", net);
  find("relu").checked = net.relu;
  find("pool-kind").value = kind;
  find("pool-padding").value = net.pool.padding;
  for (const name of ["pool rows", "pool stride rows"]) hideControl(name, kind === "none");
  find("pool-padding").closest(".control").hidden = kind === "none";
  showGrid(find("pool-input"), poolInput(scene));
  const title = kind === "none" ? "p: no pooling" : `p: ${kind} pooling of ${net.relu ? "r" : "y"}`;
  showGrid(find("pool-output"), numberGrid(scene, { name: "p", title, values: run.p, mode: "pick", small: false }));
  const flat = numberGrid(scene, { name: "flat", title: "flatten: p, row by row", values: [run.flat], small: false });
  if (selection.kind === "p") flat.rows[0][index].marks.push("current");
  showGrid(find("flat"), { ...flat, rowNames: [""] });
  setText("pool-note", poolNote(scene));
}

function poolInput(scene) {
  const { net, run } = scene;
  const spec = numberGrid(scene, { name: "r", title: net.relu ? "r = relu(y)" : "y", values: run.r, small: false });
  if (net.pool.kind === "none") return spec;
  const map = [run.r.length, run.r[0].length];
  const padding = (i, j) => ({ marks: ["padding", ...scene.links.marksOf("r", key(i, j))] });
  return padded(spec, poolWindow(net), map, POOL_PADDING[net.pool.kind], padding);
}

function poolNote({ net, run }) {
  const order = `p[i, j] goes to position i × ${run.p[0].length} + j of the flat list.`;
  if (net.pool.kind === "none") return `${order} Choose max, min or average pooling above.`;
  const marks = net.pool.kind === "average" ? "" : "★ marks the winner, = a cell that ties with it but comes later. ";
  const padding = net.pool.padding === "same" ? "Padding is never a candidate. " : "";
  return `${marks}${padding}${order}`;
}

// im2col

function showIm2col(scene) {
  const { net, run, selection, channels } = scene;
  const matrix = im2col(net.x, run.window);
  const pixels = net.x.flat(2).length;
  const cells = matrix.length * matrix[0].length;
  setText(
    "im2col-note",
    `Every window becomes a row: ${matrix.length} × ${matrix[0].length} = ${cells} numbers from ${pixels} pixels, ` +
      `${number(cells / pixels, 2)} times as many. The map is this matrix times the kernel written as a column (its ` +
      "numbers are the first line below), plus b. Point at a pixel to see its copies, choose a row to see its window.",
  );
  const columns = matrix[0].map(({ u, v, c }) => place("k", [u, v, c], channels));
  const weight = ({ u, v, c }) => showOnly("used", [u, v, c], run.k[u][v][c], []);
  const rows = matrix.map((row, n) => im2colRow(scene, row, n, key(row[0].i, row[0].j) === key(...selection.cell)));
  showGrid(find("im2col"), {
    title: "im2col(x), and y",
    small: true,
    rowNames: ["k", ...matrix.map((row) => place("y", [row[0].i, row[0].j]))],
    columnNames: [...columns, "y"],
    rows: [[...matrix[0].map(weight), showOnly("none", [0], "", [])], ...rows],
  });
  keepInSight(find("im2col"), find("im2col").querySelector("td.current"));
}

/** Scrolls a box, and only the box, up or down to one of its cells. */
function keepInSight(box, cell) {
  const [outer, inner] = [box.getBoundingClientRect(), cell.getBoundingClientRect()];
  box.scrollTop += Math.min(inner.top - outer.top - 80, 0) + Math.max(inner.bottom - outer.bottom + 20, 0);
}

function showOnly(name, at, value, marks) {
  const text = typeof value === "number" ? number(value, 4) : value;
  return { mode: "show", name, at, text, label: spokenPlace(name, at, 3), marks, level: 0 };
}

function im2colRow(scene, row, n, isChosen) {
  const { view, net, run } = scene;
  const level = levels(net.x.flat(2));
  const { i, j } = row[0];
  const pointed = view.pointed && key(view.pointed.name, ...view.pointed.at);
  const cell = (term) => {
    const weight = key("k", ...usedWeight([term.u, term.v, term.c], net));
    const pixel = key("x", term.row, term.column, term.c);
    const marks = [
      ...(isChosen ? ["window"] : []),
      ...(term.inside ? [] : ["padding"]),
      ...(pointed === weight || (pointed === pixel && term.inside) ? ["touched"] : []),
    ];
    const name = term.inside ? "x" : "padding";
    return { ...showOnly(name, [term.row, term.column, term.c], term.value, marks), level: level(term.value) };
  };
  const marks = isChosen ? ["current"] : [];
  const y = { ...showOnly("y", [i, j], run.y[i][j], marks), mode: "pick", label: `row ${n} of the matrix, y` };
  return [...row.map(cell), y];
}

// Backward

/** The name of the last output: p, or r or y where nothing comes after. */
function lastOutput(net) {
  return net.pool.kind !== "none" ? "p" : net.relu ? "r" : "y";
}

function showBackward(scene) {
  const { net, grads } = scene;
  const last = lastOutput(net);
  const given = `d${last.toUpperCase()}`;
  setText(
    "backward-intro",
    `The loss is L = sum of ${given} × ${last}, so the numbers that you type into ${given} are its gradient by the ` +
      "last output. From there the gradients flow back to the kernel, the bias and the image. Choose a cell to see its sum.",
  );
  const linked = last === "y" ? "dY" : given;
  const between = [
    ...(last === "p" && net.relu
      ? [numberGrid(scene, { name: "dR", title: "dR, through pooling", values: grads.dR, small: false })]
      : []),
    ...(last === "y"
      ? []
      : [
          numberGrid(scene, {
            name: "dY",
            title: `dY, through ${net.relu ? "ReLU" : "pooling"}`,
            values: grads.dY,
            small: false,
          }),
        ]),
  ];
  showGrid(
    find("given"),
    numberGrid(scene, { name: "dP", title: `${given}: type here`, values: net.dP, mode: "edit", linked, small: false }),
  );
  showGrids(find("dY"), between);
  showGrids(find("dK"), channelGrids(scene, { name: "dK", title: "dK", values: grads.dK, mode: "pick" }));
  showGrids(find("dX"), channelGrids(scene, { name: "dX", title: "dX", values: grads.dX, mode: "pick" }));
  showGrid(find("db"), dbGrid(scene));
  const { kind } = scene.selection;
  find("gradient-kind").value = kind;
  setText("backward-note", BACKWARD_NOTES[kind] ?? "");
  find("nudge").hidden = kind === "y";
  if (kind !== "y") setText("nudge-question", nudgeQuestion(scene));
}

const BACKWARD_NOTES = {
  dK: "dK is the correlation of x with dY: each weight met one pixel for every cell of y, and every meeting counts.",
  dX:
    "dX adds up what every window sends back to the pixel. The same sum read the other way is a full convolution: " +
    "dY, padded all around, with the kernel turned by half a turn.",
  db: "db is the sum of dY: the bias was added to every cell of y.",
};

function dbGrid(scene) {
  const marks = scene.selection.kind === "db" ? ["current"] : [];
  const cell = { ...showOnly("db", [], scene.grads.db, marks), mode: "pick", label: "db" };
  return { title: "db", small: false, rowNames: [""], columnNames: [""], rows: [[cell]] };
}

/** What the chosen gradient promises about. */
function nudgedPlace({ selection, channels }) {
  const name = { dK: "k", dX: "x", db: "b" }[selection.kind];
  return place(name, selection.cell, selection.cell.length ? channels : 1);
}

function chosenGradient({ selection, grads }) {
  const [i, j, c] = selection.cell;
  return selection.kind === "db" ? grads.db : grads[selection.kind][i][j][c];
}

function nudgeQuestion(scene) {
  const name = place(scene.selection.kind, scene.selection.cell, scene.channels);
  return (
    `Choose a cell of dK, dX or db; now it is ${name} = ${number(chosenGradient(scene))}. A gradient is a promise: ` +
    `if ${nudgedPlace(scene)} grows a little, L grows ${number(chosenGradient(scene))} times as much.`
  );
}

/** The net with the chosen weight, pixel or bias larger by e. */
function nudged({ net, selection }, e) {
  if (selection.kind === "db") return { ...net, b: net.b + e };
  const name = selection.kind === "dK" ? "k" : "x";
  const [i, j, c] = selection.cell;
  return { ...net, [name]: withCell(net[name], selection.cell, net[name][i][j][c] + e) };
}

function showNudge(scene, epsilon, prediction) {
  const { net } = scene;
  const lossAt = (e) => loss(nudged(scene, e), net.dP);
  const gradient = chosenGradient(scene);
  const promised = gradient * epsilon;
  const change = lossAt(epsilon) - lossAt(0);
  const kept = isSame(change, promised);
  const words = [
    `L went from ${number(lossAt(0))} to ${number(lossAt(epsilon))}, a change of ${number(change)}.`,
    `The gradient promised ${number(gradient)} × ${bracketed(epsilon)} = ${number(promised)}:`,
    kept
      ? "promise kept."
      : "not kept, because the slope changes on the way: pooling picks another cell, or ReLU opens or closes. " +
        "Try a smaller nudge, or the other direction.",
    `Your prediction was ${number(prediction)}: ${isSame(prediction, change) ? "right." : "not this time."}`,
  ].join(" ");
  setText("nudge-result", words);
  const drawn = `The loss as ${nudgedPlace(scene)} is nudged, with the straight line of slope ${number(gradient)}.`;
  find("nudge-plot").replaceChildren(drawNudge(lossAt, gradient, epsilon, `${drawn} ${words}`));
}

// Quiz

function quizKinds(net) {
  return lastOutput(net) === "y" ? ["y", "dK"] : ["y", "p", "dK"];
}

function showQuiz(scene) {
  const { net, run, grads, view, selection } = scene;
  const names = { y: "the map y", p: "the last output p", dK: "the kernel's gradient dK" };
  const options = quizKinds(net).map((kind) => element("option", { value: kind }, names[kind]));
  find("quiz-kind").replaceChildren(...options);
  find("quiz-kind").value = selection.kind;
  setText("quiz-question", `${place(selection.kind, selection.cell, scene.channels)} =`);
  setText("quiz-score", view.asked ? `${view.right} right of ${view.asked}.` : "");
  const grids = {
    y: () => [],
    p: () => [
      poolInput(scene),
      numberGrid(scene, { name: "p", title: "p", values: run.p, mode: "pick", small: false }),
    ],
    dK: () => [
      numberGrid(scene, { name: "dY", title: "dY", values: grads.dY, small: false }),
      ...channelGrids(scene, { name: "dK", title: "dK", values: grads.dK, mode: "pick" }),
    ],
  };
  showGrids(find("quiz-grids"), grids[selection.kind]());
}
