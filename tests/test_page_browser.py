"""The offline page in a real browser, driven by typing and clicking; its numbers against those of the layers.

Needs Playwright and a Chromium: ``pip install playwright axe-playwright-python`` and ``apt-get install chromium``. The
browser is looked for on the path, in ``TINYCONV_CHROMIUM``, and where Playwright puts its own.
"""

import os
import shutil
from pathlib import Path

import note001
import numpy as np
import pytest

from tinyconv.explain.page import page as page_text
from tinyconv.geometry import Window
from tinyconv.layers import AveragePooling2D, Conv2D, MaxPooling2D, MinPooling2D
from tinyconv.layers.im2col import im2col, pad

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

POOLS = {"max": MaxPooling2D, "min": MinPooling2D, "average": AveragePooling2D}
TABS = ("sizes", "pooling", "im2col", "backward", "quiz", "python")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = [os.environ.get("TINYCONV_CHROMIUM"), *map(shutil.which, NAMES), playwright.chromium.executable_path]
        path = next((path for path in found if path and Path(path).exists()), None)
        if path is None:
            pytest.skip("no Chromium is installed")
        chromium = playwright.chromium.launch(executable_path=path)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "convolution.html"
    path.write_text(page_text(), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def shared(browser):
    """One window for all tests that need no special one: opening windows takes the most time here."""
    with browser.new_context(offline=True) as context:
        yield context.new_page()


@pytest.fixture
def visit(browser, shared, address):
    """Opens the page, without a network; whatever goes wrong in it fails the test."""
    opened, troubles, requests = [], [], []
    listeners = {
        "pageerror": lambda error: troubles.append(str(error)),
        "console": lambda said: troubles.append(said.text),
        "request": lambda request: requests.append(request.url),
    }

    def open_page(hash="", at=address, **settings):
        tab = browser.new_page(offline=True, **settings) if settings or opened else shared
        opened.append(tab)
        tab.set_default_timeout(5000)
        for event, listener in listeners.items():
            tab.on(event, listener)
        tab.goto(at + hash)
        return tab

    yield open_page
    for tab in opened:
        tab.mouse.move(0, 0)
        for event, listener in listeners.items():
            tab.remove_listener(event, listener)
        if tab is shared:
            tab.goto("about:blank")
        else:
            tab.close()
    assert troubles == []
    assert [url for url in requests if not url.startswith("file:")] == []


@pytest.fixture
def page(visit):
    return visit()


# Reading the page, and doing things in it


def shown(page, name):
    """The numbers of an array as they stand on the page: (rows, columns), or (rows, columns, channels)."""
    found = page.evaluate(
        """name => [...document.querySelectorAll(`[data-name="${name}"]`)].filter(cell => cell.checkVisibility()).map(
            cell => [cell.dataset.at, cell.querySelector("input")?.value ?? cell.textContent])""",
        name,
    )
    cells = {tuple(map(int, at.split())): float(text) for at, text in found}
    values = np.full(np.max(list(cells), axis=0) + 1, np.nan)
    for at, value in cells.items():
        values[at] = value
    return values


def cell(page, name, *at):
    return page.locator(f'[data-name="{name}"][data-at="{" ".join(map(str, at))}"] >> input, button').first


def marked(page, name, mark):
    """Indices of the cells with a mark."""
    cells = page.locator(f'[data-name="{name}"].{mark}').all()
    return {tuple(map(int, found.get_attribute("data-at").split())) for found in cells}


def example(page, name):
    page.get_by_role("button", name=name).click()


def open_tab(page, name):
    page.locator(f"#tab-{name}").click()


def set_size(page, name, value):
    page.locator(f'[data-size="{name}"]').fill(str(value))


def pool_with(page, kind):
    open_tab(page, "pooling")
    page.locator("#pool-kind").select_option(kind)


def arithmetic(page):
    return page.locator("#arithmetic").inner_text()


def message(page):
    return page.locator("#message").inner_text()


# The engine against the layers


def random_net(rng, quarters):
    """A random net of the page, as JSON; its sizes may not fit."""
    c, two = rng.integers(1, 4), lambda most: rng.integers(1, most + 1, 2).tolist()
    most, step = int(rng.integers(1, 9)), 0.25 if quarters else 1.0

    def numbers(*shape):
        return (rng.integers(-most, most + 1, shape) * step).tolist()

    stride, dilation = (two(3), [1, 1]) if rng.random() < 0.5 else ([1, 1], two(3))
    paddings = ["valid", "same", rng.integers(0, 4, (2, 2)).tolist()]
    return {
        "x": numbers(*rng.integers(1, 9, 2), c),
        "k": numbers(*rng.integers(1, 5, 2), c),
        "b": numbers(1)[0],
        "stride": stride,
        "dilation": dilation,
        "padding": paddings[rng.integers(3)],
        "turn": bool(rng.random() < 0.3),
        "relu": bool(rng.random() < 0.4),
        "pool": {
            "kind": ["none", "max", "min", "average"][rng.integers(4)],
            **{"size": two(3), "stride": two(3), "padding": ["valid", "same"][rng.integers(2)]},
        },
    }


def layers_of(net):
    """The convolution and the pooling, or None, of a net."""
    k = np.array(net["k"])
    padding = net["padding"] if isinstance(net["padding"], str) else tuple(map(tuple, net["padding"]))
    activation = "relu" if net["relu"] else None
    settings = {"padding": padding, "dilation_rate": net["dilation"], "dtype": "float64", "activation": activation}
    conv = Conv2D(1, k.shape[:2], net["stride"], **settings)
    conv.build((1, *np.shape(net["x"])))
    conv.set_weights([(k[::-1, ::-1] if net["turn"] else k)[..., None], np.array([net["b"]])])
    pool = net["pool"]
    last = POOLS[pool["kind"]](pool["size"], pool["stride"], pool["padding"]) if pool["kind"] != "none" else None
    return conv, last


def expected(net, draw_dp):
    """What Python computes, or None where the sizes do not fit; fills in net["dP"]."""
    conv, last = layers_of(net)
    x = np.array(net["x"])[None]  # (1, H, W, C)
    try:
        shape = conv.compute_output_shape(x.shape)
        shape = shape if last is None else last.compute_output_shape(shape)
    except ValueError:
        return None
    r, cache = conv.forward(x)
    p, last_cache = (r, None) if last is None else last.forward(r)
    dp = draw_dp(p.shape)
    net["dP"] = dp[0, :, :, 0].tolist()
    dr = dp if last is None else last.backward(dp, last_cache)
    dx = conv.backward(dr, cache)
    dk = conv.grads["kernel"][..., 0]
    return {
        "y": cache[1][0, :, :, 0].tolist(),
        "p": p[0, :, :, 0].tolist(),
        "flat": p.ravel().tolist(),
        "columns": im2col(pad(x, conv.window), conv.window).tolist(),
        "dK": (dk[::-1, ::-1] if net["turn"] else dk).tolist(),
        "dX": dx[0].tolist(),
        "db": float(conv.grads["bias"][0]),
    }


ENGINE = """nets => nets.map((net) => {
    const run = forward(net);
    const { dK, dX, db } = backward(net, run, net.dP);
    const columns = im2col(net.x, run.window).map((row) => row.map((cell) => cell.value));
    return { y: run.y, p: run.p, flat: run.flat, columns, dK, dX, db };
})"""


def test_the_engine_agrees_exactly_with_the_layers_on_500_random_nets(page):
    rng = np.random.default_rng(500)
    nets, answers = [], []
    while len(nets) < 500:
        net = random_net(rng, quarters=bool(rng.integers(2)))
        # Shares of an average are exact where the gradient can be divided by the 36 that every count of cells divides.
        answer = expected(net, lambda shape: rng.integers(-8, 9, shape) * 9.0)
        if answer is not None:
            nets.append(net)
            answers.append(answer)
    kinds = {net["pool"]["kind"] for net in nets}
    assert kinds == {"none", "max", "min", "average"}
    found = page.evaluate(ENGINE, nets)
    for net, answer, one in zip(nets, answers, found, strict=True):
        assert one == answer, net


def test_shares_of_an_average_that_are_not_exact_are_added_in_the_same_order(page):
    rng = np.random.default_rng(3)
    for size, strides, padding in [((3, 3), (1, 1), "same"), ((3, 2), (1, 2), "valid"), ((2, 3), (1, 1), "same")]:
        layer = AveragePooling2D(size, strides, padding)
        r = rng.normal(size=(1, 7, 6, 1))
        p, cache = layer.forward(r)
        dp = rng.normal(size=p.shape)
        window = {"size": size, "stride": strides, "dilation": [1, 1], "padding": padding}
        arrays = [array[0, :, :, 0].tolist() for array in (r, dp)]
        found = page.evaluate("([r, dP, w]) => poolBackward(dP, r, 'average', w)", [*arrays, window])
        assert found == layer.backward(dp, cache)[0, :, :, 0].tolist()


def test_unused_rows_and_columns_are_those_no_window_touches(page):
    rng = np.random.default_rng(9)
    for _ in range(60):
        size, strides, dilation, lengths = (rng.integers(1, most, 2).tolist() for most in (4, 5, 3, 9))
        padding = ["valid", "same"][rng.integers(2)]
        window = Window(tuple(size), tuple(strides), padding, tuple(dilation))
        if 0 in window.output_size(*lengths):
            continue
        pixels = np.arange(1, np.prod(lengths) + 1).reshape(1, *lengths, 1)
        used = np.isin(pixels[0, :, :, 0], im2col(pad(pixels, window), window))
        mine = {"size": size, "stride": strides, "dilation": dilation, "padding": padding}
        found = page.evaluate("([w, lengths]) => [0, 1].map(axis => unusedLines(w, lengths, axis))", [mine, lengths])
        mask = [~np.isin(np.arange(n), lines) for n, lines in zip(lengths, found, strict=True)]
        assert np.array_equal(np.outer(*mask), used)


# Golden numbers of note 001, through the page


def paste(page, target, text):
    """Pastes into a field, as Ctrl+V would."""
    target.focus()
    page.evaluate(
        """text => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text", text);
            const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
            document.activeElement.dispatchEvent(event);
        }""",
        text,
    )


def show_image(page, name):
    if name == "B":
        paste(page, cell(page, "x", 0, 0, 0), str(note001.IMAGES["B"]))


@pytest.mark.parametrize("name", "AB")
def test_golden_maps_pools_and_gradients(page, name):
    show_image(page, name)
    assert np.array_equal(shown(page, "x")[..., 0], note001.IMAGES[name])
    assert np.array_equal(shown(page, "y"), note001.MAPS[name])
    open_tab(page, "backward")
    assert np.array_equal(shown(page, "dK")[..., 0], note001.DKERNEL[name])
    pool_with(page, "min")
    assert np.array_equal(shown(page, "p"), note001.MIN_POOLED[name])
    pool_with(page, "max")
    assert np.array_equal(shown(page, "p"), note001.MAX_POOLED[name])
    assert np.array_equal(shown(page, "flat")[0], np.ravel(note001.MAX_POOLED[name]))
    open_tab(page, "backward")
    assert np.array_equal(shown(page, "dK")[..., 0], note001.DKERNEL_MAX_POOLED[name])


def test_image_b_by_its_example_and_image_a_typed_over_it(page):
    example(page, "image B")
    assert np.array_equal(shown(page, "y"), note001.MAPS["B"])
    for (i, j), value in np.ndenumerate(note001.IMAGES["A"]):
        cell(page, "x", i, j, 0).fill(str(value))
    assert np.array_equal(shown(page, "y"), note001.MAPS["A"])


def test_sobel_and_the_switch_between_correlation_and_convolution(page):
    for (u, v), value in np.ndenumerate(note001.SOBEL):
        cell(page, "k", u, v, 0).fill(str(value))
    assert np.array_equal(shown(page, "y"), note001.SOBEL_MAP_A)
    open_tab(page, "backward")
    assert np.array_equal(shown(page, "dX")[..., 0], note001.SOBEL_DX)
    before = shown(page, "dK")
    page.get_by_label("Turn the kernel").check()
    assert np.array_equal(shown(page, "y"), -np.array(note001.SOBEL_MAP_A))
    assert np.array_equal(shown(page, "dK"), before[::-1, ::-1])
    assert "cannot tell" not in page.locator("#turn-note").inner_text()
    example(page, "Note 001, image A")
    page.get_by_label("Turn the kernel").check()
    assert np.array_equal(shown(page, "y"), note001.MAPS["A"])
    assert "cannot tell the two apart" in page.locator("#turn-note").inner_text()


def test_stride_2_with_padding_1_and_with_same_have_one_shape_and_other_numbers(page):
    set_size(page, "stride rows", 2)
    set_size(page, "stride columns", 2)
    page.locator("#padding").select_option("explicit")
    for side in ("top", "bottom", "left", "right"):
        set_size(page, f"padding {side}", 1)
    assert np.array_equal(shown(page, "y"), note001.STRIDE_2_PADDING_1)
    page.locator("#padding").select_option("same")
    assert np.array_equal(shown(page, "y"), note001.STRIDE_2_SAME)
    assert "0 of padding before and 1 after" in page.locator("#row-ruler figcaption").inner_text()
    assert page.locator('#channels [data-name="padding"]').count() == 7 * 7 - 6 * 6  # only below and on the right
    page.locator("#padding").select_option("explicit")
    assert np.array_equal(shown(page, "y"), note001.STRIDE_2_SAME)  # begins with the pads that are there
    page.locator("#padding").select_option("valid")
    assert marked(page, "x", "unused") == {(i, j, 0) for i in range(6) for j in range(6) if 5 in (i, j)}
    assert "No window touches row 5" in page.locator("#row-ruler figcaption").inner_text()
    assert "OH = floor((6 + 0 + 0 - 1 × (3 - 1) - 1) / 2) + 1 = 2" in page.locator("#formula").inner_text()


@pytest.mark.parametrize(("n", "padding", "size"), [(11, "valid", 5), (11, "same", 6), (7, "same", 4)])
def test_sizes_of_the_notes(page, n, padding, size):
    for name, value in (("image", n), ("kernel", 2), ("stride", 2)):
        set_size(page, f"{name} rows", value)
        set_size(page, f"{name} columns", value)
    page.locator("#padding").select_option(padding)
    assert shown(page, "y").shape == (size, size)
    assert f"= {size}" in page.locator("#formula").inner_text()


# One cell


def test_stepping_writes_out_the_cell_and_speaks_it(page):
    for _ in range(5):
        page.get_by_role("button", name="Next").click()
    assert "y[1, 1] = 1 + 1 + 1 = 3" in arithmetic(page)
    assert page.locator("#position").inner_text() == "y[1, 1]: 6 of 16"
    assert page.locator("#spoken").inner_text() == "y row 1, column 1: 3 = 1 plus 1 plus 1"
    assert marked(page, "x", "window") == {(i, j, 0) for i in (1, 2, 3) for j in (1, 2, 3)}
    assert marked(page, "y", "current") == {(1, 1)}
    page.get_by_role("button", name="Back").click()
    assert arithmetic(page).startswith("y[1, 0] = 1")
    page.get_by_role("button", name="First").click()
    page.get_by_role("button", name="Back").click()
    assert arithmetic(page).startswith("y[0, 0] = 1")
    page.get_by_role("button", name="Last").click()
    assert page.locator("#position").inner_text() == "y[3, 3]: 16 of 16"


def test_every_channel_and_the_bias_are_in_the_sum(page):
    example(page, "Three channels")
    assert "y[0, 0] = 2 + (-2) + 3 + 2 + (-1) + 0.5 = 4.5" in arithmetic(page)
    for c in range(3):
        assert f"channel {c}, row 0 of k" in arithmetic(page)
    assert "bias b\n0.5" in arithmetic(page)


def test_play_goes_on_by_itself_and_stops_at_the_end(visit):
    page = visit(reduced_motion="reduce")
    page.clock.install()
    page.clock.run_for(10_000)
    assert page.locator("#position").inner_text() == "y[0, 0]: 1 of 16"  # nothing moves unasked
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(3500)
    assert page.locator("#position").inner_text() == "y[0, 3]: 4 of 16"
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(3000)
    assert page.locator("#position").inner_text() == "y[0, 3]: 4 of 16"
    page.get_by_label("Pace").select_option("fast")
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(20_000)
    assert page.locator("#position").inner_text() == "y[3, 3]: 16 of 16"
    assert page.get_by_role("button", name="Play").is_visible()


def test_ties_are_marked_and_the_first_wins(page):
    pool_with(page, "max")
    page.get_by_role("button", name="Last").click()
    assert "p[1, 1] = max(0, 3, 3, 0) = 3" in arithmetic(page)
    assert "The first" not in arithmetic(page)
    assert "y[2, 3], the first in row-major order, wins" in arithmetic(page)
    assert marked(page, "r", "winner") == {(2, 3)}
    assert marked(page, "r", "tie") == {(3, 2)}
    page.locator("#pool-kind").select_option("average")
    assert "= (0 + 3 + 3 + 0) / 4 = 1.5" in arithmetic(page)
    page.locator("#relu").check()
    page.locator("#pool-kind").select_option("none")
    assert "= relu(0) = max(0, 0) = 0" in arithmetic(page)


def test_padding_of_a_pool_is_no_candidate(page):
    cell(page, "k", 1, 1, 0).fill("-9")
    pool_with(page, "max")
    set_size(page, "pool rows", 3)
    page.locator("#pool-padding").select_option("same")
    assert page.locator('#pool-input [data-name="padding"]').first.inner_text() == "-∞"
    page.get_by_role("button", name="Last").click()
    layer = MaxPooling2D((3, 2), (2, 2), "same")
    assert np.array_equal(shown(page, "p"), layer(shown(page, "y")[None, :, :, None])[0, :, :, 0])


def test_pointing_at_a_weight_lights_every_pixel_it_touches(page):
    page.locator('[data-name="k"][data-at="0 2 0"]').hover()
    square = {(i, j, 0) for i in range(4) for j in range(2, 6)}
    assert marked(page, "x", "touched") == square
    assert page.locator("#hint").inner_text() == "k[0, 2] touches 16 pixels of x, one for each cell of y."
    cell(page, "k", 2, 0, 0).focus()
    assert marked(page, "x", "touched") == {(i, j, 0) for i in range(2, 6) for j in range(4)}


def test_pointing_at_a_pixel_lights_every_cell_that_feels_it(page):
    cell(page, "x", 0, 1, 0).focus()
    assert marked(page, "y", "touched") == {(0, 0), (0, 1)}
    assert page.locator("#hint").inner_text() == "x[0, 1] is felt by 2 cells of y: y[0, 0] and y[0, 1]."


def test_im2col_is_linked_to_the_windows(page):
    open_tab(page, "im2col")
    assert "16 × 9 = 144 numbers from 36 pixels, 4 times as many" in page.locator("#im2col-note").inner_text()
    rows = page.locator("#im2col tbody tr")
    assert rows.count() == 17  # the kernel's line above
    page.locator('#im2col [data-name="y"][data-at="2 3"] button').click()
    assert marked(page, "y", "current") == {(2, 3)}
    assert marked(page, "x", "window") >= {(i, j, 0) for i in (2, 3, 4) for j in (3, 4, 5)}
    leave(page)
    cell(page, "x", 2, 2, 0).focus()
    assert page.locator("#im2col td.touched").count() == 9
    cell(page, "k", 0, 0, 0).focus()
    assert page.locator("#im2col td.touched").count() == 16


# Backward


def test_every_gradient_cell_by_cell(page):
    open_tab(page, "backward")
    cell(page, "dP", 0, 1).fill("3")
    assert shown(page, "dK")[0, 0, 0] == 6 + 2 * note001.IMAGES["A"][0, 1]
    cell(page, "dK", 1, 1, 0).click()
    assert arithmetic(page).startswith("dK[1, 1] = 1 + 3 + 1 + 1 + 1 + 1 + 1 = 9")
    assert marked(page, "k", "current") == {(1, 1, 0)}
    assert marked(page, "x", "window") == {(i, j, 0) for i in range(1, 5) for j in range(1, 5)}
    cell(page, "dX", 0, 3, 0).click()
    assert arithmetic(page).startswith("dX[0, 3] = 3 = 3") or arithmetic(page).startswith("dX[0, 3] = 3")
    assert marked(page, "dY", "window") | marked(page, "dP", "window") == {(0, 1), (0, 2), (0, 3)}
    cell(page, "db").click()
    assert arithmetic(page).startswith("db = 1 + 3 + 1")
    assert shown(page, "db") == 18


def test_a_nudge_keeps_the_promise(page):
    open_tab(page, "backward")
    cell(page, "dK", 2, 2, 0).click()
    page.get_by_role("button", name="Nudge").click()
    assert "First predict" in page.locator("#nudge-result").inner_text()
    page.get_by_label("Nudge it by").fill("0.25")
    page.get_by_label("your prediction").fill("1.75")
    page.keyboard.press("Enter")
    result = page.locator("#nudge-result").inner_text()
    assert "a change of 1.75. The gradient promised 7 × 0.25 = 1.75: promise kept." in result
    assert result.endswith("right.")
    assert page.locator("#nudge-plot svg polyline").count() == 2


def test_a_nudge_at_a_tie_shows_the_bend(page):
    pool_with(page, "max")
    open_tab(page, "backward")
    page.locator("#gradient-kind").select_option("dX")
    cell(page, "dX", 5, 2, 0).click()  # y[3, 2] ties with y[2, 3], which comes first and has the whole gradient
    assert arithmetic(page).startswith("dX[5, 2] = 0")
    page.get_by_label("Nudge it by").fill("1")
    page.get_by_label("your prediction").fill("0")
    page.get_by_role("button", name="Nudge").click()
    result = page.locator("#nudge-result").inner_text()
    assert "a change of 1. The gradient promised 0 × 1 = 0: not kept" in result
    page.get_by_label("Nudge it by").fill("-1")
    page.get_by_role("button", name="Nudge").click()
    assert "promise kept" in page.locator("#nudge-result").inner_text()


# Quiz


def ask(page, kind, *at):
    """Chooses the question by choosing a cell."""
    page.locator("#quiz-kind").select_option(kind)
    place = "#map" if kind == "y" else "#quiz-grids"
    page.locator(f'{place} [data-name="{kind}"][data-at="{" ".join(map(str, at))}"] button').click()


def answer(page, value):
    page.locator("#answer").fill(str(value))
    page.keyboard.press("Enter")
    return page.locator("#quiz-result").inner_text()


def test_the_quiz_hides_a_cell_and_names_the_slip(page):
    example(page, "Sobel")
    page.locator("#bias").fill("0.5")
    open_tab(page, "quiz")
    ask(page, "y", 0, 2)
    assert page.locator('[data-name="y"][data-at="0 2"]').inner_text() == "?"
    assert "3.5" not in page.locator("main").inner_text()
    assert answer(page, 3) == "Not 3. That is the number without the bias b."
    assert "turned by half a turn" in answer(page, -2.5)
    assert "one column to the left" in answer(page, 0.5)
    assert answer(page, 5.5) == "Not 5.5. It is off by 2, as if 1 × 2 at x[1, 2] had been counted twice."
    assert answer(page, "three") == "“three” is not a number. Write for example 3, -0.5 or 1/9."
    assert answer(page, 3.5) == "Right: 3.5."
    assert page.locator("#quiz-score").inner_text() == "1 right of 5."
    page.get_by_role("button", name="Show the products").click()
    assert "1 × 1" in arithmetic(page)
    assert "= ?" in arithmetic(page)


def test_the_quiz_asks_for_pools_and_gradients_too(page):
    pool_with(page, "max")
    open_tab(page, "quiz")
    ask(page, "p", 0, 1)
    assert answer(page, 0) == "Not 0. That is the smallest of the window; here it is max pooling."
    assert answer(page, 2) == "Right: 2."
    ask(page, "dK", 0, 2, 0)
    assert page.locator('#quiz-grids [data-name="dK"].hidden').count() == 1
    assert answer(page, 3) == "Right: 3."


def test_another_cell_asks_for_one(page):
    open_tab(page, "quiz")
    page.get_by_role("button", name="Another cell").click()
    assert page.locator("#map td.hidden").count() == 1


# The address, and Python

NETS = {
    "note 001": {},
    "all settings": {
        **{"x": np.arange(40).reshape(5, 4, 2) % 7 - 2, "k": np.arange(12).reshape(2, 3, 2) / 4 - 1, "bias": -0.75},
        **{"strides": (2, 1), "padding": ((1, 0), (0, 2)), "activation": "relu", "turned": True},
        **{"pool": "average", "pool_size": (2, 3), "pool_strides": (1, 2), "pool_padding": "same"},
    },
    "dilation": {"dilation_rate": (2, 1), "padding": "same", "pool": "min", "pool_size": 3, "pool_strides": 1},
    "a sole number": {"x": [[2]], "k": [[0.5]], "activation": "relu"},
}


def started(net, visit, tmp_path):
    path = tmp_path / "net.html"
    path.write_text(page_text(**net), encoding="utf-8")
    return visit(at=path.as_uri())


@pytest.mark.parametrize("name", NETS)
def test_the_python_program_gives_the_same_numbers(name, visit, tmp_path, float64, capsys):
    page = started(NETS[name], visit, tmp_path)
    open_tab(page, "backward")
    cell(page, "dP", 0, 0).fill("2.25")
    dk, dx, db = (shown(page, key) for key in ("dK", "dX", "db"))
    y = shown(page, "y")
    open_tab(page, "pooling")
    p = shown(page, "p")
    open_tab(page, "python")
    namespace = {}
    exec(page.locator("#python").text_content(), namespace)
    assert capsys.readouterr().out.startswith("y\n")
    near = {"rtol": 6e-4, "atol": 0}  # the page shows four digits
    np.testing.assert_allclose(y, namespace["y"][0, :, :, 0], **near)
    np.testing.assert_allclose(p, namespace["p"][0, :, :, 0], **near)
    np.testing.assert_allclose(dk, namespace["dK"], **near)
    np.testing.assert_allclose(dx, namespace["dX"], **near)
    np.testing.assert_allclose(db, namespace["conv"].grads["bias"][0], **near)


def test_copy_as_python_copies_the_program(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    open_tab(page, "python")
    page.get_by_role("button", name="Copy as Python").click()
    page.locator("#copied:has-text('Copied.')").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#python").text_content()


def test_where_copying_is_not_allowed_the_program_is_selected(page):
    page.evaluate("() => void (navigator.clipboard.writeText = () => Promise.reject(new Error()))")
    open_tab(page, "python")
    page.get_by_role("button", name="Copy as Python").click()
    page.locator("#copied:has-text('press Ctrl+C')").wait_for()
    assert "import numpy" in page.evaluate("getSelection().toString()")


def leave(page):
    """Points at nothing."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")


def hash_of(page):
    page.wait_for_timeout(300)
    return page.evaluate("location.hash")


@pytest.mark.parametrize("name", NETS)
def test_the_address_holds_everything(name, visit, tmp_path):
    page = started(NETS[name], visit, tmp_path)
    open_tab(page, "backward")
    cell(page, "dP", 0, 0).fill("-1.5")
    cell(page, "dX", 0, 0, 0).click()
    leave(page)
    other = visit(hash_of(page))
    assert other.evaluate("JSON.stringify(app.net)") == page.evaluate("JSON.stringify(app.net)")
    for part in ("stage", "arithmetic", "panel-backward"):
        assert other.locator(f"#{part}").inner_text() == page.locator(f"#{part}").inner_text()
    assert message(other) == ""


def test_another_address_is_followed(page, visit):
    page.evaluate("location.hash = '#b=2&tab=pooling&pool=max,2,2,2,2,valid&cell=p,3'")
    page.locator("#position:has-text('p[1, 1]')").wait_for()
    assert np.array_equal(shown(page, "p"), np.array(note001.MAX_POOLED["A"]) + 2)


WRONG_HASHES = [
    "#",
    "#nonsense",
    "#x=",
    "#x=1,2;3&k=1",
    "#x=a,b;c,d",
    "#x=1e309,0;0,1&k=1",
    "#stride=0,0",
    "#stride=-1,1e9",
    "#stride=2,2&dilation=2,2",
    "#padding=7,7,7,7",
    "#padding=1,1",
    "#pool=max,0,0,0,0,valid",
    "#pool=__proto__",
    "#x=1&k=1,1;1,1",
    "#tab=__proto__&cell=constructor,-5",
    "#cell=y,999999",
    "#b=NaN",
    "#%E0%A4%A",
    "#x=<img src=x onerror=alert(1)>",
    "#x=" + ",".join("1" * 500),
    "#dP=1,2,3;4",
    "#__proto__=1&x",
]


@pytest.mark.parametrize("way", ["opened", "followed"])
def test_a_wrong_address_leaves_a_working_page(way, page, address):
    for wrong in WRONG_HASHES:
        if way == "opened":
            page.goto("about:blank")
        page.goto(address + wrong)
        assert np.isfinite(shown(page, "y")).all(), wrong
        texts = page.evaluate(
            """TABS.map((tab) => {
                openTab(tab);
                return [find("arithmetic").innerText.trim(), find(`panel-${tab}`).innerText.trim()];
            })"""
        )
        assert np.all(texts), (wrong, texts)


def test_a_wrong_address_says_what_is_left_out(visit):
    page = visit("#stride=0,0&b=2")
    assert "The value for “stride” was not understood" in message(page)
    assert np.array_equal(shown(page, "y"), np.array(note001.MAPS["A"]) + 2)
    for wrong in ("#x=1&k=1,1;1,1", "#stride=2,2&dilation=2,2"):
        assert "do not fit together" in message(visit(wrong))


# Wrong input

WRONG_INPUT = {
    "": "The cell is empty.",
    "-": "“-” is not a number.",
    "abc": "“abc” is not a number.",
    "1e309": "1e309 is too large.",
    "-99999": "-99999 is too large.",
    "NaN": "“NaN” is not a number.",
    "1/0": "1/0 is too large.",
    "0/0": "0/0 is too large.",
    "0x10": "“0x10” is not a number.",
    "<img src=x onerror=alert(1)>": "“<img src=x onerror=a…” is not a number.",
    "1,5": "“1,5” is not a number. Write for example 3, -0.5 or 1/9.",
}


def test_what_is_no_number_is_told_and_the_last_number_stays(page):
    for text, said in WRONG_INPUT.items():
        for field in (cell(page, "x", 1, 1, 0), page.locator("#bias")):
            field.fill(text)
            assert message(page).startswith(said)
            assert field.get_attribute("aria-invalid") == "true"
            assert np.array_equal(shown(page, "y"), note001.MAPS["A"])
            page.locator("#turn").focus()
            assert field.get_attribute("aria-invalid") is None
            assert field.input_value() in ("1", "0")
    cell(page, "x", 1, 1, 0).fill("2")
    assert message(page) == ""


def test_numbers_may_be_fractions_and_have_signs(page):
    for text, value in {"1/4": 0.25, "-.5": -0.5, "+2": 2, "1e2": 100, "−3": -3, " 4 ": 4}.items():
        page.locator("#bias").fill(text)
        assert shown(page, "y")[0, 3] == value


def test_a_paste_that_is_no_table_changes_nothing(page):
    wrong = {"1 x 3": "“x” is not a number", "1 1e309": "1e309 is too large", "<b>1</b> 2": "is not a number"}
    for text, said in wrong.items():
        paste(page, cell(page, "x", 0, 0, 0), text)
        assert message(page).startswith("Nothing was pasted.")
        assert said in message(page)
        assert np.array_equal(shown(page, "x")[..., 0], note001.IMAGES["A"])


def test_a_paste_fills_from_its_cell_and_says_what_did_not_fit(page):
    paste(page, cell(page, "x", 4, 4, 0), "[[7, 8, 9],\n [1.5, -2, 0]]")
    assert shown(page, "x")[4:, 4:, 0].tolist() == [[7, 8], [1.5, -2]]
    assert message(page) == "2 numbers did not fit into the grid."


# Sizes


def test_a_size_outside_its_limits_is_told(page):
    wrong = {"stride rows": "0 -1 9", "kernel rows": "7", "image rows": "2", "channels": "1.5", "pool rows": "0"}
    for name, values in wrong.items():
        if name == "pool rows":
            pool_with(page, "max")
        for value in ["", *values.split()]:
            set_size(page, name, value)
            assert message(page).startswith(f"{name}: a whole number from ")
            assert np.array_equal(shown(page, "y"), note001.MAPS["A"])
            page.locator("#turn").focus()
            assert page.locator(f'[data-size="{name}"]').get_attribute("aria-invalid") is None


def test_no_order_of_settings_reaches_a_wrong_state(page):
    """Random settings within the limits that the controls give."""
    rng = np.random.default_rng(7)
    for _ in range(12):
        page.evaluate("tab => openTab(tab)", str(rng.choice(["sizes", "pooling"])))
        for field in page.locator("[data-size]:visible").all():
            least, most = (int(field.get_attribute(side)) for side in ("min", "max"))
            if rng.random() < 0.5:
                field.fill(str(rng.choice([least, most, rng.integers(least, most + 1)])))
        for name in ("padding", "pool-kind", "pool-padding"):
            options = page.locator(f"#{name}")
            if not options.is_visible():
                continue
            allowed = options.locator("option:not([disabled])").evaluate_all("all => all.map(o => o.value)")
            options.select_option(str(rng.choice(allowed)))
        assert not page.locator("[aria-invalid]").count()
        conv, last = layers_of(page.evaluate("app.net"))  # refuses what is wrong
        shape = conv.compute_output_shape((1, *shown(page, "x").shape))
        shape = shape if last is None else last.compute_output_shape(shape)
        assert page.evaluate("[scene.run.p.length, scene.run.p[0].length]") == list(shape[1:3])


# For everybody


def test_the_whole_page_by_keyboard(page):
    """Types a number, steps, turns to another tab, predicts and nudges, without a pointer."""
    keys = page.keyboard

    def tab_to(wanted):
        for _ in range(60):
            keys.press("Tab")
            if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
                return
        pytest.fail(f"the Tab key does not reach {wanted}")

    tab_to('[data-name="x"] input')
    keys.press("ArrowDown")
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    keys.type("5")
    assert shown(page, "x")[1, 2, 0] == 5
    tab_to('[data-name="k"] input')  # the image is one stop
    tab_to('[data-name="y"] button')
    keys.press("ArrowRight")
    keys.press("ArrowDown")
    assert arithmetic(page).startswith("y[1, 1]")
    keys.press("End")
    assert arithmetic(page).startswith("y[1, 3]")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("y row 1, column 3")
    tab_to("#next")
    keys.press("Enter")
    keys.press("ArrowRight")
    assert arithmetic(page).startswith("y[2, 1]")
    tab_to("#slider")
    keys.press("Home")
    assert arithmetic(page).startswith("y[0, 0]")
    tab_to("#tab-sizes")
    for _ in range(3):
        keys.press("ArrowRight")
    assert page.locator("#panel-backward").is_visible()
    tab_to('[data-name="dK"] button')
    keys.press("ArrowDown")
    keys.press("Enter")
    assert arithmetic(page).startswith("dK[1, 0]")
    tab_to("#epsilon")
    assert arithmetic(page).startswith("dK[1, 0]")  # passing dX leaves the choice alone
    keys.type("1")
    keys.press("Tab")
    keys.type("6")
    keys.press("Enter")
    assert "promise kept" in page.locator("#nudge-result").inner_text()


def test_arrow_keys_step_where_nothing_has_the_focus(page):
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#position").inner_text() == "y[0, 1]: 2 of 16"


def test_the_caret_moves_through_a_number_before_it_leaves_the_cell(page):
    field = cell(page, "x", 0, 1, 0)
    field.fill("12")
    field.press("ArrowLeft")
    field.press("ArrowLeft")
    field.press("3")
    assert shown(page, "x")[0, 1, 0] == 312
    field.press("Home")
    field.press("ArrowLeft")
    assert page.evaluate("document.activeElement.closest('td').dataset.at") == "0 0 0"


def largest(page):
    for name, value in {
        "image rows": 12,
        "image columns": 12,
        "kernel rows": 5,
        "kernel columns": 5,
        "channels": 3,
    }.items():
        set_size(page, name, value)
    page.locator("#padding").select_option("same")
    cell(page, "x", 0, 0, 0).fill("-999.125")


@pytest.mark.parametrize("width", [320, 640])
@pytest.mark.parametrize("load", ["small", "large"])
def test_a_narrow_page_does_not_scroll_sideways(visit, width, load):
    page = visit(viewport={"width": width, "height": 640})
    if load == "large":
        largest(page)
    for tab in TABS:
        open_tab(page, tab)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
        lost = page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, p, h2, h3")].filter((one) => {
                const box = one.getBoundingClientRect();
                const outside = box.width && (box.right > innerWidth + 1 || box.left < -1) && box.width > 1;
                return outside && !one.closest(".scroll, .stage, #map, #flat");
            }).map((one) => one.id || one.textContent)"""
        )
        assert lost == [], tab


def test_targets_are_large_enough(visit):
    page = visit(viewport={"width": 320, "height": 640}, has_touch=True)
    for tab in TABS:
        open_tab(page, tab)
        small = page.evaluate(
            """() => [...document.querySelectorAll("button, input:not([type=checkbox]), select")]
                .filter((one) => one.checkVisibility()).map((one) => one.closest("td") ?? one)
                .filter((one) => one.getBoundingClientRect().height < 24 || one.getBoundingClientRect().width < 24)
                .map((one) => one.outerHTML)"""
        )
        assert small == [], tab


def violations(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [(one["id"], one["impact"], [node["html"] for node in one["nodes"]][:3]) for one in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit, scheme):
    page = visit(color_scheme=scheme, bypass_csp=True)  # axe is a script of its own, which the policy would refuse
    example(page, "Three channels" if scheme == "light" else "Sobel")
    for tab in TABS:
        open_tab(page, tab)
        page.get_by_role("button", name="Next").click()
        if tab == "backward":
            page.get_by_label("your prediction").fill("1")
            page.get_by_role("button", name="Nudge").click()
        assert violations(page) == [], tab


def test_forced_colours_keep_the_marks(visit):
    page = visit(forced_colors="active")
    style = page.locator('[data-name="x"][data-at="0 0 0"]').evaluate("cell => getComputedStyle(cell).outlineStyle")
    assert style == "solid"


def test_the_policy_keeps_the_network_out(browser, address):
    tab = browser.new_page()
    tab.goto(address)
    assert tab.evaluate("fetch('https://example.invalid/').then(() => 'open', (error) => error.name)") == "TypeError"
    blocked = tab.evaluate(
        """() => new Promise((answer) => {
            document.addEventListener("securitypolicyviolation", (event) => answer(event.effectiveDirective));
            document.body.append(Object.assign(new Image(), { src: "https://example.invalid/x.png" }));
        })"""
    )
    assert blocked == "img-src"
    tab.close()


def test_inside_a_notebook_frame_the_page_works_too(visit, browser, tmp_path):
    path = tmp_path / "notebook.html"
    frame = page_text().replace("&", "&amp;").replace('"', "&quot;")
    path.write_text(
        f'<iframe srcdoc="{frame}" sandbox="allow-scripts" width="900" height="700"></iframe>', encoding="utf-8"
    )
    tab = browser.new_page()
    tab.goto(path.as_uri())
    inside = tab.frame_locator("iframe")
    inside.get_by_role("button", name="Next").click()
    assert inside.locator("#position").inner_text() == "y[0, 1]: 2 of 16"
    tab.wait_for_timeout(300)
    inside.get_by_role("button", name="Next").click()
    assert inside.locator("#position").inner_text() == "y[0, 2]: 3 of 16"
    tab.close()
