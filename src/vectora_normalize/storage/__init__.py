"""Object stores, the compare-and-swap loop over them, and the leases that are kept in them."""
