"""Data sets as small as they may be, in a folder that ends with the process."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.erf.data.tiny_sets import camvid_folder, cifar_folder


@cache
def toy_data() -> Path:
    """Return the folder that holds both: 50 training and 10 validation images of CIFAR-10, 4 frames of CamVid."""
    folder = Path(tempfile.mkdtemp(prefix="toy_data"))
    atexit.register(shutil.rmtree, folder)
    cifar_folder(folder / "cifar10", train=6, test=2)
    camvid_folder(folder / "camvid", frames=4, size=(48, 64))
    return folder
