"""Following an effective receptive field while a network trains, in a loop of one's own (section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from erf.arguments import require_images, require_whole
from erf.maps.aggregation import AggregationName
from erf.maps.effective_field import effective_receptive_field
from erf.maps.influence_map import InfluenceMap
from erf.maps.statistic import Statistic, StatisticName, choice
from erf.metrics.erf_size import Reference, ReferenceName, erf_size
from erf.reachability.record import Unit


@dataclass
class ErfTracker:
    """The influence map of one unit, measured again and again on the same images.

    Measuring leaves no trace, so that a training is the same, bit by bit, with and without it.

    Attributes:
        images: ``[N, C, H, W]``, as the network takes them; best some that it is not trained on.
        layer: The measured module's name; None: the network's output.
        unit: Row and column of the unit; None: the middle one.
        statistic: As for :func:`erf.effective_receptive_field`.
        aggregation: The same.
        reference: Of the sizes, as for :func:`erf.erf_size`.
        epochs: When it was measured.
        maps: The influence maps then.
        sizes: Their ERF sizes, in pixels.

    >>> import erf
    >>> import torch
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    >>> tracker = erf.ErfTracker(torch.randn(8, 1, 9, 9), layer="2")
    >>> for epoch in range(3):  # a training epoch would stand here, too
    ...     imap = tracker.measure(network, epoch)
    >>> tracker.epochs, len(tracker.sizes), tracker.maps[-1].trf_size
    ([0, 1, 2], 3, (5, 5))
    """

    images: Tensor
    layer: str | None = None
    unit: Unit | None = None
    statistic: StatisticName = "mean_abs"
    aggregation: AggregationName = "random_sign"
    reference: ReferenceName = "center"
    epochs: list[int] = field(default_factory=list, init=False)
    maps: list[InfluenceMap] = field(default_factory=list, init=False)
    sizes: list[float] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        require_images(self.images)
        choice(Statistic, self.statistic, "statistic")
        choice(Reference, self.reference, "reference")

    def measure(self, network: nn.Module, epoch: int) -> InfluenceMap:
        """Measure and keep the map after ``epoch`` epochs, and return it.

        Raises:
            InvalidInput: As for :func:`erf.effective_receptive_field` and :func:`erf.erf_size`.
        """
        require_whole(0, epoch=epoch)
        imap = effective_receptive_field(network, self.images, self.layer, self.unit, self.statistic, self.aggregation)
        self.sizes.append(erf_size(imap, self.reference))
        self.maps.append(imap)
        self.epochs.append(epoch)
        return imap
