"""The concentrator's side of the TCP link: dialling, login, heartbeat, and the faults it is told to make."""

import asyncio
from collections import Counter
from decimal import Decimal

import qgdw376
from answers import Concentrator
from dlt645 import BadFrame

FAULTS = ("checksum", "silent", "cut", "noise")


class Session:
    """The concentrator's side of the link: dials, logs in, keeps the link alive and answers."""

    def __init__(self, concentrator: Concentrator):
        self.concentrator = concentrator
        self.options = concentrator.options
        self.report = concentrator.report
        self.writer = None
        self.sequence = 0
        self.confirmed = {}
        self.sent = Counter()
        self.stopping = False

    async def run(self):
        while not self.stopping:
            try:
                reader, self.writer = await asyncio.open_connection(self.options.host, self.options.port)
                self.report("connected")
                await self._serve(reader)
                self.report("link_lost", reason="closed")
            except OSError as error:
                self.report("link_lost", reason=str(error))
            if not self.stopping:
                await asyncio.sleep(self.options.redial_s)

    async def _serve(self, reader):
        self.concentrator.forget_answers()
        alive = asyncio.create_task(self._keep_alive())
        buffer = bytearray()
        try:
            while data := await reader.read(4096):
                buffer += data
                await self._drain(buffer)
        finally:
            alive.cancel()
            self.writer.close()

    async def _drain(self, buffer: bytearray):
        while True:
            try:
                frame = qgdw376.take(buffer)
                if frame is None:
                    return
                await self._dispatch(frame)
            except BadFrame as error:
                self.report("bad_frame", reason=str(error))

    async def _dispatch(self, frame: qgdw376.Frame):
        if frame.control & 0x80 or (frame.region, frame.terminal) != (self.options.region, self.options.terminal):
            self.report("ignored", reason="not for this concentrator")
        elif frame.control & 0x40:
            for answer in self.concentrator.answer(frame):
                await self._send(answer)
        else:
            self._confirmation(frame)

    def _confirmation(self, frame):
        """AFN00 F1, or F3 without an error, with the low nibble of our SEQ confirms a login, heartbeat or logout."""
        waiting = self.confirmed.get(frame.seq & 0x0F)
        body, _, _ = frame.peel()
        granted = body == qgdw376.designator(0, 1) or (
            body[:5] == qgdw376.designator(0, 3) + b"\x02" and len(body) == 10 and body[9] == 0
        )
        if frame.afn == 0x00 and waiting and not waiting.done():
            waiting.set_result(granted)
        else:
            self.report("ignored", reason="a confirmation of nothing")

    async def _keep_alive(self):
        if not await self._announce("login", 1):
            self.report("login_failed")
            self.writer.close()
            return
        while True:
            await asyncio.sleep(self.options.heartbeat_s)
            if not await self._announce("heartbeat", 3):
                self.writer.close()
                return

    async def _announce(self, name: str, fn: int) -> bool:
        """Sends AFN02 until it is confirmed, three times at the most."""
        sequence = self.sequence = (self.sequence + 1) & 0x0F
        waiting = self.confirmed[sequence] = asyncio.get_running_loop().create_future()
        seq = qgdw376.FIR | qgdw376.FIN | qgdw376.CON | sequence
        try:
            for _ in range(3):
                self.writer.write(self.concentrator.frame(0xC9, 0, 0x02, seq, qgdw376.designator(0, fn)))
                done, _ = await asyncio.wait([waiting], timeout=self.options.retry_s)
                if done:
                    self.report(f"{name}_confirmed" if waiting.result() else f"{name}_denied")
                    return waiting.result()
            self.report(f"{name}_unanswered")
            return False
        finally:
            del self.confirmed[sequence]

    async def _send(self, answer: bytes):
        """Sends an answer, or spoils it when the turn of a fault has come."""
        due = set()
        for fault, every in self.options.fault:
            self.sent[fault] += 1
            if self.sent[fault] % every == 0:
                due.add(fault)
                self.report("fault", kind=fault)
        if "silent" in due:
            return
        if "checksum" in due:
            answer = answer[:-2] + bytes([answer[-2] ^ 0x55, answer[-1]])
        if "noise" in due:
            answer = b"\x68\x00\xff\x16" + answer
        if "cut" in due:
            self.writer.write(answer[:9])
            await self.writer.drain()
            await asyncio.sleep(0.05)
            answer = answer[9:]
        self.writer.write(answer)
        await self.writer.drain()

    async def command(self, line: str):
        """One line of standard input; told as an event before it is done."""
        self.report("command", line=line)
        match line.split():
            case ["quit"]:
                self.stopping = True
                if self.writer and not self.writer.is_closing():
                    await self._announce("logout", 2)
                    self.writer.close()
            case ["event", erc, content]:
                self.concentrator.note(int(erc), bytes.fromhex(content))
            case ["drop"] if self.writer:
                self.writer.close()
            case [verb, address, *rest] if address in self.concentrator.meters:
                meter = self.concentrator.meters[address]
                if verb == "press":
                    meter.press()
                elif verb in ("silence", "speak"):
                    meter.silent = verb == "silence"
                elif verb == "use" and rest:
                    meter.kwh += Decimal(rest[0])
                else:
                    self.report("bad_command", line=line)
            case _:
                self.report("bad_command", line=line)
