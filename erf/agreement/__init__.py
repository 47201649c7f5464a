"""Is what erf says of a network true? Other ways are asked, on that network."""
