"""Random networks: the two engines agree, and gradients are right; the checks find planted faults, and make them small.

`python -m tests.fuzz` goes on where these seeds end. A network that it finds joins as a test of its own.
"""

import random

import numpy as np
import pytest

import tinyconv
from tests import fuzz
from tests.fuzz import Disagreement, check, engines_agree, fresh, gradients_agree, search
from tests.fuzz_networks import random_task
from tinyconv import config, layers, losses, optimizers
from tinyconv.layers import Layer
from tinyconv.optimizers import schedules

pytest.importorskip("numba")

#: Networks that both engines run; difference quotients take longer.
SEEDS, SEEDS_OF_QUOTIENTS = range(150), range(50)


def task_of(seed):
    """The network of a seed."""
    return random_task(random.Random(seed), steps=fuzz.STEPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_engines_agree(seed):
    check(task_of(seed), engines_agree)


@pytest.mark.parametrize("seed", SEEDS_OF_QUOTIENTS)
def test_gradients_agree_with_difference_quotients(seed):
    check(task_of(seed), gradients_agree)


# What the corpus is made of


def classes(module, base):
    """Names of the classes of a module, each once."""
    found = {vars(module)[name] for name in module.__all__ if isinstance(vars(module)[name], type)}
    return {cls.__name__ for cls in found if issubclass(cls, base) and cls is not base}


def test_every_layer_loss_optimizer_and_schedule_occurs():
    parts = {part.name.rpartition(".")[2] for seed in SEEDS for part in task_of(seed).parts()}
    names = {target.loss for seed in SEEDS for target in task_of(seed).targets if isinstance(target.loss, str)}
    parts |= {type(losses.get(name)).__name__ for name in names}
    wanted = classes(layers, Layer) | classes(losses, losses.Loss) | classes(optimizers, optimizers.Optimizer)
    assert wanted | classes(schedules, schedules.LearningRateSchedule) <= parts | {"InputLayer"}


def test_every_block_and_algorithm_occurs():
    found = set()
    for seed in SEEDS:
        model = fresh(task_of(seed), 0, "float32")
        with config.engine("numba"):
            model.train_on_batch(**task_of(seed).batches(0)[0])
            found |= described(model)
    blocks = {"convolution", "dense", "dropout", "normalization", "pooling", "warp"}
    assert found >= blocks | {"depthwise", "direct", "tiles", "winograd"}


def described(model):
    """What `plan` says runs the network."""
    lines = []
    model.plan(print_fn=lines.append)
    return {cell.strip() for line in "\n".join(lines).splitlines() for cell in line.split("│")}


def test_graphs_have_branches_shared_layers_models_inside_and_several_inputs_and_outputs():
    graphs = [task_of(seed).graph for seed in SEEDS]
    assert any(len(reads) > 1 for graph in graphs for _, reads in graph.calls)
    assert any(len({layer for layer, _ in graph.calls}) < len(graph.calls) for graph in graphs)
    assert any(not hasattr(layer, "name") for graph in graphs for layer in graph.layers)
    assert {len(graph.shapes) for graph in graphs} >= {1, 2}
    assert {len(graph.outputs) for graph in graphs} >= {1, 2, 3}


def test_few_trainings_leave_the_finite_numbers():
    losses_ = [np.array(list(fuzz.outcome(task_of(seed), 0, "numpy", "float64")["log"].values())) for seed in range(30)]
    assert sum(not np.isfinite(found).all() for found in losses_) <= 1


@pytest.mark.parametrize("seed", range(12))
def test_the_printed_program_trains_the_same(seed, capsys):
    with config.engine("numpy"):
        task = task_of(seed)
        model = fresh(task, 5, "float32")
        config.set_random_seed(0)
        expected = [model.train_on_batch(**batch, return_dict=True) for batch in task.batches(5)]
        config.set_random_seed(5)
        exec(with_streams_of(task.program(5)), {})
    printed = [eval(line, {"nan": np.nan}) for line in capsys.readouterr().out.splitlines()]
    assert [list(logs.values()) for logs in printed] == [list(logs.values()) for logs in expected]


def with_streams_of(program):
    """The program, with dropout and augmentation from seed 0."""
    return program.replace("for n in", "library.config.set_random_seed(0)\nfor n in")


# The checks can fail


def doubled(method):
    """The method, but what it returns is twice as large."""

    def twice(self, *arguments, **options):
        return 2 * method(self, *arguments, **options)

    return twice


def wrong_gradient_in_a_layer(patch):
    patch.setattr(layers.AveragePooling2D, "backward", doubled(layers.AveragePooling2D.backward))


def forgotten_gradient_of_a_shared_layer(patch):
    def overwriting(self, dy, cache):
        for gradient in self.grads.values():
            gradient.fill(0)
        return backward(self, dy, cache)

    backward = layers.Dense.backward
    patch.setattr(layers.Dense, "backward", overwriting)


def wrong_block(patch):
    from tinyconv.engine.blocks.normalization import Normalization

    backward = Normalization.backward

    def slightly_larger(self, *arguments):
        dx = backward(self, *arguments)
        return None if dx is None else dx * np.float32(1.001)

    patch.setattr(Normalization, "backward", slightly_larger)


def forgotten_gradient_of_a_shared_block(patch):
    from tinyconv.engine.blocks.base import Block

    patch.setattr(Block, "adds", property(lambda self: False, lambda self, value: None))


def wrong_epsilon_on_the_machine(patch):
    from tinyconv.engine import updates

    def larger(it, rate):
        kernel, slots, numbers = formula(it, rate)
        return updates.Formula(kernel, slots, (*numbers[:-1], 3 * numbers[-1]))

    formula = updates._adam
    patch.setitem(updates._FORMULAS, optimizers.Adam.update, larger)


def has(name):
    """Whether there is such a layer, as a function of a task."""
    return lambda task: any(part.name == f"layers.{name}" for part in task.parts())


def shares_dense(task):
    """Whether a `Dense` is called twice."""
    called = [task.graph.layers[layer] for layer, _ in task.graph.calls]
    return any(called.count(layer) > 1 and getattr(layer, "name", "") == "layers.Dense" for layer in called)


def learns_by_adam(task):
    """Whether the optimizer is one whose formula is Adam's."""
    return task.optimizer.name.startswith("optimizers.Adam")


FAULTS = [
    (wrong_gradient_in_a_layer, gradients_agree, has("AveragePooling2D")),
    (forgotten_gradient_of_a_shared_layer, gradients_agree, shares_dense),
    (wrong_block, engines_agree, has("BatchNormalization")),
    (forgotten_gradient_of_a_shared_block, engines_agree, shares_dense),
    (wrong_epsilon_on_the_machine, engines_agree, learns_by_adam),
]


def first_disagreement(compare, tasks):
    """What one of the tasks brings to light."""
    for task in tasks:
        check(task, compare)


@pytest.mark.parametrize(("fault", "compare", "concerns"), FAULTS, ids=[fault.__name__ for fault, *_ in FAULTS])
def test_a_planted_fault_is_found(fault, compare, concerns, monkeypatch):
    tasks = [task for task in map(task_of, SEEDS) if concerns(task)]
    first_disagreement(compare, tasks[:2])
    fault(monkeypatch)
    with pytest.raises(Disagreement):
        first_disagreement(compare, tasks)


def test_what_is_found_is_made_small():
    def no_minima(task, seed):
        if has("MinPooling2D")(task):
            raise Disagreement("there is a minimum")

    said = []
    task, _ = search([no_minima], random_task, 60, examples=100, most=1, say=said.append)[1][0]
    names = [part.name for part in task.graph.parts()]
    assert "layers.MinPooling2D" in names
    assert len(names) <= 6  # it, what makes a vector, the head, and a little that could not be left out
    assert "there is a minimum" in said[0]
    assert said[1].startswith("there is a minimum")
    assert len(said[1]) < len(said[0])
    assert f"{task.optimizer}" in said[1]


def test_one_disagreement_of_three_is_none():
    def once(task, seed):
        if seed == 0:
            raise Disagreement("a tie")

    check(None, once)
    with pytest.raises(Disagreement, match="always"):
        check(None, lambda task, seed: (_ for _ in ()).throw(Disagreement("always")))


def test_the_command_prints_and_writes_its_figures(tmp_path, capsys):
    found = fuzz.main(["--minutes", "0.01", "--json", str(tmp_path / "figures.json")])
    assert found == 0
    assert "disagreements found: 0, seconds: " in capsys.readouterr().out.splitlines()[-1]
    assert '"found": 0' in (tmp_path / "figures.json").read_text(encoding="utf-8")
    assert tinyconv.config.floatx() == "float32"
