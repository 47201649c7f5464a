import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF
from torchvision.transforms._presets import ImageClassification

from erf import InvalidInput
from erf.data.pictures import EXTENSIONS, IMAGENET_MEAN, IMAGENET_STD, Pictures


def photo(height, width, channels=3, seed=0):
    """A picture with structure at every scale."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 7, channels), dtype=np.uint8)
    mode = "RGB" if channels == 3 else "L"
    smooth = np.asarray(Image.fromarray(coarse.squeeze(), mode).resize((width, height), Image.Resampling.BICUBIC))
    return Image.fromarray((smooth * 0.8 + rng.integers(0, 50, smooth.shape)).astype(np.uint8), mode)


def saved(folder, **pictures):
    for name, picture in pictures.items():
        path = Path(folder, name.replace("__", "/") + ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    return folder


def all_of(pictures):
    return torch.cat(list(pictures))


def bytes_of(images, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """Undo the normalization."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (mean, std))
    return (images * std + mean) * 255


@pytest.mark.parametrize(
    "size", [(300, 400), (400, 300), (256, 256), (100, 90), (40, 900), (61, 60), (256, 259), (259, 256)]
)
def test_images_are_those_of_torchvisions_evaluation(tmp_path, size):
    picture = photo(*size)
    pixels = all_of(Pictures(saved(tmp_path, one=picture), (224, 224)))
    assert pixels.dtype == torch.float32
    assert pixels.shape == (1, 3, 224, 224)
    expected = ImageClassification(crop_size=224, resize_size=256)(picture)
    assert torch.equal(pixels[0], expected)


@pytest.mark.parametrize(
    ("size", "resized"), [((60, 200), (32, 106)), ((60, 80), (48, 64)), ((50, 50), (64, 64)), ((9, 90), (32, 320))]
)
def test_a_crop_that_is_not_square(tmp_path, size, resized):
    """The smallest size that covers (32, 64) = (28, 56) / 0.875, whichever side decides."""
    picture = photo(*size)
    prepared = bytes_of(all_of(Pictures(saved(tmp_path, one=picture), (28, 56))))[0]
    uncropped = TF.resize(picture, list(resized), InterpolationMode.BILINEAR)
    expected = TF.pil_to_tensor(TF.center_crop(uncropped, [28, 56]))
    assert (prepared - expected).abs().max() < 1e-3


@pytest.mark.parametrize("size", [(1, 100), (300, 3), (1, 1), (3, 2)])
def test_small_and_elongated_pictures(tmp_path, size):
    picture = Image.new("RGB", size[::-1], (10, 20, 30))
    prepared = bytes_of(all_of(Pictures(saved(tmp_path, one=picture), (31, 17))))
    assert torch.equal(prepared.round(), torch.tensor([10.0, 20, 30])[:, None, None].expand(1, 3, 31, 17))


def test_grey_pictures(tmp_path):
    picture = photo(64, 64)
    folder = saved(tmp_path, one=picture)
    grey = all_of(Pictures(folder, (56, 56), channels=1))
    expected = TF.pil_to_tensor(TF.center_crop(picture.convert("L"), [56, 56]))
    mean, std = (0.485 + 0.456 + 0.406) / 3, (0.229 + 0.224 + 0.225) / 3
    assert grey.shape == (1, 1, 56, 56)
    assert torch.allclose(bytes_of(grey, (mean,), (std,))[0], expected.float(), atol=1e-3)
    own = all_of(Pictures(folder, (56, 56), channels=1, mean=(0.0,), std=(1 / 255,)))
    assert torch.allclose(own[0], expected.float(), atol=1e-3)
    own = all_of(Pictures(folder, (56, 56), mean=(0.0, 0.1, 0.2), std=(1, 2, 3)))
    assert torch.allclose(bytes_of(own, (0, 0.1, 0.2), (1.0, 2.0, 3.0)), bytes_of(all_of(Pictures(folder, (56, 56)))))


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA", "CMYK", "YCbCr"])
def test_every_mode_of_8_bits_becomes_colour(tmp_path, mode):
    picture = photo(64, 64).convert(mode)
    suffix = {"CMYK": "tif", "YCbCr": "tif"}.get(mode, "png")
    picture.save(tmp_path / f"one.{suffix}")
    prepared = bytes_of(all_of(Pictures(tmp_path, (56, 56))))
    expected = TF.pil_to_tensor(TF.center_crop(picture.convert("RGB"), [56, 56]))
    assert (prepared[0] - expected).abs().max() < 1e-3


