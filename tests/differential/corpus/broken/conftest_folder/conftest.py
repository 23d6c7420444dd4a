raise RuntimeError("conftest")
