"""What the concentrator knows and answers: no sockets and no waiting (docs/protocols/qgdw376.md)."""

from datetime import UTC, datetime, timedelta

import dlt645
import qgdw376
from dlt645 import BadFrame
from line import Line

SETTINGS, CONTROL, QUERY, REALTIME, HISTORY, EVENTS, FORWARD = 0x04, 0x05, 0x0A, 0x0C, 0x0D, 0x0E, 0x10


# F25 behind its minute as a vendor might have it: total and phase powers 1.2345, 0.4, 0.4 and 0.4345 kW, and then bytes of its own.
ODD_POWER = bytes.fromhex("452301 004000 004000 454300 ABCD")


# F1 as a real one has it, F3 with a head end at 10.0.0.7:7376 and no other, F9 with nothing noted.
PARAMETERS = {
    1: bytes.fromhex("0A141E03070F"),
    3: bytes.fromhex("0A000007D01C") + bytes(6) + b"cmnet".ljust(16, b"\0"),
    9: bytes(16),
}


class Refused(Exception):
    """A request that the concentrator denies; `user` is the denial's data unit."""

    def __init__(self, reason: str, user: bytes = qgdw376.designator(0, 2)):
        super().__init__(reason)
        self.user = user


class Concentrator:
    """What the concentrator knows and answers; no sockets and no waiting."""

    def __init__(self, options, report):
        self.options = options
        self.report = report
        self.password = bytes.fromhex(options.password)
        self.meters = {}
        for address, kwh in options.meters:
            self.meters[address] = dlt645.Meter(
                address, kwh, options.load_kw, options.meter_password, self.now, report
            )
        self.lines = {address: Line(host, port, 1.0) for address, host, port in options.meter_at}
        self.archive = {serial: archive_record(serial, pn, address) for serial, pn, address in options.archive}
        self.frozen = {address: meter.registers() for address, meter in self.meters.items()}
        self.noted, self.noted_read = [], 0
        self.parameters = dict(PARAMETERS)
        self.clock_set_by = timedelta()
        self.forget_answers()

    def note(self, erc: int, content: bytes):
        """An important event happens: announced by ACD until it was read."""
        self.noted.append(bytes([erc, len(content)]) + content)

    def counters(self) -> bytes:
        """EC1 and EC2; no general events happen here."""
        return bytes([len(self.noted) % 256, 0])

    def forget_answers(self):
        """A new link starts without a last answer to repeat."""
        self.last_sequence, self.last_answers = None, []

    def now(self) -> datetime:
        """The terminal's clock: local time without a zone."""
        offset = timedelta(minutes=self.options.utc_offset_minutes, seconds=self.options.clock_ahead_s)
        return datetime.now(UTC).replace(tzinfo=None) + offset + self.clock_set_by

    def frame(self, control: int, a3: int, afn: int, seq: int, user: bytes) -> bytes:
        return qgdw376.Frame(control, self.options.region, self.options.terminal, a3, afn, seq, user).encode()

    def answer(self, request: qgdw376.Frame) -> list[bytes]:
        """The frames that answer a request of the head end."""
        sequence = request.seq & 0x0F
        if not request.seq & qgdw376.TPV and sequence == self.last_sequence:
            self.report("repeat", seq=sequence)
            return self.last_answers
        label = b""
        try:
            body, password, label = request.peel()
            if password and password != self.password:
                raise Refused("wrong password")
            afn, units = self._execute(request.afn, body)
            control = 0x80 if afn == 0x00 else 0x88
        except Refused as refusal:
            self.report("denied", afn=f"{request.afn:02X}", reason=str(refusal))
            afn, units, control = 0x00, [refusal.user], 0x89
        except (BadFrame, ValueError, IndexError) as error:
            self.report("denied", afn=f"{request.afn:02X}", reason=f"malformed: {error}")
            afn, units, control = 0x00, [qgdw376.designator(0, 2)], 0x89
        answers = self._frames(request, control, afn, units, label)
        self.last_sequence = None if request.seq & qgdw376.TPV else sequence
        self.last_answers = answers
        return answers

    def _frames(self, request, control: int, afn: int, units: list[bytes], label: bytes) -> list[bytes]:
        """Packs data units into as many frames as their size asks for."""
        aux = b""
        if self.options.acd or len(self.noted) % 256 != self.noted_read:
            control, aux = control | 0x20, aux + (self.counters() if self.noted else b"\x01\x00")
        if label:
            now = self.now()
            times = b"".join(dlt645.bcd(part, 1) for part in (now.second, now.minute, now.hour, now.day))
            aux += label[:1] + times + label[5:]
        parts = [b""]
        for unit in units:
            if parts[-1] and len(parts[-1]) + len(unit) > self.options.answer_bytes:
                parts.append(b"")
            parts[-1] += unit
        frames = []
        for index, part in enumerate(parts):
            seq = (request.seq + index) & 0x0F | (qgdw376.TPV if label else 0)
            seq |= qgdw376.FIR if index == 0 else 0
            seq |= qgdw376.FIN if index == len(parts) - 1 else 0
            frames.append(self.frame(control, request.a3 & 0xFE, afn, seq, part + aux))
        return frames

    def _execute(self, afn: int, body: bytes) -> tuple[int, list[bytes]]:
        """Does what a request asks; the AFN and the data units of the answer."""
        head, data = body[:4], body[4:]
        fns = qgdw376.functions(head[2:4])
        if any((afn, fn) in self.options.deny for fn in fns):
            raise Refused(f"AFN {afn:02X} F{fns} is denied")
        if (afn, fns) == (SETTINGS, [10]):
            self._set_archive(data)
            return 0x00, [qgdw376.designator(0, 1)]
        if afn == SETTINGS and len(fns) == 1 and fns[0] in self.parameters:
            self._set_parameter(fns[0], data)
            return 0x00, [qgdw376.designator(0, 1)]
        if (afn, fns) == (CONTROL, [31]):
            self.clock_set_by += qgdw376.time_of_clock(data) - self.now()
            self.report("clock_set")
            return 0x00, [qgdw376.designator(0, 1)]
        if afn == QUERY and len(fns) == 1 and fns[0] in self.parameters:
            return afn, [head + self.parameters[fns[0]]]
        if (afn, fns) == (QUERY, [10]):
            return afn, [head + self._read_archive(data)]
        if (afn, fns) == (EVENTS, [1]):
            return afn, [head + self._read_events(*data)]
        if (afn, fns) == (FORWARD, [1]):
            return afn, [head + self._forward(head, data)]
        if afn in (REALTIME, HISTORY):
            units = self._read_units(afn, body)
            if not units:
                raise Refused("nothing to answer")
            return afn, units
        raise Refused(f"AFN {afn:02X} F{fns} is not supported")

    def _set_parameter(self, fn: int, data: bytes):
        if len(data) != len(self.parameters[fn]):
            raise BadFrame(f"{len(data)} bytes for F{fn}")
        self.report("parameter", fn=fn, content=data.hex())
        if fn not in self.options.stubborn:
            self.parameters[fn] = data

    def _set_archive(self, data: bytes):
        records = split(data, 27)
        changed = []
        for record in records:
            serial, pn, address = archive_fields(record)
            if pn:
                self.archive[serial] = record
            else:
                self.archive.pop(serial, None)
            changed.append({"serial": serial, "pn": pn, "address": address})
        self.report("archive", records=changed, size=len(self.archive))

    def _read_archive(self, data: bytes) -> bytes:
        serials = [int.from_bytes(item, "little") for item in split(data, 2)]
        found = [self.archive[serial] for serial in serials if serial in self.archive]
        self.report("archive_read", serials=serials, found=len(found))
        return len(found).to_bytes(2, "little") + b"".join(found)

    def _read_events(self, first: int, end: int) -> bytes:
        """Records `first` to the one before `end`, modulo 256, as far as there are such."""
        total = len(self.noted)
        back = [(total - first - nth) % 256 for nth in range((end - first) % 256)]
        records = [self.noted[total - behind] for behind in back if 0 < behind <= total]
        if not records:
            raise Refused(f"there are no events {first} to {end}")
        if end == total % 256:
            self.noted_read = end
        self.report("events_read", first=first, end=end, found=len(records))
        return self.counters() + bytes([first, end]) + b"".join(records)

    def _read_units(self, afn: int, body: bytes) -> list[bytes]:
        """Real-time and history requests: several data units, each for several points and several Fn."""
        extra = 3 if afn == HISTORY else 0
        known = {pn: self.meters.get(address) for _, pn, address in map(archive_fields, self.archive.values())}
        units, asked = [], {}
        while body:
            head, td, body = body[:4], body[4 : 4 + extra], body[4 + extra :]
            if len(head) + len(td) < 4 + extra:
                raise BadFrame("a data unit is cut off")
            pns = qgdw376.points(head[:2])
            for pn in sorted(known) if pns is None else pns:
                for fn in qgdw376.functions(head[2:]):
                    points = asked.setdefault((fn, td), ([], []))
                    points[0].append(pn)
                    value = self._value(afn, fn, td, pn, known.get(pn))
                    if value is not None:
                        points[1].append(pn)
                        units.append(qgdw376.designator(pn, fn) + value)
        for (fn, td), (points, answered) in asked.items():
            day = {"day": qgdw376.day(td).isoformat()} if td else {}
            self.report("read", afn=f"{afn:02X}", fn=fn, points=points, answered=answered, **day)
        return units

    def _value(self, afn: int, fn: int, td: bytes, pn: int, meter) -> bytes | None:
        """The data of one point and one Fn; None where there is no meter or it keeps silent."""
        if (afn, fn, pn) == (REALTIME, 2, 0):
            return qgdw376.clock(self.now())
        if (afn, fn, pn) == (REALTIME, 7, 0):
            return self.counters()
        if (afn, fn) == (REALTIME, 25) and self.options.odd:
            return qgdw376.minute(self.now()) + ODD_POWER
        if (afn, fn) not in ((REALTIME, 129), (HISTORY, 161)):
            raise Refused(f"AFN {afn:02X} F{fn} p{pn} is not supported")
        if meter is None or meter.silent:
            return None
        if afn == REALTIME:
            values = b"".join(qgdw376.energy(value) for value in meter.registers())
            return qgdw376.minute(self.now()) + b"\x04" + values
        return td + self._freeze(meter, qgdw376.day(td))

    def _freeze(self, meter, day) -> bytes:
        """The registers at the end of a day: those at the start of this program for yesterday, and for each day
        before it one day's load less. A day that is not over, or is over for more than 30 days, is absent."""
        days = (self.now().date() - day).days - 1
        if not 0 <= days <= 30:
            return bytes([qgdw376.ABSENT] * 5) + b"\x04" + bytes([qgdw376.ABSENT] * 25)
        used = int(days * 24 * meter.load_kw * 100)
        values = (max(0, value - used * share // 10) for value, share in zip(self.frozen[meter.address], (10, 1, 2, 3, 4)))
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time())
        return qgdw376.minute(midnight) + b"\x04" + b"".join(qgdw376.energy(value) for value in values)

    def _forward(self, head: bytes, data: bytes) -> bytes:
        port, length = data[0], int.from_bytes(data[4:6], "little")
        if len(data) != 6 + length:
            raise BadFrame("the forwarded frame's length is wrong")
        request = dlt645.Frame.decode(data[6:])
        self.report("forward", port=port, address=request.address, control=f"{request.control:02X}")
        if request.control == 0x08:
            second, minute, hour, day, month, year = (dlt645.number(request.data[i : i + 1]) for i in range(6))
            told = datetime(2000 + year, month, day, hour, minute, second)
            self.report("broadcast", port=port, off_s=round((told - self.now()).total_seconds()))
        for meter in self.meters.values():
            reply = meter.answer(request)
            if reply:
                raw = reply.encode()
                return bytes([port]) + len(raw).to_bytes(2, "little") + raw
        line = self.lines.get(request.address)
        raw = line and line.exchange(data[6:])
        if raw:
            return bytes([port]) + len(raw).to_bytes(2, "little") + raw
        denial = qgdw376.designator(0, 3) + bytes([FORWARD]) + head + b"\x03"
        raise Refused(f"meter {request.address} does not answer", denial)


def split(data: bytes, size: int) -> list[bytes]:
    """A count of two bytes, then that many items of `size` bytes."""
    count = int.from_bytes(data[:2], "little")
    if len(data) != 2 + count * size:
        raise BadFrame(f"{count} items do not fill {len(data) - 2} bytes")
    return [data[2 + i * size : 2 + (i + 1) * size] for i in range(count)]


def archive_fields(record: bytes) -> tuple[int, int, str]:
    """Serial number, measuring point and meter address of an F10 record."""
    return int.from_bytes(record[0:2], "little"), int.from_bytes(record[2:4], "little"), record[6:12][::-1].hex()


def archive_record(serial: int, pn: int, address: str) -> bytes:
    """An F10 record of a DL/T 645-2007 meter on the carrier port: 2400 baud, four tariffs, six digits and two decimals."""
    head = serial.to_bytes(2, "little") + pn.to_bytes(2, "little") + bytes([2 << 5 | 31, 30])
    return head + bytes.fromhex(address)[::-1] + bytes(6) + bytes([4, 2 << 2 | 1]) + bytes(6) + b"\x00"
