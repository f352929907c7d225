#!/usr/bin/env python3
"""A DL/T 645-2007 meter of the `dlt645` package from PyPI, behind TCP: shares no code with Wattgate nor with the other peers.

Prints the port that it listens on as a line of JSON, and ends with its standard input. Needs what ../requirements.txt names.
"""

import json
import logging
import sys
from datetime import datetime

from dlt645 import Demand, MeterServerService

logging.disable(logging.CRITICAL)


def main() -> int:
    address = sys.argv[1]
    meter = MeterServerService.new_tcp_server("127.0.0.1", 0, 30.0)
    # The package takes addresses in the order in which they are sent.
    meter.set_address(bytes.fromhex(address)[::-1])
    meter.set_00(0x00010000, 1234.56)
    meter.set_01(0x01010000, Demand(7.8, datetime(2026, 3, 2, 10, 5)))
    meter.set_02(0x02010100, 231.5)
    meter.set_02(0x02020100, 1.234)
    meter.set_02(0x02060000, 0.987)
    if not meter.server.start():
        return 1
    print(json.dumps({"event": "listening", "port": meter.server.port}), flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
