# mypy: disable-error-code="no-any-return"
"""Recurrent cells: a single step of RNN, LSTM and GRU."""

import math
from typing import Any

from dtrain.autograd.functions import empty
from dtrain.autograd.ops import recurrent
from dtrain.autograd.ops.promotion import KINDS
from dtrain.autograd.tensor import Tensor
from dtrain.nn import init
from dtrain.nn.module import Module
from dtrain.nn.parameter import fresh

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What the cells share: parameters and checks.

    Shapes:  input (n, input_size) or (input_size);  states (n, hidden_size) or (hidden_size), zeros
             unless given;  results as states.
    Parameters start uniform in +-1/sqrt(hidden_size), PyTorch's numbers.
    Raises:  ValueError for dimensions, RuntimeError for sizes and dtypes that do not fit.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = fresh((rows, input_size), device, dtype)
        self.weight_hh = fresh((rows, hidden_size), device, dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, fresh((rows,), device, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew from the default generator."""
        reset(self, self.hidden_size)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        text += "" if self.bias is True else f", bias={self.bias}"
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"

    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _begin(
        self, input: Tensor, states: list[Tensor] | None, count: int
    ) -> tuple[Tensor, list[Tensor]]:
        """The input as a sequence of one step, (1, n, input_size), and states (n, hidden_size)."""
        self._check_dimensions(input, states)
        x = input if input.ndim == 2 else input.unsqueeze(0)
        if states is None:
            states = [empty(len(x), self.hidden_size, dtype=x.dtype) for _ in range(count)]
        elif input.ndim == 1:
            states = [state.unsqueeze(0) for state in states]
        if x.shape[1] != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {x.shape[1]} expected {self.input_size}"
            )
        for at, state in enumerate(states):
            if len(state) != len(x):
                raise RuntimeError(
                    f"Input batch size {len(x)} doesn't match hidden{at} batch size {len(state)}"
                )
            if state.shape[1] != self.hidden_size:
                raise RuntimeError(
                    f"hidden{at} has inconsistent hidden_size: got {state.shape[1]}, "
                    f"expected {self.hidden_size}"
                )
        if {x.dtype, *(state.dtype for state in states)} != {self.weight_ih.dtype}:
            raise RuntimeError(
                "mat1 and mat2 must have the same dtype, but got "
                f"{KINDS[x._array.dtype.name]} and {KINDS[self.weight_ih._array.dtype.name]}"
            )
        return x.unsqueeze(0), states

    def _check_dimensions(self, input: Tensor, states: list[Tensor] | None) -> None:
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        for at, state in enumerate(states or []):
            which = f"hx[{at}]" if len(states or []) > 1 else "hidden"
            if state.ndim not in (1, 2):
                raise ValueError(
                    f"{name}: Expected {which} to be 1D or 2D, got {state.ndim}D instead"
                )


class RNNCell(RNNCellBase):
    """act(w_ih x + b_ih + w_hh h + b_hh), act tanh or relu: see `RNNCellBase`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state."""
        x, [h] = self._begin(input, None if hx is None else [hx], 1)
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        out = recurrent.rnn_layer(x, h, *self._weights(), nonlinearity=self.nonlinearity)
        return out.reshape(*input.shape[:-1], self.hidden_size)


class LSTMCell(RNNCellBase):
    """One step of `lstm_layer`: see `RNNCellBase`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next (h, c)."""
        x, states = self._begin(input, None if hx is None else [hx[0], hx[1]], 2)
        packed = recurrent.lstm_layer(x, *states, *self._weights())
        shape = (*input.shape[:-1], self.hidden_size)
        h, c = unpacked(packed, x, states)
        return h.reshape(*shape), c.reshape(*shape)


class GRUCell(RNNCellBase):
    """One step of `gru_layer`: see `RNNCellBase`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state."""
        x, [h] = self._begin(input, None if hx is None else [hx], 1)
        out = recurrent.gru_layer(x, h, *self._weights())
        return out.reshape(*input.shape[:-1], self.hidden_size)


def reset(module: Module, hidden_size: int) -> None:
    """Draw a recurrent module's parameters: uniform in +-1/sqrt(hidden_size), in their order."""
    bound = 1.0 / math.sqrt(hidden_size) if hidden_size > 0 else 0.0
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


def unpacked(packed: Tensor, x: Tensor, states: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Every h (t, n, ...) and the last c (n, hidden_size), from one flat tensor."""
    h, c = states
    size = x.shape[0] * h.numel()
    return packed[:size].reshape(x.shape[0], *h.shape), packed[size:].reshape(*c.shape)
