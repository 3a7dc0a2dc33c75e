"""Random networks against oracles: the other engine, difference quotients, and real Keras.

    python -m tests.fuzz --minutes 10 [--seed 1] [--keras] [--json PATH]

goes on until the time is over: with both engines and the difference quotients, or, with --keras, with ten steps of
training by Keras. What it finds it makes as small as it can, and prints as a program. Then one line says how many
networks were tried, how many disagreements were found, and how long it took.

Each check compares one network's numbers for three choices of data and weights. Two right programs can disagree on
one of them: where two cells of a pooling window, or a number and 0, differ by less than float32 can tell, each may
decide in its own way, and training magnifies that. They hardly do so three times; a wrong formula does.
"""

import argparse
import json
import sys
import time
import traceback
import warnings
from contextlib import contextmanager

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

import tinyconv
from tests.fuzz_networks import CHANCE, NOT_IN_KERAS, random_task, stirred
from tinyconv import config
from tinyconv.gradcheck import GradientError, check_model
from tinyconv.layers.base import reset_names

#: Choices of data and weights.
ATTEMPTS = 3
#: The rounding of float32 in a network of a few layers, relative to the largest number of an array.
ROUNDING = 2e-5
#: By how much more than the mathematics the engine may round, both in float32: it adds in another order.
ROOM = 30
#: What agreement with Keras means, where both compute in float64; a thousandth of what training needs.
CLOSE_TO_KERAS = 1e-7


#: What networks must not have if Keras is to train them alike. Minima it gets from `Keras`.
NOT_FOR_KERAS = (NOT_IN_KERAS | CHANCE) - {"MinPooling2D", "GlobalMinPooling2D"}
#: Steps of training on the two engines, and by Keras.
STEPS, KERAS_STEPS = 4, 10
#: More than this, of the largest number, the mathematics may not lose in float32: then it would compare nothing.
CHAOS = 1e-2


class Disagreement(AssertionError):
    """Two oracles contradict each other; the message says where."""


def check(task, compare):
    """Raise `Disagreement` if ``compare(task, seed)`` does so for every seed."""
    for seed in range(ATTEMPTS):
        try:
            with np.errstate(all="ignore"):
                return compare(task, seed)
        except Disagreement:
            if seed == ATTEMPTS - 1:
                raise


# The other engine


def engines_agree(task, seed):
    """The machine computes what the mathematics computes: outputs, gradients, and a few steps of training.

    Both are measured against the mathematics in float64. What the mathematics loses in float32 says how well the
    network is conditioned, and the machine may lose a little more.
    """
    exact, rounded, found = (
        outcome(task, seed, *how) for how in (("numpy", "float64"), ("numpy", "float32"), ("numba", "float32"))
    )
    for kind, arrays in exact.items():
        scale = np.max([np.abs(wanted).max(initial=0) for wanted in arrays.values()])
        if not np.isfinite(scale):
            return
        for name, wanted in arrays.items():
            lost, error = (np.abs(other[kind][name] - wanted).max(initial=0) for other in (rounded, found))
            allowed = ROUNDING * max(scale, 1e-3) + ROOM * lost
            where = f"{kind} {name}, of {np.abs(wanted).max(initial=0):.2g} at most"
            if not error <= allowed:
                raise Disagreement(f"engines: {where}: differs by {error:.2g}; rounding explains {allowed:.2g}")
            if not lost <= CHAOS * scale:
                raise Disagreement(f"float types: {where}: float32 differs from float64 by {lost:.2g}")


def outcome(task, seed, engine, float_type):
    """What a network computes: arrays by kind and name."""
    model = fresh(task, seed, float_type)
    batches = task.batches(seed)
    config.set_random_seed(seed + 100)
    with config.engine(engine):
        found = {"output": {}, "gradient": {}, "log": {}}
        for training in (False, True):
            y = model.run(in_float(batches[0]["x"], float_type), training)
            for i, array in enumerate(y if isinstance(y, list) else [y]):
                found["output"][f"{i}, training={training}"] = array
        weights = batches[0].get("sample_weight")
        loss, dx = model.loss_and_gradients(batches[0]["x"], batches[0]["y"], weights)
        found["gradient"] |= {f"of input {i}": d for i, d in enumerate(dx)}
        for layer in model.sublayers():
            found["gradient"] |= {f"of {layer.name}/{name}": d.copy() for name, d in layer.grads.items()}
        for step, batch in enumerate(batches):
            logs = model.train_on_batch(**batch, return_dict=True)
            found["log"] |= {f"{name} of step {step}": value for name, value in logs.items()}
    return found | {"loss": {"": loss}, "weight": dict(enumerate(model.get_weights()))}


