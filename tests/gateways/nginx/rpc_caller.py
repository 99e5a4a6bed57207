"""Calls each method of standard input, one line of JSON for each, and says what came of it in the same way.

It asks up to five times, as its retry policy says, where the answer is UNAVAILABLE.
"""

import json
import sys

import grpc

policy = {
    "maxAttempts": 5,
    "initialBackoff": "0.01s",
    "maxBackoff": "0.01s",
    "backoffMultiplier": 1,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
options = [
    ("grpc.enable_retries", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config", json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})),
]
channel = grpc.insecure_channel(sys.argv[1], options=options)


def pairs(metadata):
    return [[name, str(value)] for name, value in metadata or ()]


for line in sys.stdin:
    wanted = json.loads(line)
    metadata = [tuple(pair) for pair in wanted["metadata"]]
    messages = [message.encode() for message in wanted["messages"]]
    answers = []
    call = None
    try:
        if wanted["method"].endswith("/Watch"):
            call = channel.stream_stream(wanted["method"])(iter(messages), metadata=metadata, timeout=60)
            answers = [answer.decode() for answer in call]
        else:
            answer, call = channel.unary_unary(wanted["method"]).with_call(messages[0], metadata=metadata, timeout=60)
            answers = [answer.decode()]
        code, message = call.code(), call.details()
    except grpc.RpcError as error:
        call, code, message = error, error.code(), error.details()
    said = {
        "code": code.name,
        "message": message,
        "answers": answers,
        "initial": pairs(call.initial_metadata()),
        "trailing": pairs(call.trailing_metadata()),
    }
    print(json.dumps(said), flush=True)
