"""The logbook of a run: TensorBoard's events, progress in the terminal, and points kept on disk."""

from __future__ import annotations

import multiprocessing
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rich.console import Console
from rich.progress import track
from torch.utils.tensorboard import summary

from erf.files.atomic_file import atomic_write
from experiments.harness.event_file import EVENTS, EventFile
from experiments.harness.figure_file import encode_animation
from experiments.harness.kept import decode_kept, encode_kept

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from erf import GaussianFit, InfluenceMap

PARTIAL = "partial"  # the folder of points in a run's folder
VERSIONS = "versions"  # the file, in the folder of its training, of the versions of the code that it was done with
OUTCOME = "→ "  # before the name of a number on the HParams page: after all settings in alphabetical order
SMALLEST_SIDE = 160  # of an image in TensorBoard, in pixels: smaller maps are enlarged

T = TypeVar("T")


class TensorBoardLogbook:
    """Writes what a run reports into its folder: a :class:`experiments.harness.logbook.Logbook`.

    An interrupted run that goes on starts its events anew and reports every point again, those kept on disk
    included, so no point appears twice.

    TensorBoard shows the tags of all runs in one list. So that experiments do not mix, a tag's first word, the
    quantity, is followed by the experiment's name: ``size/random`` becomes ``size/erf_growth/random``. A chart needs
    two points: a tag's first number is written with its second, and numbers that stay single go into the table of
    :meth:`conclude`.

    Args:
        folder: The run's folder.
        version: Of the code: points that another version kept are measured again.
        device: Its name.
        experiment: Its name.
        events: Makes and returns the folder of TensorBoard's events, when there is a first one; by default it is in
            ``folder``.
    """

    def __init__(
        self,
        folder: Path,
        version: str = "unknown",
        device: str = "",
        experiment: str = "",
        events: Callable[[], Path] | None = None,
    ) -> None:
        self.folder = folder
        self._partial = folder / PARTIAL
        self._version, self._points = version, self._partial / version
        self._device = device
        self._experiment = experiment
        self._events_folder = events or (lambda: folder / EVENTS)
        self._single: dict[str, tuple[float, int]] = {}  # number and step of the tags that have one point so far
        self._curves: set[str] = set()  # the tags that have more

    @cached_property
    def _events(self) -> EventFile:
        return EventFile(self._events_folder(), self.folder.name)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log each of ``values`` under its name."""
        for tag, value in values.items():
            if tag in self._curves:
                self._scalar(tag, value, step)
            elif tag in self._single:
                self._scalar(tag, *self._single.pop(tag))
                self._scalar(tag, value, step)
                self._curves.add(tag)
            else:
                self._single[tag] = value, step

    def map(self, tag: str, imap: InfluenceMap, fit: GaussianFit | None, step: int) -> None:
        """Log a map ``[H, W]`` as an image, its peak the brightest; with a fit, both as a figure at ``tag/fit``."""
        self._image(tag, _map_pixels(imap.values), step)
        if fit is not None:
            from erf.plotting import draw_map  # only where something is drawn

            self.figure(f"{tag}/fit", draw_map(imap, fit), step)

    def figure(self, tag: str, figure: Figure, step: int) -> None:
        """Log a matplotlib figure as an image."""
        self._image(tag, _figure_pixels(figure), step)

    def text(self, tag: str, text: str) -> None:
        """Log ``text``, which TensorBoard reads as Markdown."""
        self._events.add(summary.text(self._named(tag), text), 0)

    def conclude(self, settings: Mapping[str, Any], metrics: Mapping[str, float], varying: Mapping[str, Any]) -> None:
        """Log what stands at a run's end: its settings and its single numbers as texts, and how curves are grouped.

        The HParams page gets the settings in which runs of its folder differ, ``varying``, and after them ``metrics``.
        TensorBoard draws each metric of that page as a chart of one point, too, so they are listed as settings are.
        """
        single = {f"{tag}, at {step}" if step else tag: value for tag, (value, step) in self._single.items()}
        self.text("config", _markdown("setting", settings))
        self.text(
            "result", _markdown("number", {name: f"{value:.6g}" for name, value in {**metrics, **single}.items()})
        )
        columns = {name: _plain(value) for name, value in varying.items()}
        columns |= {f"{OUTCOME}{name}": value for name, value in metrics.items()}
        _, *session = summary.hparams(columns, {})  # the first would fix the columns of all runs as this run's
        for part in session:
            self._events.add(part, 0)
        self._layout()

    def _layout(self) -> None:
        """Put the curves of each quantity, as those of ``size/...``, into one chart of the Custom Scalars page."""
        quantities = sorted({tag.partition("/")[0] for tag in self._curves})
        charts = {name: ["Multiline", [f"^{re.escape(self._named(name))}(/|$)"]] for name in quantities}
        if charts:
            self._events.add(summary.custom_scalars({self._experiment: charts}), 0)

    def progress(self, items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
        """Return ``items``; while they are gone through, a terminal shows how far (of ``total``, or their length).

        Processes that a sweep runs its jobs in show nothing, as their bars would overwrite each other and lines.
        """
        console = Console(stderr=True)
        has_bar = console.is_terminal and multiprocessing.parent_process() is None
        return track(items, description, total=total, console=console, transient=True, disable=not has_bar)

    def say(self, line: str) -> None:
        """Print a line for whoever watches a long run."""
        print(line, flush=True)

    @property
    def training(self) -> Path:
        """The folder of a training's checkpoints, until there is a record; other versions of the code go on, too."""
        folder = self._partial / "training"
        folder.mkdir(parents=True, exist_ok=True)
        parts, part = self._training_parts(), (self._version, self._device)
        if part not in parts:
            atomic_write(folder / VERSIONS, "\n".join(" ".join(one).strip() for one in [*parts, part]).encode())
        return folder

    def earlier_versions(self) -> tuple[str, ...]:
        """Return the other versions of the code that a part of the training was done with."""
        versions = dict.fromkeys(version for version, _ in self._training_parts())
        return tuple(version for version in versions if version != self._version)

    def earlier_devices(self) -> tuple[str, ...]:
        """Return the other devices that a part of the training was done on."""
        devices = dict.fromkeys(device for _, device in self._training_parts())
        return tuple(device for device in devices if device not in ("", self._device))

    def _training_parts(self) -> list[tuple[str, str]]:
        """Return the versions and the devices, "" where unknown, that the training was done with so far."""
        path = self._partial / "training" / VERSIONS
        lines = path.read_text().splitlines() if path.exists() else []
        return [(version, device) for version, _, device in (line.partition(" ") for line in lines)]

    def animation(self, name: str, maps: Mapping[str, InfluenceMap]) -> None:
        """Write maps as the frames of ``name``.gif, each under its title, about three a second."""
        from erf.plotting import draw_map

        frames = []
        for title, imap in maps.items():
            figure = draw_map(imap)
            figure.axes[0].set_title(title, fontsize=9)
            frames.append(_figure_pixels(figure))
        self.attach(f"{name}.gif", encode_animation(frames, milliseconds=300))

    def attach(self, name: str, content: bytes) -> None:
        """Write a file that belongs to the record besides the numbers: weights, an animation."""
        atomic_write(self.folder / name, content)

    def once(self, name: str, kind: type[T], measure: Callable[[], T]) -> T:
        """Return ``measure()``, of type ``kind``, or what it returned before this run was interrupted.

        Raises:
            InvalidInput: The file kept for it is damaged.
        """
        path = self._points / f"{name}.npz"
        if not path.exists():
            content = encode_kept(measure())
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, content)
        return decode_kept(path, kind)

    def kept(self) -> int:
        """Return how many points an interrupted run left on disk."""
        return len(list(self._points.rglob("*.npz")))

    def discard_partial(self) -> None:
        """Remove the points kept on disk; the record holds them now."""
        if self._partial.exists():
            shutil.rmtree(self._partial)

    def _scalar(self, tag: str, value: float, step: int) -> None:
        self._events.add(summary.scalar(self._named(tag), value), step)

    def _image(self, tag: str, pixels: np.ndarray, step: int) -> None:
        self._events.add(summary.image(self._named(tag), pixels, dataformats="HWC"), step)

    def _named(self, tag: str) -> str:
        quantity, *names = tag.split("/")
        return "/".join(filter(None, (quantity, self._experiment, *names)))


def _figure_pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def _map_pixels(values: np.ndarray) -> np.ndarray:
    """Return ``[H', W', 3]`` bytes; of a signed map, 0 is the middle of a diverging colour scale."""
    shares = values / (np.abs(values).max() or 1.0)
    signed = shares.min() < 0
    colours = matplotlib.colormaps["RdBu_r" if signed else "magma"]
    times = -(-SMALLEST_SIDE // min(*shares.shape, SMALLEST_SIDE))
    enlarged = np.kron(shares, np.ones((times, times)))
    return colours((enlarged + 1) / 2 if signed else enlarged, bytes=True)[..., :3]


def _markdown(heading: str, values: Mapping[str, Any]) -> str:
    return "\n".join([f"| {heading} | value |", "|---|---|", *(f"| {name} | {values[name]} |" for name in values)])


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)
