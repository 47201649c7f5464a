"""What expected maps have no rule for: one line that names the operator and its module."""

import math

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


def normalized(x):
    return F.batch_norm(x, torch.zeros(2), torch.ones(2), training=True)


twice = nn.Conv2d(2, 2, 3, bias=False)
REFUSED = {
    "convolution in '0' uses the weights of convolution in '0' once more": nn.Sequential(twice, twice),
    "there are no weights": nn.AvgPool2d(3),
    "native_layer_norm in '1': no rule": nn.Sequential(conv(2, 2), nn.LayerNorm([6, 5])),
    "native_group_norm in '1': no rule": nn.Sequential(conv(2, 2), nn.GroupNorm(1, 2)),
    "'1': batch statistics join all pixels": nn.Sequential(conv(2, 2), nn.BatchNorm2d(2, track_running_stats=False)),
    "mul in '1': no rule": nn.Sequential(conv(2, 2), Function(lambda x: x * x.sigmoid())),
    "'0': from here two ways without weights part": nn.Sequential(conv(2, 2), Residual(nn.AvgPool2d(3, 1, 1))),
    "view in '1': no rule is known for rows and columns in a vector and back": nn.Sequential(
        conv(2, 2), Function(lambda x: x.flatten(1).view(-1, 2, 6, 5)), nn.AvgPool2d(2, 1)
    ),
    "view in '1': no rule is known for changing rows": nn.Sequential(conv(2, 2), Function(lambda x: x.flatten(2))),
    "permute in '1': no rule is known for changing rows": nn.Sequential(
        conv(2, 4), Function(lambda x: x.permute(0, 2, 3, 1)), nn.Linear(4, 4)
    ),
    "reads memory into which another tensor was written in place": conv(2, 2, padding=1, padding_mode="circular"),
    " in '1.attention': no rule": nn.Sequential(conv(2, 2), SelfAttention()),
    "native_layer_norm in '2': no rule": nn.Sequential(
        conv(2, 4), Function(lambda x: x.permute(0, 2, 3, 1)), nn.LayerNorm(4), nn.Linear(4, 4)
    ),
    "empty_like in '1': no rule": nn.Sequential(conv(2, 2), Function(lambda x: F.dropout(x, 0.5, training=True))),
    "'1': batch statistics join all": nn.Sequential(conv(2, 2), Function(normalized)),
    "'1': its running variance gives no finite scale": nn.Sequential(conv(2, 1), scale(1.0, variance=[-1.0])),
    "parameter '1.weight' has values that are not finite": nn.Sequential(conv(2, 2), scale(math.inf, 1.0)),
    "mean in '1': no rule": nn.Sequential(conv(2, 2), Function(lambda x: x - x.mean()), conv(2, 2)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_rule_is_refused_by_name(message):
    with pytest.raises(erf.InvalidInput, match=message) as refusal:
        erf.theory.expected_map(REFUSED[message], 6, channels=2)
    assert "\n" not in str(refusal.value)
