"use strict";

/* What happens when somebody does something: each event makes a new net or view, and the page is rendered anew. */

const app = {
  net: null,
  view: { tab: "sizes", kind: "y", index: 0, pointed: null, showProducts: false, asked: 0, right: 0 },
};
let scene = null;
let player = null;
let hashTimer = null;

function refresh() {
  scene = render(app);
  clearTimeout(hashTimer);
  hashTimer = setTimeout(writeHash, 200);
}

function tell(message) {
  setText("message", message);
}

function setNet(net, message = "") {
  const next = settled(net);
  if (!next) return tell("That does not fit: the kernel would have no place on the padded image.");
  const shrunk = JSON.stringify(next.pool.size) !== JSON.stringify(net.pool.size);
  const note = shrunk ? `The pooling window now is ${next.pool.size.join(" by ")}, to fit the smaller map.` : "";
  app.net = next;
  tell([message, note].filter(Boolean).join(" "));
  if (!kindsOf(app.view.tab, next).includes(app.view.kind)) app.view.kind = "y"; // p is gone without pooling
  forgetAnswers();
  refresh();
}

function setView(changes) {
  Object.assign(app.view, changes);
  forgetAnswers();
  refresh();
}

/** What can be stepped through in a tab; it opens with the first. */
function kindsOf(tab, net) {
  return { pooling: ["p", "y"], backward: ["dK", "dX", "db", "y"], quiz: quizKinds(net) }[tab] ?? ["y"];
}

/** Old results belong to old numbers. */
function forgetAnswers() {
  for (const id of ["nudge-result", "quiz-result", "copied"]) setText(id, "");
  find("nudge-plot").replaceChildren();
  app.view.showProducts = false;
}

// Steps

function step(index) {
  setView({ index: Math.max(0, Math.min(index, scene.cells.length - 1)) });
  setText("spoken", scene.spoken);
}

/** Chooses a cell of an array; in the quiz that is the next question. */
function choose(kind, at) {
  setView({ kind });
  step(scene.cells.findIndex((cell) => key(...cell) === key(...at)));
}

function play() {
  if (player) return pause();
  find("play").textContent = "Pause";
  if (scene.index === scene.cells.length - 1) step(0);
  player = setInterval(
    () => {
      step(scene.index + 1);
      if (scene.index === scene.cells.length - 1) pause();
    },
    Number(find("pace").value),
  );
}

function pause() {
  clearInterval(player);
  player = null;
  find("play").textContent = "Play";
}

function addSteps() {
  const buttons = {
    first: () => 0,
    back: () => scene.index - 1,
    next: () => scene.index + 1,
    last: () => scene.cells.length - 1,
  };
  for (const [id, where] of Object.entries(buttons)) {
    find(id).addEventListener("click", () => {
      pause();
      step(where());
    });
  }
  find("play").addEventListener("click", play);
  find("pace").addEventListener("change", pause);
  find("slider").addEventListener("input", (event) => step(Number(event.target.value)));
  document.addEventListener("keydown", stepByKey);
}

