"""The printed summary: totals of the course notes' networks, the table's form, and the formulas."""

import io
import re
import tracemalloc

import numpy as np
import pytest
from oracle import load_keras
from tiny_networks import branched, compiled, images, labels, two_headed

from tinyconv import Input, Model, Sequential, config
from tinyconv.layers import (
    Add,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    MaxPool2D,
    MinPooling2D,
    Rescaling,
    Reshape,
    ZeroPadding2D,
)
from tinyconv.models.formulas import layer_formulas, multiply_adds, product
from tinyconv.models.summary import print_summary, size_text
from tinyconv.optimizers import SGD, Adam
from tinyconv.optimizers.schedules import ExponentialDecay

# The networks, as the notes write them


def note000():
    hidden = [Conv2D(64, (3, 3), activation="relu"), MaxPool2D((2, 2)), Conv2D(128, (3, 3), activation="relu")]
    first = [Conv2D(32, (3, 3), activation="relu", input_shape=(100, 100, 3)), MaxPool2D((2, 2))]
    return Sequential([*first, *hidden, MaxPool2D((2, 2)), Flatten(), Dense(512), Dense(5, activation="softmax")])


def note001():
    input_ = Input(shape=(299, 299, 3))
    x = Conv2D(filters=32, kernel_size=5, padding="same", activation="relu")(input_)
    x = MaxPool2D(pool_size=2)(x)
    x = Conv2D(filters=64, kernel_size=3, padding="same", activation="relu")(x)
    x = MaxPool2D(pool_size=2)(x)
    x = Flatten()(x)
    x = Dense(units=1000, activation="relu")(x)
    x = Dense(units=100, activation="relu")(x)
    return Model(inputs=[input_], outputs=[Dense(units=5, activation="softmax")(x)])


