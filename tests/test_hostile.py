"""Hostile files: a corpus of fixed seeds for every reader, and by name every kind of file that once broke one."""

import bz2
import contextlib
import gzip
import io
import json
import os
import pickle
import struct
import sys
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.data_files import HEADER, picture, row, table, use_folders, write, zipped
from tinyconv import Input, Model, Sequential, archives, config
from tinyconv.callbacks import BackupAndRestore, CSVLogger
from tinyconv.commands.explain import Request, explain_on_the_command_line
from tinyconv.commands.networks import Meaning
from tinyconv.datasets import flowers, mnist, sign_digits
from tinyconv.datasets._csv import read_image_table
from tinyconv.datasets._idx import read_idx
from tinyconv.datasets._npz import read_npz
from tinyconv.layers import Dense, Flatten
from tinyconv.models import hdf5, load_model, model_from_json
from tinyconv.notes.tables import read_csv
from tinyconv.preprocessing.files import UnreadableImageError, load_img

linux = pytest.mark.skipif(sys.platform != "linux", reason="the limits of a process are Linux's")


@contextlib.contextmanager
def refused(match, error=ValueError):
    """A ValueError of a reasonable length."""
    with pytest.raises(error, match=match) as caught:
        yield
    assert len(str(caught.value)) < 4000


# The corpus

#: Inputs that are read here; `python -m tests.hostile` reads more.
CORPUS = 3_000


@pytest.mark.slow
@linux
def test_no_hostile_file_of_the_corpus_does_harm():
    from tests.hostile import run, shared_out, summed_up
    from tests.hostile_readers import READERS

    read, findings = run(shared_out(CORPUS), seed=1)
    assert summed_up(findings) == []
    assert read.total() == CORPUS
    assert read.keys() == READERS.keys()


@linux
def test_every_reader_takes_its_real_files(tmp_path, monkeypatch):
    from tests.hostile_readers import READERS, settle

    for name in ("TINYCONV_DATA", "TINYCONV_CACHE", "TMPDIR", "PATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # and back, after the test
    settle(tmp_path)
    with config.engine("numpy"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights that are passed over
        for name, reader in READERS.items():
            path = tmp_path / "files" / reader.place
            path.parent.mkdir(parents=True, exist_ok=True)
            for data in reader.samples():
                path.write_bytes(data)
                if name != "flowers.tgz" and not data.startswith(b"%!PS"):  # which are refused in any case
                    reader.read(path)


# That the machinery finds what it is there for


HARMS = {
    "raise KeyError('x')": "exception",
    "raise ValueError('which file?')": "exception",
    "raise ValueError(str(path) + 5000 * 'x')": "exception",
    "open('/tmp/tinyconv-hostile', 'w')": "reach",
    "open('/etc/passwd')": "reach",
    "import socket; socket.socket()": "reach",
    "import os; os.system('true')": "reach",
    "import pickle; pickle.loads(b'cos\\nsystem\\n.')": "reach",
    "exec('1')": "reach",
    "import warnings; warnings.warn('odd')": "warning",
    "bytearray(10**8)": "memory",
    "bytearray(10**10)": "exception",
    "import time; t = time.process_time()\nwhile time.process_time() < t + 2.2: pass": "slow",
    "while True: pass": "hang",
    "import ctypes; ctypes.string_at(0)": "crash",
    "import tempfile; tempfile.mkstemp(dir='.')": "litter",
}
#: What Python runs at its start: the first reader does the harms, one for each input.
HARMFUL = """
import random, tests.hostile_readers as readers
harms = [compile(harm, __file__, "exec") for harm in {harms}]
def change(data, others, r):
    return str(r.seed_of_input).encode()
def read(path):
    if path.read_bytes().isdigit():
        exec(harms[int(path.read_bytes())], {{"path": path}})
class Random(random.Random):
    def __init__(self, seed):
        super().__init__(seed)
        self.seed_of_input = int(seed.rpartition("/")[2])
random.Random = Random
readers.READERS["idx"] = readers.READERS["idx"]._replace(read=read, change=change)
"""


@linux
def test_harm_is_found(tmp_path, monkeypatch):
    from tests.hostile import run

    (tmp_path / "sitecustomize.py").write_text(HARMFUL.format(harms=list(HARMS)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(__file__).parent.parent)]))
    read, findings = run([("idx", 0, len(HARMS))], seed=3)
    found = {harm: {one["kind"] for one in findings if one["index"] == i} for i, harm in enumerate(HARMS)}
    assert {harm: kind for harm, kind in HARMS.items() if kind not in found[harm]} == {}
    assert read == {"idx": len(HARMS)}


