"""Deterministic simulation: the real code on a simulated network, clock and threads, in every order of a seed.

``scheduler`` runs threads as greenlets of one seeded scheduler, on virtual time. ``store``, ``queue`` and ``bedrock``
are models of the services, which check what may never happen at each step. ``claims`` drives the claims and leases
alone, some thousands of schedules a second; ``system`` drives whole runs, workers and a dispatcher. ``python -m
support.dst`` runs many schedules; one that fails is printed and shrunk.
"""
