"""Where dtrain differs from PyTorch knowingly, each with its reason. Tests fail for one that is no
longer needed."""

from collections.abc import Callable
from typing import NamedTuple

from tests.parity.databases.runner import Call, flat


def always(call: Call, dtype: str) -> bool:
    """On every sample."""
    return True


class Known(NamedTuple):
    """Why dtrain differs, and on which samples, by their arguments and the name of their dtype; and
    whether on every machine, which noise need not be."""

    reason: str
    concerns: Callable[[Call, str], bool] = always
    certain: bool = True


def of_whole_numbers(call: Call, dtype: str) -> bool:
    """On samples of integers or bools, among which there are equal elements."""
    return "float" not in dtype


def of_singles(call: Call, dtype: str) -> bool:
    """On samples in float32."""
    return dtype == "float32"


def of_gaps(call: Call, dtype: str) -> bool:
    """On samples whose input is a part of a larger memory."""
    return bool(call.input.untyped_storage().nbytes() > call.input.nbytes)


def by_singular_values(call: Call, dtype: str) -> bool:
    """On norms of matrices that need their singular values."""
    arguments = list(flat([*call.args, *call.kwargs.values()]))
    return any(each in ("nuc", 2, -2) for each in arguments if isinstance(each, str | int | float))


def of_an_inverse(call: Call, dtype: str) -> bool:
    """On negative powers."""
    return bool(call.args[0] < 0)


def of_bytes(call: Call, dtype: str) -> bool:
    """On images of bytes."""
    return dtype == "uint8"


TIES = Known("of equal elements PyTorch takes any; dtrain's order is stable", of_whole_numbers)
SINGULAR = Known("dtrain has no singular values of matrices", by_singular_values)
POLES = Known("at poles below 0 PyTorch has rounding noise; dtrain has inf", of_whole_numbers)
BYTES = Known("dtrain resizes images of floats, not of bytes", of_bytes)

EXCEPTIONS: dict[str, Known] = {
    "argsort": TIES,
    "as_strided": Known("dtrain's tensors have no storage beyond their elements", of_gaps),
    "as_strided:partial_views": Known("dtrain's tensors have no storage beyond their elements"),
    "cov": Known("the gradient is zero: what is left is rounding noise", of_singles, False),
    "einsum": Known("PyTorch casts integers by the order of its sums", of_whole_numbers),
    "kthvalue": TIES,
    "linalg.matrix_norm": SINGULAR,
    "linalg.matrix_power": Known("dtrain has no inverse of a matrix", of_an_inverse),
    "linalg.norm": SINGULAR,
    "linalg.norm:subgradients_at_zero": SINGULAR,
    "logcumsumexp": Known("PyTorch's gradient has fewer digits in float32", of_singles),
    "mode": TIES,
    "nn.functional.bilinear": Known("dtrain has no bilinear forms of integers", of_whole_numbers),
    "nn.functional.interpolate:bicubic": BYTES,
    "nn.functional.interpolate:bilinear": BYTES,
    "nn.functional.group_norm": Known(
        "of two elements that are nearly equal, PyTorch's gradient has three digits",
        of_singles,
        False,
    ),
    "nn.functional.layer_norm": Known(
        "of one element the gradient is zero: what PyTorch has is rounding noise",
        of_singles,
        False,
    ),
    "nn.functional.upsample_bilinear": BYTES,
    "norm:nuc": SINGULAR,
    **{f"polygamma:polygamma_n_{n}": POLES for n in range(5)},
    "sort": TIES,
    "special.polygamma:special_polygamma_n_0": POLES,
    "topk": TIES,
}

# Entries whose values PyTorch leaves undefined: it returns memory as it finds it, dtrain zeros.
UNDEFINED = {"empty", "empty_like", "new_empty"}

# Methods and in-place forms of PyTorch's that dtrain has not, by name.
NO_FORM = {
    "as_strided_": "dtrain's tensors have no storage beyond their elements",
}

# Wrong arguments that dtrain takes, or calls wrong by another class: words of PyTorch's message.
LENIENT = {
    "unsupported operation": "dtrain computes before it writes, so `out` may share memory",
    "single memory location": "dtrain computes before it writes, so `out` may share memory",
    "Expected out tensor to have dtype": "`out` may have any dtype that the result can be cast to",
    "kthvalue.*out": "`out` may have any dtype that the result can be cast to",
    "narrow_copy.*static_cast": "an assertion of PyTorch's own; dtrain says it as `narrow` does",
    "only tensors with up to 64 dims": "NumPy makes no such array, and says so with a ValueError",
    "step must be nonzero": "PyTorch casts a step of 0.5 to the dtype of `out` first",
    "expects Long tensor out": "dtrain's random numbers take no `out`",
}

# Entries whose wrong arguments are not looked at.
UNLOOKED = {
    **{
        f"__r{name}__": "Python calls it only for what is no tensor on the left"
        for name in ("add", "and", "mul", "or", "xor")
    },
    "bernoulli": "dtrain's random numbers take no `out`",
}

# Modules for which an empty batch is another than for PyTorch's.
EMPTY = {
    **{
        f"InstanceNorm{n}d": Known("PyTorch's IndexError is of the first sample's parameters")
        for n in (1, 2, 3)
    },
    **{
        name: Known("PyTorch returns memory as it finds it", certain=False)
        for name in ("MultiLabelMarginLoss", "MultiMarginLoss")
    },
}

# Names that are not compared.
UNCOMPARED = {
    "Tensor.pin_memory": "PyTorch raises without an accelerator; dtrain's changes nothing",
    "Tensor.share_memory_": "dtrain shares no memory between processes, and says so",
    "nn.RNNBase": "compared as RNN, LSTM and GRU",
    "nn.RNNCellBase": "compared as RNNCell, LSTMCell and GRUCell",
    "optim.lr_scheduler.LRScheduler": "compared as every schedule",
    "random.seed": "it takes a seed from the system",
    "random.fork_rng": "PyTorch's is in torch.random, of devices too",
    "optim.LAMB": "PyTorch has none; tests/optim/test_reference.py has its formula",
    "optim.LARS": "PyTorch has none; tests/optim/test_reference.py has its formula",
    "optim.Lion": "PyTorch has none; tests/optim/test_reference.py has its formula",
}
