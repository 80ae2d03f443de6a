"""Going on with a run: which one, under which settings, and whether it is still the same run.

A resumed run ends with the digest of the uninterrupted one. So what the weights depend on must be
as it was: settings by their class, the job's files, the model, the data, the arithmetic. What
differs is refused with the difference shown; or accepted, kind by kind, by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain import serialization
from dtrain.checkpoint import Checkpoints
from dtrain.errors import RunDirError, SettingError
from dtrain.rundir import INIT, RUN, RunDir
from dtrain.settings import Setting, Value, declared, resolve

if TYPE_CHECKING:
    from dtrain.job import Job
    from dtrain.trainer import Trainer

RUNS = Path("runs")
KINDS = ("job", "model", "data")  # what may be allowed to differ
ARITHMETIC = "arithmetic"  # has a flag of its own, --allow-drift


@dataclass(frozen=True)
class Resumption:
    """A run to go on with, or a new one that starts from given weights.

    record   run.json, as it is
    state    of the newest checkpoint that is whole; None: from the beginning
    init     weights to begin with in the place of the model's own, by name; None: its own
    allowed  kinds of differences that are accepted
    notes    what is to be said
    damaged  checkpoints that are not whole
    stop_after   steps after which to stop, however many are planned
    """

    record: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] | None = None
    init: Mapping[str, Any] | None = None
    allowed: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    damaged: tuple[Path, ...] = ()
    stop_after: int | None = None

    @property
    def is_resumed(self) -> bool:
        """Whether there was a run before."""
        return bool(self.record)

    @property
    def version(self) -> int:
        """Steps that need not be made again."""
        return 0 if self.state is None else int(self.state["version"])

    @property
    def term(self) -> int:
        """The coordinator's number in this run."""
        return int(self.record.get("term", 0)) + 1


@dataclass(frozen=True)
class Start:
    """How a run begins, as the command line says it.

    resume        the run directory is one to go on with
    init          a safetensors file with weights to begin with
    allowed       kinds of differences that are accepted
    allow_drift   other arithmetic is accepted, of workers too
    stop_after    steps after which to stop, however many are planned
    """

    resume: bool = False
    init: str | Path | None = None
    allowed: tuple[str, ...] = ()
    allow_drift: bool = False
    stop_after: int | None = None

    def read(self, run: RunDir) -> Resumption:
        """What is there to begin with. Raises RunDirError."""
        allowed = frozenset(self.allowed) | ({ARITHMETIC} if self.allow_drift else set())
        if self.resume:
            return replace(begin(run, allowed), stop_after=self.stop_after)
        init = None if self.init is None else read_weights(Path(self.init))
        return Resumption(init=init, allowed=allowed, stop_after=self.stop_after)

    def options(self) -> list[str]:
        """The same as options of a coordinator's command."""
        return [
            *(("--resume",) if self.resume else ()),
            *(("--init", str(self.init)) if self.init is not None else ()),
            *(word for kind in self.allowed for word in ("--allow-change", kind)),
            *(("--allow-drift",) if self.allow_drift else ()),
            *(("--stop-after", str(self.stop_after)) if self.stop_after is not None else ()),
        ]


def read_weights(path: Path) -> dict[str, Any]:
    """Weights by name, of a safetensors file. Raises RunDirError if it is none."""
    try:
        loaded = serialization.load(path)
    except OSError as error:
        raise RunDirError(f"{path} cannot be read: {error.strerror}") from None
    except RuntimeError as error:
        raise RunDirError(str(error)) from None
    if isinstance(loaded, dict) and isinstance(loaded.get("model"), dict):
        loaded = loaded["model"]  # a checkpoint
    if not isinstance(loaded, dict) or not all(hasattr(t, "shape") for t in loaded.values()):
        raise RunDirError(f"{path} holds no weights by name; save model.state_dict()")
    return {name: np.asarray(getattr(t, "_array", t)) for name, t in loaded.items()}


