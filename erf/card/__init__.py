"""The page of a measured network, and what the report shares with it: template, inspector and styles."""
