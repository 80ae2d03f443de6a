"""Sequences of different lengths, padded to one."""

from collections.abc import Iterable
from typing import Any

from dtrain.autograd.functions.joining import stack
from dtrain.autograd.tensor import Tensor
from dtrain.nn.functional.padding import pad

__all__ = ["pad_sequence", "unpad_sequence"]


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
