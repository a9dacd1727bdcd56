"""Sources: configuration, fetching, parsing, and the collection of the items of a window."""