def test_transparency_is_dropped_also_from_a_palette(tmp_path):
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 200, 100, 50])
    picture.save(tmp_path / "one.png", transparency=bytes([255, 0]))
    pixel = bytes_of(all_of(Pictures(tmp_path, (4, 4))))[0, :, 2, 2]
    assert pixel.round().tolist() == [200, 100, 50]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(tmp_path, orientation):
    """Orientation names where the stored row 0 and column 0 belong (EXIF 2.3, tag 0x0112)."""
    upright = np.asarray(photo(64, 64))
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "one.png", exif=exif)
    prepared = bytes_of(all_of(Pictures(tmp_path, (56, 56))))[0]
    assert torch.allclose(prepared, torch.tensor(upright[4:60, 4:60]).permute(2, 0, 1).float(), atol=1e-3)


def test_files_are_found_in_all_folders_and_sorted(tmp_path):
    names = ["b.PNG", "a/z.png", "a/b/c.png", "a.png", "c/x.png"]
    for value, name in enumerate(names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (value, 0, 0)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "d.png").mkdir()
    pictures = Pictures(str(tmp_path), (8, 8), batch_size=2)
    in_order = ["a/b/c.png", "a/z.png", "a.png", "b.PNG", "c/x.png"]
    assert [path.relative_to(tmp_path).as_posix() for path in pictures.paths] == in_order
    assert pictures.skipped == ()
    assert [len(batch) for batch in pictures] == [2, 2, 1]
    assert bytes_of(all_of(pictures))[:, 0, 0, 0].round().tolist() == [names.index(name) for name in in_order]
    assert torch.equal(all_of(pictures), all_of(pictures))
    assert Pictures(tmp_path, (8, 8), limit=3).paths == pictures.paths[:3]
    assert Pictures(tmp_path, (8, 8), limit=99).paths == pictures.paths


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_every_extension(tmp_path, extension):
    Image.new("RGB", (9, 9), (80, 80, 80)).save(tmp_path / f"x{extension}")
    assert (bytes_of(all_of(Pictures(tmp_path, (8, 8)))) - 80).abs().max() < 3


def damaged(folder, kind):
    """Write a bad file between two good ones; return its path."""
    saved(folder, a=photo(32, 32), z=photo(32, 32, seed=1))
    path = folder / "bad.jpg"
    photo(200, 200).save(path)
    content = path.read_bytes()
    match kind:
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "text":
            path.write_text("no picture")
        case "empty":
            path.write_bytes(b"")
        case "a link to nothing":
            path.unlink()
            path.symlink_to(folder / "gone.jpg")
        case "another format":  # which starts a program
            photo(20, 20).save(path, "EPS")
        case "16 bits":
            Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(path, "PNG")
        case "a line":
            Image.new("RGB", (1, 101)).save(path)
        case "numbers":
            Image.fromarray(np.ones((8, 8), np.float32)).save(path, "TIFF")
        case "no orientation":
            photo(40, 40).save(path, "WEBP", exif=b"Exif\0\0XXXXXXXX")
        case "half a header":
            path.write_bytes(b"P6\n24x ")
    return path


DAMAGES = {
    "truncated": "truncated",
    "text": "cannot identify",
    "empty": "cannot identify",
    "a link to nothing": "No such file",
    "another format": "cannot identify",
    "16 bits": "more than 8 bits a channel .mode I;16",
    "numbers": "more than 8 bits a channel .mode F",
    "a line": "one side is more than 100 times as long as the other",
    "no orientation": "not a TIFF file",
    "half a header": "invalid literal",
}


@pytest.mark.parametrize(("kind", "reason"), DAMAGES.items())
def test_an_unreadable_picture_is_named_or_skipped(tmp_path, kind, reason):
    path = damaged(tmp_path, kind)
    with pytest.raises(InvalidInput, match=rf"the picture {path} cannot be read: .*{reason}") as error:
        Pictures(tmp_path, (28, 28))
    assert "\n" not in str(error.value)
    rest = Pictures(tmp_path, (28, 28), unreadable="skip")
    assert rest.skipped == (path,)
    assert rest.paths == (tmp_path / "a.png", tmp_path / "z.png")
    path.unlink()
    assert torch.equal(all_of(rest), all_of(Pictures(tmp_path, (28, 28))))


