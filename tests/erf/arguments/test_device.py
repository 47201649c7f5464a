import pytest
import torch

from erf import InvalidInput
from erf.arguments.device import available_devices, full_float32, resolve_device


@pytest.fixture
def machine(monkeypatch):
    """Return a function that gives the machine other devices."""

    def has(gpus=0, mps=False):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return has


def test_the_processor_is_always_there(machine):
    machine()
    assert available_devices() == ["cpu"]
    assert resolve_device("cpu") == resolve_device("auto") == torch.device("cpu")


def test_auto_takes_an_accelerator(machine):
    machine(gpus=2)
    assert available_devices() == ["cuda:0", "cuda:1", "cpu"]
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda:0")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    assert resolve_device("cpu") == torch.device("cpu")
    machine(mps=True)
    assert resolve_device("auto") == resolve_device("mps") == torch.device("mps")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "tpu", "", "CPU", "cpu:0", "cuda:x"])
def test_devices_that_are_not_here(machine, name):
    machine()
    with pytest.raises(
        InvalidInput, match=f"device='{name}' is unknown or absent; allowed on this machine: auto, cpu$"
    ):
        resolve_device(name)


def test_a_gpu_too_many(machine):
    machine(gpus=2)
    with pytest.raises(InvalidInput, match=r"device='cuda:2' is unknown or absent.*: auto, cuda:0, cuda:1, cpu$"):
        resolve_device("cuda:2")


def flags():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def set_flags(matmul, cudnn):
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


@pytest.fixture(autouse=True)
def _flags_end_with_the_test():
    before = flags()
    yield
    set_flags(*before)


@pytest.mark.parametrize("matmul", [False, True])
@pytest.mark.parametrize("cudnn", [False, True])
def test_full_precision_ends_with_the_block(matmul, cudnn):
    set_flags(matmul, cudnn)
    with full_float32():
        assert flags() == (False, False)
    assert flags() == (matmul, cudnn)


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="torch before 2.9 has one kind of setting")
@pytest.mark.parametrize("mine", [("tf32", "tf32", "tf32"), ("ieee", "ieee", "tf32")])
def test_the_newer_settings_may_have_been_used(mine):
    newer = [torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn]
    set_flags(False, False)
    for setting, value in zip(newer, mine, strict=True):
        setting.fp32_precision = value
    with pytest.raises(RuntimeError, match="mix of the legacy and new APIs"):
        flags()
    with full_float32():
        assert [setting.fp32_precision for setting in newer] == ["ieee"] * 3
    assert tuple(setting.fp32_precision for setting in newer) == mine


def fail_at_full_precision():
    with full_float32():
        raise KeyError


def test_full_precision_ends_with_an_error():
    set_flags(True, True)
    with pytest.raises(KeyError):
        fail_at_full_precision()
    assert flags() == (True, True)
