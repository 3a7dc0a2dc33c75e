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
from tinyconv.explain import inputs
from tinyconv.layers import AveragePooling2D, Conv2D, MaxPooling2D, MinPooling2D

_WHERE = "explain.page"
_POOLS = {"max": MaxPooling2D, "min": MinPooling2D, "average": AveragePooling2D}


def page(
    x: Any = None,
    k: Any = None,
    *,
    bias: Any = None,
    strides: Any = None,
    padding: Any = None,
    dilation_rate: Any = None,
    activation: Any = None,
    filter: int = 0,
    turned: bool = False,
    pool: str | None = None,
    pool_size: Any = 2,
    pool_strides: Any = None,
    pool_padding: Any = "valid",
    dy: Any = None,
) -> str:
    """The text of a web page that explains this convolution, to be written into a file and opened in any browser.

    Args:
        x: an image, rows of numbers (H, W) or (H, W, C), of at most 12x12 pixels and 3 channels; image A of course note
            001 where left out.
        k: a kernel (KH, KW), (KH, KW, C) or (KH, KW, C, F), of at most 5x5 cells, or a `tinyconv.layers.Conv2D`, whose
            settings are taken; the note's kernel where left out, the same for every channel.
        bias: a number, or one for each filter.
        strides, padding, dilation_rate: as `tinyconv.layers.Conv2D` takes them.
        activation: ``'relu'``, or None.
        filter: which of several filters to show.
        turned: True turns the kernel by 180 degrees first: convolution as mathematics defines it.
        pool: ``'max'``, ``'min'`` or ``'average'`` pooling at the end, or None.
        pool_size, pool_strides, pool_padding: as `tinyconv.layers.MaxPooling2D` takes them.
        dy: gradient of the loss by the last output, (OH, OW); ones where left out.

    Raises:
        ValueError: for what is no number or too large for a cell of the page, and sizes that do not fit together or
            that the page has no controls for.

    >>> text = page([[1, 0], [0, 2]], [[1]], strides=2)
    >>> text.startswith("<!doctype html>"), len(text) < 300_000
    (True, True)
    """
    data = json.loads(_source("data.json"))
    limits, example = data["limits"], data["presets"][0]
    image = inputs.image(example["x"] if x is None else x, _WHERE, None)  # (H, W, C)
    _at_most("x", image.shape, (limits["image"], limits["image"], limits["channels"]), "Cut out a part to look at.")
    if k is None:
        k = np.repeat(inputs.image(example["k"], _WHERE), image.shape[2], axis=2)  # (KH, KW, C)
    layer = inputs.convolution(image, k, bias, strides, padding, dilation_rate, activation, turned, _WHERE)
    last = None if pool is None else lookup("pooling", pool, _POOLS)(pool_size, pool_strides, pool_padding)
    start = {
        "x": _cells("x", image, limits),
        **_convolution(layer, inputs.place(filter, layer.filters, "filter", _WHERE), turned, limits),
        **({} if last is None else {"pool": _pooling(pool, last, limits)}),
    }
    shape: Any = layer.compute_output_shape((1, *image.shape))  # (1, OH, OW, F)
    shape = shape if last is None else last.compute_output_shape(shape)
    if dy is not None:
        start["dP"] = _cells("dy", _of_shape(inputs.numbers(dy, "dy", _WHERE), shape[1:3]), limits)
    return _assembled(json.dumps({**data, "start": start}, ensure_ascii=False))


# From layers to what the page can show


def _convolution(layer: Conv2D, filter: int, turned: bool, limits: dict[str, int]) -> dict[str, Any]:
    if layer.activation.name not in ("linear", "relu") or layer.groups > 1:
        raise ValueError(sentence(_WHERE, "a convolution of one group, with ReLU or no activation", repr(layer)))
    window, longest = layer.window, limits["kernel"]
    _at_most("kernel_size", window.size, (longest, longest), "Cut out a part to look at.")
    _at_most("strides", window.strides, (limits["stride"],) * 2)
    _at_most("dilation_rate", window.dilation, (limits["dilation"],) * 2)
    if not isinstance(window.padding, str):
        _at_most("padding", sum(window.padding, ()), (limits["padding"],) * 4)
    used = layer.params["kernel"][..., filter]  # (KH, KW, C)
    return {
        "k": _cells("k", used[::-1, ::-1] if turned else used, limits),
        "b": _cells("bias", layer.params["bias"][filter], limits),
        "stride": window.strides,
        "padding": window.padding,
        "dilation": window.dilation,
        "relu": layer.activation.name == "relu",
        "turn": turned,
    }


def _pooling(kind: str | None, layer: Any, limits: dict[str, int]) -> dict[str, Any]:
    _at_most("pool_size", layer.pool_size, (limits["pool"],) * 2)
    _at_most("pool_strides", layer.strides, (limits["stride"],) * 2)
    return {"kind": kind, "size": layer.pool_size, "stride": layer.strides, "padding": layer.padding}


def _at_most(name: str, sizes: tuple[int, ...], limits: tuple[int, ...], way_out: str = "") -> None:
    if any(size > limit for size, limit in zip(sizes, limits, strict=True)):
        raise ValueError(sentence(_WHERE, f"{name} of at most {limits}", f"{sizes}", way_out))


def _of_shape(values: Array, shape: tuple[int, ...]) -> Array:
    if values.shape != shape:
        raise ValueError(sentence(_WHERE, f"dy of the last output's shape {shape}", f"dy.shape={values.shape}"))
    return values


def _cells(name: str, values: Array, limits: dict[str, int]) -> Any:
    """An array as nested lists, of numbers that the page's cells take."""
    most = limits["number"]
    wrong = values[~(np.abs(values) <= most)]  # NaN too
    if wrong.size:
        raise ValueError(sentence(_WHERE, f"numbers from -{most} to {most} in {name}", f"{wrong[0]}"))
    return values.tolist()


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