# Packed files


def bomb(content, size, method, claimed):
    """A zip of one member that says it holds so much, and holds zeros of a size."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(content, bytes(size))
    data = bytearray(file.getvalue())
    data[22:26] = struct.pack("<I", claimed)
    start = data.index(b"PK\x01\x02")
    data[start + 24 : start + 28] = struct.pack("<I", claimed)
    return bytes(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("claimed", [100, 3 * 10**7])
def test_zips_of_methods_that_unpack_to_any_size_are_refused(tmp_path, method, claimed):
    """bz2 and LZMA unpack a whole block at once, whatever is asked for: 30 MB for a file of 100 bytes."""
    data = bomb("x_train.npy", 3 * 10**7, method, claimed)
    write(tmp_path, {"a.npz": data, "a.keras": data})
    with refused("packed by method"):
        read_npz(tmp_path / "a.npz", ["x_train"])
    with refused(rf"^{tmp_path}/a.keras: expected .* packed by method"):
        load_model(tmp_path / "a.keras")
    with refused(rf"^{tmp_path}/a.npz: expected .* packed by method"):
        Sequential([Input((2,)), Dense(1)]).load_weights(tmp_path / "a.npz")


def test_members_that_share_their_bytes_are_counted_each_time():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0", os.urandom(20_000) + bytes(10**6))
        for i in range(1, 50):  # all members are the bytes of the first
            archive.filelist.append(zipfile.ZipInfo.__new__(zipfile.ZipInfo))
            for name in zipfile.ZipInfo.__slots__:
                with contextlib.suppress(AttributeError):
                    setattr(archive.filelist[-1], name, getattr(archive.filelist[0], name))
            archive.filelist[-1].filename = str(i)
        archive._didModify = True
    with zipfile.ZipFile(file) as archive, refused("51,000,000 bytes, packed into"):
        archives.check_zip(archive)


def test_an_image_in_a_zip_that_unpacks_to_far_more_is_refused(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", picture() + bytes(2 * 10**7))
    (tmp_path / "a.zip").write_bytes(file.getvalue())
    with refused("image .*a.png: expected .* 20,000,", UnreadableImageError):
        load_img(zipfile.Path(tmp_path / "a.zip", "a.png"))


@pytest.mark.parametrize("name", ["t-idx1-ubyte.gz", "t.csv.gz"])
def test_gzip_files_that_unpack_to_far_more_are_refused(tmp_path, name):
    """One of 39 KB unpacked to 40 MB, of which the CSV reader made 400 MB."""
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"1," * (2 * 10**7), 9))
    with refused(rf"{path}: expected a whole .*BadGzipFile: more than .* bytes, packed into"):
        read_idx(path) if "idx" in name else read_image_table(path, 3)


def test_another_archive_of_flowers_is_not_unpacked(tmp_path, monkeypatch):
    """Python's tarfile, before its repairs, follows links out of the folder and hangs on sizes below 0."""
    own = use_folders(monkeypatch, tmp_path)
    write(own / "flowers", {flowers.ARCHIVE: bz2.compress(bytes(10_000))})
    with refused(r"archive .*flower_photos.tgz: expected TensorFlow's, with SHA-256"):
        flowers.load_data()


