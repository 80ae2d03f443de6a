"""Sequences of different lengths, padded to one, or packed without padding."""

from collections.abc import Iterable
from typing import Any

from dtrain.autograd.functions import as_tensor, cat, full
from dtrain.autograd.functions.joining import stack
from dtrain.autograd.tensor import Tensor
from dtrain.nn.functional.padding import pad
from dtrain.nn.packed import PackedSequence, invert_permutation

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence",
    "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences as one tensor, each padded to the longest on the right or left side.

    Shapes:  each sequence (length, *);  result (longest, batch, *), or (batch, longest, *) with
             `batch_first`.
    Raises:  RuntimeError for what is not iterable or empty, for sizes after the first that differ,
             and for another side.
    """
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    listed = _alike(sequences)
    longest = max(sequence.shape[0] for sequence in listed)
    padded = [_padded(each, longest, padding_value, padding_side == "left") for each in listed]
    return stack(padded, dim=0 if batch_first else 1)


def _alike(sequences: Any) -> list[Tensor]:
    """The sequences in the dtype of the first; checked that they differ in their lengths alone."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    listed = list(sequences)
    if not listed:
        raise RuntimeError("received an empty list of sequences")
    first = listed[0]
    for each in listed:
        if each.shape[1:] != first.shape[1:]:
            raise RuntimeError(
                f"sequences of shapes {tuple(first.shape)} and {tuple(each.shape)} differ beyond "
                "their length"
            )
    return [each.to(first.dtype) for each in listed]


def _padded(sequence: Tensor, longest: int, value: float, left: bool) -> Tensor:
    missing = longest - sequence.shape[0]
    if not missing:
        return sequence
    beside = (0, 0) * (sequence.ndim - 1)  # `pad` begins with the last dimension
    return pad(sequence, (*beside, missing, 0) if left else (*beside, 0, missing), value=value)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Any, batch_first: bool = False
) -> list[Tensor]:
    """The sequences that `pad_sequence` was given, padded on the right, by their lengths.

    Raises ValueError unless there is one length for each sequence.
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(length)] for row, length in zip(rows, lengths, strict=True)]


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Padded sequences without their padding, as `RNN`, `LSTM` and `GRU` take them.

    Shapes:  input (longest, batch, *), or (batch, longest, *) with `batch_first`.
    Raises:  RuntimeError for lengths that do not fit, or that increase if `enforce_sorted`.
    """
    lengths = as_tensor(lengths).long()
    if lengths.ndim != 1:
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, but got "
            f"{lengths.ndim}D cpu Long tensor"
        )
    steps = input.transpose(0, 1) if batch_first else input
    order = None
    if not enforce_sorted:
        lengths, order = lengths.sort(descending=True)
        steps = steps.index_select(1, order)
    found = lengths.tolist()
    _check_lengths(found, *steps.shape[:2])
    sizes = [sum(length > step for length in found) for step in range(found[0])]
    data = cat([steps[step, :size] for step, size in enumerate(sizes)])
    return PackedSequence(data, as_tensor(sizes), order, None)


def _check_lengths(lengths: list[int], longest: int, batch: int) -> None:
    if len(lengths) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} "
            f"(batch_size={batch})"
        )
    if not lengths:
        raise RuntimeError("Cannot pack empty tensors.")
    if min(lengths) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if sorted(lengths, reverse=True) != lengths:
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    if lengths[0] > longest:
        raise RuntimeError(f"a sequence of length {lengths[0]} is not in {longest} padded steps")


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded sequences that were packed, in their order then, and their lengths.

    Raises ValueError for a `total_length` below the longest.
    """
    data, sizes, _, back = sequence
    longest = len(sizes) if total_length is None else total_length
    if longest < len(sizes):
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but "
            f"got total_length={total_length} and max sequence length being {len(sizes)}"
        )
    counts = sizes.tolist()
    rest = [0] * (longest - len(counts))
    steps = [
        _filled(step, counts[0], padding_value)
        for step in [*data.split(counts), *(data[:0] for _ in rest)]
    ]
    padded = stack(steps, dim=1 if batch_first else 0)
    lengths = as_tensor([sum(count > at for count in counts) for at in range(counts[0])])
    if back is None:
        return padded, lengths
    return padded.index_select(0 if batch_first else 1, back), lengths[back]


def _filled(step: Tensor, batch: int, value: float) -> Tensor:
    """One step of those sequences that are not over, and padding for the others."""
    missing = batch - len(step)
    if not missing:
        return step
    return cat([step, full((missing, *step.shape[1:]), value, dtype=step.dtype)])


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (length, *), packed: see `pack_padded_sequence`."""
    lengths = [len(each) for each in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that `pack_sequence` was given."""
    return unpad_sequence(
        *pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True
    )
