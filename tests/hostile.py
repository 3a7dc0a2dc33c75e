"""Hostile files: every reader of tinyconv is given real files that were damaged, or made to do harm.

    python -m tests.hostile --inputs 100000 [--seed S] [--reader NAME] [--index I] [--json PATH] [--keep FOLDER]

What must not happen, whatever a file holds:

    exception    another one than the reader's documentation names, or one that does not say which file it is about
    warning      one that is not documented, such as a library's own
    slow, hang   more than 2 seconds of computing
    memory       more than 10 times the file's honest size, and `SPARE_MEMORY`. The honest size of an image is that of
                 the pixels it claims to have, of which Pillow's limit allows 89 million
    reach        a file written, or read, outside the folder that it lies in; a program started; code made or run; a
                 pickle opened; the network touched. Python's audit events tell
    litter       files left behind, files left open
    crash        of the process, as libraries in C may

A worker process makes the inputs from a seed, so that (reader, seed, index) is all that is needed to see one again, and
reads them under a limit of memory. Its parent watches the time, kills it where it hangs, and starts another one.
"""

import argparse
import contextlib
import json
import mmap
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

with contextlib.suppress(ImportError):  # on Windows, where none of this runs
    import resource

#: Seconds of computing for one input; and of waiting, where other programs take the processor.
LONGEST, LONGEST_WAIT = 2.0, 30.0
#: Times the honest size that may be used, and what may be used in any case.
FACTOR, SPARE_MEMORY = 10, 64 * 2**20
#: What a worker may have at most, beyond what it has at its start.
ADDRESS_SPACE = 4 * 2**30
#: The longest message that helps.
LONGEST_MESSAGE = 4000

_PROGRESS = struct.Struct("qqd")  # job, index, seconds of computing when it began


# The worker


class Forbidden(BaseException):
    """What a file made the program try, stopped before it is done. No reader catches it."""


class Guard:
    """Stops, and notes, what no file may bring about."""

    def __init__(self, folder: Path) -> None:
        self.inside = (str(folder), "/dev/null", "/dev/urandom", "/proc/self/")
        installed = (*(str(Path(path).resolve()) for path in sys.path if path), sys.prefix, sys.base_prefix)
        self.readable = (*self.inside, *installed)
        self.seen: list[str] = []
        self.is_on = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        reason = self._reason(event, arguments)
        if reason:
            self.seen.append(reason)
            raise Forbidden(reason)

    def _reason(self, event: str, arguments: tuple[Any, ...]) -> str:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(path, str | bytes):
                return ""
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            allowed = self.inside if writes else self.readable
            return "" if self._is_in(path, allowed) else f"opens {path!r} to {'write' if writes else 'read'}"
        if event in _CHANGES_OF_FILES:
            paths = [one for one in arguments if isinstance(one, str | bytes)]
            return "" if all(self._is_in(path, self.inside) for path in paths) else f"{event} of {paths}"
        if event == "compile":  # ast.literal_eval, with which NumPy reads a header, makes no code
            return "" if arguments[1] in ("<unknown>", b"<unknown>") else f"compiles {arguments[0]!r:.80}"
        if event == "exec":
            name = getattr(arguments[0], "co_filename", "?")
            return "" if self._is_in(name, self.readable) or name.startswith("<frozen") else f"runs code of {name}"
        if event.startswith("marshal.") and sys._getframe(2).f_code.co_filename.startswith("<frozen importlib"):
            return ""
        return event if event.startswith(_FORBIDDEN) else ""

    @staticmethod
    def _is_in(path: str | bytes, folders: Sequence[str]) -> bool:
        return os.path.realpath(os.fsdecode(path)).startswith(tuple(folders))


_CHANGES = ("remove", "rename", "mkdir", "rmdir", "link", "symlink", "chmod", "truncate")
_CHANGES_OF_FILES = {f"os.{name}" for name in _CHANGES}
_FORBIDDEN = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.", "pickle.",
    "marshal.", "ctypes.dlopen", "urllib.", "ftplib.", "http.", "smtplib.", "webbrowser.", "os.kill", "os.putenv",
)  # fmt: skip


