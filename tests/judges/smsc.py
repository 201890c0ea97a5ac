#!/usr/bin/env python3
"""A message centre whose reading of SMPP 3.4 is not ours: the codec is smpp.pdu (PyPI smpppdu).

usage: smsc.py PORT SYSTEM_ID PASSWORD

Takes connections one after the other; asks for a sign of life before it answers a submission; prints each submission as a JSON line.
"""

import io
import json
import socket
import struct
import sys

from smpp.pdu.operations import (
    BindTransmitter,
    BindTransmitterResp,
    EnquireLink,
    EnquireLinkResp,
    SubmitSM,
    SubmitSMResp,
    Unbind,
    UnbindResp,
)
from smpp.pdu.pdu_encoding import PDUEncoder
from smpp.pdu.pdu_types import CommandStatus

CODEC = PDUEncoder()


def exactly(conn, length):
    data = b""
    while len(data) < length:
        more = conn.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read(conn):
    head = exactly(conn, 4)
    return CODEC.decode(io.BytesIO(head + exactly(conn, struct.unpack(">I", head)[0] - 4)))


def text(value):
    return value.decode("ascii") if isinstance(value, bytes) else value


def name(value):
    return getattr(value, "name", value)


def serve(conn, system_id, password):
    while True:
        pdu = read(conn)
        if isinstance(pdu, BindTransmitter):
            good = text(pdu.params["system_id"]) == system_id and text(pdu.params["password"]) == password
            status = CommandStatus.ESME_ROK if good else CommandStatus.ESME_RINVPASWD
            conn.sendall(CODEC.encode(BindTransmitterResp(sequence_number=pdu.sequence_number, status=status, system_id="judge")))
        elif isinstance(pdu, SubmitSM):
            conn.sendall(CODEC.encode(EnquireLink(sequence_number=77)))
            alive = read(conn)
            assert isinstance(alive, EnquireLinkResp) and alive.sequence_number == 77, alive
            said = {
                "to": text(pdu.params["destination_addr"]),
                "ton": name(pdu.params["dest_addr_ton"]),
                "npi": name(pdu.params["dest_addr_npi"]),
                "text": text(pdu.params["short_message"]),
            }
            print(json.dumps(said), flush=True)
            conn.sendall(CODEC.encode(SubmitSMResp(sequence_number=pdu.sequence_number, status=CommandStatus.ESME_ROK, message_id="1")))
        elif isinstance(pdu, Unbind):
            conn.sendall(CODEC.encode(UnbindResp(sequence_number=pdu.sequence_number, status=CommandStatus.ESME_ROK)))
            return


def main():
    port, system_id, password = sys.argv[1:]
    listener = socket.create_server(("127.0.0.1", int(port)))
    print("ready", flush=True)
    while True:
        conn, _ = listener.accept()
        with conn:
            try:
                serve(conn, system_id, password)
            except EOFError:
                pass


if __name__ == "__main__":
    main()
