"""One call for the fields of a network's layers: theoretical, effective, and what a reader must know about them."""
