"""The report: one self-contained page that shows every claim, figure and map from the records alone."""
