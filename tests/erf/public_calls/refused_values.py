"""The values that arguments of each kind refuse."""

import math
import warnings

import numpy as np
import torch
from torch import nn

from erf import ConvLayer
from tests.erf.public_calls.call import Kind, refused
from tests.erf.public_calls.valid import conv, images, with_buffer

NAN = math.nan
NO_NUMBERS = [NAN, 1j, True, "2", None, []]
NO_WHOLE_NUMBERS = [1.5, math.inf, -1, *NO_NUMBERS]
NO_ARRAYS = [[NAN, 1.0, 2.0], [1.0, math.inf, 2.0], [1j, 1.0, 2.0], ["1", "2", "3"], [True, False, True], [[1.0], []]]

with warnings.catch_warnings(action="ignore"):  # of what torch may change
    NESTED, LAZY_CONV = torch.nested.nested_tensor(list(images())), nn.LazyConv2d(2, 3)
NO_IMAGES = [images() * NAN, images() * math.inf, images(dtype=torch.uint8), images(dtype=torch.int64)]
NO_IMAGES += [images(dtype=torch.bool), images().to(torch.complex64), images(3, 4), torch.zeros(1, 1, 0, 5)]
NO_IMAGES += [images().to_sparse(), images().to(torch.float8_e4m3fn), NESTED]
NO_IMAGES += [torch.zeros(1, 1, 2, 2, 2, 2), images().numpy(), "photos", None, 3]
WHOLE = Kind([0, *NO_WHOLE_NUMBERS], "{name}=.* whole numbers from 1")
WHOLE_0 = Kind(NO_WHOLE_NUMBERS, "{name}=.* whole numbers from 0")
SHARE = Kind([0, -0.5, 1.01, math.inf, *NO_NUMBERS], r"{name}=.* shares in \(0, 1\]")
FINITE = Kind([math.inf, NAN, 1j, True, "2"], "{name}=.* finite")
SIZE = Kind(
    [(8.9, 8.9), (True, 8), (0, 8), (-8, 8), (NAN, 8), ("8", "8"), (), (1, 2, 3, 4), "88", None], "{name}=.* whole"
)
UNIT = Kind([(1.5, 2), (True, 1), (-1, 0), (99, 0), (1,), (1, 1, 1), ("1", "1"), 1], "outside .* grid")
SIZES_OR_NUMBER = Kind(
    [0, -1, 1.5, True, NAN, "3", None, (3, 0), (3.0, 3), (3, 3, 3)], "{name}=.* whole numbers from 1"
)
CHOICE = Kind(["typo", "", 1, NAN, None, []], "{name}=.* allowed: ")
IMAGES = Kind(NO_IMAGES, "image|Tensor")
PATH = Kind(["", None, 3, b"x"], "{name}=.* path")
NETWORK = Kind([None, "resnet18", torch.zeros(1), nn.Conv2d], "network=.* Module")
WEIGHTS = Kind(
    [*NETWORK.values, conv(NAN), conv(math.inf), conv(dtype=torch.complex64), with_buffer(NAN)],
    "Module|parameter 'weight' (has values that are not finite|is complex)|buffer 'mask' has values that are NaN",
)
LAZY = Kind([*WEIGHTS.values, LAZY_CONV], WEIGHTS.words + "|'weight' of the network is lazy|does not run")
MEASURED = Kind([*LAZY.values, conv(device="meta")], LAZY.words + "|network is on the meta device")
CALL = Kind([3, "forward", []], "call=.* function")
NO_BOX = [None, 3, (0, 3), ((0, 3), 3), ((0, 3), None), "ab"]
BOX = refused(*NO_BOX, ((0, 3),), ((0, 3), (3, 0)), ((0, 3.5), (0, 3)), ((0, NAN), (0, 3)), ((0, 3, 3), (0, 3)))
LAYER = refused("typo", 3, [], ["0", 3], ("0",), b"0", words="layer")
FLAG = refused("no", 0, None)
NO_AGGREGATIONS = ["typo", -1, 1.5, True, None, NAN, 1j, np.ones(2)]
GENERATOR = refused(0, "seed", np.random.default_rng(0))
STACK = refused(None, nn.ReLU(), [ConvLayer(3)])
PROFILE = refused(
    *NO_ARRAYS, -np.ones((3, 3)), np.zeros((3, 3)), np.ones((3, 3)) * NAN, np.ones((3, 3)) * 1j, np.ones(9)
)
