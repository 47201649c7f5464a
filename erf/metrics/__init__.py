"""What is read off an influence map: sizes, radii, fits, and how two maps compare."""
