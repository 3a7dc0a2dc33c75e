"""The definitions of the layers, as nested loops: the judge of every faster version.

Nothing here is clever and nothing here comes from tinyconv; NumPy only holds the numbers. Read a function and you have
read the formula. Gradients are the definition too: whatever an input added to an output comes back to it, times the
gradient of that output (`d` in front of a name: gradient of the loss with respect to).

Images are (N, H, W, C); kernels (KH, KW, C, F); the letters are those of the package.
"""

import math

import numpy as np

# --- where a window lies -------------------------------------------------------------------------------------------


def same_pads(n, k, s=1, d=1):
    """One window starts at each s-th pixel; what the last one lacks is padded, the odd pixel after the image."""
    places = len(range(0, n, s))
    last_pixel = (places - 1) * s + (k - 1) * d
    lacking = max(last_pixel - (n - 1), 0)
    before = lacking // 2
    return before, lacking - before


def pads(padding, sizes, window, strides, dilation):
    """((top, bottom), (left, right)) for 'valid', 'same' or explicit padding."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        rows, columns = (same_pads(*axis) for axis in zip(sizes, window, strides, dilation))
        return rows, columns
    return padding


def starts(n, k, s, d, before, after):
    """The first pixel of each place of a window, counted in the image (so padding before it is negative)."""
    return [h for h in range(-before, n + after, s) if h + d * (k - 1) < n + after]


def places(height, width, window, strides, padding, dilation):
    """(first rows, first columns) of all places of the window."""
    (top, bottom), (left, right) = pads(padding, (height, width), window, strides, dilation)
    rows = starts(height, window[0], strides[0], dilation[0], top, bottom)
    columns = starts(width, window[1], strides[1], dilation[1], left, right)
    return rows, columns


def inside(h, w, height, width):
    """Whether a cell of the window lies on the image; elsewhere it lies on padding."""
    return 0 <= h < height and 0 <= w < width


# --- convolution ---------------------------------------------------------------------------------------------------


def conv2d(x, kernel, bias=None, strides=(1, 1), padding="valid", dilation=(1, 1), groups=1):
    """y[n, oh, ow, f] = bias[f] + sum over the window and the channels of f's group of x * kernel."""
    N, H, W, _ = x.shape
    KH, KW, CG, F = kernel.shape  # CG channels in each group
    rows, columns = places(H, W, (KH, KW), strides, padding, dilation)
    y = np.zeros((N, len(rows), len(columns), F))
    for n, oh, ow, f in np.ndindex(y.shape):
        group = f // (F // groups)
        y[n, oh, ow, f] = 0 if bias is None else bias[f]
        for kh, kw, c in np.ndindex(KH, KW, CG):
            h, w = rows[oh] + kh * dilation[0], columns[ow] + kw * dilation[1]
            if inside(h, w, H, W):
                y[n, oh, ow, f] += x[n, h, w, group * CG + c] * kernel[kh, kw, c, f]
    return y


def conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid", dilation=(1, 1), groups=1):
    """(dx, dkernel, dbias): each product x * kernel of `conv2d` sends dy back to both its factors."""
    N, H, W, _ = x.shape
    KH, KW, CG, F = kernel.shape
    rows, columns = places(H, W, (KH, KW), strides, padding, dilation)
    dx, dkernel, dbias = np.zeros(x.shape), np.zeros(kernel.shape), np.zeros(F)
    for n, oh, ow, f in np.ndindex(N, len(rows), len(columns), F):
        group = f // (F // groups)
        dbias[f] += dy[n, oh, ow, f]
        for kh, kw, c in np.ndindex(KH, KW, CG):
            h, w = rows[oh] + kh * dilation[0], columns[ow] + kw * dilation[1]
            if inside(h, w, H, W):
                dx[n, h, w, group * CG + c] += dy[n, oh, ow, f] * kernel[kh, kw, c, f]
                dkernel[kh, kw, c, f] += dy[n, oh, ow, f] * x[n, h, w, group * CG + c]
    return dx, dkernel, dbias


