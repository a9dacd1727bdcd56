"""One pace for several processes, through a store that they share."""