/** The arrow keys step wherever they have no other meaning. */
function stepByKey(event) {
  const free = event.target === document.body || event.target.closest("#stepper button");
  const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  if (!free || !by || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  pause();
  step(scene.index + by);
}

// Typing numbers

/** {name, at} of the array's cell that an element stands in. */
function cellAt(target) {
  const cell = target instanceof Element ? target.closest("[data-name]") : null;
  return cell && { name: cell.dataset.name, at: cell.dataset.at.split(" ").filter(Boolean).map(Number) };
}

function typed(event) {
  const field = event.target;
  if (field.dataset.size) return typedSize(field);
  const cell = field.id === "bias" ? { name: "b", at: [] } : field.matches("td > input") && cellAt(field);
  if (!cell) return;
  const { value, trouble } = readNumber(field.value);
  if (trouble) return refuse(field, `${trouble} The last number is still used.`);
  field.removeAttribute("aria-invalid");
  const { name, at } = cell;
  setNet({ ...app.net, [name]: at.length ? withCell(app.net[name], at, value) : value });
}

function typedSize(field) {
  const { size } = field.dataset;
  const [least, most] = allowed(app.net, size);
  const n = field.value === "" ? NaN : Number(field.value);
  if (!isWhole(n, least, most)) return refuse(field, `${size}: a whole number from ${least} to ${most}, please.`);
  field.removeAttribute("aria-invalid");
  setNet(SIZES[size].set(app.net, n));
}

function refuse(field, message) {
  field.setAttribute("aria-invalid", "true");
  tell(message);
}

/** What could not be read does not stay: on leaving, the field shows the number that is used. */
function leave(event) {
  if (event.target.getAttribute?.("aria-invalid") !== "true") return;
  if (event.target.closest("form")) return;
  event.target.removeAttribute("aria-invalid");
  if (event.target.dataset.size) event.target.value = SIZES[event.target.dataset.size].get(app.net);
  else event.target.value = "";
  refresh();
}

/** A whole table may be pasted: it fills the grid from this cell on. */
function paste(event) {
  const cell = event.target.matches("td > input") && cellAt(event.target);
  const text = event.clipboardData.getData("text");
  if (!cell || !/\S[\s,;\]]+\S/.test(text.trim())) return;
  event.preventDefault();
  const table = readTable(text.slice(0, 20000));
  if (table.trouble) return tell(`Nothing was pasted. ${table.trouble}`);
  const { name, at } = cell;
  let filled = app.net[name];
  let left = 0;
  table.forEach((row, i) =>
    row.forEach((value, j) => {
      const [to, across] = [at[0] + i, at[1] + j];
      if (filled[to]?.[across] === undefined) left++;
      else filled = withCell(filled, [to, across, ...at.slice(2)], value);
    }),
  );
  setNet({ ...app.net, [name]: filled }, left ? `${count(left, "number")} did not fit into the grid.` : "");
  event.target.select();
}

function addTyping() {
  document.addEventListener("input", typed);
  document.addEventListener("focusout", leave);
  document.addEventListener("paste", paste);
  document.addEventListener("keydown", moveInGrid);
  document.addEventListener("click", (event) => {
    const cell = event.target.matches("td > button") && cellAt(event.target);
    if (cell) choose(cell.name, cell.at);
  });
}

// Pointing, by the pointer or by the focus: whichever moved last. A page that scrolls under the pointer says nothing.

let hovered = null;
let focused = null;

function point() {
  const cell = cellAt(hovered) ?? cellAt(focused);
  const name = { x: "x", k: "k", dX: "x", dK: "k" }[cell?.name];
  const pointed = name ? { name, at: cell.at } : null;
  if (JSON.stringify(pointed) === JSON.stringify(app.view.pointed)) return;
  app.view.pointed = pointed;
  refresh();
}

function addPointing() {
  document.addEventListener("pointermove", (event) => {
    hovered = event.target;
    point();
  });
  document.addEventListener("focusout", (event) => {
    focused = event.relatedTarget;
    point();
  });
  document.addEventListener("focusin", (event) => {
    hovered = null;
    focused = event.target;
    point();
    enterGrid(event.target);
  });
}

function enterGrid(target) {
  const table = target.closest("table.grid");
  if (table) setTabStop(controlsOf(table), target);
  if (target.matches("td > input")) target.select();
  // The arrow keys choose while they move, but passing with the Tab key leaves another choice alone.
  const cell = target.matches("td > button:focus-visible") && cellAt(target);
  if (cell?.name === app.view.kind) choose(cell.name, cell.at);
}

// Controls, tabs, presets

function addControls() {
  const on = (id, change) => find(id).addEventListener("change", (event) => change(event.target));
  const pool = (changes) => setNet({ ...app.net, pool: { ...app.net.pool, ...changes } });
  on("turn", (box) => setNet({ ...app.net, turn: box.checked }));
  on("relu", (box) => setNet({ ...app.net, relu: box.checked }));
  on("padding", (list) => setNet(withPadding(app.net, list.value)));
  on("pool-kind", (list) => pool({ kind: list.value }));
  on("pool-padding", (list) => pool({ padding: list.value }));
  on("gradient-kind", (list) => setView({ kind: list.value, index: 0 }));
}

