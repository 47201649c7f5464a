"""What the server of forked processes imports before it starts any: all that they need, which is then searched no more.

Else the garbage collector of each of them would go through millions of objects, which takes it half a second.
"""
# ruff: noqa: E402, F401

import gc

gc.disable()

import lightning_fabric
import torch._dynamo

import experiments.cifar10.experiment
import experiments.cifar10.figure
import scripts.fetch_data
import scripts.reproduce
import tests.erf.toy_training
import tests.experiments.test_killed
import tests.scripts.test_fetch_data_killed
import tests.scripts.test_publish_killed

gc.freeze()
gc.enable()
