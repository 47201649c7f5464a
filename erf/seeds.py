"""Random generators that depend only on a seed and on indices, not on what was drawn before."""

import numpy as np
import torch

from erf.arguments import require_whole

# The streams of one sample (seed, index of the run or image, stream).
WEIGHTS, INPUTS, SIGNS, MASKS = 0, 1, 2, 3


def derive(seed: int, *indices: int) -> int:
    """Return a seed for the stream named by ``indices``, independent of the streams of other indices."""
    require_whole(0, seed=seed, **{f"index {place}": index for place, index in enumerate(indices)})
    return int(np.random.SeedSequence(seed, spawn_key=indices).generate_state(1, np.uint64)[0]) >> 1


def generator(seed: int, *indices: int) -> torch.Generator:
    """Return a CPU generator for that stream: the same numbers whatever the device, batch size or process."""
    return torch.Generator().manual_seed(derive(seed, *indices))
