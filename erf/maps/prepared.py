"""What maps need to be known of a network, found once: which parts of an image will do, and the fields of the units."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from erf.maps.cropping import Crop, crops
from erf.maps.folding import Fold, folds
from erf.maps.graph import graph_of
from erf.maps.precision import Precision, PrecisionName
from erf.maps.settings import settings
from erf.maps.statistic import choice
from erf.maps.weights import forget_weights
from erf.maps.workload import Workload
from erf.reachability.as_written import run_by
from erf.reachability.box import Box
from erf.reachability.mixing import mixes_images
from erf.reachability.request import Layers, Mode, ModeName, NamedLayer, Request, Runner, Unit, Units, request

REMEMBERED = 16  # answers of each network, the latest


class Changed(Exception):
    """The network does something else than when its parts were found."""


@dataclass(frozen=True)
class Parts:
    """What was found for images of one shape.

    Attributes:
        crops: The parts of the image that will do.
        on_images: Whether the network had to be run on the images to find them.
        folds: What can be folded on the way to the layers.
        workload: What its convolutions make of an image.
        graphs: By crop, what autograd noted of the pass over it; see :func:`erf.maps.graph.graph_of`.
    """

    crops: list[Crop]
    on_images: bool
    folds: list[Fold]
    workload: Workload
    graphs: dict[Box, Hashable | None] = field(default_factory=dict)


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
        precision: PrecisionName = "as_is",
    ) -> None:
        """Take the arguments of :func:`erf.effective_receptive_field`; nothing is run yet."""
        self.asked: Request = request(network, layer, unit)
        self.network = network
        self.mode: Mode = choice(Mode, mode, "mode")
        self.precision: Precision = choice(Precision, precision, "precision")
        self.looked_at: nn.Module = run_by(network, call)
        self._answers: dict[Hashable, Any] = {}
        self._mixing: bool | None = None  # not known as long as no batch of several images came

    @property
    def is_mixing(self) -> bool:
        """Whether an image had influence on the units of another in its batch."""
        return bool(self._mixing)

    def parts(self, images: Tensor) -> Parts:
        """Return the parts of such images that will do, in the modes that the network is in.

        Args:
            images: A batch as the network takes it.
        """
        key = "parts", self._kind(images)
        if key not in self._answers:
            channels, *size = images.shape[1:]
            asked = self.asked.layers, self.asked.units, self.mode
            passed, parts_of_image = crops(self.looked_at, size, channels, *asked, images[[0, -1]])
            foldable = folds(self.looked_at, passed, self.asked.layers)
            workload = Workload.of(self.looked_at, passed, parts_of_image)
            parts = Parts(parts_of_image, passed.on_images, foldable, workload)
            if parts.on_images:
                return parts
            self._answers[key] = parts
        return self._answers[key]

    def _kind(self, images: Tensor) -> Hashable:
        """Return what a pass depends on, besides what the network does."""
        return images.shape[1:], tuple(module.training for module in self.network.modules())

    def confirm(self, parts: Parts, crop: Crop, outputs: Iterable[Tensor]) -> None:
        """Raise Changed where the pass over a crop, with these outputs, is not that for which the crop was found."""

    def forget(self) -> None:
        """Find all that is asked from now on anew."""
        self._answers.clear()
        self._mixing = None

    def singly(self, first: int, batch: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield a batch as it is, or image by image where one may have influence on another's units.

        Modes that are left as they are may mix images on purpose, as batch norm in train mode does.
        """
        if len(batch) > 1 and self.mode is Mode.eval and self._mixes_images(batch):
            yield from ((first + number, image) for number, image in enumerate(batch.split(1)))
        else:
            yield first, batch

    def _mixes_images(self, images: Tensor) -> bool:
        """Return whether the network mixes the images of such a batch, by a pass that is run once."""
        if self._mixing is None:
            self._mixing = mixes_images(self.looked_at, images, self.asked.layers)
        return self._mixing


_remembered: WeakKeyDictionary[nn.Module, dict[Hashable, Any]] = WeakKeyDictionary()


def forget(network: nn.Module) -> None:
    """Let the next call be as a first one of this network, as a benchmark needs it."""
    _remembered.pop(network, None)
    forget_weights(network)


class Remembered(Prepared):
    """Units of a network of which is remembered what calls before this one have found.

    It holds as long as each pass has the same graph: then the same operators read the same places. A graph does not
    show what is detached, nor what runs on large images only: so the settings must be the same, too. Where a graph does
    not tell what an operator reads, nothing is remembered.
    """

    def __init__(self, network: nn.Module, *asked: Any) -> None:
        """Take the arguments of :class:`Prepared`."""
        super().__init__(network, *asked)
        if self.looked_at is network:
            self._answers = _remembered.setdefault(network, {})

    def _kind(self, images: Tensor) -> Hashable:
        return len(images), repr(self.asked), self.mode, self.precision, settings(self.network), super()._kind(images)

    def confirm(self, parts: Parts, crop: Crop, outputs: Iterable[Tensor]) -> None:
        """Hold the pass against the one before, of which is noted here what it did."""
        graph = graph_of(outputs)
        if parts.graphs.setdefault(crop.box, graph) != graph:
            raise Changed
        if graph is None or parts.on_images:
            self._answers.clear()
        for oldest in [*self._answers][:-REMEMBERED]:
            del self._answers[oldest]

    def _mixes_images(self, images: Tensor) -> bool:
        key = "mixing", self._kind(images)
        if self._mixing is None:
            self._mixing = self._answers.get(key)
        self._answers[key] = super()._mixes_images(images)
        return self._answers[key]
