"""The ASGI servers as the contract sees them: what is each server's own business, and so not held to it here."""

from __future__ import annotations

from tests.transports.asgi_servers import ASGI_SERVERS

DEADLINE = "how long a request may take is the server's to say"
REQUEST = "which requests open a WebSocket, and what may come with them, is the server's to say"
GOODBYE = "how the line ends after 1009 is the server's to say"
BOUND = "how long a message may be before the application sees it is the server's to say"
PINGS = "when a client is asked for a sign of life is the server's to say"

OF_ALL = {
    "F-17": "certificates are given to the server, not to the application",
    "F-19": "certificates are given to the server, not to the application",
    "F-20": "the application is not told whose certificate it was, so nobody can use profile 3",
    "F-33: probing": "no ping can be sent through ASGI, so such a policy is refused",
    "F-58": "it is told to leave compression off",
    "F-53": "pings are the server's to answer, and to count",
    "F-50": "the server counts octets, not fragments",
}

BY_NAME = {
    "uvicorn": {"F-01": DEADLINE, "F-02": DEADLINE, "F-56": REQUEST, "F-57: HTTP/1.0": REQUEST},
    "hypercorn": {"F-56": REQUEST, "F-57: the preface of HTTP/2": "it speaks HTTP/2", "F-49": GOODBYE},
    "uvicorn-websockets": {"F-07": PINGS, "F-49: last words": GOODBYE},
    "uvicorn-wsproto": {"F-49: last words": GOODBYE},
    "granian": {
        "F-20: asking": "it asks everybody for a certificate or nobody",
        "F-07": PINGS,
        "F-57: POST": REQUEST,
        "F-57: HTTP/1.0": REQUEST,
        "F-49: last words": BOUND,
        "F-48: an octet too many": BOUND,
        "census": "what its runtime has open it closes some time after a connection has ended",
    },
}

for _server in ASGI_SERVERS:
    _server.owns_websocket = False
    _server.beyond.update(OF_ALL)
    for _name, _beyond in BY_NAME.items():
        if _server.name.startswith(_name):
            _server.beyond.update(_beyond)
