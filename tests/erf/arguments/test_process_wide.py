"""Threads that measure at once leave torch's settings as they were, in whatever order they end."""

import pytest
import torch
import torch._dynamo
from torch.utils import checkpoint

from erf.agreement.judges import slow_ways
from erf.arguments.device import full_float32
from erf.maps import passes
from erf.reachability.as_written import as_written
from erf.reachability.forward import _in_plain_operators, _without_fast_paths
from erf.reachability.values import nested_refused

SETTINGS = {
    "attention": (_without_fast_paths, torch.backends.mha.get_fastpath_enabled),
    "kernels": (_in_plain_operators, lambda: (torch._C._get_mkldnn_enabled(), torch.backends.cuda.flash_sdp_enabled())),
    "checkpoints": (lambda: as_written(torch.nn.ReLU()), lambda: checkpoint.CheckpointFunction),
    "compiler": (lambda: as_written(torch.nn.ReLU()), lambda: torch._dynamo.eval_frame._stance.stance),
    "nested": (nested_refused, lambda: torch.nested.nested_tensor),
    "precision": (full_float32, lambda: torch.backends.cudnn.allow_tf32),
    "ways": (slow_ways, lambda: passes.gradient_in_cone),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_last_that_ends_puts_back_what_the_first_has_set(name):
    setting, value = SETTINGS[name]
    before = value()
    first, second = setting(), setting()
    first.__enter__()
    within = value()
    second.__enter__()
    first.__exit__(None, None, None)
    assert value() == within != before
    second.__exit__(None, None, None)
    assert value() == before


def test_an_error_within_puts_them_back_as_well():
    with pytest.raises(ZeroDivisionError), _without_fast_paths():
        1 / 0  # noqa: B018
    assert torch.backends.mha.get_fastpath_enabled()
