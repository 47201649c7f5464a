"""What maps need to be known of a network, found once: which parts of an image will do, and the fields of the units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn

from erf.maps.cropping import Crop, crops
from erf.maps.statistic import choice
from erf.reachability.as_written import run_by
from erf.reachability.mixing import mixes_images
from erf.reachability.record import Trace
from erf.reachability.request import Layers, Mode, ModeName, NamedLayer, Request, Runner, Unit, Units, request


class Prepared:
    """Units of a network, to be measured on any number of groups of images.

    The passes without data are run for the first images of a size, and not again. So between groups nothing of the
    network may change but the values of its weights. Of a network that needs values, whose field is that of the images,
    nothing is kept.
    """

    def __init__(
        self,
        network: nn.Module,
        layer: NamedLayer | Layers | None = None,
        unit: Unit | Units | None = None,
        mode: ModeName = "eval",
        call: Runner | None = None,
    ) -> None:
        """Take the arguments of :func:`erf.effective_receptive_field`; nothing is run yet."""
        self.asked: Request = request(network, layer, unit)
        self.network = network
        self.mode: Mode = choice(Mode, mode, "mode")
        self.looked_at: nn.Module = run_by(network, call)
        self._parts: dict[Any, tuple[Trace, list[Crop]]] = {}
        self.is_mixing: bool | None = None  # not known as long as no batch of several images came

    def parts(self, images: Tensor) -> tuple[Trace, list[Crop]]:
        """Return a pass without data, and the parts of such images that will do, in the modes that the network is in.

        Args:
            images: A batch as the network takes it.
        """
        kind = images.shape[1:], tuple(module.training for module in self.network.modules())
        if kind not in self._parts:
            channels, *size = images.shape[1:]
            units = self.asked.layers, self.asked.units
            passed, parts = crops(self.looked_at, size, channels, *units, self.mode, images[[0, -1]])
            if passed.on_images:
                return passed, parts
            self._parts[kind] = passed, parts
        return self._parts[kind]

    def singly(self, batches: Iterable[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
        """Yield the batches as they are, or image by image where one may have influence on another's units.

        Modes that are left as they are may mix images on purpose, as batch norm in train mode does.
        """
        for first, batch in batches:
            if len(batch) > 1 and self.mode is Mode.eval and self._mixes_images(batch):
                yield from ((first + number, image) for number, image in enumerate(batch.split(1)))
            else:
                yield first, batch

    def _mixes_images(self, images: Tensor) -> bool:
        """Return whether the network mixes the images of such a batch, by a pass that is run once."""
        if self.is_mixing is None:
            self.is_mixing = mixes_images(self.looked_at, images, self.asked.layers)
        return self.is_mixing