def depthwise_conv2d(x, kernel, bias=None, strides=(1, 1), padding="valid", dilation=(1, 1)):
    """Every channel c by itself with its own M kernels; their outputs are the channels c*M + m."""
    N, H, W, C = x.shape
    KH, KW, _, M = kernel.shape
    rows, columns = places(H, W, (KH, KW), strides, padding, dilation)
    y = np.zeros((N, len(rows), len(columns), C * M))
    for n, oh, ow, c, m in np.ndindex(N, len(rows), len(columns), C, M):
        y[n, oh, ow, c * M + m] = 0 if bias is None else bias[c * M + m]
        for kh, kw in np.ndindex(KH, KW):
            h, w = rows[oh] + kh * dilation[0], columns[ow] + kw * dilation[1]
            if inside(h, w, H, W):
                y[n, oh, ow, c * M + m] += x[n, h, w, c] * kernel[kh, kw, c, m]
    return y


def depthwise_conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid", dilation=(1, 1)):
    """(dx, dkernel, dbias) of `depthwise_conv2d`."""
    N, H, W, C = x.shape
    KH, KW, _, M = kernel.shape
    rows, columns = places(H, W, (KH, KW), strides, padding, dilation)
    dx, dkernel, dbias = np.zeros(x.shape), np.zeros(kernel.shape), np.zeros(C * M)
    for n, oh, ow, c, m in np.ndindex(N, len(rows), len(columns), C, M):
        dbias[c * M + m] += dy[n, oh, ow, c * M + m]
        for kh, kw in np.ndindex(KH, KW):
            h, w = rows[oh] + kh * dilation[0], columns[ow] + kw * dilation[1]
            if inside(h, w, H, W):
                dx[n, h, w, c] += dy[n, oh, ow, c * M + m] * kernel[kh, kw, c, m]
                dkernel[kh, kw, c, m] += dy[n, oh, ow, c * M + m] * x[n, h, w, c]
    return dx, dkernel, dbias


def im2col(x, window, strides=(1, 1), dilation=(1, 1)):
    """One row for each place of the window, one column for each of its cells: (N*OH*OW, KH*KW*C)."""
    N, H, W, C = x.shape
    rows, columns = places(H, W, window, strides, "valid", dilation)
    matrix = []
    for n in range(N):
        for row in rows:
            for column in columns:
                cells = np.ndindex(*window, C)
                matrix.append([x[n, row + kh * dilation[0], column + kw * dilation[1], c] for kh, kw, c in cells])
    return np.array(matrix)


# --- pooling -------------------------------------------------------------------------------------------------------


def cells_of(row, column, window, height, width):
    """The cells of one place that lie on the image, in row-major order: padding is never a candidate."""
    cells = [(row + kh, column + kw) for kh in range(window[0]) for kw in range(window[1])]
    return [(h, w) for h, w in cells if inside(h, w, height, width)]


def largest(values):
    """Position of the first largest value; NaN beats everything, so that it is never hidden."""
    best = 0
    for i, value in enumerate(values):
        if math.isnan(values[best]):
            break
        if math.isnan(value) or value > values[best]:
            best = i
    return best


def smallest(values):
    """Position of the first smallest value; NaN beats everything."""
    return largest([-value for value in values])


def extreme_pool(x, window, strides, padding, chosen):
    """The cell that `chosen` (largest or smallest) picks from each window."""
    N, H, W, C = x.shape
    rows, columns = places(H, W, window, strides, padding, (1, 1))
    y = np.zeros((N, len(rows), len(columns), C))
    for n, oh, ow, c in np.ndindex(y.shape):
        values = [x[n, h, w, c] for h, w in cells_of(rows[oh], columns[ow], window, H, W)]
        y[n, oh, ow, c] = values[chosen(values)]
    return y


