"""The experiment camvid."""
