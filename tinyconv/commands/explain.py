"""``tinyconv explain``: where a number comes from, as text, figure, animation or page; and ``tinyconv inspect``."""

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv import explain, plots
from tinyconv._types import Array
from tinyconv.checks import first_index, sentence
from tinyconv.commands.networks import Meaning, fed, image_shape, probabilities
from tinyconv.commands.predict import read_image
from tinyconv.explain.inputs import numbers
from tinyconv.explain.views import Trace
from tinyconv.files import replacing
from tinyconv.layers import Dense
from tinyconv.models import load_model
from tinyconv.notes.printed import IMAGES, KERNEL

#: Kernels by name; any other is written out, or stands in a file.
KERNELS = {
    "note": KERNEL,
    "sobel": "1 0 -1 / 2 0 -2 / 1 0 -1",
    "blur": "1 2 1 / 2 4 2 / 1 2 1",
    "sharpen": "0 -1 0 / -1 5 -1 / 0 -1 0",
}


@dataclass(frozen=True)
class Request:
    """What the command line asks for; None where it says nothing.

    Attributes:
        what: one of `TOPICS`; None for the page that can be played with.
        image, kernel: numbers, a name, or a file.
        bias, strides, padding, dilation, activation, turned: of the convolution.
        row, column: the cell to explain.
        pool_size, mode: of the pooling.
        model: file of a network.
        output, against: which of its outputs, and why not another.
        layer, filter: one of its filters.
        gif, png, html: files to write.
    """

    what: str | None = None
    image: str | None = None
    kernel: str | None = None
    bias: float | None = None
    strides: Any = None
    padding: Any = None
    dilation: Any = None
    activation: str | None = None
    turned: bool = False
    row: int | None = None
    column: int | None = None
    pool_size: Any = None
    mode: str | None = None
    model: str | None = None
    output: int | None = None
    against: int | None = None
    layer: str | None = None
    filter: int | None = None
    gif: str | None = None
    png: str | None = None
    html: str | None = None


def explain_on_the_command_line(request: Request) -> None:
    """Print the text of what is asked for, and write the files.

    Raises:
        ValueError: for what cannot be explained.
        OSError: if a file cannot be read or written.
    """
    if request.what is None:
        _write_page(request)
        return
    trace = TOPICS[request.what](request)
    if request.png is not None:
        figure = trace.figure()
        with replacing(Path(request.png)) as file:
            figure.savefig(file, format="png", dpi=150)
    if request.gif is not None:
        trace.gif(request.gif)
    if request.html is not None:
        _write(request.html, trace.html())
    print(trace.text(ascii=not _is_unicode()))
    written = [path for path in (request.png, request.gif, request.html) if path is not None]
    if written:
        print(f"\nwritten: {', '.join(written)}. {trace.alt}")


def _write_page(request: Request) -> None:
    """The interactive page."""
    if request.html is None or request.png or request.gif:
        expected = f"one of {', '.join(TOPICS)}, or --html alone for a page to play with"
        raise ValueError(sentence("explain", expected, "neither", "For example: tinyconv explain conv"))
    image = None if request.image is None else _image(request)
    kernel = None if request.kernel is None else _kernel(request)
    _write(request.html, explain.page(image, kernel, **_settings(request), pool=request.mode))
    print(f"written: {request.html}. Open it in any browser; it needs no network.")


def _write(path: str, text: str) -> None:
    with replacing(Path(path)) as file:
        file.write(text.encode("utf-8"))


def _is_unicode() -> bool:
    try:
        "×∗→".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


# What is explained


def _conv(request: Request) -> Trace:
    """A whole convolution, or one cell, which may be of an image of any size."""
    image, kernel, settings = _image(request), _kernel(request), _settings(request)
    if request.row is None and request.column is None:
        return explain.conv(image, kernel, **settings)
    return explain.conv_cell(image, kernel, request.row or 0, request.column or 0, **settings)


def _pixel(request: Request) -> Trace:
    whole = explain.conv(_image(request), _kernel(request), **_settings(request))
    return whole.pixel(request.row or 0, request.column or 0)


