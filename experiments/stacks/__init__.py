"""What the experiments on random stacks share."""
