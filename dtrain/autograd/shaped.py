"""What a tensor is: its shape, its dtype, its place in memory."""

from typing import Any

from dtrain.autograd import dtypes
from dtrain.autograd.device import CPU, device
from dtrain.autograd.dtypes import DType
from dtrain.autograd.formats import layout, strided
from dtrain.autograd.size import Size
from dtrain.autograd.value import Value, memory


class Shaped(Value):
    """The part of Tensor that tells of its array, and changes nothing."""

    __slots__ = ()

    @property
    def shape(self) -> Size:
        """Size of each dimension."""
        return tuple.__new__(Size, self._array.shape)

    @property
    def dtype(self) -> DType:
        """Type of the elements."""
        return dtypes.of(self._array.dtype)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    @property
    def device(self) -> device:
        """The CPU."""
        return CPU

    @property
    def layout(self) -> layout:
        """Dense, as every tensor here."""
        return strided

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._array.nbytes

    is_cuda = is_sparse = is_sparse_csr = is_quantized = is_meta = is_mps = is_xpu = is_xla = False
    is_mkldnn = is_nested = is_vulkan = is_ipu = False
    name = None
    is_cpu = True

    def dim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension. Raises IndexError for one that is not there."""
        return self.shape if dim is None else self._of_dim(self._array.shape, dim)

    def stride(self, dim: int | None = None) -> Any:
        """Elements from one index to the next, of every dimension or of one."""
        strides = tuple(step // self._array.itemsize for step in self._array.strides)
        return strides if dim is None else self._of_dim(strides, dim)

    def _of_dim(self, values: tuple[int, ...], dim: int) -> int:
        count = len(values)
        if not count:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        if not -count <= dim < count:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but "
                f"got {dim})"
            )
        return values[dim]

    def numel(self) -> int:
        """Number of elements."""
        return self._array.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes of an element."""
        return self._array.itemsize

    def storage_offset(self) -> int:
        """Elements before the first one in the memory that it is part of."""
        start = memory(self._array).ctypes.data
        return (self._array.ctypes.data - start) // self._array.itemsize

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._array.ctypes.data

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in C order without gaps."""
        return self._array.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether the dtype is a float's."""
        return self._array.dtype.kind == "f"

    def is_complex(self) -> bool:
        """Never."""
        return False

    def is_signed(self) -> bool:
        """Whether the dtype has negative values."""
        return self._array.dtype.kind in "fi"

    def __len__(self) -> int:
        if not self._array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self._array)