def note002():
    model = Sequential([Rescaling(1.0 / 255, input_shape=(100, 100, 3))])
    for filters in (16, 32, 64):
        model.add(Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(MaxPool2D())
    for layer in (Flatten(), Dense(128, activation="relu"), Dense(10)):
        model.add(layer)
    return model


def note003():
    model = Sequential([Input((28, 28, 1))])
    for filters, dropout in ((75, []), (50, [Dropout(0.2)]), (25, [])):
        model.add(Conv2D(filters, (3, 3), strides=1, padding="same", activation="relu"))
        for layer in (*dropout, BatchNormalization(), MaxPool2D((2, 2), strides=2, padding="same")):
            model.add(layer)
    for layer in (Flatten(), Dense(units=512, activation="relu"), Dropout(0.3), Dense(units=24, activation="softmax")):
        model.add(layer)
    return model


def note003_three(**options):
    convolutions = [Conv2D(32, kernel_size=(3, 3), activation="relu", **options) for _ in range(3)]
    return Sequential([Input((28, 28, 1)), *convolutions, Flatten(), Dense(128), Dense(10, activation="softmax")])


def note003_pooled():
    pooled = [layer for _ in range(2) for layer in (Conv2D(32, (3, 3)), MaxPool2D((2, 2), strides=2))]
    return Sequential([Input((28, 28, 1)), *pooled, Flatten(), Dense(128), Dense(10, activation="softmax")])


def note004():
    return Sequential(
        [
            Conv2D(32, (3, 3), input_shape=(28, 28, 1), activation="relu"),
            MaxPool2D(pool_size=(2, 2)),
            Conv2D(64, (3, 3), activation="relu"),
            MaxPool2D(pool_size=(2, 2), padding="same"),
            Flatten(),
            Dense(64, activation="relu"),
            Dense(10, activation="softmax"),
        ]
    )


NETWORKS = {  # total, trainable, non-trainable
    "000": (note000, "6,649,925 (25.37 MB)", "6,649,925 (25.37 MB)", "0 (0.00 B)"),
    "001": (note001, "350,586,533 (1.31 GB)", "350,586,533 (1.31 GB)", "0 (0.00 B)"),
    "002": (note002, "1,204,650 (4.60 MB)", "1,204,650 (4.60 MB)", "0 (0.00 B)"),
    "003": (note003, "264,049 (1.01 MB)", "263,749 (1.01 MB)", "300 (1.17 KB)"),
    "003-valid": (note003_three, "2,002,698 (7.64 MB)", "2,002,698 (7.64 MB)", "0 (0.00 B)"),
    "003-same": (lambda: note003_three(padding="same"), "3,231,498 (12.33 MB)", "3,231,498 (12.33 MB)", "0 (0.00 B)"),
    "003-strides": (
        *(lambda: note003_three(padding="same", strides=(2, 2)), "85,770 (335.04 KB)", "85,770 (335.04 KB)"),
        "0 (0.00 B)",
    ),
    "003-pooled": (note003_pooled, "113,386 (442.91 KB)", "113,386 (442.91 KB)", "0 (0.00 B)"),
    "004": (note004, "166,986 (652.29 KB)", "166,986 (652.29 KB)", "0 (0.00 B)"),
}


def printed(model, **options):
    """The lines of the summary."""
    lines = []
    model.summary(print_fn=lines.append, **options)
    return lines


def row(lines, name):
    """The cells of the line that begins with a name."""
    line = next(line for line in lines if re.match(rf"│ {re.escape(name)}\b", line))
    return [cell.strip() for cell in line.strip("│").split("│")]


@pytest.mark.parametrize(("make", "total", "trainable", "kept"), NETWORKS.values(), ids=NETWORKS)
def test_totals_of_the_notes(make, total, trainable, kept):
    expected = [f" Total params: {total}", f" Trainable params: {trainable}", f" Non-trainable params: {kept}"]
    assert printed(make())[-3:] == expected


GOLDEN = """\
Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┓
┃ Layer (type)                   ┃ Output Shape       ┃ Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━┩
│ conv2d (Conv2D)                │ (None, 26, 26, 32) │     320 │
├────────────────────────────────┼────────────────────┼─────────┤
│ max_pooling2d (MaxPooling2D)   │ (None, 13, 13, 32) │       0 │
├────────────────────────────────┼────────────────────┼─────────┤
│ conv2d_1 (Conv2D)              │ (None, 11, 11, 64) │  18,496 │
├────────────────────────────────┼────────────────────┼─────────┤
│ max_pooling2d_1 (MaxPooling2D) │ (None, 6, 6, 64)   │       0 │
├────────────────────────────────┼────────────────────┼─────────┤
│ flatten (Flatten)              │ (None, 2304)       │       0 │
├────────────────────────────────┼────────────────────┼─────────┤
│ dense (Dense)                  │ (None, 64)         │ 147,520 │
├────────────────────────────────┼────────────────────┼─────────┤
│ dense_1 (Dense)                │ (None, 10)         │     650 │
└────────────────────────────────┴────────────────────┴─────────┘
 Total params: 166,986 (652.29 KB)
 Trainable params: 166,986 (652.29 KB)
 Non-trainable params: 0 (0.00 B)
"""


def test_table_of_note_004(capsys):
    note004().summary()
    assert capsys.readouterr().out == GOLDEN


def test_summary_returns_none(capsys):
    assert note004().summary() is None


def test_largest_network_is_summarised_without_being_built():
    tracemalloc.start()
    lines = printed(note001(), formulas=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert " Total params: 350,586,533 (1.31 GB)" in lines
    assert peak < 200e6


def test_nothing_is_built():
    model = note004()
    printed(model, formulas=True)
    assert not any(layer.built for layer in model.layers)


def test_long_names_are_not_cut_off():
    name = "a_name_of_a_layer_that_goes_on_and_on_and_on_and_on_and_on"
    lines = printed(Sequential([Input((4,)), Dense(3, name=name)]))
    assert row(lines, name)[0] == f"{name} (Dense)"


@pytest.mark.parametrize("width", [70, 100, 133])
def test_line_length_is_the_least_width_of_the_table(width):
    assert {len(line) for line in printed(note004(), line_length=width) if line[0] in "┏┃┡│├└"} == {width}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0.00 B"), (1023, "1023.00 B"), (1024, "1.00 KB"), (2_002_698 * 4, "7.64 MB"), (3_231_498 * 4, "12.33 MB"),
        (85_770 * 4, "335.04 KB"), (113_386 * 4, "442.91 KB"), (2**40, "1.00 TB"), (2**50, "1.00 PB"),
        (2**61, "2048.00 PB"),
    ],
)  # fmt: skip
def test_size_text(size, text):
    assert size_text(size) == text


