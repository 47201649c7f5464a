"""What the experiments on trained networks share."""
