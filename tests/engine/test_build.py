"""Building: what a Compose file says about it, honoured by the real builder."""

from __future__ import annotations

import json
import socket

import pytest

from pytest_dockerci.engine.build import plan_build, split_step
from pytest_dockerci.engine.build_progress import (
    BuildEvent,
    BuildProgress,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
)
from pytest_dockerci.engine.command import Commands
from pytest_dockerci.engine.compose_model import parse_model
from pytest_dockerci.engine.compose_yaml import write_yaml
from pytest_dockerci.engine.model_cache import ComposeModel

from .engine_project import PYTHON_IMAGE, Project, python_in

LINES = """\
#0 building
{
  "vertexes": [
    {"digest": "d1", "name": "[internal] load build context", "started": "2026-01-01T00:00:00Z"},
    {"digest": "d2", "name": "[1/3] FROM docker.io/library/python", "started": "2026-01-01T00:00:00.5Z",
     "completed": "2026-01-01T00:00:00.500000001Z"},
    {"digest": "d3", "name": "[2/3] COPY . .", "started": "2026-01-01T00:00:01Z",
     "completed": "2026-01-01T00:00:01Z", "cached": true},
    {"digest": "d4", "name": "[3/3] RUN make", "started": "2026-01-01T00:00:01.25Z"}
  ]
}
{"logs": [{"vertex": "d4", "data": "b25lCnR3"}]}
{"logs": [{"vertex": "d4", "data": "bwpoYWxm"}, {"vertex": "d1", "data": "aGlkZGVuCg=="}]}
"""
DONE = (
    '{"vertexes": [{"digest": "d4", "name": "[3/3] RUN make", "started": "2026-01-01T00:00:01.25Z",'
    ' "completed": "2026-01-01T00:00:03.75Z"%s}]}'
)
SHOWN: list[BuildEvent] = [
    StepStarted(name="[1/3] FROM docker.io/library/python"),
    StepFinished(name="[1/3] FROM docker.io/library/python", seconds=0.0, is_cached=False),
    StepFinished(name="[2/3] COPY . .", seconds=0.0, is_cached=True),
    StepStarted(name="[3/3] RUN make"),
    StepOutput(name="[3/3] RUN make", line="one"),
    StepOutput(name="[3/3] RUN make", line="two"),
]


def feed(progress: BuildProgress, text: str) -> list[BuildEvent]:
    """The events of a text."""
    return [event for line in text.splitlines() for event in progress.feed_line(line)]


def test_steps_and_their_output_are_told_as_they_come() -> None:
    """Internal steps are not; objects may be spread over lines; other lines are remarks."""
    progress = BuildProgress()
    assert feed(progress, LINES) == SHOWN
    assert progress.remarks == ["#0 building"]
    assert progress.is_all_cached
    assert feed(progress, DONE % "") == [StepFinished(name="[3/3] RUN make", seconds=2.5, is_cached=False)]
    assert not progress.is_all_cached


def test_the_failing_step_is_kept_with_its_output() -> None:
    """The last line too, though it has no end."""
    progress = BuildProgress()
    feed(progress, LINES)
    failed = StepFailed(name="[3/3] RUN make", error="exit code: 2", output=("one", "two", "half"))
    assert feed(progress, DONE % ', "error": "exit code: 2"') == [failed]
    assert progress.failure == failed


@pytest.mark.parametrize(
    ("name", "target", "step"),
    [
        ("[2/4] RUN make", "web", "step 2/4 RUN make"),
        ("[worker stage-1 2/4] RUN make", "worker", "step 2/4 RUN make"),
        ("[web builder 3/3] COPY a b", "web", "step 3/3 COPY a b"),
        ("exporting to image", "web", "exporting to image"),
    ],
)
def test_a_step_is_named_as_in_the_dockerfile(name: str, target: str, step: str) -> None:
    """With the service whose image it belongs to."""
    assert split_step(name, ["web", "worker"]) == (target, step)


def test_the_build_file_holds_just_what_is_built() -> None:
    """Our tags, the user's settings; other services' images by their builds."""
    model = ComposeModel(
        data={
            "services": {
                "web": {
                    "image": "shop",
                    "ports": [1],
                    "build": {
                        "context": "/x",
                        "additional_contexts": {"base": "service:base"},
                        "cache_from": ["a"],
                        "platforms": ["linux/amd64", "linux/arm64"],
                        "ssh": ["default"],
                        "provenance": "mode=max",
                        "sbom": True,
                    },
                },
                "base": {"build": {"context": "/b"}},
                "db": {"image": "pg"},
            },
            "secrets": {"s": {"file": "/s"}},
        },
        active=frozenset(),
        project="shop",
        warnings=(),
    )
    assert plan_build(model, {"web": ("shop:1", "shop:2")}) == {
        "services": {
            "web": {
                "build": {
                    "context": "/x",
                    "additional_contexts": {"base": "target:base"},
                    "cache_from": ["a"],
                    "tags": ["shop:1", "shop:2"],
                    "x-bake": {"ssh": ["default"]},
                },
                "image": "shop:1",
                "x-attestations": ["type=provenance,mode=max", "type=sbom"],
            },
            "base": {"build": {"context": "/b", "tags": []}},
        },
        "secrets": {"s": {"file": "/s"}},
    }


