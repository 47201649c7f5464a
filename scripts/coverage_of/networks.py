"""A variant of every family of networks that a package has, untrained, by the name that the package gives it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from scripts.coverage_of.by_signature import braindecode, kornia, monai, vit_pytorch
from scripts.coverage_of.candidate import Candidate, Family, Prepared, Ready, smallest_of_each, without_digits

SCALE = r"\d+|_(tiny|small|base|large|[tsbmlh])(?=_|$)|[gm]f$"


def torchvision() -> Iterator[Candidate]:
    """All tasks; detectors rescale images themselves, here to 320 pixels."""
    models = import_module("torchvision.models")

    def family(name: str) -> Family:
        return models.get_model_builder(name).__module__, re.sub(SCALE, "", name)

    for name in smallest_of_each(models.list_models(), family):
        yield Candidate("torchvision", name, partial(_of_torchvision, name))


def _of_torchvision(name: str) -> Ready:
    models = import_module("torchvision.models")
    builder = models.get_model_builder(name)
    task = builder.__module__.split(".")[2]
    options: dict[str, Any] = {"weights": None}
    if "weights_backbone" in inspect.signature(builder).parameters:
        options["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    if task == "detection" and not name.startswith("ssd"):
        options |= {"min_size": 320, "max_size": 320}
    module = builder(**options)
    if task == "optical_flow":
        return Ready(Prepared(module, lambda network, x: network(x, x)), (128, 128))
    if task == "video":
        return Ready(module, (16, 224, 224) if "mvit" in name else (16, 112, 112))
    return Ready(module, (299, 299) if "inception_v3" in name else (224, 224))


def timm() -> Iterator[Candidate]:
    """Families are told apart by the module and by the first word of the name without digits."""
    package = import_module("timm")
    names = [(module, name) for module in package.list_modules() for name in package.list_models(module=module)]
    module_of = {name: module for module, name in names}
    real = [name for _, name in names if not name.startswith("test")]
    for name in smallest_of_each(real, lambda name: (module_of[name], without_digits(name.split("_")[0]))):
        yield Candidate("timm", name, partial(_of_timm, name))


def _of_timm(name: str) -> Ready:
    module = import_module("timm").create_model(name)
    channels, *size = module.default_cfg.get("input_size") or (3, 224, 224)
    return Ready(module, tuple(size), channels)


TASKS = "IMAGE_CLASSIFICATION SEMANTIC_SEGMENTATION OBJECT_DETECTION DEPTH_ESTIMATION UNIVERSAL_SEGMENTATION"
TASKS += " VIDEO_CLASSIFICATION IMAGE_TO_IMAGE KEYPOINT_DETECTION AUDIO_CLASSIFICATION CTC BACKBONE IMAGE"
BILLIONS_OF_WEIGHTS = {"llama4", "mllama", "shieldgemma2", "cohere2_vision", "imagegpt"}
MADE_FROM_OTHERS = {"timm_backbone", "timm_wrapper"}


def transformers() -> Iterator[Candidate]:
    """Each type of model once, with its own default configuration, for its first task; vision and audio."""
    tables = import_module("transformers.models.auto.modeling_auto")
    classes: dict[str, str] = {}
    for task in TASKS.split():
        for kind, name in getattr(tables, f"MODEL_FOR_{task}_MAPPING_NAMES").items():
            classes.setdefault(kind, name if isinstance(name, str) else name[0])
    for kind in sorted(classes.keys() - BILLIONS_OF_WEIGHTS - MADE_FROM_OTHERS):
        yield Candidate("transformers", kind, partial(_of_transformers, kind, classes[kind]))


def _of_transformers(kind: str, of_class: str) -> Ready:
    package = import_module("transformers")
    config = package.CONFIG_MAPPING[kind]()
    module = getattr(package, of_class)(config)
    return _as_given(module, config, module.main_input_name)


def _as_given(module: nn.Module, config: Any, argument: str) -> Ready:
    def call(prepare: Callable[[Tensor], Tensor]) -> nn.Module:
        return Prepared(module, lambda network, x: network(**{argument: prepare(x)}))

    if argument == "input_values" and hasattr(config, "num_mel_bins"):  # AST: frames by mel bands
        return Ready(call(lambda x: x[:, 0]), (config.max_length, config.num_mel_bins), 1)
    if argument == "input_values":
        return Ready(call(lambda x: x[:, 0]), (16000,), 1)
    if argument == "input_features" and hasattr(config, "max_source_positions"):  # Whisper
        return Ready(call(lambda x: x), (2 * config.max_source_positions,), config.num_mel_bins)
    if argument == "input_features":
        bands = getattr(config, "feature_projection_input_dim", None) or getattr(config, "num_mel_bins", 80)
        return Ready(call(lambda x: x.transpose(1, 2)), (400,), bands)
    if argument == "pixel_values_videos" or hasattr(config, "num_frames"):
        frames = getattr(config, "num_frames", None) or config.frames_per_clip
        return Ready(call(lambda x: x.transpose(1, 2)), (frames, *_sides(config)), 3)
    return Ready(call(lambda x: x), _sides(config), getattr(config, "num_channels", None) or 3)


def _sides(config: Any) -> tuple[int, int]:
    size = getattr(config, "image_size", None) or getattr(config, "crop_size", None) or 224
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


ARCHITECTURES = ["Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "DeepLabV3", "DeepLabV3Plus", "PAN"]
ARCHITECTURES += ["UPerNet", "Segformer"]


def segmentation_models_pytorch() -> Iterator[Candidate]:
    """Each architecture on ResNet-18, and U-Net on one encoder of each family."""
    package = import_module("segmentation_models_pytorch")
    for of_class in ARCHITECTURES:
        yield Candidate("segmentation-models-pytorch", of_class, partial(_of_smp, of_class, "resnet18"))
    yield Candidate("segmentation-models-pytorch", "DPT", partial(_of_smp, "DPT", "tu-vit_tiny_patch16_224"))
    encoders = package.encoders.get_encoder_names()
    for name in smallest_of_each(encoders, lambda name: (re.split(r"\d|-b|_s\d", name)[0],)):
        yield Candidate("segmentation-models-pytorch", f"Unet {name}", partial(_of_smp, "Unet", name))


def _of_smp(of_class: str, encoder: str) -> Ready:
    package = import_module("segmentation_models_pytorch")
    return Ready(getattr(package, of_class)(encoder, encoder_weights=None))


def ultralytics() -> Iterator[Candidate]:
    """Each file of a model, the smallest scale."""
    folder = Path(inspect.getfile(import_module("ultralytics"))).parent / "cfg" / "models"
    names = sorted(path.name for path in folder.rglob("*.yaml"))
    for name in smallest_of_each(names, lambda name: (re.sub(r"[a-z]\.yaml$", "", name),)):
        yield Candidate("ultralytics", name, partial(_of_ultralytics, name))


def _of_ultralytics(name: str) -> Ready:
    package = import_module("ultralytics")
    of_class = package.RTDETR if name.startswith("rtdetr") else package.YOLO
    module = of_class(re.sub(r"^(yoloe?-?v?\d+)(?=[-.])", r"\1n", name)).model
    return Ready(module, (224, 224) if "-cls" in name else (640, 640))


def pytorchcv() -> Iterator[Candidate]:
    """One model of each module."""
    models = import_module("pytorchcv.model_provider")._models
    for name in smallest_of_each(models, lambda name: (models[name].__module__,)):
        yield Candidate("pytorchcv", name, partial(_of_pytorchcv, name))


def _of_pytorchcv(name: str) -> Ready:
    module = import_module("pytorchcv.model_provider").get_model(name)
    size = getattr(module, "in_size", None) or (224, 224)
    return Ready(module, (size, size) if isinstance(size, int) else tuple(size), getattr(module, "in_channels", 3))


PACKAGES: dict[str, Callable[[], Iterator[Candidate]]] = {
    "torchvision": torchvision,
    "timm": timm,
    "transformers": transformers,
    "segmentation-models-pytorch": segmentation_models_pytorch,
    "ultralytics": ultralytics,
    "monai": monai,
    "pytorchcv": pytorchcv,
    "vit-pytorch": vit_pytorch,
    "kornia": kornia,
    "braindecode": braindecode,
}
