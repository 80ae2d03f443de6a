"""What is known of a run when it starts, and of each step: plain values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


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
    layout: str = ""  # hash
    data: str = ""  # what `LeafComputer.data_identity` says
    run: str = ""  # names the run in all its terms
    term: int = 1
    address: str | None = None
    resumed: Mapping[str, Any] | None = None  # where it goes on, and what changed; None: a new run


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """A committed step, as it is recorded. With weight 0 the weights stayed and loss is nan."""

    step: int
    epoch: int
    loss: float  # mean
    weight: float
    samples: int
    lr: float  # of the first parameter group
    logs: dict[str, float]  # means
    grad_norm: float | None = None  # before clipping, where it is clipped by its norm
    skipped: str | None = None  # why the weights stayed


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
    grad_norm: float | None = None  # before clipping
    skipped: str | None = None  # why the weights stayed

    @classmethod
    def of(
        cls, outcome: StepOutcome, seconds: float, workers: int, phases: Mapping[str, float]
    ) -> Self:
        """What the trainer says of a step, and what it took."""
        return cls(
            step=outcome.step,
            epoch=outcome.epoch,
            loss=outcome.loss,
            weight=outcome.weight,
            lr=outcome.lr,
            seconds=seconds,
            samples=outcome.samples,
            workers=workers,
            phases=phases,
            logs=outcome.logs,
            grad_norm=outcome.grad_norm,
            skipped=outcome.skipped,
        )
