#!/usr/bin/env python3
"""A small Q/GDW 376.1 concentrator with DL/T 645-2007 meters behind it: an independent peer for the head end.

It dials in, logs in, keeps the archive it is sent, reads and switches its meters, and prints one JSON object per
event. Commands on standard input, one per line: `press ADDRESS` (the customer's button), `use ADDRESS KWH` (adds
energy), `silence ADDRESS`, `speak ADDRESS`, `event ERC HEX` (an important event with this record), `drop` (closes the link and dials again), `quit` (logs out; so does the
end of the input). Standard library only, Python 3.11 or newer. `--self-test` checks the codecs against real frames.
"""

import argparse
import asyncio
import json
import sys
import threading
import time
from decimal import Decimal

import self_test
from answers import Concentrator
from link import FAULTS, Session


async def dial(options):
    """Runs the concentrator until `quit` or the end of the input."""
    session = Session(Concentrator(options, report))
    loop = asyncio.get_running_loop()

    def listen():
        for line in sys.stdin:
            asyncio.run_coroutine_threadsafe(session.command(line.strip()), loop)
        asyncio.run_coroutine_threadsafe(session.command("quit"), loop)

    threading.Thread(target=listen, daemon=True).start()
    await session.run()


def report(event: str, **fields):
    """Prints one event as a line of JSON; `at` is Unix time in seconds."""
    print(json.dumps({"event": event, "at": round(time.time(), 3), **fields}), flush=True)


def address(text: str) -> str:
    if len(text) != 12 or not text.isdecimal():
        raise ValueError(f"{text} is not twelve digits")
    return text


def meters(text: str) -> list[tuple[str, Decimal]]:
    """ADDRESS=KWH,.."""
    pairs = (item.split("=") for item in text.split(","))
    return [(address(meter), Decimal(kwh)) for meter, kwh in pairs]


def meter_at(text: str) -> tuple[str, str, int]:
    """ADDRESS=HOST:PORT"""
    meter, place = text.split("=")
    host, port = place.split(":")
    return address(meter), host, int(port)


def archive(text: str) -> list[tuple[int, int, str]]:
    """SERIAL:PN:ADDRESS,.."""
    triples = (item.split(":") for item in text.split(","))
    return [(int(serial), int(pn), address(meter)) for serial, pn, meter in triples]


def request(text: str) -> tuple[int, int]:
    """AFN:FN"""
    afn, fn = text.split(":")
    return int(afn, 16), int(fn)


def fault(text: str) -> tuple[str, int]:
    """KIND=EVERY"""
    kind, every = text.split("=")
    if kind not in FAULTS or int(every) < 1:
        raise ValueError(text)
    return kind, int(every)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = options.add_argument
    add("--self-test", action="store_true", help="check the codecs against real frames, and end")
    add("--host", default="127.0.0.1", help="the head end")
    add("--port", type=int, default=7376)
    add("--region", default="1101", help="A1, four digits")
    add("--terminal", type=int, default=17, help="A2")
    add("--meters", type=meters, default=[], metavar="ADDRESS=KWH,..", help="the meters on the line")
    add("--meter-at", type=meter_at, action="append", default=[], metavar="ADDRESS=HOST:PORT",
        help="a meter on a line behind TCP; may be repeated")
    add("--clock-ahead-s", type=float, default=0.0, help="how far its clock is ahead, until it is set")
    add("--stubborn", type=int, action="append", default=[], metavar="FN", help="a parameter that it confirms and does not take")
    add("--odd", action="store_true", help="answers AFN0C F25, in a layout of its own")
    add("--archive", type=archive, default=[], metavar="SERIAL:PN:ADDRESS,..", help="the archive it starts with")
    add("--load-kw", type=Decimal, default=Decimal(0), help="what each connected meter uses")
    add("--utc-offset-minutes", type=int, default=480, help="the local time of its clock")
    add("--heartbeat-s", type=float, default=60.0)
    add("--retry-s", type=float, default=5.0, help="wait for the confirmation of a login or heartbeat")
    add("--redial-s", type=float, default=1.0, help="wait before dialling again")
    add("--password", default="00" * 16, metavar="HEX", help="the PW that settings and forwarding must carry")
    add("--meter-password", default="000000", help="the 02-level password that relay control must carry")
    add("--answer-bytes", type=int, default=1024, help="data bytes after which an answer goes on in a further frame")
    add("--acd", action="store_true", help="every answer announces an event: ACD set, with event counters")
    add("--deny", type=request, action="append", default=[], metavar="AFN:FN", help="what it does not know; may be repeated")
    add("--fault", type=fault, action="append", default=[], metavar="KIND=EVERY",
        help=f"spoil every n-th answer frame: {', '.join(FAULTS)}; may be repeated")
    return options


def main() -> int:
    options = parser().parse_args()
    if options.self_test:
        return self_test.run(parser())
    asyncio.run(dial(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
