"""The bare vfork and exec loop in C: nothing can cost less."""

from dataclasses import dataclass

from tests.bench.launch.contender import Errand, Plan
from tests.bench.launch.workshop import Form

ABREAST = 64  #: children at a time


@dataclass(frozen=True, slots=True)
class Limit:
    """`loop.c`; a simple command is executed directly, any other by `sh -c`."""

    name: str = "C loop"
    version: str = ""
    missing: str = ""

    def prepare(self, errand: Errand) -> Plan:
        """No user is changed, no output captured, nothing recorded."""
        shop = errand.shop
        if errand.form is Form.SIMPLE:
            words = [str(shop.stamp), str(shop.stamps_file)]
        else:
            words = ["/bin/sh", "-c", errand.command]
        instant = errand.soon()
        numbers = [str(instant), str(errand.entries), str(ABREAST)]
        return Plan(argv=[str(shop.loop), *numbers, *words], instant=instant)
