"""Kernels are compiled once, kept on disk, and made anew where what is kept is stale, damaged or not to be had."""

import ast
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from tinyconv.engine import compiler, lanes  # noqa: E402

HERE = Path(compiler.__file__).parent
with_machine_code = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")


def double(a, factor):
    for i in range(a.size):
        a[i] *= factor


def mistaken(a):
    a.no_such_thing()


def doubling():
    return compiler.Kernel(double, "f4[::1], f4")


def doubles(kernel):
    """Whether it does what it should."""
    a = np.arange(5, dtype=np.float32)
    kernel(a, 2.0)
    return a.tolist() == [0, 2, 4, 6, 8]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder of the test's own for machine code."""
    monkeypatch.setattr(compiler, "folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def unknown_folder():
    """`folder` looks anew, and again after the test."""
    compiler.folder.cache_clear()
    yield
    compiler.folder.cache_clear()


# Kernels


@pytest.mark.parametrize(
    ("environment", "registers", "expected"),
    [
        ({}, {"avx512f": True}, 16),
        ({}, {"avx512f": False}, 8),
        ({}, {}, 8),
        ({"NUMBA_CPU_NAME": "generic"}, {"avx512f": True}, 8),
        ({"NUMBA_CPU_FEATURES": "+sse2"}, {"avx512f": True}, 8),
        ({"TINYCONV_LANES": "16", "NUMBA_CPU_NAME": "generic"}, {}, 16),
    ],
)
def test_as_many_lanes_as_the_registers_of_the_processor_hold(environment, registers, expected, monkeypatch):
    for name in ("TINYCONV_LANES", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(lanes.llvmlite.binding, "get_host_cpu_features", lambda: registers)
    assert lanes._lanes() == expected


def test_a_kernel_is_compiled_when_it_is_first_called(kept):
    kernel = doubling()
    assert not kernel.is_ready
    assert doubles(kernel)
    assert kernel.is_ready


@with_machine_code
@pytest.mark.parametrize("wrong", [np.ones(4), np.ones(8, np.float32)[::2]], ids=["float64", "strided"])
def test_arrays_of_another_type_or_layout_are_an_error(kept, wrong):
    with pytest.raises(TypeError):
        doubling()(wrong, 2.0)


@with_machine_code
def test_an_error_in_a_kernel_is_shown(kept):
    with pytest.raises(numba.core.errors.TypingError, match="no_such_thing"):
        compiler.Kernel(mistaken, "f4[::1]").compile()


def test_a_kernel_is_compiled_once_for_several_threads(kept, monkeypatch):
    made, kernel = [], doubling()
    make = kernel._make
    monkeypatch.setattr(kernel, "_make", lambda where: (made.append(1), time.sleep(0.05), make(where))[-1])
    threads = [compiler.threading.Thread(target=kernel.compile) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_an_interrupted_kernel_is_compiled_when_it_is_called_again(kept, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    set_before, kernel = numba.config.CACHE_DIR, doubling()
    with monkeypatch.context() as patch:
        patch.setattr(compiler.numba, "njit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compiler.prepare([kernel])
    assert set_before == numba.config.CACHE_DIR
    assert doubles(kernel)


# The progress line


def test_a_long_wait_is_announced_on_standard_error(kept, monkeypatch, capsys):
    monkeypatch.setattr(compiler, "PATIENCE", 0.0)
    compiler.prepare([doubling()])
    out, err = capsys.readouterr()
    assert not out
    assert "tinyconv compiles for this processor, once" in err


def test_a_short_wait_is_not(kept, monkeypatch, capsys):
    monkeypatch.setattr(compiler, "PATIENCE", 1000.0)
    compiler.prepare([doubling()])
    assert capsys.readouterr() == ("", "")


def test_nothing_is_announced_where_all_is_ready(kept, monkeypatch, capsys):
    monkeypatch.setattr(compiler, "PATIENCE", 0.0)
    kernel = doubling()
    kernel.compile()
    compiler.prepare([kernel, kernel])
    assert capsys.readouterr() == ("", "")


# What is kept on disk


def files(folder, ending):
    return sorted(folder.glob(f"*/*.{ending}"))


@with_machine_code
def test_machine_code_is_kept_and_loaded(kept, monkeypatch):
    doubling().compile()
    assert len(files(kept, "nbi")) == len(files(kept, "nbc")) == 1
    before = [path.stat().st_mtime_ns for path in files(kept, "nbc")]
    assert doubles(doubling())
    assert [path.stat().st_mtime_ns for path in files(kept, "nbc")] == before


@with_machine_code
@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["cut short", "empty", "other bytes"])
def test_damaged_files_are_made_anew(kept, ending, damage):
    doubling().compile()
    [path] = files(kept, ending)
    whole = path.read_bytes()
    path.write_bytes({"cut short": whole[: len(whole) // 2], "empty": b"", "other bytes": b"\0" * 100}[damage])
    assert doubles(doubling())
    assert len(files(kept, ending)[0].read_bytes()) > len(whole) // 2
    assert files(kept, ending)[0].read_bytes()[:20] == whole[:20]


@pytest.mark.parametrize("where", [None, "a file", "a folder that is gone"])
def test_without_a_folder_nothing_is_kept_elsewhere(where, tmp_path, monkeypatch):
    (tmp_path / "a file").touch()
    monkeypatch.setattr(compiler, "folder", lambda: None if where is None else tmp_path / where)
    assert doubles(doubling())
    assert [path.name for path in tmp_path.rglob("*")] == ["a file"]
    assert not list(Path(__file__).parent.glob("__pycache__/*double-*"))


# Which folder


def test_a_missing_folder_is_made(tmp_path, monkeypatch, unknown_folder):
    monkeypatch.setenv("TINYCONV_CACHE", str(tmp_path / "not" / "there"))
    found = compiler.folder()
    assert found.parent == tmp_path / "not" / "there"
    assert found.is_dir()


def test_the_temporary_folder_takes_over_where_the_users_cannot_be_written_to(tmp_path, monkeypatch, unknown_folder):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("TINYCONV_CACHE", str(tmp_path / "a file"))
    monkeypatch.setattr(compiler.tempfile, "tempdir", str(tmp_path))
    assert compiler.folder().parent.parent == tmp_path
    assert compiler.folder().parent.name.startswith("tinyconv-")


def test_the_temporary_folder_takes_over_where_there_is_no_home(tmp_path, monkeypatch, unknown_folder):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(compiler.config, "kernel_folder", homeless)
    monkeypatch.setattr(compiler.tempfile, "tempdir", str(tmp_path))
    assert compiler.folder().parent.parent == tmp_path


def test_there_may_be_no_folder_at_all(tmp_path, monkeypatch, unknown_folder):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("TINYCONV_CACHE", str(tmp_path / "a file"))
    monkeypatch.setattr(compiler.tempfile, "tempdir", str(tmp_path / "a file"))
    assert compiler.folder() is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
@pytest.mark.parametrize("how", ["others may write", "a link"])
def test_a_temporary_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch, how):
    monkeypatch.setattr(compiler.tempfile, "tempdir", str(tmp_path))
    mine = compiler._temporary_folder()
    if how == "others may write":
        mine.chmod(0o777)
    else:
        mine.rename(tmp_path / "elsewhere")
        mine.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="is not this user's alone"):
        compiler._temporary_folder()


@pytest.mark.parametrize("file", ["vector.py", "lanes.py", "kernels/optimizers.py", "kernels/a_new_one.py"])
def test_every_source_counts_in_the_folders_name(file, tmp_path, monkeypatch):
    shutil.copytree(HERE, tmp_path / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compiler, "__file__", str(tmp_path / "engine" / "compiler.py"))
    before = compiler._fingerprint()
    assert before == compiler._fingerprint()
    with (tmp_path / "engine" / file).open("a", encoding="utf-8") as source:
        source.write("# changed\n")
    assert compiler._fingerprint() != before


def test_the_width_of_vectors_counts_too(monkeypatch):
    before = compiler._fingerprint()
    monkeypatch.setattr(compiler.vector, "LANES", 4)
    assert compiler._fingerprint() != before


@pytest.mark.parametrize("path", sorted(HERE.glob("kernels/*.py")), ids=lambda path: path.stem)
def test_kernels_are_made_from_the_sources_that_count(path):
    counted = {source.relative_to(HERE) for pattern in compiler.SOURCES for source in HERE.glob(pattern)}
    own = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom))
    for node in own:
        if node.module.startswith("tinyconv"):
            module = Path(*node.module.split(".")[2:])
            found = {module.with_suffix(".py")} & counted or {module / f"{name.name}.py" for name in node.names}
            assert found <= counted, f"{node.module} is not among compiler.SOURCES"


# Whole processes

USE_A_KERNEL = """
import numpy as np
from tinyconv.engine.kernels.optimizers import sgd
w = np.ones(5, np.float32)
sgd(w, np.arange(5, dtype=np.float32), 0.5)
print(w.tolist())
"""


def started(code, **environment):
    """A Python process that runs the code."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        cwd=HERE.parent.parent,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process):
    """(standard output, standard error) of a process that ends well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip(), err.strip()


def test_two_processes_may_compile_at_once(tmp_path):
    both = [started(USE_A_KERNEL, TINYCONV_CACHE=str(tmp_path)) for _ in range(2)]
    assert [output(process) for process in both] == [("[1.0, 0.5, 0.0, -0.5, -1.0]", "")] * 2


def test_kernels_run_as_plain_python(tmp_path):
    process = started(USE_A_KERNEL, TINYCONV_CACHE=str(tmp_path), NUMBA_DISABLE_JIT="1")
    assert output(process) == ("[1.0, 0.5, 0.0, -0.5, -1.0]", "")


@with_machine_code
def test_kernels_suit_other_processors(tmp_path):
    process = started(USE_A_KERNEL, TINYCONV_CACHE=str(tmp_path), NUMBA_CPU_NAME="generic")
    assert output(process) == ("[1.0, 0.5, 0.0, -0.5, -1.0]", "")


def test_import_tinyconv_compiles_nothing(tmp_path):
    code = "import sys, tinyconv; print([name for name in sys.modules if 'numba' in name or 'llvm' in name])"
    assert output(started(code, TINYCONV_CACHE=str(tmp_path))) == ("[]", "")
    assert not list(tmp_path.iterdir())
