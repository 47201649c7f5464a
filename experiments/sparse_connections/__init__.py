"""The experiment sparse_connections."""