def _sides(request: Request) -> Trace:
    return explain.correlation_and_convolution(_image(request), _kernel(request), **_settings(request, "turned"))


def _im2col(request: Request) -> Trace:
    return explain.im2col(_image(request), _kernel(request), **_settings(request))


def _backward(request: Request) -> Trace:
    """Where --mode names a pooling, the gradient comes back through it; --row and --column choose a weight."""
    image, kernel, settings = _image(request), _kernel(request), _settings(request)
    whole = explain.conv(image, kernel, **settings)
    dy = None if request.mode is None else explain.pool_backward(whole.y, **_pool_settings(request)).dx
    found = explain.conv_backward(image, kernel, dy, **settings)
    if request.row is None and request.column is None:
        return found
    return found.weight(request.row or 0, request.column or 0)


def _pool(request: Request) -> Trace:
    return explain.pool(_map(request), **_pool_settings(request))


def _pool_backward(request: Request) -> Trace:
    return explain.pool_backward(_map(request), **_pool_settings(request))


def _map(request: Request) -> Array:
    """The feature map to pool: that of image and kernel, or where no kernel is given but an image, the image itself."""
    image = _image(request)
    if request.image is not None and request.kernel is None and request.image not in IMAGES:
        return image
    return explain.conv(image, _kernel(request), **_settings(request, "strides", "padding")).y


def _size(request: Request) -> Trace:
    """Of --image and --kernel, which may be sizes here, such as 28x28."""
    sizes = [_size_of(request.image) or _image(request).shape, _size_of(request.kernel) or _kernel(request).shape]
    names = {"strides": request.strides, "padding": request.padding, "dilation_rate": request.dilation}
    settings = {name: value for name, value in names.items() if value is not None}
    return explain.output_size(sizes[0][:2], sizes[1][:2], **settings)


def _size_of(text: str | None) -> tuple[int, ...] | None:
    """Rows and columns from a text such as 28x28, or None."""
    found = re.fullmatch(r"(\d+)x(\d+)", text or "")
    return (int(found[1]), int(found[2])) if found else None


def _flatten(request: Request) -> Trace:
    return explain.flatten(_image(request))


def _network(request: Request) -> Trace:
    if request.model is None or request.image is None:
        expected = "--model and --image, a network and an image file"
        raise ValueError(sentence("explain network", expected, "not both"))
    model, image, meaning = _network_and_image(request.model, request.image)
    classes = meaning.classes if len(meaning.classes) == model.output_shape[-1] else None
    return explain.network(model, image, output=request.output, classes=classes, against=request.against)


def _filter(request: Request) -> Trace:
    if request.model is None or request.image is None:
        expected = "--model and --image, a network and an image file or a folder of them"
        raise ValueError(sentence("explain filter", expected, "not both"))
    model = load_model(request.model)
    path = Path(request.image)
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    images = np.stack([read_image(str(each), *image_shape(model)) for each in paths])  # (N, H, W, C)
    return explain.filter(model, fed(images, model), request.filter or 0, request.layer)


def _receptive_field(request: Request) -> Trace:
    if request.model is None:
        raise ValueError(sentence("explain receptive-field", "--model, a network", "none"))
    return explain.receptive_field(load_model(request.model))


#: By the word on the command line.
TOPICS: dict[str, Callable[[Request], Trace]] = {
    "conv": _conv,
    "pixel": _pixel,
    "both": _sides,
    "size": _size,
    "pool": _pool,
    "flatten": _flatten,
    "im2col": _im2col,
    "backward": _backward,
    "pool-backward": _pool_backward,
    "network": _network,
    "filter": _filter,
    "receptive-field": _receptive_field,
}


# What the words stand for


def _settings(request: Request, *without: str) -> dict[str, Any]:
    """The settings of the convolution that were given."""
    given = {
        "bias": request.bias,
        "strides": request.strides,
        "padding": request.padding,
        "dilation_rate": request.dilation,
        "activation": request.activation,
        "turned": request.turned or None,
    }
    return {name: value for name, value in given.items() if value is not None and name not in without}


