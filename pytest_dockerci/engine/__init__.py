"""Everything that talks to the Docker Engine. Never imports pytest.

Start with `environment`: it reads as the list of steps from a Compose file to running containers.
This package imports nothing by itself. `environment` (and with it the ``docker`` SDK and PyYAML,
100 ms) is to be imported when a run needs a container, not before; `testcontainers` is imported
only where a project hands over such containers.
"""
