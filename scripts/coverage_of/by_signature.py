"""Networks of packages without a list of models: classes, whose constructors are given what they ask for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from torch import nn

from scripts.coverage_of.candidate import Candidate, Ready

# What constructors ask for that have no defaults, by the names of their arguments.
ARGUMENTS: dict[str, Any] = {
    "image_size": 224, "patch_size": 16, "num_classes": 10, "dim": 192, "depth": 2, "heads": 3, "mlp_dim": 256,
    "channels": (16, 32, 64), "strides": (2, 2), "spatial_dims": 2, "in_channels": 1, "out_channels": 2,
    "img_size": 96, "in_shape": (1, 96, 96), "n_classes": 4, "feature_size": 16, "latent_dim": 16, "classes": 2,
    "kernel_size": (3, 3, 3), "upsample_kernel_size": (2, 2), "init_filters": 8, "num_channels": (32, 32),
    "layers": (1, 1, 1, 1), "block": "basic", "block_inplanes": (16, 32, 64, 128), "backbone": "resnet18",
    "model_name": "efficientnet-b0",
    "max_seq_len": 256, "num_layers": 2, "seq_len": 256, "frames": 8, "frame_patch_size": 2, "image_patch_size": 16,
    "num_latents": 4, "spatial_depth": 2, "temporal_depth": 2, "cls_depth": 1, "scale_dim": 2, "num_res_units": 1,
    "n_chans": 22, "n_outputs": 4, "n_times": 1000, "sfreq": 250, "input_window_seconds": 4,
}  # fmt: skip


def made(of_class: type[nn.Module], **others: Any) -> nn.Module:
    """Return a module whose constructor is given the arguments that it asks for."""
    wanted = inspect.signature(of_class).parameters.values()
    values = ARGUMENTS | others
    given = {p.name: values[p.name] for p in wanted if p.name in values and (p.default is p.empty or p.name in others)}
    return of_class(**given)


def monai() -> Iterator[Candidate]:
    """Each class, in two dimensions where it has the choice, else in three."""
    nets = import_module("monai.networks.nets")
    for of_class in dict.fromkeys(value for value in vars(nets).values() if inspect.isclass(value)):
        if issubclass(of_class, nn.Module):
            yield Candidate("monai", of_class.__name__, partial(_of_monai, of_class))


def _of_monai(of_class: type[nn.Module]) -> Ready:
    has_choice = "spatial_dims" in inspect.signature(of_class).parameters
    size = (96, 96) if has_choice else (96, 96, 96)
    options: dict[str, Any] = {"spatial_dims": 2} if has_choice else {}
    return Ready(made(of_class, img_size=size, patch_size=(16,) * len(size), in_shape=(1, *size), **options), size, 1)


NO_NETWORKS = {"accept_video_wrapper", "dino", "distill", "es_vit", "extractor", "mae", "mpp", "recorder", "simmim"}


def vit_pytorch() -> Iterator[Candidate]:
    """The last module of each file that takes images."""
    package = import_module("vit_pytorch")
    for name in [module.name for module in iter_modules(package.__path__)]:
        if name not in NO_NETWORKS:
            yield Candidate("vit-pytorch", name, partial(_of_vit_pytorch, name))


def _of_vit_pytorch(name: str) -> Ready:
    file = import_module(f"vit_pytorch.{name}")
    classes = [value for value in vars(file).values() if inspect.isclass(value) and value.__module__ == file.__name__]
    of_class = [c for c in classes if issubclass(c, nn.Module) and "num_classes" in inspect.signature(c).parameters][-1]
    if name.endswith("_1d"):
        return Ready(made(of_class), (256,))
    frames = "frames" in inspect.signature(of_class).parameters
    return Ready(made(of_class), (8, 224, 224) if frames else (224, 224))


KORNIA = {
    "DISK": (128, 128), "DexiNed": (224, 224), "KeyNet": (128, 128), "HardNet": (32, 32), "HardNet8": (32, 32),
    "HyNet": (32, 32), "SOSNet": (32, 32), "TFeat": (32, 32), "MKDDescriptor": (32, 32), "LAFOrienter": (32, 32),
    "OriNet": (32, 32), "LAFAffNetShapeEstimator": (32, 32), "SIFTDescriptor": (41, 41), "BlobHessian": (64, 64),
    "CornerHarris": (64, 64), "CornerGFTT": (64, 64), "DeDoDe": (112, 112), "XFeat": (128, 128),
}  # fmt: skip


def kornia() -> Iterator[Candidate]:
    """Detectors and descriptors of local features, and edges."""
    for name, size in KORNIA.items():
        yield Candidate("kornia", name, partial(_of_kornia, name, size))


def _of_kornia(name: str, size: tuple[int, ...]) -> Ready:
    package = import_module("kornia.models" if name == "DexiNed" else "kornia.feature")
    of_class = getattr(package, name)
    options = {"pretrained": False} if "pretrained" in inspect.signature(of_class).parameters else {}
    options |= {"k": 0.04} if name == "CornerHarris" else {"patch_size": 32} if name == "MKDDescriptor" else {}
    return Ready(of_class(**options), size, 3 if name in ("DISK", "DexiNed", "DeDoDe") else 1)


def braindecode() -> Iterator[Candidate]:
    """Every model, on four seconds of 22 channels."""
    for name, of_class in sorted(import_module("braindecode.models.util").models_dict.items()):
        yield Candidate("braindecode", name, partial(_of_braindecode, of_class))


def _of_braindecode(of_class: type[nn.Module]) -> Ready:
    return Ready(made(of_class, n_chans=22, n_outputs=4, n_times=1000, sfreq=250), (1000,), 22)