def _pool_settings(request: Request) -> dict[str, Any]:
    pool_size = 2 if request.pool_size is None else request.pool_size
    return {"mode": request.mode or "max", "pool_size": pool_size}


def _image(request: Request) -> Array:
    return _numbers(request.image or "A", IMAGES, "--image")


def _kernel(request: Request) -> Array:
    return _numbers(request.kernel or "note", KERNELS, "--kernel")


def _numbers(text: str, named: dict[str, str], option: str) -> Array:
    """Numbers from a name, a file, or the text itself."""
    path = Path(text)
    if text not in named and path.suffix and path.exists():
        if path.suffix.lower() not in (".txt", ".csv"):
            return read_image(text, None, None, 1)[..., 0].astype(np.float64)  # (H, W)
        try:
            return _finite(path.read_text(encoding="utf-8"), f"{option} {text}")
        except UnicodeError as error:
            raise ValueError(sentence("explain", f"{option} {text} as a file of text", str(error))) from error
    try:
        return _finite(named.get(text, text), option)
    except ValueError as error:
        names = ", ".join(named)
        raise ValueError(f"{error} Known names: {names}; or write rows as '1 0 / 0 1', or name a file.") from None


def _finite(text: str, name: str) -> Array:
    found = numbers(text, name, "explain")
    if not np.isfinite(found).all():
        wrong = found[first_index(~np.isfinite(found))]
        raise ValueError(sentence("explain", f"{name} as numbers that can be added up", str(wrong)))
    return found


def _network_and_image(model_path: str, image_path: str) -> tuple[Any, Array, Meaning]:
    """A network, an image as it takes it (1, H, W, C), and the names of its classes."""
    model = load_model(model_path)
    meaning = Meaning.beside(Path(model_path), max(model.output_shape[-1], 2))
    return model, fed(read_image(image_path, *image_shape(model))[None], model), meaning


# inspect


def inspect(model_path: str, image_path: str, out: str | None = None) -> None:
    """Say what a trained network sees in an image, and draw what its layers make of it.

    Args:
        model_path: a ``.keras`` or ``.h5`` file.
        image_path: a file that Pillow can read.
        out: the picture to write; ``<image>-seen.png`` in the working folder, if None.

    Raises:
        ValueError: for a file that is no image, or a network that takes no image.
        OSError: if a file cannot be read or written.
    """
    model, image, meaning = _network_and_image(model_path, image_path)
    found = probabilities(model, image)[0]  # (K,)
    for line in in_words(found, meaning.classes):
        print(line)
    figure = plots.feature_strip(model, image[0], labels=meaning.classes)
    path = Path(out or f"{Path(image_path).stem}-seen.png")
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=150)
    print(f"written: {path}. {getattr(figure, 'alt', '')}")
    against = f" --against {np.argsort(-found, kind='stable')[1]}" if isinstance(model.layers[-1], Dense) else ""
    paths = f"--model {shlex.quote(model_path)} --image {shlex.quote(image_path)}"
    print(
        f"How it came about: tinyconv explain network {paths}{against if len(found) == model.output_shape[-1] else ''}"
    )


def in_words(found: Array, classes: tuple[str, ...]) -> list[str]:
    """How sure a network is of its classes, in sentences.

    >>> in_words(np.array([0.02, 0.97, 0.01]), ("cat", "dog", "hen"))
    ['It is nearly sure of dog: 97.0 %.', 'Then cat, 2.0 %; hen, 1.0 %.']
    """
    order = np.argsort(-found, kind="stable")
    first, others = order[0], order[1:4]
    sure = next(word for least, word in _SURE if found[first] >= least)
    rest = "; ".join(f"{classes[i]}, {100 * found[i]:.1f} %" for i in others)
    return [f"It {sure} {classes[first]}: {100 * found[first]:.1f} %.", f"Then {rest}."]


_SURE = ((0.95, "is nearly sure of"), (0.7, "leans clearly to"), (0.4, "leans to"), (0.0, "does not know; most of all"))