@pytest.mark.parametrize("error", [struct.error, IndexError, EOFError])
def test_whatever_pillow_s_decoders_raise_names_the_picture(tmp_path, monkeypatch, error):
    def fail(picture):
        raise error("broken\nhere")

    monkeypatch.setattr(ImageOps, "exif_transpose", fail)
    with pytest.raises(InvalidInput, match=r"a\.png cannot be read: broken here"):
        Pictures(saved(tmp_path, a=photo(9, 9)), (8, 8))


def test_the_limit_counts_files_before_any_is_skipped(tmp_path):
    path = damaged(tmp_path, "text")
    assert Pictures(tmp_path, (8, 8), limit=1).skipped == ()
    two = Pictures(tmp_path, (8, 8), limit=2, unreadable="skip")
    assert (two.paths, two.skipped) == ((tmp_path / "a.png",), (path,))


def test_no_readable_picture_at_all(tmp_path):
    (tmp_path / "a.png").write_text("")
    (tmp_path / "b.png").write_text("")
    with pytest.raises(InvalidInput, match=r"none of the 2 pictures below .* can be read"):
        Pictures(tmp_path, (8, 8), unreadable="skip")


def test_a_picture_that_is_damaged_later_is_an_error_even_when_skipping(tmp_path):
    pictures = Pictures(saved(tmp_path, a=photo(9, 9), b=photo(9, 9)), (8, 8), unreadable="skip")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(InvalidInput, match=r"b\.png cannot be read"):
        list(pictures)


@pytest.mark.parametrize("limit", [60, 100])
def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch, limit):
    """Pillow only warns up to twice its limit; 144 pixels are above it and above twice 60."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    warnings.simplefilter("default")
    with pytest.raises(InvalidInput, match=r"one\.png cannot be read: Image size \(144 pixels\) exceeds limit"):
        Pictures(saved(tmp_path, one=Image.new("RGB", (12, 12))), (8, 8))


def test_odd_metadata_is_passed_over(tmp_path):
    picture = photo(64, 64)
    picture.save(tmp_path / "one.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12")
    with Image.open(tmp_path / "one.png") as opened, pytest.warns(UserWarning, match="Corrupt EXIF"):
        opened.getexif()
    prepared = bytes_of(all_of(Pictures(tmp_path, (56, 56))))[0]
    assert torch.allclose(prepared, TF.pil_to_tensor(TF.center_crop(picture, [56, 56])).float(), atol=1e-3)


def test_folders_that_cannot_be_listed(tmp_path, monkeypatch):
    with pytest.raises(InvalidInput, match=r"the folder of pictures .*/none cannot be listed: No such file"):
        Pictures(tmp_path / "none", (8, 8))
    saved(tmp_path, a=photo(9, 9), closed__b=photo(9, 9))
    with pytest.raises(InvalidInput, match=r"a\.png cannot be listed: Not a directory"):
        Pictures(tmp_path / "a.png", (8, 8))
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InvalidInput, match="closed cannot be listed: Permission denied"):
        Pictures(tmp_path, (8, 8), unreadable="skip")


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InvalidInput, match=r"there is no picture below .*; allowed are \.bmp, \.jpeg, .*\.webp"):
        Pictures(tmp_path, (8, 8))


BAD_ARGUMENTS = [
    ({"input_size": (8,)}, r"input_size=\(8,\): allowed are whole numbers from 1, one for each of 2 axes"),
    ({"input_size": (8, 0)}, r"input_size=\(8, 0\)"),
    ({"channels": 4}, r"channels=4: allowed are 3 \(colour\) and 1 \(grey\)"),
    ({"batch_size": 0}, "batch_size=0: allowed are whole numbers from 1"),
    ({"limit": 0}, "limit=0"),
    ({"unreadable": "ignore"}, "unreadable='ignore' is unknown; allowed: error, skip"),
    ({"mean": (0.5,)}, r"mean=\(0.5,\): allowed are 3 finite numbers"),
    ({"std": (1, 1, float("nan"))}, r"std=\(1, 1, nan\): allowed are finite real numbers"),
    ({"std": (1, 1, 0)}, r"std=\(1, 1, 0\): allowed are numbers above 0"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(InvalidInput, match=message):
        Pictures(**{"folder": saved(tmp_path, a=photo(9, 9)), "input_size": (8, 8), **arguments})
