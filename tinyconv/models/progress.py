"""What `fit`, `evaluate` and `predict` print while they run.

A progress bar by tqdm where somebody is watching a terminal, redrawn at most ten times a second; one plain line for
each epoch everywhere else.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Progress:
    """The line of one epoch.

    The time of the first step, which may include preparation, is reported apart and is not in the time per step.

    Args:
        steps: how many there will be; None while unknown.
        verbose: 0 prints nothing, 1 a bar, 2 a line at the end; ``"auto"`` is 1.
        title: stands on a line of its own over the bar, or at the beginning of the plain line.
    """

    def __init__(self, steps: int | None, verbose: int | str, title: str = "") -> None:
        self.silent = verbose in (0, "0")
        self.steps, self.title, self.done = steps, title, 0
        self.started = self.first_done = time.perf_counter()
        self.first_seconds = 0.0
        watched = not self.silent and verbose != 2 and sys.stdout.isatty()
        if watched and title:
            print(title, flush=True)
        self._bar = self._make_bar() if watched else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if self._bar is not None and kind is not None:
            self._bar.close()  # the traceback begins on a line of its own

    def watch(self, batches: Iterable[T]) -> Iterator[T]:
        """The batches, counted as they pass."""
        self.started = time.perf_counter()
        for batch in batches:
            yield batch
            self.done += 1
            if self.done == 1:
                self.first_done = time.perf_counter()
                self.first_seconds = self.first_done - self.started

    def step(self, logs: Mapping[str, float]) -> None:
        """Show where training stands after a step."""
        if self._bar is not None:
            self._bar.set_description_str(f" - {describe(logs)}".removesuffix(" - "), refresh=False)
            self._bar.update()

    def finish(self, logs: Mapping[str, float]) -> None:
        """End the line with the final numbers."""
        if self._bar is not None:
            self._bar.leave = False  # tqdm would cut the line off at the edge of a narrow terminal
            self._bar.close()
            print(self._line(logs, " [" + "=" * 30 + "]"), flush=True)
        elif not self.silent:
            print(f"{self.title} - {self._line(logs)}".removeprefix(" - "), flush=True)

    def seconds_per_step(self) -> float:
        """Mean time of a step; the first one counts only where it is the only one."""
        if self.done < 2:
            return self.first_seconds
        return (time.perf_counter() - self.first_done) / (self.done - 1)

    def _line(self, logs: Mapping[str, float], bar: str = "") -> str:
        total, pace = time.perf_counter() - self.started, seconds(self.seconds_per_step())
        first = f" (first step {seconds(self.first_seconds)})" if self._first_stands_out() else ""
        return f"{self.done}/{self.done}{bar} - {total:.0f}s {pace}/step{first} - {describe(logs)}".removesuffix(" - ")

    def _first_stands_out(self) -> bool:
        return self.done > 1 and self.first_seconds > max(0.5, 5 * self.seconds_per_step())

    def _make_bar(self) -> Any:
        from tqdm.std import tqdm

        layout = "{n_fmt}/{total_fmt} [{bar:30}] - ETA: {remaining}{desc}" if self.steps else "{n_fmt}{desc}"
        width = None if os.get_terminal_size(sys.stdout.fileno()).columns else 80  # 0 where nobody has set it
        return tqdm(
            total=self.steps, bar_format=layout, ascii=".>=", mininterval=0.1, ncols=width, file=sys.stdout, leave=True
        )


def describe(logs: Mapping[str, float]) -> str:
    """Numbers by name as the training line shows them.

    >>> describe({"loss": 0.22396, "accuracy": 0.9348, "learning_rate": 5e-4})
    'loss: 0.2240 - accuracy: 0.9348 - learning_rate: 5.0000e-04'
    """
    return " - ".join(f"{k}: {v:.4f}" if abs(v) > 1e-3 or v == 0 else f"{k}: {v:.4e}" for k, v in logs.items())


def seconds(t: float) -> str:
    """A time as the training line shows it.

    >>> seconds(1.25), seconds(0.0921), seconds(0.00007)
    ('1s', '92ms', '70us')
    """
    return f"{t:.0f}s" if t >= 1 else f"{t * 1e3:.0f}ms" if t >= 1e-3 else f"{t * 1e6:.0f}us"
