"""Recurrent networks over sequences: RNN, LSTM and GRU."""

import numbers
import warnings
from typing import Any

from dtrain.autograd.functions import cat, empty, stack
from dtrain.autograd.ops import recurrent
from dtrain.autograd.tensor import Tensor
from dtrain.nn import functional as F
from dtrain.nn import packed
from dtrain.nn.cells import GRUCell, LSTMCell, RNNCell, RNNCellBase, reset, unpacked
from dtrain.nn.module import Module
from dtrain.nn.parameter import Parameter, fresh

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters, checks, layers and directions.

    Shapes:  input (t, n, input_size), (n, t, input_size) with batch_first, or (t, input_size);
             output the same with directions * hidden_size features;
             states (num_layers * directions, n, hidden_size), zeros at first unless given.
             A PackedSequence gives a PackedSequence, and each sequence's own last states.
    Parameters, per layer l and direction, start uniform in +-1/sqrt(hidden_size), PyTorch's
    numbers:  weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, ... and the same "_reverse".
    Raises:  PyTorch's errors for arguments, shapes and dtypes that do not fit.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.proj_size = dropout, bidirectional, proj_size
        self._check_arguments(dropout)
        self.dropout = float(dropout)
        self._weight_names = [
            self._make_layer(layer, suffix, device, dtype)
            for layer in range(num_layers)
            for suffix in ("", "_reverse")[: self.directions]
        ]
        self.reset_parameters()

    @property
    def directions(self) -> int:
        """1, or 2 if bidirectional."""
        return 2 if self.bidirectional else 1

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._weight_names]

    def _make_layer(self, layer: int, suffix: str, device: Any, dtype: Any) -> list[str]:
        rows = GATES[self.mode] * self.hidden_size
        features = self.proj_size or self.hidden_size
        width = self.input_size if layer == 0 else features * self.directions
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width)}
        shapes["weight_hh"] = (rows, features)
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = {f"{kind}_l{layer}{suffix}": shape for kind, shape in shapes.items()}
        for name, shape in names.items():
            self.register_parameter(name, fresh(shape, device, dtype))
        return list(names)

    def reset_parameters(self) -> None:
        """Draw all parameters anew from the default generator."""
        reset(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Nothing: on a CPU the parameters can lie where they are."""

    def _check_arguments(self, dropout: Any) -> None:
        number = isinstance(dropout, numbers.Number) and not isinstance(dropout, bool)
        if not number or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an "
                "element being zeroed"
            )
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={self.num_layers}",
                stacklevel=4,
            )
        for name in ("bias", "batch_first"):
            _require_type(name, getattr(self, name), bool)
        for name in ("input_size", "hidden_size"):
            _require_type(name, getattr(self, name), int)
            _require_positive(name, getattr(self, name))
        _require_positive("num_layers", self.num_layers)
        if self.proj_size < 0:
            raise ValueError(
                "proj_size should be a positive integer or zero to disable projections"
            )
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")

    def _sizes(self, input: Tensor) -> list[tuple[int, ...]]:
        """The shape of each initial state, for a batched input."""
        count, batch = self.num_layers * self.directions, input.shape[0 if self.batch_first else 1]
        return [(count, batch, self.hidden_size)]

    def _run_layer(
        self, x: Tensor, states: list[Tensor], weights: list[Parameter], reverse: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """One layer in one direction: output (t, n, features) and the last states (n, ...)."""
        raise NotImplementedError(f"{type(self).__name__} runs no layers")

    def _run(self, input: Any, given: list[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        """Output and last states, for an input that is packed, or with or without a batch."""
        if isinstance(input, packed.PackedSequence):
            return self._run_packed(input, given)
        batched = self._check_dimensions(input, given)
        where = 0 if self.batch_first else 1
        if not batched:
            input = input.unsqueeze(where)
            given = None if given is None else [state.unsqueeze(1) for state in given]
        states = self._initial(input, given)
        if not input.shape[1 if self.batch_first else 0]:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        x = input.transpose(0, 1) if self.batch_first else input
        out, lasts = self._run_layers(x, states)
        out = out.transpose(0, 1) if self.batch_first else out
        if batched:
            return out, lasts
        return out.squeeze(where), [last.squeeze(1) for last in lasts]

    def _run_packed(self, input: Any, given: list[Tensor] | None) -> tuple[Any, list[Tensor]]:
        """The same for a PackedSequence; states are in the order of the sequences before."""
        x, sizes, order, back = input
        if x.ndim != 2:
            raise RuntimeError(f"input must have 2 dimensions, got {x.ndim}")
        if given is not None and order is not None:
            given = [state.index_select(1, order) for state in given]
        step = x[: int(sizes[0])].unsqueeze(0 if not self.batch_first else 1)
        out, lasts = self._run_layers(x, self._initial(step, given), sizes)
        if back is not None:
            lasts = [last.index_select(1, back) for last in lasts]
        return input.with_data(out), lasts

    def _run_layers(
        self, x: Tensor, states: list[Tensor], sizes: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """All layers over steps (t, n, features), or over packed ones (all, features)."""
        lasts: list[list[Tensor]] = []
        for layer in range(self.num_layers):
            if layer:
                x = F.dropout(x, self.dropout, self.training)
            outs = []
            for direction in range(self.directions):
                at = layer * self.directions + direction
                first = [state[at] for state in states]
                out, last = self._run_direction(x, first, at, sizes)
                outs.append(out)
                lasts.append(last)
            x = outs[0] if len(outs) == 1 else cat(outs, dim=-1)
        return x, [stack(each) for each in zip(*lasts, strict=True)]

    def _run_direction(
        self, x: Tensor, states: list[Tensor], at: int, sizes: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        weights, reverse = self.all_weights[at], at % self.directions == 1
        if sizes is None:
            return self._run_layer(x, states, weights, reverse)
        return packed.run(
            lambda x, states: self._run_layer(x, states, weights, reverse),
            x, states, sizes, reverse,
        )  # fmt: skip

    def _check_dimensions(self, input: Any, given: list[Tensor] | None) -> bool:
        """Whether the input is batched."""
        name = "RNN" if self.mode.startswith("RNN") else self.mode
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name} takes a Tensor or a PackedSequence, not a {type(input).__name__}"
            )
        if input.ndim not in (2, 3):
            what = "D tensor" if name == "RNN" else "D"
            raise ValueError(
                f"{name}: Expected input to be 2D or 3D, got {input.ndim}{what} instead"
            )
        if given is not None and any(state.ndim != input.ndim for state in given):
            kind = "batched 3-D" if input.ndim == 3 else "unbatched 2-D"
            if len(given) == 1:
                which, got = "hx", f"{given[0].ndim}-D tensor"
            else:
                which, got = "hx and cx", f"({given[0].ndim}-D, {given[1].ndim}-D) tensors"
            raise RuntimeError(
                f"For {kind} input, {which} should also be {input.ndim}-D but got {got}"
            )
        return input.ndim == 3

    def _initial(self, input: Tensor, given: list[Tensor] | None) -> list[Tensor]:
        """The initial states, checked."""
        weight = self.all_weights[0][0]
        if input.dtype != weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: "
                f"model.to({input.dtype})"
            )
        if input.shape[2] != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input.shape[2]}"
            )
        sizes = self._sizes(input)
        if given is None:
            return [empty(size, dtype=input.dtype) for size in sizes]
        for at, (state, size) in enumerate(zip(given, sizes, strict=True)):
            if tuple(state.shape) != size:
                which = "hidden" if len(sizes) == 1 else f"hidden[{at}]"
                raise RuntimeError(f"Expected {which} size {size}, got {list(state.shape)}")
            if state.dtype != input.dtype:
                raise RuntimeError(
                    f"expected an initial state of {input.dtype}, as the input, not {state.dtype}"
                )
        return given

    def extra_repr(self) -> str:
        usual = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        options = "".join(
            f", {name}={getattr(self, name)}"
            for name, value in usual.items()
            if getattr(self, name) != value
        )
        return f"{self.input_size}, {self.hidden_size}{options}"


class RNN(RNNBase):
    """h[t] = act(w_ih x[t] + b_ih + w_hh h[t-1] + b_hh), act tanh or relu: see `RNNBase`.

    Source:  Elman 1990.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        _refuse_projection(kwargs)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(mode, input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(output, h_n): all states of the last layer, the last states of all layers."""
        out, lasts = self._run(input, None if hx is None else [hx])
        return out, lasts[0]

    def _run_layer(
        self, x: Tensor, states: list[Tensor], weights: list[Parameter], reverse: bool
    ) -> tuple[Tensor, list[Tensor]]:
        out = recurrent.rnn_layer(
            x, states[0], *weights, reverse=reverse, nonlinearity=self.nonlinearity
        )
        return out, [out[0 if reverse else -1]]


class LSTM(RNNBase):
    """Long short-term memory: see `RNNBase`, and `lstm_layer` for the formula.

    With `proj_size` p, h is a projection (weight_hr) of what it would be to p features; that layer
    is composed of ops step by step, and so slower.
    Source:  Hochreiter and Schmidhuber 1997; Sak, Senior and Beaufays 2014 (projections).
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__("LSTM", input_size, hidden_size, num_layers, *args, **kwargs)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(output, (h_n, c_n)): all h of the last layer, the last h and c of all layers."""
        out, (h, c) = self._run(input, None if hx is None else [hx[0], hx[1]])
        return out, (h, c)

    def _sizes(self, input: Tensor) -> list[tuple[int, ...]]:
        ((*first, hidden),) = super()._sizes(input)
        return [(*first, self.proj_size or hidden), (*first, hidden)]

    def _run_layer(
        self, x: Tensor, states: list[Tensor], weights: list[Parameter], reverse: bool
    ) -> tuple[Tensor, list[Tensor]]:
        if self.proj_size:
            (h, c), (w_ih, w_hh, *biases, w_hr) = states, weights
            b_ih, b_hh = biases or (None, None)
            both = recurrent.lstm_by_steps(x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, reverse=reverse)
        else:
            both = recurrent.lstm_layer(x, *states, *weights, reverse=reverse)
        out, last = unpacked(both, x, states)
        return out, [out[0 if reverse else -1], last]


class GRU(RNNBase):
    """Gated recurrent units: see `RNNBase`, and `gru_layer` for the formula.

    Source:  Cho et al. 2014.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, *args: Any, **kwargs: Any
    ) -> None:
        _refuse_projection(kwargs)
        super().__init__("GRU", input_size, hidden_size, num_layers, *args, **kwargs)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(output, h_n): all states of the last layer, the last states of all layers."""
        out, lasts = self._run(input, None if hx is None else [hx])
        return out, lasts[0]

    def _run_layer(
        self, x: Tensor, states: list[Tensor], weights: list[Parameter], reverse: bool
    ) -> tuple[Tensor, list[Tensor]]:
        out = recurrent.gru_layer(x, states[0], *weights, reverse=reverse)
        return out, [out[0 if reverse else -1]]


def _require_type(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")


def _require_positive(name: str, value: int) -> None:
    if value <= 0:
        raise ValueError(f"{name} must be greater than zero")


def _refuse_projection(options: dict[str, Any]) -> None:
    if "proj_size" in options:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