def work(folder: Path, seed: int, jobs: Sequence[tuple[str, int, int]]) -> None:
    """Read the inputs of all jobs, and print what is found, a line of JSON each."""
    from tests.hostile_readers import READERS, settle

    settle(folder)
    os.chdir(folder)
    guard = Guard(folder)
    spoken = os.dup(1)  # what readers print goes nowhere
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(folder / "errors", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)  # and what C libraries say

    def tell(**finding: Any) -> None:
        os.write(spoken, json.dumps(finding).encode() + b"\n")

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_SPACE,) * 2)
    with (folder / "progress").open("r+b") as file:
        progress = mmap.mmap(file.fileno(), _PROGRESS.size)
    for number, (name, start, stop) in enumerate(jobs):
        reader = READERS[name]
        path = folder / "files" / reader.place
        samples = reader.samples()
        for sample in samples:  # the libraries that it needs are imported now
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with contextlib.suppress(*reader.raises):
                    reader.read(path)
            _clear(folder)
        files_open = len(os.listdir("/proc/self/fd"))
        for index in range(start, stop):
            r = Random(f"{name}/{seed}/{index}")
            data = reader.change(r.choice(samples), samples, r)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            progress[:] = _PROGRESS.pack(number, index, time.process_time())
            for kind, text, where in attempt(reader, path, data, guard):
                tell(reader=name, index=index, kind=kind, text=text[:600], where=where)
            left = _clear(folder)
            if left:
                tell(reader=name, index=index, kind="litter", text=f"leaves {left}", where="")
        if len(os.listdir("/proc/self/fd")) > files_open + 2:
            tell(reader=name, index=stop, kind="litter", text="files left open", where="")
        tell(reader=name, done=stop - start)


def _clear(folder: Path) -> list[str]:
    """Empty the folder of files; returns what lies beside it, where nothing should be."""
    shutil.rmtree(folder / "files", ignore_errors=True)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    left = [entry for entry in os.listdir(folder) if entry not in ("progress", "said", "errors", "programs")]
    for entry in left:
        shutil.rmtree(folder / entry, ignore_errors=True)
        (folder / entry).unlink(missing_ok=True)
    return left


def attempt(reader: Any, path: Path, data: bytes, guard: Guard) -> Iterator[tuple[str, str, str]]:
    """What is wrong with the way in which a reader takes a file: (kind, text, place in the code)."""
    _forget_peak()
    before, began = _resident(), time.process_time()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        guard.is_on = True
        try:
            reader.read(path)
        except reader.raises as error:
            guard.is_on = False
            text = str(error)
            if reader.names_file and str(path) not in text and not _is_about(error, path):
                yield "exception", f"which file? {type(error).__name__}: {error}", _where(error)
            if len(text) > LONGEST_MESSAGE:
                yield "exception", f"{len(text)} letters: {text[:200]}", _where(error)
        except BaseException as error:
            guard.is_on = False
            yield ("reach" if guard.seen else "exception"), f"{type(error).__name__}: {error}", _where(error)
        finally:
            guard.is_on = False
    for reason in guard.seen:
        yield "reach", reason, ""
    guard.seen.clear()
    seconds, memory = time.process_time() - began, _peak() - before
    if seconds > LONGEST:
        yield "slow", f"{seconds:.1f} seconds", ""
    if memory > SPARE_MEMORY and memory > FACTOR * reader.honest(data) + SPARE_MEMORY:
        yield "memory", f"{memory / 2**20:.0f} MB for a file of {len(data)} bytes", ""
    for warning in warned:
        if not re.search(reader.warns, str(warning.message)):
            yield "warning", f"{warning.category.__name__}: {warning.message}", f"{warning.filename}:{warning.lineno}"


def _is_about(error: BaseException, path: Path) -> bool:
    return isinstance(error, OSError) and error.filename == str(path)


def _where(error: BaseException) -> str:
    """The last place in tinyconv that an error came through, and the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = next((f for f in reversed(frames) if "tinyconv" in f.filename), frames[-1])
    return " < ".join(f"{Path(f.filename).name}:{f.name}:{f.lineno}" for f in (frames[-1], own))


def _forget_peak() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _peak() -> int:
    """Not what getrusage says, which includes the peak of the process that this one came from."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


# The parent


def shared_out(inputs: int, only: str | None = None) -> list[tuple[str, int, int]]:
    """(reader, first index, last index and one) so that together they are so many."""
    from tests.hostile_readers import READERS

    shares = {name: reader.share for name, reader in READERS.items() if only in (None, name)}
    if not shares:
        raise SystemExit(f"--reader: one of {', '.join(READERS)}")
    total, done, given, jobs = sum(shares.values()), 0, 0, []
    for name, share in shares.items():
        done += share
        n, given = inputs * done // total - given, inputs * done // total
        jobs.append((name, 0, n))
    return jobs


