"""The experiment dropout."""
