"""What operators need: monitoring, reports, deployment."""
