"""A variant of every family of networks that a package has, untrained, by the name that the package gives it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from torch import Tensor, nn

Family = tuple[str, ...]


@dataclass(frozen=True)
class Ready:
    """A network and the images that it takes."""

    module: nn.Module
    size: tuple[int, ...] = (224, 224)
    channels: int = 3


@dataclass(frozen=True)
class Candidate:
    """A network that can be made."""

    package: str
    name: str
    make: Callable[[], Ready]


class Prepared(nn.Module):
    """A network that does not take images ``[N, C, *size]`` as they are."""

    def __init__(self, network: nn.Module, call: Callable[[nn.Module, Tensor], Any]) -> None:
        super().__init__()
        self.network, self.call = network, call

    def forward(self, images: Tensor) -> Any:
        """Return what the network makes of them."""
        return self.call(self.network, images)


def smallest_of_each(names: Iterable[str], family: Callable[[str], Family]) -> list[str]:
    """Return one name of each family: that which says it is small, else the shortest."""
    families: dict[Family, list[str]] = {}
    for name in names:
        families.setdefault(family(name), []).append(name)
    return [min(members, key=_size) for members in families.values()]


SMALL = (
    "test",
    "atto",
    "femto",
    "pico",
    "nano",
    "xxs",
    "xxt",
    "xs",
    "zepto",
    "micro",
    "tiny",
    "mini",
    "small",
    "_s",
    "_t",
)


def _size(name: str) -> tuple[float, float, int, str]:
    rank = next((rank for rank, word in enumerate(SMALL) if word in name), len(SMALL))
    numbers = [int(number) for number in re.findall(r"\d+", name)]
    return rank, float(sum(numbers)), len(name), name


def _without_digits(name: str) -> str:
    return re.sub(r"\d+", "", name)


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
    for name in smallest_of_each(real, lambda name: (module_of[name], _without_digits(name.split("_")[0]))):
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


def pytorchcv() -> Iterator[Candidate]:
    """One model of each module."""
    models = import_module("pytorchcv.model_provider")._models
    for name in smallest_of_each(models, lambda name: (models[name].__module__,)):
        yield Candidate("pytorchcv", name, partial(_of_pytorchcv, name))


def _of_pytorchcv(name: str) -> Ready:
    module = import_module("pytorchcv.model_provider").get_model(name)
    size = getattr(module, "in_size", None) or (224, 224)
    return Ready(module, (size, size) if isinstance(size, int) else tuple(size), getattr(module, "in_channels", 3))


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
    package = import_module("kornia.filters" if name == "DexiNed" else "kornia.feature")
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