def extreme_pool_backward(dy, x, window, strides, padding, chosen):
    """dx: the chosen cell gets the whole gradient of its window, the others nothing."""
    N, H, W, C = x.shape
    rows, columns = places(H, W, window, strides, padding, (1, 1))
    dx = np.zeros(x.shape)
    for n, oh, ow, c in np.ndindex(N, len(rows), len(columns), C):
        cells = cells_of(rows[oh], columns[ow], window, H, W)
        h, w = cells[chosen([x[n, h, w, c] for h, w in cells])]
        dx[n, h, w, c] += dy[n, oh, ow, c]
    return dx


def max_pool(x, window=(2, 2), strides=(2, 2), padding="valid"):
    """The largest value of each window."""
    return extreme_pool(x, window, strides, padding, largest)


def max_pool_backward(dy, x, window=(2, 2), strides=(2, 2), padding="valid"):
    """dx of `max_pool`."""
    return extreme_pool_backward(dy, x, window, strides, padding, largest)


def min_pool(x, window=(2, 2), strides=(2, 2), padding="valid"):
    """The smallest value of each window."""
    return extreme_pool(x, window, strides, padding, smallest)


def min_pool_backward(dy, x, window=(2, 2), strides=(2, 2), padding="valid"):
    """dx of `min_pool`."""
    return extreme_pool_backward(dy, x, window, strides, padding, smallest)


def average_pool(x, window=(2, 2), strides=(2, 2), padding="valid"):
    """The mean of each window's cells on the image: padding is not counted."""
    N, H, W, C = x.shape
    rows, columns = places(H, W, window, strides, padding, (1, 1))
    y = np.zeros((N, len(rows), len(columns), C))
    for n, oh, ow, c in np.ndindex(y.shape):
        cells = cells_of(rows[oh], columns[ow], window, H, W)
        y[n, oh, ow, c] = sum(x[n, h, w, c] for h, w in cells) / len(cells)
    return y


def average_pool_backward(dy, x, window=(2, 2), strides=(2, 2), padding="valid"):
    """dx of `average_pool`: every cell of a window gets its equal share."""
    N, H, W, C = x.shape
    rows, columns = places(H, W, window, strides, padding, (1, 1))
    dx = np.zeros(x.shape)
    for n, oh, ow, c in np.ndindex(N, len(rows), len(columns), C):
        cells = cells_of(rows[oh], columns[ow], window, H, W)
        for h, w in cells:
            dx[n, h, w, c] += dy[n, oh, ow, c] / len(cells)
    return dx


def global_pool(x, pool):
    """`pool` with one window as large as the image: (N, H, W, C) -> (N, C)."""
    window = x.shape[1:3]
    return pool(x, window, window)[:, 0, 0, :]


def global_pool_backward(dy, x, pool_backward):
    """dx of `global_pool`."""
    window = x.shape[1:3]
    return pool_backward(dy[:, None, None, :], x, window, window)


# --- batch normalization -------------------------------------------------------------------------------------------


def channel_statistics(x):
    """Mean and population variance of each channel, over the batch and all pixels."""
    mean, variance = np.zeros(x.shape[-1]), np.zeros(x.shape[-1])
    for c in range(x.shape[-1]):
        values = [float(value) for value in x[..., c].ravel()]
        mean[c] = sum(values) / len(values)
        variance[c] = sum((value - mean[c]) ** 2 for value in values) / len(values)
    return mean, variance


