"use strict";

/* What the page shows: the net (the numbers and settings), and how it is read, checked, changed and written into the
   address. A net is never changed in place; every function here returns a new one. */

const DATA = JSON.parse(document.getElementById("data").textContent);
const LIMITS = DATA.limits;

const PLAIN = {
  b: 0,
  stride: [1, 1],
  dilation: [1, 1],
  padding: "valid",
  turn: false,
  relu: false,
  pool: { kind: "none", size: [2, 2], stride: [2, 2], padding: "valid" },
  dP: null, // ones, of the shape of the last output
};
const POOLS = ["none", "max", "min", "average"];
const TABS = ["sizes", "pooling", "im2col", "backward", "quiz", "python"];
const KINDS = ["y", "p", "dK", "dX", "db"];

// Numbers that people type

/** {value}, or {trouble} in words. Fractions such as 1/9 are welcome. */
function readNumber(text) {
  const clean = text.trim().replaceAll("−", "-");
  const shown = clean.length > 20 ? `${clean.slice(0, 20)}…` : clean;
  const plain = "[+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?";
  const match = clean.match(new RegExp(`^(${plain})(?:/(${plain}))?$`));
  if (!clean) return { trouble: "The cell is empty." };
  if (!match) return { trouble: `“${shown}” is not a number. Write for example 3, -0.5 or 1/9.` };
  const value = Number(match[1]) / Number(match[2] ?? 1);
  if (Math.abs(value) <= LIMITS.number) return { value: value + 0 };
  return { trouble: `${shown} is too large. Numbers go from -${LIMITS.number} to ${LIMITS.number}.` };
}

/** A table of numbers from a spreadsheet, a text or a NumPy array, as rows; or {trouble}. */
function readTable(text) {
  const lines = text.trim().split(/[\n;]|\]\s*,?\s*\[/);
  const words = lines.map((line) => line.split(/[\s,[\]()]+/).filter(Boolean)).filter((line) => line.length);
  const rows = words.map((line) => line.map(readNumber));
  const trouble = rows.flat().find((cell) => cell.trouble)?.trouble;
  return trouble || !rows.length
    ? { trouble: trouble ?? "There is no number." }
    : rows.map((r) => r.map((c) => c.value));
}

// Is it a net?

function isNumber(value) {
  return typeof value === "number" && Math.abs(value) <= LIMITS.number;
}

function isWhole(value, least, most) {
  return Number.isInteger(value) && value >= least && value <= most;
}

function isPair(value, least, most) {
  return Array.isArray(value) && value.length === 2 && value.every((n) => isWhole(n, least, most));
}

function isImage(a, most) {
  const rows = Array.isArray(a) && isWhole(a.length, 1, most) && a;
  const pixels = rows && rows.every((row) => Array.isArray(row) && isWhole(row.length, 1, most)) && rows.flat();
  return Boolean(
    pixels &&
    rows.every((row) => row.length === rows[0].length) &&
    pixels.every((p) => Array.isArray(p) && isWhole(p.length, 1, LIMITS.channels) && p.every(isNumber)) &&
    pixels.every((p) => p.length === pixels[0].length),
  );
}

function isPool(pool) {
  return (
    POOLS.includes(pool?.kind) &&
    isPair(pool.size, 1, LIMITS.pool) &&
    isPair(pool.stride, 1, LIMITS.stride) &&
    ["valid", "same"].includes(pool.padding)
  );
}

const IS_RIGHT = {
  x: (value) => isImage(value, LIMITS.image),
  k: (value) => isImage(value, LIMITS.kernel),
  b: isNumber,
  stride: (value) => isPair(value, 1, LIMITS.stride),
  dilation: (value) => isPair(value, 1, LIMITS.dilation),
  padding: (value) =>
    ["valid", "same"].includes(value) ||
    (Array.isArray(value) && value.length === 2 && value.every((pads) => isPair(pads, 0, LIMITS.padding))),
  turn: (value) => typeof value === "boolean",
  relu: (value) => typeof value === "boolean",
  pool: isPool,
  dP: (value) => Array.isArray(value) && value.every((row) => Array.isArray(row) && row.every(isNumber)),
};

/** Whether the kernel finds a place on the padded image. Keras and tinyconv take stride or dilation, not both. */
function fits(net) {
  const strideAndDilation = Math.max(...net.stride) > 1 && Math.max(...net.dilation) > 1;
  return !strideAndDilation && Math.min(...outputShape(convWindow(net), [net.x.length, net.x[0].length])) > 0;
}

