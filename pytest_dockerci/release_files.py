"""Ready-made files that hand a release to what deploys it. Pure: each one is a text made from the record.

The tool itself never deploys.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping

from pytest_dockerci.release import Release, release_json


def compose_override(release: Release) -> str:
    """For Compose: the service runs exactly this image, and is not built."""
    return (
        f"# docker compose -f compose.yaml -f compose.release.yaml up -d --wait {release.service}\n"
        "services:\n"
        f"  {json.dumps(release.service)}:\n"
        f"    image: {json.dumps(release.image)}\n"
        "    build: !reset null\n"
    )


def swarm_update(release: Release) -> str:
    """For a Swarm: a new task runs before the old one is stopped, and a failure is rolled back."""
    return (
        "#!/bin/sh\n"
        "# sh swarm-update.sh SERVICE\n"
        "set -e\n"
        "exec docker service update --detach=false --with-registry-auth \\\n"
        "  --update-order start-first --update-failure-action rollback \\\n"
        f'  --image {shlex.quote(release.image)} "${{1:?usage: sh swarm-update.sh SERVICE}}"\n'
    )


def kustomize_component(release: Release) -> str:
    """For Kubernetes: a component that an overlay lists under ``components``."""
    return (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\n"
        "kind: Component\n"
        "images:\n"
        f"  - name: {json.dumps(release.repository)}\n"
        f"    digest: {json.dumps(release.digest)}\n"
    )


def ansible_variables(release: Release) -> str:
    """For Ansible: ``ansible-playbook -e @ansible-release.yml``. JSON is YAML."""
    values = {
        "release_image": release.image,
        "release_repository": release.repository,
        "release_digest": release.digest,
        "release_tags": list(release.tags),
        "release_version": release.version or "",
        "release_commit": release.commit or "",
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in values.items())


def github_outputs(release: Release) -> str:
    """For later steps of a GitHub job: ``cat github-output.txt >> "$GITHUB_OUTPUT"``."""
    values = {
        "image": release.image,
        "digest": release.digest,
        "tags": ",".join(release.tags),
        "version": release.version or "",
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


FILES: Mapping[str, Callable[[Release], str]] = {
    "release.json": release_json,
    "compose.release.yaml": compose_override,
    "swarm-update.sh": swarm_update,
    "kustomize/kustomization.yaml": kustomize_component,
    "ansible-release.yml": ansible_variables,
    "github-output.txt": github_outputs,
}
