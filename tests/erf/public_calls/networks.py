"""Calls of what makes networks and their weights."""

import torch

from erf import inits
from erf.networks import (
    attention_stack,
    camvid_frontend,
    cifar_resnet,
    conv_stack,
    fully_connected,
    plain_cnn,
    pointwise,
    residual,
    residual_stack,
    sparse_convolution,
    start,
    subsampled_stack,
)
from erf.networks import batch_norm as folding
from erf.networks.attention import multi_scale, non_local, recurrent, second_order, squeeze_excitation
from erf.networks.attention import residual as residual_attention
from tests.erf.public_calls.call import Call, Kind, refused
from tests.erf.public_calls.refused_values import (
    CHOICE,
    FINITE,
    GENERATOR,
    NAN,
    NO_NUMBERS,
    NO_WHOLE_NUMBERS,
    PROFILE,
    SIZE,
    STACK,
    WEIGHTS,
    WHOLE,
    WHOLE_0,
)
from tests.erf.public_calls.valid import a_stack, conv, generator, normed, with_buffer

INIT = Kind(["typo", 1, None])
SIZES = {"depth": WHOLE, "channels": WHOLE, "input_channels": WHOLE, "kernel_size": WHOLE}
CONV_STACK = SIZES | {"init": CHOICE, "activation": CHOICE, "dropout": CHOICE, "profile": PROFILE}
CONV_STACK |= {"dropout_rate": refused(1, -0.1, NAN, "0", 1j, True)}
CALLS: dict[str, Call] = {
    "erf.inits.fill_": Call(
        inits.fill_,
        lambda: {"weight": torch.zeros(2, 3, 3, 3), "init": "he_normal"},
        {"weight": refused(torch.zeros(3), torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 0), None), "init": INIT}
        | {"generator": GENERATOR},
    ),
    "erf.inits.fill_layers_": Call(
        inits.fill_layers_,
        lambda: {"weights": torch.zeros(2, 4, 4, 3, 3), "init": "he_normal"},
        {
            "weights": refused(torch.zeros(3), torch.zeros(1, 2, 3, dtype=torch.int64), None, words="weight"),
            "init": INIT,
        }
        | {"generator": GENERATOR},
    ),
    "erf.inits.weight_variance": Call(
        inits.weight_variance,
        lambda: {"init": "he_normal", "channels_in": 2, "channels_out": 2, "positions": 9},
        {"init": refused("typo", "equal", 1, None), "channels_in": WHOLE, "channels_out": WHOLE, "positions": WHOLE},
    ),
    "erf.inits.center_low_profile": Call(
        inits.center_low_profile,
        lambda: {"kernel_size": (3, 3), "strength": 0.5},
        {
            "kernel_size": SIZE,
            "strength": refused(-0.1, 1.1, *NO_NUMBERS),
            "period": refused((0, 1), (1,), (1.5, 1), "11"),
        },
    ),
    "erf.inits.center_low_": Call(
        inits.center_low_,
        lambda: {"module": conv(), "strength": 0.5},
        {"module": WEIGHTS, "strength": refused(-0.1, 1.1, *NO_NUMBERS)},
    ),
    "erf.networks.conv_stack.ConvStack": Call(
        conv_stack.ConvStack, lambda: {"depth": 2}, CONV_STACK, free="final_activation"
    ),
    "erf.networks.sparse_convolution.SparseStack": Call(
        sparse_convolution.SparseStack,
        lambda: {"depth": 2, "kernel_size": 5},
        CONV_STACK | {"side": refused(2, 7, *NO_WHOLE_NUMBERS), "connections": CHOICE},
        free="final_activation",
    ),
    "erf.networks.sparse_convolution.SparseConv2d": Call(
        sparse_convolution.SparseConv2d,
        lambda: {"channels_in": 1, "channels_out": 2, "positions": torch.zeros(1, 2), "area": 3},
        {"channels_in": WHOLE, "channels_out": WHOLE, "area": WHOLE, "padding": WHOLE_0, "init": INIT}
        | {
            "positions": refused(
                torch.zeros(1, 2) * NAN, torch.zeros(2), torch.zeros(1, 2) + 2, [[0, 0]], words="positions|area"
            )
        }
        | {"generator": GENERATOR},
    ),
    "erf.networks.residual_stack.ResidualStack": Call(
        residual_stack.ResidualStack,
        lambda: {"blocks": 2},
        {"blocks": WHOLE, "branch_depth": WHOLE, "channels": WHOLE, "input_channels": WHOLE, "kernel_size": WHOLE}
        | {"gain": FINITE, "order": CHOICE, "init": CHOICE, "activation": CHOICE},
        free="batch_norm final_activation",
    ),
    "erf.networks.subsampled_stack.SubsampledStack": Call(
        subsampled_stack.SubsampledStack,
        lambda: {"stack": a_stack(), "strides": (1, 2), "dilations": (1, 1)},
        {"stack": STACK, "strides": refused((1,), (0, 1), (1.5, 1), (True, 1), ()), "pooling": CHOICE}
        | {"dilations": refused((1,), (0, 1), (1.5, 1), (True, 1), ())},
    ),
    "erf.networks.attention_stack.stack_with": Call(
        attention_stack.stack_with,
        lambda: {"stack": a_stack(), "block": "none", "below": 1, "side": 5, "generator": generator()},
        {"stack": STACK, "block": CHOICE, "below": Kind([3, *NO_WHOLE_NUMBERS]), "side": WHOLE, "generator": GENERATOR},
    ),
    "erf.networks.fully_connected.FullyConnected": Call(
        fully_connected.FullyConnected,
        lambda: {"channels": 2, "size": (3, 3)},
        {"channels": refused(0, *NO_WHOLE_NUMBERS, words="channels"), "size": SIZE, "generator": GENERATOR},
    ),
    "erf.networks.plain_cnn.PlainCnn": Call(
        plain_cnn.PlainCnn,
        lambda: {"kernel_size": 3, "width": 1},
        {"kernel_size": WHOLE, "width": WHOLE, "classes": WHOLE, "input_channels": WHOLE, "init": INIT}
        | {"generator": GENERATOR},
    ),
    "erf.networks.cifar_resnet.CifarResNet": Call(
        cifar_resnet.CifarResNet,
        lambda: {"width": 1},
        {"width": WHOLE, "classes": WHOLE, "input_channels": WHOLE, "generator": GENERATOR},
        free="batch_norm",
    ),
    "erf.networks.camvid_frontend.CamvidFrontend": Call(
        camvid_frontend.CamvidFrontend,
        lambda: {"widths": (1, 1, 1, 1)},
        {"widths": refused((1, 1, 1), (1, 0, 1, 1), (1, 1.5, 1, 1), (1, NAN, 1, 1), 4), "classes": WHOLE}
        | {"input_channels": WHOLE, "generator": GENERATOR},
        free="batch_norm",
    ),
    "erf.networks.camvid_frontend.upsample": Call(
        camvid_frontend.upsample,
        lambda: {"logits": torch.zeros(1, 2, 2, 2), "size": (20, 20)},
        {"logits": refused(None, [[1.0]]), "size": SIZE},
    ),
    "erf.networks.batch_norm.fold_batch_norm_": Call(
        folding.fold_batch_norm_,
        lambda: {"network": normed()},
        {"network": refused(None, normed(NAN), with_buffer(NAN), words="network|parameter|buffer")},
    ),
    "erf.networks.start.check_gain": Call(
        start.check_gain,
        lambda: {"start": "small_gain", "gain": 0.5},
        {"start": CHOICE, "gain": refused(1.1, -0.1, *NO_NUMBERS, words="gain=.* from 0 to 1")},
    ),
    "erf.networks.start.start_": Call(
        start.start_,
        lambda: {"network": normed(), "start": "small_gain", "gain": 0.5},
        {
            "network": refused(None, normed(NAN), conv(), words="network|parameter|batch norm"),
            "start": Kind(CHOICE.values, "start=.* allowed: "),
            "gain": refused(1.1, *NO_NUMBERS, words="gain=.* from 0 to 1"),
        },
        free="generator",
    ),
    "erf.networks.residual.convolution": Call(
        residual.convolution,
        lambda: {"channels_in": 1, "channels_out": 2, "generator": None},
        {"channels_in": WHOLE, "channels_out": WHOLE, "kernel_size": WHOLE, "stride": WHOLE, "init": INIT}
        | {"generator": GENERATOR},
        free="bias",
    ),
    "erf.networks.residual.ConvUnit": Call(
        residual.ConvUnit,
        lambda: {"channels_in": 1, "channels_out": 2, "generator": None},
        {"channels_in": WHOLE, "channels_out": WHOLE, "stride": WHOLE, "generator": GENERATOR},
        free="batch_norm",
    ),
    "erf.networks.residual.BasicBlock": Call(
        residual.BasicBlock,
        lambda: {"channels": 2, "generator": None},
        {"channels": refused(0, *NO_WHOLE_NUMBERS, words="channels"), "generator": GENERATOR},
        free="batch_norm",
    ),
    "erf.networks.residual.norm": Call(
        residual.norm, lambda: {"channels": 2, "batch_norm": True}, {"channels": WHOLE}, free="batch_norm"
    ),
    "erf.networks.pointwise.pointwise": Call(
        pointwise.pointwise,
        lambda: {"channels_in": 1, "channels_out": 2, "generator": None},
        {"channels_in": WHOLE, "channels_out": WHOLE, "generator": GENERATOR},
    ),
    "erf.networks.pointwise.reduced": Call(
        pointwise.reduced, lambda: {"channels": 4, "reduction": 2}, {"channels": WHOLE, "reduction": WHOLE}
    ),
}

BLOCK = {"channels": refused(0, *NO_WHOLE_NUMBERS, words="channels"), "generator": GENERATOR}
BLOCKS = {
    multi_scale.MultiScaleAttention: {},
    residual_attention.ResidualAttention: {},
    non_local.NonLocalAttention: {"reduction": WHOLE},
    recurrent.RecurrentAttention: {"reduction": WHOLE, "passes": WHOLE},
    second_order.SecondOrderAttention: {"reduction": WHOLE},
    squeeze_excitation.SqueezeExcitation: {"reduction": WHOLE},
}
CALLS |= {
    f"{block.__module__}.{block.__name__}": Call(block, lambda: {"channels": 4}, BLOCK | more)
    for block, more in BLOCKS.items()
}
