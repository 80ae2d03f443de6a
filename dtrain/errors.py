"""Everything dtrain raises on purpose. Blame is in the type:

    DtrainError
    ├── UserError            the user's mistake: raised before work starts, says the fix
    │   ├── JobError         the job: its file, its model, its data, its loss
    │   │   └── ImpureError  the same leaf gave two results
    │   ├── SettingError     a setting: its name, type or value
    │   ├── AddressError     an address that cannot be parsed, reached or bound
    │   └── RunDirError      a run directory that is missing, damaged or in the way
    ├── LeafError            the user's code raised inside a leaf; carries their traceback
    ├── NonFiniteError       a gradient is inf or nan; names step and parameter
    ├── RunError             a run that could not go on, in words
    └── ProtocolError        a peer's mistake: it is dropped, the run goes on

Our own bugs are assertions. Errors of the engine are Python's own classes, as in PyTorch.
"""


class DtrainError(Exception):
    """Base of all errors that dtrain raises on purpose."""


class UserError(DtrainError):
    """The user's mistake. The message says what was wrong, where, and what to do."""


class JobError(UserError):
    """The job cannot be trained as it is written."""


class ImpureError(JobError):
    """The same leaf gave two results: something in the job is not a function of its inputs."""


class SettingError(UserError):
    """A setting that does not exist, or has the wrong type or value."""


class AddressError(UserError):
    """An address that cannot be parsed, reached or bound."""


class RunDirError(UserError):
    """A run directory that is missing, damaged or in the way."""


class LeafError(DtrainError):
    """The user's code raised inside a leaf.

    `trace` is the traceback from the user's frames on; `leaf` is None outside a leaf's loss.
    """

    def __init__(self, step: int, phase: str, leaf: int, trace: str) -> None:
        self.step, self.phase, self.leaf, self.trace = step, phase, leaf, trace
        last = trace.strip().splitlines()[-1] if trace.strip() else "unknown error"
        where = "evaluation after step" if phase == "eval" else "step"
        super().__init__(f"{where} {step}, leaf {leaf}: {last}")


class NonFiniteError(DtrainError):
    """A gradient is inf or nan."""

    def __init__(self, step: int, parameter: str, leaf: int | None = None) -> None:
        self.step, self.parameter, self.leaf = step, parameter, leaf
        where = f"step {step}" if leaf is None else f"step {step}, leaf {leaf}"
        super().__init__(
            f"{where}: the gradient of {parameter} is not finite; lower the learning rate, clip "
            'the gradient, look at that batch, or set on_nonfinite="skip"'
        )


class RunError(DtrainError):
    """The run could not go on; the message says why."""


class ProtocolError(DtrainError):
    """A peer sent something that the protocol does not allow."""