def run(jobs: Sequence[tuple[str, int, int]], seed: int) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Number of inputs read by each reader, and everything found."""
    read, findings, waiting = Counter[str](), [], list(jobs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        while waiting:
            (folder / "progress").write_bytes(bytes(_PROGRESS.size))
            command = [sys.executable, "-m", "tests.hostile", "--seed", str(seed), "--work", str(folder)]
            environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "TINYCONV_ENGINE": "numpy", "TMPDIR": str(folder)}
            with (folder / "said").open("w+b") as said, subprocess.Popen(
                [*command, json.dumps(waiting)], stdout=said, env=environment, cwd=Path(__file__).parent.parent
            ) as worker:  # fmt: skip
                verdict = _watch(worker, folder / "progress")
                said.seek(0)
                for line in map(json.loads, said.read().splitlines()):
                    if "done" in line:
                        read[line["reader"]] += line["done"]
                    else:
                        findings.append(line)
            if verdict is None:
                break
            number, index, _ = _PROGRESS.unpack((folder / "progress").read_bytes())
            reader, start, stop = waiting[number]
            findings.append({"reader": reader, "index": index, "kind": verdict[0], "text": verdict[1], "where": ""})
            read[reader] += index + 1 - start
            waiting = [(reader, index + 1, stop), *waiting[number + 1 :]]
    return read, findings


def _watch(worker: "subprocess.Popen[bytes]", progress: Path) -> tuple[str, str] | None:
    """Wait for a worker to end; None where all is well, else what became of it."""
    seen, since = b"", time.monotonic()
    while worker.poll() is None:
        time.sleep(0.05)
        now = progress.read_bytes()
        if now != seen:
            seen, since = now, time.monotonic()
        waited = time.monotonic() - since
        began = _PROGRESS.unpack(now)[2]
        if began and waited > LONGEST + 1 and (_computed(worker.pid) - began > LONGEST + 1 or waited > LONGEST_WAIT):
            worker.kill()
            worker.wait()
            return "hang", f"killed after {waited:.0f} seconds"
    if worker.returncode == 0:
        return None
    if not _PROGRESS.unpack(progress.read_bytes())[2]:
        said = (progress.parent / "errors").read_text(errors="replace")
        raise RuntimeError(f"the worker ended with {worker.returncode} before its first input: {said}")
    name = signal.Signals(-worker.returncode).name if worker.returncode < 0 else f"exit code {worker.returncode}"
    return "crash", name


def _computed(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def example(name: str, seed: int, index: int) -> bytes:
    """The contents of one input."""
    from tests.hostile_readers import READERS

    reader = READERS[name]
    samples = reader.samples()
    r = Random(f"{name}/{seed}/{index}")
    return reader.change(r.choice(samples), samples, r)


def show(name: str, seed: int, index: int, keep: str | None) -> None:
    """Read one input with nothing between it and the reader, for its traceback."""
    from tests.hostile_readers import READERS, settle

    with tempfile.TemporaryDirectory() as folder:
        settle(Path(folder))
        data, path = example(name, seed, index), Path(keep or folder) / "files" / READERS[name].place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"{len(data)} bytes: {data[:300]!r}")
        READERS[name].read(path)


def summed_up(findings: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each finding of another kind, with the first input that shows it."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in findings:
        text = re.sub(r"\d+|'[^']*'|/\S+", "_", one["text"])[:60]
        groups.setdefault((one["reader"], one["kind"], one.get("where", ""), text), []).append(one)
    return [
        f"{reader} {kind} x{len(those)} (--index {those[0]['index']}) {those[0]['text'][:300]} [{where}]"
        for (reader, kind, where, _), those in groups.items()
    ]


def main() -> int:
    """Read the inputs and say what was found; 1 if anything was."""
    parser = argparse.ArgumentParser("python -m tests.hostile", description="Give every reader hostile files.")
    parser.add_argument("--inputs", type=int, default=100_000, metavar="N", help="files to make and read (100000)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of what becomes of them (0)")
    parser.add_argument("--reader", metavar="NAME", help="only this reader")
    parser.add_argument("--index", type=int, metavar="I", help="only this input of the reader, with its traceback")
    parser.add_argument("--keep", metavar="FOLDER", help="with --index, where to leave the file")
    parser.add_argument("--json", metavar="PATH", help="write the figures there, too")
    parser.add_argument("--work", nargs=2, metavar=("FOLDER", "JOBS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(Path(options.work[0]), options.seed, json.loads(options.work[1]))
        return 0
    if options.index is not None:
        show(options.reader, options.seed, options.index, options.keep)
        return 0
    began = time.monotonic()
    read, findings = run(shared_out(options.inputs, options.reader), options.seed)
    for line in summed_up(findings):
        print(line)
    kinds = Counter(one["kind"] for one in findings)
    print("inputs: " + ", ".join(f"{name} {n}" for name, n in read.items()))
    figures = {"tried": sum(read.values()), "found": len(findings), "seconds": round(time.monotonic() - began, 1)}
    print(f"{figures['tried']} inputs, {figures['found']} found {dict(kinds) or ''}, {figures['seconds']} s")
    if options.json:
        text = json.dumps(figures | {"seed": options.seed, "inputs": read, "findings": findings}, indent=1)
        Path(options.json).write_text(text, encoding="utf-8")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
