"""The command ``erf``, and the networks that its words name."""
