"""Brings up what a command of this project needs (engine, base images), runs it, and puts things back."""
