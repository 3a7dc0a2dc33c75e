"""Files that are written are whole or not there, also where a process is killed, and a disk is full or read-only."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from tiny_networks import X, Y, assert_same, compiled, fit

from tinyconv import Input, Sequential, config, files
from tinyconv.callbacks import BackupAndRestore, CSVLogger, History, LambdaCallback, ModelCheckpoint
from tinyconv.commands.explain import Request, explain_on_the_command_line
from tinyconv.files import replacing, unfinished
from tinyconv.layers import Dense
from tinyconv.models import load_model
from tinyconv.preprocessing import split_folders
from tinyconv.preprocessing.image import save_img

OLD = b"what was there before"


@pytest.fixture(autouse=True)
def on_numpy():
    """These tests are about files."""
    with config.engine("numpy"):
        yield


def put(path, content):
    """Write a file in one step."""
    with replacing(path) as file:
        file.write(content)


def names(folder):
    """All that a folder holds, hidden files too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# What a killed process leaves


def test_what_a_killed_process_left_is_taken_over_by_the_next(tmp_path):
    code = (
        "import os, pathlib, signal, sys; from tinyconv.files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'half' * 10**5); file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "model [1].keras"
    for _ in range(2):
        environment = os.environ | {"PYTHONPATH": str(Path(files.__file__).parents[1])}
        found = subprocess.run([sys.executable, "-c", code, path], env=environment, check=False, timeout=60)
        assert found.returncode == -signal.SIGKILL
        assert names(tmp_path) == [".model [1].keras.1.part"]
    put(path, b"short")
    assert names(tmp_path) == [path.name]
    assert path.read_bytes() == b"short"


def test_what_somebody_still_writes_to_is_left_alone(tmp_path):
    path = tmp_path / "a"
    with unfinished(path) as mine:
        mine.write_bytes(b"mine")
        put(path, b"theirs")
        assert path.read_bytes() == b"theirs"
        assert mine.read_bytes() == b"mine"
    assert path.read_bytes() == b"mine"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("locks", ["none", "not on this disk"])
def test_where_files_cannot_be_locked_nobody_takes_anything_over(tmp_path, monkeypatch, locks):
    class NoLocks:
        LOCK_EX = LOCK_NB = 0

        @staticmethod
        def flock(*_):
            raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(files, "fcntl", None if locks == "none" else NoLocks)
    rest = tmp_path / ".a.1.part"
    rest.write_bytes(b"somebody's")
    put(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert rest.read_bytes() == b"somebody's"
    assert names(tmp_path) == [".a.1.part", "a"]


def test_many_may_write_to_one_place_at_once(tmp_path):
    path, problems = tmp_path / "a", []
    put(path, b"0" * 1000)

    def write(digit):
        try:
            for _ in range(30):
                put(path, digit * 1000)
                content = path.read_bytes()
                assert len(content) == 1000
                assert len(set(content)) == 1
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=write, args=(b"%d" % i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert names(tmp_path) == ["a"]


# No room, or no permission


def picture():
    """An image that a PNG file cannot make small."""
    return np.random.default_rng(0).random((80, 70, 3))


def wide():
    """A model of 60,000 weights."""
    return compiled(Sequential([Input((300,)), Dense(200)]), loss="mse")


def checkpoint(path):
    hook = ModelCheckpoint(path)
    hook.set_model(wide())
    hook.on_epoch_end(0, {"loss": 1.0})


def history(path):
    found = History()
    found.epoch, found.history = list(range(2000)), {"loss": [1.25] * 2000}
    found.to_csv(path)


#: (file name, what writes it) by kind of file.
WRITERS = {
    "model": ("model.keras", lambda path: wide().save(path)),
    "older model": ("model.h5", lambda path: wide().save(path)),
    "weights": ("model.weights.h5", lambda path: wide().save_weights(path)),
    "arrays": ("model.npz", lambda path: wide().save_weights(path)),
    "checkpoint": ("model.keras", checkpoint),
    "history": ("history.csv", history),
    "animation": ("conv.gif", lambda path: explain_on_the_command_line(Request("conv", gif=str(path)))),
    "page": ("page.html", lambda path: explain_on_the_command_line(Request(html=str(path)))),
    "table": ("conv.html", lambda path: explain_on_the_command_line(Request("conv", html=str(path)))),
    "figure": ("conv.png", lambda path: explain_on_the_command_line(Request("conv", png=str(path)))),
    "picture": ("image.png", lambda path: save_img(path, picture())),
}


@contextmanager
def limited_files(size):
    """No file may grow beyond so many bytes."""
    import resource

    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def is_root():
    return hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A disk of 400 kB."""
    place = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if not is_root() or not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk, and not in every container")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def empty_disk(disk):
    """The disk, before anything is on it."""
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return disk


def fill(disk, room):
    """Leave room for so many bytes; what takes up the rest."""
    status = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * (status.f_bavail * status.f_frsize - room))
    return ballast


def write_where_it_cannot(write, path, must_fail=True):
    """Nothing changes, and the error names the file; unless there is room enough after all."""
    before = names(path.parent)
    try:
        write(path)
    except OSError as error:
        assert str(path) in str(error)  # noqa: PT017
        assert path.read_bytes() == OLD
    else:
        assert not must_fail
        assert path.read_bytes() != OLD
    assert names(path.parent) == before


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("room", [0, 8192, 65536])
def test_a_full_disk_leaves_the_old_file(writer, room, empty_disk, capsys):
    name, write = WRITERS[writer]
    (empty_disk / name).write_bytes(OLD)
    fill(empty_disk, room)
    write_where_it_cannot(write, empty_disk / name, must_fail=room == 0)


@pytest.mark.skipif(sys.platform == "win32", reason="limits file sizes as POSIX does")
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("size", [0, 100, 100_000])
def test_a_file_that_may_not_grow_leaves_the_old_one(writer, size, tmp_path, capsys):
    name, write = WRITERS[writer]
    (tmp_path / name).write_bytes(OLD)
    with limited_files(size):
        write_where_it_cannot(write, tmp_path / name, must_fail=size < 100_000)


@contextmanager
def read_only_folder():
    """A folder that everybody may read, also where pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "read-only"
        folder.mkdir()
        os.chmod(place, 0o755)
        yield folder
        os.chmod(folder, 0o755)


@contextmanager
def nobody(folder):
    """The folder may be read, not written to; root may do anything, and becomes a user who may not."""
    os.chmod(folder, 0o555)
    was_root = is_root()
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs the permissions of POSIX")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_read_only_folder_leaves_the_old_file(writer, tmp_path, capsys):
    name, write = WRITERS[writer]
    write(tmp_path / name)  # which imports all it needs
    with read_only_folder() as folder:
        (folder / name).write_bytes(OLD)
        with nobody(folder), pytest.raises(PermissionError, match="Permission denied"):
            write(folder / name)
        with nobody(folder):
            write_where_it_cannot(write, folder / name)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs the permissions of POSIX")
def test_a_model_is_read_from_a_read_only_folder(tmp_path):
    model = wide()
    model.save(tmp_path / "model.keras")
    load_model(tmp_path / "model.keras")
    with read_only_folder() as folder:
        model.save(folder / "model.keras")
        with nobody(folder):
            assert_same(load_model(folder / "model.keras").get_weights(), model.get_weights())


# Callbacks


HOOKS = {
    "backup": lambda folder: BackupAndRestore(folder / "backup"),
    "backup in turns": lambda folder: BackupAndRestore(folder / "backup", double_checkpoint=True),
    "checkpoint": lambda folder: ModelCheckpoint(folder / "model.keras"),
    "log": lambda folder: CSVLogger(folder / "log.csv"),
}


def contents(folder):
    return {name: (folder / name).read_bytes() for name in names(folder) if (folder / name).is_file()}


def train(folder, hook, **settings):
    config.set_random_seed(3)
    model = compiled(optimizer="adam")
    return model, fit(model, epochs=4, callbacks=[HOOKS[hook](folder)], **settings)


@pytest.mark.parametrize("hook", ["backup", "backup in turns", "checkpoint"])
def test_a_disk_that_fills_up_in_training_leaves_the_files_of_the_epoch_before(hook, empty_disk):
    def fill_up(epoch):
        if epoch == 2:
            seen.update(contents(empty_disk), ballast=fill(empty_disk, 0).read_bytes())

    seen = {}
    config.set_random_seed(3)
    model = compiled(optimizer="adam")
    watch = LambdaCallback(on_epoch_begin=fill_up)
    with pytest.raises(OSError, match=r"No space left on device: .*(backup|keras)"):
        model.fit(X, Y, epochs=4, verbose=0, callbacks=[HOOKS[hook](empty_disk), watch])
    assert contents(empty_disk) == seen
    assert model.history.epoch == ([0, 1, 2] if "backup" in hook else [0, 1])
    assert np.isfinite(model.predict(X, verbose=0)).all()


@pytest.mark.skipif(sys.platform == "win32", reason="limits file sizes as POSIX does")
def test_both_backups_stay_where_there_is_no_room_for_the_last_bytes_of_a_third(tmp_path):
    def limit(epoch):
        if epoch == 2:
            seen.update(contents(tmp_path))
            stack.enter_context(limited_files(len(seen["backup/training.backup"])))  # later ones are a little longer

    seen = {}
    hooks = [HOOKS["backup in turns"](tmp_path), LambdaCallback(on_epoch_begin=limit)]
    with ExitStack() as stack, pytest.raises(OSError, match=r"File too large: .*training\.backup"):
        compiled().fit(X, Y, epochs=4, verbose=0, callbacks=hooks)
    assert len(seen) == 2
    assert contents(tmp_path) == seen


@pytest.mark.parametrize("hook", ["backup", "backup in turns"])
def test_a_training_goes_on_once_there_is_room_again(hook, empty_disk, tmp_path):
    whole, expected = train(tmp_path, hook)
    config.set_random_seed(3)
    watch = LambdaCallback(on_epoch_begin=lambda epoch: fill(empty_disk, 0) if epoch == 2 else None)
    with pytest.raises(OSError, match=r"No space left on device: .*training\.backup"):
        compiled(optimizer="adam").fit(X, Y, epochs=4, verbose=0, callbacks=[HOOKS[hook](empty_disk), watch])
    (empty_disk / "ballast").unlink()
    model, found = train(empty_disk, hook)
    assert_same(model.get_weights(), whole.get_weights())
    assert found == expected
    assert names(empty_disk) == []


def test_a_log_on_a_full_disk_has_no_half_line(empty_disk):
    path = empty_disk / "log.csv"
    old = "epoch,loss\n" + "0,0.5\n" * 680
    path.write_text(old)
    assert 4090 < len(old) < 4096  # there is room for a few bytes in the last piece of 4096
    fill(empty_disk, 0)
    log = CSVLogger(path, append=True)
    log.on_train_begin()
    with pytest.raises(OSError, match=r"No space left on device: '.*log\.csv'"):
        log.on_epoch_end(1, {"loss": 1 / 3})
    assert path.read_text() == old


@pytest.mark.skipif(sys.platform == "win32", reason="limits file sizes as POSIX does")
def test_a_log_that_may_not_grow_has_no_half_line(tmp_path):
    log = CSVLogger(tmp_path / "log.csv")
    log.on_train_begin()
    log.on_epoch_end(0, {"loss": 0.5})
    before = (tmp_path / "log.csv").read_bytes()
    with limited_files(len(before) + 4), pytest.raises(OSError, match=r"File too large: '.*log\.csv'"):
        log.on_epoch_end(1, {"loss": 1 / 3})
    assert (tmp_path / "log.csv").read_bytes() == before
    log.on_epoch_end(1, {"loss": 0.25})
    assert (tmp_path / "log.csv").read_bytes() == before + b"1,0.25\r\n"


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs the permissions of POSIX")
@pytest.mark.parametrize("hook", HOOKS)
def test_a_training_in_a_read_only_folder_says_which(hook, tmp_path):
    train(tmp_path, hook)
    with read_only_folder() as folder:
        (folder / "log.csv").write_bytes(OLD)
        with nobody(folder), pytest.raises(PermissionError, match=f"Permission denied: '{folder}"):
            train(folder, hook)
        assert contents(folder) == {"log.csv": OLD}


# Folders of images


def write_photos(folder):
    for i in range(10):
        path = folder / "rose" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_img(path, picture())
    return folder


def test_a_split_on_a_full_disk_has_whole_copies_and_can_be_finished(tmp_path, empty_disk, capsys):
    photos = write_photos(tmp_path / "photos")
    ballast = fill(empty_disk, 40_000)
    with pytest.raises(OSError, match=r"No space left on device: '.*split/(train|test)/rose/\d\.png'"):
        split_folders(photos, empty_disk / "split", (0.8, 0.2), names=("train", "test"))
    copies = [path for path in (empty_disk / "split").rglob("*") if path.is_file()]
    assert 0 < len(copies) < 10
    assert all(path.read_bytes() == (photos / "rose" / path.name).read_bytes() for path in copies)
    ballast.unlink()
    parts = split_folders(photos, empty_disk / "split", (0.8, 0.2), names=("train", "test"))
    assert {name: len(part.files) for name, part in parts.items()} == {"train": 8, "test": 2}


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs the permissions of POSIX")
def test_a_split_in_a_read_only_folder_names_it(tmp_path):
    photos = write_photos(tmp_path / "photos")
    os.chmod(tmp_path, 0o755)
    with read_only_folder() as folder:
        shutil.copytree(photos, folder.parent / "photos")
        with nobody(folder), pytest.raises(PermissionError, match=f"Permission denied: '{folder}"):
            split_folders(folder.parent / "photos", folder / "split")
        assert names(folder) == []
