"use strict";

/* The engine: the mathematics of one small convolution and of its gradients, as functions from numbers to numbers.

   Nothing here knows of the page. The names are those of the Python package, which must give the same numbers:

     x[row][column][channel]   image                    k[u][v][channel]   kernel, b its bias
     y[i][j]                   map = x * k + b          r = relu(y)        p = pool(r), the last output
     window                    {size: [KH, KW], stride: [SH, SW], dilation: [DH, DW], padding}
     padding                   "valid", "same" or [[top, bottom], [left, right]]

   A d in front of a name means: gradient of the loss L with respect to it. */

// Small helpers

function grid(rows, columns, cell) {
  return Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => cell(i, j)));
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Does something with every number of a[i][j][c], channel by channel, each in row-major order. */
function forEachWeight(a, action) {
  for (let c = 0; c < a[0][0].length; c++) {
    a.forEach((row, i) => row.forEach((pixel, j) => action(i, j, c, pixel[c])));
  }
}

function forEachCell(a, action) {
  a.forEach((row, i) => row.forEach((value, j) => action(i, j, value)));
}

/** a[i][j][c] of the same shape as another, made by a function. */
function likeImage(a, cell) {
  return a.map((row, i) => row.map((pixel, j) => pixel.map((_, c) => cell(i, j, c))));
}

// Sizes

