"""One layer as it was measured: its fields, its map, what is read off them, what theory expects, and how it is said."""
