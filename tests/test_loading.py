"""Loading: files that are something else, damaged, or made to do harm are refused."""

import os
import zipfile

import h5py
import numpy as np
import pytest
from saved_models import change_config, change_weights, linked, members, refused, rewrite, virtual
from tiny_networks import assert_same, branched

from tinyconv import Input, Sequential
from tinyconv.layers import Dense
from tinyconv.models import load_model


@pytest.fixture
def path(tmp_path):
    """Where the model goes."""
    return tmp_path / "model.keras"


@pytest.fixture
def saved(path):
    """A small model in a file."""
    Sequential([Input((5,)), Dense(3, name="d")]).save(path)
    return path


def test_a_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match=rf"^{path}: expected a saved model"):
        load_model(path)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"", "an empty file"), (b"\x89HDF\r\n\x1a\n", "a whole HDF5 file"), (b"\x80\x04\x95", "a pickle"),
        (b"\x89PNG\r\n", "a PNG image"), (b"hello", "another kind of file"), (b"PK\x03\x04", "cut off or damaged"),
    ],
)  # fmt: skip
def test_another_kind_of_file_is_named(path, start, kind):
    path.write_bytes(start + (b"\0" * 100 if start else b""))
    refused(path, kind)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_off_is_refused(saved, part):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * part)])
    refused(saved, "a zip that is cut off or damaged")


def test_a_changed_bit_in_the_weights_is_found(saved):
    data = bytearray(saved.read_bytes())
    weights = load_model(saved).get_weights()[0].tobytes()
    data[data.index(weights)] ^= 1
    saved.write_bytes(data)
    refused(saved, "Bad CRC-32")


@pytest.mark.parametrize("name", ["../evil.py", "/etc/passwd", "assets/x", "config.json.bak"])
def test_other_members_are_refused(saved, name):
    rewrite(saved, members(saved) | {name: b"x"})
    refused(saved, "exactly config.json, metadata.json and model.weights.h5 in it")


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_missing_members_are_refused(saved, name):
    contents = members(saved)
    del contents[name]
    rewrite(saved, contents)
    refused(saved, "exactly config.json")


def test_a_member_that_unpacks_to_far_more_is_refused(saved):
    rewrite(saved, members(saved) | {"model.weights.h5": b"\0" * 10**7}, zipfile.ZIP_DEFLATED)
    refused(saved, "files of credible size in it. Received 'model.weights.h5' of 10,000,000 bytes")


def test_a_packed_zip_is_read(saved):
    expected = load_model(saved).get_weights()
    rewrite(saved, members(saved), zipfile.ZIP_DEFLATED)
    assert_same(load_model(saved).get_weights(), expected)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"", "looks like a damaged"), (b"{", "looks like a damaged"), (b"\xff\xfe", "looks like a damaged"),
        (b"[]", "list, not an object"), (b"3", "int, not an object"), (b"[" * 100_000, "RecursionError"),
    ],
    ids=["empty", "open", "bytes", "list", "number", "deep"],
)  # fmt: skip
def test_a_configuration_that_is_no_json_object_is_refused(saved, text, kind):
    rewrite(saved, members(saved) | {"config.json": text})
    refused(saved, f"JSON in its config.json. Received .*{kind}")


CONFIGURATIONS = {
    "no class": (lambda e: e.pop("class_name"), "layer 'None'"),
    "a function": (lambda e: e.update(class_name="eval"), "layer 'eval'"),
    "another module's class": (lambda e: e.update(class_name="Popen", module="subprocess"), "layer 'Popen'"),
    "the base class": (lambda e: e.update(class_name="Layer"), "layer 'Layer'"),
    "no layers": (lambda e: e["config"].pop("layers"), "KeyError: 'layers'"),
    "layers that are none": (lambda e: e["config"].update(layers=3), "TypeError"),
    "a wrong number": (lambda e: dense(e).update(units=-1), "units as a whole number from 1"),
    "a wrong argument": (lambda e: dense(e).update(unitz=7), "Dense 'd': .*Received unitz=7. Did you mean 'units'"),
    "a wrong initializer": (lambda e: initializer(e).update(class_name="Zeroes"), "initializer 'Zeroes'.*'Zeros'"),
    "a function of another's": (
        lambda e: dense(e).update(activation={"class_name": "function", "config": "evil"}),
        "Dense 'd': activation 'evil'",
    ),
    "a float type that is none": (lambda e: dense(e).update(dtype="object"), "float type 'object'"),
    "a lambda": (
        lambda e: e["config"]["layers"][1].update(class_name="Lambda"),
        "layer 'Lambda': .*named 'd'. It holds code",
    ),
    "a terabyte": (lambda e: dense(e).update(units=10**11), "layers that need 2,400,000,000,000 bytes"),
    "more than can be counted": (lambda e: dense(e).update(units=10**30), "layers that need 24,000,000"),
}