def test_a_network_without_an_input_shape_says_what_is_missing():
    with pytest.raises(ValueError, match="expected a known input shape"):
        Sequential([Dense(3)]).summary()


def test_half_sized_numbers_take_half_the_room(float64):
    assert printed(Sequential([Input((4,)), Dense(3)]))[-3] == " Total params: 15 (120.00 B)"


# Graphs


def test_branches_show_where_their_inputs_come_from():
    lines = printed(branched())
    assert "Connected to" in lines[2]
    assert row(lines, "add")[3] == "conv2d[0][0], conv2d_1[0][0]"
    assert row(lines, "input_layer")[3] == "-"


def test_a_shared_layer_shows_both_calls():
    x, shared = Input((4,)), Dense(4, name="shared")
    y = shared(x)
    lines = printed(Model(x, Add(name="sum")([shared(y), y])))
    assert row(lines, "shared")[2:] == ["20", "input_layer[0][0], shared[0][0]"]
    assert row(lines, "sum")[3] == "shared[1][0], shared[0][0]"


def test_a_line_of_layers_needs_no_connections():
    assert "Connected to" not in printed(note001())[2]


def test_several_inputs_are_no_line():
    assert "Connected to" in printed(two_headed())[2]


def nested():
    inner = Sequential([Input((5, 4, 2)), Conv2D(3, 3, name="deep"), Flatten(name="flat")], name="inner")
    inner.get_layer("deep").trainable = False
    return Sequential([Input((5, 4, 2)), inner, Dense(3, name="last")])


def test_models_inside_are_one_line_unless_expanded():
    assert row(printed(nested()), "inner") == ["inner (Sequential)", "(None, 18)", "57"]
    assert not any("deep" in line for line in printed(nested()))


def test_models_inside_can_be_expanded():
    assert any(line.startswith("│    └ deep (Conv2D)") for line in printed(nested(), expand_nested=True))


def test_trainable_column():
    lines = printed(nested(), expand_nested=True, show_trainable=True)
    assert row(lines, "   └ deep")[-1] == "N"
    assert row(lines, "   └ flat")[-1] == "-"
    assert row(lines, "last")[-1] == "Y"


def test_frozen_layers_count_as_non_trainable():
    lines = printed(nested())
    assert lines[-2:] == [" Trainable params: 57 (228.00 B)", " Non-trainable params: 57 (228.00 B)"]


def test_a_layer_with_several_outputs_shows_all_shapes():
    x = Input((4,))
    inner = Model(x, [Dense(3)(x), Dense(2)(x)], name="inner")
    y = Input((4,))
    assert row(printed(Model(y, inner(y))), "inner")[1] == "[(None, 3), (None, 2)]"


# After training


@pytest.mark.parametrize(
    ("optimizer", "slots", "singles"),
    [(Adam(), 2, 2), (SGD(), 0, 2), (SGD(momentum=0.9), 1, 2), (Adam(ExponentialDecay(0.1, 9, 0.5)), 2, 1)],
)
def test_what_the_optimizer_remembers_is_counted_once_there_is_any(optimizer, slots, singles):
    model = compiled(optimizer=optimizer)
    count = model.count_params()
    numbers = slots * count + singles
    assert not any("Optimizer" in line for line in printed(model))
    model.fit(images(), labels(), verbose=0)
    assert printed(model)[-1] == f" Optimizer params: {numbers:,} ({size_text(numbers * 4)})"
    assert printed(model)[-4].startswith(f" Total params: {numbers + count:,} ")


# Formulas


def formula_row(lines, name):
    """The cells of a layer's line in the second table: parameters, multiply-adds, columns, output, receptive field."""
    return row(lines[lines.index("For one image, forward:") :], name)[1:]


