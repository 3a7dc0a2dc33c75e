"""Every view of every trace: figures by the data in them, animations, web pages, and text that can be read aloud."""

import html.parser
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from note001 import IMAGES, KERNEL
from test_explain_golden import TEXTS

from tinyconv import Sequential, explain, layers
from tinyconv.explain.views import Grid


def network():
    model = Sequential([layers.Input((6, 6, 1)), layers.Conv2D(2, 3, name="conv"), layers.Flatten(name="flat")])
    model.add(layers.Dense(3, activation="softmax", name="dense"))
    return explain.network(model, IMAGES["A"])


TRACES = TEXTS | {"network": network, "step": lambda: network().at("conv", 1, 2, 0)}
each_trace = pytest.mark.parametrize("name", TRACES)


def written(figure):
    """Everything that is written in a figure, in order."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@each_trace
def test_every_number_of_a_grid_stands_in_the_figure(name):
    trace = TRACES[name]()
    found = written(trace.figure())
    shown = trace.grids()
    if name.startswith("conv_cell"):  # shows the whole convolution
        shown = [*trace.whole.images(), *trace.whole.kernels(), *trace.whole.maps()]
    for grid in shown:
        for row in grid.words():
            for word in filter(None, row):
                assert word in found


@each_trace
def test_the_alternative_text_is_one_sentence(name):
    trace = TRACES[name]()
    assert 20 < len(trace.alt) < 300
    assert "\n" not in trace.alt
    assert trace.alt[0] == trace.alt[0].upper()
    assert trace.alt.endswith(".")
    assert ". " not in trace.alt
    assert trace.figure().alt == trace.alt


@each_trace
def test_text_can_be_read_aloud(name):
    trace = TRACES[name]()
    text = trace.text()
    assert not re.search("[─-▟|+]{2,}|[│┃╭╮╯╰]", text)  # no boxes
    assert "nan" not in text
    assert all(len(line) <= 100 or re.match(r"  +\S", line) for line in text.splitlines())  # tables may be wider
    assert text == str(trace)


@each_trace
def test_text_for_terminals_without_unicode(name):
    TRACES[name]().text(ascii=True).encode("ascii")


class Tables(html.parser.HTMLParser):
    """Collects the cells of all tables, and checks that tags close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.captions, self.scripts = [], [], 0, 0

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.captions += tag == "caption"
        self.scripts += tag == "script"
        assert not {"src", "href", "onclick"} & dict(attrs).keys()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


@each_trace
def test_html_holds_the_grids_as_tables(name):
    trace = TRACES[name]()
    page = Tables()
    page.feed(trace.html())
    assert page.open == []
    assert page.scripts == 0
    spoken = [part for part in trace.parts() if isinstance(part, Grid) and part.spoken]
    assert page.captions == len(spoken)
    assert page.cells == [word for grid in spoken for row in grid.words() for word in row if word]


def test_html_is_a_page_that_cannot_reach_the_network():
    page = explain.conv(IMAGES["A"], KERNEL).html()
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "default-src 'none'" in page


def test_html_shows_text_as_text():
    model = Sequential([layers.Input((2,)), layers.Dense(2, name="dense")], name="<b>bold</b>")
    assert "<b>" not in explain.network(model, [1, 2], classes=["<i>", "&"]).html()


def test_a_notebook_gets_the_same_tables_without_a_page():
    trace = explain.conv(IMAGES["A"], KERNEL)
    assert trace._repr_html_() in trace.html()
    assert trace._repr_html_().startswith("<section")


def test_repr_is_short():
    assert (
        repr(explain.flatten([[1]]))
        == "<Flattening: The 1 numbers of a 1 by 1 image stand in one row, image row after image row.>"
    )


# Marks


def patches(figure, hatch):
    return [patch for axes in figure.axes for patch in axes.patches if patch.get_hatch() == hatch]


