"""A training that is killed again and again ends as one that is not: twenty kills of `tests.kills`."""

import importlib.util
import shutil
import signal

import pytest

from tests.kills import Training, damaged, kill_often, same

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs the signals of POSIX")

ENGINE = "numba" if importlib.util.find_spec("numba") else "numpy"
CHOICES = [("arrays", "numpy", "2"), ("flow", ENGINE, "2"), ("folder", "numpy", "epoch"), ("numbers", "numpy", "2")]


@pytest.mark.slow
def test_twenty_kills(tmp_path):
    happened, found = kill_often(20, 0, CHOICES, tmp_path)
    assert found == []
    assert happened["kills"] == 20


# Whether it would be noticed


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a training that was killed in its fourth epoch, and the training."""
    training = Training(tmp_path_factory.mktemp("whole") / "training", "arrays", "numpy", "2")
    assert training.run("epoch", 3, 1) == -signal.SIGKILL
    assert damaged(training.folder) == []
    return training


@pytest.mark.parametrize("name", ["best.keras", "epoch-1.h5", "latest.npz", "training.backup", "log.csv"])
@pytest.mark.parametrize("rest", [0.5, 0.99])
def test_half_a_file_is_noticed(whole, tmp_path, name, rest):
    shutil.copytree(whole.folder, tmp_path / "copy")
    [path] = (tmp_path / "copy").rglob(name)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * rest)])
    assert [line.split()[0] for line in damaged(tmp_path / "copy")] == [name]


def test_another_result_is_noticed(whole, tmp_path):
    shutil.copytree(whole.folder, tmp_path / "training")
    other = Training.__new__(Training)
    vars(other).update(vars(whole), folder=tmp_path / "training")
    with pytest.raises(AssertionError, match=r"left behind: .*training\.backup"):
        other.results()
    shutil.rmtree(tmp_path / "training" / "backup")
    results = other.results()
    assert same(results, other.results())
    changed = {**results, "latest.npz": [array + 1e-7 for array in results["latest.npz"]]}
    assert not same(results, changed)
    assert not same(results, {name: results[name] for name in results if name != "log.csv"})
