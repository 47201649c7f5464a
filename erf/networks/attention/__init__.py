"""Attention blocks that give a layer of convolutions a wider or a global field (claim R3), one file a block.

Each maps ``[N, C, H, W]`` to that shape. Weights are Glorot's and biases 0, drawn from the given generator, so that
every block takes part from the start; where its source starts as the identity instead, the docstring says so. Batch
norms of the sources are left out: before training they are the identity in eval mode.
"""
