"""Every family by name, in the order in which they are made."""

from __future__ import annotations

from chaos.canaries import CANARIES_FAMILY
from chaos.crashes import CRASHES_FAMILY
from chaos.engine_kills import ENGINE_KILLS
from chaos.faults import FAULTS
from chaos.interrupts import INTERRUPTS
from chaos.kills import KILLS
from chaos.neighbours import NEIGHBOURS
from chaos.payloads import PAYLOADS
from chaos.runs import RUNS
from chaos.service_deaths import SERVICE_DEATHS
from chaos.streams import STREAMS

FAMILIES = {
    family.name: family
    for family in (
        KILLS,
        INTERRUPTS,
        ENGINE_KILLS,
        STREAMS,
        FAULTS,
        CRASHES_FAMILY,
        SERVICE_DEATHS,
        CANARIES_FAMILY,
        NEIGHBOURS,
        PAYLOADS,
        RUNS,
    )
}
