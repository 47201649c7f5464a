"""Settings of all tests."""

import torch

# The tests' tensors are small: threads would spend longer waiting for each other than computing.
torch.set_num_threads(1)
