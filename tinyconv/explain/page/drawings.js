"use strict";

/* The two drawings: a ruler that shows where the window stands on one axis, and the loss as one number is nudged. */

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const STEP = 26; // pixels from one cell of a ruler to the next
const ROW = 13; // and from one window to the next

/** One axis of the padded image as a strip of cells; below it every place of the window, the chosen one bold. */
function drawRuler(net, axis, chosen) {
  const window = convWindow(net);
  const lengths = [net.x.length, net.x[0].length];
  const [before, after] = padsOf(window, lengths)[axis];
  const places = outputShape(window, lengths)[axis];
  const padded = before + lengths[axis] + after;
  const unused = unusedLines(window, lengths, axis);
  const words = rulerWords(axis ? "columns" : "rows", lengths[axis], [before, after], places, unused);
  const size = [padded * STEP + 4, 34 + places * ROW];
  const picture = svg("svg", {
    viewBox: `0 0 ${size[0]} ${size[1]}`,
    width: size[0],
    role: "img",
    "aria-label": words,
  });
  for (let cell = 0; cell < padded; cell++) picture.append(...rulerCell(cell, cell - before, lengths[axis], unused));
  for (let i = 0; i < places; i++) picture.append(...rulerWindow(window, axis, i, i === chosen));
  return element("figure", {}, picture, element("figcaption", {}, words));
}

function rulerWords(lines, n, [before, after], places, unused) {
  const pads = before || after ? `, ${before} of padding before and ${after} after` : ", no padding";
  const lost = unused.length ? ` No window touches ${lines.slice(0, -1)} ${listed(unused)}: crossed out.` : "";
  return `${count(n, lines.slice(0, -1))}${pads}; the window takes ${count(places, "place")}.${lost}`;
}

function rulerCell(cell, index, n, unused) {
  const isPad = index < 0 || index >= n;
  const box = { x: cell * STEP + 2, y: 2, width: STEP - 2, height: STEP - 2 };
  const parts = [svg("rect", { ...box, class: isPad ? "pad" : "cell" })];
  const middle = { x: box.x + box.width / 2, y: 19, "text-anchor": "middle" };
  parts.push(svg("text", { ...middle, class: isPad ? "quiet" : "" }, isPad ? "pad" : String(index)));
  if (unused.includes(index)) {
    parts.push(svg("path", { d: `M${box.x} ${box.y}l24 24m0 -24l-24 24`, class: "cross" }));
  }
  return parts;
}

function rulerWindow(window, axis, i, isChosen) {
  const start = i * window.stride[axis];
  const y = 34 + i * ROW;
  const last = start + (window.size[axis] - 1) * window.dilation[axis];
  const parts = [svg("line", { x1: start * STEP + 14, x2: last * STEP + 14, y1: y + 4, y2: y + 4 })];
  for (let u = 0; u < window.size[axis]; u++) {
    parts.push(svg("rect", { x: (start + u * window.dilation[axis]) * STEP + 5, y, width: 18, height: 8 }));
  }
  parts.forEach((part) => part.setAttribute("class", isChosen ? "window chosen" : "window"));
  return parts;
}

const PLOT = { width: 360, height: 200, left: 52, right: 348, top: 14, bottom: 164 };

/** The loss over a range of nudges, with the straight line that the gradient promises. */
function drawNudge(lossAt, gradient, epsilon, words) {
  const reach = Math.max(2, 1.25 * Math.abs(epsilon));
  const nudges = Array.from({ length: 81 }, (_, n) => reach * (n / 40 - 1));
  const losses = nudges.map(lossAt);
  const promised = (e) => lossAt(0) + gradient * e;
  const [low, high] = range([...losses, promised(-reach), promised(reach)]);
  const across = (e) => PLOT.left + ((e + reach) / (2 * reach)) * (PLOT.right - PLOT.left);
  const up = (l) => PLOT.bottom - ((l - low) / (high - low)) * (PLOT.bottom - PLOT.top);
  const point = (e, l) => `${across(e).toFixed(2)},${up(l).toFixed(2)}`;
  return svg(
    "svg",
    { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, width: PLOT.width, role: "img", "aria-label": words },
    svg("path", { class: "axis", d: `M${PLOT.left} ${PLOT.top}V${PLOT.bottom}H${PLOT.right}` }),
    svg("polyline", { class: "loss", points: nudges.map((e, n) => point(e, losses[n])).join(" ") }),
    svg("polyline", {
      class: "promise",
      points: `${point(-reach, promised(-reach))} ${point(reach, promised(reach))}`,
    }),
    svg("circle", { class: "dot", cx: across(0), cy: up(lossAt(0)), r: 4 }),
    svg("circle", { class: "dot ring", cx: across(epsilon), cy: up(lossAt(epsilon)), r: 6 }),
    ...plotWords(reach, low, high, across),
  );
}

function range(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? [low - 1, high + 1] : [low, high];
}

function plotWords(reach, low, high, across) {
  const text = (x, y, anchor, words) => svg("text", { x, y, "text-anchor": anchor }, words);
  return [
    ...[-reach, 0, reach].map((e) => text(across(e), PLOT.bottom + 16, "middle", number(e, 3))),
    text(PLOT.left - 6, PLOT.top + 6, "end", number(high, 3)),
    text(PLOT.left - 6, PLOT.bottom, "end", number(low, 3)),
    text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 32, "middle", "nudge → loss L (solid), promise (dashed)"),
  ];
}