def fresh(task, seed, float_type="float64"):
    """The compiled model with the weights of a seed, the same in every float type."""
    config.set_random_seed(seed)
    with floats("float32"):
        weights = task.graph.make(tinyconv).get_weights()
    reset_names()
    with floats(float_type):
        model = task.compiled(tinyconv)
    model.set_weights(stirred(weights, seed))
    return model


@contextmanager
def floats(float_type):
    """New layers compute in this type."""
    before = config.floatx()
    config.set_floatx(float_type)
    try:
        yield
    finally:
        config.set_floatx(before)


def in_float(x, float_type):
    """Inputs as arrays of a type."""
    return [a.astype(float_type) for a in x] if isinstance(x, list) else x.astype(float_type)


# Difference quotients

#: Numbers of each array that are compared.
SAMPLES = 2


def gradients_agree(task, seed):
    """The gradients, in float64, are those of the difference quotients."""
    model, batch = fresh(task, seed), task.batches(seed)[0]
    with config.engine("numpy"):
        try:
            check_model(model, batch["x"], batch["y"], samples=SAMPLES)
        except GradientError as error:
            raise Disagreement(f"difference quotients: {error}") from error


# Real Keras


class Keras:
    """The names of Keras that a description asks for, and the layers that Keras lacks."""

    def __init__(self):
        from tests.oracle import load_keras

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its import warns of things that are not ours
            keras = load_keras()
        self.keras, self.layers = keras, _Layers(keras)

    def __getattr__(self, name):
        return getattr(self.keras, name)

    @contextmanager
    def exact(self):
        """Everything computes in float64. Three things of Keras and PyTorch are changed for the time being.

        Keras takes its matrix products and means in float32, whatever it is given, except on TensorFlow; one table of
        its own says so. PyTorch's gradients of convolutions in float64 fail for some orders of numbers in memory. And
        Keras holds probabilities 1e-7 away from 0 and 1, and there they have no slope, where tinyconv computes
        cross-entropies from the numbers before the softmax or sigmoid, and has one.
        """
        import torch
        from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE as table

        set_up, narrowed, threads = self.keras.config, table["float64"], torch.get_num_threads()
        conv2d, before, policy = torch.nn.functional.conv2d, set_up.floatx(), set_up.dtype_policy()
        epsilon = set_up.epsilon()
        set_up.set_floatx("float64")
        set_up.set_dtype_policy("float64")
        set_up.set_epsilon(1e-30)
        table["float64"] = "float64"
        torch.set_num_threads(1)

        def in_order(x, w, *args, **options):
            return conv2d(x.contiguous(), w.contiguous(), *args, **options)

        torch.nn.functional.conv2d = in_order
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras's own
                yield
        finally:
            set_up.set_floatx(before)
            set_up.set_dtype_policy(policy)
            set_up.set_epsilon(epsilon)
            table["float64"] = narrowed
            torch.nn.functional.conv2d = conv2d
            torch.set_num_threads(threads)


class _Layers:
    """Keras's layers, and minima as maxima of what is negated."""

    def __init__(self, keras):
        class MinPooling2D(keras.layers.MaxPooling2D):
            def call(self, x):
                return -super().call(-x)

        class GlobalMinPooling2D(keras.layers.GlobalMaxPooling2D):
            def call(self, x):
                return -super().call(-x)

        self.keras, self.MinPooling2D, self.GlobalMinPooling2D = keras, MinPooling2D, GlobalMinPooling2D

    def __getattr__(self, name):
        return getattr(self.keras.layers, name)


