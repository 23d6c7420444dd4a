def helper():
    raise ValueError("while collecting")


helper()
