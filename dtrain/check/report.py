"""Everything that `dtrain check` found, as lines for a person and as JSON for a program."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dtrain.check.advice import advice, duration
from dtrain.check.costs import Evaluation, Measured
from dtrain.check.weights import Weights
from dtrain.schedule import Schedule


@dataclass(frozen=True)
class Report:
    """What was found.

    leaf_bytes      the most that a leaf allocates at once, by tracemalloc
    process_bytes   the most that a fresh process with the job, its data and some leaves had in
                    memory (ru_maxrss)
    """

    job: str
    probe: str
    schedule: Schedule
    weights: Weights
    evaluation: Evaluation | None
    measured: Measured
    leaf_bytes: int
    process_bytes: int

    def lines(self) -> Mapping[str, str]:
        """A name and a text for each."""
        size, update, schedule = self.measured.size, self.measured.update, self.schedule
        frozen = f", and {size.frozen:,} frozen" if size.frozen else ""
        lines = {
            "job": self.job,
            "purity": "ok: leaf 0 gave the same bits twice in this process and in two fresh ones "
            f"(probe {self.probe[:12]})",
            "weights": "wrong, see below" if self.weights.verdict == "wrong" else self.weights.text,
            "evaluation": self._evaluation(),
            "parameters": f"{size.trained:,}{frozen}",
            "data": f"{schedule.samples:,} samples to train on, {schedule.eval_samples:,} to "
            "evaluate",
            "steps": f"{schedule.steps:,}, with {schedule.leaves(0)} leaves in the first, each of "
            f"at most {schedule.leaf_size} samples",
            "leaf": duration(self.measured.machine.leaf_s),
            "memory": f"{_bytes(self.leaf_bytes)} at most allocated by a leaf; a process with the "
            f"job had {_bytes(self.process_bytes)}",
            "optimizer": f"{update.optimizer}, {duration(update.seconds)} an update, "
            f"{_bytes(update.state_bytes)} of state",
            "rate": f"{update.rate:.4g} at first, "
            + (f"then by {update.schedule}" if update.schedule else "and always: no lr_scheduler"),
            "wire": f"{_bytes(size.weight_bytes)} of weights to each worker a step, "
            f"{_bytes(size.gradient_bytes)} of gradients from each, in {size.chunks} "
            f"chunk{'s' if size.chunks != 1 else ''}",
        }
        words = self._advice()
        return lines | {"advice": words[0]} | {" " * i: text for i, text in enumerate(words[1:], 1)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the keys are the same for every job."""
        schedule = self.schedule
        return {
            "job": self.job,
            "purity": {"same_bits": True, "probe": self.probe},
            "weights": asdict(self.weights),
            "evaluation": None if self.evaluation is None else asdict(self.evaluation),
            "data": {"samples": schedule.samples, "eval_samples": schedule.eval_samples},
            "steps": schedule.steps,
            "leaves": schedule.leaves(0),
            "leaf_size": schedule.leaf_size,
            "leaf_seconds": self.measured.machine.leaf_s,
            "leaf_bytes": self.leaf_bytes,
            "process_bytes": self.process_bytes,
            "parameters": {
                "trained": self.measured.size.trained,
                "frozen": self.measured.size.frozen,
            },
            "optimizer": asdict(self.measured.update),
            "wire": {
                "weight_bytes": self.measured.size.weight_bytes,
                "gradient_bytes": self.measured.size.gradient_bytes,
                "chunks": self.measured.size.chunks,
                **asdict(self.measured.sending),
            },
            "cores": self.measured.machine.cores,
            "advice": self._advice(),
        }

    def _advice(self) -> list[str]:
        lines = advice(self.measured.machine)
        if self.weights.verdict == "coupled" and "micro_batches=" in lines[1]:
            lines[1] += "; as the leaf size is part of this model, change batch_size in proportion"
        return lines

    def _evaluation(self) -> str:
        found = self.evaluation
        if found is None:
            return "none: eval_data() gives nothing"
        values = ", ".join(f"{name} {value:.4f}" for name, value in found.metrics.items())
        count = f"{'the first' if found.leaves < found.of else 'all'} of {found.of:,} leaves"
        return f"ok: {values} at the first weights; {count} in {duration(found.seconds)}"


def _bytes(count: int) -> str:
    if count >= 1 << 20:
        return f"{count / (1 << 20):,.1f} MiB"
    return f"{count / 1024:,.1f} KiB"
