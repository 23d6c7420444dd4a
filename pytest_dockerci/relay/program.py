"""The relay: one TCP connection on the engine's machine, carried over standard input and output.

It runs as a command in a container that is in the engine's own network, one for each connection, and connects
to the port that it is given. Both directions are pieces with their length in front, four bytes, big-endian; a
piece of length 0 is the end of that direction. An end without one means that the connection was broken, and
the other side is broken likewise.
"""

import os
import socket
import struct
import sys
import threading

CHUNK_BYTES = 1 << 16
_CONNECT_TIMEOUT_SECONDS = 10.0
# Closing sends RST, as whoever broke the connection would have.
_BREAK = struct.pack("ii", 1, 0)


def main(host: str, port: int) -> int:
    """Carry one connection; 0 after both ends, 1 when either side broke it, 3 when nobody listens."""
    try:
        connection = socket.create_connection((host, port), _CONNECT_TIMEOUT_SECONDS)
    except OSError as error:
        sys.stderr.write(str(error) + "\n")
        return 3
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=_carry_in, args=(connection,), daemon=True).start()
    return 0 if _carry_out(connection) else 1


def _carry_out(connection: socket.socket) -> bool:
    """What the service says, to standard output; True when it has ended in good order."""
    try:
        while True:
            data = connection.recv(CHUNK_BYTES)
            _write(struct.pack(">I", len(data)) + data)
            if not data:
                break
    except OSError:
        return False
    # The host hangs up when it has nothing more to say either.
    _INPUT_ENDED.wait()
    return True


_INPUT_ENDED = threading.Event()


def _carry_in(connection: socket.socket) -> None:
    """What the host says, to the service."""
    try:
        while True:
            (length,) = struct.unpack(">I", _read(4))
            if not length:
                connection.shutdown(socket.SHUT_WR)
                break
            connection.sendall(_read(length))
    except EOFError:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _BREAK)
        os._exit(1)
    except OSError:
        # The service hung up; reading from it says so as well. What the host still sends is for nobody.
        pass
    _INPUT_ENDED.set()


def _read(count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = os.read(0, min(CHUNK_BYTES, count - len(data)))
        if not piece:
            raise EOFError
        data += piece
    return data


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    os._exit(main(sys.argv[1], int(sys.argv[2])))
