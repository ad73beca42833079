"""Hyper-parameters of RANet and what follows from them: sub-networks, blocks, exits."""

from __future__ import annotations

from dataclasses import dataclass

from sparsesr.lab.nn.exit_config import CIFAR10_MEAN_RGB, CIFAR10_STD_RGB

STEP_MODES = ("even", "lg")


@dataclass(frozen=True)
class BlockPlan:
    """A block of a sub-network; ``index`` is counted from 0."""

    index: int
    layers: int
    is_fusion: bool
    is_down: bool
    has_transition: bool


@dataclass(frozen=True)
class RANetConfig:
    """Hyper-parameters as in the authors' code. Lists by scale begin with the lowest resolution."""

    channels: int = 16
    growth: int = 6
    factors: tuple[int, ...] = (4, 2, 1)
    """Widths of base features and growth, in units of ``channels`` and ``growth``."""
    bottlenecks: tuple[int, ...] = (4, 2, 1)
    scales: tuple[int, ...] = (1, 2, 3)
    """Resolution of each sub-network; equal neighbours have the same."""
    blocks: int = 2
    """Blocks, and exits, of the first sub-network."""
    block_step: int = 2
    """Blocks, and exits, that each further one has more."""
    step: int = 4
    """Layers of the first block."""
    step_mode: str = "even"
    """even: all blocks have ``step`` layers. lg: each has ``step`` more than the one before."""
    classes: int = 10
    image_px: int = 32
    """Side of the images. From 128 on, the network begins as for ImageNet: a 7x7 convolution and pooling."""
    mean: tuple[float, ...] = CIFAR10_MEAN_RGB
    std: tuple[float, ...] = CIFAR10_STD_RGB
    """Mean and standard deviation of training images in 0..1; the network normalises by them."""

    def __post_init__(self) -> None:
        if not len(self.factors) == len(self.bottlenecks) == len(self.scales) >= 1:
            raise ValueError(f"factors, bottlenecks and scales must be as many: {self}")
        rises = [later - earlier for earlier, later in zip(self.scales, self.scales[1:], strict=False)]
        if self.scales[0] != 1 or not set(rises) <= {0, 1}:
            raise ValueError(f"scales start at 1 and rise by 0 or 1, not {self.scales}")
        if min(self.channels, self.growth, self.blocks, self.block_step, self.step, self.classes) < 1:
            raise ValueError(f"all sizes must be at least 1: {self}")
        if self.growth * min(self.factors) < 4:
            raise ValueError(
                f"growth {self.growth} leaves a fusion layer no channel from below; use at least 4"
            )
        if self.step_mode not in STEP_MODES:
            raise ValueError(f"step_mode must be {' or '.join(STEP_MODES)}, not {self.step_mode!r}")

    @property
    def is_large(self) -> bool:
        """True if the network is that for ImageNet."""
        return self.image_px >= 128

    @property
    def exits(self) -> int:
        """Number of classifiers."""
        return self.blocks_of(len(self.scales) - 1)

    def blocks_of(self, subnet: int) -> int:
        """Number of blocks of a sub-network."""
        return self.blocks + subnet * self.block_step

    def plan(self, subnet: int) -> list[BlockPlan]:
        """The blocks of a sub-network: those beside the sub-network before fuse, each of the others has an exit.

        Transitions and down blocks follow different rules, which disagree where scales repeat.
        """
        count, scale = self.blocks_of(subnet), self.scales[subnet]
        fused = self.blocks_of(subnet - 1) if subnet else 0
        transitions = {index * count // scale for index in range(1, scale)}
        ends = [0, *(self.blocks_of(before) for before in range(subnet))]
        downs = set(ends[-(scale - 1) :]) if scale > 1 else set[int]()
        return [
            BlockPlan(
                index,
                self.step * (index + 1 if self.step_mode == "lg" else 1),
                is_fusion=index < fused,
                is_down=index < fused and index + 1 in downs,
                has_transition=index + 1 in transitions,
            )
            for index in range(count)
        ]

    def stages(self) -> list[tuple[int, range]]:
        """Sub-network and blocks that run between the exit before and each exit."""
        found: list[tuple[int, range]] = []
        for subnet in range(len(self.scales)):
            start = 0
            for block in self.plan(subnet):
                if not block.is_fusion:
                    found.append((subnet, range(start, block.index + 1)))
                    start = block.index + 1
        return found