def test_a_zip_whose_names_are_no_text_is_named(tmp_path):
    """A member's name that is no UTF-8 was a UnicodeDecodeError without the file."""
    data = bytearray(zipped({"config.json": b"{}"}))
    for mark, flags, name in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        start = data.index(mark)
        data[start + flags + 1] |= 0x08  # names are UTF-8
        data[start + name] = 0xFF
    write(tmp_path, {"a.keras": bytes(data), "own/sign_digits/Sign-Language-Digits-Dataset.zip": bytes(data)})
    with refused(rf"^{tmp_path}/a.keras: expected a file as tinyconv and Keras write it"):
        load_model(tmp_path / "a.keras")


def test_a_damaged_zip_of_digits_is_named(tmp_path, monkeypatch):
    own = use_folders(monkeypatch, tmp_path)
    write(own / "sign_digits", {"Sign-Language-Digits-Dataset.zip": bomb("0/a.jpg", 10**7, zipfile.ZIP_LZMA, 10**7)})
    with refused(r"archive .*Dataset.zip: expected a whole zip file. Received .*packed by method"):
        sign_digits.load_data()


# Arrays


def npz(header, data=b"", version=b"\x01\x00"):
    """An archive with one array, x."""
    size = struct.pack("<H" if version[0] == 1 else "<I", len(header))
    return zipped({"x.npy": b"\x93NUMPY" + version + size + header + data})


