"""Q/GDW 376.1: frames, data unit designators and the data formats that the concentrator needs.

Written from docs/protocols/qgdw376.md alone; shares no code with the Rust side, which it is there to check.
"""

from dataclasses import dataclass
from datetime import date, datetime

from dlt645 import BadFrame, bcd, number

FIR, FIN, CON, TPV = 0x40, 0x20, 0x10, 0x80
PASSWORD_AFNS = {0x01, 0x04, 0x05, 0x06, 0x0F, 0x10}
ABSENT = 0xEE


@dataclass
class Frame:
    """One frame; `user` is all that stands between SEQ and the checksum, auxiliary fields included."""

    control: int
    region: str
    terminal: int
    a3: int
    afn: int
    seq: int
    user: bytes

    def encode(self) -> bytes:
        body = bytes([self.control]) + bytes.fromhex(self.region)[::-1] + self.terminal.to_bytes(2, "little")
        body += bytes([self.a3, self.afn, self.seq]) + self.user
        length = (len(body) << 2 | 2).to_bytes(2, "little")
        return b"\x68" + length + length + b"\x68" + body + bytes([sum(body) & 0xFF, 0x16])

    def peel(self) -> tuple[bytes, bytes, bytes]:
        """A downlink frame's data units, password (16 bytes or none) and time label (6 bytes or none)."""
        label = 6 if self.seq & TPV else 0
        password = 16 if self.afn in PASSWORD_AFNS else 0
        end = len(self.user) - label - password
        if end < 4:
            raise BadFrame("too short for its auxiliary fields")
        return self.user[:end], self.user[end : end + password], self.user[end + password :]


def take(buffer: bytearray) -> Frame | None:
    """Removes the first frame from the buffer; None while it is incomplete.

    Bytes that can start no frame are removed, and are told by BadFrame.
    """
    if len(buffer) < 6:
        return None
    length = int.from_bytes(buffer[1:3], "little")
    total = (length >> 2) + 8
    if buffer[0] != 0x68 or buffer[5] != 0x68 or buffer[1:3] != buffer[3:5] or length & 3 != 2 or total < 16:
        raise _skip(buffer, "no frame starts here")
    if len(buffer) < total:
        return None
    body = bytes(buffer[6 : total - 2])
    if buffer[total - 1] != 0x16 or sum(body) & 0xFF != buffer[total - 2]:
        raise _skip(buffer, "wrong checksum or end")
    del buffer[:total]
    region = body[1:3][::-1].hex()
    return Frame(body[0], region, int.from_bytes(body[3:5], "little"), body[5], body[6], body[7], body[8:])


def _skip(buffer: bytearray, reason: str) -> BadFrame:
    """Drops bytes up to the next one that may start a frame."""
    start = buffer.find(0x68, 1)
    skipped = bytes(buffer[: start if start > 0 else len(buffer)])
    del buffer[: len(skipped)]
    return BadFrame(f"{reason}: {skipped.hex()}")


def points(da: bytes) -> list[int] | None:
    """The measuring points of a DA, ascending; [0] is the terminal itself, None means all points."""
    if da == b"\x00\x00":
        return [0]
    if da == b"\xff\x00":
        return None
    if da[1] == 0:
        raise BadFrame(f"no such measuring point: {da.hex()}")
    return [(da[1] - 1) * 8 + bit + 1 for bit in range(8) if da[0] >> bit & 1]


def functions(dt: bytes) -> list[int]:
    """The numbers n of the Fn of a DT, ascending."""
    return [dt[1] * 8 + bit + 1 for bit in range(8) if dt[0] >> bit & 1]


def designator(pn: int, fn: int) -> bytes:
    """DA and DT of one point and one Fn."""
    da = bytes([1 << (pn - 1) % 8, (pn - 1) // 8 + 1]) if pn else b"\x00\x00"
    return da + bytes([1 << (fn - 1) % 8, (fn - 1) // 8])


def clock(moment: datetime) -> bytes:
    """Format 1: the clock with the day of the week."""
    month = bcd(moment.month, 1)[0] | moment.isoweekday() << 5
    head = b"".join(bcd(part, 1) for part in (moment.second, moment.minute, moment.hour, moment.day))
    return head + bytes([month]) + bcd(moment.year % 100, 1)


def time_of_clock(data: bytes) -> datetime:
    """The inverse of `clock`; the day of the week must agree."""
    if len(data) != 6:
        raise BadFrame(f"{len(data)} bytes of a clock")
    second, minute, hour, day = (number(data[at : at + 1]) for at in range(4))
    told = datetime(2000 + number(data[5:]), number(bytes([data[4] & 0x1F])), day, hour, minute, second)
    if data[4] >> 5 != told.isoweekday():
        raise BadFrame("the day of the week is another")
    return told


def minute(moment: datetime) -> bytes:
    """Format 15: a time to the minute."""
    return b"".join(bcd(part, 1) for part in (moment.minute, moment.hour, moment.day, moment.month, moment.year % 100))


def day(data: bytes) -> date:
    """Td_d: the day that a daily freeze is of."""
    return date(2000 + number(data[2:3]), number(data[1:2]), number(data[0:1]))


def energy(hundredths: int) -> bytes:
    """Format 14 (0.0001 kWh) of a register in 0.01 kWh."""
    return bcd(hundredths * 100, 5)
