"""Many items, few workers, one report."""
