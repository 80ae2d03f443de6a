"""Lines of Python that run on two libraries, which must not differ."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np

SEEN = ["requires_grad", "is_leaf", "grad_fn", "_version", "retains_grad"]
# What PyTorch refuses, and dtrain does, with the right gradient.
ALLOWED = [
    "refer to a single memory location", "returns multiple views",
    "saved tensor that has been detached in-place",
]  # fmt: skip


MISTAKES = ("NameError", "SyntaxError")


class Difference(AssertionError):
    """The two libraries differ; the text has the program."""


class Both:
    """The names of a program, in either library."""

    def __init__(self, *libraries: Any) -> None:
        self.spaces: list[dict[str, Any]] = [
            {"t": each, "f": functions(each), "log": []} for each in libraries
        ]
        self.lines: list[str] = []
        self.names: list[str] = []
        self.grads: set[str] = set()  # whose versions count how gradients were added up
        self.raised = False  # a walk did: what it had done before that may differ

    def run(self, line: str) -> bool:
        """Whether the line could be run; one that raises must do so in both."""
        code = compile(line, "<program>", "exec")
        outcomes = [_outcome(code, self.spaces[0])]
        if any(each in outcomes[0] for each in ALLOWED):
            self.raised = self.raised or walks(line)
            return False
        outcomes.append(_outcome(code, self.spaces[1]))
        if "backward through the graph a second time" in outcomes[0] and not outcomes[1]:
            outcomes[1] = outcomes[0]  # PyTorch also frees what has saved an index alone
        self.lines.append(line + (f"  # {outcomes[0]}" if outcomes[0] else ""))
        self.require(not outcomes[0].startswith(MISTAKES), "no program", outcomes[0])
        kinds = [each.partition(":")[0] for each in outcomes]
        self.require(kinds[0] == kinds[1], "raised", *outcomes)
        self.raised = self.raised or (bool(outcomes[0]) and walks(line))
        return not outcomes[0]

    def require(self, same: bool, what: str, *values: Any) -> None:
        if not same:
            raise Difference("\n".join([*self.lines, f"-> {what}: {values}"]))

    def tensors(self, name: str) -> tuple[Any, Any]:
        return self.spaces[0][name], self.spaces[1][name]

    def add(self, name: str) -> None:
        """A new name, if the line made a tensor."""
        one, other = self.tensors(name)
        self.require(hasattr(one, "grad") == hasattr(other, "grad"), name, one, other)
        if hasattr(one, "grad"):
            self.names.append(name)
            line = self.lines[-1]
            if ".grad" in line or not self.grads.isdisjoint(re.findall(r"\w+", line)):
                self.grads.add(name)

    def same(self, one: Any, other: Any) -> bool:
        """Whether two tensors, or None, are equal, to the precision of this program."""
        if one is None or other is None:
            return one is None and other is None
        if tuple(one.shape) != tuple(other.shape) or str(one.dtype) != str(other.dtype):
            return False
        error = 1e-4 if self.coarse() else 1e-9
        arrays = one.detach().numpy(), other.detach().numpy()
        return np.allclose(*arrays, rtol=error, atol=error / 100, equal_nan=True)

    def compare(self) -> None:
        """All that can be seen of each tensor; gradients only if backward got through."""
        for name in self.names:
            one, other = self.tensors(name)
            self.require(one is None or self.same(one, other), name, one, other)
            seen = [_seen(each, name in self.grads) for each in (one, other)]
            if not any(each in seen[0] for each in ALLOWED):
                self.require(seen[0] == seen[1], name, *seen)
            if not self.raised and seen[0] != "RuntimeError":
                self.require(self.same(one.grad, other.grad), f"{name}.grad", one.grad, other.grad)
        logs = [sorted(space["log"]) for space in self.spaces]
        error = 1e-4 if self.coarse() else 1e-6
        self.require(self.raised or _close(logs, error), "hooks saw", *logs)

    def coarse(self) -> bool:
        """Whether there are 32-bit numbers in the program, or integers, which become such."""
        return any("float()" in line or "32" in line or "int64" in line for line in self.lines)


def _close(logs: list[Any], error: float) -> bool:
    names = [[name for name, _ in log] for log in logs]
    sums = ([each for _, each in log] for log in logs)
    return names[0] == names[1] and np.allclose(*sums, error, error, equal_nan=True)


def walks(line: str) -> bool:
    """Whether a line sends gradients through the graph."""
    return "backward(" in line or "autograd.grad(" in line


def _outcome(code: Any, space: dict[str, Any]) -> str:
    try:
        exec(code, space)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return ""


def _seen(tensor: Any, grad: bool) -> str:
    names = [name for name in SEEN if not (grad and name == "_version")]
    try:
        seen = [getattr(tensor, name) for name in names]
        return str(
            [each if isinstance(each, int) else each is None for each in seen] + [tensor._is_view()]
        )
    except RuntimeError as error:
        return str(error) if any(each in str(error) for each in ALLOWED) else "RuntimeError"


def functions(torch: Any) -> SimpleNamespace:
    """Some autograd.Functions of a library."""

    class Exp(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0]

    class Product(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            ctx.save_for_backward(x, y)
            return x * y, x + y

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            x, y = ctx.saved_tensors
            return g * y + h, g * x + h

    class Doubled(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    class Same(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3

    class Turned(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            return x.t(), None, x * 2

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any, h: Any) -> Any:
            parts = [*([] if g is None else [g.t()]), *([] if h is None else [h * 2])]
            return sum(parts) if parts else None

    made = (Exp, Product, Doubled, Same, Turned)
    return SimpleNamespace(**{each.__name__.lower(): each.apply for each in made})
