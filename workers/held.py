"""What a worker has of the weights: two versions, s in the place of parity s % 2. Pure."""

from dataclasses import dataclass, field

from dtrain.layout import Layout


@dataclass(slots=True)
class Held:
    """What is there of the weights: for each parity, a version and its chunks."""

    changing: frozenset[int]  # chunks that differ between versions
    constant: frozenset[int]  # chunks of frozen parameters: sent once a session
    version: list[int] = field(default_factory=lambda: [-1, -1])
    chunks: list[set[int]] = field(default_factory=lambda: [set(), set()])
    frozen: set[int] = field(default_factory=set)

    def add(self, version: int, chunk: int) -> None:
        """A chunk has been installed."""
        if chunk in self.constant:
            self.frozen.add(chunk)
            return
        side = version % 2
        if self.version[side] != version:
            self.version[side], self.chunks[side] = version, set()
        self.chunks[side].add(chunk)

    def has(self, version: int) -> bool:
        """Whether a version is complete."""
        side = version % 2
        return (
            self.version[side] == version
            and self.chunks[side] >= self.changing
            and self.frozen >= self.constant
        )

    def needs(self, version: int, chunk: int) -> bool:
        """Whether a chunk is neither here already nor overtaken by a newer version."""
        if chunk in self.constant:
            return chunk not in self.frozen
        there = self.version[version % 2]
        return version > there or (version == there and chunk not in self.chunks[version % 2])


def held_of(layout: Layout) -> Held:
    """Nothing so far. Trainable chunks come first, then frozen ones, then the buffers, if any."""
    trainable, frozen = len(layout.chunks), len(layout.frozen)
    buffers = {trainable + frozen} if layout.buffers else set()
    return Held(
        frozenset(range(trainable)) | buffers,
        frozenset(range(trainable, trainable + frozen)),
    )