/** Zeros that "same" adds before and after an axis of n pixels; the odd one goes after. */
function samePads(n, k, s, d) {
  const total = Math.max((Math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0);
  return [Math.floor(total / 2), total - Math.floor(total / 2)];
}

/** Places that a window of k cells takes on n pixels, padding included; 0 where it does not fit. */
function outputSize(n, k, s, d) {
  return Math.max(Math.floor((n - d * (k - 1) - 1) / s) + 1, 0);
}

function padsOf(window, lengths) {
  if (window.padding === "valid")
    return [
      [0, 0],
      [0, 0],
    ];
  if (window.padding !== "same") return window.padding;
  return [0, 1].map((a) => samePads(lengths[a], window.size[a], window.stride[a], window.dilation[a]));
}

/** [OH, OW] */
function outputShape(window, lengths) {
  const pads = padsOf(window, lengths);
  return [0, 1].map((a) => {
    const padded = lengths[a] + pads[a][0] + pads[a][1];
    return outputSize(padded, window.size[a], window.stride[a], window.dilation[a]);
  });
}

/** The rows (axis 0) or columns (axis 1) of the image that no window touches: dropped, or jumped over. */
function unusedLines(window, lengths, axis) {
  const used = new Set();
  const before = padsOf(window, lengths)[axis][0];
  for (let i = 0; i < outputShape(window, lengths)[axis]; i++) {
    for (let u = 0; u < window.size[axis]; u++) used.add(i * window.stride[axis] + u * window.dilation[axis] - before);
  }
  return Array.from({ length: lengths[axis] }, (_, n) => n).filter((n) => !used.has(n));
}

/** Where cell (u, v) of the window for output (i, j) lies on the image; outside it is padding. */
function windowCell(window, lengths, i, j, u, v) {
  const [[top], [left]] = padsOf(window, lengths);
  const row = i * window.stride[0] + u * window.dilation[0] - top;
  const column = j * window.stride[1] + v * window.dilation[1] - left;
  const inside = row >= 0 && row < lengths[0] && column >= 0 && column < lengths[1];
  return { i, j, u, v, row, column, inside };
}

function windowCells(window, lengths, i, j) {
  return grid(window.size[0], window.size[1], (u, v) => windowCell(window, lengths, i, j, u, v)).flat();
}

// Convolution

/** The kernel after half a turn: what mathematics calls convolution slides this one. */
function turned(k) {
  return likeImage(k, (u, v, c) => k[k.length - 1 - u][k[0].length - 1 - v][c]);
}

/** Every product of y[i][j]: channel by channel, the window's cells in row-major order. Padding counts as 0. */
function convTerms(x, k, window, i, j) {
  const cells = windowCells(window, [x.length, x[0].length], i, j);
  const channels = x[0][0].map((_, c) => c);
  return channels.flatMap((c) =>
    cells.map((cell) => {
      const pixel = cell.inside ? x[cell.row][cell.column][c] : 0;
      const weight = k[cell.u][cell.v][c];
      return { ...cell, c, a: pixel, b: weight, product: pixel * weight };
    }),
  );
}

/** y[i][j] = b + sum over u, v, c of x[i*SH + u*DH - top][j*SW + v*DW - left][c] * k[u][v][c] */
function conv(x, k, b, window) {
  const [oh, ow] = outputShape(window, [x.length, x[0].length]);
  return grid(oh, ow, (i, j) => b + sum(convTerms(x, k, window, i, j).map((term) => term.product)));
}

/** One row for every window, one column for every weight: y is this matrix times the kernel written as a column. */
function im2col(x, window) {
  const [oh, ow] = outputShape(window, [x.length, x[0].length]);
  const channels = x[0][0].map((_, c) => c);
  return grid(oh, ow, (i, j) =>
    windowCells(window, [x.length, x[0].length], i, j).flatMap((cell) =>
      channels.map((c) => ({ ...cell, c, value: cell.inside ? x[cell.row][cell.column][c] : 0 })),
    ),
  ).flat();
}

/** dK[u][v][c] = sum over i, j of the pixel that the weight met there, times dY[i][j] */
function dKTerms(x, dY, window, u, v, c) {
  const terms = [];
  forEachCell(dY, (i, j, dy) => {
    const cell = windowCell(window, [x.length, x[0].length], i, j, u, v);
    const pixel = cell.inside ? x[cell.row][cell.column][c] : 0;
    terms.push({ ...cell, c, a: pixel, b: dy, product: pixel * dy });
  });
  return terms;
}

/** dX[row][column][c] = sum over the windows that hold the pixel, of the weight that met it there, times dY[i][j] */
function dXTerms(lengths, k, dY, window, row, column, c) {
  const terms = [];
  const [[top], [left]] = padsOf(window, lengths);
  forEachWeight(k, (u, v, channel, weight) => {
    const i = (row + top - u * window.dilation[0]) / window.stride[0];
    const j = (column + left - v * window.dilation[1]) / window.stride[1];
    const dy = dY[i]?.[j]; // undefined where no window puts this weight on the pixel
    if (channel !== c || dy === undefined) return;
    terms.push({ i, j, u, v, row, column, c, inside: true, a: weight, b: dy, product: weight * dy });
  });
  return terms;
}

function convBackward(x, k, dY, window) {
  const lengths = [x.length, x[0].length];
  const total = (terms) => sum(terms.map((term) => term.product));
  return {
    dK: likeImage(k, (u, v, c) => total(dKTerms(x, dY, window, u, v, c))),
    dX: likeImage(x, (row, column, c) => total(dXTerms(lengths, k, dY, window, row, column, c))),
    db: sum(dY.flat()),
  };
}

// ReLU

function relu(y) {
  return y.map((row) => row.map((value) => Math.max(value, 0)));
}

/** The gradient passes where y was above 0. */
function reluBackward(dR, y) {
  return dR.map((row, i) => row.map((value, j) => (y[i][j] > 0 ? value : 0)));
}

// Pooling

/** Where p[i][j] comes from: the candidates (padding is none), the value, the winner, and those that tie with it.
    Where several are equally large (or small), the first in row-major order wins. */
function poolCell(r, kind, window, i, j) {
  const candidates = windowCells(window, [r.length, r[0].length], i, j)
    .filter((cell) => cell.inside)
    .map((cell) => ({ ...cell, value: r[cell.row][cell.column] }));
  const values = candidates.map((cell) => cell.value);
  if (kind === "average") return { candidates, value: sum(values) / values.length, winner: null, ties: [] };
  const value = kind === "max" ? Math.max(...values) : Math.min(...values);
  const [winner, ...ties] = candidates.filter((cell) => cell.value === value);
  return { candidates, value, winner, ties };
}

function pool(r, kind, window) {
  const [oh, ow] = outputShape(window, [r.length, r[0].length]);
  return grid(oh, ow, (i, j) => poolCell(r, kind, window, i, j).value);
}

/** Max and min pooling give the whole gradient to the winner, average pooling gives equal parts to all candidates. */
function poolBackward(dP, r, kind, window) {
  const dR = grid(r.length, r[0].length, () => 0);
  const cells = grid(dP.length, dP[0].length, (i, j) => poolCell(r, kind, window, i, j));
  for (let u = 0; u < window.size[0]; u++) {
    for (let v = 0; v < window.size[1]; v++) {
      forEachCell(dP, (i, j, dp) => {
        const { candidates, winner } = cells[i][j];
        const takers = winner === null ? candidates : [winner];
        const taker = takers.find((cell) => cell.u === u && cell.v === v);
        if (taker) dR[taker.row][taker.column] += dp / takers.length;
      });
    }
  }
  return dR;
}

// The whole little network: convolution, then perhaps ReLU, then perhaps pooling

function convWindow(net) {
  return { size: [net.k.length, net.k[0].length], stride: net.stride, dilation: net.dilation, padding: net.padding };
}

function poolWindow(net) {
  return { size: net.pool.size, stride: net.pool.stride, dilation: [1, 1], padding: net.pool.padding };
}

function forward(net) {
  const window = convWindow(net);
  const k = net.turn ? turned(net.k) : net.k;
  const y = conv(net.x, k, net.b, window);
  const r = net.relu ? relu(y) : y;
  const p = net.pool.kind === "none" ? r : pool(r, net.pool.kind, poolWindow(net));
  return { window, k, y, r, p, flat: p.flat() };
}

/** All gradients, from dP, the gradient of the last output, back to the image. */
function backward(net, run, dP) {
  const dR = net.pool.kind === "none" ? dP : poolBackward(dP, run.r, net.pool.kind, poolWindow(net));
  const dY = net.relu ? reluBackward(dR, run.y) : dR;
  const { dK, dX, db } = convBackward(net.x, run.k, dY, run.window);
  return { dP, dR, dY, dK: net.turn ? turned(dK) : dK, dX, db };
}

/** L = sum of dP * p: the loss whose gradient by the last output is dP. */
function loss(net, dP) {
  const { p } = forward(net);
  return sum(dP.flatMap((row, i) => row.map((value, j) => value * p[i][j])));
}
