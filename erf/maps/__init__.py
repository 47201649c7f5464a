"""How much each pixel of an image influences a unit: influence maps of any network, and the fast ways to them."""