def header(descr="'<f4'", shape="(2,)", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()


ARRAYS = {
    "a terabyte": (npz(header(shape="(1000000, 1000000)")), "takes 4,000,000,000,000 bytes"),
    "a type of gigabytes": (npz(header("'|V2147483647'")), "takes 4,294,967,294 bytes"),
    "a type that is none": (npz(header("'<f3'")), "which is no type"),
    "no end of the header": (npz(b"{'descr': '<f4', 'shape': (((("), "a header as NumPy does not write it"),
    "brackets in brackets": (npz(header(shape="(" * 400 + ")" * 400)), "a header as NumPy does not write it"),
    "signs without end": (npz(header(shape="(" + "-" * 9000 + "1,)")), "a header as NumPy does not write it"),
    "numbers of Python 2": (npz(header(shape="(2L,)")), "a header as NumPy does not write it"),
    "numbers below 0": (npz(header(shape="(-2,)")), "a header as NumPy does not write it"),
    "digits without end": (npz(header(shape="(" + "1" * 600 + "x)")), "a header as NumPy does not write it"),
    "an old name of a type": (npz(header("'a5'")), "a header as NumPy does not write it"),
    "parts": (npz(header("[('a', '<f4')]")), "a header as NumPy does not write it"),
    "code": (npz(b"__import__('os').system('true')"), "a header as NumPy does not write it"),
    "half of its bytes": (npz(header(), b"1234"), "takes 8 bytes|EOF"),
    "another version": (npz(header(), bytes(8), b"\x03\x00"), r"version \(3, 0\)"),
    "a pickle": (npz(header("'|O'"), pickle.dumps([1, 2])), "Object arrays cannot be loaded"),
}


@pytest.mark.parametrize(("data", "match"), ARRAYS.values(), ids=ARRAYS)
def test_arrays_that_claim_what_they_are_not(tmp_path, data, match):
    """MemoryError, TokenError, RecursionError and NumPy's warnings on Python 2 came out of headers."""
    write(tmp_path, {"a.npz": data})
    with refused(match):
        read_npz(tmp_path / "a.npz", ["x"])


GOOD = [np.eye(3), np.asfortranarray(np.ones((2, 3), "f4")), np.array("äb"), np.zeros((0, 3)), np.array([True])]


@pytest.mark.parametrize("array", [*GOOD, np.array(7, ">i2"), np.array(["2020"], "M8[D]")], ids=str)
def test_arrays_of_numpy_are_read(tmp_path, array):
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", x=array)
        (found,) = read_npz(tmp_path / "a.npz", ["x"])
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype


def test_labels_that_are_a_number_are_refused(tmp_path, monkeypatch):
    """len() of an array without axes is a TypeError."""
    own = use_folders(monkeypatch, tmp_path)
    (own / "mnist").mkdir(parents=True)
    x = np.zeros((1, 28, 28), np.uint8)
    np.savez(own / "mnist" / "mnist.npz", x_train=x, y_train=np.uint8(1), x_test=x, y_test=np.uint8(1))
    with refused(r"archive .*mnist.npz: .* with labels \(\)"):
        mnist.load_data()


# Tables


def test_a_number_of_thousands_of_digits_is_shown_in_part(tmp_path):
    """Python refuses to read it: the error had no file in it. And what is no number was quoted whole."""
    for cell in ("9" * 5000, "x" * 70_000):
        write(tmp_path, {"t.csv": table(row(1), row(2, cell))})
        with refused(r"table .*t.csv: expected 785 whole numbers .* Received '(9{20}|x{20})' as number 2 in row 2"):
            read_image_table(tmp_path / "t.csv", 784)
    write(tmp_path, {"t.csv": f"{HEADER}\n" + ",".join(["0"] + ["0000000007"] * 784)})
    assert read_image_table(tmp_path / "t.csv", 784)[0].tolist() == [[7] * 784]


@pytest.mark.parametrize("content", ["a,b\n1,x\n", "a,b\n1\n", "", "a,b\n", b"a,b\n\xff,1\n", "a\n1,2\n1\n"])
def test_tables_of_the_notes_are_named(tmp_path, content):
    """NumPy's errors do not know the file, and on no line it warned only."""
    write(tmp_path, {"t.csv": content if isinstance(content, str) else content.decode("latin-1")})
    with refused(rf"table {tmp_path}/t.csv: expected "):
        read_csv(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("content", "received"), [("1 nan\n0 1", "nan"), ("1 -inf", "-inf"), ("\xff", "'utf-8' codec")]
)
def test_numbers_that_cannot_be_explained_are_named(tmp_path, content, received):
    """NumPy warned of sums of infinity, and of bytes that are no text nobody said where."""
    write(tmp_path, {"x.csv": content})
    with refused(f"explain: expected --image {tmp_path}/x.csv as .* Received {received}"):
        explain_on_the_command_line(Request("conv", image=str(tmp_path / "x.csv")))


@pytest.mark.parametrize("content", ["\xff\xfe\n", "x" * 200_000])
def test_a_log_that_is_no_table_is_named(tmp_path, content):
    write(tmp_path, {"log.csv": content})
    with refused(rf"CSVLogger: expected a table in {tmp_path}/log.csv"):
        CSVLogger(tmp_path / "log.csv", append=True).on_train_begin()


# Images


def test_postscript_is_not_run(tmp_path, monkeypatch):
    """Pillow hands it to Ghostscript, whatever the file is called."""
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("a program was started"))
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", "true")
    Image.new("RGB", (3, 3)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with refused(r"image .*a.png: expected .* Received Encapsulated PostScript", UnreadableImageError):
        load_img(tmp_path / "a.png")


def test_a_jpeg_of_thousands_of_scans_is_refused():
    """38 KB took 1.4 seconds, and could take days: each scan goes over the whole picture."""
    file = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    load_img(io.BytesIO(data[:-2] + 80 * last + b"\xff\xd9"))
    with refused("a JPEG of 1,0.. scans", UnreadableImageError):
        load_img(io.BytesIO(data[:-2] + 1000 * last + b"\xff\xd9"))
    load_img(io.BytesIO(data + 1000 * last))  # as a film that a telephone puts behind the picture


@pytest.mark.parametrize("size", [(70_000, 1), (1, 70_000)])
def test_an_image_of_very_long_lines_is_refused(monkeypatch, size):
    """A WebP of 368 bytes that claims to have 8 million columns and 6 rows took Pillow minutes."""
    file = io.BytesIO()
    Image.new("L", size).save(file, "PNG")
    with refused("more pixels than Pillow takes for harmless", UnreadableImageError):
        load_img(file)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert load_img(file).size == size


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_is_no_image(tmp_path):
    """Reading one waits until somebody writes."""
    os.mkfifo(tmp_path / "a.png")
    with refused("image .*a.png: .* Received a pipe or a device", UnreadableImageError):
        load_img(tmp_path / "a.png")


# Networks


def twice_and_twice_again(depth):
    """A network that calls a network twice, which calls one twice, and so on, as JSON."""
    x = Input((4,), name="x")
    text = Model(x, Flatten(name="f")(x), name="m").to_json()
    for i in range(depth):
        inner = json.loads(text)
        x = Input((4,), name="x")
        layer = Model(x, Flatten(name="f")(x), name=inner["config"]["name"])
        entry = json.loads(Model(x, layer(layer(x)), name=f"m{i}").to_json())
        place = next(part for part in entry["config"]["layers"] if part["class_name"] == "Functional")
        place["config"] = inner["config"]
        text = json.dumps(entry)
    return text


def test_a_network_that_would_run_for_years_is_refused(tmp_path):
    assert model_from_json(twice_and_twice_again(4)).count_params() == 0
    with refused("model_from_json: expected .* at most 20,000 calls of layers. Received 32,7"):
        model_from_json(twice_and_twice_again(40))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"class_name": 3}', '{"class_name": {}}', "[" * 10_000, '{"class_name": "Sequential"}',
     '{"class_name": "Dense", "config": []}', '{"class_name": "Dense", "config": 3}',
     '{"class_name": "Sequential", "config": {"name": "s", "layers": 7}}',
     '{"class_name": "Functional", "config": {"name": "s", "layers": [{"name": "a"}]}}'],
)  # fmt: skip
def test_what_describes_no_network_is_a_value_error(text):
    """KeyError, TypeError, AttributeError, IndexError and RecursionError came out."""
    with refused("model_from_json: expected what model.to_json"):
        model_from_json(text)


