"""Many random stacks of convolutions at once."""
