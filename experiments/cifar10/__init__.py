"""The experiment cifar10."""
