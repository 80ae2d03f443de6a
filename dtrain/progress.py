"""What a person reads while a run goes on: a live line on a terminal, plain lines elsewhere.

The last line of a run is `digest <64 hex>`; with `--json` it is one JSON object.
"""

import atexit
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any

from dtrain.recorder import Console
from dtrain.records import RunInfo, StepRecord
from dtrain.rundir import plain
from dtrain.saying import say

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_S = 1.0  # between plain lines
LIVE_S = 0.1  # between redrawings of the live line


def console(json: bool = False, quiet: bool = False) -> Console:
    """The console that suits the options and the terminal."""
    if json:
        return JsonConsole(Silent() if quiet else Plain(sys.stderr))
    if quiet:
        return Quiet(sys.stdout)
    return Live(sys.stdout) if sys.stdout.isatty() else Plain(sys.stdout)


class Silent:
    """Says nothing."""

    def started(self, info: RunInfo) -> None:
        """A run has started."""

    def step(self, record: StepRecord, samples_per_second: float) -> None:
        """A step was committed."""

    def evaluated(self, step: int, metrics: Mapping[str, float]) -> None:
        """The weights after a step were evaluated."""

    def line(self, text: str) -> None:
        """Something else happened."""

    def finished(self, result: Mapping[str, Any]) -> None:
        """The run is over."""


class Quiet(Silent):
    """Says the digest alone."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def finished(self, result: Mapping[str, Any]) -> None:
        """The digest of the weights, unless the run failed."""
        if result["digest"] is not None and result["state"] != "failed":
            say(f"digest {result['digest']}", self.stream)


class Plain(Quiet):
    """Lines of text: about one a second, and one for each evaluation."""

    def __init__(self, stream: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock, self._shown_at = clock, -PLAIN_S
        self._steps = 0

    def started(self, info: RunInfo) -> None:
        """One line about the job."""
        self._steps = info.steps
        self.line(_opening(info))

    def step(self, record: StepRecord, samples_per_second: float) -> None:
        """A line, if the last one is a second old."""
        if self._clock() - self._shown_at >= PLAIN_S:
            self._shown_at = self._clock()
            self.line(_step(record, self._steps, samples_per_second))

    def evaluated(self, step: int, metrics: Mapping[str, float]) -> None:
        """A line."""
        self.line(f"step {step + 1}/{self._steps}: eval {_figures(metrics)}")

    def line(self, text: str) -> None:
        """A line; what follows its first line, as a traceback, goes to standard error."""
        first, _, more = text.partition("\n")
        self._print(first)
        if more:
            say(more, sys.stderr)

    def finished(self, result: Mapping[str, Any]) -> None:
        """How it ended, where it lies, and the digest."""
        for text in _closing(result):
            self._print(text)
        super().finished(result)

    def _print(self, text: str) -> None:
        say(text, self.stream)


class Live(Plain):
    """A line that is drawn again and again, below the plain lines of evaluations and events.

    It is drawn by the calls alone: a thread of its own would take time from the computation.
    """

    def __init__(self, stream: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream, clock)
        self._progress: Progress | None = None
        atexit.register(self._close)  # gives the cursor back, whatever happens

    def started(self, info: RunInfo) -> None:
        """Begin to draw."""
        super().started(info)
        self._progress = _progress(self.stream)
        self._progress.add_task("step", total=info.steps, text="")
        self._progress.start()

    def step(self, record: StepRecord, samples_per_second: float) -> None:
        """Draw, if the last drawing is old enough."""
        done = record.step + 1 == self._steps
        if self._progress is None or (not done and self._clock() - self._shown_at < LIVE_S):
            return
        self._shown_at = self._clock()
        text = _step(record, self._steps, samples_per_second)
        self._progress.update(self._progress.task_ids[0], completed=record.step + 1, text=text)
        self._progress.refresh()

    def _print(self, text: str) -> None:
        """A line above the live one."""
        if self._progress is None:
            super()._print(text)
        else:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def finished(self, result: Mapping[str, Any]) -> None:
        """End the drawing, then say how it ended."""
        self._close()
        super().finished(result)

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class JsonConsole:
    """Hands everything on, and at the end prints the result as one line of JSON."""

    def __init__(self, inner: Console) -> None:
        self._inner = inner
        self.started, self.step = inner.started, inner.step
        self.evaluated, self.line = inner.evaluated, inner.line

    def finished(self, result: Mapping[str, Any]) -> None:
        """The object on standard output."""
        self._inner.finished(result)
        say(json.dumps(plain(result), allow_nan=False), sys.stdout)


def _progress(stream: IO[str]) -> "Progress":
    from rich.console import Console as Terminal
    from rich.progress import Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.fields[text]}", markup=False),
        TimeRemainingColumn(),
        console=Terminal(file=stream),
        auto_refresh=False,
        redirect_stderr=sys.stderr.isatty(),  # else it would end up in standard output
        transient=True,
    )


def _opening(info: RunInfo) -> str:
    if info.workers is None:
        where = "by the workers that join"
    else:
        where = _count(info.workers, "worker") if info.workers else "in this process"
    settings = info.settings
    times = settings.get("scale_batch", 1)
    return (
        f"{info.job}: {info.parameters:,} parameters, {_count(info.steps, 'step')} of "
        f"{settings['batch_size'] * times} samples in {settings['micro_batches'] * times} leaves, "
        f"{where}"
    )


def _step(record: StepRecord, steps: int, samples_per_second: float) -> str:
    return f"step {record.step + 1}/{steps}: {_step_figures(record, samples_per_second)}"


def _step_figures(record: StepRecord, samples_per_second: float) -> str:
    workers = f", {_count(record.workers, 'worker')}" if record.workers else ""
    figures = _figures({"loss": record.loss, **record.logs})
    return f"{figures}, {samples_per_second:,.0f} samples/s{workers}"


def _closing(result: Mapping[str, Any]) -> list[str]:
    loss = "" if result["loss"] is None else f", loss {_figure(result['loss'])}"
    pace = f"{result['seconds']:.1f} s, {result['samples_per_second']:,.0f} samples/s"
    lines = [f"{result['state']}: {_count(result['steps'], 'step')}{loss} in {pace}"]
    if result.get("drift"):
        lines.append(f"drift: {', '.join(result['drift'])} computed with other arithmetic")
    if result["eval"]:
        after = result.get("eval_steps")
        when = "" if after == result["steps"] else f" after {after} steps"
        lines.append(f"eval{when}: {_figures(result['eval'])}")
    if result["run_dir"] is not None:
        lines.append(f"run directory: {result['run_dir']}")
        if result.get("resume"):
            lines.append(f"to go on: {result['resume']}")
    return lines


def _figures(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_figure(value)}" for name, value in values.items())


def _figure(value: float) -> str:
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3e}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
