"""Recorder: what a run tells its directory and its console. One process or many use the same.

The loop that trains (`dtrain.local`, or the coordinator's shell) calls `started` once, `step` and
`evaluated` as they happen, `event` for everything else, and `finished` once; it asks
`stop_requested` after each step.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from dtrain.jobfile import JobSpec, source_files
from dtrain.provenance import git_state, machine
from dtrain.rundir import RunDir

State = Literal["finished", "stopped", "failed"]
MAX_SECONDS = "max_seconds"


@dataclass(frozen=True)
class RunInfo:
    """What is known when a run starts; it becomes the first part of run.json."""

    job: str  # the class's name
    settings: Mapping[str, Any]
    steps: int  # planned
    parameters: int  # elements, trainable and frozen
    workers: int | None  # asked for; 0: in this process; None: they join by themselves
    fingerprint: Mapping[str, str]
    probe: str | None = None
    spec: str | None = None  # JOB.py:Class; None for a job that no file holds
    sources: Mapping[str, str] = field(default_factory=dict)
    term: int = 1
    address: str | None = None


@dataclass(frozen=True)
class StepRecord:
    """A committed step: one line of metrics.jsonl."""

    step: int
    epoch: int
    loss: float  # mean over the batch
    weight: float
    lr: float
    seconds: float
    samples: int
    workers: int
    phases: Mapping[str, float] = field(default_factory=dict)  # seconds by phase
    logs: Mapping[str, float] = field(default_factory=dict)  # means


class Console(Protocol):
    """Where a person reads about a run."""

    def started(self, info: RunInfo) -> None: ...

    def step(self, record: StepRecord, samples_per_second: float) -> None: ...

    def evaluated(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def line(self, text: str) -> None: ...

    def finished(self, result: Mapping[str, Any]) -> None: ...


class Recorder:
    """Writes a run directory (or none) and feeds a console. Also carries the wish to stop."""

    def __init__(
        self,
        run_dir: RunDir | None,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run_dir, self.console = run_dir, console
        self.history: list[dict[str, Any]] = []
        self.result: dict[str, Any] = {}
        self.eval: dict[str, float] = {}
        self._clock, self._started_at = clock, clock()
        self._info: RunInfo | None = None
        self._last: StepRecord | None = None
        self._samples, self._training_s = 0, 0.0
        self._stop: str | None = None

    def started(self, info: RunInfo) -> None:
        """The job is built and checked; the first step comes next."""
        self._info, self._started_at = info, self._clock()
        if self.run_dir is not None:
            _write_start(self.run_dir, info)
        self.console.started(info)

    def step(self, record: StepRecord) -> None:
        """A step was committed."""
        self._last = record
        self._samples += record.samples
        self._training_s += record.seconds
        fields = asdict(record)
        logs = fields.pop("logs")
        self._keep({**fields, **{name: logs[name] for name in logs if name not in fields}})
        self.console.step(record, self.samples_per_second)

    def evaluated(self, step: int, metrics: Mapping[str, float], digest: str) -> None:
        """The weights after this step were evaluated; `digest` is theirs."""
        self.eval = dict(metrics)
        self._keep({"step": step, "eval": self.eval, "digest": digest})
        self.console.evaluated(step, metrics)

    def event(self, kind: str, text: str | None = None, **fields: Any) -> None:
        """Something that is neither a step nor an evaluation: a join, a loss, a refusal."""
        if self.run_dir is not None:
            extra = {} if text is None else {"text": text}
            self.run_dir.append_event({"event": kind, **extra, **fields})
        trace = str(fields.pop("trace", "")).rstrip()
        words = [f"{name}={value}" for name, value in fields.items()]
        line = text if text is not None else " ".join([kind, *words])
        self.console.line(f"{line}\n{trace}" if trace else line)

    def finished(
        self,
        state: State,
        digest: str | None,
        weights: Mapping[str, np.ndarray] | None = None,
        steps: int | None = None,
        error: str | None = None,
    ) -> dict[str, Any]:
        """The run is over: write the weights (`state_dict` order), close run.json, say so.

        `steps` is the number of committed steps, by default that of the last record. Returns the
        result, which is also what `--json` prints.
        """
        if steps is None:
            steps = 0 if self._last is None else self._last.step + 1
        self.result = self._result(state, digest, steps, error)
        if self.run_dir is not None:
            if weights is not None and digest is not None:
                self.run_dir.write_final(weights, digest, steps)
            self.run_dir.update_run(state=state, result=self.result)
        self.console.finished(self.result)
        return self.result

    @property
    def is_started(self) -> bool:
        """Whether `started` was called: from then on there is something to end properly."""
        return self._info is not None

    @property
    def samples_per_second(self) -> float:
        """Training samples over the seconds of their steps."""
        return self._samples / self._training_s if self._training_s > 0 else 0.0

    def request_stop(self, reason: str) -> None:
        """Ask the loop to end after the step under way; safe in a signal handler."""
        self._stop = self._stop or reason

    def stop_requested(self) -> str | None:
        """Why the loop should end now, or None: a signal, `dtrain stop`, or max_seconds."""
        limit = None if self._info is None else self._info.settings.get("max_seconds")
        is_over = limit is not None and self._clock() - self._started_at >= limit
        return self._stop or (MAX_SECONDS if is_over else None)

    def _keep(self, line: dict[str, Any]) -> None:
        self.history.append(line)
        if self.run_dir is not None:
            self.run_dir.append_metrics(line)

    def _result(
        self, state: State, digest: str | None, steps: int, error: str | None
    ) -> dict[str, Any]:
        last, info = self._last, self._info
        return {
            "job": None if info is None else info.job,
            "state": state,
            "steps": steps,
            "epochs": 0 if last is None else last.epoch + 1,
            "loss": None if last is None else last.loss,
            "eval": self.eval,
            "digest": digest,
            "seconds": round(self._clock() - self._started_at, 3),
            "samples_per_second": round(self.samples_per_second, 1),
            "workers": None if info is None else info.workers,
            "run_dir": None if self.run_dir is None else str(self.run_dir.path),
            **({} if error is None else {"error": error}),
        }


def _write_start(run_dir: RunDir, info: RunInfo) -> None:
    """What is known of the run, of the machine, and of the job's files, which are copied."""
    fields = {name: value for name, value in asdict(info).items() if value not in (None, {})}
    fields |= {"seed": info.settings.get("seed"), "machine": machine()}
    if info.spec is not None:
        files = source_files(JobSpec.parse(info.spec))
        run_dir.save_sources(files)
        fields["git"] = git_state(next(iter(files.values())).parent)
    run_dir.update_run(**fields, state="running")
