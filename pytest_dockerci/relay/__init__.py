"""Runs in a container on an engine elsewhere: the standard library only, Python 3.8 and newer."""
