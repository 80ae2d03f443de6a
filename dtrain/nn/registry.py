"""What a module is made of: parameters, buffers and modules, found among its attributes."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from dtrain.autograd.tensor import Tensor
from dtrain.nn.buffers import active
from dtrain.nn.parameter import Buffer, Parameter, write
from dtrain.nn.updates import RULES

if TYPE_CHECKING:
    from dtrain.nn.module import Module

TABLES = ("_parameters", "_buffers", "_modules")
HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
    "_state_dict_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class Registry:
    """Attributes that are parameters, buffers and modules are kept in tables of their own."""

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: "dict[str, Module | None]"
    _buffer_rules: dict[str, str | None]
    _non_persistent_buffers_set: set[str]
    _hooked = False  # whether hooks were ever registered: a call looks at this alone

    def __init__(self) -> None:
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _modules={},
            _buffer_rules={},
            _non_persistent_buffers_set=set(),
        )
        # A handle refers weakly to its table, which a plain dict does not allow.
        self.__dict__.update((name, OrderedDict()) for name in HOOKS)

    # Attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._make_way(name, "_parameters", "parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Registry):
            self._make_way(name, "_modules", "module")
            self._modules[name] = value  # type: ignore[assignment]  # it is a Module
        elif isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent, value.rule)
        elif (table := self._table_of(name)) is not None:
            self._reassign(table, name, value)
        else:
            object.__setattr__(self, name, value)

    def _make_way(self, name: str, table: str, what: str) -> None:
        """Take away what has the name now, unless it is in the table itself."""
        if table not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        self.__dict__.pop(name, None)
        for other in TABLES:
            if other != table and name in self.__dict__[other]:
                del self.__dict__[other][name]
                self._forget_buffer(name)

    def _reassign(self, table: str, name: str, value: Any) -> None:
        """Put a value that is no Parameter and no Module where a table has something."""
        if value is not None and not (table == "_buffers" and isinstance(value, Tensor)):
            what, allowed = {
                "_parameters": ("parameter", "torch.nn.Parameter or None"),
                "_buffers": ("buffer", "torch.nn.Buffer, torch.Tensor or None"),
                "_modules": ("child module", "torch.nn.Module or None"),
            }[table]
            raise TypeError(
                f"cannot assign '{typename(value)}' as {what} '{name}' ({allowed} expected)"
            )
        self.__dict__[table][name] = value

    def __getattr__(self, name: str) -> Any:
        known = self.__dict__
        for table in TABLES:
            held = known.get(table)
            if held and name in held:
                return held[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        table = self._table_of(name)
        if table is None:
            object.__delattr__(self, name)
        else:
            del self.__dict__[table][name]
            self._forget_buffer(name)

    def __dir__(self) -> list[str]:
        own = [*self.__dict__, *self._parameters, *self._modules, *self._buffers]
        return sorted(name for name in [*dir(type(self)), *own] if not name[0].isdigit())

    def _table_of(self, name: str) -> str | None:
        known = self.__dict__
        for table in TABLES:
            if table in known and name in known[table]:
                return table
        return None

    def _forget_buffer(self, name: str) -> None:
        self._non_persistent_buffers_set.discard(name)
        self._buffer_rules.pop(name, None)

    # Registration

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make a tensor part of what is trained; None keeps the name for it.

        Raises KeyError for a name that is taken, empty or has a dot, TypeError for what is no
        Parameter.
        """
        self._check_name(name, "_parameters", "parameter")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                f"created explicitly. To express '{name}' as a function of another Tensor, "
                "compute the value in the forward() method."
            )
        self._parameters[name] = param

    def register_buffer(
        self, name: str, tensor: Tensor | None, persistent: bool = True, rule: str | None = None
    ) -> None:
        """Make a tensor part of the state that is not trained by gradients.

        persistent: whether it is part of the state_dict;  rule: how training changes it, "affine",
        "count", "mean", "last", or None: never. Leaves that are computed apart are put together
        by that rule: see `dtrain.nn.updates`.
        """
        self._check_name(name, "_buffers", "buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        if rule is not None and rule not in RULES:
            raise ValueError(f"a buffer's rule is one of {', '.join(RULES)} or None, not {rule!r}")
        self._buffers[name] = tensor
        self._buffer_rules[name] = rule
        transient = self._non_persistent_buffers_set
        (transient.discard if persistent else transient.add)(name)

    def add_module(self, name: str, module: "Module | None") -> None:
        """Make a module a child of this one; None keeps the name for it."""
        if module is not None and not isinstance(module, Registry):
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._check_name(name, "_modules", "module")
        self._modules[name] = module

    def register_module(self, name: str, module: "Module | None") -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def _check_name(self, name: str, table: str, what: str) -> None:
        if table not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {typename(name)}")
        if "." in name:
            got = f", got: {name}" if what == "module" else ""
            raise KeyError(f'{what} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if name not in self.__dict__[table] and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def update_buffer(self, name: str, *args: Any) -> None:
        """Change a buffer by its rule.

        "affine": (keep, add);  "count": (by);  "mean": (count, total, prior);  "last": (value).
        """
        rule, buffer = self._buffer_rules.get(name), self._buffers.get(name)
        if rule is None or buffer is None:
            raise ValueError(f"{type(self).__name__} has no buffer {name!r} with an update rule")
        values: list[Any] = [arg._array if isinstance(arg, Tensor) else arg for arg in args]
        update = RULES[rule].of(*values)
        write(buffer, update.apply(buffer._array))
        if (recording := active()) is not None:
            recording.record(self, name, update)  # type: ignore[arg-type]  # self is a Module


def typename(value: Any) -> str:
    """A value's type as PyTorch's messages name it: 'torch.FloatTensor', 'list', 'numpy.int64'."""
    if isinstance(value, Tensor):
        return str(value.type())
    kind = type(value)
    home = "" if kind.__module__ in ("builtins", "__builtin__") else f"{kind.__module__}."
    return home + kind.__qualname__
