"""MNIST and Fashion-MNIST, from the files as published. Nothing is ever downloaded."""

import os
from typing import ClassVar

from dtrain.data.datasets.idx import load
from dtrain.data.datasets.images import Images
from dtrain.data.datasets.published import Published, Source

Files = tuple[Published, Published]


class MNIST(Images):
    """Handwritten digits, 28 x 28 grey, 10 classes: 60,000 to train on and 10,000 to test on.

    root:  the folder of the four published .gz files, or one above it: root, root/mnist and
           root/MNIST/raw (torchvision's) are looked in. A job passes `self.data_dir`.
    train: the training part, or the test part
    shape: of one image; (1, 28, 28) for convolutions
    mean, std: of the training pixels in [0, 1], to normalise by: 0.130660 and 0.308108

    Raises:  JobError that says which file is missing or damaged, and where to get it.
    Source:  LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998.
    """

    source: ClassVar[Source] = Source(
        name="MNIST",
        origin="the MNIST database of LeCun, Cortes and Burges "
        "(mirrored in the GitHub repository fgnt/mnist)",
        folders=("", "mnist", "MNIST/raw"),
        advice=", and leave it compressed",
    )
    train_files: ClassVar[Files] = (
        Published(
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        Published(
            "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
    )
    test_files: ClassVar[Files] = (
        Published(
            "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        Published(
            "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    )

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        train: bool = True,
        *,
        shape: tuple[int, ...] = (784,),
        mean: float = 0.0,
        std: float = 1.0,
    ) -> None:
        images, labels = self.train_files if train else self.test_files
        super().__init__(
            load(root, self.source, images),
            load(root, self.source, labels),
            largest=255,
            shape=shape,
            mean=mean,
            std=std,
        )


class FashionMNIST(MNIST):
    """Clothing articles, 28 x 28 grey, 10 classes: 60,000 to train on and 10,000 to test on.

    Arguments as for MNIST; root, root/fashion-mnist and root/FashionMNIST/raw are looked in; mean
    and std of the training pixels are 0.286041 and 0.353024.

    Source:  Xiao, Rasul and Vollgraf, Fashion-MNIST, 2017 (MIT licence, Zalando SE).
    """

    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    source: ClassVar[Source] = Source(
        name="Fashion-MNIST",
        origin="the folder data/fashion of the GitHub repository zalandoresearch/fashion-mnist",
        folders=("", "fashion-mnist", "FashionMNIST/raw"),
        advice=", and leave it compressed",
    )
    train_files: ClassVar[Files] = (
        Published(
            "train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        Published(
            "train-labels-idx1-ubyte.gz",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
    )
    test_files: ClassVar[Files] = (
        Published(
            "t10k-images-idx3-ubyte.gz",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        Published(
            "t10k-labels-idx1-ubyte.gz",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    )
