"""An optimizer's state on flat vectors: slots, update counts, scalars. In and out as PyTorch's.

`Optimizer.slots` names arrays that are like their parameter; here each is a flat vector laid out
like the gradient's, so that any slice of a parameter can be stepped.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dtrain.autograd import Tensor, wrap
from dtrain.layout import Array, Layout, Parameter
from dtrain.optim.optimizer import Group, Optimizer


class OptimizerState:
    """The state of one optimizer over a layout's parameters, `tensors` in its order.

    groups    each parameter's group of options; None for one that the optimizer was not given
    updates   how many updates each parameter has had
    """

    def __init__(self, layout: Layout, optimizer: Optimizer, tensors: Sequence[Tensor]) -> None:
        self._layout, self._optimizer, self._tensors = layout, optimizer, tensors
        by_id = {id(p): group for group in optimizer.param_groups for p in group["params"]}
        self.groups: list[Group | None] = [by_id.get(id(tensor)) for tensor in tensors]
        self.updates = [0] * len(layout.parameters)
        self._scalars: list[dict[str, Array]] = [{} for _ in layout.parameters]
        groups = [group for group in self.groups if group is not None]
        names = dict.fromkeys(name for group in groups for name in optimizer.slots(group))
        self._slots = {name: layout.allocate_gradients() for name in names}

    def bytes(self) -> int:
        """Of all slots."""
        return sum(v.nbytes for vectors in self._slots.values() for v in vectors.values())

    def of(
        self, index: int, group: Group, shaped: Callable[[Array], Array]
    ) -> tuple[dict[str, Array], int]:
        """What the next update of a parameter, or of a slice of it, needs: arrays, and its t.

        shaped: the vector of a slot -> the slice of it, in the shape that is stepped
        """
        vector, t = self._layout.parameters[index].vector, self.updates[index] + 1
        arrays = {name: shaped(self._slot(name)[vector]) for name in self._optimizer.slots(group)}
        return arrays | self._optimizer.scalars(t, group, self._scalars[index]), t

    def count(self, reached: int) -> None:
        """An update was made of every parameter that has a bit in `reached`."""
        for i, group in enumerate(self.groups):
            if group is not None and reached >> i & 1:
                self.updates[i] += 1
                scalars = self._optimizer.scalars(self.updates[i], group, self._scalars[i])
                self._scalars[i] = scalars

    # ------------------------------------------------------------------------------ checkpoints

    def to_dict(self) -> dict[str, Any]:
        """A copy, as `Optimizer.state_dict` has it, with two keys more.

        "names": the parameters' names, by their numbers; "updates": how many each has had.
        """
        state = self._optimizer.state
        state.clear()
        for i, group in enumerate(self.groups):
            if group is not None and self.updates[i]:
                state[self._tensors[i]] = self._entries(i, group)
        packed = self._optimizer.state_dict()
        state.clear()
        order = [self._index(p) for g in self._optimizer.param_groups for p in g["params"]]
        return {
            **packed,
            "names": [self._layout.parameters[i].name for i in order],
            "updates": [self.updates[i] for i in order],
        }

    def load(self, saved: Mapping[str, Any], wanted: Callable[[str], bool]) -> None:
        """Take over what `to_dict` gave, for the parameters whose names are wanted.

        Options of groups too, if there are as many groups; the rates among them.
        """
        index_of = {p.name: i for i, p in enumerate(self._layout.parameters)}
        for number, name in enumerate(saved["names"]):
            if name in index_of and wanted(name):
                i = index_of[name]
                self.updates[i] = saved["updates"][number]
                self._take_entries(i, saved["state"].get(number, {}))
        groups = self._optimizer.param_groups
        if len(groups) == len(saved["param_groups"]):
            for group, other in zip(groups, saved["param_groups"], strict=True):
                group.update({key: v for key, v in other.items() if key != "params"})

    def _entries(self, index: int, group: Group) -> dict[str, Any]:
        """A parameter's state as PyTorch has it, copied."""
        parameter = self._layout.parameters[index]
        entries: dict[str, Any] = {}
        if self._optimizer.counts_steps:
            entries["step"] = wrap(np.asarray(self.updates[index], np.float32))
        now = self._optimizer.slots(group)
        for name in self._slots:  # one that is not used now may be again: momentum may be 0
            view = self._view(name, parameter)
            if name in now or view.any():
                entries[name] = wrap(view.copy())
        scalars = self._scalars[index]
        return entries | {name: wrap(np.array(array)) for name, array in scalars.items()}

    def _take_entries(self, index: int, entries: Mapping[str, Any]) -> None:
        parameter, group = self._layout.parameters[index], self.groups[index]
        if group is None or not parameter.trainable:
            return
        numbers = self._optimizer.scalars(1, group, {})
        for name, value in entries.items():
            if name in numbers:
                self._scalars[index][name] = np.array(value._array)
            elif name != "step":
                self._view(name, parameter)[...] = value._array

    def _slot(self, name: str) -> dict[str, Array]:
        """The vectors of a slot; a schedule may make an option need one that was not there."""
        if name not in self._slots:
            self._slots[name] = self._layout.allocate_gradients()
        return self._slots[name]

    def _view(self, name: str, parameter: Parameter) -> Array:
        return self._layout.view(self._slot(name), parameter)

    def _index(self, tensor: Tensor) -> int:
        return next(i for i, each in enumerate(self._tensors) if each is tensor)