function addTabs() {
  makeTabs();
  find("tabs").addEventListener("click", (event) => {
    if (event.target.id.startsWith("tab-")) openTab(event.target.id.slice(4));
  });
  find("tabs").addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const to = { Home: 0, End: TABS.length - 1 }[event.key] ?? TABS.indexOf(app.view.tab) + by;
    if (Number.isNaN(to)) return;
    event.preventDefault();
    openTab(TABS.at(to % TABS.length));
    find(`tab-${app.view.tab}`).focus();
  });
}

function openTab(tab) {
  pause();
  const [kind] = kindsOf(tab, app.net);
  setView({ tab, kind, index: kind === app.view.kind ? app.view.index : 0 });
  if (tab === "quiz") randomQuestion();
}

function addPresets() {
  for (const preset of DATA.presets) {
    const button = element("button", { type: "button" }, preset.name);
    button.addEventListener("click", () => {
      pause();
      app.view.index = 0;
      setNet(readNet(preset).net);
      setText("about", preset.about);
    });
    find("presets").append(button);
  }
}

// Nudge, quiz, copy

function addNudge() {
  find("nudge").addEventListener("submit", (event) => {
    event.preventDefault();
    const epsilon = readNumber(find("epsilon").value);
    const prediction = readNumber(find("prediction").value);
    if (epsilon.trouble || epsilon.value === 0) return setText("nudge-result", "Nudge it by a number other than 0.");
    if (prediction.trouble) return setText("nudge-result", "First predict: how much will the loss change?");
    showNudge(scene, epsilon.value, prediction.value);
  });
}

function randomQuestion() {
  find("answer").value = "";
  step(Math.floor(Math.random() * scene.cells.length));
}

function addQuiz() {
  find("quiz-kind").addEventListener("change", (event) => {
    setView({ kind: event.target.value, index: 0 });
    randomQuestion();
  });
  find("quiz-random").addEventListener("click", randomQuestion);
  find("quiz-show").addEventListener("click", () => {
    app.view.showProducts = true;
    refresh();
  });
  find("quiz").addEventListener("submit", (event) => {
    event.preventDefault();
    const answer = readNumber(find("answer").value);
    if (answer.trouble) return setText("quiz-result", answer.trouble);
    const { right, words } = judged(answer.value, scene.selection, app.net, scene.run, scene.grads);
    app.view.asked += 1;
    app.view.right += Number(right);
    refresh();
    setText("quiz-result", words);
    find("answer").select();
  });
}

function addCopy() {
  find("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(find("python").textContent);
      setText("copied", "Copied.");
    } catch {
      getSelection().selectAllChildren(find("python"));
      setText("copied", "The browser does not allow it; the program is selected, press Ctrl+C or ⌘C.");
    }
  });
}

// The address

function writeHash() {
  try {
    history.replaceState(null, "", toHash(app.net, app.view));
  } catch {
    // Inside another page the address belongs to that page.
  }
}

function readHash() {
  if (location.hash === toHash(app.net, app.view)) return;
  try {
    const { raw, view } = fromHash(location.hash);
    start(raw, view);
  } catch {
    start({}, {});
    tell("The address could not be read, so this is the first example.");
  }
}

/** Begins with numbers from the address or from Python; what is not understood is replaced and told. */
function start(raw, { tab, kind, index }) {
  const { net, troubles } = readNet(raw);
  app.net = net;
  app.view.tab = TABS.includes(tab) ? tab : "sizes";
  const kinds = kindsOf(app.view.tab, net);
  app.view.kind = kinds.includes(kind) ? kind : kinds[0];
  app.view.index = isWhole(index, 0, 10000) ? index : 0;
  setText("about", "");
  forgetAnswers();
  refresh();
  tell(troubles.join(" "));
}

function main() {
  makeControls();
  addPresets();
  addTabs();
  addSteps();
  addTyping();
  addPointing();
  addControls();
  addNudge();
  addQuiz();
  addCopy();
  window.addEventListener("hashchange", readHash);
  start(DATA.start ?? {}, {});
  if (location.hash.length > 1) readHash();
}

main();
