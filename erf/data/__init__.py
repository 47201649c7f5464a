"""The images that networks are trained and measured on: CIFAR-10 and CamVid, decoded into memory, batch by batch."""
