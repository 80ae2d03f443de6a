"""Which leaf something went wrong in, and what is said of it."""

import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from dtrain.errors import DtrainError, JobError, LeafError

PACKAGE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Place:
    """Which leaf it is, for the job and for error messages."""

    step: int
    phase: str  # "train" or "eval"
    leaf: int
    epoch: int

    def __str__(self) -> str:
        kind = "step" if self.phase == "train" else "evaluation after step"
        return f"{kind} {self.step}, leaf {self.leaf}"


def blamed(at: Place, error: Exception | SystemExit) -> DtrainError:
    """The user's exception with the leaf it happened in; a write to weights said as such."""
    frames = _users_frames(error)
    explained = _explained(error, traceback.extract_tb(frames)[0])
    if explained is not None:
        return JobError(f"{at}: {explained}")
    trace = traceback.format_exception(type(error), error, frames)
    return LeafError(at.step, at.phase, at.leaf, "".join(trace))


def _explained(error: Exception | SystemExit, at: traceback.FrameSummary) -> str | None:
    """Frequent mistakes in one sentence each; None for an exception that speaks for itself."""
    where = f"{Path(at.filename).name}, line {at.lineno}"
    if isinstance(error, ValueError) and "read-only" in str(error):
        return changed(where)
    if isinstance(error, IndexError) and str(error).startswith("Target "):
        return (
            f"a label is out of range ({where}): {error} Labels are class indices, from 0 to one "
            "less than the number of scores that the model gives for each sample"
        )
    return None


def changed(where: str) -> str:
    return (
        f"the model's weights were changed inside loss ({where}): that is for the optimizer alone; "
        "they are read-only while a leaf runs, as are arrays that the data itself gives so"
    )


def _users_frames(error: BaseException) -> TracebackType | None:
    """The traceback from the first frame outside this package; all of it if there is none."""
    frame = error.__traceback__
    while frame is not None and Path(frame.tb_frame.f_code.co_filename).is_relative_to(PACKAGE):
        frame = frame.tb_next
    return frame or error.__traceback__
