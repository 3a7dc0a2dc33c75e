"""The offline page: one file in which a reader changes the numbers of a convolution and sees where each one goes.

The sources are the files of the folder ``page`` beside this module: ``index.html``, ``style.css`` and plain JavaScript.
They are put together into one text that needs no network, and may not use one: its content security policy allows
nothing but the scripts and styles written into it, each named by its hash.

    numbers and settings  ->  JSON in the page  ->  state.js checks them  ->  engine.js computes  ->  view.js draws
"""

import base64
import hashlib
import json
import re
from importlib import resources
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import lookup, sentence
from tinyconv.geometry import Padding, Window, pair, parse_padding

_WHERE = "page"
_POOLS = {None: "none", "max": "max", "min": "min", "average": "average"}


def page(
    x: Any = None,
    k: Any = None,
    *,
    bias: float = 0.0,
    stride: Any = 1,
    padding: Any = "valid",
    dilation: Any = 1,
    turned: bool = False,
    relu: bool = False,
    pool: str | None = None,
    pool_size: Any = 2,
    pool_stride: Any = None,
    pool_padding: str = "valid",
    dy: Any = None,
) -> str:
    """The text of a web page that explains this convolution, to be written into a file and opened in any browser.

    Args:
        x: image (H, W) or (H, W, C), up to 12x12 pixels and 3 channels; image A of course note 001 where left out.
        k: kernel (KH, KW) or (KH, KW, C), up to 5x5; the note's kernel where left out, the same for every channel.
        bias: b.
        stride: (SH, SW), or one number for both.
        padding: as for `Conv2D`.
        dilation: (DH, DW), or one number for both.
        turned: whether the kernel is turned by half a turn, which is convolution as mathematics defines it.
        relu: whether ReLU follows.
        pool: ``'max'``, ``'min'`` or ``'average'`` pooling at the end, or None.
        pool_size, pool_stride, pool_padding: as for `MaxPooling2D`.
        dy: gradient of the loss by the last output, (OH, OW); ones where left out.

    Raises:
        ValueError: for arrays that are no small finite numbers, or sizes that do not fit together.

    >>> text = page([[1, 0], [0, 2]], [[1]], stride=2)
    >>> text.startswith("<!doctype html>"), len(text) < 300_000
    (True, True)
    """
    data = json.loads(_source("data.json"))
    limits, example = data["limits"], data["presets"][0]
    image = _image("x", example["x"] if x is None else x, limits["image"], limits)  # (H, W, C)
    kernel = _image("k", example["k"] if k is None else k, limits["kernel"], limits)  # (KH, KW, C)
    if k is None:
        kernel = np.repeat(kernel, image.shape[2], axis=2)  # (KH, KW, C)
    window = _window(kernel.shape[:2], "kernel", stride, "stride", padding, dilation, limits)
    last = _window(pool_size, "pool", pool_size if pool_stride is None else pool_stride, "stride", pool_padding, 1, limits)
    shape = _output_shape(image, kernel, window, last if pool else None)
    start = {
        **{"x": image.tolist(), "k": kernel.tolist(), "b": float(_numbers("bias", bias, (), limits))},
        **{"stride": window.strides, "dilation": window.dilation, "padding": window.padding},
        **{"turn": bool(turned), "relu": bool(relu)},
        "pool": {
            "kind": lookup("pooling", pool, _POOLS) if pool else "none",
            **{"size": last.size, "stride": last.strides, "padding": last.padding},
        },
        "dP": None if dy is None else _numbers("dy", dy, shape, limits).tolist(),
    }
    return _assembled(json.dumps({**data, "start": start}, ensure_ascii=False))


# The arguments, within the limits of the page


