"use strict";

/* The same computation as a Python program on tinyconv's layers. */

/** A nested list, rows of an image on lines of their own. */
function pythonArray(a) {
  return `np.array(${JSON.stringify(a).replaceAll("],[", "], [").replaceAll(",", ", ").replaceAll("  ", " ")}, float)`;
}

function pythonTuple(value) {
  return Array.isArray(value) ? `(${value.map(pythonTuple).join(", ")})` : JSON.stringify(value);
}

const POOL_LAYERS = { max: "MaxPooling2D", min: "MinPooling2D", average: "AveragePooling2D" };

function pythonProgram(net) {
  const poolLayer = POOL_LAYERS[net.pool.kind];
  const layers = ["Conv2D", ...(net.relu ? ["ReLU"] : []), ...(poolLayer ? [poolLayer] : [])];
  const turn = net.turn ? "[::-1, ::-1]" : "";
  const [stride, padding, dilation] = [net.stride, net.padding, net.dilation].map(pythonTuple);
  const lines = [
    "import numpy as np",
    "",
    "from tinyconv import config",
    `from tinyconv.layers import ${layers.sort().join(", ")}`,
    "",
    'config.set_floatx("float64")',
    `x = ${pythonArray(net.x)}  # (H, W, C)`,
    `k = ${pythonArray(net.k)}  # (KH, KW, C)`,
    `b = np.array([${net.b}], float)`,
    `dP = ${pythonArray(net.dP)}  # gradient of the last output`,
    "",
    `conv = Conv2D(1, k.shape[:2], strides=${stride}, padding=${padding}, dilation_rate=${dilation})`,
    "conv.build((1, *x.shape))",
    `conv.set_weights([k${turn}[..., None], b])${net.turn ? "  # the kernel is turned" : ""}`,
    "y, conv_cache = conv.forward(x[None])  # (1, OH, OW, 1)",
  ];
  if (net.relu) lines.push("relu = ReLU()", "r, relu_cache = relu.forward(y)");
  else lines.push("r = y");
  if (poolLayer) {
    const [size, steps, pads] = [net.pool.size, net.pool.stride, net.pool.padding].map(pythonTuple);
    lines.push(`pool = ${poolLayer}(${size}, strides=${steps}, padding=${pads})`);
    lines.push("p, pool_cache = pool.forward(r)");
  } else lines.push("p = r");
  lines.push(
    "",
    `dR = ${poolLayer ? "pool.backward(dP[None, :, :, None], pool_cache)" : "dP[None, :, :, None]"}`,
    `dY = ${net.relu ? "relu.backward(dR, relu_cache)" : "dR"}`,
    "dX = conv.backward(dY, conv_cache)[0]",
    `dK = conv.grads["kernel"][..., 0]${turn}`,
    "",
    'print("y", y[0, :, :, 0], sep="\\n")',
    'print("p", p[0, :, :, 0], sep="\\n")',
    'print("dK", dK.squeeze(), sep="\\n")',
    'print("dX", dX.squeeze(), sep="\\n")',
    'print("db", conv.grads["bias"][0])',
  );
  return `${lines.join("\n")}\n`;
}
