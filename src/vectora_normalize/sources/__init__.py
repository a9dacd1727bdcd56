"""From configured sources to raw items inside the window."""