def normalize(x, mean, variance, gamma, beta, epsilon=1e-3):
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, channel by channel."""
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        c = index[-1]
        y[index] = gamma[c] * (x[index] - mean[c]) / math.sqrt(variance[c] + epsilon) + beta[c]
    return y


def batchnorm_infer_backward(dy, x, mean, variance, gamma, epsilon=1e-3):
    """(dx, dgamma, dbeta) where mean and variance are constants."""
    dx, dgamma, dbeta = np.zeros(x.shape), np.zeros(x.shape[-1]), np.zeros(x.shape[-1])
    for index in np.ndindex(x.shape):
        c = index[-1]
        deviation = math.sqrt(variance[c] + epsilon)
        dx[index] = dy[index] * gamma[c] / deviation
        dgamma[c] += dy[index] * (x[index] - mean[c]) / deviation
        dbeta[c] += dy[index]
    return dx, dgamma, dbeta


def batchnorm_train_backward(dy, x, gamma, epsilon=1e-3):
    """(dx, dgamma, dbeta) where mean and variance are those of x itself, so that each x moves every y of its channel.

    With z = (x - mean) / sqrt(variance + epsilon) over the m cells of a channel,
    dy_j / dx_i = gamma / sqrt(variance + epsilon) * ([i = j] - 1/m - z_i z_j / m).
    """
    mean, variance = channel_statistics(x)
    dx = np.zeros(x.shape)
    _, dgamma, dbeta = batchnorm_infer_backward(dy, x, mean, variance, gamma, epsilon)
    m = x.size // x.shape[-1]
    for c in range(x.shape[-1]):
        deviation = math.sqrt(variance[c] + epsilon)
        cells = list(np.ndindex(x.shape[:-1]))
        z = {cell: (x[(*cell, c)] - mean[c]) / deviation for cell in cells}
        for i in cells:
            for j in cells:
                slope = gamma[c] / deviation * ((i == j) - 1 / m - z[i] * z[j] / m)
                dx[(*i, c)] += dy[(*j, c)] * slope
    return dx, dgamma, dbeta


def moving(old, new, momentum=0.99):
    """Keras's moving average: most of the old value, a little of the new."""
    return old * momentum + new * (1 - momentum)


# --- dense ---------------------------------------------------------------------------------------------------------


def dense(x, kernel, bias=None):
    """y[n, j] = bias[j] + sum over i of x[n, i] * kernel[i, j]; axes before the last are left as they are."""
    units = kernel.shape[1]
    y = np.zeros((*x.shape[:-1], units))
    for index in np.ndindex(y.shape):
        *sample, j = index
        y[index] = 0 if bias is None else bias[j]
        for i in range(x.shape[-1]):
            y[index] += x[(*sample, i)] * kernel[i, j]
    return y


def dense_backward(dy, x, kernel):
    """(dx, dkernel, dbias) of `dense`."""
    dx, dkernel, dbias = np.zeros(x.shape), np.zeros(kernel.shape), np.zeros(kernel.shape[1])
    for index in np.ndindex(dy.shape):
        *sample, j = index
        dbias[j] += dy[index]
        for i in range(x.shape[-1]):
            dx[(*sample, i)] += dy[index] * kernel[i, j]
            dkernel[i, j] += dy[index] * x[(*sample, i)]
    return dx, dkernel, dbias


# --- the layers that only move or scale numbers --------------------------------------------------------------------


def zero_pad(x, padding):
    """The image in the middle of zeros; padding = ((top, bottom), (left, right))."""
    N, H, W, C = x.shape
    (top, bottom), (left, right) = padding
    y = np.zeros((N, top + H + bottom, left + W + right, C))
    for n, h, w, c in np.ndindex(x.shape):
        y[n, top + h, left + w, c] = x[n, h, w, c]
    return y


def zero_pad_backward(dy, padding, shape):
    """dx: what lies on the image."""
    (top, _), (left, _) = padding
    dx = np.zeros(shape)
    for n, h, w, c in np.ndindex(shape):
        dx[n, h, w, c] = dy[n, top + h, left + w, c]
    return dx


def flatten(x):
    """Row after row, pixel after pixel, channel after channel."""
    N, H, W, C = x.shape
    y = np.zeros((N, H * W * C))
    for n, h, w, c in np.ndindex(x.shape):
        y[n, (h * W + w) * C + c] = x[n, h, w, c]
    return y
