"""The networks under study, one family a file."""