@pytest.mark.engine
def test_every_setting_of_a_build_is_honoured(web: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Context, Dockerfile, target, arguments, secrets, labels and further contexts."""
    web.write("src/data.txt", "context")
    web.write("more/data.txt", "further")
    web.write("secret.txt", "from-file")
    web.write("base/Dockerfile", f"FROM {PYTHON_IMAGE}\nRUN echo base > /base.txt\n")
    web.write(
        "docker/Web.dockerfile",
        """
        FROM base AS wanted
        ARG COLOUR
        WORKDIR /app
        COPY data.txt context.txt
        COPY --from=more data.txt further.txt
        RUN --mount=type=secret,id=one --mount=type=secret,id=two \
            cat /run/secrets/one /run/secrets/two > secrets.txt && echo "$COLOUR" > colour.txt
        FROM scratch AS other
        """,
    )
    web.write(
        "compose.yaml",
        f"""
        services:
          base: {{build: base}}
          web:
            image: {web.root.name}-settings
            build:
              context: src
              dockerfile: ../docker/Web.dockerfile
              target: wanted
              args: {{COLOUR: "gr$$een"}}
              labels: {{org.example.mine: "yes"}}
              secrets: [one, two]
              additional_contexts: {{more: ./more, base: "service:base"}}
        secrets:
          one: {{file: secret.txt}}
          two: {{environment: SHOP_TEST_SECRET}}
        """,
    )
    monkeypatch.setitem(web.engine.child_environ, "SHOP_TEST_SECRET", "from-environment")
    environment = web.started()
    program = "print([open(n).read().strip() for n in"
    program += " ('context.txt', 'further.txt', 'secrets.txt', 'colour.txt', '/base.txt')])"
    assert python_in(environment, program) == str(
        ["context", "further", "from-filefrom-environment", "gr$een", "base"]
    )
    assert web.image_data(environment.image.id)["Config"]["Labels"] == {"org.example.mine": "yes"}
    assert environment.image.tags[0] == f"{web.root.name}-settings:run-{environment.identity.run_id}"


@pytest.mark.engine
def test_cache_settings_and_ssh_reach_the_builder(web: Project) -> None:
    """Read back from the builder's own view of the build file."""
    model = ComposeModel(
        data={
            "services": {
                "web": {
                    "build": {
                        "context": str(web.root),
                        "cache_from": ["type=local,src=cache/a"],
                        "cache_to": ["type=local,dest=cache/b"],
                        "ssh": ["default"],
                        "no_cache": True,
                        "pull": True,
                    }
                }
            }
        },
        active=frozenset(),
        project="shop",
        warnings=(),
    )
    file = web.root / "build.yaml"
    file.write_text(write_yaml(plan_build(model, {"web": ("shop-test/x:1",)})))
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(web.root / "agent"))
        completed = Commands(web.engine.child_environ).run(
            ["docker", "buildx", "bake", "--file", str(file), "--print", "web"],
            timeout_seconds=30,
            environ={"SSH_AUTH_SOCK": str(web.root / "agent")},
        )
    assert completed.is_ok, completed.stderr
    target = json.loads(completed.stdout)["target"]["web"]
    assert "cache/a" in json.dumps(target["cache-from"])
    assert "cache/b" in json.dumps(target["cache-to"])
    assert "default" in json.dumps(target["ssh"])
    assert (target["no-cache"], target["pull"]) == (True, True)


@pytest.mark.engine
def test_services_with_builds_of_their_own_come_in_the_same_call(web: Project) -> None:
    """Under a name that does not depend on the run; one that is built like the tested one shares its image."""
    web.write("worker/Dockerfile", f'FROM {PYTHON_IMAGE}\nCMD ["sleep", "600"]\n')
    web.write(
        "compose.yaml",
        """
        services:
          web: {build: ., depends_on: [worker, twin]}
          worker: {build: worker, image: "shop-test/users-own:dev", init: true}
          twin: {build: ., command: [sleep, "600"], init: true}
        """,
    )
    environment = web.started()
    environment.wait_ready()
    api = web.engine.client.api
    twin = api.inspect_container(environment.services["twin"].container_id)
    assert twin["Image"] == environment.image.id
    worker = api.inspect_container(environment.services["worker"].container_id)["Image"]
    tags = api.inspect_image(worker)["RepoTags"]  # type: ignore[no-untyped-call]
    assert [tag.partition("/")[0] for tag in tags] == ["dockerci-build"]


@pytest.mark.engine
def test_a_missing_dockerfile_is_one_clear_error(web: Project) -> None:
    """In the builder's words."""
    (web.root / "Dockerfile").unlink()
    with pytest.raises(Exception, match=r'image of "web" could not be built(.|\n)*Dockerfile'):
        web.started()


@pytest.mark.parametrize(
    ("text", "ssh"),
    [
        ('{"services": {"web": {"build": {"ssh": {"default": "", "k": "/x"}}}}}', ["default", "k=/x"]),
        (
            "services:\n  web:\n    build:\n      ssh:\n        - default\n        - 'k: /x'\n",
            ["default", "k=/x"],
        ),
        ('{"services": {"web": {"build": {"ssh": ["k=/x"]}}}}', ["k=/x"]),
    ],
)
def test_ssh_is_read_in_every_form_that_compose_prints(text: str, ssh: list[str]) -> None:
    """Compose 2.26 prints a form that it does not read."""
    assert parse_model(text)["services"]["web"]["build"]["ssh"] == ssh


@pytest.mark.engine
def test_a_build_without_network_has_none(web: Project) -> None:
    """`network: none` is honoured."""
    web.write(
        "Dockerfile",
        f"FROM {PYTHON_IMAGE}\nWORKDIR /app\nRUN ls /sys/class/net > /net.txt\n",
    )
    web.write("compose.yaml", "services: {web: {build: {context: ., network: none}}}\n")
    environment = web.started()
    assert environment.container(0).exec(["cat", "/net.txt"]).stdout.split() == ["lo"]
