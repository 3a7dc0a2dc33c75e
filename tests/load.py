"""Load: many threads, ten thousand trainings, a hundred thousand files, a table of two gigabytes, very deep networks.

    python -m tests.load [--only NAME ...] [--quick] [--json PATH] [--picture PATH]

Each run has a process of its own, so that one run's memory is not another's, and notes the memory it uses as time
goes by; ``--picture`` draws that. What is written goes to a temporary folder, which needs 3 GB and is removed.

    threads    8 threads predict on one model at once, also on one that has no weights yet
    beside     a training, while other threads predict on copies of its model
    fits       10,000 trainings in one process: no growth in memory, open files or threads
    folder     a folder of 100,000 images: found, divided, walked twice, trained on
    table      a CSV file of 2 GB: read whole into little more than its result, and piece by piece
    deep       networks of 200 and of 2,000 layers: everything that a network can do
"""

import argparse
import contextlib
import copy
import gc
import io
import json
import os
import pickle
import statistics
import sys
import tempfile
import threading
import time
import traceback
import warnings
import weakref
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from PIL import Image

from tinyconv import Input, Model, Sequential, callbacks, config, layers, optimizers
from tinyconv.datasets import sign_mnist
from tinyconv.doctor import TrainingWarning
from tinyconv.models import clone_model, load_model
from tinyconv.preprocessing import image_dataset_from_directory, split_folders
from tinyconv.preprocessing.image import ImageDataGenerator

ENGINES = ("numpy", "numba")
MB = 1e6


class Sample(NamedTuple):
    """What a process holds at a moment."""

    seconds: float
    memory: float
    handles: int
    threads: int


class Watch:
    """Looks at this process a few times a second, and collects what a run has to say.

    Linux tells how much memory a process holds, in MB, how many files it has open and how many threads; where there is
    no ``/proc``, these are 0.

    Attributes:
        samples: what was seen.
        figures: numbers of the run by name.
        faults: what was not as it ought to be.
    """

    own = Path("/proc/self")

    def __init__(self, interval=0.25):
        self.samples, self.figures, self.faults = [], {}, []
        self._interval, self._began, self._over = interval, time.perf_counter(), threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._look_on, name="watch")
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def look(self):
        """A sample of this moment."""
        seconds = time.perf_counter() - self._began
        if not self.own.exists():
            return Sample(seconds, 0.0, 0, 0)
        pages = int((self.own / "statm").read_text().split()[1])
        handles, threads = (len(os.listdir(self.own / name)) for name in ("fd", "task"))
        return Sample(seconds, pages * os.sysconf("SC_PAGE_SIZE") / MB, handles, threads)

    @contextlib.contextmanager
    def part(self, name, memory=None):
        """Time a part of the run; a fault if it takes more memory at its height, in MB, than there was at its start."""
        gc.collect()
        before, first = self.look(), len(self.samples)
        yield
        after = self.look()
        highest = max(sample.memory for sample in [*self.samples[first:], after])
        self.figures[f"{name}: seconds"] = round(after.seconds - before.seconds, 1)
        self.figures[f"{name}: MB more at its height"] = round(highest - before.memory)
        if memory is not None:
            text = f"{name}: {highest - before.memory:.0f} MB more than before, {memory:.0f} allowed"
            self.expect(highest - before.memory <= memory, text)

    def expect(self, holds, otherwise):
        """A fault unless something holds."""
        if not holds:
            self.faults.append(otherwise)

    def same(self, found, wanted, what):
        """A fault unless two lists hold the same arrays, bit for bit."""
        equal = len(found) == len(wanted) and all(map(np.array_equal, found, wanted))
        self.expect(equal, f"{what}: not the same")

    def _look_on(self):
        while not self._over.wait(self._interval):
            self.samples.append(self.look())


def small(*head, classes=3):
    """A convolutional network with something of everything."""
    hidden = [layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(), layers.MaxPooling2D()]
    last = [layers.Flatten(), layers.Dropout(0.2), layers.Dense(classes, activation="softmax")]
    return Sequential([*head, *hidden, *last])