def test_classes_in_lists_in_lists(tmp_path):
    (tmp_path / "classes.json").write_text("[" * 10_000)
    with refused(r"classes.json: expected JSON with a list"):
        Meaning.beside(tmp_path / "m.keras", 2)


# Backups


def backed_up(tmp_path, change):
    """A training that goes on from a backup that a function has changed."""

    def model():
        made = Sequential([Input((4,)), Dense(2)])
        made.compile("sgd", "mse", metrics=["mae"])
        return made

    x, y = np.ones((4, 4), np.float32), np.ones((4, 2), np.float32)
    fit = {"epochs": 1, "verbose": 0, "doctor": False}
    model().fit(x, y, **fit, callbacks=[BackupAndRestore(tmp_path, delete_checkpoint=False)])
    path = tmp_path / "training.backup"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    state = json.loads(members["state.json"])
    change(state)
    path.write_bytes(zipped(members | {"state.json": json.dumps(state)}))
    again = model()
    return again.fit(x, y, **fit | {"epochs": 2}, callbacks=[BackupAndRestore(tmp_path, delete_checkpoint=False)])


def below_0(part):
    """Every number of a description, made negative."""
    if isinstance(part, dict):
        return {key: below_0(value) for key, value in part.items()}
    return [below_0(value) for value in part] if isinstance(part, list) else -1 if isinstance(part, int) else part


BACKUPS = {
    "no random stream": lambda state: state.update(random={"shared": {}, "own": []}),
    "a random state below 0": lambda state: state.update(random=below_0(state["random"])),
    "no weights": lambda state: state.update(weights=[{}, {}]),
    "weights that are text": lambda state: state.update(weights="x"),
    "an epoch below 0": lambda state: state.update(epoch=-1),
    "an epoch that is none": lambda state: state.update(epoch="x"),
    "nothing": lambda state: state.clear(),
    "an optimizer of text": lambda state: state.update(optimizer={"iterations": "x"}),
    "a metric of text": lambda state: state.update(metrics=[dict.fromkeys(part, "x") for part in state["metrics"]]),
}


@pytest.mark.parametrize("change", BACKUPS.values(), ids=BACKUPS)
def test_a_backup_of_other_contents_is_refused(tmp_path, change):
    with refused("BackupAndRestore.*training.backup|Optimizer|invalid literal|could not convert"):
        backed_up(tmp_path, change)


