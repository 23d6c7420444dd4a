"""Everything that runs inside the container: standard library only, Python 3.8 and newer.

The host sends these modules over the channel; nothing is installed in the image.
"""
