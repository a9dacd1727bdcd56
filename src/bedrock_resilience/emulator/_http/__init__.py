"""HTTP over a loopback socket."""
