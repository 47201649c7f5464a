"""What every experiment runs in: the command line, folders, records, intervals, and the style of figures."""
