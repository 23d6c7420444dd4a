"""Everything that talks to the Docker Engine. Never imports pytest."""
