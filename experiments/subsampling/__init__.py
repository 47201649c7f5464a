"""The experiment subsampling."""
