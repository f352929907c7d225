"""A meter on a line of its own, reached over TCP: bytes go there and come back as they are."""

import socket


class Line:
    """One request at a time; a meter that does not answer in time is silent."""

    def __init__(self, host: str, port: int, timeout_s: float):
        self.place = (host, port)
        self.timeout_s = timeout_s

    def exchange(self, request: bytes) -> bytes | None:
        """The answer's bytes, without the preamble."""
        try:
            with socket.create_connection(self.place, self.timeout_s) as link:
                link.sendall(request)
                answer = b""
                while data := link.recv(512):
                    answer = (answer + data).lstrip(b"\xfe")
                    if len(answer) > 10 and len(answer) >= 12 + answer[9]:
                        return answer
        except OSError:
            pass
        return None
