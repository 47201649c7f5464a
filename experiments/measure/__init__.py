"""The experiment measure."""
