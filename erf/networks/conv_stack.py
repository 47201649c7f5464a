"""Plain stacks of convolutions, the networks of Figures 1 and 2 of the paper (section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from erf.arguments import require_real, require_type, require_whole
from erf.inits import Init, fill_, fill_layers_
from erf.maps.statistic import set_choices
from erf.reachability.box import Box
from erf.theory.linear_stacks import ConvLayer


class Activation(StrEnum):
    """The pointwise function between the convolutions."""

    none = "none"
    relu = "relu"
    leaky_relu = "leaky_relu"
    tanh = "tanh"
    sigmoid = "sigmoid"

    def module(self) -> nn.Module:
        """Return the activation as a module."""
        return _MODULES[self]()


_MODULES: dict[Activation, type[nn.Module]] = {
    Activation.none: nn.Identity,
    Activation.relu: nn.ReLU,
    Activation.leaky_relu: nn.LeakyReLU,
    Activation.tanh: nn.Tanh,
    Activation.sigmoid: nn.Sigmoid,
}


class Dropout(StrEnum):
    """What is dropped together: single units (Srivastava et al. 2014) or whole channels (Tompson et al. 2015)."""

    elementwise = "elementwise"
    spatial = "spatial"


_DROPOUTS: dict[Dropout, type[nn.Dropout] | type[nn.Dropout2d]] = {
    Dropout.elementwise: nn.Dropout,
    Dropout.spatial: nn.Dropout2d,
}


@dataclass(frozen=True)
class ConvStack:
    """A stack of equal convolutions without bias, stride 1 (the paper names neither bias nor widths).

    Attributes:
        depth: Number of convolutions.
        channels: Of every layer's output.
        input_channels: Of the image.
        kernel_size: Of every convolution, in both axes.
        init: How weights are drawn.
        activation: After every convolution.
        final_activation: Whether also after the last one.
        profile: ``[k][k]``, how the kernel's weights (``init=equal``) or its weights' variances (random inits) differ
            over the kernel, up to a factor; their mean stays that of the init. None: not at all.
        dropout_rate: Share of the units that are 0 after each activation but the last; the others grow by 1 / (1 - p).
        dropout: What is dropped together.
    """

    depth: int
    channels: int = 16
    input_channels: int = 1
    kernel_size: int = 3
    init: Init = Init.he_normal
    activation: Activation = Activation.none
    final_activation: bool = True
    profile: tuple[tuple[float, ...], ...] | None = None
    dropout_rate: float = 0.0
    dropout: Dropout = Dropout.elementwise

    def __post_init__(self) -> None:
        for name in ("depth", "channels", "input_channels", "kernel_size"):
            require_whole(**{name: getattr(self, name)})
        require_real(lambda rate: 0 <= rate < 1, "numbers from 0 to below 1", dropout_rate=self.dropout_rate)
        require_type(bool, final_activation=self.final_activation)
        set_choices(self, init=Init, activation=Activation, dropout=Dropout)
        self.theory()  # checks the profile

    @property
    def trf_size(self) -> int:
        """Side of the theoretical receptive field of an output unit, in pixels."""
        return 1 + self.depth * (self.kernel_size - 1)

    @property
    def trf_box(self) -> Box:
        """The theoretical receptive field's box in the coordinates of a map of just that field."""
        return ((0, self.trf_size),) * 2

    def theory(self) -> list[ConvLayer]:
        """Return the linear stack whose exact map predicts this one's."""
        return [ConvLayer((self.kernel_size,) * 2, profile=self.profile)] * self.depth

    def draw_weights(self, generator: torch.Generator) -> list[Tensor]:
        """Return one run's weights, first layer first, float32 ``[C_out, C_in, k, k]`` each."""
        return [weights[0] for weights in self.draw_weights_of_runs([generator])]

    def draw_weights_of_runs(self, generators: Sequence[torch.Generator]) -> list[Tensor]:
        """Return the weights of R runs, first layer first, float32 ``[R, C_out, C_in, k, k]`` each."""
        runs, kernel = len(generators), (self.kernel_size, self.kernel_size)
        first = torch.empty(runs, self.channels, self.input_channels, *kernel)
        others = torch.empty(runs, self.depth - 1, self.channels, self.channels, *kernel)
        for run, generator in enumerate(generators):
            fill_(first[run], self.init, generator)
            fill_layers_(others[run], self.init, generator)
        drawn = [first, *others.unbind(1)]
        if self.profile is None:
            return drawn
        relative = self._multipliers()
        return [weights * relative for weights in drawn]

    def _multipliers(self) -> Tensor:
        relative = torch.from_numpy(self.theory()[0].profile * self.kernel_size**2)
        return (relative if self.init is Init.equal else relative.sqrt()).float()

    def draw_masks(self, generator: torch.Generator) -> list[Tensor]:
        """Return what one run's dropout multiplies each layer's output by, in the cone of one output unit.

        Each is 0 with probability ``dropout_rate``, else 1 / (1 - ``dropout_rate``): as in torch, the mean is 1.

        Returns:
            First layer first, float32, ``[C, S_l, S_l]``, for spatial dropout ``[C, 1, 1]``; the measured layer itself
            has none, so ``depth - 1`` in all.
        """
        keep_probability = 1 - self.dropout_rate
        sides = [self.trf_size - (layer + 1) * (self.kernel_size - 1) for layer in range(self.depth - 1)]
        if self.dropout is Dropout.spatial:
            sides = [1] * len(sides)
        ones = [torch.full((self.channels, side, side), keep_probability) for side in sides]
        return [torch.bernoulli(one, generator=generator) / keep_probability for one in ones]

    def layer_activations(self) -> list[Activation]:
        """Return the activation after each convolution."""
        last = self.activation if self.final_activation else Activation.none
        return [self.activation] * (self.depth - 1) + [last]

    def network(self, weights: list[Tensor], padding: int = 0) -> nn.Sequential:
        """Return the stack as a module with these weights; without padding its input is the TRF of one unit.

        Dropout is torch's: it draws units of its own, in train mode only.
        """
        modules = []
        for weight, activation in zip(weights, self.layer_activations(), strict=True):
            convolution = nn.Conv2d(
                weight.shape[1], weight.shape[0], self.kernel_size, padding=padding, bias=False, dtype=weight.dtype
            )
            convolution.weight = nn.Parameter(weight)
            modules += [convolution, activation.module()]
            if self.dropout_rate:
                modules.append(_DROPOUTS[self.dropout](self.dropout_rate))
        return nn.Sequential(*(modules[:-1] if self.dropout_rate else modules))