NOTE_004 = {
    "conv2d": ["3·3·1·32 + 32 = 320", "194,688", "23.77 KB", "84.50 KB", "3x3, jump 1"],
    "max_pooling2d": ["0", "0", "0", "21.12 KB", "4x4, jump 2"],
    "conv2d_1": ["3·3·32·64 + 64 = 18,496", "2,230,272", "136.12 KB", "30.25 KB", "8x8, jump 2"],
    "max_pooling2d_1": ["0", "0", "0", "9.00 KB", "10x10, jump 4"],
    "flatten": ["0", "0", "0", "9.00 KB", "whole image"],
    "dense": ["2304·64 + 64 = 147,520", "147,456", "0", "256.00 B", "whole image"],
}


@pytest.mark.parametrize("name", NOTE_004)
def test_formulas_of_note_004(name):
    assert formula_row(printed(note004(), formulas=True), name) == NOTE_004[name]


def test_multiply_adds_are_added_up():
    assert f" Multiply-adds: {194_688 + 2_230_272 + 147_456 + 640:,}" in printed(note004(), formulas=True)


def test_training_memory_of_note_001_and_its_warning():
    lines = printed(note001(), formulas=True)
    assert " Training needs about 5.22 GB: parameters 1.31 GB, gradients 1.31 GB, two Adam slots 2.61 GB." in lines
    assert any(line.startswith(" WARNING: ") and "in 'dense'" in line for line in lines)


def test_training_memory_follows_the_optimizer():
    model = note004()
    model.compile(SGD(momentum=0.9), "categorical_crossentropy")
    lines = printed(model, formulas=True)
    assert any("about 1.91 MB" in line and "one SGD slot 652.29 KB" in line for line in lines)
    assert not any("WARNING" in line for line in lines)


def test_parameters_of_batch_normalization_include_its_state():
    layer = BatchNormalization()
    layer(Input((7,)))
    assert product(layer) == "7 + 7 + 7 + 7 = 28"


@pytest.mark.parametrize(
    ("layer", "shape", "count"),
    [
        (Conv2D(5, (3, 2)), (7, 6, 4), 5 * 5 * 3 * 2 * 4 * 5),
        (Conv2D(6, (3, 2), groups=2), (7, 6, 4), 5 * 5 * 3 * 2 * 2 * 6),
        (DepthwiseConv2D((3, 2), depth_multiplier=5), (7, 6, 4), 5 * 5 * 3 * 2 * 4 * 5),
        (Dense(5), (7, 6, 4), 7 * 6 * 4 * 5),
        (Dense(5), (4,), 4 * 5),
        (MaxPool2D(), (7, 6, 4), 0),
    ],
)
def test_multiply_adds(layer, shape, count):
    y = layer(Input(shape))
    assert multiply_adds(layer, y.shape) == count


def test_multiply_adds_count_every_term_of_a_convolution():
    layer = Conv2D(4, (2, 3), strides=(2, 1), groups=2, use_bias=False, kernel_initializer="ones")
    y = layer(np.ones((1, 7, 6, 2)))  # of ones, every product adds 1
    assert multiply_adds(layer, y.shape) == y.sum()


def test_columns_are_those_of_im2col():
    from tinyconv.layers.im2col import im2col

    x, layer = np.ones((1, 7, 6, 4), np.float32), Conv2D(5, (3, 2))
    model = Sequential([Input((7, 6, 4)), layer])
    assert layer_formulas(model)[layer].columns == im2col(x, layer.window).nbytes


@pytest.mark.parametrize(("budget", "columns"), [(4_000, 4_000), (1, 5 * 3 * 2 * 4 * 4)])
def test_columns_stay_within_the_budget_but_for_one_row(budget, columns):
    before = config.columns_budget()
    config.set_columns_budget(budget)
    layer = Conv2D(5, (3, 2))
    found = layer_formulas(Sequential([Input((9, 6, 4)), layer]))[layer].columns
    config.set_columns_budget(before)
    assert found == min(columns, 7 * 5 * 3 * 2 * 4 * 4)


