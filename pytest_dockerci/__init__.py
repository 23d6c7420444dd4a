"""pytest-dockerci: run a test suite inside the Docker image that is shipped."""

__version__ = "0.1.0"
