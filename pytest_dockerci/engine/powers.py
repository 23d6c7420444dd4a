"""What gives a service of a Compose file power over the machine that runs it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_dockerci.errors import SettingsError

if TYPE_CHECKING:
    from pytest_dockerci.engine.model_cache import ComposeModel

ENGINE_SOCKETS = ("/docker.sock", "/docker_engine", "/containerd.sock", "/podman.sock")
_FOLDERS_WITH_SOCKETS = ("", "/var", "/var/run", "/run")
# What programs of the machine are run or configured from, and where people keep their keys.
_FOLDERS_OF_THE_HOST = re.compile(
    r"/(etc|boot|usr|bin|sbin|lib|lib64|proc|sys|dev|root|home|Users)|/(home|Users)/[^/]+"
)
# Disks and memory. Sound, video, USB and the like are not as much.
_DEVICES = re.compile(
    r"/dev/(mem|kmem|port|kmsg|(sd|hd|vd|xvd|nvme|mmcblk|dm-|md|loop)\w*|(mapper|disk|block|raw)/.*)"
)
_HOST_NAMESPACE_KEYS = ("network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup")
# Each of them is enough to take over the machine. Source: capabilities(7).
_CAPABILITIES = frozenset(
    {"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_PTRACE", "DAC_READ_SEARCH", "BPF"}
)


def require_allowed(model: ComposeModel, names: Iterable[str], allow: frozenset[str]) -> None:
    """Check that no service asks for power over the host.

    Raises:
        SettingsError: One does, and `dockerci_allow` does not name it.
    """
    for name in names:
        for permission, reason in powers(model.services[name], model.data.get("volumes") or {}):
            if permission not in allow:
                raise SettingsError(
                    f"the service {name!r} asks for power over the machine that runs it",
                    why=reason,
                    fix=f"remove it, or accept it: dockerci_allow = {permission}",
                )


def powers(
    service: Mapping[str, Any], volumes: Mapping[str, Any] = MappingProxyType({})
) -> list[tuple[str, str]]:
    """What a service asks for: ``(name in dockerci_allow, the words of the Compose file)``.

    Args:
        service: As Compose has resolved it.
        volumes: The file's named volumes.
    """
    return [
        *(("privileged", reason) for reason in [*_privileges(service), *_devices(service)]),
        *_folders(service, volumes),
        *(("host-namespaces", f"{key}: host") for key in _HOST_NAMESPACE_KEYS if service.get(key) == "host"),
    ]


def _privileges(service: Mapping[str, Any]) -> Iterator[str]:
    build = service.get("build") or {}
    if service.get("privileged"):
        yield "privileged: true"
    if build.get("privileged") or "security.insecure" in (build.get("entitlements") or []):
        yield "build: privileged: true"
    for capability in service.get("cap_add") or []:
        if str(capability).upper().removeprefix("CAP_") in _CAPABILITIES:
            yield f"cap_add: {capability}"
    for option in service.get("security_opt") or []:
        if str(option).replace(":", "=") == "systempaths=unconfined":
            yield f"security_opt: {option}"


def _devices(service: Mapping[str, Any]) -> Iterator[str]:
    for device in service.get("devices") or []:
        source = str(device.get("source") if isinstance(device, dict) else str(device).partition(":")[0])
        if _DEVICES.fullmatch(source):
            yield f"devices: {source}"
    for rule in service.get("device_cgroup_rules") or []:
        # All devices, or those that are made of blocks: disks. An image's root may make the file for it.
        if str(rule).lstrip().startswith(("a", "b")):
            yield f"device_cgroup_rules: {rule}"


def _folders(service: Mapping[str, Any], volumes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if service.get("use_api_socket"):
        yield "docker-socket", "use_api_socket: true"
    for other in service.get("volumes_from") or []:
        if str(other).startswith("container:"):  # of which nothing is known
            yield "docker-socket", f"volumes_from: {other}"
    for volume in service.get("volumes") or []:
        for source in _sources(volume, volumes):
            folder = source.rstrip("/")
            if source.endswith(ENGINE_SOCKETS) or folder in _FOLDERS_WITH_SOCKETS:
                yield "docker-socket", f"volumes: {source}"
            elif _FOLDERS_OF_THE_HOST.fullmatch(folder):
                yield "privileged", f"volumes: {source}"


def _sources(volume: Mapping[str, Any], volumes: Mapping[str, Any]) -> Iterator[str]:
    """The folder of the machine that is mounted: by the service, or by the volume that it names."""
    source = str(volume.get("source") or "")
    if volume.get("type") in ("bind", "npipe"):
        yield source
    options = (volumes.get(source) or {}).get("driver_opts") or {}
    if volume.get("type") == "volume" and "bind" in str(options.get("o") or "").split(","):
        yield str(options.get("device") or "")
