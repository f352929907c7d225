"""`concentrator.py --self-test`: its codecs against real frames, and its answers against known ones."""

import json
from pathlib import Path

import dlt645
import qgdw376
from answers import Concentrator

TESTDATA = Path(__file__).resolve().parents[2] / "protocols" / "testdata"

# A real exchange, also in protocols/testdata/qgdw376.jsonl: AFN10 F1 carries a read of 00010000; the meter says 6.78 kWh.
FORWARD_REQUEST = (
    "68e200e200684b000234120410e0000001001f6bbc0a1000"
    "68611001301215681104333334337b1600000000000000000000000000000000001351232105a116"
)
FORWARD_ANSWER = "1f1400" "6861100130121568910833333433ab3933334916"
# Real relay orders to meter 000000219998 (protocols/testdata/dlt645.jsonl): disconnect, then permit.
DISCONNECT = "68989921000000681c1035333333636363634d333333333333335a16"
PERMIT = "68989921000000681c1035333333636363634e333333333333335b16"


def same(what: str, actual, expected):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r} is not {expected!r}")


def lines(name: str) -> list[dict]:
    with open(TESTDATA / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def check_qgdw376_vectors() -> int:
    """Every frame of this edition: fields as stated, and the same bytes when encoded again."""
    vectors = [vector for vector in lines("qgdw376.jsonl") if vector["auto"]["pid"] == 2]
    for vector in vectors:
        stated, raw = vector["auto"], bytes.fromhex(vector["hex"])
        buffer = bytearray(raw)
        frame = qgdw376.take(buffer)
        same(vector["hex"], len(buffer), 0)
        same(vector["hex"], frame.encode(), raw)
        fields = (f"{frame.control:02X}", frame.region, frame.terminal, f"{frame.a3:02X}", f"{frame.afn:02X}")
        same(vector["hex"], fields, tuple(stated[key] for key in ("C", "A1", "A2", "A3", "AFN")))
        same(vector["hex"], qgdw376.points(frame.user[:2]), stated["Pn"])
        same(vector["hex"], qgdw376.functions(frame.user[2:4]), stated["Fn"])
        same(vector["hex"], frame.user[4:].hex().upper(), stated["rest"])
    return len(vectors)


def check_dlt645_vectors() -> int:
    vectors = lines("dlt645.jsonl")
    for vector in vectors:
        stated, raw = vector["auto"], bytes.fromhex(vector["hex"]).lstrip(b"\xfe")
        frame = dlt645.Frame.decode(raw)
        same(vector["hex"], frame.encode(), raw)
        fields = (frame.address, f"{frame.control:02X}", frame.data.hex())
        same(vector["hex"], fields, (stated["addr"].lower(), stated["ctrl"], stated["data_minus33"].lower()))
    return len(vectors)


def check_bad_frames() -> int:
    """Frames published with a wrong length or checksum, and our own cuts of a good one, are refused."""
    refused = 0
    for vector in lines("dlt645_bad.jsonl"):
        try:
            dlt645.Frame.decode(bytes.fromhex(vector["hex"]))
        except dlt645.BadFrame:
            refused += 1
    same("refused DL/T 645 frames", refused, len(lines("dlt645_bad.jsonl")))
    spoilt = bytearray.fromhex(FORWARD_REQUEST)
    spoilt[20] ^= 1
    buffer, errors, found = spoilt + bytes.fromhex(FORWARD_REQUEST), 0, None
    while found is None:
        try:
            found = qgdw376.take(buffer)
        except dlt645.BadFrame:
            errors += 1
    same("the good frame after a spoilt one", found.encode().hex(), FORWARD_REQUEST)
    return refused + min(errors, 1)


def check_answers(parser):
    """The concentrator gives the real concentrator's answer; the relay obeys real orders and shows it."""
    events = []
    arguments = ["--region", "0200", "--terminal", "4660", "--meters", "151230011061=6.78,000000219998=50"]
    arguments += ["--archive", "1:3:151230011061,2:9:000000219998"]
    peer = Concentrator(parser.parse_args(arguments), lambda event, **fields: events.append((event, fields)))
    request = qgdw376.take(bytearray.fromhex(FORWARD_REQUEST))
    answer = qgdw376.take(bytearray(peer.answer(request)[0]))
    same("AFN, MSA and SEQ", (answer.afn, answer.a3, answer.seq), (0x10, 0x04, 0xE0))
    same("forwarded answer", answer.user[4:-6].hex(), FORWARD_ANSWER)

    meter = peer.meters["000000219998"]
    for order, word in ((DISCONNECT, 0x0050), (PERMIT, 0x0010)):
        reply = meter.answer(dlt645.Frame.decode(bytes.fromhex(order)))
        same("relay answer", (reply.control, reply.data), (0x9C, b""))
        same("status word 3", meter.status_word_3(), word)
    meter.press()
    same("status word 3 after the button", meter.status_word_3(), 0)

    ask = qgdw376.Frame(0x4B, "0200", 4660, 0x04, 0x0C, 0x61, bytes.fromhex("ff000110") + bytes.fromhex("08030110"))
    answer = qgdw376.take(bytearray(peer.answer(ask)[0]))
    same("points of F129", [answer.user[:4].hex(), answer.user[35:39].hex()], ["04010110", "01020110"])
    same("registers of F129", answer.user[10:15].hex(), "0078060000")
    same("length", len(answer.user), 2 * 35)
    same("repeat", peer.answer(ask), [answer.encode()])
    same("told", events[-1], ("repeat", {"seq": 1}))


def run(parser) -> int:
    frames = check_qgdw376_vectors(), check_dlt645_vectors(), check_bad_frames()
    check_answers(parser)
    print(f"self-test: {frames[0]} Q/GDW 376.1 and {frames[1]} DL/T 645 frames agree, {frames[2]} bad ones are refused")
    if min(frames[0], frames[1]) < 50:
        print("self-test: too few frames to mean anything")
        return 1
    return 0