def affected(model, height, width):
    """Rows and columns of the input that the middle number of the output depends on, found by changing each pixel."""
    x = np.random.default_rng(0).random((1, height, width, 1))
    y = model.predict(x, verbose=0)
    middle = (0, y.shape[1] // 2, y.shape[2] // 2)
    seen = np.zeros((height, width), bool)
    for i in range(height):
        for j in range(width):
            changed = x.copy()
            changed[0, i, j] += 1000
            seen[i, j] = (model.predict(changed, verbose=0)[middle] != y[middle]).any()
    return seen.any(axis=1).sum(), seen.any(axis=0).sum()


FIELDS = {
    "one": ([Conv2D(1, (3, 2))], "3x2, jump 1"),
    "two": ([Conv2D(1, (3, 2)), Conv2D(1, 3)], "5x4, jump 1"),
    "strides": ([Conv2D(1, 3, strides=(2, 1)), Conv2D(1, (2, 3))], "5x5, jump 2x1"),
    "dilation": ([Conv2D(1, 3, dilation_rate=(2, 1)), Conv2D(1, 2)], "6x4, jump 1"),
    "pooling": ([AveragePooling2D((2, 3)), Conv2D(1, 2)], "4x6, jump 2x3"),
    "padding": ([ZeroPadding2D(1), Conv2D(1, 3, padding="same", activation="tanh"), Conv2D(1, 2)], "4x4, jump 1"),
}


@pytest.mark.parametrize("name", FIELDS)
def test_receptive_fields_are_what_a_changed_pixel_reaches(name, float64):
    layers, text = FIELDS[name]
    for layer in layers:
        layer.dtype = "float64"
    model = Sequential([Input((13, 14, 1)), *layers])
    field = layer_formulas(model)[layers[-1]].field
    assert str(field) == text
    assert field.size == affected(model, 13, 14)


def test_where_branches_meet_the_widest_field_counts():
    x = Input((9, 9, 2))
    both = Add(name="both")([Conv2D(2, 5, padding="same")(x), Conv2D(2, 3, padding="same")(x)])
    assert formula_row(printed(Model(x, Conv2D(2, 2, name="last")(both)), formulas=True), "last")[-1] == "6x6, jump 1"


def test_fields_go_through_models_inside():
    inner = Sequential([Input((9, 9, 2)), Conv2D(3, 3, name="deep")], name="inner")
    lines = printed(Sequential([Input((9, 9, 2)), Conv2D(2, 1), inner, MinPooling2D(name="last")]), formulas=True)
    assert formula_row(lines, "inner")[-1] == formula_row(lines, "deep")[-1] == "3x3, jump 1"
    assert formula_row(lines, "last")[-1] == "4x4, jump 2"


@pytest.mark.parametrize("layer", [GlobalAveragePooling2D(keepdims=True), Reshape((8, 4, 3)), Flatten()])
def test_what_rearranges_an_image_sees_all_of_it(layer):
    model = Sequential([Input((6, 8, 2)), layer])
    assert str(layer_formulas(model)[layer].field) == "whole image"


def test_vectors_have_no_receptive_field():
    assert formula_row(printed(Sequential([Input((4,)), Dense(3, name="d")]), formulas=True), "d")[-1] == "-"


def test_unknown_sizes_leave_their_formulas_open():
    lines = printed(Sequential([Input((None, None, 2)), Conv2D(3, 3, name="c")]), formulas=True)
    assert formula_row(lines, "c") == ["3·3·2·3 + 3 = 57", "?", "?", "?", "3x3, jump 1"]


def test_a_terminal_without_box_letters_gets_plain_ones(monkeypatch):
    buffer = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(buffer, encoding="ascii", write_through=True))
    print_summary(note004(), formulas=True)
    text = buffer.getvalue().decode("ascii")
    assert "| conv2d (Conv2D)                | (None, 26, 26, 32) |     320 |" in text
    assert "3*3*1*32 + 32 = 320" in text


# Real Keras


@pytest.mark.oracle
def test_words_and_numbers_are_those_of_keras(monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")  # or Keras cuts names off
    keras = load_keras()
    keras.backend.clear_session()
    layers = keras.layers
    theirs = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    ours = Sequential([Input((28, 28, 1)), Conv2D(32, 3), BatchNormalization(), MaxPool2D(), Flatten(), Dense(10)])
    text = []
    theirs.summary(print_fn=text.append, line_length=200)
    assert words("\n".join(text)) == words("\n".join(printed(ours)))


def words(table):
    """A table's text without its drawing."""
    return re.sub(r"[^\w().,:#\"%-]+", " ", table).split()
