"""A gRPC service that answers each call with the metadata that it saw, as JSON, and each message of a stream with itself."""

import json
import sys
from concurrent import futures

import grpc


class Everything(grpc.GenericRpcHandler):
    def service(self, details):
        seen = json.dumps([[name, str(value)] for name, value in details.invocation_metadata]).encode()

        def watch(requests, _context):
            yield seen
            yield from requests

        if details.method.endswith("/Watch"):
            return grpc.stream_stream_rpc_method_handler(watch)
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: seen)


server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Everything(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