function poolFits(net) {
  const lengths = outputShape(convWindow(net), [net.x.length, net.x[0].length]);
  return net.pool.kind === "none" || Math.min(...outputShape(poolWindow(net), lengths)) > 0;
}

/** {net, troubles}: the parts that are right, and the first example's or the plain value for all others. */
function readNet(raw) {
  const start = { ...PLAIN, ...DATA.presets[0] };
  const given = { ...raw, x: asImage(raw.x), k: asImage(raw.k) };
  const wrong = Object.keys(IS_RIGHT).filter((key) => given[key] != null && !IS_RIGHT[key](given[key]));
  const take = (key) => (given[key] == null || wrong.includes(key) ? start[key] : given[key]);
  const parts = Object.fromEntries(Object.keys(IS_RIGHT).map((key) => [key, take(key)]));
  const net = settled({ ...parts, x: asImage(parts.x), k: asImage(parts.k) });
  const troubles = wrong.map((key) => `The value for “${key}” was not understood and is left out.`);
  if (net) return { net, troubles };
  return {
    net: readNet({}).net,
    troubles: [...troubles, "The sizes do not fit together, so this is the first example."],
  };
}

/** An image whose pixels may be plain numbers, as one with channels. */
function asImage(a) {
  const pixel = (value) => (typeof value === "number" ? [value] : value);
  return Array.isArray(a) ? a.map((row) => (Array.isArray(row) ? row.map(pixel) : row)) : a;
}

// Changes

/** The same numbers in another size; new cells are filled. */
function resized(a, rows, columns, channels, fill = 0) {
  return grid(rows, columns, (i, j) => Array.from({ length: channels }, (_, c) => a[i]?.[j]?.[c] ?? fill));
}

/** The net with everything that depends on its sizes made to fit: null where the kernel has no place. */
function settled(net) {
  const k = resized(net.k, net.k.length, net.k[0].length, net.x[0][0].length);
  if (!fits({ ...net, k })) return null;
  const map = outputShape(convWindow(net), [net.x.length, net.x[0].length]);
  const smaller = (size) => size.map((n, a) => Math.min(n, map[a]));
  const pool =
    net.pool.kind !== "none" && net.pool.padding === "valid" ? { ...net.pool, size: smaller(net.pool.size) } : net.pool;
  const [rows, columns] = pool.kind === "none" ? map : outputShape(poolWindow({ ...net, pool }), map);
  return { ...net, k, pool, dP: grid(rows, columns, (i, j) => net.dP?.[i]?.[j] ?? 1) };
}

/** A copy of a[i][j] or a[i][j][c] with one number changed. */
function withCell(a, [first, ...rest], value) {
  return a.map((part, n) => (n !== first ? part : rest.length ? withCell(part, rest, value) : value));
}

function withEntry(pair, axis, value) {
  return pair.map((old, a) => (a === axis ? value : old));
}

/** The pads in pixels, whatever word stands for them. */
function explicitPads(net) {
  return padsOf(convWindow(net), [net.x.length, net.x[0].length]);
}

/** Every whole number that can be set: how it is read and set, and its widest range. */
const SIZES = {
  "image rows": imageSize("x", 0),
  "image columns": imageSize("x", 1),
  channels: {
    range: [1, LIMITS.channels],
    get: (net) => net.x[0][0].length,
    set: (net, n) => ({ ...net, x: resized(net.x, net.x.length, net.x[0].length, n) }),
  },
  "kernel rows": imageSize("k", 0),
  "kernel columns": imageSize("k", 1),
  "stride rows": pairEntry("stride", 0),
  "stride columns": pairEntry("stride", 1),
  "dilation rows": pairEntry("dilation", 0),
  "dilation columns": pairEntry("dilation", 1),
  "padding top": pad(0, 0),
  "padding bottom": pad(0, 1),
  "padding left": pad(1, 0),
  "padding right": pad(1, 1),
  "pool rows": poolEntry("size", 0, LIMITS.pool),
  "pool columns": poolEntry("size", 1, LIMITS.pool),
  "pool stride rows": poolEntry("stride", 0, LIMITS.stride),
  "pool stride columns": poolEntry("stride", 1, LIMITS.stride),
};

