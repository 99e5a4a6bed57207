"""Calls a method by grpcio: what to call comes as JSON, and what came of it goes out as JSON."""

import json
import sys
import threading

import grpc

RETRIES = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.01s",
                "maxBackoff": "0.02s",
                "backoffMultiplier": 1,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def pairs(metadata):
    return [[key, value] for key, value in metadata or () if isinstance(value, str)]


def messages(call, ended):
    for message in call["messages"]:
        yield message.encode()
    if call["holds"]:
        ended.wait()


def main():
    call = json.load(sys.stdin)
    options = [("grpc.service_config", json.dumps(RETRIES))]
    ended = threading.Event()
    with grpc.insecure_channel(sys.argv[1], options) as channel:
        stream = channel.stream_stream(call["method"])(
            messages(call, ended), metadata=[tuple(pair) for pair in call["metadata"]], timeout=60
        )
        got = []
        try:
            for message in stream:
                got.append(message.decode())
        except grpc.RpcError:
            pass
        answer = {
            "code": stream.code().name,
            "details": stream.details() or "",
            "initial": pairs(stream.initial_metadata()),
            "trailing": pairs(stream.trailing_metadata()),
            "messages": got,
        }
        ended.set()
    json.dump(answer, sys.stdout)


main()
