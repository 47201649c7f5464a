"""Which input pixels can reach each position of every tensor in a forward pass, by abstract interpretation."""

# They register their rules.
from erf.reachability import batched, contractions, indices, orders, recurrent, sampling, shuffles, views, windows  # noqa: F401
