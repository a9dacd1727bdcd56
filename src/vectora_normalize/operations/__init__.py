"""The tools of operators: monitoring, run reports, packaging and deployment."""
