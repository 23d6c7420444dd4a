"""What runs in the reaper's container on the engine: Python 3.8, standard library only."""
