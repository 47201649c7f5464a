"""The networks under study, one family a file."""

from erf.networks.attention_stack import stack_with
from erf.networks.batch_norm import fold_batch_norm_
from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.cifar_resnet import CifarResNet
from erf.networks.conv_stack import Activation, ConvStack, Dropout
from erf.networks.fully_connected import FullyConnected
from erf.networks.plain_cnn import PlainCnn
from erf.networks.residual_stack import Order, ResidualStack
from erf.networks.sparse_convolution import Connections, SparseConv2d, SparseStack
from erf.networks.subsampled_stack import Pooling, SubsampledStack

__all__ = [
    "Activation",
    "CamvidFrontend",
    "CifarResNet",
    "Connections",
    "ConvStack",
    "Dropout",
    "FullyConnected",
    "Order",
    "PlainCnn",
    "Pooling",
    "ResidualStack",
    "SparseConv2d",
    "SparseStack",
    "SubsampledStack",
    "fold_batch_norm_",
    "stack_with",
]