def test_unequal_padding_is_hatched():
    figure = explain.conv(np.ones((6, 5)), np.ones((3, 3)), strides=2, padding="same").figure()
    assert len(patches(figure, "////")) == 7 * 7 - 6 * 5  # one row below, one column on each side
    assert written(figure).count("pad") == 1 + 2


def test_dropped_rows_and_columns_are_hatched():
    figure = explain.conv(np.ones((6, 7)), np.ones((3, 3)), strides=2).figure()
    assert len(patches(figure, "xxxx")) == 7  # the last row; columns fit


def test_winners_and_ties_are_outlined():
    figure = explain.pool([[0, 3], [3, 1]]).figure()
    styles = [patch.get_linestyle() for axes in figure.axes for patch in axes.patches]
    assert len(styles) == 2
    assert len(set(styles)) == 2  # solid and dashed


def test_colours_are_centred_at_zero():
    from tinyconv.explain.drawing import _colours

    colours = _colours(Grid("g", np.array([[-2.0, 0.0, 2.0, np.nan]])))
    np.testing.assert_allclose(colours[0, 1], 1, atol=0.01)  # white
    np.testing.assert_allclose(colours[0, 3], 1, atol=0.01)
    assert colours[0, 0, 0] > colours[0, 0, 2]  # orange
    assert colours[0, 2, 2] > colours[0, 2, 0]  # blue


def test_a_number_above_zero_has_its_colour_also_where_none_is_below():
    from tinyconv.explain.drawing import _colours

    alone, beside = _colours(Grid("g", np.array([[2.0, 1.0]]))), _colours(Grid("g", np.array([[2.0, 1.0, -2.0]])))
    np.testing.assert_array_equal(alone, beside[:, :2])


@each_trace
def test_numbers_can_be_read_on_their_colours(name):
    """Black on every cell: at least 4.5 to 1."""
    from tinyconv.explain.drawing import _colours

    for grid in TRACES[name]().grids():
        colours = _colours(grid)[..., :3]
        linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
        luminance = linear @ [0.2126, 0.7152, 0.0722]
        assert ((luminance + 0.05) / 0.05 >= 4.5).all()


def test_drawing_changes_no_setting():
    before = dict(matplotlib.rcParams)
    explain.pool([[0, 3], [3, 1]]).figure()
    assert dict(matplotlib.rcParams) == before


def test_drawing_opens_no_window():
    code = """
import sys
from tinyconv import explain
explain.conv([[1, 2], [3, 4]], [[1]]).figure()
assert "matplotlib.figure" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)


# Animations


def test_the_animation_of_the_example_is_small_and_the_same_each_time(tmp_path):
    from PIL import Image

    trace = explain.conv(IMAGES["A"], KERNEL)
    trace.gif(tmp_path / "once.gif")
    trace.gif(tmp_path / "again.gif", seconds=0.8)
    once = (tmp_path / "once.gif").read_bytes()
    assert once == (tmp_path / "again.gif").read_bytes()
    assert len(once) < 200_000
    with Image.open(tmp_path / "once.gif") as picture:
        assert picture.n_frames == 16
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        lengths = []
        for k in range(16):
            picture.seek(k)
            lengths.append(picture.info["duration"])
    assert lengths == [800] * 15 + [2400]


def test_frames_show_the_output_step_by_step():
    frames = explain.conv(IMAGES["A"], KERNEL).frames()
    assert len(frames) == 16
    assert [sum(bool(w) for row in frame.grids[-1].words() for w in row) for frame in frames] == list(range(1, 17))
    assert frames[5].caption.startswith("Row 1, column 1: 1 × 0 + 1 × 0 + 1 × 1 + ")
    assert frames[5].caption.endswith(" = 3")


@pytest.mark.parametrize("name", ["pool_max", "im2col", "pool_backward", "network", "flatten"])
def test_others_move_too(name, tmp_path):
    path = tmp_path / "trace.gif"
    TRACES[name]().gif(path)
    assert path.read_bytes().startswith(b"GIF89a")
