"""Module: a tree of named parameters, buffers and modules, with PyTorch's names and keys."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from dtrain.autograd.dtypes import float32, float64
from dtrain.autograd.tensor import Tensor
from dtrain.nn.buffers import active
from dtrain.nn.parameter import Parameter
from dtrain.nn.updates import RULES


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found missing or too many."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base of all layers and models: assign parameters and modules to attributes, write `forward`.

    A buffer that training changes needs a rule, so that leaves computed apart can be put together:
    see `dtrain.nn.updates`.
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: "dict[str, Module | None]"
    _buffer_rules: dict[str, str | None]
    _transient: set[str]  # names of buffers that are not part of the state_dict

    def __init__(self) -> None:
        for name, value in (
            ("training", True),
            ("_parameters", {}),
            ("_buffers", {}),
            ("_modules", {}),
            ("_buffer_rules", {}),
            ("_transient", set()),
        ):
            object.__setattr__(self, name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; for subclasses to write."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    # Registration

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self.add_module(name, value)
        elif (known := self._registry_of(name)) is not None:
            if value is not None and not (known is self._buffers and isinstance(value, Tensor)):
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' object to '{name}', "
                    "which is a parameter, buffer or module"
                )
            known[name] = value
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        registry = self._registry_of(name)
        if registry is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return registry[name]

    def __delattr__(self, name: str) -> None:
        registry = self._registry_of(name)
        if registry is None:
            object.__delattr__(self, name)
        else:
            del registry[name]

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make a tensor part of what is trained."""
        self._claim(name, "_parameters")[name] = param

    def register_buffer(
        self, name: str, tensor: Tensor | None, persistent: bool = True, rule: str | None = None
    ) -> None:
        """Make a tensor part of the state that is not trained by gradients.

        `rule` says how training changes it: "affine", "count", "mean", "last", or None: never.
        """
        if rule is not None and rule not in RULES:
            raise ValueError(f"a buffer's rule is one of {', '.join(RULES)} or None, not {rule!r}")
        self._claim(name, "_buffers")[name] = tensor
        self._buffer_rules[name] = rule
        (self._transient.discard if persistent else self._transient.add)(name)

    def update_buffer(self, name: str, *args: Any) -> None:
        """Change a buffer by its rule.

        "affine": (keep, add);  "count": (by);  "mean": (count, total, prior);  "last": (value).
        """
        rule, buffer = self._buffer_rules.get(name), self._buffers.get(name)
        if rule is None or buffer is None:
            raise ValueError(f"{type(self).__name__} has no buffer {name!r} with an update rule")
        values: list[Any] = [arg._array if isinstance(arg, Tensor) else arg for arg in args]
        update = RULES[rule].of(*values)
        buffer._array[...] = update.apply(buffer._array)
        if (recording := active()) is not None:
            recording.record(self, name, update)

    def add_module(self, name: str, module: "Module | None") -> None:
        """Make a module a child of this one."""
        self._claim(name, "_modules")[name] = module

    def _registry_of(self, name: str) -> dict[str, Any] | None:
        for registry in ("_parameters", "_buffers", "_modules"):
            known: dict[str, Any] | None = self.__dict__.get(registry)
            if known is not None and name in known:
                return known
        return None

    def _claim(self, name: str, registry: str) -> dict[str, Any]:
        if registry not in self.__dict__:
            raise AttributeError(
                "cannot assign parameters or modules before Module.__init__() call"
            )
        if "." in name or not name:
            raise KeyError(f'a name in a module must not be "" nor have a dot in it: {name!r}')
        for other in ("_parameters", "_buffers", "_modules"):
            if other != registry:
                self.__dict__[other].pop(name, None)
        self.__dict__.pop(name, None)
        return self.__dict__[registry]  # type: ignore[no-any-return]  # one of the three above

    # Walking the tree

    def named_children(self) -> "Iterator[tuple[str, Module]]":
        """Modules directly below, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> "Iterator[Module]":
        """Modules directly below, each once."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: "set[Module] | None" = None, prefix: str = ""
    ) -> "Iterator[tuple[str, Module]]":
        """This module and all below it, each once."""
        memo = set() if memo is None else memo
        if self not in memo:
            memo.add(self)
            yield prefix, self
            for name, module in self._modules.items():
                if module is not None:
                    yield from module.named_modules(memo, _join(prefix, name))

    def modules(self) -> "Iterator[Module]":
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters in the order they were registered; a tied one once, by its first name."""
        for full, _, _, value in self._owned("_parameters", prefix, recurse):
            yield full, value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters in the order they were registered; a tied one once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Buffers in the order they were registered, each once."""
        for full, _, _, value in self._owned("_buffers", prefix, recurse):
            yield full, value

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers in the order they were registered, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_buffer_rules(self) -> Iterator[tuple[str, str | None]]:
        """The update rule of each of `named_buffers`."""
        for full, module, name, _ in self._owned_buffers():
            yield full, module._buffer_rules.get(name)

    def _owned_buffers(self) -> "Iterator[tuple[str, Module, str, Any]]":
        return self._owned("_buffers", "", True)

    def _owned(
        self, registry: str, prefix: str, recurse: bool
    ) -> "Iterator[tuple[str, Module, str, Any]]":
        """(full name, owner, name there, value) of every value of a registry, each value once."""
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix) if recurse else iter([(prefix, self)])
        for path, module in modules:
            for name, value in module.__dict__[registry].items():
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield _join(path, name), module, name, value

    def apply(self, fn: "Callable[[Module], None]") -> Self:
        """Call a function on every module below, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # Modes and types

    def train(self, mode: bool = True) -> Self:
        """Put this module and all below it into training mode."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Put this module and all below it into evaluation mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train all parameters, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = Tensor(parameter.grad._array)
                parameter.grad._array[...] = 0

    def to(self, dtype: Any) -> Self:
        """Cast floating-point parameters and buffers; "cpu" changes nothing."""
        if dtype == "cpu":
            return self
        dtype = np.dtype(dtype)
        if dtype.kind != "f":
            raise TypeError(f"a module is cast to a floating-point dtype, not to {dtype}")
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.is_floating_point() and tensor.dtype != dtype:
                tensor._array = tensor._array.astype(dtype)
                tensor.grad = None if tensor.grad is None else tensor.grad.to(dtype)
        return self

    def float(self) -> Self:
        """Cast to float32."""
        return self.to(float32)

    def double(self) -> Self:
        """Cast to float64."""
        return self.to(float64)

    # State

    def state_dict(self, prefix: str = "") -> "OrderedDict[str, Tensor]":
        """Parameters and persistent buffers by name; the tensors share the module's memory."""
        state: OrderedDict[str, Tensor] = OrderedDict()
        for name, value in self._state():
            state[prefix + name] = value.detach()
        return state

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Own parameters, own buffers, then each module's; a shared one under every name."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                yield prefix + name, parameter
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._transient:
                yield prefix + name, buffer
        for name, module in self._modules.items():
            if module is not None:
                yield from module._state(f"{prefix}{name}.")

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy values (Tensors or arrays) into parameters and buffers.

        Raises RuntimeError, listing everything that is wrong: a size that differs; if `strict`,
        also a key that is missing or not known. Nothing is copied then.
        """
        own = dict(self._state())
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        if strict and missing:
            problems.append(f"Missing key(s) in state_dict: {_quoted(missing)}. ")
        if strict and unexpected:
            problems.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
        arrays = {name: _array(state_dict[name]) for name in own if name in state_dict}
        problems += [
            f"size mismatch for {name}: copying a param with shape torch.Size({list(array.shape)}) "
            f"from checkpoint, the shape in current model is torch.Size({list(own[name].shape)})."
            for name, array in arrays.items()
            if array.shape != own[name].shape
        ]
        if problems:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(problems)
            )
        for name, array in arrays.items():
            own[name]._array[...] = array
        return IncompatibleKeys(missing, unexpected)

    # Printing

    def extra_repr(self) -> str:
        """What stands between the parentheses, for subclasses to write."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {_indented(repr(module))}" for name, module in self._modules.items()]
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra})"
        return "\n  ".join([f"{type(self).__name__}({extra}", *lines]) + "\n)"


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _array(value: Any) -> Any:
    return value._array if isinstance(value, Tensor) else np.asarray(value)


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
