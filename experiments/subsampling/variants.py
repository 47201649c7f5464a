"""Which stacks are compared: where they have strides, poolings or dilated layers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from erf import InvalidInput
from erf.networks.subsampled_stack import Pooling, SubsampledStack
from experiments.harness.experiment import option
from experiments.stacks.paper_stacks import Kind, StackConfig, stack_of

STRIDE = 2  # the paper's (inset of Figure 2)
# Numbers kept in memory for each variant, one a run and pixel: 1.6 GB.
LARGEST = 2 * 10**8


class Variant(StrEnum):
    """What some of the layers have that those of a plain stack have not."""

    plain = "plain"
    early_strides = "early_strides"
    spread_strides = "spread_strides"
    late_strides = "late_strides"
    average_pooling = "average_pooling"
    max_pooling = "max_pooling"
    dilation = "dilation"
    dilated_throughout = "dilated_throughout"

    @property
    def pooling(self) -> Pooling:
        """What subsamples."""
        of_variant = {Variant.average_pooling: Pooling.average, Variant.max_pooling: Pooling.max}
        return of_variant.get(self, Pooling.none)


# The claim is about these; poolings and the stack dilated throughout are shown beside them.
STRIDED = (Variant.early_strides, Variant.spread_strides, Variant.late_strides)


@dataclass
class Config(StackConfig):
    """Which stacks are compared with the plain one of the same depth."""

    name: str = option("subsampling", "the experiment's name, fixed; it names the folder of results")
    variants: list[Variant] = option(
        [v for v in Variant if v is not Variant.plain], "compared with the plain stack", distinct=True
    )
    kind: Kind = option(Kind.random, "of all stacks; random has no nonlinearity and an exact map")
    depth: int = option(15, "number of convolutions", least=2)
    subsampled: int = option(3, "how many of them have stride 2, or a pooling by 2 after them", least=1)
    dilations: list[int] = option([2, 4, 8], "of the dilated layers of the variant dilation, from the first on")
    runs: int = option(400, "draws of weights and inputs for each variant", least=2)
    bootstrap: int = option(1000, "resamplings of the runs for each interval", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if Variant.plain in self.variants:
            raise InvalidInput("variants: plain is measured in any case; allowed are the others")
        if self.kind is Kind.uniform:
            raise InvalidInput("kind=uniform has no runs to average over; allowed are the random kinds")
        if self.subsampled > self.depth:
            raise InvalidInput(f"subsampled={self.subsampled}: allowed are 1 to depth={self.depth} layers")
        if not 1 <= len(self.dilations) <= self.depth or min(self.dilations) < 1:
            raise InvalidInput(f"dilations={self.dilations}: allowed are 1 to depth={self.depth} whole numbers from 1")
        for variant in self.measured:
            self._require_memory(variant)

    @property
    def measured(self) -> list[Variant]:
        """All variants, the plain one first."""
        return [Variant.plain, *self.variants]

    def _require_memory(self, variant: Variant) -> None:
        side = variant_stack(self, variant).trf_size
        if self.runs * side**2 > LARGEST:
            raise InvalidInput(
                f"runs={self.runs}, depth={self.depth}, subsampled={self.subsampled}, dilations={self.dilations}: "
                f"{variant} has a theoretical field of {side} pixels, whose maps of all runs take "
                f"{8e-9 * self.runs * side**2:.1f} GB; allowed are {8e-9 * LARGEST:.1f}"
            )


def variant_stack(config: Config, variant: Variant) -> SubsampledStack:
    """Return the family of networks of a variant."""
    depth = config.depth
    strides, dilations = (1,) * depth, (1,) * depth
    match variant:
        case Variant.early_strides:
            strides = placed(depth, range(config.subsampled), [STRIDE] * config.subsampled)
        case Variant.late_strides:
            strides = placed(depth, range(depth - config.subsampled, depth), [STRIDE] * config.subsampled)
        case Variant.spread_strides | Variant.average_pooling | Variant.max_pooling:
            strides = placed(depth, _spread(depth, config.subsampled), [STRIDE] * config.subsampled)
        case Variant.dilation:
            dilations = placed(depth, _spread(depth, len(config.dilations)), config.dilations)
        case Variant.dilated_throughout:
            dilations = (2,) * depth
        case Variant.plain:
            pass
    return SubsampledStack(stack_of(config, config.kind, depth), strides, dilations, variant.pooling)


def _spread(depth: int, layers: int) -> list[int]:
    """Return so many layers, evenly spaced: three of 15 are the 4th, 8th and 12th."""
    return [depth * (i + 1) // (layers + 1) for i in range(layers)] if layers < depth else list(range(depth))


def placed(depth: int, at: range | list[int] | tuple[int, ...], values: list[int]) -> tuple[int, ...]:
    """Return a value for each layer: the given ones at these layers, 1 at all others."""
    by_layer = dict(zip(at, values, strict=True))
    return tuple(by_layer.get(layer, 1) for layer in range(depth))
