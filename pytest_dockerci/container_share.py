"""What of the host's command line and configuration is for the container to judge.

The host cannot know the options, ini keys, markers, plugins and warning classes of the container, and must not
refuse them; the container is told what the host knows. What neither side knows is refused there.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest


@dataclass(slots=True)
class ContainerShare:
    """The container's part of one command line and one configuration file.

    Attributes:
        options: Options that the host does not know, word by word; an error if nobody knows them there.
        typed: Those of them that were typed for this run, not written in the configuration file.
        undecided: Words that follow an unknown option and name a file of the host, each with that option:
            the container knows whether the option takes a value.
        optional: Options of the host's plugins, each with its words; dropped where the container does not know it.
        unknown_ini: Keys of the configuration file that the host does not know.
        required_plugins: As configured.
        filterwarnings: As configured.
        host_filters: Warning filters whose classes an installed package of the host has.
        seed: For random orders that nobody gave a seed: all containers of a run have to shuffle in the same way.
    """

    options: list[str] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    undecided: dict[str, str] = field(default_factory=dict)
    optional: list[list[str]] = field(default_factory=list)
    unknown_ini: set[str] = field(default_factory=set)
    required_plugins: list[str] = field(default_factory=list)
    filterwarnings: list[str] = field(default_factory=list)
    host_filters: list[str] = field(default_factory=list)
    seed: int = field(default_factory=lambda: random.getrandbits(31))


_SHARE = pytest.StashKey[ContainerShare]()


def share_of(config: pytest.Config) -> ContainerShare:
    """The container's share of a configuration."""
    return config.stash.setdefault(_SHARE, ContainerShare())
