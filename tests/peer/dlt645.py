"""DL/T 645-2007: frames, and a meter that answers them.

Written from docs/protocols/dlt645.md alone; shares no code with the Rust side, which it is there to check.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

WILDCARD = 0xAA
BROADCAST = bytes([0x99] * 6)

# Error bits of an abnormal answer (section 2).
ERR_OTHER, ERR_NO_SUCH_ITEM, ERR_PASSWORD = 0x01, 0x02, 0x04

# N1 of relay control 1C (section 6).
RELAY_ACTIONS = {0x1A: "disconnect", 0x1B: "permit", 0x1C: "reconnect"}


class BadFrame(ValueError):
    """Bytes that are no frame: the message says what is wrong."""


def bcd(value: int, length: int) -> bytes:
    """`value` as packed decimal digits, low byte first."""
    digits = f"{value:0{2 * length}d}"
    if len(digits) > 2 * length:
        raise ValueError(f"{value} does not fit into {length} bytes")
    return bytes.fromhex(digits)[::-1]


def number(data: bytes) -> int:
    """The inverse of `bcd`."""
    return int(data[::-1].hex())


@dataclass
class Frame:
    """One frame: the address as 12 digits (or A's), the control byte, the data without the 33H offset."""

    address: str
    control: int
    data: bytes

    def encode(self) -> bytes:
        body = b"\x68" + bytes.fromhex(self.address)[::-1] + b"\x68" + bytes([self.control, len(self.data)])
        body += bytes((byte + 0x33) & 0xFF for byte in self.data)
        return body + bytes([sum(body) & 0xFF, 0x16])

    @classmethod
    def decode(cls, raw: bytes) -> "Frame":
        raw = raw.lstrip(b"\xfe")
        if len(raw) < 12 or raw[0] != 0x68 or raw[7] != 0x68 or len(raw) != 12 + raw[9] or raw[-1] != 0x16:
            raise BadFrame(f"not a DL/T 645 frame: {raw.hex()}")
        if sum(raw[:-2]) & 0xFF != raw[-2]:
            raise BadFrame(f"wrong checksum: {raw.hex()}")
        return cls(raw[1:7][::-1].hex(), raw[8], bytes((byte - 0x33) & 0xFF for byte in raw[10:-2]))


class Meter:
    """A single-phase meter with four tariff registers and a relay with a reconnect button."""

    def __init__(self, address: str, kwh: Decimal, load_kw: Decimal, password: str, clock, report):
        self.address = address
        self.kwh = kwh
        self.load_kw = load_kw
        self.password = bytes.fromhex(password)[::-1]
        self.clock = clock
        self.report = report
        self.connected = True
        self.permitted = False
        self.silent = False
        self._grown_at = time.monotonic()

    def grow(self):
        """Counts what the load has used since the last call, if it was supplied."""
        now = time.monotonic()
        if self.connected:
            self.kwh += self.load_kw * Decimal(now - self._grown_at) / 3600
        self._grown_at = now

    def registers(self) -> list[int]:
        """Total, sharp, peak, flat, valley in 0.01 kWh; the tariffs split the total one to four tenths."""
        self.grow()
        total = int(self.kwh * 100)
        parts = [total * tenths // 10 for tenths in (1, 2, 3)]
        return [total, *parts, total - sum(parts)]

    def status_word_3(self) -> int:
        """Bit 4: the relay stands disconnected; bit 6: it is ordered so (a permit lifts the order, the button the relay)."""
        if self.connected:
            return 0x0000
        return 0x0010 if self.permitted else 0x0050

    def press(self):
        """The customer presses the button: only after a permit does it reconnect."""
        self.grow()
        if self.permitted:
            self.permitted, self.connected = False, True
            self.report("relay", address=self.address, action="pressed")
        else:
            self.report("press_ignored", address=self.address)

    def hears(self, address: str) -> bool:
        """Whether a frame to `address` (perhaps with AA for unknown bytes) is meant for this meter."""
        own = bytes.fromhex(self.address)
        return all(asked in (mine, WILDCARD) for asked, mine in zip(bytes.fromhex(address), own))

    def answer(self, request: Frame) -> Frame | None:
        """The answer to a request, or None where a meter keeps silent."""
        if self.silent or not self.hears(request.address):
            return None
        if request.control == 0x11:
            result = self._read(request.data)
        elif request.control == 0x13:
            result = bytes.fromhex(self.address)[::-1]
        elif request.control == 0x1C:
            result = self._control_relay(request.data)
        else:
            result = ERR_OTHER
        if isinstance(result, int):
            return Frame(self.address, request.control | 0xC0, bytes([result]))
        return Frame(self.address, request.control | 0x80, result)

    def _read(self, data: bytes) -> bytes | int:
        registers = self.registers()
        items = {
            "00010000": lambda: bcd(registers[0], 4),
            "0001ff00": lambda: b"".join(bcd(value, 4) for value in registers),
            "04000503": lambda: self.status_word_3().to_bytes(2, "little"),
        }
        item = data[:4][::-1].hex()
        self.report("meter_read", address=self.address, item=item)
        return data[:4] + items[item]() if item in items else ERR_NO_SUCH_ITEM

    def _control_relay(self, data: bytes) -> bytes | int:
        action = RELAY_ACTIONS.get(data[8]) if len(data) == 16 else None
        if action is None:
            return self._refuse("unknown", "malformed or unknown order", ERR_OTHER)
        if data[0] != 0x02 or data[1:4] != self.password:
            return self._refuse(action, "password", ERR_PASSWORD)
        if self._expired(data[10:16]):
            return self._refuse(action, "expired", ERR_OTHER)
        self.grow()
        self.connected = action == "reconnect" or (self.connected and action != "disconnect")
        self.permitted = action == "permit" and not self.connected
        self.report("relay", address=self.address, action=action)
        return b""

    def _expired(self, expiry: bytes) -> bool:
        """All zero means no expiry; what is not a time counts as expired."""
        if expiry == bytes(6):
            return False
        try:
            second, minute, hour, day, month, year = (number(expiry[i : i + 1]) for i in range(6))
            return datetime(2000 + year, month, day, hour, minute, second) < self.clock()
        except ValueError:
            return True

    def _refuse(self, action: str, reason: str, error: int) -> int:
        self.report("relay_refused", address=self.address, action=action, reason=reason)
        return error
