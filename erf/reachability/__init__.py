"""Which input pixels can reach each position of every tensor in a forward pass, by abstract interpretation."""

from erf.reachability import contractions, views, windows  # noqa: F401  (they register their rules)