def compiled(model, optimizer="adam"):
    """The model, ready to train."""
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train_a_little():
    """So that the engine is there, and its memory is not counted as that of what comes next."""
    compiled(small(Input((6, 7, 3)))).fit(np.random.default_rng(0).random((4, 6, 7, 3)), np.arange(4) % 3, verbose=0)


def at_once(functions):
    """Call each function in a thread of its own, all at the same moment; what they return, or the errors."""
    barrier, results = threading.Barrier(len(functions)), [None] * len(functions)

    def call(i):
        barrier.wait()
        try:
            results[i] = functions[i]()
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@contextlib.contextmanager
def hasty_threads():
    """Python changes from one thread to another a thousand times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 1000)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


# The runs


def threads(watch, folder, callers=8, rounds=500, anew=100):
    """Several threads predict on one model: each gets what it gets alone."""
    rng = np.random.default_rng(0)
    inputs = [rng.random((3 + i, 12, 11, 2), dtype=np.float32) for i in range(callers)]

    def together(model, times):
        return at_once([lambda x=x: [model.predict(x, 4, verbose=0) for _ in range(times)] for x in inputs])

    def compare(model, found, what):
        for x, outputs in zip(inputs, found, strict=True):
            if isinstance(outputs, Exception):
                watch.expect(False, f"{what}: {outputs!r}")
            else:
                watch.same(outputs, [model.predict(x, 4, verbose=0)] * len(outputs), what)

    for name in ENGINES:
        with config.engine(name), hasty_threads():
            with watch.part(f"{name}: {callers} threads, {rounds} times"):
                for model in (small(Input((12, 11, 2))), compiled(small(Input((12, 11, 2))))):
                    model.predict(inputs[0], verbose=0)
                    compare(model, together(model, rounds // 2), name)
            with watch.part(f"{name}: {anew} models without weights"):
                for i in range(anew):
                    model = small(*[Input((12, 11, 2))][: i % 2])
                    compare(model, together(model, 2), f"{name}, no weights yet")


def beside(watch, folder, samples=2000, epochs=10):
    """A training, while threads predict on copies of the model: both as if they were alone."""
    rng = np.random.default_rng(0)
    x, y = rng.random((samples, 12, 11, 2), dtype=np.float32), rng.integers(0, 3, samples)

    def train(model):
        config.set_random_seed(5)
        history = model.fit(x, y, epochs=epochs, verbose=0, validation_split=0.2).history
        return [*model.get_weights(), *map(np.array, history.values())]

    for name in ENGINES:
        with config.engine(name), hasty_threads(), watch.part(f"{name}: alone and beside"):
            model = compiled(small(Input((12, 11, 2))))
            model.fit(x, y, verbose=0)
            model.save(folder / "model.keras")
            twin = clone_model(model)
            twin.set_weights(model.get_weights())
            copies = [load_model(folder / "model.keras"), copy.deepcopy(model), twin]
            predictions = model.predict(x, verbose=0)
            alone, over = train(load_model(folder / "model.keras")), threading.Event()

            def learn(model=model, over=over):
                try:
                    return train(model)
                finally:
                    over.set()

            def look_on(model, over=over, predictions=predictions):
                times = 0
                while times == 0 or not over.is_set():
                    times += 1
                    if not np.array_equal(model.predict(x, verbose=0), predictions):
                        raise AssertionError(f"prediction {times} is another")
                return times

            learned, *times = at_once([learn, *(lambda copy=copy: look_on(copy) for copy in copies)])
            for error in (found for found in (learned, *times) if isinstance(found, Exception)):
                watch.expect(False, f"{name}: {error!r}")
            if isinstance(learned, list):
                watch.same(learned, alone, f"{name}: weights and history of the training")
            watch.figures[f"{name}: predictions beside"] = sum(n for n in times if isinstance(n, int))


def fits(watch, folder, number=10_000, every=100, allowed=5.0, after=lambda model: None):
    """Trainings of new models, one after another, with all that may hold on to something.

    The first tenth of the samples is left out: kernels are loaded then, and the memory of a process settles. From
    the second tenth to the last one, medians compared, memory may grow by 5 MB, that is by 0.6 KB for each of 8,000
    trainings. A tiny model with its buffers has more than ten times as many bytes, so not one of ten may stay.
    """
    rng = np.random.default_rng(0)
    x, y = rng.random((12, 6, 7, 3), dtype=np.float32), np.arange(12) % 3
    turned = ImageDataGenerator(rotation_range=20, horizontal_flip=True)
    seen, alive = [], weakref.WeakSet()
    with watch.part(f"{number} trainings"):
        for i in range(number):
            with config.engine(ENGINES[i % 2]):
                model = compiled(small(Input((6, 7, 3))))
                hooks = [
                    callbacks.EarlyStopping("loss", patience=1),
                    callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1),
                    callbacks.CSVLogger(folder / "log.csv"),
                ]
                if i % 50 < 2:  # these wait for the disk
                    hooks.append(callbacks.ModelCheckpoint(folder / "best.keras", "loss", save_best_only=True))
                    hooks.append(callbacks.BackupAndRestore(folder / f"backup{i}"))
                if i % 4 < 2:
                    held_out = {"validation_split": 0.25}
                    model.fit(x, y, batch_size=5, epochs=2, verbose=0, callbacks=hooks, **held_out)
                else:
                    model.fit(turned.flow(x, y, batch_size=5), epochs=2, verbose=0, callbacks=hooks)
                model.predict(x, verbose=0)
                if i % 50 < 2:
                    load_model(folder / "best.keras").evaluate(x, y, verbose=0)
                alive.add(model)
                after(model)
                del model, hooks
            if (i + 1) % every == 0:
                gc.collect()
                seen.append(watch.look())
    tenth = max(1, len(seen) // 10)
    early, late = seen[tenth : 2 * tenth], seen[-tenth:]
    for what, room in (("memory", allowed), ("handles", 0), ("threads", 0)):
        first, last = (statistics.median(getattr(one, what) for one in part) for part in (early, late))
        watch.figures |= {f"{what} early": round(first, 1), f"{what} late": round(last, 1)}
        watch.expect(last - first <= room, f"{what}: {first:.1f} early, {last:.1f} late")
    watch.figures["models alive"] = len(alive)
    watch.expect(not alive, f"{len(alive)} models that nobody uses are alive")


def write_images(folder, files, classes):
    """Grey images of 8x8 whose first three pixels are their number, dealt out to the classes."""
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True)
    pattern = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    for i in range(files):
        pattern[0, :3] = i % 256, i // 256 % 256, i // 65536
        Image.fromarray(pattern).save(folder / f"class{i % classes}" / f"{i:06}.png", compress_level=0)


def folder(watch, folder, files=100_000, classes=10):
    """A folder of many files: its list takes 1 KB a file, and a walk over it no more than its batches."""
    images, image = folder / "images", {"color_mode": "grayscale", "batch_size": 100, "seed": 1}
    per_file = files / 1000  # MB for 1 KB each
    train_a_little()
    with watch.part(f"{files} files written"):
        write_images(images, files, classes)

    def walk(batches):
        """How often each file is met, with its right label."""
        met = np.zeros(files, int)
        for x, y in batches:
            first = np.asarray(x).reshape(len(x), -1)[:, :3].astype(int)  # (N, 3)
            number = first @ [1, 256, 65536]
            watch.expect((number % classes == y).all(), "a wrong label")
            np.add.at(met, number, 1)
        return met

    with watch.part("found by flow_from_directory", per_file):
        flow = ImageDataGenerator().flow_from_directory(images, (8, 8), class_mode="sparse", **image)
    with watch.part("walked", 50):
        watch.expect((walk(next(flow) for _ in range(len(flow))) == 1).all(), "flow: not each file once")
    del flow
    with watch.part("found by image_dataset_from_directory", per_file):
        data = image_dataset_from_directory(images, image_size=(8, 8), verbose=False, **image)
    with watch.part("walked again", 50):
        watch.expect((walk(data) == 1).all(), "data set: not each file once")
    with watch.part("trained on", 50):
        first = [Input((8, 8, 1)), layers.Rescaling(1 / 255), layers.Flatten()]
        model = Sequential([*first, layers.Dense(classes, activation="softmax")])
        compiled(model).fit(data.prefetch(2), verbose=0)
    del data
    with watch.part("divided by links", 2 * per_file):
        parts = split_folders(images, folder / "parts", link="hard")
    sizes = [len(part.files) for part in parts.values()]
    watch.expect(sizes == [files * 8 // 10, files // 10, files // 10], f"parts of {sizes} files")
    del parts
    with watch.part("divided again, all there", 2 * per_file):
        split_folders(images, folder / "parts", link="hard")


def write_table(path, size, variants=997):
    """A table of about so many bytes, its pixels those of a few rows in turn; returns the rows."""
    pixels = np.random.default_rng(0).integers(100, 256, (variants, 784), np.uint8)
    texts = [",".join(map(str, row)) + "\n" for row in pixels.tolist()]
    with path.open("w") as file:
        file.write("label," + ",".join(f"pixel{i + 1}" for i in range(784)) + "\n")
        for i in range(max(1, size // len(texts[0]))):
            file.write(f"{i % 9},{texts[i % variants]}")
    return pixels


def table(watch, folder, size=2_000_000_000, chunk=10_000):
    """A large CSV file: whole in the memory of its result and 200 MB, in pieces in 200 MB."""
    own = folder / "sign_mnist"
    own.mkdir()
    train_a_little()
    with watch.part("written"):
        pixels = write_table(own / "sign_mnist_train.csv", size)
        write_table(own / "sign_mnist_test.csv", 100_000)
    rows = max(1, size // len(",".join(map(str, pixels[0])) + "\n"))

    def check(x, y, start):
        places = np.arange(start, start + len(y))
        right = np.array_equal(x, pixels[places % len(pixels)]) and np.array_equal(y, places % 9)
        watch.expect(right, f"rows from {start} on are others")

    with patch.dict(os.environ, TINYCONV_DATA=str(folder)), watch.part("read whole", rows * 785 / MB + 200):
        (x, y), _ = sign_mnist.load_data()
    watch.figures |= {"rows": len(y), "MB of the file": round((own / "sign_mnist_train.csv").stat().st_size / MB)}
    watch.figures["MB of the result"] = round((x.nbytes + y.nbytes) / MB)
    watch.expect(len(y) == rows, f"{len(y)} rows of {rows}")
    for start in range(0, len(y), chunk):
        check(x[start : start + chunk].reshape(-1, 784), y[start : start + chunk], start)
    del x, y

    def pieces():
        start = 0
        for x, y in sign_mnist.read_image_table(own / "sign_mnist_train.csv", chunksize=chunk):
            check(x, y, start)
            start += len(y)
            yield from ((x[i : i + 500] / np.float32(255), y[i : i + 500]) for i in range(0, len(y), 500))
        watch.expect(start == rows, f"{start} rows of {rows} in the pieces")

    with watch.part("learned from in pieces", 200):
        compiled(Sequential([Input((784,)), layers.Dense(24, activation="softmax")])).fit(pieces(), verbose=0)


def very_deep(depth, dtype="float32", channels=2):
    """Convolutions, each added to what was before it."""
    x = inputs = Input((8, 7, channels), dtype=dtype)
    settings = {"padding": "same", "activation": "tanh", "kernel_initializer": "random_normal", "dtype": dtype}
    for _ in range(depth):
        x = layers.Add(dtype=dtype)([x, layers.Conv2D(channels, 3, **settings)(x)])
    pixels = layers.Flatten(dtype=dtype)(layers.AveragePooling2D(4, dtype=dtype)(x))
    model = Model(inputs, layers.Dense(3, activation="softmax", dtype=dtype)(pixels))
    return compiled(model, optimizers.SGD(1e-5))


def gradients(model, x, y):
    """Those of the loss by all parameters."""
    model.loss_and_gradients(x, y)
    return [gradient.copy() for layer in model.sublayers() for gradient in layer.grads.values()]


def slope_error(model, x, y, directions=3):
    """Of the loss along random directions: how far what `backward` says is from a difference quotient, relative."""
    rng, step, worst = np.random.default_rng(0), 1e-8, 0.0  # the loss of a deep network bends soon
    model.loss_and_gradients(x, y)
    pairs = [(layer.params[key], layer.grads[key].copy()) for layer in model.sublayers() for key in layer.params]
    for _ in range(directions):
        ways = [rng.normal(size=array.shape) for array, _ in pairs]
        slope, values = sum((way * gradient).sum() for way, (_, gradient) in zip(ways, pairs, strict=True)), []
        for place in (step, -2 * step):
            for way, (array, _) in zip(ways, pairs, strict=True):
                array += place * way
            values.append(model.loss_and_gradients(x, y)[0])
        for way, (array, _) in zip(ways, pairs, strict=True):
            array += step * way
        quotient = (values[0] - values[1]) / (2 * step)
        worst = max(worst, abs(slope - quotient) / abs(quotient))
    return worst


def deep(watch, folder, depths=((200, ENGINES), (2000, ENGINES))):
    """Networks deeper than Python may call itself: built, printed, trained, written, read, copied, differentiated."""
    rng = np.random.default_rng(0)
    x, y = rng.random((6, 8, 7, 2), dtype=np.float32), np.arange(6) % 3
    for depth, engines in depths:
        exact = very_deep(depth, "float64")
        right = gradients(exact, x.astype(float), y)
        for name in engines:
            with config.engine(name), watch.part(f"{depth} layers, {name}"):
                model = very_deep(depth)
                model.set_weights(exact.get_weights())
                pairs = list(zip(gradients(model, x, y), right, strict=True))
                error = max(np.abs(a - b).max() for a, b in pairs) / max(np.abs(b).max() for _, b in pairs)
                watch.figures[f"{depth} layers, {name}: gradient off by"] = float(f"{error:.1e}")
                watch.expect(error < 1e-3, f"{depth} layers, {name}: the gradient is off by {error:.1e}")
                _everything(watch, folder, model, depth, x, y)
        error = slope_error(exact, x.astype(float), y)
        watch.figures[f"{depth} layers, float64: slope off by"] = float(f"{error:.1e}")
        watch.expect(error < 1e-6, f"{depth} layers: the slope is off by {error:.1e}")


def _everything(watch, folder, model, depth, x, y):
    """All that a network can do, with a deep one on the engine that is set."""
    lines = []
    model.summary(print_fn=lines.append, line_length=200)
    model.plan(print_fn=lines.append)
    watch.expect(sum("(Conv2D)" in line for line in lines) == depth, f"{depth} layers: not all in the summary")
    losses = model.fit(x, y, batch_size=3, epochs=2, verbose=0).history["loss"]
    watch.expect(np.isfinite(losses).all(), f"{depth} layers: losses {losses}")
    wanted = [model.predict(x, verbose=0)]
    for ending in ("keras", "h5"):
        model.save(folder / f"deep.{ending}")
        watch.same([load_model(folder / f"deep.{ending}").predict(x, verbose=0)], wanted, f"{depth} layers, {ending}")
    watch.same([pickle.loads(pickle.dumps(model)).predict(x, verbose=0)], wanted, f"{depth} layers, pickled")
    watch.same([Model(model.input, model.layers[-1].output).predict(x, verbose=0)], wanted, f"{depth} layers, again")
    watch.same(copy.deepcopy(model.layers[-1]).get_weights(), model.layers[-1].get_weights(), "a layer, copied")


# All of them

RUNS = {run.__name__: run for run in (threads, beside, fits, folder, table, deep)}

#: What is drawn above each curve.
TITLES = {
    "threads": "several threads, one model",
    "beside": "predictions beside a training",
    "fits": "one training after another",
    "folder": "a folder of many images",
    "table": "a CSV file, read and learned from",
    "deep": "very deep networks",
}

#: The sizes for every day.
QUICK = {
    "threads": {"rounds": 20, "anew": 10},
    "beside": {"samples": 200, "epochs": 3},
    "fits": {"number": 200, "every": 5},
    "folder": {"files": 2000},
    "table": {"size": 40_000_000, "chunk": 1000},
    "deep": {"depths": ((30, ENGINES), (1050, ENGINES[:1]))},
}


def run(name, **sizes):
    """(figures, faults, samples) of a run of these sizes."""
    # Networks as tiny as these give the training doctor much to say.
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)
        with Watch() as watch:
            first = watch.look()
            try:
                RUNS[name](watch, Path(place), **sizes)
            except Exception:  # the other runs go on
                watch.faults.append(traceback.format_exc())
        last = watch.look()
    samples = [first, *watch.samples, last]
    highest = max(sample.memory for sample in samples)
    memory = {"MB at the beginning": first.memory, "MB at the end": last.memory, "MB at the height": highest}
    whole = {"seconds": last.seconds, **memory}
    handles = {"files open at the beginning": first.handles, "files open at the end": last.handles}
    return {**{key: round(value, 1) for key, value in whole.items()}, **handles, **watch.figures}, watch.faults, samples


def run_apart(name, sizes):
    """What `run` returns, from a process that does nothing else."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(run, name, **sizes).result()