def find(target: str | Path) -> RunDir:
    """The run directory that `--resume DIR|last` means; last: of those in runs/.

    Raises RunDirError if it is none.
    """
    if str(target) != "last":
        return RunDir.existing(target)
    found = sorted(RUNS.glob(f"*/{RUN}"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise RunDirError(f"there is no run in {RUNS.absolute()}; write --resume RUN_DIR")
    return RunDir.existing(found[-1].parent)


def merged(
    job_class: "type[Job]",
    recorded: Mapping[str, Any],
    given: Mapping[str, Any],
    depends_on_evaluations: bool = False,
) -> dict[str, Value]:
    """The settings to go on with: those of the run, changed as far as their classes allow.

    depends_on_evaluations: whether a schedule or an early stop does, as far as is known
    Raises SettingError with the difference.
    """
    known = declared(job_class)
    kept = {name: value for name, value in recorded.items() if name in known}
    values = resolve(job_class, {**kept, **given}, "--resume")
    watched = depends_on_evaluations or values.get("patience") is not None
    for name in given:
        if name in kept:
            _check(known[name], recorded[name], values[name], watched)
    return values


def begin(run: RunDir, allowed: frozenset[str] = frozenset()) -> Resumption:
    """Read what a run has come to; damaged checkpoints are passed over. Raises RunDirError."""
    try:
        found = Checkpoints(run.path).newest()
    except OSError as error:
        raise RunDirError(f"a checkpoint of {run.path} cannot be read: {error}") from None
    step = "the beginning" if found.state is None else f"step {found.state['version']}"
    return Resumption(
        record=run.read_run(),
        state=found.state,
        init=run.read_weights(INIT).weights if (run.path / INIT).is_file() else None,
        allowed=allowed,
        notes=tuple(f"{each.reason}; going on from {step}" for each in found.damaged),
        damaged=tuple(each.path for each in found.damaged),
    )


def require_same(resumption: Resumption, now: Mapping[str, Any], explain: "Explain") -> None:
    """Compare the run's identity with that of what is there now: sources, data, fingerprint, probe.

    explain: two fingerprints as a table
    Raises RunDirError with all differences that are not allowed, and how to allow them.
    """
    found = [
        (kind, text)
        for kind, text in _differences(resumption.record, now, explain)
        if kind not in resumption.allowed
    ]
    # A changed job or model or data gives another first leaf, too: once is enough.
    if len(found) > 1 or resumption.allowed:
        found = [(kind, text) for kind, text in found if kind != "probe"]
    if found:
        kinds = dict.fromkeys(kind for kind, _ in found)
        advice = " ".join(_FLAGS[kind] for kind in kinds)
        raise RunDirError(
            "this is not the run that it was, and would end with other bits:\n"
            + "\n".join(f"  {kind}: {text}" for kind, text in found)
            + f"\nundo that, or go on all the same with: {advice}"
        )


def restore(trainer: "Trainer", resumption: Resumption) -> list[str]:
    """Put the trainer where the run was; returns what is to be said of that.

    Raises RunDirError for a checkpoint of another model, unless that is allowed: then what has the
    same name and shape goes on, and the rest begins anew.
    """
    notes = [*resumption.notes]
    if resumption.init is not None and resumption.state is None:
        require_fitting(trainer, resumption.init, "the initial weights")
        trainer.load_weights(resumption.init)
    if resumption.state is not None:
        saved = resumption.state["model"]
        wanted = None
        differing = differences_of_weights(trainer, saved)
        if differing:
            if "model" not in resumption.allowed:
                raise RunDirError(
                    "the model is not the one of the checkpoint:\n  "
                    + "\n  ".join(differing)
                    + f"\nundo that, or go on with what fits: {_FLAGS['model']}"
                )
            notes += differing
            wanted = frozenset(_fitting(trainer, saved))
        trainer.load(resumption.state, wanted)
    return notes


def require_fitting(trainer: "Trainer", weights: Mapping[str, Any], what: str) -> None:
    """Raises RunDirError unless weights have the names and shapes of the model."""
    differing = differences_of_weights(trainer, weights)
    if differing:
        raise RunDirError(f"{what} are not the model's:\n  " + "\n  ".join(differing))


def differences_of_weights(trainer: "Trainer", weights: Mapping[str, Any]) -> list[str]:
    """Names that only one side has, and shapes that differ, a line each."""
    ours = {name: array.shape for name, array in trainer.state_dict().items()}
    theirs = {name: tuple(array.shape) for name, array in weights.items()}
    lines = []
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        if name not in theirs:
            lines.append(f"{name} {_shape(ours[name])} is only in the model")
        elif name not in ours:
            lines.append(f"{name} {_shape(theirs[name])} is only in the file")
        elif ours[name] != theirs[name]:
            lines.append(
                f"{name} is {_shape(ours[name])} in the model, {_shape(theirs[name])} in the file"
            )
    return lines


Explain = Callable[[dict[str, str], dict[str, str]], str]

_FLAGS = {kind: f"--allow-change {kind}" for kind in KINDS}
_FLAGS |= {ARITHMETIC: "--allow-drift", "probe": "--allow-change job"}


def _differences(
    record: Mapping[str, Any], now: Mapping[str, Any], explain: Explain
) -> list[tuple[str, str]]:
    """Kinds, and what differs in words."""
    found = []
    before, after = record.get("sources", {}), now.get("sources", {})
    files = sorted(n for n in {**before, **after} if before.get(n) != after.get(n))
    if before and after and files:
        found.append(("job", f"changed files: {', '.join(files)} (the old ones are in source/)"))
    if record.get("data") and record["data"] != now["data"]:
        found.append(("data", f"then {record['data']}; now {now['data']}"))
    if record.get("layout") and record["layout"] != now["layout"]:
        found.append(("model", "its parameters or buffers have other names, shapes or dtypes"))
    if record.get("fingerprint") and record["fingerprint"] != now["fingerprint"]:
        found.append((ARITHMETIC, explain(record["fingerprint"], now["fingerprint"])))
    if record.get("probe") and record["probe"] != now["probe"]:
        found.append(("probe", "leaf 0 of step 0 gives other bits than when the run began"))
    return found


def _check(setting: Setting, before: Value, after: Value, watched: bool) -> None:
    """Whether a setting may change as it does."""
    if before == after:
        return
    match setting.class_when(watched):
        case "neutral":
            return
        case "extends":
            if after is None or (before is not None and _number(after) >= _number(before)):
                return
            raise SettingError(
                f"--resume: {setting.name} was {before!r} and may only grow; it cannot be {after!r}"
            )
    raise SettingError(
        f"--resume: {setting.name} was {before!r} and changes the weights; it cannot be {after!r} "
        "in a run that goes on. Start a new run for that"
    )


def _number(value: Value) -> float:
    assert isinstance(value, int | float), "a setting that extends a run is a number"
    return float(value)


def _fitting(trainer: "Trainer", weights: Mapping[str, Any]) -> list[str]:
    ours = trainer.state_dict()
    return [n for n, a in weights.items() if n in ours and ours[n].shape == tuple(a.shape)]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
