"""layout and memory_format: PyTorch's words for where elements lie. Here NumPy decides."""


class layout:
    """Dense or sparse. Equal to its name as text."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __eq__(self, other: object) -> bool:
        return self is other or other == self._name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return self._name


class memory_format(layout):
    """The order of dimensions in memory. All are taken, and none changes where elements lie."""

    __slots__ = ()


strided = layout("torch.strided")
contiguous_format = memory_format("torch.contiguous_format")
preserve_format = memory_format("torch.preserve_format")
channels_last = memory_format("torch.channels_last")
channels_last_3d = memory_format("torch.channels_last_3d")