function imageSize(key, axis) {
  const shape = (net) => [net[key].length, net[key][0].length, net[key][0][0].length];
  return {
    range: [1, key === "x" ? LIMITS.image : LIMITS.kernel],
    get: (net) => shape(net)[axis],
    set: (net, n) => ({ ...net, [key]: resized(net[key], ...withEntry(shape(net), axis, n)) }),
  };
}

function pairEntry(key, axis) {
  return {
    range: [1, LIMITS[key]],
    get: (net) => net[key][axis],
    set: (net, n) => ({ ...net, [key]: withEntry(net[key], axis, n) }),
  };
}

function pad(axis, side) {
  return {
    range: [0, LIMITS.padding],
    get: (net) => explicitPads(net)[axis][side],
    set: (net, n) => {
      const pads = explicitPads(net);
      return { ...net, padding: withEntry(pads, axis, withEntry(pads[axis], side, n)) };
    },
  };
}

function poolEntry(key, axis, most) {
  return {
    range: [1, most],
    get: (net) => net.pool[key][axis],
    set: (net, n) => ({ ...net, pool: { ...net.pool, [key]: withEntry(net.pool[key], axis, n) } }),
  };
}

/** [smallest, largest] value of a size that leaves the net valid: tried one by one, so it cannot be wrong. */
function allowed(net, name) {
  const { range, set } = SIZES[name];
  const all = Array.from({ length: range[1] - range[0] + 1 }, (_, n) => range[0] + n);
  const right = all.filter((n) => fits(set(net, n)) && (!name.startsWith("pool") || poolFits(set(net, n))));
  return [right[0], right.at(-1)];
}

// The address: #x=1,0;0,1&k=...&stride=1,1&...; rows are separated by ; and channels by |

function imageText(a) {
  return a[0][0].map((_, c) => a.map((row) => row.map((pixel) => pixel[c]).join(",")).join(";")).join("|");
}

function imageFromText(text) {
  const channels = text
    .split("|")
    .map((channel) => channel.split(";").map((row) => row.split(",").map(numberFromText)));
  const [first] = channels;
  return first.map((row, i) => row.map((_, j) => channels.map((channel) => channel[i]?.[j])));
}

/** null for everything that is no number: Number("") would be 0. */
function numberFromText(text) {
  return text.trim() === "" ? null : Number(text);
}

function toHash(net, view) {
  const { kind, size, stride, padding } = net.pool;
  const parts = {
    x: imageText(net.x),
    k: imageText(net.k),
    b: net.b,
    stride: net.stride,
    dilation: net.dilation,
    padding: net.padding,
    turn: Number(net.turn),
    relu: Number(net.relu),
    pool: [kind, size, stride, padding],
    dP: imageText(net.dP.map((row) => row.map((value) => [value]))),
    tab: view.tab,
    cell: [view.kind, view.index],
  };
  return `#${Object.entries(parts)
    .map(([key, value]) => `${key}=${value}`)
    .join("&")}`;
}

/** What a hash says, unchecked: {raw, view}. */
function fromHash(hash) {
  let text = "";
  try {
    text = decodeURIComponent(hash.slice(1));
  } catch {
    text = hash.slice(1);
  }
  const raw = Object.fromEntries(text.split("&").map((part) => part.split(/=(.*)/s).slice(0, 2)));
  const read = (key, reader) => (raw[key] === undefined ? undefined : reader(raw[key]));
  const numbers = (value) => value.split(",").map(numberFromText);
  const pads = (value) => (numbers(value).length === 4 ? [numbers(value).slice(0, 2), numbers(value).slice(2)] : value);
  const flag = (value) => ({ 0: false, 1: true })[value] ?? value;
  const [kind, index] = (raw.cell ?? "").split(",");
  return {
    raw: {
      x: read("x", imageFromText),
      k: read("k", imageFromText),
      b: read("b", Number),
      stride: read("stride", numbers),
      dilation: read("dilation", numbers),
      padding: read("padding", (value) => (value.includes(",") ? pads(value) : value)),
      turn: read("turn", flag),
      relu: read("relu", flag),
      pool: read("pool", poolFromText),
      dP: read("dP", (value) => imageFromText(value).map((row) => row.map((pixel) => pixel[0]))),
    },
    view: { tab: raw.tab, kind, index: Number(index) },
  };
}

function poolFromText(text) {
  const [kind, kh, kw, sh, sw, padding] = text.split(",");
  return { kind, size: [Number(kh), Number(kw)], stride: [Number(sh), Number(sw)], padding };
}
