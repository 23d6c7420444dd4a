import warnings

print("printed while it is imported")
warnings.warn("in a module that fails", UserWarning)
raise KeyError("after the warning")
