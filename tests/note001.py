"""The worked example of course note 001: two 6x6 images, one kernel, and every number that follows from them.

The kernel equals its own half-turn and its own transpose, and the pooling windows have ties; so the example alone
cannot tell convolution from its mirror image. That is what `SOBEL` is for. Gradients are for loss = sum of all outputs.
"""

import numpy as np

IMAGES = {
    "A": np.array(
        [
            [1, 0, 0, 0, 0, 0],
            [0, 1, 1, 1, 0, 0],
            [0, 0, 1, 0, 0, 1],
            [0, 1, 0, 0, 1, 0],
            [0, 0, 0, 1, 0, 1],
            [0, 0, 1, 0, 0, 1],
        ]
    ),
    "B": np.array(
        [
            [0, 0, 0, 1, 0, 0],
            [0, 1, 0, 0, 0, 0],
            [0, 0, 1, 1, 1, 0],
            [0, 0, 0, 1, 0, 0],
            [0, 0, 1, 0, 0, 1],
            [0, 0, 0, 0, 1, 0],
        ]
    ),
}

KERNEL = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]])
SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])

#: The 4x4 maps that the note prints.
MAPS = {
    "A": [[1, 1, 2, 0], [1, 3, 0, 0], [2, 0, 0, 3], [0, 0, 3, 0]],
    "B": [[1, 1, 1, 1], [0, 1, 1, 2], [1, 1, 3, 0], [0, 2, 0, 0]],
}
#: The pooled maps, windows 2x2.
MAX_POOLED = {"A": [[3, 2], [2, 3]], "B": [[1, 2], [2, 3]]}
MIN_POOLED = {"A": [[1, 0], [0, 0]], "B": [[0, 1], [0, 0]]}

#: Gradient of the kernel, from the map alone and through max pooling with the first cell winning ties.
DKERNEL = {"A": [[6, 6, 5], [6, 7, 7], [4, 5, 7]], "B": [[5, 6, 5], [5, 6, 6], [4, 6, 7]]}
DKERNEL_MAX_POOLED = {"A": [[1, 1, 3], [1, 4, 0], [3, 0, 1]], "B": [[1, 1, 2], [1, 4, 0], [2, 0, 1]]}

#: Image A with stride 2: one shape, two paddings, other numbers.
STRIDE_2_PADDING_1 = [[1, 1, 1], [1, 3, 0], [1, 0, 0]]
STRIDE_2_SAME = [[1, 2, 0], [2, 0, 0], [0, 0, 1]]

#: Image A with the Sobel kernel, by hand: the sums r[i] + 2 r[i+1] + r[i+2] of each column, minus those two columns on.
SOBEL_MAP_A = [[-2, 0, 3, 1], [-3, 1, 2, -1], [-1, 1, -1, -1], [-1, -1, 0, -1]]
#: Gradient of the image: (1, 2, 1) and (1, 0, -1), each spread over the 4 places that the window takes.
SOBEL_DX = np.outer([1, 3, 4, 4, 3, 1], [1, 1, 0, 0, -1, -1])


def image(name):
    """(1, 6, 6, 1), as a layer wants it."""
    return IMAGES[name][None, :, :, None].astype(np.float64)


def kernel(matrix):
    """(3, 3, 1, 1), as a layer wants it."""
    return np.asarray(matrix, np.float64)[:, :, None, None]
