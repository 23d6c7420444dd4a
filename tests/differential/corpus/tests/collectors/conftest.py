import pytest


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".yaml":
        return YamlFile.from_parent(parent, path=file_path)


class YamlFile(pytest.File):
    def collect(self):
        group = self
        for line in self.path.read_text().splitlines():
            name, _, value = line.partition(": ")
            if not value:
                group = Group.from_parent(self, name=name)
                yield group
                continue
            yield YamlItem.from_parent(self, name=name, value=value)


class Group(pytest.Collector):
    def collect(self):
        yield YamlItem.from_parent(self, name="in group", value="good")


class YamlItem(pytest.Item):
    def __init__(self, *, value, **kwargs):
        super().__init__(**kwargs)
        self.value = value
        self.add_marker("fast")

    def runtest(self):
        print("running", self.name)
        if self.value == "skip":
            pytest.skip("as written")
        if self.value != "good":
            raise ValueError(self.value)

    def repr_failure(self, excinfo):
        if self.value == "bad":
            return f"{self.name} is {excinfo.value}"
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, 0, f"yaml: {self.name}"