def picture(curves):
    """The memory of each run as time goes by.

    Args:
        curves: samples by the name of the run.
    """
    from tinyconv.figures import QUIET, described, new_figure

    figure = new_figure(9, 1.2 + 2.1 * -(-len(curves) // 3))
    places = figure.subplots(-(-len(curves) // 3), min(3, len(curves)), squeeze=False).ravel()
    for axes, (name, samples) in zip(places, curves.items(), strict=False):
        seconds, memory = [sample.seconds for sample in samples], [sample.memory for sample in samples]
        axes.plot(seconds, memory, color="#1f5a99", linewidth=1.2)
        axes.set(ylim=(0, 1.15 * max(memory)), xlim=(0, seconds[-1]))
        axes.set_title(f"{TITLES[name]}\nat most {max(memory):,.0f} MB", loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(QUIET)
        axes.tick_params(colors=QUIET, labelsize=8.5)
    for axes in places[len(curves) :]:
        axes.set_axis_off()
    about = "seconds; one steep rise in each is the engine with its kernels, which is loaded when it is first used"
    figure.supxlabel(about, fontsize=9, color=QUIET)
    figure.supylabel("MB of the process", fontsize=9, color=QUIET)
    what = ", ".join(f"{name} {max(sample.memory for sample in samples):.0f} MB" for name, samples in curves.items())
    return described(figure, f"The memory of the process during each long run. At most: {what}.")


def main(arguments=None):
    """Run what the command line names, print its figures, return 1 if there are faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS), metavar="NAME", help="which runs")
    parser.add_argument("--quick", action="store_true", help="sizes for every day")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there")
    parser.add_argument("--picture", type=Path, metavar="PATH", help="draw the memory there")
    options = parser.parse_args(arguments)
    figures, faults, curves = {}, {}, {}
    for name in options.only:
        figures[name], faults[name], curves[name] = run_apart(name, QUICK[name] if options.quick else {})
        print(f"{name}: " + "".join(f"\n    {key}: {value}" for key, value in figures[name].items()), flush=True)
        for fault, times in {fault: faults[name].count(fault) for fault in faults[name]}.items():
            print(f"    FAULT {fault}" + f" ({times} times)" * (times > 1), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"figures": figures, "faults": faults, "curves": curves}) + "\n")
    if options.picture:
        picture(curves).savefig(options.picture, dpi=150)
    found, seconds = sum(map(len, faults.values())), sum(one["seconds"] for one in figures.values())
    print(f"{len(options.only)} runs, {found} faults, {seconds:.0f} seconds")
    return int(found > 0)


if __name__ == "__main__":
    raise SystemExit(main())
