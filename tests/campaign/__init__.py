"""Bad calls of every command, drawn by the type of what they are given, and counted: ``python -m tests.campaign``."""
