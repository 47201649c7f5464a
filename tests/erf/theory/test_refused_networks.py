"""What expected maps have no rule for: one line that names the operator and its module."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import erf
from tests.erf.theory.tiny_networks import Function, Residual, conv, scale


class SelfAttention(nn.Module):
    """Attention between positions."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(2, 1, batch_first=True)

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return self.attention(tokens, tokens, tokens)[0].transpose(1, 2).reshape(x.shape)


class Attention(nn.Module):
    """Attention that is written by hand, of a function of queries, keys and values."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.projections = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        heads = (projection(tokens).unsqueeze(1) for projection in self.projections)
        return self.function(*heads).squeeze(1).transpose(1, 2).reshape(x.shape)


def in_steps(q, k, v):
    """As torch does it where there is no kernel for attention as a whole."""
    with nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH):
        return F.scaled_dot_product_attention(q, k, v)


def normalized(x):
    return F.batch_norm(x, torch.zeros(2), torch.ones(2), training=True)


twice = nn.Conv2d(2, 2, 3, bias=False)
REFUSED = {
    "convolution in '0' uses the weights of convolution in '0' once more": nn.Sequential(twice, twice),
    "there are no weights": nn.AvgPool2d(3),
    "in '1' (LayerNorm): no rule is known for layer norm": nn.Sequential(conv(2, 2), nn.LayerNorm([6, 5])),
    "in '1' (GroupNorm): no rule is known for group norm": nn.Sequential(conv(2, 2), nn.GroupNorm(1, 2)),
    "'1' (BatchNorm2d): batch statistics join all pixels": nn.Sequential(
        conv(2, 2), nn.BatchNorm2d(2, track_running_stats=False)
    ),
    "mul in '1' (Function): no rule": nn.Sequential(conv(2, 2), Function(lambda x: x * x.sigmoid())),
    "'0': from here two ways without weights part": nn.Sequential(conv(2, 2), Residual(nn.AvgPool2d(3, 1, 1))),
    "view in '1': no rule is known for rows and columns in a vector and back": nn.Sequential(
        conv(2, 2), Function(lambda x: x.flatten(1).view(-1, 2, 6, 5)), nn.AvgPool2d(2, 1)
    ),
    "view in '1' (Function): no rule is known for changing rows": nn.Sequential(
        conv(2, 2), Function(lambda x: x.flatten(2))
    ),
    "permute in '1' (Function): no rule is known for changing rows": nn.Sequential(
        conv(2, 4), Function(lambda x: x.permute(0, 2, 3, 1)), nn.Linear(4, 4)
    ),
    "reads memory into which another tensor was written in place": conv(2, 2, padding=1, padding_mode="circular"),
    " in '1.attention' (MultiheadAttention): no rule": nn.Sequential(conv(2, 2), SelfAttention()),
    "in '1' (Attention): no rule is known for attention": nn.Sequential(
        conv(2, 2), Attention(F.scaled_dot_product_attention)
    ),
    "in '1' (Attention): no rule is known for products of matrices, as in attention": nn.Sequential(
        conv(2, 2), Attention(lambda q, k, v: (q @ k.mT).softmax(-1) @ v)
    ),
    "bmm in '1' (Attention): no rule is known for products of matrices, as in": nn.Sequential(
        conv(2, 2), Attention(in_steps)
    ),
    "in '2' (LayerNorm): no rule is known for layer": nn.Sequential(
        conv(2, 4), Function(lambda x: x.permute(0, 2, 3, 1)), nn.LayerNorm(4), nn.Linear(4, 4)
    ),
    "empty_like in '1' (Function): no rule": nn.Sequential(
        conv(2, 2), Function(lambda x: F.dropout(x, 0.5, training=True))
    ),
    "'1' (Function): batch statistics join all": nn.Sequential(conv(2, 2), Function(normalized)),
    "'1' (BatchNorm2d): its running variance gives no finite scale": nn.Sequential(
        conv(2, 1), scale(1.0, variance=[-1.0])
    ),
    "parameter '1.weight' has values that are not finite": nn.Sequential(conv(2, 2), scale(math.inf, 1.0)),
    "mean in '1' (Function): no rule": nn.Sequential(conv(2, 2), Function(lambda x: x - x.mean()), conv(2, 2)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_rule_is_refused_by_name(message):
    with pytest.raises(erf.InvalidInput) as refusal:
        erf.theory.expected_map(REFUSED[message], 6, channels=2)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_sigma_of_a_network_that_runs_in_another_thread_is_refused():
    """What a thread of its own does is not seen: the sum of two branches would have the sigma of one."""

    def in_a_thread(x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(branch, x).result() + x

    branch = conv(2, 2, (3, 3), padding=1)
    with pytest.raises(erf.InvalidInput, match="runs in a thread of its own"):
        erf.theory.expected_sigma(
            nn.ModuleList([Function(in_a_thread), branch]), 6, channels=2, call=lambda n, x: n[0](x)
        )
