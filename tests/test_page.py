"""The offline page as a text: small, of one piece, cut off from the network, and holding what Python put into it."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib import resources

import note001
import numpy as np
import pytest

from tinyconv.explain.page import page
from tinyconv.layers import Conv2D, DepthwiseConv2D

SOURCES = {file.name: file for file in (resources.files("tinyconv.explain") / "page").iterdir() if file.is_file()}
VOID = {"input", "meta", "link", "br"}


class Elements(HTMLParser):
    """Collects (tag, attributes, text) of every element, and checks that each is closed."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.found.append([tag, dict(attrs), ""])
        if tag not in VOID:
            self.open.append(len(self.found) - 1)

    def handle_data(self, data):
        if self.open:
            self.found[self.open[-1]][2] += data

    def handle_endtag(self, tag):
        assert self.found[self.open.pop()][0] == tag

    def all(self, tag):
        return [(attributes, text) for name, attributes, text in self.found if name == tag]


def policy_of(elements):
    (policy,) = [a["content"] for a, _ in elements.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    parts = [part.split() for part in policy.split(";")]
    return {name: values for name, *values in parts}


def start_of(text):
    """The numbers and settings that Python put in."""
    (data,) = [text for attributes, text in Elements(text).all("script") if attributes.get("id") == "data"]
    return json.loads(data)["start"]


def hash_of(code):
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def test_the_page_is_small():
    assert len(page().encode()) < 130_000  # the limit is 300 KB
    assert len(SOURCES["engine.js"].read_text().splitlines()) < 400


def test_it_is_one_file():
    elements = Elements(page())
    assert not elements.all("link")
    assert not elements.all("img")
    assert not elements.all("iframe")
    assert [attributes for attributes, _ in elements.all("script") if "src" in attributes] == []


def test_it_names_no_address():
    addresses = set(re.findall(r"https?:[^\s\"'<>)]+", page()))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not an address: nothing is fetched from it


def test_nothing_is_done_that_needs_a_network():
    code = "".join(text for _, text in Elements(page()).all("script"))
    assert not re.findall(r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|importScripts|sendBeacon|import)\s*\(", code)
    assert not re.findall(r"\b(eval|Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b", code)
    assert "url(" not in page()
    assert "@import" not in page()


def test_the_policy_allows_its_own_scripts_and_style_and_nothing_else():
    elements = Elements(page())
    scripts = [text for attributes, text in elements.all("script") if attributes.get("type") != "application/json"]
    ((_, style),) = elements.all("style")
    assert policy_of(elements) == {
        "default-src": ["'none'"],
        "style-src": [hash_of(style)],
        "script-src": [hash_of(code) for code in scripts],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    assert len(scripts) == sum(name.endswith(".js") for name in SOURCES)


def test_hashes_do_not_depend_on_the_numbers():
    one, other = page(), page([[1, 2], [3, 4]], [[1.5]], bias=2, pool="max", pool_size=1)
    assert policy_of(Elements(one)) == policy_of(Elements(other))
    assert one != other
    assert page() == one


def test_no_attribute_runs_or_styles():
    for _, attributes, _ in Elements(page()).found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_every_element_that_the_scripts_look_for_exists():
    text = page()
    ids = [attributes["id"] for _, attributes, _ in Elements(text).found if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'(?:find|setText|showControls|getElementById)\("([\w-]+)"', text))
    made = set(re.findall(r'choice\("([\w-]+)"|id: "([\w-]+)"', text))
    assert wanted <= set(ids) | {name for names in made for name in names}


def test_every_label_and_description_points_at_something():
    elements = Elements(page())
    ids = {attributes.get("id") for _, attributes, _ in elements.found}
    ids |= {f"tab-{name}" for name in ("sizes", "pooling", "im2col", "backward", "quiz", "python")}
    for _, attributes, _ in elements.found:
        for name in ("for", "aria-labelledby", "aria-describedby"):
            assert attributes.get(name) in ids | {None}


def test_the_first_examples_are_those_of_note_001():
    presets = {
        preset["name"]: preset for preset in json.loads(SOURCES["data.json"].read_text(encoding="utf-8"))["presets"]
    }
    assert presets["Note 001, image A"]["x"] == note001.IMAGES["A"].tolist()
    assert presets["Note 001, image B"]["x"] == note001.IMAGES["B"].tolist()
    assert presets["Note 001, image B"]["k"] == note001.KERNEL.tolist()
    assert presets["Sobel kernel on A"]["k"] == note001.SOBEL.tolist()


def test_without_arguments_it_begins_with_image_a():
    start = start_of(page())
    assert np.array_equal(np.squeeze(start["x"]), note001.IMAGES["A"])
    assert np.array_equal(np.squeeze(start["k"]), note001.KERNEL)


def test_the_notes_kernel_is_repeated_for_every_channel():
    start = start_of(page(np.zeros((4, 5, 3))))
    assert np.array_equal(start["k"], np.repeat(note001.KERNEL[..., None], 3, axis=2))


def test_every_argument_arrives():
    x, k = np.arange(60.0).reshape(5, 6, 2), np.arange(12.0).reshape(3, 2, 2) / 4
    text = page(
        x,
        k,
        bias=0.5,
        strides=(2, 1),
        padding=((1, 0), (2, 1)),
        activation="relu",
        pool="min",
        pool_size=(2, 3),
        pool_strides=(1, 2),
        pool_padding="same",
        dy=[[1, 2, 3, 4], [5, 6, 7, 8.25]],
    )
    assert start_of(text) == {
        "x": x.tolist(),
        "k": k.tolist(),
        "b": 0.5,
        "stride": [2, 1],
        "dilation": [1, 1],
        "padding": [[1, 0], [2, 1]],
        "turn": False,
        "relu": True,
        "pool": {"kind": "min", "size": [2, 3], "stride": [1, 2], "padding": "same"},
        "dP": [[1, 2, 3, 4], [5, 6, 7, 8.25]],
    }


def test_a_layer_brings_its_settings_and_one_of_its_filters():
    layer = Conv2D(2, (2, 1), padding="same", dilation_rate=(2, 1), bias_initializer="ones")
    layer.build((None, 4, 4, 1))
    start = start_of(page(np.zeros((4, 4)), layer, filter=1))
    assert np.array_equal(start["k"], layer.params["kernel"][..., 1])
    assert (start["b"], start["padding"], start["dilation"]) == (1.0, "same", [2, 1])


def test_a_turned_kernel_arrives_as_it_was_given():
    start = start_of(page(note001.IMAGES["A"], note001.SOBEL, turned=True))
    assert np.array_equal(np.squeeze(start["k"]), note001.SOBEL)
    assert start["turn"] is True


def test_the_data_cannot_end_their_element():
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page(), re.S)[1]
    assert "<" not in data
    assert json.loads(data)["presets"]


def depthwise():
    layer = DepthwiseConv2D(2)
    layer.build((None, 4, 4, 2))
    return layer


WRONG = {
    "an image that nobody would read": (
        {"x": np.zeros((4096, 4096))},
        r"expected x of at most \(12, 12, 3\). Received \(4096, 4096, 1\). Cut out a part to look at.",
    ),
    "too many channels": ({"x": np.zeros((6, 6, 4))}, r"at most \(12, 12, 3\)"),
    "a large kernel": ({"x": np.zeros((9, 9)), "k": np.zeros((6, 2))}, r"kernel_size of at most \(5, 5\)"),
    "a kernel larger than the image": ({"x": np.zeros((2, 2))}, "at least 3x3 pixels"),
    "other channels": ({"k": np.zeros((3, 3, 2))}, "the image's channels"),
    "no numbers": ({"x": [["a"]]}, "rows of numbers"),
    "NaN": ({"x": [[np.nan]], "k": [[1]]}, "numbers from -1000 to 1000 in x. Received nan"),
    "infinity": ({"k": [[np.inf]]}, "in k. Received inf"),
    "a huge bias": ({"bias": 1e9}, "in bias"),
    "stride 0": ({"strides": 0}, "strides as one or two whole numbers from 1"),
    "a negative stride": ({"strides": -1}, "strides as one or two whole numbers from 1"),
    "a long stride": ({"strides": 5}, r"strides of at most \(4, 4\)"),
    "a wide dilation": ({"dilation_rate": 4, "padding": "same"}, r"dilation_rate of at most \(3, 3\)"),
    "stride and dilation": ({"strides": 2, "dilation_rate": 2}, "not both"),
    "wide padding": ({"padding": 7}, r"padding of at most \(6, 6, 6, 6\)"),
    "unknown padding": ({"padding": "full"}, "padding 'valid', 'same'"),
    "another activation": ({"activation": "tanh"}, "with ReLU or no activation"),
    "groups": ({"x": np.zeros((4, 4, 2)), "k": depthwise()}, "of one group"),
    "a filter that is not there": ({"filter": 1}, "filter from 0 to 0"),
    "unknown pooling": ({"pool": "median"}, "one of 'average', 'max', 'min'"),
    "a large pooling window": ({"pool": "max", "pool_size": 5, "pool_padding": "same"}, "pool_size of at most"),
    "a pooling window larger than the map": (
        {"pool": "max", "pool_size": 3, "padding": "valid", "strides": 2},
        "at least 3x3",
    ),
    "a gradient of another shape": ({"dy": [[1]]}, r"shape \(4, 4\). Received dy.shape=\(1, 1\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_page_cannot_show_is_refused(case):
    arguments, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        page(**arguments)