def dense(entry):
    """The settings of the dense layer."""
    return entry["config"]["layers"][1]["config"]


def initializer(entry):
    """The description of its kernel's initializer."""
    return dense(entry)["kernel_initializer"]


@pytest.mark.parametrize(("change", "match"), CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_bad_configuration_is_refused(saved, change, match):
    change_config(saved, change)
    refused(saved, match)


def test_an_error_quotes_little_of_the_file(saved):
    change_config(saved, lambda entry: entry.update(class_name="x" * 10**6))
    with pytest.raises(ValueError, match="layer 'xxx") as error:
        load_model(saved)
    assert len(str(error.value)) < 2000


def graph_with(change, path):
    """A file with a graph whose description a function has changed."""
    branched().save(path)
    change_config(path, lambda entry: change(entry["config"]))


GRAPHS = {
    "a loop": (lambda c: history(c).__setitem__(0, "dense"), "a graph without loops"),
    "an unknown layer": (lambda c: history(c).__setitem__(0, "nobody"), "KeyError: 'nobody'"),
    "an output that is none": (lambda c: c["output_layers"].__setitem__(1, 7), "IndexError"),
    "a call with more": (lambda c: call(c)["kwargs"].update(mask=3), "calls on tensors alone"),
    "inputs that are none": (lambda c: c.update(input_layers=["add", 0, 0]), "inputs missing"),
}


def call(graph):
    """The first call of the first layer that has one."""
    return next(layer["inbound_nodes"][0] for layer in graph["layers"] if layer["inbound_nodes"])


def history(graph):
    """Where its input comes from."""
    return call(graph)["args"][0]["config"]["keras_history"]


@pytest.mark.parametrize(("change", "match"), GRAPHS.values(), ids=GRAPHS)
def test_a_bad_graph_is_refused(path, change, match):
    graph_with(change, path)
    refused(path, match)


KERNEL = "layers/dense/vars/0"


def replaced(h5, **dataset):
    """Another dataset in the kernel's place."""
    del h5[KERNEL]
    return h5.create_dataset(KERNEL, **dataset)


WEIGHTS = {
    "a wrong shape": (lambda h5: replaced(h5, data=np.ones((3, 5), "f4")), r"expected shape \(5, 3\) of float32"),
    "a wrong type": (lambda h5: replaced(h5, data=np.ones((5, 3), "f8")), "Received shape .* of float64"),
    "strings": (lambda h5: replaced(h5, data=[["x"] * 3] * 5), "Received shape .* of object"),
    "a terabyte": (
        lambda h5: replaced(h5, shape=(10**6, 10**6), dtype="f4", chunks=True),
        r"shape \(1000000, 1000000\)",
    ),
    "numbers that are not there": (lambda h5: replaced(h5, shape=(5, 3), dtype="f4", chunks=True), "file holds 0"),
    "a missing array": (lambda h5: h5.__delitem__(KERNEL), "expected 2 arrays at layers/dense"),
    "a missing layer": (lambda h5: h5.__delitem__("layers/dense"), "nothing at layers/dense/vars"),
    "an array too many": (lambda h5: h5.create_dataset("layers/dense/vars/2", data=[1.0]), "expected 2 arrays"),
    "a group for an array": (lambda h5: (h5.__delitem__(KERNEL), h5.create_group(KERNEL)), "other than an array"),
    "an external link": (
        linked(KERNEL, h5py.ExternalLink("/etc/passwd", "/x")),
        r"a link at 0 \(ExternalLink\), which may",
    ),
    "a soft link": (linked(KERNEL, h5py.SoftLink("/layers/dense/vars/1")), r"a link at 0 \(SoftLink\)"),
    "a link on the way": (
        lambda h5: (h5.move("layers/dense", "away"), h5.__setitem__("layers/dense", h5py.SoftLink("/away"))),
        r"a link at layers/dense/vars \(SoftLink\)",
    ),
    "external storage": (
        lambda h5: replaced(h5, shape=(5, 3), dtype="f4", external=[("/etc/passwd", 0, 60)]),
        "other than an array in this file",
    ),
    "virtual storage": (lambda h5: virtual(h5, KERNEL), "other than an array in this file"),
    "another layer's arrays": (lambda h5: h5["layers/dense/vars"].attrs.modify("name", "other"), "those of 'other'"),
}


@pytest.mark.parametrize(("change", "match"), WEIGHTS.values(), ids=WEIGHTS)
def test_bad_weights_are_refused(saved, change, match):
    change_weights(saved, change)
    refused(saved, match)


def test_weights_that_are_no_hdf5_are_refused(saved):
    rewrite(saved, members(saved) | {"model.weights.h5": os.urandom(1000)})
    refused(saved, "weights that fit the network")