def _image(name: str, value: Any, longest: int, limits: dict[str, int]) -> Array:
    """(H, W) or (H, W, C) of finite numbers -> (H, W, C)."""
    shape = np.shape(value)
    channels = shape[2] if len(shape) == 3 else 1
    if len(shape) not in (2, 3) or not 0 < min(shape) <= max(shape[:2]) <= longest or channels > limits["channels"]:
        expected = f"{name} of at most {longest}x{longest} pixels and {limits['channels']} channels, (H, W) or (H, W, C)"
        way_out = f"Cut out the part to look at: {name}[:{longest}, :{longest}]." if len(shape) in (2, 3) else ""
        raise ValueError(sentence(_WHERE, expected, f"{name}.shape={shape}", way_out))
    return _numbers(name, value, shape, limits).reshape(*shape[:2], channels)


def _numbers(name: str, value: Any, shape: tuple[int, ...], limits: dict[str, int]) -> Array:
    """Finite numbers of this shape as float64, none too large for the page's cells."""
    most = limits["number"]
    try:
        numbers = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ValueError(sentence(_WHERE, f"{name} as numbers", f"{name}={value!r}")) from None
    if numbers.shape != shape:
        raise ValueError(sentence(_WHERE, f"{name} of shape {shape}", f"{name}.shape={numbers.shape}"))
    wrong = ~(np.abs(numbers) <= most)  # NaN is wrong too
    if wrong.any():
        raise ValueError(sentence(_WHERE, f"numbers from -{most} to {most} in {name}", f"{numbers[wrong].flat[0]}"))
    return numbers


def _window(
    size: Any, name: str, stride: Any, stride_name: str, padding: Any, dilation: Any, limits: dict[str, int]
) -> Window:
    """A window whose every number the page has a control for."""
    window = Window(
        pair(size, name, _WHERE),
        pair(stride, "stride", _WHERE),
        parse_padding(padding, _WHERE),
        pair(dilation, "dilation", _WHERE),
    )
    pads = window.padding if not isinstance(window.padding, str) else ()
    found = {name: window.size, "stride": window.strides, "dilation": window.dilation, "padding": sum(pads, ())}
    for what, numbers in found.items():
        if max(numbers, default=0) > limits[what]:
            raise ValueError(sentence(_WHERE, f"{what} up to {limits[what]}", f"{what}={numbers}"))
    if max(window.strides) > 1 and max(window.dilation) > 1:
        received = f"stride={window.strides}, dilation={window.dilation}"
        raise ValueError(sentence(_WHERE, "stride or dilation above 1, not both", received))
    return window


def _output_shape(image: Array, kernel: Array, window: Window, last: Window | None) -> tuple[int, int]:
    """(OH, OW) of the convolution, or of the pooling after it."""
    if image.shape[2] != kernel.shape[2]:
        received = f"{image.shape[2]} of x and {kernel.shape[2]} of k"
        raise ValueError(sentence(_WHERE, "a kernel with as many channels as the image", received))
    shape = window.output_shape((1, *image.shape), 1, _WHERE)  # (1, OH, OW, 1)
    if last:
        shape = last.output_shape(shape, 1, f"{_WHERE}, pooling")
    _, oh, ow, _ = shape
    assert oh is not None and ow is not None
    return oh, ow


# The file


def _source(name: str) -> str:
    return (resources.files("tinyconv.explain") / "page" / name).read_text(encoding="utf-8")


def _assembled(data: str) -> str:
    """``index.html`` with its style, scripts and data written in, and the policy that allows them and nothing else."""
    text = _source("index.html")
    style = _source("style.css")
    scripts = {name: _source(name) for name in re.findall(r'<script src="(\w+\.js)">', text)}
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {' '.join(map(_hash, scripts.values()))}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    parts = {
        "default-src 'none'": policy,
        '<link rel="stylesheet" href="style.css">': f"<style>{style}</style>",
        '<script type="application/json" id="data">': f'<script type="application/json" id="data">{_inert(data)}',
        **{f'<script src="{name}">': f"<script>{code}" for name, code in scripts.items()},
    }
    # In one go, so that nothing is looked for in what has just been written in.
    return re.sub("|".join(map(re.escape, parts)), lambda found: parts[found[0]], text)


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def _inert(data: str) -> str:
    """JSON that cannot end the element it stands in."""
    return data.replace("<", "\\u003c")
