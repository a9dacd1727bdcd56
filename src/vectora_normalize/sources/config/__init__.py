"""The configuration of clients and sources: YAML files to frozen values."""