def agrees_with(keras):
    """A comparison of step-by-step training with that of `Keras`, from the same weights on the same batches."""

    def keras_agrees(task, seed):
        ours = fresh(task, seed)
        with keras.exact():
            keras.utils.clear_session()
            theirs = task.compiled(keras)
            theirs.set_weights(ours.get_weights())
            for step, batch in enumerate(task.batches(seed)):
                with config.engine("numpy"):
                    found = ours.train_on_batch(**batch, return_dict=True)
                theirs.reset_metrics()
                wanted = {k: float(v) for k, v in theirs.train_on_batch(**batch, return_dict=True).items()}
                if not np.isfinite(wanted["loss"]) or wanted["loss"] > 1e6:
                    return
                _same_logs(found, wanted, step)
            expected = [np.array(w) for w in theirs.get_weights()]
        for i, (w, wanted) in enumerate(zip(ours.get_weights(), expected, strict=True)):
            error, scale = np.abs(w - wanted).max(initial=0), max(np.abs(wanted).max(initial=0), 1)
            if not error <= CLOSE_TO_KERAS * scale:
                raise Disagreement(f"Keras: weight {i} of shape {w.shape} differs by {error:.2g} of {scale:.2g}")

    return keras_agrees


def _same_logs(found, wanted, step):
    if found.keys() != wanted.keys():
        raise Disagreement(f"Keras: logs {sorted(wanted)}, tinyconv: {sorted(found)}")
    for name, value in wanted.items():
        if not abs(found[name] - value) <= CLOSE_TO_KERAS * max(abs(value), 1):
            raise Disagreement(f"Keras: {name} is {value:.9g} in step {step}, tinyconv: {found[name]:.9g}")


# Going on


def say(text):
    """Print at once, also into a file."""
    print(text, flush=True)


def search(comparisons, draw, seconds, seed=0, examples=50, most=np.inf, say=say):
    """(networks tried, what was found): networks at random until the time is over, and each fault on a small network.

    Args:
        comparisons: functions of a task and a seed that raise where something is wrong.
        draw: function of a `random.Random` that draws a task.
        seconds: no new network is begun after this time; making one smaller may take longer.
        seed: where the random networks begin.
        examples: networks in each round, of which the first that fails is made smaller.
        most: end after so many faults.
        say: is given the text of what is found.
    """
    start, tried, found, smallest = time.monotonic(), 0, [], []

    def attempt(rng):
        nonlocal tried
        task = draw(rng)  # in any case, for Hypothesis does not like to be left in the middle
        if not smallest:  # else it is being made smaller
            if time.monotonic() - start >= seconds:
                return
            tried += 1
        try:
            for compare in comparisons:
                check(task, compare)
        except Exception as error:
            where = str(error) if isinstance(error, Disagreement) else traceback.format_exc(limit=-3)
            if not smallest:
                say(f"Found, and now made smaller, which takes up to five minutes:\n{where}\n\n{task.program(0)}\n")
            smallest[:] = [(task, where)]
            raise

    rounds = seed * 10**6
    while time.monotonic() - start < seconds and len(found) < most:
        try:
            _round(rounds, examples, attempt)
        except Exception:
            if not smallest:
                raise
            found += smallest
            say(f"{smallest[0][1]}\n\n{smallest[0][0].program(0)}\n")
            smallest.clear()
        rounds += 1
    return tried, found


def _round(seed, examples, attempt):
    """Call ``attempt`` with this many random sources, and, once it raises, with ever simpler ones."""

    @seeded(seed)
    @settings(
        max_examples=examples, phases=(Phase.generate, Phase.shrink), verbosity=Verbosity.quiet, deadline=None,
        database=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(st.randoms(use_true_random=False))
    def attempts(rng):
        attempt(rng)

    attempts()


def main(arguments=None):
    """The command; the number of disagreements found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, required=True, help="how long to go on")
    parser.add_argument("--seed", type=int, default=0, help="where to begin (default: 0)")
    parser.add_argument("--keras", action="store_true", help="compare with Keras instead")
    parser.add_argument("--json", help="where to write the figures")
    options = parser.parse_args(arguments)
    comparisons, without, steps = [engines_agree, gradients_agree], frozenset(), STEPS
    if options.keras:
        comparisons, without, steps = [agrees_with(Keras())], NOT_FOR_KERAS, KERAS_STEPS
    start = time.monotonic()
    tried, found = search(comparisons, lambda rng: random_task(rng, without, steps), 60 * options.minutes, options.seed)
    figures = {"tried": tried, "found": len(found), "seconds": round(time.monotonic() - start)}
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file)
    print("networks tried: {tried}, disagreements found: {found}, seconds: {seconds}".format(**figures))
    return len(found)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
