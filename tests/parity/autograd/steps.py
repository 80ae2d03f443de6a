"""What the lines of random programs may be: each is drawn for the tensors that there are."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.parity.autograd.lockstep import Both

LEAVES = [(2, 3), (3,), (), (1, 3), (0, 3), (2, 1, 3), (4,), (3, 3)]
UNARY = ["tanh", "sigmoid", "sin", "neg", "exp", "abs", "square"]
CHANGES = [
    "neg_()", "sin_()", "abs_()", "square_()",
    "clamp_(-0.5, 0.5)", "clamp_(min=0.0)", "div_(2.0)", "pow_(2)",
]  # fmt: skip
# In PyTorch, a change through `.data` changes what backward has of these, and no error is raised.
SAVING = ["sigmoid_()", "tanh_()", "relu_()"]


class Steps:
    """Draws lines; `both` has the tensors that the lines before have made."""

    def __init__(self, seed: int, *libraries: Any) -> None:
        self.random = random.Random(seed)
        self.both = Both(*libraries)
        self.handles: list[str] = []  # of hooks

    # Choosing

    def name(self, wanted: Callable[[Any], bool] = lambda tensor: True) -> str | None:
        fitting = [
            name for name in self.both.names if self.usable(name) and wanted(self.value(name))
        ]
        late = fitting[-4:] if self.random.random() < 0.5 else fitting
        return self.random.choice(late) if late else None

    def usable(self, name: str) -> bool:
        """Not so a view under no_grad of what has changed: it raises when it is looked at."""
        try:
            return self.value(name).is_leaf is not None
        except RuntimeError:
            return False

    def value(self, name: str) -> Any:
        return self.both.spaces[0][name]

    def other(self, name: str, within: bool = False) -> str:
        """A tensor or a number that goes with the one named; `within`: that broadcasts to it."""
        size = self.value(name).shape

        def fits(tensor: Any) -> bool:
            try:
                joint = np.broadcast_shapes(size, tensor.shape)
            except ValueError:
                return False
            return not within or (joint == tuple(size) and not self.overlap(name, tensor))

        found = self.name(fits) if self.random.random() < 0.7 else None
        return found or str(self.random.choice([2.0, 0.5, -1.5]))

    def overlap(self, name: str, tensor: Any) -> bool:
        """Whether PyTorch would read what it is writing."""
        own = self.value(name)
        return (
            own is not tensor
            and own.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
        )

    def new(self) -> str:
        return f"v{len(self.both.lines)}"

    def has_views(self, name: str) -> bool:
        """PyTorch leaves a view in its graph when its base is taken out, though not for long."""
        found = self.value(name)
        return any(self.value(each)._base is found for each in self.both.names)

    # Lines

    def made(self) -> str:
        size = self.random.choice(LEAVES)
        count = int(np.prod(size))
        dtype = self.random.choices(["float64", "float32", "int64"], [18, 1, 1])[0]
        values: list[float] = [round(self.random.uniform(-2, 2), 4) for _ in range(count)]
        if dtype == "int64":
            values = [round(each) for each in values]
        made = f"{self.new()} = t.tensor({values}, dtype=t.{dtype}).reshape({size}).clone()"
        wants = self.random.random() < 0.7 and dtype != "int64"
        return made + (".requires_grad_()" if wants else "")

    def arithmetic(self) -> str | None:
        name = self.name()
        if name is None:
            return None
        pair = [name, self.other(name)]
        self.random.shuffle(pair)
        return f"{self.new()} = {pair[0]} {self.random.choice('+-*')} {pair[1]}"

    def unary(self) -> str | None:
        # Of a view made under no_grad there is no gradient, but PyTorch saves some results.
        name = self.name(lambda x: not (x.is_leaf and x._is_view()))
        return name and f"{self.new()} = {name}.{self.random.choice(UNARY)}()"

    def view(self) -> str | None:
        name = self.name()
        assert name is not None
        return f"{self.new()} = {name}{self.random.choice(self.views(name))}"

    def views(self, name: str) -> list[str]:
        """Ways to look at a tensor, as PyTorch and dtrain both have them for its layout."""
        size = tuple(self.value(name).shape)
        found = ["[None]", ".unsqueeze(-1)", "[...]", ".squeeze()", f".view_as({name})"]
        found += [f".expand(2, *{size})", ".detach()"]
        if not any(each in line for each in SAVING for line in self.both.lines):
            found += [".data"]
        if size and size[0] > 1:
            found += ["[0]", "[1:]", "[-1]", "[::2]", ".unbind(0)[1]", ".narrow(0, 1, 1)"]
            found += [".chunk(2)[0]", ".split(1)[-1]", ".tensor_split(2)[1]", ".unfold(0, 2, 2)"]
        if len(size) > 1:
            found += [".transpose(0, 1)", ".mT", "[..., 1:]", "[:, 0]", ".movedim(0, -1)"]
            found += [".diagonal()", ".permute(*range(1, x.ndim), 0)".replace("x", name)]
        if all(each.is_contiguous() for each in self.both.tensors(name)):
            first = size[0] if size else 1
            found += [".reshape(-1)", ".view(-1)", ".flatten()", f".view(1, {first}, -1)"]
        return [each for each in found if 0 not in size or "-1)" not in each or "uns" in each]

    def change(self) -> str | None:
        name = self.name()
        assert name is not None
        match self.random.randrange(4):
            case 0:
                saving = [] if any(".data" in line for line in self.both.lines) else SAVING
                return f"{name}.{self.random.choice(CHANGES + saving)}"
            case 1 if 0 not in self.value(name).stride():  # PyTorch fills expanded ones, too
                call = self.random.choice(
                    ["zero_()", "fill_(0.5)", f"masked_fill_({name} > 0, -1.0)"]
                )
                return f"{name}.{call}"
            case 2:
                call = self.random.choice(["add_", "mul_", "sub_", "copy_"])
                other = self.other(name, within=True)
                if call == "copy_" and (other[0] != "v" or other == name):
                    return None
                return f"{name}.{call}({other})"
        sign = self.random.choice("+-*")
        return f"{name} {sign}= {self.other(name, within=True)}"

    def assign(self) -> str | None:
        name = self.name(lambda tensor: tensor.ndim > 0 and tensor.numel() > 0)
        if name is None:
            return None
        size = tuple(self.value(name).shape)
        keys = ["...", ":"]
        if size[0] > 1:
            keys += ["0", "1:", "-1", "::2"]
        if size[0] > 1 and 0 not in self.value(name).stride():
            keys += ["[1, 0]", "[0, 0]"]
        if (self.value(name) > 0).any() and 0 not in self.value(name).stride():
            keys += [f"{name} > 0"]
        key = self.random.choice(keys)
        if self.random.random() < 0.2:
            return f"{name}[{key}] {self.random.choice('+*')}= {self.random.choice([2.0, 0.5])}"
        dtype = self.value(name).dtype
        source = self.name(lambda tensor: tensor.ndim == 0 and tensor.dtype == dtype) or "1.5"
        if key == "[1, 0]":
            source = f"{name}[[0, 1]] * 2"
        return f"{name}[{key}] = {source}"

    def reduction(self) -> str | None:
        name = self.name()
        assert name is not None
        calls = ["sum()", "sum(-1, keepdim=True)", "sum(0)"]
        calls += ["mean()"] if self.value(name).numel() else []
        return f"{self.new()} = {name}.{self.random.choice(calls)}"

    def joined(self) -> str | None:
        name = self.name(lambda tensor: tensor.numel() > 0 and tensor.ndim > 0)
        if name is None:
            return None
        size = self.value(name).shape
        other = self.name(lambda tensor: tensor.shape == size)
        return f"{self.new()} = t.{self.random.choice(['cat', 'stack'])}([{name}, {other}])"

    def product(self) -> str | None:
        name = self.name(lambda tensor: tensor.ndim == 2)
        return None if name is None else f"{self.new()} = {name} @ {name}.t()"

    def custom(self) -> str | None:
        name = self.name()
        assert name is not None
        calls = ["exp({})", "same({})", "doubled({})"]
        calls += ["turned({})[0]", "turned({})[2] * 1"] if self.value(name).ndim == 2 else []
        other = self.name(lambda tensor: tensor.shape == self.value(name).shape)
        calls += [f"product({{}}, {other})[{self.random.randrange(2)}] * 1"]
        # (PyTorch crashes when a further output that retains its gradient is changed in place.)
        return f"{self.new()} = f.{self.random.choice(calls).format(name)}"

    def apart(self) -> str | None:
        name = self.name()
        assert name is not None
        calls = ["clone()", "detach()", "double()", "float()", "detach().requires_grad_()"]
        taken_out = [] if self.has_views(name) or self.value(name).retains_grad else ["detach_()"]
        taken_out += [] if self.has_views(name) else ["requires_grad_(False)"]
        in_place = self.random.choice([*taken_out, "requires_grad_()"])
        if self.random.random() < 0.4:
            return f"{name}.{in_place}"
        return f"{self.new()} = {name}.{self.random.choice(calls)}"

    # Lines about gradients

    def watched(self) -> str | None:
        # PyTorch crashes for a hook on a leaf that is a view.
        name = self.name(lambda x: x.requires_grad and not (x.is_leaf and x._is_view()))
        if name is None:
            return None
        log = f"log.append(('{name}', float(g.detach().sum())))"
        hooks = [f"register_hook(lambda g: {log})", "register_hook(lambda g: g * 2)"]
        if self.value(name).is_leaf:
            landed = f"log.append(('{name}', float(p.grad.sum())))"
            hooks += [f"register_post_accumulate_grad_hook(lambda p: {landed})"]
            hooks += ["register_post_accumulate_grad_hook(lambda p: setattr(p, 'grad', None))"]
        elif not any(each in self.value(name).grad_fn.name() for each in ("Unbind", "Split")):
            seen = f"log.append(('{name}', float(gs[0].detach().sum())))"
            hooks += [f"grad_fn.register_prehook(lambda gs: {seen})"]
        if self.random.random() < 0.3:
            return f"{name}.retain_grad()"
        number = f"h{len(self.both.lines)}"
        self.handles.append(number)
        return f"{number} = {name}.{self.random.choice(hooks)}"

    def unwatched(self) -> str | None:
        """A hook is removed; a second time does nothing."""
        made = [each for each in self.handles if each in self.both.spaces[0]]
        return f"{self.random.choice(made)}.remove()" if made else None

    def gradient(self) -> str | None:
        name = self.name(lambda tensor: tensor.requires_grad)
        if name is None:
            return None
        inputs = {name: 0}
        for _ in range(self.random.randint(1, 2)):
            inputs[self.name(lambda tensor: tensor.requires_grad) or name] = 0
        options = ["retain_graph=True", "retain_graph=True", "materialize_grads=True"]
        if not any("relu_" in line for line in self.both.lines):  # no gradient of its gradient
            options += ["create_graph=True"]
        unused = self.random.choice(["", ", allow_unused=True", ", allow_unused=True"])
        inside = f"[{', '.join(inputs)}], {self.random.choice(options)}{unused}"
        found = f"t.autograd.grad({name}.sum(), {inside})"
        return f"{self.new()} = [g if g is None else g.clone() for g in {found}][-1]"

    def backward(self) -> str | None:
        name = self.name(lambda tensor: tensor.requires_grad)
        if name is None:
            return None
        options = ["", "retain_graph=True", "create_graph=True"]
        into = self.name(
            lambda tensor: tensor.requires_grad and (tensor.is_leaf or not tensor._version)
        )
        options += [f"retain_graph=True, inputs=[{into}]"] if into else []
        option = self.random.choice(options)
        match self.random.randrange(4):
            case 0:
                return f"{name}.backward({option})"  # an error if it has several elements
            case 1:
                return f"{name}.backward(t.ones_like({name}), {option})"
            case 2:
                return f"{name}.backward(gradient={self.other(name)} * 1, {option})"
        return f"({name} * {name}).sum().backward({option})"

    def on_grad(self) -> str | None:
        name = self.name(lambda tensor: tensor.is_leaf and tensor.grad is not None)
        return name and self.random.choice([
            f"{name}.grad.mul_(2)", f"{name}.grad = None", f"{name}.grad.zero_()",
            f"{self.new()} = {name}.grad", f"{self.new()} = {name}.grad.clone()",
        ])  # fmt: skip
