from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pytest_dockerci.engine.client import Engine
from pytest_dockerci.engine.labels import SEED
from whole_run.project import Project

pytestmark = pytest.mark.engine

POSTGRES_IMAGE = os.environ.get("POSTGRES_IMAGE", "postgres:17")
SETTINGS = "[pytest]\ndockerci_service = web\ndockerci_suite = tests\ntestpaths = tests host\n"
COMPOSE = f"""\
services:
  web:
    build: {{context: ., args: {{PYTHON_IMAGE: "{os.environ.get("PYTHON_IMAGE", "python:3.13-slim")}"}}}}
    depends_on: {{db: {{condition: service_healthy}}}}
  db:
    image: {POSTGRES_IMAGE}
    environment: {{POSTGRES_PASSWORD: secret}}
    healthcheck: {{test: [CMD, pg_isready, -h, 127.0.0.1, -U, postgres], interval: 5s, retries: 20}}
    volumes: ["./schema:/schema:ro", "data:PGDATA"]
    expose: [5432]
    x-dockerci:
      seed: psql -v ON_ERROR_STOP=1 -U postgres -f /schema/schema.sql
volumes: {{data: {{}}}}
"""
SCHEMA = "CREATE TABLE books (title text);\nINSERT INTO books VALUES ('one'), ('two');\n"
HOST = """\
    import time

    def count(db):
        return db.exec(["psql", "-U", "postgres", "-tAc", "SELECT count(*) FROM books"]).stdout.strip()

    def test_restore(dockerci_services):
        db = dockerci_services["db"]
        print("books:", count(db))
        print("mounted:", db.exec(["sh", "-c", "grep PGDATA /proc/mounts"]).stdout)
        db.exec(["psql", "-U", "postgres", "-c", "DELETE FROM books"])
        assert count(db) == "0"
        before = count(db), db.container_id
        db.restore()
        assert count(db) != "0"
        assert db.container_id != before[1]
        host, port = db.address(5432)
        assert port
    """
BACKUP = f"""\
  backup:
    image: {POSTGRES_IMAGE}
    command: [sleep, infinity]
    init: true
    volumes: ["data:/data"]
"""
SHARED = """\
def test_shared(dockerci_services):
    dockerci_services["db"].exec(["psql", "-U", "postgres", "-c", "CHECKPOINT"])
    assert "PG_VERSION" in dockerci_services["backup"].exec(["ls", "/data"]).stdout
"""


@pytest.fixture
def seeded(project: Project, engine: Engine) -> Iterator[Project]:
    """A project with a seeded database; what it has seeded is removed after the test."""
    data = engine.client.api.inspect_image(POSTGRES_IMAGE)["Config"]  # type: ignore[no-untyped-call]
    folder = next(iter(data.get("Volumes") or ["/var/lib/postgresql/data"]))
    project.write(
        compose_yaml=COMPOSE.replace("PGDATA", folder),
        pytest_ini=SETTINGS,
        schema__schema_sql="",
        tests__test_any_py="def test_any(): pass\n",
        host__test_host_py=HOST.replace("PGDATA", folder),
    )
    (project.root / "schema/schema.sql").write_text(SCHEMA)
    yield project
    for name in seeds(project, engine):
        engine.client.api.remove_image(name)
    for name in seed_volumes(project, engine):
        engine.client.api.remove_volume(name)


def seeds(project: Project, engine: Engine) -> list[str]:
    """The images that hold seeds of the project."""
    prefix = f"dockerci-seed/{project.root.name[:20]}"
    names = [name for data in engine.client.api.images() for name in data.get("RepoTags") or ()]
    return [name for name in names if name.startswith(prefix)]


def seed_volumes(project: Project, engine: Engine) -> list[str]:
    """The volumes that hold them."""
    listed = engine.client.api.volumes(filters={"label": [SEED]}).get("Volumes") or []
    prefix = f"dockerci-seed/{project.root.name[:20]}"
    return [data["Name"] for data in listed if data["Labels"][SEED].startswith(prefix)]


def test_a_database_starts_from_its_seed(seeded: Project, engine: Engine) -> None:
    """Made once, used by later runs, made anew when what it comes from changes; restored in mid-run."""
    first = seeded.run("-s")
    assert first.exit_code == 0, first.output
    assert "dockerci: db is seeded, for later runs too" in first.output
    assert "books: 2" in first.output
    assert "mounted: overlay" in first.output
    [name] = seeds(seeded, engine)
    [volume] = seed_volumes(seeded, engine)

    second = seeded.run("-s")
    assert second.exit_code == 0, second.output
    assert "is seeded" not in second.output
    assert "books: 2" in second.output
    assert "mounted: overlay" in second.output
    assert seeds(seeded, engine) == [name]
    assert seed_volumes(seeded, engine) == [volume]

    (seeded.root / "schema/schema.sql").write_text(SCHEMA.replace("'two'", "'two'), ('three'"))
    third = seeded.run("-s")
    assert "is seeded" in third.output, third.output
    assert "books: 3" in third.output
    [other] = seeds(seeded, engine)
    assert other != name
    assert seed_volumes(seeded, engine) not in ([], [volume])


def test_a_volume_of_two_services_is_copied(seeded: Project, engine: Engine) -> None:
    """What one writes, the other has to see; and where the volumes of a seed are gone, its image serves."""
    compose = (seeded.root / "compose.yaml").read_text()
    seeded.write(compose_yaml=compose.replace("volumes: {data", f"{BACKUP}volumes: {{data"))
    (seeded.root / "host/test_other.py").write_text(SHARED)
    first = seeded.run("-s")
    assert first.exit_code == 0, first.output
    assert "books: 2" in first.output
    assert "mounted: overlay" not in first.output

    seeded.write(compose_yaml=compose)
    (seeded.root / "host/test_other.py").unlink()
    for name in seed_volumes(seeded, engine):
        engine.client.api.remove_volume(name)
    second = seeded.run("-s")
    assert second.exit_code == 0, second.output
    assert "is seeded" not in second.output
    assert "books: 2" in second.output
    assert "mounted: overlay" not in second.output


@pytest.mark.soak
def test_a_seed_that_fails(seeded: Project, engine: Engine) -> None:
    """Ends the run with what the command said; nothing is kept."""
    (seeded.root / "schema/schema.sql").write_text("CREATE TABLE nonsense;\n")
    outcome = seeded.run()
    assert outcome.exit_code == 6
    assert (
        'service "db" could not be seeded\n'
        "  why: `psql -v ON_ERROR_STOP=1 -U postgres -f /schema/schema.sql` ended with exit code 3\n"
        "  try: correct the seed command in the Compose file\n"
    ) in outcome.output
    assert "syntax error" in outcome.output
    assert seeds(seeded, engine) == []
