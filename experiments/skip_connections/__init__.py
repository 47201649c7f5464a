"""The experiment skip_connections."""