def test_a_backup_as_it_was_is_taken(tmp_path):
    assert backed_up(tmp_path, lambda state: None).epoch == [0, 1]  # the first is in the backup


# Texts in HDF5 files


def texts_of(h5):
    """All texts of a file that HDF5 understands, and those that are read here."""
    theirs, ours = {}, {}
    with io.BytesIO(h5) as file, hdf5.opened(file) as opened:
        for group in (opened, *(opened[name] for name in opened)):
            for name in group.attrs:
                theirs[group.name, name] = [
                    one.decode() if isinstance(one, bytes) else one for one in np.ravel(group.attrs[name])
                ]
                ours[group.name, name] = hdf5.texts(group, name)
    return theirs, ours


@pytest.mark.parametrize("version", ["earliest", "latest"])
@pytest.mark.parametrize("ordered", [True, False])
def test_texts_are_those_that_hdf5_reads(version, ordered):
    file = io.BytesIO()
    with h5py.File(file, "w", libver=version, track_order=ordered) as h5:
        h5.attrs["one"], h5.attrs["empty"], h5.attrs["long"] = "naïve", "", "x" * 50_000
        h5.attrs["bytes"], h5.attrs["fixed"] = b"abc", np.array([b"a", b"bcd", b""])
        h5.attrs["three"] = ["ä", "", "ccc"]
        group = h5.create_group("group", track_order=ordered)
        for i in range(6):
            group.attrs[f"many {i}"] = np.bytes_(str(i) * 200)
    theirs, ours = texts_of(file.getvalue())
    assert ours == theirs
    assert len(ours) == 12


@pytest.fixture
def saved(tmp_path):
    """A network in an HDF5 file."""
    model = Sequential([Input((4,)), Dense(2, name="d")])
    model.save(tmp_path / "m.h5")
    return tmp_path / "m.h5"


def with_length(path, length):
    """Let a file say that its description has another length."""
    with h5py.File(path) as h5:
        real = len(h5.attrs["model_config"])
    data = bytearray(path.read_bytes())
    number = struct.pack("<I", real)
    places = [i for i in range(len(data)) if data.startswith(number, i) and any(data[i + 4 : i + 8])]
    (place,) = places  # the other one is eight bytes long, and zero in its upper four
    data[place : place + 4] = struct.pack("<I", length)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("length", "match"),
    [
        (2**32 - 2, "an attribute 'model_config' of 4,294,967,294 bytes"),
        (3, "a text of 3 bytes, of which the file holds"),
        (2**23, "a text of 8,388,608 bytes, of which the file holds"),
    ],
)
def test_a_text_has_the_length_that_the_file_says(saved, length, match):
    """HDF5 took 4 GB and ten seconds for the first; and into the memory for the second it wrote all the text."""
    load_model(saved)
    with_length(saved, length)
    with refused(f"^{saved}: expected the description of a network. Received {match}"):
        load_model(saved)


@pytest.mark.parametrize("change", [{"userblock_size": 512}], ids=str)
def test_hdf5_files_of_an_unusual_form_are_refused(tmp_path, change):
    with h5py.File(tmp_path / "m.h5", "w", **change) as h5:
        h5.attrs["model_config"] = "{}"
    data = (tmp_path / "m.h5").read_bytes()
    (tmp_path / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + data[8:])
    with refused(rf"^{tmp_path}/m.h5: expected"):
        load_model(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("value", "received"),
    [(np.bytes_("12345678"), r"one of \|S8"), (np.int64(-1), "-1 of int64"), (1.5, "one of float64")],
)
def test_an_iteration_that_is_no_number(tmp_path, value, received):
    model = Sequential([Input((4,)), Dense(2)])
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 4)), np.ones((2, 2)), verbose=0, doctor=False)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as h5:
        name = h5["optimizer_weights"].attrs["weight_names"][0].decode()
        del h5["optimizer_weights"][name]
        h5["optimizer_weights"][name] = value
    with pytest.warns(UserWarning, match=f"the optimizer starts anew.* Received {received}"):
        load_model(tmp_path / "m.h5")
